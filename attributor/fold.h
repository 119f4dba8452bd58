/* SPDX-License-Identifier: Apache-2.0
 * An order's events, in any order of arrival, folded into what they amount to: MONEY section 1.
 * Pure. */
#ifndef WASL_FOLD_H
#define WASL_FOLD_H

#include "match.h"
#include "order.h"

#define FOLD_EVENTS_MAX 1000 /* of one order; a storefront that sends more is refused with 422 */

#define ORDER_STATES(X)           \
	X(NEW, "new")             \
	X(PLACED, "placed")       \
	X(CONFIRMED, "confirmed") \
	X(COLLECTED, "collected") \
	X(CANCELLED, "cancelled") \
	X(REFUSED, "refused")     \
	X(RETURNED, "returned")   \
	X(CONFLICT, "conflict")
#define ORDER_STATE_ENUM(name, text) ORDER_##name,
enum order_state { ORDER_STATES(ORDER_STATE_ENUM) ORDER_STATE_COUNT };
const char *order_state_name(enum order_state state);

struct folded {
	enum order_state state;        /* as far as events alone tell; see fold_state */
	const struct event *first;     /* first placed or confirmed: its placed_at and currency are
					  the order's; NULL: none, the state is ORDER_NEW */
	const struct event *confirmed; /* first confirmed; NULL: none */
	const struct event *terms;     /* whose lines and discounts hold now; NULL: none */
	int64_t placed_us;
	int64_t confirmed_us; /* timestamp of the first confirmed; 0 without one */
	/* Of the first such event since the last confirmation that brought the order back: the
	 * earlier of timestamp and receipt; 0: none. */
	int64_t shipped_us, delivered_us, collected_us;
	bool is_confirmed; /* money is concerned */
	bool is_out; /* cancelled, refused, returned by either, or in conflict: nothing is due */
	enum outcome out_reason;    /* with is_out: CANCELLED, REFUSED, RETURNED,
				       COLLECTED_AFTER_CANCEL, COLLECTED_AFTER_REFUSAL */
	bool is_out_after_delivery; /* with is_out: it was known as delivered before */
	bool gives_coupon_back;     /* cancelled before it was shipped, delivered or collected, and
				       still out */
	bool is_waiting;            /* not confirmed, and there are more than placed events */
	int64_t waiting_since_us;   /* with is_waiting: the earliest receipt of those that wait */
	bool is_test;               /* some event said so */
	const struct event *reassigned; /* the operator.reassign that holds; NULL: evidence decides
					 */
	unsigned returned_from;  /* index of the first event whose figures of type returned count: a
				    reinstatement undid those before */
	unsigned collected_from; /* the same for quantities of type collected: a confirmation that
				    brings the order back undoes those before */
};

/* Sorts events into fold order: by order_version if every storefront event has one, else by
 * timestamp; then rank, then id bytewise. An act without a version comes first among versions. */
void fold_sort(const struct event **events, unsigned count);
/* Folds sorted events, all of one order. folded points into them. */
void fold_order(const struct event *const *events, unsigned count, struct folded *folded);
/* An operator took this affiliate's part away, and no later reassignment or resolution gave it back
 * (events sorted). */
bool fold_is_voided(const struct event *const *events, unsigned count, uint32_t affiliate_id);

/* The order's state with what the fold alone can't know: whether the store collects on delivery (a
 * cancel or refusal after that is a return), and whether refunds, returns and shortfall have left
 * nothing of any line (then RETURNED). */
enum order_state fold_state(
	const struct folded *folded, bool collects_on_delivery, bool is_nothing_left);
/* Why it is out, the same; NONE when it is not. */
enum outcome fold_out_reason(const struct folded *folded, bool collects_on_delivery);
/* By the store's collect_on: cash (or, with collects_on_delivery, goods or cash) has arrived. Also
 * of an order that is out or not yet confirmed. */
bool fold_is_collected(const struct folded *folded, bool collects_on_delivery);
/* When the return window ends: return_days of 86,400 s after the later of collected and delivered,
 * of those that are known; 0: not collected. */
int64_t fold_release_us(const struct folded *folded, bool collects_on_delivery, int return_days);

#endif
