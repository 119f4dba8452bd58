/* SPDX-License-Identifier: Apache-2.0
 * A page of orders with their live decisions, lines, commissions and events,
 * read in order of their key. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "refold_parts.h"

#define NUMBER_TEXT_MAX 24
#define BASE_10         10

/* $1, $2: the order before the page; in the others $3, $4: its last one. A page
 * is cut where its events become many, never before its first order. An order
 * that is due only because a return window ends is all folded. */
static const char orders_sql[] =
	"SELECT p.store_id, p.order_id, p.state, p.currency, "
	"wasl.to_us(p.placed_at), "
	"wasl.to_us(p.confirmed_at), wasl.to_us(p.shipped_at), "
	"wasl.to_us(p.delivered_at), "
	"wasl.to_us(p.collected_at), wasl.to_us(p.waiting_since), p.is_test, "
	"p.is_waiting, "
	"p.due_at <= now() AND (SELECT count(*) FROM wasl.commissions_of_orders c WHERE "
	"c.store_id = p.store_id AND c.order_id = p.order_id AND c.release_at = p.due_at) = 0, "
	"s.collect_on = 'delivered', s.return_days, s.version = 1, "
	"p.decision_version, d.model, d.precedence, d.result, d.reason, "
	"d.evidence, "
	"CASE WHEN p.decision_version = 1 THEN wasl.to_us(d.decided_at) ELSE "
	"(SELECT "
	"wasl.to_us(f.decided_at) FROM wasl.decisions f WHERE f.store_id = "
	"p.store_id "
	"AND f.order_id = p.order_id AND f.version = 1) END, "
	"'total_mismatch' = ANY (d.flags), u.coupon_id, u.is_taken "
	"FROM (SELECT o.*, sum(e.events) OVER (ORDER BY o.store_id, o.order_id "
	"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
	"FROM (SELECT * FROM wasl.orders WHERE (store_id, order_id) > ($1::bigint, "
	"$2::text) "
	"ORDER BY store_id, order_id LIMIT 250) o, LATERAL (SELECT count(*) AS "
	"events "
	"FROM wasl.events e WHERE e.store_id = o.store_id AND e.order_id = "
	"o.order_id) e) p "
	"JOIN wasl.stores s USING (store_id) "
	"LEFT JOIN wasl.decisions d ON (d.store_id, d.order_id, d.version) = "
	"(p.store_id, p.order_id, p.decision_version) "
	"LEFT JOIN wasl.coupon_uses u ON (u.store_id, u.order_id) = (p.store_id, "
	"p.order_id) "
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
static const char candidates_sql[] =
	"SELECT o.store_id, o.order_id, k.value->>'kind' = 'coupon', "
	"k.value->>'coupon', "
	"k.value->>'click_id', k.value->>'affiliate_id', k.value->>'verdict' FROM "
	"wasl.orders o "
	"JOIN wasl.decisions d " LIVE_OF(
		"d") ", jsonb_array_elements(d.candidates) WITH ORDINALITY k "
		     "WHERE " OF_PAGE("o") "k.ordinality";
/* A rule's numbers never change: they are taken from the rule, and what was
 * frozen has to agree. */
static const char lines_sql[] =
	"SELECT o.store_id, o.order_id, l.affiliate_id, l.line_id, l.external_id, "
	"l.quantity, "
	"l.quantity_left, l.base_minor, l.amount_minor, l.reason, l.rule IS NULL "
	"OR (r.rule_id IS "
	"NOT NULL AND l.rule->>'rate_bp' IS NOT DISTINCT FROM r.rate_bp::text "
	"AND l.rule->>'fixed_unit_minor' IS NOT DISTINCT FROM "
	"r.fixed_unit_minor::text "
	"AND l.rule->>'fixed_order_minor' IS NOT DISTINCT FROM "
	"r.fixed_order_minor::text "
	"AND l.rule->>'cap_line_minor' IS NOT DISTINCT FROM r.cap_line_minor::text "
	"AND l.rule->>'cap_order_minor' IS NOT DISTINCT FROM "
	"r.cap_order_minor::text "
	"AND l.rule->>'cap_period_minor' IS NOT DISTINCT FROM "
	"r.cap_period_minor::text), "
	"r.rule_id, r.level, r.rate_bp, r.fixed_unit_minor, r.fixed_order_minor, "
	"r.cap_line_minor, "
	"r.cap_order_minor, r.cap_period_minor, r.currency, "
	"l.rule->>'tier_bonus_bp', "
	"l.rule->>'tier_rate_bp' "
	"FROM wasl.orders o JOIN wasl.order_lines l " LIVE_OF(
		"l") "LEFT JOIN wasl.rules r "
		     "ON (r.store_id, r.rule_id) = (l.store_id, "
		     "(l.rule->>'rule_id')::bigint) "
		     "WHERE " OF_PAGE("o") "l.affiliate_id, l.line_index";
