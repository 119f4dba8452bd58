/* SPDX-License-Identifier: Apache-2.0
 * Sends the clicks of a spool that nobody holds to Redis, a batch at a time. */
#include "spool_push.h"

#include "click_batch.h"
#include "clock.h"
#include "loop.h"
#include "spool_store.h"
#include "stats.h"
#include "timestamp.h"

struct push {
	struct loop *loop;
	struct redis *redis;
	struct loop_timer *deadline;
	struct spool_store store;
	struct spool_counts counts;
	struct click_batch batch;
	struct spool_record records[CLICK_BATCH_MAX];
	unsigned count, strange, expired; /* of the batch */
	struct spool_pushed *pushed;
	struct err *err;
	bool is_done;
};

static void run(struct push *push, const struct redis_config *config);
static void on_state(bool is_up, void *arg);
static void next_batch(struct push *push);
static bool note_add(struct push *push, const struct spool_record *record);
static void on_batch(bool is_stored, void *arg);
static void on_deadline(void *arg);
static void fail(struct push *push, const char *why);

enum spool_push spool_push(const struct redis_url *url, const char *folder, unsigned index,
	struct spool_pushed *pushed, struct err *err)
{
	bool is_held = false;
	struct push push = {.pushed = pushed, .err = err};
	const struct redis_config config = {.url = *url,
		.name = "waslctl",
		.connect_deadline_us = SPOOL_PUSH_WAIT_US,
		.reply_deadline_us = SPOOL_PUSH_WAIT_US,
		.on_state = on_state,
		.arg = &push};
	spool_store_init(&push.store, NULL, folder, "waslctl", &push.counts);
	click_batch_init(&push.batch, on_batch, &push);
	if (!spool_store_claim_index(&push.store, index, &is_held, err)) {
		spool_store_release(&push.store);
		return is_held ? SPOOL_PUSH_HELD : SPOOL_PUSH_FAILED;
	}
	if (stats_get(&push.counts.records) > 0 || push.store.segment_count > 0)
		run(&push, &config);
	else
		push.is_done = true;
	pushed->set_aside += stats_get(&push.counts.set_aside);
	spool_store_release(&push.store);
	return push.is_done ? SPOOL_PUSH_DONE : SPOOL_PUSH_FAILED;
}

static void run(struct push *push, const struct redis_config *config)
{
	push->loop = loop_new(push->err);
	push->deadline = push->loop ? loop_timer_new(push->loop, on_deadline, push) : NULL;
	if (push->deadline) {
		loop_timer_set(push->deadline, SPOOL_PUSH_WAIT_US);
		push->redis = redis_new(push->loop, config, push->err);
	}
	if (push->redis)
		loop_run(push->loop);
	redis_free(push->redis);
	if (push->deadline)
		loop_timer_free(push->deadline);
	if (push->loop)
		loop_free(push->loop);
}

static void on_state(bool is_up, void *arg)
{
	struct push *push = arg;
	if (is_up)
		next_batch(push);
	else
		fail(push, "the connection to Redis broke");
}

static void next_batch(struct push *push)
{
	loop_timer_set(push->deadline, SPOOL_PUSH_WAIT_US);
	push->count = spool_store_read(&push->store, push->records, CLICK_BATCH_MAX);
	push->strange = push->expired = 0;
	if (push->count == 0) {
		push->is_done = push->store.segment_count == 0;
		if (!push->is_done)
			err_set(push->err, ERR_SYSTEM, 0, "the spool can't be read");
		loop_stop(push->loop);
		return;
	}
	for (unsigned i = 0; i < push->count; i++)
		push->strange += !note_add(push, &push->records[i]);
	if (push->strange > 0 && push->records[0].kind != CLICK_NOTE_KIND)
		fail(push, "the spool holds other records than clicks");
	click_batch_send(&push->batch);
}

static bool note_add(struct push *push, const struct spool_record *record)
{
	struct click_note note;
	if (record->kind != CLICK_NOTE_KIND || !click_note_parse(record->payload, &note))
		return false;
	if (note.expires_at_s <= clock_wall_us() / US_PER_S)
		push->expired++;
	else
		click_batch_add(&push->batch, push->redis, &note);
	return true;
}

static void on_batch(bool is_stored, void *arg)
{
	struct push *push = arg;
	if (push->err->kind != ERR_NONE)
		return;
	if (!is_stored) {
		fail(push, "Redis does not take the clicks");
		return;
	}
	if (push->strange > 0 || push->batch.has_strange)
		spool_store_damaged(&push->store);
	push->pushed->clicks += push->count - push->strange - push->expired;
	push->pushed->expired += push->expired;
	spool_store_done(&push->store, push->count);
	next_batch(push);
}

static void on_deadline(void *arg)
{
	fail(arg, "Redis does not answer");
}

static void fail(struct push *push, const char *why)
{
	if (push->err->kind == ERR_NONE)
		err_set(push->err, ERR_REFUSED, 0, "%s", why);
	loop_stop(push->loop);
}
