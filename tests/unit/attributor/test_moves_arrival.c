/* SPDX-License-Identifier: Apache-2.0
 * Random lives of an order: whatever is decided next, whatever payouts do in between, the rows come
 * to what is decided by legal steps, and the books balance after each. */
#include "moves.h"

#include "../common/suite.h"
#include "moves_books.h"

#define ROUNDS 1500
#define STEPS  12

static uint64_t seed = UINT64_C(88172645463325252);

static unsigned draw(unsigned below)
{
	return (unsigned)(random_next(&seed) % below);
}

static void draw_shares(void)
{
	const unsigned first = 1 + draw(AFFILIATES - 1);
	const unsigned count = draw(4) == 0 ? 1 + draw(AFFILIATES - 1) : 1;
	for (unsigned i = 0; i < count; i++) {
		const uint32_t affiliate_id = 1 + (first + i) % (AFFILIATES - 1);
		struct decide_share *const share =
			add_share(affiliate_id, draw(4) == 0 ? 0 : draw(10000));
		share->confirmed_minor = draw(10000);
		if (draw(8) == 0) {
			share->is_void = true;
			share->amount_minor = 0;
			share->reason = draw(2) == 1 ? OUTCOME_OPERATOR_VOID : OUTCOME_RETURNED;
		}
	}
}

static void draw_decision(void)
{
	decide_nobody();
	if (draw(12) != 0)
		draw_shares();
	set_collected(draw(2) == 1);
	if (draw(5) == 0)
		set_out(draw(2) == 1 ? OUTCOME_CANCELLED : OUTCOME_REFUSED);
	decision.folded.is_test = draw(40) == 0;
	decision.folded.is_confirmed = draw(20) != 0;
}

static int64_t target_of(uint32_t affiliate_id)
{
	if (!decision.folded.is_confirmed || decision.folded.is_test)
		return 0;
	for (unsigned i = 0; i < decision.share_count; i++)
		if (decision.shares[i].affiliate_id == affiliate_id)
			return decision.shares[i].amount_minor;
	return 0;
}

static void assert_targets(void)
{
	for (uint32_t affiliate = 1; affiliate < AFFILIATES; affiliate++)
		ck_assert_int_eq(sum_of(affiliate), target_of(affiliate));
}

static void assert_nothing_to_do(bool may_release)
{
	ck_assert(plan(may_release, RELEASE_US));
	ck_assert_msg(moves.step_count == 0, "%s of row %u", move_name_text(moves.steps[0].name),
		moves.steps[0].row);
	ck_assert_uint_eq(moves.row_count, books.row_count);
	for (unsigned i = 0; i < moves.row_count; i++)
		ck_assert(!moves.rows[i].is_changed);
}

static void draw_payout(void)
{
	const uint32_t affiliate = 1 + draw(AFFILIATES - 1);
	switch (draw(4)) {
	case 0:
		payout_begin(affiliate);
		break;
	case 1:
		payout_end(affiliate, draw(3) != 0);
		break;
	case 2:
		if (draw(3) == 0)
			payout_bounce(affiliate);
		break;
	default:
		break;
	}
	assert_books_balance();
}

static void draw_act(void)
{
	static const char *const ids[ACTS_MAX] = {
		"operator-1", "operator-2", "operator-3", "operator-4"};
	if (act_count == ACTS_MAX || draw(12) != 0)
		return;
	acts[act_count] = (struct event){.type = EVENT_ADJUST,
		.event_id = str_from(ids[act_count]),
		.affiliate_id = 1 + draw(AFFILIATES - 1),
		.amount_minor = (int64_t)draw(2000) - 1000};
	act_list[act_count] = &acts[act_count];
	act_count++;
}

START_TEST(whatever_is_decided_the_rows_come_to_it)
{
	unsigned names[MOVE_NAME_COUNT] = {0};
	for (unsigned round = 0; round < ROUNDS; round++) {
		books_setup();
		for (unsigned step = 0; step < STEPS; step++) {
			const bool may_release = draw(3) == 0;
			draw_decision();
			draw_act();
			post(may_release, RELEASE_US - 1 + draw(2));
			for (unsigned i = 0; i < moves.step_count; i++)
				names[moves.steps[i].name]++;
			assert_targets();
			if (may_release)
				post(true, RELEASE_US);
			assert_targets();
			assert_nothing_to_do(may_release);
			draw_payout();
		}
	}
	for (unsigned i = 0; i < MOVE_NAME_COUNT; i++)
		ck_assert_msg(names[i] > 0, "%s", move_name_text((enum move_name)i));
}
END_TEST

/* Without timers, payouts and acts the last decision alone says what the rows are, whichever were
 * before it; those who never win may have an empty row, ended. */
START_TEST(the_last_decision_alone_says_what_the_rows_are)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		books_setup();
		for (unsigned step = draw(STEPS); step > 0; step--) {
			draw_decision();
			post(false, 0);
		}
		draw_decision();
		post(false, 0);
		const struct books long_way = books;
		memset(&books, 0, sizeof(books));
		post(false, 0);
		for (unsigned i = 0; i < long_way.row_count; i++) {
			const struct commission_row *const row = &long_way.rows[i];
			const struct commission_row *other = NULL;
			for (unsigned k = 0; k < books.row_count; k++)
				if (books.rows[k].affiliate_id == row->affiliate_id)
					other = &books.rows[k];
			ck_assert(!row->is_adjustment);
			if (other == NULL) {
				ck_assert_int_eq(row->state, COMMISSION_VOIDED);
				continue;
			}
			ck_assert_int_eq(row->state, other->state);
			ck_assert_int_eq(row->amount_minor, other->amount_minor);
			ck_assert_int_eq(row->confirmed_minor, other->confirmed_minor);
			ck_assert_int_eq(row->release_us, other->release_us);
			ck_assert_int_eq(row->reason, other->reason);
		}
		ck_assert_uint_ge(long_way.row_count, books.row_count);
		ck_assert_int_eq(
			memcmp(long_way.accounts, books.accounts, sizeof(books.accounts)), 0);
	}
}
END_TEST

SUITE_MAIN("moves_arrival", whatever_is_decided_the_rows_come_to_it,
	the_last_decision_alone_says_what_the_rows_are)
