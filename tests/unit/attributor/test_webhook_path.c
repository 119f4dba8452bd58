/* SPDX-License-Identifier: Apache-2.0
 * Which path is whose events route. */
#include "webhook.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

struct row {
	const char *path;
	enum webhook_path path_is;
	uint32_t store_id;
};

static const struct row rows[] = {
	{"", WEBHOOK_PATH_OTHER, 0},
	{"*", WEBHOOK_PATH_OTHER, 0},
	{"/", WEBHOOK_PATH_OTHER, 0},
	{"/v1/stores/1/events", WEBHOOK_PATH_EVENTS, 1},
	{"/v1/stores/4294967295/events", WEBHOOK_PATH_EVENTS, 4294967295u},
	{"/%76%31/stores/%31/event%73", WEBHOOK_PATH_EVENTS, 1},
	{"/v1/stores/0/events", WEBHOOK_PATH_NO_STORE, 0},
	{"/v1/stores/4294967296/events", WEBHOOK_PATH_NO_STORE, 0},
	{"/v1/stores/01/events", WEBHOOK_PATH_NO_STORE, 0},
	{"/v1/stores/+1/events", WEBHOOK_PATH_NO_STORE, 0},
	{"/v1/stores/-1/events", WEBHOOK_PATH_NO_STORE, 0},
	{"/v1/stores//events", WEBHOOK_PATH_NO_STORE, 0},
	{"/v1/stores/1%20/events", WEBHOOK_PATH_NO_STORE, 0},
	{"/v1/stores/1/Events", WEBHOOK_PATH_OTHER, 0},
	{"/v1/stores/1/events/", WEBHOOK_PATH_OTHER, 0},
	{"//v1/stores/1/events", WEBHOOK_PATH_OTHER, 0},
	{"/v1/stores/1", WEBHOOK_PATH_OTHER, 0},
	{"/v1/stores%2f1/events", WEBHOOK_PATH_OTHER, 0},
	{"/v1/stores/1%2fevents/events", WEBHOOK_PATH_NO_STORE, 0},
	{"/v1/stores/%00/events", WEBHOOK_PATH_BAD, 0},
	{"/v1/stores/1%00/events", WEBHOOK_PATH_BAD, 0},
	{"/v1/stores/%zz/events", WEBHOOK_PATH_BAD, 0},
	{"/v1/stores/%4/events", WEBHOOK_PATH_BAD, 0},
	{"/v1/stores/1/events%", WEBHOOK_PATH_BAD, 0},
};

START_TEST(only_a_stores_events_are_taken)
{
	const struct row *const row = &rows[_i];
	uint32_t store_id = 0;
	ck_assert_int_eq(webhook_path_parse(str_from(row->path), &store_id), row->path_is);
	ck_assert_uint_eq(store_id, row->store_id);
}
END_TEST

START_TEST(a_segment_may_be_long)
{
	char path[8192];
	uint32_t store_id = 0;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	ck_assert_int_eq(webhook_path_parse((struct str){path, sizeof(path)}, &store_id),
		WEBHOOK_PATH_OTHER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("webhook_path");
	TCase *tcase = tcase_create("webhook_path");
	tcase_add_loop_test(
		tcase, only_a_stores_events_are_taken, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tcase, a_segment_may_be_long);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
