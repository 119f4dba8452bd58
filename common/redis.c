/* SPDX-License-Identifier: Apache-2.0
 * One pipelined connection to Redis.
 *
 * hiredis reads the protocol; socket and queue are ours. Its asynchronous half (0.14.1) asserts on
 * a reply that nobody asked for, has no deadlines, looks names up on the caller's time and
 * allocates for each command. */
#include "redis.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "clock.h"
#include "log.h"
#include "redis_dial.h"
#include "redis_queue.h"
#include "stats.h"

#define REDIS_READ_BYTES     (64 * 1024)
#define REDIS_REPLY_MAX      (64 * 1024 * 1024) /* one reply */
#define REDIS_BACKOFF_MIN_US 50000
#define REDIS_BACKOFF_MAX_US 2000000
#define REDIS_DB_TEXT_MAX    16
#define REDIS_NAME_MAX       32

enum redis_link {
	LINK_DOWN = 0, /* waiting for the next attempt */
	LINK_DIALLING,
	LINK_GREETING, /* AUTH, SELECT, CLIENT SETNAME, PING are under way */
	LINK_UP,
};

enum greeting { GREETING_AUTH = 0, GREETING_SELECT, GREETING_NAME, GREETING_PING };
static const char *const greeting_names[] = {"AUTH", "SELECT", "CLIENT SETNAME", "PING"};

struct redis {
	struct loop *loop;
	struct redis_config config;
	struct redis_counts counts;
	char name[REDIS_NAME_MAX];
	enum redis_link link;
	struct redis_dial *dial;
	struct loop_watch *watch;
	struct loop_timer
		*timer; /* down: the next attempt; greeting: its deadline; up: the oldest reply's */
	struct loop_defer *flush;
	redisReader *reader;
	struct redis_queue queue;
	int64_t backoff_us;
	uint64_t jitter; /* state of a xorshift */
	bool is_flushing;
	unsigned told;  /* bits of enum redis_error: what the log knows of this outage */
	bool must_drop; /* at the end of the replies being read */
	struct err drop_err;
	enum redis_error drop_error;
	int fd;
	char read_bytes[REDIS_READ_BYTES];
};

static void on_redis_timer(void *arg);
static void on_dialled(int fd, const struct err *err, void *arg);
static void greet(struct redis *redis);
static void on_greeting(const struct redis_value *value, uint64_t tag, void *arg);
static bool greeting_is_fine(enum greeting greeting, const struct redis_value *value);
static void become_up(struct redis *redis);
static bool enqueue(struct redis *redis, const struct str *args, unsigned arg_count,
	const struct redis_pending *pending);
static void on_flush(void *arg);
static void write_out(struct redis *redis);
static void on_redis_ready(unsigned ready, void *arg);
static bool read_replies(struct redis *redis);
static bool take_replies(struct redis *redis);
static void deliver(struct redis *redis, const redisReply *reply);
static enum redis_error classify(struct str text);
static void check_oldest(struct redis *redis);
static void drop_later(struct redis *redis, enum redis_error error, const char *why);
static void drop(struct redis *redis, enum redis_error error, const struct err *err);
static void schedule_retry(struct redis *redis);
static const redisReply *reply_of(const struct redis_value *value);

struct redis *redis_new(struct loop *loop, const struct redis_config *config, struct err *err)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	if (!redis) {
		err_set(err, ERR_SYSTEM, ENOMEM, "redis");
		return NULL;
	}
	redis->loop = loop;
	redis->config = *config;
	redis->fd = -1;
	str_copy(redis->name, sizeof(redis->name), str_from(config->name ? config->name : "wasl"));
	redis->config.name = redis->name;
	redis->backoff_us = REDIS_BACKOFF_MIN_US;
	redis->jitter = ((uint64_t)clock_wall_us() ^ (uint64_t)(uintptr_t)redis) | 1;
	redis_queue_init(&redis->queue);
	redis->timer = loop_timer_new(loop, on_redis_timer, redis);
	redis->flush = loop_defer_new(loop, on_flush, redis);
	redis->dial = redis_dial_new(
		loop, &redis->config.url, config->connect_deadline_us, on_dialled, redis);
	if (!redis->timer || !redis->flush || !redis->dial) {
		err_set(err, ERR_SYSTEM, ENOMEM, "redis");
		redis_free(redis);
		return NULL;
	}
	loop_timer_set(redis->timer, 0);
	return redis;
}

