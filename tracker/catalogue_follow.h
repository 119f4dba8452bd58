/* SPDX-License-Identifier: Apache-2.0
 * Keeps the catalogue in memory and on disk the same as the one that the attributor publishes in
 * Redis.
 *
 * Loads all shards of an epoch into a new catalogue while the old one serves, then follows the log
 * of changes and checks the head every second: another epoch, or changes that never arrived, mean
 * to load afresh. A missing head or an incomplete load changes nothing. Redis may be down at any
 * time. Lives on the main loop; only the snapshot is written in a thread, see catalogue_saver.h. */
#ifndef WASL_TRACKER_CATALOGUE_FOLLOW_H
#define WASL_TRACKER_CATALOGUE_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue.h"
#include "err.h"
#include "loop.h"
#include "redis.h"

#define FOLLOW_CHECK_US     INT64_C(1000000)  /* between looks at the head */
#define FOLLOW_REST_US      INT64_C(3000000)  /* after a load that was incomplete */
#define FOLLOW_STALE_US     INT64_C(10000000) /* without a good look: degraded "catalogue_stale" */
#define FOLLOW_SNAPSHOT_US  INT64_C(30000000) /* at most one snapshot in this time */
#define FOLLOW_LOAD_WINDOW  16                /* shards under way at a time */
#define FOLLOW_LOG_COUNT    1000              /* changes of one read */
#define FOLLOW_LOG_BLOCK_MS 1000
#define FOLLOW_REPLY_US     INT64_C(5000000)
/* Replaced parts of the catalogue that wait for readers or a save, at most 16 KiB each and 10 KiB
 * on average: 320 MiB. With more, changes wait in Redis. */
#define FOLLOW_RETIRED_MAX 32768

struct follow_config {
	struct loop *loop;
	const struct redis_url *url;
	const char *state_dir;
	/* A new state to hand to every reader. */
	void (*on_view)(const struct catalogue_view *view, void *arg);
	/* The lowest generation that a reader still uses. */
	uint64_t (*oldest_in_use)(void *arg);
	void *arg;
};

/* Read on the main loop only. */
struct follow_status {
	uint64_t version;
	int64_t age_us; /* since it was last known to be the newest; -1: nothing loaded */
	uint64_t loads;
	uint64_t rows_refused; /* rows that are not what catalogue_row.h says: not taken over */
	bool is_ready;
	bool is_stale;
};

struct follow;
struct follow *follow_new(const struct follow_config *config, struct err *err);
/* Reads the snapshot, if there is one, calling on_view. Call once, before the loop runs. */
void follow_restore(struct follow *follow);
void follow_status(const struct follow *follow, struct follow_status *status);
const struct redis_counts *follow_redis_counts(
	const struct follow *follow, unsigned which); /* 0, 1 */
/* At the end: waits for a save that is running, then writes the snapshot if anything has changed
 * since. Takes as long as the disk. */
void follow_save(struct follow *follow);
/* Readers must be gone. Waits for a save that is running. */
void follow_free(struct follow *follow);

#endif
