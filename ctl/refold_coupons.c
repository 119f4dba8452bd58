/* SPDX-License-Identifier: Apache-2.0
 * The coupons that the orders' events name: whose they are, and what the live
 * decision held against them, since rooms and standings of a coupon are those
 * of the moment. */
#include <jansson.h>
#include <stdlib.h>

#include "refold_parts.h"

/* A coupon that was made within a minute of the decision may not have been
 * there when it was made: then is_sure is false, and the decision's own word
 * counts. */
static const char coupons_sql[] =
	"SELECT (n.value->>0)::bigint, (n.value->>1)::bigint, c.coupon_id, "
	"c.affiliate_id, "
	"wasl.to_us(c.created_at) < (n.value->>4)::bigint - 60000000 "
	"FROM jsonb_array_elements($1::jsonb) n JOIN wasl.coupons c "
	"ON c.store_id = (n.value->>2)::bigint AND c.code = "
	"wasl.coupon_code(n.value->>3) "
	"ORDER BY 1, 2";

static bool gather(struct refold_page *page, struct refold_order *order);
static bool has_coupon(const struct refold_order *order, struct str code);
static json_t *names_of(const struct refold_page *page);
static void take_coupon(struct refold_order *order, const struct db_rows *rows, unsigned row);
static enum outcome verdict_of(const struct refold_order *order, struct str code);

bool refold_coupons(struct call *call, struct refold_page *page)
{
	bool is_kept = true;
	unsigned count = 0;
	for (unsigned i = 0; i < page->count && is_kept; i++) {
		is_kept = gather(page, &page->orders[i]);
		count += page->orders[i].coupon_count;
	}
	json_t *const names = is_kept ? names_of(page) : NULL;
	char *const text = names != NULL ? json_dumps(names, JSON_COMPACT) : NULL;
	json_decref(names);
	if (text == NULL) {
		call_fail(call, "no memory for a page of coupons");
		return false;
	}
	struct db_rows *rows = NULL;
	if (count > 0)
		rows = call_query(call, coupons_sql, DB_ARGS(text));
	free(text);
	for (unsigned row = 0; rows != NULL && row < db_rows_count(rows); row++)
		take_coupon(&page->orders[refold_int(rows, row, 0)], rows, row);
	const bool is_ok = rows != NULL || count == 0;
	db_rows_free(rows);
	return is_ok;
}

/* Each code once, as its events have it. */
static bool gather(struct refold_page *page, struct refold_order *order)
{
	unsigned most = 0;
	for (unsigned e = 0; e < order->event_count; e++)
		most += order->events[e]->coupon_count;
	order->coupons = arena_take(&page->arena, most, sizeof(*order->coupons));
	for (unsigned e = 0; e < order->event_count && order->coupons != NULL; e++)
		for (unsigned c = 0; c < order->events[e]->coupon_count; c++) {
			const struct str code = order->events[e]->coupons[c].code;
			if (!has_coupon(order, code))
				order->coupons[order->coupon_count++] =
					(struct decide_coupon){.code = code};
		}
	return order->coupons != NULL;
}

static bool has_coupon(const struct refold_order *order, struct str code)
{
	for (unsigned i = 0; i < order->coupon_count; i++)
		if (str_equal(order->coupons[i].code, code))
			return true;
	return false;
}

/* [[order, coupon, store, code, decided], …]: places in page and order first.
 */
static json_t *names_of(const struct refold_page *page)
{
	json_t *const names = json_array();
	for (unsigned i = 0; i < page->count; i++) {
		const struct refold_order *const order = &page->orders[i];
		for (unsigned c = 0; c < order->coupon_count; c++)
			json_array_append_new(names,
				json_pack("[i, i, I, s%, I]", (int)i, (int)c,
					(json_int_t)order->store_id, order->coupons[c].code.data,
					order->coupons[c].code.len, (json_int_t)order->decided_us));
	}
	return names;
}

static void take_coupon(struct refold_order *order, const struct db_rows *rows, unsigned row)
{
	struct decide_coupon *const coupon = &order->coupons[refold_int(rows, row, 1)];
	const enum outcome verdict = verdict_of(order, coupon->code);
	if (verdict == OUTCOME_COUPON_UNKNOWN && !refold_bool(rows, row, 4))
		return;
	coupon->coupon_id = refold_int(rows, row, 2);
	coupon->affiliate_id = (uint32_t)refold_int(rows, row, 3);
	if (verdict == OUTCOME_COUPON_EXPIRED || verdict == OUTCOME_COUPON_EXHAUSTED ||
		verdict == OUTCOME_COUPON_SUSPENDED)
		coupon->held_back = verdict;
}

static enum outcome verdict_of(const struct refold_order *order, struct str code)
{
	for (unsigned i = 0; i < order->candidate_count; i++)
		if (order->candidates[i].is_coupon && str_equal(order->candidates[i].coupon, code))
			return order->candidates[i].verdict;
	return OUTCOME_NONE;
}
