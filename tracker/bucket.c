/* SPDX-License-Identifier: Apache-2.0
 * The open buckets of one worker: which bucket and index the next click of a window gets. Pure. */
#include "bucket.h"

#include <string.h>

#define OPEN_US (INT64_C(1000000) * CLICK_BUCKET_OPEN_S)

static struct bucket *bucket_find(struct bucket_set *set, uint32_t window_s);
static bool is_open(const struct bucket *bucket, const struct bucket_now *now);
static void bucket_open(struct bucket *bucket, const struct bucket_set *set, uint32_t window_s,
	const struct bucket_now *now, const struct click_bucket *fresh);

void bucket_set_init(struct bucket_set *set, int64_t grace_s)
{
	*set = (struct bucket_set){.grace_s = grace_s};
}

bool bucket_take(struct bucket_set *set, uint32_t window_s, const struct bucket_now *now,
	const struct click_bucket *fresh, struct bucket_place *place)
{
	struct bucket *bucket = bucket_find(set, window_s);
	if (bucket->window_s != window_s || !is_open(bucket, now)) {
		if (!fresh)
			return false;
		bucket_open(bucket, set, window_s, now, fresh);
	}
	*place = (struct bucket_place){
		.id = bucket->id,
		.index = bucket->used++,
		.expires_at_s = bucket->expires_at_s,
		.is_new = !bucket->is_announced,
	};
	bucket->is_announced = true;
	bucket->last_use = ++set->uses;
	return true;
}

void bucket_set_forget_announced(struct bucket_set *set)
{
	for (unsigned i = 0; i < BUCKETS_OPEN_MAX; i++)
		set->open[i].is_announced = false;
}

void bucket_set_clear(struct bucket_set *set)
{
	bucket_set_init(set, set->grace_s);
}

/* The window's bucket, else the free or least recently used place for one. */
static struct bucket *bucket_find(struct bucket_set *set, uint32_t window_s)
{
	struct bucket *oldest = &set->open[0];
	for (unsigned i = 0; i < BUCKETS_OPEN_MAX; i++) {
		struct bucket *bucket = &set->open[i];
		if (bucket->used > 0 && bucket->window_s == window_s)
			return bucket;
		if (bucket->last_use < oldest->last_use)
			oldest = bucket;
	}
	return oldest;
}

static bool is_open(const struct bucket *bucket, const struct bucket_now *now)
{
	return bucket->used > 0 && bucket->used < CLICK_BUCKET_CLICKS &&
	       now->mono_us - bucket->opened_mono_us < OPEN_US &&
	       now->wall_us >= bucket->opened_wall_us &&
	       now->wall_us - bucket->opened_wall_us < OPEN_US;
}

static void bucket_open(struct bucket *bucket, const struct bucket_set *set, uint32_t window_s,
	const struct bucket_now *now, const struct click_bucket *fresh)
{
	*bucket = (struct bucket){
		.id = {.high = fresh->high & 0xf, .low = fresh->low},
		.window_s = window_s,
		.opened_mono_us = now->mono_us,
		.opened_wall_us = now->wall_us,
		.expires_at_s = now->wall_us / 1000000 + 1 + CLICK_BUCKET_OPEN_S +
				(int64_t)window_s + set->grace_s,
	};
}
