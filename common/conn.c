/* SPDX-License-Identifier: Apache-2.0
 * The connection server: slots, states, deadlines, drain. */
#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn_parts.h"
#include "entropy.h"
#include "log.h"
#include "stats.h"

static struct conn *slot_take(struct conn_server *server);
static bool slab_add(struct conn_server *server);
static struct conn *slot_find(const struct conn_server *server, uint32_t slot);
static bool peers_init(struct conn_peers *peers);
static void set_peer(struct conn *conn, const struct sockaddr_storage *peer);
static void count_peer(struct conn *conn, const struct sockaddr_storage *peer);
static void uncount_peer(struct conn *conn);
static void list_add(struct conn_list *list, struct conn *conn);
static void list_remove(struct conn_list *list, struct conn *conn);
static void work_release(struct conn *conn);
static void work_free(struct conn_work *work);
static void on_turn_end(void *arg);
static void on_deadline(void *arg);
static void expire(struct conn *conn);
static void timer_want(struct conn_server *server, int64_t due_us);
static void on_drain_timer(void *arg);
static void on_drain_end(void *arg);

const struct conn_limits conn_limits_default = {
	.connections_max = 10000,
	.per_address_max = 2048,
	.body_max = 0,
	.head_deadline_us = 10 * 1000000,
	.body_deadline_us = 20 * 1000000,
	.idle_deadline_us = 75 * 1000000,
	.write_deadline_us = 20 * 1000000,
};

struct conn_server *conn_server_new(struct loop *loop, const struct conn_limits *limits,
	const struct conn_handlers *handlers, struct err *err)
{
	struct conn_server *server = calloc(1, sizeof(*server));
	if (!server) {
		err_set(err, ERR_SYSTEM, ENOMEM, "connection server");
		return NULL;
	}
	server->loop = loop;
	server->limits = *limits;
	server->handlers = *handlers;
	server->deadlines_us[CONN_IDLE] = limits->idle_deadline_us;
	server->deadlines_us[CONN_HEAD] = limits->head_deadline_us;
	server->deadlines_us[CONN_BODY] = limits->body_deadline_us;
	server->deadlines_us[CONN_WRITING] = limits->write_deadline_us;
	server->deadlines_us[CONN_LINGERING] = CONN_LINGER_US;
	if (!peers_init(&server->peers)) {
		err_set(err, ERR_SYSTEM, 0, "the kernel has no random bits");
		free(server);
		return NULL;
	}
	server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	server->turn_end = loop_defer_new(loop, on_turn_end, server);
	server->drain_end = loop_defer_new(loop, on_drain_end, server);
	server->timer = loop_timer_new(loop, on_deadline, server);
	server->drain_timer = loop_timer_new(loop, on_drain_timer, server);
	if (server->reserve_fd < 0 || !server->turn_end || !server->drain_end || !server->timer ||
		!server->drain_timer) {
		err_set(err, ERR_SYSTEM, errno, "connection server");
		conn_server_free(server);
		return NULL;
	}
	return server;
}

bool conn_server_reply(
	struct conn_server *server, struct conn_ref ref, const struct conn_reply *reply)
{
	struct conn *conn = slot_find(server, ref.slot);
	if (!conn || conn->generation != ref.generation || !conn->is_awaiting)
		return false;
	conn->is_awaiting = false;
	conn_answer(conn, reply);
	if (!conn->is_serving && !conn->is_dirty && conn->state != CONN_CLOSED) {
		conn->is_dirty = true;
		conn->next_dirty = NULL;
		if (server->dirty)
			server->dirty_last->next_dirty = conn;
		else
			server->dirty = conn;
		server->dirty_last = conn;
		loop_defer_schedule(server->turn_end);
	}
	return true;
}

void conn_server_send(struct conn_server *server)
{
	while (server->dirty) {
		struct conn *conn = server->dirty;
		server->dirty = conn->next_dirty;
		conn->is_dirty = false;
		if (conn->state != CONN_CLOSED)
			conn_flush(conn);
	}
}

