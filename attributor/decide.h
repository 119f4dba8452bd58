/* SPDX-License-Identifier: Apache-2.0
 * From the events of one order to its decision: fold, match, price. Pure: everything it needs to
 * know is handed in, and the result depends on nothing but that and the set of events. */
#ifndef WASL_DECIDE_H
#define WASL_DECIDE_H

#include "fold.h"
#include "match.h"
#include "price.h"

#define DECIDE_WINNERS_MAX MATCH_WINNERS_MAX
/* Candidates of all events up to the deciding one, each click and coupon once, by click time and
 * id; then tokens that did not open, then coupons. Where there are more, refused ones of earlier
 * events are left out. */
#define DECIDE_CANDIDATES_MAX 200

/* What the database knows, looked up for exactly the ids that the events name. */
struct decide_affiliate {
	uint32_t affiliate_id;
	enum affiliate_standing standing; /* at placed_at */
	bool is_suspended_now;
	/* The customer is this affiliate if is_customer says so, or if an event up to the deciding
	 * one names a customer with this phone or e-mail (HMACs in hex, as events keep them; empty:
	 * not known). */
	bool is_customer;
	struct str phone, email;
	int tier_bonus_bp; /* of the order's month at this store; 0: none */
	int tier_rate_bp;  /* RULE_NO_RATE: none */
};
struct decide_product {
	uint32_t product_id;
	uint32_t store_id;
	struct str external_id;
	struct str category;
};
struct decide_coupon {
	struct str code;        /* as an event has it: several codes may be one coupon */
	int64_t coupon_id;      /* codes that are nobody's may be left out */
	uint32_t affiliate_id;  /* the owner, who is among the affiliates */
	enum outcome held_back; /* NONE, COUPON_EXPIRED, COUPON_EXHAUSTED, COUPON_SUSPENDED */
};
/* What the live decision said of a click (by its id) or a coupon (by its code). */
struct decide_verdict {
	bool is_coupon;
	struct str coupon;
	uint8_t click_id[CLICK_ID_BYTES];
	enum outcome verdict;
};
/* A rule that the order's live decision froze for a line: it is not looked up again. Those of one
 * affiliate stand together, in the order of the lines. */
struct decide_frozen {
	uint32_t affiliate_id;
	struct str line_id;
	struct str product_id; /* the store's own */
	struct rule rule;      /* rule_id 0: none had matched */
	enum outcome why;
};
/* What an affiliate has of a rule's cap in the order's month. A pair that is not handed in has the
 * whole cap free. */
struct decide_room {
	uint32_t affiliate_id;
	int64_t rule_id;
	bool is_granted;       /* to this order, once and for ever */
	int64_t granted_minor; /* what was granted */
	int64_t wish_minor;    /* what was asked for then: see decide_grant */
	int64_t used_minor;    /* what of that this order holds now */
	int64_t free_minor;    /* under the cap now; negative when reinstated orders went over it */
};
struct decide_known {
	uint32_t store_id;
	enum match_model model; /* the live decision's, else the store's; so the next */
	enum match_precedence precedence;
	const char *precedence_name;      /* as stored: "coupon_first" */
	enum self_referral self_referral; /* the store's */
	bool collects_on_delivery;
	int return_days;
	const struct decide_affiliate *affiliates; /* of clicks, coupons and reassignments */
	unsigned affiliate_count;
	const struct decide_product *products; /* of click tokens (any store), and of the lines of
						  the terms and of the first confirmed (this one) */
	unsigned product_count;
	const struct decide_coupon *coupons;
	unsigned coupon_count;
	const struct rule *rules; /* of this store that may match */
	unsigned rule_count;
	/* Of the live decision, if it was made for the same placed_at: */
	const struct decide_frozen *frozen;
	unsigned frozen_count;
	const struct decide_verdict *verdicts;
	unsigned verdict_count;
	/* Events that the live decision has not seen. One that comes before the deciding event may
	 * bring another customer, so that self-referral is looked at anew. */
	const struct event *const *arrived;
	unsigned arrived_count;
	const struct decide_room *rooms;
	unsigned room_count;
	int64_t coupon_taken; /* the coupon whose use this order has, or had and gave back; 0 */
	/* A row was approved, paid or reversed, or there is an adjustment: winners stay those of
	 * the live decision's shares, by place. */
	bool is_locked;
	const uint32_t *live_winners;
	unsigned live_winner_count;
	enum outcome live_reason;
	enum match_evidence live_evidence;
};

/* Reviews that a decision asks for. A bit stays as long as its cause: whoever opens them opens each
 * once an order, since one that was lifted is not to come back. TIMESTAMP is set by whoever takes
 * the event, COLLECTION_UNDONE with the moves. */
