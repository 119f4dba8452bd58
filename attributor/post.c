/* SPDX-License-Identifier: Apache-2.0
 * The queue before the two posting connections: what goes into which batch, and what becomes of a
 * batch that failed. */
#include "post.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "post_parts.h"

#define POSTER_MAGIC             0x90573e12
#define POST_CONNECT_DEADLINE_US (5000 * INT64_C(1000))
#define POST_RUN_DEADLINE_US     (5000 * INT64_C(1000))
#define RETRY_STEP_US            (8 * 1000) /* times the attempt, and up to as much at random */
#define UNWELL_PAUSE_US          (100 * 1000)
/* While one connection is at work the other begins with no less, or after that long: statements
 * cost more than the rows in them, and whoever comes a little later goes with them. */
#define GATHER_EVENTS   (POST_BATCH_MAX / 2) /* or as many as a batch may have */
#define GATHER_US       (2 * 1000)
#define NAME_MAX_BYTES  32
#define SQLSTATE_UNIQUE "23505"

struct post {
	struct loop *loop;
	struct post_config config;
	struct poster *posters[POST_CONNECTIONS];
	struct post_item *head, *tail;
	unsigned queued;
	struct loop_defer *deal;
	struct loop_timer *gathering; /* set while events wait for company */
	bool has_gathered;            /* they have waited long enough */
};

static struct poster *poster_new(struct post *post, unsigned number, struct err *err);
static void poster_free(struct poster *poster);
static void on_deal(void *arg);
static bool is_to_gather(const struct post *post);
static void deal(struct post *post);
static void on_gathered(void *arg);
static void on_state(bool is_up, void *arg);
static void on_pause(void *arg);
static bool is_free(const struct poster *poster);
static void take(struct poster *poster);
static struct post_item *take_repeats(struct post *post, const struct post_item *item);
static void answer_repeats(struct post_item *repeats, const struct post_outcome *outcome);
static bool has_clash(const struct post *post, const struct post_item *item);
static bool is_same(const struct post_item *a, const struct post_item *b);
static int by_order(const void *a, const void *b);
static void enqueue(struct post *post, struct post_item *item);
static void put_back(struct post *post, struct post_item *item);
static void unlink_item(struct post *post, struct post_item *item);
static void hash_item(struct post_item *item);
static void push_span(struct poster *poster, unsigned from, unsigned count);
static unsigned compact(struct poster *poster, struct post_span *span);
static bool count_attempt(struct poster *poster, const struct post_span *span);
static void try_again(struct poster *poster);
static void halve(struct poster *poster, const struct db_result *result);
static void give_back(struct poster *poster);
static void answer_failed(struct poster *poster, unsigned index, const struct db_result *result);
static void tell(struct poster *poster, unsigned index, const struct post_outcome *outcome);
static void pause(struct poster *poster, int64_t delay_us);

struct post *post_new(struct loop *loop, const struct post_config *config, struct err *err)
{
	struct post *const post = calloc(1, sizeof(*post));
	if (post == NULL) {
		err_set(err, ERR_LIMIT, 0, "no memory for posting");
		return NULL;
	}
	*post = (struct post){.loop = loop, .config = *config};
	post->deal = loop_defer_new(loop, on_deal, post);
	post->gathering = loop_timer_new(loop, on_gathered, post);
	bool is_whole = (post->deal != NULL && post->gathering != NULL) ||
			err_set(err, ERR_LIMIT, 0, "no memory for posting");
	for (unsigned i = 0; i < POST_CONNECTIONS && is_whole; i++) {
		post->posters[i] = poster_new(post, i + 1, err);
		is_whole = post->posters[i] != NULL;
	}
	if (is_whole)
		return post;
	post_free(post);
	return NULL;
}

void post_open(struct post *post)
{
	post->config.is_held = false;
	if (post->config.on_state != NULL && post_is_up(post))
		post->config.on_state(true, post->config.arg);
}

bool post_submit(struct post *post, struct post_item *item)
{
	if (!post_is_up(post))
		return false;
	item->attempts = 0;
	if (item->event != NULL)
		item->order_id = item->event->order_id;
	hash_item(item);
	enqueue(post, item);
	loop_defer_schedule(post->deal);
	return true;
}

