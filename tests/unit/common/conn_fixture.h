/* SPDX-License-Identifier: Apache-2.0
 * A connection server in a thread of its own, and a blocking client beside it. */
#ifndef WASL_TEST_CONN_FIXTURE_H
#define WASL_TEST_CONN_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "conn.h"
#include "stats.h"
#include "suite.h"

#define LATER_US    20000
#define SHORT_US    300000 /* a deadline that a test waits for */
#define HEAR_MAX    (4 * 1024 * 1024)
#define CLIENT_S    60 /* no wait of the client is longer */
#define BIG_BYTES   (2 * 1024 * 1024)
#define DRAIN_LATER 1000

static struct {
	struct loop *loop;
	struct conn_server *server;
	struct conn_limits limits;
	struct conn_address address;
	struct loop_wake *drain;
	struct loop_wake *stop;
	struct loop_timer *later;
	int64_t later_us;                     /* 0: LATER_US */
	unsigned later_min;                   /* no answer to /later before so many wait for one */
	struct conn_ref waiting[DRAIN_LATER]; /* for /later, in order */
	unsigned waiting_count;
	pthread_t thread;
	unsigned handled, refused, drained, gone;
	unsigned refused_status;
	bool has_exempt; /* every address may have any number */
	bool holds_turn; /* /later sends at once; its turn ends when the client has heard */
	bool is_heard;   /* atomic */
	bool was_heard;
	char last_peer[64];
} fixture;

static char big[BIG_BYTES];

static inline void reply_text(struct conn_ref ref, struct str body)
{
	const struct conn_reply reply = {.status = 200, .content_type = "text/plain", .body = body};
	if (!conn_server_reply(fixture.server, ref, &reply))
		fixture.gone++;
}

static inline void on_later(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < fixture.waiting_count; i++)
		reply_text(fixture.waiting[i], STR("later"));
	fixture.waiting_count = 0;
	if (!fixture.holds_turn)
		return;
	conn_server_send(fixture.server);
	for (int i = 0; i < CLIENT_S * 1000 && !fixture.was_heard; i++) {
		usleep(1000);
		fixture.was_heard = __atomic_load_n(&fixture.is_heard, __ATOMIC_ACQUIRE);
	}
}

/* /later answers after LATER_US, /echo with the body, /empty with 204, /big with 2 MiB, others with
 * their target. */
static inline void on_request(struct conn_server *server, struct conn_ref ref,
	const struct http_request *request, const struct sockaddr_storage *peer, void *arg)
{
	(void)arg;
	fixture.handled++;
	conn_address_format(fixture.last_peer, sizeof(fixture.last_peer), peer);
	if (str_equal(request->path, STR("/later"))) {
		ck_assert_uint_lt(fixture.waiting_count, DRAIN_LATER);
		fixture.waiting[fixture.waiting_count++] = ref;
		if (fixture.waiting_count >= fixture.later_min)
			loop_timer_set(
				fixture.later, fixture.later_us ? fixture.later_us : LATER_US);
	} else if (str_equal(request->path, STR("/echo"))) {
		reply_text(ref, request->body);
	} else if (str_equal(request->path, STR("/empty"))) {
		const struct conn_reply reply = {.status = 204, .body = STR("ignored")};
		conn_server_reply(server, ref, &reply);
	} else if (str_equal(request->path, STR("/big"))) {
		reply_text(ref, (struct str){big, sizeof(big)});
	} else {
		reply_text(ref, request->target);
	}
}

static inline unsigned on_head(
	const struct http_request *request, struct conn_reply *reply, void *arg)
{
	(void)arg;
	if (!str_equal(request->path, STR("/no")))
		return 0;
	reply->headers = STR("Allow: GET\r\n");
	reply->body = STR("no\n");
	return 405;
}

static inline void on_refused(unsigned status, struct conn_reply *reply, void *arg)
{
	(void)reply;
	(void)arg;
	fixture.refused++;
	fixture.refused_status = status;
}

static inline bool is_exempt(const struct sockaddr_storage *peer, void *arg)
{
	(void)peer;
	(void)arg;
	return fixture.has_exempt;
}

static inline void on_drained(void *arg)
{
	(void)arg;
	fixture.drained++;
	loop_stop(fixture.loop);
}

static inline void on_drain(void *arg)
{
	(void)arg;
	conn_server_drain(fixture.server, on_drained, NULL);
}

static inline void on_stop(void *arg)
{
	(void)arg;
	loop_stop(fixture.loop);
}