#define DECIDE_REVIEWS(X)                             \
	X(SELF_REFERRAL, "self_referral")             \
	X(CONFLICT, "conflict")                       \
	X(OVER_REFUND, "over_refund")                 \
	X(COUPON_STACKED, "coupon_stacked")           \
	X(LATE_EVIDENCE, "late_evidence")             \
	X(AFFILIATE_SUSPENDED, "affiliate_suspended") \
	X(COLLECTION_UNDONE, "collection_undone")     \
	X(TIMESTAMP, "timestamp_out_of_range")
#define DECIDE_ENUM_REVIEW(name, text) DECIDE_REVIEW_##name,
enum decide_review { DECIDE_REVIEWS(DECIDE_ENUM_REVIEW) DECIDE_REVIEW_COUNT };
const char *decide_review_name(enum decide_review review);

/* A share's part under one rule with a cap by period, once the order is confirmed and no test.
 *
 * So that it does not depend on what came first, an order asks for the part that the rule had on
 * the first terms, from the first confirmed on, in which the rule has a line, with nothing taken
 * off. It is granted what of this is free, for ever. Only when an event that came late changes what
 * the order should have asked for is it asked again: then what was granted and what is free now
 * count. */
struct decide_grant {
	int64_t rule_id;
	int64_t wish_minor;
	int64_t granted_minor;
	int64_t used_minor; /* what is due of it: 0 while the order is out */
	bool is_new;        /* to be written: granted now, or again */
};

/* One winner's part. */
struct decide_share {
	uint32_t affiliate_id;
	int64_t full_minor;       /* as if alone, after line and order caps */
	int64_t share_minor;      /* of full, before the period cap */
	int64_t amount_minor;     /* due: 0 until the order is confirmed, and while it is out */
	int64_t confirmed_minor;  /* on the first confirmed event's terms, with nothing taken off; 0
				     until then */
	enum outcome reason;      /* of the commission: why it is nothing, or less (CANCELLED,
				     NO_RULE, CAPPED_ORDER), or else why it is theirs
				     (WON_LAST_CLICK) */
	bool is_void;             /* nothing is due for what became of the order: state voided. Else
				     a zero amount is a zero row in the order's state */
	struct price_line *lines; /* terms->line_count of them */
	struct decide_grant *grants;
	unsigned grant_count;
	struct rule *rules; /* those of the lines that the affiliate's tier went into */
};

enum decision_result { DECISION_ATTRIBUTED = 0, DECISION_UNATTRIBUTED, DECISION_CONFLICT };
const char *decision_result_name(enum decision_result result);

struct decision {
	struct folded folded;
	enum decision_result result;
	enum outcome reason;
	enum match_evidence evidence;
	unsigned candidate_count;
	unsigned share_count;
	bool is_winner_kept; /* locked, and the evidence says otherwise: the live decision's
				candidates are to be kept as its text */
	int64_t coupon_id;   /* whose use this order has; 0: none */
	bool takes_coupon;   /* it stands taken; else, with a coupon_id, it is given back */
	const uint8_t *winning_click; /* CLICK_ID_BYTES of the one click that won; NULL */
	unsigned reviews;             /* 1u << DECIDE_REVIEW_… */
	bool is_total_wrong;          /* flag total_mismatch */
	bool is_collected;            /* by what the store counts as collection */
	int64_t release_us;           /* the return window's end; 0: not collected */
	/* These two last, and only as many of them as there are are ever written: they are large.
	 * Shares are of the winners by place. Without one: the zero share of who referred
	 * themselves, or one of affiliate 0 with bases alone. */
	struct decide_share shares[DECIDE_WINNERS_MAX];
	struct match_candidate candidates[DECIDE_CANDIDATES_MAX];
};

enum decide_status {
	DECIDE_OK = 0,
	DECIDE_NOTHING,    /* no placed and no confirmed: what is there waits; folded is filled */
	DECIDE_OVERFLOW,   /* an amount leaves int64 */
	DECIDE_CURRENCY,   /* events are in several currencies */
	DECIDE_BAD_AMOUNT, /* a refunded_amount has more digits than the currency */
	DECIDE_NO_MEMORY,
};

/* events: all of the order, any order (sorted in place). decision is the caller's, large, and to be
 * released in every case; it points into events and known. A test order is decided and priced as
 * any other; its reason is TEST_ORDER and its result unattributed. */
enum decide_status decide_order(const struct decide_known *known, const struct event **events,
	unsigned count, struct decision *decision);
void decision_release(struct decision *decision);

#endif
