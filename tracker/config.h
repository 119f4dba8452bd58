/* SPDX-License-Identifier: Apache-2.0
 * The tracker's options: one struct, one table. */
#ifndef WASL_TRACKER_CONFIG_H
#define WASL_TRACKER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "conf.h"
#include "conn.h"
#include "err.h"
#include "log.h"
#include "redis.h"
#include "trust.h"

#define CONFIG_WORKERS_MAX 64

/* As written by the operator. */
struct config_text {
	char listen[CONF_TEXT_MAX];
	char admin_listen[CONF_TEXT_MAX];
	char secret_redis_url[CONF_TEXT_MAX];
	char keyring[CONF_TEXT_MAX];
	char state_dir[CONF_TEXT_MAX];
	char log_level[CONF_TEXT_MAX];
	char fallback_url[CONF_TEXT_MAX];
	char trusted_proxies[CONF_TEXT_MAX];
	int64_t click_deadline_us;
	int64_t click_grace_us;
	int64_t workers;                 /* 0: one per core */
	int64_t connections_max;         /* of the whole process */
	int64_t connections_per_address; /* 0: no limit */
	bool has_insecure_cookie;
	bool has_takeover;
};

/* As the program uses it; text lives as long. */
struct config {
	struct config_text text;
	struct conn_address listen;
	struct conn_address admin_listen;
	struct redis_url redis;
	struct trust trusted_proxies;
	enum log_level log_level;
	unsigned worker_count;
};

/* Reads every source (conf.h). CONF_RUN and CONF_CHECKED leave config whole. */
enum conf_action config_load(struct config *config, int argc, char **argv);

#endif
