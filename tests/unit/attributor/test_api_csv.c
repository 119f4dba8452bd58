/* SPDX-License-Identifier: Apache-2.0
 * CSV that a spreadsheet reads back as it was, and runs nothing of. */
#include "api_csv.h"

#include <check.h>
#include <stdlib.h>

static const struct {
	const char *text;
	const char *cell;
} cells[] = {
	{"", ""},
	{"a", "a"},
	{"متجر النيل", "متجر النيل"},
	{"a b", "a b"},
	{"a,b", "\"a,b\""},
	{"\"", "\"\"\"\""},
	{"a\"b\"", "\"a\"\"b\"\"\""},
	{"a\nb", "\"a\nb\""},
	{"a\rb", "\"a\rb\""},
	{"=1+1", "'=1+1"},
	{"+20100", "'+20100"},
	{"-5.00", "'-5.00"},
	{"@SUM(A1)", "'@SUM(A1)"},
	{"=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""},
	{"a=b", "a=b"},
	{"'=1", "'=1"},
};

START_TEST(cells_are_quoted_and_guarded)
{
	struct buf out;
	buf_init(&out, 1024);
	api_csv_cell(&out, 0, str_from(cells[_i].text));
	ck_assert_str_eq(buf_cstr(&out), cells[_i].cell);
	buf_release(&out);
}
END_TEST

START_TEST(lines_have_commas_between_and_end_in_crlf)
{
	struct buf out;
	buf_init(&out, 1024);
	api_csv_begin(&out);
	api_csv_cell(&out, 0, STR(""));
	api_csv_cell(&out, 1, STR("b"));
	api_csv_cell(&out, 2, STR(""));
	api_csv_end_line(&out);
	ck_assert_str_eq(buf_cstr(&out), "\xef\xbb\xbf,b,\r\n");
	buf_release(&out);
}
END_TEST

int main(void)
{
	TCase *const tcase = tcase_create("api_csv");
	tcase_add_loop_test(
		tcase, cells_are_quoted_and_guarded, 0, (int)(sizeof(cells) / sizeof(cells[0])));
	tcase_add_test(tcase, lines_have_commas_between_and_end_in_crlf);
	Suite *const suite = suite_create("api_csv");
	suite_add_tcase(suite, tcase);
	SRunner *const runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed_count = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
