/* SPDX-License-Identifier: Apache-2.0
 * How much each winner of an order gets: its terms priced for one after the other, each by their
 * own rules. */
#include <stdlib.h>

#include "decide_parts.h"

static bool priced_init(struct decide_priced *priced, unsigned line_count, bool with_tier);
static enum decide_status price_nobody(struct decide_work *work);
static enum decide_status add_share(struct decide_work *work, unsigned place);
static bool is_whole(const struct decide_work *work);
static enum decide_status confirm(
	const struct decide_work *work, unsigned place, struct decide_share *share);
static int64_t due_of(
	const struct decide_share *share, const struct decide_parts *parts, int64_t share_minor);
static enum decide_status settle(const struct decide_work *work, struct decide_share *share,
	const struct decide_parts *parts, int64_t due_minor);
static enum outcome money_reason(
	const struct decide_work *work, const struct decide_share *share, int64_t due_minor);
static const struct rule *find_rule(const struct decide_work *work, uint32_t affiliate_id,
	const struct event *terms, unsigned index, struct decide_priced *priced);
static const struct decide_frozen *find_frozen(const struct decide_known *known,
	uint32_t affiliate_id, const struct order_line *line, unsigned index);
static bool is_frozen_as(
	const struct decide_frozen *frozen, uint32_t affiliate_id, const struct order_line *line);
static const struct decide_product *find_product(
	const struct decide_known *known, struct str external_id);
static bool has_tier(const struct decide_affiliate *affiliate);

enum decide_status decide_shares(struct decide_work *work)
{
	enum decide_status status = DECIDE_OK;
	if (work->winner_count == 0)
		return price_nobody(work);
	for (unsigned i = 0; i < work->winner_count && status == DECIDE_OK; i++)
		status = add_share(work, i);
	return status;
}

static bool priced_init(struct decide_priced *priced, unsigned line_count, bool with_tier)
{
	const unsigned most = line_count > 0 ? line_count : 1;
	*priced = (struct decide_priced){.line_count = line_count};
	priced->lines = calloc(most, sizeof(*priced->lines));
	if (with_tier)
		priced->rules = calloc(most, sizeof(*priced->rules));
	if (priced->lines != NULL && (!with_tier || priced->rules != NULL))
		return true;
	decide_priced_release(priced);
	return false;
}

void decide_priced_release(struct decide_priced *priced)
{
	free(priced->lines);
	free(priced->rules);
	*priced = (struct decide_priced){0};
}

enum decide_status decide_price(const struct decide_work *work, unsigned place,
	const struct event *terms, const struct left_line *left, struct decide_priced *priced)
{
	const uint32_t affiliate_id = work->winners[place];
	const struct decide_affiliate *const affiliate =
		decide_affiliate(work->known, affiliate_id);
	if (!priced_init(priced, terms->line_count, affiliate != NULL && has_tier(affiliate)))
		return DECIDE_NO_MEMORY;
	bool is_priced = price_bases(terms, left, priced->lines);
	if (is_priced && !work->is_self_referral) {
		for (unsigned i = 0; i < terms->line_count; i++)
			priced->lines[i].rule = find_rule(work, affiliate_id, terms, i, priced);
		is_priced = price_order(priced->lines, terms->line_count, &priced->full_minor);
	}
	if (!is_priced) {
		decide_priced_release(priced);
		return DECIDE_OVERFLOW;
	}
	priced->share_minor = price_share(priced->full_minor, work->winner_count, place);
	return DECIDE_OK;
}

/* Bases alone, so that one can see what would have been earned. */
static enum decide_status price_nobody(struct decide_work *work)
{
	const struct event *const terms = work->decision->folded.terms;
	struct decide_priced priced;
	if (!priced_init(&priced, terms->line_count, false))
		return DECIDE_NO_MEMORY;
	work->decision->shares[0] =
		(struct decide_share){.reason = work->decision->reason, .lines = priced.lines};
	work->decision->share_count = 1;
	return price_bases(terms, work->left, priced.lines) ? DECIDE_OK : DECIDE_OVERFLOW;
}

