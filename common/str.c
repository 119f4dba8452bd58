/* SPDX-License-Identifier: Apache-2.0
 * Views of bytes: comparing, cutting, searching, whole numbers. The codecs are in str_codec.c. */
#include "str.h"

#include <string.h>

#define U64_DIGITS_SAFE 19 /* no number of so many digits overflows */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_equal_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (a.data[i] != b.data[i] && lower(a.data[i]) != lower(b.data[i]))
			return false;
	}
	return true;
}

bool str_has_prefix(struct str text, struct str prefix)
{
	return text.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(text.data, prefix.data, prefix.len) == 0);
}

bool str_contains(struct str text, struct str part)
{
	if (part.len == 0)
		return true;
	return text.len >= part.len && memmem(text.data, text.len, part.data, part.len) != NULL;
}

bool str_contains_nocase(struct str text, struct str part)
{
	if (part.len == 0)
		return true;
	for (size_t i = 0; i + part.len <= text.len; i++) {
		if (lower(text.data[i]) != lower(part.data[0]))
			continue;
		const struct str here = {.data = text.data + i, .len = part.len};
		if (str_equal_nocase(here, part))
			return true;
	}
	return false;
}

int str_compare(struct str a, struct str b)
{
	const size_t len = a.len < b.len ? a.len : b.len;
	const int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

struct str str_trim(struct str text)
{
	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

bool str_cut(struct str text, char sep, struct str *head, struct str *tail)
{
	const char *at = text.len == 0 ? NULL : memchr(text.data, sep, text.len);
	if (at == NULL) {
		*head = text;
		*tail = (struct str){0};
		return false;
	}
	const size_t len = (size_t)(at - text.data);
	*head = (struct str){.data = text.data, .len = len};
	*tail = (struct str){.data = at + 1, .len = text.len - len - 1};
	return true;
}

bool str_copy(char *out, size_t out_size, struct str text)
{
	if (out_size == 0)
		return false;
	out[0] = '\0';
	if (text.len >= out_size)
		return false;
	if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
		return false;
	if (text.len > 0)
		memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return true;
}

bool str_parse_u64(struct str text, uint64_t max, uint64_t *out)
{
	if (text.len == 0 || (text.len > 1 && text.data[0] == '0'))
		return false;
	uint64_t value = 0;
	for (size_t i = 0; i < text.len; i++) {
		const unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';
		if (digit > 9)
			return false;
		if (i >= U64_DIGITS_SAFE && value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value > max)
		return false;
	*out = value;
	return true;
}

bool str_equal_secret(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *left = a;
	const volatile uint8_t *right = b;
	uint8_t difference = 0;
	for (size_t i = 0; i < len; i++)
		difference = (uint8_t)(difference | (left[i] ^ right[i]));
	return difference == 0;
}
