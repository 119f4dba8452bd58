/* SPDX-License-Identifier: Apache-2.0
 * What is known of a batch's orders. The first round trip makes those that are new, of which there
 * is nothing to know. The others are locked in the next one and then, in statements of their own so
 * that they see what others committed while the locks were waited for, all is read of them. */
#include <string.h>

#include "log.h"
#include "post_parts.h"
#include "stores.h"

/* An order that another attributor is making is waited for, and then not returned: what is returned
 * was unknown to everybody. */
static const char orders_add_sql[] =
	"INSERT INTO wasl.orders (store_id, order_id) SELECT n.store_id, "
	"n.order_id " POST_ORDERS_OF_BATCH
	"ORDER BY n.at ON CONFLICT DO NOTHING RETURNING store_id, order_id, wasl.to_us(now())";
enum { ADDED_STORE, ADDED_ORDER, ADDED_NOW_US };
static const char orders_lock_sql[] =
	"SELECT n.at, wasl.to_us(now()), coalesce(o.due_at <= now(), false) " POST_ORDERS_OF_BATCH
	"JOIN wasl.orders o USING (store_id, order_id) "
	"ORDER BY o.store_id, o.order_id COLLATE \"C\" FOR UPDATE OF o";
static const char event_ids_sql[] =
	"SELECT n.at, " POST_ANSWERED " FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY "
	"n (store_id, event_id, at) JOIN wasl.event_ids i USING (store_id, event_id) "
	"LEFT JOIN wasl.decisions d "
	"ON (d.store_id, d.order_id, d.version) = (i.store_id, i.order_id, i.decision_version)";
/* One over FOLD_EVENTS_MAX is enough to know that there are too many. */
static const char events_sql[] =
	"SELECT n.at, e.facts, e.effect = 'deferred' " POST_ORDERS_OF_BATCH
	"JOIN LATERAL (SELECT facts, effect FROM wasl.events e WHERE e.store_id = n.store_id "
	"AND e.order_id = n.order_id LIMIT 1001) e ON true ORDER BY n.at";
_Static_assert(FOLD_EVENTS_MAX == 1000, "events_sql reads one more than this");

/* Statements of the first round trip, and of the one for orders that are not new. */
enum { ORDERS_ADD, EVENT_IDS, READ_COUNT };
enum { ORDERS_LOCK, EVENT_IDS_AGAIN, EVENTS, DECISIONS, LINES, COMMISSIONS, READ_OLD_COUNT };
enum { NAMES_OF_ORDERS, NAMES_OF_EVENTS };

static void add_names(struct batch *batch, struct posting *posting, struct pg_table *names);
static bool name_statements(
	struct pg_table *names, struct db_statement *orders, struct db_statement *events);
static struct post_slice slice_of(const struct db_rows *rows, unsigned at, unsigned *next);
static struct posting *posting_at(struct batch *batch, const struct db_rows *rows, unsigned row);
static enum batch_step mark_new(struct batch *batch, const struct db_rows *rows);
static struct posting *posting_of(
	struct batch *batch, uint32_t store_id, struct str order_id, unsigned *guess);
static enum batch_step take_locked(struct batch *batch, const struct db_rows *rows);
static void take_due(struct posting *posting, bool is_due);
static enum batch_step take_known(struct batch *batch, const struct db_rows *rows);
static enum batch_step take_old(
	struct batch *batch, struct posting *posting, const struct post_slice slices[3]);
static enum batch_step take_events(
	struct batch *batch, struct posting *posting, const struct post_slice *slice);
static enum batch_step take_decisions(struct batch *batch, const struct db_rows *rows);
static void refuse(struct posting *posting, unsigned status, const char *code, const char *detail);

void post_read_init(struct pg_table *names)
{
	for (unsigned i = 0; i < POST_READ_NAMES; i++)
		pg_table_init(&names[i], "", "bt");
}

unsigned post_read_statements(struct batch *batch, struct pg_table *names,
	struct db_statement *statements, bool *is_whole)
{
	for (unsigned i = 0; i < batch->count; i++)
		add_names(batch, &batch->postings[i], names);
	*is_whole = name_statements(names, &statements[ORDERS_ADD], &statements[EVENT_IDS]);
	statements[ORDERS_ADD].sql = orders_add_sql;
	statements[EVENT_IDS].sql = event_ids_sql;
	return READ_COUNT;
}

enum batch_step post_read_take(struct batch *batch, const struct db_result *result)
{
	const struct db_rows *const *const sets = result->rows + batch->read_at;
	enum batch_step step = mark_new(batch, sets[ORDERS_ADD]);
	if (step == BATCH_GO_ON)
		step = take_known(batch, sets[EVENT_IDS]);
	for (unsigned i = 0; i < batch->count && step == BATCH_GO_ON; i++) {
		struct posting *const posting = &batch->postings[i];
		posting->model = posting->item->terms.model;
		posting->precedence = posting->item->terms.precedence;
		if (posting->is_new_order && !posting->verdict.is_set)
			step = take_events(batch, posting, &(struct post_slice){0});
	}
	return step;
}