void conn_server_drain(struct conn_server *server, loop_fn *fn, void *arg)
{
	assert(!server->is_draining);
	server->is_draining = true;
	server->on_drained = fn;
	server->on_drained_arg = arg;
	conn_accept_drain(server);
	/* A request may be on its way on an idle connection: what is here by now is served. */
	for (struct conn *conn = server->lists[CONN_IDLE].first, *next; conn; conn = next) {
		next = conn->next;
		conn_read(conn);
		if (conn->state == CONN_IDLE && conn->has_served)
			conn_close(conn);
	}
	loop_timer_set(server->drain_timer, CONN_DRAIN_FRESH_US);
	conn_check_drained(server);
}

const struct conn_counts *conn_server_counts(const struct conn_server *server)
{
	return &server->counts;
}

void conn_server_free(struct conn_server *server)
{
	if (!server)
		return;
	conn_accept_close(server);
	server->is_draining = false; /* nobody is to be told any more */
	for (uint32_t slot = 0; slot < server->slab_count * CONN_SLAB; slot++) {
		struct conn *conn = slot_find(server, slot);
		if (conn->state != CONN_FREE && conn->state != CONN_CLOSED)
			conn_close(conn);
	}
	for (uint32_t i = 0; i < server->slab_count; i++)
		free(server->slabs[i]);
	free(server->slabs);
	while (server->works) {
		struct conn_work *work = server->works;
		server->works = work->next;
		work_free(work);
	}
	loop_defer_free(server->turn_end);
	loop_defer_free(server->drain_end);
	loop_timer_free(server->timer);
	loop_timer_free(server->drain_timer);
	if (server->reserve_fd >= 0)
		close(server->reserve_fd);
	conn_peers_release(&server->peers);
	free(server);
}

/* Takes fd over; NULL, with fd closed, when memory fails. Nothing is watched yet. */
struct conn *conn_open(struct conn_server *server, int fd, const struct sockaddr_storage *peer)
{
	struct conn *conn = slot_take(server);
	struct loop_watch *watch =
		conn ? loop_watch_new(server->loop, fd, conn_on_ready, conn) : NULL;
	if (!watch) {
		close(fd);
		return NULL;
	}
	list_remove(&server->lists[CONN_FREE], conn);
	const uint32_t slot = conn->slot;
	const uint32_t generation = conn->generation;
	*conn = (struct conn){
		.server = server, .watch = watch, .fd = fd, .slot = slot, .generation = generation};
	list_add(&server->lists[CONN_FREE], conn);
	set_peer(conn, peer);
	count_peer(conn, peer);
	stats_add(&server->counts.open, 1);
	conn_move(conn, CONN_IDLE);
	return conn;
}

/* Staying in a state keeps its deadline: deadlines are absolute. */
void conn_move(struct conn *conn, enum conn_state state)
{
	if (conn->state == state)
		return;
	static const char *const names[] = {
#define CONN_STATE_NAME(name, text) text,
		CONN_STATES(CONN_STATE_NAME)};
	log_debug("conn_state", LOG_NUM("slot", conn->slot), LOG_TEXT("from", names[conn->state]),
		LOG_TEXT("to", names[state]));
	struct conn_server *server = conn->server;
	list_remove(&server->lists[conn->state], conn);
	list_add(&server->lists[state], conn);
	conn->state = state;
	if (server->deadlines_us[state]) {
		conn->deadline_us = loop_now_us(server->loop) + server->deadlines_us[state];
		timer_want(server, conn->deadline_us);
	}
}

void conn_close(struct conn *conn)
{
	assert(conn->state != CONN_FREE && conn->state != CONN_CLOSED);
	struct conn_server *server = conn->server;
	loop_watch_free(conn->watch);
	conn->watch = NULL;
	close(conn->fd);
	conn->fd = -1;
	work_release(conn);
	uncount_peer(conn);
	conn->generation++;
	conn->is_awaiting = false;
	stats_add(&server->counts.open, (uint64_t)-1);
	conn_move(conn, CONN_CLOSED);
	loop_defer_schedule(server->turn_end);
	conn_check_drained(server);
}

