/* SPDX-License-Identifier: Apache-2.0
 * The books of one order for the tests of moves: rows and the ledger's accounts, to which every
 * plan is carried out step by step as the database would, refusing what it refuses. */
#ifndef WASL_TEST_MOVES_BOOKS_H
#define WASL_TEST_MOVES_BOOKS_H

#include "moves.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

#define AFFILIATES 4 /* 1, 2, 3 */
#define ROWS_MAX   64
#define PLANS_MAX  (2 * ROWS_MAX + 2 * AFFILIATES)
#define ACTS_MAX   4
#define RELEASE_US 1000

static const char *const accounts[] = {
	"store", "pending", "held", "available", "in_payout", "paid", "platform"};
#define ACCOUNTS (sizeof(accounts) / sizeof(accounts[0]))

/* As ck_assert, which writes a note of each fact even when it holds: too slow for so many. */
#define HOLDS(fact) \
	((fact) ? (void)0 : ck_abort_msg("%s, at step %u of %u", #fact, taken, moves.step_count))

struct books {
	struct commission_row rows[ROWS_MAX];
	unsigned row_count;
	int64_t accounts[AFFILIATES][ACCOUNTS];
	int64_t last_id;
};

static struct books books;
static struct decision decision;
static struct event acts[ACTS_MAX];
static const struct event *act_list[ACTS_MAX];
static unsigned act_count;
static struct moves_row plan_rows[PLANS_MAX];
static struct moves_step plan_steps[PLANS_MAX * MOVES_STEPS_OF_ROW_MAX];
static struct moves moves;
static unsigned taken; /* steps of the plan */

static inline int64_t *account(uint32_t affiliate_id, const char *name)
{
	HOLDS(affiliate_id < AFFILIATES);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		if (strcmp(accounts[i], name) == 0)
			return &books.accounts[affiliate_id][i];
	ck_abort_msg("no account %s", name);
	return NULL;
}

static inline void transfer(
	uint32_t affiliate_id, const char *from, const char *to, int64_t amount_minor)
{
	*account(affiliate_id, from) -= amount_minor;
	*account(affiliate_id, to) += amount_minor;
}

/* The account where a row's amount lies. */
static inline const char *account_of(const struct commission_row *row)
{
	if (row->state == COMMISSION_APPROVED && row->is_frozen)
		return "in_payout";
	return commission_bucket(row->state);
}

static inline bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static inline bool is_bucket(const char *name)
{
	return is(name, "pending") || is(name, "held") || is(name, "available");
}

/* The table of the ledger's moves. */
static inline bool has_its_accounts(const struct moves_step *step)
{
	const char *const from = step->from, *const to = step->to;
	switch (step->name) {
	case MOVE_ACCRUE:
		return is(from, "store") && is(to, "pending");
	case MOVE_COLLECT:
		return is(from, "pending") && is(to, "held");
	case MOVE_UNCOLLECT:
		return is(from, "held") && is(to, "pending");
	case MOVE_APPROVE:
		return is(from, "held") && is(to, "available");
	case MOVE_VOID:
	case MOVE_REDUCE:
		return is_bucket(from) && is(to, "store");
	case MOVE_CLAWBACK:
		return is(from, "available") && is(to, "store");
	case MOVE_GOODWILL:
		return (is(from, "platform") && is(to, "available")) ||
		       (is(from, "available") && is(to, "platform"));
	case MOVE_REASSIGN:
		return (is(from, "store") && is(to, "pending")) ||
		       (is_bucket(from) && is(to, "store"));
	case MOVE_NAME_COUNT:
		break;
	}
	return false;
}

static inline void carry_out_step(const struct moves_step *step, bool is_birth)
{
	struct commission_row *const row = &books.rows[step->row];
	HOLDS(!row->is_frozen);
	HOLDS(step->amount_minor >= 0);
	HOLDS(has_its_accounts(step));
	if (is_birth) {
		HOLDS(!step->changes_state);
		HOLDS(step->state == moves.rows[step->row].born);
		HOLDS(step->row_amount_minor == moves.rows[step->row].born_minor);
	} else if (step->changes_state) {
		HOLDS(commission_can_move(row->state, step->state));
	} else {
		HOLDS(step->state == row->state);
	}
	row->state = step->state;
	row->amount_minor = step->row_amount_minor;
	if (row->state == COMMISSION_VOIDED || row->state == COMMISSION_REVERSED)
		HOLDS(row->amount_minor == 0);
	HOLDS(row->is_adjustment || row->amount_minor >= 0);
	transfer(row->affiliate_id, step->from, step->to, step->amount_minor);
}

static inline void assert_books_balance(void)
{
	for (uint32_t affiliate = 1; affiliate < AFFILIATES; affiliate++) {
		int64_t sums[ACCOUNTS] = {0};
		int64_t all = 0;
		for (unsigned i = 0; i < books.row_count; i++) {
			const struct commission_row *const row = &books.rows[i];
			for (unsigned k = 0; k < ACCOUNTS; k++)
				if (row->affiliate_id == affiliate &&
					is(account_of(row), accounts[k]))
					sums[k] += row->amount_minor;
		}
		for (unsigned k = 0; k < ACCOUNTS; k++) {
			all += books.accounts[affiliate][k];
			if (k != 0 && k != ACCOUNTS - 1)
				HOLDS(books.accounts[affiliate][k] == sums[k]);
		}
		HOLDS(all == 0);
		HOLDS(*account(affiliate, "store") <= 0);
		HOLDS(*account(affiliate, "pending") >= 0);
		HOLDS(*account(affiliate, "held") >= 0);
	}
}

static inline bool plan(bool may_release, int64_t now_us)
{
	const struct moves_input input = {.decision = &decision,
		.events = act_list,
		.event_count = act_count,
		.rows = books.rows,
		.row_count = books.row_count,
		.may_release = may_release,
		.now_us = now_us};
	ck_assert_uint_le(moves_rows_max(&input), PLANS_MAX);
	moves = (struct moves){.rows = plan_rows, .steps = plan_steps};
	const bool is_planned = moves_plan(&input, &moves);
	ck_assert_uint_le(moves.row_count, moves_rows_max(&input));
	ck_assert_uint_le(moves.step_count, MOVES_STEPS_OF_ROW_MAX * moves.row_count);
	return is_planned;
}

static inline bool is_same_row(const struct commission_row *a, const struct commission_row *b)
{
	return a->commission_id == b->commission_id && a->affiliate_id == b->affiliate_id &&
	       a->state == b->state && a->is_adjustment == b->is_adjustment &&
	       a->is_platform == b->is_platform && a->is_frozen == b->is_frozen &&
	       a->amount_minor == b->amount_minor && a->confirmed_minor == b->confirmed_minor &&
	       a->release_us == b->release_us && a->reason == b->reason;
}

/* The plan's rows as they are to stand take the place of the old ones. */
static inline void take_rows(void)
{
	for (unsigned i = 0; i < moves.row_count; i++) {
		struct moves_row *const planned = &moves.rows[i];
		struct commission_row *const row = &books.rows[i];
		planned->row.reason = planned->reason;
		if (planned->is_new)
			planned->row.commission_id = ++books.last_id;
		ck_assert_int_eq(row->state, planned->row.state);
		ck_assert_int_eq(row->amount_minor, planned->row.amount_minor);
		if (!planned->is_changed || row->is_frozen)
			ck_assert(is_same_row(row, &planned->row));
		if (row->is_frozen || row->state == COMMISSION_PAID)
			ck_assert(!planned->is_changed);
		*row = planned->row;
	}
}

/* Plans, carries out, and sees that all is as it should be and nothing remains to be done. */
static inline void post(bool may_release, int64_t now_us)
{
	ck_assert(plan(may_release, now_us));
	ck_assert_uint_le(moves.row_count, ROWS_MAX);
	bool is_born[PLANS_MAX] = {false};
	const unsigned old_count = books.row_count;
	for (unsigned i = 0; i < moves.row_count; i++) {
		ck_assert_int_eq(moves.rows[i].is_new, i >= old_count);
		if (i < old_count)
			continue;
		books.rows[i] = moves.rows[i].row;
		books.row_count++;
	}
	for (unsigned i = 0; i < moves.step_count; i++) {
		const struct moves_step *const step = &moves.steps[i];
		const bool is_birth = step->row >= old_count && !is_born[step->row];
		is_born[step->row] = true;
		taken = i;
		carry_out_step(step, is_birth);
	}
	for (unsigned i = old_count; i < moves.row_count; i++)
		ck_assert(is_born[i]);
	take_rows();
	assert_books_balance();
}

static inline int64_t sum_of(uint32_t affiliate_id)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < books.row_count; i++)
		if (books.rows[i].affiliate_id == affiliate_id && !books.rows[i].is_platform)
			sum += books.rows[i].amount_minor;
	return sum;
}

