/* SPDX-License-Identifier: Apache-2.0
 * Who earned an order: each candidate is refused for a reason or stands, and of those that stand
 * one wins, or several share. */
#include "match.h"

#include <string.h>

#include "timestamp.h"

#define MS_PER_S 1000

/* A match under way: candidates that stand have the verdict NONE until they have won or lost. */
struct match {
	const struct match_input *input;
	struct match_candidate *candidates;
	unsigned count;
	struct match_result *result;
};

static enum outcome check(const struct match_input *input, const struct match_candidate *candidate);
static enum outcome check_click(
	const struct match_input *input, const struct match_candidate *candidate);
static enum outcome check_coupon(
	const struct match_input *input, const struct match_candidate *candidate);
static enum outcome check_window(
	const struct match_input *input, const struct match_candidate *candidate);
static bool rests_outside(enum outcome verdict);
static bool has_stood(enum outcome verdict);
static bool has_passed(const struct match_candidate *candidate, enum outcome refusal);
static bool decide(struct match *match);
static bool is_standing(const struct match *match, unsigned index, bool is_coupon);
static int first_coupon(const struct match *match);
static int best_click(const struct match *match, uint32_t affiliate_id);
static void win_by_coupon(struct match *match, unsigned coupon);
static void win_by_click(struct match *match, unsigned click);
static void win_by_sharing(struct match *match);
static void rank_clicks(struct match *match, unsigned best, uint32_t affiliate_id);
static void place_coupons(struct match *match);
static void add_winner(struct match_result *result, uint32_t affiliate_id);
static bool has_winner(const struct match_result *result, uint32_t affiliate_id);
static void find_self_referrer(struct match *match);
static bool is_better(
	enum match_model model, const struct match_candidate *a, const struct match_candidate *b);

const char *match_evidence_name(enum match_evidence evidence)
{
	switch (evidence) {
	case EVIDENCE_NONE:
		return "";
	case EVIDENCE_RECORD:
		return "record";
	case EVIDENCE_TOKEN:
		return "token";
	case EVIDENCE_COUPON:
		return "coupon";
	case EVIDENCE_OPERATOR:
		return "operator";
	}
	return "";
}

void match_decide(const struct match_input *input, struct match_candidate *candidates,
	unsigned count, struct match_result *result)
{
	struct match match = {input, candidates, count, result};
	*result = (struct match_result){
		.reason = count > 0 ? OUTCOME_ALL_REFUSED : OUTCOME_NO_CANDIDATES};
	for (unsigned i = 0; i < count; i++)
		candidates[i].verdict = check(input, &candidates[i]);
	if (!decide(&match))
		find_self_referrer(&match);
}

/* The first reason to refuse, in the order of MONEY section 2; NONE: it stands. */
static enum outcome check(const struct match_input *input, const struct match_candidate *candidate)
{
	const bool is_self = candidate->is_customer && input->blocks_self_referral &&
			     candidate->known > OUTCOME_SELF_REFERRAL;
	if (rests_outside(candidate->known) && !is_self)
		return candidate->known;
	return candidate->is_coupon ? check_coupon(input, candidate)
				    : check_click(input, candidate);
}

/* Of a token that did not open nothing else is known. */
static enum outcome check_click(
	const struct match_input *input, const struct match_candidate *candidate)
{
	if (candidate->click.result == TOKEN_REVOKED_KEY)
		return OUTCOME_KEY_REVOKED;
	if (candidate->click.result != TOKEN_OK)
		return OUTCOME_BAD_TOKEN;
	if (candidate->product_store_id != input->store_id &&
		!has_passed(candidate, OUTCOME_WRONG_STORE))
		return OUTCOME_WRONG_STORE;
	if (candidate->standing == AFFILIATE_SUSPENDED &&
		!has_passed(candidate, OUTCOME_AFFILIATE_SUSPENDED))
		return OUTCOME_AFFILIATE_SUSPENDED;
	const enum outcome outside = check_window(input, candidate);
	if (outside != OUTCOME_NONE)
		return outside;
	if (candidate->is_customer && input->blocks_self_referral)
		return OUTCOME_SELF_REFERRAL;
	if (candidate->click.evidence == CLICK_RECORD_MISMATCH)
		return OUTCOME_RECORD_MISMATCH;
	if (candidate->standing == AFFILIATE_UNKNOWN &&
		!has_passed(candidate, OUTCOME_UNKNOWN_AFFILIATE))
		return OUTCOME_UNKNOWN_AFFILIATE;
	return OUTCOME_NONE;
}

