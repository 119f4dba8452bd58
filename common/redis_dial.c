/* SPDX-License-Identifier: Apache-2.0
 * Connecting to Redis: name, address, socket. */
#include "redis_dial.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DIAL_POLL_US     10000 /* between two looks at a name being looked up */
#define DIAL_PORT_BYTES  sizeof("65535")
#define DIAL_KEEP_IDLE_S 15 /* a connection that only listens must notice a dead peer too */
#define DIAL_KEEP_EACH_S 5
#define DIAL_KEEP_PROBES 3

/* A lookup that the resolver still works on can't be freed, only left behind until it is done. */
struct lookup {
	struct gaicb request;
	struct addrinfo hints;
	char port[DIAL_PORT_BYTES];
	char host[sizeof(((struct redis_url *)0)->host)];
};

struct redis_dial {
	struct loop *loop;
	const struct redis_url *url;
	int64_t deadline_us; /* for the whole of it */
	redis_dial_fn *fn;
	void *arg;
	struct loop_timer *timer;
	struct loop_watch *watch;
	struct lookup *lookup;
	struct addrinfo *addresses;
	const struct addrinfo *next; /* to try */
	int64_t due_us;
	int fd;
	struct err err; /* of the last address tried */
};

static void look_up(struct redis_dial *dial);
static bool look_up_numeric(struct redis_dial *dial, struct lookup *lookup);
static void check_lookup(struct redis_dial *dial);
static void try_unix(struct redis_dial *dial);
static void try_next(struct redis_dial *dial);
static bool try_address(
	struct redis_dial *dial, int family, const struct sockaddr *address, socklen_t len);
static void set_options(int fd);
static void on_connected(unsigned ready, void *arg);
static void on_dial_timer(void *arg);
static void fail(struct redis_dial *dial);
static void end(struct redis_dial *dial, int fd);
static void abandon_socket(struct redis_dial *dial);
static bool lookup_free(struct redis_dial *dial);

struct redis_dial *redis_dial_new(struct loop *loop, const struct redis_url *url,
	int64_t deadline_us, redis_dial_fn *fn, void *arg)
{
	struct redis_dial *dial = calloc(1, sizeof(*dial));
	if (!dial)
		return NULL;
	*dial = (struct redis_dial){.loop = loop,
		.url = url,
		.deadline_us = deadline_us,
		.fn = fn,
		.arg = arg,
		.fd = -1};
	dial->timer = loop_timer_new(loop, on_dial_timer, dial);
	if (!dial->timer) {
		free(dial);
		return NULL;
	}
	return dial;
}

void redis_dial_start(struct redis_dial *dial)
{
	assert(dial->fd < 0);
	dial->due_us = loop_now_us(dial->loop) + dial->deadline_us;
	dial->err = (struct err){0};
	if (dial->url->port == 0)
		try_unix(dial);
	else
		look_up(dial);
}

void redis_dial_free(struct redis_dial *dial)
{
	if (!dial)
		return;
	abandon_socket(dial);
	loop_timer_free(dial->timer);
	/* The resolver's own time-out bounds this wait; a free at the end of the process may as
	 * well leave it. */
	lookup_free(dial);
	if (dial->addresses)
		freeaddrinfo(dial->addresses);
	free(dial);
}

static void try_unix(struct redis_dial *dial)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	if (!str_copy(un.sun_path, sizeof(un.sun_path), str_from(dial->url->host))) {
		err_set(&dial->err, ERR_LIMIT, 0, "a socket's path has at most %zu bytes",
			sizeof(un.sun_path) - 1);
		fail(dial);
		return;
	}
	if (!try_address(dial, AF_UNIX, (const struct sockaddr *)&un, sizeof(un)))
		fail(dial);
}

static void look_up(struct redis_dial *dial)
{
	if (!lookup_free(dial)) {
		err_set(&dial->err, ERR_SYSTEM, 0, "the resolver has not answered");
		fail(dial);
		return;
	}
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	if (!lookup) {
		err_set(&dial->err, ERR_SYSTEM, ENOMEM, "look up %s", dial->url->host);
		fail(dial);
		return;
	}
	memcpy(lookup->host, dial->url->host, sizeof(lookup->host));
	snprintf(lookup->port, sizeof(lookup->port), "%u", (unsigned)dial->url->port);
	lookup->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	dial->lookup = lookup;
	if (look_up_numeric(dial, lookup))
		return;
	lookup->hints.ai_flags = AI_ADDRCONFIG;
	lookup->request = (struct gaicb){
		.ar_name = lookup->host, .ar_service = lookup->port, .ar_request = &lookup->hints};
	struct gaicb *list[] = {&lookup->request};
	struct sigevent no_event = {.sigev_notify = SIGEV_NONE};
	const int error = getaddrinfo_a(GAI_NOWAIT, list, 1, &no_event);
	if (error != 0) {
		err_set(&dial->err, ERR_SYSTEM, 0, "look up %s: %s", lookup->host,
			gai_strerror(error));
		free(lookup);
		dial->lookup = NULL;
		fail(dial);
		return;
	}
	loop_timer_set(dial->timer, DIAL_POLL_US);
}

