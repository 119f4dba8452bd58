/* SPDX-License-Identifier: Apache-2.0
 * Printing values, objects, tables and CSV. */
#include "out.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define CELL_MAX       (64 * 1024)
#define COLUMN_GAP     2
#define COLUMN_MAX     60 /* longer cells stand out instead of widening every row */
#define TABLE_ROWS_MAX 1024
#define NAME_WIDTH     16
#define UTF8_BOM       "\xef\xbb\xbf"

static struct buf *add_row(struct out_table *table);
static void print_padded(struct buf *cell, unsigned width);
static void csv_cell(struct buf *line, const json_t *value);

void out_json(const json_t *value)
{
	struct buf line;
	char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (dumped == NULL) {
		fputs("null\n", stdout);
		return;
	}
	buf_init(&line, OUT_LINE_MAX);
	text_escape_json(&line, str_from(dumped));
	fwrite(buf_cstr(&line), 1, line.len, stdout);
	fputc('\n', stdout);
	buf_release(&line);
	free(dumped);
}

enum call_exit out_object(const struct call *call, json_t *object)
{
	const char *name = NULL;
	json_t *value = NULL;
	if (object == NULL)
		return call_fail(call, "the answer could not be put together");
	if (call->is_json) {
		out_json(object);
		json_decref(object);
		return CALL_DONE;
	}
	json_object_foreach(object, name, value)
	{
		struct buf cell, line;
		buf_init(&cell, CELL_MAX);
		buf_init(&line, CELL_MAX);
		out_cell(&cell, value);
		text_escape(&line, buf_str(&cell));
		printf("%-*s %s\n", NAME_WIDTH, name, buf_cstr(&line));
		buf_release(&cell);
		buf_release(&line);
	}
	json_decref(object);
	return CALL_DONE;
}

json_t *out_number(const char *digits)
{
	uint64_t value = 0;
	if (digits == NULL || !str_parse_u64(str_from(digits), INT64_MAX, &value))
		return json_null();
	return json_integer((json_int_t)value);
}

void out_cell(struct buf *out, const json_t *value)
{
	size_t index = 0;
	json_t *part = NULL;
	if (json_is_string(value)) {
		buf_add(out, json_string_value(value), json_string_length(value));
	} else if (json_is_array(value)) {
		json_array_foreach(value, index, part)
		{
			if (index > 0)
				buf_add_cstr(out, " ");
			out_cell(out, part);
		}
		if (json_array_size(value) == 0)
			buf_add_cstr(out, "-");
	} else if (value == NULL || json_is_null(value)) {
		buf_add_cstr(out, "-");
	} else if (json_is_boolean(value)) {
		buf_add_cstr(out, json_is_true(value) ? "yes" : "no");
	} else {
		char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_add_cstr(out, dumped ? dumped : "?");
		free(dumped);
	}
}

void out_table_init(struct out_table *table, const char *const *columns)
{
	*table = (struct out_table){.columns = columns};
	while (columns[table->column_count] != NULL) {
		assert(table->column_count < OUT_COLUMNS_MAX);
		table->widths[table->column_count] =
			text_columns(str_from(columns[table->column_count]));
		table->column_count++;
	}
}

void out_table_add(struct out_table *table, const json_t *object)
{
	struct buf *row = add_row(table);
	for (unsigned i = 0; row != NULL && i < table->column_count; i++) {
		struct buf plain;
		buf_init(&plain, CELL_MAX);
		out_cell(&plain, json_object_get(object, table->columns[i]));
		buf_init(&row[i], CELL_MAX * TEXT_ESCAPE_MAX);
		text_escape(&row[i], buf_str(&plain));
		buf_release(&plain);
		unsigned width = text_columns(buf_str(&row[i]));
		if (width > COLUMN_MAX)
			width = COLUMN_MAX;
		if (width > table->widths[i])
			table->widths[i] = width;
	}
}

