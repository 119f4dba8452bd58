/* SPDX-License-Identifier: Apache-2.0
 * Listeners of a connection server: accepting, the cap, and running out of descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "conn_parts.h"
#include "log.h"
#include "stats.h"

static void on_acceptable(unsigned ready, void *arg);
static bool accept_one(struct conn_server *server, int listen_fd);
static bool accept_failed(struct conn_server *server, int listen_fd, int error);
static bool is_over_cap(struct conn_server *server, const struct sockaddr_storage *peer);
static void shed_one(struct conn_server *server, int listen_fd);
static void pause_accepting(struct conn_server *server);
static void resume_accepting(void *arg);

bool conn_server_listen(struct conn_server *server, int listen_fd, struct err *err)
{
	if (server->listener_count == CONN_LISTENERS_MAX) {
		close(listen_fd);
		return err_set(err, ERR_LIMIT, 0, "more than %d listeners", CONN_LISTENERS_MAX);
	}
	if (!server->accept_timer)
		server->accept_timer = loop_timer_new(server->loop, resume_accepting, server);
	struct conn_listener *listener = &server->listeners[server->listener_count];
	*listener = (struct conn_listener){.server = server, .fd = listen_fd};
	listener->watch = loop_watch_new(server->loop, listen_fd, on_acceptable, listener);
	if (!server->accept_timer || !listener->watch) {
		loop_watch_free(listener->watch);
		close(listen_fd);
		return err_set(err, ERR_SYSTEM, ENOMEM, "listener");
	}
	loop_watch_set(listener->watch, LOOP_READ);
	server->listener_count++;
	return true;
}

void conn_server_unlisten(struct conn_server *server)
{
	conn_accept_close(server);
}

/* Bounded, as new ones may come for ever when another process listens too. */
void conn_accept_drain(struct conn_server *server)
{
	for (unsigned i = 0; i < server->listener_count; i++)
		for (unsigned n = 0; n < CONN_BACKLOG; n++)
			if (!accept_one(server, server->listeners[i].fd))
				break;
	conn_accept_close(server);
}

void conn_accept_close(struct conn_server *server)
{
	for (unsigned i = 0; i < server->listener_count; i++) {
		loop_watch_free(server->listeners[i].watch);
		close(server->listeners[i].fd);
	}
	server->listener_count = 0;
	loop_timer_free(server->accept_timer);
	server->accept_timer = NULL;
}

static void on_acceptable(unsigned ready, void *arg)
{
	(void)ready;
	const struct conn_listener *listener = arg;
	for (unsigned i = 0; i < CONN_ACCEPTS_MAX; i++)
		if (!accept_one(listener->server, listener->fd))
			return;
}

/* Returns false when there is nothing more to accept for now. */
static bool accept_one(struct conn_server *server, int listen_fd)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);
	const int fd =
		accept4(listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return accept_failed(server, listen_fd, errno);
	if (is_over_cap(server, &peer)) {
		close(fd);
		return true;
	}
	stats_add(&server->counts.accepted, 1);
	struct conn *conn = conn_open(server, fd, &peer);
	/* The first request is usually here: a connection for one request is then never watched,
	 * which saves two system calls of six. */
	if (conn)
		conn_read(conn);
	else
		stats_add(&server->counts.accept_failures, 1);
	return true;
}

/* Counted; said once until an eighth is free again. Of an address's cap nothing is said: what it
 * is about is somebody's address. */
static bool is_over_cap(struct conn_server *server, const struct sockaddr_storage *peer)
{
	const struct conn_limits *limits = &server->limits;
	const uint64_t open = stats_get(&server->counts.open);
	if (open >= limits->connections_max) {
		stats_add(&server->counts.refused_cap, 1);
		if (!server->is_full)
			log_warn("connections_full", LOG_NUM("max", limits->connections_max));
		server->is_full = true;
		return true;
	}
	if (server->is_full && open <= limits->connections_max - limits->connections_max / 8) {
		server->is_full = false;
		log_info("connections_free", LOG_NUM("open", open));
	}
	if (limits->per_address_max == 0)
		return false;
	const uint64_t key = conn_peers_key(peer);
	if (key == CONN_PEERS_NOBODY ||
		conn_peers_count(&server->peers, key) < limits->per_address_max)
		return false;
	if (server->handlers.is_exempt && server->handlers.is_exempt(peer, server->handlers.arg))
		return false;
	stats_add(&server->counts.refused_address, 1);
	return true;
}

static bool accept_failed(struct conn_server *server, int listen_fd, int error)
{
	if (error == EAGAIN) {
		/* Everybody is in. One alone may have had the descriptor that another thread gave
		 * up to shed its own. */
		if (server->is_accept_failing)
			log_info("accept_recovered");
		server->is_accept_failing = false;
		return false;
	}
	/* accept(2): errors of the connection itself, which is gone; the next may be well. */
	if (error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
		error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET ||
		error == EHOSTUNREACH || error == ENETUNREACH || error == EOPNOTSUPP)
		return true;
	stats_add(&server->counts.accept_failures, 1);
	if (!server->is_accept_failing) {
		server->is_accept_failing = true;
		struct err err;
		err_set(&err, ERR_SYSTEM, error, "accept");
		log_error("accept_failed", LOG_TEXT("err", err.msg));
	}
	if (error == EMFILE || error == ENFILE)
		shed_one(server, listen_fd);
	pause_accepting(server);
	return false;
}

/* With the reserve given up for a moment, the oldest in the backlog is told by a close rather than
 * kept waiting. */
static void shed_one(struct conn_server *server, int listen_fd)
{
	if (server->reserve_fd < 0)
		return;
	close(server->reserve_fd);
	const int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_accepting(struct conn_server *server)
{
	for (unsigned i = 0; i < server->listener_count; i++)
		loop_watch_set(server->listeners[i].watch, 0);
	if (server->accept_timer)
		loop_timer_set(server->accept_timer, CONN_ACCEPT_PAUSE_US);
}

static void resume_accepting(void *arg)
{
	struct conn_server *server = arg;
	if (server->reserve_fd < 0)
		server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < server->listener_count; i++)
		loop_watch_set(server->listeners[i].watch, LOOP_READ);
}
