/* SPDX-License-Identifier: Apache-2.0
 * RFC 3339 times and durations: the calendar against timegm, and what is refused. */
#include "timestamp.h"

#include <time.h>

#include "suite.h"

#define DAY_US (INT64_C(86400) * US_PER_S)

START_TEST(times_parse)
{
	static const struct {
		struct str text;
		int64_t us;
	} rows[] = {
		{STR("1970-01-01T00:00:00Z"), 0},
		{STR("2026-11-21T08:00:00Z"), INT64_C(1795248000000000)},
		{STR("2026-11-21T10:00:00+02:00"), INT64_C(1795248000000000)},
		{STR("2026-11-21t08:00:00z"), INT64_C(1795248000000000)},
		{STR("2026-11-21T08:00:00-00:00"), INT64_C(1795248000000000)},
		{STR("2026-11-21T03:30:00.5-04:30"), INT64_C(1795248000500000)},
		{STR("2026-11-21T08:00:00.123456789Z"), INT64_C(1795248000123456)},
		{STR("2026-11-21T08:00:00.000000999Z"), INT64_C(1795248000000000)},
		{STR("2024-02-29T00:00:00Z"), INT64_C(1709164800000000)},
		{STR("2000-02-29T00:00:00Z"), INT64_C(951782400000000)},
		{STR("2016-12-31T23:59:60Z"), INT64_C(1483228800000000)},
		{STR("2017-01-01T01:59:60+02:00"), INT64_C(1483228800000000)},
		{STR("9999-12-31T23:59:59.999999Z"), INT64_C(253402300799999999)},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t us = -1;
		ck_assert_msg(timestamp_parse(rows[i].text, &us), "row %zu", i);
		ck_assert_msg(us == rows[i].us, "row %zu: %lld", i, (long long)us);
	}
}
END_TEST

START_TEST(other_times_are_refused)
{
	static const struct str rows[] = {STR(""), STR("2026-11-21"), STR("2026-11-21T08:00:00"),
		STR("2026-11-21T08:00Z"), STR("2026-11-21 08:00:00Z"), STR("2026-11-21T08:00:00ZZ"),
		STR("2026-11-21T08:00:00Z "), STR(" 2026-11-21T08:00:00Z"),
		STR("2026-00-21T08:00:00Z"), STR("2026-13-21T08:00:00Z"),
		STR("2026-11-00T08:00:00Z"), STR("2026-11-31T08:00:00Z"),
		STR("2025-02-29T08:00:00Z"), STR("2100-02-29T08:00:00Z"),
		STR("2026-11-21T24:00:00Z"), STR("2026-11-21T08:60:00Z"),
		STR("2026-11-21T08:00:61Z"), STR("2026-11-21T08:00:60Z"),
		STR("2026-11-21T08:00:00.Z"), STR("2026-11-21T08:00:00.1234567890Z"),
		STR("2026-11-21T08:00:00,5Z"), STR("2026-11-21T08:00:00+2:00"),
		STR("2026-11-21T08:00:00+0200"), STR("2026-11-21T08:00:00+24:00"),
		STR("2026-11-21T08:00:00+02:60"), STR("2026-11-21T08:00:00+02"),
		STR("1969-12-31T23:59:59Z"), STR("1970-01-01T00:00:00+00:01"),
		STR("9999-12-31T23:59:59-00:01"), STR("0000-01-01T00:00:00Z"),
		STR("+2026-11-21T08:00:00Z"), STR("2026-1-21T008:00:00Z"),
		STR("2026-11-21T08:00:0\xd9\xa1Z"), STR("2026-11-21T08:00:00\0"),
		STR("2026-11-21T-8:00:00Z")};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t us = 77;
		ck_assert_msg(!timestamp_parse(rows[i], &us), "row %zu", i);
		ck_assert_int_eq(us, 77);
	}
}
END_TEST

