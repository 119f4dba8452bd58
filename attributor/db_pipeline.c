/* SPDX-License-Identifier: Apache-2.0
 * One run as a libpq pipeline: all statements out, one sync, all results in. */
#include "db_parts.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "log.h"

#define SQLSTATE_LOST      "08006"
#define SQLSTATE_NO_MEMORY "53200"
#define SQLSTATE_UNKNOWN   "XX000"
#define SQLSTATE_CUT_SHORT "57014"
#define SQLSTATE_NOT_HERE  "08004" /* we refuse the server */
#define INT_DIGITS_MAX     19      /* of INT64_MIN; so many fit in 64 bits */

static bool send_call(struct db *db, struct db_call *call);
static void choose_prepared(struct db *db, struct db_call *call);
static void prepared_name(const struct db *db, char out[DB_NAME_TEXT_MAX], int index);
static void flush(struct db *db);
static void lose(struct db *db);
static bool read_results(struct db *db);
static bool take_result(struct db *db, PGresult *row_set);
static void take_failure(struct db *db, const PGresult *row_set);
static void next_call(struct db *db);
static void end_setup(struct db *db);
static void refuse_server(struct db *db, const char *reason);
static void end_run(struct db *db);
static void tell_notices(struct db *db);

void db_pipeline_setup(struct db *db)
{
	db->phase = DB_SETTING_UP;
	db->result = (struct db_result){.row_sets = 1};
	db->call_at = 0;
	db->is_at_prepare = false;
	if (!db_session_send(db)) {
		lose(db);
		return;
	}
	flush(db);
}

void db_pipeline_send(struct db *db)
{
	struct db_run *const run = db->current;
	db->call_at = 0;
	db->is_unreplicated = false;
	for (unsigned i = 0; i < run->call_count; i++)
		if (!send_call(db, &run->calls[i])) {
			lose(db);
			return;
		}
	db->is_at_prepare = run->calls[0].is_prepared_here;
	if (PQpipelineSync(db->conn) != 1) {
		lose(db);
		return;
	}
	flush(db);
}

void db_pipeline_refuse(struct db *db)
{
	end_run(db);
}

void db_give_up(struct db *db)
{
	if (db_is_up(db) && PQtransactionStatus(db->conn) != PQTRANS_IDLE)
		db_fail(db, SQLSTATE_NO_MEMORY, "an open transaction was given up");
}

void db_pipeline_ready(struct db *db, unsigned ready)
{
	if ((ready & LOOP_READ) && PQconsumeInput(db->conn) != 1) {
		lose(db);
		return;
	}
	if (ready & LOOP_WRITE) {
		flush(db);
		if (db->conn == NULL)
			return;
	}
	if (db->phase == DB_IDLE || read_results(db))
		tell_notices(db);
}

void db_pipeline_clear(struct db *db)
{
	for (unsigned i = 0; i < DB_STATEMENTS_MAX; i++) {
		PQclear(db->row_sets[i]);
		db->row_sets[i] = NULL;
	}
}

unsigned db_rows_count(const struct db_rows *rows)
{
	return (unsigned)PQntuples((const PGresult *)(const void *)rows);
}

bool db_rows_is_null(const struct db_rows *rows, unsigned row, unsigned column)
{
	return PQgetisnull((const PGresult *)(const void *)rows, (int)row, (int)column) != 0;
}

struct str db_rows_text(const struct db_rows *rows, unsigned row, unsigned column)
{
	const PGresult *const result = (const PGresult *)(const void *)rows;
	return (struct str){.data = PQgetvalue(result, (int)row, (int)column),
		.len = (size_t)PQgetlength(result, (int)row, (int)column)};
}

int64_t db_rows_int(const struct db_rows *rows, unsigned row, unsigned column)
{
	/* libpq ends every text with a NUL; that of NULL is empty. */
	const char *const text =
		PQgetvalue((const PGresult *)(const void *)rows, (int)row, (int)column);
	const bool is_negative = text[0] == '-';
	const char *const digits = text + is_negative;
	uint64_t value = 0;
	unsigned count = 0;
	while (digits[count] >= '0' && digits[count] <= '9' && count < INT_DIGITS_MAX)
		value = value * 10 + (uint64_t)(digits[count++] - '0');
	if (digits[count] != '\0' || value > (uint64_t)INT64_MAX + is_negative)
		return 0;
	return is_negative ? (int64_t)(0 - value) : (int64_t)value;
}

