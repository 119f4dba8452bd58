/* SPDX-License-Identifier: Apache-2.0
 * The moves of a commission's row from its birth to its approval, each with its entries. */
#include "moves.h"

#include "../common/suite.h"
#include "moves_books.h"

START_TEST(nothing_decided_moves_nothing)
{
	books_setup();
	post(false, 0);
	ck_assert_uint_eq(books.row_count, 0);
	decide_one(100);
	decision.folded.is_confirmed = false; /* placed */
	post(false, 0);
	decision.folded.is_confirmed = true;
	decision.folded.is_test = true;
	post(true, 1);
	ck_assert_uint_eq(books.row_count, 0);
	ck_assert_uint_eq(moves.step_count, 0);
}
END_TEST

/* 909.00 at 7.5 % confirmed: pending 68.18. Then refused: pending 0, voided, store 0. */
START_TEST(a_confirmed_order_accrues_and_a_refused_one_is_voided)
{
	books_setup();
	decide_one(6818);
	post(false, 0);
	assert_steps("accrue 6818 store>pending pending");
	assert_row(0, COMMISSION_PENDING, 6818);
	ck_assert_int_eq(books.rows[0].confirmed_minor, 6818);
	ck_assert_int_eq(books.rows[0].reason, OUTCOME_WON_LAST_CLICK);
	set_out(OUTCOME_REFUSED);
	post(false, 0);
	assert_steps("void 6818 pending>store voided");
	assert_row(0, COMMISSION_VOIDED, 0);
	ck_assert_int_eq(*account(1, "store"), 0);
	ck_assert_int_eq(books.rows[0].confirmed_minor, 6818);
	ck_assert_int_eq(books.rows[0].reason, OUTCOME_REFUSED);
}
END_TEST

START_TEST(an_order_that_is_out_when_it_is_first_seen_has_its_voided_row)
{
	books_setup();
	decide_one(6818);
	set_out(OUTCOME_CANCELLED);
	post(false, 0);
	assert_steps("accrue 6818 store>pending pending, void 6818 pending>store voided");
	assert_row(0, COMMISSION_VOIDED, 0);
	ck_assert_int_eq(books.rows[0].confirmed_minor, 6818);
	ck_assert_int_eq(moves.rows[0].born_minor, 6818);
}
END_TEST

START_TEST(a_zero_commission_has_its_row_and_no_entries)
{
	books_setup();
	decide_one(0)->reason = OUTCOME_ROUNDS_TO_ZERO;
	post(false, 0);
	assert_steps("accrue 0 store>pending pending");
	assert_row(0, COMMISSION_PENDING, 0);
	set_collected(true);
	post(false, 0);
	assert_steps("collect 0 pending>held held");
	post(true, RELEASE_US);
	assert_row(0, COMMISSION_APPROVED, 0);
	ck_assert_uint_eq(moves.reviews, 0);
}
END_TEST

START_TEST(collection_and_the_windows_end_go_through_every_state)
{
	books_setup();
	decide_one(3000);
	set_collected(true);
	post(false, 0);
	assert_steps("accrue 3000 store>pending pending, collect 3000 pending>held held");
	ck_assert_int_eq(books.rows[0].release_us, RELEASE_US);
	post(true, RELEASE_US - 1);
	assert_steps("");
	post(false, RELEASE_US); /* an event, or a review is open */
	assert_steps("");
	post(true, RELEASE_US);
	assert_steps("approve 3000 held>available approved");
	ck_assert_int_eq(books.rows[0].release_us, RELEASE_US);
	ck_assert_int_eq(*account(1, "store"), -3000);
	ck_assert_int_eq(*account(1, "available"), 3000);
}
END_TEST

START_TEST(a_window_that_moves_moves_the_row)
{
	confirm_and_collect(3000);
	decision.release_us = RELEASE_US + 7;
	post(false, 0);
	assert_steps("");
	ck_assert(moves.rows[0].is_changed);
	ck_assert_int_eq(books.rows[0].release_us, RELEASE_US + 7);
}
END_TEST

/* 3 x 100.00, one returned: 27.00 to 18.00. */
START_TEST(a_return_reduces_in_the_bucket_where_the_row_is)
{
	confirm_and_collect(2700);
	decide_one(1800)->confirmed_minor = 2700;
	set_collected(true);
	post(false, 0);
	assert_steps("reduce 900 held>store held");
	assert_row(0, COMMISSION_HELD, 1800);
	post(true, RELEASE_US);
	decide_one(900)->confirmed_minor = 2700;
	set_collected(true);
	post(false, 0);
	assert_steps("reduce 900 available>store approved");
	assert_row(0, COMMISSION_APPROVED, 900);
	ck_assert_int_eq(books.rows[0].confirmed_minor, 2700);
}
END_TEST