/* A coupon that lost was not used: whether there is room is asked again when it wins after all. */
static enum outcome check_coupon(
	const struct match_input *input, const struct match_candidate *candidate)
{
	const bool stood = has_stood(candidate->known);
	if (candidate->coupon_id == 0)
		return OUTCOME_COUPON_UNKNOWN;
	if (candidate->standing == AFFILIATE_SUSPENDED && !stood)
		return OUTCOME_AFFILIATE_SUSPENDED;
	if (candidate->is_customer && input->blocks_self_referral)
		return OUTCOME_SELF_REFERRAL;
	if (candidate->standing == AFFILIATE_UNKNOWN && !stood)
		return OUTCOME_UNKNOWN_AFFILIATE;
	if (candidate->held_back == OUTCOME_COUPON_EXHAUSTED)
		return candidate->known == OUTCOME_WON_COUPON ? OUTCOME_NONE
							      : OUTCOME_COUPON_EXHAUSTED;
	return stood ? OUTCOME_NONE : candidate->held_back;
}

/* -300 s <= placed_at - click time <= window, inclusive, click time cut to seconds. */
static enum outcome check_window(
	const struct match_input *input, const struct match_candidate *candidate)
{
	const struct click_claim *claim = &candidate->click.claim;
	const int64_t clicked_s = click_id_ms(claim->click_id) / MS_PER_S;
	const int64_t age_us = input->placed_us - clicked_s * US_PER_S;
	if (age_us < -MATCH_EARLY_S * US_PER_S)
		return OUTCOME_CLICK_AFTER_ORDER;
	if (age_us > (int64_t)claim->window_s * US_PER_S)
		return OUTCOME_OUT_OF_WINDOW;
	return OUTCOME_NONE;
}

/* Refusals for what the database knew, not for what the event says. */
static bool rests_outside(enum outcome verdict)
{
	return verdict == OUTCOME_WRONG_STORE || verdict == OUTCOME_AFFILIATE_SUSPENDED ||
	       verdict == OUTCOME_SELF_REFERRAL || verdict == OUTCOME_UNKNOWN_AFFILIATE ||
	       (verdict >= OUTCOME_COUPON_UNKNOWN && verdict <= OUTCOME_COUPON_SUSPENDED);
}

static bool has_stood(enum outcome verdict)
{
	return verdict >= OUTCOME_WON_COUPON && verdict <= OUTCOME_LOST_TO_OTHER_COUPON;
}

/* Whether the live decision had come past this refusal: it looked for them in their order. */
static bool has_passed(const struct match_candidate *candidate, enum outcome refusal)
{
	return candidate->known != OUTCOME_NONE &&
	       (has_stood(candidate->known) || candidate->known > refusal);
}

/* False: nobody stands. */
static bool decide(struct match *match)
{
	const int coupon = first_coupon(match);
	const int click = best_click(match, 0);
	const bool goes_first = match->input->precedence == MATCH_COUPON_FIRST || click < 0;
	if (coupon >= 0 && goes_first)
		win_by_coupon(match, (unsigned)coupon);
	else if (click >= 0 && match->input->model == MATCH_LINEAR)
		win_by_sharing(match);
	else if (click >= 0)
		win_by_click(match, (unsigned)click);
	return match->result->winner_count > 0;
}

static bool is_standing(const struct match *match, unsigned index, bool is_coupon)
{
	const struct match_candidate *const candidate = &match->candidates[index];
	return candidate->is_coupon == is_coupon && candidate->verdict == OUTCOME_NONE;
}

static int first_coupon(const struct match *match)
{
	for (unsigned i = 0; i < match->count; i++)
		if (is_standing(match, i, true))
			return (int)i;
	return -1;
}

/* Of one affiliate, or of all (0); with MATCH_LINEAR the latest. */
static int best_click(const struct match *match, uint32_t affiliate_id)
{
	int best = -1;
	for (unsigned i = 0; i < match->count; i++) {
		const struct match_candidate *const click = &match->candidates[i];
		if (!is_standing(match, i, false) ||
			(affiliate_id != 0 && click->affiliate_id != affiliate_id))
			continue;
		if (best < 0 || is_better(match->input->model, click, &match->candidates[best]))
			best = (int)i;
	}
	return best;
}

static void win_by_coupon(struct match *match, unsigned coupon)
{
	struct match_result *const result = match->result;
	struct match_candidate *const winner = &match->candidates[coupon];
	const int beside = best_click(match, winner->affiliate_id);
	for (unsigned i = 0; i < match->count; i++) {
		struct match_candidate *const other = &match->candidates[i];
		if (!is_standing(match, i, true))
			continue;
		other->verdict = OUTCOME_LOST_TO_OTHER_COUPON;
		result->is_coupon_stacked |= other->affiliate_id != winner->affiliate_id;
	}
	winner->verdict = OUTCOME_WON_COUPON;
	if (beside >= 0)
		rank_clicks(match, (unsigned)beside, winner->affiliate_id);
	for (unsigned i = 0; i < match->count; i++)
		if (is_standing(match, i, false))
			match->candidates[i].verdict = OUTCOME_LOST_TO_COUPON;
	result->reason = OUTCOME_WON_COUPON;
	result->evidence = EVIDENCE_COUPON;
	result->coupon_id = winner->coupon_id;
	add_winner(result, winner->affiliate_id);
}

