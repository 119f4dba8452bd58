/* SPDX-License-Identifier: Apache-2.0
 * Writes JSON strings as Postgres's escape_json does. */
#include "json_text.h"

#include <stdint.h>
#include <string.h>

/* Eight bytes at a time: a byte's value in each of them, and the highest bit of each. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS  EACH(0x80)

static size_t plain_len(struct str text);
static bool are_plain(const char bytes[8]);
static bool is_plain(char byte);
static void add_escape(struct buf *out, char byte);
static const char *short_escape(char byte);

void json_text_add(struct buf *out, struct str text)
{
	buf_add_cstr(out, "\"");
	for (;;) {
		const size_t len = plain_len(text);
		buf_add(out, text.data, len);
		if (len == text.len)
			break;
		add_escape(out, text.data[len]);
		text = (struct str){text.data + len + 1, text.len - len - 1};
	}
	buf_add_cstr(out, "\"");
}

void json_text_add_or_null(struct buf *out, struct str text)
{
	if (text.len == 0)
		buf_add_cstr(out, "null");
	else
		json_text_add(out, text);
}

/* How much of the text stands as it is. */
static size_t plain_len(struct str text)
{
	size_t len = 0;
	while (text.len - len >= 8 && are_plain(text.data + len))
		len += 8;
	while (len < text.len && is_plain(text.data[len]))
		len++;
	return len;
}

/* A byte is below n if n taken from it borrows and it had no highest bit; it is equal to another if
 * what differs between them is below 1. The lowest byte that is so is always found, those above it
 * may be wrongly: there is one, or there is none. */
static bool are_plain(const char bytes[8])
{
	uint64_t eight;
	memcpy(&eight, bytes, sizeof(eight));
	const uint64_t quotes = eight ^ EACH('"'), slashes = eight ^ EACH('\\');
	const uint64_t found = ((eight - EACH(0x20)) & ~eight) | ((quotes - EACH(1)) & ~quotes) |
			       ((slashes - EACH(1)) & ~slashes);
	return (found & HIGH_BITS) == 0;
}

static bool is_plain(char byte)
{
	return (unsigned char)byte >= 0x20 && byte != '"' && byte != '\\';
}

static void add_escape(struct buf *out, char byte)
{
	const char *const escape = short_escape(byte);
	if (escape != NULL)
		buf_add_cstr(out, escape);
	else
		buf_addf(out, "\\u%04x", (unsigned char)byte);
}

static const char *short_escape(char byte)
{
	switch (byte) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	}
	return NULL;
}
