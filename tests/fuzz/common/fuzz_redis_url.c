/* SPDX-License-Identifier: Apache-2.0
 * Redis URLs: what is taken has a host and ends inside its fields; what is refused says so in
 * words. */
#include <stdlib.h>
#include <string.h>

#include "redis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_so)
{
	if (!is_so)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_url url;
	struct err err = {0};
	const struct str text = {(const char *)data, size};
	memset(&url, 'x', sizeof(url));
	if (!redis_url_parse(text, &url, &err)) {
		check(err.kind == ERR_FORMAT && err.msg[0] != '\0');
		return 0;
	}
	check(memchr(url.host, 0, sizeof(url.host)) && url.host[0] != '\0');
	check(memchr(url.user, 0, sizeof(url.user)) != NULL);
	check(memchr(url.secret_password, 0, sizeof(url.secret_password)) != NULL);
	check(url.port != 0 || url.host[0] == '/');
	return 0;
}
