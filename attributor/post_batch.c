/* SPDX-License-Identifier: Apache-2.0
 * One batch: its round trips, and the way out of each. */
#include <stddef.h>
#include <string.h>

#include "failpoint.h"
#include "log.h"
#include "post_parts.h"

static const char begin_sql[] = "BEGIN";
static const char plan_sql[] = "DISCARD PLANS";
static const char commit_sql[] = "COMMIT";
static const char rollback_sql[] = "ROLLBACK";
/* Ends when a synchronous standby has all that was committed before: what was found may be of a
 * transaction that others see and the standby does not have yet. */
static const char replicated_sql[] = "SELECT pg_logical_emit_message(true, 'wasl', '') "
				     "WHERE current_setting('synchronous_standby_names') <> ''";

static void on_read(const struct db_result *result, void *arg);
static void ask_old(struct poster *poster);
static void on_old(const struct db_result *result, void *arg);
static void ask_coupons(struct poster *poster);
static void on_coupons(const struct db_result *result, void *arg);
static void ask_names(struct poster *poster);
static void on_names(const struct db_result *result, void *arg);
static void decide(struct poster *poster);
static void write_all(struct poster *poster);
static void on_written(const struct db_result *result, void *arg);
static void roll_back(struct poster *poster);
static void on_rolled_back(const struct db_result *result, void *arg);
static void on_abandoned(const struct db_result *result, void *arg);
static void batch_release(struct poster *poster);
static void tables_each(struct poster *poster, void (*fn)(struct pg_table *table));
static bool goes_wrong(struct poster *poster, enum batch_step step);
static bool is_to_be_undone(const struct batch *batch);
static void fail(struct poster *poster, const struct db_result *result);
static void run(struct poster *poster, const struct db_statement *statements, unsigned count,
	db_done_fn *fn);
static void tell_counts(struct poster *poster);
static void keep_spare_ids(struct poster *poster);

void batch_start(struct poster *poster)
{
	struct batch *const batch = &poster->batch;
	const struct post_span *const span = &poster->spans[poster->span_count - 1];
	struct db_statement statements[DB_STATEMENTS_MAX];
	memset(batch, 0, offsetof(struct batch, named));
	memset(batch->postings, 0, span->count * sizeof(batch->postings[0]));
	batch->count = span->count;
	batch->tables = poster->tables;
	arena_init(&batch->arena, POST_ARENA_MAX);
	for (unsigned i = 0; i < span->count; i++)
		batch->postings[i].item = poster->taken[span->from + i];
	bool is_whole = true;
	statements[batch->read_at++] = (struct db_statement){.sql = begin_sql};
	if (poster_is_to_plan(poster))
		statements[batch->read_at++] = (struct db_statement){.sql = plan_sql};
	const unsigned count = post_read_statements(
		batch, poster->read_names, statements + batch->read_at, &is_whole);
	if (is_whole)
		run(poster, statements, batch->read_at + count, on_read);
	else
		fail(poster, &(struct db_result){.status = DB_DATA, .message = "no memory"});
}

void batch_tables_init(struct poster *poster)
{
	post_read_init(poster->read_names);
	post_coupons_init(&poster->coupon_names);
	post_names_init(poster->names);
	post_write_init(poster->tables);
}

void batch_tables_release(struct poster *poster)
{
	tables_each(poster, pg_table_release);
}

static void on_read(const struct db_result *result, void *arg)
{
	struct poster *const poster = arg;
	if (result->status != DB_OK) {
		fail(poster, result);
		return;
	}
	if (!goes_wrong(poster, post_read_take(&poster->batch, result)))
		ask_old(poster);
}

static void ask_old(struct poster *poster)
{
	struct batch *const batch = &poster->batch;
	struct db_statement statements[DB_STATEMENTS_MAX];
	bool is_whole = true;
	if (is_to_be_undone(batch)) {
		roll_back(poster);
		return;
	}
	const unsigned count =
		post_read_old_statements(batch, poster->read_names, statements, &is_whole);
	if (!is_whole)
		goes_wrong(poster, BATCH_NO_MEMORY);
	else if (count > 0)
		run(poster, statements, count, on_old);
	else
		ask_coupons(poster);
}

