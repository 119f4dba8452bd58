/* SPDX-License-Identifier: Apache-2.0
 * The click tokens of an event: opened, and looked up in Redis within a short time. What Redis does
 * not say in time is not waited for: the token is the proof, Redis only the record. */
#ifndef WASL_CLICKS_H
#define WASL_CLICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"
#include "loop.h"
#include "meters.h"
#include "order.h"
#include "redis.h"

#define CLICKS_LOOKUPS_MAX 4096 /* events under way; more are matched from their tokens alone */
#define CLICKS_DEADLINE_US (50 * 1000)

typedef void clicks_done_fn(void *arg);

/* One event's clicks, in the caller's memory until fn is called. */
struct clicks_lookup {
	struct event *event;
	clicks_done_fn *fn;
	void *arg;
	/* The rest is the module's own. */
	struct clicks_lookup *next, *previous;
	int64_t due_us;
	unsigned slot, pending;
};

struct clicks;
struct clicks *clicks_new(
	struct loop *loop, struct keys *keys, struct meters *meters, struct err *err);
/* Redis may come later, and go (NULL). */
void clicks_set_redis(struct clicks *clicks, struct redis *redis);
/* Opens every token of the event (reading the keyring again for an unknown slot) and asks Redis for
 * the records; fills result, claim and evidence. fn is called once, now or within
 * CLICKS_DEADLINE_US. */
void clicks_find(struct clicks *clicks, struct clicks_lookup *lookup);
/* No lookup may be under way. */
void clicks_free(struct clicks *clicks);

#endif