START_TEST(an_amendment_raises_in_the_bucket_where_the_row_is)
{
	books_setup();
	decide_one(1000);
	post(false, 0);
	decide_one(1500);
	post(false, 0);
	assert_steps("accrue 500 store>pending pending");
	ck_assert_int_eq(books.rows[0].confirmed_minor, 1500); /* follows the fold so far */
	set_collected(true);
	post(false, 0);
	decide_one(1600);
	set_collected(true);
	post(false, 0);
	assert_steps("accrue 100 store>pending held, collect 100 pending>held held");
	post(true, RELEASE_US);
	decide_one(1700);
	set_collected(true);
	post(false, 0);
	assert_steps("accrue 100 store>pending approved, collect 100 pending>held approved, "
		     "approve 100 held>available approved");
	assert_row(0, COMMISSION_APPROVED, 1700);
	ck_assert_int_eq(books.rows[0].confirmed_minor, 1600); /* frozen by the approval */
}
END_TEST

/* Linear, full 10.00, three affiliates; then half refunded. */
START_TEST(shares_each_have_their_row)
{
	static const int64_t before[] = {334, 333, 333}, after[] = {167, 167, 166};
	books_setup();
	for (uint32_t i = 0; i < 3; i++)
		add_share(i + 1, before[i]);
	post(false, 0);
	decide_nobody();
	for (uint32_t i = 0; i < 3; i++)
		add_share(i + 1, after[i]);
	post(false, 0);
	assert_steps("reduce 167 pending>store pending, reduce 166 pending>store pending, "
		     "reduce 167 pending>store pending");
	for (unsigned i = 0; i < 3; i++)
		assert_row(i, COMMISSION_PENDING, after[i]);
}
END_TEST

/* Cancelled 10:00, confirmed 10:05: pending, whichever came first. */
START_TEST(what_is_back_is_pending_again)
{
	books_setup();
	decide_one(1000);
	set_out(OUTCOME_CANCELLED);
	post(false, 0);
	decide_one(1000);
	post(false, 0);
	assert_steps("accrue 1000 store>pending pending");
	ck_assert(moves.steps[0].changes_state);
	assert_row(0, COMMISSION_PENDING, 1000);
	decide_one(0);
	post(false, 0);
	assert_steps("reduce 1000 pending>store pending");
	set_out(OUTCOME_CANCELLED);
	post(false, 0);
	assert_steps("void 0 pending>store voided");
	decide_one(0); /* a zero row lives too */
	post(false, 0);
	assert_steps("accrue 0 store>pending pending");
}
END_TEST

START_TEST(a_late_reinstatement_takes_its_legal_steps_at_once)
{
	confirm_and_collect(1000);
	set_out(OUTCOME_RETURNED);
	post(false, 0);
	assert_steps("void 1000 held>store voided");
	ck_assert_int_eq(books.rows[0].release_us, 0);
	decide_one(1000);
	set_collected(true);
	post(true, RELEASE_US);
	assert_steps("accrue 1000 store>pending pending, collect 1000 pending>held held, "
		     "approve 1000 held>available approved");
	assert_row(0, COMMISSION_APPROVED, 1000);
}
END_TEST

START_TEST(a_second_parcel_takes_a_held_row_back_to_pending)
{
	confirm_and_collect(1000);
	decide_one(1200);
	post(false, 0);
	assert_steps("accrue 200 store>pending held, collect 200 pending>held held, "
		     "uncollect 1200 held>pending pending");
	assert_row(0, COMMISSION_PENDING, 1200);
	ck_assert_int_eq(books.rows[0].release_us, 0);
}
END_TEST

START_TEST(an_approved_row_stays_so_under_review)
{
	confirm_and_collect(1000);
	post(true, RELEASE_US);
	ck_assert_uint_eq(moves.reviews, 0);
	decide_one(1000);
	post(false, 0);
	assert_steps("");
	assert_row(0, COMMISSION_APPROVED, 1000);
	ck_assert_uint_eq(moves.reviews, 1u << DECIDE_REVIEW_COLLECTION_UNDONE);
	payout_begin(1);
	post(false, 0);
	ck_assert_uint_eq(moves.reviews, 1u << DECIDE_REVIEW_COLLECTION_UNDONE);
	payout_end(1, true);
	post(false, 0);
	ck_assert_uint_eq(moves.reviews, 0);
}
END_TEST

