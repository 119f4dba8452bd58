/* SPDX-License-Identifier: Apache-2.0
 * What the orders' events name, as it was known when each live decision was
 * made: affiliates with their standing, and the products of clicks. */
#include <inttypes.h>
#include <string.h>

#include "refold_parts.h"

/* Of one array: a number and a comma for every name of every order. */
#define ARRAY_BYTES_MAX (REFOLD_PAGE_ORDERS * REFOLD_NAMES_MAX * 21 + 2)

/* A change within a minute of the decision may have committed before or after
 * it was read for: then is_sure is false, and the decision's own word counts.
 * An affiliate that was added after placed_at counts with the status it began
 * with. */
#define SURE_BEFORE "- 60000000"
static const char affiliates_sql[] =
	"SELECT n.at, a.affiliate_id, coalesce((SELECT s.status FROM "
	"wasl.affiliate_status s "
	"WHERE s.affiliate_id = a.affiliate_id AND s.since <= n.seen ORDER BY "
	"s.since DESC LIMIT "
	"1), "
	"(SELECT s.status FROM wasl.affiliate_status s WHERE s.affiliate_id = "
	"a.affiliate_id "
	"ORDER BY s.since LIMIT 1), a.status) = 'active', "
	"wasl.to_us(a.created_at) < n.decided_us " SURE_BEFORE
	" AND NOT EXISTS (SELECT FROM wasl.affiliate_status s WHERE s.affiliate_id "
	"= "
	"a.affiliate_id "
	"AND s.since BETWEEN n.seen - interval '1 minute' AND n.seen + interval '1 "
	"minute') "
	"FROM (SELECT u.*, wasl.from_us(least(placed_us, decided_us)) AS seen "
	"FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) "
	"u (at, affiliate_id, placed_us, decided_us)) n "
	"JOIN wasl.affiliates a USING (affiliate_id) ORDER BY n.at";
static const char products_sql[] =
	"SELECT n.at, p.product_id, p.store_id, "
	"wasl.to_us(p.created_at) < n.decided_us " SURE_BEFORE
	" FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) n (at, product_id, "
	"decided_us) "
	"JOIN wasl.products p USING (product_id) ORDER BY n.at";

enum { AT = 0, ID, DECIDED_US, PLACED_US, COLUMN_COUNT };

/* Parameters of one statement: each column an array literal. */
struct names {
	struct buf columns[COLUMN_COUNT];
};

static bool gather(struct refold_page *page, struct refold_order *order);
static bool gather_verdicts(struct refold_page *page, struct refold_order *order);
static void add_verdict(
	struct refold_order *order, bool is_coupon, struct str coupon, const uint8_t *click_id);
static bool is_listed(const struct refold_order *order, const uint8_t *click_id);
static void gather_event(struct refold_order *order, const struct event *event);
static void gather_owners(struct refold_page *page);
static void add_distinct(uint32_t *ids, unsigned *count, uint32_t id);
static void names_init(struct names *names);
static void names_release(struct names *names);
static void names_add(
	struct names *names, unsigned at, const struct refold_order *order, uint32_t id);
static bool names_close(struct names *names);
static bool ask_affiliates(struct call *call, struct refold_page *page);
static bool ask_products(struct call *call, struct refold_page *page);
static void take_affiliate(struct refold_order *order, const struct db_rows *rows, unsigned row);
static bool has_refused(
	const struct refold_order *order, uint32_t affiliate_id, enum outcome outcome);
static void take_product(struct refold_order *order, const struct db_rows *rows, unsigned row);
static bool was_of_no_store(const struct refold_order *order, uint32_t product_id);
static bool has_wrong_store(const struct refold_order *order, const uint8_t *click_id);

bool refold_know(struct call *call, struct refold_page *page)
{
	bool is_kept = true;
	for (unsigned i = 0; i < page->count && is_kept; i++)
		is_kept = gather(page, &page->orders[i]);
	if (!is_kept) {
		call_fail(call, "no memory for a page of orders");
		return false;
	}
	if (!refold_coupons(call, page))
		return false;
	gather_owners(page);
	return ask_affiliates(call, page) && ask_products(call, page);
}

/* In fold order, and no more than the daemon: of an order that names too many,
 * the same ones. */