bool redis_is_up(const struct redis *redis)
{
	return redis->link == LINK_UP;
}

bool redis_command(struct redis *redis, const struct str *args, unsigned arg_count,
	redis_reply_fn *fn, uint64_t tag, void *arg)
{
	assert(arg_count > 0 && arg_count <= REDIS_ARGS_MAX);
	const struct redis_pending pending = {
		.fn = fn, .tag = tag, .arg = arg, .sent_us = loop_now_us(redis->loop)};
	if (redis->link != LINK_UP || !enqueue(redis, args, arg_count, &pending)) {
		stats_add(&redis->counts.errors[REDIS_ERROR_BACKLOG], 1);
		return false;
	}
	stats_add(&redis->counts.commands, 1);
	if (redis->config.reply_deadline_us > 0 && !loop_timer_is_set(redis->timer))
		loop_timer_set(redis->timer, redis->config.reply_deadline_us);
	return true;
}

bool redis_has_room(const struct redis *redis, unsigned commands)
{
	return redis->link == LINK_UP && redis->queue.count + commands <= REDIS_PENDING_MAX;
}

void redis_redial(struct redis *redis)
{
	if (redis->link != LINK_UP)
		return;
	drop_later(redis, REDIS_ERROR_LOST, "given up");
	loop_defer_schedule(redis->flush);
}

const struct redis_counts *redis_counts(const struct redis *redis)
{
	return &redis->counts;
}

void redis_free(struct redis *redis)
{
	if (!redis)
		return;
	redis->link = LINK_DOWN;
	loop_watch_free(redis->watch);
	if (redis->fd >= 0)
		close(redis->fd);
	redis_queue_lose(&redis->queue);
	redis_dial_free(redis->dial);
	loop_timer_free(redis->timer);
	loop_defer_free(redis->flush);
	if (redis->reader)
		redisReaderFree(redis->reader);
	explicit_bzero(&redis->config.url, sizeof(redis->config.url));
	free(redis);
}

const char *redis_error_name(enum redis_error error)
{
	static const char *const names[] = {
#define REDIS_ERROR_TEXT(name, text) text,
		REDIS_ERRORS(REDIS_ERROR_TEXT)};
	assert(error < REDIS_ERROR_COUNT);
	return names[error];
}

enum redis_type redis_value_type(const struct redis_value *value)
{
	switch (reply_of(value)->type) {
	case REDIS_REPLY_STATUS:
		return REDIS_TYPE_STATUS;
	case REDIS_REPLY_ERROR:
		return REDIS_TYPE_ERROR;
	case REDIS_REPLY_INTEGER:
		return REDIS_TYPE_INTEGER;
	case REDIS_REPLY_STRING:
		return REDIS_TYPE_STRING;
	case REDIS_REPLY_ARRAY:
		return REDIS_TYPE_ARRAY;
	}
	return REDIS_TYPE_NIL;
}

enum redis_error redis_value_error(const struct redis_value *value)
{
	return classify(redis_value_text(value));
}

int64_t redis_value_integer(const struct redis_value *value)
{
	const redisReply *reply = reply_of(value);
	return reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
}

struct str redis_value_text(const struct redis_value *value)
{
	const redisReply *reply = reply_of(value);
	const bool is_text = reply->type == REDIS_REPLY_STRING ||
			     reply->type == REDIS_REPLY_STATUS || reply->type == REDIS_REPLY_ERROR;
	return is_text ? (struct str){reply->str, reply->len} : (struct str){0};
}

