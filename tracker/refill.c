/* SPDX-License-Identifier: Apache-2.0
 * Sends Redis again what it may not have. */
#include "refill.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "click_batch.h"
#include "clock.h"
#include "log.h"
#include "stats.h"

#define SAY_US INT64_C(1000000)

enum source { SOURCE_NONE = 0, SOURCE_RECENT, SOURCE_SPOOL };

struct refill {
	struct loop *loop;
	struct redis *redis;
	struct recent *recent;
	struct spool *spool;
	refill_fn *fn;
	void *arg;
	struct loop_timer *timer;
	struct click_batch batch;
	enum source source; /* of the batch under way */
	struct spool_record records[CLICK_BATCH_MAX];
	unsigned count; /* records or recent notes of the batch, those that were passed over too */
	unsigned expired; /* of them */
	bool has_strange; /* one of them is no note */
	int64_t began_us; /* 0: there was nothing to do */
	uint64_t sent;    /* since then */
	struct refill_counts counts;
};

static void on_pause_over(void *arg);
static void recent_send(struct refill *refill);
static bool spool_send(struct refill *refill);
static bool note_add(struct refill *refill, struct str raw);
static void on_batch(bool is_stored, void *arg);
static void recent_done(struct refill *refill);
static void spool_batch_done(struct refill *refill);
static void say_done(struct refill *refill);

struct refill *refill_new(struct loop *loop, struct recent *recent, struct spool *spool,
	refill_fn *fn, void *arg, struct err *err)
{
	struct refill *refill = calloc(1, sizeof(*refill));
	if (refill)
		refill->timer = loop_timer_new(loop, on_pause_over, refill);
	if (!refill || !refill->timer) {
		free(refill);
		err_set(err, ERR_SYSTEM, ENOMEM, "the refill");
		return NULL;
	}
	refill->loop = loop;
	refill->recent = recent;
	refill->spool = spool;
	refill->fn = fn;
	refill->arg = arg;
	click_batch_init(&refill->batch, on_batch, refill);
	return refill;
}

void refill_kick(struct refill *refill, struct redis *redis)
{
	refill->redis = redis;
	if (refill->source == SOURCE_NONE && !loop_timer_is_set(refill->timer))
		loop_timer_set(refill->timer, REFILL_PAUSE_US);
}

const struct refill_counts *refill_counts(const struct refill *refill)
{
	return &refill->counts;
}

void refill_free(struct refill *refill)
{
	if (!refill)
		return;
	loop_timer_free(refill->timer);
	free(refill);
}

static void on_pause_over(void *arg)
{
	struct refill *refill = arg;
	stats_set(&refill->counts.cut, refill->recent->cut);
	if (!refill->redis || !redis_is_up(refill->redis) || refill->source != SOURCE_NONE)
		return; /* who comes up kicks; who is under way goes on */
	refill->count = refill->expired = 0;
	refill->has_strange = false;
	if (refill->began_us == 0)
		refill->began_us = loop_now_us(refill->loop);
	if (recent_has_lost(refill->recent))
		recent_send(refill);
	else if (!spool_send(refill))
		say_done(refill);
}

static void recent_send(struct refill *refill)
{
	uint64_t at = refill->recent->first;
	struct str note;
	refill->source = SOURCE_RECENT;
	while (refill->count < CLICK_BATCH_MAX && recent_lost_next(refill->recent, &at, &note)) {
		note_add(refill, note);
		refill->count++;
	}
	click_batch_send(&refill->batch);
}

static bool spool_send(struct refill *refill)
{
	refill->count = spool_read(refill->spool, refill->records, CLICK_BATCH_MAX);
	if (refill->count == 0) {
		/* The disk may not let us read what there is. */
		if (stats_get(&spool_counts(refill->spool)->records) > 0)
			loop_timer_set(refill->timer, REFILL_RETRY_US);
		return false;
	}
	refill->source = SOURCE_SPOOL;
	for (unsigned i = 0; i < refill->count; i++) {
		const struct spool_record *record = &refill->records[i];
		const bool is_note =
			record->kind == CLICK_NOTE_KIND && note_add(refill, record->payload);
		refill->has_strange |= !is_note;
	}
	click_batch_send(&refill->batch);
	return true;
}

/* False when it is no note. One whose bucket has ended is passed over: Redis would delete it at
 * once. */
static bool note_add(struct refill *refill, struct str raw)
{
	struct click_note note;
	if (!click_note_parse(raw, &note))
		return false;
	if (note.expires_at_s <= clock_wall_us() / 1000000)
		refill->expired++;
	else
		click_batch_add(&refill->batch, refill->redis, &note);
	return true;
}

static void on_batch(bool is_stored, void *arg)
{
	struct refill *refill = arg;
	const enum source source = refill->source;
	refill->source = SOURCE_NONE;
	refill->fn(is_stored, refill->arg);
	if (is_stored) {
		refill->sent += refill->count;
		stats_add(&refill->counts.expired, refill->expired);
		if (source == SOURCE_RECENT)
			recent_done(refill);
		else
			spool_batch_done(refill);
	}
	loop_timer_set(refill->timer, is_stored ? REFILL_PAUSE_US : REFILL_RETRY_US);
}

/* Redis may forget these as well, so they stay in memory for another while. */
static void recent_done(struct refill *refill)
{
	const int64_t now_us = loop_now_us(refill->loop);
	stats_add(&refill->counts.resent, refill->count);
	for (unsigned i = 0; i < refill->count; i++) {
		char copy[CLICK_NOTE_MAX];
		uint64_t at = refill->recent->first;
		struct str note;
		if (!recent_lost_next(refill->recent, &at, &note))
			break;
		assert(note.len <= sizeof(copy));
		memcpy(copy, note.data, note.len);
		recent_drop(refill->recent, 1);
		recent_add(refill->recent, (struct str){copy, note.len}, now_us);
	}
}

static void spool_batch_done(struct refill *refill)
{
	const int64_t now_us = loop_now_us(refill->loop);
	if (refill->has_strange || refill->batch.has_strange)
		spool_set_aside(refill->spool);
	for (unsigned i = 0; i < refill->count; i++)
		recent_add(refill->recent, refill->records[i].payload, now_us);
	spool_done(refill->spool, refill->count);
}

/* A click that came late now and then is not worth a line. */
static void say_done(struct refill *refill)
{
	const int64_t took_us = loop_now_us(refill->loop) - refill->began_us;
	if (refill->sent > 0 && took_us >= SAY_US)
		log_info(
			"refilled", LOG_NUM("clicks", refill->sent), LOG_NUM("ms", took_us / 1000));
	refill->began_us = 0;
	refill->sent = 0;
}
