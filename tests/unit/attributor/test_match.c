/* SPDX-License-Identifier: Apache-2.0
 * Who earned it: each refusal, their order, the window to the microsecond, and the models. */
#include "match.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "timestamp.h"

#define STORE      7
#define PLACED_S   INT64_C(1795248000)
#define WINDOW_S   (30 * 86400)
#define PLACED_US  (PLACED_S * US_PER_S)
#define CANDIDATES 8

static struct match_input input;
static struct match_candidate candidates[CANDIDATES];
static struct match_result result;

static void setup(void)
{
	input = (struct match_input){
		.store_id = STORE, .placed_us = PLACED_US, .model = MATCH_LAST};
	memset(candidates, 0, sizeof(candidates));
}

/* A click that would win, made clicked_ms; last distinguishes ids of one millisecond. */
static struct match_candidate click(uint32_t affiliate_id, int64_t clicked_ms, uint8_t last)
{
	struct match_candidate candidate = {.affiliate_id = affiliate_id,
		.product_store_id = STORE,
		.standing = AFFILIATE_ACTIVE};
	struct click_claim *claim = &candidate.click.claim;
	const struct click_bucket bucket = {.high = 1, .low = 2};
	click_id_make(claim->click_id, clicked_ms, &bucket, last);
	claim->link = (struct link_claim){.affiliate_id = affiliate_id, .product_id = 1};
	claim->window_s = WINDOW_S;
	return candidate;
}

static enum outcome verdict_of(struct match_candidate candidate)
{
	match_decide(&input, &candidate, 1, &result);
	return candidate.verdict;
}

START_TEST(no_candidates_is_a_reason_of_its_own)
{
	match_decide(&input, candidates, 0, &result);
	ck_assert_uint_eq(result.winner_count, 0);
	ck_assert_int_eq(result.reason, OUTCOME_NO_CANDIDATES);
	ck_assert_int_eq(result.evidence, EVIDENCE_NONE);
}
END_TEST

START_TEST(a_click_wins_alone)
{
	ck_assert_int_eq(verdict_of(click(5, PLACED_S * 1000 - 1000, 0)), OUTCOME_WON_LAST_CLICK);
	ck_assert_uint_eq(result.winner_count, 1);
	ck_assert_uint_eq(result.winners[0], 5);
	ck_assert_int_eq(result.reason, OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(result.evidence, EVIDENCE_TOKEN);
}
END_TEST

START_TEST(a_record_that_agrees_is_better_evidence)
{
	struct match_candidate candidate = click(5, PLACED_S * 1000, 0);
	candidate.click.evidence = CLICK_RECORD_AGREES;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(result.evidence, EVIDENCE_RECORD);
}
END_TEST

START_TEST(tokens_that_did_not_open_are_bad_or_revoked)
{
	for (unsigned i = TOKEN_BAD_LENGTH; i <= TOKEN_NOT_OURS; i++) {
		struct match_candidate candidate = {.click = {.result = (enum token_result)i}};
		ck_assert_int_eq(verdict_of(candidate),
			i == TOKEN_REVOKED_KEY ? OUTCOME_KEY_REVOKED : OUTCOME_BAD_TOKEN);
		ck_assert_int_eq(result.reason, OUTCOME_ALL_REFUSED);
		ck_assert_uint_eq(result.winner_count, 0);
	}
}
END_TEST

/* Everything wrong at once; mending the first reason shows the next. */
START_TEST(refusals_come_in_the_order_of_the_rules)
{
	struct match_candidate candidate = click(5, (PLACED_S - WINDOW_S - 1) * 1000, 0);
	candidate.product_store_id = 8;
	candidate.standing = AFFILIATE_SUSPENDED;
	candidate.click.evidence = CLICK_RECORD_MISMATCH;
	candidate.is_customer = true;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_WRONG_STORE);
	candidate.product_store_id = 0;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_WRONG_STORE);
	candidate.product_store_id = STORE;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_AFFILIATE_SUSPENDED);
	candidate.standing = AFFILIATE_UNKNOWN;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_OUT_OF_WINDOW);
	candidate.click.claim.window_s++;
	input.blocks_self_referral = true;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_SELF_REFERRAL);
	input.blocks_self_referral = false;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_RECORD_MISMATCH);
	candidate.click.evidence = CLICK_RECORD_NONE;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_UNKNOWN_AFFILIATE);
	candidate.standing = AFFILIATE_ACTIVE;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_WON_LAST_CLICK);
}
END_TEST

