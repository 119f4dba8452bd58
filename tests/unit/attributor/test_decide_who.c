/* SPDX-License-Identifier: Apache-2.0
 * Whose an order is over all its events: coupons and their uses, what was known before, money that
 * is locked, operators' reassignments, and who refers themselves. */
#include "decide.h"

#include "../common/suite.h"
#include "decide_order.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct decision decision;
static struct decide_coupon coupons[] = {{{"AHMED10", sizeof("AHMED10") - 1}, 77, 1, OUTCOME_NONE},
	{{"ahmed10", sizeof("ahmed10") - 1}, 77, 1, OUTCOME_NONE},
	{{"SARA", sizeof("SARA") - 1}, 78, 2, OUTCOME_NONE}};

static enum decide_status decide(unsigned count)
{
	known.coupons = coupons;
	known.coupon_count = COUNT_OF(coupons);
	decision_release(&decision);
	return decide_order(&known, given, count, &decision);
}

static void add_code(struct event *event, const char *code)
{
	event->coupons[event->coupon_count++].code = str_from(code);
}

static bool has_review(enum decide_review review)
{
	return (decision.reviews & 1u << review) != 0;
}

static void is_won_by(uint32_t affiliate_id, enum outcome reason)
{
	ck_assert_int_eq(decision.result, DECISION_ATTRIBUTED);
	ck_assert_uint_eq(decision.shares[0].affiliate_id, affiliate_id);
	ck_assert_int_eq(decision.reason, reason);
}

START_TEST(a_coupon_wins_and_its_use_is_taken_and_given_back)
{
	order_setup();
	add_click(set(0, EVENT_PLACED, 0, "a"), 2, 10, -60);
	add_code(&events[0], "nobody's");
	add_code(&events[0], "ahmed10");
	add_code(&events[0], "AHMED10"); /* the same once more */
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_COUPON);
	ck_assert_int_eq(decision.evidence, EVIDENCE_COUPON);
	ck_assert_uint_eq(decision.candidate_count, 3);
	ck_assert_int_eq(decision.candidates[1].verdict, OUTCOME_COUPON_UNKNOWN);
	ck_assert_int_eq(decision.coupon_id, 77);
	ck_assert(decision.takes_coupon);
	ck_assert_ptr_null(decision.winning_click);
	set(1, EVENT_CANCELLED, 60, "b")->line_count = 0;
	ck_assert_int_eq(decide(2), DECIDE_OK);
	ck_assert_int_eq(decision.coupon_id, 77);
	ck_assert(!decision.takes_coupon);
	set(1, EVENT_REFUSED, 60, "b")->line_count = 0;
	ck_assert_int_eq(decide(2), DECIDE_OK);
	ck_assert(decision.takes_coupon);
	events[0].is_test = true;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.coupon_id, 0);
}
END_TEST

START_TEST(a_cap_that_this_order_filled_itself_does_not_refuse_it)
{
	order_setup();
	add_code(set(0, EVENT_CONFIRMED, 0, "a"), "SARA");
	coupons[2].held_back = OUTCOME_COUPON_EXHAUSTED;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.reason, OUTCOME_ALL_REFUSED);
	ck_assert_int_eq(decision.candidates[0].verdict, OUTCOME_COUPON_EXHAUSTED);
	known.coupon_taken = 78;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_COUPON);
	coupons[2].held_back = OUTCOME_NONE;
}
END_TEST

START_TEST(coupons_of_two_owners_ask_for_a_review)
{
	order_setup();
	add_code(set(0, EVENT_CONFIRMED, 0, "a"), "SARA");
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert(!has_review(DECIDE_REVIEW_COUPON_STACKED));
	add_code(&events[0], "AHMED10");
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_COUPON);
	ck_assert(has_review(DECIDE_REVIEW_COUPON_STACKED));
	add_click(&events[0], 1, 10, -60);
	known.precedence = MATCH_CLICK_FIRST;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	ck_assert(!has_review(DECIDE_REVIEW_COUPON_STACKED));
	ck_assert_int_eq(decision.coupon_id, 77);
	ck_assert_ptr_nonnull(decision.winning_click);
}
END_TEST

/* Any storefront event may bring clicks and coupons. */
START_TEST(the_first_event_in_fold_order_that_has_somebody_decides)
{
	order_setup();
	set(0, EVENT_CONFIRMED, 0, "a");
	add_click(set(1, EVENT_SHIPPED, 60, "b"), 2, 10, -60);
	add_code(set(2, EVENT_COLLECTED, 120, "c"), "AHMED10");
	events[1].line_count = events[2].line_count = 0;
	ck_assert_int_eq(decide(3), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_LAST_CLICK);
	ck_assert_uint_eq(decision.candidate_count, 1);
	add_code(&events[0], "SARA");
	ck_assert_int_eq(decide(3), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_COUPON);
}
END_TEST