bool db_rows_bool(const struct db_rows *rows, unsigned row, unsigned column)
{
	return PQgetvalue((const PGresult *)(const void *)rows, (int)row, (int)column)[0] == 't';
}

static bool send_call(struct db *db, struct db_call *call)
{
	if (!call->is_planned_anew)
		choose_prepared(db, call);
	if (call->prepared < 0)
		return PQsendQueryParams(db->conn, call->sql, call->value_count, NULL, call->values,
			       call->lengths, call->formats, 0) == 1;
	char name[DB_NAME_TEXT_MAX];
	prepared_name(db, name, call->prepared);
	if (call->is_prepared_here && PQsendPrepare(db->conn, name, call->sql, 0, NULL) != 1)
		return false;
	return PQsendQueryPrepared(db->conn, name, call->value_count, call->values, call->lengths,
		       call->formats, 0) == 1;
}

static void choose_prepared(struct db *db, struct db_call *call)
{
	for (unsigned i = 0; i < db->prepared_count; i++)
		if (db->prepared[i] == call->sql) {
			call->prepared = (int)i;
			/* Not yet when an earlier run failed before its Parse was reached, or when
			 * this run has it twice: then one name would be parsed twice. */
			call->is_prepared_here = !db->is_prepared[i];
			db->is_prepared[i] = true;
			return;
		}
	if (db->prepared_count == DB_PREPARED_MAX)
		return;
	call->prepared = (int)db->prepared_count;
	call->is_prepared_here = true;
	db->is_prepared[db->prepared_count] = true;
	db->prepared[db->prepared_count++] = call->sql;
}

/* With the session's number: under a pooler that mixes sessions another's statement of that name
 * would be run in place of ours. */
static void prepared_name(const struct db *db, char out[DB_NAME_TEXT_MAX], int index)
{
	const uint32_t session = htobe32((uint32_t)PQbackendPID(db->conn));
	hex_encode(out, &session, sizeof(session));
	char *const number = out + 2 * sizeof(session);
	number[0] = '_';
	number[1] = (char)('0' + index / 100 % 10);
	number[2] = (char)('0' + index / 10 % 10);
	number[3] = (char)('0' + index % 10);
	number[4] = '\0';
}

/* With the server's own reason where it gave one ("terminating connection due to …"). */
static void lose(struct db *db)
{
	if (db->result.status != DB_OK)
		db_fail(db, db->result.sqlstate, db->result.message);
	else
		db_fail(db, SQLSTATE_LOST, PQerrorMessage(db->conn));
}

static void flush(struct db *db)
{
	const int result = PQflush(db->conn);
	if (result < 0)
		lose(db);
	else
		db_watch_set(db, result == 0 ? LOOP_READ : LOOP_READ | LOOP_WRITE);
}

/* Reads what is there. False when the connection is gone. */
static bool read_results(struct db *db)
{
	while (db->phase != DB_IDLE && PQisBusy(db->conn) == 0) {
		PGresult *const row_set = PQgetResult(db->conn);
		if (row_set == NULL) {
			if (PQstatus(db->conn) == CONNECTION_BAD ||
				db->call_at > db->result.row_sets) {
				lose(db);
				return false;
			}
			next_call(db);
			continue;
		}
		if (PQresultStatus(row_set) == PGRES_PIPELINE_SYNC) {
			PQclear(row_set);
			end_run(db);
			if (db->conn == NULL)
				return false;
			continue;
		}
		if (!take_result(db, row_set)) {
			lose(db);
			return false;
		}
	}
	return true;
}

