/* SPDX-License-Identifier: Apache-2.0
 * Views and codecs: cutting, numbers, hex, base64, percent-encoding, UTF-8. */
#include "str.h"

#include "suite.h"

#define OUT_MAX 64

START_TEST(numbers_are_strict_and_bounded)
{
	static const struct {
		struct str text;
		uint64_t max;
		bool is_good;
		uint64_t value;
	} rows[] = {
		{STR(""), 9, false, 0}, {STR("0"), 0, true, 0}, {STR("1"), 0, false, 0},
		{STR("7"), 7, true, 7}, {STR("8"), 7, false, 0},
		{STR("18446744073709551614"), UINT64_MAX, true, UINT64_MAX - 1},
		{STR("18446744073709551615"), UINT64_MAX, true, UINT64_MAX},
		{STR("18446744073709551616"), UINT64_MAX, false, 0},
		{STR("99999999999999999999"), UINT64_MAX, false, 0}, {STR("00"), 9, false, 0},
		{STR("01"), 9, false, 0}, {STR("+1"), 9, false, 0}, {STR("-1"), 9, false, 0},
		{STR(" 1"), 9, false, 0}, {STR("1 "), 9, false, 0}, {STR("1\0"), 9, false, 0},
		{STR("0x1"), 9, false, 0}, {STR("\xd9\xa1"), 9, false, 0}, /* Arabic-Indic one */
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t value = 77;
		ck_assert_msg(str_parse_u64(rows[i].text, rows[i].max, &value) == rows[i].is_good,
			"row %zu", i);
		ck_assert_uint_eq(value, rows[i].is_good ? rows[i].value : 77);
	}
}
END_TEST

START_TEST(views_compare_cut_and_trim)
{
	struct str head, tail;
	ck_assert(str_equal((struct str){0}, STR("")));
	ck_assert(str_equal(STR("a\0b"), STR("a\0b")));
	ck_assert(!str_equal(STR("a\0b"), STR("a\0c")));
	ck_assert(str_equal_nocase(STR("HoSt"), STR("hOsT")));
	ck_assert(!str_equal_nocase(STR("[{"), STR("{[")));
	ck_assert(!str_equal_nocase(STR("@"), STR("`")));
	ck_assert(str_has_prefix(STR("wasl"), STR("")) && str_has_prefix(STR("wasl"), STR("wasl")));
	ck_assert(!str_has_prefix(STR("was"), STR("wasl")));
	ck_assert(str_contains(STR("xxab"), STR("ab")) && !str_contains(STR("xxa"), STR("ab")));
	ck_assert(str_contains_nocase(STR("Mozilla TIKTOK"), STR("tiktok")));
	ck_assert(!str_contains_nocase(STR("tikto"), STR("tiktok")));
	ck_assert(str_contains_nocase((struct str){0}, (struct str){0}));
	ck_assert_int_lt(str_compare(STR("a"), STR("ab")), 0);
	ck_assert_int_gt(str_compare(STR("\xff"), STR("a")), 0);
	ck_assert_int_eq(str_compare((struct str){0}, (struct str){0}), 0);
	ck_assert(str_equal(str_trim(STR(" \t a b\t")), STR("a b")));
	ck_assert_uint_eq(str_trim(STR(" \t ")).len, 0);
	ck_assert(str_cut(STR("a=b=c"), '=', &head, &tail));
	ck_assert(str_equal(head, STR("a")) && str_equal(tail, STR("b=c")));
	ck_assert(!str_cut(STR("abc"), '=', &head, &tail));
	ck_assert(str_equal(head, STR("abc")) && tail.len == 0);
	ck_assert(str_cut(STR("="), '=', &head, &tail) && head.len == 0 && tail.len == 0);
}
END_TEST