size_t redis_value_count(const struct redis_value *value)
{
	const redisReply *reply = reply_of(value);
	return reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const struct redis_value *redis_value_at(const struct redis_value *value, size_t index)
{
	assert(index < redis_value_count(value));
	return (const struct redis_value *)reply_of(value)->element[index];
}

static const redisReply *reply_of(const struct redis_value *value)
{
	return (const redisReply *)value;
}

static void on_redis_timer(void *arg)
{
	struct redis *redis = arg;
	struct err err;
	switch (redis->link) {
	case LINK_DOWN:
		redis->link = LINK_DIALLING;
		redis_dial_start(redis->dial);
		break;
	case LINK_DIALLING: /* has a deadline of its own */
		break;
	case LINK_GREETING:
		err_set(&err, ERR_SYSTEM, ETIMEDOUT, "greeting");
		drop(redis, REDIS_ERROR_TIMEOUT, &err);
		break;
	case LINK_UP:
		check_oldest(redis);
		break;
	}
}

static void on_dialled(int fd, const struct err *err, void *arg)
{
	struct redis *redis = arg;
	if (fd < 0) {
		drop(redis, REDIS_ERROR_CONNECT, err);
		return;
	}
	redis->fd = fd;
	redis->watch = loop_watch_new(redis->loop, fd, on_redis_ready, redis);
	redis->reader = redisReaderCreate();
	if (!redis->watch || !redis->reader) {
		struct err memory;
		err_set(&memory, ERR_SYSTEM, ENOMEM, "connection");
		drop(redis, REDIS_ERROR_CONNECT, &memory);
		return;
	}
	redis->link = LINK_GREETING;
	loop_watch_set(redis->watch, LOOP_READ);
	loop_timer_set(redis->timer, redis->config.connect_deadline_us);
	greet(redis);
}

/* PING comes last: a server that can't answer it yet (LOADING, BUSY) is not up. */
static void greet(struct redis *redis)
{
	const struct redis_url *url = &redis->config.url;
	struct redis_pending pending = {.fn = on_greeting, .arg = redis};
	bool is_queued = true;
	if (url->secret_password[0] || url->user[0]) {
		const struct str auth[] = {
			STR("AUTH"), str_from(url->user), str_from(url->secret_password)};
		const struct str auth_default[] = {STR("AUTH"), auth[2]};
		pending.tag = GREETING_AUTH;
		is_queued = url->user[0] ? enqueue(redis, auth, 3, &pending)
					 : enqueue(redis, auth_default, 2, &pending);
	}
	if (url->db) {
		struct buf db;
		buf_init(&db, REDIS_DB_TEXT_MAX);
		buf_addf(&db, "%u", url->db);
		const struct str select[] = {STR("SELECT"), buf_str(&db)};
		pending.tag = GREETING_SELECT;
		is_queued = is_queued && enqueue(redis, select, 2, &pending);
		buf_release(&db);
	}
	const struct str name[] = {STR("CLIENT"), STR("SETNAME"), str_from(redis->name)};
	pending.tag = GREETING_NAME;
	is_queued = is_queued && enqueue(redis, name, 3, &pending);
	const struct str ping[] = {STR("PING")};
	pending.tag = GREETING_PING;
	if (!is_queued || !enqueue(redis, ping, 1, &pending)) {
		struct err err;
		err_set(&err, ERR_SYSTEM, ENOMEM, "greeting");
		drop(redis, REDIS_ERROR_CONNECT, &err);
	}
}

static void on_greeting(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct redis *redis = arg;
	if (!value || redis->must_drop)
		return;
	if (!greeting_is_fine((enum greeting)tag, value)) {
		redis->must_drop = true;
		redis->drop_error = classify(redis_value_text(value));
		/* The first word alone: a server without AUTH repeats its arguments. */
		struct str word, rest;
		str_cut(redis_value_text(value), ' ', &word, &rest);
		err_set(&redis->drop_err, ERR_REFUSED, 0, "%s: %.*s", greeting_names[tag],
			STR_ARG(word));
		return;
	}
	if (tag == GREETING_PING)
		become_up(redis);
}

/* A user who may not name the connection or ping can still do its work. */
static bool greeting_is_fine(enum greeting greeting, const struct redis_value *value)
{
	if (redis_value_type(value) != REDIS_TYPE_ERROR || greeting == GREETING_NAME)
		return true;
	return greeting == GREETING_PING && classify(redis_value_text(value)) == REDIS_ERROR_NOPERM;
}

static void become_up(struct redis *redis)
{
	loop_timer_clear(redis->timer);
	redis->link = LINK_UP;
	redis->backoff_us = REDIS_BACKOFF_MIN_US;
	redis->told = 0;
	stats_set(&redis->counts.is_up, 1);
	log_info("redis_up", LOG_TEXT("name", redis->name));
	if (redis->config.on_state)
		redis->config.on_state(true, redis->config.arg);
}

static bool enqueue(struct redis *redis, const struct str *args, unsigned arg_count,
	const struct redis_pending *pending)
{
	if (!redis_queue_add(&redis->queue, args, arg_count, pending))
		return false;
	stats_set(&redis->counts.pending, redis->queue.count);
	if (!redis->is_flushing)
		loop_defer_schedule(redis->flush);
	return true;
}

static void on_flush(void *arg)
{
	struct redis *redis = arg;
	if (redis->must_drop) {
		const struct err err = redis->drop_err;
		drop(redis, redis->drop_error, &err);
		return;
	}
	if (redis->link == LINK_UP && redis->config.before_flush) {
		redis->is_flushing = true;
		redis->config.before_flush(redis->config.arg);
		redis->is_flushing = false;
	}
	if (redis->link >= LINK_GREETING)
		write_out(redis);
}

static void write_out(struct redis *redis)
{
	const int error = redis_queue_send(&redis->queue, redis->fd);
	if (error != 0) {
		struct err err;
		err_set(&err, ERR_SYSTEM, error, "send");
		drop(redis, REDIS_ERROR_LOST, &err);
		return;
	}
	const bool is_sent = redis_queue_is_sent(&redis->queue);
	loop_watch_set(redis->watch, is_sent ? LOOP_READ : LOOP_READ | LOOP_WRITE);
}

static void on_redis_ready(unsigned ready, void *arg)
{
	struct redis *redis = arg;
	if ((ready & LOOP_READ) && !read_replies(redis))
		return;
	if (ready & LOOP_WRITE)
		write_out(redis);
}

/* One read. Returns false when the connection is gone. */
static bool read_replies(struct redis *redis)
{
	struct err err;
	const ssize_t got = recv(redis->fd, redis->read_bytes, sizeof(redis->read_bytes), 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got <= 0) {
		err_set(&err, ERR_SYSTEM, got < 0 ? errno : 0,
			got < 0 ? "receive" : "closed by Redis");
		drop(redis, REDIS_ERROR_LOST, &err);
		return false;
	}
	if (redisReaderFeed(redis->reader, redis->read_bytes, (size_t)got) != REDIS_OK ||
		!take_replies(redis))
		drop_later(redis, REDIS_ERROR_PROTOCOL, redis->reader->errstr);
	else if (redis->reader->len > REDIS_REPLY_MAX)
		drop_later(redis, REDIS_ERROR_PROTOCOL, "a reply is too large");
	if (!redis->must_drop) {
		if (redis->config.after_replies)
			redis->config.after_replies(redis->config.arg);
		return true;
	}
	err = redis->drop_err;
	drop(redis, redis->drop_error, &err);
	return false;
}

/* Returns false on what is not the protocol. */
static bool take_replies(struct redis *redis)
{
	while (!redis->must_drop) {
		void *reply = NULL;
		if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK)
			return false;
		if (!reply)
			return true;
		deliver(redis, reply);
		freeReplyObject(reply);
	}
	return true;
}

