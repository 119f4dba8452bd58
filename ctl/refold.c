/* SPDX-License-Identifier: Apache-2.0
 * Orders folded again, and what differs told. */
#include "refold.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "refold_parts.h"

#define DETAIL_BYTES_MAX 1024 /* two ids of 128 bytes and some amounts */

/* Pages are looked up by key, whatever the planner thinks of two bounds on it. */
static const char by_key_sql[] =
	"SELECT set_config(name, 'off', true) FROM unnest(ARRAY['enable_seqscan', "
	"'enable_hashjoin', 'enable_mergejoin']) name";

/* One order under comparison. */
struct comparison {
	const struct refold_order *order;
	const struct decision *decision;
	unsigned digits;
	refold_fn *fn;
	void *arg;
};

static bool refold_one(struct call *call, const struct refold_order *order,
	struct comparison *comparison, struct decision *decision);
static enum match_model model_of(struct str name);
static void compare_order(const struct comparison *comparison);
static bool compare_decision(const struct comparison *comparison);
static bool compare_winner(const struct comparison *comparison);
static void compare_lines(const struct comparison *comparison);
static void compare_line(const struct comparison *comparison, const struct decide_share *share,
	const struct refold_line *line, unsigned index);
static bool compare_commissions(const struct comparison *comparison);
static void tell(const struct comparison *comparison, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static const char *amount(
	const struct comparison *comparison, char text[MONEY_TEXT_MAX], int64_t minor);

bool refold_orders(struct call *call, refold_fn *fn, void *arg)
{
	struct refold_page page = {0};
	struct comparison comparison = {.fn = fn, .arg = arg};
	struct decision *const decision = calloc(1, sizeof(*decision)); /* it is large */
	bool is_ok = decision != NULL || call_fail(call, "no memory") == CALL_DONE;
	is_ok = is_ok && call_run(call, by_key_sql, DB_ARGS());
	do {
		is_ok = is_ok && refold_read(call, &page) && refold_know(call, &page);
		for (unsigned i = 0; i < page.count && is_ok; i++)
			is_ok = refold_one(call, &page.orders[i], &comparison, decision);
	} while (is_ok && page.count > 0);
	refold_page_release(&page);
	free(decision);
	return is_ok;
}

static bool refold_one(struct call *call, const struct refold_order *order,
	struct comparison *comparison, struct decision *decision)
{
	const struct decide_known known = {.store_id = order->store_id,
		.model = model_of(order->model),
		.precedence = str_equal(order->precedence, STR("click_first")) ? MATCH_CLICK_FIRST
									       : MATCH_COUPON_FIRST,
		.precedence_name = order->precedence.data,
		.affiliates = order->affiliates,
		.affiliate_count = order->affiliate_count,
		.products = order->products,
		.product_count = order->product_count,
		.frozen = order->frozen,
		.frozen_count = order->line_count};
	comparison->order = order;
	comparison->decision = decision;
	if (order->unreadable.len > 0) {
		tell(comparison, "the facts of webhook-id %s cannot be read",
			order->unreadable.data);
		return true;
	}
	bool is_ok = true;
	switch (decide_order(&known, order->events, order->event_count, decision)) {
	case DECIDE_OK:
		money_currency_digits(
			str_from(decision->folded.first->currency), &comparison->digits);
		compare_order(comparison);
		if (compare_decision(comparison) && compare_winner(comparison)) {
			compare_lines(comparison);
			is_ok = compare_commissions(comparison);
		}
		break;
	case DECIDE_NOTHING:
		compare_order(comparison);
		if (order->version != 0 || order->row_count > 0)
			tell(comparison, "its events come to no decision, but it has one");
		break;
	case DECIDE_OVERFLOW:
		tell(comparison, "its events cannot be priced");
		break;
	case DECIDE_CURRENCY:
		tell(comparison, "its events are in several currencies");
		break;
	case DECIDE_BAD_AMOUNT:
		tell(comparison, "an amount has more digits than its currency");
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

/* As the schema allows them. */
static enum match_model model_of(struct str name)
{
	if (str_equal(name, STR("first")))
		return MATCH_FIRST;
	return str_equal(name, STR("linear")) ? MATCH_LINEAR : MATCH_LAST;
}

static void compare_order(const struct comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct folded *const folded = &comparison->decision->folded;
	if (!str_equal(order->state, str_from(order_state_name(folded->state))))
		tell(comparison, "it is %s, its events come to %s", order->state.data,
			order_state_name(folded->state));
	if (order->is_test != folded->is_test)
		tell(comparison, "it is %s test order, its events say otherwise",
			order->is_test ? "a" : "no");
	if (order->placed_us != folded->placed_us)
		tell(comparison, "its placed_at is not that of its first event");
	if (folded->first != NULL && !str_equal(order->currency, str_from(folded->first->currency)))
		tell(comparison, "it is in %s, its events are in %s",
			order->currency.len > 0 ? order->currency.data : "no currency",
			folded->first->currency);
}

/* False: there is nothing to compare further. */
static bool compare_decision(const struct comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decision *const decision = comparison->decision;
	if (order->version == 0) {
		tell(comparison, "it has no decision, its events come to %s",
			outcome_name(decision->reason));
		return false;
	}
	if (!str_equal(order->result, str_from(decision_result_name(decision->result))) ||
		!str_equal(order->reason, str_from(outcome_name(decision->reason))) ||
		!str_equal(order->evidence, str_from(match_evidence_name(decision->evidence)))) {
		tell(comparison, "its decision is %s (%s), its events come to %s (%s)",
			order->result.data, order->reason.data,
			decision_result_name(decision->result), outcome_name(decision->reason));
		return false;
	}
	return true;
}

/* False: somebody else won, so that no amount can be compared. */
static bool compare_winner(const struct comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decision *const decision = comparison->decision;
	const struct refold_verdict *recorded = NULL;
	for (unsigned i = 0; i < order->verdict_count; i++)
		if (order->verdicts[i].has_click &&
			(order->verdicts[i].outcome == OUTCOME_WON_LAST_CLICK ||
				order->verdicts[i].outcome == OUTCOME_WON_FIRST_CLICK))
			recorded = &order->verdicts[i];
	const uint8_t *const won = decision->winning_click;
	const uint32_t recorded_id = recorded != NULL ? recorded->affiliate_id : 0;
	const uint32_t won_id =
		decision->result == DECISION_ATTRIBUTED ? decision->shares[0].affiliate_id : 0;
	if (recorded_id != won_id) {
		tell(comparison, "affiliate %" PRIu32 " won, its events say affiliate %" PRIu32,
			recorded_id, won_id);
		return false;
	}
	if (won != NULL && recorded != NULL && memcmp(recorded->click_id, won, CLICK_ID_BYTES) != 0)
		tell(comparison, "another click of affiliate %" PRIu32 " won than its events say",
			won_id);
	return true;
}

static void compare_lines(const struct comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decide_share *const share = &comparison->decision->shares[0];
	const unsigned count = comparison->decision->folded.terms->line_count;
	if (order->line_count != count)
		tell(comparison, "it has %u lines, its events come to %u", order->line_count,
			count);
	for (unsigned i = 0; i < count && i < order->line_count; i++)
		compare_line(comparison, share, &order->lines[i], i);
}

static void compare_line(const struct comparison *comparison, const struct decide_share *share,
	const struct refold_line *line, unsigned index)
{
	const struct order_line *const said = &comparison->decision->folded.terms->lines[index];
	const struct price_line *const priced = &share->lines[index];
	char stands[MONEY_TEXT_MAX], comes_to[MONEY_TEXT_MAX];
	if (line->affiliate_id != share->affiliate_id || line->quantity != said->quantity ||
		!str_equal(line->line_id, said->line_id) ||
		!str_equal(line->product_id, said->product_id)) {
		tell(comparison, "line %s is not what its events say", line->line_id.data);
		return;
	}
	if (!line->is_rule_true)
		tell(comparison, "line %s froze a rule that is not like that", line->line_id.data);
	if (line->base_minor != priced->base_minor)
		tell(comparison, "line %s has the base %s, its events come to %s",
			line->line_id.data, amount(comparison, stands, line->base_minor),
			amount(comparison, comes_to, priced->base_minor));
	if (line->amount_minor != priced->amount_minor)
		tell(comparison, "line %s earns %s, its events come to %s", line->line_id.data,
			amount(comparison, stands, line->amount_minor),
			amount(comparison, comes_to, priced->amount_minor));
}

/* False: no memory. */
static bool compare_commissions(const struct comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decision *const decision = comparison->decision;
	struct decide_change *const changes =
		calloc(order->row_count + decision->share_count, sizeof(*changes));
	if (changes == NULL)
		return false;
	const unsigned count = decide_changes(decision, order->rows, order->row_count, changes);
	for (unsigned i = 0; i < count; i++) {
		const struct decide_change *const change = &changes[i];
		char stands[MONEY_TEXT_MAX] = "missing", comes_to[MONEY_TEXT_MAX] = "nothing";
		const struct commission_row *const row =
			change->row >= 0 ? &order->rows[change->row] : NULL;
		if (row != NULL && row->is_voided)
			snprintf(stands, sizeof(stands), "voided");
		else if (row != NULL)
			amount(comparison, stands, row->amount_minor);
		if (change->move != MOVE_VOID)
			amount(comparison, comes_to, change->amount_minor);
		tell(comparison, "commission of affiliate %" PRIu32 " is %s, its events come to %s",
			change->affiliate_id, stands, comes_to);
	}
	free(changes);
	return true;
}

static void tell(const struct comparison *comparison, const char *format, ...)
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

static const char *amount(
	const struct comparison *comparison, char text[MONEY_TEXT_MAX], int64_t minor)
{
	money_format(text, minor, comparison->digits);
	return text;
}
