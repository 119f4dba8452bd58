/* SPDX-License-Identifier: Apache-2.0
 * Who clicks faster than people do: a small table of the visitors that came last. Pure.
 *
 * Direct-mapped by the visitor's hash, which is keyed, so that nobody chooses whose place to take;
 * a visitor who loses the place is forgotten, never accused. */
#ifndef WASL_TRACKER_FLOOD_H
#define WASL_TRACKER_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#define FLOOD_SLOTS      4096              /* 64 KiB of a worker */
#define FLOOD_WINDOW_US  INT64_C(10000000) /* from a visitor's first click */
#define FLOOD_CLICKS_MAX 30                /* of one visitor within it; more are suspect */

struct flood_slot {
	int64_t until_us;
	uint64_t visitor : 48; /* 0: nobody */
	uint64_t clicks : 16;
};

struct flood {
	struct flood_slot slots[FLOOD_SLOTS];
};

/* Notes a click; visitor: visit_visitor_hash's, not 0. True when there have been too many. */
bool flood_note(struct flood *flood, uint64_t visitor, int64_t now_us);

#endif
