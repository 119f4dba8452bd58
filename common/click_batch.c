/* SPDX-License-Identifier: Apache-2.0
 * Notes of clicks on their way to Redis once more, a batch at a time. */
#include "click_batch.h"

#include <assert.h>

#include "click_send.h"

static void bucket_note(struct click_batch *batch, const struct click_note *note);
static void sent(struct click_batch *batch, bool is_sent);
static void on_reply(const struct redis_value *value, uint64_t tag, void *arg);
static void one_less(struct click_batch *batch);

void click_batch_init(struct click_batch *batch, click_batch_fn *fn, void *arg)
{
	*batch = (struct click_batch){.fn = fn, .arg = arg};
}

bool click_batch_is_under_way(const struct click_batch *batch)
{
	return batch->outstanding > 0;
}

void click_batch_add(struct click_batch *batch, struct redis *redis, const struct click_note *note)
{
	if (batch->outstanding == 0) {
		batch->redis = redis;
		batch->count = batch->bucket_count = 0;
		batch->has_failed = batch->has_strange = false;
		batch->outstanding = 1;
	}
	assert(batch->count < CLICK_BATCH_MAX);
	batch->count++;
	bucket_note(batch, note);
	if (note->extras.len > 0)
		sent(batch, click_send_extras(redis, note, on_reply, 0, batch));
	sent(batch, click_send_record(redis, note, on_reply, 0, batch));
}

void click_batch_send(struct click_batch *batch)
{
	if (batch->outstanding == 0) {
		batch->fn(true, batch->arg);
		return;
	}
	for (unsigned i = 0; i < batch->bucket_count; i++) {
		const struct click_bucket *id = &batch->buckets[i].id;
		const int64_t expires_at_s = batch->buckets[i].expires_at_s;
		sent(batch, click_send_bucket(batch->redis, id, expires_at_s, on_reply, batch));
		sent(batch, click_send_expiry(batch->redis, id, expires_at_s, on_reply, batch));
	}
	one_less(batch);
}

static void bucket_note(struct click_batch *batch, const struct click_note *note)
{
	for (unsigned i = batch->bucket_count; i > 0; i--) {
		const struct click_bucket *id = &batch->buckets[i - 1].id;
		if (id->low == note->bucket.low && id->high == note->bucket.high)
			return;
	}
	batch->buckets[batch->bucket_count].id = note->bucket;
	batch->buckets[batch->bucket_count++].expires_at_s = note->expires_at_s;
}

static void sent(struct click_batch *batch, bool is_sent)
{
	batch->outstanding += is_sent;
	batch->has_failed |= !is_sent;
}

static void on_reply(const struct redis_value *value, uint64_t tag, void *arg)
{
	(void)tag;
	struct click_batch *batch = arg;
	if (!value)
		batch->has_failed = true;
	else if (redis_value_type(value) == REDIS_TYPE_ERROR) {
		const bool is_strange = redis_value_error(value) == REDIS_ERROR_WRONGTYPE;
		batch->has_strange |= is_strange;
		batch->has_failed |= !is_strange;
	}
	one_less(batch);
}

static void one_less(struct click_batch *batch)
{
	assert(batch->outstanding > 0);
	if (--batch->outstanding == 0)
		batch->fn(!batch->has_failed, batch->arg);
}
