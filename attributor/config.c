/* SPDX-License-Identifier: Apache-2.0
 * The attributor's option table, and the checks of single values. */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "catalogue_row.h"
#include "db.h"
#include "spool.h"
#include "timestamp.h"

#define LOG_LEVEL "log-level" /* what SIGHUP changes while it runs */

static bool check_address(struct str value, struct err *err);
static bool check_redis_url(struct str value, struct err *err);
static bool check_database_url(struct str value, struct err *err);
static bool check_path(struct str value, struct err *err);
static bool check_link_base(struct str value, struct err *err);
static bool check_level(struct str value, struct err *err);

static const struct conf_option options[] = {
	{.name = "admin-listen",
		.type = CONF_TEXT,
		.offset = offsetof(struct config, admin_listen),
		.fallback = "127.0.0.1:8091",
		.help = "address of /healthz, /readyz and /metrics",
		.check = check_address},
	{.name = "batch-max",
		.type = CONF_COUNT,
		.offset = offsetof(struct config, batch_max),
		.fallback = "64",
		.min = 1,
		.max = CONFIG_BATCH_MAX,
		.help = "events posted in one transaction at most"},
	{.name = "body-retention",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, body_retention_us),
		.fallback = "400d",
		.min = INT64_C(2) * 86400 * US_PER_S,
		.max = INT64_C(3650) * 86400 * US_PER_S,
		.help = "how long the bodies of webhooks are kept, sealed; facts stay for ever"},
	{.name = "connections-max",
		.type = CONF_COUNT,
		.offset = offsetof(struct config, connections_max),
		.fallback = "10000",
		.min = 1,
		.max = 1000000,
		.help = "open connections of the public listener; more are closed at once"},
	{.name = "connections-per-address",
		.type = CONF_COUNT,
		.offset = offsetof(struct config, connections_per_address),
		.fallback = "2048",
		.min = 0,
		.max = 1000000,
		.help = "of these, from one IPv4 address or IPv6 /64; 0: no limit"},
	{.name = "database-url",
		.type = CONF_SECRET,
		.offset = offsetof(struct config, secret_database_url),
		.fallback = "postgresql:///wasl?user=wasl_attributor",
		.help = "Postgres, as libpq URI or keywords; not as owner or superuser",
		.check = check_database_url},
	{.name = "keyring",
		.type = CONF_TEXT,
		.offset = offsetof(struct config, keyring),
		.fallback = "/etc/wasl/keyring",
		.help = "file of the keys, mode 0600",
		.check = check_path},
	{.name = "link-base",
		.type = CONF_TEXT,
		.offset = offsetof(struct config, link_base),
		.fallback = "http://127.0.0.1:8080",
		.help = "what stands before /TOKEN in minted links: the tracker's public URL",
		.check = check_link_base},
	{.name = "listen",
		.type = CONF_TEXT,
		.offset = offsetof(struct config, listen),
		.fallback = "127.0.0.1:8090",
		.help = "address of webhooks and the reading API",
		.check = check_address},
	{.name = LOG_LEVEL,
		.type = CONF_TEXT,
		.offset = offsetof(struct config, log_level),
		.fallback = "info",
		.help = "error, warn, info or debug",
		.check = check_level},
	{.name = "order-deadline",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, order_deadline_us),
		.fallback = "1s",
		.min = 10 * US_PER_MS,
		.max = 60 * US_PER_S,
		.help = "a webhook that Postgres has not committed by then is spooled, and "
			"answered "
			"202"},
	{.name = "redis-url",
		.type = CONF_SECRET,
		.offset = offsetof(struct config, secret_redis_url),
		.fallback = "redis://127.0.0.1:6379",
		.help = "redis://[user[:password]@]host[:port][/db] or unix:///path[?db=N]",
		.check = check_redis_url},
	{.name = "spool-max",
		.type = CONF_SIZE,
		.offset = offsetof(struct config, spool_max_bytes),
		.fallback = "1GiB",
		.min = SPOOL_BYTES_MIN,
		.max = INT64_C(1) << 40,
		.help = "disk for events that Postgres did not take in time"},
	{.name = "state-dir",
		.type = CONF_TEXT,
		.offset = offsetof(struct config, state_dir),
		.fallback = "/var/lib/wasl-attributor",
		.help = "folder for what must outlive the process",
		.check = check_path},
	{.name = "takeover",
		.type = CONF_SWITCH,
		.offset = offsetof(struct config, has_takeover),
		.fallback = "off",
		.help = "take the listeners of the running process of this state-dir over"},
	{.name = "timer-interval",
		.type = CONF_DURATION,
		.offset = offsetof(struct config, timer_interval_us),
		.fallback = "1min",
		.min = 100 * US_PER_MS,
		.max = 86400 * US_PER_S,
		.help = "how often what is due by the clock is looked for"},
};

static const struct conf_program program = {
	.name = "wasl-attributor",
	.summary = "takes signed order events, attributes them to clicks and posts the commissions",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
};

enum conf_action config_load(struct config *config, int argc, char **argv)
{
	return conf_load(&program, argc, argv, config);
}

bool config_reload(struct config *config, int argc, char **argv, struct err *err)
{
	return conf_reload(&program, argc, argv, config, err);
}

void config_each_fixed(const struct config *now, const struct config *fresh,
	void (*fn)(const char *name, void *arg), void *arg)
{
	for (unsigned i = 0; i < program.option_count; i++)
		if (strcmp(options[i].name, LOG_LEVEL) != 0 &&
			!conf_value_equal(&options[i], now, fresh))
			fn(options[i].name, arg);
}

static bool check_address(struct str value, struct err *err)
{
	struct conn_address address;
	return conn_address_parse(value, &address, err);
}

static bool check_redis_url(struct str value, struct err *err)
{
	struct redis_url url;
	return redis_url_parse(value, &url, err);
}

static bool check_database_url(struct str value, struct err *err)
{
	if (value.len == 0)
		return err_set(err, ERR_USAGE, 0, "must not be empty");
	return db_url_check(value, err);
}

static bool check_path(struct str value, struct err *err)
{
	return value.len > 0 || err_set(err, ERR_USAGE, 0, "must not be empty");
}

static bool check_link_base(struct str value, struct err *err)
{
	struct str host;
	if (!catalogue_url_check(value, &host) || str_contains(value, STR("?")) ||
		str_contains(value, STR("#")))
		return err_set(err, ERR_USAGE, 0, "not an http or https URL without query");
	return true;
}

static bool check_level(struct str value, struct err *err)
{
	enum log_level level;
	return log_level_parse(value, &level) ||
	       err_set(err, ERR_USAGE, 0, "choose error, warn, info or debug");
}
