/* SPDX-License-Identifier: Apache-2.0
 * The tracker's options: one struct, one table. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "catalogue_row.h"
#include "spool.h"
#include "timestamp.h"

#define DAY_US (INT64_C(86400) * US_PER_S)

/* What SIGHUP changes while it runs. */
#define ACCESS_LOG      "access-log"
#define LOG_LEVEL       "log-level"
#define TRUSTED_PROXIES "trusted-proxies"

static bool access_parse(struct str text, unsigned *every);
static bool access_check(struct str value, struct err *err);
static bool address_check(struct str value, struct err *err);
static bool redis_check(struct str value, struct err *err);
static bool level_check(struct str value, struct err *err);
static bool path_check(struct str value, struct err *err);
static bool fallback_check(struct str value, struct err *err);
static bool sync_check(struct str value, struct err *err);
static bool proxies_check(struct str value, struct err *err);
static bool config_resolve(struct config *config, struct err *err);

#define AT(field) offsetof(struct config_text, field)

static const struct conf_option options[] = {
	{.name = ACCESS_LOG,
		.type = CONF_TEXT,
		.offset = AT(access_log),
		.fallback = "off",
		.help = "off, or 1/N: each worker logs every Nth answer",
		.check = access_check},
	{.name = "admin-listen",
		.type = CONF_TEXT,
		.offset = AT(admin_listen),
		.fallback = "127.0.0.1:8081",
		.help = "address of /healthz, /readyz and /metrics",
		.check = address_check},
	{.name = "click-deadline",
		.type = CONF_DURATION,
		.offset = AT(click_deadline_us),
		.fallback = "25ms",
		.min = US_PER_MS,
		.max = 10 * US_PER_S,
		.help = "how long a redirect waits for Redis to have its click"},
	{.name = "click-grace",
		.type = CONF_DURATION,
		.offset = AT(click_grace_us),
		.fallback = "3d",
		.min = 0,
		.max = 365 * DAY_US,
		.help = "how long a click stays in Redis after its window has ended"},
	{.name = "connections-max",
		.type = CONF_COUNT,
		.offset = AT(connections_max),
		.fallback = "16384",
		.min = 1,
		.max = 1000000,
		.help = "open connections of the public listener; more are closed at once"},
	{.name = "connections-per-address",
		.type = CONF_COUNT,
		.offset = AT(connections_per_address),
		.fallback = "2048",
		.min = 0,
		.max = 1000000,
		.help = "of these, from one IPv4 address or IPv6 /64 that is no trusted proxy; 0: "
			"no limit"},
	{.name = "fallback-url",
		.type = CONF_TEXT,
		.offset = AT(fallback_url),
		.fallback = "",
		.help = "where a link that does not open leads, instead of the 404 page",
		.check = fallback_check},
	{.name = "insecure-cookie",
		.type = CONF_SWITCH,
		.offset = AT(has_insecure_cookie),
		.fallback = "off",
		.help = "visitor cookie 'wasl' without Secure, for tests over plain HTTP"},
	{.name = "keyring",
		.type = CONF_TEXT,
		.offset = AT(keyring),
		.fallback = "/etc/wasl/keyring",
		.help = "file of the keys that open links and make click tokens",
		.check = path_check},
	{.name = "listen",
		.type = CONF_TEXT,
		.offset = AT(listen),
		.fallback = "127.0.0.1:8080",
		.help = "public address",
		.check = address_check},
	{.name = LOG_LEVEL,
		.type = CONF_TEXT,
		.offset = AT(log_level),
		.fallback = "info",
		.help = "error, warn, info or debug",
		.check = level_check},
	{.name = "redis-loss-window",
		.type = CONF_DURATION,
		.offset = AT(redis_loss_window_us),
		.fallback = "2s",
		.min = 0,
		.max = 60 * US_PER_S,
		.help = "what Redis may forget when it dies: its clicks stay in memory as long"},
	{.name = "redis-url",
		.type = CONF_SECRET,
		.offset = AT(secret_redis_url),
		.fallback = "redis://127.0.0.1:6379",
		.help = "redis://[user[:password]@]host[:port][/db] or unix:///path[?db=N]",
		.check = redis_check},
	{.name = "spool-max",
		.type = CONF_SIZE,
		.offset = AT(spool_max_bytes),
		.fallback = "1GiB",
		.min = SPOOL_BYTES_MIN,
		.max = INT64_C(1) << 40,
		.help = "disk for clicks that Redis did not take in time"},
	{.name = "spool-sync",
		.type = CONF_TEXT,
		.offset = AT(spool_sync),
		.fallback = "none",
		.help = "always: a spooled click is on disk (fdatasync) before its redirect; none: "
			"in the kernel's memory",
		.check = sync_check},
	{.name = "state-dir",
		.type = CONF_TEXT,
		.offset = AT(state_dir),
		.fallback = "/var/lib/wasl-tracker",
		.help = "folder of the catalogue's snapshot and of the spool",
		.check = path_check},
	{.name = "takeover",
		.type = CONF_SWITCH,
		.offset = AT(has_takeover),
		.fallback = "off",
		.help = "take the listeners of the running process of this state-dir over"},
	{.name = TRUSTED_PROXIES,
		.type = CONF_TEXT,
		.offset = AT(trusted_proxies),
		.fallback = "",
		.help = "comma-separated CIDRs whose X-Forwarded-For is believed",
		.check = proxies_check},
	{.name = "workers",
		.type = CONF_COUNT,
		.offset = AT(workers),
		.fallback = "0",
		.min = 0,
		.max = CONFIG_WORKERS_MAX,
		.help = "worker threads; 0: one per core"},
};