/* All approved rows of an affiliate go into a payout; it ends as the bank says. */
static inline void payout_begin(uint32_t affiliate_id)
{
	for (unsigned i = 0; i < books.row_count; i++) {
		struct commission_row *const row = &books.rows[i];
		if (row->affiliate_id != affiliate_id || row->state != COMMISSION_APPROVED ||
			row->is_frozen)
			continue;
		row->is_frozen = true;
		transfer(affiliate_id, "available", "in_payout", row->amount_minor);
	}
}

static inline void payout_end(uint32_t affiliate_id, bool is_paid)
{
	for (unsigned i = 0; i < books.row_count; i++) {
		struct commission_row *const row = &books.rows[i];
		if (row->affiliate_id != affiliate_id || row->state != COMMISSION_APPROVED ||
			!row->is_frozen)
			continue;
		row->is_frozen = is_paid;
		row->state = is_paid ? COMMISSION_PAID : COMMISSION_APPROVED;
		transfer(affiliate_id, "in_payout", is_paid ? "paid" : "available",
			row->amount_minor);
	}
}

static inline void payout_bounce(uint32_t affiliate_id)
{
	for (unsigned i = 0; i < books.row_count; i++) {
		struct commission_row *const row = &books.rows[i];
		if (row->affiliate_id != affiliate_id || row->state != COMMISSION_PAID)
			continue;
		row->is_frozen = false;
		row->state = COMMISSION_APPROVED;
		transfer(affiliate_id, "paid", "available", row->amount_minor);
	}
}

