/* SPDX-License-Identifier: Apache-2.0
 * Orders folded again, page by page, as if nothing of them but their events
 * were known. */
#include "refold.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "refold_parts.h"
#include "timestamp.h"

#define DETAIL_BYTES_MAX 1024 /* two ids of 128 bytes and some amounts */
#define DAY_US           (86400 * US_PER_S)
#define RETURN_DAYS_MAX  365 /* as the schema allows them */

/* Pages are looked up by key, whatever the planner thinks of two bounds on it: it expects a ninth
 * of the table, for which it would start workers, page after page. */
static const char by_key_sql[] =
	"SELECT set_config(name, 'off', true), "
	"set_config('max_parallel_workers_per_gather', '0', true) "
	"FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) name";

static bool refold_one(struct call *call, const struct refold_order *order,
	struct refold_comparison *comparison, struct decision *decision);
static struct decide_known known_of(const struct refold_order *order);
static void know_settings(const struct refold_order *order, struct decide_known *known);
static bool is_locked(const struct refold_order *order);
static enum match_model model_of(struct str name);
static enum match_evidence evidence_of(struct str name);
static bool compare(const struct refold_comparison *comparison);

bool refold_orders(struct call *call, refold_fn *fn, void *arg)
{
	struct refold_page page = {0};
	struct refold_comparison comparison = {.fn = fn, .arg = arg};
	struct decision *const decision = calloc(1, sizeof(*decision)); /* it is large */
	bool is_ok = decision != NULL || call_fail(call, "no memory") == CALL_DONE;
	is_ok = is_ok && call_run(call, by_key_sql, DB_ARGS());
	do {
		is_ok = is_ok && refold_read(call, &page) && refold_know(call, &page);
		for (unsigned i = 0; i < page.count && is_ok; i++)
			is_ok = page.orders[i].is_due ||
				refold_one(call, &page.orders[i], &comparison, decision);
	} while (is_ok && page.count > 0);
	refold_page_release(&page);
	free(decision);
	return is_ok;
}

void refold_tell(const struct refold_comparison *comparison, const char *format, ...)
{
	char detail[DETAIL_BYTES_MAX];
	const int len = snprintf(detail, sizeof(detail),
		"store %" PRIu32 " order %s: ", comparison->order->store_id,
		comparison->order->order_id.data);
	va_list args;
	va_start(args, format);
	vsnprintf(detail + len, sizeof(detail) - (size_t)len, format, args);
	va_end(args);
	comparison->fn(detail, comparison->arg);
}

const char *refold_amount(
	const struct refold_comparison *comparison, char text[MONEY_TEXT_MAX], int64_t minor)
{
	money_format(text, minor, comparison->digits);
	return text;
}

static bool refold_one(struct call *call, const struct refold_order *order,
	struct refold_comparison *comparison, struct decision *decision)
{
	const struct decide_known known = known_of(order);
	bool is_ok = true;
	comparison->order = order;
	comparison->decision = decision;
	if (order->unreadable.len > 0) {
		refold_tell(comparison, "the facts of webhook-id %s cannot be read",
			order->unreadable.data);
		return true;
	}
	switch (decide_order(&known, order->events, order->event_count, decision)) {
	case DECIDE_OK:
		is_ok = compare(comparison);
		break;
	case DECIDE_NOTHING:
		refold_compare_order(comparison);
		if (order->version != 0 || order->row_count > 0)
			refold_tell(comparison, "its events come to no decision, but it has one");
		break;
	case DECIDE_OVERFLOW:
		refold_tell(comparison, "its events cannot be priced");
		break;
	case DECIDE_CURRENCY:
		refold_tell(comparison, "its events are in several currencies");
		break;
	case DECIDE_BAD_AMOUNT:
		refold_tell(comparison, "its events hold an amount that is none of its currency");
		break;
	case DECIDE_NO_MEMORY:
		is_ok = false;
		break;
	}
	decision_release(decision);
	if (!is_ok)
		call_fail(call, "no memory for an order");
	return is_ok;
}