static const char shares_sql[] =
	"SELECT o.store_id, o.order_id, h.affiliate_id, h.full_minor, "
	"h.share_minor, "
	"h.amount_minor, h.confirmed_minor, h.reason FROM wasl.orders o JOIN "
	"wasl.shares "
	"h " LIVE_OF("h") "WHERE " OF_PAGE("o") "h.place";
static const char grants_sql[] =
	"SELECT g.store_id, g.order_id, g.affiliate_id, g.rule_id, "
	"g.granted_minor, g.used_minor, "
	"to_jsonb(g)->>'wish_minor' "
	"FROM wasl.grants g WHERE " OF_PAGE("g") "g.affiliate_id, g.rule_id";
static const char commissions_sql[] =
	"SELECT o.store_id, o.order_id, c.commission_id, c.affiliate_id, c.state, "
	"c.kind = 'adjustment', c.funded_by = 'platform', c.state = 'paid' OR "
	"c.payout_id IS NOT "
	"NULL, c.amount_minor, c.amount_confirmed_minor, wasl.to_us(c.release_at), "
	"c.reason, c.event_id "
	"FROM wasl.orders o JOIN LATERAL (SELECT * FROM wasl.commissions_of_orders c "
	"WHERE c.store_id = o.store_id AND c.order_id = o.order_id OFFSET 0) c "
	"ON true WHERE " OF_PAGE("o") "c.commission_id";
static const char reviews_sql[] = "SELECT r.store_id, r.order_id, r.reason FROM wasl.reviews r "
				  "WHERE " OF_PAGE("r") "r.review_id";

_Static_assert(REFOLD_PAGE_ORDERS == 250 && REFOLD_PAGE_EVENTS == 1000, "as orders_sql says");

/* Columns of orders_sql. */
enum {
	STORE_ID,
	ORDER_ID,
	STATE,
	CURRENCY,
	PLACED_US,
	CONFIRMED_US,
	SHIPPED_US,
	DELIVERED_US,
	COLLECTED_US,
	WAITING_US,
	IS_TEST,
	IS_WAITING,
	IS_DUE,
	COLLECTS_ON_DELIVERY,
	RETURN_DAYS,
	IS_STORE_SETTLED,
	VERSION,
	MODEL,
	PRECEDENCE,
	RESULT,
	REASON,
	EVIDENCE,
	DECIDED_US,
	IS_TOTAL_WRONG,
	COUPON_ID,
	IS_COUPON_TAKEN
};

/* Rows of one result that belong to one order: they come in the orders' order.
 */
struct slice {
	const struct db_rows *rows;
	unsigned from, count;
};
typedef bool take_fn(
	struct refold_page *page, struct refold_order *order, const struct slice *slice);
struct set {
	const char *sql;
	take_fn *take;
};

static bool take_orders(struct refold_page *page, const struct db_rows *rows);
static bool take_order(struct refold_page *page, const struct db_rows *rows, unsigned row);
static bool take_set(struct refold_page *page, const struct db_rows *rows, take_fn *take);
static struct slice slice_of(
	const struct db_rows *rows, const struct refold_order *order, unsigned from);
static take_fn take_events, take_candidates, take_lines, take_shares, take_grants, take_commissions,
	take_reviews;
static void take_rule(struct decide_frozen *frozen, const struct db_rows *rows, unsigned row);
static int64_t int_or(const struct db_rows *rows, unsigned row, unsigned column, int64_t absent);

static const struct set sets[] = {{events_sql, take_events}, {candidates_sql, take_candidates},
	{lines_sql, take_lines}, {shares_sql, take_shares}, {grants_sql, take_grants},
	{commissions_sql, take_commissions}, {reviews_sql, take_reviews}};
#define SET_COUNT (sizeof(sets) / sizeof(sets[0]))

