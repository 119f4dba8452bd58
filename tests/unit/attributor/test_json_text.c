/* SPDX-License-Identifier: Apache-2.0
 * Texts as JSON strings, and as Postgres writes jsonb. */
#include "json_text.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

struct row {
	struct str text;
	const char *json;
};

static const struct row rows[] = {
	{{"", 0}, "\"\""}, {{"a", 1}, "\"a\""}, {{"\"", 1}, "\"\\\"\""}, {{"\\", 1}, "\"\\\\\""},
	{{"a\nb\tc\rd\be\ff", 11}, "\"a\\nb\\tc\\rd\\be\\ff\""},
	{{"\x01\x1f\x7f/", 4}, "\"\\u0001\\u001f\x7f/\""}, {{"\0", 1}, "\"\\u0000\""},
	{{"\xd8\xb7\xf0\x9f\x9b\x92", 6}, "\"\xd8\xb7\xf0\x9f\x9b\x92\""},
	{{"\xa2\xdc\x80\xff\x7f !#[]\xa0\x9f\x9c", 13},
		"\"\xa2\xdc\x80\xff\x7f !#[]\xa0\x9f\x9c\""}, /* no text, but no escape either */
};

/* Every byte at every place of a text of three words, between bytes of all kinds. */
START_TEST(a_byte_is_escaped_wherever_it_stands)
{
	static const char around[] = "\x20\x21\x23\x5b\x5d\x7f\x80\xa2\xdc\xff";
	char text[24], wanted[64];
	struct buf out;
	buf_init(&out, 4096);
	for (unsigned byte = 0; byte <= UINT8_MAX; byte++)
		for (size_t place = 0; place < sizeof(text); place++) {
			for (size_t i = 0; i < sizeof(text); i++)
				text[i] = around[(i + byte) % (sizeof(around) - 1)];
			text[place] = (char)byte;
			buf_clear(&out);
			json_text_add(&out, (struct str){text + place, 1});
			const size_t len = out.len - 2;
			wanted[0] = '"';
			memcpy(wanted + 1, text, place);
			memcpy(wanted + 1 + place, out.data + 1, len);
			memcpy(wanted + 1 + place + len, text + place + 1,
				sizeof(text) - place - 1);
			wanted[sizeof(text) + len] = '"';
			buf_clear(&out);
			json_text_add(&out, (struct str){text, sizeof(text)});
			ck_assert(str_equal(
				buf_str(&out), (struct str){wanted, sizeof(text) + len + 1}));
		}
	buf_release(&out);
}
END_TEST

START_TEST(texts_are_escaped_as_postgres_does)
{
	struct buf out;
	buf_init(&out, 4096);
	json_text_add(&out, rows[_i].text);
	ck_assert_str_eq(buf_cstr(&out), rows[_i].json);
	buf_release(&out);
}
END_TEST

START_TEST(an_empty_text_can_be_null)
{
	struct buf out;
	buf_init(&out, 4096);
	json_text_add_or_null(&out, (struct str){0});
	json_text_add_or_null(&out, STR("x"));
	ck_assert_str_eq(buf_cstr(&out), "null\"x\"");
	buf_release(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_text");
	TCase *tcase = tcase_create("json_text");
	tcase_add_loop_test(tcase, texts_are_escaped_as_postgres_does, 0,
		(int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tcase, a_byte_is_escaped_wherever_it_stands);
	tcase_add_test(tcase, an_empty_text_can_be_null);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
