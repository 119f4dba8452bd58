/* SPDX-License-Identifier: Apache-2.0
 * Makes a click safe, then says so: Redis within the deadline, else the spool, else nobody.
 *
 * A click waits for the answer to its HSETNX. One that Redis refuses, loses, or does not answer in
 * time goes to the spool; so does every click at once while Redis is known to be away (watch.h).
 * What Redis acknowledged lately stays in memory (recent.h), and is sent again, as the spool's
 * clicks are (refill.h), when Redis comes back as another. Answers that come after a click's wait
 * are told by its ticket's generation and ignored. */
#ifndef WASL_TRACKER_SINK_H
#define WASL_TRACKER_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "bucket.h"
#include "click.h"
#include "entropy.h"
#include "err.h"
#include "loop.h"
#include "redis.h"
#include "refill.h"
#include "spool.h"
#include "tickets.h"

#define SINK_REPLY_US   INT64_C(1000000) /* Redis silent for this long: dropped, and down */
#define SINK_CONNECT_US INT64_C(1000000)
#define SINK_BATCH_MAX  256 /* buckets that wait for their EXPIREAT within one write */

#define SINK_STORED(X)    \
	X(REDIS, "redis") \
	X(SPOOL, "spool") \
	X(NONE, "none")
#define SINK_ENUM_STORED(name, text) STORED_##name,
enum stored { SINK_STORED(SINK_ENUM_STORED) STORED_COUNT };
const char *stored_name(enum stored stored);

typedef void sink_done_fn(const struct sink_ticket *ticket, enum stored stored, void *arg);

struct sink_click {
	const struct bucket_place *place;
	const struct click_record *record;
	const struct click_extras *extras; /* looked at if record->has_extras */
	int64_t wall_us;                   /* as in its id */
};

struct sink_config {
	struct loop *loop;
	const struct redis_url *url;
	int64_t deadline_us;
	int64_t grace_s;
	int64_t loss_window_us; /* what Redis may forget when it dies */
	unsigned tickets_max;
	const char *spool_folder;
	uint64_t spool_max_bytes;
	bool has_spool_sync;
	struct entropy *entropy;
	sink_done_fn *on_done;
	loop_fn *after_done; /* may be NULL: on_done was called for all that is safe so far */
	void *arg;
};

/* For other threads. */
struct sink_status {
	const struct redis_counts *redis;
	const struct spool_counts *spool;
	const struct refill_counts *refill;
	const uint64_t *is_away; /* Redis is down, silent or refuses */
};

struct sink;
struct sink *sink_new(const struct sink_config *config, struct err *err);
/* The bucket and index for a click of that window. False when the kernel has no random bits. */
bool sink_place(struct sink *sink, uint32_t window_s, const struct bucket_now *now,
	struct bucket_place *place);
/* Makes the click safe. on_done follows, at once (from inside) only when memory or tickets are
 * used up or the spool takes nothing. */
void sink_put(struct sink *sink, const struct sink_click *click, const struct sink_ticket *ticket);
void sink_status(const struct sink *sink, struct sink_status *status);
/* Commands that Redis has not answered yet, and those that it has to be told again. What waits in
 * the spool is safe there. */
uint64_t sink_pending(const struct sink *sink);
/* Clicks that still wait go to the spool; on_done is called for them. */
void sink_free(struct sink *sink);

#endif
