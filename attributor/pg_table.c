/* SPDX-License-Identifier: Apache-2.0
 * Array literals as Postgres reads them (documentation, "Array Input and Output Syntax"): texts
 * always quoted, with quotes and backslashes escaped. */
#include "pg_table.h"

#include <assert.h>
#include <string.h>

#define HEX_PIECE 512 /* bytes encoded at a time */

static struct buf *next_value(struct pg_table *table);

void pg_table_init(struct pg_table *table, const char *sql, unsigned column_count)
{
	assert(column_count > 0 && column_count <= PG_COLUMNS_MAX);
	*table = (struct pg_table){.sql = sql, .column_count = column_count};
	for (unsigned i = 0; i < column_count; i++) {
		buf_init(&table->columns[i], PG_COLUMN_MAX);
		buf_add_cstr(&table->columns[i], "{");
	}
}

void pg_table_release(struct pg_table *table)
{
	for (unsigned i = 0; i < table->column_count; i++)
		buf_release(&table->columns[i]);
}

void pg_table_int(struct pg_table *table, int64_t value)
{
	buf_add_int(next_value(table), value);
}

void pg_table_bool(struct pg_table *table, bool value)
{
	buf_add_cstr(next_value(table), value ? "t" : "f");
}

void pg_table_text(struct pg_table *table, struct str text)
{
	struct buf *const out = next_value(table);
	buf_add_cstr(out, "\"");
	size_t from = 0;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '"' || text.data[i] == '\\') {
			buf_add(out, text.data + from, i - from);
			buf_add_cstr(out, "\\");
			from = i;
		}
	if (text.len > from)
		buf_add(out, text.data + from, text.len - from);
	buf_add_cstr(out, "\"");
}

void pg_table_bytes(struct pg_table *table, const void *bytes, size_t len)
{
	struct buf *const out = next_value(table);
	const uint8_t *const from = bytes;
	char hex[2 * HEX_PIECE];
	buf_add_cstr(out, "\"\\\\x");
	for (size_t at = 0; at < len; at += HEX_PIECE) {
		const size_t piece = len - at < HEX_PIECE ? len - at : HEX_PIECE;
		hex_encode(hex, from + at, piece);
		buf_add(out, hex, 2 * piece);
	}
	buf_add_cstr(out, "\"");
}

void pg_table_null(struct pg_table *table)
{
	buf_add_cstr(next_value(table), "NULL");
}

void pg_table_int_or_null(struct pg_table *table, bool has_value, int64_t value)
{
	if (has_value)
		pg_table_int(table, value);
	else
		pg_table_null(table);
}

void pg_table_text_or_null(struct pg_table *table, struct str text)
{
	if (text.len > 0)
		pg_table_text(table, text);
	else
		pg_table_null(table);
}

bool pg_table_statement(struct pg_table *table, struct db_statement *statement)
{
	assert(table->at == 0);
	bool is_whole = true;
	for (unsigned i = 0; i < table->column_count; i++) {
		buf_add_cstr(&table->columns[i], "}");
		is_whole &= !table->columns[i].has_failed;
		table->params[i] = buf_str(&table->columns[i]);
	}
	*statement = (struct db_statement){table->sql, table->params, table->column_count};
	return is_whole;
}

static struct buf *next_value(struct pg_table *table)
{
	struct buf *const out = &table->columns[table->at];
	if (table->row_count > 0)
		buf_add_cstr(out, ",");
	if (++table->at == table->column_count) {
		table->at = 0;
		table->row_count++;
	}
	return out;
}
