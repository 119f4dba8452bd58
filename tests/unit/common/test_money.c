/* SPDX-License-Identifier: Apache-2.0
 * Exact money: the grammar, ISO 4217's digits, rounding and spreading against a plain 128-bit
 * reference. */
#include "money.h"

#include "suite.h"

#define ROUNDS 20000

START_TEST(amounts_parse_strictly)
{
	static const struct {
		struct str text;
		unsigned digits;
		enum money_result result;
		int64_t minor;
	} rows[] = {
		{STR("909.00"), 2, MONEY_OK, 90900},
		{STR("909"), 2, MONEY_OK, 90900},
		{STR("909.0"), 2, MONEY_OK, 90900},
		{STR("0"), 2, MONEY_OK, 0},
		{STR("0.01"), 2, MONEY_OK, 1},
		{STR("-1.00"), 2, MONEY_OK, -100},
		{STR("-0.01"), 2, MONEY_OK, -1},
		{STR("12.345"), 3, MONEY_OK, 12345},
		{STR("5"), 0, MONEY_OK, 5},
		{STR("007.10"), 2, MONEY_OK, 710},
		{STR("0000000000000000000000000000000000000001"), 2, MONEY_OK, 100},
		{STR("92233720368547758.07"), 2, MONEY_OK, INT64_MAX},
		{STR("92233720368547758.08"), 2, MONEY_OUT_OF_RANGE, 0},
		{STR("-92233720368547758.08"), 2, MONEY_OK, INT64_MIN},
		{STR("-92233720368547758.09"), 2, MONEY_OUT_OF_RANGE, 0},
		{STR("92233720368547758070"), 0, MONEY_OUT_OF_RANGE, 0},
		{STR("9223372036854775807"), 0, MONEY_OK, INT64_MAX},
		{STR("9223372036854775807"), 2, MONEY_OUT_OF_RANGE, 0},
		{STR("99999999999999999999999999999999999999999999"), 2, MONEY_OUT_OF_RANGE, 0},
		{STR("0.005"), 2, MONEY_TOO_PRECISE, 0},
		{STR("1.2345"), 3, MONEY_TOO_PRECISE, 0},
		{STR("899.10000000000000"), 2, MONEY_TOO_PRECISE, 0},
		{STR("5.0"), 0, MONEY_TOO_PRECISE, 0},
		{STR(""), 2, MONEY_BAD_SYNTAX, 0},
		{STR("-"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("-0"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("-0.00"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("+1"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("--1"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("1e3"), 2, MONEY_BAD_SYNTAX, 0},
		{STR(".5"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("5."), 2, MONEY_BAD_SYNTAX, 0},
		{STR("."), 2, MONEY_BAD_SYNTAX, 0},
		{STR(" 5"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("5 "), 2, MONEY_BAD_SYNTAX, 0},
		{STR("5,00"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("1.2.3"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("1,000.00"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("\xd9\xa1\xd9\xa2\xd9\xa3"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("NaN"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("1e400"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("0x10"), 2, MONEY_BAD_SYNTAX, 0},
		{STR("1\0"), 2, MONEY_BAD_SYNTAX, 0},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t minor = 77;
		const enum money_result result = money_parse(rows[i].text, rows[i].digits, &minor);
		ck_assert_msg(result == rows[i].result, "row %zu: %d", i, (int)result);
		ck_assert_int_eq(minor, result == MONEY_OK ? rows[i].minor : 77);
	}
}
END_TEST

START_TEST(amounts_come_back_from_text)
{
	static const int64_t edges[] = {
		0, 1, -1, 9, 10, 99, 100, -100, 999, 1000, INT64_MAX, INT64_MIN, INT64_MIN + 1};
	uint64_t state = 42;
	char text[MONEY_TEXT_MAX];
	for (unsigned i = 0; i < ROUNDS; i++) {
		const int64_t minor =
			i < COUNT_OF(edges)
				? edges[i]
				: (int64_t)(random_next(&state) >> (random_next(&state) % 64));
		const unsigned digits = i % 5;
		int64_t back = 0;
		ck_assert_uint_eq(money_format(text, minor, digits), strlen(text));
		ck_assert_int_eq(money_parse(str_from(text), digits, &back), MONEY_OK);
		ck_assert_int_eq(back, minor);
	}
	money_format(text, INT64_MIN, 2);
	ck_assert_str_eq(text, "-92233720368547758.08");
	money_format(text, -5, 3);
	ck_assert_str_eq(text, "-0.005");
}
END_TEST

START_TEST(currencies_have_the_digits_of_iso_4217)
{
	static const struct {
		struct str code;
		int digits; /* -1: not one */
	} rows[] = {{STR("EGP"), 2}, {STR("SAR"), 2}, {STR("AED"), 2}, {STR("QAR"), 2},
		{STR("USD"), 2}, {STR("AFN"), 2}, {STR("ZWG"), 2}, {STR("JPY"), 0}, {STR("KRW"), 0},
		{STR("VND"), 0}, {STR("CLP"), 0}, {STR("ISK"), 0}, {STR("XPF"), 0}, {STR("BIF"), 0},
		{STR("KWD"), 3}, {STR("BHD"), 3}, {STR("OMR"), 3}, {STR("JOD"), 3}, {STR("TND"), 3},
		{STR("IQD"), 3}, {STR("LYD"), 3}, {STR(""), -1}, {STR("EG"), -1}, {STR("EGPX"), -1},
		{STR("egp"), -1}, {STR("EGp"), -1},
		{STR("X"
		     "XX"),
			-1},
		{STR("XTS"), -1}, {STR("XAU"), -1}, {STR("CLF"), -1}, {STR("GP "), -1},
		{STR("P S"), -1}, {STR("EG\0"), -1}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned digits = 77;
		ck_assert_msg(money_currency_digits(rows[i].code, &digits) == (rows[i].digits >= 0),
			"row %zu", i);
		if (rows[i].digits >= 0)
			ck_assert_int_eq((int)digits, rows[i].digits);
	}
}
END_TEST

START_TEST(rates_are_percents_with_two_decimals)
{
	static const struct {
		struct str text;
		enum money_result result;
		unsigned bp;
		const char *printed;
	} rows[] = {
		{STR("7.5%"), MONEY_OK, 750, "7.5%"},
		{STR("7.50%"), MONEY_OK, 750, "7.5%"},
		{STR("14%"), MONEY_OK, 1400, "14%"},
		{STR("3.33%"), MONEY_OK, 333, "3.33%"},
		{STR("0%"), MONEY_OK, 0, "0%"},
		{STR("100%"), MONEY_OK, 10000, "100%"},
		{STR("0.01%"), MONEY_OK, 1, "0.01%"},
		{STR("10%"), MONEY_OK, 1000, "10%"},
		{STR("100.01%"), MONEY_OUT_OF_RANGE, 0, NULL},
		{STR("-1%"), MONEY_OUT_OF_RANGE, 0, NULL},
		{STR("7.555%"), MONEY_TOO_PRECISE, 0, NULL},
		{STR("7.5"), MONEY_BAD_SYNTAX, 0, NULL},
		{STR("7,5%"), MONEY_BAD_SYNTAX, 0, NULL},
		{STR("7.5 %"), MONEY_BAD_SYNTAX, 0, NULL},
		{STR("%"), MONEY_BAD_SYNTAX, 0, NULL},
		{STR(""), MONEY_BAD_SYNTAX, 0, NULL},
		{STR("5%%"), MONEY_BAD_SYNTAX, 0, NULL},
		{STR("-0%"), MONEY_BAD_SYNTAX, 0, NULL},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned bp = 77;
		char text[MONEY_TEXT_MAX];
		ck_assert_msg(money_parse_rate(rows[i].text, &bp) == rows[i].result, "row %zu", i);
		if (rows[i].result != MONEY_OK)
			continue;
		ck_assert_uint_eq(bp, rows[i].bp);
		ck_assert_uint_eq(money_format_rate(text, bp), strlen(text));
		ck_assert_str_eq(text, rows[i].printed);
	}
}
END_TEST

/* The worked examples that a single rounding decides. */
START_TEST(worked_examples_round_half_away_from_zero)
{
	static const struct {
		int64_t value, num, den, expected;
	} rows[] = {
		{90900, 750, 10000, 6818}, /* 909.00 EGP at 7.5 % */
		{12345, 333, 10000, 411},  /* 12.345 KWD at 3.33 % */
		{15, 1000, 10000, 2},      /* 0.15 at 10 % */
		{1, 750, 10000, 0},        /* 0.01 at 7.5 % */
		{10260, 10000, 11400, 9000},
		{5130, 10000, 11400, 4500},
		{2565, 10000, 11400, 2250},
		{1, 1, 2, 1},
		{-1, 1, 2, -1},
		{1, -1, 2, -1},
		{-1, -1, 2, 1},
		{1, 1, 3, 0},
		{-2, 1, 3, -1},
		{0, 5, 7, 0},
		{INT64_MAX, 10000, 10000, INT64_MAX},
		{INT64_MIN, 1, 1, INT64_MIN},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t out = 0;
		ck_assert(money_scale(rows[i].value, rows[i].num, rows[i].den, &out));
		ck_assert_msg(out == rows[i].expected, "row %zu: %lld", i, (long long)out);
	}
}
END_TEST

START_TEST(overflow_is_refused)
{
	int64_t out = 77;
	ck_assert(!money_scale(INT64_MAX, 2, 1, &out));
	ck_assert(!money_scale(INT64_MIN, -1, 1, &out));
	ck_assert(!money_scale(INT64_MIN, INT64_MIN, 1, &out));
	ck_assert(!money_scale(1, 1, 0, &out));
	ck_assert(!money_scale(1, 1, -1, &out));
	ck_assert(!money_multiply(INT64_MAX, 2, &out));
	ck_assert(!money_multiply(INT64_MIN, -1, &out));
	ck_assert(!money_add(INT64_MAX, 1, &out));
	ck_assert(!money_add(INT64_MIN, -1, &out));
	ck_assert(money_add(INT64_MAX, INT64_MIN, &out) && out == -1);
	ck_assert(money_multiply(-3, 4, &out) && out == -12);
}
END_TEST

START_TEST(scaling_agrees_with_a_128_bit_reference)
{
	uint64_t state = 7;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const int64_t value = (int64_t)random_next(&state) >> (random_next(&state) % 60);
		const int64_t num = (int64_t)random_next(&state) >> (random_next(&state) % 60);
		const int64_t den =
			(int64_t)(random_next(&state) >> (1 + random_next(&state) % 60)) + 1;
		if (den < 0)
			continue;
		const __int128 product = (__int128)value * num;
		/* Half away from zero is the quotient of (2 |p| + den) and 2 den. */
		const unsigned __int128 size =
			(unsigned __int128)(product < 0 ? -product : product);
		const unsigned __int128 rounded =
			(size * 2 + (uint64_t)den) / ((unsigned __int128)(uint64_t)den * 2);
		const __int128 expected = product < 0 ? -(__int128)rounded : (__int128)rounded;
		const bool is_in_range = expected <= INT64_MAX && expected >= INT64_MIN;
		int64_t out = 0;
		ck_assert_msg(money_scale(value, num, den, &out) == is_in_range, "round %u", i);
		if (is_in_range)
			ck_assert_msg(out == (int64_t)expected, "round %u", i);
	}
}
END_TEST

/* Largest remainder by its definition: hand out what is left one at a time. */
static void spread_reference(int64_t total, const int64_t *weights, unsigned count, int64_t *parts)
{
	__int128 sum = 0;
	bool was_given[MONEY_SPREAD_MAX] = {0};
	int64_t left = total;
	for (unsigned i = 0; i < count; i++)
		sum += weights[i];
	for (unsigned i = 0; i < count; i++) {
		parts[i] = (int64_t)((__int128)total * weights[i] / sum);
		left -= parts[i];
	}
	for (; left > 0; left--) {
		unsigned best = count;
		__int128 best_rest = -1;
		for (unsigned i = 0; i < count; i++) {
			const __int128 rest = (__int128)total * weights[i] % sum;
			if (was_given[i] || rest <= best_rest)
				continue;
			best = i;
			best_rest = rest;
		}
		was_given[best] = true;
		parts[best]++;
	}
}

START_TEST(spreads_add_up_and_agree_with_the_definition)
{
	int64_t weights[MONEY_SPREAD_MAX], parts[MONEY_SPREAD_MAX], expected[MONEY_SPREAD_MAX];
	uint64_t state = 99;
	for (unsigned round = 0; round < 2000; round++) {
		const unsigned count =
			round < 4 ? MONEY_SPREAD_MAX : 1 + (unsigned)(random_next(&state) % 40);
		const unsigned shift = (unsigned)(random_next(&state) % 62);
		const int64_t total =
			(int64_t)(random_next(&state) >> (1 + random_next(&state) % 62));
		int64_t sum = 0;
		for (unsigned i = 0; i < count; i++) {
			weights[i] = (int64_t)(random_next(&state) >> (1 + shift));
			if (random_next(&state) % 4 == 0)
				weights[i] = i == 0 ? 1 : weights[i - 1];
		}
		weights[count - 1] |= 1;
		ck_assert(money_spread(total, weights, count, parts));
		spread_reference(total, weights, count, expected);
		for (unsigned i = 0; i < count; i++) {
			ck_assert_msg(parts[i] == expected[i], "round %u part %u", round, i);
			sum += parts[i];
		}
		ck_assert_int_eq(sum, total);
	}
}
END_TEST

START_TEST(spread_edges)
{
	int64_t parts[MONEY_SPREAD_MAX];
	static const int64_t thirds[] = {1, 1, 1};
	static const int64_t zeros[] = {0, 0};
	static const int64_t negative[] = {1, -1};
	static const int64_t discounted[] = {11400, 5700};
	static const int64_t many[MONEY_SPREAD_MAX + 1];
	static int64_t parts_many[MONEY_SPREAD_MAX + 1];
	ck_assert(money_spread(1000, thirds, 3, parts));
	ck_assert(parts[0] == 334 && parts[1] == 333 && parts[2] == 333);
	ck_assert(money_spread(1710, discounted, 2, parts));
	ck_assert(parts[0] == 1140 && parts[1] == 570);
	ck_assert(money_spread(5, zeros, 2, parts) && parts[0] == 0 && parts[1] == 0);
	ck_assert(money_spread(5, NULL, 0, NULL));
	ck_assert(!money_spread(5, negative, 2, parts));
	ck_assert(!money_spread(-1, thirds, 3, parts));
	ck_assert(money_spread(1, many, MONEY_SPREAD_MAX, parts_many));
	ck_assert(!money_spread(1, many, MONEY_SPREAD_MAX + 1, parts_many));
}
END_TEST

SUITE_MAIN("money", amounts_parse_strictly, amounts_come_back_from_text,
	currencies_have_the_digits_of_iso_4217, rates_are_percents_with_two_decimals,
	worked_examples_round_half_away_from_zero, overflow_is_refused,
	scaling_agrees_with_a_128_bit_reference, spreads_add_up_and_agree_with_the_definition,
	spread_edges)
