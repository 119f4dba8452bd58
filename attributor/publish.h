/* SPDX-License-Identifier: Apache-2.0
 * The catalogue's publisher: what Postgres holds of stores, products and affiliates goes to Redis
 * (common/catalogue_row.h), whole at first and change by change afterwards.
 *
 * Every attributor listens, on a database connection of its own; one of them holds the advisory
 * lock and publishes. The others ask for the lock once a second, so a publisher that dies is
 * replaced within two. Whatever casts doubt on what Redis holds (it was away, it answered with an
 * error, the head is gone or somebody else's, too many changes at once) ends in publishing
 * everything again under a new epoch: never in guessing. */
#ifndef WASL_PUBLISH_H
#define WASL_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "entropy.h"
#include "err.h"
#include "loop.h"
#include "redis.h"
#include "stores.h"

#define PUBLISH_CHANNEL      "wasl_catalogue"      /* payloads: see changes.h */
#define PUBLISH_CHANNEL_DONE "wasl_published"      /* payload: the token of an "ack" */
#define PUBLISH_LOCK         "8602283671492261218" /* "wasl pub" as a big-endian number */
/* Hash epoch -> "stores products affiliates" (highest ids): every epoch whose rows are in Redis. So
 * that whoever publishes next can remove what is left of it, also after a crash. */
#define PUBLISH_EPOCHS    "wasl:cat:epochs"
#define PUBLISH_PAGE_ROWS 5000 /* read and written at a time: 11 MB with the longest URLs */
#define PUBLISH_TICK_US   (1000 * INT64_C(1000)) /* ask for the lock, look at the head, try again */

struct publish_config {
	const char *database_url; /* a secret; copied */
	struct redis_url redis_url;
	struct entropy *entropy;
	/* Told of every change of a store, publisher or not, and of all after a reconnect; an "ack"
	 * waits for it. May be NULL. Its database connection must be freed before publish_free. */
	struct stores *stores;
};

/* Gauges and counters for /metrics. */
struct publish_counts {
	uint64_t is_publisher;
	uint64_t version;   /* changes published in this epoch; 0 unless publisher */
	uint64_t rows;      /* in the catalogue now; 0 unless publisher */
	uint64_t pending;   /* changed ids and tokens not yet dealt with */
	uint64_t published; /* rows written since the start */
	uint64_t full;      /* whole publications finished */
	uint64_t skipped;   /* rows that trackers would refuse: left out and logged */
	uint64_t failures;  /* publications given up, to be tried again */
	uint64_t whole_us;  /* loop_now_us when Redis last held all of it for sure; 0: never */
};

struct publish;
/* Connects at once and works by itself from then on. NULL with err set when memory fails. */
struct publish *publish_new(
	struct loop *loop, const struct publish_config *config, struct err *err);
const struct publish_counts *publish_counts(const struct publish *publish);
const struct redis_counts *publish_redis_counts(const struct publish *publish);
/* Gives up the role and closes both connections. Not from inside one of its callbacks. */
void publish_free(struct publish *publish);

#endif
