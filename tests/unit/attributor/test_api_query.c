/* SPDX-License-Identifier: Apache-2.0
 * What callers of the reading API may write: keys, media types, paths, filters, cursors. */
#include "api_query.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD_MAX        4096

static char head[HEAD_MAX];
static struct http_request request;
static struct api_fault fault;
static struct api_filter filter;
static struct api_path path;

static void ask(const char *header_line)
{
	(void)snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\n%s%s\r\n", header_line,
		header_line[0] != '\0' ? "\r\n" : "");
	ck_assert_uint_eq(http_parse(str_from(head), &request), 0);
}

static const struct {
	const char *line;
	const char *key; /* "" refused */
} bearers[] = {
	{"", ""},
	{"Authorization: Bearer", ""},
	{"Authorization: Bearer ", ""},
	{"Authorization: Bearer wasl_", ""},
	{"Authorization: Bearer wasl_123456789", ""},
	{"Authorization: Bearer wasl_12345678901", "wasl_12345678901"},
	{"authorization: bEARER   wasl_12345678901", "wasl_12345678901"},
	{"Authorization: Basic wasl_12345678901", ""},
	{"Authorization: Bearer WASL_12345678901", ""},
	{"Authorization: Bearer xasl_12345678901", ""},
	{"Authorization: wasl_12345678901", ""},
};

START_TEST(bearer_keys_are_found)
{
	ask(bearers[_i].line);
	ck_assert_msg(
		str_equal(api_bearer(&request), str_from(bearers[_i].key)), "%s", bearers[_i].line);
}
END_TEST

START_TEST(longest_key_is_taken_and_one_byte_more_is_not)
{
	char line[2 * API_KEY_MAX];
	int len = snprintf(line, sizeof(line), "Authorization: Bearer wasl_");
	memset(line + len, 'a', API_KEY_MAX - 4);
	line[len + API_KEY_MAX - 5] = '\0';
	ask(line);
	ck_assert_uint_eq(api_bearer(&request).len, API_KEY_MAX);
	line[len + API_KEY_MAX - 5] = 'a';
	line[len + API_KEY_MAX - 4] = '\0';
	ask(line);
	ck_assert_uint_eq(api_bearer(&request).len, 0);
}
END_TEST

static const struct {
	const char *line;
	bool is_csv;
} accepts[] = {
	{"", false},
	{"Accept: */*", false},
	{"Accept: text/*", false},
	{"Accept: application/json", false},
	{"Accept: text/csv", true},
	{"Accept: Text/CSV; charset=utf-8", true},
	{"Accept: text/csv;q=0", false},
	{"Accept: text/csv;q=0.000", false},
	{"Accept: text/csv;q=x", false},
	{"Accept: text/csv;q=1.0", true},
	{"Accept: text/csv, application/json", true},
	{"Accept: application/json, text/csv;q=0.9", false},
	{"Accept: application/json;q=0.5, text/csv;q=0.51", true},
	{"Accept: text/csvx", false},
	{"Accept: ,,;,", false},
};

START_TEST(csv_is_given_to_those_who_name_it)
{
	ask(accepts[_i].line);
	ck_assert_msg(api_wants_csv(&request) == accepts[_i].is_csv, "%s", accepts[_i].line);
}
END_TEST

static const struct {
	const char *path;
	enum api_route route;
} routes[] = {
	{"/v1/commissions", API_ROUTE_COMMISSIONS},
	{"/v1/links", API_ROUTE_LINKS},
	{"/v1/affiliates/7/balance", API_ROUTE_BALANCE},
	{"/v1/affiliates//balance", API_ROUTE_BALANCE},
	{"/v1/stores/1/orders/1001", API_ROUTE_ORDER},
	{"/v1/stores/1/orders/a%2Fb", API_ROUTE_ORDER},
	{"/v1/stores/1/orders/", API_ROUTE_ORDER},
	{"/v1/stores/1/orders", API_ROUTE_NONE},
	{"/v1/stores/1/orders/1/2", API_ROUTE_NONE},
	{"/v1/stores/1/orders/1/", API_ROUTE_NONE},
	{"/v1/stores/1/events", API_ROUTE_NONE},
	{"/v1/commissions/", API_ROUTE_NONE},
	{"/v1/commission", API_ROUTE_NONE},
	{"/v2/commissions", API_ROUTE_NONE},
	{"//v1/commissions", API_ROUTE_NONE},
	{"v1/commissions", API_ROUTE_NONE},
	{"/v1", API_ROUTE_NONE},
	{"/", API_ROUTE_NONE},
	{"", API_ROUTE_NONE},
	{"*", API_ROUTE_NONE},
	{"/v1/a/b/c/d/e/f/g/h/i", API_ROUTE_NONE},
};

