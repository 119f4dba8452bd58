/* SPDX-License-Identifier: Apache-2.0
 * Sees to it that no bucket in Redis stays for ever. */
#include "expiry.h"

#include <assert.h>
#include <stdlib.h>

#include "log.h"

#define NUMBER_MAX 24
#define SAME_LOOKS 32 /* the newest doubts, among which the same bucket is looked for */

static_assert((EXPIRY_SENT_MAX & (EXPIRY_SENT_MAX - 1)) == 0, "the ring's index is masked");
static_assert((EXPIRY_DOUBT_MAX & (EXPIRY_DOUBT_MAX - 1)) == 0, "the ring's index is masked");

struct wish {
	struct click_bucket id;
	int64_t expires_at_s;
	unsigned tries; /* 0: follows its HSETNX on the same connection */
};

/* Rings. Redis answers in order, so the first of sent is the one that an answer is for. */
struct expiry {
	struct redis *redis;
	struct loop_timer *timer;
	unsigned sent_first, sent_count;
	unsigned doubt_first, doubt_count;
	struct wish sent[EXPIRY_SENT_MAX];
	struct wish doubt[EXPIRY_DOUBT_MAX];
};

static void wish_send(struct expiry *expiry, const struct wish *wish);
static void on_expire(const struct redis_value *value, uint64_t tag, void *arg);
static void doubt_add(struct expiry *expiry, const struct wish *wish);
static void on_again(void *arg);

struct expiry *expiry_new(struct loop *loop)
{
	struct expiry *expiry = calloc(1, sizeof(*expiry));
	if (!expiry)
		return NULL;
	expiry->timer = loop_timer_new(loop, on_again, expiry);
	if (!expiry->timer) {
		free(expiry);
		return NULL;
	}
	return expiry;
}

bool expiry_has_room(const struct expiry *expiry)
{
	return expiry->sent_count < EXPIRY_SENT_MAX;
}

void expiry_send(struct expiry *expiry, struct redis *redis, const struct click_bucket *id,
	int64_t expires_at_s)
{
	expiry->redis = redis;
	wish_send(expiry, &(struct wish){.id = *id, .expires_at_s = expires_at_s});
}

unsigned expiry_doubts(const struct expiry *expiry)
{
	return expiry->doubt_count;
}

void expiry_resume(struct expiry *expiry, struct redis *redis)
{
	expiry->redis = redis;
	if (expiry->doubt_count > 0)
		loop_timer_set(expiry->timer, 0);
}

void expiry_free(struct expiry *expiry)
{
	if (!expiry)
		return;
	loop_timer_free(expiry->timer);
	free(expiry);
}

static void wish_send(struct expiry *expiry, const struct wish *wish)
{
	char key[CLICK_KEY_MAX], digits[NUMBER_MAX];
	unsigned at = NUMBER_MAX;
	uint64_t rest = (uint64_t)wish->expires_at_s;
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	const struct str args[] = {
		STR("EXPIREAT"),
		{.data = key, .len = click_bucket_key(key, &wish->id)},
		{.data = digits + at, .len = NUMBER_MAX - at},
	};
	if (!redis_is_up(expiry->redis) || !expiry_has_room(expiry) ||
		!redis_command(expiry->redis, args, 3, on_expire, 0, expiry)) {
		doubt_add(expiry, wish);
		return;
	}
	const unsigned last = expiry->sent_first + expiry->sent_count++;
	expiry->sent[last & (EXPIRY_SENT_MAX - 1)] = *wish;
}

static void on_expire(const struct redis_value *value, uint64_t tag, void *arg)
{
	(void)tag;
	struct expiry *expiry = arg;
	assert(expiry->sent_count > 0);
	struct wish wish = expiry->sent[expiry->sent_first];
	expiry->sent_first = (expiry->sent_first + 1) & (EXPIRY_SENT_MAX - 1);
	expiry->sent_count--;
	if (value && redis_value_type(value) == REDIS_TYPE_INTEGER) {
		/* 0, right after its HSETNX: that one was refused, and there is no bucket. */
		if (wish.tries == 0 || redis_value_integer(value) == 1 ||
			wish.tries++ == EXPIRY_TRIES)
			return;
	} else if (wish.tries == 0) {
		wish.tries = 1;
	}
	doubt_add(expiry, &wish);
}

static void doubt_add(struct expiry *expiry, const struct wish *wish)
{
	for (unsigned i = expiry->doubt_count; i > 0 && expiry->doubt_count - i < SAME_LOOKS; i--) {
		const struct wish *other =
			&expiry->doubt[(expiry->doubt_first + i - 1) & (EXPIRY_DOUBT_MAX - 1)];
		if (other->id.low == wish->id.low && other->id.high == wish->id.high)
			return;
	}
	if (expiry->doubt_count == EXPIRY_DOUBT_MAX) {
		log_error("bucket_without_end", LOG_NUM("max", EXPIRY_DOUBT_MAX));
		expiry->doubt_first = (expiry->doubt_first + 1) & (EXPIRY_DOUBT_MAX - 1);
		expiry->doubt_count--;
	}
	const unsigned last = expiry->doubt_first + expiry->doubt_count++;
	struct wish *doubt = &expiry->doubt[last & (EXPIRY_DOUBT_MAX - 1)];
	*doubt = *wish;
	doubt->tries += doubt->tries == 0;
	if (!loop_timer_is_set(expiry->timer))
		loop_timer_set(expiry->timer, EXPIRY_AGAIN_US);
}

/* Those that were in doubt before; what fails comes back, and the timer with it. */
static void on_again(void *arg)
{
	struct expiry *expiry = arg;
	if (!redis_is_up(expiry->redis))
		return; /* expiry_resume sets it again */
	for (unsigned i = expiry->doubt_count; i > 0; i--) {
		const struct wish wish = expiry->doubt[expiry->doubt_first];
		expiry->doubt_first = (expiry->doubt_first + 1) & (EXPIRY_DOUBT_MAX - 1);
		expiry->doubt_count--;
		wish_send(expiry, &wish);
	}
}
