/* SPDX-License-Identifier: Apache-2.0
 * waslctl verify: every invariant of the money, checked from the rows up, and every order folded
 * again. */
#include "nouns.h"
#include "out.h"
#include "refold.h"

#include <stdio.h>

#define LISTED_MAX 10000 /* where more is broken, the first ones tell why */

/* The checks by tables read all of them: the planner, which may not know yet how much there is, is
 * kept from looking up row by row. What it is kept from it takes for very dear: never worth
 * compiling for. */
static const char whole_tables_sql[] =
	"SELECT set_config('enable_nestloop', $1, true), set_config('jit', 'off', true)";

/* What was found so far. */
struct findings {
	struct out_table table;
	json_t *broken;
	unsigned count;
};

static enum call_exit verify(struct call *call);
static bool check(struct call *call, struct findings *findings);
static void on_difference(const char *detail, void *arg);
static void add(struct findings *findings, const char *invariant, const char *detail);
static void print(const struct call *call, struct findings *findings);

const struct command verify_commands[] = {
	{"verify", NULL, "", 0, 0, NULL, verify,
		"Check every invariant of money; list what is broken"},
	{0}};

static enum call_exit verify(struct call *call)
{
	static const char *const columns[] = {"invariant", "detail", NULL};
	struct err err = {0};
	enum call_exit code = CALL_FAILED;
	if (!call_db(call, &code))
		return code;
	if (!db_set_deadline(call->db, DB_MIGRATION_S, &err))
		return call_fail_err(call, &err);
	struct findings findings = {.broken = json_array()};
	out_table_init(&findings.table, columns);
	const bool is_checked = check(call, &findings);
	if (is_checked)
		print(call, &findings);
	out_table_release(&findings.table);
	json_decref(findings.broken);
	if (!is_checked)
		return CALL_FAILED;
	if (findings.count == 0)
		return CALL_DONE;
	return call_fail(call, "%u invariants are broken", findings.count);
}

/* In one snapshot, so that what is posted meanwhile is seen whole or not at all. */
static bool check(struct call *call, struct findings *findings)
{
	if (!call_run(call, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", DB_ARGS()) ||
		!call_run(call, whole_tables_sql, DB_ARGS("off")))
		return false;
	struct db_rows *rows =
		call_query(call, "SELECT invariant, detail FROM wasl.verify()", DB_ARGS());
	if (rows == NULL || !call_run(call, whole_tables_sql, DB_ARGS("on"))) {
		db_rows_free(rows);
		return false;
	}
	for (unsigned i = 0; i < db_rows_count(rows); i++)
		add(findings, db_cell(rows, i, 0), db_cell(rows, i, 1));
	db_rows_free(rows);
	return refold_orders(call, on_difference, findings) && call_run(call, "COMMIT", DB_ARGS());
}

static void on_difference(const char *detail, void *arg)
{
	add(arg, REFOLD_INVARIANT, detail);
}

static void add(struct findings *findings, const char *invariant, const char *detail)
{
	if (findings->count++ >= LISTED_MAX)
		return;
	json_t *row = json_pack("{s:s, s:s}", "invariant", invariant, "detail", detail);
	out_table_add(&findings->table, row);
	json_array_append_new(findings->broken, row);
}

static void print(const struct call *call, struct findings *findings)
{
	if (call->is_json) {
		json_t *answer = json_pack(
			"{s:b, s:O}", "ok", findings->count == 0, "broken", findings->broken);
		out_json(answer);
		json_decref(answer);
	} else if (findings->count == 0) {
		printf("every invariant holds\n");
	} else {
		out_table_flush(&findings->table);
	}
}
