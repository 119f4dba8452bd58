/* SPDX-License-Identifier: Apache-2.0
 * The open buckets of one worker: which bucket and index the next click of a window gets. Pure. */
#ifndef WASL_TRACKER_BUCKET_H
#define WASL_TRACKER_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "click.h"

#define BUCKETS_OPEN_MAX \
	32 /* windows in use at a time; with more, the one used least recently is closed */

struct bucket {
	struct click_bucket id;
	uint32_t window_s;
	unsigned used; /* indexes given out; 0: this place is free */
	int64_t opened_mono_us;
	int64_t opened_wall_us;
	int64_t expires_at_s; /* wall: end of its hour + window + grace */
	uint64_t last_use;
	bool is_announced;
};

struct bucket_set {
	struct bucket open[BUCKETS_OPEN_MAX];
	int64_t grace_s;
	uint64_t uses;
};

/* What bucket_take gives: a copy, because its bucket may close before the click is written. */
struct bucket_place {
	struct click_bucket id;
	unsigned index;
	int64_t expires_at_s;
	bool is_new; /* not announced yet; from now on it counts as announced */
};

struct bucket_now {
	int64_t mono_us;
	int64_t wall_us;
};

void bucket_set_init(struct bucket_set *set, int64_t grace_s);
/* The place for one click. When no open bucket fits and fresh is NULL: false, and the caller calls
 * again with 68 fresh random bits. A bucket closes when it is full, when its hour is over by either
 * clock, and when the wall clock stands before its opening. */
bool bucket_take(struct bucket_set *set, uint32_t window_s, const struct bucket_now *now,
	const struct click_bucket *fresh, struct bucket_place *place);
/* All open buckets are to be announced again (their announcements may be lost). */
void bucket_set_forget_announced(struct bucket_set *set);
/* Closes all. */
void bucket_set_clear(struct bucket_set *set);

#endif
