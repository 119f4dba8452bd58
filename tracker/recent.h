/* SPDX-License-Identifier: Apache-2.0
 * The clicks that Redis acknowledged within the last moments, so that they can be sent again when
 * it comes back without them: a ring of notes in one block of memory. Pure but for malloc. */
#ifndef WASL_TRACKER_RECENT_H
#define WASL_TRACKER_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

#define RECENT_BYTES_MIN (64 * 1024)
#define RECENT_BYTES_MAX (32 * 1024 * 1024) /* 2 s of 250,000 clicks a second without sub-ids */

struct recent {
	char *bytes; /* size is a power of two */
	uint64_t size;
	uint64_t first, end; /* offsets that only grow; masked, they are places */
	uint64_t lost_to;    /* what is before it has to be sent again, and is not forgotten */
	uint64_t count;
	int64_t window_us;
	bool is_held; /* nothing is forgotten, however old */
	uint64_t cut; /* not kept, or forgotten too early, for want of room */
};

void recent_init(struct recent *recent, int64_t window_us);
void recent_release(struct recent *recent);
/* Adds a note acknowledged at now_us and forgets those that are older than the window. With a
 * window of 0 nothing is kept. */
void recent_add(struct recent *recent, struct str note, int64_t now_us);
/* While Redis is away nothing may be forgotten: it decides later what it still has. */
void recent_hold(struct recent *recent, bool is_held);
/* Everything in it has to be sent again. */
void recent_lose(struct recent *recent);
bool recent_has_lost(const struct recent *recent);
/* The note at *at, an offset that begins with recent->first, among those to be sent again; *at then
 * stands behind it. False at their end. The view lives until the next recent_add. */
bool recent_lost_next(const struct recent *recent, uint64_t *at, struct str *note);
/* The first count of those to be sent again have been. */
void recent_drop(struct recent *recent, unsigned count);

#endif
