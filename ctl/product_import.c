/* SPDX-License-Identifier: Apache-2.0
 * waslctl product import: a CSV of any length into the catalogue. Rows are checked here one by one
 * and streamed into a temporary table; a few statements over the whole table do the rest. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ack.h"
#include "clock.h"
#include "csv.h"
#include "money.h"
#include "nouns.h"
#include "out.h"
#include "product.h"
#include "text.h"
#include "timestamp.h"

#define ERRORS_MAX      100
#define COPY_BYTES      65536
#define COPY_MAX        (COPY_BYTES + 4 * CSV_RECORD_MAX) /* a row's bytes may double in escaping */
#define PROGRESS_US     (200 * US_PER_MS)
#define NUMBER_TEXT_MAX 24
#define REASON_MAX      96

enum column { EXTERNAL_ID = 0, URL, TITLE, CATEGORY, RATE, FIXED, COLUMNS };
static const char *const column_names[COLUMNS] = {
	"external_id", "url", "title", "category", "rate", "fixed"};

struct import_error {
	uint64_t line;
	const char *column; /* NULL: the record as a whole */
	char reason[REASON_MAX];
};

struct import {
	struct call *call;
	struct product_store *store;
	struct csv csv;
	int places[COLUMNS]; /* field of each column, -1: not in this file */
	unsigned column_count;
	struct buf rows; /* COPY text on its way */
	uint64_t read, added, updated, refused;
	struct import_error errors[ERRORS_MAX]; /* the first ones, by line */
	unsigned error_count;
	int64_t told_us;
};

static enum call_exit run(struct import *import, FILE *file, const struct ack *ack);
static bool read_header(struct import *import);
static bool copy_rows(struct import *import);
static bool take_row(struct import *import);
static bool check_text(struct import *import, enum column column, size_t max, bool may_control);
static struct str field(const struct import *import, enum column column);
static void add_cell(struct buf *rows, struct str text);
static bool refuse(struct import *import, const char *column, const char *reason);
static void keep_error(struct import *import, const struct import_error *error);
static bool drop_repeats(struct import *import);
static bool merge(struct import *import);
static bool count_into(struct import *import, uint64_t *count, const char *sql);
static void progress(struct import *import, bool is_end);
static enum call_exit tell(const struct import *import);

enum call_exit product_import(struct call *call)
{
	struct ack ack;
	enum call_exit code = CALL_FAILED;
	const char *path = call->operands[0];
	if (!call_id(call, "store"))
		return CALL_USAGE;
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (file == NULL)
		return call_fail(call, "%s: %s", path, strerror(errno));
	struct import *import = calloc(1, sizeof(*import));
	if (import == NULL) {
		code = call_fail(call, "out of memory");
	} else if (ack_begin(call, &ack, &code)) {
		import->call = call;
		buf_init(&import->rows, COPY_MAX);
		import->store = product_store_read(call);
		code = import->store != NULL ? run(import, file, &ack) : CALL_FAILED;
		buf_release(&import->rows);
		free(import->store);
	}
	free(import);
	if (file != stdin)
		fclose(file);
	return code;
}

static enum call_exit run(struct import *import, FILE *file, const struct ack *ack)
{
	struct call *call = import->call;
	csv_init(&import->csv, file);
	if (!read_header(import) || !copy_rows(import) || !drop_repeats(import))
		return CALL_FAILED;
	const bool is_dropped = import->refused > 0 && call_has(call, "strict");
	if (is_dropped ? !call_run(call, "ROLLBACK", DB_ARGS())
		       : !merge(import) || !ack_commit(call, ack))
		return CALL_FAILED;
	enum call_exit code = tell(import);
	if (!is_dropped)
		ack_wait(call, ack);
	if (code != CALL_DONE || import->refused == 0)
		return code;
	return call_fail(call, "%llu of %llu rows refused%s", (unsigned long long)import->refused,
		(unsigned long long)import->read, is_dropped ? ": nothing imported" : "");
}

