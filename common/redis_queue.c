/* SPDX-License-Identifier: Apache-2.0
 * The commands under way: RESP bytes and a ring of those who wait. */
#include "redis_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RING_FIRST 64          /* doubles up to the power of two above REDIS_PENDING_MAX */
#define OUT_KEEP   (64 * 1024) /* a larger empty buffer is given back */
#define NUMBER_MAX 24          /* "$18446744073709551615\r\n" */

static bool ring_grow(struct redis_queue *queue);
static void encode(struct buf *out, const struct str *args, unsigned arg_count);
static void add_number(struct buf *out, char kind, size_t number);

void redis_queue_init(struct redis_queue *queue)
{
	*queue = (struct redis_queue){0};
	buf_init(&queue->out, REDIS_OUT_MAX);
}

bool redis_queue_add(struct redis_queue *queue, const struct str *args, unsigned arg_count,
	const struct redis_pending *pending)
{
	assert(arg_count > 0 && arg_count <= REDIS_ARGS_MAX);
	if (queue->count >= REDIS_PENDING_MAX)
		return false;
	if (queue->count == queue->ring_size && !ring_grow(queue))
		return false;
	const size_t before = queue->out.len;
	encode(&queue->out, args, arg_count);
	if (queue->out.has_failed) {
		queue->out.has_failed = false;
		queue->out.len = before;
		return false;
	}
	queue->ring[(queue->first + queue->count) & (queue->ring_size - 1)] = *pending;
	queue->count++;
	return true;
}

struct redis_pending redis_queue_take(struct redis_queue *queue)
{
	assert(queue->count > 0);
	const struct redis_pending pending = queue->ring[queue->first];
	queue->first = (queue->first + 1) & (queue->ring_size - 1);
	queue->count--;
	return pending;
}

int64_t redis_queue_oldest_us(const struct redis_queue *queue)
{
	assert(queue->count > 0);
	return queue->ring[queue->first].sent_us;
}

int redis_queue_send(struct redis_queue *queue, int fd)
{
	struct buf *out = &queue->out;
	if (redis_queue_is_sent(queue))
		return 0;
	const ssize_t sent =
		send(fd, out->data + queue->out_at, out->len - queue->out_at, MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : errno;
	queue->out_at += (size_t)sent;
	if (queue->out_at == out->len) {
		queue->out_at = 0;
		buf_clear(out);
		if (out->cap > OUT_KEEP)
			buf_release(out);
	} else if (queue->out_at > out->len / 2) {
		/* Less to move than what has left since the last move. */
		buf_consume(out, queue->out_at);
		queue->out_at = 0;
	}
	return 0;
}

bool redis_queue_is_sent(const struct redis_queue *queue)
{
	return queue->out_at == queue->out.len;
}

void redis_queue_lose(struct redis_queue *queue)
{
	const struct redis_queue lost = *queue;
	buf_release(&queue->out);
	redis_queue_init(queue);
	for (uint32_t i = 0; i < lost.count; i++) {
		const struct redis_pending *pending =
			&lost.ring[(lost.first + i) & (lost.ring_size - 1)];
		if (pending->fn)
			pending->fn(NULL, pending->tag, pending->arg);
	}
	free(lost.ring);
}

static bool ring_grow(struct redis_queue *queue)
{
	const uint32_t size = queue->ring_size ? queue->ring_size * 2 : RING_FIRST;
	struct redis_pending *ring = malloc(size * sizeof(*ring));
	if (!ring)
		return false;
	for (uint32_t i = 0; i < queue->count; i++)
		ring[i] = queue->ring[(queue->first + i) & (queue->ring_size - 1)];
	free(queue->ring);
	queue->ring = ring;
	queue->ring_size = size;
	queue->first = 0;
	return true;
}

/* RESP 2: an array of bulk strings. */
static void encode(struct buf *out, const struct str *args, unsigned arg_count)
{
	add_number(out, '*', arg_count);
	for (unsigned i = 0; i < arg_count; i++) {
		add_number(out, '$', args[i].len);
		buf_add_str(out, args[i]);
		buf_add(out, "\r\n", 2);
	}
}

static void add_number(struct buf *out, char kind, size_t number)
{
	char text[NUMBER_MAX];
	size_t at = sizeof(text);
	text[--at] = '\n';
	text[--at] = '\r';
	do {
		text[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	text[--at] = kind;
	buf_add(out, text + at, sizeof(text) - at);
}