void conn_lose(struct conn *conn)
{
	stats_add(&conn->server->counts.resets, 1);
	conn_close(conn);
}

bool conn_work_ensure(struct conn *conn)
{
	if (conn->work)
		return true;
	struct conn_server *server = conn->server;
	if (server->works) {
		conn->work = server->works;
		server->works = conn->work->next;
		server->work_count--;
		return true;
	}
	conn->work = calloc(1, sizeof(*conn->work));
	if (!conn->work)
		return false;
	buf_init(&conn->work->in, CONN_PENDING_MAX);
	buf_init(&conn->work->out, CONN_OUT_MAX);
	buf_init(&conn->work->head, HTTP_HEAD_MAX);
	return true;
}

void conn_work_done(struct conn *conn)
{
	work_release(conn);
}

void conn_check_drained(struct conn_server *server)
{
	if (server->is_draining && !server->is_drained && stats_get(&server->counts.open) == 0) {
		server->is_drained = true;
		loop_timer_clear(server->drain_timer);
		loop_defer_schedule(server->drain_end);
	}
}

static struct conn *slot_find(const struct conn_server *server, uint32_t slot)
{
	if (slot / CONN_SLAB >= server->slab_count)
		return NULL;
	return &server->slabs[slot / CONN_SLAB][slot % CONN_SLAB];
}

static struct conn *slot_take(struct conn_server *server)
{
	if (!server->lists[CONN_FREE].first && !slab_add(server))
		return NULL;
	return server->lists[CONN_FREE].first;
}

static bool slab_add(struct conn_server *server)
{
	struct conn **slabs =
		realloc(server->slabs, (server->slab_count + 1) * sizeof(struct conn *));
	if (!slabs)
		return false;
	server->slabs = slabs;
	struct conn *slab = calloc(CONN_SLAB, sizeof(struct conn));
	if (!slab)
		return false;
	for (uint32_t i = 0; i < CONN_SLAB; i++) {
		slab[i].server = server;
		slab[i].slot = server->slab_count * CONN_SLAB + i;
		slab[i].fd = -1;
		list_add(&server->lists[CONN_FREE], &slab[i]);
	}
	server->slabs[server->slab_count++] = slab;
	return true;
}

static void set_peer(struct conn *conn, const struct sockaddr_storage *peer)
{
	conn->peer.family = peer->ss_family;
	if (peer->ss_family == AF_INET)
		memcpy(&conn->peer.in, peer, sizeof(conn->peer.in));
	else if (peer->ss_family == AF_INET6)
		memcpy(&conn->peer.in6, peer, sizeof(conn->peer.in6));
}

static bool peers_init(struct conn_peers *peers)
{
	struct entropy entropy;
	uint64_t secret_random[2];
	entropy_init(&entropy);
	if (!entropy_draw(&entropy, secret_random, sizeof(secret_random)))
		return false;
	conn_peers_init(peers, secret_random);
	return true;
}

static void count_peer(struct conn *conn, const struct sockaddr_storage *peer)
{
	struct conn_server *server = conn->server;
	if (server->limits.per_address_max == 0)
		return;
	const uint64_t key = conn_peers_key(peer);
	conn->is_counted = key != CONN_PEERS_NOBODY && conn_peers_add(&server->peers, key);
}

static void uncount_peer(struct conn *conn)
{
	if (!conn->is_counted)
		return;
	struct sockaddr_storage peer;
	memcpy(&peer, &conn->peer, sizeof(conn->peer));
	conn->is_counted = false;
	conn_peers_remove(&conn->server->peers, conn_peers_key(&peer));
}

static void list_add(struct conn_list *list, struct conn *conn)
{
	conn->next = NULL;
	conn->previous = list->last;
	if (list->last)
		list->last->next = conn;
	else
		list->first = conn;
	list->last = conn;
}

