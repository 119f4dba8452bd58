/* SPDX-License-Identifier: Apache-2.0
 * What db*.c share: a connection's insides, and the runs that wait for it. */
#ifndef WASL_DB_PARTS_H
#define WASL_DB_PARTS_H

#include <libpq-fe.h>

#include "db.h"

#define DB_PREPARED_MAX   128 /* statements kept prepared per connection; others are sent whole */
#define DB_NAME_TEXT_MAX  16  /* eight hex digits, "_127" and a NUL */
#define DB_HOSTS_LISTS    3   /* host, hostaddr, port */
#define DB_HOSTS_TEXT_MAX 512
#define DB_RETRY_MIN_US   (50 * INT64_C(1000))
#define DB_RETRY_MAX_US   (1000 * INT64_C(1000))

/* One statement of a run, its parameters copied, and NUL-terminated where they are text. */
struct db_call {
	const char *sql;
	const char *const *values;
	const int *lengths; /* of each value */
	const int *formats; /* NULL: all are text */
	int value_count;
	bool is_planned_anew;
	bool is_prepared_here; /* a Parse goes before it in this run */
	int prepared;          /* index into db->prepared, -1: sent whole */
};

/* One block of memory: this, the calls, the values' pointers, their lengths, the values. */
struct db_run {
	struct db_run *next;
	db_done_fn *fn;
	void *arg;
	bool has_nul; /* a text parameter holds a NUL, which no text of Postgres can */
	unsigned call_count;
	struct db_call *calls;
};

enum db_phase {
	DB_DOWN = 0,     /* the timer counts to the next attempt */
	DB_CONNECTING,   /* libpq shakes hands */
	DB_SETTING_UP,   /* the session's limits are under way */
	DB_IDLE,         /* up */
	DB_RUNNING,      /* up: db->current is under way */
	DB_ROLLING_BACK, /* up: db->current has failed inside a transaction */
};

struct db {
	unsigned magic;
	struct loop *loop;
	struct db_config config;
	char *secret_url;
	char *name;
	enum db_phase phase;
	bool was_told_up;
	bool was_told_refused; /* since it was up */
	unsigned failures;     /* attempts since the connection was last up */
	unsigned attempts;     /* ever */
	PGconn *conn;
	struct loop_watch *watch;
	unsigned watch_wants;
	struct loop_timer *timer; /* retry, connect deadline or run deadline, by phase */
	struct loop_defer *start; /* begins the next run at the end of the turn */

	struct db_run *current;
	struct db_run *head, *tail;
	unsigned queued;

	/* Where the reading of current stands. */
	unsigned call_at;
	bool is_at_prepare;
	struct db_result result;
	/* Postgres has committed current without its synchronous standby. */
	bool is_unreplicated;
	PGresult *row_sets[DB_STATEMENTS_MAX];

	const char *prepared[DB_PREPARED_MAX];
	bool is_prepared[DB_PREPARED_MAX];
	unsigned prepared_count;
};

/* db.c: the connection is given up: everything pending is told DB_UNAVAILABLE, the next attempt is
 * planned. */
void db_fail(struct db *db, const char *sqlstate, const char *reason);
void db_enter_idle(struct db *db);
/* db.c: current is over; its result is told and its memory freed. */
void db_finish(struct db *db);
void db_watch_set(struct db *db, unsigned wants);

/* db_connect.c */
void db_connect_begin(struct db *db);
void db_connect_continue(struct db *db); /* the socket is ready while DB_CONNECTING */
void db_connect_close(struct db *db);

/* db_session.c */
bool db_session_send(struct db *db); /* what asks about the session and sets its limits up */
/* False, with the reason, when nothing may be posted in it. */
bool db_session_check(const struct db_rows *rows, char reason[ERR_MSG_MAX]);

/* db_hosts.c: what goes after the URL, so that the list of hosts begins with another one. */
struct db_hosts {
	const char *keywords[DB_HOSTS_LISTS];
	char values[DB_HOSTS_LISTS][DB_HOSTS_TEXT_MAX];
};
/* Returns how many lists there are: 0 for a URL with one host. */
unsigned db_hosts_rotate(const char *url, unsigned attempt, struct db_hosts *hosts);

/* db_pipeline.c */
void db_pipeline_setup(struct db *db); /* the session's limits, before DB_IDLE */
void db_pipeline_send(struct db *db);  /* db->current */
/* Ends db->current, of which nothing was sent, with the result that is set. */
void db_pipeline_refuse(struct db *db);
/* The socket is ready in any phase from DB_SETTING_UP on. */
void db_pipeline_ready(struct db *db, unsigned ready);
void db_pipeline_clear(struct db *db); /* results read so far are freed */

/* db_errors.c */
enum db_status db_status_of(const char *sqlstate);
/* The session is no good any more: another is to be made. */
bool db_errors_end_session(const char *sqlstate);
void db_errors_count(const char *sqlstate);

#endif
