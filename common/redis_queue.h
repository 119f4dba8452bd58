/* SPDX-License-Identifier: Apache-2.0
 * Commands on their way to Redis: the bytes not yet sent, and who waits for which reply, in order.
 */
#ifndef WASL_REDIS_QUEUE_H
#define WASL_REDIS_QUEUE_H

#include "buf.h"
#include "redis.h"

#define REDIS_OUT_MAX (64 * 1024 * 1024) /* unsent bytes */

struct redis_pending {
	redis_reply_fn *fn; /* NULL: nobody waits */
	uint64_t tag;
	void *arg;
	int64_t sent_us;
};

struct redis_queue {
	struct buf out; /* from out_at on unsent */
	size_t out_at;
	struct redis_pending *ring; /* ring_size is a power of two */
	uint32_t ring_size;
	uint32_t first;
	uint32_t count;
};

void redis_queue_init(struct redis_queue *queue);
/* Refuses, and changes nothing, over REDIS_PENDING_MAX or REDIS_OUT_MAX, or when memory fails. */
bool redis_queue_add(struct redis_queue *queue, const struct str *args, unsigned arg_count,
	const struct redis_pending *pending);
/* The oldest; count must not be 0. */
struct redis_pending redis_queue_take(struct redis_queue *queue);
int64_t redis_queue_oldest_us(const struct redis_queue *queue);
/* One send. Returns 0, or errno when the connection is broken. */
int redis_queue_send(struct redis_queue *queue, int fd);
bool redis_queue_is_sent(const struct redis_queue *queue);
/* Empties it; then tells everybody, in order, that nothing will come (value NULL). */
void redis_queue_lose(struct redis_queue *queue);

#endif