static inline void *run(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* No deadline ends anything, however slow the machine: a test sets the one that it waits for,
 * before server_start. */
static inline void limits_long(void)
{
	const int64_t long_us = CLIENT_S * INT64_C(1000000);
	fixture.limits = (struct conn_limits){
		.connections_max = 1000,
		.body_max = 1000,
		.head_deadline_us = long_us,
		.body_deadline_us = long_us,
		.idle_deadline_us = long_us,
		.write_deadline_us = long_us,
	};
}

static inline void server_start(void)
{
	struct err err = {0};
	const struct conn_handlers handlers = {.on_request = on_request,
		.on_head = on_head,
		.on_refused = on_refused,
		.is_exempt = is_exempt};
	fixture.loop = loop_new(&err);
	fixture.server = conn_server_new(fixture.loop, &fixture.limits, &handlers, &err);
	ck_assert_msg(fixture.server, "%s", err.msg);
	fixture.drain = loop_wake_new(fixture.loop, on_drain, NULL, &err);
	fixture.stop = loop_wake_new(fixture.loop, on_stop, NULL, &err);
	fixture.later = loop_timer_new(fixture.loop, on_later, NULL);
	if (fixture.address.len == 0)
		ck_assert(conn_address_parse(STR("127.0.0.1:0"), &fixture.address, &err));
	const int fd = conn_listen(&fixture.address, false, true, &err);
	ck_assert_msg(fd >= 0, "%s", err.msg);
	getsockname(fd, (struct sockaddr *)&fixture.address.sockaddr, &fixture.address.len);
	ck_assert(conn_server_listen(fixture.server, fd, &err));
	ck_assert_int_eq(pthread_create(&fixture.thread, NULL, run, fixture.loop), 0);
}

static inline void server_free(void)
{
	conn_server_free(fixture.server);
	loop_timer_free(fixture.later);
	loop_wake_free(fixture.drain);
	loop_wake_free(fixture.stop);
	loop_free(fixture.loop);
}

/* Ends the thread, without a drain; the server can be looked at until server_free. */
static inline void server_halt(void)
{
	loop_wake_post(fixture.stop);
	pthread_join(fixture.thread, NULL);
}

static inline void server_stop(void)
{
	server_halt();
	server_free();
}

static inline struct conn_counts counts(void)
{
	const struct conn_counts *shared = conn_server_counts(fixture.server);
	return (struct conn_counts){
		.accepted = stats_get(&shared->accepted),
		.open = stats_get(&shared->open),
		.refused_cap = stats_get(&shared->refused_cap),
		.refused_address = stats_get(&shared->refused_address),
		.accept_failures = stats_get(&shared->accept_failures),
		.bad_requests = stats_get(&shared->bad_requests),
		.timeouts = stats_get(&shared->timeouts),
		.resets = stats_get(&shared->resets),
	};
}

/* Waits, at most CLIENT_S, until the condition holds, which another thread brings about. */
#define WAIT_FOR(condition)                                                        \
	do {                                                                       \
		for (int look = 0; look < CLIENT_S * 1000 && !(condition); look++) \
			usleep(1000);                                              \
		ck_assert(condition);                                              \
	} while (0)

/* Until so many connections are open. */
static inline void wait_open(uint64_t open)
{
	WAIT_FOR(counts().open == open);
}

static inline int client_socket(void)
{
	const int fd = socket(fixture.address.sockaddr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	const struct timeval limit = {.tv_sec = CLIENT_S};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static inline bool client_connect(int fd)
{
	return connect(fd, (struct sockaddr *)&fixture.address.sockaddr, fixture.address.len) == 0;
}

static inline int dial(void)
{
	const int fd = client_socket();
	ck_assert_msg(client_connect(fd), "connect: %s", strerror(errno));
	return fd;
}

static inline void say_bytes(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		const ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
		ck_assert_msg(sent > 0, "send: %s", strerror(errno));
		bytes += sent;
		len -= (size_t)sent;
	}
}

static inline void say(int fd, const char *text)
{
	say_bytes(fd, text, strlen(text));
}

static char heard[HEAR_MAX];

/* Reads until that text has come count times, or to the end if text is NULL. */
static inline const char *hear(int fd, const char *text, unsigned count)
{
	size_t len = 0, from = 0;
	heard[0] = '\0';
	while (!text || count > 0) {
		const char *found = text ? strstr(heard + from, text) : NULL;
		if (found) {
			from = (size_t)(found - heard) + strlen(text);
			count--;
			continue;
		}
		const ssize_t got = recv(fd, heard + len, sizeof(heard) - 1 - len, 0);
		ck_assert_msg(got >= 0, "receive: %s after: %s", strerror(errno), heard);
		if (got == 0 && !text)
			break;
		ck_assert_msg(got > 0, "the end came before \"%s\": %s", text, heard);
		len += (size_t)got;
		heard[len] = '\0';
	}
	return heard;
}

static inline const char *hear_end(int fd)
{
	return hear(fd, NULL, 0);
}

static inline unsigned occurrences(const char *text, const char *part)
{
	unsigned count = 0;
	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		count++;
	return count;
}

#endif
