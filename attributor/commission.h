/* SPDX-License-Identifier: Apache-2.0
 * The states of a commission, the bucket of each and the legal moves between them: the words of
 * common/commission.def. Pure. */
#ifndef WASL_COMMISSION_H
#define WASL_COMMISSION_H

#include <stdbool.h>

#include "str.h"

#define COMMISSION_STATE(name, text, bucket) COMMISSION_##name,
enum commission_state {
#include "commission.def"
	COMMISSION_STATE_COUNT
};

const char *commission_state_name(enum commission_state state);
/* False, and *state untouched, when it is no such word. */
bool commission_state_parse(struct str text, enum commission_state *state);
/* The ledger account that holds a row's amount in this state; "": none, its amount is 0. */
const char *commission_bucket(enum commission_state state);
/* One legal move; never from a state to itself. */
bool commission_can_move(enum commission_state from, enum commission_state to);

#endif
