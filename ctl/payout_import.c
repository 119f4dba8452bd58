/* SPDX-License-Identifier: Apache-2.0
 * waslctl payout import: what the bank did, line by line. Each line stands alone: one that is
 * refused holds no other back, and the same file again changes nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "nouns.h"
#include "out.h"

#define ERRORS_MAX 100
#define CELL_MAX   (CSV_RECORD_MAX + 1)

enum column { REFERENCE = 0, RESULT, NOTE, COLUMN_COUNT };

struct import {
	struct call *call;
	struct csv csv;
	unsigned columns[COLUMN_COUNT]; /* place in the record */
	bool has_column[COLUMN_COUNT];
	unsigned read, applied, known, refused;
	json_t *errors;
	char cells[COLUMN_COUNT][CELL_MAX];
};

static enum call_exit import_file(struct import *import);
static bool take_header(struct import *import);
static bool take_column(struct import *import, unsigned place);
static bool import_record(struct import *import, enum csv_result result);
static void refuse(struct import *import, const char *reason);
static enum call_exit tell(struct import *import);

enum call_exit payout_import(struct call *call)
{
	const char *const path = call->operands[0];
	enum call_exit code = CALL_FAILED;
	const bool is_stdin = strcmp(path, "-") == 0;
	FILE *const file = is_stdin ? stdin : fopen(path, "re");
	if (file == NULL)
		return call_fail(call, "%s: %s", path, strerror(errno));
	struct import *const import = calloc(1, sizeof(*import)); /* it is large */
	if (import == NULL) {
		call_fail(call, "no memory");
	} else if (call_db(call, &code)) {
		import->call = call;
		import->errors = json_array();
		csv_init(&import->csv, file);
		code = import_file(import);
		json_decref(import->errors);
	}
	free(import);
	if (!is_stdin)
		fclose(file);
	return code;
}

static enum call_exit import_file(struct import *import)
{
	const enum csv_result head = csv_next(&import->csv);
	if (head != CSV_RECORD)
		return call_fail(import->call, "the file has no header: %s",
			head == CSV_END ? "it is empty" : csv_result_reason(head));
	if (!take_header(import))
		return CALL_FAILED;
	for (;;) {
		const enum csv_result result = csv_next(&import->csv);
		if (result == CSV_END)
			return tell(import);
		if (result == CSV_READ_FAILED)
			return call_fail(import->call, "the file could not be read to its end");
		if (!import_record(import, result))
			return CALL_FAILED;
	}
}

static bool take_header(struct import *import)
{
	for (unsigned i = 0; i < import->csv.field_count; i++)
		if (!take_column(import, i))
			return false;
	if (import->has_column[REFERENCE] && import->has_column[RESULT])
		return true;
	call_fail(import->call, "the header does not name reference and result");
	return false;
}

/* The bank may send the file back as it got it, with a column more. */
static bool take_column(struct import *import, unsigned place)
{
	static const char *const names[COLUMN_COUNT] = {"reference", "result", "note"};
	static const char *const exported[] = {
		"affiliate", "method", "account", "amount", "currency"};
	const struct str name = str_trim(import->csv.fields[place]);
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		if (!str_equal(name, str_from(names[i])))
			continue;
		if (import->has_column[i]) {
			call_fail(import->call, "the column %s is there twice", names[i]);
			return false;
		}
		import->has_column[i] = true;
		import->columns[i] = place;
		return true;
	}
	for (unsigned i = 0; i < sizeof(exported) / sizeof(exported[0]); i++)
		if (str_equal(name, str_from(exported[i])))
			return true;
	call_fail(import->call, "unknown column '%.*s'", STR_ARG(name));
	return false;
}

/* False: the database is gone; reported. */
static bool import_record(struct import *import, enum csv_result result)
{
	const char *cells[COLUMN_COUNT] = {0};
	struct err err = {0};
	import->read++;
	if (result != CSV_RECORD) {
		refuse(import, csv_result_reason(result));
		return true;
	}
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		const unsigned place = import->columns[i];
		if (!import->has_column[i] || place >= import->csv.field_count)
			continue;
		if (!utf8_is_valid(import->csv.fields[place]) ||
			!str_copy(
				import->cells[i], CELL_MAX, str_trim(import->csv.fields[place]))) {
			refuse(import, "a cell is not UTF-8 text");
			return true;
		}
		cells[i] = import->cells[i][0] != '\0' ? import->cells[i] : NULL;
	}
	if (cells[REFERENCE] == NULL || cells[RESULT] == NULL) {
		refuse(import, "reference or result is missing");
		return true;
	}
	struct db_rows *rows = db_query(import->call->db, "SELECT wasl.payout_import($1, $2, $3)",
		DB_ARGS(cells[REFERENCE], cells[RESULT], cells[NOTE]), &err);
	if (rows == NULL && err.kind != ERR_REFUSED) {
		call_fail_err(import->call, &err);
		return false;
	}
	if (rows == NULL)
		refuse(import, err.msg);
	else if (strcmp(db_cell(rows, 0, 0), "t") == 0)
		import->applied++;
	else
		import->known++;
	db_rows_free(rows);
	return true;
}

static void refuse(struct import *import, const char *reason)
{
	import->refused++;
	if (json_array_size(import->errors) < ERRORS_MAX)
		json_array_append_new(
			import->errors, json_pack("{s:I, s:s}", "line",
						(json_int_t)import->csv.line, "reason", reason));
}

static enum call_exit tell(struct import *import)
{
	static const char *const columns[] = {"line", "reason", NULL};
	struct call *const call = import->call;
	if (call->is_json) {
		json_t *const answer = json_pack("{s:i, s:i, s:i, s:i, s:O}", "read", import->read,
			"applied", import->applied, "known", import->known, "refused",
			import->refused, "errors", import->errors);
		out_json(answer);
		json_decref(answer);
	} else {
		printf("%u read, %u applied, %u known already, %u refused\n", import->read,
			import->applied, import->known, import->refused);
		if (import->refused > 0)
			out_table_of(import->errors, columns);
	}
	if (import->refused == 0)
		return CALL_DONE;
	return call_fail(call, "%u of %u lines were refused", import->refused, import->read);
}
