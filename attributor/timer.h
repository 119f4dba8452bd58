/* SPDX-License-Identifier: Apache-2.0
 * What happens to orders by the clock and without an event: return windows end, operators act, what
 * was stored before it could be folded is folded.
 *
 * Orders say in wasl.orders.due_at when they have to be folded again. Those that are due are looked
 * for at every interval and whenever the channel wasl_orders says so, oldest first, and handed to
 * post page by page. Any number of attributors may do so at once: under an order's lock the second
 * finds it no longer due. One that cannot be folded is put off for an hour and logged. */
#ifndef WASL_TIMER_H
#define WASL_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "post.h"
#include "stores.h"

#define TIMER_CHANNEL  "wasl_orders"
#define TIMER_PAGE_MAX 128 /* orders under way at once */

struct keys;
struct timer_config {
	const char *database_url; /* a secret */
	int64_t interval_us;
	struct post *post;
	struct stores *stores;
	const struct keys *keys;
};

/* As of the last look. */
struct timer_counts {
	uint64_t folded, put_off; /* orders, since the start */
	uint64_t due, waiting;    /* due now; waiting for their confirmation for over a day */
	int64_t due_since_us;     /* wall clock; 0: none is due */
	int64_t looked_us;        /* of the loop; 0: never */
};

struct timer;
/* Begins with what came due while nobody ran. */
struct timer *timer_new(struct loop *loop, const struct timer_config *config, struct err *err);
const struct timer_counts *timer_counts(const struct timer *timer);
/* No more orders are handed to post. */
void timer_stop(struct timer *timer);
bool timer_is_idle(const struct timer *timer); /* none of its orders is under way */
/* Its orders must be over: free post before. */
void timer_free(struct timer *timer);

#endif
