/* SPDX-License-Identifier: Apache-2.0
 * Whole orders: who wins over several events, and what freezes. */
#include "decide.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "decide_order.h"

static struct decision decision;

static void setup(void)
{
	order_setup();
	memset(&decision, 0, sizeof(decision));
}

static void teardown(void)
{
	decision_release(&decision);
}

static enum decide_status decide(unsigned count)
{
	decision_release(&decision);
	return decide_order(&known, given, count, &decision);
}

START_TEST(deferred_events_alone_decide_nothing)
{
	set(0, EVENT_CANCELLED, 0, "a");
	ck_assert_int_eq(decide(0), DECIDE_NOTHING);
	ck_assert_int_eq(decide(1), DECIDE_NOTHING);
	ck_assert_uint_eq(decision.share_count, 0);
}
END_TEST

START_TEST(a_confirmed_order_is_attributed_and_priced)
{
	add_click(set(0, EVENT_CONFIRMED, 5, "a"), 1, 10, -60);
	lines[0][0].unit_price_minor = 90900;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.result, DECISION_ATTRIBUTED);
	ck_assert_int_eq(decision.reason, OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(decision.evidence, EVIDENCE_TOKEN);
	ck_assert_ptr_eq(decision.winning_click, decision.candidates[0].click.claim.click_id);
	ck_assert_uint_eq(decision.share_count, 1);
	ck_assert_uint_eq(decision.shares[0].affiliate_id, 1);
	ck_assert_int_eq(decision.shares[0].amount_minor, 9090);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(decision.shares[0].lines[0].rule->rule_id, 1);
	ck_assert_int_eq(decision.folded.confirmed_us, events[0].occurred_us);
}
END_TEST

START_TEST(nobody_is_priced_with_bases_alone)
{
	add_click(set(0, EVENT_CONFIRMED, 5, "a"), 3, 10, -60);
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.result, DECISION_UNATTRIBUTED);
	ck_assert_int_eq(decision.reason, OUTCOME_ALL_REFUSED);
	ck_assert_ptr_null(decision.winning_click);
	ck_assert_uint_eq(decision.share_count, 1);
	ck_assert_uint_eq(decision.shares[0].affiliate_id, 0);
	ck_assert_int_eq(decision.shares[0].amount_minor, 0);
	ck_assert_int_eq(decision.shares[0].lines[0].base_minor, 10000);
	ck_assert_ptr_null(decision.shares[0].lines[0].rule);
	events[0].click_count = 0;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.reason, OUTCOME_NO_CANDIDATES);
	ck_assert_uint_eq(decision.candidate_count, 0);
}
END_TEST

START_TEST(a_click_of_another_stores_product_is_refused)
{
	add_click(set(0, EVENT_CONFIRMED, 5, "a"), 1, 11, -60);
	add_click(&events[0], 2, 99, -50);
	add_click(&events[0], 4, 10, -40);
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.candidates[0].verdict, OUTCOME_WRONG_STORE);
	ck_assert_int_eq(decision.candidates[1].verdict, OUTCOME_WRONG_STORE);
	ck_assert_int_eq(decision.candidates[2].verdict, OUTCOME_UNKNOWN_AFFILIATE);
}
END_TEST

