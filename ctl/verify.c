/* SPDX-License-Identifier: Apache-2.0
 * waslctl verify: every invariant of the money, checked from the rows up. */
#include "nouns.h"
#include "out.h"

#include <stdio.h>

static enum call_exit verify(struct call *call);

const struct command verify_commands[] = {
	{"verify", NULL, "", 0, 0, NULL, verify,
		"Check every invariant of money; list what is broken"},
	{0}};

static enum call_exit verify(struct call *call)
{
	struct err err = {0};
	enum call_exit code = CALL_FAILED;
	if (!call_db(call, &code))
		return code;
	if (!db_set_deadline(call->db, DB_MIGRATION_S, &err))
		return call_fail_err(call, &err);
	struct db_rows *rows =
		call_query(call, "SELECT invariant, detail FROM wasl.verify()", DB_ARGS());
	if (rows == NULL)
		return CALL_FAILED;
	const unsigned count = db_rows_count(rows);
	const char *const columns[] = {"invariant", "detail", NULL};
	struct out_table table;
	json_t *broken = json_array();
	out_table_init(&table, columns);
	for (unsigned i = 0; i < count; i++) {
		json_t *row = json_pack("{s:s, s:s}", "invariant", db_cell(rows, i, 0), "detail",
			db_cell(rows, i, 1));
		out_table_add(&table, row);
		json_array_append_new(broken, row);
	}
	db_rows_free(rows);
	if (call->is_json) {
		json_t *answer = json_pack("{s:b, s:O}", "ok", count == 0, "broken", broken);
		out_json(answer);
		json_decref(answer);
	} else if (count == 0) {
		printf("every invariant holds\n");
	} else {
		out_table_flush(&table);
	}
	out_table_release(&table);
	json_decref(broken);
	return count == 0 ? CALL_DONE : call_fail(call, "%u invariants are broken", count);
}
