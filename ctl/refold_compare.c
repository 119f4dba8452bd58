/* SPDX-License-Identifier: Apache-2.0
 * What an order's events come to against what stands: its row, its decision,
 * each winner's part. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "refold_parts.h"

static void compare_instants(const struct refold_comparison *comparison);
static bool compare_result(const struct refold_comparison *comparison);
static void compare_candidates(const struct refold_comparison *comparison);
static void compare_candidate(const struct refold_comparison *comparison, unsigned index);
static bool compare_winners(const struct refold_comparison *comparison);
static unsigned winner_count(const struct decision *decision);
static void compare_share(
	const struct refold_comparison *comparison, unsigned index, struct decide_share *share);
static bool has_frozen_first_terms(
	const struct refold_order *order, const struct decision *decision, uint32_t affiliate_id);
static bool has_frozen(
	const struct refold_order *order, uint32_t affiliate_id, const struct order_line *line);
static void compare_figure(const struct refold_comparison *comparison, uint32_t affiliate_id,
	const char *figure, int64_t stands_minor, int64_t comes_to_minor);
static void compare_lines(
	const struct refold_comparison *comparison, const struct decide_share *share);
static void compare_line(const struct refold_comparison *comparison,
	const struct decide_share *share, const struct refold_line *line, unsigned index);

void refold_compare_order(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct folded *const folded = &comparison->decision->folded;
	if (!str_equal(order->state, str_from(order_state_name(folded->state))))
		refold_tell(comparison, "it is %s, its events come to %s", order->state.data,
			order_state_name(folded->state));
	if (order->is_test != folded->is_test)
		refold_tell(comparison, "it is %s test order, its events say otherwise",
			order->is_test ? "a" : "no");
	if (order->is_waiting != folded->is_waiting ||
		(folded->is_waiting && order->waiting_us != folded->waiting_since_us))
		refold_tell(comparison, "its events say otherwise of whether, or since when, it "
					"waits");
	if (folded->first != NULL && !str_equal(order->currency, str_from(folded->first->currency)))
		refold_tell(comparison, "it is in %s, its events are in %s",
			order->currency.len > 0 ? order->currency.data : "no currency",
			folded->first->currency);
	compare_instants(comparison);
}

bool refold_compare_decision(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	struct decision *const decision = comparison->decision;
	if (order->version == 0) {
		refold_tell(comparison, "it has no decision, its events come to %s",
			outcome_name(decision->reason));
		return false;
	}
	if (!compare_result(comparison))
		return false;
	if (order->is_total_wrong != decision->is_total_wrong)
		refold_tell(comparison, "its total %s flagged, its events say otherwise",
			order->is_total_wrong ? "is" : "is not");
	if (!decision->is_winner_kept)
		compare_candidates(comparison);
	if (!compare_winners(comparison))
		return false;
	const bool is_told = order->share_count > 0;
	for (unsigned i = 0; i < decision->share_count; i++) {
		if (is_told && decision->shares[i].affiliate_id != 0)
			compare_share(comparison, i, &decision->shares[i]);
		compare_lines(comparison, &decision->shares[i]);
	}
	return true;
}

static void compare_instants(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct folded *const folded = &comparison->decision->folded;
	const struct {
		const char *name;
		int64_t stands_us, comes_to_us;
	} instants[] = {{"placed_at", order->placed_us, folded->placed_us},
		{"confirmed_at", order->confirmed_us, folded->confirmed_us},
		{"shipped_at", order->shipped_us, folded->shipped_us},
		{"delivered_at", order->delivered_us, folded->delivered_us},
		{"collected_at", order->collected_us, folded->collected_us}};
	for (unsigned i = 0; i < sizeof(instants) / sizeof(instants[0]); i++)
		if (instants[i].stands_us != instants[i].comes_to_us)
			refold_tell(
				comparison, "its %s is not what its events say", instants[i].name);
}

static bool compare_result(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decision *const decision = comparison->decision;
	if (str_equal(order->result, str_from(decision_result_name(decision->result))) &&
		str_equal(order->reason, str_from(outcome_name(decision->reason))) &&
		str_equal(order->evidence, str_from(match_evidence_name(decision->evidence))))
		return true;
	refold_tell(comparison, "its decision is %s (%s), its events come to %s (%s)",
		order->result.data, order->reason.data, decision_result_name(decision->result),
		outcome_name(decision->reason));
	return false;
}

static void compare_candidates(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decision *const decision = comparison->decision;
	if (order->candidate_count != decision->candidate_count) {
		refold_tell(comparison, "it has %u candidates, its events come to %u",
			order->candidate_count, decision->candidate_count);
		return;
	}
	for (unsigned i = 0; i < order->candidate_count; i++)
		compare_candidate(comparison, i);
}

static void compare_candidate(const struct refold_comparison *comparison, unsigned index)
{
	const struct refold_candidate *const stands = &comparison->order->candidates[index];
	const struct match_candidate *const says = &comparison->decision->candidates[index];
	const bool has_click = !says->is_coupon && says->click.result == TOKEN_OK;
	const uint32_t affiliate_id =
		says->is_coupon || has_click ? says->affiliate_id : stands->affiliate_id;
	if (stands->is_coupon != says->is_coupon || stands->has_click != has_click ||
		(says->is_coupon && !str_equal(stands->coupon, says->coupon)) ||
		(has_click &&
			memcmp(stands->click_id, says->click.claim.click_id, CLICK_ID_BYTES) != 0))
		refold_tell(comparison, "candidate %u is not that of its events", index + 1);
	else if (stands->verdict != says->verdict || stands->affiliate_id != affiliate_id)
		refold_tell(comparison,
			"candidate %u is affiliate %" PRIu32
			" (%s), its events say affiliate %" PRIu32 " (%s)",
			index + 1, stands->affiliate_id, outcome_name(stands->verdict),
			affiliate_id, outcome_name(says->verdict));
}

/* False: somebody else won, so that no amount can be compared. */
static bool compare_winners(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decision *const decision = comparison->decision;
	const unsigned count = winner_count(decision);
	if (order->share_count == 0 && order->line_count > 0 && order->lines[0].quantity_left < 0)
		return true; /* decided before parts were written: the lines and rows tell
			      */
	if (order->share_count != count) {
		refold_tell(comparison, "%u affiliates have a part in it, its events say %u",
			order->share_count, count);
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		if (order->shares[i].affiliate_id == decision->shares[i].affiliate_id)
			continue;
		refold_tell(comparison,
			"affiliate %" PRIu32 " has a part in it, its events say affiliate %" PRIu32,
			order->shares[i].affiliate_id, decision->shares[i].affiliate_id);
		return false;
	}
	return true;
}