START_TEST(a_later_event_never_moves_a_decision)
{
	add_click(set(0, EVENT_CONFIRMED, 600, "b"), 2, 10, -5);
	add_click(set(1, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	lines[0][0].unit_price_minor = 20000;
	ck_assert_int_eq(decide(2), DECIDE_OK);
	ck_assert_uint_eq(decision.shares[0].affiliate_id, 1);   /* A, by the first's click */
	ck_assert_int_eq(decision.shares[0].amount_minor, 2000); /* on the last's lines */
	ck_assert_uint_eq(decision.candidate_count, 1);
}
END_TEST

START_TEST(an_event_without_a_standing_candidate_leaves_it_to_the_next)
{
	add_click(set(0, EVENT_PLACED, 0, "a"), 3, 10, -60);
	events[0].clicks[events[0].click_count++].result = TOKEN_NOT_OURS;
	add_click(set(1, EVENT_CONFIRMED, 60, "b"), 1, 10, -90);
	add_click(&events[1], 3, 10, -60);
	events[1].clicks[events[1].click_count++].result = TOKEN_NOT_OURS;
	events[1].coupons[events[1].coupon_count++].code = STR("AHMED10");
	add_click(set(2, EVENT_CONFIRMED, 90, "c"), 2, 10, -1);
	ck_assert_int_eq(decide(3), DECIDE_OK);
	ck_assert_uint_eq(decision.candidate_count, 4); /* each once, none of the third event */
	ck_assert_int_eq(decision.candidates[0].verdict, OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(decision.candidates[1].verdict, OUTCOME_AFFILIATE_SUSPENDED);
	ck_assert_int_eq(decision.candidates[2].verdict, OUTCOME_BAD_TOKEN);
	ck_assert_int_eq(decision.candidates[3].verdict, OUTCOME_COUPON_UNKNOWN);
}
END_TEST

/* The same click, refused with the record of the first event, stands in the second. */
START_TEST(the_deciding_events_own_evidence_counts)
{
	add_click(set(0, EVENT_PLACED, 0, "a"), 1, 10, -60)->evidence = CLICK_RECORD_MISMATCH;
	add_click(set(1, EVENT_CONFIRMED, 60, "b"), 1, 10, -60)->evidence = CLICK_RECORD_AGREES;
	ck_assert_int_eq(decide(2), DECIDE_OK);
	ck_assert_uint_eq(decision.candidate_count, 1);
	ck_assert_int_eq(decision.result, DECISION_ATTRIBUTED);
	ck_assert_int_eq(decision.evidence, EVIDENCE_RECORD);
}
END_TEST

START_TEST(the_deciding_click_has_room_among_many)
{
	for (unsigned i = 0; i < 4; i++) {
		set(i, EVENT_PLACED, i, "a");
		for (unsigned k = 0; k < ORDER_CLICKS_MAX; k++)
			add_click(&events[i], 3, 10, -1000 - (int64_t)(i * 100 + k));
	}
	add_click(set(4, EVENT_CONFIRMED, 60, "b"), 1, 10, -5);
	ck_assert_int_eq(decide(5), DECIDE_OK);
	ck_assert_uint_eq(decision.candidate_count, DECIDE_CANDIDATES_MAX);
	ck_assert_ptr_eq(decision.winning_click,
		decision.candidates[DECIDE_CANDIDATES_MAX - 1].click.claim.click_id);
	ck_assert_uint_eq(decision.shares[0].affiliate_id, 1);
}
END_TEST

START_TEST(tests_are_decided_but_earn_nothing)
{
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	events[0].is_test = true;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.result, DECISION_UNATTRIBUTED);
	ck_assert_int_eq(decision.reason, OUTCOME_TEST_ORDER);
	ck_assert_int_eq(decision.evidence, EVIDENCE_NONE);
	ck_assert_int_eq(decision.candidates[0].verdict, OUTCOME_WON_LAST_CLICK);
	ck_assert_int_eq(decision.shares[0].amount_minor, 1000);
}
END_TEST

START_TEST(another_currency_is_refused)
{
	set(0, EVENT_PLACED, 0, "a");
	memcpy(set(1, EVENT_CONFIRMED, 60, "b")->currency, "KWD", 4);
	ck_assert_int_eq(decide(2), DECIDE_CURRENCY);
	memcpy(set(1, EVENT_AMENDED, 60, "b")->currency, "", 1);
	ck_assert_int_eq(decide(2), DECIDE_OK);
}
END_TEST

START_TEST(sums_beyond_int64_are_refused)
{
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	lines[0][0].unit_price_minor = INT64_MAX;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	lines[0][1] = lines[0][0];
	events[0].line_count = 2;
	ck_assert_int_eq(decide(1), DECIDE_OVERFLOW);
}
END_TEST

START_TEST(an_unknown_product_is_priced_by_the_stores_rule)
{
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	lines[0][0].product_id = STR("never seen");
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.shares[0].amount_minor, 1000);
	known.rule_count = 0;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.shares[0].amount_minor, 0);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_NO_RULE);
}
END_TEST