bool post_cancel(struct post *post, struct post_item *item)
{
	if (!item->is_waiting)
		return false;
	unlink_item(post, item);
	return true;
}

bool post_is_up(const struct post *post)
{
	for (unsigned i = 0; i < POST_CONNECTIONS && !post->config.is_held; i++)
		if (db_is_up(post->posters[i]->db))
			return true;
	return false;
}

bool post_is_idle(const struct post *post)
{
	for (unsigned i = 0; i < POST_CONNECTIONS; i++)
		if (post->posters[i]->taken_count > 0)
			return false;
	return post->head == NULL;
}

unsigned post_queued(const struct post *post)
{
	return post->queued;
}

void post_free(struct post *post)
{
	if (post == NULL)
		return;
	for (unsigned i = 0; i < POST_CONNECTIONS; i++)
		poster_free(post->posters[i]);
	while (post->head != NULL) {
		struct post_item *const item = post->head;
		unlink_item(post, item);
		item->done(item, &(struct post_outcome){.status = POST_UNAVAILABLE});
	}
	loop_defer_free(post->deal);
	loop_timer_free(post->gathering);
	free(post);
}

/* The next part of what was taken; when there is none, the connection is free again. */
void poster_run_next(struct poster *poster)
{
	while (poster->span_count > 0) {
		struct post_span *const span = &poster->spans[poster->span_count - 1];
		span->count = compact(poster, span);
		if (span->count > 0) {
			poster->is_busy = true;
			batch_start(poster);
			return;
		}
		poster->span_count--;
	}
	poster->is_busy = false;
	poster->taken_count = 0;
	loop_defer_schedule(poster->post->deal);
}

void poster_batch_failed(struct poster *poster, const struct db_result *result)
{
	const struct post_span span = poster->spans[poster->span_count - 1];
	log_warn("batch_failed", LOG_TEXT("sqlstate", result->sqlstate),
		LOG_TEXT("reason", result->message), LOG_NUM("events", span.count));
	switch (result->status) {
	case DB_CONFLICT:
		try_again(poster);
		return;
	case DB_DATA:
		/* Somebody else took the same webhook-id meanwhile: seen when read again. */
		if (strcmp(result->sqlstate, SQLSTATE_UNIQUE) == 0)
			try_again(poster);
		else
			halve(poster, result);
		return;
	case DB_UNAVAILABLE:
		give_back(poster);
		return;
	case DB_OK:
	case DB_BROKEN:
		break;
	}
	stats_set(&poster->post->config.meters->is_refused, 1);
	for (unsigned i = span.from; i < span.from + span.count; i++)
		answer_failed(poster, i, result);
	poster_run_next(poster);
}

void poster_answer(struct poster *poster, struct posting *posting)
{
	const bool is_told =
		posting->verdict.outcome.status == POST_DONE && posting->item->event != NULL;
	struct post_item *repeats = is_told ? take_repeats(poster->post, posting->item) : NULL;
	for (unsigned i = 0; i < poster->taken_count; i++)
		if (poster->taken[i] == posting->item)
			tell(poster, i, &posting->verdict.outcome);
	answer_repeats(repeats, &posting->verdict.outcome);
}

bool poster_is_to_plan(struct poster *poster)
{
	const int64_t now_us = loop_now_us(poster->post->loop);
	const uint64_t batches = ++poster->batches;
	if ((batches & (batches - 1)) != 0 && now_us - poster->planned_us < POST_PLANS_US)
		return false;
	poster->planned_us = now_us;
	return true;
}

struct meters *post_meters(struct post *post)
{
	return post->config.meters;
}