static void deliver(struct redis *redis, const redisReply *reply)
{
	const struct redis_value *value = (const struct redis_value *)reply;
	/* A refused greeting is counted when it ends the connection. */
	if (reply->type == REDIS_REPLY_ERROR && redis->link == LINK_UP)
		stats_add(&redis->counts.errors[classify(redis_value_text(value))], 1);
	if (redis->queue.count == 0) {
		drop_later(redis, REDIS_ERROR_PROTOCOL, "a reply that nothing asked for");
		return;
	}
	const struct redis_pending pending = redis_queue_take(&redis->queue);
	stats_set(&redis->counts.pending, redis->queue.count);
	if (pending.fn)
		pending.fn(value, pending.tag, pending.arg);
}

/* By the first word of the message, as Redis 7 spells them. */
static enum redis_error classify(struct str text)
{
	static const struct {
		const char *word;
		enum redis_error error;
	} words[] = {
		{"OOM", REDIS_ERROR_OOM},
		{"READONLY", REDIS_ERROR_READONLY},
		{"MISCONF", REDIS_ERROR_MISCONF},
		{"LOADING", REDIS_ERROR_LOADING},
		{"NOREPLICAS", REDIS_ERROR_NOREPLICAS},
		{"MASTERDOWN", REDIS_ERROR_MASTERDOWN},
		{"NOAUTH", REDIS_ERROR_NOAUTH},
		{"WRONGPASS", REDIS_ERROR_WRONGPASS},
		{"NOPERM", REDIS_ERROR_NOPERM},
		{"BUSY", REDIS_ERROR_BUSY},
		{"WRONGTYPE", REDIS_ERROR_WRONGTYPE},
		{"MOVED", REDIS_ERROR_CLUSTER},
		{"ASK", REDIS_ERROR_CLUSTER},
		{"CLUSTERDOWN", REDIS_ERROR_CLUSTER},
		{"TRYAGAIN", REDIS_ERROR_CLUSTER},
		{"CROSSSLOT", REDIS_ERROR_CLUSTER},
		{"EXECABORT", REDIS_ERROR_EXECABORT},
	};
	struct str word, rest;
	str_cut(text, ' ', &word, &rest);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_equal(word, str_from(words[i].word)))
			return words[i].error;
	return REDIS_ERROR_OTHER;
}

