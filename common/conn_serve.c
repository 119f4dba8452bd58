/* SPDX-License-Identifier: Apache-2.0
 * From bytes to requests, one at a time and in order, and what a connection waits for next. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "conn_parts.h"
#include "stats.h"

static void linger(struct conn *conn);
static size_t read_room(const struct conn *conn, size_t kept);
static bool keep(struct conn *conn, struct str bytes);
static size_t serve(struct conn *conn, struct str bytes);
static bool can_serve(const struct conn *conn);
static size_t take_head(struct conn *conn, struct str bytes);
static size_t take_whole_head(struct conn *conn, struct str head, struct str after);
static bool ask_head(struct conn *conn, const struct http_request *request, bool has_body);
static bool start_body(struct conn *conn, const struct http_request *request, struct str head);
static size_t take_body(struct conn *conn, struct str bytes);
static void take_whole_body(struct conn *conn);
static void begin(struct conn *conn, const struct http_request *request);
static void hand_over(struct conn *conn, const struct http_request *request);
static void serve_pending(struct conn *conn);
static size_t unsent(const struct conn *conn);
static bool write_out(struct conn *conn);
static void settle(struct conn *conn);
static void end_of_input(struct conn *conn);
static void finish(struct conn *conn);

void conn_on_ready(unsigned ready, void *arg)
{
	struct conn *conn = arg;
	if (conn->state == CONN_LINGERING)
		linger(conn);
	else if (ready & LOOP_WRITE)
		conn_flush(conn);
	else
		conn_read(conn);
}

/* One read into the server's buffer, served from there: only what can't be served yet is copied. */
void conn_read(struct conn *conn)
{
	struct conn_server *server = conn->server;
	const size_t kept = conn->work ? conn->work->in.len : 0;
	const ssize_t got = recv(conn->fd, server->read_bytes, read_room(conn, kept), 0);
	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn->state == CONN_IDLE ? conn_close(conn) : conn_lose(conn);
		else if (conn->state == CONN_IDLE)
			loop_watch_set(conn->watch, LOOP_READ);
		return;
	}
	struct str bytes = {server->read_bytes, (size_t)got};
	if (got == 0) {
		conn->is_eof = true;
	} else if (kept == 0) {
		const size_t used = serve(conn, bytes);
		bytes = (struct str){bytes.data + used, bytes.len - used};
	}
	if (bytes.len > 0 && !keep(conn, bytes))
		return;
	conn_flush(conn);
}

void conn_flush(struct conn *conn)
{
	bool was_full;
	do {
		serve_pending(conn);
		was_full = unsent(conn) >= CONN_OUT_PAUSE;
		if (!write_out(conn))
			return;
	} while (was_full && unsent(conn) == 0);
	settle(conn);
}

/* What comes after a body may have to be kept: no more of it is read than can be. */
static size_t read_room(const struct conn *conn, size_t kept)
{
	const bool is_body = conn->work && conn->work->body;
	const size_t missing = is_body ? http_body_missing(conn->work->body) : 0;
	const size_t room = CONN_PENDING_MAX - kept;
	return missing < CONN_READ_BYTES - room ? missing + room : CONN_READ_BYTES;
}

/* For what is served later. Returns false when the connection had to be closed. */
static bool keep(struct conn *conn, struct str bytes)
{
	if (conn->is_closing) {
		conn->must_linger = true;
		return true;
	}
	if (conn_work_ensure(conn)) {
		buf_add_str(&conn->work->in, bytes);
		if (!conn->work->in.has_failed)
			return true;
	}
	conn_lose(conn);
	return false;
}

static void serve_pending(struct conn *conn)
{
	if (!conn->work || conn->work->in.len == 0)
		return;
	const size_t used = serve(conn, buf_str(&conn->work->in));
	buf_consume(&conn->work->in, used);
	if (conn->is_closing && conn->work->in.len > 0) {
		conn->must_linger = true;
		buf_clear(&conn->work->in);
	}
}

/* Serves request after request; returns how many bytes they took. */
static size_t serve(struct conn *conn, struct str bytes)
{
	size_t at = 0;
	conn->is_serving = true;
	while (at < bytes.len && can_serve(conn)) {
		const struct str rest = {bytes.data + at, bytes.len - at};
		const bool is_body = conn->work && conn->work->body;
		const size_t used = is_body ? take_body(conn, rest) : take_head(conn, rest);
		if (used == 0)
			break;
		at += used;
	}
	conn->is_serving = false;
	return at;
}

