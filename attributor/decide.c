/* SPDX-License-Identifier: Apache-2.0
 * An order's decision: its first event with a candidate that stands says who, its last confirmed
 * one how much. */
#include "decide.h"

#include <stdlib.h>
#include <string.h>

#include "decide_parts.h"

static enum decide_status check_currency(
	const struct event *const *events, unsigned count, const struct folded *folded);
static enum decide_status price_winner(const struct decide_known *known, struct decision *decision);
static bool price_lines(const struct decide_known *known, const struct decision *decision,
	struct decide_share *share);
static const struct rule *find_rule(const struct decide_known *known,
	const struct decision *decision, uint32_t affiliate_id, const struct order_line *line,
	enum outcome *why);
static const struct decide_frozen *find_frozen(
	const struct decide_known *known, uint32_t affiliate_id, const struct order_line *line);
static const struct decide_product *find_product(
	const struct decide_known *known, struct str external_id);
static enum outcome share_reason(const struct decision *decision, const struct decide_share *share);

const char *decision_result_name(enum decision_result result)
{
	return result == DECISION_ATTRIBUTED ? "attributed" : "unattributed";
}

enum decide_status decide_order(const struct decide_known *known, const struct event **events,
	unsigned count, struct decision *decision)
{
	memset(decision, 0, sizeof(*decision));
	decision->winner = -1;
	fold_sort(events, count);
	fold_order(events, count, &decision->folded);
	if (decision->folded.first == NULL)
		return DECIDE_NOTHING;
	const enum decide_status status = check_currency(events, count, &decision->folded);
	if (status != DECIDE_OK)
		return status;
	decide_candidates(known, events, count, decision);
	decision->result = decision->winner >= 0 ? DECISION_ATTRIBUTED : DECISION_UNATTRIBUTED;
	if (decision->folded.is_test) {
		decision->result = DECISION_UNATTRIBUTED;
		decision->reason = OUTCOME_TEST_ORDER;
		decision->evidence = EVIDENCE_NONE;
	}
	return price_winner(known, decision);
}

void decision_release(struct decision *decision)
{
	for (unsigned i = 0; i < decision->share_count; i++)
		free(decision->shares[i].lines);
	decision->share_count = 0;
}

/* An order's currency is that of its first event; the deferred types have no say. */
static enum decide_status check_currency(
	const struct event *const *events, unsigned count, const struct folded *folded)
{
	for (unsigned i = 0; i < count; i++) {
		if (!event_type_is_deferred(events[i]->type) &&
			strcmp(events[i]->currency, folded->first->currency) != 0)
			return DECIDE_CURRENCY;
	}
	return DECIDE_OK;
}

static enum decide_status price_winner(const struct decide_known *known, struct decision *decision)
{
	const struct event *terms = decision->folded.terms;
	struct decide_share *share = &decision->shares[0];
	if (decision->winner >= 0)
		share->affiliate_id =
			decision->candidates[decision->winner].click.claim.link.affiliate_id;
	share->lines = calloc(terms->line_count > 0 ? terms->line_count : 1, sizeof(*share->lines));
	if (share->lines == NULL)
		return DECIDE_NO_MEMORY;
	decision->share_count = 1;
	if (!price_bases(terms, share->lines))
		return DECIDE_OVERFLOW;
	if (share->affiliate_id != 0 && !price_lines(known, decision, share))
		return DECIDE_OVERFLOW;
	share->reason = share_reason(decision, share);
	return DECIDE_OK;
}

static bool price_lines(const struct decide_known *known, const struct decision *decision,
	struct decide_share *share)
{
	const struct event *terms = decision->folded.terms;
	for (unsigned i = 0; i < terms->line_count; i++) {
		const struct order_line *line = &terms->lines[i];
		struct price_line *priced = &share->lines[i];
		enum outcome why = OUTCOME_NONE;
		const struct rule *rule =
			find_rule(known, decision, share->affiliate_id, line, &why);
		if (!price_line_amount(priced, rule, why, line->quantity) ||
			!money_add(share->amount_minor, priced->amount_minor, &share->amount_minor))
			return false;
	}
	return true;
}

/* What an earlier version froze holds; what it had not is looked up at placed_at. */
static const struct rule *find_rule(const struct decide_known *known,
	const struct decision *decision, uint32_t affiliate_id, const struct order_line *line,
	enum outcome *why)
{
	const struct decide_frozen *frozen = find_frozen(known, affiliate_id, line);
	if (frozen != NULL) {
		*why = frozen->why;
		return frozen->rule.rule_id != 0 ? &frozen->rule : NULL;
	}
	const struct decide_product *product = find_product(known, line->product_id);
	const struct rule_query query = {.affiliate_id = affiliate_id,
		.product_id = product != NULL ? product->product_id : 0,
		.category = product != NULL ? product->category : (struct str){0},
		.currency = decision->folded.first->currency,
		.placed_us = decision->folded.placed_us};
	return rule_pick(known->rules, known->rule_count, &query, why);
}

static const struct decide_frozen *find_frozen(
	const struct decide_known *known, uint32_t affiliate_id, const struct order_line *line)
{
	for (unsigned i = 0; i < known->frozen_count; i++) {
		const struct decide_frozen *frozen = &known->frozen[i];
		if (frozen->affiliate_id == affiliate_id &&
			str_equal(frozen->line_id, line->line_id) &&
			str_equal(frozen->product_id, line->product_id))
			return frozen;
	}
	return NULL;
}

static const struct decide_product *find_product(
	const struct decide_known *known, struct str external_id)
{
	for (unsigned i = 0; i < known->product_count; i++) {
		if (known->products[i].store_id == known->store_id &&
			str_equal(known->products[i].external_id, external_id))
			return &known->products[i];
	}
	return NULL;
}

/* Of a zero amount: why its first line that has a reason came to nothing. */
static enum outcome share_reason(const struct decision *decision, const struct decide_share *share)
{
	if (share->amount_minor != 0)
		return decision->reason;
	for (unsigned i = 0; i < decision->folded.terms->line_count; i++) {
		if (share->lines[i].reason != OUTCOME_NONE)
			return share->lines[i].reason;
	}
	return decision->reason;
}
