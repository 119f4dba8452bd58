/* SPDX-License-Identifier: Apache-2.0
 * Connecting to Postgres without waiting, and letting go of it. */
#include "db_parts.h"

#include <assert.h>
#include <string.h>

#define SQLSTATE_NO_CONNECTION "08001"
#define FIXED_KEYWORDS         3

static void on_ready(unsigned ready, void *arg);
static void watch_socket(struct db *db, unsigned wants);
static void on_notice(void *arg, const PGresult *notice);

/* Looking up a host name is the one step here that can wait: give addresses where that matters. */
void db_connect_begin(struct db *db)
{
	assert(db->conn == NULL);
	const char *keywords[FIXED_KEYWORDS + DB_HOSTS_LISTS + 1] = {
		"dbname", "application_name", "client_encoding"};
	const char *values[FIXED_KEYWORDS + DB_HOSTS_LISTS + 1] = {
		db->secret_url, db->name, "UTF8"};
	struct db_hosts hosts;
	const unsigned lists = db_hosts_rotate(db->secret_url, db->attempts++, &hosts);
	for (unsigned i = 0; i < lists; i++) {
		keywords[FIXED_KEYWORDS + i] = hosts.keywords[i];
		values[FIXED_KEYWORDS + i] = hosts.values[i];
	}
	db->phase = DB_CONNECTING;
	loop_timer_set(db->timer, db->config.connect_deadline_us);
	db->conn = PQconnectStartParams(keywords, values, 1);
	if (db->conn == NULL || PQstatus(db->conn) == CONNECTION_BAD) {
		db_fail(db, SQLSTATE_NO_CONNECTION,
			db->conn == NULL ? "out of memory" : PQerrorMessage(db->conn));
		return;
	}
	PQsetNoticeReceiver(db->conn, on_notice, db);
	watch_socket(db, LOOP_WRITE);
}

void db_connect_continue(struct db *db)
{
	switch (PQconnectPoll(db->conn)) {
	case PGRES_POLLING_READING:
		watch_socket(db, LOOP_READ);
		return;
	case PGRES_POLLING_WRITING:
		watch_socket(db, LOOP_WRITE);
		return;
	case PGRES_POLLING_ACTIVE: /* never used by libpq */
		return;
	case PGRES_POLLING_FAILED:
		db_fail(db, SQLSTATE_NO_CONNECTION, PQerrorMessage(db->conn));
		return;
	case PGRES_POLLING_OK:
		break;
	}
	if (PQsetnonblocking(db->conn, 1) != 0 || PQenterPipelineMode(db->conn) != 1) {
		db_fail(db, SQLSTATE_NO_CONNECTION, PQerrorMessage(db->conn));
		return;
	}
	watch_socket(db, LOOP_READ);
	db_pipeline_setup(db);
}

void db_connect_close(struct db *db)
{
	if (db->watch != NULL)
		loop_watch_free(db->watch);
	db->watch = NULL;
	db_pipeline_clear(db);
	if (db->conn != NULL)
		PQfinish(db->conn);
	db->conn = NULL;
	db->prepared_count = 0;
}

/* While connecting libpq may go from one socket to the next with the same number: a fresh watch
 * each time. */
static void watch_socket(struct db *db, unsigned wants)
{
	if (db->watch != NULL)
		loop_watch_free(db->watch);
	db->watch = loop_watch_new(db->loop, PQsocket(db->conn), on_ready, db);
	if (db->watch == NULL) {
		db_fail(db, SQLSTATE_NO_CONNECTION, "out of memory");
		return;
	}
	db->watch_wants = wants;
	loop_watch_set(db->watch, wants);
}

static void on_ready(unsigned ready, void *arg)
{
	struct db *const db = arg;
	if (db->phase == DB_CONNECTING)
		db_connect_continue(db);
	else
		db_pipeline_ready(db, ready);
}

/* The wait for a synchronous standby that is cancelled ends with these two, and the COMMIT goes
 * well: the server has it, and would lose it in a fail-over. What we do warns of nothing else. */
static void on_notice(void *arg, const PGresult *notice)
{
	struct db *const db = arg;
	const char *const sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
	if (sqlstate != NULL && (strcmp(sqlstate, "01000") == 0 || strcmp(sqlstate, "57P01") == 0))
		db->is_unreplicated = true;
}
