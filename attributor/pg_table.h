/* SPDX-License-Identifier: Apache-2.0
 * Rows on their way to Postgres as one array per column, for `… FROM unnest($1::bigint[], …)`: many
 * rows in one statement. Values are added in the order of the columns, row by row. They travel in
 * binary: neither side writes or reads digits, quotes or hex. */
#ifndef WASL_PG_TABLE_H
#define WASL_PG_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "db.h"

#define PG_COLUMNS_MAX  16
#define PG_COLUMN_MAX   (64u << 20) /* bytes of one column: a batch of bodies fits */
#define PG_COLUMN_KEEPS (64u << 10) /* of it are kept for the next rows */

/* A column's type, as its letter in a table's types; the statement's parameter is an array of just
 * that. */
enum pg_type {
	PG_BIGINT = 'b',
	PG_BOOLEAN = 'f',
	PG_BYTEA = 'x',
	PG_INTEGER = 'i',
	PG_TEXT = 't',
};

struct pg_table {
	const char *sql;
	const char *types; /* one letter a column */
	unsigned column_count;
	unsigned at; /* column of the next value */
	unsigned row_count;
	unsigned with_null; /* 1u << column: it has one */
	struct buf columns[PG_COLUMNS_MAX];
	struct str params[PG_COLUMNS_MAX];
};

/* sql and types are string constants. */
void pg_table_init(struct pg_table *table, const char *sql, const char *types);
void pg_table_release(struct pg_table *table);
void pg_table_clear(struct pg_table *table); /* no rows, and usable again */
/* Of an integer or a bigint; it fits. */
void pg_table_int(struct pg_table *table, int64_t value);
void pg_table_bool(struct pg_table *table, bool value);
void pg_table_text(struct pg_table *table, struct str text);
void pg_table_bytes(struct pg_table *table, const void *bytes, size_t len);
void pg_table_null(struct pg_table *table);
/* Shorthands: null when the value is not there. */
void pg_table_int_or_null(struct pg_table *table, bool has_value, int64_t value);
void pg_table_text_or_null(struct pg_table *table, struct str text);
/* The same of a text that was put together: what has failed fails its column too. */
void pg_table_buf_or_null(struct pg_table *table, const struct buf *text);
/* Closes the arrays (no more rows then) and fills statement with views into the table. False when a
 * column grew over its maximum or memory failed. */
bool pg_table_statement(struct pg_table *table, struct db_statement *statement);

#endif
