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

#define PUBLISH_CHANNEL \
	"wasl_catalogue" /* payloads: "store 1,2" "product 5" "affiliate 7" "ack TOKEN" */
#define PUBLISH_CHANNEL_DONE "wasl_published"      /* payload: TOKEN */
#define PUBLISH_LOCK         "8602828117543646257" /* advisory lock: "wasl pub" as a big-endian number */
#define PUBLISH_DRAFT        "wasl:cat:draft" /* hash: epoch and highest ids of a publication under way \
					       */
#define PUBLISH_PAGE_ROWS 5000 /* read and written at a time: at most 11 MB with the longest URLs \
				*/
#define PUBLISH_IDS_MAX \
	50000 /* changed ids kept per kind; beyond it everything is published again */
#define PUBLISH_ACKS_MAX  256 /* tokens that wait; beyond it the newest goes unanswered */
#define PUBLISH_TOKEN_MAX 64  /* bytes of a token: letters, digits, '_' and '-' */
#define PUBLISH_TICK_US   (1000 * INT64_C(1000)) /* lock asked for, head looked at, failure retried \
						  */

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
	uint64_t age_us;    /* loop_now_us of the last time that Redis held all; 0: never */
};

struct publish;
/* Connects at once and works by itself from then on. NULL with err set when memory fails. */
struct publish *publish_new(
	struct loop *loop, const struct publish_config *config, struct err *err);
const struct publish_counts *publish_counts(const struct publish *publish);
/* Its two connections, for health and metrics. */
bool publish_is_connected(const struct publish *publish);
const struct redis_counts *publish_redis_counts(const struct publish *publish);
/* Gives up the role and closes both connections. */
void publish_free(struct publish *publish);

#endif
