/* SPDX-License-Identifier: Apache-2.0
 * Cookies, sub-ids and the keyed hashes. */
#include "visit.h"

#include "../common/suite.h"

#define DAY_US INT64_C(86400000000)

/* The views of the answer point into memory that the next call uses again. */
static const struct visit_query *query_of(const char *text)
{
	static struct visit_query query;
	visit_query_parse(str_from(text), &query);
	return &query;
}

START_TEST(cookie_round_trips)
{
	static const uint8_t visitor[VISITOR_BYTES] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	char line[VISITOR_COOKIE_MAX + 1];
	line[visit_cookie_format(line, visitor, false)] = '\0';
	ck_assert_str_eq(line, "Set-Cookie: __Host-wasl=_wECAwQFBgcICQoLDAAAAA; Max-Age=31536000; "
			       "Path=/; Secure; HttpOnly; SameSite=Lax\r\n");
	line[visit_cookie_format(line, visitor, true)] = '\0';
	ck_assert_str_eq(line, "Set-Cookie: wasl=_wECAwQFBgcICQoLDAAAAA; Max-Age=31536000; "
			       "Path=/; HttpOnly; SameSite=Lax\r\n");
	const struct headers headers = {
		.cookies = {STR("a=b; __Host-wasl=_wECAwQFBgcICQoLDAAAAA; c=d")},
		.cookie_count = 1};
	uint8_t found[VISITOR_BYTES];
	ck_assert(visit_cookie_find(&headers, STR(VISITOR_COOKIE), found));
	ck_assert_mem_eq(found, visitor, sizeof(visitor));
}
END_TEST

START_TEST(only_valid_cookies_count)
{
	static const struct {
		struct str line;
		bool is_good;
	} rows[] = {
		{STR(""), false},
		{STR("wasl"), false},
		{STR("wasl="), false},
		{STR("wasl=AAAAAAAAAAAAAAAAAAAAAA"), true},
		{STR("wasl=AAAAAAAAAAAAAAAAAAAAA"), false},
		{STR("wasl=AAAAAAAAAAAAAAAAAAAAAAA"), false},
		{STR("wasl=AAAAAAAAAAAAAAAAAAAAAB"), false}, /* unused bits are not zero */
		{STR("wasl=AAAAAAAAAAAAAAAAAAAAA="), false},
		{STR("wasl=\"AAAAAAAAAAAAAAAAAAAAAA\""), false},
		{STR("wasl=AAAAAAAAAAAAAAAAAAAA+A"), false},
		{STR("xwasl=AAAAAAAAAAAAAAAAAAAAAA"), false},
		{STR("WASL=AAAAAAAAAAAAAAAAAAAAAA"), false},
		{STR("wasl=x; wasl=AAAAAAAAAAAAAAAAAAAAAA"), true},
		{STR(";;; ;wasl=AAAAAAAAAAAAAAAAAAAAAA;"), true},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct headers headers = {.cookies = {rows[i].line}, .cookie_count = 1};
		uint8_t visitor[VISITOR_BYTES];
		ck_assert_msg(visit_cookie_find(&headers, STR("wasl"), visitor) == rows[i].is_good,
			"row %zu", i);
	}
}
END_TEST

START_TEST(sub_ids_are_decoded_and_kept)
{
	const struct visit_query *query =
		query_of("s1=a%20b&s5=%D9%88%D8%B5%D9%84&cid=x+y&s6=no&s0=no&S2=no&other=1");
	ck_assert(query->has_extras && !query->has_notrack && query->dropped == 0);
	ck_assert(str_equal(query->extras.values[0], STR("a b")));
	ck_assert(str_equal(query->extras.values[4], STR("\xd9\x88\xd8\xb5\xd9\x84")));
	ck_assert(str_equal(query->extras.values[5], STR("x+y"))); /* a plus is a plus */
	ck_assert_uint_eq(query->extras.values[1].len, 0);
}
END_TEST

START_TEST(first_of_duplicates_counts_even_when_dropped)
{
	const struct visit_query *query = query_of("s1=one&s1=two!");
	ck_assert_uint_eq(query->extras.values[0].len, 3);
	query = query_of("s1=%zz&s1=two");
	ck_assert(!query->has_extras && query->dropped == 1);
	query = query_of("s1=&s1=two");
	ck_assert(!query->has_extras && query->dropped == 0);
	ck_assert(query_of("notrack=1&notrack=0")->has_notrack);
	ck_assert(!query_of("notrack=0&notrack=1")->has_notrack);
	ck_assert(!query_of("notrack")->has_notrack);
	ck_assert(!query_of("notrack=11")->has_notrack);
}
END_TEST

