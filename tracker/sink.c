/* SPDX-License-Identifier: Apache-2.0
 * Makes a click safe, then says so: Redis within the deadline, or nobody. */
#include "sink.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "expiry.h"
#include "log.h"
#include "stats.h"

#define NUMBER_MAX 24
#define SLOT_NONE  UINT32_MAX

struct slot {
	struct sink_ticket ticket; /* headers point at heap memory of ours */
	int64_t deadline_us;
	uint32_t generation;
	uint32_t next, previous; /* waiting: by deadline; free: next only */
	bool is_waiting;
};

/* A bucket that got clicks since the last write. */
struct touched {
	struct click_bucket id;
	int64_t expires_at_s;
};

struct sink {
	struct sink_config config;
	struct redis *redis;
	struct loop_timer *timer;
	struct bucket_set buckets;
	struct expiry *expiry;
	struct slot *slots;
	uint32_t free_first;
	uint32_t waiting_first, waiting_last;
	struct touched touched[SINK_BATCH_MAX];
	unsigned touched_count;
	bool is_down_logged;
};

static void on_state(bool is_up, void *arg);
static void before_flush(void *arg);
static void on_record(const struct redis_value *value, uint64_t tag, void *arg);
static void on_deadline(void *arg);
static bool record_send(struct sink *sink, const struct sink_click *click, uint64_t tag);
static void extras_send(struct sink *sink, const struct sink_click *click);
static void bucket_announce(struct sink *sink, const struct bucket_place *place);
static void on_announced(const struct redis_value *value, uint64_t tag, void *arg);
static void touch(struct sink *sink, const struct bucket_place *place);
static void sink_fallback(struct sink *sink, const struct sink_ticket *ticket);
static struct slot *slot_take(struct sink *sink, const struct sink_ticket *ticket);
static void slot_unlink(struct sink *sink, struct slot *slot);
static void slot_finish(struct sink *sink, struct slot *slot, bool is_stored);
static struct str number_text(char out[NUMBER_MAX], uint64_t value);

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
	sink->waiting_first = sink->waiting_last = SLOT_NONE;
	sink->slots = calloc(config->tickets_max, sizeof(*sink->slots));
	for (uint32_t i = 0; sink->slots && i < config->tickets_max; i++)
		sink->slots[i].next = i + 1 < config->tickets_max ? i + 1 : SLOT_NONE;
	const struct redis_config redis = {
		.url = *config->url,
		.name = "clicks",
		.connect_deadline_us = SINK_CONNECT_US,
		.reply_deadline_us = SINK_REPLY_US,
		.on_state = on_state,
		.before_flush = before_flush,
		.arg = sink,
	};
	sink->timer = loop_timer_new(config->loop, on_deadline, sink);
	sink->expiry = expiry_new(config->loop);
	if (!sink->slots || !sink->timer || !sink->expiry)
		err_set(err, ERR_SYSTEM, 0, "no memory");
	else
		sink->redis = redis_new(config->loop, &redis, err);
	if (!sink->redis) {
		sink_free(sink);
		return NULL;
	}
	return sink;
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

void sink_put(struct sink *sink, const struct sink_click *click, const struct sink_ticket *ticket)
{
	const bool is_open = redis_is_up(sink->redis) && expiry_has_room(sink->expiry);
	struct slot *slot = is_open ? slot_take(sink, ticket) : NULL;
	if (!slot) {
		if (click->place->is_new)
			bucket_set_forget_announced(&sink->buckets);
		sink_fallback(sink, ticket);
		return;
	}
	const uint64_t tag = (uint64_t)(slot - sink->slots) << 32 | slot->generation;
	if (click->place->is_new)
		bucket_announce(sink, click->place);
	/* Before the record: when Redis has acknowledged the record it has these too. */
	if (click->record->has_extras)
		extras_send(sink, click);
	if (!record_send(sink, click, tag)) {
		slot_finish(sink, slot, false);
		return;
	}
	touch(sink, click->place);
}

const struct redis_counts *sink_redis_counts(const struct sink *sink)
{
	return redis_counts(sink->redis);
}

