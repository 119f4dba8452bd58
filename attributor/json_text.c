/* SPDX-License-Identifier: Apache-2.0
 * Writes JSON strings as Postgres's escape_json does. */
#include "json_text.h"

static const char *short_escape(char byte);

void json_text_add(struct buf *out, struct str text)
{
	buf_add_cstr(out, "\"");
	size_t from = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *const escape = short_escape(text.data[i]);
		if (escape == NULL && (unsigned char)text.data[i] >= 0x20)
			continue;
		buf_add(out, text.data + from, i - from);
		if (escape != NULL)
			buf_add_cstr(out, escape);
		else
			buf_addf(out, "\\u%04x", (unsigned char)text.data[i]);
		from = i + 1;
	}
	if (text.len > from)
		buf_add(out, text.data + from, text.len - from);
	buf_add_cstr(out, "\"");
}

void json_text_add_or_null(struct buf *out, struct str text)
{
	if (text.len == 0)
		buf_add_cstr(out, "null");
	else
		json_text_add(out, text);
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
