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

#define CONFIG_WORKERS_MAX      64
#define CONFIG_ACCESS_EVERY_MAX 1000000000

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
	char access_log[CONF_TEXT_MAX];
	char spool_sync[CONF_TEXT_MAX];
	int64_t click_deadline_us;
	int64_t click_grace_us;
	int64_t redis_loss_window_us;
	int64_t spool_max_bytes;         /* of the whole process */
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
	unsigned access_every; /* 0: no access log */
	char spool_folder[CONF_TEXT_MAX + 8];
	uint64_t spool_worker_bytes;
	bool has_spool_sync;
	unsigned worker_count;
};

/* Reads every source (conf.h). CONF_RUN and CONF_CHECKED leave config whole. */
enum conf_action config_load(struct config *config, int argc, char **argv);
/* The sources again, for SIGHUP. False: err names source and line, and config is of no use. */
bool config_reload(struct config *config, int argc, char **argv, struct err *err);
/* Calls fn for each option that differs and that only a restart changes. */
void config_each_fixed(const struct config *now, const struct config *fresh,
	void (*fn)(const char *name, void *arg), void *arg);

#endif
