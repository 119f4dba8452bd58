/* SPDX-License-Identifier: Apache-2.0
 * What can't be taken from a row any more, what goes to somebody else, and what operators give. */
#include "moves.h"

#include "../common/suite.h"
#include "moves_books.h"

/* 80.00 paid, then all returned: a new row of -80.00, approved; the next payout of 200.00 pays
 * 120.00. */
START_TEST(what_was_paid_comes_back_as_a_row_of_its_own)
{
	confirm_and_pay(8000);
	decide_one(8000);
	set_collected(true);
	set_out(OUTCOME_RETURNED);
	post(false, 0);
	assert_steps("clawback 8000 available>store approved");
	assert_row(0, COMMISSION_PAID, 8000);
	assert_row(1, COMMISSION_APPROVED, -8000);
	ck_assert(books.rows[1].is_adjustment);
	ck_assert(!books.rows[1].is_platform);
	ck_assert_int_eq(books.rows[1].reason, OUTCOME_CLAWBACK);
	ck_assert_int_eq(books.rows[1].confirmed_minor, -8000);
	ck_assert_int_eq(*account(1, "available"), -8000);
	ck_assert_int_eq(*account(1, "available") + 20000, 12000);
	ck_assert_int_eq(*account(1, "store"), 0);
	ck_assert_int_eq(*account(1, "paid"), 8000);
	payout_begin(1);
	payout_end(1, true);
	post(false, 0);
	assert_steps("");
}
END_TEST

START_TEST(a_row_in_a_payout_never_changes)
{
	confirm_and_collect(8000);
	post(true, RELEASE_US);
	payout_begin(1);
	decide_one(5000);
	set_collected(true);
	post(false, 0);
	assert_steps("clawback 3000 available>store approved");
	assert_row(0, COMMISSION_APPROVED, 8000);
	payout_end(1, false); /* it failed: now the sale can take the rest */
	decide_one(4000);
	set_collected(true);
	post(false, 0);
	assert_steps("reduce 1000 available>store approved");
	assert_row(0, COMMISSION_APPROVED, 7000);
	assert_row(1, COMMISSION_APPROVED, -3000);
	decide_one(4500); /* but nothing is added while there are such rows */
	set_collected(true);
	post(false, 0);
	assert_steps("accrue 500 store>pending pending, collect 500 pending>held held");
	assert_row(2, COMMISSION_HELD, 500);
}
END_TEST

START_TEST(what_is_owed_again_is_a_row_in_the_orders_state)
{
	confirm_and_pay(8000);
	set_out(OUTCOME_RETURNED);
	post(false, 0);
	decide_one(8000); /* confirmed again: the second parcel is on its way */
	post(false, 0);
	assert_steps("accrue 8000 store>pending pending");
	assert_row(2, COMMISSION_PENDING, 8000);
	ck_assert_int_eq(books.rows[2].reason, OUTCOME_WON_LAST_CLICK);
	set_collected(true);
	post(false, 0);
	assert_steps("collect 8000 pending>held held");
	ck_assert_int_eq(books.rows[2].release_us, RELEASE_US);
	post(true, RELEASE_US);
	assert_steps("approve 8000 held>available approved");
	ck_assert_int_eq(*account(1, "available"), 0); /* against the -8000 */
}
END_TEST

/* Nobody owes at once for what may wait for ever. */
START_TEST(an_adjustment_nobody_could_be_paid_is_taken_back_first)
{
	confirm_and_pay(8000);
	decide_one(11000);
	set_collected(true);
	post(false, 0);
	assert_row(1, COMMISSION_HELD, 3000);
	decide_one(10000);
	set_collected(true);
	post(false, 0);
	assert_steps("reduce 1000 held>store held");
	assert_row(1, COMMISSION_HELD, 2000);
	set_out(OUTCOME_RETURNED);
	post(false, 0);
	assert_steps("void 2000 held>store voided, clawback 8000 available>store approved");
	assert_row(1, COMMISSION_VOIDED, 0);
	assert_row(2, COMMISSION_APPROVED, -8000);
	decide_one(8000);
	set_collected(true);
	post(false, 0);
	assert_row(1, COMMISSION_VOIDED, 0);
	assert_row(3, COMMISSION_HELD, 8000);
}
END_TEST

START_TEST(a_bounced_row_stands_with_what_was_clawed_back)
{
	confirm_and_pay(8000);
	set_out(OUTCOME_RETURNED);
	post(false, 0);
	payout_bounce(1);
	post(false, 0);
	assert_steps("");
	assert_row(0, COMMISSION_APPROVED, 8000);
	assert_row(1, COMMISSION_APPROVED, -8000);
	ck_assert_int_eq(*account(1, "available"), 0);
}
END_TEST

/* reassign A to B: A's bucket -x, A's store +x; B's store -y, B's bucket +y. */
START_TEST(a_reassignment_says_so_on_both_sides)
{
	confirm_and_collect(5000);
	decide_nobody();
	add_share(2, 2500)->reason = OUTCOME_OPERATOR_REASSIGNED;
	decision.reason = OUTCOME_OPERATOR_REASSIGNED;
	set_collected(true);
	post(false, 0);
	assert_steps("reassign 2500 store>pending pending, collect 2500 pending>held held, "
		     "reassign 5000 held>store voided");
	assert_row(0, COMMISSION_VOIDED, 0);
	assert_row(1, COMMISSION_HELD, 2500);
	ck_assert_int_eq(books.rows[0].reason, OUTCOME_OPERATOR_REASSIGNED);
	decide_one(5000); /* and back to the evidence */
	set_collected(true);
	post(false, 0);
	assert_steps("reassign 5000 store>pending pending, collect 5000 pending>held held, "
		     "reassign 2500 held>store voided");
}
END_TEST

