/* SPDX-License-Identifier: Apache-2.0
 * Every order folded again from its events by the daemon's own core, and
 * compared with what stands.
 */
#ifndef WASL_CTL_REFOLD_H
#define WASL_CTL_REFOLD_H

#include "call.h"

#define REFOLD_INVARIANT "order_folds_again"

/* One difference, in a sentence that names store and order. */
typedef void refold_fn(const char *detail, void *arg);

/* Reads all orders page by page, in the transaction that is open on the call's database (which has
 * to be one snapshot, or an order that is being taken looks broken), and tells each difference: the
 * order's state and times, who won and why, each winner's part, what is left of each line with its
 * base and amount, the state, amount and end of the return window of each commission, the room
 * taken of caps and coupons, reviews that had to be opened. Orders that are due to be folded are
 * left out.
 *
 * What the decision froze is taken as frozen: model, precedence, which rule each line falls to,
 * what was granted of caps. So is what may have changed since without anything being wrong: a
 * candidate that was refused as self_referral stays refused, a coupon that was exhausted, expired
 * or suspended stays so; standing and products are those of the decision's time. A commission may
 * be further than its events take it: timers and payouts moved it. False, reported, when the
 * database or memory fails. */
bool refold_orders(struct call *call, refold_fn *fn, void *arg);

#endif