START_TEST(an_approved_row_is_reversed_and_comes_back_approved)
{
	confirm_and_collect(1000);
	post(true, RELEASE_US);
	set_out(OUTCOME_RETURNED);
	post(false, 0);
	assert_steps("void 1000 available>store reversed");
	assert_row(0, COMMISSION_REVERSED, 0);
	decide_one(0);
	set_collected(true);
	post(false, 0);
	assert_row(0, COMMISSION_REVERSED, 0); /* until there is something to approve */
	decide_one(700);
	set_collected(true);
	post(false, 0);
	assert_steps("accrue 700 store>pending approved, collect 700 pending>held approved, "
		     "approve 700 held>available approved");
	ck_assert(moves.steps[0].changes_state);
	ck_assert(!moves.steps[1].changes_state);
	assert_row(0, COMMISSION_APPROVED, 700);
}
END_TEST

START_TEST(what_turns_out_a_test_is_voided)
{
	confirm_and_collect(1000);
	decision.folded.is_test = true;
	decision.reason = OUTCOME_TEST_ORDER;
	post(true, RELEASE_US);
	assert_steps("void 1000 held>store voided");
	ck_assert_int_eq(books.rows[0].reason, OUTCOME_TEST_ORDER);
}
END_TEST

START_TEST(who_referred_themselves_have_a_zero_row)
{
	books_setup();
	add_share(1, 0)->reason = OUTCOME_SELF_REFERRAL;
	decision.result = DECISION_UNATTRIBUTED;
	decision.reason = OUTCOME_ALL_REFUSED;
	post(false, 0);
	assert_row(0, COMMISSION_PENDING, 0);
	ck_assert_int_eq(books.rows[0].reason, OUTCOME_SELF_REFERRAL);
}
END_TEST

START_TEST(the_share_of_nobody_has_no_row)
{
	books_setup();
	add_share(0, 0);
	post(false, 0);
	ck_assert_uint_eq(books.row_count, 0);
}
END_TEST

START_TEST(a_reason_that_changes_is_written)
{
	books_setup();
	decide_one(1000);
	post(false, 0);
	decision.shares[0].reason = OUTCOME_CAPPED_ORDER;
	post(false, 0);
	assert_steps("");
	ck_assert(moves.rows[0].is_changed);
	ck_assert_int_eq(books.rows[0].reason, OUTCOME_CAPPED_ORDER);
}
END_TEST

START_TEST(amounts_beyond_int64_are_refused)
{
	confirm_and_pay(1000);
	books.rows[1] = books.rows[0];
	books.rows[1].is_adjustment = true;
	books.rows[1].amount_minor = INT64_MIN;
	books.row_count = 2;
	decide_one(INT64_MAX);
	ck_assert(!plan(false, 0));
	books.rows[1].amount_minor = INT64_MAX;
	ck_assert(!plan(false, 0));
	books_setup();
	acts[0] =
		(struct event){.type = EVENT_ADJUST, .affiliate_id = 1, .amount_minor = INT64_MIN};
	act_list[0] = &acts[0];
	act_count = 1;
	ck_assert(!plan(false, 0));
	books_setup();
	decide_one(INT64_MAX);
	set_collected(true);
	post(true, RELEASE_US);
	assert_row(0, COMMISSION_APPROVED, INT64_MAX);
}
END_TEST

START_TEST(moves_have_the_words_of_the_ledger)
{
	static const char *const words[] = {"accrue", "collect", "uncollect", "approve", "void",
		"reduce", "clawback", "goodwill", "reassign"};
	ck_assert_uint_eq(COUNT_OF(words), MOVE_NAME_COUNT);
	for (unsigned i = 0; i < MOVE_NAME_COUNT; i++)
		ck_assert_str_eq(move_name_text((enum move_name)i), words[i]);
}
END_TEST

SUITE_MAIN("moves", nothing_decided_moves_nothing,
	a_confirmed_order_accrues_and_a_refused_one_is_voided,
	an_order_that_is_out_when_it_is_first_seen_has_its_voided_row,
	a_zero_commission_has_its_row_and_no_entries,
	collection_and_the_windows_end_go_through_every_state, a_window_that_moves_moves_the_row,
	a_return_reduces_in_the_bucket_where_the_row_is,
	an_amendment_raises_in_the_bucket_where_the_row_is, shares_each_have_their_row,
	what_is_back_is_pending_again, a_late_reinstatement_takes_its_legal_steps_at_once,
	a_second_parcel_takes_a_held_row_back_to_pending, an_approved_row_stays_so_under_review,
	an_approved_row_is_reversed_and_comes_back_approved, what_turns_out_a_test_is_voided,
	who_referred_themselves_have_a_zero_row, the_share_of_nobody_has_no_row,
	a_reason_that_changes_is_written, amounts_beyond_int64_are_refused,
	moves_have_the_words_of_the_ledger)
