/* SPDX-License-Identifier: Apache-2.0
 * A batch's first round trip: its orders made and locked, then, in statements of their own so that
 * they see what others committed while the locks were waited for, all that is known of them. */
#include <string.h>

#include "log.h"
#include "post_parts.h"
#include "stores.h"

/* Parameters 1 and 2 throughout: stores and orders, or stores and webhook-ids, in sorted order. */
#define ORDERS_OF_BATCH \
	"FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY n (store_id, order_id, at) "
#define COMMISSIONS_AS_ANSWERED                                                                    \
	"(SELECT coalesce('[' || string_agg(format('{\"id\":%s,\"affiliate_id\":%s,\"amount\":%s," \
	"\"currency\":%s,\"state\":%s}', c->'id', c->'affiliate_id', c->'amount', c->'currency', " \
	"c->'state'), ',' ORDER BY i) || ']', '[]') "                                              \
	"FROM jsonb_array_elements(d.commissions) WITH ORDINALITY k (c, i))"

static const char orders_add_sql[] =
	"INSERT INTO wasl.orders (store_id, order_id) SELECT n.store_id, "
	"n.order_id " ORDERS_OF_BATCH
	"ORDER BY n.at ON CONFLICT DO NOTHING RETURNING store_id, order_id";
static const char orders_lock_sql[] =
	"SELECT n.at " ORDERS_OF_BATCH "JOIN wasl.orders o USING (store_id, order_id) "
	"ORDER BY o.store_id, o.order_id COLLATE \"C\" FOR UPDATE OF o";
static const char event_ids_sql[] =
	"SELECT n.at, i.order_id, encode(i.body_sha256, 'hex'), i.decision_version IS NULL, "
	"d.result, d.reason, " COMMISSIONS_AS_ANSWERED
	" FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY n (store_id, event_id, at) "
	"JOIN wasl.event_ids i USING (store_id, event_id) LEFT JOIN wasl.decisions d "
	"ON (d.store_id, d.order_id, d.version) = (i.store_id, i.order_id, i.decision_version)";
/* One over FOLD_EVENTS_MAX is enough to know that there are too many. */
static const char events_sql[] =
	"SELECT n.at, e.facts " ORDERS_OF_BATCH
	"JOIN LATERAL (SELECT facts FROM wasl.events e WHERE e.store_id = n.store_id "
	"AND e.order_id = n.order_id LIMIT 1001) e ON true ORDER BY n.at";
static const char decisions_sql[] =
	"SELECT n.at, d.version, d.model, d.precedence, d.result, d.reason, d.evidence, "
	"d.candidates::text, " COMMISSIONS_AS_ANSWERED ", wasl.to_us(o.placed_at) " ORDERS_OF_BATCH
	"JOIN wasl.orders o USING (store_id, order_id) JOIN wasl.decisions d "
	"ON (d.store_id, d.order_id, d.version) = (o.store_id, o.order_id, o.decision_version)";
static const char lines_sql[] =
	"SELECT n.at, l.affiliate_id, l.line_index, l.line_id, l.external_id, l.product_id, "
	"l.quantity, l.base_minor, l.rule::text, l.amount_minor, l.reason, l.rule->>'rule_id', "
	"l.rule->>'level', l.rule->>'rate_bp', l.rule->>'fixed_unit_minor', "
	"l.rule->>'currency' " ORDERS_OF_BATCH
	"JOIN wasl.orders o USING (store_id, order_id) JOIN wasl.order_lines l "
	"ON (l.store_id, l.order_id, l.version) = (o.store_id, o.order_id, o.decision_version) "
	"ORDER BY n.at, l.affiliate_id, l.line_index";
/* OFFSET 0: looked up order by order. Left to itself the planner believes that few rows are sales.
 */
static const char commissions_sql[] =
	"SELECT n.at, c.commission_id, c.affiliate_id, c.state = 'voided', "
	"c.amount_minor " ORDERS_OF_BATCH
	"JOIN LATERAL (SELECT * FROM wasl.commissions c WHERE c.store_id = n.store_id "
	"AND c.order_id = n.order_id AND c.kind = 'sale' OFFSET 0) c ON true "
	"ORDER BY n.at, c.commission_id";

_Static_assert(FOLD_EVENTS_MAX == 1000, "events_sql reads one more than this");

enum { ORDERS_ADD, ORDERS_LOCK, EVENT_IDS, EVENTS, DECISIONS, LINES, COMMISSIONS, READ_COUNT };
enum { NAMES_OF_ORDERS, NAMES_OF_EVENTS };

