/* SPDX-License-Identifier: Apache-2.0
 * Sends Redis again what it may not have: first the clicks that it acknowledged right before it
 * went away (recent.h), then the spool's, oldest first. One batch at a time, with a pause after
 * each, so that live clicks hardly notice. */
#ifndef WASL_TRACKER_REFILL_H
#define WASL_TRACKER_REFILL_H

#include "err.h"
#include "loop.h"
#include "recent.h"
#include "redis.h"
#include "spool.h"

#define REFILL_PAUSE_US INT64_C(5000)   /* 64 clicks each: 12,800 a second at most */
#define REFILL_RETRY_US INT64_C(500000) /* after a batch that Redis refused */

/* Read without locks by other threads (relaxed). */
struct refill_counts {
	uint64_t resent;  /* clicks from memory */
	uint64_t expired; /* clicks in the spool whose time in Redis was over */
	uint64_t cut;     /* clicks that memory had no room for */
};

/* Redis has taken a batch, or refused it. */
typedef void refill_fn(bool is_stored, void *arg);

struct refill;
struct refill *refill_new(struct loop *loop, struct recent *recent, struct spool *spool,
	refill_fn *fn, void *arg, struct err *err);
/* There may be something to do. redis must outlive the timer, or be NULL. */
void refill_kick(struct refill *refill, struct redis *redis);
const struct refill_counts *refill_counts(const struct refill *refill);
/* After redis_free and before the spool's end. */
void refill_free(struct refill *refill);

#endif
