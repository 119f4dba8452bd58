/* SPDX-License-Identifier: Apache-2.0
 * Arrays as array_recv of Postgres's src/backend/utils/adt/arrayfuncs.c reads them: the number of
 * dimensions, whether there are nulls, the elements' type, the dimension's size and first index;
 * then each element with its length before it. All numbers are big endian. */
#include "pg_table.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define IS_NULL UINT32_MAX /* instead of a length */

struct header {
	uint32_t dimensions, has_null, type;
	uint32_t size, first; /* not there without a dimension */
};
#define HEADER_EMPTY_BYTES 12
_Static_assert(sizeof(struct header) == 20, "as it travels");

static void column_begin(struct buf *column);
static uint32_t oid_of(char type);
static inline void add_element(struct pg_table *table, const void *bytes, size_t len);
static inline char *next_value(struct pg_table *table, size_t len);

void pg_table_init(struct pg_table *table, const char *sql, const char *types)
{
	const size_t column_count = strlen(types);
	assert(column_count > 0 && column_count <= PG_COLUMNS_MAX);
	*table = (struct pg_table){
		.sql = sql, .types = types, .column_count = (unsigned)column_count};
	for (unsigned i = 0; i < table->column_count; i++) {
		buf_init(&table->columns[i], PG_COLUMN_MAX);
		column_begin(&table->columns[i]);
	}
}

void pg_table_release(struct pg_table *table)
{
	for (unsigned i = 0; i < table->column_count; i++)
		buf_release(&table->columns[i]);
}

void pg_table_clear(struct pg_table *table)
{
	for (unsigned i = 0; i < table->column_count; i++) {
		struct buf *const column = &table->columns[i];
		if (column->cap > PG_COLUMN_KEEPS)
			buf_release(column);
		buf_clear(column);
		column_begin(column);
	}
	table->at = table->row_count = table->with_null = 0;
}

void pg_table_int(struct pg_table *table, int64_t value)
{
	if (table->types[table->at] == PG_INTEGER) {
		assert(value >= INT32_MIN && value <= INT32_MAX);
		const uint32_t bytes = htobe32((uint32_t)value);
		add_element(table, &bytes, sizeof(bytes));
	} else {
		assert(table->types[table->at] == PG_BIGINT);
		const uint64_t bytes = htobe64((uint64_t)value);
		add_element(table, &bytes, sizeof(bytes));
	}
}

void pg_table_bool(struct pg_table *table, bool value)
{
	const uint8_t byte = value;
	assert(table->types[table->at] == PG_BOOLEAN);
	add_element(table, &byte, sizeof(byte));
}

void pg_table_text(struct pg_table *table, struct str text)
{
	assert(table->types[table->at] == PG_TEXT);
	add_element(table, text.data, text.len);
}

void pg_table_bytes(struct pg_table *table, const void *bytes, size_t len)
{
	assert(table->types[table->at] == PG_BYTEA);
	add_element(table, bytes, len);
}

void pg_table_null(struct pg_table *table)
{
	const uint32_t len = IS_NULL;
	table->with_null |= 1u << table->at;
	char *const to = next_value(table, sizeof(len));
	if (to != NULL)
		memcpy(to, &len, sizeof(len));
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

void pg_table_buf_or_null(struct pg_table *table, const struct buf *text)
{
	table->columns[table->at].has_failed |= text->has_failed;
	pg_table_text_or_null(table, buf_str(text));
}

bool pg_table_statement(struct pg_table *table, struct db_statement *statement)
{
	assert(table->at == 0);
	const bool has_rows = table->row_count > 0;
	bool is_whole = true;
	for (unsigned i = 0; i < table->column_count; i++) {
		const struct header header = {.dimensions = htobe32(has_rows ? 1 : 0),
			.has_null = htobe32(table->with_null >> i & 1),
			.type = htobe32(oid_of(table->types[i])),
			.size = htobe32(table->row_count),
			.first = htobe32(1)};
		struct buf *const column = &table->columns[i];
		is_whole &= !column->has_failed;
		table->params[i] =
			(struct str){column->data, has_rows ? column->len : HEADER_EMPTY_BYTES};
		if (!column->has_failed)
			memcpy(column->data, &header, sizeof(header));
	}
	*statement = (struct db_statement){.sql = table->sql,
		.params = table->params,
		.param_count = table->column_count,
		.is_binary = true};
	return is_whole;
}

/* Room for the header, which is known when the rows are. */
static void column_begin(struct buf *column)
{
	static const struct header unknown;
	buf_add(column, &unknown, sizeof(unknown));
}

/* As src/include/catalog/pg_type.dat numbers them: the same in every version. */
static uint32_t oid_of(char type)
{
	switch ((enum pg_type)type) {
	case PG_BIGINT:
		return 20;
	case PG_BOOLEAN:
		return 16;
	case PG_BYTEA:
		return 17;
	case PG_INTEGER:
		return 23;
	case PG_TEXT:
		return 25;
	}
	assert(false);
	return 0;
}

/* Inlined, so that a number is written in a few instructions. */
static inline void add_element(struct pg_table *table, const void *bytes, size_t len)
{
	assert(len < INT32_MAX);
	const uint32_t length = htobe32((uint32_t)len);
	char *const to = next_value(table, sizeof(length) + len);
	if (to == NULL)
		return;
	memcpy(to, &length, sizeof(length));
	if (len > 0)
		memcpy(to + sizeof(length), bytes, len);
}

/* Room of len bytes in the next column; NULL, and the column has failed, when there is none. */
static inline char *next_value(struct pg_table *table, size_t len)
{
	struct buf *const out = &table->columns[table->at];
	if (++table->at == table->column_count) {
		table->at = 0;
		table->row_count++;
	}
	const bool is_easy = !out->has_failed && len < out->cap - out->len;
	if (!is_easy && !buf_reserve(out, len))
		return NULL;
	char *const room = out->data + out->len;
	out->len += len;
	return room;
}
