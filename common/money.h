/* SPDX-License-Identifier: Apache-2.0
 * Exact money: integers of minor units with an ISO 4217 currency; half_up rounds half away from
 * zero. No floating point, 128-bit intermediates, overflow is refused. Pure. */
#ifndef WASL_MONEY_H
#define WASL_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

#define MONEY_CURRENCY_LEN 3
#define MONEY_TEXT_MAX     32    /* "-92233720368547758.08" and a NUL, with room */
#define MONEY_BP_MAX       10000 /* 100 %: rates are basis points */
#define MONEY_SPREAD_MAX   512   /* weights of one money_spread; >= an order's lines */

enum money_result {
	MONEY_OK = 0,
	MONEY_BAD_SYNTAX,   /* not -?digits[.digits]: sign +, exponent, blanks, other digits, ".5",
			       "5." */
	MONEY_TOO_PRECISE,  /* more decimals than the currency has, zeros included */
	MONEY_OUT_OF_RANGE, /* does not fit an int64 of minor units */
};

/* The currency's digits after the point (JPY 0, EGP 2, KWD 3) from ISO 4217; false when the code is
 * not one of its circulating currencies, upper case. */
bool money_currency_digits(struct str code, unsigned *digits);

/* "909.00" with digits 2 -> 90900; "909" and "909.0" too. Negative values parse ("-1.00"), minus
 * zero is a syntax error; whoever forbids negatives checks the sign. */
enum money_result money_parse(struct str text, unsigned digits, int64_t *minor);
/* 90900 with digits 2 -> "909.00", NUL-terminated; returns its length. */
unsigned money_format(char out[MONEY_TEXT_MAX], int64_t minor, unsigned digits);

/* "7.5%" -> 750 basis points; at most two decimals, 0% to 100%. */
enum money_result money_parse_rate(struct str text, unsigned *bp);
/* 750 -> "7.5%". */
unsigned money_format_rate(char out[MONEY_TEXT_MAX], unsigned bp);

/* half_up(value * num / den), den > 0; false on overflow. */
bool money_scale(int64_t value, int64_t num, int64_t den, int64_t *out);
bool money_multiply(int64_t value, int64_t factor, int64_t *out);
bool money_add(int64_t a, int64_t b, int64_t *out);

/* Spreads total (>= 0) over count weights (each >= 0) in proportion, by largest remainder, ties to
 * the lower index: the parts add up to total. All weights zero: all parts zero. False on overflow
 * or count > MONEY_SPREAD_MAX. */
bool money_spread(int64_t total, const int64_t *weights, unsigned count, int64_t *parts);

#endif