/* Age of the order against a click at PLACED_S, in microseconds, with a window of 100 s. */
static const struct {
	int64_t age_us;
	int64_t click_ms; /* of its second */
	enum outcome verdict;
} windows[] = {
	{-300000001, 0, OUTCOME_CLICK_AFTER_ORDER},
	{-300000000, 0, OUTCOME_WON_LAST_CLICK},
	{-300000000, 999, OUTCOME_WON_LAST_CLICK},
	{-299999999, 0, OUTCOME_WON_LAST_CLICK},
	{0, 0, OUTCOME_WON_LAST_CLICK},
	{99999999, 0, OUTCOME_WON_LAST_CLICK},
	{100000000, 0, OUTCOME_WON_LAST_CLICK},
	{100000001, 0, OUTCOME_OUT_OF_WINDOW},
	{100000001, 999, OUTCOME_OUT_OF_WINDOW},
	{INT64_C(253402300799999999) - PLACED_US, 0, OUTCOME_OUT_OF_WINDOW},
	{-PLACED_US, 0, OUTCOME_CLICK_AFTER_ORDER},
};

START_TEST(the_window_is_inclusive_and_exact)
{
	struct match_candidate candidate = click(5, PLACED_S * 1000 + windows[_i].click_ms, 0);
	candidate.click.claim.window_s = 100;
	input.placed_us = PLACED_US + windows[_i].age_us;
	ck_assert_int_eq(verdict_of(candidate), windows[_i].verdict);
}
END_TEST

START_TEST(the_extremes_of_times_and_windows_do_not_overflow)
{
	struct match_candidate candidate = click(5, (INT64_C(1) << 48) - 1, 0);
	candidate.click.claim.window_s = UINT32_MAX;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_CLICK_AFTER_ORDER);
	candidate = click(5, 0, 0);
	candidate.click.claim.window_s = UINT32_MAX;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_WON_LAST_CLICK);
	candidate.click.claim.window_s = 0;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_OUT_OF_WINDOW);
}
END_TEST