/* A confirmed order of nobody; tests go on from here. */
static inline void decide_nobody(void)
{
	memset(&decision, 0, sizeof(decision));
	decision.folded.state = ORDER_CONFIRMED;
	decision.folded.is_confirmed = true;
	decision.result = DECISION_UNATTRIBUTED;
	decision.reason = OUTCOME_ALL_REFUSED;
}

static inline struct decide_share *add_share(uint32_t affiliate_id, int64_t amount_minor)
{
	struct decide_share *const share = &decision.shares[decision.share_count++];
	*share = (struct decide_share){.affiliate_id = affiliate_id,
		.full_minor = amount_minor,
		.share_minor = amount_minor,
		.amount_minor = amount_minor,
		.confirmed_minor = amount_minor,
		.reason = OUTCOME_WON_LAST_CLICK};
	decision.result = DECISION_ATTRIBUTED;
	decision.reason = OUTCOME_WON_LAST_CLICK;
	return share;
}

static inline void set_collected(bool is_collected)
{
	decision.is_collected = is_collected;
	decision.release_us = is_collected ? RELEASE_US : 0;
}

static inline void set_out(enum outcome reason)
{
	decision.folded.is_out = true;
	decision.folded.out_reason = reason;
	for (unsigned i = 0; i < decision.share_count; i++) {
		decision.shares[i].amount_minor = 0;
		decision.shares[i].is_void = true;
		decision.shares[i].reason = reason;
	}
}

static inline void books_setup(void)
{
	memset(&books, 0, sizeof(books));
	memset(acts, 0, sizeof(acts));
	act_count = 0;
	decide_nobody();
}

/* The steps of the last plan as "name amount from>to state" one after the other. */
static inline void assert_steps(const char *wanted)
{
	char text[1024] = "";
	size_t len = 0;
	for (unsigned i = 0; i < moves.step_count; i++) {
		const struct moves_step *const step = &moves.steps[i];
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %lld %s>%s %s",
			i > 0 ? ", " : "", move_name_text(step->name),
			(long long)step->amount_minor, step->from, step->to,
			commission_state_name(step->state));
	}
	ck_assert_str_eq(text, wanted);
}

static inline void assert_row(unsigned index, enum commission_state state, int64_t amount_minor)
{
	ck_assert_uint_lt(index, books.row_count);
	ck_assert_str_eq(
		commission_state_name(books.rows[index].state), commission_state_name(state));
	ck_assert_int_eq(books.rows[index].amount_minor, amount_minor);
}

/* The same order decided again: affiliate 1 has amount_minor of it. */
static inline struct decide_share *decide_one(int64_t amount_minor)
{
	decide_nobody();
	return add_share(1, amount_minor);
}

static inline void confirm_and_collect(int64_t amount_minor)
{
	books_setup();
	decide_one(amount_minor);
	set_collected(true);
	post(false, 0);
}

static inline void confirm_and_pay(int64_t amount_minor)
{
	confirm_and_collect(amount_minor);
	post(true, RELEASE_US);
	payout_begin(1);
	payout_end(1, true);
}

#endif
