/* SPDX-License-Identifier: Apache-2.0
 * What commands print: JSON for programs, aligned text for people, CSV for spreadsheets. All of it
 * safe for a terminal. */
#ifndef WASL_CTL_OUT_H
#define WASL_CTL_OUT_H

#include <jansson.h>

#include "buf.h"
#include "call.h"

#define OUT_COLUMNS_MAX 32
#define OUT_LINE_MAX    (16 * 1024 * 1024) /* an order's document may be long */

/* Prints one line of JSON; value stays the caller's. */
void out_json(const json_t *value);
/* Prints an object: JSON with --json, else a line a member; takes the reference. NULL (memory, or a
 * document that did not parse) is reported. Returns the command's exit code. */
enum call_exit out_object(const struct call *call, json_t *object);
/* The JSON integer that these decimal digits write; null when they write none that fits. */
json_t *out_number(const char *digits);
/* The words that people read of a value: lists joined by spaces, null as "-". Not escaped. */
void out_cell(struct buf *out, const json_t *value);

/* A table that is printed page by page; columns never get narrower again. */
struct out_table {
	const char *const *columns; /* names of members, in order */
	unsigned column_count;
	unsigned widths[OUT_COLUMNS_MAX];
	struct buf *cells; /* escaped, row after row */
	unsigned rows, rows_max;
	bool has_head;
	bool has_failed;
};
/* columns ends with NULL. */
void out_table_init(struct out_table *table, const char *const *columns);
void out_table_add(struct out_table *table, const json_t *object);
/* Prints what was added since the last flush; the first one prints the head as well. */
void out_table_flush(struct out_table *table);
void out_table_release(struct out_table *table);

/* A whole table at once: the objects of an array. */
void out_table_of(const json_t *rows, const char *const *columns);

/* One CSV line (RFC 4180) of these members; cells that a spreadsheet would run are guarded by '. */
void out_csv_head(const char *const *columns);
void out_csv_row(const char *const *columns, const json_t *object);

/* Everything reached stdout? Reports and returns CALL_FAILED if not. */
enum call_exit out_finish(const struct call *call, enum call_exit code);

#endif