/* Takes row_set over. False when the stream makes no sense any more. */
static bool take_result(struct db *db, PGresult *row_set)
{
	const ExecStatusType status = PQresultStatus(row_set);
	const bool is_ours = db->phase == DB_RUNNING || db->phase == DB_SETTING_UP;
	bool is_kept = false, is_sane = true;
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
		is_kept = is_ours && !db->is_at_prepare && db->call_at < db->result.row_sets;
		if (is_kept)
			db->row_sets[db->call_at] = row_set;
	} else if (status == PGRES_FATAL_ERROR) {
		if (db->result.status == DB_OK)
			take_failure(db, row_set);
		is_sane = PQstatus(db->conn) != CONNECTION_BAD;
	} else if (status != PGRES_PIPELINE_ABORTED) {
		is_sane = false;
	}
	if (status != PGRES_COMMAND_OK && db->is_at_prepare && db->phase == DB_RUNNING)
		db->is_prepared[db->current->calls[db->call_at].prepared] = false;
	if (!is_kept)
		PQclear(row_set);
	return is_sane;
}

static void take_failure(struct db *db, const PGresult *row_set)
{
	const char *const sqlstate = PQresultErrorField(row_set, PG_DIAG_SQLSTATE);
	const char *const message = PQresultErrorField(row_set, PG_DIAG_MESSAGE_PRIMARY);
	struct db_result *const result = &db->result;
	const struct str text = str_from(message != NULL ? message : "no reason given");
	str_copy(result->message, sizeof(result->message),
		utf8_cut(text, sizeof(result->message) - 1));
	str_copy(result->sqlstate, sizeof(result->sqlstate),
		str_from(sqlstate != NULL ? sqlstate : SQLSTATE_UNKNOWN));
	result->status = db_status_of(result->sqlstate);
	result->failed = db->call_at;
}

static void next_call(struct db *db)
{
	if (db->is_at_prepare) {
		db->is_at_prepare = false;
		return;
	}
	db->call_at++;
	db->is_at_prepare = db->phase == DB_RUNNING && db->call_at < db->current->call_count &&
			    db->current->calls[db->call_at].is_prepared_here;
}

static void end_setup(struct db *db)
{
	char reason[ERR_MSG_MAX];
	const bool is_told = db->result.status == DB_OK && db->row_sets[0] != NULL &&
			     PQntuples(db->row_sets[0]) == 1;
	const bool is_good =
		is_told &&
		db_session_check((const struct db_rows *)(const void *)db->row_sets[0], reason);
	db_pipeline_clear(db);
	if (is_good)
		db_enter_idle(db);
	else if (is_told)
		refuse_server(db, reason);
	else
		lose(db);
}

/* An outage's own line may have given another reason before. */
static void refuse_server(struct db *db, const char *reason)
{
	if (!db->was_told_refused)
		log_warn("postgres_refused", LOG_TEXT("name", db->name),
			LOG_TEXT("host", PQhost(db->conn)), LOG_TEXT("port", PQport(db->conn)),
			LOG_TEXT("reason", reason));
	db->was_told_refused = true;
	db_fail(db, SQLSTATE_NOT_HERE, reason);
}

static void end_run(struct db *db)
{
	if (db->phase == DB_SETTING_UP) {
		end_setup(db);
		return;
	}
	const bool has_failed = db->result.status != DB_OK;
	if (has_failed && db_errors_end_session(db->result.sqlstate)) {
		lose(db);
		return;
	}
	if (!has_failed && db->phase == DB_RUNNING && db->is_unreplicated) {
		db_fail(db, SQLSTATE_CUT_SHORT, "committed, but no synchronous standby has it");
		return;
	}
	if (has_failed && db->phase == DB_RUNNING &&
		PQtransactionStatus(db->conn) != PQTRANS_IDLE) {
		db->phase = DB_ROLLING_BACK;
		db->call_at = 0;
		db->is_at_prepare = false;
		if (PQsendQueryParams(db->conn, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 0) != 1 ||
			PQpipelineSync(db->conn) != 1) {
			lose(db);
			return;
		}
		flush(db);
		return;
	}
	db_finish(db);
}

static void tell_notices(struct db *db)
{
	while (db->conn != NULL) {
		PGnotify *const notify = PQnotifies(db->conn);
		if (notify == NULL)
			return;
		if (db->config.on_notify != NULL)
			db->config.on_notify(
				str_from(notify->relname), str_from(notify->extra), db->config.arg);
		PQfreemem(notify);
	}
}
