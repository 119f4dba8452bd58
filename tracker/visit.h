/* SPDX-License-Identifier: Apache-2.0
 * The visitor behind a click: cookie, sub-ids, and the keyed hashes that the record keeps instead.
 * Pure. */
#ifndef WASL_TRACKER_VISIT_H
#define WASL_TRACKER_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include "click.h"
#include "headers.h"
#include "keyring.h"
#include "siphash.h"
#include "str.h"
#include "trust.h"

#define VISITOR_BYTES        16
#define VISITOR_TEXT_LEN     22 /* base64url */
#define VISITOR_COOKIE       "__Host-wasl"
#define VISITOR_COOKIE_PLAIN "wasl" /* with insecure-cookie */
#define VISITOR_COOKIE_MAX   160    /* one Set-Cookie line */
#define VISITOR_MAX_AGE_S    31536000

/* Keys of the hashes. The network's changes every day (UTC), so that addresses can't be joined
 * over days; both come from the keyring, so that every worker of every tracker gets the same hash.
 */
struct visit_keys {
	uint8_t secret_root[SIPHASH_KEY_BYTES];
	uint8_t secret_visitor[SIPHASH_KEY_BYTES];
	uint8_t secret_source[SIPHASH_KEY_BYTES];
	uint8_t secret_network[SIPHASH_KEY_BYTES];
	int64_t network_day; /* days since 1970 */
};
void visit_keys_init(struct visit_keys *keys, const uint8_t secret_person[KEYRING_KEY_BYTES]);

/* 48 bits, never 0. */
uint64_t visit_visitor_hash(const struct visit_keys *keys, const uint8_t visitor[VISITOR_BYTES]);
/* Of the /24 or /48, under the key of wall_us's day; never 0. */
uint32_t visit_network_hash(
	struct visit_keys *keys, const struct trust_address *client, int64_t wall_us);
/* Of the IPv4 address or IPv6 /64, the app, the system and the affiliate: 48 bits, never 0. For
 * counting in memory; it is not kept with the click. */
uint64_t visit_source_hash(const struct visit_keys *keys, const struct trust_address *client,
	const struct click_record *record);

/* The first cookie of that name that is valid (22 base64url characters of 16 bytes). */
bool visit_cookie_find(
	const struct headers *headers, struct str name, uint8_t visitor[VISITOR_BYTES]);
/* "Set-Cookie: …\r\n"; returns its length. */
unsigned visit_cookie_format(
	char out[VISITOR_COOKIE_MAX], const uint8_t visitor[VISITOR_BYTES], bool is_insecure);

/* What the link's query says: s1-s5, cid, notrack. Names are compared as sent; values are
 * percent-decoded
 * ('+' stays '+'); of duplicates the first counts, whatever it holds; over CLICK_SUB_ID_MAX bytes,
 * not UTF-8, or badly encoded: dropped. Only the first HTTP_PARAMS_MAX parameters are looked at. */
struct visit_query {
	struct click_extras extras; /* views into text */
	bool has_extras;
	bool has_notrack; /* notrack=1 */
	unsigned dropped;
	unsigned seen; /* bit per name */
	char text[CLICK_SUB_IDS + 1][CLICK_SUB_ID_MAX];
};
void visit_query_parse(struct str raw_query, struct visit_query *query);

#endif