/* Rows of one result that belong to one posting: they come sorted by n.at. */
struct slice {
	const struct db_rows *rows;
	unsigned from, count;
};

static struct slice slice_of(const struct db_rows *rows, unsigned at, unsigned *next);
static struct posting *posting_at(struct batch *batch, const struct db_rows *rows, unsigned row);
static void mark_new(struct batch *batch, const struct db_rows *rows);
static enum batch_step take_known(struct batch *batch, const struct db_rows *rows);
static enum batch_step take_events(
	struct batch *batch, struct posting *posting, const struct slice *slice);
static enum batch_step take_decisions(struct batch *batch, const struct db_rows *rows);
static enum batch_step take_lines(
	struct batch *batch, struct posting *posting, const struct slice *slice);
static void take_frozen(struct decide_frozen *frozen, const struct db_rows *rows, unsigned row);
static enum batch_step take_commissions(
	struct batch *batch, struct posting *posting, const struct slice *slice);
static enum outcome outcome_of(struct str name);
static void refuse(struct posting *posting, unsigned status, const char *code, const char *detail);

unsigned post_read_statements(struct batch *batch, struct pg_table *names,
	struct db_statement *statements, bool *is_whole)
{
	static const char *const sqls[READ_COUNT] = {orders_add_sql, orders_lock_sql, event_ids_sql,
		events_sql, decisions_sql, lines_sql, commissions_sql};
	for (unsigned i = 0; i < POST_READ_NAMES; i++)
		pg_table_init(&names[i], "", 2);
	for (unsigned i = 0; i < batch->count; i++) {
		const struct post_item *const item = batch->postings[i].item;
		pg_table_int(&names[NAMES_OF_ORDERS], item->store_id);
		pg_table_text(&names[NAMES_OF_ORDERS], item->event->order_id);
		pg_table_int(&names[NAMES_OF_EVENTS], item->store_id);
		pg_table_text(&names[NAMES_OF_EVENTS], item->event->event_id);
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
	enum batch_step step = take_known(batch, sets[EVENT_IDS]);
	if (step == BATCH_GO_ON)
		step = take_decisions(batch, sets[DECISIONS]);
	unsigned next_event = 0, next_line = 0, next_commission = 0;
	for (unsigned i = 0; i < batch->count && step == BATCH_GO_ON; i++) {
		const struct slice events = slice_of(sets[EVENTS], i, &next_event);
		const struct slice lines = slice_of(sets[LINES], i, &next_line);
		const struct slice rows = slice_of(sets[COMMISSIONS], i, &next_commission);
		struct posting *const posting = &batch->postings[i];
		if (posting->verdict.is_set)
			continue;
		if (events.count >= FOLD_EVENTS_MAX) {
			refuse(posting, 422, "too_many_events",
				"the order has as many events as an order may have");
			continue;
		}
		step = take_events(batch, posting, &events);
		if (step == BATCH_GO_ON)
			step = take_lines(batch, posting, &lines);
		if (step == BATCH_GO_ON)
			step = take_commissions(batch, posting, &rows);
	}
	return step;
}

static struct slice slice_of(const struct db_rows *rows, unsigned at, unsigned *next)
{
	struct slice slice = {.rows = rows, .from = *next};
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
				str_equal(
					posting->item->event->order_id, db_rows_text(rows, row, 1)))
				posting->is_new_order = true;
		}
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
	struct batch *batch, struct posting *posting, const struct slice *slice)
{
	posting->loaded = arena_take(&batch->arena, slice->count, sizeof(*posting->loaded));
	posting->events = arena_take(&batch->arena, slice->count + 1, sizeof(*posting->events));
	if (posting->loaded == NULL || posting->events == NULL)
		return BATCH_NO_MEMORY;
	posting->events[posting->event_count++] = posting->item->event;
	for (unsigned i = 0; i < slice->count; i++) {
		struct event *event = NULL;
		if (!event_json_from_facts(db_rows_text(slice->rows, slice->from + i, 1), &event)) {
			log_error("facts_unreadable", LOG_NUM("store", posting->item->store_id),
				LOG_STR("order", posting->item->event->order_id));
			return BATCH_SENSELESS;
		}
		posting->loaded[posting->loaded_count++] = event;
		posting->events[posting->event_count++] = event;
	}
	return BATCH_GO_ON;
}