static void list_remove(struct conn_list *list, struct conn *conn)
{
	if (conn->previous)
		conn->previous->next = conn->next;
	else
		list->first = conn->next;
	if (conn->next)
		conn->next->previous = conn->previous;
	else
		list->last = conn->previous;
}

static void work_release(struct conn *conn)
{
	struct conn_work *work = conn->work;
	if (!work)
		return;
	conn->work = NULL;
	struct conn_server *server = conn->server;
	http_body_free(work->body);
	work->body = NULL;
	buf_release(&work->head);
	if (server->work_count >= CONN_WORKS_MAX || work->in.cap > CONN_WORK_BYTES ||
		work->out.cap > CONN_WORK_BYTES) {
		work_free(work);
		return;
	}
	buf_clear(&work->in);
	buf_clear(&work->out);
	work->out_at = work->lingered = 0;
	work->scan = (struct http_scan){0};
	work->next = server->works;
	server->works = work;
	server->work_count++;
}

static void work_free(struct conn_work *work)
{
	buf_release(&work->in);
	buf_release(&work->out);
	buf_release(&work->head);
	free(work);
}

/* Answers given outside of a read leave here, and closed connections become free. */
static void on_turn_end(void *arg)
{
	struct conn_server *server = arg;
	conn_server_send(server);
	while (server->lists[CONN_CLOSED].first)
		conn_move(server->lists[CONN_CLOSED].first, CONN_FREE);
}

static void on_deadline(void *arg)
{
	struct conn_server *server = arg;
	const int64_t now_us = loop_now_us(server->loop);
	for (enum conn_state state = CONN_FREE; state < CONN_STATE_COUNT; state++) {
		if (!server->deadlines_us[state])
			continue;
		struct conn *conn;
		while ((conn = server->lists[state].first) && conn->deadline_us <= now_us)
			expire(conn);
		if (conn)
			timer_want(server, conn->deadline_us);
	}
}

static void expire(struct conn *conn)
{
	struct conn_counts *counts = &conn->server->counts;
	switch (conn->state) {
	case CONN_HEAD:
		conn->is_head = false; /* that was the request before */
		__attribute__((fallthrough));
	case CONN_BODY:
		stats_add(&counts->timeouts, 1);
		conn_refuse(conn, 408);
		conn_flush(conn);
		break;
	case CONN_WRITING: {
		const struct linger reset = {.l_onoff = 1, .l_linger = 0};
		stats_add(&counts->timeouts, 1);
		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		conn_lose(conn);
		break;
	}
	case CONN_IDLE:
	case CONN_LINGERING:
		conn_close(conn);
		break;
	case CONN_FREE:
	case CONN_HANDLING:
	case CONN_CLOSED:
	case CONN_STATE_COUNT:
		assert(false && "a state without a deadline");
	}
}

static void timer_want(struct conn_server *server, int64_t due_us)
{
	if (loop_timer_is_set(server->timer) && server->timer_due_us <= due_us)
		return;
	server->timer_due_us = due_us;
	loop_timer_set(server->timer, due_us - loop_now_us(server->loop));
}

/* First what was accepted with the listener's last breath and has sent nothing since; later every
 * peer that is itself what the end waits for. */
static void on_drain_timer(void *arg)
{
	struct conn_server *server = arg;
	static const enum conn_state slow[] = {CONN_HEAD, CONN_BODY, CONN_WRITING, CONN_LINGERING};
	while (server->lists[CONN_IDLE].first)
		conn_close(server->lists[CONN_IDLE].first);
	for (size_t i = 0; server->is_drain_late && i < sizeof(slow) / sizeof(slow[0]); i++)
		while (server->lists[slow[i]].first)
			conn_lose(server->lists[slow[i]].first);
	server->is_drain_late = true;
	if (!server->is_drained)
		loop_timer_set(server->drain_timer, CONN_DRAIN_SLOW_US);
}

static void on_drain_end(void *arg)
{
	struct conn_server *server = arg;
	server->on_drained(server->on_drained_arg);
}