static bool read_header(struct import *import)
{
	enum csv_result result = csv_next(&import->csv);
	if (result != CSV_RECORD) {
		call_fail(import->call, "line %llu: %s", (unsigned long long)import->csv.line,
			result == CSV_END ? "there is no header row" : csv_result_reason(result));
		return false;
	}
	for (unsigned i = 0; i < COLUMNS; i++)
		import->places[i] = -1;
	import->column_count = import->csv.field_count;
	for (unsigned i = 0; i < import->column_count; i++) {
		struct str name = str_trim(import->csv.fields[i]);
		unsigned column = 0;
		while (column < COLUMNS && !str_equal(name, str_from(column_names[column])))
			column++;
		if (column == COLUMNS || import->places[column] >= 0) {
			call_fail(import->call, "line %llu: column '%.*s' is %s",
				(unsigned long long)import->csv.line, STR_ARG(name),
				column == COLUMNS ? "unknown" : "there twice");
			return false;
		}
		import->places[column] = (int)i;
	}
	for (unsigned column = EXTERNAL_ID; column <= URL; column++) {
		if (import->places[column] < 0) {
			call_fail(import->call, "line %llu: column '%s' is missing",
				(unsigned long long)import->csv.line, column_names[column]);
			return false;
		}
	}
	return true;
}

static bool copy_rows(struct import *import)
{
	struct err err = {0};
	struct db *db = import->call->db;
	if (!call_run(import->call,
		    "CREATE TEMP TABLE import (line bigint, external_id text, url text, title "
		    "text, "
		    "category text, rate_bp integer, fixed_minor bigint, product_id bigint) "
		    "ON COMMIT DROP",
		    DB_ARGS()))
		return false;
	bool is_ok = db_copy_begin(db,
		"COPY pg_temp.import (line, external_id, url, title, category, rate_bp, "
		"fixed_minor) "
		"FROM STDIN",
		&err);
	enum csv_result result = CSV_RECORD;
	while (is_ok && (result = csv_next(&import->csv)) != CSV_END && result != CSV_READ_FAILED) {
		import->read++;
		if (result == CSV_RECORD)
			take_row(import);
		else
			refuse(import, NULL, csv_result_reason(result));
		if (import->rows.len >= COPY_BYTES) {
			is_ok = db_copy_put(db, buf_str(&import->rows), &err);
			buf_clear(&import->rows);
			progress(import, false);
		}
	}
	if (is_ok && result == CSV_READ_FAILED)
		is_ok = err_set(&err, ERR_SYSTEM, errno, "%s", csv_result_reason(result));
	is_ok = is_ok && db_copy_put(db, buf_str(&import->rows), &err) && db_copy_end(db, &err);
	progress(import, true);
	if (!is_ok)
		call_fail_err(import->call, &err);
	return is_ok && call_run(import->call, "ANALYZE pg_temp.import", DB_ARGS());
}

/* A row that may go in leaves as one line of COPY; its refusal is kept otherwise. */
static bool take_row(struct import *import)
{
	unsigned bp = 0;
	int64_t minor = 0;
	char text[NUMBER_TEXT_MAX];
	const struct str rate = field(import, RATE), fixed = field(import, FIXED);
	if (import->csv.field_count != import->column_count)
		return refuse(import, NULL, "does not have as many fields as the header");
	if (!check_text(import, EXTERNAL_ID, PRODUCT_ID_MAX, false) ||
		!check_text(import, TITLE, PRODUCT_TITLE_MAX, true) ||
		!check_text(import, CATEGORY, PRODUCT_CATEGORY_MAX, false))
		return false;
	if (field(import, EXTERNAL_ID).len == 0)
		return refuse(import, column_names[EXTERNAL_ID], "is empty");
	const char *reason = product_url_reason(import->store, field(import, URL));
	if (reason != NULL)
		return refuse(import, column_names[URL], reason);
	if (rate.len > 0 && money_parse_rate(rate, &bp) != MONEY_OK)
		return refuse(
			import, column_names[RATE], "not a rate from 0% to 100% such as 7.5%");
	if (fixed.len > 0 &&
		(money_parse(fixed, import->store->digits, &minor) != MONEY_OK || minor < 0))
		return refuse(import, column_names[FIXED], "not an amount in the store's currency");
	buf_addf(&import->rows, "%llu", (unsigned long long)import->csv.line);
	for (enum column column = EXTERNAL_ID; column <= CATEGORY; column++)
		add_cell(&import->rows, field(import, column));
	snprintf(text, sizeof(text), "%u", bp);
	add_cell(&import->rows, str_from(rate.len > 0 ? text : ""));
	snprintf(text, sizeof(text), "%lld", (long long)minor);
	add_cell(&import->rows, str_from(fixed.len > 0 ? text : ""));
	buf_add_cstr(&import->rows, "\n");
	return true;
}

static bool check_text(struct import *import, enum column column, size_t max, bool may_control)
{
	char reason[REASON_MAX];
	const struct str text = field(import, column);
	snprintf(reason, sizeof(reason), "is over %zu bytes", max);
	if (text.len > max)
		return refuse(import, column_names[column], reason);
	if (!utf8_is_valid(text))
		return refuse(import, column_names[column], "is not UTF-8");
	if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL)
		return refuse(import, column_names[column], "holds a NUL");
	if (!may_control && text_has_control(text))
		return refuse(import, column_names[column], "holds a control character");
	return true;
}

