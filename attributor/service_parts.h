/* SPDX-License-Identifier: Apache-2.0
 * All parts of the daemon, for the files that start it and that tell how it is. */
#ifndef WASL_SERVICE_PARTS_H
#define WASL_SERVICE_PARTS_H

#include "admin.h"
#include "backlog.h"
#include "clicks.h"
#include "config.h"
#include "front.h"
#include "handover.h"
#include "keys.h"
#include "meters.h"
#include "publish.h"
#include "quarantine.h"
#include "redis.h"
#include "replay.h"
#include "schema_check.h"
#include "stores.h"
#include "stores_snapshot.h"
#include "timer.h"
#include "webhook.h"

#define SPOOL_FOLDER_MAX (CONF_TEXT_MAX + sizeof("/spool"))

struct service {
	const struct config *config;
	int argc;
	char **argv;
	int exit_code;
	bool is_checked, is_ready, is_stopping;
	bool is_schema_wrong;  /* nothing is posted until it is migrated */
	int64_t drained_us;    /* loop time when the last webhook was answered; 0: not yet */
	int64_t partitions_us; /* loop time when they were last made; 0: never */
	struct entropy entropy;
	struct meters meters;
	struct keys keys;
	struct loop *loop;
	struct redis *redis;
	struct db *read_db;
	struct schema_check check;
	struct stores *stores;
	struct stores_snapshot *snapshot;
	struct clicks *clicks;
	struct post *post;
	char spool_folder[SPOOL_FOLDER_MAX];
	struct backlog *backlog;
	struct quarantine *quarantine;
	struct replay *replay;
	struct webhook *webhook;
	struct api *api;
	struct publish *publish; /* from when the schema was found to fit */
	struct timer *timer;     /* from when the stores were read */
	struct front front;
	struct conn_server *server;
	struct admin *admin;
	struct listeners listeners;
	struct handover *handover;
	bool is_open; /* the public listener is served */
	struct loop_timer *check_again, *start_grace, *housekeeping, *last_jobs, *drain_limit,
		*takeover_limit;
};

/* service_housekeep.c, from its timer; arg is the service. */
void service_housekeep(void *arg);
/* service_report.c, for /readyz and /metrics; arg is the service. */
void service_health(struct admin_health *health, void *arg);
void service_metrics(struct buf *out, void *arg);

#endif
