/* SPDX-License-Identifier: Apache-2.0
 * The commands that make a click known to Redis. */
#include "click_send.h"

#include <assert.h>

#define NUMBER_MAX 24

static struct str number_text(char out[NUMBER_MAX], uint64_t value);

bool click_send_record(struct redis *redis, const struct click_note *note, redis_reply_fn *fn,
	uint64_t tag, void *arg)
{
	char key[CLICK_KEY_MAX], index[NUMBER_MAX];
	const struct str args[] = {
		STR("HSETNX"),
		{.data = key, .len = click_bucket_key(key, &note->bucket)},
		number_text(index, note->index),
		{.data = (const char *)note->record, .len = CLICK_RECORD_BYTES},
	};
	return redis_command(redis, args, 4, fn, tag, arg);
}

bool click_send_first(
	struct redis *redis, const struct click_note *note, const struct click_send_first *first)
{
	const struct str multi[] = {STR("MULTI")}, exec[] = {STR("EXEC")};
	if (!redis_has_room(redis, CLICK_SEND_FIRST_COMMANDS) ||
		!redis_command(redis, multi, 1, NULL, 0, NULL))
		return false;
	const bool is_whole =
		click_send_record(redis, note, first->queued_fn, first->tag, first->arg) &&
		click_send_expiry(redis, &note->bucket, note->expires_at_s, NULL, NULL) &&
		redis_command(redis, exec, 1, first->fn, first->tag, first->arg);
	if (!is_whole)
		redis_redial(redis);
	return is_whole;
}

const struct redis_value *click_send_first_value(const struct redis_value *exec)
{
	return exec && redis_value_count(exec) == 2 ? redis_value_at(exec, 0) : NULL;
}

bool click_send_extras(struct redis *redis, const struct click_note *note, redis_reply_fn *fn,
	uint64_t tag, void *arg)
{
	char key[CLICK_KEY_MAX], expires[NUMBER_MAX];
	const struct str args[] = {
		STR("SET"),
		{.data = key, .len = click_extras_key(key, &note->bucket, note->index)},
		note->extras,
		STR("EXAT"),
		number_text(expires, (uint64_t)note->expires_at_s),
	};
	assert(note->extras.len > 0);
	return redis_command(redis, args, 5, fn, tag, arg);
}

/* XADD wasl:buckets MAXLEN ~ 1000000 * b <17 hex> x <expiry, Unix seconds> */
bool click_send_bucket(struct redis *redis, const struct click_bucket *bucket, int64_t expires_at_s,
	redis_reply_fn *fn, void *arg)
{
	char key[CLICK_KEY_MAX], expires[NUMBER_MAX];
	const unsigned len = click_bucket_key(key, bucket);
	const struct str args[] = {
		STR("XADD"),
		STR(CLICK_BUCKETS_STREAM),
		STR("MAXLEN"),
		STR("~"),
		STR(CLICK_SEND_BUCKETS_MAX),
		STR("*"),
		STR("b"),
		{.data = key + len - CLICK_BUCKET_HEX, .len = CLICK_BUCKET_HEX},
		STR("x"),
		number_text(expires, (uint64_t)expires_at_s),
	};
	return redis_command(redis, args, 10, fn, 0, arg);
}

bool click_send_expiry(struct redis *redis, const struct click_bucket *bucket, int64_t expires_at_s,
	redis_reply_fn *fn, void *arg)
{
	char key[CLICK_KEY_MAX], expires[NUMBER_MAX];
	const struct str args[] = {
		STR("EXPIREAT"),
		{.data = key, .len = click_bucket_key(key, bucket)},
		number_text(expires, (uint64_t)expires_at_s),
	};
	return redis_command(redis, args, 3, fn, 0, arg);
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
