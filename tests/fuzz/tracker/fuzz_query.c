/* SPDX-License-Identifier: Apache-2.0
 * A link's query string: what is kept obeys its limits, and survives being stored and read. */
#include "visit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct visit_query query;
	visit_query_parse((struct str){.data = (const char *)data, .len = size}, &query);
	REQUIRE(query.dropped <= CLICK_SUB_IDS + 1);
	bool has_any = false;
	for (unsigned i = 0; i <= CLICK_SUB_IDS; i++) {
		REQUIRE(query.extras.values[i].len <= CLICK_SUB_ID_MAX);
		REQUIRE(utf8_is_valid(query.extras.values[i]));
		has_any |= query.extras.values[i].len > 0;
	}
	REQUIRE(has_any == query.has_extras);
	uint8_t bytes[CLICK_EXTRAS_MAX];
	const unsigned len = click_extras_encode(bytes, &query.extras);
	struct click_extras again;
	REQUIRE(click_extras_parse((struct str){.data = (const char *)bytes, .len = len}, &again));
	for (unsigned i = 0; i <= CLICK_SUB_IDS; i++)
		REQUIRE(str_equal(again.values[i], query.extras.values[i]));
	return 0;
}
