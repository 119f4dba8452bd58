/* SPDX-License-Identifier: Apache-2.0
 * Who earned an order: MONEY section 2. Clicks and coupons are refused for a reason or stand, and
 * of those that stand one wins, or several share. Pure. */
#ifndef WASL_MATCH_H
#define WASL_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "order.h"
#include "outcome.h"

#define MATCH_CANDIDATES_MAX (ORDER_CLICKS_MAX + ORDER_COUPONS_MAX) /* of one event */
#define MATCH_WINNERS_MAX    ORDER_CLICKS_MAX /* linear: one affiliate a click */
#define MATCH_EARLY_S        300 /* a click may be this much after placed_at: clocks differ */

/* What a store does about affiliates who buy through their own links. */
enum self_referral { SELF_REFERRAL_BLOCK = 0, SELF_REFERRAL_REVIEW, SELF_REFERRAL_ALLOW };
enum affiliate_standing { AFFILIATE_UNKNOWN = 0, AFFILIATE_ACTIVE, AFFILIATE_SUSPENDED };
enum match_model { MATCH_LAST = 0, MATCH_FIRST, MATCH_LINEAR };
enum match_precedence { MATCH_COUPON_FIRST = 0, MATCH_CLICK_FIRST };
/* EVIDENCE_OPERATOR: an operator said so, and neither click nor coupon won. */
enum match_evidence {
	EVIDENCE_NONE = 0,
	EVIDENCE_RECORD,
	EVIDENCE_TOKEN,
	EVIDENCE_COUPON,
	EVIDENCE_OPERATOR
};
const char *match_evidence_name(enum match_evidence evidence);

/* A click or a coupon of the payload with what the database knows of it. */
struct match_candidate {
	bool is_coupon;
	struct str coupon; /* the code as the event has it */
	int64_t coupon_id; /* 0: nobody's code */
	struct order_click click;
	uint32_t affiliate_id;     /* of the click's token, or the coupon's owner; 0: not known */
	uint32_t product_store_id; /* the store of the token's product; 0: no such product */
	enum affiliate_standing standing; /* at placed_at */
	bool is_customer;                 /* the affiliate's phone or e-mail is the customer's */
	enum outcome held_back; /* of a coupon: NONE, or COUPON_EXPIRED, _EXHAUSTED, _SUSPENDED */
	/* What the live decision said of it, for the same placed_at; NONE: it was not there. What
	 * that rests on outside the events (the store of a product, standing, a coupon's state)
	 * holds on, refused or not; what the events say, and is_customer, are looked at anew. */
	enum outcome known;
	enum outcome verdict; /* out */
};

struct match_input {
	uint32_t store_id;
	int64_t placed_us;
	enum match_model model;
	enum match_precedence precedence;
	bool blocks_self_referral;
};

struct match_result {
	enum outcome reason; /* WON_COUPON, WON_LAST_CLICK, WON_FIRST_CLICK, SHARED_LINEAR,
				NO_CANDIDATES, ALL_REFUSED */
	/* Of who decided: COUPON; RECORD if Redis agreed with every click that won, else TOKEN. */
	enum match_evidence evidence;
	uint32_t winners[MATCH_WINNERS_MAX]; /* affiliates; the one of the latest click first */
	unsigned winner_count;
	int64_t coupon_id;      /* of the coupon that won or stands beside a winner's click; 0 */
	uint32_t self_referrer; /* nobody won, and this one would have but for the store's block
				   of self-referral; 0: none */
	bool is_coupon_stacked; /* the coupon that won had to win against another owner's */
	const uint8_t *winning_click; /* CLICK_ID_BYTES in candidates: the one click that won or
					 stands beside the coupon; NULL */
};

/* Gives every candidate its verdict and fills result. Each click id and each coupon should be there
 * once, coupons in the order of the payload.
 *
 * Refusals: the first in the order of MONEY section 2. Clicks go by time (cut to seconds), then by
 * id. COUPON_FIRST: the first coupon that stands wins with its owner, whose best click stands
 * beside it as won_…_click. CLICK_FIRST: coupons win only when no click stands; the winner's own
 * coupon stands beside the click as won_coupon. LINEAR: every affiliate with a click that stands
 * wins with the latest one. */
void match_decide(const struct match_input *input, struct match_candidate *candidates,
	unsigned count, struct match_result *result);

#endif