START_TEST(day_0_30_days_placed_day_29_is_inside)
{
	ck_assert_int_eq(
		verdict_of(click(5, (PLACED_S - 29 * 86400) * 1000, 0)), OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(
		verdict_of(click(5, (PLACED_S - 31 * 86400) * 1000, 0)), OUTCOME_OUT_OF_WINDOW);
}
END_TEST

START_TEST(the_last_click_wins_wherever_it_stands)
{
	for (unsigned last = 0; last < 3; last++) {
		for (unsigned i = 0; i < 3; i++)
			candidates[i] = click(i + 1,
				(PLACED_S - 100) * 1000 + (i == last ? 50000 : (int64_t)i), 0);
		match_decide(&input, candidates, 3, &result);
		ck_assert_ptr_eq(result.winning_click, candidates[last].click.claim.click_id);
		ck_assert_uint_eq(result.winners[0], last + 1);
		for (unsigned i = 0; i < 3; i++)
			ck_assert_int_eq(candidates[i].verdict,
				i == last ? OUTCOME_WON_LAST_CLICK : OUTCOME_LOST_TO_LATER_CLICK);
	}
}
END_TEST

START_TEST(the_first_click_wins_in_a_first_click_store)
{
	input.model = MATCH_FIRST;
	candidates[0] = click(1, (PLACED_S - 10) * 1000, 0);
	candidates[1] = click(2, (PLACED_S - 20) * 1000, 0);
	candidates[2] = click(2, (PLACED_S - 5) * 1000, 0);
	match_decide(&input, candidates, 3, &result);
	ck_assert_ptr_eq(result.winning_click, candidates[1].click.claim.click_id);
	ck_assert_int_eq(result.reason, OUTCOME_WON_FIRST_CLICK);
	ck_assert_int_eq(candidates[0].verdict, OUTCOME_LOST_TO_EARLIER_CLICK);
	ck_assert_int_eq(candidates[2].verdict, OUTCOME_LOST_TO_EARLIER_CLICK);
}
END_TEST

START_TEST(ties_go_to_the_greater_click_id)
{
	candidates[0] = click(1, (PLACED_S - 10) * 1000, 4);
	candidates[1] = click(2, (PLACED_S - 10) * 1000, 5);
	match_decide(&input, candidates, 2, &result);
	ck_assert_ptr_eq(result.winning_click, candidates[1].click.claim.click_id);
	input.model = MATCH_FIRST;
	match_decide(&input, candidates, 2, &result);
	ck_assert_ptr_eq(result.winning_click, candidates[0].click.claim.click_id);
}
END_TEST

START_TEST(refused_ones_do_not_take_part)
{
	candidates[0] = click(1, (PLACED_S - 10) * 1000, 0);
	candidates[1] = click(2, (PLACED_S - 5) * 1000, 0);
	candidates[1].standing = AFFILIATE_SUSPENDED;
	candidates[2] = (struct match_candidate){.is_coupon = true, .coupon = STR("AHMED10")};
	candidates[3] = (struct match_candidate){.click = {.result = TOKEN_NOT_OURS}};
	match_decide(&input, candidates, 4, &result);
	ck_assert_ptr_eq(result.winning_click, candidates[0].click.claim.click_id);
	ck_assert_int_eq(candidates[0].verdict, OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(candidates[1].verdict, OUTCOME_AFFILIATE_SUSPENDED);
	ck_assert_int_eq(candidates[2].verdict, OUTCOME_COUPON_UNKNOWN);
	ck_assert_int_eq(candidates[3].verdict, OUTCOME_BAD_TOKEN);
}
END_TEST

/* A coupon that would win. */
static struct match_candidate coupon(uint32_t affiliate_id, int64_t coupon_id)
{
	return (struct match_candidate){.is_coupon = true,
		.coupon = STR("AHMED10"),
		.coupon_id = coupon_id,
		.affiliate_id = affiliate_id,
		.standing = AFFILIATE_ACTIVE};
}

static void decide(unsigned count)
{
	match_decide(&input, candidates, count, &result);
}

START_TEST(a_coupon_takes_all_and_its_owners_best_click_stands_beside_it)
{
	candidates[0] = click(1, (PLACED_S - 30) * 1000, 0);
	candidates[1] = click(1, (PLACED_S - 20) * 1000, 0);
	candidates[2] = click(2, (PLACED_S - 10) * 1000, 0);
	candidates[3] = coupon(1, 77);
	decide(4);
	ck_assert_int_eq(result.reason, OUTCOME_WON_COUPON);
	ck_assert_int_eq(result.evidence, EVIDENCE_COUPON);
	ck_assert_uint_eq(result.winner_count, 1);
	ck_assert_uint_eq(result.winners[0], 1);
	ck_assert_int_eq(result.coupon_id, 77);
	ck_assert(!result.is_coupon_stacked);
	ck_assert_int_eq(candidates[0].verdict, OUTCOME_LOST_TO_LATER_CLICK);
	ck_assert_int_eq(candidates[1].verdict, OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(candidates[2].verdict, OUTCOME_LOST_TO_COUPON);
	ck_assert_int_eq(candidates[3].verdict, OUTCOME_WON_COUPON);
	ck_assert_ptr_eq(result.winning_click, candidates[1].click.claim.click_id);
	input.model = MATCH_FIRST;
	decide(4);
	ck_assert_int_eq(candidates[0].verdict, OUTCOME_WON_FIRST_CLICK);
	ck_assert_int_eq(candidates[1].verdict, OUTCOME_LOST_TO_EARLIER_CLICK);
	input.model = MATCH_LINEAR;
	decide(4);
	ck_assert_int_eq(result.reason, OUTCOME_WON_COUPON);
	ck_assert_uint_eq(result.winner_count, 1);
	ck_assert_int_eq(candidates[1].verdict, OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(candidates[2].verdict, OUTCOME_LOST_TO_COUPON);
}
END_TEST

START_TEST(the_first_of_several_coupons_wins_and_owners_are_told_apart)
{
	candidates[0] = coupon(1, 76);
	candidates[0].held_back = OUTCOME_COUPON_EXPIRED;
	candidates[1] = coupon(2, 77);
	candidates[2] = coupon(2, 78);
	decide(3);
	ck_assert_int_eq(candidates[0].verdict, OUTCOME_COUPON_EXPIRED);
	ck_assert_int_eq(candidates[1].verdict, OUTCOME_WON_COUPON);
	ck_assert_int_eq(candidates[2].verdict, OUTCOME_LOST_TO_OTHER_COUPON);
	ck_assert(!result.is_coupon_stacked);
	candidates[3] = coupon(3, 79);
	decide(4);
	ck_assert_uint_eq(result.winners[0], 2);
	ck_assert_int_eq(result.coupon_id, 77);
	ck_assert_int_eq(candidates[3].verdict, OUTCOME_LOST_TO_OTHER_COUPON);
	ck_assert(result.is_coupon_stacked);
}
END_TEST

START_TEST(clicks_go_first_where_the_store_says_so)
{
	input.precedence = MATCH_CLICK_FIRST;
	candidates[0] = click(1, (PLACED_S - 30) * 1000, 0);
	candidates[1] = coupon(2, 77);
	candidates[2] = coupon(1, 78);
	candidates[3] = coupon(1, 79);
	decide(4);
	ck_assert_int_eq(result.reason, OUTCOME_WON_LAST_CLICK);
	ck_assert_uint_eq(result.winners[0], 1);
	ck_assert_int_eq(result.coupon_id, 78);
	ck_assert(!result.is_coupon_stacked);
	ck_assert_int_eq(candidates[1].verdict, OUTCOME_LOST_TO_CLICK);
	ck_assert_int_eq(candidates[2].verdict, OUTCOME_WON_COUPON);
	ck_assert_int_eq(candidates[3].verdict, OUTCOME_LOST_TO_OTHER_COUPON);
	candidates[0].standing = AFFILIATE_SUSPENDED;
	decide(4);
	ck_assert_int_eq(result.reason, OUTCOME_WON_COUPON);
	ck_assert_uint_eq(result.winners[0], 2);
	ck_assert(result.is_coupon_stacked);
}
END_TEST

START_TEST(affiliates_share_in_a_linear_store_latest_click_first)
{
	input.model = MATCH_LINEAR;
	candidates[0] = click(1, (PLACED_S - 40) * 1000, 0);
	candidates[1] = click(2, (PLACED_S - 30) * 1000, 0);
	candidates[2] = click(1, (PLACED_S - 20) * 1000, 0);
	candidates[3] = click(3, (PLACED_S - 50) * 1000, 0);
	for (unsigned i = 0; i < 4; i++)
		candidates[i].click.evidence = CLICK_RECORD_AGREES;
	decide(4);
	ck_assert_int_eq(result.reason, OUTCOME_SHARED_LINEAR);
	ck_assert_int_eq(result.evidence, EVIDENCE_RECORD);
	ck_assert_uint_eq(result.winner_count, 3);
	ck_assert_uint_eq(result.winners[0], 1);
	ck_assert_uint_eq(result.winners[1], 2);
	ck_assert_uint_eq(result.winners[2], 3);
	ck_assert_ptr_null(result.winning_click);
	ck_assert_int_eq(candidates[0].verdict, OUTCOME_LOST_TO_LATER_CLICK);
	ck_assert_int_eq(candidates[1].verdict, OUTCOME_SHARED_LINEAR);
	ck_assert_int_eq(candidates[2].verdict, OUTCOME_SHARED_LINEAR);
	candidates[0].click.evidence = CLICK_RECORD_NONE; /* it did not win */
	decide(4);
	ck_assert_int_eq(result.evidence, EVIDENCE_RECORD);
	candidates[1].click.evidence = CLICK_RECORD_NONE;
	decide(4);
	ck_assert_int_eq(result.evidence, EVIDENCE_TOKEN);
	decide(1);
	ck_assert_int_eq(result.reason, OUTCOME_SHARED_LINEAR);
	ck_assert_ptr_eq(result.winning_click, candidates[0].click.claim.click_id);
}
END_TEST

START_TEST(as_many_share_as_there_are_clicks)
{
	static struct match_candidate many[ORDER_CLICKS_MAX];
	input.model = MATCH_LINEAR;
	for (unsigned i = 0; i < ORDER_CLICKS_MAX; i++)
		many[i] = click(i + 1, (PLACED_S - 10 - (int64_t)i) * 1000, 0);
	match_decide(&input, many, ORDER_CLICKS_MAX, &result);
	ck_assert_uint_eq(result.winner_count, MATCH_WINNERS_MAX);
	for (unsigned i = 0; i < ORDER_CLICKS_MAX; i++)
		ck_assert_uint_eq(result.winners[i], i + 1);
}
END_TEST

/* Everything wrong with a coupon at once; mending the first reason shows the next. */
START_TEST(coupons_are_refused_in_the_order_of_the_rules)
{
	struct match_candidate candidate = coupon(1, 0);
	candidate.standing = AFFILIATE_SUSPENDED;
	candidate.is_customer = true;
	input.blocks_self_referral = true;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_COUPON_UNKNOWN);
	candidate.coupon_id = 77;
	candidate.held_back = OUTCOME_COUPON_SUSPENDED;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_AFFILIATE_SUSPENDED);
	candidate.standing = AFFILIATE_UNKNOWN;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_SELF_REFERRAL);
	candidate.is_customer = false;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_UNKNOWN_AFFILIATE);
	candidate.standing = AFFILIATE_ACTIVE;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_COUPON_SUSPENDED);
	candidate.held_back = OUTCOME_NONE;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_WON_COUPON);
}
END_TEST

