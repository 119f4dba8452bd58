/* SPDX-License-Identifier: Apache-2.0
 * The token's place in a URL: it is there once, before the fragment, and without it the rest is
 * unchanged. */
#include "redirect.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str host;
	const struct str url = {.data = (const char *)data, .len = size};
	if (!catalogue_url_check(url, &host))
		return 0;
	char out[REDIRECT_URL_MAX], again[REDIRECT_URL_MAX];
	const struct str param = STR("wasl"), token = STR("TOKEN");
	const struct str first = {.data = out, .len = redirect_url(out, url, param, token)};
	/* A URL that has the token keeps it in its place: doing it twice changes nothing. */
	if (first.len > CATALOGUE_URL_MAX)
		return 0;
	const struct str second = {.data = again, .len = redirect_url(again, first, param, token)};
	struct str checked, fragment_before, fragment_after, head, tail;
	str_cut(url, '#', &head, &fragment_before);
	str_cut(first, '#', &tail, &fragment_after);
	if (!str_equal(first, second) || !catalogue_url_check(first, &checked) ||
		!str_equal(host, checked) || !str_equal(fragment_before, fragment_after) ||
		!str_contains(tail, STR("wasl=TOKEN")))
		abort();
	return 0;
}
