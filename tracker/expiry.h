/* SPDX-License-Identifier: Apache-2.0
 * Sees to it that no bucket in Redis stays for ever.
 *
 * A bucket's EXPIREAT follows its HSETNX in the same write, but a connection can break between the
 * two, and a fail-over can refuse the second. What Redis has not confirmed is therefore kept, and
 * asked for again when Redis is back; more than once, because the bytes of the broken connection
 * may reach Redis after those of the new one. */
#ifndef WASL_TRACKER_EXPIRY_H
#define WASL_TRACKER_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "click.h"
#include "loop.h"
#include "redis.h"

#define EXPIRY_SENT_MAX  8192 /* under way: one per bucket and write */
#define EXPIRY_DOUBT_MAX 4096 /* buckets; beyond it the oldest is given up and logged */
#define EXPIRY_AGAIN_US  INT64_C(1000000)
#define EXPIRY_TRIES     10 /* of a bucket in doubt that Redis does not have */

struct expiry;
/* NULL when memory fails. */
struct expiry *expiry_new(struct loop *loop);
/* False while so many are under way that another click would leave its bucket without one. */
bool expiry_has_room(const struct expiry *expiry);
/* The bucket ends at expires_at_s, Unix time; sent on redis now, or later if that fails. */
void expiry_send(struct expiry *expiry, struct redis *redis, const struct click_bucket *id,
	int64_t expires_at_s);
/* Buckets that Redis has not confirmed and nothing under way asks for. */
unsigned expiry_doubts(const struct expiry *expiry);
/* Redis is up: what is in doubt is asked for again, from the loop. redis must outlive the expiry's
 * timer. */
void expiry_resume(struct expiry *expiry, struct redis *redis);
/* After redis_free, which tells what is under way. */
void expiry_free(struct expiry *expiry);

#endif