/* What the live decision said of a click, what is wrong with it now, and what comes of it. */
static const struct {
	enum outcome known;
	enum { FINE = 0, OTHER_STORE, SUSPENDED, MISMATCH, UNKNOWN } now;
	enum outcome verdict;
} known_clicks[] = {
	{OUTCOME_WRONG_STORE, FINE, OUTCOME_WRONG_STORE},
	{OUTCOME_AFFILIATE_SUSPENDED, FINE, OUTCOME_AFFILIATE_SUSPENDED},
	{OUTCOME_SELF_REFERRAL, FINE, OUTCOME_SELF_REFERRAL},
	{OUTCOME_UNKNOWN_AFFILIATE, FINE, OUTCOME_UNKNOWN_AFFILIATE},
	{OUTCOME_WON_LAST_CLICK, OTHER_STORE, OUTCOME_WON_LAST_CLICK},
	{OUTCOME_LOST_TO_COUPON, SUSPENDED, OUTCOME_WON_LAST_CLICK},
	{OUTCOME_LOST_TO_LATER_CLICK, UNKNOWN, OUTCOME_WON_LAST_CLICK},
	{OUTCOME_WON_LAST_CLICK, MISMATCH, OUTCOME_RECORD_MISMATCH},
	{OUTCOME_RECORD_MISMATCH, FINE, OUTCOME_WON_LAST_CLICK},
	{OUTCOME_RECORD_MISMATCH, SUSPENDED, OUTCOME_WON_LAST_CLICK},
	{OUTCOME_RECORD_MISMATCH, UNKNOWN, OUTCOME_UNKNOWN_AFFILIATE},
	{OUTCOME_OUT_OF_WINDOW, SUSPENDED, OUTCOME_WON_LAST_CLICK},
	{OUTCOME_OUT_OF_WINDOW, UNKNOWN, OUTCOME_UNKNOWN_AFFILIATE},
	{OUTCOME_NONE, SUSPENDED, OUTCOME_AFFILIATE_SUSPENDED},
};

