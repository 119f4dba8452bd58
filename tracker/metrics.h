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

/* Every worker's Redis connection for clicks is up. */
bool metrics_redis_is_up(const struct metrics_source *source);
void metrics_write(const struct metrics_source *source, struct buf *out);

#endif