bool refold_read(struct call *call, struct refold_page *page)
{
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
		rows = call_query(call, sets[i].sql,
			DB_ARGS(before_store, before_id, last_store,
				page->orders[page->count - 1].order_id.data));
		is_ok = rows != NULL;
		is_kept = is_ok && take_set(page, rows, sets[i].take);
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
	order->store_id = (uint32_t)refold_int(rows, row, STORE_ID);
	order->placed_us = refold_int(rows, row, PLACED_US);
	order->confirmed_us = refold_int(rows, row, CONFIRMED_US);
	order->shipped_us = refold_int(rows, row, SHIPPED_US);
	order->delivered_us = refold_int(rows, row, DELIVERED_US);
	order->collected_us = refold_int(rows, row, COLLECTED_US);
	order->waiting_us = refold_int(rows, row, WAITING_US);
	order->is_test = refold_bool(rows, row, IS_TEST);
	order->is_waiting = refold_bool(rows, row, IS_WAITING);
	order->is_due = refold_bool(rows, row, IS_DUE);
	order->collects_on_delivery = refold_bool(rows, row, COLLECTS_ON_DELIVERY);
	order->return_days = (int)refold_int(rows, row, RETURN_DAYS);
	order->is_store_settled = refold_bool(rows, row, IS_STORE_SETTLED);
	order->version = refold_int(rows, row, VERSION);
	order->decided_us = refold_int(rows, row, DECIDED_US);
	order->is_total_wrong = refold_bool(rows, row, IS_TOTAL_WRONG);
	order->coupon_id = refold_int(rows, row, COUPON_ID);
	order->is_coupon_taken = refold_bool(rows, row, IS_COUPON_TAKEN);
	struct arena *const arena = &page->arena;
	return arena_keep(arena, refold_text(rows, row, ORDER_ID), &order->order_id) &&
	       arena_keep(arena, refold_text(rows, row, STATE), &order->state) &&
	       arena_keep(arena, refold_text(rows, row, CURRENCY), &order->currency) &&
	       arena_keep(arena, refold_text(rows, row, MODEL), &order->model) &&
	       arena_keep(arena, refold_text(rows, row, PRECEDENCE), &order->precedence) &&
	       arena_keep(arena, refold_text(rows, row, RESULT), &order->result) &&
	       arena_keep(arena, refold_text(rows, row, REASON), &order->reason) &&
	       arena_keep(arena, refold_text(rows, row, EVIDENCE), &order->evidence);
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

static bool take_candidates(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	bool is_kept = true;
	order->candidates = arena_take(&page->arena, slice->count, sizeof(*order->candidates));
	for (unsigned i = 0; i < slice->count && order->candidates != NULL && is_kept; i++) {
		const unsigned row = slice->from + i;
		struct refold_candidate *const candidate =
			&order->candidates[order->candidate_count++];
		candidate->is_coupon = refold_bool(slice->rows, row, 2);
		is_kept = arena_keep(
			&page->arena, refold_text(slice->rows, row, 3), &candidate->coupon);
		candidate->has_click =
			click_id_parse(refold_text(slice->rows, row, 4), candidate->click_id);
		candidate->affiliate_id = (uint32_t)refold_int(slice->rows, row, 5);
		candidate->verdict = refold_outcome(refold_text(slice->rows, row, 6));
	}
	return order->candidates != NULL && is_kept;
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
		line->quantity_left = int_or(slice->rows, row, 6, -1);
		line->base_minor = refold_int(slice->rows, row, 7);
		line->amount_minor = refold_int(slice->rows, row, 8);
		line->reason = refold_outcome(refold_text(slice->rows, row, 9));
		line->is_rule_true = refold_bool(slice->rows, row, 10);
		is_kept = arena_keep(
				  &page->arena, refold_text(slice->rows, row, 3), &line->line_id) &&
			  arena_keep(&page->arena, refold_text(slice->rows, row, 4),
				  &line->product_id);
		frozen->affiliate_id = line->affiliate_id;
		frozen->line_id = line->line_id;
		frozen->product_id = line->product_id;
		frozen->why = line->reason;
		take_rule(frozen, slice->rows, row);
	}
	return is_kept;
}