START_TEST(copies_fit_whole_or_not_at_all)
{
	char out[4] = "xxx";
	ck_assert(str_copy(out, sizeof(out), STR("abc")));
	ck_assert_str_eq(out, "abc");
	ck_assert(!str_copy(out, sizeof(out), STR("abcd")));
	ck_assert_str_eq(out, "");
	ck_assert(!str_copy(out, sizeof(out), STR("a\0b")));
	ck_assert_str_eq(out, "");
	ck_assert(str_copy(out, 1, (struct str){0}));
	ck_assert(!str_copy(out, 0, (struct str){0}));
}
END_TEST

START_TEST(secret_comparison_sees_every_bit)
{
	uint8_t a[16] = {0};
	uint8_t b[16] = {0};
	ck_assert(str_equal_secret(a, b, sizeof(a)));
	for (unsigned bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] = (uint8_t)(1u << bit % 8);
		ck_assert(!str_equal_secret(a, b, sizeof(a)));
		b[bit / 8] = 0;
	}
}
END_TEST

START_TEST(hex_goes_both_ways_and_refuses_the_rest)
{
	static const struct str refused[] = {
		STR("0"), STR("000"), STR("0g"), STR("g0"), STR(" 0"), STR("0x"), STR("0\0")};
	uint8_t byte = 0;
	char text[2];
	for (unsigned i = 0; i < 256; i++) {
		const uint8_t in = (uint8_t)i;
		hex_encode(text, &in, 1);
		ck_assert(hex_decode((struct str){.data = text, .len = 2}, &byte, 1));
		ck_assert_uint_eq(byte, i);
	}
	ck_assert(hex_decode(STR("aF"), &byte, 1) && byte == 0xaf);
	ck_assert(hex_decode((struct str){0}, &byte, 0));
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		ck_assert(!hex_decode(refused[i], &byte, 1));
}
END_TEST

/* RFC 4648 section 10. */
START_TEST(base64_follows_the_rfc)
{
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[OUT_MAX], back[OUT_MAX];
		size_t len = 0;
		const struct str plain = str_from(rows[i][0]);
		const struct str coded = str_from(rows[i][1]);
		ck_assert_uint_eq(base64_encode(text, plain.data, plain.len), coded.len);
		ck_assert_mem_eq(text, coded.data, coded.len);
		ck_assert(base64_decode(coded, back, plain.len, &len));
		ck_assert_uint_eq(len, plain.len);
		ck_assert_mem_eq(back, plain.data, len);
		if (plain.len > 0)
			ck_assert(!base64_decode(coded, back, plain.len - 1, &len));
		const size_t url_len = base64url_encode(text, plain.data, plain.len);
		ck_assert_uint_eq(url_len, BASE64URL_LEN(plain.len));
		const struct str url = {.data = text, .len = url_len};
		ck_assert(base64url_decode(url, back, sizeof(back), &len) && len == plain.len);
	}
}
END_TEST