static enum batch_step take_decisions(struct batch *batch, const struct db_rows *rows)
{
	for (unsigned i = 0; i < batch->count; i++) {
		batch->postings[i].model = batch->postings[i].item->model;
		batch->postings[i].precedence = str_from(batch->postings[i].item->precedence);
	}
	const unsigned count = db_rows_count(rows);
	for (unsigned row = 0; row < count; row++) {
		struct posting *const posting = posting_at(batch, rows, row);
		if (posting == NULL)
			return BATCH_SENSELESS;
		struct str head[POST_HEAD_FIELDS];
		for (unsigned i = 0; i < POST_HEAD_FIELDS; i++)
			head[i] = db_rows_text(rows, row, 4 + i);
		struct buf text;
		buf_init(&text, POST_TEXT_MAX);
		post_text_fields(&text, head, POST_HEAD_FIELDS);
		posting->has_live = true;
		posting->live_version = db_rows_int(rows, row, 1);
		posting->live_placed_us = db_rows_int(rows, row, 4 + POST_HEAD_FIELDS);
		posting->model = stores_model_parse(db_rows_text(rows, row, 2));
		const bool is_kept = !text.has_failed &&
				     arena_keep(&batch->arena, db_rows_text(rows, row, 3),
					     &posting->precedence) &&
				     arena_keep(&batch->arena, buf_str(&text), &posting->live_head);
		buf_release(&text);
		if (!is_kept)
			return BATCH_NO_MEMORY;
	}
	return BATCH_GO_ON;
}

static enum batch_step take_lines(
	struct batch *batch, struct posting *posting, const struct slice *slice)
{
	struct buf text;
	buf_init(&text, POST_TEXT_MAX);
	posting->frozen = arena_take(&batch->arena, slice->count, sizeof(*posting->frozen));
	if (posting->frozen == NULL)
		return BATCH_NO_MEMORY;
	bool is_kept = true;
	for (unsigned i = 0; i < slice->count; i++) {
		const unsigned row = slice->from + i;
		struct str fields[POST_LINE_FIELDS];
		for (unsigned f = 0; f < POST_LINE_FIELDS; f++)
			fields[f] = db_rows_text(slice->rows, row, 1 + f);
		post_text_fields(&text, fields, POST_LINE_FIELDS);
		struct decide_frozen *const frozen = &posting->frozen[posting->frozen_count++];
		take_frozen(frozen, slice->rows, row);
		is_kept &= arena_keep(&batch->arena, fields[2], &frozen->line_id) &&
			   arena_keep(&batch->arena, fields[3], &frozen->product_id);
	}
	is_kept &=
		!text.has_failed && arena_keep(&batch->arena, buf_str(&text), &posting->live_lines);
	buf_release(&text);
	return is_kept ? BATCH_GO_ON : BATCH_NO_MEMORY;
}

static void take_frozen(struct decide_frozen *frozen, const struct db_rows *rows, unsigned row)
{
	frozen->affiliate_id = (uint32_t)db_rows_int(rows, row, 1);
	frozen->why = outcome_of(db_rows_text(rows, row, 10));
	struct rule *const rule = &frozen->rule;
	*rule = rule_empty();
	if (db_rows_is_null(rows, row, 11))
		return;
	rule->rule_id = db_rows_int(rows, row, 11);
	rule_level_parse(db_rows_text(rows, row, 12), &rule->level);
	if (!db_rows_is_null(rows, row, 13))
		rule->rate_bp = (int)db_rows_int(rows, row, 13);
	if (!db_rows_is_null(rows, row, 14))
		rule->fixed_unit_minor = db_rows_int(rows, row, 14);
	str_copy(rule->currency, sizeof(rule->currency), db_rows_text(rows, row, 15));
}

static enum batch_step take_commissions(
	struct batch *batch, struct posting *posting, const struct slice *slice)
{
	posting->rows = arena_take(&batch->arena, slice->count, sizeof(*posting->rows));
	if (posting->rows == NULL)
		return BATCH_NO_MEMORY;
	for (unsigned i = 0; i < slice->count; i++)
		posting->rows[posting->row_count++] = (struct commission_row){
			.commission_id = db_rows_int(slice->rows, slice->from + i, 1),
			.affiliate_id = (uint32_t)db_rows_int(slice->rows, slice->from + i, 2),
			.is_voided = db_rows_bool(slice->rows, slice->from + i, 3),
			.amount_minor = db_rows_int(slice->rows, slice->from + i, 4)};
	return BATCH_GO_ON;
}

static enum outcome outcome_of(struct str name)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (str_equal(name, str_from(outcome_name((enum outcome)i))))
			return (enum outcome)i;
	return OUTCOME_NONE;
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