static struct poster *poster_new(struct post *post, unsigned number, struct err *err)
{
	struct poster *const poster = calloc(1, sizeof(*poster));
	char name[NAME_MAX_BYTES];
	snprintf(name, sizeof(name), "wasl-attributor post %u", number);
	if (poster == NULL)
		goto fail;
	poster->magic = POSTER_MAGIC;
	poster->post = post;
	batch_tables_init(poster);
	poster->pause = loop_timer_new(post->loop, on_pause, poster);
	poster->db = db_new(post->loop,
		&(struct db_config){.url = post->config.database_url,
			.name = name,
			.connect_deadline_us = POST_CONNECT_DEADLINE_US,
			.run_deadline_us = POST_RUN_DEADLINE_US,
			.is_by_key = true,
			.on_state = on_state,
			.arg = poster},
		err);
	if (poster->pause != NULL && poster->db != NULL)
		return poster;
fail:
	err_set(err, ERR_LIMIT, 0, "no memory for posting");
	poster_free(poster);
	return NULL;
}

static void poster_free(struct poster *poster)
{
	if (poster == NULL)
		return;
	db_free(poster->db); /* what is under way goes back to the queue */
	loop_timer_free(poster->pause);
	batch_tables_release(poster);
	free(poster);
}

static void on_deal(void *arg)
{
	struct post *const post = arg;
	if (is_to_gather(post)) {
		if (!loop_timer_is_set(post->gathering))
			loop_timer_set(post->gathering, GATHER_US);
	} else {
		deal(post);
	}
}

static bool is_to_gather(const struct post *post)
{
	bool is_one_busy = false;
	const unsigned enough =
		post->config.batch_max < GATHER_EVENTS ? post->config.batch_max : GATHER_EVENTS;
	if (post->has_gathered || post->head == NULL || post->queued >= enough)
		return false;
	for (unsigned i = 0; i < POST_CONNECTIONS; i++)
		is_one_busy |= post->posters[i]->is_busy;
	return is_one_busy;
}

static void on_gathered(void *arg)
{
	struct post *const post = arg;
	post->has_gathered = true;
	deal(post);
}

static void deal(struct post *post)
{
	loop_timer_clear(post->gathering);
	for (unsigned i = 0; i < POST_CONNECTIONS; i++)
		if (is_free(post->posters[i]) && post->head != NULL) {
			post->has_gathered = false;
			take(post->posters[i]);
		}
}

static void on_state(bool is_up, void *arg)
{
	struct poster *const poster = arg;
	assert(poster->magic == POSTER_MAGIC);
	poster->batches = 0; /* a new session plans from the start */
	loop_defer_schedule(poster->post->deal);
	if (poster->post->config.on_state != NULL)
		poster->post->config.on_state(is_up, poster->post->config.arg);
}

static void on_pause(void *arg)
{
	struct poster *const poster = arg;
	assert(poster->magic == POSTER_MAGIC);
	poster_run_next(poster);
}

static bool is_free(const struct poster *poster)
{
	return !poster->is_busy && db_is_idle(poster->db);
}

static void take(struct poster *poster)
{
	struct post *const post = poster->post;
	unsigned scanned = 0, lines = 0;
	size_t bytes = 0;
	struct post_item *next = NULL;
	for (struct post_item *item = post->head; item != NULL && scanned < POST_SCAN_MAX;
		item = next, scanned++) {
		next = item->next;
		if (poster->taken_count == post->config.batch_max)
			break;
		if (item->is_alone && poster->taken_count > 0)
			continue;
		lines += item->event != NULL ? item->event->line_count : POST_REFOLD_LINES;
		bytes += item->body_bytes;
		if (poster->taken_count > 0 &&
			(lines > POST_BATCH_LINES_MAX || bytes > POST_BATCH_BYTES_MAX))
			break;
		if (has_clash(post, item))
			continue;
		unlink_item(post, item);
		poster->taken[poster->taken_count++] = item;
		if (item->is_alone)
			break;
	}
	if (poster->taken_count == 0)
		return;
	qsort(poster->taken, poster->taken_count, sizeof(poster->taken[0]), by_order);
	poster->span_count = 0;
	push_span(poster, 0, poster->taken_count);
	poster_run_next(poster);
}

/* Those in the queue with the webhook-id and body of item, which has just committed: one round to
 * the database serves a sender that repeats itself in a hurry. */
