/* SPDX-License-Identifier: Apache-2.0
 * What /metrics says about the tracker, summed over its workers at each scrape. */
#ifndef WASL_TRACKER_METRICS_H
#define WASL_TRACKER_METRICS_H

#include "buf.h"
#include "catalogue_follow.h"
#include "worker.h"

struct metrics_source {
	struct worker *const *workers;
	unsigned worker_count;
	const struct follow *follow;
};

/* A worker can't rely on Redis: its connection is down, silent, or refuses clicks. */
bool metrics_redis_is_away(const struct metrics_source *source);
/* Workers whose spool takes nothing. */
void metrics_spool_state(const struct metrics_source *source, unsigned *full, unsigned *failing);
void metrics_write(const struct metrics_source *source, struct buf *out);

#endif
