/* SPDX-License-Identifier: Apache-2.0
 * A connection's life: down, connecting, idle, running; and the queue of runs before it. */
#include "db_parts.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

#define DB_MAGIC               0xdb5c0aed
#define SQLSTATE_NO_CONNECTION "08001"
#define SQLSTATE_TIMEOUT       "08006" /* connection failure: ours, by the deadline */
#define SQLSTATE_NUL           "22021"
#define JITTER_US              (20 * 1000)
#define BINARY                 1 /* libpq's word for it */
#define BINARY_8               BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY, BINARY

static const int all_binary[] = {BINARY_8, BINARY_8, BINARY_8, BINARY_8, BINARY_8};
_Static_assert(sizeof(all_binary) / sizeof(all_binary[0]) == DB_PARAMS_MAX, "one a parameter");

static struct db_run *run_new(const struct db_statement *statements, unsigned count);
static size_t run_bytes(const struct db_statement *statements, unsigned count, size_t *values);
static void on_start(void *arg);
static void on_timer(void *arg);
static void begin_next(struct db *db);
static void tell_unavailable(
	struct db *db, struct db_run *run, const char *sqlstate, const char *reason);
static void tell_state(struct db *db, bool is_up, const char *reason);
static void set_message(struct db_result *result, const char *sqlstate, const char *reason);
static struct db *checked(void *arg);

struct db *db_new(struct loop *loop, const struct db_config *config, struct err *err)
{
	struct db *db = calloc(1, sizeof(*db));
	if (db == NULL)
		goto fail;
	*db = (struct db){.magic = DB_MAGIC, .loop = loop, .config = *config};
	db->secret_url = strdup(config->url);
	db->name = strdup(config->name);
	db->timer = loop_timer_new(loop, on_timer, db);
	db->start = loop_defer_new(loop, on_start, db);
	if (db->secret_url == NULL || db->name == NULL || db->timer == NULL || db->start == NULL)
		goto fail;
	loop_timer_set(db->timer, 0);
	return db;
fail:
	err_set(err, ERR_LIMIT, 0, "no memory for a database connection");
	if (db != NULL)
		db_free(db);
	return NULL;
}

bool db_is_up(const struct db *db)
{
	return db->phase >= DB_IDLE;
}

bool db_is_idle(const struct db *db)
{
	return db->phase == DB_IDLE && db->head == NULL;
}

bool db_run(struct db *db, const struct db_statement *statements, unsigned count, db_done_fn *fn,
	void *arg)
{
	assert(count > 0 && count <= DB_STATEMENTS_MAX);
	if (!db_is_up(db) || db->queued == DB_QUEUE_MAX)
		return false;
	struct db_run *const run = run_new(statements, count);
	if (run == NULL)
		return false;
	run->fn = fn;
	run->arg = arg;
	if (db->tail != NULL)
		db->tail->next = run;
	else
		db->head = run;
	db->tail = run;
	db->queued++;
	loop_defer_schedule(db->start);
	return true;
}

void db_free(struct db *db)
{
	if (db == NULL)
		return;
	if (db->start != NULL)
		db_fail(db, SQLSTATE_NO_CONNECTION, NULL);
	loop_timer_free(db->timer);
	loop_defer_free(db->start);
	free(db->secret_url);
	free(db->name);
	db->magic = 0;
	free(db);
}

void db_fail(struct db *db, const char *sqlstate, const char *reason)
{
	char message[ERR_MSG_MAX]; /* reason may be libpq's own, which goes with the connection */
	struct str line, rest;
	str_cut(str_from(reason != NULL ? reason : "closed"), '\n', &line, &rest);
	str_copy(message, sizeof(message), utf8_cut(line, sizeof(message) - 1));
	db_connect_close(db);
	db->phase = DB_DOWN;
	if (reason != NULL) {
		db_errors_count(sqlstate);
		tell_state(db, false, message);
	}
	const unsigned shift = db->failures < 5 ? db->failures : 5;
	int64_t delay_us = DB_RETRY_MIN_US << shift;
	if (delay_us > DB_RETRY_MAX_US)
		delay_us = DB_RETRY_MAX_US;
	db->failures++;
	loop_timer_set(db->timer, delay_us + clock_mono_us() % JITTER_US);
	struct db_run *run = db->current;
	struct db_run *waiting = db->head;
	db->current = db->head = db->tail = NULL;
	db->queued = 0;
	if (run != NULL)
		tell_unavailable(db, run, sqlstate, message);
	while (waiting != NULL) {
		struct db_run *const next = waiting->next;
		tell_unavailable(db, waiting, sqlstate, message);
		waiting = next;
	}
}

void db_enter_idle(struct db *db)
{
	db->phase = DB_IDLE;
	db->was_told_refused = false;
	db->failures = 0;
	loop_timer_clear(db->timer);
	tell_state(db, true, NULL);
	if (db->head != NULL)
		loop_defer_schedule(db->start);
}

