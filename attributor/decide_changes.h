/* SPDX-License-Identifier: Apache-2.0
 * Moves of money between the rows of an order that is confirmed and its decision. Pure. */
#ifndef WASL_DECIDE_CHANGES_H
#define WASL_DECIDE_CHANGES_H

#include "decide.h"

/* A commission row as it stands, and where it has to go. */
struct commission_row {
	int64_t commission_id;
	uint32_t affiliate_id;
	bool is_voided; /* else pending */
	int64_t amount_minor;
};
enum decide_move {
	MOVE_ACCRUE = 0,
	MOVE_REDUCE,
	MOVE_VOID
}; /* MOVE_ACCRUE also revives a voided row */
const char *decide_move_name(enum decide_move move);
struct decide_change {
	int row; /* index into the rows, -1: a new row */
	uint32_t affiliate_id;
	enum decide_move move;
	int64_t amount_minor; /* the row's new amount */
	int64_t delta_minor;  /* > 0: into pending; < 0: out of it; 0 with a new zero row */
	enum outcome reason;
};
/* What takes the rows to the decision. Rows already right need no change. Orders that are not
 * confirmed and tests have no rows: any that stands (an event said "test" later) is voided. Returns
 * the number of changes, at most row_count + decision->share_count. */
unsigned decide_changes(const struct decision *decision, const struct commission_row *rows,
	unsigned row_count, struct decide_change *changes);

#endif
