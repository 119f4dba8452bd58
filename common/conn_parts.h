/* SPDX-License-Identifier: Apache-2.0
 * What the files of the conn module share: the connection, its states, and the server.
 *
 * A connection's state is the list it stands on; conn_move is the only way from one to another.
 * Each list has one constant deadline, so its head is always the next to expire and one timer
 * serves them all. */
#ifndef WASL_CONN_PARTS_H
#define WASL_CONN_PARTS_H

#include <netinet/in.h>

#include "buf.h"
#include "conn.h"
#include "conn_peers.h"

#define CONN_READ_BYTES      (64 * 1024) /* one read of a body */
#define CONN_OUT_PAUSE       (64 * 1024) /* unsent bytes at which no further request is served */
#define CONN_OUT_MAX         (16 * 1024 * 1024)
#define CONN_SLAB            256         /* connections allocated at once */
#define CONN_WORKS_MAX       256         /* unused sets of buffers kept */
#define CONN_WORK_BYTES      (16 * 1024) /* larger buffers are not kept */
#define CONN_LINGER_US       2000000
#define CONN_LINGER_MAX      (512 * 1024) /* bytes read after the last answer */
#define CONN_ACCEPTS_MAX     16           /* per wake-up */
#define CONN_BACKLOG         4096         /* the kernel cuts it to net.core.somaxconn */
#define CONN_ACCEPT_PAUSE_US 100000       /* after EMFILE and its like */
#define CONN_DRAIN_FRESH_US  1000000      /* for the first byte of what was accepted last */
#define CONN_DRAIN_SLOW_US   5000000      /* after that, for peers that send or read slowly */

#define CONN_STATES(X)                                                                      \
	X(FREE, "free")                                                                     \
	X(IDLE, "idle")           /* between requests: no buffers */                        \
	X(HEAD, "head")           /* a part of a head is there */                           \
	X(BODY, "body")           /* head whole, body not */                                \
	X(HANDLING, "handling")   /* handed over, not answered */                           \
	X(WRITING, "writing")     /* the peer does not take its answer */                   \
	X(LINGERING, "lingering") /* answered and shut; reads until the peer has seen it */ \
	X(CLOSED, "closed")       /* freed at the end of the turn */
#define CONN_ENUM_STATE(name, text) CONN_##name,
enum conn_state { CONN_STATES(CONN_ENUM_STATE) CONN_STATE_COUNT };

/* What a connection needs only while something is under way. */
struct conn_work {
	struct buf in;  /* unserved bytes, from the first of a request */
	struct buf out; /* answers from out_at on are unsent */
	size_t out_at;
	struct http_scan scan; /* of in */
	struct buf head;       /* of the request whose body is read */
	struct http_body *body;
	size_t lingered; /* bytes */
	struct conn_work *next;
};

struct conn {
	struct conn_server *server;
	struct loop_watch *watch;
	struct conn_work *work; /* NULL while idle */
	struct conn *next;      /* on the state's list */
	struct conn *previous;
	struct conn *next_dirty;
	int64_t deadline_us;
	uint32_t slot;
	uint32_t generation;
	int fd;
	enum conn_state state;
	bool is_awaiting;   /* handed over, not answered */
	bool is_serving;    /* an answer given now leaves with the others of this wake-up */
	bool is_dirty;      /* on the server's list of those to flush this turn */
	bool is_keep_alive; /* the current request allows another */
	bool is_old;        /* the current request is HTTP/1.0 */
	bool is_head;       /* the current request is HEAD */
	bool is_closing;    /* nothing more is served */
	bool must_linger; /* the peer may still be sending: a close would reset and lose the answer
			   */
	bool is_eof;      /* the peer has finished sending */
	bool has_served;
	bool is_counted; /* among its address's */
	union {
		sa_family_t family;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer;
};

struct conn_list {
	struct conn *first;
	struct conn *last;
};

struct conn_listener {
	struct conn_server *server;
	struct loop_watch *watch;
	int fd;
};

struct conn_server {
	struct loop *loop;
	struct conn_limits limits;
	struct conn_handlers handlers;
	struct conn_counts counts;
	struct conn_peers peers; /* used if limits.per_address_max */
	struct conn_list lists[CONN_STATE_COUNT];
	int64_t deadlines_us[CONN_STATE_COUNT]; /* after entering the state; 0: none */
	struct conn **slabs;
	uint32_t slab_count;
	struct conn *dirty; /* the first answered is the first flushed */
	struct conn *dirty_last;
	struct conn_work *works; /* unused */
	unsigned work_count;
	struct loop_defer *turn_end;
	struct loop_timer *timer;
	int64_t timer_due_us; /* while the timer is set */
	struct conn_listener listeners[CONN_LISTENERS_MAX];
	unsigned listener_count;
	struct loop_timer *accept_timer;
	int reserve_fd;
	bool is_accept_failing;
	bool is_full; /* connections_max was met, and not much has closed since */
	bool is_draining;
	bool is_drained;
	bool is_drain_late; /* the fresh ones' time is over */
	struct loop_timer *drain_timer;
	struct loop_defer *drain_end;
	loop_fn *on_drained;
	void *on_drained_arg;
	int64_t date_until_us;
	char date[64]; /* "Date: …\r\n" */
	size_t date_len;
	struct http_request request; /* the one being handed over */
	struct sockaddr_storage peer;
	char read_bytes[CONN_READ_BYTES];
};

/* conn.c */
void conn_move(struct conn *conn, enum conn_state state);
struct conn *conn_open(struct conn_server *server, int fd, const struct sockaddr_storage *peer);
void conn_close(struct conn *conn);
/* The peer or the network ended it in the middle of something. */
void conn_lose(struct conn *conn);
bool conn_work_ensure(struct conn *conn);
void conn_work_done(struct conn *conn); /* gives its buffers back */
void conn_check_drained(struct conn_server *server);

/* conn_serve.c */
void conn_on_ready(unsigned ready, void *arg);
void conn_read(struct conn *conn);
/* Serves what is pending, writes, and settles the state: the end of every wake-up. */
void conn_flush(struct conn *conn);

/* conn_reply.c */
void conn_answer(struct conn *conn, const struct conn_reply *reply);
/* This layer's own refusal: answers with that status and closes. */
void conn_refuse(struct conn *conn, unsigned status);
void conn_continue(struct conn *conn); /* 100 */

/* conn_accept.c */
void conn_accept_drain(struct conn_server *server);
void conn_accept_close(struct conn_server *server);

#endif
