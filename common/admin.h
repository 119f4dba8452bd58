/* SPDX-License-Identifier: Apache-2.0
 * The admin listener of a daemon: /healthz, /readyz, /metrics on a connection server of its own. */
#ifndef WASL_ADMIN_H
#define WASL_ADMIN_H

#include <stdbool.h>

#include "buf.h"
#include "conn.h"
#include "err.h"
#include "loop.h"

#define ADMIN_DEGRADED_MAX 8

struct admin_health {
	bool is_ready;                            /* false: 503 */
	const char *degraded[ADMIN_DEGRADED_MAX]; /* "redis", "postgres", "spool_full", … */
	unsigned degraded_count;
};

struct admin_handlers {
	void (*on_health)(struct admin_health *health, void *arg);
	void (*on_metrics)(struct buf *out, void *arg); /* all families of the daemon */
	void *arg;
};

struct admin;
/* Takes the listening descriptor over; wasl_build_info, wasl_degraded and the process's own figures
 * are added here. */
struct admin *admin_new(
	struct loop *loop, int listen_fd, const struct admin_handlers *handlers, struct err *err);
/* Accepts no more: the listener is another process's now. Open connections go on. */
void admin_retire(struct admin *admin);
/* The address really listened on (port 0 resolved). */
const struct sockaddr_storage *admin_address(const struct admin *admin);
void admin_free(struct admin *admin);

#endif