START_TEST(sub_ids_have_limits)
{
	char text[1024];
	for (size_t len = CLICK_SUB_ID_MAX - 1; len <= CLICK_SUB_ID_MAX + 1; len++) {
		snprintf(text, sizeof(text), "cid=%.*s", (int)len, "");
		memset(text + 4, 'x', len);
		text[4 + len] = '\0';
		const struct visit_query *query = query_of(text);
		ck_assert_uint_eq(query->dropped, len > CLICK_SUB_ID_MAX);
		ck_assert_uint_eq(
			query->extras.values[CLICK_SUB_IDS].len, len > CLICK_SUB_ID_MAX ? 0 : len);
	}
	ck_assert_uint_eq(query_of("s1=%ff")->dropped, 1);
	ck_assert_uint_eq(query_of("s1=%ed%a0%80")->dropped, 1);
	ck_assert_uint_eq(query_of("s1=%")->dropped, 1);
	ck_assert_uint_eq(query_of("s1=%4")->dropped, 1);
	ck_assert_uint_eq(query_of("s1=a%00b")->extras.values[0].len, 3); /* NUL is UTF-8 */
}
END_TEST

START_TEST(hashes_depend_on_key_network_and_day)
{
	static const uint8_t secret_a[KEYRING_KEY_BYTES] = {1}, secret_b[KEYRING_KEY_BYTES] = {2};
	static const uint8_t visitor[VISITOR_BYTES] = {7};
	struct visit_keys a, b;
	visit_keys_init(&a, secret_a);
	visit_keys_init(&b, secret_b);
	ck_assert_uint_eq(visit_visitor_hash(&a, visitor), visit_visitor_hash(&a, visitor));
	ck_assert_uint_ne(visit_visitor_hash(&a, visitor), visit_visitor_hash(&b, visitor));
	ck_assert_uint_eq(visit_visitor_hash(&a, visitor) >> 48, 0);

	struct trust_address one, same_net, other_net, v6, v6_same, v6_other;
	ck_assert(trust_address_parse(STR("192.0.2.1"), &one) &&
		  trust_address_parse(STR("192.0.2.254"), &same_net) &&
		  trust_address_parse(STR("192.0.3.1"), &other_net) &&
		  trust_address_parse(STR("2001:db8:1::1"), &v6) &&
		  trust_address_parse(STR("2001:db8:1:ffff::2"), &v6_same) &&
		  trust_address_parse(STR("2001:db8:2::1"), &v6_other));
	const uint32_t hash = visit_network_hash(&a, &one, DAY_US);
	ck_assert_uint_eq(hash, visit_network_hash(&a, &same_net, 2 * DAY_US - 1));
	ck_assert_uint_ne(hash, visit_network_hash(&a, &other_net, DAY_US));
	ck_assert_uint_ne(hash, visit_network_hash(&a, &one, 2 * DAY_US));
	ck_assert_uint_ne(hash, visit_network_hash(&b, &one, DAY_US));
	ck_assert_uint_eq(hash, visit_network_hash(&a, &one, DAY_US));
	ck_assert_uint_eq(visit_network_hash(&a, &v6, 0), visit_network_hash(&a, &v6_same, 0));
	ck_assert_uint_ne(visit_network_hash(&a, &v6, 0), visit_network_hash(&a, &v6_other, 0));
}
END_TEST

START_TEST(source_is_address_app_system_and_affiliate)
{
	static const uint8_t secret[KEYRING_KEY_BYTES] = {1}, secret_other[KEYRING_KEY_BYTES] = {2};
	static const struct {
		const char *address;
		uint32_t affiliate_id;
		enum click_app app;
		enum click_os os;
		bool is_same;
	} rows[] = {
		{"192.0.2.1", 5, 1, 2, true},
		{"192.0.2.2", 5, 1, 2, false},
		{"192.0.2.1", 6, 1, 2, false},
		{"192.0.2.1", 5, 2, 2, false},
		{"192.0.2.1", 5, 1, 1, false},
	};
	struct visit_keys keys, other;
	struct trust_address v4, v6, v6_same, v6_other;
	struct click_record record = {.link = {.affiliate_id = 5}, .app = 1, .os = 2};
	visit_keys_init(&keys, secret);
	visit_keys_init(&other, secret_other);
	ck_assert(trust_address_parse(STR("192.0.2.1"), &v4) &&
		  trust_address_parse(STR("2001:db8:1:1::1"), &v6) &&
		  trust_address_parse(STR("2001:db8:1:1:ffff::2"), &v6_same) &&
		  trust_address_parse(STR("2001:db8:1:2::1"), &v6_other));
	const uint64_t hash = visit_source_hash(&keys, &v4, &record);
	ck_assert(hash != 0 && hash >> 48 == 0 && hash != visit_source_hash(&other, &v4, &record));
	ck_assert_uint_eq(visit_source_hash(&keys, &v6, &record),
		visit_source_hash(&keys, &v6_same, &record));
	ck_assert_uint_ne(visit_source_hash(&keys, &v6, &record),
		visit_source_hash(&keys, &v6_other, &record));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct trust_address address;
		ck_assert(trust_address_parse(str_from(rows[i].address), &address));
		record.link.affiliate_id = rows[i].affiliate_id;
		record.app = rows[i].app;
		record.os = rows[i].os;
		ck_assert_msg(
			(visit_source_hash(&keys, &address, &record) == hash) == rows[i].is_same,
			"row %zu", i);
	}
}
END_TEST

SUITE_MAIN("visit", cookie_round_trips, only_valid_cookies_count, sub_ids_are_decoded_and_kept,
	first_of_duplicates_counts_even_when_dropped, sub_ids_have_limits,
	hashes_depend_on_key_network_and_day, source_is_address_app_system_and_affiliate)
