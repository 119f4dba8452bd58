/* SPDX-License-Identifier: Apache-2.0
 * Who earned an order: MONEY section 2, for clicks. Pure. */
#ifndef WASL_MATCH_H
#define WASL_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "order.h"

#define MATCH_CANDIDATES_MAX (ORDER_CLICKS_MAX + ORDER_COUPONS_MAX)
#define MATCH_EARLY_S        300 /* a click may be this much after placed_at: clocks differ */

/* Verdicts of candidates, reasons of decisions and of amounts: one list of words (MONEY section 2).
 */
#define OUTCOMES(X)                                         \
	X(NONE, "")                                         \
	X(WON_COUPON, "won_coupon")                         \
	X(WON_LAST_CLICK, "won_last_click")                 \
	X(WON_FIRST_CLICK, "won_first_click")               \
	X(SHARED_LINEAR, "shared_linear")                   \
	X(LOST_TO_COUPON, "lost_to_coupon")                 \
	X(LOST_TO_CLICK, "lost_to_click")                   \
	X(LOST_TO_LATER_CLICK, "lost_to_later_click")       \
	X(LOST_TO_EARLIER_CLICK, "lost_to_earlier_click")   \
	X(LOST_TO_OTHER_COUPON, "lost_to_other_coupon")     \
	X(BAD_TOKEN, "bad_token")                           \
	X(WRONG_STORE, "wrong_store")                       \
	X(KEY_REVOKED, "key_revoked")                       \
	X(AFFILIATE_SUSPENDED, "affiliate_suspended")       \
	X(OUT_OF_WINDOW, "out_of_window")                   \
	X(CLICK_AFTER_ORDER, "click_after_order")           \
	X(SELF_REFERRAL, "self_referral")                   \
	X(RECORD_MISMATCH, "record_mismatch")               \
	X(UNKNOWN_AFFILIATE, "unknown_affiliate")           \
	X(COUPON_UNKNOWN, "coupon_unknown")                 \
	X(NO_CANDIDATES, "no_candidates")                   \
	X(ALL_REFUSED, "all_refused")                       \
	X(TEST_ORDER, "test_order")                         \
	X(ROUNDS_TO_ZERO, "rounds_to_zero")                 \
	X(NO_RULE, "no_rule")                               \
	X(NO_RULE_FOR_CURRENCY, "no_rule_for_currency")     \
	X(CAPPED_LINE, "capped_line")                       \
	X(CANCELLED, "cancelled")                           \
	X(REFUSED, "refused")                               \
	X(RETURNED, "returned")                             \
	X(COLLECTED_AFTER_CANCEL, "collected_after_cancel") \
	X(COLLECTED_AFTER_REFUSAL, "collected_after_refusal")
#define OUTCOME_ENUM(name, text) OUTCOME_##name,
enum outcome { OUTCOMES(OUTCOME_ENUM) OUTCOME_COUNT };
const char *outcome_name(enum outcome outcome);

/* What a store does about affiliates who buy through their own links. */
enum self_referral { SELF_REFERRAL_BLOCK = 0, SELF_REFERRAL_REVIEW, SELF_REFERRAL_ALLOW };
enum affiliate_standing { AFFILIATE_UNKNOWN = 0, AFFILIATE_ACTIVE, AFFILIATE_SUSPENDED };
enum match_model { MATCH_LAST = 0, MATCH_FIRST, MATCH_LINEAR };
enum match_evidence { EVIDENCE_NONE = 0, EVIDENCE_RECORD, EVIDENCE_TOKEN, EVIDENCE_COUPON };
const char *match_evidence_name(enum match_evidence evidence);

/* A click of the payload with what the database knows of it, or a coupon (until coupons are kept
 * every code is coupon_unknown). */
struct match_candidate {
	bool is_coupon;
	struct str coupon;
	struct order_click click;
	uint32_t product_store_id;        /* the store of the token's product; 0: no such product */
	enum affiliate_standing standing; /* at placed_at */
	bool is_customer;                 /* the affiliate's phone or e-mail is the customer's */
	enum outcome verdict;             /* out */
};

struct match_input {
	uint32_t store_id;
	int64_t placed_us;
	enum match_model model;
	bool blocks_self_referral;
};

struct match_result {
	enum outcome reason; /* WON_LAST_CLICK …, NO_CANDIDATES or ALL_REFUSED */
	enum match_evidence evidence;
	int winner; /* index of the winning candidate, -1 if none */
};

/* Gives every candidate its verdict. Refusals of one candidate in the order of MONEY section 2;
 * those that stand by click time (cut to seconds), then click id: with MATCH_LAST the latest wins
 * and the others are lost_to_later_click, with MATCH_FIRST the earliest wins and the others are
 * lost_to_earlier_click, whoever's they are. Each click id should be there once. A linear store is
 * decided by last click until sharing is built. */
void match_decide(const struct match_input *input, struct match_candidate *candidates,
	unsigned count, struct match_result *result);

#endif