static void on_old(const struct db_result *result, void *arg)
{
	struct poster *const poster = arg;
	if (result->status != DB_OK) {
		fail(poster, result);
		return;
	}
	if (!goes_wrong(poster, post_read_old_take(&poster->batch, result)))
		ask_coupons(poster);
}

static void ask_coupons(struct poster *poster)
{
	struct batch *const batch = &poster->batch;
	struct db_statement statement;
	bool is_whole = true;
	if (is_to_be_undone(batch)) {
		roll_back(poster);
		return;
	}
	if (goes_wrong(poster, post_names_gather(batch)))
		return;
	const bool is_asked =
		post_coupons_statement(batch, &poster->coupon_names, &statement, &is_whole);
	if (!is_whole)
		goes_wrong(poster, BATCH_NO_MEMORY);
	else if (is_asked)
		run(poster, &statement, 1, on_coupons);
	else
		ask_names(poster);
}

static void on_coupons(const struct db_result *result, void *arg)
{
	struct poster *const poster = arg;
	if (result->status != DB_OK) {
		fail(poster, result);
		return;
	}
	if (!goes_wrong(poster, post_coupons_take(&poster->batch, result)))
		ask_names(poster);
}

static void ask_names(struct poster *poster)
{
	struct db_statement statements[DB_STATEMENTS_MAX];
	bool is_whole = true;
	const unsigned count = post_names_statements(poster, statements, &is_whole);
	if (!is_whole)
		goes_wrong(poster, BATCH_NO_MEMORY);
	else if (count > 0)
		run(poster, statements, count, on_names);
	else
		decide(poster);
}

static void on_names(const struct db_result *result, void *arg)
{
	struct poster *const poster = arg;
	if (result->status != DB_OK) {
		fail(poster, result);
		return;
	}
	if (!goes_wrong(poster, post_names_take(poster, result)))
		decide(poster);
}

static void decide(struct poster *poster)
{
	if (goes_wrong(poster, post_decide(poster)))
		return;
	if (is_to_be_undone(&poster->batch))
		roll_back(poster);
	else
		write_all(poster);
}

static void write_all(struct poster *poster)
{
	struct batch *const batch = &poster->batch;
	struct db_statement statements[POST_TABLES + 1];
	unsigned count = 0;
	bool is_whole = true;
	for (unsigned i = 0; i < POST_TABLES; i++)
		if (batch->tables[i].row_count > 0)
			is_whole &= pg_table_statement(&batch->tables[i], &statements[count++]);
	if (!is_whole) {
		goes_wrong(poster, BATCH_NO_MEMORY);
		return;
	}
	failpoint_pass(FAILPOINT_COMMITTING);
	statements[count++] = (struct db_statement){.sql = commit_sql};
	run(poster, statements, count, on_written);
}

static void on_written(const struct db_result *result, void *arg)
{
	struct poster *const poster = arg;
	struct batch *const batch = &poster->batch;
	if (result->status != DB_OK) {
		fail(poster, result);
		return;
	}
	failpoint_pass(FAILPOINT_COMMITTED);
	struct meters *const meters = post_meters(poster->post);
	stats_add(&meters->batches, 1);
	stats_set(&meters->is_refused, 0);
	stats_add(&meters->batch_events, batch->count);
	tell_counts(poster);
	keep_spare_ids(poster);
	for (unsigned i = 0; i < batch->count; i++)
		poster_answer(poster, &batch->postings[i]);
	batch_release(poster);
	poster_run_next(poster);
}

/* Nothing is to be kept of this transaction. Whoever was found before, or is refused, is answered;
 * the others go again. */
static void roll_back(struct poster *poster)
{
	const struct db_statement statements[] = {{.sql = rollback_sql}, {.sql = replicated_sql}};
	run(poster, statements, 2, on_rolled_back);
}