static bool can_serve(const struct conn *conn)
{
	return !conn->is_awaiting && !conn->is_closing && unsent(conn) < CONN_OUT_PAUSE;
}

static size_t take_head(struct conn *conn, struct str bytes)
{
	struct http_scan fresh = {0};
	struct http_scan *scan = conn->work ? &conn->work->scan : &fresh;
	switch (http_scan(scan, bytes)) {
	case HTTP_SCAN_MORE:
		return 0;
	case HTTP_SCAN_REFUSED:
		conn->is_head = false;
		conn_refuse(conn, scan->status);
		return bytes.len;
	case HTTP_SCAN_WHOLE:
		break;
	}
	const struct str head = {bytes.data, scan->head_bytes};
	const struct str after = {bytes.data + head.len, bytes.len - head.len};
	*scan = (struct http_scan){0};
	return take_whole_head(conn, head, after);
}

/* Refuses in the order: malformed, what on_head says, 411, 413. */
static size_t take_whole_head(struct conn *conn, struct str head, struct str after)
{
	struct conn_server *server = conn->server;
	struct http_request *request = &server->request;
	conn->is_head = false;
	const unsigned status = http_parse(head, request);
	if (status) {
		conn_refuse(conn, status);
		return head.len;
	}
	begin(conn, request);
	const bool has_body = request->is_chunked || request->content_length > 0;
	if (!ask_head(conn, request, has_body))
		return head.len;
	if (!has_body) {
		/* A server that takes no bodies lets its routes say what it thinks of a POST. */
		if (request->method == HTTP_POST && !request->has_content_length &&
			server->limits.body_max > 0)
			conn_refuse(conn, 411);
		else
			hand_over(conn, request);
		return head.len;
	}
	if (request->content_length > server->limits.body_max || server->limits.body_max == 0) {
		conn_refuse(conn, 413);
	} else if (!request->is_chunked && request->content_length <= after.len) {
		/* All of it is there: it is handed over from where it lies. */
		request->body = (struct str){after.data, (size_t)request->content_length};
		hand_over(conn, request);
		return head.len + request->body.len;
	} else if (!start_body(conn, request, head)) {
		conn_refuse(conn, 503);
	} else if (request->has_expect && after.len == 0) {
		conn_continue(conn);
	}
	return head.len;
}

/* False when the handler has refused the request. The body of a refused one is not read: the
 * connection closes. */
static bool ask_head(struct conn *conn, const struct http_request *request, bool has_body)
{
	const struct conn_handlers *handlers = &conn->server->handlers;
	if (!handlers->on_head)
		return true;
	struct conn_reply reply = {0};
	const unsigned status = handlers->on_head(request, &reply, handlers->arg);
	if (!status)
		return true;
	reply.status = status;
	if (has_body) {
		reply.has_close = true;
		conn->must_linger = true;
	}
	conn_answer(conn, &reply);
	return false;
}

static bool start_body(struct conn *conn, const struct http_request *request, struct str head)
{
	if (!conn_work_ensure(conn))
		return false;
	struct conn_work *work = conn->work;
	buf_add_str(&work->head, head);
	work->body = http_body_new(request, conn->server->limits.body_max);
	return work->body && !work->head.has_failed;
}

static size_t take_body(struct conn *conn, struct str bytes)
{
	size_t used = 0;
	unsigned status = 0;
	switch (http_body_feed(conn->work->body, bytes, &used)) {
	case HTTP_BODY_MORE:
		return used;
	case HTTP_BODY_WHOLE:
		take_whole_body(conn);
		return used;
	case HTTP_BODY_REFUSED:
		status = 400;
		break;
	case HTTP_BODY_TOO_LARGE:
		status = 413;
		break;
	case HTTP_BODY_NO_MEMORY:
		status = 503;
		break;
	}
	conn_refuse(conn, status);
	return bytes.len;
}

