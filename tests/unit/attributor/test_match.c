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

START_TEST(every_outcome_has_its_own_word)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(
				outcome_name((enum outcome)i), outcome_name((enum outcome)k));
	}
	ck_assert_str_eq(outcome_name(OUTCOME_LOST_TO_LATER_CLICK), "lost_to_later_click");
	ck_assert_str_eq(match_evidence_name(EVIDENCE_RECORD), "record");
	ck_assert_str_eq(match_evidence_name(EVIDENCE_TOKEN), "token");
	ck_assert_str_eq(match_evidence_name(EVIDENCE_COUPON), "coupon");
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
	tcase_add_test(tcase, every_outcome_has_its_own_word);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