/* After a stall of our own the replies may be here, unread: what is there is read, as long as that
 * helps, before anybody is blamed. */
static void check_oldest(struct redis *redis)
{
	const int64_t deadline_us = redis->config.reply_deadline_us;
	const int64_t now_us = loop_now_us(redis->loop);
	const struct redis_queue *queue = &redis->queue;
	uint32_t before = queue->count + 1;
	while (queue->count > 0 && queue->count < before &&
		redis_queue_oldest_us(queue) + deadline_us <= now_us) {
		before = queue->count;
		if (!read_replies(redis))
			return;
	}
	if (queue->count == 0)
		return;
	const int64_t rest_us = redis_queue_oldest_us(queue) + deadline_us - now_us;
	if (rest_us > 0) {
		loop_timer_set(redis->timer, rest_us);
		return;
	}
	struct err err;
	err_set(&err, ERR_SYSTEM, ETIMEDOUT, "reply");
	drop(redis, REDIS_ERROR_TIMEOUT, &err);
}

static void drop_later(struct redis *redis, enum redis_error error, const char *why)
{
	if (redis->must_drop)
		return;
	redis->must_drop = true;
	redis->drop_error = error;
	err_set(&redis->drop_err, ERR_FORMAT, 0, "%s", why);
}

/* Ends the connection, or the attempt at one; everything pending is told, and the next attempt is
 * set. */
static void drop(struct redis *redis, enum redis_error error, const struct err *err)
{
	const bool was_up = redis->link == LINK_UP;
	stats_add(&redis->counts.errors[error], 1);
	stats_set(&redis->counts.is_up, 0);
	if (!(redis->told & 1u << error))
		log_warn("redis_down", LOG_TEXT("name", redis->name),
			LOG_TEXT("kind", redis_error_name(error)), LOG_TEXT("err", err->msg));
	redis->told |= 1u << error;
	redis->must_drop = false;
	redis->link = LINK_DOWN;
	loop_watch_free(redis->watch);
	redis->watch = NULL;
	if (redis->fd >= 0)
		close(redis->fd);
	redis->fd = -1;
	if (redis->reader)
		redisReaderFree(redis->reader);
	redis->reader = NULL;
	stats_set(&redis->counts.pending, 0);
	schedule_retry(redis);
	redis_queue_lose(&redis->queue); /* its callbacks see a connection that is down */
	if (was_up && redis->config.on_state)
		redis->config.on_state(false, redis->config.arg);
}

/* Doubling from 50 ms to 2 s, a quarter more or less, so that trackers don't come back all at once.
 */
static void schedule_retry(struct redis *redis)
{
	redis->jitter ^= redis->jitter << 13;
	redis->jitter ^= redis->jitter >> 7;
	redis->jitter ^= redis->jitter << 17;
	const int64_t spread_us = redis->backoff_us / 2;
	const int64_t delay_us = redis->backoff_us - spread_us / 2 +
				 (int64_t)(redis->jitter % (uint64_t)(spread_us + 1));
	loop_timer_set(redis->timer, delay_us);
	redis->backoff_us = redis->backoff_us * 2 < REDIS_BACKOFF_MAX_US ? redis->backoff_us * 2
									 : REDIS_BACKOFF_MAX_US;
}