START_TEST(what_the_live_decision_knew_holds_for_its_clicks_and_coupons)
{
	struct decide_verdict verdicts[2] = {{.verdict = OUTCOME_AFFILIATE_SUSPENDED},
		{.is_coupon = true, .coupon = STR("ahmed10"), .verdict = OUTCOME_COUPON_EXPIRED}};
	order_setup();
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 2, 10, -60);
	add_code(&events[0], "AHMED10"); /* written otherwise, the same coupon */
	memcpy(verdicts[0].click_id, events[0].clicks[0].claim.click_id, CLICK_ID_BYTES);
	known.verdicts = verdicts;
	known.verdict_count = 2;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.reason, OUTCOME_ALL_REFUSED);
	ck_assert_int_eq(decision.candidates[0].verdict, OUTCOME_AFFILIATE_SUSPENDED);
	ck_assert_int_eq(decision.candidates[1].verdict, OUTCOME_COUPON_EXPIRED);
	known.verdict_count = 1;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_COUPON);
	verdicts[0].click_id[0] ^= 1;
	known.precedence = MATCH_CLICK_FIRST;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_LAST_CLICK);
}
END_TEST

static void know_contact(struct decide_affiliate *people, const char *phone, const char *email)
{
	memcpy(people, affiliates, sizeof(affiliates));
	people[0].phone = str_from(phone);
	people[0].email = str_from(email);
	known.affiliates = people;
}

START_TEST(who_buys_from_themselves_earns_a_zero_row)
{
	struct decide_affiliate people[COUNT_OF(affiliates)];
	order_setup();
	know_contact(people, HASH_A, "");
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	events[0].customer_phone = STR(HASH_A);
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.result, DECISION_UNATTRIBUTED);
	ck_assert_int_eq(decision.reason, OUTCOME_ALL_REFUSED);
	ck_assert_int_eq(decision.evidence, EVIDENCE_NONE);
	ck_assert_uint_eq(decision.share_count, 1);
	ck_assert_uint_eq(decision.shares[0].affiliate_id, 1);
	ck_assert_int_eq(decision.shares[0].amount_minor, 0);
	ck_assert_int_eq(decision.shares[0].confirmed_minor, 0);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_SELF_REFERRAL);
	ck_assert(!decision.shares[0].is_void);
	ck_assert_int_eq(decision.shares[0].lines[0].base_minor, 10000);
	known.self_referral = SELF_REFERRAL_REVIEW;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	ck_assert(has_review(DECIDE_REVIEW_SELF_REFERRAL));
	known.self_referral = SELF_REFERRAL_ALLOW;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	ck_assert_uint_eq(decision.reviews, 0);
	know_contact(people, "", HASH_A);
	known.self_referral = SELF_REFERRAL_BLOCK;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	events[0].customer_email = STR(HASH_A);
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.reason, OUTCOME_ALL_REFUSED);
}
END_TEST

START_TEST(somebody_else_wins_before_who_referred_themselves)
{
	struct decide_affiliate people[COUNT_OF(affiliates)];
	order_setup();
	know_contact(people, HASH_A, "");
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	events[0].customer_phone = STR(HASH_A);
	add_click(set(1, EVENT_AMENDED, 60, "b"), 2, 10, -90);
	ck_assert_int_eq(decide(2), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_LAST_CLICK);
	ck_assert_uint_eq(decision.share_count, 1);
}
END_TEST

/* A customer whom only a later event names changes nothing; one whom an earlier event names does,
 * whichever came first. */
