/* SPDX-License-Identifier: Apache-2.0
 * Exact money: parsing, printing, scaling and spreading of minor units. */
#include "money.h"

#include <string.h>

#define MONEY_RATE_DECIMALS 2
#define MONEY_DIGITS_MAX    4 /* the most that ISO 4217 gives any code */

typedef unsigned __int128 wide;

/* ISO 4217 list one, what circulates: no funds, metals, testing codes or withdrawn currencies. Each
 * code takes four bytes. */
static const char codes_0[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF ";
static const char codes_2[] =
	"AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
	"CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
	"GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL "
	"MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN "
	"PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
	"SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ";
static const char codes_3[] = "BHD IQD JOD KWD LYD OMR TND ";

/* What a decimal text says, before the currency's digits are applied. */
struct decimal {
	bool is_negative;
	bool is_zero;
	struct str whole;
	struct str fraction;
};

static bool list_has(const char *codes, struct str code);
static bool take_decimal(struct str text, struct decimal *decimal);
static bool take_digits(struct str *text, struct str *digits, bool *is_zero);
static bool gather(wide *value, struct str digits, wide max);
static wide magnitude(int64_t value);
static bool narrow(wide value, bool is_negative, int64_t *out);
static void sort_by_remainder(unsigned *order, unsigned count, const wide *remainders);

bool money_currency_digits(struct str code, unsigned *digits)
{
	if (code.len != MONEY_CURRENCY_LEN)
		return false;
	if (list_has(codes_2, code))
		*digits = 2;
	else if (list_has(codes_3, code))
		*digits = 3;
	else if (list_has(codes_0, code))
		*digits = 0;
	else
		return false;
	return true;
}

enum money_result money_parse(struct str text, unsigned digits, int64_t *minor)
{
	struct decimal decimal;
	if (!take_decimal(text, &decimal) || (decimal.is_negative && decimal.is_zero))
		return MONEY_BAD_SYNTAX;
	if (decimal.fraction.len > digits)
		return MONEY_TOO_PRECISE;
	const wide max = (wide)(uint64_t)INT64_MAX + 1;
	wide value = 0;
	if (!gather(&value, decimal.whole, max) || !gather(&value, decimal.fraction, max))
		return MONEY_OUT_OF_RANGE;
	for (size_t i = decimal.fraction.len; i < digits; i++) {
		value *= 10;
		if (value > max)
			return MONEY_OUT_OF_RANGE;
	}
	return narrow(value, decimal.is_negative, minor) ? MONEY_OK : MONEY_OUT_OF_RANGE;
}

unsigned money_format(char out[MONEY_TEXT_MAX], int64_t minor, unsigned digits)
{
	char text[MONEY_TEXT_MAX];
	unsigned at = sizeof(text);
	uint64_t rest = (uint64_t)magnitude(minor);
	if (digits > MONEY_DIGITS_MAX)
		digits = MONEY_DIGITS_MAX;
	text[--at] = '\0';
	for (unsigned i = 0; i <= digits || rest > 0; i++, rest /= 10) {
		if (i > 0 && i == digits)
			text[--at] = '.';
		text[--at] = (char)('0' + rest % 10);
	}
	if (minor < 0)
		text[--at] = '-';
	memcpy(out, text + at, sizeof(text) - at);
	return (unsigned)sizeof(text) - at - 1;
}

enum money_result money_parse_rate(struct str text, unsigned *bp)
{
	if (text.len == 0 || text.data[text.len - 1] != '%')
		return MONEY_BAD_SYNTAX;
	text.len--;
	int64_t value = 0;
	const enum money_result result = money_parse(text, MONEY_RATE_DECIMALS, &value);
	if (result != MONEY_OK)
		return result;
	if (value < 0 || value > MONEY_BP_MAX)
		return MONEY_OUT_OF_RANGE;
	*bp = (unsigned)value;
	return MONEY_OK;
}

unsigned money_format_rate(char out[MONEY_TEXT_MAX], unsigned bp)
{
	unsigned len = money_format(out, bp, MONEY_RATE_DECIMALS);
	while (out[len - 1] == '0')
		len--;
	if (out[len - 1] == '.')
		len--;
	out[len++] = '%';
	out[len] = '\0';
	return len;
}

bool money_scale(int64_t value, int64_t num, int64_t den, int64_t *out)
{
	if (den <= 0)
		return false;
	const wide divisor = (uint64_t)den;
	const wide product = magnitude(value) * magnitude(num);
	wide quotient = product / divisor;
	if (product % divisor * 2 >= divisor)
		quotient++;
	return narrow(quotient, (value < 0) != (num < 0), out);
}

bool money_multiply(int64_t value, int64_t factor, int64_t *out)
{
	return !__builtin_mul_overflow(value, factor, out);
}

bool money_add(int64_t a, int64_t b, int64_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

bool money_spread(int64_t total, const int64_t *weights, unsigned count, int64_t *parts)
{
	wide remainders[MONEY_SPREAD_MAX];
	unsigned order[MONEY_SPREAD_MAX];
	if (total < 0 || count > MONEY_SPREAD_MAX)
		return false;
	wide sum = 0;
	for (unsigned i = 0; i < count; i++) {
		if (weights[i] < 0)
			return false;
		sum += (uint64_t)weights[i];
	}
	int64_t left = sum == 0 ? 0 : total;
	for (unsigned i = 0; i < count; i++) {
		const wide product = (wide)(uint64_t)total * (uint64_t)weights[i];
		parts[i] = sum == 0 ? 0 : (int64_t)(product / sum);
		remainders[i] = sum == 0 ? 0 : product % sum;
		order[i] = i;
		left -= parts[i];
	}
	/* What is left is the sum of the remainders over sum: less than the number of those not
	 * zero. */
	sort_by_remainder(order, count, remainders);
	for (unsigned i = 0; i < count && left > 0; i++, left--)
		parts[order[i]]++;
	return true;
}

static bool list_has(const char *codes, struct str code)
{
	for (; *codes != '\0'; codes += MONEY_CURRENCY_LEN + 1) {
		if (memcmp(codes, code.data, MONEY_CURRENCY_LEN) == 0)
			return true;
	}
	return false;
}

static bool take_decimal(struct str text, struct decimal *decimal)
{
	*decimal = (struct decimal){.is_zero = true};
	if (text.len > 0 && text.data[0] == '-') {
		decimal->is_negative = true;
		text.data++;
		text.len--;
	}
	if (!take_digits(&text, &decimal->whole, &decimal->is_zero))
		return false;
	if (text.len == 0)
		return true;
	if (text.data[0] != '.')
		return false;
	text.data++;
	text.len--;
	return take_digits(&text, &decimal->fraction, &decimal->is_zero) && text.len == 0;
}

static bool take_digits(struct str *text, struct str *digits, bool *is_zero)
{
	size_t len = 0;
	for (; len < text->len && text->data[len] >= '0' && text->data[len] <= '9'; len++) {
		if (text->data[len] != '0')
			*is_zero = false;
	}
	*digits = (struct str){.data = text->data, .len = len};
	text->data += len;
	text->len -= len;
	return len > 0;
}

static bool gather(wide *value, struct str digits, wide max)
{
	for (size_t i = 0; i < digits.len; i++) {
		*value = *value * 10 + (unsigned)(digits.data[i] - '0');
		if (*value > max)
			return false;
	}
	return true;
}

static wide magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static bool narrow(wide value, bool is_negative, int64_t *out)
{
	if (value > (wide)(uint64_t)INT64_MAX + (is_negative ? 1 : 0))
		return false;
	*out = (int64_t)(is_negative ? 0 - (uint64_t)value : (uint64_t)value);
	return true;
}

/* A shell sort: larger remainders first, then lower indexes. No memory, and quick at 512. */
static void sort_by_remainder(unsigned *order, unsigned count, const wide *remainders)
{
	static const unsigned gaps[] = {301, 132, 57, 23, 10, 4, 1};
	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++) {
		const unsigned gap = gaps[g];
		for (unsigned i = gap; i < count; i++) {
			const unsigned index = order[i];
			unsigned at = i;
			for (; at >= gap; at -= gap) {
				const unsigned other = order[at - gap];
				if (remainders[other] > remainders[index] ||
					(remainders[other] == remainders[index] && other < index))
					break;
				order[at] = other;
			}
			order[at] = index;
		}
	}
}