/* What the decision froze is as it was; affiliates, products and coupons as
 * they were known then.
 */
static struct decide_known known_of(const struct refold_order *order)
{
	struct decide_known known = {.store_id = order->store_id,
		.model = model_of(order->model),
		.precedence = str_equal(order->precedence, STR("click_first")) ? MATCH_CLICK_FIRST
									       : MATCH_COUPON_FIRST,
		.precedence_name = order->precedence.data,
		.self_referral = SELF_REFERRAL_BLOCK,
		.affiliates = order->affiliates,
		.affiliate_count = order->affiliate_count,
		.products = order->products,
		.product_count = order->product_count,
		.coupons = order->coupons,
		.coupon_count = order->coupon_count,
		.frozen = order->frozen,
		.frozen_count = order->line_count,
		.verdicts = order->verdicts,
		.verdict_count = order->verdict_count,
		.rooms = order->rooms,
		.room_count = order->room_count,
		.coupon_taken = order->coupon_id,
		.is_locked = is_locked(order),
		.live_winners = order->winners,
		.live_winner_count = order->share_count,
		.live_reason = refold_outcome(order->reason),
		.live_evidence = evidence_of(order->evidence)};
	know_settings(order, &known);
	return known;
}

/* When cash counts and how long goods may come back is what the store said when
 * it was asked. Where its settings have changed since, what stands tells which
 * it was: whole days, of either event. */
static void know_settings(const struct refold_order *order, struct decide_known *known)
{
	const struct folded *const folded = &order->folded;
	known->collects_on_delivery = order->collects_on_delivery;
	known->return_days = order->return_days;
	for (unsigned i = 0; i < order->row_count && !order->is_store_settled; i++) {
		const struct commission_row *const row = &order->rows[i];
		if (row->is_adjustment || row->is_frozen)
			continue;
		if (folded->collected_us == 0 && folded->delivered_us != 0 &&
			(row->state == COMMISSION_HELD || row->state == COMMISSION_PENDING))
			known->collects_on_delivery = row->state == COMMISSION_HELD;
		const int64_t began_us = fold_release_us(folded, known->collects_on_delivery, 0);
		const int64_t days = (row->release_us - began_us) / DAY_US;
		if (row->release_us != 0 && began_us != 0 &&
			began_us + days * DAY_US == row->release_us && days >= 0 &&
			days <= RETURN_DAYS_MAX)
			known->return_days = (int)days;
	}
}

/* From the first row that was approved on, winners stay. */
static bool is_locked(const struct refold_order *order)
{
	for (unsigned i = 0; i < order->row_count; i++) {
		const struct commission_row *const row = &order->rows[i];
		if (row->is_adjustment || row->is_frozen || row->state == COMMISSION_APPROVED ||
			row->state == COMMISSION_PAID || row->state == COMMISSION_REVERSED)
			return true;
	}
	return false;
}

/* As the schema allows them. */
static enum match_model model_of(struct str name)
{
	if (str_equal(name, STR("first")))
		return MATCH_FIRST;
	return str_equal(name, STR("linear")) ? MATCH_LINEAR : MATCH_LAST;
}

static enum match_evidence evidence_of(struct str name)
{
	if (name.len == 0)
		return EVIDENCE_NONE;
	if (str_equal(name, STR("coupon")))
		return EVIDENCE_COUPON;
	return str_equal(name, STR("record")) ? EVIDENCE_RECORD : EVIDENCE_TOKEN;
}

/* False: no memory. */
static bool compare(const struct refold_comparison *comparison)
{
	struct refold_comparison whole = *comparison;
	money_currency_digits(
		str_from(comparison->decision->folded.first->currency), &whole.digits);
	refold_compare_order(&whole);
	return !refold_compare_decision(&whole) || refold_compare_rows(&whole);
}
