/* SPDX-License-Identifier: Apache-2.0
 * The bounded buffer: its maximum holds whatever is added, and a failure sticks. */
#include "buf.h"

#include "suite.h"

START_TEST(maximum_is_reached_but_never_passed)
{
	struct buf buf;
	buf_init(&buf, 4);
	ck_assert_str_eq(buf_cstr(&buf), "");
	buf_add_cstr(&buf, "abc");
	buf_add_cstr(&buf, "d");
	ck_assert(!buf.has_failed);
	ck_assert_str_eq(buf_cstr(&buf), "abcd");
	ck_assert_uint_le(buf.cap, 5);
	buf_add_cstr(&buf, "e");
	ck_assert(buf.has_failed);
	ck_assert_str_eq(buf_cstr(&buf), "");
	buf_clear(&buf);
	buf_add(&buf, NULL, 0);
	buf_add_cstr(&buf, "ok");
	ck_assert_str_eq(buf_cstr(&buf), "ok");
	buf_release(&buf);
	ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(after_a_refusal_everything_is_ignored)
{
	struct buf buf;
	buf_init(&buf, 3);
	buf_add_cstr(&buf, "abcd");
	buf_add_cstr(&buf, "a");
	buf_addf(&buf, "%d", 1);
	ck_assert(buf.has_failed);
	ck_assert_uint_eq(buf.len, 0);
	buf_release(&buf);
	buf_init(&buf, SIZE_MAX);
	buf_add_cstr(&buf, "a");
	ck_assert(buf.has_failed);
	buf_release(&buf);
	buf_init(&buf, 0);
	buf_add_str(&buf, STR(""));
	ck_assert(!buf.has_failed);
	buf_add_str(&buf, STR("a"));
	ck_assert(buf.has_failed);
	buf_release(&buf);
}
END_TEST

START_TEST(formats_are_whole_or_refused)
{
	struct buf buf;
	buf_init(&buf, 1000);
	buf_addf(&buf, "%s", "");
	buf_addf(&buf, "%0*d", 255, 7);
	buf_addf(&buf, "%s-%d", "x", 42);
	ck_assert_uint_eq(buf.len, 259);
	ck_assert_str_eq(buf_cstr(&buf) + 254, "7x-42");
	buf_addf(&buf, "%0*d", 741, 1);
	ck_assert(!buf.has_failed);
	ck_assert_uint_eq(buf.len, 1000);
	buf_addf(&buf, "%c", 'y');
	ck_assert(buf.has_failed);
	buf_release(&buf);
}
END_TEST

START_TEST(numbers_are_written_whole)
{
	static const struct {
		int64_t value;
		const char *text;
	} rows[] = {{0, "0"}, {7, "7"}, {9, "9"}, {10, "10"}, {99, "99"}, {100, "100"},
		{101, "101"}, {999, "999"}, {1000, "1000"}, {10101, "10101"}, {-1, "-1"},
		{-10, "-10"}, {1234567890123, "1234567890123"}, {INT64_MAX, "9223372036854775807"},
		{INT64_MIN, "-9223372036854775808"}};
	struct buf buf;
	buf_init(&buf, 64);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&buf);
		buf_add_int(&buf, rows[i].value);
		ck_assert_str_eq(buf_cstr(&buf), rows[i].text);
	}
	buf_release(&buf);
	buf_init(&buf, 3);
	buf_add_int(&buf, 1000);
	ck_assert(buf.has_failed);
	buf_release(&buf);
}
END_TEST

START_TEST(consuming_keeps_the_rest)
{
	struct buf buf;
	buf_init(&buf, 100);
	buf_consume(&buf, 5);
	buf_add_str(&buf, STR("a\0bcd"));
	buf_consume(&buf, 0);
	buf_consume(&buf, 2);
	ck_assert(str_equal(buf_str(&buf), STR("bcd")));
	buf_consume(&buf, 99);
	ck_assert_uint_eq(buf.len, 0);
	buf_release(&buf);
}
END_TEST

SUITE_MAIN("buf", maximum_is_reached_but_never_passed, after_a_refusal_everything_is_ignored,
	formats_are_whole_or_refused, numbers_are_written_whole, consuming_keeps_the_rest)
