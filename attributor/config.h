/* SPDX-License-Identifier: Apache-2.0
 * The attributor's options. */
#ifndef WASL_ATTRIBUTOR_CONFIG_H
#define WASL_ATTRIBUTOR_CONFIG_H

#include "conf.h"
#include "conn.h"
#include "log.h"
#include "redis.h"

#define CONFIG_BATCH_MAX 64 /* events of one posting transaction at most: more buy little */

struct config {
	char listen[CONF_TEXT_MAX];
	char admin_listen[CONF_TEXT_MAX];
	char secret_redis_url[CONF_TEXT_MAX];
	char secret_database_url[CONF_TEXT_MAX];
	char keyring[CONF_TEXT_MAX];
	char state_dir[CONF_TEXT_MAX];
	char link_base[CONF_TEXT_MAX];
	char log_level[CONF_TEXT_MAX];
	int64_t order_deadline_us;
	int64_t timer_interval_us;
	int64_t batch_max;
	int64_t spool_max_bytes;
	int64_t body_retention_us;
	int64_t connections_max;
	int64_t connections_per_address; /* 0: no limit */
	bool has_takeover;
};

/* As conf_load; what it leaves in config has passed every check that needs nothing but the text. */
enum conf_action config_load(struct config *config, int argc, char **argv);
/* The sources again, for SIGHUP. False: err names source and line, and config is of no use. */
bool config_reload(struct config *config, int argc, char **argv, struct err *err);
/* Calls fn for each option that differs and that only a restart changes: all but log-level. */
void config_each_fixed(const struct config *now, const struct config *fresh,
	void (*fn)(const char *name, void *arg), void *arg);

#endif