START_TEST(a_paid_loser_owes_and_the_winner_earns)
{
	confirm_and_pay(5000);
	decide_nobody();
	add_share(2, 5000);
	decision.reason = OUTCOME_OPERATOR_REASSIGNED;
	set_collected(true);
	post(false, 0);
	assert_steps("reassign 5000 store>pending pending, collect 5000 pending>held held, "
		     "reassign 5000 available>store approved");
	assert_row(0, COMMISSION_PAID, 5000);
	assert_row(2, COMMISSION_APPROVED, -5000);
	ck_assert_int_eq(books.rows[2].reason, OUTCOME_OPERATOR_REASSIGNED);
}
END_TEST

/* Confirmed (click A) arrives after an amendment with B's later click: A's. */
START_TEST(earlier_evidence_takes_the_row_with_its_verdict)
{
	books_setup();
	add_share(2, 1000);
	post(false, 0);
	decide_one(1000);
	decision.candidates[0].affiliate_id = 2;
	decision.candidates[0].verdict = OUTCOME_LOST_TO_EARLIER_CLICK;
	decision.candidate_count = 1;
	post(false, 0);
	assert_steps("reassign 1000 store>pending pending, reassign 1000 pending>store voided");
	ck_assert_int_eq(books.rows[0].reason, OUTCOME_LOST_TO_EARLIER_CLICK);
	ck_assert_int_eq(books.rows[1].affiliate_id, 1);
}
END_TEST

START_TEST(a_loser_without_a_candidate_lost_to_what_won)
{
	static const struct {
		enum outcome won, lost;
	} rows[] = {{OUTCOME_WON_COUPON, OUTCOME_LOST_TO_COUPON},
		{OUTCOME_WON_FIRST_CLICK, OUTCOME_LOST_TO_CLICK},
		{OUTCOME_SHARED_LINEAR, OUTCOME_LOST_TO_CLICK}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		books_setup();
		add_share(2, 1000);
		post(false, 0);
		decide_one(1000);
		decision.reason = rows[i].won;
		post(false, 0);
		ck_assert_int_eq(books.rows[0].reason, rows[i].lost);
	}
	decide_nobody();
	post(false, 0);
	assert_steps("void 1000 pending>store voided");
	ck_assert_int_eq(books.rows[1].reason, OUTCOME_ALL_REFUSED);
}
END_TEST

START_TEST(an_operators_void_takes_one_part_alone)
{
	books_setup();
	add_share(1, 500);
	add_share(2, 400);
	post(false, 0);
	decision.shares[0].amount_minor = 0;
	decision.shares[0].is_void = true;
	decision.shares[0].reason = OUTCOME_OPERATOR_VOID;
	post(false, 0);
	assert_steps("void 500 pending>store voided");
	assert_row(1, COMMISSION_PENDING, 400);
	confirm_and_pay(500);
	decision.shares[0].amount_minor = 0;
	decision.shares[0].is_void = true;
	decision.shares[0].reason = OUTCOME_OPERATOR_VOID;
	post(false, 0);
	ck_assert_int_eq(books.rows[1].reason, OUTCOME_OPERATOR_VOID);
}
END_TEST

/* write-off, goodwill: available +x, platform -x. */
START_TEST(an_operators_adjustment_is_one_row_that_the_platform_pays)
{
	confirm_and_collect(1000);
	acts[0] = (struct event){.type = EVENT_ADJUST,
		.event_id = STR("operator-1"),
		.affiliate_id = 1,
		.amount_minor = 250};
	acts[1] = (struct event){
		.type = EVENT_VOID, .event_id = STR("operator-2"), .affiliate_id = 9};
	acts[2] = (struct event){.type = EVENT_ADJUST,
		.event_id = STR("operator-3"),
		.affiliate_id = 2,
		.amount_minor = -40};
	for (unsigned i = 0; i < 3; i++)
		act_list[i] = &acts[i];
	act_count = 3;
	post(false, 0);
	assert_steps("goodwill 250 platform>available approved, goodwill 40 available>platform "
		     "approved");
	assert_row(1, COMMISSION_APPROVED, 250);
	assert_row(2, COMMISSION_APPROVED, -40);
	ck_assert(books.rows[1].is_platform);
	ck_assert(str_equal(books.rows[1].event_id, STR("operator-1")));
	ck_assert_int_eq(books.rows[1].reason, OUTCOME_OPERATOR_ADJUSTMENT);
	ck_assert_int_eq(sum_of(1), 1000);
	post(true, RELEASE_US);
	assert_steps("approve 1000 held>available approved");
	set_out(OUTCOME_RETURNED); /* what the platform gave stays given */
	post(false, 0);
	assert_steps("void 1000 available>store reversed");
	assert_row(1, COMMISSION_APPROVED, 250);
}
END_TEST

SUITE_MAIN("moves_owed", what_was_paid_comes_back_as_a_row_of_its_own,
	a_row_in_a_payout_never_changes, what_is_owed_again_is_a_row_in_the_orders_state,
	an_adjustment_nobody_could_be_paid_is_taken_back_first,
	a_bounced_row_stands_with_what_was_clawed_back, a_reassignment_says_so_on_both_sides,
	a_paid_loser_owes_and_the_winner_earns, earlier_evidence_takes_the_row_with_its_verdict,
	a_loser_without_a_candidate_lost_to_what_won, an_operators_void_takes_one_part_alone,
	an_operators_adjustment_is_one_row_that_the_platform_pays)
