/* SPDX-License-Identifier: Apache-2.0
 * Sends the clicks of a spool that nobody holds to Redis. */
#ifndef WASL_CTL_SPOOL_PUSH_H
#define WASL_CTL_SPOOL_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "redis.h"

#define SPOOL_PUSH_WAIT_US INT64_C(5000000) /* for Redis to come up, and for each batch */

enum spool_push {
	SPOOL_PUSH_DONE = 0,
	SPOOL_PUSH_HELD,   /* a daemon holds it */
	SPOOL_PUSH_FAILED, /* err says why; what Redis has taken is done with */
};
struct spool_pushed {
	uint64_t clicks, expired, set_aside;
};
/* Adds to *pushed. */
enum spool_push spool_push(const struct redis_url *url, const char *folder, unsigned index,
	struct spool_pushed *pushed, struct err *err);

#endif