static unsigned winner_count(const struct decision *decision)
{
	unsigned count = 0;
	while (count < decision->share_count && decision->shares[count].affiliate_id != 0)
		count++;
	return count;
}

/* What it was when the order was confirmed is taken as it stands where lines of
 * then have gone: the rules that they fell to are not frozen any more. */
static void compare_share(
	const struct refold_comparison *comparison, unsigned index, struct decide_share *share)
{
	const struct refold_share *const stands = &comparison->order->shares[index];
	if (!has_frozen_first_terms(comparison->order, comparison->decision, share->affiliate_id))
		share->confirmed_minor = stands->confirmed_minor;
	const uint32_t id = share->affiliate_id;
	compare_figure(comparison, id, "full part", stands->full_minor, share->full_minor);
	compare_figure(comparison, id, "share", stands->share_minor, share->share_minor);
	compare_figure(comparison, id, "due part", stands->amount_minor, share->amount_minor);
	compare_figure(comparison, id, "part at confirmation", stands->confirmed_minor,
		share->confirmed_minor);
	if (stands->reason != share->reason)
		refold_tell(comparison,
			"the part of affiliate %" PRIu32 " is %s, its events come to %s", id,
			outcome_name(stands->reason), outcome_name(share->reason));
}

static bool has_frozen_first_terms(
	const struct refold_order *order, const struct decision *decision, uint32_t affiliate_id)
{
	const struct event *const terms = decision->folded.confirmed;
	for (unsigned i = 0; terms != NULL && i < terms->line_count; i++)
		if (!has_frozen(order, affiliate_id, &terms->lines[i]))
			return false;
	return true;
}