START_TEST(what_was_frozen_is_not_looked_up)
{
	struct decide_frozen frozen[] = {{.affiliate_id = 2,
						 .line_id = STR("1"),
						 .product_id = STR("SKU"),
						 .rule = rules[1]},
		{.affiliate_id = 1,
			.line_id = STR("1"),
			.product_id = STR("SKU"),
			.rule = rules[0]},
		{.affiliate_id = 1,
			.line_id = STR("2"),
			.product_id = STR("SKU"),
			.why = OUTCOME_NO_RULE}};
	frozen[1].rule.rate_bp = 2000;
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60);
	events[0].line_count = 3;
	lines[0][1] = lines[0][2] = lines[0][0];
	lines[0][1].line_id = STR("2");
	lines[0][2].line_id = STR("3");
	known.frozen = frozen;
	known.frozen_count = 3;
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.shares[0].lines[0].amount_minor, 2000);
	ck_assert_int_eq(decision.shares[0].lines[1].amount_minor, 0);
	ck_assert_int_eq(decision.shares[0].lines[1].reason, OUTCOME_NO_RULE);
	ck_assert_int_eq(decision.shares[0].lines[2].amount_minor, 1000);
	lines[0][0].product_id = STR("FIX"); /* the line is another product's now */
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.shares[0].lines[0].amount_minor, 5000);
}
END_TEST

START_TEST(a_placed_order_earns_nothing_yet)
{
	add_click(set(0, EVENT_PLACED, 0, "a"), 1, 10, -60);
	ck_assert_int_eq(decide(1), DECIDE_OK);
	ck_assert_int_eq(decision.result, DECISION_ATTRIBUTED);
	ck_assert_int_eq(decision.folded.state, ORDER_PLACED);
	ck_assert_int_eq(decision.shares[0].share_minor, 1000);
	ck_assert_int_eq(decision.shares[0].amount_minor, 0);
	ck_assert_int_eq(decision.shares[0].confirmed_minor, 0);
}
END_TEST

START_TEST(words_are_those_of_the_contract)
{
	ck_assert_str_eq(decision_result_name(DECISION_ATTRIBUTED), "attributed");
	ck_assert_str_eq(decision_result_name(DECISION_UNATTRIBUTED), "unattributed");
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, deferred_events_alone_decide_nothing);
	tcase_add_test(tcase, a_confirmed_order_is_attributed_and_priced);
	tcase_add_test(tcase, nobody_is_priced_with_bases_alone);
	tcase_add_test(tcase, a_click_of_another_stores_product_is_refused);
	tcase_add_test(tcase, a_later_event_never_moves_a_decision);
	tcase_add_test(tcase, an_event_without_a_standing_candidate_leaves_it_to_the_next);
	tcase_add_test(tcase, the_deciding_events_own_evidence_counts);
	tcase_add_test(tcase, the_deciding_click_has_room_among_many);
	tcase_add_test(tcase, tests_are_decided_but_earn_nothing);
	tcase_add_test(tcase, another_currency_is_refused);
	tcase_add_test(tcase, sums_beyond_int64_are_refused);
	tcase_add_test(tcase, an_unknown_product_is_priced_by_the_stores_rule);
	tcase_add_test(tcase, what_was_frozen_is_not_looked_up);
	tcase_add_test(tcase, a_placed_order_earns_nothing_yet);
	tcase_add_test(tcase, words_are_those_of_the_contract);
}

int main(void)
{
	Suite *suite = suite_create("decide");
	TCase *tcase = tcase_create("decide");
	tcase_add_checked_fixture(tcase, setup, teardown);
	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
