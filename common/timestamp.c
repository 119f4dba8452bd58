/* SPDX-License-Identifier: Apache-2.0
 * RFC 3339 times and durations with units. */
#include "timestamp.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_S            86400
#define FRACTION_DIGITS  9
#define DATE_TIME_LEN    19 /* "2026-11-21T08:00:00" */
#define OFFSET_LEN       6  /* "+02:00" */
#define TIMESTAMP_YEAR_1 1970
#define TIMESTAMP_MAX_S  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

struct unit {
	const char *name;
	int64_t us;
};

static const struct unit units[] = {
	{"d", INT64_C(86400) * US_PER_S},
	{"h", INT64_C(3600) * US_PER_S},
	{"min", INT64_C(60) * US_PER_S},
	{"s", US_PER_S},
	{"ms", US_PER_MS},
	{"us", 1},
};
#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

struct civil {
	int64_t year;
	unsigned month, day;
};

static unsigned year_digits(int64_t year);
static char *put_number(char *at, unsigned number, unsigned digits, char after);
static bool take_number(struct str text, size_t at, size_t digits, unsigned *out);
static bool take_date_time(struct str text, int64_t *seconds, bool *is_leap_second);
static bool take_fraction(struct str *text, int64_t *us);
static bool take_offset(struct str text, int64_t *offset_s);
static unsigned month_days(unsigned year, unsigned month);
static int64_t days_of(const struct civil *civil);
static struct civil civil_of(int64_t days);

bool timestamp_parse(struct str text, int64_t *us)
{
	int64_t seconds = 0;
	int64_t fraction_us = 0;
	int64_t offset_s = 0;
	bool is_leap_second = false;
	if (!take_date_time(text, &seconds, &is_leap_second))
		return false;
	text.data += DATE_TIME_LEN;
	text.len -= DATE_TIME_LEN;
	if (!take_fraction(&text, &fraction_us) || !take_offset(text, &offset_s))
		return false;
	seconds -= offset_s;
	/* RFC 3339 section 5.7: leap seconds are inserted at the end of a day of UTC only. */
	if (is_leap_second && seconds % DAY_S != 0)
		return false;
	if (seconds < 0 || seconds > TIMESTAMP_MAX_S)
		return false;
	*us = seconds * US_PER_S + fraction_us;
	return true;
}

void timestamp_format(char out[TIMESTAMP_TEXT_MAX], int64_t us)
{
	int64_t seconds = us / US_PER_S;
	int64_t rest_us = us % US_PER_S;
	if (rest_us < 0) {
		rest_us += US_PER_S;
		seconds--;
	}
	int64_t days = seconds / DAY_S;
	int64_t of_day = seconds % DAY_S;
	if (of_day < 0) {
		of_day += DAY_S;
		days--;
	}
	const struct civil civil = civil_of(days);
	char *at = out;
	if (civil.year < 0)
		*at++ = '-';
	at = put_number(at, (unsigned)llabs(civil.year), year_digits(civil.year), '-');
	at = put_number(at, civil.month, 2, '-');
	at = put_number(at, civil.day, 2, 'T');
	at = put_number(at, (unsigned)(of_day / 3600), 2, ':');
	at = put_number(at, (unsigned)(of_day / 60 % 60), 2, ':');
	at = put_number(at, (unsigned)(of_day % 60), 2, '.');
	at = put_number(at, (unsigned)(rest_us / US_PER_MS), 3, 'Z');
	*at = '\0';
}

bool duration_parse(struct str text, int64_t *us)
{
	size_t digits = 0;
	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	uint64_t number = 0;
	const struct str number_text = {.data = text.data, .len = digits};
	if (!str_parse_u64(number_text, INT64_MAX, &number))
		return false;
	if (digits == text.len) {
		*us = 0;
		return number == 0;
	}
	const struct str name = {.data = text.data + digits, .len = text.len - digits};
	for (size_t i = 0; i < UNIT_COUNT; i++) {
		if (!str_equal(name, str_from(units[i].name)))
			continue;
		return !__builtin_mul_overflow((int64_t)number, units[i].us, us);
	}
	return false;
}

void duration_format(char out[TIMESTAMP_TEXT_MAX], int64_t us)
{
	if (us == 0) {
		snprintf(out, TIMESTAMP_TEXT_MAX, "0");
		return;
	}
	size_t i = 0;
	while (us % units[i].us != 0)
		i++;
	snprintf(out, TIMESTAMP_TEXT_MAX, "%lld%s", (long long)(us / units[i].us), units[i].name);
}

