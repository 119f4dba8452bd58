/* SPDX-License-Identifier: Apache-2.0
 * One click out of Redis, within a deadline. */
#ifndef WASL_CTL_FETCH_H
#define WASL_CTL_FETCH_H

#include "click.h"
#include "err.h"

#define FETCH_WAIT_US 3000000 /* for all of it, the connection included */

enum fetch_result {
	FETCH_FOUND = 0,
	FETCH_NO_BUCKET,
	FETCH_NO_ENTRY,
	FETCH_REDIS_DOWN,
	FETCH_BAD_URL
};

struct fetched {
	uint8_t record[64];
	size_t record_len;
	uint8_t extras[CLICK_EXTRAS_MAX];
	size_t extras_len;
	int64_t ttl_ms; /* negative: the key never expires */
	int64_t expires_at_us;
};

enum fetch_result fetch_click(const char *redis_url, const uint8_t id[CLICK_ID_BYTES],
	struct fetched *fetched, struct err *err);
const char *fetch_result_name(enum fetch_result result); /* "no_bucket" "no_entry" "redis_down" … */

#endif
