/* SPDX-License-Identifier: Apache-2.0
 * Answers, from their parts to bytes. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "conn_parts.h"
#include "stats.h"

#define STATUS_LINE_MAX 64
#define LENGTH_LINE_MAX 48

static void add_status(struct buf *out, unsigned status);
static void add_date(struct conn_server *server, struct buf *out);
static void add_length(struct buf *out, size_t len);
static void refresh_date(struct conn_server *server);

void conn_answer(struct conn *conn, const struct conn_reply *reply)
{
	assert(reply->headers.len <= CONN_REPLY_HEAD_MAX);
	struct conn_server *server = conn->server;
	const bool is_kept = conn->is_keep_alive && !reply->has_close && !server->is_draining;
	if (!is_kept)
		conn->is_closing = true;
	if (!conn_work_ensure(conn)) {
		conn->is_closing = true;
		return;
	}
	struct buf *out = &conn->work->out;
	/* RFC 9110 sections 15.3.5, 15.4.5: neither has a body nor tells the length of one. */
	const bool has_length = reply->status != 204 && reply->status != 304;
	add_status(out, reply->status);
	add_date(server, out);
	if (has_length)
		add_length(out, reply->body.len);
	if (reply->content_type) {
		buf_add_str(out, STR("Content-Type: "));
		buf_add_cstr(out, reply->content_type);
		buf_add_str(out, STR("\r\n"));
	}
	if (!is_kept)
		buf_add_str(out, STR("Connection: close\r\n"));
	else if (conn->is_old)
		buf_add_str(out, STR("Connection: keep-alive\r\n"));
	buf_add_str(out, reply->headers);
	buf_add_str(out, STR("\r\n"));
	if (has_length && !reply->is_head && !conn->is_head)
		buf_add_str(out, reply->body);
	if (out->has_failed) { /* better none than half of one */
		buf_clear(out);
		conn->work->out_at = 0;
		conn->is_closing = true;
	}
}

void conn_refuse(struct conn *conn, unsigned status)
{
	struct conn_server *server = conn->server;
	stats_add(&server->counts.bad_requests, 1);
	if (conn->work) {
		http_body_free(conn->work->body);
		conn->work->body = NULL;
	}
	char text[STATUS_LINE_MAX];
	const int len = snprintf(text, sizeof(text), "%u %s\n", status, http_status_text(status));
	struct conn_reply reply = {
		.status = status,
		.headers = STR("Cache-Control: no-store\r\n"),
		.content_type = "text/plain",
		.body = {text, (size_t)len},
	};
	if (server->handlers.on_refused)
		server->handlers.on_refused(status, &reply, server->handlers.arg);
	reply.status = status;
	reply.has_close = true;
	conn->must_linger = true;
	conn_answer(conn, &reply);
}

void conn_continue(struct conn *conn)
{
	buf_add_str(&conn->work->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void add_status(struct buf *out, unsigned status)
{
	assert(status >= 200 && status <= 599);
	char line[STATUS_LINE_MAX] = "HTTP/1.1 ";
	size_t at = sizeof("HTTP/1.1 ") - 1;
	line[at++] = (char)('0' + status / 100);
	line[at++] = (char)('0' + status / 10 % 10);
	line[at++] = (char)('0' + status % 10);
	line[at++] = ' ';
	const char *text = http_status_text(status);
	const size_t len = strlen(text);
	assert(at + len + 2 <= sizeof(line));
	memcpy(line + at, text, len);
	at += len;
	line[at++] = '\r';
	line[at++] = '\n';
	buf_add(out, line, at);
}

static void add_length(struct buf *out, size_t len)
{
	static const char name[] = "Content-Length: ";
	char line[LENGTH_LINE_MAX];
	size_t at = sizeof(line);
	line[--at] = '\n';
	line[--at] = '\r';
	do {
		line[--at] = (char)('0' + len % 10);
		len /= 10;
	} while (len > 0);
	at -= sizeof(name) - 1;
	memcpy(line + at, name, sizeof(name) - 1);
	buf_add(out, line + at, sizeof(line) - at);
}

static void add_date(struct conn_server *server, struct buf *out)
{
	if (loop_now_us(server->loop) >= server->date_until_us)
		refresh_date(server);
	buf_add(out, server->date, server->date_len);
}

/* RFC 9110 section 5.6.7, spelt out here because strftime speaks the locale's language. */
static void refresh_date(struct conn_server *server)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	const int64_t wall_us = clock_wall_us();
	const time_t now = (time_t)(wall_us / 1000000);
	struct tm tm;
	gmtime_r(&now, &tm);
	const int len = snprintf(server->date, sizeof(server->date),
		"Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday,
		months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	assert(len > 0 && (size_t)len < sizeof(server->date));
	server->date_len = (size_t)len;
	server->date_until_us = loop_now_us(server->loop) + 1000000 - wall_us % 1000000;
}