static struct post_item *take_repeats(struct post *post, const struct post_item *item)
{
	struct post_item *repeats = NULL, *next = NULL;
	unsigned scanned = 0;
	for (struct post_item *other = post->head; other != NULL && scanned < POST_SCAN_MAX;
		other = next, scanned++) {
		next = other->next;
		if (other->event == NULL || other->store_id != item->store_id ||
			other->event_hash != item->event_hash ||
			!str_equal(other->event->event_id, item->event->event_id) ||
			memcmp(other->body_sha256, item->body_sha256, POST_BODY_HASH_BYTES) != 0)
			continue;
		unlink_item(post, other);
		other->next = repeats;
		repeats = other;
	}
	return repeats;
}

static void answer_repeats(struct post_item *repeats, const struct post_outcome *outcome)
{
	struct buf answer;
	buf_init(&answer, POST_TEXT_MAX);
	if (repeats != NULL)
		post_text_repeat(outcome->answer, &answer);
	const bool is_whole = !answer.has_failed;
	const struct post_outcome done = {
		.status = POST_DONE, .result = METERS_DUPLICATE, .answer = buf_str(&answer)};
	while (repeats != NULL) {
		struct post_item *const item = repeats;
		repeats = item->next;
		item->done(item, is_whole ? &done : &(struct post_outcome){.status = POST_FAILED});
	}
	buf_release(&answer);
}

/* Is its order, or its webhook-id, under way already? */
static bool has_clash(const struct post *post, const struct post_item *item)
{
	for (unsigned p = 0; p < POST_CONNECTIONS; p++) {
		const struct poster *const poster = post->posters[p];
		for (unsigned i = 0; i < poster->taken_count; i++)
			if (poster->taken[i] != NULL && is_same(poster->taken[i], item))
				return true;
	}
	return false;
}

static bool is_same(const struct post_item *a, const struct post_item *b)
{
	if (a->store_id != b->store_id)
		return false;
	return (a->order_hash == b->order_hash && str_equal(a->order_id, b->order_id)) ||
	       (a->event != NULL && b->event != NULL && a->event_hash == b->event_hash &&
		       str_equal(a->event->event_id, b->event->event_id));
}

/* As the locking statements sort: by number, then bytewise. */
static int by_order(const void *a, const void *b)
{
	const struct post_item *const one = *(const struct post_item *const *)a;
	const struct post_item *const other = *(const struct post_item *const *)b;
	if (one->store_id != other->store_id)
		return one->store_id < other->store_id ? -1 : 1;
	return str_compare(one->order_id, other->order_id);
}

static void enqueue(struct post *post, struct post_item *item)
{
	item->next = NULL;
	item->previous = post->tail;
	if (post->tail != NULL)
		post->tail->next = item;
	else
		post->head = item;
	post->tail = item;
	item->is_waiting = true;
	post->queued++;
}

static void put_back(struct post *post, struct post_item *item)
{
	item->previous = NULL;
	item->next = post->head;
	if (post->head != NULL)
		post->head->previous = item;
	else
		post->tail = item;
	post->head = item;
	item->is_waiting = true;
	post->queued++;
}

static void unlink_item(struct post *post, struct post_item *item)
{
	if (item->previous != NULL)
		item->previous->next = item->next;
	else
		post->head = item->next;
	if (item->next != NULL)
		item->next->previous = item->previous;
	else
		post->tail = item->previous;
	item->next = item->previous = NULL;
	item->is_waiting = false;
	post->queued--;
}

/* FNV-1a: only to compare less often; equal hashes are compared in full. */
static void hash_item(struct post_item *item)
{
	const struct str texts[] = {
		item->order_id, item->event != NULL ? item->event->event_id : (struct str){0}};
	uint64_t hashes[2];
	for (unsigned t = 0; t < 2; t++) {
		hashes[t] = UINT64_C(0xcbf29ce484222325);
		for (size_t i = 0; i < texts[t].len; i++)
			hashes[t] = (hashes[t] ^ (unsigned char)texts[t].data[i]) *
				    UINT64_C(0x100000001b3);
	}
	item->order_hash = hashes[0];
	item->event_hash = hashes[1];
}

static void push_span(struct poster *poster, unsigned from, unsigned count)
{
	assert(poster->span_count < POST_SPANS_MAX);
	poster->spans[poster->span_count++] = (struct post_span){from, count};
}

