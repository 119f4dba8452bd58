/* SPDX-License-Identifier: Apache-2.0
 * libpq, non-blocking underneath so that a stopped server cannot hold us, one statement at a time.
 */
#include "db.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "clock.h"
#include "timestamp.h"
#include "version.h"

struct db {
	PGconn *conn;
	int64_t answer_us; /* how long a statement may take, the grace included */
};

static bool settle(struct db *db, struct err *err);
static PGresult *last_result(struct db *db, struct err *err);
static PGresult *take_result(struct db *db, int64_t deadline_us, struct err *err);
static bool flush(struct db *db, int64_t deadline_us);
static bool wait_socket(struct db *db, short events, int64_t deadline_us);
static bool lost(struct db *db, struct err *err);
static bool set_message(struct err *err, enum err_kind kind, const char *message);
static void ignore_notice(void *arg, const PGresult *result);

struct db *db_open(const char *url, struct err *err)
{
	char connect_s[16];
	struct db *db = calloc(1, sizeof(*db));
	if (db == NULL) {
		err_set(err, ERR_SYSTEM, errno, "database");
		return NULL;
	}
	snprintf(connect_s, sizeof(connect_s), "%d", DB_CONNECT_S);
	const char *const keys[] = {
		"application_name", "connect_timeout", "client_encoding", "dbname", NULL};
	const char *const values[] = {"waslctl", connect_s, "UTF8", url, NULL};
	db->conn = PQconnectdbParams(keys, values, 1);
	if (db->conn == NULL || PQstatus(db->conn) != CONNECTION_OK) {
		set_message(err, ERR_SYSTEM, db->conn ? PQerrorMessage(db->conn) : "out of memory");
		db_close(db);
		return NULL;
	}
	PQsetNoticeReceiver(db->conn, ignore_notice, NULL);
	if (!settle(db, err)) {
		db_close(db);
		return NULL;
	}
	return db;
}

void db_close(struct db *db)
{
	if (db == NULL)
		return;
	PQfinish(db->conn);
	free(db);
}

bool db_set_deadline(struct db *db, unsigned statement_s, struct err *err)
{
	char sql[64];
	snprintf(sql, sizeof(sql), "SET statement_timeout = '%us'", statement_s);
	db->answer_us = (statement_s + DB_GRACE_S) * US_PER_S;
	return db_script(db, sql, err);
}

struct db_rows *db_query(
	struct db *db, const char *sql, unsigned count, const char *const *params, struct err *err)
{
	if (!PQsendQueryParams(db->conn, sql, (int)count, NULL, params, NULL, NULL, 0)) {
		lost(db, err);
		return NULL;
	}
	return (struct db_rows *)last_result(db, err);
}

bool db_script(struct db *db, const char *text, struct err *err)
{
	if (!PQsendQuery(db->conn, text))
		return lost(db, err);
	PGresult *result = last_result(db, err);
	PQclear(result);
	return result != NULL;
}

unsigned db_rows_count(const struct db_rows *rows)
{
	return (unsigned)PQntuples((const PGresult *)rows);
}

const char *db_cell(const struct db_rows *rows, unsigned row, unsigned column)
{
	const PGresult *result = (const PGresult *)rows;
	if (PQgetisnull(result, (int)row, (int)column))
		return NULL;
	return PQgetvalue(result, (int)row, (int)column);
}

uint64_t db_rows_affected(const struct db_rows *rows)
{
	uint64_t count = 0;
	/* PQcmdTuples only reads, though its parameter is not const. */
	union {
		const struct db_rows *rows;
		PGresult *result;
	} cast = {.rows = rows};
	str_parse_u64(str_from(PQcmdTuples(cast.result)), UINT64_MAX, &count);
	return count;
}

void db_rows_free(struct db_rows *rows)
{
	PQclear((PGresult *)rows);
}

