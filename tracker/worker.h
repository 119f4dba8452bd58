/* SPDX-License-Identifier: Apache-2.0
 * One worker: a thread with its own loop, listener, connection to Redis, keys and counters. It
 * turns requests into answers; what it shares with others is the catalogue's view, which never
 * changes. */
#ifndef WASL_TRACKER_WORKER_H
#define WASL_TRACKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue.h"
#include "config.h"
#include "conn.h"
#include "err.h"
#include "keyring.h"
#include "redis.h"
#include "front.h"

#define WORKER_DRAIN_US INT64_C(3000000) /* for Redis to acknowledge what is under way */

struct worker_config {
	const struct config *config;
	const int *listen_fds; /* taken over; read by worker_new only */
	unsigned listen_count;
	const struct keyring *keyring; /* copied from */
	unsigned connections_max;      /* of this worker */
	void (*on_drained)(void *arg); /* from the worker's thread */
	void *arg;
};

struct worker;
/* Everything is set up; nothing runs. */
struct worker *worker_new(const struct worker_config *config, struct err *err);
bool worker_start(struct worker *worker, struct err *err);
/* From the main thread; they take effect at the worker's next turn. */
void worker_give_view(struct worker *worker, const struct catalogue_view *view);
bool worker_give_keys(struct worker *worker, const struct keyring *keyring, struct err *err);
void worker_give_settings(struct worker *worker, const struct front_settings *settings);
void worker_drain(struct worker *worker);
/* The generation that the worker uses now. */
uint64_t worker_generation(const struct worker *worker);
const struct front_counts *worker_counts(const struct worker *worker);
const struct conn_counts *worker_conn_counts(const struct worker *worker);
void worker_sink_status(const struct worker *worker, struct sink_status *status);
/* Waits for the thread's end if it was started: it has drained. */
void worker_free(struct worker *worker);

#endif