static const struct conf_program program = {
	.name = "wasl-tracker",
	.summary = "answers affiliate links with a redirect that carries a click token",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
};

enum conf_action config_load(struct config *config, int argc, char **argv)
{
	*config = (struct config){0};
	const enum conf_action action = conf_load(&program, argc, argv, &config->text);
	if (action != CONF_RUN && action != CONF_CHECKED)
		return action;
	struct err err = {0};
	if (!config_resolve(config, &err)) {
		fprintf(stderr, "%s: %s\n", program.name, err.msg);
		return CONF_EXIT_USAGE;
	}
	return action;
}

bool config_reload(struct config *config, int argc, char **argv, struct err *err)
{
	*config = (struct config){0};
	return conf_reload(&program, argc, argv, &config->text, err) && config_resolve(config, err);
}

void config_each_fixed(const struct config *now, const struct config *fresh,
	void (*fn)(const char *name, void *arg), void *arg)
{
	static const char *const changeable[] = {ACCESS_LOG, LOG_LEVEL, TRUSTED_PROXIES};
	for (unsigned i = 0; i < program.option_count; i++) {
		bool is_fixed = true;
		for (unsigned at = 0; at < sizeof(changeable) / sizeof(changeable[0]); at++)
			is_fixed &= strcmp(options[i].name, changeable[at]) != 0;
		if (is_fixed && !conf_value_equal(&options[i], &now->text, &fresh->text))
			fn(options[i].name, arg);
	}
}

/* Every text has passed its check already; what remains is to keep the values. */
static bool config_resolve(struct config *config, struct err *err)
{
	const struct config_text *text = &config->text;
	if (!conn_address_parse(str_from(text->listen), &config->listen, err) ||
		!conn_address_parse(str_from(text->admin_listen), &config->admin_listen, err) ||
		!redis_url_parse(str_from(text->secret_redis_url), &config->redis, err) ||
		!trust_parse(str_from(text->trusted_proxies), &config->trusted_proxies, err) ||
		!level_check(str_from(text->log_level), err) ||
		!access_check(str_from(text->access_log), err))
		return false;
	log_level_parse(str_from(text->log_level), &config->log_level);
	access_parse(str_from(text->access_log), &config->access_every);
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);
	config->worker_count = text->workers > 0            ? (unsigned)text->workers
			       : cores < 1                  ? 1
			       : cores > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX
							    : (unsigned)cores;
	snprintf(config->spool_folder, sizeof(config->spool_folder), "%s/spool", text->state_dir);
	config->has_spool_sync = str_equal(str_from(text->spool_sync), STR("always"));
	/* Each worker has a spool of its own. */
	const uint64_t share = (uint64_t)text->spool_max_bytes / config->worker_count;
	config->spool_worker_bytes = share > SPOOL_BYTES_MIN ? share : SPOOL_BYTES_MIN;
	return true;
}

static bool access_parse(struct str text, unsigned *every)
{
	uint64_t number = 0;
	const bool is_part = str_has_prefix(text, STR("1/"));
	if (!is_part && !str_equal(text, STR("off")))
		return false;
	if (is_part && (!str_parse_u64((struct str){text.data + 2, text.len - 2},
				CONFIG_ACCESS_EVERY_MAX, &number) ||
			       number == 0))
		return false;
	*every = (unsigned)number;
	return true;
}

static bool access_check(struct str value, struct err *err)
{
	unsigned every;
	return access_parse(value, &every) ||
	       err_set(err, ERR_USAGE, 0, "neither off nor 1/N with N from 1 to %d",
		       CONFIG_ACCESS_EVERY_MAX);
}

static bool address_check(struct str value, struct err *err)
{
	struct conn_address address;
	return conn_address_parse(value, &address, err);
}

static bool redis_check(struct str value, struct err *err)
{
	struct redis_url url;
	const bool is_good = redis_url_parse(value, &url, err);
	explicit_bzero(&url, sizeof(url));
	return is_good;
}

static bool level_check(struct str value, struct err *err)
{
	enum log_level level;
	return log_level_parse(value, &level) ||
	       err_set(err, ERR_USAGE, 0, "not one of error, warn, info, debug");
}

static bool path_check(struct str value, struct err *err)
{
	return value.len > 0 || err_set(err, ERR_USAGE, 0, "must not be empty");
}

static bool fallback_check(struct str value, struct err *err)
{
	struct str host;
	return value.len == 0 || catalogue_url_check(value, &host) ||
	       err_set(err, ERR_USAGE, 0, "not an http or https URL that a redirect may carry");
}

static bool sync_check(struct str value, struct err *err)
{
	return str_equal(value, STR("always")) || str_equal(value, STR("none")) ||
	       err_set(err, ERR_USAGE, 0, "neither always nor none");
}

static bool proxies_check(struct str value, struct err *err)
{
	struct trust trust;
	return trust_parse(value, &trust, err);
}
