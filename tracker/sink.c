/* SPDX-License-Identifier: Apache-2.0
 * Makes a click safe, then says so: Redis within the deadline, else the spool, else nobody. */
#include "sink.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "click_send.h"
#include "expiry.h"
#include "log.h"
#include "recent.h"
#include "stats.h"
#include "watch.h"

/* A bucket that got clicks since the last write. */
struct touched {
	struct click_bucket id;
	int64_t expires_at_s;
};

struct sink {
	struct sink_config config;
	struct redis *redis;
	struct spool *spool;
	struct refill *refill;
	struct expiry *expiry;
	struct loop_timer *timer; /* the first deadline */
	struct watch watch;
	struct recent recent;
	struct tickets tickets;
	struct bucket_set buckets;
	struct touched touched[SINK_BATCH_MAX];
	unsigned touched_count;
};

static bool parts_make(struct sink *sink, struct err *err);
static bool click_send(struct sink *sink, const struct click_note *note, bool is_new, uint64_t tag);
static void on_state(bool is_up, void *arg);
static void on_identity_known(bool is_another, void *arg);
static void before_flush(void *arg);
static void after_replies(void *arg);
static void on_record(const struct redis_value *value, uint64_t tag, void *arg);
static void on_first(const struct redis_value *value, uint64_t tag, void *arg);
static void on_queued(const struct redis_value *value, uint64_t tag, void *arg);
static void record_answered(struct sink *sink, const struct redis_value *value, uint64_t tag);
static void bucket_taken(struct sink *sink);
static void on_announced(const struct redis_value *value, uint64_t tag, void *arg);
static void on_deadline(void *arg);
static void on_refilled(bool is_stored, void *arg);
static void touch(struct sink *sink, const struct click_note *note);
static void to_spool(struct sink *sink, struct ticket *ticket);
static void on_spooled(uint64_t tag, bool is_safe, void *arg);
static void finish(struct sink *sink, struct ticket *ticket, enum stored stored);

const char *stored_name(enum stored stored)
{
#define SINK_TEXT_STORED(name, text) text,
	static const char *const names[] = {SINK_STORED(SINK_TEXT_STORED)};
	return names[stored];
}

struct sink *sink_new(const struct sink_config *config, struct err *err)
{
	struct sink *sink = calloc(1, sizeof(*sink));
	if (!sink) {
		err_set(err, ERR_SYSTEM, 0, "no memory");
		return NULL;
	}
	sink->config = *config;
	bucket_set_init(&sink->buckets, config->grace_s);
	recent_init(&sink->recent, config->loss_window_us);
	sink->watch.fn = on_identity_known;
	sink->watch.arg = sink;
	if (!parts_make(sink, err)) {
		sink_free(sink);
		return NULL;
	}
	return sink;
}

static bool parts_make(struct sink *sink, struct err *err)
{
	const struct sink_config *config = &sink->config;
	const struct spool_config spool = {
		.loop = config->loop,
		.folder = config->spool_folder,
		.name = "clicks",
		.max_bytes = config->spool_max_bytes,
		.has_sync = config->has_spool_sync,
		.on_told = on_spooled,
		.arg = sink,
	};
	const struct redis_config redis = {
		.url = *config->url,
		.name = "clicks",
		.connect_deadline_us = SINK_CONNECT_US,
		.reply_deadline_us = SINK_REPLY_US,
		.on_state = on_state,
		.before_flush = before_flush,
		.after_replies = after_replies,
		.arg = sink,
	};
	sink->timer = loop_timer_new(config->loop, on_deadline, sink);
	sink->expiry = expiry_new(config->loop);
	if (!tickets_init(&sink->tickets, config->tickets_max) || !sink->timer || !sink->expiry)
		return err_set(err, ERR_SYSTEM, 0, "no memory");
	if (!watch_init(&sink->watch, config->loop, config->deadline_us, err))
		return false;
	sink->spool = spool_new(&spool, err);
	sink->refill = sink->spool ? refill_new(config->loop, &sink->recent, sink->spool,
					     on_refilled, sink, err)
				   : NULL;
	sink->redis = sink->refill ? redis_new(config->loop, &redis, err) : NULL;
	return sink->redis != NULL;
}

bool sink_place(struct sink *sink, uint32_t window_s, const struct bucket_now *now,
	struct bucket_place *place)
{
	if (bucket_take(&sink->buckets, window_s, now, NULL, place))
		return true;
	struct click_bucket fresh;
	return entropy_draw(sink->config.entropy, &fresh.high, sizeof(fresh.high)) &&
	       entropy_draw(sink->config.entropy, &fresh.low, sizeof(fresh.low)) &&
	       bucket_take(&sink->buckets, window_s, now, &fresh, place);
}

