/* SPDX-License-Identifier: Apache-2.0
 * Gets a connected socket to a Redis URL within a deadline, without ever blocking the loop: names
 * are looked up aside, and each address is tried in turn. */
#ifndef WASL_REDIS_DIAL_H
#define WASL_REDIS_DIAL_H

#include "err.h"
#include "loop.h"
#include "redis.h"

struct redis_dial;

/* fd: connected, non-blocking, the callee's now; or -1 and err says why. */
typedef void redis_dial_fn(int fd, const struct err *err, void *arg);

/* url must live as long as the dial. NULL when memory fails. */
struct redis_dial *redis_dial_new(struct loop *loop, const struct redis_url *url,
	int64_t deadline_us, redis_dial_fn *fn, void *arg);
/* Calls fn once, perhaps before it returns. Not while one is under way. */
void redis_dial_start(struct redis_dial *dial);
void redis_dial_free(struct redis_dial *dial); /* fn is not called any more */

#endif
