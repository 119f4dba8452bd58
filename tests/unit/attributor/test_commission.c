/* SPDX-License-Identifier: Apache-2.0
 * The states of a commission: words, buckets, and exactly the legal moves. */
#include "commission.h"

#include "../common/suite.h"

static const struct {
	enum commission_state state;
	const char *word, *bucket;
} states[] = {
	{COMMISSION_PENDING, "pending", "pending"},
	{COMMISSION_HELD, "held", "held"},
	{COMMISSION_APPROVED, "approved", "available"},
	{COMMISSION_PAID, "paid", "paid"},
	{COMMISSION_VOIDED, "voided", ""},
	{COMMISSION_REVERSED, "reversed", ""},
};

START_TEST(every_state_has_a_word_that_reads_back_and_a_bucket)
{
	ck_assert_uint_eq(COUNT_OF(states), COMMISSION_STATE_COUNT);
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		enum commission_state state = COMMISSION_STATE_COUNT;
		ck_assert_str_eq(commission_state_name(states[i].state), states[i].word);
		ck_assert_str_eq(commission_bucket(states[i].state), states[i].bucket);
		ck_assert(commission_state_parse(str_from(states[i].word), &state));
		ck_assert_int_eq(state, states[i].state);
	}
}
END_TEST

START_TEST(other_words_are_no_states)
{
	static const char *const words[] = {"", "pend", "pendings", "Pending", " paid"};
	enum commission_state state = COMMISSION_PAID;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		ck_assert(!commission_state_parse(str_from(words[i]), &state));
	ck_assert_int_eq(state, COMMISSION_PAID);
}
END_TEST

START_TEST(ten_moves_are_legal_and_no_other)
{
	static const enum commission_state legal[][2] = {
		{COMMISSION_PENDING, COMMISSION_HELD},
		{COMMISSION_PENDING, COMMISSION_VOIDED},
		{COMMISSION_HELD, COMMISSION_APPROVED},
		{COMMISSION_HELD, COMMISSION_PENDING},
		{COMMISSION_HELD, COMMISSION_VOIDED},
		{COMMISSION_APPROVED, COMMISSION_PAID},
		{COMMISSION_APPROVED, COMMISSION_REVERSED},
		{COMMISSION_VOIDED, COMMISSION_PENDING},
		{COMMISSION_REVERSED, COMMISSION_APPROVED},
		{COMMISSION_PAID, COMMISSION_APPROVED},
	};
	unsigned found = 0;
	for (size_t i = 0; i < COUNT_OF(legal); i++)
		ck_assert(commission_can_move(legal[i][0], legal[i][1]));
	for (unsigned from = 0; from < COMMISSION_STATE_COUNT; from++)
		for (unsigned to = 0; to < COMMISSION_STATE_COUNT; to++)
			found += commission_can_move(
				(enum commission_state)from, (enum commission_state)to);
	ck_assert_uint_eq(found, COUNT_OF(legal));
}
END_TEST

SUITE_MAIN("commission", every_state_has_a_word_that_reads_back_and_a_bucket,
	other_words_are_no_states, ten_moves_are_legal_and_no_other)
