/* SPDX-License-Identifier: Apache-2.0
 * One connection to Redis on a loop: pipelined commands, replies in order, reconnects by itself
 * with back-off. Only this module includes hiredis, which has no time-outs of its own: a connection
 * whose oldest command waits longer than reply_deadline_us is dropped, and everything pending is
 * told. All commands of one loop turn leave in one write, after the before_flush callback has had
 * its say. */
#ifndef WASL_REDIS_H
#define WASL_REDIS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "str.h"

#define REDIS_ARGS_MAX    64
#define REDIS_PENDING_MAX 100000 /* commands under way; more are refused */

/* redis://[user[:password]@]host[:port][/db], unix:///path[?db=N]; the password may be
 * percent-encoded. */
struct redis_url {
	char host[256]; /* or the socket's path */
	uint16_t port;  /* 0: unix socket */
	char user[64];
	char secret_password[128];
	unsigned db;
};
bool redis_url_parse(struct str text, struct redis_url *url, struct err *err);

enum redis_type {
	REDIS_TYPE_NIL = 0,
	REDIS_TYPE_STATUS,
	REDIS_TYPE_ERROR,
	REDIS_TYPE_INTEGER,
	REDIS_TYPE_STRING,
	REDIS_TYPE_ARRAY,
};

/* A reply; lives only while the callback runs. */
struct redis_value;
enum redis_type redis_value_type(const struct redis_value *value);
int64_t redis_value_integer(const struct redis_value *value); /* 0 if it is none */
struct str redis_value_text(
	const struct redis_value *value);                  /* status, error, string; else empty */
size_t redis_value_count(const struct redis_value *value); /* array, else 0 */
const struct redis_value *redis_value_at(const struct redis_value *value, size_t index);

/* Kinds for wasl_redis_errors_total{kind}. */
#define REDIS_ERRORS(X)             \
	X(CONNECT, "connect")       \
	X(LOST, "lost")             \
	X(TIMEOUT, "timeout")       \
	X(PROTOCOL, "protocol")     \
	X(BACKLOG, "backlog")       \
	X(OOM, "oom")               \
	X(READONLY, "readonly")     \
	X(MISCONF, "misconf")       \
	X(LOADING, "loading")       \
	X(NOREPLICAS, "noreplicas") \
	X(MASTERDOWN, "masterdown") \
	X(NOAUTH, "noauth")         \
	X(WRONGPASS, "wrongpass")   \
	X(NOPERM, "noperm")         \
	X(BUSY, "busy")             \
	X(WRONGTYPE, "wrongtype")   \
	X(CLUSTER, "cluster")       \
	X(EXECABORT, "execabort")   \
	X(OTHER, "other")
#define REDIS_ENUM_ERROR(name, text) REDIS_ERROR_##name,
enum redis_error { REDIS_ERRORS(REDIS_ENUM_ERROR) REDIS_ERROR_COUNT };
const char *redis_error_name(enum redis_error error);
/* The kind of an error reply. */
enum redis_error redis_value_error(const struct redis_value *value);

/* Read without locks by other threads (relaxed). */
struct redis_counts {
	uint64_t errors[REDIS_ERROR_COUNT];
	uint64_t commands;
	uint64_t pending;
	uint64_t is_up;
};

/* value NULL: lost (connection gone or timed out): the command may or may not have run. Called
 * exactly once per accepted command. Never called from inside redis_command. tag is the caller's
 * own, e.g. slot and generation. */
typedef void redis_reply_fn(const struct redis_value *value, uint64_t tag, void *arg);
typedef void redis_state_fn(bool is_up, void *arg);

struct redis_config {
	struct redis_url url;
	const char *name; /* for CLIENT SETNAME and logs: "clicks" */
	int64_t connect_deadline_us;
	int64_t reply_deadline_us; /* 0: none (blocking reads such as XREAD BLOCK) */
	redis_state_fn *on_state;  /* may be NULL */
	loop_fn *before_flush;     /* may be NULL: last chance to add commands to this write */
	loop_fn *after_replies;    /* may be NULL: what one read brought has been told */
	void *arg;
};

struct redis;
/* Starts connecting at once; NULL only when memory fails. config's url is copied. */
struct redis *redis_new(struct loop *loop, const struct redis_config *config, struct err *err);
bool redis_is_up(const struct redis *redis);
/* Queues one command. False (counted; nothing is called) when down or REDIS_PENDING_MAX are under
 * way. fn may be NULL for commands whose reply does not matter (errors are still counted). */
bool redis_command(struct redis *redis, const struct str *args, unsigned arg_count,
	redis_reply_fn *fn, uint64_t tag, void *arg);
/* So many further commands can be under way. */
bool redis_has_room(const struct redis *redis, unsigned commands);
/* Gives the connection up at the end of this turn and dials anew: after a fail-over the same name
 * may lead to another server. Counted as an error of kind lost. */
void redis_redial(struct redis *redis);
const struct redis_counts *redis_counts(const struct redis *redis);
/* Everything pending is told value NULL first. Not from inside a callback of its own. */
void redis_free(struct redis *redis);

#endif
