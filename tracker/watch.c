/* SPDX-License-Identifier: Apache-2.0
 * What one worker knows about its Redis. */
#include "watch.h"

#include <string.h>

#include "log.h"
#include "stats.h"

enum asked { ASKED_RUN = 0, ASKED_REPLICATION };
#define LAST_ASKED ASKED_REPLICATION

static void identity_ask(struct watch *watch);
static void on_identity(const struct redis_value *value, uint64_t tag, void *arg);
static void identity_add(struct watch *watch, struct str info, struct str field);
static void on_probe_due(void *arg);
static void on_probe(const struct redis_value *value, uint64_t tag, void *arg);
static void slow_say(struct watch *watch);
static void away_set(struct watch *watch);

bool watch_init(struct watch *watch, struct loop *loop, int64_t deadline_us, struct err *err)
{
	watch->loop = loop;
	breaker_init(&watch->breaker, deadline_us);
	watch->redialled_us = -WATCH_REDIAL_US;
	watch->said_us = -WATCH_SAY_US;
	watch->timer = loop_timer_new(loop, on_probe_due, watch);
	stats_set(&watch->is_away, 1);
	return watch->timer || err_set(err, ERR_SYSTEM, 0, "no memory");
}

void watch_release(struct watch *watch)
{
	if (watch->timer)
		loop_timer_free(watch->timer);
}

void watch_up(struct watch *watch, struct redis *redis)
{
	watch->redis = redis;
	breaker_reset(&watch->breaker, loop_now_us(watch->loop));
	away_set(watch);
	identity_ask(watch);
}

void watch_down(struct watch *watch)
{
	watch->connection++;
	loop_timer_clear(watch->timer);
	away_set(watch);
}

bool watch_is_open(const struct watch *watch)
{
	return watch->redis && redis_is_up(watch->redis) && !watch->breaker.is_open;
}

void watch_stored(struct watch *watch)
{
	breaker_answered(&watch->breaker, loop_now_us(watch->loop));
	if (!watch->is_refusing)
		return;
	watch->is_refusing = false;
	log_info("redis_takes");
	away_set(watch);
}

/* A server that has become read-only is no master any more: its name may lead to another one. */
void watch_refused(struct watch *watch, enum redis_error error)
{
	const int64_t now_us = loop_now_us(watch->loop);
	breaker_answered(&watch->breaker, now_us);
	if (!watch->is_refusing) {
		watch->is_refusing = true;
		log_warn("redis_refuses", LOG_TEXT("kind", redis_error_name(error)));
		away_set(watch);
	}
	if (error == REDIS_ERROR_READONLY && now_us - watch->redialled_us >= WATCH_REDIAL_US) {
		watch->redialled_us = now_us;
		redis_redial(watch->redis);
	}
}

void watch_missed(struct watch *watch)
{
	if (!redis_is_up(watch->redis) ||
		!breaker_missed(&watch->breaker, loop_now_us(watch->loop)))
		return;
	slow_say(watch);
	away_set(watch);
	loop_timer_set(watch->timer, 0);
}

/* Two questions, because Redis before 7 takes one section at a time. The second id changes with
 * each promotion: a master that was a replica for a while has another's data. */
static void identity_ask(struct watch *watch)
{
	static const struct str sections[] = {
		[ASKED_RUN] = STR("server"), [ASKED_REPLICATION] = STR("replication")};
	watch->asked_id[0] = '\0';
	for (unsigned i = 0; i <= LAST_ASKED; i++) {
		const struct str args[] = {STR("INFO"), sections[i]};
		redis_command(watch->redis, args, 2, on_identity,
			(uint64_t)watch->connection << 32 | i, watch);
	}
}

static void on_identity(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct watch *watch = arg;
	if (!value || (uint32_t)(tag >> 32) != watch->connection)
		return;
	const bool is_last = (uint32_t)tag == LAST_ASKED;
	identity_add(
		watch, redis_value_text(value), is_last ? STR("master_replid:") : STR("run_id:"));
	if (!is_last)
		return;
	/* One that does not tell may be any. */
	const bool is_another = watch->has_id && (watch->asked_id[0] == '\0' ||
							 strcmp(watch->id, watch->asked_id) != 0);
	memcpy(watch->id, watch->asked_id, sizeof(watch->id));
	watch->has_id = true;
	if (is_another)
		log_info("redis_is_another");
	watch->fn(is_another, watch->arg);
}

/* Appends the value of the line that begins with field. */
static void identity_add(struct watch *watch, struct str info, struct str field)
{
	const size_t len = strlen(watch->asked_id);
	while (info.len > 0) {
		struct str line;
		str_cut(info, '\n', &line, &info);
		if (!str_has_prefix(line, field))
			continue;
		line = str_trim((struct str){line.data + field.len, line.len - field.len});
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		str_copy(watch->asked_id + len, sizeof(watch->asked_id) - len, line);
		return;
	}
}

static void on_probe_due(void *arg)
{
	struct watch *watch = arg;
	const struct str ping[] = {STR("PING")};
	if (!redis_is_up(watch->redis) || !breaker_probe(&watch->breaker, loop_now_us(watch->loop)))
		return;
	if (!redis_command(watch->redis, ping, 1, on_probe, watch->connection, watch))
		breaker_probed(&watch->breaker, false, 0);
}

/* A user who may not ping gets his refusal as quickly. */
static void on_probe(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct watch *watch = arg;
	if ((uint32_t)tag != watch->connection || !redis_is_up(watch->redis))
		return; /* watch_up has begun anew, or will */
	if (breaker_probed(&watch->breaker, value != NULL, loop_now_us(watch->loop)))
		away_set(watch);
	else if (watch->breaker.is_open)
		loop_timer_set(watch->timer, watch->breaker.deadline_us);
}

static void slow_say(struct watch *watch)
{
	const int64_t now_us = loop_now_us(watch->loop);
	if (now_us - watch->said_us < WATCH_SAY_US)
		return;
	watch->said_us = now_us;
	log_warn("redis_silent", LOG_NUM("ms", watch->breaker.deadline_us / 1000));
}

static void away_set(struct watch *watch)
{
	stats_set(&watch->is_away, !watch_is_open(watch) || watch->is_refusing);
}
