/* SPDX-License-Identifier: Apache-2.0
 * A page of orders with their live decisions, lines, commissions and events, read in order of their
 * key. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "refold_parts.h"

#define NUMBER_TEXT_MAX 24
#define BASE_10         10

/* $1, $2: the order before the page; in the others $3, $4: its last one. A page is cut where its
 * events become many, never before its first order. */
static const char orders_sql[] =
	"SELECT p.store_id, p.order_id, p.state, p.currency, wasl.to_us(p.placed_at), p.is_test, "
	"p.decision_version, d.model, d.precedence, d.result, d.reason, d.evidence, "
	"wasl.to_us(d.decided_at), jsonb_array_length(d.candidates) "
	"FROM (SELECT o.*, sum(e.events) OVER (ORDER BY o.store_id, o.order_id "
	"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
	"FROM (SELECT * FROM wasl.orders WHERE (store_id, order_id) > ($1::bigint, $2::text) "
	"ORDER BY store_id, order_id LIMIT 500) o, LATERAL (SELECT count(*) AS events "
	"FROM wasl.events e WHERE e.store_id = o.store_id AND e.order_id = o.order_id) e) p "
	"LEFT JOIN wasl.decisions d ON (d.store_id, d.order_id, d.version) = "
	"(p.store_id, p.order_id, p.decision_version) "
	"WHERE coalesce(p.before, 0) < 1000 ORDER BY p.store_id, p.order_id";
#define OF_PAGE(table)                                                                  \
	"(" table ".store_id, " table ".order_id) > ($1::bigint, $2::text) AND (" table \
	".store_id, " table ".order_id) <= ($3::bigint, $4::text) "                     \
	"ORDER BY " table ".store_id, " table ".order_id, "
#define LIVE_OF(table)                                                      \
	"ON (" table ".store_id, " table ".order_id, " table ".version) = " \
	"(o.store_id, o.order_id, o.decision_version) "
static const char events_sql[] =
	"SELECT e.store_id, e.order_id, e.event_id, e.facts FROM wasl.events e "
	"WHERE " OF_PAGE("e") "e.event_id";
static const char verdicts_sql[] =
	"SELECT o.store_id, o.order_id, k.value->>'verdict', k.value->>'click_id', "
	"k.value->>'affiliate_id' FROM wasl.orders o "
	"JOIN wasl.decisions d " LIVE_OF(
		"d") ", "
		     "jsonb_array_elements(d.candidates) WITH ORDINALITY k WHERE k.value->>'kind' "
		     "= 'click' "
		     "AND (k.value->>'verdict' IN ('self_referral', 'unknown_affiliate', "
		     "'affiliate_suspended', "
		     "'wrong_store', 'won_last_click', 'won_first_click') "
		     "OR jsonb_array_length(d.candidates) >= 200) AND " OF_PAGE("o") "k.ordinality";
/* A rule's numbers never change: they are taken from the rule, and what was frozen has to agree. */
static const char lines_sql[] =
	"SELECT o.store_id, o.order_id, l.affiliate_id, l.line_id, l.external_id, l.quantity, "
	"l.base_minor, l.amount_minor, l.reason, r.rule_id, r.level, r.rate_bp, "
	"r.fixed_unit_minor, r.currency, l.rule IS NULL OR (r.rule_id IS NOT NULL "
	"AND l.rule->>'rate_bp' IS NOT DISTINCT FROM r.rate_bp::text "
	"AND l.rule->>'fixed_unit_minor' IS NOT DISTINCT FROM r.fixed_unit_minor::text) "
	"FROM wasl.orders o JOIN wasl.order_lines l " LIVE_OF(
		"l") "LEFT JOIN wasl.rules r "
		     "ON (r.store_id, r.rule_id) = (l.store_id, (l.rule->>'rule_id')::bigint) "
		     "WHERE " OF_PAGE("o") "l.affiliate_id, l.line_index";
static const char commissions_sql[] =
	"SELECT o.store_id, o.order_id, c.commission_id, c.affiliate_id, c.state = 'voided', "
	"c.amount_minor FROM wasl.orders o JOIN LATERAL (SELECT * FROM wasl.commissions c "
	"WHERE c.store_id = o.store_id AND c.order_id = o.order_id AND c.kind = 'sale' OFFSET 0) c "
	"ON true WHERE " OF_PAGE("o") "c.commission_id";

_Static_assert(REFOLD_PAGE_ORDERS == 500 && REFOLD_PAGE_EVENTS == 1000, "as orders_sql says");
_Static_assert(DECIDE_CANDIDATES_MAX == 200, "as verdicts_sql says");

enum { EVENTS, VERDICTS, LINES, COMMISSIONS, SET_COUNT };

/* Rows of one result that belong to one order: they come in the orders' order. */
struct slice {
	const struct db_rows *rows;
	unsigned from, count;
};
typedef bool take_fn(
	struct refold_page *page, struct refold_order *order, const struct slice *slice);

