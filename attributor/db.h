/* SPDX-License-Identifier: Apache-2.0
 * Postgres without waiting: one connection on a loop, statements in libpq's pipeline mode,
 * reconnects by itself. Only db*.c include libpq. */
#ifndef WASL_DB_H
#define WASL_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "str.h"

#define DB_STATEMENTS_MAX 64 /* of one run */
#define DB_PARAMS_MAX     40
#define DB_QUEUE_MAX      256 /* runs waiting on one connection; more are refused */

/* data NULL is SQL NULL. Views must live until the run was handed over (they are copied then). */
struct db_statement {
	const char *sql; /* a string constant: prepared once per connection under its address */
	const struct str *params;
	unsigned param_count;
	bool is_binary; /* all of them as Postgres's binary format has them; else all are text */
	/* Not prepared: planned for its values each time. For a question whose filters may be NULL:
	 * a plan that fits them all reads everything. */
	bool is_planned_anew;
};

enum db_status {
	DB_OK = 0,
	DB_DATA,        /* SQLSTATE classes 22, 23, P0: this input is at fault */
	DB_CONFLICT,    /* 40001, 40P01, 55P03: try again */
	DB_UNAVAILABLE, /* connection lost, timed out, 53, 57P, 58, 25006, 57014: outcome of a
			   COMMIT is unknown */
	DB_BROKEN,      /* anything else (42…): our bug or a wrong schema */
};

struct db_rows; /* one statement's result */
unsigned db_rows_count(const struct db_rows *rows);
bool db_rows_is_null(const struct db_rows *rows, unsigned row, unsigned column);
struct str db_rows_text(
	const struct db_rows *rows, unsigned row, unsigned column);             /* "" for NULL */
int64_t db_rows_int(const struct db_rows *rows, unsigned row, unsigned column); /* 0 for NULL */
bool db_rows_bool(const struct db_rows *rows, unsigned row, unsigned column);

struct db_result {
	enum db_status status;
	char sqlstate[6];
	char message[ERR_MSG_MAX];
	unsigned failed;                   /* index of the statement that failed */
	const struct db_rows *const *rows; /* one per statement, with DB_OK */
	unsigned row_sets;
};
/* Called exactly once per accepted run; result lives while it runs. */
typedef void db_done_fn(const struct db_result *result, void *arg);
typedef void db_state_fn(bool is_up, void *arg);
typedef void db_notify_fn(struct str channel, struct str payload, void *arg);

struct db_config {
	const char *url;  /* libpq URI or keywords; a secret */
	const char *name; /* application_name: "wasl-attributor post 1" */
	int64_t connect_deadline_us;
	int64_t run_deadline_us; /* a run that takes longer drops the connection: DB_UNAVAILABLE */
	/* For connections that only look rows up by their keys, many per statement: joins go by
	 * index and plans are kept. Postgres's own choice, made while a young table has no
	 * statistics yet, reads the whole of it for every batch. */
	bool is_by_key;
	db_state_fn *on_state;   /* may be NULL */
	db_notify_fn *on_notify; /* may be NULL */
	void *arg;
};

/* False, ERR_USAGE, when libpq could do nothing with it; the reason repeats nothing of it. */
bool db_url_check(struct str url, struct err *err);

struct db;
struct db *db_new(struct loop *loop, const struct db_config *config, struct err *err);
bool db_is_up(const struct db *db);
bool db_is_idle(const struct db *db); /* up, nothing queued or under way */
/* Sends the statements in one pipeline with one sync at the end and tells all results at once.
 * Without BEGIN among them they are one implicit transaction. After a failed run in which a
 * transaction was opened the connection is rolled back by itself before fn is called. False: down,
 * the queue is full, or no memory (fn is not called). */
bool db_run(struct db *db, const struct db_statement *statements, unsigned count, db_done_fn *fn,
	void *arg);
/* For whoever has opened a transaction and can't go on, not even to ROLLBACK: drops the connection
 * if a transaction is open on it, so that the next BEGIN does not go on with it. */
void db_give_up(struct db *db);
/* Counts by SQLSTATE for wasl_postgres_errors_total, of all connections together: calls fn for each
 * seen one. */
#define DB_SQLSTATES_MAX 64
void db_errors_each(void (*fn)(const char *sqlstate, uint64_t count, void *arg), void *arg);
/* Pending runs are told DB_UNAVAILABLE first. Not from inside a callback of its own. */
void db_free(struct db *db);

#endif