unsigned post_read_old_statements(struct batch *batch, struct pg_table *names,
	struct db_statement *statements, bool *is_whole)
{
	static const char *const sqls[READ_OLD_COUNT] = {orders_lock_sql, event_ids_sql, events_sql,
		post_live_decisions_sql, post_live_lines_sql, post_live_commissions_sql};
	struct db_statement orders, events;
	batch->named_count = 0;
	for (unsigned i = 0; i < POST_READ_NAMES; i++)
		pg_table_clear(&names[i]);
	for (unsigned i = 0; i < batch->count; i++)
		if (!batch->postings[i].is_new_order && !batch->postings[i].verdict.is_set)
			add_names(batch, &batch->postings[i], names);
	if (batch->named_count == 0)
		return 0;
	*is_whole = name_statements(names, &orders, &events);
	for (unsigned i = 0; i < READ_OLD_COUNT; i++) {
		statements[i] = i == EVENT_IDS_AGAIN ? events : orders;
		statements[i].sql = sqls[i];
	}
	return READ_OLD_COUNT;
}

enum batch_step post_read_old_take(struct batch *batch, const struct db_result *result)
{
	const struct db_rows *const *const sets = result->rows;
	if (db_rows_count(sets[ORDERS_LOCK]) != batch->named_count)
		return BATCH_SENSELESS;
	enum batch_step step = take_locked(batch, sets[ORDERS_LOCK]);
	if (step == BATCH_GO_ON)
		step = take_known(batch, sets[EVENT_IDS_AGAIN]);
	if (step == BATCH_GO_ON)
		step = take_decisions(batch, sets[DECISIONS]);
	unsigned next_event = 0, next_line = 0, next_commission = 0;
	for (unsigned i = 0; i < batch->named_count && step == BATCH_GO_ON; i++) {
		const struct post_slice slices[] = {slice_of(sets[EVENTS], i, &next_event),
			slice_of(sets[LINES], i, &next_line),
			slice_of(sets[COMMISSIONS], i, &next_commission)};
		if (!batch->named[i]->verdict.is_set)
			step = take_old(batch, batch->named[i], slices);
	}
	return step;
}

static void add_names(struct batch *batch, struct posting *posting, struct pg_table *names)
{
	const struct post_item *const item = posting->item;
	batch->named[batch->named_count++] = posting;
	pg_table_int(&names[NAMES_OF_ORDERS], item->store_id);
	pg_table_text(&names[NAMES_OF_ORDERS], item->order_id);
	/* No webhook-id is empty: found for nobody. */
	pg_table_int(&names[NAMES_OF_EVENTS], item->store_id);
	pg_table_text(&names[NAMES_OF_EVENTS],
		item->event != NULL ? item->event->event_id : (struct str){0});
}

static bool name_statements(
	struct pg_table *names, struct db_statement *orders, struct db_statement *events)
{
	return pg_table_statement(&names[NAMES_OF_ORDERS], orders) &&
	       pg_table_statement(&names[NAMES_OF_EVENTS], events);
}

static struct post_slice slice_of(const struct db_rows *rows, unsigned at, unsigned *next)
{
	struct post_slice slice = {.rows = rows, .from = *next};
	const unsigned count = db_rows_count(rows);
	while (*next < count && db_rows_int(rows, *next, 0) == (int64_t)at + 1)
		++*next;
	slice.count = *next - slice.from;
	return slice;
}

/* NULL when the row's ordinal is none of ours. */
static struct posting *posting_at(struct batch *batch, const struct db_rows *rows, unsigned row)
{
	const int64_t at = db_rows_int(rows, row, 0);
	return at >= 1 && at <= batch->named_count ? batch->named[at - 1] : NULL;
}

/* An order that was to be folded again, and is not there, is not due either. */
static enum batch_step mark_new(struct batch *batch, const struct db_rows *rows)
{
	const unsigned count = db_rows_count(rows);
	unsigned guess = 0; /* rows come as they were added, though nobody promises it */
	for (unsigned row = 0; row < count; row++) {
		struct posting *const posting =
			posting_of(batch, (uint32_t)db_rows_int(rows, row, ADDED_STORE),
				db_rows_text(rows, row, ADDED_ORDER), &guess);
		if (posting == NULL)
			return BATCH_SENSELESS;
		posting->is_new_order = true;
		take_due(posting, false);
	}
	if (count > 0)
		batch->now_us = db_rows_int(rows, 0, ADDED_NOW_US);
	return BATCH_GO_ON;
}

/* Looks at all of them, from guess on; guess becomes the next one. NULL: none is it. */
static struct posting *posting_of(
	struct batch *batch, uint32_t store_id, struct str order_id, unsigned *guess)
{
	for (unsigned tried = 0; tried < batch->count; tried++) {
		struct posting *const posting = &batch->postings[*guess];
		*guess = *guess + 1 < batch->count ? *guess + 1 : 0;
		if (posting->item->store_id == store_id &&
			str_equal(posting->item->order_id, order_id))
			return posting;
	}
	return NULL;
}

