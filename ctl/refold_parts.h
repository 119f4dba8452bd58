/* SPDX-License-Identifier: Apache-2.0
 * What the files of refold share: a page of orders as they stand, with the events to fold again.
 * They alone know headers of the attributor, its pure ones: there is one fold, not two. */
#ifndef WASL_CTL_REFOLD_PARTS_H
#define WASL_CTL_REFOLD_PARTS_H

#include "arena.h"
#include "call.h"
#include "decide.h"
#include "decide_changes.h"
#include "event_json.h"

#define REFOLD_PAGE_ORDERS 500
/* A page ends once it has this many events: as many as one order may have. */
#define REFOLD_PAGE_EVENTS FOLD_EVENTS_MAX
#define REFOLD_ARENA_MAX   (256u << 20)
/* Names of one order that are looked up: as many as the daemon does. */
#define REFOLD_NAMES_MAX DECIDE_CANDIDATES_MAX

/* A verdict that depends on what was known at the decision's time. */
struct refold_verdict {
	enum outcome outcome;
	uint8_t click_id[CLICK_ID_BYTES];
	bool has_click; /* its token opened: click and affiliate are known */
	uint32_t affiliate_id;
};

/* A line of the live decision. */
struct refold_line {
	uint32_t affiliate_id;
	struct str line_id, product_id;
	int64_t quantity, base_minor, amount_minor;
	bool is_rule_true; /* the rule's numbers are those of the rule with that number */
};

/* All it points to is in the page's arena, but for the loaded events. */
struct refold_order {
	uint32_t store_id;
	struct str order_id;
	struct str state, currency;
	int64_t placed_us; /* 0: none yet */
	bool is_test;

	int64_t version; /* of the live decision; 0: none */
	struct str model, precedence, result, reason, evidence;
	int64_t decided_us;
	unsigned candidate_count;
	struct refold_verdict
		*verdicts; /* the knowing and the winning ones; all if the list is full */
	unsigned verdict_count;
	struct refold_line *lines;
	struct decide_frozen *frozen; /* of each line */
	unsigned line_count;
	struct commission_row *rows;
	unsigned row_count;

	struct event **loaded;
	const struct event **events;
	unsigned event_count;
	struct str unreadable; /* webhook-id of an event whose facts cannot be read; empty: none */

	struct folded folded;
	uint32_t *affiliate_ids, *product_ids; /* distinct, of the clicks, in fold order */
	unsigned affiliate_id_count, product_id_count;
	struct decide_affiliate *affiliates;
	unsigned affiliate_count;
	struct decide_product *products;
	unsigned product_count;
};

struct refold_page {
	struct arena arena;
	struct refold_order *orders;
	unsigned count;
};

/* Fills page with the orders after the last one of the page that it holds (of a zeroed one: from
 * the start), each with all that stands and its events. False, reported, on failure. */
bool refold_read(struct call *call, struct refold_page *page);
void refold_page_release(struct refold_page *page);
/* Folds the orders' events and looks up what they name. */
bool refold_know(struct call *call, struct refold_page *page);

/* Cells; 0 and the empty text for null. */
int64_t refold_int(const struct db_rows *rows, unsigned row, unsigned column);
struct str refold_text(const struct db_rows *rows, unsigned row, unsigned column);
bool refold_bool(const struct db_rows *rows, unsigned row, unsigned column);

#endif