START_TEST(routes_are_told_apart_by_their_path)
{
	ck_assert_msg(
		api_route_of(str_from(routes[_i].path)) == routes[_i].route, "%s", routes[_i].path);
}
END_TEST

static const struct {
	const char *path;
	unsigned status; /* 0: taken */
	const char *order_id;
} orders[] = {
	{"/v1/stores/1/orders/1001", 0, "1001"},
	{"/v1/stores/4294967295/orders/%D8%B7%D9%84%D8%A8", 0, "طلب"},
	{"/v1/stores/1/orders/a%2Fb%3Fc", 0, "a/b?c"},
	{"/v1/stores/1/orders/a+b", 0, "a+b"},
	{"/v1/stores/%31/orders/1", 0, "1"},
	{"/v1/stores/0/orders/1", 404, ""},
	{"/v1/stores/4294967296/orders/1", 404, ""},
	{"/v1/stores/01/orders/1", 404, ""},
	{"/v1/stores/x/orders/1", 404, ""},
	{"/v1/stores//orders/1", 404, ""},
	{"/v1/stores/1/orders/", 404, ""},
	{"/v1/stores/1/orders/%FF", 404, ""},
	{"/v1/stores/1/orders/%00", 400, ""},
	{"/v1/stores/1/orders/a%00b", 400, ""},
	{"/v1/stores/%00/orders/1", 400, ""},
	{"/v1/stores/1/orders/%", 400, ""},
	{"/v1/stores/1/orders/%4", 400, ""},
	{"/v1/stores/1/orders/%zz", 400, ""},
};

START_TEST(paths_are_decoded_after_splitting)
{
	fault.status = 0;
	const bool is_ok =
		api_path_parse(&path, API_ROUTE_ORDER, str_from(orders[_i].path), &fault);
	ck_assert_msg(is_ok == (orders[_i].status == 0), "%s", orders[_i].path);
	ck_assert_uint_eq(fault.status, orders[_i].status);
	const struct str order_id = {.data = path.order_id, .len = path.order_id_len};
	if (is_ok)
		ck_assert(str_equal(order_id, str_from(orders[_i].order_id)));
}
END_TEST

START_TEST(order_ids_end_at_their_limit)
{
	char text[256];
	const int len = snprintf(text, sizeof(text), "/v1/stores/1/orders/");
	memset(text + len, 'x', ORDER_ID_MAX + 1);
	text[len + ORDER_ID_MAX] = '\0';
	ck_assert(api_path_parse(&path, API_ROUTE_ORDER, str_from(text), &fault));
	ck_assert_uint_eq(path.order_id_len, ORDER_ID_MAX);
	text[len + ORDER_ID_MAX] = 'x';
	text[len + ORDER_ID_MAX + 1] = '\0';
	ck_assert(!api_path_parse(&path, API_ROUTE_ORDER, str_from(text), &fault));
}
END_TEST

START_TEST(no_filter_is_the_first_hundred_of_all)
{
	ck_assert(api_filter_parse(&filter, STR(""), &fault));
	ck_assert_uint_eq(filter.limit, API_LIMIT_DEFAULT);
	ck_assert_str_eq(filter.state, "");
	ck_assert(!filter.has_from && !filter.has_to && filter.after == 0);
	ck_assert(filter.affiliate_id == 0 && filter.store_id == 0);
	ck_assert(api_filter_parse(
		&filter, STR("state=&affiliate=&store=&from=&to=&limit=&cursor="), &fault));
	ck_assert_uint_eq(filter.limit, API_LIMIT_DEFAULT);
}
END_TEST

START_TEST(all_filters_are_read)
{
	char cursor[API_CURSOR_MAX], query[256];
	api_cursor_encode(cursor, 250);
	(void)snprintf(query, sizeof(query),
		"state=pending&affiliate=7&store=4294967295&from=2026-11-21T10:00:00+02:00"
		"&to=2026-11-21T10%%3A00%%3A00.5Z&limit=1000&cursor=%s",
		cursor);
	ck_assert_msg(api_filter_parse(&filter, str_from(query), &fault), "%s", fault.detail);
	ck_assert_str_eq(filter.state, "pending");
	ck_assert_uint_eq(filter.affiliate_id, 7);
	ck_assert_uint_eq(filter.store_id, UINT32_MAX);
	ck_assert_int_eq(filter.to_us - filter.from_us, INT64_C(7200500000));
	ck_assert_uint_eq(filter.limit, API_LIMIT_MAX);
	ck_assert_uint_eq(filter.after, 250);
}
END_TEST

