/* SPDX-License-Identifier: Apache-2.0
 * Paging through a query by its key. */
#include "list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "text.h"

struct walk {
	struct call *call;
	const struct list *list;
	enum list_format format;
	struct out_table table;
	uint64_t left; /* rows that may still be printed */
	uint64_t printed;
	bool has_head; /* is printed: once there is something behind it */
	bool has_cursor;
	char cursor[LIST_CURSOR_MAX]; /* the key of the last row */
};

static bool store_is_there(struct call *call, const char *store_id);
static void print_head(struct walk *walk);
static enum call_exit print_pages(struct walk *walk, bool *has_more);
static bool print_row(struct walk *walk, const char *text);
static void print_end(struct walk *walk, bool has_more);

enum call_exit list_print(struct call *call, const struct list *list)
{
	struct walk walk = {.call = call, .list = list, .left = UINT64_MAX};
	const char *cursor = call_text(call, "cursor");
	enum call_exit code = CALL_FAILED;
	bool has_more = false;
	walk.format = call->is_json ? LIST_JSON : list->format;
	if (!call_number(call, "limit", 1, INT32_MAX, &walk.left))
		return CALL_USAGE;
	if (cursor != NULL) {
		uint64_t number;
		if (!list->has_text_key && !call_number(call, "cursor", 0, INT64_MAX, &number))
			return CALL_USAGE;
		if (!str_copy(walk.cursor, sizeof(walk.cursor), str_from(cursor)))
			return call_usage(call, "--cursor is too long");
		walk.has_cursor = true;
	}
	if (!call_db(call, &code))
		return code;
	if (list->store_id != NULL && !store_is_there(call, list->store_id))
		return CALL_FAILED;
	out_table_init(&walk.table, list->columns);
	code = print_pages(&walk, &has_more);
	if (code == CALL_DONE)
		print_end(&walk, has_more);
	out_table_release(&walk.table);
	return code;
}

static bool store_is_there(struct call *call, const char *store_id)
{
	struct db_rows *const rows = call_query(
		call, "SELECT FROM wasl.stores WHERE store_id = $1::bigint", DB_ARGS(store_id));
	const bool is_there = rows != NULL && db_rows_count(rows) > 0;
	if (rows != NULL && !is_there)
		call_fail(call, "there is no store %s", store_id);
	db_rows_free(rows);
	return is_there;
}

static void print_head(struct walk *walk)
{
	if (walk->format == LIST_JSON)
		fputs("{\"data\":[", stdout);
	else if (walk->format == LIST_CSV)
		out_csv_head(walk->list->columns);
	walk->has_head = true;
}

/* Asks for one row more than it may print, which tells whether there is a next page. */
static enum call_exit print_pages(struct walk *walk, bool *has_more)
{
	const char *params[LIST_PARAMS_MAX + 2];
	char rows_text[24];
	memcpy(params + 2, walk->list->params, sizeof(walk->list->params));
	for (;;) {
		uint64_t wanted = walk->left < LIST_PAGE_ROWS ? walk->left : LIST_PAGE_ROWS;
		snprintf(rows_text, sizeof(rows_text), "%u", (unsigned)wanted + 1);
		params[0] = walk->has_cursor ? walk->cursor : NULL;
		params[1] = rows_text;
		struct db_rows *rows = call_query(
			walk->call, walk->list->sql, walk->list->param_count + 2, params);
		if (rows == NULL)
			return CALL_FAILED;
		if (!walk->has_head)
			print_head(walk);
		unsigned count = db_rows_count(rows);
		bool has_rest = count > wanted;
		bool is_ok = true;
		for (unsigned i = 0; is_ok && i < count && i < wanted; i++)
			is_ok = print_row(walk, db_cell(rows, i, 0));
		db_rows_free(rows);
		if (!is_ok || walk->table.has_failed)
			return call_fail(walk->call, "a row could not be read");
		walk->left -= has_rest ? wanted : count;
		if (walk->format == LIST_TABLE)
			out_table_flush(&walk->table);
		if (!has_rest || walk->left == 0) {
			*has_more = has_rest;
			return CALL_DONE;
		}
	}
}

static bool print_row(struct walk *walk, const char *text)
{
	json_error_t error;
	json_t *row = json_loads(text ? text : "", 0, &error);
	const json_t *key = json_object_get(row, walk->list->key);
	bool is_ok = row != NULL;
	if (json_is_integer(key))
		snprintf(walk->cursor, sizeof(walk->cursor), "%lld",
			(long long)json_integer_value(key));
	else
		is_ok = is_ok && json_is_string(key) &&
			str_copy(walk->cursor, sizeof(walk->cursor),
				str_from(json_string_value(key)));
	walk->has_cursor = true;
	if (is_ok && walk->format == LIST_TABLE) {
		out_table_add(&walk->table, row);
	} else if (is_ok && walk->format == LIST_CSV) {
		out_csv_row(walk->list->columns, row);
	} else if (is_ok) {
		fputs(walk->printed > 0 ? "," : "", stdout);
		out_json(row);
	}
	walk->printed++;
	json_decref(row);
	return is_ok;
}

static void print_end(struct walk *walk, bool has_more)
{
	if (walk->format == LIST_JSON) {
		json_t *next = has_more ? json_string(walk->cursor) : json_null();
		fputs("],\"next\":", stdout);
		char *text = json_dumps(next, JSON_ENCODE_ANY);
		fputs(text ? text : "null", stdout);
		fputs("}\n", stdout);
		free(text);
		json_decref(next);
	} else if (walk->format == LIST_TABLE && has_more) {
		struct buf cursor;
		buf_init(&cursor, sizeof(walk->cursor) * TEXT_ESCAPE_MAX);
		text_escape(&cursor, str_from(walk->cursor));
		printf("more: --cursor %s\n", buf_cstr(&cursor));
		buf_release(&cursor);
	}
}
