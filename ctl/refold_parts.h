/* SPDX-License-Identifier: Apache-2.0
 * What the files of refold share: a page of orders as they stand, with the
 * events to fold again. They alone know headers of the attributor, its pure
 * ones: there is one fold, not two. */
#ifndef WASL_CTL_REFOLD_PARTS_H
#define WASL_CTL_REFOLD_PARTS_H

#include "arena.h"
#include "call.h"
#include "decide.h"
#include "event_json.h"
#include "moves.h"
#include "refold.h"

#define REFOLD_PAGE_ORDERS 250
/* A page ends once it has this many events: as many as one order may have. */
#define REFOLD_PAGE_EVENTS FOLD_EVENTS_MAX
#define REFOLD_ARENA_MAX   (256u << 20)
/* Names of one order that are looked up: as many as the daemon does, and those
 * of acts. */
#define REFOLD_NAMES_MAX (DECIDE_CANDIDATES_MAX + 32)

/* A candidate of the live decision, as it was written. */
struct refold_candidate {
	bool is_coupon;
	struct str coupon;
	uint8_t click_id[CLICK_ID_BYTES];
	bool has_click; /* its token opened: click and affiliate are known */
	uint32_t affiliate_id;
	enum outcome verdict;
};

/* A line of the live decision. */
struct refold_line {
	uint32_t affiliate_id;
	struct str line_id, product_id;
	int64_t quantity, base_minor, amount_minor;
	int64_t quantity_left; /* -1: written before returns were counted */
	enum outcome reason;
	bool is_rule_true; /* the rule's numbers are those of the rule with that
			      number */
};

/* A winner's part of the live decision. */
struct refold_share {
	uint32_t affiliate_id;
	int64_t full_minor, share_minor, amount_minor, confirmed_minor;
	enum outcome reason;
};

/* All it points to is in the page's arena, but for the loaded events. */
struct refold_order {
	uint32_t store_id;
	struct str order_id;
	struct str state, currency;
	int64_t placed_us; /* 0: none yet; so the others */
	int64_t confirmed_us, shipped_us, delivered_us, collected_us, waiting_us;
	bool is_test, is_waiting;
	bool is_due; /* something waits to be folded: what stands is not yet what the
			events say */
	bool collects_on_delivery;
	int return_days;
	bool is_store_settled; /* its settings were never changed: they are those of
				  the time */

	int64_t version; /* of the live decision; 0: none */
	struct str model, precedence, result, reason, evidence;
	int64_t decided_us; /* its first version */
	bool is_total_wrong;
	struct refold_candidate *candidates;
	unsigned candidate_count;
	struct decide_verdict *verdicts; /* those that rest on what only the daemon can know */
	unsigned verdict_count;
	struct refold_line *lines;
	struct decide_frozen *frozen; /* of each line */
	unsigned line_count;
	struct refold_share *shares;
	uint32_t *winners; /* of each share */
	unsigned share_count;
	struct decide_room *rooms;
	unsigned room_count;
	struct commission_row *rows;
	unsigned row_count;
	unsigned reviews;  /* 1u << DECIDE_REVIEW_…, of those that were ever opened */
	int64_t coupon_id; /* its use; 0: none */
	bool is_coupon_taken;

	struct event **loaded;
	const struct event **events;
	unsigned event_count;
	struct str unreadable; /* webhook-id of an event whose facts cannot be read;
				  empty: none */

	struct folded folded;
	uint32_t *affiliate_ids, *product_ids; /* distinct, of clicks, coupons, acts */
	unsigned affiliate_id_count, product_id_count;
	struct decide_affiliate *affiliates;
	unsigned affiliate_count;
	struct decide_product *products;
	unsigned product_count;
	struct decide_coupon *coupons;
	unsigned coupon_count;
};

struct refold_page {
	struct arena arena;
	struct refold_order *orders;
	unsigned count;
};

/* Fills page with the orders after the last one of the page that it holds (of a
 * zeroed one: from the start), each with all that stands and its events. False,
 * reported, on failure. */
bool refold_read(struct call *call, struct refold_page *page);
void refold_page_release(struct refold_page *page);
/* Folds the orders' events and looks up what they name. */
bool refold_know(struct call *call, struct refold_page *page);
/* Its part for coupons. */
bool refold_coupons(struct call *call, struct refold_page *page);

/* Cells; 0 and the empty text for null. */
int64_t refold_int(const struct db_rows *rows, unsigned row, unsigned column);
struct str refold_text(const struct db_rows *rows, unsigned row, unsigned column);
bool refold_bool(const struct db_rows *rows, unsigned row, unsigned column);
enum outcome refold_outcome(struct str name);

/* One order under comparison. */
struct refold_comparison {
	const struct refold_order *order;
	struct decision *decision;
	unsigned digits;
	refold_fn *fn;
	void *arg;
};
/* The order's row, what was decided, and each winner's part and lines. False:
 * somebody else won or there is no decision, so that no row can be compared. */
bool refold_compare_decision(const struct refold_comparison *comparison);
/* Only the order's row. */
void refold_compare_order(const struct refold_comparison *comparison);
/* Commissions, grants, the coupon's use, reviews. False: no memory. */
bool refold_compare_rows(const struct refold_comparison *comparison);
/* Tells a difference, in printf's way. */
void refold_tell(const struct refold_comparison *comparison, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
const char *refold_amount(
	const struct refold_comparison *comparison, char text[MONEY_TEXT_MAX], int64_t minor);

#endif