/* Moves what has no answer yet to the span's front; returns how many there are. */
static unsigned compact(struct poster *poster, struct post_span *span)
{
	unsigned kept = 0;
	for (unsigned i = span->from; i < span->from + span->count; i++) {
		struct post_item *const item = poster->taken[i];
		poster->taken[i] = NULL;
		if (item != NULL)
			poster->taken[span->from + kept++] = item;
	}
	return kept;
}

/* False: one of them has been tried too often. */
static bool count_attempt(struct poster *poster, const struct post_span *span)
{
	bool is_within = true;
	for (unsigned i = span->from; i < span->from + span->count; i++)
		if (poster->taken[i] != NULL)
			is_within &= ++poster->taken[i]->attempts < POST_ATTEMPTS_MAX;
	return is_within;
}

static void try_again(struct poster *poster)
{
	const struct post_span *const span = &poster->spans[poster->span_count - 1];
	const bool is_within = count_attempt(poster, span);
	stats_add(&poster->post->config.meters->retries, 1);
	if (!is_within) {
		for (unsigned i = span->from; i < span->from + span->count; i++)
			if (poster->taken[i] != NULL &&
				poster->taken[i]->attempts >= POST_ATTEMPTS_MAX)
				tell(poster, i, &(struct post_outcome){.status = POST_UNAVAILABLE});
	}
	pause(poster, RETRY_STEP_US + clock_mono_us() % (POST_ATTEMPTS_MAX * RETRY_STEP_US));
}

static void halve(struct poster *poster, const struct db_result *result)
{
	const struct post_span span = poster->spans[--poster->span_count];
	if (span.count == 1) {
		answer_failed(poster, span.from, result);
	} else {
		const unsigned half = span.count / 2;
		push_span(poster, span.from + half, span.count - half);
		push_span(poster, span.from, half);
	}
	poster_run_next(poster);
}

/* The connection is gone, or the server is not well: whoever is up first may take them, until their
 * senders' deadline. An unknown COMMIT is safe: they find their own webhook-id. */
static void give_back(struct poster *poster)
{
	struct post *const post = poster->post;
	count_attempt(poster, &(struct post_span){0, poster->taken_count});
	for (unsigned i = poster->taken_count; i-- > 0;) {
		struct post_item *const item = poster->taken[i];
		if (item == NULL)
			continue;
		if (item->attempts >= POST_ATTEMPTS_MAX) {
			tell(poster, i, &(struct post_outcome){.status = POST_UNAVAILABLE});
			continue;
		}
		poster->taken[i] = NULL;
		put_back(post, item);
	}
	poster->taken_count = 0;
	poster->span_count = 0;
	stats_add(&post->config.meters->retries, 1);
	pause(poster, UNWELL_PAUSE_US);
	loop_defer_schedule(post->deal);
}

static void answer_failed(struct poster *poster, unsigned index, const struct db_result *result)
{
	const struct post_item *const item = poster->taken[index];
	if (item == NULL)
		return;
	/* A privilege or a table that is missing: nothing is wrong with the event, it has to come
	 * again. */
	struct post_outcome outcome = {
		.status = result->status == DB_BROKEN ? POST_UNAVAILABLE : POST_FAILED,
		.cause = result->status,
		.detail = result->message};
	str_copy(outcome.sqlstate, sizeof(outcome.sqlstate), str_from(result->sqlstate));
	log_error("event_not_posted", LOG_NUM("store", item->store_id),
		LOG_STR("event_id", item->event != NULL ? item->event->event_id : (struct str){0}),
		LOG_STR("order", item->order_id), LOG_TEXT("sqlstate", result->sqlstate),
		LOG_TEXT("reason", result->message));
	tell(poster, index, &outcome);
}

static void tell(struct poster *poster, unsigned index, const struct post_outcome *outcome)
{
	struct post_item *const item = poster->taken[index];
	poster->taken[index] = NULL;
	item->done(item, outcome);
}

static void pause(struct poster *poster, int64_t delay_us)
{
	poster->is_busy = true;
	loop_timer_set(poster->pause, delay_us);
}