static bool gather(struct refold_page *page, struct refold_order *order)
{
	struct arena *const arena = &page->arena;
	fold_sort(order->events, order->event_count);
	fold_order(order->events, order->event_count, &order->folded);
	unsigned most = 0;
	for (unsigned e = 0; e < order->event_count; e++)
		most += order->events[e]->click_count + order->events[e]->coupon_count + 1;
	most = most < REFOLD_NAMES_MAX ? most : REFOLD_NAMES_MAX;
	order->affiliate_ids = arena_take(arena, most, sizeof(*order->affiliate_ids));
	order->product_ids = arena_take(arena, most, sizeof(*order->product_ids));
	order->affiliates = arena_take(arena, most, sizeof(*order->affiliates));
	order->products = arena_take(arena, most, sizeof(*order->products));
	if (order->affiliate_ids == NULL || order->product_ids == NULL ||
		order->affiliates == NULL || order->products == NULL)
		return false;
	for (unsigned e = 0; e < order->event_count; e++)
		gather_event(order, order->events[e]);
	return gather_verdicts(page, order);
}

/* Whether an affiliate is the customer only the daemon's keys tell: what was
 * refused for it stays refused. Of a list that is full only refused candidates
 * are left out, and why is not told. */
static bool gather_verdicts(struct refold_page *page, struct refold_order *order)
{
	const bool is_full = order->candidate_count >= DECIDE_CANDIDATES_MAX;
	unsigned most = order->candidate_count;
	for (unsigned e = 0; e < order->event_count && is_full; e++)
		most += order->events[e]->click_count;
	order->verdicts = arena_take(&page->arena, most, sizeof(*order->verdicts));
	for (unsigned i = 0; i < order->candidate_count && order->verdicts != NULL; i++) {
		const struct refold_candidate *const candidate = &order->candidates[i];
		if (candidate->verdict == OUTCOME_SELF_REFERRAL)
			add_verdict(order, candidate->is_coupon, candidate->coupon,
				candidate->click_id);
	}
	for (unsigned e = 0; e < order->event_count && is_full && order->verdicts != NULL; e++)
		for (unsigned c = 0; c < order->events[e]->click_count; c++) {
			const struct order_click *const click = &order->events[e]->clicks[c];
			if (click->result == TOKEN_OK && !is_listed(order, click->claim.click_id))
				add_verdict(order, false, (struct str){0}, click->claim.click_id);
		}
	return order->verdicts != NULL;
}

static void add_verdict(
	struct refold_order *order, bool is_coupon, struct str coupon, const uint8_t *click_id)
{
	struct decide_verdict *const verdict = &order->verdicts[order->verdict_count++];
	*verdict = (struct decide_verdict){
		.is_coupon = is_coupon, .coupon = coupon, .verdict = OUTCOME_SELF_REFERRAL};
	memcpy(verdict->click_id, click_id, CLICK_ID_BYTES);
}

static bool is_listed(const struct refold_order *order, const uint8_t *click_id)
{
	for (unsigned i = 0; i < order->candidate_count; i++)
		if (order->candidates[i].has_click &&
			memcmp(order->candidates[i].click_id, click_id, CLICK_ID_BYTES) == 0)
			return true;
	return false;
}

static void gather_event(struct refold_order *order, const struct event *event)
{
	for (unsigned c = 0; c < event->click_count; c++) {
		const struct link_claim *const link = &event->clicks[c].claim.link;
		if (event->clicks[c].result != TOKEN_OK)
			continue;
		add_distinct(order->affiliate_ids, &order->affiliate_id_count, link->affiliate_id);
		add_distinct(order->product_ids, &order->product_id_count, link->product_id);
	}
	if (event->type == EVENT_REASSIGN && event->affiliate_id != 0)
		add_distinct(order->affiliate_ids, &order->affiliate_id_count, event->affiliate_id);
}

/* Owners of coupons are known once the coupons are. */
static void gather_owners(struct refold_page *page)
{
	for (unsigned i = 0; i < page->count; i++) {
		struct refold_order *const order = &page->orders[i];
		for (unsigned c = 0; c < order->coupon_count; c++)
			if (order->coupons[c].affiliate_id != 0)
				add_distinct(order->affiliate_ids, &order->affiliate_id_count,
					order->coupons[c].affiliate_id);
	}
}

static void add_distinct(uint32_t *ids, unsigned *count, uint32_t id)
{
	for (unsigned i = 0; i < *count; i++)
		if (ids[i] == id)
			return;
	if (*count < REFOLD_NAMES_MAX)
		ids[(*count)++] = id;
}

static void names_init(struct names *names)
{
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		buf_init(&names->columns[i], ARRAY_BYTES_MAX);
		buf_add_cstr(&names->columns[i], "{");
	}
}

static void names_release(struct names *names)
{
	for (unsigned i = 0; i < COLUMN_COUNT; i++)
		buf_release(&names->columns[i]);
}

static void names_add(
	struct names *names, unsigned at, const struct refold_order *order, uint32_t id)
{
	const int64_t values[COLUMN_COUNT] = {at, id, order->decided_us, order->folded.placed_us};
	for (unsigned i = 0; i < COLUMN_COUNT; i++)
		buf_addf(&names->columns[i], "%s%" PRId64, names->columns[i].len > 1 ? "," : "",
			values[i]);
}

