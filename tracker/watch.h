/* SPDX-License-Identifier: Apache-2.0
 * What one worker knows about its Redis: whether a click may wait for it, and whether it is still
 * the one that acknowledged the clicks before. */
#ifndef WASL_TRACKER_WATCH_H
#define WASL_TRACKER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker.h"
#include "err.h"
#include "loop.h"
#include "redis.h"

#define WATCH_ID_MAX    96               /* run id and replication id, 40 digits each */
#define WATCH_REDIAL_US INT64_C(1000000) /* between dials of a server that is read-only */
#define WATCH_SAY_US    INT64_C(5000000) /* between lines about one that is slow now and then */

/* A new connection has told who it is. is_another: what Redis acknowledged to the one before may be
 * lost (it restarted, failed over, or does not tell). */
typedef void watch_fn(bool is_another, void *arg);

struct watch {
	struct loop *loop;
	struct redis *redis;
	watch_fn *fn;
	void *arg;
	struct breaker breaker;
	struct loop_timer *timer; /* the next probe */
	char id[WATCH_ID_MAX];    /* of the last connection; empty: none has told */
	char asked_id[WATCH_ID_MAX];
	uint32_t connection; /* counts; answers of an older one don't matter */
	bool has_id;
	bool is_refusing; /* the last write was answered by an error */
	int64_t said_us;
	int64_t redialled_us;
	uint64_t is_away; /* for other threads: down, silent, or refusing */
};

bool watch_init(struct watch *watch, struct loop *loop, int64_t deadline_us, struct err *err);
/* After redis_free. */
void watch_release(struct watch *watch);
/* The connection is up, or gone. */
void watch_up(struct watch *watch, struct redis *redis);
void watch_down(struct watch *watch);
/* A click that waits now is likely to get its answer in time. */
bool watch_is_open(const struct watch *watch);
/* Answers to writes: stored, or refused for that reason. */
void watch_stored(struct watch *watch);
void watch_refused(struct watch *watch, enum redis_error error);
/* A click waited in vain. */
void watch_missed(struct watch *watch);

#endif