static enum decide_status add_share(struct decide_work *work, unsigned place)
{
	struct decision *const decision = work->decision;
	struct decide_share *const share = &decision->shares[decision->share_count++];
	struct decide_priced priced;
	struct decide_parts parts;
	*share = (struct decide_share){.affiliate_id = work->winners[place]};
	enum decide_status status =
		decide_price(work, place, decision->folded.terms, work->left, &priced);
	if (status != DECIDE_OK)
		return status;
	share->lines = priced.lines;
	share->rules = priced.rules;
	share->full_minor = priced.full_minor;
	share->share_minor = priced.share_minor;
	if (!decide_parts(&priced, work->winner_count, &parts))
		return DECIDE_OVERFLOW;
	if (decision->folded.is_confirmed && !decision->folded.is_test)
		status = decide_grants(work, place, share);
	const int64_t due_minor = due_of(share, &parts, share->share_minor);
	if (status == DECIDE_OK && is_whole(work))
		share->confirmed_minor = due_minor;
	else if (status == DECIDE_OK && decision->folded.confirmed != NULL)
		status = confirm(work, place, share);
	return status == DECIDE_OK ? settle(work, share, &parts, due_minor) : status;
}

/* The terms are the first confirmed ones, and nothing was taken off. */
static bool is_whole(const struct decide_work *work)
{
	const struct folded *const folded = &work->decision->folded;
	bool is_so = folded->terms == folded->confirmed;
	for (unsigned i = 0; is_so && i < folded->terms->line_count; i++)
		is_so = work->left[i].left_minor == work->left[i].discounted_minor &&
			work->left[i].quantity_left == folded->terms->lines[i].quantity;
	return is_so;
}

static enum decide_status confirm(
	const struct decide_work *work, unsigned place, struct decide_share *share)
{
	const struct event *const terms = work->decision->folded.confirmed;
	struct left_line left[ORDER_LINES_MAX];
	struct decide_priced priced;
	struct decide_parts parts;
	if (terms->line_count > ORDER_LINES_MAX || left_whole(terms, left) != LEFT_OK)
		return DECIDE_OVERFLOW;
	const enum decide_status status = decide_price(work, place, terms, left, &priced);
	if (status != DECIDE_OK)
		return status;
	const bool is_ok = decide_parts(&priced, work->winner_count, &parts);
	if (is_ok)
		share->confirmed_minor = due_of(share, &parts, priced.share_minor);
	decide_priced_release(&priced);
	return is_ok ? DECIDE_OK : DECIDE_OVERFLOW;
}

/* What the caps by period leave of a share. */
static int64_t due_of(
	const struct decide_share *share, const struct decide_parts *parts, int64_t share_minor)
{
	int64_t due_minor = share_minor;
	for (unsigned i = 0; i < parts->count; i++) {
		const struct decide_part *const part = &parts->parts[i];
		const struct decide_grant *const grant = decide_grant(share, part->rule->rule_id);
		if (grant != NULL && part->amount_minor > grant->granted_minor)
			due_minor -= part->amount_minor - grant->granted_minor;
	}
	return due_minor;
}

/* Whether the amount is due, why, and what of it stands under which grant. */
static enum decide_status settle(const struct decide_work *work, struct decide_share *share,
	const struct decide_parts *parts, int64_t due_minor)
{
	const struct folded *const folded = &work->decision->folded;
	share->reason = money_reason(work, share, due_minor);
	share->is_void = true;
	if (fold_is_voided(work->events, work->count, share->affiliate_id))
		share->reason = OUTCOME_OPERATOR_VOID;
	else if (folded->is_out)
		share->reason = folded->out_reason;
	else if (work->left_result.is_nothing_left && due_minor == 0)
		share->reason =
			OUTCOME_RETURNED; /* an amount of the order stays while a unit does */
	else
		share->is_void = false;
	const bool is_due = folded->is_confirmed && !share->is_void;
	share->amount_minor = is_due ? due_minor : 0;
	for (unsigned i = 0; i < parts->count; i++) {
		const struct decide_part *const part = &parts->parts[i];
		struct decide_grant *const grant = decide_grant(share, part->rule->rule_id);
		if (grant == NULL)
			continue;
		if (is_due)
			grant->used_minor = part->amount_minor < grant->granted_minor
						    ? part->amount_minor
						    : grant->granted_minor;
		if (work->winner_count == 1 &&
			!price_cap(share->lines, folded->terms->line_count, part->rule->rule_id,
				grant->granted_minor, OUTCOME_CAPPED_PERIOD))
			return DECIDE_OVERFLOW;
	}
	return DECIDE_OK;
}

