/* SPDX-License-Identifier: Apache-2.0
 * What the files of decide share: one decision under way. */
#ifndef WASL_DECIDE_PARTS_H
#define WASL_DECIDE_PARTS_H

#include "decide.h"
#include "left.h"

struct decide_work {
	const struct decide_known *known;
	const struct event *const *events; /* sorted */
	unsigned count;
	unsigned first_arrived; /* index of the first event the live decision has not seen; count */
	struct decision *decision;
	struct left_result left_result;
	struct left_line *left; /* of the terms; room for ORDER_LINES_MAX */

	/* Who. */
	struct match_result match; /* by the evidence */
	unsigned customers;        /* of how many first events the customers count */
	uint32_t winners[DECIDE_WINNERS_MAX];
	unsigned winner_count;
	bool is_self_referral; /* the winner is one who referred themselves: a zero share */
	enum outcome reason;   /* why it is theirs, or nobody's */
	enum match_evidence evidence;
};

/* decide_candidates.c: fills the decision's candidates and work->match. */
void decide_candidates(struct decide_work *work);
const struct decide_affiliate *decide_affiliate(
	const struct decide_known *known, uint32_t affiliate_id); /* NULL: not known */
/* Whether one of the first customers events names the affiliate as the customer. */
bool decide_is_customer(const struct decide_work *work, const struct decide_affiliate *affiliate,
	unsigned customers);

/* decide_winners.c: work->winners, with reason and evidence, and the reviews that come of them. */
void decide_winners(struct decide_work *work);

/* decide_shares.c: the shares of work->winners. */
enum decide_status decide_shares(struct decide_work *work);

/* Some terms of the order priced for one share. */
struct decide_priced {
	struct price_line *lines; /* terms->line_count */
	struct rule *rules;       /* as many, or NULL: of those that a tier went into */
	unsigned line_count;
	int64_t full_minor, share_minor;
};
void decide_priced_release(struct decide_priced *priced);
/* What the winner of number place would get for terms of which left is left; priced is made here,
 * and to be released when this is DECIDE_OK. */
enum decide_status decide_price(const struct decide_work *work, unsigned place,
	const struct event *terms, const struct left_line *left, struct decide_priced *priced);

/* decide_grants.c: what caps by period take. */

/* A share's part under one rule. */
struct decide_part {
	const struct rule *rule;
	int64_t amount_minor;
};
struct decide_parts {
	struct decide_part parts[ORDER_LINES_MAX];
	unsigned count;
};
/* What of a share of winner_count falls to each rule, in the order in which the lines name them:
 * with one winner the rule's lines, else by largest remainder. False on overflow. */
bool decide_parts(
	const struct decide_priced *priced, unsigned winner_count, struct decide_parts *parts);
/* Fills the share's grants from the terms since the first confirmed; used_minor is left 0. */
enum decide_status decide_grants(
	const struct decide_work *work, unsigned place, struct decide_share *share);
/* The grant of a rule; NULL: it has no cap by period, or nothing is granted yet. */
struct decide_grant *decide_grant(const struct decide_share *share, int64_t rule_id);

#endif