START_TEST(what_was_known_of_a_click_holds_on)
{
	struct match_candidate candidate = click(5, PLACED_S * 1000, 0);
	candidate.known = known_clicks[_i].known;
	switch (known_clicks[_i].now) {
	case FINE:
		break;
	case OTHER_STORE:
		candidate.product_store_id = 8;
		break;
	case SUSPENDED:
		candidate.standing = AFFILIATE_SUSPENDED;
		break;
	case MISMATCH:
		candidate.click.evidence = CLICK_RECORD_MISMATCH;
		break;
	case UNKNOWN:
		candidate.standing = AFFILIATE_UNKNOWN;
		break;
	}
	ck_assert_int_eq(verdict_of(candidate), known_clicks[_i].verdict);
}
END_TEST

static const struct {
	enum outcome known, held_back, verdict;
} known_coupons[] = {
	{OUTCOME_COUPON_UNKNOWN, OUTCOME_NONE, OUTCOME_COUPON_UNKNOWN},
	{OUTCOME_COUPON_EXHAUSTED, OUTCOME_NONE, OUTCOME_COUPON_EXHAUSTED},
	{OUTCOME_WON_COUPON, OUTCOME_COUPON_EXHAUSTED, OUTCOME_WON_COUPON}, /* by itself */
	{OUTCOME_WON_COUPON, OUTCOME_COUPON_SUSPENDED, OUTCOME_WON_COUPON},
	{OUTCOME_LOST_TO_CLICK, OUTCOME_COUPON_SUSPENDED, OUTCOME_WON_COUPON},
	{OUTCOME_LOST_TO_CLICK, OUTCOME_COUPON_EXHAUSTED, OUTCOME_COUPON_EXHAUSTED},
	{OUTCOME_NONE, OUTCOME_COUPON_EXHAUSTED, OUTCOME_COUPON_EXHAUSTED},
};

