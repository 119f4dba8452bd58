/* SPDX-License-Identifier: Apache-2.0
 * An operator's act on an order: a function of the schema keeps it as an event of the order, the
 * attributor folds the order again, and the command shows what came of it. */
#ifndef WASL_CTL_ACT_H
#define WASL_CTL_ACT_H

#include "call.h"

#define ACT_WAIT_US    2000000 /* after that the command returns all the same */
#define ACT_REASON_MAX 4096    /* bytes, as the schema allows them */
#define ACT_TEXT_MAX   24
#define ACT_ORDER_MAX  129 /* bytes of an order's id, and a NUL */

#define ACT_REASON_OPTION                                                           \
	{                                                                           \
		"reason", OPTION_TEXT, true, "TEXT", "why, in words; kept for ever" \
	}

struct act {
	char store_id[ACT_TEXT_MAX];
	char order_id[ACT_ORDER_MAX];
	char at_us[ACT_TEXT_MAX]; /* the act's time, by the database's clock */
};

/* Takes --reason: some words. False: wrong usage, reported. */
bool act_check_reason(const struct call *call);
/* Sets the order that an act is on. False: too long to be one. */
bool act_set_order(struct act *act, const char *store_id, const char *order_id);
/* Finds the order of a commission; false, reported, when there is no such commission. */
bool act_find_order(struct call *call, const char *commission_id, struct act *act);
/* Runs the statement, whose first column is wasl.to_us(now()). False: refused, reported. */
bool act_do(struct call *call, const char *sql, unsigned count, const char *const *params,
	struct act *act);
/* Waits until the attributor has folded the order, at most ACT_WAIT_US. None that does is no error:
 * stderr tells that the act is kept, and takes effect once one runs. */
void act_wait(struct call *call, const struct act *act);

#endif