bool db_copy_begin(struct db *db, const char *sql, struct err *err)
{
	if (!PQsendQuery(db->conn, sql))
		return lost(db, err);
	PGresult *result = take_result(db, clock_mono_us() + db->answer_us, err);
	if (result == NULL)
		return false;
	bool is_open = PQresultStatus(result) == PGRES_COPY_IN;
	if (!is_open)
		set_message(err, ERR_REFUSED, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	PQclear(result);
	return is_open;
}

bool db_copy_put(struct db *db, struct str data, struct err *err)
{
	const int64_t deadline_us = clock_mono_us() + db->answer_us;
	for (;;) {
		int sent = PQputCopyData(db->conn, data.data, (int)data.len);
		if (sent == 1)
			break;
		if (sent < 0 || !wait_socket(db, POLLOUT, deadline_us))
			return lost(db, err);
	}
	return flush(db, deadline_us) || lost(db, err);
}

bool db_copy_end(struct db *db, struct err *err)
{
	const int64_t deadline_us = clock_mono_us() + db->answer_us;
	for (;;) {
		int sent = PQputCopyEnd(db->conn, NULL);
		if (sent == 1)
			break;
		if (sent < 0 || !wait_socket(db, POLLOUT, deadline_us))
			return lost(db, err);
	}
	PGresult *result = last_result(db, err);
	PQclear(result);
	return result != NULL;
}

bool db_await_notice(struct db *db, const char *channel, const char *payload, int64_t wait_us)
{
	const int64_t deadline_us = clock_mono_us() + wait_us;
	for (;;) {
		PGnotify *notice;
		while ((notice = PQnotifies(db->conn)) != NULL) {
			bool is_ours = strcmp(notice->relname, channel) == 0 &&
				       strcmp(notice->extra, payload) == 0;
			PQfreemem(notice);
			if (is_ours)
				return true;
		}
		if (!wait_socket(db, POLLIN, deadline_us) || !PQconsumeInput(db->conn))
			return false;
	}
}

/* Non-blocking, our names, times in UTC, and nothing that depends on the server's settings. */
static bool settle(struct db *db, struct err *err)
{
	db->answer_us = DB_GRACE_S * US_PER_S;
	if (PQsetnonblocking(db->conn, 1) != 0)
		return lost(db, err);
	return db_script(db,
		       "SET TimeZone = 'UTC'; SET standard_conforming_strings = on; "
		       "SET bytea_output = 'hex'; SET search_path = pg_catalog",
		       err) &&
	       db_set_deadline(db, DB_STATEMENT_S, err);
}

/* The last of the results that a statement or script brings; the first failure ends it. */
static PGresult *last_result(struct db *db, struct err *err)
{
	const int64_t deadline_us = clock_mono_us() + db->answer_us;
	PGresult *kept = NULL;
	bool has_failed = false;
	if (!flush(db, deadline_us)) {
		lost(db, err);
		return NULL;
	}
	for (;;) {
		struct err later = {0};
		PGresult *result = take_result(db, deadline_us, has_failed ? &later : err);
		if (result == NULL)
			break;
		ExecStatusType status = PQresultStatus(result);
		if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
			PQclear(kept);
			kept = result;
			continue;
		}
		if (!has_failed)
			set_message(err, ERR_REFUSED,
				PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
		has_failed = true;
		PQclear(result);
	}
	if (!has_failed && kept == NULL && err->kind == ERR_NONE)
		set_message(err, ERR_FORMAT, "the database gave no answer");
	if (has_failed || err->kind != ERR_NONE) {
		PQclear(kept);
		return NULL;
	}
	return kept;
}

/* The next result; NULL at the end of them, or with err set when the connection is gone. */
static PGresult *take_result(struct db *db, int64_t deadline_us, struct err *err)
{
	while (PQisBusy(db->conn)) {
		if (!flush(db, deadline_us) || !wait_socket(db, POLLIN, deadline_us) ||
			!PQconsumeInput(db->conn)) {
			lost(db, err);
			return NULL;
		}
	}
	return PQgetResult(db->conn);
}

static bool flush(struct db *db, int64_t deadline_us)
{
	for (;;) {
		int left = PQflush(db->conn);
		if (left <= 0)
			return left == 0;
		if (!wait_socket(db, POLLIN | POLLOUT, deadline_us) || !PQconsumeInput(db->conn))
			return false;
	}
}

static bool wait_socket(struct db *db, short events, int64_t deadline_us)
{
	struct pollfd watched = {.fd = PQsocket(db->conn), .events = events};
	for (;;) {
		int64_t left_us = deadline_us - clock_mono_us();
		if (left_us < 0 || watched.fd < 0)
			return false;
		int ready = poll(&watched, 1, (int)((left_us + US_PER_MS - 1) / US_PER_MS));
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

static bool lost(struct db *db, struct err *err)
{
	const char *message = PQerrorMessage(db->conn);
	if (message == NULL || *message == '\0')
		message = "the database does not answer";
	return set_message(err, ERR_SYSTEM, message);
}

/* libpq's messages have several lines: they become one. */
static bool set_message(struct err *err, enum err_kind kind, const char *message)
{
	struct str text = str_trim(str_from(message ? message : "the database gave no reason"));
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	err_set(err, kind, 0, "%.*s", STR_ARG(text));
	for (char *c = err->msg; *c != '\0'; c++) {
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	}
	return false;
}

static void ignore_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}