START_TEST(every_day_agrees_with_the_library_and_comes_back)
{
	char text[TIMESTAMP_TEXT_MAX];
	char expected[TIMESTAMP_TEXT_MAX];
	for (int64_t day = 0; day < 2932897; day += day < 60000 ? 1 : 97) {
		const int64_t us = day * DAY_US + 45296789 * US_PER_MS;
		const time_t seconds = (time_t)(us / US_PER_S);
		struct tm tm;
		gmtime_r(&seconds, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.789Z", &tm);
		timestamp_format(text, us);
		ck_assert_str_eq(text, expected);
		int64_t back = 0;
		ck_assert(timestamp_parse(str_from(text), &back));
		ck_assert_int_eq(back, us);
	}
}
END_TEST

START_TEST(years_of_other_than_four_places_are_written_whole)
{
	static const struct {
		int64_t us;
		const char *text;
	} rows[] = {
		{-1, "1969-12-31T23:59:59.999Z"},
		{INT64_C(-30610310400) * US_PER_S, "0999-12-31T00:00:00.000Z"},
		{INT64_C(-62167219200) * US_PER_S, "0000-01-01T00:00:00.000Z"},
		{INT64_C(-62167219200) * US_PER_S - 1, "-001-12-31T23:59:59.999Z"},
		{INT64_C(-93724128000) * US_PER_S, "-1000-01-01T00:00:00.000Z"},
		{INT64_C(-93692592000) * US_PER_S, "-999-01-01T00:00:00.000Z"},
		{INT64_C(253402300800) * US_PER_S - 1, "9999-12-31T23:59:59.999Z"},
		{INT64_C(253402300800) * US_PER_S, "10000-01-01T00:00:00.000Z"},
		{INT64_MIN, "-290308-12-21T19:59:05.224Z"},
		{INT64_MAX, "294247-01-10T04:00:54.775Z"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[TIMESTAMP_TEXT_MAX];
		timestamp_format(text, rows[i].us);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

START_TEST(durations_carry_units)
{
	static const struct {
		struct str text;
		bool is_good;
		int64_t us;
	} rows[] = {
		{STR("0"), true, 0},
		{STR("0s"), true, 0},
		{STR("1us"), true, 1},
		{STR("25ms"), true, 25000},
		{STR("1s"), true, US_PER_S},
		{STR("1min"), true, 60 * US_PER_S},
		{STR("1h"), true, 3600 * US_PER_S},
		{STR("30d"), true, 30 * DAY_US},
		{STR("106751991d"), true, 106751991 * DAY_US},
		{STR("106751992d"), false, 0},
		{STR("9223372036854775807us"), true, INT64_MAX},
		{STR("9223372036854775808us"), false, 0},
		{STR(""), false, 0},
		{STR("25"), false, 0},
		{STR("ms"), false, 0},
		{STR("-1s"), false, 0},
		{STR("1.5s"), false, 0},
		{STR("1 s"), false, 0},
		{STR(" 1s"), false, 0},
		{STR("1S"), false, 0},
		{STR("1m"), false, 0},
		{STR("1w"), false, 0},
		{STR("01s"), false, 0},
		{STR("1s\0"), false, 0},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t us = -1;
		ck_assert_msg(duration_parse(rows[i].text, &us) == rows[i].is_good, "row %zu", i);
		if (rows[i].is_good)
			ck_assert_int_eq(us, rows[i].us);
	}
}
END_TEST

START_TEST(durations_print_in_the_largest_unit_that_divides)
{
	static const struct {
		int64_t us;
		const char *text;
	} rows[] = {{0, "0"}, {1, "1us"}, {1500, "1500us"}, {25000, "25ms"}, {90 * US_PER_S, "90s"},
		{120 * US_PER_S, "2min"}, {7200 * US_PER_S, "2h"}, {30 * DAY_US, "30d"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[TIMESTAMP_TEXT_MAX];
		int64_t back = -1;
		duration_format(text, rows[i].us);
		ck_assert_str_eq(text, rows[i].text);
		ck_assert(duration_parse(str_from(text), &back) && back == rows[i].us);
	}
}
END_TEST

SUITE_MAIN("timestamp", times_parse, other_times_are_refused,
	every_day_agrees_with_the_library_and_comes_back,
	years_of_other_than_four_places_are_written_whole, durations_carry_units,
	durations_print_in_the_largest_unit_that_divides)