static bool has_frozen(
	const struct refold_order *order, uint32_t affiliate_id, const struct order_line *line)
{
	for (unsigned i = 0; i < order->line_count; i++)
		if (order->frozen[i].affiliate_id == affiliate_id &&
			str_equal(order->frozen[i].line_id, line->line_id) &&
			str_equal(order->frozen[i].product_id, line->product_id))
			return true;
	return false;
}

static void compare_figure(const struct refold_comparison *comparison, uint32_t affiliate_id,
	const char *figure, int64_t stands_minor, int64_t comes_to_minor)
{
	char stands[MONEY_TEXT_MAX], comes_to[MONEY_TEXT_MAX];
	if (stands_minor != comes_to_minor)
		refold_tell(comparison,
			"the %s of affiliate %" PRIu32 " is %s, its events come to %s", figure,
			affiliate_id, refold_amount(comparison, stands, stands_minor),
			refold_amount(comparison, comes_to, comes_to_minor));
}

/* Lines stand sorted by affiliate, then as they came. */
static void compare_lines(
	const struct refold_comparison *comparison, const struct decide_share *share)
{
	const struct refold_order *const order = comparison->order;
	const unsigned count = comparison->decision->folded.terms->line_count;
	unsigned from = 0, standing = 0;
	while (from < order->line_count && order->lines[from].affiliate_id != share->affiliate_id)
		from++;
	while (from + standing < order->line_count &&
		order->lines[from + standing].affiliate_id == share->affiliate_id)
		standing++;
	if (standing != count)
		refold_tell(comparison, "it has %u lines, its events come to %u", standing, count);
	for (unsigned i = 0; i < count && i < standing; i++)
		compare_line(comparison, share, &order->lines[from + i], i);
}

static void compare_line(const struct refold_comparison *comparison,
	const struct decide_share *share, const struct refold_line *line, unsigned index)
{
	const struct order_line *const said = &comparison->decision->folded.terms->lines[index];
	const struct price_line *const priced = &share->lines[index];
	char stands[MONEY_TEXT_MAX], comes_to[MONEY_TEXT_MAX];
	if (line->quantity != said->quantity || !str_equal(line->line_id, said->line_id) ||
		!str_equal(line->product_id, said->product_id)) {
		refold_tell(comparison, "line %s is not what its events say", line->line_id.data);
		return;
	}
	if (!line->is_rule_true)
		refold_tell(comparison, "line %s froze a rule that is not like that",
			line->line_id.data);
	if (line->quantity_left >= 0 && line->quantity_left != priced->quantity_left)
		refold_tell(comparison,
			"of line %s %" PRId64 " are left, its events come to %" PRId64,
			line->line_id.data, line->quantity_left, priced->quantity_left);
	if (line->base_minor != priced->base_minor)
		refold_tell(comparison, "line %s has the base %s, its events come to %s",
			line->line_id.data, refold_amount(comparison, stands, line->base_minor),
			refold_amount(comparison, comes_to, priced->base_minor));
	if (line->amount_minor != priced->amount_minor)
		refold_tell(comparison, "line %s earns %s, its events come to %s",
			line->line_id.data, refold_amount(comparison, stands, line->amount_minor),
			refold_amount(comparison, comes_to, priced->amount_minor));
	else if (line->reason != priced->reason)
		refold_tell(comparison, "line %s is %s, its events come to %s", line->line_id.data,
			outcome_name(line->reason), outcome_name(priced->reason));
}
