/* SPDX-License-Identifier: Apache-2.0
 * A batch's first round trip: its orders made and locked, then, in statements of their own so that
 * they see what others committed while the locks were waited for, all that is known of them. */
#include <string.h>

#include "log.h"
#include "post_parts.h"
#include "stores.h"

static const char orders_add_sql[] =
	"INSERT INTO wasl.orders (store_id, order_id) SELECT n.store_id, "
	"n.order_id " POST_ORDERS_OF_BATCH
	"ORDER BY n.at ON CONFLICT DO NOTHING RETURNING store_id, order_id";
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

enum { ORDERS_ADD, ORDERS_LOCK, EVENT_IDS, EVENTS, DECISIONS, LINES, COMMISSIONS, READ_COUNT };
enum { NAMES_OF_ORDERS, NAMES_OF_EVENTS };

static struct post_slice slice_of(const struct db_rows *rows, unsigned at, unsigned *next);
static struct posting *posting_at(struct batch *batch, const struct db_rows *rows, unsigned row);
static void mark_new(struct batch *batch, const struct db_rows *rows);
static enum batch_step take_locked(struct batch *batch, const struct db_rows *rows);
static enum batch_step take_known(struct batch *batch, const struct db_rows *rows);
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
	static const char *const sqls[READ_COUNT] = {orders_add_sql, orders_lock_sql, event_ids_sql,
		events_sql, post_live_decisions_sql, post_live_lines_sql,
		post_live_commissions_sql};
	for (unsigned i = 0; i < batch->count; i++) {
		const struct post_item *const item = batch->postings[i].item;
		pg_table_int(&names[NAMES_OF_ORDERS], item->store_id);
		pg_table_text(&names[NAMES_OF_ORDERS], item->order_id);
		/* No webhook-id is empty: found for nobody. */
		pg_table_int(&names[NAMES_OF_EVENTS], item->store_id);
		pg_table_text(&names[NAMES_OF_EVENTS],
			item->event != NULL ? item->event->event_id : (struct str){0});
	}
	struct db_statement orders, events;
	*is_whole = pg_table_statement(&names[NAMES_OF_ORDERS], &orders) &&
		    pg_table_statement(&names[NAMES_OF_EVENTS], &events);
	for (unsigned i = 0; i < READ_COUNT; i++) {
		statements[i] = i == EVENT_IDS ? events : orders;
		statements[i].sql = sqls[i];
	}
	return READ_COUNT;
}

enum batch_step post_read_take(struct batch *batch, const struct db_result *result)
{
	const struct db_rows *const *const sets = result->rows + batch->read_at;
	if (db_rows_count(sets[ORDERS_LOCK]) != batch->count)
		return BATCH_SENSELESS;
	mark_new(batch, sets[ORDERS_ADD]);
	enum batch_step step = take_locked(batch, sets[ORDERS_LOCK]);
	if (step == BATCH_GO_ON)
		step = take_known(batch, sets[EVENT_IDS]);
	if (step == BATCH_GO_ON)
		step = take_decisions(batch, sets[DECISIONS]);
	unsigned next_event = 0, next_line = 0, next_commission = 0;
	for (unsigned i = 0; i < batch->count && step == BATCH_GO_ON; i++) {
		const struct post_slice events = slice_of(sets[EVENTS], i, &next_event);
		const struct post_slice lines = slice_of(sets[LINES], i, &next_line);
		const struct post_slice rows = slice_of(sets[COMMISSIONS], i, &next_commission);
		struct posting *const posting = &batch->postings[i];
		if (posting->verdict.is_set)
			continue;
		if (events.count + (posting->item->event != NULL ? 1 : 0) > FOLD_EVENTS_MAX) {
			refuse(posting, 422, "too_many_events",
				"the order has as many events as an order may have");
			continue;
		}
		step = take_events(batch, posting, &events);
		if (step == BATCH_GO_ON)
			step = post_live_lines(batch, posting, &lines);
		if (step == BATCH_GO_ON)
			step = post_live_commissions(batch, posting, &rows);
	}
	return step;
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
	return at >= 1 && at <= batch->count ? &batch->postings[at - 1] : NULL;
}

static void mark_new(struct batch *batch, const struct db_rows *rows)
{
	const unsigned count = db_rows_count(rows);
	for (unsigned row = 0; row < count; row++)
		for (unsigned i = 0; i < batch->count; i++) {
			struct posting *const posting = &batch->postings[i];
			if (posting->item->store_id == db_rows_int(rows, row, 0) &&
				str_equal(posting->item->order_id, db_rows_text(rows, row, 1)))
				posting->is_new_order = true;
		}
}

/* What is to be folded again only because it was due, and is not any more, was folded by another
 * attributor while the lock was waited for. */
static enum batch_step take_locked(struct batch *batch, const struct db_rows *rows)
{
	for (unsigned row = 0; row < batch->count; row++) {
		struct posting *const posting = posting_at(batch, rows, row);
		if (posting == NULL)
			return BATCH_SENSELESS;
		batch->now_us = db_rows_int(rows, row, 1);
		if (posting->item->event == NULL && !db_rows_bool(rows, row, 2))
			posting->verdict = (struct post_verdict){
				.is_set = true, .is_final = true, .outcome = {.status = POST_DONE}};
	}
	return BATCH_GO_ON;
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
	for (unsigned i = 0; i < batch->count; i++) {
		batch->postings[i].model = batch->postings[i].item->terms.model;
		batch->postings[i].precedence = batch->postings[i].item->terms.precedence;
	}
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
