/* SPDX-License-Identifier: Apache-2.0
 * Makes a click safe, then says so: Redis within the deadline, or nobody.
 *
 * A ticket waits for the answer to its HSETNX; all wait equally long, so they end in the order in
 * which they came. Answers that come after a ticket's end are told by its generation and ignored.
 */
#ifndef WASL_TRACKER_SINK_H
#define WASL_TRACKER_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "bucket.h"
#include "click.h"
#include "conn.h"
#include "entropy.h"
#include "err.h"
#include "loop.h"
#include "redis.h"

#define SINK_REPLY_US    INT64_C(1000000) /* Redis silent for this long: dropped, and down */
#define SINK_CONNECT_US  INT64_C(1000000)
#define SINK_BUCKETS_MAX "1000000" /* about, kept on the stream of buckets */
#define SINK_BATCH_MAX   256       /* buckets that wait for their EXPIREAT within one write */

#define SINK_STORED(X)    \
	X(REDIS, "redis") \
	X(NONE, "none")
#define SINK_ENUM_STORED(name, text) STORED_##name,
enum stored { SINK_STORED(SINK_ENUM_STORED) STORED_COUNT };
const char *stored_name(enum stored stored);

/* What the owner gets back, once, when its click is safe or has to go without. */
struct sink_ticket {
	struct conn_ref ref;
	struct str headers; /* of the answer; the sink keeps its own copy while the ticket waits */
	enum click_class class;
	int64_t started_us;
};
typedef void sink_done_fn(const struct sink_ticket *ticket, enum stored stored, void *arg);

struct sink_click {
	const struct bucket_place *place;
	const struct click_record *record;
	const struct click_extras *extras; /* looked at if record->has_extras */
};

struct sink_config {
	struct loop *loop;
	const struct redis_url *url;
	int64_t deadline_us;
	int64_t grace_s;
	unsigned tickets_max;
	struct entropy *entropy;
	sink_done_fn *on_done;
	void *arg;
};

struct sink;
struct sink *sink_new(const struct sink_config *config, struct err *err);
/* The bucket and index for a click of that window. False when the kernel has no random bits. */
bool sink_place(struct sink *sink, uint32_t window_s, const struct bucket_now *now,
	struct bucket_place *place);
/* Sends the click. on_done follows: at once (from inside) when Redis is down or no ticket is free.
 */
void sink_put(struct sink *sink, const struct sink_click *click, const struct sink_ticket *ticket);
const struct redis_counts *sink_redis_counts(const struct sink *sink);
/* Commands that Redis has not answered yet, and those that it has to be told again. */
uint64_t sink_pending(const struct sink *sink);
/* Tickets that still wait are dropped. */
void sink_free(struct sink *sink);

#endif