static const struct {
	const char *query;
	const char *code;
	const char *detail; /* begins with this */
} refused[] = {
	{"state=Pending", "bad_parameter", "state: must be one of pending held approved"},
	{"state=pending%20", "bad_parameter", "state"},
	{"affiliate=0", "bad_parameter", "affiliate"},
	{"affiliate=4294967296", "bad_parameter", "affiliate"},
	{"affiliate=-1", "bad_parameter", "affiliate"},
	{"store=1.0", "bad_parameter", "store"},
	{"store=%00", "bad_parameter", "store"},
	{"from=2026-11-21", "bad_parameter", "from"},
	{"from=2026-11-21T10:00:00", "bad_parameter", "from"},
	{"to=now", "bad_parameter", "to"},
	{"limit=0", "bad_parameter", "limit"},
	{"limit=1001", "bad_parameter", "limit"},
	{"limit=ten", "bad_parameter", "limit"},
	{"cursor=1", "bad_parameter", "cursor"},
	{"cursor=%zz", "bad_parameter", "cursor"},
	{"cursor=YzI6MQ", "bad_parameter", "cursor"},
	{"state=pending&state=held", "duplicate_parameter", "state"},
	{"limit=1&limit=", "duplicate_parameter", "limit"},
	{"form=2026-11-21T10:00:00Z", "unknown_parameter", "form"},
	{"State=pending", "unknown_parameter", "State"},
	{"=1", "unknown_parameter", ""},
	{"%FF=1", "unknown_parameter", "?"},
	{"%=1", "unknown_parameter", ""},
};

START_TEST(bad_filters_are_refused_by_name)
{
	fault = (struct api_fault){0};
	ck_assert_msg(!api_filter_parse(&filter, str_from(refused[_i].query), &fault), "%s",
		refused[_i].query);
	ck_assert_uint_eq(fault.status, 422);
	ck_assert_str_eq(fault.code, refused[_i].code);
	ck_assert_msg(str_has_prefix(str_from(fault.detail), str_from(refused[_i].detail)),
		"%s: %s", refused[_i].query, fault.detail);
}
END_TEST

START_TEST(every_state_of_a_commission_is_a_filter)
{
	static const char *const words[] = {
#define COMMISSION_STATE(name, text, bucket) text,
#include "commission.def"
	};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		char query[64];
		(void)snprintf(query, sizeof(query), "state=%s", words[i]);
		ck_assert(api_filter_parse(&filter, str_from(query), &fault));
		ck_assert_str_eq(filter.state, words[i]);
	}
}
END_TEST

START_TEST(cursors_come_back)
{
	static const uint64_t ids[] = {0, 1, 9, 10, 4294967296, INT64_MAX};
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		char text[API_CURSOR_MAX];
		uint64_t after = 1;
		api_cursor_encode(text, ids[i]);
		ck_assert(api_cursor_parse(str_from(text), &after));
		ck_assert_uint_eq(after, ids[i]);
	}
}
END_TEST

int main(void)
{
	TCase *const tcase = tcase_create("api_query");
	tcase_add_loop_test(tcase, bearer_keys_are_found, 0, (int)COUNT_OF(bearers));
	tcase_add_test(tcase, longest_key_is_taken_and_one_byte_more_is_not);
	tcase_add_loop_test(tcase, csv_is_given_to_those_who_name_it, 0, (int)COUNT_OF(accepts));
	tcase_add_loop_test(tcase, routes_are_told_apart_by_their_path, 0, (int)COUNT_OF(routes));
	tcase_add_loop_test(tcase, paths_are_decoded_after_splitting, 0, (int)COUNT_OF(orders));
	tcase_add_test(tcase, order_ids_end_at_their_limit);
	tcase_add_test(tcase, no_filter_is_the_first_hundred_of_all);
	tcase_add_test(tcase, all_filters_are_read);
	tcase_add_loop_test(tcase, bad_filters_are_refused_by_name, 0, (int)COUNT_OF(refused));
	tcase_add_test(tcase, every_state_of_a_commission_is_a_filter);
	tcase_add_test(tcase, cursors_come_back);
	Suite *const suite = suite_create("api_query");
	suite_add_tcase(suite, tcase);
	SRunner *const runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed_count = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