static bool take_orders(struct refold_page *page, const struct db_rows *rows);
static bool take_order(struct refold_page *page, const struct db_rows *rows, unsigned row);
static bool take_set(struct refold_page *page, const struct db_rows *rows, take_fn *take);
static struct slice slice_of(
	const struct db_rows *rows, const struct refold_order *order, unsigned from);
static bool take_events(
	struct refold_page *page, struct refold_order *order, const struct slice *slice);
static bool take_verdicts(
	struct refold_page *page, struct refold_order *order, const struct slice *slice);
static bool take_lines(
	struct refold_page *page, struct refold_order *order, const struct slice *slice);
static void take_rule(struct decide_frozen *frozen, const struct db_rows *rows, unsigned row);
static bool take_commissions(
	struct refold_page *page, struct refold_order *order, const struct slice *slice);
static enum outcome outcome_of(struct str name);

bool refold_read(struct call *call, struct refold_page *page)
{
	static const char *const sqls[SET_COUNT] = {
		events_sql, verdicts_sql, lines_sql, commissions_sql};
	static take_fn *const takes[SET_COUNT] = {
		take_events, take_verdicts, take_lines, take_commissions};
	char before_id[ORDER_ID_MAX + 1] = "", before_store[NUMBER_TEXT_MAX] = "0";
	if (page->count > 0) {
		const struct refold_order *const last = &page->orders[page->count - 1];
		snprintf(before_store, sizeof(before_store), "%" PRIu32, last->store_id);
		str_copy(before_id, sizeof(before_id), last->order_id);
	}
	refold_page_release(page);
	arena_init(&page->arena, REFOLD_ARENA_MAX);
	struct db_rows *rows = call_query(call, orders_sql, DB_ARGS(before_store, before_id));
	bool is_ok = rows != NULL;
	bool is_kept = is_ok && take_orders(page, rows);
	db_rows_free(rows);
	if (is_kept && page->count == 0)
		return true;
	char last_store[NUMBER_TEXT_MAX];
	if (is_kept)
		snprintf(last_store, sizeof(last_store), "%" PRIu32,
			page->orders[page->count - 1].store_id);
	for (unsigned i = 0; i < SET_COUNT && is_kept; i++) {
		rows = call_query(call, sqls[i],
			DB_ARGS(before_store, before_id, last_store,
				page->orders[page->count - 1].order_id.data));
		is_ok = rows != NULL;
		is_kept = is_ok && take_set(page, rows, takes[i]);
		db_rows_free(rows);
	}
	if (is_ok && !is_kept)
		call_fail(call, "no memory for a page of orders");
	return is_kept;
}

void refold_page_release(struct refold_page *page)
{
	for (unsigned i = 0; i < page->count; i++)
		for (unsigned e = 0; e < page->orders[i].event_count; e++)
			event_free(page->orders[i].loaded[e]);
	arena_release(&page->arena);
	*page = (struct refold_page){0};
}

int64_t refold_int(const struct db_rows *rows, unsigned row, unsigned column)
{
	const char *const cell = db_cell(rows, row, column);
	return cell != NULL ? (int64_t)strtoll(cell, NULL, BASE_10) : 0;
}

struct str refold_text(const struct db_rows *rows, unsigned row, unsigned column)
{
	const char *const cell = db_cell(rows, row, column);
	return cell != NULL ? str_from(cell) : (struct str){0};
}

bool refold_bool(const struct db_rows *rows, unsigned row, unsigned column)
{
	return str_equal(refold_text(rows, row, column), STR("t"));
}

static bool take_orders(struct refold_page *page, const struct db_rows *rows)
{
	const unsigned count = db_rows_count(rows);
	page->orders = arena_take(&page->arena, count, sizeof(*page->orders));
	bool is_kept = page->orders != NULL;
	for (unsigned row = 0; row < count && is_kept; row++)
		is_kept = take_order(page, rows, row);
	return is_kept;
}

static bool take_order(struct refold_page *page, const struct db_rows *rows, unsigned row)
{
	struct refold_order *const order = &page->orders[page->count++];
	order->store_id = (uint32_t)refold_int(rows, row, 0);
	order->placed_us = refold_int(rows, row, 4);
	order->is_test = refold_bool(rows, row, 5);
	order->version = refold_int(rows, row, 6);
	order->decided_us = refold_int(rows, row, 12);
	order->candidate_count = (unsigned)refold_int(rows, row, 13);
	struct arena *const arena = &page->arena;
	return arena_keep(arena, refold_text(rows, row, 1), &order->order_id) &&
	       arena_keep(arena, refold_text(rows, row, 2), &order->state) &&
	       arena_keep(arena, refold_text(rows, row, 3), &order->currency) &&
	       arena_keep(arena, refold_text(rows, row, 7), &order->model) &&
	       arena_keep(arena, refold_text(rows, row, 8), &order->precedence) &&
	       arena_keep(arena, refold_text(rows, row, 9), &order->result) &&
	       arena_keep(arena, refold_text(rows, row, 10), &order->reason) &&
	       arena_keep(arena, refold_text(rows, row, 11), &order->evidence);
}