static bool names_close(struct names *names)
{
	bool is_whole = true;
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		buf_add_cstr(&names->columns[i], "}");
		buf_cstr(&names->columns[i]);
		is_whole &= !names->columns[i].has_failed;
	}
	return is_whole;
}

static bool ask_affiliates(struct call *call, struct refold_page *page)
{
	struct names names;
	struct db_rows *rows = NULL;
	names_init(&names);
	for (unsigned i = 0; i < page->count; i++)
		for (unsigned k = 0; k < page->orders[i].affiliate_id_count; k++)
			names_add(&names, i, &page->orders[i], page->orders[i].affiliate_ids[k]);
	if (names_close(&names))
		rows = call_query(call, affiliates_sql,
			DB_ARGS(names.columns[AT].data, names.columns[ID].data,
				names.columns[PLACED_US].data, names.columns[DECIDED_US].data));
	else
		call_fail(call, "no memory for a page of names");
	for (unsigned row = 0; rows != NULL && row < db_rows_count(rows); row++)
		take_affiliate(&page->orders[refold_int(rows, row, 0)], rows, row);
	const bool is_ok = rows != NULL;
	db_rows_free(rows);
	names_release(&names);
	return is_ok;
}

static bool ask_products(struct call *call, struct refold_page *page)
{
	struct names names;
	struct db_rows *rows = NULL;
	names_init(&names);
	for (unsigned i = 0; i < page->count; i++)
		for (unsigned k = 0; k < page->orders[i].product_id_count; k++)
			names_add(&names, i, &page->orders[i], page->orders[i].product_ids[k]);
	if (names_close(&names))
		rows = call_query(call, products_sql,
			DB_ARGS(names.columns[AT].data, names.columns[ID].data,
				names.columns[DECIDED_US].data));
	else
		call_fail(call, "no memory for a page of names");
	for (unsigned row = 0; rows != NULL && row < db_rows_count(rows); row++)
		take_product(&page->orders[refold_int(rows, row, 0)], rows, row);
	const bool is_ok = rows != NULL;
	db_rows_free(rows);
	names_release(&names);
	return is_ok;
}

static void take_affiliate(struct refold_order *order, const struct db_rows *rows, unsigned row)
{
	const uint32_t affiliate_id = (uint32_t)refold_int(rows, row, 1);
	const bool is_sure = refold_bool(rows, row, 3);
	bool is_active = refold_bool(rows, row, 2);
	if (!is_sure && has_refused(order, affiliate_id, OUTCOME_UNKNOWN_AFFILIATE))
		return;
	if (!is_sure)
		is_active = !has_refused(order, affiliate_id, OUTCOME_AFFILIATE_SUSPENDED);
	order->affiliates[order->affiliate_count++] = (struct decide_affiliate){
		.affiliate_id = affiliate_id,
		.standing = is_active ? AFFILIATE_ACTIVE : AFFILIATE_SUSPENDED,
		.tier_rate_bp = RULE_NO_RATE,
	};
}

static bool has_refused(
	const struct refold_order *order, uint32_t affiliate_id, enum outcome outcome)
{
	for (unsigned i = 0; i < order->candidate_count; i++)
		if (order->candidates[i].verdict == outcome &&
			order->candidates[i].affiliate_id == affiliate_id)
			return true;
	return false;
}

static void take_product(struct refold_order *order, const struct db_rows *rows, unsigned row)
{
	const uint32_t product_id = (uint32_t)refold_int(rows, row, 1);
	const bool is_sure = refold_bool(rows, row, 3);
	if (!is_sure && was_of_no_store(order, product_id))
		return;
	order->products[order->product_count++] = (struct decide_product){
		.product_id = product_id, .store_id = (uint32_t)refold_int(rows, row, 2)};
}

/* Was a click on this product refused because no product had that number yet?
 */
static bool was_of_no_store(const struct refold_order *order, uint32_t product_id)
{
	for (unsigned e = 0; e < order->event_count; e++) {
		const struct event *const event = order->events[e];
		for (unsigned c = 0; c < event->click_count; c++) {
			const struct order_click *const click = &event->clicks[c];
			if (click->result == TOKEN_OK &&
				click->claim.link.product_id == product_id &&
				has_wrong_store(order, click->claim.click_id))
				return true;
		}
	}
	return false;
}

static bool has_wrong_store(const struct refold_order *order, const uint8_t *click_id)
{
	for (unsigned i = 0; i < order->candidate_count; i++)
		if (order->candidates[i].verdict == OUTCOME_WRONG_STORE &&
			order->candidates[i].has_click &&
			memcmp(order->candidates[i].click_id, click_id, CLICK_ID_BYTES) == 0)
			return true;
	return false;
}
