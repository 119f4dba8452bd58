/* SPDX-License-Identifier: Apache-2.0
 * An order's events, in any order of arrival, folded into what they amount to: MONEY section 1.
 * Pure. */
#ifndef WASL_FOLD_H
#define WASL_FOLD_H

#include "order.h"

#define FOLD_EVENTS_MAX 1000 /* of one order; a storefront that sends more is refused with 422 */

enum order_state { ORDER_NEW = 0, ORDER_PLACED, ORDER_CONFIRMED };
const char *order_state_name(enum order_state state);

struct folded {
	enum order_state state;
	const struct event *terms; /* whose lines and discounts hold: the last confirmed, else the
				      last placed; or NULL */
	const struct event *first; /* first placed or confirmed in fold order: its placed_at and
				      currency are the order's */
	int64_t placed_us;
	int64_t confirmed_us; /* timestamp of the first confirmed in fold order; 0 if none */
	bool is_test;
};

/* Sorts events into fold order: by order_version if every event has one, else by timestamp; then
 * rank, then webhook-id bytewise. */
void fold_sort(const struct event **events, unsigned count);
/* events sorted; deferred types are passed over. */
void fold_order(const struct event *const *events, unsigned count, struct folded *folded);

#endif