/* Four places, sign included, unless the year needs more: 64 bits of microseconds go from the year
 * -290308 to 294247. */
static unsigned year_digits(int64_t year)
{
	unsigned digits = year < 0 ? 3 : 4;
	for (int64_t over = year < 0 ? 1000 : 10000; llabs(year) >= over; over *= 10)
		digits++;
	return digits;
}

static char *put_number(char *at, unsigned number, unsigned digits, char after)
{
	for (unsigned i = digits; i-- > 0; number /= 10)
		at[i] = (char)('0' + number % 10);
	at[digits] = after;
	return at + digits + 1;
}

static bool take_number(struct str text, size_t at, size_t digits, unsigned *out)
{
	unsigned value = 0;
	for (size_t i = at; i < at + digits; i++) {
		if (i >= text.len || text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (unsigned)(text.data[i] - '0');
	}
	*out = value;
	return true;
}

static bool take_date_time(struct str text, int64_t *seconds, bool *is_leap_second)
{
	unsigned year, month, day, hour, minute, second;
	if (text.len < DATE_TIME_LEN)
		return false;
	const char *at = text.data;
	if (at[4] != '-' || at[7] != '-' || (at[10] != 'T' && at[10] != 't') || at[13] != ':' ||
		at[16] != ':')
		return false;
	if (!take_number(text, 0, 4, &year) || !take_number(text, 5, 2, &month) ||
		!take_number(text, 8, 2, &day) || !take_number(text, 11, 2, &hour) ||
		!take_number(text, 14, 2, &minute) || !take_number(text, 17, 2, &second))
		return false;
	if (year < TIMESTAMP_YEAR_1 || month < 1 || month > 12 || day < 1 ||
		day > month_days(year, month))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	const struct civil civil = {.year = year, .month = month, .day = day};
	*seconds = days_of(&civil) * DAY_S + (int64_t)hour * 3600 + (int64_t)minute * 60 + second;
	*is_leap_second = second == 60;
	return true;
}

static bool take_fraction(struct str *text, int64_t *us)
{
	*us = 0;
	if (text->len == 0 || text->data[0] != '.')
		return true;
	size_t digits = 0;
	int64_t scale = US_PER_S / 10;
	for (size_t i = 1; i < text->len && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
		*us += (text->data[i] - '0') * scale;
		scale /= 10; /* 0 from the seventh digit on: cut to microseconds */
		digits++;
	}
	if (digits == 0 || digits > FRACTION_DIGITS)
		return false;
	text->data += 1 + digits;
	text->len -= 1 + digits;
	return true;
}

static bool take_offset(struct str text, int64_t *offset_s)
{
	*offset_s = 0;
	if (text.len == 1)
		return text.data[0] == 'Z' || text.data[0] == 'z';
	unsigned hours, minutes;
	if (text.len != OFFSET_LEN || (text.data[0] != '+' && text.data[0] != '-') ||
		text.data[3] != ':')
		return false;
	if (!take_number(text, 1, 2, &hours) || !take_number(text, 4, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*offset_s = (int64_t)hours * 3600 + (int64_t)minutes * 60;
	if (text.data[0] == '-')
		*offset_s = -*offset_s;
	return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && is_leap ? 1u : 0u);
}

/* Days since 1970-01-01 in the Gregorian calendar, counted in years that start in March, so that
 * the leap day is a year's last; an era is 400 years or 146,097 days. */
static int64_t days_of(const struct civil *civil)
{
	const int64_t year = civil->year - (civil->month <= 2 ? 1 : 0);
	const int64_t era = (year >= 0 ? year : year - 399) / 400;
	const int64_t year_of_era = year - era * 400;
	const int64_t month = (int64_t)civil->month + (civil->month > 2 ? -3 : 9);
	const int64_t day_of_year = (153 * month + 2) / 5 + civil->day - 1;
	const int64_t day_of_era =
		year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static struct civil civil_of(int64_t days)
{
	days += 719468;
	const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	const int64_t day_of_era = days - era * 146097;
	const int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const int64_t month = (5 * day_of_year + 2) / 153;
	struct civil civil = {
		.year = year_of_era + era * 400 + (month >= 10 ? 1 : 0),
		.month = (unsigned)(month < 10 ? month + 3 : month - 9),
		.day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
	};
	return civil;
}
