/* SPDX-License-Identifier: Apache-2.0
 * Cells and lines of CSV. */
#include "api_csv.h"

#include <string.h>

static bool has_any(struct str text, struct str bytes);

void api_csv_begin(struct buf *out)
{
	buf_add_cstr(out, "\xef\xbb\xbf");
}

void api_csv_cell(struct buf *out, unsigned column, struct str text)
{
	const bool is_guarded = text.len > 0 && memchr("=+-@", text.data[0], 4) != NULL;
	const bool is_quoted = has_any(text, STR(",\"\r\n"));
	if (column > 0)
		buf_add_cstr(out, ",");
	if (is_quoted)
		buf_add_cstr(out, "\"");
	if (is_guarded)
		buf_add_cstr(out, "'");
	if (!is_quoted) {
		buf_add_str(out, text);
		return;
	}
	bool has_more = true;
	while (has_more) {
		struct str head;
		has_more = str_cut(text, '"', &head, &text);
		buf_add_str(out, head);
		buf_add_cstr(out, has_more ? "\"\"" : "\"");
	}
}

void api_csv_end_line(struct buf *out)
{
	buf_add_cstr(out, "\r\n");
}

static bool has_any(struct str text, struct str bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (text.len > 0 && memchr(text.data, bytes.data[i], text.len) != NULL)
			return true;
	}
	return false;
}