static enum batch_step take_locked(struct batch *batch, const struct db_rows *rows)
{
	for (unsigned row = 0; row < batch->named_count; row++) {
		struct posting *const posting = posting_at(batch, rows, row);
		if (posting == NULL)
			return BATCH_SENSELESS;
		batch->now_us = db_rows_int(rows, row, 1);
		take_due(posting, db_rows_bool(rows, row, 2));
	}
	return BATCH_GO_ON;
}

/* What is to be folded again only because it was due, and is not any more, was folded by another
 * attributor while the lock was waited for. */
static void take_due(struct posting *posting, bool is_due)
{
	if (posting->item->event == NULL && !is_due)
		posting->verdict = (struct post_verdict){
			.is_set = true, .is_final = true, .outcome = {.status = POST_DONE}};
}

/* Seen before: the same body gets the same answer, another one 409. */
static enum batch_step take_known(struct batch *batch, const struct db_rows *rows)
{
	const unsigned count = db_rows_count(rows);
	for (unsigned row = 0; row < count; row++) {
		struct posting *const posting = posting_at(batch, rows, row);
		if (posting == NULL)
			return BATCH_SENSELESS;
		char hash[2 * POST_BODY_HASH_BYTES];
		hex_encode(hash, posting->item->body_sha256, POST_BODY_HASH_BYTES);
		if (!str_equal((struct str){hash, sizeof(hash)}, db_rows_text(rows, row, 2))) {
			refuse(posting, 409, "webhook_id_reused",
				"this webhook-id was seen with another body");
			continue;
		}
		struct buf text;
		buf_init(&text, POST_TEXT_MAX);
		post_text_known(&text, rows, row, 1);
		struct post_outcome *const outcome = &posting->verdict.outcome;
		*outcome = (struct post_outcome){.status = POST_DONE, .result = METERS_DUPLICATE};
		posting->verdict.is_set = posting->verdict.is_final = true;
		const bool is_kept = !text.has_failed &&
				     arena_keep(&batch->arena, buf_str(&text), &outcome->answer);
		buf_release(&text);
		if (!is_kept)
			return BATCH_NO_MEMORY;
	}
	return BATCH_GO_ON;
}

static enum batch_step take_old(
	struct batch *batch, struct posting *posting, const struct post_slice slices[3])
{
	const struct post_slice *const events = &slices[0];
	if (events->count + (posting->item->event != NULL ? 1 : 0) > FOLD_EVENTS_MAX) {
		refuse(posting, 422, "too_many_events",
			"the order has as many events as an order may have");
		return BATCH_GO_ON;
	}
	enum batch_step step = take_events(batch, posting, events);
	if (step == BATCH_GO_ON)
		step = post_live_lines(batch, posting, &slices[1]);
	if (step == BATCH_GO_ON)
		step = post_live_commissions(batch, posting, &slices[2]);
	return step;
}

static enum batch_step take_events(
	struct batch *batch, struct posting *posting, const struct post_slice *slice)
{
	posting->loaded = arena_take(&batch->arena, slice->count, sizeof(*posting->loaded));
	posting->events = arena_take(&batch->arena, slice->count + 1, sizeof(*posting->events));
	posting->arrived = arena_take(&batch->arena, slice->count + 1, sizeof(*posting->arrived));
	if (posting->loaded == NULL || posting->events == NULL || posting->arrived == NULL)
		return BATCH_NO_MEMORY;
	if (posting->item->event != NULL) {
		posting->events[posting->event_count++] = posting->item->event;
		posting->arrived[posting->arrived_count++] = posting->item->event;
	}
	for (unsigned i = 0; i < slice->count; i++) {
		struct event *event = NULL;
		const enum event_json_result result =
			event_json_load(db_rows_text(slice->rows, slice->from + i, 1), &event);
		if (result == EVENT_JSON_NO_MEMORY)
			return BATCH_NO_MEMORY;
		if (result != EVENT_JSON_OK) {
			log_error("facts_unreadable", LOG_NUM("store", posting->item->store_id),
				LOG_STR("order", posting->item->order_id));
			return BATCH_SENSELESS;
		}
		posting->loaded[posting->loaded_count++] = event;
		posting->events[posting->event_count++] = event;
		/* Stored when nobody could fold it yet. */
		if (db_rows_bool(slice->rows, slice->from + i, 2))
			posting->arrived[posting->arrived_count++] = event;
	}
	return BATCH_GO_ON;
}

static enum batch_step take_decisions(struct batch *batch, const struct db_rows *rows)
{
	const unsigned count = db_rows_count(rows);
	enum batch_step step = BATCH_GO_ON;
	for (unsigned row = 0; row < count && step == BATCH_GO_ON; row++) {
		struct posting *const posting = posting_at(batch, rows, row);
		step = posting == NULL ? BATCH_SENSELESS
				       : post_live_decision(batch, posting, rows, row);
	}
	return step;
}

static void refuse(struct posting *posting, unsigned status, const char *code, const char *detail)
{
	posting->verdict = (struct post_verdict){.is_set = true,
		.is_final = true,
		.outcome = {.status = POST_REFUSED,
			.http_status = status,
			.code = code,
			.detail = detail,
			.pointer = status == 422 ? "" : NULL}};
}
