/* SPDX-License-Identifier: Apache-2.0
 * The public listener of one worker: each request to its answer, by CONTRACT's table of links.
 * Belongs to the worker's thread; others read its counters. */
#ifndef WASL_TRACKER_FRONT_H
#define WASL_TRACKER_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue.h"
#include "classify.h"
#include "config.h"
#include "conn.h"
#include "entropy.h"
#include "err.h"
#include "loop.h"
#include "route.h"
#include "sink.h"
#include "stats.h"
#include "token.h"
#include "visit.h"

#define FRONT_CLASS_NONE   CLICK_CLASS_COUNT /* of requests that are no link */
#define FRONT_CLASS_LABELS (CLICK_CLASS_COUNT + 1)
const char *front_class_name(unsigned class);

/* Statuses that the public listener can answer. */
#define FRONT_CODES(X) \
	X(200)         \
	X(204)         \
	X(302)         \
	X(400)         \
	X(404)         \
	X(405)         \
	X(408)         \
	X(411)         \
	X(413)         \
	X(414)         \
	X(417)         \
	X(431)         \
	X(500)         \
	X(501)         \
	X(503)         \
	X(505)
#define FRONT_ENUM_CODE(code) CODE_##code,
enum front_code { FRONT_CODES(FRONT_ENUM_CODE) CODE_COUNT };
extern const unsigned front_code_status[CODE_COUNT];

/* Written by the worker, read by a scrape. */
struct front_counts {
	uint64_t requests[ROUTE_COUNT][FRONT_CLASS_LABELS][CODE_COUNT];
	uint64_t clicks[CLICK_CLASS_COUNT][STORED_COUNT]; /* redirects with a click token */
	uint64_t sub_ids_dropped;
	uint64_t suspended; /* clean redirects of suspended affiliates' links */
	struct stats_histogram seconds;
};

/* What opens links and hashes visitors; made anew when the keyring changes. */
struct front_keys {
	struct token_box *box;
	struct visit_keys visit;
};
struct front_keys *front_keys_new(const struct keyring *keyring, struct err *err);
void front_keys_free(struct front_keys *keys); /* NULL is fine */

/* What may change while it runs. */
struct front_settings {
	struct trust trusted_proxies;
	unsigned access_every; /* answers to one line of the access log; 0: none */
};
struct front_settings front_settings_of(const struct config *config);

struct front;
/* Everything but a listener. keys are taken over. connections_max: this worker's share. */
struct front *front_new(struct loop *loop, const struct config *config, unsigned connections_max,
	struct front_keys *keys, struct err *err);
/* Takes the descriptor over. */
bool front_listen(struct front *front, int listen_fd, struct err *err);
void front_set_view(struct front *front, const struct catalogue_view *view);
void front_set_keys(struct front *front, struct front_keys *keys); /* taken over */
void front_set_settings(struct front *front, const struct front_settings *settings);
/* Finishes what is under way, then calls fn once. */
void front_drain(struct front *front, loop_fn *fn, void *arg);
uint64_t front_redis_pending(const struct front *front);
const struct front_counts *front_counts(const struct front *front);
const struct conn_counts *front_conn_counts(const struct front *front);
void front_sink_status(const struct front *front, struct sink_status *status);
void front_free(struct front *front);

#endif
