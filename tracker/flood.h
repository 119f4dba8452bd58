/* SPDX-License-Identifier: Apache-2.0
 * Who clicks faster than people do: a small table of those that came last. Pure.
 *
 * Direct-mapped by a keyed hash of the visitor, or of the source of clicks without a cookie, so
 * that nobody chooses whose place to take; who loses the place is forgotten, never accused. */
#ifndef WASL_TRACKER_FLOOD_H
#define WASL_TRACKER_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#define FLOOD_SLOTS     4096              /* 64 KiB of a worker */
#define FLOOD_WINDOW_US INT64_C(10000000) /* from the first click of one */
/* Within it, of one visitor, and of one source, which many phones share in mobile networks; more
 * are suspect. */
#define FLOOD_VISITOR_MAX 30
#define FLOOD_SOURCE_MAX  300

struct flood_slot {
	int64_t until_us;
	uint64_t who : 48; /* 0: nobody */
	uint64_t clicks : 16;
};

struct flood {
	unsigned clicks_max;
	struct flood_slot slots[FLOOD_SLOTS];
};

void flood_init(struct flood *flood, unsigned clicks_max);
/* Notes a click; who: 48 bits (visit_visitor_hash, visit_source_hash), not 0. True when there have
 * been more than clicks_max. */
bool flood_note(struct flood *flood, uint64_t who, int64_t now_us);

#endif
