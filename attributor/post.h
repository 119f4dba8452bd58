/* SPDX-License-Identifier: Apache-2.0
 * Events into Postgres: whatever waits when a connection is free goes into one transaction, and
 * each event is answered when that has committed.
 *
 * A batch holds at most one event of an order and one use of a webhook-id, sorted by (store,
 * order); no order is under way on both connections. It takes three round trips: lock the orders
 * and read what is known of them; read what their facts name, and lock the coupons among it; write
 * the decisions and commit. A fourth, before the writing, locks what is left of caps by period,
 * where a rule has one. A batch that the database refuses is halved until the culprit is alone. */
#ifndef WASL_POST_H
#define WASL_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "db.h"
#include "entropy.h"
#include "keyring.h"
#include "meters.h"
#include "order.h"
#include "stores.h"

#define POST_CONNECTIONS     2
#define POST_BATCH_MAX       64        /* events of one transaction */
#define POST_BATCH_LINES_MAX 2000      /* and order lines: each looks its rule up among all */
#define POST_REFOLD_LINES    20        /* counted for an order whose lines are not known yet */
#define POST_BATCH_BYTES_MAX (8 << 20) /* and bytes of bodies */
#define POST_SCAN_MAX        4096      /* waiting events looked at for one batch */
#define POST_ATTEMPTS_MAX    5         /* of a transaction that met another one, or lost its line */
#define POST_BODY_HASH_BYTES 32

enum post_status {
	POST_DONE = 0,    /* committed, or was before: answer holds the JSON */
	POST_REFUSED,     /* code, detail and pointer say why; status 409 or 422 */
	POST_UNAVAILABLE, /* the database could not take it; the outcome may be unknown */
	POST_FAILED,      /* the database refuses this event as such, or our fault; logged */
};

struct post_outcome {
	enum post_status status;
	enum meters_result result; /* with POST_DONE */
	struct str answer;         /* with POST_DONE and an event: the body of the 200 */
	unsigned http_status;      /* with POST_REFUSED */
	const char *code;
	const char *detail; /* with POST_FAILED what the database said */
	const char *pointer;
	enum db_status cause; /* unless it was done or refused: what the database did, if it did */
	char sqlstate[6];     /* and its word for it; may be empty */
};
/* Called once for every item that was taken, unless it was cancelled. The views of outcome die with
 * the call; the item is the caller's again. */
struct post_item;
typedef void post_done_fn(struct post_item *item, const struct post_outcome *outcome);

/* An event on its way, or an order to be folded again; in the caller's memory until post_done_fn or
 * a successful cancel.
 *
 * An order without a new event is folded if it is still due once its lock is held. What is due by
 * the clock then happens, and nothing of it is answered. */
struct post_item {
	uint32_t store_id;
	const struct event *event; /* NULL: fold the order again */
	struct str order_id;       /* of the event, or which order */
	struct store_terms terms;
	const struct keyring *keyring; /* whose person key made the event's customer hashes */
	uint8_t body_sha256[POST_BODY_HASH_BYTES];
	struct str sealed_body;
	size_t body_bytes;
	bool is_alone; /* in a transaction of its own, so that it fails nobody else's */
	post_done_fn *done;
	void *arg;
	/* The rest is post's own. */
	struct post_item *next, *previous;
	uint64_t order_hash, event_hash;
	unsigned attempts;
	bool is_waiting; /* in the queue */
};

struct post;
struct post_config {
	const char *database_url; /* a secret */
	unsigned batch_max;
	struct meters *meters;
	bool is_held;          /* nothing is taken until post_open */
	db_state_fn *on_state; /* told whenever a connection comes or goes; may be NULL */
	void *arg;
};

struct post *post_new(struct loop *loop, const struct post_config *config, struct err *err);
/* The schema fits: from here on items are taken. */
void post_open(struct post *post);
/* Takes an item over. False: no connection is up, or it is held. */
bool post_submit(struct post *post, struct post_item *item);
/* True: the item waited and was taken out, it will not be called. False: it is under way. */
bool post_cancel(struct post *post, struct post_item *item);
bool post_is_up(const struct post *post); /* at least one connection, and not held */
bool post_is_idle(const struct post *post);
unsigned post_queued(const struct post *post);
/* Tells every item POST_UNAVAILABLE first. */
void post_free(struct post *post);

/* What is known under a webhook-id: for a body that is no valid event, since 409 comes before 422.
 */
enum post_known { POST_KNOWN_NOT = 0, POST_KNOWN_SAME, POST_KNOWN_OTHER, POST_KNOWN_UNASKED };
/* answer: with POST_KNOWN_SAME, the JSON of the 200. */
typedef void post_known_fn(enum post_known known, struct str answer, void *arg);
struct post_known_query {
	uint32_t store_id;
	struct str event_id;
	uint8_t body_sha256[POST_BODY_HASH_BYTES];
	post_known_fn *fn;
	void *arg;
};
/* query must live until its fn is called; false: not asked (no connection), fn is not called. */
bool post_ask_known(struct db *db, struct post_known_query *query);

#endif
