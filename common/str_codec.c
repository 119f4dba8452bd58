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

static int hex_value(char c);
static int base64_value(char c, bool is_url);
static size_t base64_put(char *out, const uint8_t *bytes, size_t len, const char *alphabet);
static bool base64_get(struct str text, bool is_url, uint8_t *out, size_t out_max, size_t *len);
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
	return base64_get(text, false, out, out_max, len);
}

size_t base64url_encode(char *out, const void *bytes, size_t len)
{
	return base64_put(out, bytes, len, alphabet_64url);
}

bool base64url_decode(struct str text, void *out, size_t out_max, size_t *len)
{
	return base64_get(text, true, out, out_max, len);
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

static int base64_value(char c, bool is_url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (is_url ? '-' : '+'))
		return 62;
	return c == (is_url ? '_' : '/') ? 63 : -1;
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

static bool base64_get(struct str text, bool is_url, uint8_t *out, size_t out_max, size_t *len)
{
	/* One left-over character holds too few bits for a byte. */
	if (text.len % 4 == 1)
		return false;
	size_t written = 0;
	uint32_t bits = 0;
	unsigned bit_count = 0;
	for (size_t i = 0; i < text.len; i++) {
		const int value = base64_value(text.data[i], is_url);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		bit_count += 6;
		if (bit_count < 8)
			continue;
		bit_count -= 8;
		if (written == out_max)
			return false;
		out[written++] = (uint8_t)(bits >> bit_count);
	}
	if ((bits & ((1u << bit_count) - 1)) != 0)
		return false;
	*len = written;
	return true;
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