static void on_rolled_back(const struct db_result *result, void *arg)
{
	struct poster *const poster = arg;
	struct batch *const batch = &poster->batch;
	if (result->status != DB_OK) {
		fail(poster, result);
		return;
	}
	for (unsigned i = 0; i < batch->count; i++)
		if (batch->postings[i].verdict.is_set && batch->postings[i].verdict.is_final)
			poster_answer(poster, &batch->postings[i]);
	batch_release(poster);
	poster_run_next(poster);
}

static void on_abandoned(const struct db_result *result, void *arg)
{
	struct poster *const poster = arg;
	if (result->status != DB_OK)
		fail(poster, result);
	else
		fail(poster,
			&(struct db_result){.status = DB_DATA, .message = "no memory or no sense"});
}

/* True when the step failed and the batch is being given up. */
static bool goes_wrong(struct poster *poster, enum batch_step step)
{
	switch (step) {
	case BATCH_GO_ON:
		return false;
	case BATCH_NO_MEMORY:
		log_error("batch_without_memory", LOG_NUM("events", poster->batch.count));
		break;
	case BATCH_SENSELESS:
		log_error("batch_senseless", LOG_NUM("events", poster->batch.count));
		break;
	}
	const struct db_statement statement = {.sql = rollback_sql};
	run(poster, &statement, 1, on_abandoned);
	return true;
}

/* Nobody is left to be written, or a refused order's row would stay. */
static bool is_to_be_undone(const struct batch *batch)
{
	unsigned final = 0;
	for (unsigned i = 0; i < batch->count; i++) {
		const struct posting *const posting = &batch->postings[i];
		if (!posting->verdict.is_set || !posting->verdict.is_final)
			continue;
		if (posting->is_new_order)
			return true;
		final++;
	}
	return final == batch->count;
}

static void batch_release(struct poster *poster)
{
	struct batch *const batch = &poster->batch;
	for (unsigned i = 0; i < batch->count; i++)
		for (unsigned e = 0; e < batch->postings[i].loaded_count; e++)
			event_free(batch->postings[i].loaded[e]);
	tables_each(poster, pg_table_clear);
	arena_release(&batch->arena);
	batch->count = 0;
}

static void tables_each(struct poster *poster, void (*fn)(struct pg_table *table))
{
	for (unsigned i = 0; i < POST_READ_NAMES; i++)
		fn(&poster->read_names[i]);
	fn(&poster->coupon_names);
	for (unsigned i = 0; i < POST_NAMES_TABLES; i++)
		fn(&poster->names[i]);
	for (unsigned i = 0; i < POST_TABLES; i++)
		fn(&poster->tables[i]);
}

static void fail(struct poster *poster, const struct db_result *result)
{
	const struct db_result copy = *result;
	batch_release(poster);
	poster_batch_failed(poster, &copy);
}

static void run(struct poster *poster, const struct db_statement *statements, unsigned count,
	db_done_fn *fn)
{
	if (db_run(poster->db, statements, count, fn, poster))
		return;
	db_give_up(poster->db);
	fail(poster, &(struct db_result){.status = DB_UNAVAILABLE,
			     .sqlstate = "08003",
			     .message = "not connected, or no memory"});
}

static void tell_counts(struct poster *poster)
{
	struct meters *const meters = post_meters(poster->post);
	for (unsigned i = 0; i < poster->batch.count_used; i++) {
		const struct post_count *const count = &poster->batch.counts[i];
		if (count->state != NULL)
			meters_commission(meters, count->state, count->currency);
		if (count->unattributed != NULL)
			meters_unattributed(meters, count->unattributed);
	}
}

static void keep_spare_ids(struct poster *poster)
{
	struct post_ids *const ids = &poster->batch.transaction_ids;
	poster->spare_count = 0;
	while (ids->used < ids->count && poster->spare_count < POST_SPARE_IDS)
		poster->spare_ids[poster->spare_count++] = ids->ids[ids->used++];
}