/* The head is parsed again: its first views died with the read that brought it. */
static void take_whole_body(struct conn *conn)
{
	struct conn_work *work = conn->work;
	struct http_request *request = &conn->server->request;
	const unsigned status = http_parse(buf_str(&work->head), request);
	assert(status == 0);
	(void)status;
	struct http_body *body = work->body;
	work->body = NULL;
	request->body = http_body_bytes(body);
	hand_over(conn, request);
	http_body_free(body);
	buf_release(&work->head);
}

static void begin(struct conn *conn, const struct http_request *request)
{
	conn->is_keep_alive = request->is_keep_alive;
	conn->is_old = request->minor == 0;
	conn->is_head = request->method == HTTP_HEAD;
	conn->has_served = true;
}

static void hand_over(struct conn *conn, const struct http_request *request)
{
	struct conn_server *server = conn->server;
	conn->generation++;
	conn->is_awaiting = true;
	conn_move(conn, CONN_HANDLING);
	server->peer.ss_family = conn->peer.family;
	if (conn->peer.family == AF_INET)
		memcpy(&server->peer, &conn->peer.in, sizeof(conn->peer.in));
	else if (conn->peer.family == AF_INET6)
		memcpy(&server->peer, &conn->peer.in6, sizeof(conn->peer.in6));
	const struct conn_ref ref = {.slot = conn->slot, .generation = conn->generation};
	server->handlers.on_request(server, ref, request, &server->peer, server->handlers.arg);
}

static size_t unsent(const struct conn *conn)
{
	return conn->work ? conn->work->out.len - conn->work->out_at : 0;
}

/* Returns false when the connection is gone. */
static bool write_out(struct conn *conn)
{
	const size_t len = unsent(conn);
	if (len == 0)
		return true;
	struct conn_work *work = conn->work;
	const ssize_t sent = send(conn->fd, work->out.data + work->out_at, len, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		conn_lose(conn);
		return false;
	}
	work->out_at += sent > 0 ? (size_t)sent : 0;
	if (work->out_at == work->out.len) {
		buf_clear(&work->out);
		work->out_at = 0;
	}
	return true;
}

/* What it waits for from here on. */
static void settle(struct conn *conn)
{
	if (unsent(conn) > 0) {
		conn_move(conn, CONN_WRITING);
		loop_watch_set(conn->watch, LOOP_WRITE);
		return;
	}
	const size_t kept = conn->work ? conn->work->in.len : 0;
	const bool is_body = conn->work && conn->work->body;
	if (conn->is_awaiting) {
		/* Not watched now: what comes meanwhile can wait in the kernel. */
		const bool is_over = conn->is_eof || kept >= CONN_PENDING_MAX;
		const bool is_watched = loop_watch_wants(conn->watch) != 0;
		conn_move(conn, CONN_HANDLING);
		loop_watch_set(conn->watch, is_over || !is_watched ? 0 : LOOP_READ);
		return;
	}
	if (conn->is_closing) {
		finish(conn);
		return;
	}
	if (conn->is_eof) {
		end_of_input(conn);
		return;
	}
	loop_watch_set(conn->watch, LOOP_READ);
	if (!is_body && kept == 0)
		conn_work_done(conn);
	conn_move(conn, is_body ? CONN_BODY : kept > 0 ? CONN_HEAD : CONN_IDLE);
}

/* The peer sends no more, and all that it sent whole is answered. */
static void end_of_input(struct conn *conn)
{
	if (conn->work && (conn->work->in.len > 0 || conn->work->body))
		conn_lose(conn);
	else
		conn_close(conn);
}

/* Closing with unread bytes would reset the connection, and the peer could lose the answer. */
static void finish(struct conn *conn)
{
	if (!conn->must_linger || conn->is_eof) {
		conn_close(conn);
		return;
	}
	shutdown(conn->fd, SHUT_WR);
	conn_move(conn, CONN_LINGERING);
	loop_watch_set(conn->watch, LOOP_READ);
}

static void linger(struct conn *conn)
{
	struct conn_server *server = conn->server;
	const ssize_t got = recv(conn->fd, server->read_bytes, sizeof(server->read_bytes), 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0 && conn_work_ensure(conn)) {
		conn->work->lingered += (size_t)got;
		if (conn->work->lingered <= CONN_LINGER_MAX)
			return;
	}
	conn_close(conn);
}