void sink_put(struct sink *sink, const struct sink_click *click, const struct sink_ticket *given)
{
	struct click_note note = {.bucket = click->place->id,
		.index = click->place->index,
		.expires_at_s = click->place->expires_at_s};
	uint8_t extras[CLICK_EXTRAS_MAX], bytes[CLICK_NOTE_MAX];
	click_record_encode(note.record, click->record);
	if (click->record->has_extras)
		note.extras = (struct str){.data = (const char *)extras,
			.len = click_extras_encode(extras, click->extras)};
	const struct str raw = {
		.data = (const char *)bytes, .len = click_note_encode(bytes, &note)};
	struct ticket *ticket = ticket_take(&sink->tickets, given, raw);
	if (!ticket) {
		if (click->place->is_new)
			bucket_set_forget_announced(&sink->buckets);
		sink->config.on_done(given, STORED_NONE, sink->config.arg);
		return;
	}
	ticket->wall_us = click->wall_us;
	if (!watch_is_open(&sink->watch) || !expiry_has_room(sink->expiry) ||
		!click_send(
			sink, &note, click->place->is_new, ticket_tag(&sink->tickets, ticket))) {
		if (click->place->is_new)
			bucket_set_forget_announced(&sink->buckets);
		to_spool(sink, ticket);
		return;
	}
	ticket_wait(
		&sink->tickets, ticket, loop_now_us(sink->config.loop) + sink->config.deadline_us);
	if (!loop_timer_is_set(sink->timer))
		loop_timer_set(sink->timer, sink->config.deadline_us);
}

void sink_status(const struct sink *sink, struct sink_status *status)
{
	*status = (struct sink_status){
		.redis = redis_counts(sink->redis),
		.spool = spool_counts(sink->spool),
		.refill = refill_counts(sink->refill),
		.is_away = &sink->watch.is_away,
	};
}

uint64_t sink_pending(const struct sink *sink)
{
	return stats_get(&redis_counts(sink->redis)->pending) + expiry_doubts(sink->expiry) +
	       spool_untold(sink->spool);
}

void sink_free(struct sink *sink)
{
	if (!sink)
		return;
	/* Whatever is under way is lost now and goes to the spool, which then writes it. */
	if (sink->redis)
		redis_free(sink->redis);
	sink->redis = NULL;
	spool_free(sink->spool);
	refill_free(sink->refill);
	if (sink->timer)
		loop_timer_free(sink->timer);
	watch_release(&sink->watch);
	recent_release(&sink->recent);
	tickets_release(&sink->tickets);
	expiry_free(sink->expiry);
	free(sink);
}

/* A bucket's first click comes with the bucket's end, in a transaction; announcement and sub-ids go
 * before the record: when Redis has acknowledged it, it has them too. */
static bool click_send(struct sink *sink, const struct click_note *note, bool is_new, uint64_t tag)
{
	if (is_new)
		click_send_bucket(
			sink->redis, &note->bucket, note->expires_at_s, on_announced, sink);
	if (note->extras.len > 0)
		click_send_extras(sink->redis, note, NULL, 0, NULL);
	if (is_new) {
		const struct click_send_first first = {
			.fn = on_first, .queued_fn = on_queued, .tag = tag, .arg = sink};
		return click_send_first(sink->redis, note, &first);
	}
	if (!click_send_record(sink->redis, note, on_record, tag, sink))
		return false;
	touch(sink, note);
	return true;
}

static void on_state(bool is_up, void *arg)
{
	struct sink *sink = arg;
	if (is_up) {
		/* A fail-over or restart may have lost the stream; announcing twice is harmless. */
		bucket_set_forget_announced(&sink->buckets);
		expiry_resume(sink->expiry, sink->redis);
		watch_up(&sink->watch, sink->redis);
		refill_kick(sink->refill, sink->redis);
	} else {
		before_flush(sink); /* their HSETNX may have left already */
		recent_hold(&sink->recent, true);
		watch_down(&sink->watch);
	}
}

static void on_identity_known(bool is_another, void *arg)
{
	struct sink *sink = arg;
	if (is_another)
		recent_lose(&sink->recent);
	recent_hold(&sink->recent, false);
	refill_kick(sink->refill, sink->redis);
}

/* Once for each bucket and write, after the last HSETNX: a key that was made anew in between
 * (FLUSHALL, fail-over) never stays without an end. */
static void before_flush(void *arg)
{
	struct sink *sink = arg;
	for (unsigned i = 0; i < sink->touched_count; i++)
		expiry_send(sink->expiry, sink->redis, &sink->touched[i].id,
			sink->touched[i].expires_at_s);
	sink->touched_count = 0;
}