void out_table_flush(struct out_table *table)
{
	for (unsigned i = 0; !table->has_head && i < table->column_count; i++) {
		struct buf head;
		buf_init(&head, CELL_MAX);
		buf_add_cstr(&head, table->columns[i]);
		print_padded(&head, i + 1 < table->column_count ? table->widths[i] : 0);
		buf_release(&head);
	}
	table->has_head = true;
	for (unsigned row = 0; row < table->rows; row++) {
		for (unsigned i = 0; i < table->column_count; i++) {
			struct buf *cell = &table->cells[row * table->column_count + i];
			print_padded(cell, i + 1 < table->column_count ? table->widths[i] : 0);
			buf_release(cell);
		}
	}
	table->rows = 0;
}

void out_table_release(struct out_table *table)
{
	for (unsigned i = 0; i < table->rows * table->column_count; i++)
		buf_release(&table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->rows = 0;
}

void out_table_of(const json_t *rows, const char *const *columns)
{
	struct out_table table;
	out_table_init(&table, columns);
	for (size_t i = 0; i < json_array_size(rows); i++)
		out_table_add(&table, json_array_get(rows, i));
	out_table_flush(&table);
	out_table_release(&table);
}

void out_csv_head(const char *const *columns)
{
	fputs(UTF8_BOM, stdout);
	for (unsigned i = 0; columns[i] != NULL; i++)
		printf("%s%s", i > 0 ? "," : "", columns[i]);
	fputs("\r\n", stdout);
}

void out_csv_row(const char *const *columns, const json_t *object)
{
	struct buf line;
	buf_init(&line, CELL_MAX * OUT_COLUMNS_MAX);
	for (unsigned i = 0; columns[i] != NULL; i++) {
		if (i > 0)
			buf_add_cstr(&line, ",");
		csv_cell(&line, json_object_get(object, columns[i]));
	}
	buf_add_cstr(&line, "\r\n");
	fwrite(buf_cstr(&line), 1, line.len, stdout);
	buf_release(&line);
}

enum call_exit out_finish(const struct call *call, enum call_exit code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	return call_fail(call, "stdout: %s", strerror(errno));
}

static struct buf *add_row(struct out_table *table)
{
	if (table->rows == TABLE_ROWS_MAX)
		out_table_flush(table);
	if (table->rows == table->rows_max) {
		unsigned rows_max = table->rows_max == 0 ? 16 : table->rows_max * 2;
		struct buf *cells =
			reallocarray(table->cells, rows_max * table->column_count, sizeof(*cells));
		if (cells == NULL) {
			table->has_failed = true;
			return NULL;
		}
		table->cells = cells;
		table->rows_max = rows_max;
	}
	return &table->cells[table->rows++ * table->column_count];
}

/* width 0: the last cell of a line. */
static void print_padded(struct buf *cell, unsigned width)
{
	unsigned columns = text_columns(buf_str(cell));
	fputs(buf_cstr(cell), stdout);
	if (width == 0)
		fputc('\n', stdout);
	else
		printf("%*s", (int)((columns < width ? width - columns : 0) + COLUMN_GAP), "");
}

static void csv_cell(struct buf *line, const json_t *value)
{
	struct buf cell;
	if (value == NULL || json_is_null(value))
		return;
	buf_init(&cell, CELL_MAX);
	out_cell(&cell, value);
	struct str text = buf_str(&cell);
	bool is_guarded = text.len > 0 && memchr("=+-@", text.data[0], 4) != NULL;
	bool is_quoted = false;
	for (size_t i = 0; i < text.len; i++)
		is_quoted = is_quoted || memchr(",\"\r\n", text.data[i], 4) != NULL;
	if (is_quoted)
		buf_add_cstr(line, "\"");
	if (is_guarded)
		buf_add_cstr(line, "'");
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"')
			buf_add_cstr(line, "\"");
		buf_add(line, &text.data[i], 1);
	}
	if (is_quoted)
		buf_add_cstr(line, "\"");
	buf_release(&cell);
}
