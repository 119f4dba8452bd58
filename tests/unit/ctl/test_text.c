/* SPDX-License-Identifier: Apache-2.0
 * What a terminal may see, and how wide it is. */
#include "text.h"

#include <string.h>

#include "../common/suite.h"

START_TEST(control_characters_never_leave_as_they_are)
{
	static const struct {
		struct str text;
		const char *escaped;
	} rows[] = {
		{STR(""), ""},
		{STR("plain"), "plain"},
		{STR("\xd8\xa3\xd8\xad"), "\xd8\xa3\xd8\xad"},
		{STR("a\nb\tc\r"), "a\\nb\\tc\\r"},
		{STR("\x1b[31m"), "\\x1b[31m"},
		{STR("\0x"), "\\x00x"},
		{STR("\x7f"), "\\x7f"},
		{STR("\xc2\x9b"), "\\u009b"},
		{STR("\xe2\x80\xae"), "\\u202e"},
		{STR("\xe2\x81\xa6"), "\\u2066"},
		{STR("\xe2\x80\x8f"), "\xe2\x80\x8f"}, /* a mark that turns nothing after it */
		{STR("\xff"), "\\xff"},
		{STR("\xed\xa0\x80"), "\\xed\\xa0\\x80"},
		{STR("\xf0\x9f\x98"), "\\xf0\\x9f\\x98"},
		{STR("a\xe2\x82"), "a\\xe2\\x82"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;
		buf_init(&out, 256);
		text_escape(&out, rows[i].text);
		ck_assert_msg(strcmp(buf_cstr(&out), rows[i].escaped) == 0, "row %zu: '%s'", i,
			buf_cstr(&out));
		ck_assert(!text_has_control(buf_str(&out)));
		ck_assert_uint_le(out.len, rows[i].text.len * TEXT_ESCAPE_MAX);
		buf_release(&out);
	}
}
END_TEST

START_TEST(json_stays_json)
{
	struct buf out;
	buf_init(&out, 256);
	text_escape_json(&out, STR("\"a\x7f\xc2\x9b\xe2\x80\xae\xd8\xa3\""));
	ck_assert_str_eq(buf_cstr(&out), "\"a\\u007f\\u009b\\u202e\xd8\xa3\"");
	buf_release(&out);
}
END_TEST

START_TEST(columns_are_what_a_terminal_takes)
{
	static const struct {
		struct str text;
		unsigned columns;
	} rows[] = {
		{STR(""), 0},
		{STR("abc"), 3},
		{STR("\xd8\xa3\xd8\xad\xd9\x85\xd8\xaf"), 4},         /* أحمد */
		{STR("\xd9\x85\xd8\xb9\xd9\x84\xd9\x91\xd9\x82"), 4}, /* معلّق: shadda takes none */
		{STR("e\xcc\x81"), 1},
		{STR("\xe4\xb8\xad"), 2},
		{STR("\xf0\x9f\x98\x80"), 2},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		ck_assert_msg(text_columns(rows[i].text) == rows[i].columns, "row %zu", i);
}
END_TEST

START_TEST(anything_becomes_utf8)
{
	struct buf out;
	buf_init(&out, 256);
	text_add_utf8(&out, STR("a\xff\xd8\xa3\xd8"));
	ck_assert_str_eq(buf_cstr(&out), "a\xef\xbf\xbd\xd8\xa3\xef\xbf\xbd");
	ck_assert(utf8_is_valid(buf_str(&out)));
	buf_release(&out);
}
END_TEST

SUITE_MAIN("text", control_characters_never_leave_as_they_are, json_stays_json,
	columns_are_what_a_terminal_takes, anything_becomes_utf8)
