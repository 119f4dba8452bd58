/* SPDX-License-Identifier: Apache-2.0
 * Code points: which of them a terminal must not see, and how many columns the others take. */
#include "text.h"

#include <stdint.h>
#include <stdio.h>

#define NO_CODE UINT32_MAX /* a byte that starts no valid UTF-8 */

struct range {
	uint32_t first, last;
};

/* General categories Mn, Me and Cf of the scripts that names here are written in (Unicode 15). */
static const struct range no_columns[] = {{0x300, 0x36f}, {0x483, 0x489}, {0x591, 0x5bd},
	{0x610, 0x61a}, {0x61c, 0x61c}, {0x64b, 0x65f}, {0x670, 0x670}, {0x6d6, 0x6dd},
	{0x6df, 0x6e4}, {0x6e7, 0x6e8}, {0x6ea, 0x6ed}, {0x8d3, 0x902}, {0x1ab0, 0x1aff},
	{0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x2060, 0x2064}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
	{0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0x1f3fb, 0x1f3ff}, {0xe0100, 0xe01ef}};
/* East Asian Width W and F, and emoji. */
static const struct range two_columns[] = {{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2e80, 0x303e},
	{0x3041, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60},
	{0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
	{0x20000, 0x3fffd}};

static uint32_t next_code(struct str *text, struct str *bytes);
static bool is_control(uint32_t code);
static bool turns_direction(uint32_t code);
static bool is_in(const struct range *ranges, unsigned count, uint32_t code);

void text_escape(struct buf *out, struct str text)
{
	struct str bytes;
	while (text.len > 0) {
		uint32_t code = next_code(&text, &bytes);
		if (code == '\n')
			buf_add_cstr(out, "\\n");
		else if (code == '\t')
			buf_add_cstr(out, "\\t");
		else if (code == '\r')
			buf_add_cstr(out, "\\r");
		else if (code == NO_CODE || (is_control(code) && code <= 0x7f))
			buf_addf(out, "\\x%02x", (unsigned)(uint8_t)bytes.data[0]);
		else if (is_control(code) || turns_direction(code))
			buf_addf(out, "\\u%04x", (unsigned)code);
		else
			buf_add_str(out, bytes);
	}
}

void text_escape_json(struct buf *out, struct str json)
{
	struct str bytes;
	while (json.len > 0) {
		uint32_t code = next_code(&json, &bytes);
		if (code == 0x7f || (code >= 0x80 && code <= 0x9f) || turns_direction(code))
			buf_addf(out, "\\u%04x", (unsigned)code);
		else
			buf_add_str(out, bytes);
	}
}

bool text_has_control(struct str text)
{
	struct str bytes;
	while (text.len > 0) {
		if (is_control(next_code(&text, &bytes)))
			return true;
	}
	return false;
}

unsigned text_columns(struct str text)
{
	unsigned columns = 0;
	struct str bytes;
	while (text.len > 0) {
		uint32_t code = next_code(&text, &bytes);
		if (is_in(two_columns, sizeof(two_columns) / sizeof(two_columns[0]), code))
			columns += 2;
		else if (!is_in(no_columns, sizeof(no_columns) / sizeof(no_columns[0]), code))
			columns += 1;
	}
	return columns;
}

void text_add_utf8(struct buf *out, struct str text)
{
	struct str bytes;
	while (text.len > 0) {
		if (next_code(&text, &bytes) == NO_CODE)
			buf_add_cstr(out, "\xef\xbf\xbd");
		else
			buf_add_str(out, bytes);
	}
}

/* Takes one character off the front; bytes is what it was written in. */
static uint32_t next_code(struct str *text, struct str *bytes)
{
	uint8_t first = (uint8_t)text->data[0];
	size_t len = first < 0x80    ? 1
		     : first >= 0xf0 ? 4
		     : first >= 0xe0 ? 3
		     : first >= 0xc0 ? 2
				     : 1;
	uint32_t code = first;
	*bytes = (struct str){.data = text->data, .len = len};
	if (len > text->len || !utf8_is_valid(*bytes)) {
		bytes->len = 1;
		code = NO_CODE;
	} else if (len > 1) {
		code = first & (0xffu >> (len + 1));
		for (size_t i = 1; i < len; i++)
			code = code << 6 | ((uint8_t)text->data[i] & 0x3f);
	}
	text->data += bytes->len;
	text->len -= bytes->len;
	return code;
}

static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* Embeddings, overrides and isolates: they reorder what is printed after them. */
static bool turns_direction(uint32_t code)
{
	return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static bool is_in(const struct range *ranges, unsigned count, uint32_t code)
{
	for (unsigned i = 0; i < count; i++) {
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	}
	return false;
}
