/* SPDX-License-Identifier: Apache-2.0
 * Notes of clicks on their way to Redis once more, a batch at a time: it counts as done when Redis
 * has acknowledged all of it, the ends of its buckets included. Whatever is sent twice does no
 * harm. */
#ifndef WASL_CLICK_BATCH_H
#define WASL_CLICK_BATCH_H

#include "click_note.h"
#include "redis.h"

#define CLICK_BATCH_MAX 64 /* notes */

/* is_stored false: a part of it, or all, is not known to Redis. From the loop, once a batch. */
typedef void click_batch_fn(bool is_stored, void *arg);

struct click_batch {
	struct redis *redis;
	click_batch_fn *fn;
	void *arg;
	struct {
		struct click_bucket id;
		int64_t expires_at_s;
	} buckets[CLICK_BATCH_MAX];
	unsigned bucket_count;
	unsigned count;       /* notes */
	unsigned outstanding; /* replies, and 1 until it is sent */
	bool has_failed;
	bool has_strange; /* a key of ours holds something else: asking again won't help */
};

/* Nothing is under way. */
void click_batch_init(struct click_batch *batch, click_batch_fn *fn, void *arg);
bool click_batch_is_under_way(const struct click_batch *batch);
/* Adds one note; the first one begins the batch. Redis must be up; what it does not take any more
 * lets the batch fail. */
void click_batch_add(struct click_batch *batch, struct redis *redis, const struct click_note *note);
/* Ends the batch: announces its buckets and sets their ends. fn follows, also when no note was
 * added. */
void click_batch_send(struct click_batch *batch);

#endif
