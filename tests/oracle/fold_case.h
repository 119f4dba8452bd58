/* SPDX-License-Identifier: Apache-2.0
 * One order of fold_tool: its catalogue, its events, and between two postings what the database
 * would keep of it: rows, frozen rules, verdicts, grants, accounts. */
#ifndef WASL_FOLD_CASE_H
#define WASL_FOLD_CASE_H

#include "decide.h"
#include "event_json.h"
#include "left.h"
#include "moves.h"

#define FOLD_CASE_MAX        64 /* of everything that a case lists */
#define FOLD_CASE_FROZEN_MAX (FOLD_CASE_MAX * 64)

struct fold_room {
	uint32_t affiliate_id;
	int64_t rule_id, free_minor;
};
struct fold_account {
	uint32_t affiliate_id;
	const char *name;
	int64_t amount_minor;
};

struct fold_case {
	/* What holds for all runs. */
	struct decide_known known;
	struct decide_affiliate affiliates[FOLD_CASE_MAX];
	struct decide_product products[FOLD_CASE_MAX];
	struct decide_coupon coupons[FOLD_CASE_MAX];
	struct rule rules[FOLD_CASE_MAX];
	struct fold_room rooms[FOLD_CASE_MAX];
	unsigned room_count;
	struct event *events[FOLD_CASE_MAX];
	unsigned event_count;
	/* Of one run. */
	const struct event *arrived[FOLD_CASE_MAX]; /* sorted by each posting */
	unsigned arrived_count;
	const struct event *unseen[FOLD_CASE_MAX]; /* by the live decision */
	unsigned unseen_count;
	struct decision decision;
	bool is_decided;
	int64_t decided_placed_us;
	enum order_state state;
	unsigned reviews;
	struct commission_row rows[FOLD_CASE_MAX];
	unsigned row_count;
	struct fold_account accounts[FOLD_CASE_MAX];
	unsigned account_count;
	struct decide_frozen frozen[FOLD_CASE_FROZEN_MAX];
	struct decide_verdict verdicts[DECIDE_CANDIDATES_MAX];
	struct decide_room granted[FOLD_CASE_MAX];
	unsigned granted_count;
	uint32_t winners[DECIDE_WINNERS_MAX];
};

void fold_case_init(struct fold_case *order);
/* A new order with the same events to come. */
void fold_case_begin(struct fold_case *order);
void fold_case_arrive(struct fold_case *order, unsigned event);
/* One posting of what has arrived; as the timer at now_us if is_timer. "ok", or what decide_order
 * refused it for. Ends the program when a move is illegal. */
const char *fold_case_post(struct fold_case *order, bool is_timer, int64_t now_us);
/* p, s, f or b: see fold_tool. */
void fold_case_pay(struct fold_case *order, char what);
/* Forgets catalogue and events. */
void fold_case_clear(struct fold_case *order);

struct str fold_case_keep(const char *text);
_Noreturn void fold_case_die(const char *why, const char *what);

#endif
