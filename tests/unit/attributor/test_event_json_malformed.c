/* SPDX-License-Identifier: Apache-2.0
 * Bodies that are no JSON that everybody reads alike, and JSON that is no object. */
#include "event_json.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static struct event *event;
static struct event_fault fault;
static char body[100000];

static enum event_json_result parse(struct str text)
{
	const struct event_defaults defaults = {.tax_bp = ORDER_NO_TAX};
	return event_json_parse(text, &defaults, &event, &fault);
}

/* What is not one JSON value that everybody reads alike. */
static const struct {
	struct str body;
} malformed[] = {
	{STR("")},
	{STR(" ")},
	{STR("{")},
	{STR("{\"type\":\"order.placed\"")},
	{STR("{} {}")},
	{STR("{}x")},
	{STR("{\"a\":1,}")},
	{STR("{'a':1}")},
	{STR("[1,]")},
	{STR("nul")},
	{STR("\"x")},
	{STR("NaN")},
	{STR("01")},
	{STR("{\"a\":+1}")},
	{STR("{\"a\":.5}")},
	{STR("{\"a\":5.}")},
	{STR("{\"a\":0x1}")},
	{STR("{\"a\":1,\"a\":1}")},
	{STR("{\"a\":{\"b\":[{\"c\":1,\"c\":2}]}}")},
	{STR("{\"a\":1,\"\\u0061\":1}")},
	{STR("{\"a\":9223372036854775808}")},
	{STR("{\"a\":-9223372036854775809}")},
	{STR("{\"a\":1e400}")},
	{STR("{\"a\":-1e400}")},
	{STR("{\"a\":\"\\u0000\"}")},
	{STR("{\"a\\u0000\":1}")},
	{STR("{\"a\":\"\0\"}")},
	{STR("{}\0")},
	{STR("\0{}")},
	{STR("{\"a\":\"\xff\"}")},
	{STR("{\"a\":\"\xc0\xaf\"}")},
	{STR("{\"a\":\"\xed\xa0\x80\"}")},
	{STR("{\"a\":\"\xf4\x90\x80\x80\"}")},
	{STR("{\"a\":\"\xd9\"}")},
	{STR("{\"a\":\"\\ud800\"}")},
	{STR("{\"a\":\"\\udc00\"}")},
	{STR("{\"a\":\"\\ud800\\ud800\"}")},
	{STR("{\"a\":\"\n\"}")},
	{STR("{\"a\":\"\\x\"}")},
	{STR("\xef\xbb\xbf{}")},
	{STR("\xff\xfe{\0}\0")},
	{STR("\xfe\xff\0{\0}")},
};

START_TEST(what_is_not_json_is_malformed)
{
	ck_assert_int_eq(parse(malformed[_i].body), EVENT_JSON_MALFORMED);
	ck_assert_str_eq(fault.code, "malformed_json");
	ck_assert_str_eq(fault.pointer, "");
	ck_assert_str_ne(fault.detail, "");
	ck_assert_ptr_null(event);
}
END_TEST

START_TEST(other_json_values_are_no_events)
{
	static const char *const values[] = {
		"null", "true", "[]", "[{}]", "\"x\"", "0", "-1.5e3", "9223372036854775807"};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		ck_assert_int_eq(parse(str_from(values[i])), EVENT_JSON_INVALID);
		ck_assert_str_eq(fault.code, "wrong_type");
		ck_assert_str_eq(fault.pointer, "");
	}
}
END_TEST

START_TEST(nesting_ends_at_the_limit)
{
	for (unsigned depth = EVENT_DEPTH_MAX - 1; depth <= EVENT_DEPTH_MAX + 1; depth++) {
		memset(body, '[', depth);
		memset(body + depth, ']', depth);
		ck_assert_int_eq(parse((struct str){.data = body, .len = 2 * depth}),
			depth <= EVENT_DEPTH_MAX ? EVENT_JSON_INVALID : EVENT_JSON_MALFORMED);
	}
	memset(body, '[', 100000);
	ck_assert_int_eq(parse((struct str){.data = body, .len = 100000}), EVENT_JSON_MALFORMED);
	/* Brackets in texts are no nesting, and a quoted quotation mark ends no text. */
	memset(body, '{', 200);
	memcpy(body, "[\"\\\"", 4);
	memcpy(body + 200, "\"]", 2);
	ck_assert_int_eq(parse((struct str){.data = body, .len = 202}), EVENT_JSON_INVALID);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("event_json_malformed");
	TCase *tcase = tcase_create("event_json_malformed");
	tcase_add_loop_test(tcase, what_is_not_json_is_malformed, 0,
		(int)(sizeof(malformed) / sizeof(malformed[0])));
	tcase_add_test(tcase, other_json_values_are_no_events);
	tcase_add_test(tcase, nesting_ends_at_the_limit);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