START_TEST(base64_takes_the_characters_of_its_alphabet_and_no_others)
{
	static const char shared[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	for (unsigned c = 0; c < 256; c++) {
		const char letter = (char)c;
		const bool is_shared = c != 0 && strchr(shared, letter) != NULL;
		for (unsigned at = 0; at < 8; at++) {
			char text[] = "AAAAAAAA";
			uint8_t out[6];
			size_t len = 0;
			text[at] = letter;
			const bool is_plain = is_shared || letter == '+' || letter == '/';
			const bool is_url = is_shared || letter == '-' || letter == '_';
			const bool is_pad = letter == '=' && at == 7;
			ck_assert(base64_decode((struct str){text, 8}, out, 6, &len) ==
				  (is_plain || is_pad));
			ck_assert(base64url_decode((struct str){text, 8}, out, 6, &len) == is_url);
		}
	}
}
END_TEST

START_TEST(base64_refuses_all_but_the_one_spelling)
{
	static const struct str refused[] = {STR("Z"), STR("Zg"), STR("Zg="), STR("Zg==="),
		STR("Zh=="), STR("Zm9="), STR("Z==="), STR("===="), STR("=g=="), STR("Zg=a"),
		STR("Zm8=Zm8="), STR("Zm 8"), STR("Zm8\n"), STR("Zm-_"), STR("Zm9vY===")};
	static const struct str refused_url[] = {STR("Z"), STR("Zh"), STR("Zm9"), STR("Zg=="),
		STR("Zm+/"), STR("Zm9vZ"), STR("Z\0")};
	char out[OUT_MAX];
	size_t len;
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		ck_assert_msg(!base64_decode(refused[i], out, sizeof(out), &len), "row %zu", i);
	for (size_t i = 0; i < COUNT_OF(refused_url); i++)
		ck_assert_msg(
			!base64url_decode(refused_url[i], out, sizeof(out), &len), "row %zu", i);
	ck_assert(base64_decode(STR("+/+/"), out, sizeof(out), &len) && len == 3);
	ck_assert(base64url_decode(STR("-_-_"), out, sizeof(out), &len) && len == 3);
}
END_TEST

START_TEST(percent_encoding_needs_two_hex_digits)
{
	static const struct {
		struct str text;
		bool is_form;
		bool is_good;
		struct str value;
	} rows[] = {
		{STR(""), false, true, STR("")},
		{STR("a%20b"), false, true, STR("a b")},
		{STR("a+b"), false, true, STR("a+b")},
		{STR("a+b%2B"), true, true, STR("a b+")},
		{STR("%00"), false, true, STR("\0")},
		{STR("%d9%A1"), false, true, STR("\xd9\xa1")},
		{STR("%"), false, false, STR("")},
		{STR("%2"), false, false, STR("")},
		{STR("%zz"), false, false, STR("")},
		{STR("%2g"), false, false, STR("")},
		{STR("abcdefgh"), false, true, STR("abcdefgh")},
		{STR("abcdefghi"), false, false, STR("")},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char out[8];
		size_t len = 0;
		ck_assert_msg(percent_decode(rows[i].text, rows[i].is_form, out, sizeof(out),
				      &len) == rows[i].is_good,
			"row %zu", i);
		if (rows[i].is_good)
			ck_assert(str_equal((struct str){.data = out, .len = len}, rows[i].value));
	}
}
END_TEST

START_TEST(utf8_is_what_rfc_3629_says)
{
	static const struct str good[] = {STR(""), STR("a\0b"), STR("\xd9\x88\xd8\xb5\xd9\x84"),
		STR("\xc2\x80"), STR("\xdf\xbf"), STR("\xe0\xa0\x80"), STR("\xed\x9f\xbf"),
		STR("\xee\x80\x80"), STR("\xef\xbf\xbf"), STR("\xf0\x90\x80\x80"),
		STR("\xf4\x8f\xbf\xbf")};
	static const struct str bad[] = {STR("\x80"), STR("\xbf"), STR("\xc0\x80"), STR("\xc1\xbf"),
		STR("\xc2"), STR("\xc2 "), STR("\xe0\x9f\xbf"), STR("\xed\xa0\x80"),
		STR("\xed\xbf\xbf"), STR("\xf0\x8f\xbf\xbf"), STR("\xf4\x90\x80\x80"),
		STR("\xf5\x80\x80\x80"), STR("\xff"), STR("\xe2\x82"), STR("\xf0\x9f\x98"),
		STR("a\xe2\x82")};
	for (size_t i = 0; i < COUNT_OF(good); i++)
		ck_assert_msg(utf8_is_valid(good[i]), "row %zu", i);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		ck_assert_msg(!utf8_is_valid(bad[i]), "row %zu", i);
}
END_TEST

SUITE_MAIN("str", numbers_are_strict_and_bounded, views_compare_cut_and_trim,
	copies_fit_whole_or_not_at_all, secret_comparison_sees_every_bit,
	hex_goes_both_ways_and_refuses_the_rest, base64_follows_the_rfc,
	base64_takes_the_characters_of_its_alphabet_and_no_others,
	base64_refuses_all_but_the_one_spelling, percent_encoding_needs_two_hex_digits,
	utf8_is_what_rfc_3629_says)
