/* SPDX-License-Identifier: Apache-2.0
 * From the events of one order to its decision and the moves of money that lead there: fold, match,
 * price, compare. Pure: everything it needs to know is handed in. */
#ifndef WASL_DECIDE_H
#define WASL_DECIDE_H

#include "fold.h"
#include "match.h"
#include "price.h"

#define DECIDE_WINNERS_MAX ORDER_CLICKS_MAX
/* Candidates of all events up to the deciding one, each click and coupon once, by click time and
 * id; then tokens that did not open, then coupons. Where there are more, refused ones of later
 * events are left out. */
#define DECIDE_CANDIDATES_MAX 200

enum decision_result { DECISION_ATTRIBUTED = 0, DECISION_UNATTRIBUTED };
const char *decision_result_name(enum decision_result result);

/* What the database knows, looked up for exactly the ids that the events name. */
struct decide_affiliate {
	uint32_t affiliate_id;
	enum affiliate_standing standing; /* at placed_at */
	bool is_customer;                 /* phone or e-mail equal that of the order's customer */
};
struct decide_product {
	uint32_t product_id;
	uint32_t store_id;
	struct str external_id;
	struct str category;
};
/* A rule that the order's live decision froze for a line: it is not looked up again. */
struct decide_frozen {
	uint32_t affiliate_id;
	struct str line_id;
	struct str product_id; /* the store's own */
	struct rule rule;      /* rule_id 0: none had matched */
	enum outcome why;
};
struct decide_known {
	uint32_t store_id;
	enum match_model model;
	bool blocks_self_referral;
	const char *precedence; /* as stored: "coupon_first" */
	const struct decide_affiliate *affiliates;
	unsigned affiliate_count;
	const struct decide_product
		*products; /* of click tokens (any store) and of lines (this store) */
	unsigned product_count;
	const struct rule *rules; /* of this store that may match */
	unsigned rule_count;
	const struct decide_frozen *frozen;
	unsigned frozen_count;
};

/* One winner's part. */
struct decide_share {
	uint32_t affiliate_id;
	int64_t amount_minor;
	enum outcome reason;      /* of the amount (ROUNDS_TO_ZERO …) or else of the decision */
	struct price_line *lines; /* terms->line_count of them */
};

struct decision {
	struct folded folded;
	enum decision_result result;
	enum outcome reason;
	enum match_evidence evidence;
	struct match_candidate candidates[DECIDE_CANDIDATES_MAX];
	unsigned candidate_count;
	int winner;                                         /* index into candidates; -1 */
	struct decide_share shares[1 + DECIDE_WINNERS_MAX]; /* without a winner: one of affiliate 0,
							       priced for nobody */
	unsigned share_count;
};

enum decide_status {
	DECIDE_OK = 0,
	DECIDE_NOTHING,  /* only events that are deferred */
	DECIDE_OVERFLOW, /* an amount leaves int64 */
	DECIDE_CURRENCY, /* an event has another currency than the first */
	DECIDE_NO_MEMORY,
};

/* events: all of the order, any order (sorted in place). decision is the caller's, to be released
 * in every case. A test order is decided and priced as any other; its reason is TEST_ORDER and its
 * result unattributed. */
enum decide_status decide_order(const struct decide_known *known, const struct event **events,
	unsigned count, struct decision *decision);
void decision_release(struct decision *decision);

/* A commission row as it stands, and where it has to go. */
struct commission_row {
	int64_t commission_id;
	uint32_t affiliate_id;
	bool is_voided; /* else pending */
	int64_t amount_minor;
};
enum decide_move {
	MOVE_ACCRUE = 0,
	MOVE_REDUCE,
	MOVE_VOID
}; /* MOVE_ACCRUE also revives a voided row */
const char *decide_move_name(enum decide_move move);
struct decide_change {
	int row; /* index into the rows, -1: a new row */
	uint32_t affiliate_id;
	enum decide_move move;
	int64_t amount_minor; /* the row's new amount */
	int64_t delta_minor;  /* > 0: into pending; < 0: out of it; 0 with a new zero row */
	enum outcome reason;
};
/* What takes the rows to the decision. Rows already right need no change. Orders that are not
 * confirmed and tests have no rows: any that stands (an event said "test" later) is voided. Returns
 * the number of changes, at most row_count + decision->share_count. */
unsigned decide_changes(const struct decision *decision, const struct commission_row *rows,
	unsigned row_count, struct decide_change *changes);

#endif
