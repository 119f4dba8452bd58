/* SPDX-License-Identifier: Apache-2.0
 * The small codecs of str.h: numbers, hex, base64 and base64url, percent-encoding, UTF-8. */
#include "str.h"

#include <string.h>

#define BASE64_PAD '='

static const char alphabet_hex[] = "0123456789abcdef";
static const char alphabet_64[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_64url[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* "00" to "99". */
#define TEN(tens) \
	tens "0" tens "1" tens "2" tens "3" tens "4" tens "5" tens "6" tens "7" tens "8" tens "9"
static const char pairs[] =
	TEN("0") TEN("1") TEN("2") TEN("3") TEN("4") TEN("5") TEN("6") TEN("7") TEN("8") TEN("9");

/* A character's value plus one; 0: it is in no such alphabet. */
#define LETTERS_AND_DIGITS                                                                         \
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, \
	24, 25, 26, ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,    \
	44, 45, 46, 47, 48, 49, 50, 51, 52, ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62
static const uint8_t values_64[256] = {LETTERS_AND_DIGITS, ['+'] = 63, ['/'] = 64};
static const uint8_t values_64url[256] = {LETTERS_AND_DIGITS, ['-'] = 63, ['_'] = 64};
#define VALUE_64_MAX 63

static int hex_value(char c);
static size_t base64_put(char *out, const uint8_t *bytes, size_t len, const char *alphabet);
static bool base64_get(
	struct str text, const uint8_t *values, uint8_t *out, size_t out_max, size_t *len);
static size_t utf8_sequence(const uint8_t *at, size_t left);

/* Two digits at a time: dividing is what this costs. */
struct str int_format(char out[INT_TEXT_MAX], int64_t value)
{
	size_t at = INT_TEXT_MAX;
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	for (; rest >= 10; rest /= 100)
		memcpy(out + (at -= 2), pairs + rest % 100 * 2, 2);
	if (rest > 0 || at == INT_TEXT_MAX)
		out[--at] = (char)('0' + rest);
	if (value < 0)
		out[--at] = '-';
	return (struct str){out + at, INT_TEXT_MAX - at};
}

void hex_encode(char *out, const void *bytes, size_t len)
{
	const uint8_t *in = bytes;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = alphabet_hex[in[i] >> 4];
		out[2 * i + 1] = alphabet_hex[in[i] & 0x0f];
	}
}

bool hex_decode(struct str text, void *out, size_t len)
{
	if (text.len != 2 * len)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (hex_value(text.data[i]) < 0)
			return false;
	}
	uint8_t *bytes = out;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(hex_value(text.data[2 * i]) << 4 |
				     hex_value(text.data[2 * i + 1]));
	return true;
}

size_t base64_encode(char *out, const void *bytes, size_t len)
{
	size_t written = base64_put(out, bytes, len, alphabet_64);
	while (written % 4 != 0)
		out[written++] = BASE64_PAD;
	return written;
}

bool base64_decode(struct str text, void *out, size_t out_max, size_t *len)
{
	if (text.len % 4 != 0)
		return false;
	for (unsigned pads = 0; pads < 2 && text.len > 0; pads++) {
		if (text.data[text.len - 1] == BASE64_PAD)
			text.len--;
	}
	return base64_get(text, values_64, out, out_max, len);
}

size_t base64url_encode(char *out, const void *bytes, size_t len)
{
	return base64_put(out, bytes, len, alphabet_64url);
}

bool base64url_decode(struct str text, void *out, size_t out_max, size_t *len)
{
	return base64_get(text, values_64url, out, out_max, len);
}

bool percent_decode(struct str text, bool is_form, char *out, size_t out_max, size_t *len)
{
	size_t written = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c == '%') {
			if (text.len - i < 3)
				return false;
			const int high = hex_value(text.data[i + 1]);
			const int low = hex_value(text.data[i + 2]);
			if (high < 0 || low < 0)
				return false;
			c = (char)(uint8_t)(high << 4 | low);
			i += 2;
		} else if (is_form && c == '+') {
			c = ' ';
		}
		if (written == out_max)
			return false;
		out[written++] = c;
	}
	*len = written;
	return true;
}

struct str utf8_cut(struct str text, size_t max)
{
	size_t len = text.len < max ? text.len : max;
	while (len > 0 && len < text.len && ((uint8_t)text.data[len] & 0xc0) == 0x80)
		len--;
	return (struct str){text.data, len};
}

bool utf8_is_valid(struct str text)
{
	for (size_t i = 0; i < text.len;) {
		const size_t step = utf8_sequence((const uint8_t *)text.data + i, text.len - i);
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static size_t base64_put(char *out, const uint8_t *bytes, size_t len, const char *alphabet)
{
	size_t written = 0, at = 0;
	for (; len - at >= 3; at += 3) {
		const uint32_t bits =
			(uint32_t)bytes[at] << 16 | (uint32_t)bytes[at + 1] << 8 | bytes[at + 2];
		out[written++] = alphabet[bits >> 18];
		out[written++] = alphabet[bits >> 12 & 0x3f];
		out[written++] = alphabet[bits >> 6 & 0x3f];
		out[written++] = alphabet[bits & 0x3f];
	}
	if (len == at)
		return written;
	const uint32_t bits = (uint32_t)bytes[at] << 8 | (len - at == 2 ? bytes[at + 1] : 0u);
	out[written++] = alphabet[bits >> 10];
	out[written++] = alphabet[bits >> 4 & 0x3f];
	if (len - at == 2)
		out[written++] = alphabet[bits << 2 & 0x3f];
	return written;
}

static bool base64_get(
	struct str text, const uint8_t *values, uint8_t *out, size_t out_max, size_t *len)
{
	/* One left-over character holds too few bits for a byte. */
	const size_t left = text.len % 4;
	const size_t bytes = text.len / 4 * 3 + (left > 0 ? left - 1 : 0);
	if (left == 1 || bytes > out_max)
		return false;
	const uint8_t *in = (const uint8_t *)text.data;
	unsigned seen = 0; /* of all values, for one question at the end */
	size_t written = 0;
	for (; bytes - written >= 3; in += 4) {
		const unsigned a = values[in[0]] - 1u, b = values[in[1]] - 1u;
		const unsigned c = values[in[2]] - 1u, d = values[in[3]] - 1u;
		seen |= a | b | c | d;
		out[written++] = (uint8_t)(a << 2 | b >> 4);
		out[written++] = (uint8_t)(b << 4 | c >> 2);
		out[written++] = (uint8_t)(c << 6 | d);
	}
	if (left > 0) {
		const unsigned a = values[in[0]] - 1u, b = values[in[1]] - 1u;
		const unsigned c = left == 3 ? values[in[2]] - 1u : 0;
		const unsigned unused = left == 3 ? c & 0x03 : b & 0x0f;
		seen |= a | b | c;
		if (unused != 0)
			return false;
		out[written++] = (uint8_t)(a << 2 | b >> 4);
		if (left == 3)
			out[written++] = (uint8_t)(b << 4 | c >> 2);
	}
	*len = written;
	return seen <= VALUE_64_MAX;
}

/* RFC 3629 section 4, the table of well-formed byte sequences; 0 when there is none at this place.
 */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
	const uint8_t lead = at[0];
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	const size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	const bool is_overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
	const bool is_surrogate = lead == 0xed && at[1] > 0x9f;
	const bool is_too_high = lead == 0xf4 && at[1] > 0x8f;
	return is_overlong || is_surrogate || is_too_high ? 0 : len;
}