static void take_rule(struct decide_frozen *frozen, const struct db_rows *rows, unsigned row)
{
	struct rule *const rule = &frozen->rule;
	*rule = (struct rule){.rate_bp = (int)int_or(rows, row, 13, RULE_NO_RATE),
		.fixed_unit_minor = int_or(rows, row, 14, RULE_NO_FIXED),
		.fixed_order_minor = int_or(rows, row, 15, RULE_NO_FIXED),
		.cap_line_minor = int_or(rows, row, 16, RULE_NO_CAP),
		.cap_order_minor = int_or(rows, row, 17, RULE_NO_CAP),
		.cap_period_minor = int_or(rows, row, 18, RULE_NO_CAP),
		.tier_bonus_bp = (int)int_or(rows, row, 20, 0),
		.tier_rate_bp = (int)int_or(rows, row, 21, RULE_NO_RATE),
		.rule_id = refold_int(rows, row, 11),
		.valid_from_us = INT64_MIN,
		.valid_to_us = INT64_MAX};
	if (rule->rule_id == 0)
		return;
	rule_level_parse(refold_text(rows, row, 12), &rule->level);
	str_copy(rule->currency, sizeof(rule->currency), refold_text(rows, row, 19));
}

static bool take_shares(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	order->shares = arena_take(&page->arena, slice->count, sizeof(*order->shares));
	order->winners = arena_take(&page->arena, slice->count, sizeof(*order->winners));
	if (order->shares == NULL || order->winners == NULL)
		return false;
	for (unsigned i = 0; i < slice->count; i++) {
		const unsigned row = slice->from + i;
		struct refold_share *const share = &order->shares[order->share_count];
		share->affiliate_id = (uint32_t)refold_int(slice->rows, row, 2);
		share->full_minor = refold_int(slice->rows, row, 3);
		share->share_minor = refold_int(slice->rows, row, 4);
		share->amount_minor = refold_int(slice->rows, row, 5);
		share->confirmed_minor = refold_int(slice->rows, row, 6);
		share->reason = refold_outcome(refold_text(slice->rows, row, 7));
		order->winners[order->share_count++] = share->affiliate_id;
	}
	return true;
}

static bool take_grants(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	order->rooms = arena_take(&page->arena, slice->count, sizeof(*order->rooms));
	for (unsigned i = 0; i < slice->count && order->rooms != NULL; i++) {
		const unsigned row = slice->from + i;
		order->rooms[order->room_count++] = (struct decide_room){
			.affiliate_id = (uint32_t)refold_int(slice->rows, row, 2),
			.rule_id = refold_int(slice->rows, row, 3),
			.is_granted = true,
			.granted_minor = refold_int(slice->rows, row, 4),
			.wish_minor = int_or(slice->rows, row, 6, -1),
			.used_minor = refold_int(slice->rows, row, 5)};
	}
	return order->rooms != NULL;
}

static bool take_commissions(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	bool is_kept = true;
	order->rows = arena_take(&page->arena, slice->count, sizeof(*order->rows));
	for (unsigned i = 0; i < slice->count && order->rows != NULL && is_kept; i++) {
		const unsigned row = slice->from + i;
		struct commission_row *const commission = &order->rows[order->row_count++];
		commission->commission_id = refold_int(slice->rows, row, 2);
		commission->affiliate_id = (uint32_t)refold_int(slice->rows, row, 3);
		commission_state_parse(refold_text(slice->rows, row, 4), &commission->state);
		commission->is_adjustment = refold_bool(slice->rows, row, 5);
		commission->is_platform = refold_bool(slice->rows, row, 6);
		commission->is_frozen = refold_bool(slice->rows, row, 7);
		commission->amount_minor = refold_int(slice->rows, row, 8);
		commission->confirmed_minor = refold_int(slice->rows, row, 9);
		commission->release_us = refold_int(slice->rows, row, 10);
		commission->reason = refold_outcome(refold_text(slice->rows, row, 11));
		is_kept = arena_keep(
			&page->arena, refold_text(slice->rows, row, 12), &commission->event_id);
	}
	return order->rows != NULL && is_kept;
}

/* Also those that were lifted since. */
static bool take_reviews(
	struct refold_page *page, struct refold_order *order, const struct slice *slice)
{
	(void)page;
	for (unsigned i = 0; i < slice->count; i++) {
		const struct str reason = refold_text(slice->rows, slice->from + i, 2);
		for (unsigned k = 0; k < DECIDE_REVIEW_COUNT; k++)
			if (str_equal(reason, str_from(decide_review_name((enum decide_review)k))))
				order->reviews |= 1u << k;
	}
	return true;
}

static int64_t int_or(const struct db_rows *rows, unsigned row, unsigned column, int64_t absent)
{
	return db_cell(rows, row, column) != NULL ? refold_int(rows, row, column) : absent;
}

enum outcome refold_outcome(struct str name)
{
	enum outcome outcome = OUTCOME_NONE;
	(void)outcome_parse(name, &outcome);
	return outcome;
}