START_TEST(customers_count_up_to_the_deciding_event)
{
	struct decide_affiliate people[COUNT_OF(affiliates)];
	struct decide_verdict verdict = {.verdict = OUTCOME_WON_LAST_CLICK};
	const struct event *arrived;
	order_setup();
	know_contact(people, HASH_A, "");
	add_click(set(1, EVENT_CONFIRMED, 60, "b"), 1, 10, -60);
	set(2, EVENT_AMENDED, 120, "c")->customer_phone = STR(HASH_A);
	set(0, EVENT_PLACED, 0, "a");
	ck_assert_int_eq(decide(3), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	events[0].customer_phone = STR(HASH_A);
	ck_assert_int_eq(decide(3), DECIDE_OK);
	ck_assert_int_eq(decision.reason, OUTCOME_ALL_REFUSED);
	memcpy(verdict.click_id, events[1].clicks[0].claim.click_id, CLICK_ID_BYTES);
	known.verdicts = &verdict;
	known.verdict_count = 1;
	ck_assert_int_eq(decide(3), DECIDE_OK); /* a phone that changed since changes nothing */
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	known.arrived = &arrived;
	known.arrived_count = 1;
	arrived = &events[2];
	ck_assert_int_eq(decide(3), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	arrived = &events[0];
	ck_assert_int_eq(decide(3), DECIDE_OK);
	ck_assert_int_eq(decision.reason, OUTCOME_ALL_REFUSED);
	verdict.verdict = OUTCOME_SELF_REFERRAL;
	events[0].customer_phone = STR(HASH_B);
	ck_assert_int_eq(decide(3), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	known.arrived_count = 0;
	ck_assert_int_eq(decide(3), DECIDE_OK);
	ck_assert_int_eq(decision.reason, OUTCOME_ALL_REFUSED);
}
END_TEST

START_TEST(money_that_was_approved_follows_no_late_evidence)
{
	const uint32_t live[] = {2};
	order_setup();
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	known.live_winners = live;
	known.live_winner_count = 1;
	known.live_reason = OUTCOME_WON_COUPON;
	known.live_evidence = EVIDENCE_COUPON;
	known.coupon_taken = 78;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	ck_assert_uint_eq(decision.reviews, 0);
	known.is_locked = true;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_COUPON);
	ck_assert_int_eq(decision.evidence, EVIDENCE_COUPON);
	ck_assert(decision.is_winner_kept);
	ck_assert(has_review(DECIDE_REVIEW_LATE_EVIDENCE));
	ck_assert_int_eq(decision.coupon_id, 78);
	ck_assert(decision.takes_coupon);
	ck_assert_int_eq(decision.shares[0].amount_minor, 500); /* by the rules of affiliate 2 */
	add_click(&events[0], 2, 10, -30);
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_LAST_CLICK);
	ck_assert(!decision.is_winner_kept);
	ck_assert_uint_eq(decision.reviews, 0);
}
END_TEST

START_TEST(a_locked_decision_without_a_winner_stays_so)
{
	const uint32_t live[] = {1};
	order_setup();
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 2, 10, -60);
	known.is_locked = true;
	known.live_reason = OUTCOME_NO_CANDIDATES;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.reason, OUTCOME_NO_CANDIDATES);
	ck_assert_uint_eq(decision.shares[0].affiliate_id, 0);
	ck_assert(has_review(DECIDE_REVIEW_LATE_EVIDENCE));
	known.live_winners = live; /* the zero share of who referred themselves */
	known.live_winner_count = 1;
	known.live_reason = OUTCOME_ALL_REFUSED;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.result, DECISION_UNATTRIBUTED);
	ck_assert_uint_eq(decision.shares[0].affiliate_id, 1);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_SELF_REFERRAL);
}
END_TEST

static struct event *act(unsigned index, enum event_type type, int64_t at_s, const char *id)
{
	struct event *const event = set(index, type, at_s, id);
	event->line_count = 0;
	event->currency[0] = '\0';
	event->placed_us.has_value = false;
	return event;
}

START_TEST(an_operator_overrides_the_evidence_until_the_next_act)
{
	const uint32_t live[] = {2};
	order_setup();
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	act(1, EVENT_REASSIGN, 60, "operator-1")->affiliate_id = 2;
	known.is_locked = true;
	known.live_winners = live;
	known.live_winner_count = 1;
	known.live_reason = OUTCOME_OPERATOR_REASSIGNED;
	ck_assert_int_eq(decide(2), DECIDE_OK);
	is_won_by(2, OUTCOME_OPERATOR_REASSIGNED);
	ck_assert_int_eq(decision.evidence, EVIDENCE_OPERATOR);
	ck_assert_int_eq(decision.shares[0].amount_minor, 500);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_OPERATOR_REASSIGNED);
	ck_assert_int_eq(decision.candidates[0].verdict, OUTCOME_WON_LAST_CLICK);
	ck_assert_uint_eq(decision.reviews, 0);
	act(2, EVENT_REASSIGN, 120, "operator-2");
	ck_assert_int_eq(decide(3), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	ck_assert(!decision.is_winner_kept);
}
END_TEST

