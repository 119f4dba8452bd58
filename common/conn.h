/* SPDX-License-Identifier: Apache-2.0
 * Connections of one loop: accepts, reads requests, hands them over one at a time per connection,
 * writes the answers in order. Absolute deadlines for head, body, idle and write; a cap on
 * connections, and on those of one address; one read and one write per wake-up; bounded memory per
 * connection. Idle connections hold no buffers. */
#ifndef WASL_CONN_H
#define WASL_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"
#include "http.h"
#include "loop.h"

#define CONN_LISTENERS_MAX  4
#define CONN_REPLY_HEAD_MAX 8192                   /* extra header lines of one reply */
#define CONN_PENDING_MAX    (HTTP_HEAD_MAX + 4096) /* unread pipelined bytes kept per connection */

/* Names a connection's current request from outside: never a pointer that may die. */
struct conn_ref {
	uint32_t slot;
	uint32_t generation; /* changes with every request and every reuse */
};

struct conn_limits {
	unsigned connections_max; /* beyond it the newest is accepted and closed at once, counted */
	unsigned
		per_address_max; /* the same for those of one address (conn_peers.h); 0: no limit */
	uint32_t body_max; /* 0: a request with a body is 413, whatever its method, unless on_head
			      refused it */
	int64_t head_deadline_us;  /* from the first byte to the whole head: then 408 */
	int64_t body_deadline_us;  /* from the head to the whole body: then 408 */
	int64_t idle_deadline_us;  /* between requests: then closed */
	int64_t write_deadline_us; /* until an answer has left: then reset */
};
extern const struct conn_limits conn_limits_default;

struct conn_reply {
	unsigned status;
	struct str headers;       /* extra lines, each "Name: value\r\n" */
	const char *content_type; /* NULL: none */
	struct str body;
	bool is_head;   /* the request was HEAD: Content-Length is told, the body is not sent */
	bool has_close; /* close after this answer */
};

/* Read without locks by other threads (relaxed); each on its own. */
struct conn_counts {
	uint64_t accepted;
	uint64_t open;
	uint64_t refused_cap;     /* over connections_max */
	uint64_t refused_address; /* over per_address_max */
	uint64_t accept_failures; /* EMFILE and the like */
	uint64_t bad_requests;    /* answered by this layer: 400 408 413 414 417 431 501 505 */
	uint64_t timeouts;
	uint64_t resets; /* closed by the peer or an error in the middle of something */
};

struct conn_server;

/* A whole request. It must be answered exactly once by conn_server_reply with this ref, now or
 * later; the request's views die when the callback returns. */
typedef void conn_request_fn(struct conn_server *server, struct conn_ref ref,
	const struct http_request *request, const struct sockaddr_storage *peer, void *arg);
/* Asked once for every whole head, before the body is read, before 100 Continue, and before this
 * layer's own 411 (POST without a length, unless body_max is 0) and 413: returns 0 to go on, or
 * fills *reply (views must live until return) and returns its status. A request refused here does
 * not reach on_request; if it has a body, the connection closes after the answer. */
typedef unsigned conn_head_fn(
	const struct http_request *request, struct conn_reply *reply, void *arg);
/* The layer's own refusals (bad request, timeout), for metrics and wording: headers, content_type
 * and body of *reply, a line of plain text, may be replaced (views must live until return). */
typedef void conn_refused_fn(unsigned status, struct conn_reply *reply, void *arg);
/* Asked when an address has its per_address_max: true for a proxy, behind which many are. */
typedef bool conn_exempt_fn(const struct sockaddr_storage *peer, void *arg);

struct conn_handlers {
	conn_request_fn *on_request;
	conn_head_fn *on_head;       /* may be NULL */
	conn_refused_fn *on_refused; /* may be NULL */
	conn_exempt_fn *is_exempt;   /* may be NULL: nobody is */
	void *arg;
};

struct conn_server *conn_server_new(struct loop *loop, const struct conn_limits *limits,
	const struct conn_handlers *handlers, struct err *err);
/* Takes the listening descriptor over. */
bool conn_server_listen(struct conn_server *server, int listen_fd, struct err *err);
/* Queues the answer; false when that request is gone (peer closed): the caller need not care. */
bool conn_server_reply(
	struct conn_server *server, struct conn_ref ref, const struct conn_reply *reply);
/* Sends what conn_server_reply has queued now instead of at the end of the turn. Not from inside a
 * handler. */
void conn_server_send(struct conn_server *server);
/* Closes the listeners, without looking at what waits on them: another process has them too. */
void conn_server_unlisten(struct conn_server *server);
/* Accepts until EAGAIN, closes the listeners, closes idle connections, finishes what is under way
 * with Connection: close; then calls fn once (from the loop, also if nothing is open). Peers that
 * are slow to send or to read have six seconds; for the handler's answers it waits. */
void conn_server_drain(struct conn_server *server, loop_fn *fn, void *arg);
const struct conn_counts *conn_server_counts(const struct conn_server *server);
/* The wasl_connection… families that every daemon has. */
void conn_counts_write(const struct conn_counts *counts, struct buf *out);
void conn_server_free(struct conn_server *server); /* closes everything */

/* An address to listen on: "127.0.0.1:8080", "[::1]:8080", ":8080", "unix:/path". */
struct conn_address {
	struct sockaddr_storage sockaddr;
	socklen_t len;
};
bool conn_address_parse(struct str text, struct conn_address *address, struct err *err);
/* "127.0.0.1:8080"; NUL-terminated, cut at out_size. */
void conn_address_format(char *out, size_t out_size, const struct sockaddr_storage *sockaddr);
/* Binds and listens (non-blocking, close-on-exec). A port that anyone listens on is refused, also
 * when that one uses SO_REUSEPORT: is_first probes for it without the option. Port 0 takes a free
 * port, told by getsockname; later workers pass that address with is_first false. */
int conn_listen(
	const struct conn_address *address, bool has_reuseport, bool is_first, struct err *err);
/* One more descriptor for another thread: a socket of its own on the port of listen_fd, which has
 * SO_REUSEPORT, or the same Unix socket again. */
int conn_listen_again(int listen_fd, struct err *err);

#endif