uint64_t sink_pending(const struct sink *sink)
{
	return stats_get(&redis_counts(sink->redis)->pending) + expiry_doubts(sink->expiry);
}

void sink_free(struct sink *sink)
{
	if (!sink)
		return;
	while (sink->waiting_first != SLOT_NONE)
		slot_unlink(sink, &sink->slots[sink->waiting_first]);
	if (sink->redis)
		redis_free(sink->redis);
	if (sink->timer)
		loop_timer_free(sink->timer);
	expiry_free(sink->expiry);
	free(sink->slots);
	free(sink);
}

/* The one place where a click goes that Redis did not take in time. Its token alone proves it. */
static void sink_fallback(struct sink *sink, const struct sink_ticket *ticket)
{
	sink->config.on_done(ticket, STORED_NONE, sink->config.arg);
}

static void on_state(bool is_up, void *arg)
{
	struct sink *sink = arg;
	/* A fail-over or restart may have lost the stream; announcing twice is harmless. */
	if (is_up) {
		bucket_set_forget_announced(&sink->buckets);
		expiry_resume(sink->expiry, sink->redis);
	} else {
		before_flush(sink); /* their HSETNX may have left already */
	}
	if (is_up == !sink->is_down_logged)
		return;
	sink->is_down_logged = !is_up;
	log_write(is_up ? LOG_INFO : LOG_WARN, is_up ? "redis_up" : "redis_down",
		(const struct log_field[]){LOG_TEXT("name", "clicks"), {0}});
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

static void on_record(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct sink *sink = arg;
	struct slot *slot = &sink->slots[tag >> 32];
	const bool is_integer = value && redis_value_type(value) == REDIS_TYPE_INTEGER;
	const bool is_stored = is_integer && redis_value_integer(value) == 1;
	if (is_integer && !is_stored) {
		/* Another click has our 74 random bits: this process was copied (a restored machine
		 * image). */
		log_error("bucket_taken");
		entropy_init(sink->config.entropy);
		bucket_set_clear(&sink->buckets);
	}
	if (slot->is_waiting && slot->generation == (uint32_t)tag)
		slot_finish(sink, slot, is_stored);
}

static void on_deadline(void *arg)
{
	struct sink *sink = arg;
	const int64_t now_us = loop_now_us(sink->config.loop);
	while (sink->waiting_first != SLOT_NONE) {
		struct slot *slot = &sink->slots[sink->waiting_first];
		if (slot->deadline_us > now_us) {
			loop_timer_set(sink->timer, slot->deadline_us - now_us);
			return;
		}
		slot_finish(sink, slot, false);
	}
}

static bool record_send(struct sink *sink, const struct sink_click *click, uint64_t tag)
{
	char key[CLICK_KEY_MAX], index[NUMBER_MAX];
	uint8_t record[CLICK_RECORD_BYTES];
	click_record_encode(record, click->record);
	const struct str args[] = {
		STR("HSETNX"),
		{.data = key, .len = click_bucket_key(key, &click->place->id)},
		number_text(index, click->place->index),
		{.data = (const char *)record, .len = sizeof(record)},
	};
	return redis_command(sink->redis, args, 4, on_record, tag, sink);
}

static void extras_send(struct sink *sink, const struct sink_click *click)
{
	char key[CLICK_KEY_MAX], expires[NUMBER_MAX];
	uint8_t extras[CLICK_EXTRAS_MAX];
	const struct click_bucket *id = &click->place->id;
	const struct str args[] = {
		STR("SET"),
		{.data = key, .len = click_extras_key(key, id, click->place->index)},
		{.data = (const char *)extras, .len = click_extras_encode(extras, click->extras)},
		STR("EXAT"),
		number_text(expires, (uint64_t)click->place->expires_at_s),
	};
	redis_command(sink->redis, args, 5, NULL, 0, NULL);
}

/* XADD wasl:buckets MAXLEN ~ 1000000 * b <17 hex> x <expiry, Unix seconds> */
static void bucket_announce(struct sink *sink, const struct bucket_place *place)
{
	char key[CLICK_KEY_MAX], expires[NUMBER_MAX];
	const unsigned len = click_bucket_key(key, &place->id);
	const struct str args[] = {
		STR("XADD"),
		STR(CLICK_BUCKETS_STREAM),
		STR("MAXLEN"),
		STR("~"),
		STR(SINK_BUCKETS_MAX),
		STR("*"),
		STR("b"),
		{.data = key + len - CLICK_BUCKET_HEX, .len = CLICK_BUCKET_HEX},
		STR("x"),
		number_text(expires, (uint64_t)place->expires_at_s),
	};
	redis_command(sink->redis, args, 10, on_announced, 0, sink);
}

/* Refused or lost: the next click of the bucket tries again. */
static void on_announced(const struct redis_value *value, uint64_t tag, void *arg)
{
	(void)tag;
	struct sink *sink = arg;
	if (!value || redis_value_type(value) == REDIS_TYPE_ERROR)
		bucket_set_forget_announced(&sink->buckets);
}

static void touch(struct sink *sink, const struct bucket_place *place)
{
	for (unsigned i = sink->touched_count; i > 0; i--) {
		const struct click_bucket *id = &sink->touched[i - 1].id;
		if (id->low == place->id.low && id->high == place->id.high)
			return;
	}
	const struct touched touched = {.id = place->id, .expires_at_s = place->expires_at_s};
	if (sink->touched_count == SINK_BATCH_MAX)
		before_flush(sink);
	sink->touched[sink->touched_count++] = touched;
}

/* ---- tickets ---- */

/* NULL when none is free or memory fails. */
static struct slot *slot_take(struct sink *sink, const struct sink_ticket *ticket)
{
	const uint32_t at = sink->free_first;
	char *headers = at == SLOT_NONE ? NULL : malloc(ticket->headers.len);
	if (!headers)
		return NULL;
	memcpy(headers, ticket->headers.data, ticket->headers.len);
	struct slot *slot = &sink->slots[at];
	sink->free_first = slot->next;
	slot->ticket = *ticket;
	slot->ticket.headers.data = headers;
	slot->deadline_us = loop_now_us(sink->config.loop) + sink->config.deadline_us;
	slot->is_waiting = true;
	slot->next = SLOT_NONE;
	slot->previous = sink->waiting_last;
	if (sink->waiting_last != SLOT_NONE)
		sink->slots[sink->waiting_last].next = at;
	else
		sink->waiting_first = at;
	sink->waiting_last = at;
	if (!loop_timer_is_set(sink->timer))
		loop_timer_set(sink->timer, sink->config.deadline_us);
	return slot;
}

/* Ends the wait and frees the place; later answers find another generation. */
static void slot_unlink(struct sink *sink, struct slot *slot)
{
	assert(slot->is_waiting);
	const uint32_t at = (uint32_t)(slot - sink->slots);
	if (slot->previous != SLOT_NONE)
		sink->slots[slot->previous].next = slot->next;
	else
		sink->waiting_first = slot->next;
	if (slot->next != SLOT_NONE)
		sink->slots[slot->next].previous = slot->previous;
	else
		sink->waiting_last = slot->previous;
	/* The memory was malloc'ed by slot_take; the view only reads it. */
	free((void *)(uintptr_t)slot->ticket.headers.data);
	slot->ticket.headers = (struct str){0};
	slot->is_waiting = false;
	slot->generation++;
	slot->next = sink->free_first;
	sink->free_first = at;
}

static void slot_finish(struct sink *sink, struct slot *slot, bool is_stored)
{
	if (is_stored)
		sink->config.on_done(&slot->ticket, STORED_REDIS, sink->config.arg);
	else
		sink_fallback(sink, &slot->ticket);
	slot_unlink(sink, slot);
}

static struct str number_text(char out[NUMBER_MAX], uint64_t value)
{
	unsigned at = NUMBER_MAX;
	do {
		out[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return (struct str){.data = out + at, .len = NUMBER_MAX - at};
}