static bool take_set(struct refold_page *page, const struct db_rows *rows, take_fn *take)
{
	unsigned from = 0;
	bool is_kept = true;
	for (unsigned i = 0; i < page->count && is_kept; i++) {
		const struct slice slice = slice_of(rows, &page->orders[i], from);
		from += slice.count;
		is_kept = take(page, &page->orders[i], &slice);
	}
	return is_kept;
}

static struct slice slice_of(
	const struct db_rows *rows, const struct refold_order *order, unsigned from)
{
	const unsigned count = db_rows_count(rows);
	unsigned end = from;
	while (end < count && refold_int(rows, end, 0) == order->store_id &&
		str_equal(refold_text(rows, end, 1), order->order_id))
		end++;
	return (struct slice){rows, from, end - from};
}

static bool take_events(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	order->loaded = arena_take(&page->arena, slice->count, sizeof(struct event *));
	order->events = arena_take(&page->arena, slice->count, sizeof(struct event *));
	if (order->loaded == NULL || order->events == NULL)
		return false;
	for (unsigned i = 0; i < slice->count; i++) {
		const unsigned row = slice->from + i;
		struct event *event = NULL;
		if (!event_json_from_facts(refold_text(slice->rows, row, 3), &event))
			return arena_keep(
				&page->arena, refold_text(slice->rows, row, 2), &order->unreadable);
		order->loaded[order->event_count] = event;
		order->events[order->event_count++] = event;
	}
	return true;
}

static bool take_verdicts(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	order->verdicts = arena_take(&page->arena, slice->count, sizeof(*order->verdicts));
	for (unsigned i = 0; i < slice->count && order->verdicts != NULL; i++) {
		const unsigned row = slice->from + i;
		struct refold_verdict *const verdict = &order->verdicts[order->verdict_count++];
		verdict->outcome = outcome_of(refold_text(slice->rows, row, 2));
		verdict->has_click =
			click_id_parse(refold_text(slice->rows, row, 3), verdict->click_id);
		verdict->affiliate_id = (uint32_t)refold_int(slice->rows, row, 4);
	}
	return order->verdicts != NULL;
}

static bool take_lines(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	order->lines = arena_take(&page->arena, slice->count, sizeof(*order->lines));
	order->frozen = arena_take(&page->arena, slice->count, sizeof(*order->frozen));
	bool is_kept = order->lines != NULL && order->frozen != NULL;
	for (unsigned i = 0; i < slice->count && is_kept; i++) {
		const unsigned row = slice->from + i;
		struct decide_frozen *const frozen = &order->frozen[order->line_count];
		struct refold_line *const line = &order->lines[order->line_count++];
		line->affiliate_id = (uint32_t)refold_int(slice->rows, row, 2);
		line->quantity = refold_int(slice->rows, row, 5);
		line->base_minor = refold_int(slice->rows, row, 6);
		line->amount_minor = refold_int(slice->rows, row, 7);
		line->is_rule_true = refold_bool(slice->rows, row, 14);
		is_kept = arena_keep(
				  &page->arena, refold_text(slice->rows, row, 3), &line->line_id) &&
			  arena_keep(&page->arena, refold_text(slice->rows, row, 4),
				  &line->product_id);
		frozen->affiliate_id = line->affiliate_id;
		frozen->line_id = line->line_id;
		frozen->product_id = line->product_id;
		take_rule(frozen, slice->rows, row);
	}
	return is_kept;
}

static void take_rule(struct decide_frozen *frozen, const struct db_rows *rows, unsigned row)
{
	struct rule *const rule = &frozen->rule;
	frozen->why = outcome_of(refold_text(rows, row, 8));
	*rule = rule_empty();
	rule->rule_id = refold_int(rows, row, 9);
	if (rule->rule_id == 0)
		return;
	rule_level_parse(refold_text(rows, row, 10), &rule->level);
	if (db_cell(rows, row, 11) != NULL)
		rule->rate_bp = (int)refold_int(rows, row, 11);
	if (db_cell(rows, row, 12) != NULL) {
		rule->fixed_unit_minor = refold_int(rows, row, 12);
		str_copy(rule->currency, sizeof(rule->currency), refold_text(rows, row, 13));
	}
}

static bool take_commissions(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	order->rows = arena_take(&page->arena, slice->count, sizeof(*order->rows));
	for (unsigned i = 0; i < slice->count && order->rows != NULL; i++) {
		const unsigned row = slice->from + i;
		order->rows[order->row_count++] =
			(struct commission_row){.commission_id = refold_int(slice->rows, row, 2),
				.affiliate_id = (uint32_t)refold_int(slice->rows, row, 3),
				.is_voided = refold_bool(slice->rows, row, 4),
				.amount_minor = refold_int(slice->rows, row, 5)};
	}
	return order->rows != NULL;
}

static enum outcome outcome_of(struct str name)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (str_equal(name, str_from(outcome_name((enum outcome)i))))
			return (enum outcome)i;
	return OUTCOME_NONE;
}
