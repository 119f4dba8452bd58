/* SPDX-License-Identifier: Apache-2.0
 * Query strings: the parameters are views in order, and put together again they are the query. */
#include <stdlib.h>

#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct str query;
	const char *at; /* where the next one may begin */
	unsigned count;
};

static void check(bool is_so)
{
	if (!is_so)
		abort();
}

static void on_param(struct str raw_name, struct str raw_value, void *arg)
{
	struct seen *seen = arg;
	const char *end = seen->query.data + seen->query.len;
	seen->count++;
	while (seen->at < end && *seen->at == '&')
		seen->at++;
	check(raw_name.data == seen->at && raw_name.len <= (size_t)(end - seen->at));
	seen->at += raw_name.len;
	if (raw_value.data) {
		check(*seen->at == '=' && raw_value.data == seen->at + 1);
		seen->at += 1 + raw_value.len;
	}
	check(seen->at <= end && (seen->at == end || *seen->at == '&'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str query = {(const char *)data, size};
	struct seen seen = {.query = query, .at = query.data};
	const bool is_all = http_query_each(query, on_param, &seen);
	check(seen.count <= HTTP_PARAMS_MAX);
	while (is_all && seen.at < query.data + size)
		check(*seen.at++ == '&');
	return 0;
}