void db_finish(struct db *db)
{
	struct db_run *const run = db->current;
	loop_timer_clear(db->timer);
	db->current = NULL;
	db->phase = DB_IDLE;
	if (db->result.status != DB_OK)
		db_errors_count(db->result.sqlstate);
	/* fn may queue the next run, but that starts later: the results stay while it reads. */
	db->result.rows = (const struct db_rows *const *)(const void *)db->row_sets;
	run->fn(&db->result, run->arg);
	free(run);
	db->result = (struct db_result){0};
	db_pipeline_clear(db);
	if (db->head != NULL)
		loop_defer_schedule(db->start);
}

void db_watch_set(struct db *db, unsigned wants)
{
	if (db->watch == NULL || db->watch_wants == wants)
		return;
	db->watch_wants = wants;
	loop_watch_set(db->watch, wants);
}

static struct db_run *run_new(const struct db_statement *statements, unsigned count)
{
	size_t value_count = 0;
	const size_t bytes = run_bytes(statements, count, &value_count);
	struct db_run *const run = malloc(bytes);
	if (run == NULL)
		return NULL;
	struct db_call *const calls = (struct db_call *)(void *)(run + 1);
	const char **values = (const char **)(void *)(calls + count);
	int *lengths = (int *)(void *)(values + value_count);
	char *at = (char *)(lengths + value_count);
	*run = (struct db_run){.call_count = count, .calls = calls};
	for (unsigned i = 0; i < count; i++) {
		const struct db_statement *const from = &statements[i];
		calls[i] = (struct db_call){.sql = from->sql,
			.values = values,
			.lengths = lengths,
			.formats = from->is_binary ? all_binary : NULL,
			.value_count = (int)from->param_count,
			.is_planned_anew = from->is_planned_anew,
			.prepared = -1};
		for (unsigned p = 0; p < from->param_count; p++) {
			const struct str param = from->params[p];
			*values++ = param.data == NULL ? NULL : at;
			*lengths++ = (int)param.len;
			if (param.data == NULL)
				continue;
			run->has_nul |=
				!from->is_binary && memchr(param.data, '\0', param.len) != NULL;
			memcpy(at, param.data, param.len);
			at[param.len] = '\0';
			at += param.len + 1;
		}
	}
	return run;
}

static size_t run_bytes(const struct db_statement *statements, unsigned count, size_t *values)
{
	size_t bytes = 0;
	*values = 0;
	for (unsigned i = 0; i < count; i++) {
		assert(statements[i].param_count <= DB_PARAMS_MAX);
		*values += statements[i].param_count;
		for (unsigned p = 0; p < statements[i].param_count; p++) {
			assert(statements[i].params[p].len < INT_MAX);
			bytes += statements[i].params[p].len + 1;
		}
	}
	return sizeof(struct db_run) + count * sizeof(struct db_call) +
	       *values * (sizeof(char *) + sizeof(int)) + bytes;
}

static void on_start(void *arg)
{
	struct db *const db = checked(arg);
	if (db->phase == DB_IDLE && db->head != NULL)
		begin_next(db);
}

static void begin_next(struct db *db)
{
	struct db_run *const run = db->head;
	db->head = run->next;
	if (db->head == NULL)
		db->tail = NULL;
	db->queued--;
	run->next = NULL;
	db->current = run;
	db->result = (struct db_result){.row_sets = run->call_count};
	db->phase = DB_RUNNING;
	loop_timer_set(db->timer, db->config.run_deadline_us);
	if (run->has_nul) {
		set_message(&db->result, SQLSTATE_NUL, "a text holds a NUL");
		db_pipeline_refuse(db);
		return;
	}
	db_pipeline_send(db);
}

static void on_timer(void *arg)
{
	struct db *const db = checked(arg);
	if (db->phase == DB_DOWN)
		db_connect_begin(db);
	else if (db->phase == DB_CONNECTING || db->phase == DB_SETTING_UP)
		db_fail(db, SQLSTATE_NO_CONNECTION, "no connection within the deadline");
	else
		db_fail(db, SQLSTATE_TIMEOUT, "no answer within the deadline");
}

static void tell_unavailable(
	struct db *db, struct db_run *run, const char *sqlstate, const char *reason)
{
	struct db_result result = {0};
	(void)db;
	set_message(&result, sqlstate, reason);
	result.status = DB_UNAVAILABLE;
	run->fn(&result, run->arg);
	free(run);
}

static void set_message(struct db_result *result, const char *sqlstate, const char *reason)
{
	result->status = db_status_of(sqlstate);
	str_copy(result->sqlstate, sizeof(result->sqlstate), str_from(sqlstate));
	str_copy(result->message, sizeof(result->message), str_from(reason));
}

/* Logged at the change only: an outage is two lines, however long it lasts. */
static void tell_state(struct db *db, bool is_up, const char *reason)
{
	if (is_up == db->was_told_up && db->failures > 0)
		return;
	if (is_up)
		log_info("postgres_up", LOG_TEXT("name", db->name));
	else
		log_warn("postgres_down", LOG_TEXT("name", db->name), LOG_TEXT("reason", reason));
	const bool has_changed = is_up != db->was_told_up;
	db->was_told_up = is_up;
	if (has_changed && db->config.on_state != NULL)
		db->config.on_state(is_up, db->config.arg);
}

static struct db *checked(void *arg)
{
	struct db *const db = arg;
	assert(db->magic == DB_MAGIC);
	return db;
}