START_TEST(an_operator_gives_an_order_that_nobody_won)
{
	order_setup();
	set(0, EVENT_CONFIRMED, 0, "a");
	act(1, EVENT_REASSIGN, 60, "operator-1")->affiliate_id = 1;
	ck_assert_int_eq(decide(2), DECIDE_OK);
	is_won_by(1, OUTCOME_OPERATOR_REASSIGNED);
	ck_assert_int_eq(decision.shares[0].amount_minor, 1000);
	act(2, EVENT_VOID, 120, "operator-2")->affiliate_id = 1;
	ck_assert_int_eq(decide(3), DECIDE_OK);
	ck_assert_int_eq(decision.shares[0].amount_minor, 0);
	ck_assert(decision.shares[0].is_void);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_OPERATOR_VOID);
	ck_assert_int_eq(decision.shares[0].full_minor, 1000);
}
END_TEST

START_TEST(an_affiliate_suspended_since_is_credited_and_reviewed)
{
	struct decide_affiliate people[COUNT_OF(affiliates)];
	order_setup();
	know_contact(people, "", "");
	people[0].is_suspended_now = true;
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	ck_assert_int_eq(decide(1), DECIDE_OK);
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	ck_assert(has_review(DECIDE_REVIEW_AFFILIATE_SUSPENDED));
	ck_assert_int_eq(decision.shares[0].amount_minor, 1000);
}
END_TEST

START_TEST(a_conflict_keeps_who_would_have_earned_it)
{
	const uint32_t live[] = {2};
	const struct decide_verdict verdict = {.verdict = OUTCOME_WON_FIRST_CLICK};
	order_setup();
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	act(1, EVENT_CANCELLED, 60, "b");
	act(2, EVENT_COLLECTED, 120, "c");
	ck_assert_int_eq(decide(3), DECIDE_OK);
	ck_assert_int_eq(decision.result, DECISION_CONFLICT);
	ck_assert_int_eq(decision.reason, OUTCOME_COLLECTED_AFTER_CANCEL);
	ck_assert_int_eq(decision.folded.state, ORDER_CONFLICT);
	ck_assert(has_review(DECIDE_REVIEW_CONFLICT));
	ck_assert_uint_eq(decision.shares[0].affiliate_id, 1);
	ck_assert_int_eq(decision.shares[0].amount_minor, 0);
	ck_assert_int_eq(decision.shares[0].confirmed_minor, 1000);
	ck_assert(decision.shares[0].is_void);
	known.is_locked = true; /* the live decision told of the conflict, not of who */
	known.live_winners = live;
	known.live_winner_count = 1;
	known.live_reason = OUTCOME_COLLECTED_AFTER_CANCEL;
	known.live_evidence = EVIDENCE_TOKEN;
	known.verdicts = &verdict;
	known.verdict_count = 1;
	act(3, EVENT_RESOLVE, 180, "operator-1")->resolution = RESOLVE_COLLECTED;
	ck_assert_int_eq(decide(4), DECIDE_OK);
	is_won_by(2, OUTCOME_WON_FIRST_CLICK);
	ck_assert_int_eq(decision.shares[0].amount_minor, 500);
	act(4, EVENT_REASSIGN, 30, "operator-0")->affiliate_id = 2;
	ck_assert_int_eq(decide(5), DECIDE_OK); /* the winner of then was an operator's choice */
	is_won_by(1, OUTCOME_WON_LAST_CLICK);
	decision_release(&decision);
}
END_TEST

START_TEST(words_of_reviews_are_their_own)
{
	for (unsigned i = 0; i < DECIDE_REVIEW_COUNT; i++)
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(decide_review_name((enum decide_review)i),
				decide_review_name((enum decide_review)k));
	ck_assert_str_eq(decide_review_name(DECIDE_REVIEW_TIMESTAMP), "timestamp_out_of_range");
	ck_assert_str_eq(decision_result_name(DECISION_CONFLICT), "conflict");
}
END_TEST

SUITE_MAIN("decide_who", a_coupon_wins_and_its_use_is_taken_and_given_back,
	a_cap_that_this_order_filled_itself_does_not_refuse_it,
	coupons_of_two_owners_ask_for_a_review,
	the_first_event_in_fold_order_that_has_somebody_decides,
	what_the_live_decision_knew_holds_for_its_clicks_and_coupons,
	who_buys_from_themselves_earns_a_zero_row,
	somebody_else_wins_before_who_referred_themselves, customers_count_up_to_the_deciding_event,
	money_that_was_approved_follows_no_late_evidence,
	a_locked_decision_without_a_winner_stays_so,
	an_operator_overrides_the_evidence_until_the_next_act,
	an_operator_gives_an_order_that_nobody_won,
	an_affiliate_suspended_since_is_credited_and_reviewed,
	a_conflict_keeps_who_would_have_earned_it, words_of_reviews_are_their_own)