/* Of a zero: why its first line that has a reason came to nothing. Of what a cap has taken from:
 * the last that did. */
static enum outcome money_reason(
	const struct decide_work *work, const struct decide_share *share, int64_t due_minor)
{
	enum outcome first = OUTCOME_NONE, cap = OUTCOME_NONE;
	if (work->is_self_referral)
		return OUTCOME_SELF_REFERRAL;
	if (due_minor < share->share_minor)
		return OUTCOME_CAPPED_PERIOD;
	for (unsigned i = 0; i < work->decision->folded.terms->line_count; i++) {
		const enum outcome reason = share->lines[i].reason;
		if (first == OUTCOME_NONE)
			first = reason;
		if (reason == OUTCOME_CAPPED_ORDER ||
			(reason == OUTCOME_CAPPED_LINE && cap == OUTCOME_NONE))
			cap = reason;
	}
	if (due_minor == 0 && share->full_minor > 0)
		return OUTCOME_ROUNDS_TO_ZERO; /* there are more winners than units */
	if (due_minor == 0 && first != OUTCOME_NONE)
		return first;
	return cap != OUTCOME_NONE ? cap : work->reason;
}

/* What an earlier version froze holds; what it had not is looked up at placed_at. */
static const struct rule *find_rule(const struct decide_work *work, uint32_t affiliate_id,
	const struct event *terms, unsigned index, struct decide_priced *priced)
{
	const struct decide_known *const known = work->known;
	const struct order_line *const line = &terms->lines[index];
	enum outcome *const why = &priced->lines[index].reason;
	const struct decide_frozen *const frozen = find_frozen(known, affiliate_id, line, index);
	if (frozen != NULL) {
		*why = frozen->why;
		return frozen->rule.rule_id != 0 ? &frozen->rule : NULL;
	}
	const struct decide_product *const product = find_product(known, line->product_id);
	const struct rule_query query = {.affiliate_id = affiliate_id,
		.product_id = product != NULL ? product->product_id : 0,
		.category = product != NULL ? product->category : (struct str){0},
		.currency = work->decision->folded.first->currency,
		.placed_us = work->decision->folded.placed_us};
	const struct rule *const rule = rule_pick(known->rules, known->rule_count, &query, why);
	if (rule == NULL || rule->rate_bp == RULE_NO_RATE || priced->rules == NULL)
		return rule;
	const struct decide_affiliate *const affiliate = decide_affiliate(known, affiliate_id);
	priced->rules[index] = *rule;
	priced->rules[index].tier_bonus_bp = affiliate->tier_bonus_bp;
	priced->rules[index].tier_rate_bp = affiliate->tier_rate_bp;
	return &priced->rules[index];
}

/* Those of one affiliate stand together by index, and most lines are where they were. */
static const struct decide_frozen *find_frozen(const struct decide_known *known,
	uint32_t affiliate_id, const struct order_line *line, unsigned index)
{
	unsigned from = 0;
	while (from < known->frozen_count && known->frozen[from].affiliate_id != affiliate_id)
		from++;
	if (index < known->frozen_count - from &&
		is_frozen_as(&known->frozen[from + index], affiliate_id, line))
		return &known->frozen[from + index];
	for (unsigned i = from; i < known->frozen_count; i++)
		if (is_frozen_as(&known->frozen[i], affiliate_id, line))
			return &known->frozen[i];
	return NULL;
}

/* Lines of a zero share for self-referral were never looked up. */
static bool is_frozen_as(
	const struct decide_frozen *frozen, uint32_t affiliate_id, const struct order_line *line)
{
	const bool was_looked_up = frozen->rule.rule_id != 0 || frozen->why == OUTCOME_NO_RULE ||
				   frozen->why == OUTCOME_NO_RULE_FOR_CURRENCY;
	return was_looked_up && frozen->affiliate_id == affiliate_id &&
	       str_equal(frozen->line_id, line->line_id) &&
	       str_equal(frozen->product_id, line->product_id);
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

static bool has_tier(const struct decide_affiliate *affiliate)
{
	return affiliate->tier_bonus_bp != 0 || affiliate->tier_rate_bp != RULE_NO_RATE;
}