static struct str field(const struct import *import, enum column column)
{
	int place = import->places[column];
	if (place < 0 || (unsigned)place >= import->csv.field_count)
		return (struct str){0};
	return import->csv.fields[place];
}

/* COPY's text format: a tab before each cell but the line's number, \N for what is empty. */
static void add_cell(struct buf *rows, struct str text)
{
	buf_add_cstr(rows, text.len > 0 ? "\t" : "\t\\N");
	for (size_t i = 0; i < text.len; i++) {
		switch (text.data[i]) {
		case '\\':
			buf_add_cstr(rows, "\\\\");
			break;
		case '\t':
			buf_add_cstr(rows, "\\t");
			break;
		case '\n':
			buf_add_cstr(rows, "\\n");
			break;
		case '\r':
			buf_add_cstr(rows, "\\r");
			break;
		default:
			buf_add(rows, &text.data[i], 1);
			break;
		}
	}
}

static bool refuse(struct import *import, const char *column, const char *reason)
{
	struct import_error error = {.line = import->csv.line, .column = column};
	snprintf(error.reason, sizeof(error.reason), "%s", reason);
	import->refused++;
	keep_error(import, &error);
	return false;
}

/* Sorted by line; beyond ERRORS_MAX the last ones give way. */
static void keep_error(struct import *import, const struct import_error *error)
{
	unsigned at = import->error_count;
	while (at > 0 && import->errors[at - 1].line > error->line)
		at--;
	if (at == ERRORS_MAX)
		return;
	unsigned behind = import->error_count - at;
	if (import->error_count == ERRORS_MAX)
		behind--;
	else
		import->error_count++;
	memmove(&import->errors[at + 1], &import->errors[at], behind * sizeof(*error));
	import->errors[at] = *error;
}

/* Of rows with the same external_id the first counts. */
static bool drop_repeats(struct import *import)
{
	struct db_rows *rows = call_query(import->call,
		"WITH numbered AS (SELECT line, row_number() OVER (PARTITION BY external_id ORDER "
		"BY line) "
		"AS n FROM pg_temp.import), gone AS (DELETE FROM pg_temp.import i USING numbered d "
		"WHERE d.line = i.line AND d.n > 1 RETURNING i.line) "
		"SELECT line, count(*) OVER () FROM gone ORDER BY line LIMIT 100",
		DB_ARGS());
	if (rows == NULL)
		return false;
	for (unsigned i = 0; i < db_rows_count(rows); i++) {
		struct import_error error = {.column = column_names[EXTERNAL_ID]};
		uint64_t count = 0;
		snprintf(
			error.reason, sizeof(error.reason), "is there already, on an earlier line");
		str_parse_u64(str_from(db_cell(rows, i, 0)), UINT64_MAX, &error.line);
		if (i == 0 && str_parse_u64(str_from(db_cell(rows, i, 1)), UINT64_MAX, &count))
			import->refused += count;
		keep_error(import, &error);
	}
	db_rows_free(rows);
	return true;
}

/* Columns that the file does not have stay as they are. Terms: a new product's hold from the
 * beginning; of a known one the old rule ends and the new one starts now; an empty cell leaves it
 * to the store's rule. Ordered by id, so that two imports wait for each other instead of in a
 * circle. */
