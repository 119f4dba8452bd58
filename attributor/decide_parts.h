/* SPDX-License-Identifier: Apache-2.0
 * What the files of decide share. */
#ifndef WASL_DECIDE_PARTS_H
#define WASL_DECIDE_PARTS_H

#include "decide.h"

/* Fills the decision's candidates, winner, reason and evidence from its order's sorted events. */
void decide_candidates(const struct decide_known *known, const struct event *const *events,
	unsigned count, struct decision *decision);

#endif