static void win_by_click(struct match *match, unsigned click)
{
	struct match_result *const result = match->result;
	const struct match_candidate *const winner = &match->candidates[click];
	rank_clicks(match, click, 0);
	result->reason = winner->verdict;
	result->evidence =
		winner->click.evidence == CLICK_RECORD_AGREES ? EVIDENCE_RECORD : EVIDENCE_TOKEN;
	add_winner(result, winner->affiliate_id);
	place_coupons(match);
}

static void win_by_sharing(struct match *match)
{
	struct match_result *const result = match->result;
	result->reason = OUTCOME_SHARED_LINEAR;
	result->evidence = EVIDENCE_RECORD;
	for (int best = best_click(match, 0); best >= 0; best = best_click(match, 0)) {
		struct match_candidate *const click = &match->candidates[best];
		if (has_winner(result, click->affiliate_id)) {
			click->verdict = OUTCOME_LOST_TO_LATER_CLICK;
			continue;
		}
		click->verdict = OUTCOME_SHARED_LINEAR;
		if (click->click.evidence != CLICK_RECORD_AGREES)
			result->evidence = EVIDENCE_TOKEN;
		result->winning_click =
			result->winner_count == 0 ? click->click.claim.click_id : NULL;
		add_winner(result, click->affiliate_id);
	}
	place_coupons(match);
}

/* Verdicts of the standing clicks of one affiliate, or of all (0), among themselves. */
static void rank_clicks(struct match *match, unsigned best, uint32_t affiliate_id)
{
	const bool is_first = match->input->model == MATCH_FIRST;
	struct match_candidate *const winner = &match->candidates[best];
	for (unsigned i = 0; i < match->count; i++) {
		struct match_candidate *const click = &match->candidates[i];
		if (is_standing(match, i, false) &&
			(affiliate_id == 0 || click->affiliate_id == affiliate_id))
			click->verdict = is_first ? OUTCOME_LOST_TO_EARLIER_CLICK
						  : OUTCOME_LOST_TO_LATER_CLICK;
	}
	winner->verdict = is_first ? OUTCOME_WON_FIRST_CLICK : OUTCOME_WON_LAST_CLICK;
	match->result->winning_click = winner->click.claim.click_id;
}

/* Clicks have won: the winners' first coupon stands beside them, since one order is one use. */
static void place_coupons(struct match *match)
{
	struct match_result *const result = match->result;
	for (unsigned i = 0; i < match->count; i++) {
		struct match_candidate *const coupon = &match->candidates[i];
		if (!is_standing(match, i, true))
			continue;
		if (!has_winner(result, coupon->affiliate_id)) {
			coupon->verdict = OUTCOME_LOST_TO_CLICK;
		} else if (result->coupon_id != 0) {
			coupon->verdict = OUTCOME_LOST_TO_OTHER_COUPON;
		} else {
			coupon->verdict = OUTCOME_WON_COUPON;
			result->coupon_id = coupon->coupon_id;
		}
	}
}

static void add_winner(struct match_result *result, uint32_t affiliate_id)
{
	if (result->winner_count < MATCH_WINNERS_MAX)
		result->winners[result->winner_count++] = affiliate_id;
}

static bool has_winner(const struct match_result *result, uint32_t affiliate_id)
{
	for (unsigned i = 0; i < result->winner_count; i++)
		if (result->winners[i] == affiliate_id)
			return true;
	return false;
}

/* Nobody stands: matches once more with those that were refused for self-referral and nothing
 * else. All that stood in it were refused so. */
static void find_self_referrer(struct match *match)
{
	struct match_result would = {0};
	struct match again = *match;
	again.result = &would;
	for (unsigned i = 0; i < match->count; i++) {
		if (match->candidates[i].verdict != OUTCOME_SELF_REFERRAL)
			continue;
		struct match_candidate other = match->candidates[i];
		other.known = OUTCOME_NONE;
		other.is_customer = false;
		if (check(match->input, &other) == OUTCOME_NONE)
			match->candidates[i].verdict = OUTCOME_NONE;
	}
	if (decide(&again))
		match->result->self_referrer = would.winners[0];
	for (unsigned i = 0; i < match->count; i++)
		if (has_stood(match->candidates[i].verdict))
			match->candidates[i].verdict = OUTCOME_SELF_REFERRAL;
}

/* By click time in seconds, then by id: since ids begin with their time in milliseconds, big
 * endian, the bytes of the ids say both. */
static bool is_better(
	enum match_model model, const struct match_candidate *a, const struct match_candidate *b)
{
	const int order = memcmp(a->click.claim.click_id, b->click.claim.click_id, CLICK_ID_BYTES);
	return model == MATCH_FIRST ? order < 0 : order > 0;
}