static void after_replies(void *arg)
{
	const struct sink *sink = arg;
	if (sink->config.after_done)
		sink->config.after_done(sink->config.arg);
}

static void on_record(const struct redis_value *value, uint64_t tag, void *arg)
{
	record_answered(arg, value, tag);
}

static void on_first(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct sink *sink = arg;
	const struct redis_value *said = click_send_first_value(value);
	record_answered(sink, said ? said : value, tag);
	/* Without the transaction the bucket may be missing: its next click comes with its end. */
	if (!said)
		bucket_set_forget_announced(&sink->buckets);
}

/* The reason; EXEC itself then only says that there was one. */
static void on_queued(const struct redis_value *value, uint64_t tag, void *arg)
{
	(void)tag;
	struct sink *sink = arg;
	if (value && redis_value_type(value) == REDIS_TYPE_ERROR)
		watch_refused(&sink->watch, redis_value_error(value));
}

/* value NULL: lost. */
static void record_answered(struct sink *sink, const struct redis_value *value, uint64_t tag)
{
	struct ticket *ticket = ticket_by_tag(&sink->tickets, tag);
	const enum redis_type type = value ? redis_value_type(value) : REDIS_TYPE_NIL;
	if (type == REDIS_TYPE_ERROR)
		watch_refused(&sink->watch, redis_value_error(value));
	if (type != REDIS_TYPE_INTEGER) {
		if (ticket)
			to_spool(sink, ticket);
		return;
	}
	watch_stored(&sink->watch);
	const bool is_stored = redis_value_integer(value) == 1;
	if (!is_stored)
		bucket_taken(sink);
	if (!ticket)
		return; /* it is in the spool, and Redis is told of it again */
	if (is_stored)
		recent_add(&sink->recent, ticket->note, loop_now_us(sink->config.loop));
	finish(sink, ticket, is_stored ? STORED_REDIS : STORED_NONE);
}

/* Another click has our 74 random bits: this process was copied (a restored machine image). The
 * click can't be stored, neither now nor from the spool. */
static void bucket_taken(struct sink *sink)
{
	log_error("bucket_taken");
	entropy_init(sink->config.entropy);
	bucket_set_clear(&sink->buckets);
}

/* Refused or lost: the next click of the bucket tries again. */
static void on_announced(const struct redis_value *value, uint64_t tag, void *arg)
{
	(void)tag;
	struct sink *sink = arg;
	if (!value || redis_value_type(value) == REDIS_TYPE_ERROR)
		bucket_set_forget_announced(&sink->buckets);
}

static void on_deadline(void *arg)
{
	struct sink *sink = arg;
	const int64_t now_us = loop_now_us(sink->config.loop);
	for (struct ticket *ticket; (ticket = ticket_first(&sink->tickets)) != NULL;) {
		if (ticket->deadline_us > now_us) {
			loop_timer_set(sink->timer, ticket->deadline_us - now_us);
			return;
		}
		watch_missed(&sink->watch);
		to_spool(sink, ticket);
	}
}

static void on_refilled(bool is_stored, void *arg)
{
	struct sink *sink = arg;
	if (is_stored)
		watch_stored(&sink->watch);
}

static void touch(struct sink *sink, const struct click_note *note)
{
	for (unsigned i = sink->touched_count; i > 0; i--) {
		const struct click_bucket *id = &sink->touched[i - 1].id;
		if (id->low == note->bucket.low && id->high == note->bucket.high)
			return;
	}
	if (sink->touched_count == SINK_BATCH_MAX)
		before_flush(sink);
	sink->touched[sink->touched_count++] =
		(struct touched){.id = note->bucket, .expires_at_s = note->expires_at_s};
}

static void to_spool(struct sink *sink, struct ticket *ticket)
{
	ticket_spool(&sink->tickets, ticket);
	if (spool_add(sink->spool, CLICK_NOTE_KIND, ticket->wall_us, ticket->note,
		    ticket_tag(&sink->tickets, ticket)) != SPOOL_TAKEN)
		finish(sink, ticket, STORED_NONE);
}

static void on_spooled(uint64_t tag, bool is_safe, void *arg)
{
	struct sink *sink = arg;
	struct ticket *ticket = ticket_by_tag(&sink->tickets, tag);
	assert(ticket);
	finish(sink, ticket, is_safe ? STORED_SPOOL : STORED_NONE);
	if (sink->redis)
		refill_kick(sink->refill, sink->redis);
}

static void finish(struct sink *sink, struct ticket *ticket, enum stored stored)
{
	sink->config.on_done(&ticket->given, stored, sink->config.arg);
	ticket_end(&sink->tickets, ticket);
}