static bool merge(struct import *import)
{
	struct call *call = import->call;
	const char *id = import->store->id;
	const char *title = import->places[TITLE] >= 0 ? "t" : "f";
	const char *category = import->places[CATEGORY] >= 0 ? "t" : "f";
	const bool has_terms = import->places[RATE] >= 0 || import->places[FIXED] >= 0;
	return count_into(import, &import->updated,
		       "WITH known AS (SELECT p.product_id, p.external_id FROM wasl.products p "
		       "JOIN pg_temp.import j USING (external_id) WHERE p.store_id = $1::bigint "
		       "ORDER BY p.product_id FOR UPDATE OF p) "
		       "UPDATE pg_temp.import i SET product_id = k.product_id FROM known k "
		       "WHERE k.external_id = i.external_id") &&
	       call_run(call,
		       "UPDATE wasl.products p SET url = i.url, "
		       "title = CASE WHEN $2::boolean THEN i.title ELSE p.title END, "
		       "category = CASE WHEN $3::boolean THEN i.category ELSE p.category END "
		       "FROM pg_temp.import i WHERE p.store_id = $1::bigint "
		       "AND p.product_id = i.product_id AND (p.url <> i.url "
		       "OR ($2::boolean AND p.title IS DISTINCT FROM i.title) "
		       "OR ($3::boolean AND p.category IS DISTINCT FROM i.category))",
		       DB_ARGS(id, title, category)) &&
	       (!has_terms ||
		       (call_run(call,
				"UPDATE wasl.rules r SET valid_to = now() FROM pg_temp.import i "
				"WHERE r.store_id = $1::bigint AND r.product_id = i.product_id "
				"AND r.level = 'product' AND r.valid_to IS NULL AND "
				"(r.rate_bp, r.fixed_unit_minor) IS DISTINCT FROM (i.rate_bp, "
				"i.fixed_minor)",
				DB_ARGS(id)) &&
			       call_run(call,
				       "INSERT INTO wasl.rules (store_id, level, product_id, "
				       "rate_bp, "
				       "fixed_unit_minor, currency) SELECT s.store_id, 'product', "
				       "i.product_id, i.rate_bp, i.fixed_minor, "
				       "CASE WHEN i.fixed_minor IS NOT NULL THEN s.currency END "
				       "FROM pg_temp.import i, wasl.stores s "
				       "WHERE s.store_id = $1::bigint AND i.product_id IS NOT NULL "
				       "AND num_nonnulls(i.rate_bp, i.fixed_minor) > 0 AND NOT "
				       "EXISTS "
				       "(SELECT FROM wasl.rules r WHERE r.store_id = $1::bigint "
				       "AND r.product_id = i.product_id AND r.level = 'product' "
				       "AND r.valid_to IS NULL)",
				       DB_ARGS(id)))) &&
	       count_into(import, &import->added,
		       "INSERT INTO wasl.products (store_id, external_id, url, title, category) "
		       "SELECT $1::bigint, external_id, url, title, category FROM pg_temp.import "
		       "WHERE product_id IS NULL ORDER BY line") &&
	       call_run(call,
		       "INSERT INTO wasl.rules (store_id, level, product_id, rate_bp, "
		       "fixed_unit_minor, "
		       "currency, valid_from) SELECT s.store_id, 'product', p.product_id, "
		       "i.rate_bp, "
		       "i.fixed_minor, CASE WHEN i.fixed_minor IS NOT NULL THEN s.currency END, "
		       "'-infinity' FROM pg_temp.import i JOIN wasl.stores s ON s.store_id = "
		       "$1::bigint "
		       "JOIN wasl.products p ON p.store_id = s.store_id AND p.external_id = "
		       "i.external_id "
		       "WHERE i.product_id IS NULL AND num_nonnulls(i.rate_bp, i.fixed_minor) > 0",
		       DB_ARGS(id));
}

static bool count_into(struct import *import, uint64_t *count, const char *sql)
{
	struct db_rows *rows = call_query(import->call, sql, DB_ARGS(import->store->id));
	if (rows == NULL)
		return false;
	*count = db_rows_affected(rows);
	db_rows_free(rows);
	return true;
}

static void progress(struct import *import, bool is_end)
{
	int64_t now_us = clock_mono_us();
	if (!isatty(STDERR_FILENO) || (!is_end && now_us - import->told_us < PROGRESS_US))
		return;
	import->told_us = now_us;
	fprintf(stderr, "\r%llu rows read%s", (unsigned long long)import->read, is_end ? "\n" : "");
}

static enum call_exit tell(const struct import *import)
{
	static const char *const columns[] = {"line", "column", "reason", NULL};
	const bool is_dropped = import->refused > 0 && call_has(import->call, "strict");
	struct out_table table;
	json_t *errors = json_array();
	out_table_init(&table, columns);
	for (unsigned i = 0; i < import->error_count; i++) {
		const struct import_error *error = &import->errors[i];
		json_t *row = json_pack("{s:I, s:s?, s:s}", "line", (json_int_t)error->line,
			"column", error->column, "reason", error->reason);
		out_table_add(&table, row);
		json_array_append_new(errors, row);
	}
	json_t *counts = json_pack("{s:I, s:I, s:I, s:I}", "read", (json_int_t)import->read,
		"added", (json_int_t)(is_dropped ? 0 : import->added), "updated",
		(json_int_t)(is_dropped ? 0 : import->updated), "refused",
		(json_int_t)import->refused);
	if (import->call->is_json)
		json_object_set(counts, "errors", errors);
	enum call_exit code = out_object(import->call, counts);
	if (!import->call->is_json && import->error_count > 0) {
		printf("\n");
		out_table_flush(&table);
	}
	out_table_release(&table);
	json_decref(errors);
	return code;
}
