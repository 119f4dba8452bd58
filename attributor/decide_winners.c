/* SPDX-License-Identifier: Apache-2.0
 * Whose an order is: by its evidence, unless that came too late or an operator said otherwise. */
#include <string.h>

#include "decide_parts.h"

static void take_evidence(struct decide_work *work);
static bool is_kept(const struct decide_work *work);
static bool is_who(enum outcome reason);
static bool had_reassignment(const struct decide_work *work);
static void keep_live(struct decide_work *work);
static enum outcome live_reason(const struct decide_known *known);
static void reassign(struct decide_work *work, uint32_t affiliate_id);
static void add_reviews(struct decide_work *work);

void decide_winners(struct decide_work *work)
{
	const struct event *const reassigned = work->decision->folded.reassigned;
	take_evidence(work);
	if (reassigned != NULL && reassigned->affiliate_id != 0)
		reassign(work, reassigned->affiliate_id);
	else if (is_kept(work))
		keep_live(work);
	add_reviews(work);
}

static void take_evidence(struct decide_work *work)
{
	const struct match_result *const match = &work->match;
	work->reason = match->reason;
	work->evidence = match->evidence;
	work->winner_count = match->winner_count;
	memcpy(work->winners, match->winners, sizeof(work->winners));
	work->decision->winning_click = match->winning_click;
	if (match->is_coupon_stacked)
		work->decision->reviews |= 1u << DECIDE_REVIEW_COUPON_STACKED;
	if (work->winner_count > 0 || match->self_referrer == 0)
		return;
	work->is_self_referral = true;
	work->winners[0] = match->self_referrer;
	work->winner_count = 1;
}

/* Money that was approved follows no evidence any more. Where the live winner was an operator's
 * choice that no longer holds, there is nothing to keep. */
static bool is_kept(const struct decide_work *work)
{
	const struct decide_known *const known = work->known;
	const bool is_same = known->live_winner_count == work->winner_count &&
			     (work->winner_count == 0 ||
				     memcmp(known->live_winners, work->winners,
					     work->winner_count * sizeof(work->winners[0])) == 0);
	if (!known->is_locked || is_same)
		return false;
	return is_who(known->live_reason) || !had_reassignment(work);
}

/* Decisions of a conflict, of tests and of operators have other reasons, which do not say whose the
 * order is by its evidence. */
static bool is_who(enum outcome reason)
{
	return (reason >= OUTCOME_WON_COUPON && reason <= OUTCOME_SHARED_LINEAR) ||
	       reason == OUTCOME_ALL_REFUSED || reason == OUTCOME_NO_CANDIDATES;
}

static bool had_reassignment(const struct decide_work *work)
{
	for (unsigned i = 0; i < work->count; i++)
		if (work->events[i]->type == EVENT_REASSIGN)
			return true;
	return false;
}

static void keep_live(struct decide_work *work)
{
	const struct decide_known *const known = work->known;
	work->winner_count = known->live_winner_count < DECIDE_WINNERS_MAX
				     ? known->live_winner_count
				     : DECIDE_WINNERS_MAX;
	for (unsigned i = 0; i < work->winner_count; i++)
		work->winners[i] = known->live_winners[i];
	work->reason = live_reason(known);
	work->is_self_referral = work->winner_count > 0 && work->reason == OUTCOME_ALL_REFUSED;
	work->evidence = known->live_evidence;
	work->decision->is_winner_kept = true;
	work->decision->winning_click = NULL;
	work->decision->reviews |= 1u << DECIDE_REVIEW_LATE_EVIDENCE;
	work->decision->reviews &= ~(1u << DECIDE_REVIEW_COUPON_STACKED);
}

/* Of a conflict: what its verdicts say. */
static enum outcome live_reason(const struct decide_known *known)
{
	if (is_who(known->live_reason))
		return known->live_reason;
	enum outcome reason =
		known->verdict_count > 0 ? OUTCOME_ALL_REFUSED : OUTCOME_NO_CANDIDATES;
	for (unsigned i = 0; i < known->verdict_count; i++) {
		const enum outcome verdict = known->verdicts[i].verdict;
		const bool is_coupon = verdict == OUTCOME_WON_COUPON;
		if (verdict >= OUTCOME_WON_COUPON && verdict <= OUTCOME_SHARED_LINEAR &&
			is_coupon == (known->live_evidence == EVIDENCE_COUPON))
			reason = verdict;
	}
	return reason;
}

static void reassign(struct decide_work *work, uint32_t affiliate_id)
{
	work->winners[0] = affiliate_id;
	work->winner_count = 1;
	work->is_self_referral = false;
	work->reason = OUTCOME_OPERATOR_REASSIGNED;
	work->evidence = EVIDENCE_OPERATOR;
	work->decision->winning_click = NULL;
}

static void add_reviews(struct decide_work *work)
{
	const bool is_watched = work->known->self_referral == SELF_REFERRAL_REVIEW &&
				work->reason != OUTCOME_OPERATOR_REASSIGNED;
	for (unsigned i = 0; i < work->winner_count && !work->is_self_referral; i++) {
		const struct decide_affiliate *const affiliate =
			decide_affiliate(work->known, work->winners[i]);
		if (affiliate == NULL)
			continue;
		if (is_watched && decide_is_customer(work, affiliate, work->customers))
			work->decision->reviews |= 1u << DECIDE_REVIEW_SELF_REFERRAL;
		if (affiliate->is_suspended_now)
			work->decision->reviews |= 1u << DECIDE_REVIEW_AFFILIATE_SUSPENDED;
	}
}
