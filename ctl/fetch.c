/* SPDX-License-Identifier: Apache-2.0
 * Three commands in one write once the connection is up; the loop stops with the last answer. */
#include "fetch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "loop.h"
#include "redis.h"
#include "timestamp.h"

#define FETCH_MAGIC 0x66657463u

enum question { ASK_RECORD = 0, ASK_EXTRAS, ASK_TTL, QUESTIONS };

struct fetch {
	unsigned magic;
	struct loop *loop;
	struct redis *redis;
	struct fetched *fetched;
	char bucket_key[CLICK_KEY_MAX], extras_key[CLICK_KEY_MAX], field[4];
	unsigned answers;
	bool is_asked, is_broken;
	bool has_bucket, has_entry;
};

static struct fetch *fetch_of(void *arg);
static void on_state(bool is_up, void *arg);
static void on_deadline(void *arg);
static void on_answer(const struct redis_value *value, uint64_t tag, void *arg);
static void take_bytes(const struct redis_value *value, uint8_t *out, size_t max, size_t *len);
static void end(struct fetch *fetch, bool is_broken);

enum fetch_result fetch_click(const char *redis_url, const uint8_t id[CLICK_ID_BYTES],
	struct fetched *fetched, struct err *err)
{
	struct click_bucket bucket;
	unsigned index = 0;
	struct fetch fetch = {.magic = FETCH_MAGIC, .fetched = fetched, .is_broken = true};
	struct redis_config config = {.name = "waslctl",
		.connect_deadline_us = FETCH_WAIT_US,
		.reply_deadline_us = FETCH_WAIT_US,
		.on_state = on_state,
		.arg = &fetch};
	*fetched = (struct fetched){.ttl_ms = -1};
	if (!redis_url_parse(str_from(redis_url), &config.url, err))
		return FETCH_BAD_URL;
	click_id_bucket(id, &bucket, &index);
	click_bucket_key(fetch.bucket_key, &bucket);
	click_extras_key(fetch.extras_key, &bucket, index);
	snprintf(fetch.field, sizeof(fetch.field), "%u", index);
	fetch.loop = loop_new(err);
	struct loop_timer *timer =
		fetch.loop ? loop_timer_new(fetch.loop, on_deadline, &fetch) : NULL;
	if (timer != NULL) {
		loop_timer_set(timer, FETCH_WAIT_US);
		fetch.redis = redis_new(fetch.loop, &config, err);
	}
	if (fetch.redis != NULL)
		loop_run(fetch.loop);
	const bool is_broken = fetch.is_broken;
	if (fetch.redis != NULL)
		redis_free(fetch.redis);
	if (timer != NULL)
		loop_timer_free(timer);
	if (fetch.loop != NULL)
		loop_free(fetch.loop);
	if (is_broken)
		return FETCH_REDIS_DOWN;
	if (fetch.has_entry)
		return FETCH_FOUND;
	return fetch.has_bucket ? FETCH_NO_ENTRY : FETCH_NO_BUCKET;
}

const char *fetch_result_name(enum fetch_result result)
{
	switch (result) {
	case FETCH_FOUND:
		return "found";
	case FETCH_NO_BUCKET:
		return "no_bucket";
	case FETCH_NO_ENTRY:
		return "no_entry";
	case FETCH_REDIS_DOWN:
		return "redis_down";
	case FETCH_BAD_URL:
		return "bad_url";
	}
	return "unknown";
}

static struct fetch *fetch_of(void *arg)
{
	struct fetch *fetch = arg;
	assert(fetch->magic == FETCH_MAGIC);
	return fetch;
}

static void on_state(bool is_up, void *arg)
{
	struct fetch *fetch = fetch_of(arg);
	if (fetch->is_asked || !is_up) {
		if (!is_up)
			end(fetch, true);
		return;
	}
	fetch->is_asked = true;
	const struct str key = str_from(fetch->bucket_key);
	const struct str record[] = {STR("HGET"), key, str_from(fetch->field)};
	const struct str extras[] = {STR("GET"), str_from(fetch->extras_key)};
	const struct str ttl[] = {STR("PTTL"), key};
	if (!redis_command(fetch->redis, record, 3, on_answer, ASK_RECORD, fetch) ||
		!redis_command(fetch->redis, extras, 2, on_answer, ASK_EXTRAS, fetch) ||
		!redis_command(fetch->redis, ttl, 2, on_answer, ASK_TTL, fetch))
		end(fetch, true);
}

static void on_deadline(void *arg)
{
	end(fetch_of(arg), true);
}

static void on_answer(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct fetch *fetch = fetch_of(arg);
	struct fetched *fetched = fetch->fetched;
	if (value == NULL || redis_value_type(value) == REDIS_TYPE_ERROR) {
		end(fetch, true);
		return;
	}
	if (tag == ASK_RECORD) {
		fetch->has_entry = redis_value_type(value) == REDIS_TYPE_STRING;
		take_bytes(value, fetched->record, sizeof(fetched->record), &fetched->record_len);
	} else if (tag == ASK_EXTRAS) {
		take_bytes(value, fetched->extras, sizeof(fetched->extras), &fetched->extras_len);
	} else {
		fetched->ttl_ms = redis_value_integer(value);
		fetch->has_bucket =
			fetched->ttl_ms != -2; /* -2: no such key, -1: it never expires */
		/* A bucket ends on a whole second (EXPIREAT); what is left is some ms old here. */
		if (fetched->ttl_ms >= 0)
			fetched->expires_at_us =
				(clock_wall_us() + fetched->ttl_ms * US_PER_MS + US_PER_S / 2) /
				US_PER_S * US_PER_S;
	}
	fetch->answers++;
	if (fetch->answers == QUESTIONS)
		end(fetch, false);
}

/* What is longer than its format allows counts as unreadable: empty. */
static void take_bytes(const struct redis_value *value, uint8_t *out, size_t max, size_t *len)
{
	struct str text = redis_value_text(value);
	*len = text.len <= max ? text.len : 0;
	if (*len > 0)
		memcpy(out, text.data, *len);
}

static void end(struct fetch *fetch, bool is_broken)
{
	fetch->is_broken = is_broken;
	loop_stop(fetch->loop);
}
