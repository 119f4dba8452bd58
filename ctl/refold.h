/* SPDX-License-Identifier: Apache-2.0
 * Every order folded again from its events by the daemon's own core, and compared with what stands.
 */
#ifndef WASL_CTL_REFOLD_H
#define WASL_CTL_REFOLD_H

#include "call.h"

#define REFOLD_INVARIANT "order_folds_again"

/* One difference, in a sentence that names store and order. */
typedef void refold_fn(const char *detail, void *arg);

/* Reads all orders page by page, in the transaction that is open on the call's database (which has
 * to be one snapshot, or an order that is being taken looks broken), and tells each difference: the
 * order's state, who won and why, the base and amount of each line, the amount and state of each
 * commission.
 *
 * What the decision froze is taken as frozen: model, and which rule each line falls to. So is what
 * may have changed since without anything being wrong: a candidate that was refused as
 * self_referral stays refused, one that was not stays unrefused (phones and stores' settings
 * change); standing and products are those of the decision's time. False, reported, when the
 * database or memory fails. */
bool refold_orders(struct call *call, refold_fn *fn, void *arg);

#endif