static bool look_up_numeric(struct redis_dial *dial, struct lookup *lookup)
{
	struct addrinfo *found = NULL;
	if (getaddrinfo(lookup->host, lookup->port, &lookup->hints, &found) != 0)
		return false;
	free(lookup);
	dial->lookup = NULL;
	dial->addresses = found;
	dial->next = found;
	try_next(dial);
	return true;
}

static void check_lookup(struct redis_dial *dial)
{
	struct lookup *lookup = dial->lookup;
	const int error = gai_error(&lookup->request);
	if (error == EAI_INPROGRESS) {
		if (loop_now_us(dial->loop) < dial->due_us) {
			loop_timer_set(dial->timer, DIAL_POLL_US);
			return;
		}
		err_set(&dial->err, ERR_SYSTEM, ETIMEDOUT, "look up %s", lookup->host);
		fail(dial);
		return;
	}
	if (error != 0) {
		err_set(&dial->err, ERR_SYSTEM, 0, "look up %s: %s", lookup->host,
			gai_strerror(error));
		fail(dial);
		return;
	}
	dial->addresses = lookup->request.ar_result;
	dial->next = dial->addresses;
	dial->lookup = NULL;
	free(lookup);
	try_next(dial);
}

static void try_next(struct redis_dial *dial)
{
	while (dial->next) {
		const struct addrinfo *at = dial->next;
		dial->next = at->ai_next;
		if (try_address(dial, at->ai_family, at->ai_addr, at->ai_addrlen))
			return;
	}
	fail(dial);
}

/* True when a connection is under way. */
static bool try_address(
	struct redis_dial *dial, int family, const struct sockaddr *address, socklen_t len)
{
	const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(&dial->err, ERR_SYSTEM, errno, "socket");
	if (family != AF_UNIX)
		set_options(fd);
	if (connect(fd, address, len) != 0 && errno != EINPROGRESS) {
		err_set(&dial->err, ERR_SYSTEM, errno, "connect");
		close(fd);
		return false;
	}
	dial->watch = loop_watch_new(dial->loop, fd, on_connected, dial);
	if (!dial->watch) {
		close(fd);
		return err_set(&dial->err, ERR_SYSTEM, ENOMEM, "connect");
	}
	dial->fd = fd;
	loop_watch_set(dial->watch, LOOP_WRITE);
	loop_timer_set(dial->timer, dial->due_us - loop_now_us(dial->loop));
	return true;
}

/* Options that fail only cost speed, or time until a dead peer is noticed. */
static void set_options(int fd)
{
	const int on = 1, idle_s = DIAL_KEEP_IDLE_S, each_s = DIAL_KEEP_EACH_S;
	const int probes = DIAL_KEEP_PROBES;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &each_s, sizeof(each_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

static void on_connected(unsigned ready, void *arg)
{
	(void)ready;
	struct redis_dial *dial = arg;
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error == 0) {
		loop_watch_free(dial->watch);
		dial->watch = NULL;
		const int fd = dial->fd;
		dial->fd = -1;
		end(dial, fd);
		return;
	}
	err_set(&dial->err, ERR_SYSTEM, error, "connect");
	abandon_socket(dial);
	try_next(dial);
}

static void on_dial_timer(void *arg)
{
	struct redis_dial *dial = arg;
	if (dial->lookup) {
		check_lookup(dial);
		return;
	}
	err_set(&dial->err, ERR_SYSTEM, ETIMEDOUT, "connect");
	abandon_socket(dial);
	fail(dial);
}

static void fail(struct redis_dial *dial)
{
	if (dial->err.kind == ERR_NONE)
		err_set(&dial->err, ERR_SYSTEM, 0, "%s has no address", dial->url->host);
	end(dial, -1);
}

static void end(struct redis_dial *dial, int fd)
{
	loop_timer_clear(dial->timer);
	if (dial->addresses)
		freeaddrinfo(dial->addresses);
	dial->addresses = NULL;
	dial->next = NULL;
	dial->fn(fd, &dial->err, dial->arg);
}

static void abandon_socket(struct redis_dial *dial)
{
	loop_watch_free(dial->watch);
	dial->watch = NULL;
	if (dial->fd >= 0)
		close(dial->fd);
	dial->fd = -1;
}

/* False while the resolver still works on it. */
static bool lookup_free(struct redis_dial *dial)
{
	struct lookup *lookup = dial->lookup;
	if (!lookup)
		return true;
	if (gai_error(&lookup->request) == EAI_INPROGRESS &&
		gai_cancel(&lookup->request) == EAI_NOTCANCELED)
		return false;
	if (gai_error(&lookup->request) == 0 && lookup->request.ar_result)
		freeaddrinfo(lookup->request.ar_result);
	free(lookup);
	dial->lookup = NULL;
	return true;
}