START_TEST(what_was_known_of_a_coupon_holds_on)
{
	struct match_candidate candidate = coupon(5, 77);
	candidate.known = known_coupons[_i].known;
	candidate.held_back = known_coupons[_i].held_back;
	ck_assert_int_eq(verdict_of(candidate), known_coupons[_i].verdict);
	candidate.is_customer = true; /* as an event says that came since */
	input.blocks_self_referral = true;
	ck_assert_int_eq(verdict_of(candidate), OUTCOME_SELF_REFERRAL);
}
END_TEST

START_TEST(who_referred_themselves_is_told_only_when_nobody_wins)
{
	input.blocks_self_referral = true;
	candidates[0] = click(1, (PLACED_S - 30) * 1000, 0);
	candidates[1] = click(2, (PLACED_S - 20) * 1000, 0);
	candidates[2] = click(3, (PLACED_S - 10) * 1000, 0);
	for (unsigned i = 0; i < 3; i++)
		candidates[i].is_customer = true;
	candidates[2].click.evidence = CLICK_RECORD_MISMATCH; /* refused anyhow */
	decide(3);
	ck_assert_int_eq(result.reason, OUTCOME_ALL_REFUSED);
	ck_assert_uint_eq(result.winner_count, 0);
	ck_assert_uint_eq(result.self_referrer, 2);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(candidates[i].verdict, OUTCOME_SELF_REFERRAL);
	candidates[0].known = OUTCOME_SELF_REFERRAL;
	decide(1);
	ck_assert_uint_eq(result.self_referrer, 1);
	candidates[3] = click(4, (PLACED_S - 60) * 1000, 0);
	decide(4);
	ck_assert_uint_eq(result.winners[0], 4);
	ck_assert_uint_eq(result.self_referrer, 0);
	input.blocks_self_referral = false;
	candidates[0].known = OUTCOME_NONE;
	decide(2);
	ck_assert_uint_eq(result.winners[0], 2);
}
END_TEST

START_TEST(evidence_has_its_words)
{
	ck_assert_str_eq(match_evidence_name(EVIDENCE_RECORD), "record");
	ck_assert_str_eq(match_evidence_name(EVIDENCE_TOKEN), "token");
	ck_assert_str_eq(match_evidence_name(EVIDENCE_COUPON), "coupon");
	ck_assert_str_eq(match_evidence_name(EVIDENCE_OPERATOR), "operator");
	ck_assert_str_eq(match_evidence_name(EVIDENCE_NONE), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("match");
	TCase *tcase = tcase_create("match");
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, no_candidates_is_a_reason_of_its_own);
	tcase_add_test(tcase, a_click_wins_alone);
	tcase_add_test(tcase, a_record_that_agrees_is_better_evidence);
	tcase_add_test(tcase, tokens_that_did_not_open_are_bad_or_revoked);
	tcase_add_test(tcase, refusals_come_in_the_order_of_the_rules);
	tcase_add_loop_test(tcase, the_window_is_inclusive_and_exact, 0,
		(int)(sizeof(windows) / sizeof(windows[0])));
	tcase_add_test(tcase, the_extremes_of_times_and_windows_do_not_overflow);
	tcase_add_test(tcase, day_0_30_days_placed_day_29_is_inside);
	tcase_add_test(tcase, the_last_click_wins_wherever_it_stands);
	tcase_add_test(tcase, the_first_click_wins_in_a_first_click_store);
	tcase_add_test(tcase, ties_go_to_the_greater_click_id);
	tcase_add_test(tcase, refused_ones_do_not_take_part);
	tcase_add_test(tcase, a_coupon_takes_all_and_its_owners_best_click_stands_beside_it);
	tcase_add_test(tcase, the_first_of_several_coupons_wins_and_owners_are_told_apart);
	tcase_add_test(tcase, clicks_go_first_where_the_store_says_so);
	tcase_add_test(tcase, affiliates_share_in_a_linear_store_latest_click_first);
	tcase_add_test(tcase, as_many_share_as_there_are_clicks);
	tcase_add_test(tcase, coupons_are_refused_in_the_order_of_the_rules);
	tcase_add_loop_test(tcase, what_was_known_of_a_click_holds_on, 0,
		(int)(sizeof(known_clicks) / sizeof(known_clicks[0])));
	tcase_add_loop_test(tcase, what_was_known_of_a_coupon_holds_on, 0,
		(int)(sizeof(known_coupons) / sizeof(known_coupons[0])));
	tcase_add_test(tcase, who_referred_themselves_is_told_only_when_nobody_wins);
	tcase_add_test(tcase, evidence_has_its_words);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
