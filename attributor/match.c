/* SPDX-License-Identifier: Apache-2.0
 * Who earned an order: each candidate is refused for a reason or stands, and of those that stand
 * one wins. */
#include "match.h"

#include <string.h>

#include "timestamp.h"

#define MS_PER_S 1000

#define OUTCOME_NAME(name, text) [OUTCOME_##name] = text,
static const char *const outcome_names[OUTCOME_COUNT] = {OUTCOMES(OUTCOME_NAME)};

static enum outcome check(const struct match_input *input, const struct match_candidate *candidate);
static enum outcome check_window(
	const struct match_input *input, const struct match_candidate *candidate);
static bool is_better(
	enum match_model model, const struct match_candidate *a, const struct match_candidate *b);

const char *outcome_name(enum outcome outcome)
{
	return outcome_names[outcome];
}

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
	}
	return "";
}

void match_decide(const struct match_input *input, struct match_candidate *candidates,
	unsigned count, struct match_result *result)
{
	const bool is_first = input->model == MATCH_FIRST;
	const enum outcome lost =
		is_first ? OUTCOME_LOST_TO_EARLIER_CLICK : OUTCOME_LOST_TO_LATER_CLICK;
	*result = (struct match_result){
		.winner = -1, .reason = count > 0 ? OUTCOME_ALL_REFUSED : OUTCOME_NO_CANDIDATES};
	for (unsigned i = 0; i < count; i++) {
		candidates[i].verdict = check(input, &candidates[i]);
		if (candidates[i].verdict != OUTCOME_NONE)
			continue;
		candidates[i].verdict = lost;
		if (result->winner < 0 ||
			is_better(input->model, &candidates[i], &candidates[result->winner]))
			result->winner = (int)i;
	}
	if (result->winner < 0)
		return;
	struct match_candidate *winner = &candidates[result->winner];
	winner->verdict = is_first ? OUTCOME_WON_FIRST_CLICK : OUTCOME_WON_LAST_CLICK;
	result->reason = winner->verdict;
	result->evidence =
		winner->click.evidence == CLICK_RECORD_AGREES ? EVIDENCE_RECORD : EVIDENCE_TOKEN;
}

/* The first reason to refuse, in the order of MONEY section 2; NONE: it stands. Of a token that did
 * not open nothing else is known. */
static enum outcome check(const struct match_input *input, const struct match_candidate *candidate)
{
	if (candidate->is_coupon)
		return OUTCOME_COUPON_UNKNOWN;
	if (candidate->click.result == TOKEN_REVOKED_KEY)
		return OUTCOME_KEY_REVOKED;
	if (candidate->click.result != TOKEN_OK)
		return OUTCOME_BAD_TOKEN;
	if (candidate->product_store_id != input->store_id)
		return OUTCOME_WRONG_STORE;
	if (candidate->standing == AFFILIATE_SUSPENDED)
		return OUTCOME_AFFILIATE_SUSPENDED;
	const enum outcome outside = check_window(input, candidate);
	if (outside != OUTCOME_NONE)
		return outside;
	if (candidate->is_customer && input->blocks_self_referral)
		return OUTCOME_SELF_REFERRAL;
	if (candidate->click.evidence == CLICK_RECORD_MISMATCH)
		return OUTCOME_RECORD_MISMATCH;
	if (candidate->standing == AFFILIATE_UNKNOWN)
		return OUTCOME_UNKNOWN_AFFILIATE;
	return OUTCOME_NONE;
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

/* By click time in seconds, then by id: since ids begin with their time in milliseconds, big
 * endian, the bytes of the ids say both. */
static bool is_better(
	enum match_model model, const struct match_candidate *a, const struct match_candidate *b)
{
	const int order = memcmp(a->click.claim.click_id, b->click.claim.click_id, CLICK_ID_BYTES);
	return model == MATCH_FIRST ? order < 0 : order > 0;
}
