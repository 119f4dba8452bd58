/* SPDX-License-Identifier: Apache-2.0
 * The part of /metrics that is about clicks on their way back to Redis. */
#ifndef WASL_TRACKER_METRICS_SPOOL_H
#define WASL_TRACKER_METRICS_SPOOL_H

#include "buf.h"
#include "refill.h"
#include "spool.h"

void metrics_spool_sum(struct spool_counts *into, const struct spool_counts *from);
void metrics_spool_write(
	const struct spool_counts *spool, const struct refill_counts *refill, struct buf *out);

#endif
