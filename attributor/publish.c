/* SPDX-License-Identifier: Apache-2.0
 * Who publishes (the holder of the advisory lock), and hearing of what has changed. */
#include "publish.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "publish_run.h"
#include "stats.h"

#define PUBLISH_CONNECT_US (3 * INT64_C(1000000))
#define PUBLISH_DB_RUN_US  (30 * INT64_C(1000000)) /* a page of a large table on a busy server */
#define PUBLISH_REPLY_US   (5 * INT64_C(1000000))

static const char sql_listen[] = "LISTEN " PUBLISH_CHANNEL;
static const char sql_lock[] = "SELECT pg_try_advisory_lock(" PUBLISH_LOCK ")";

static bool publish_connect(
	struct publish *publish, const struct publish_config *config, struct err *err);
static void on_db_state(bool is_up, void *arg);
static void on_listening(const struct db_result *result, void *arg);
static void lock_ask(struct publish *publish);
static void on_lock(const struct db_result *result, void *arg);
static void role_lose(struct publish *publish);
static void on_notify(struct str channel, struct str payload, void *arg);
static void refresh_stores(struct publish *publish, const uint32_t *ids, unsigned count);
static void on_stores_refreshed(bool is_ok, void *arg);
static void on_redis_state(bool is_up, void *arg);
static void on_tick(void *arg);

struct publish *publish_new(struct loop *loop, const struct publish_config *config, struct err *err)
{
	struct publish *publish = calloc(1, sizeof(*publish));
	if (!publish) {
		err_set(err, ERR_SYSTEM, 0, "no memory for the publisher");
		return NULL;
	}
	publish->magic = PUBLISH_MAGIC;
	publish->loop = loop;
	publish->stores = config->stores;
	publish->entropy = config->entropy;
	publish->incoming = calloc(1, sizeof(*publish->incoming));
	publish->current = calloc(1, sizeof(*publish->current));
	publish->tick = loop_timer_new(loop, on_tick, publish);
	if (!publish->incoming || !publish->current || !publish->tick) {
		err_set(err, ERR_SYSTEM, 0, "no memory for the publisher");
		publish_free(publish);
		return NULL;
	}
	if (!publish_connect(publish, config, err)) {
		publish_free(publish);
		return NULL;
	}
	loop_timer_set(publish->tick, PUBLISH_TICK_US);
	return publish;
}

const struct publish_counts *publish_counts(const struct publish *publish)
{
	return &publish->counts;
}

const struct redis_counts *publish_redis_counts(const struct publish *publish)
{
	return redis_counts(publish->redis);
}

void publish_free(struct publish *publish)
{
	if (!publish)
		return;
	publish->is_closing = true;
	if (publish->db)
		db_free(publish->db);
	if (publish->redis)
		redis_free(publish->redis);
	if (publish->tick)
		loop_timer_free(publish->tick);
	free(publish->incoming);
	free(publish->current);
	publish->magic = 0;
	free(publish);
}

static bool publish_connect(
	struct publish *publish, const struct publish_config *config, struct err *err)
{
	const struct db_config db = {
		.url = config->database_url,
		.name = "wasl-attributor publish",
		.connect_deadline_us = PUBLISH_CONNECT_US,
		.run_deadline_us = PUBLISH_DB_RUN_US,
		.on_state = on_db_state,
		.on_notify = on_notify,
		.arg = publish,
	};
	const struct redis_config redis = {
		.url = config->redis_url,
		.name = "publish",
		.connect_deadline_us = PUBLISH_CONNECT_US,
		.reply_deadline_us = PUBLISH_REPLY_US,
		.on_state = on_redis_state,
		.arg = publish,
	};
	publish->redis = redis_new(publish->loop, &redis, err);
	if (!publish->redis)
		return false;
	publish->db = db_new(publish->loop, &db, err);
	return publish->db != NULL;
}

/* The lock lives and dies with the session: a connection that is lost takes the role with it. */
static void on_db_state(bool is_up, void *arg)
{
	struct publish *publish = publish_of(arg);
	if (publish->is_closing)
		return;
	publish->is_listening = false;
	role_lose(publish);
	if (!is_up)
		return;
	const struct db_statement listen = {.sql = sql_listen};
	(void)db_run(publish->db, &listen, 1, on_listening, publish);
}

/* What changed while nobody listened is not known: all stores are read again. */
static void on_listening(const struct db_result *result, void *arg)
{
	struct publish *publish = publish_of(arg);
	if (publish->is_closing)
		return;
	if (result->status != DB_OK) {
		log_warn("publish_listen_failed", LOG_TEXT("why", result->message));
		return;
	}
	publish->is_listening = true;
	refresh_stores(publish, NULL, 0);
	lock_ask(publish);
}

static void lock_ask(struct publish *publish)
{
	if (publish->has_role || publish->is_lock_asked || !publish->is_listening)
		return;
	const struct db_statement lock = {.sql = sql_lock};
	publish->is_lock_asked = db_run(publish->db, &lock, 1, on_lock, publish);
}

static void on_lock(const struct db_result *result, void *arg)
{
	struct publish *publish = publish_of(arg);
	publish->is_lock_asked = false;
	if (publish->is_closing || !publish->is_listening || result->status != DB_OK)
		return;
	if (!db_rows_bool(result->rows[0], 0, 0))
		return;
	log_info("publisher_role", LOG_BOOL("is_held", true));
	publish->has_role = true;
	stats_set(&publish->counts.is_publisher, 1);
	changes_set_all(publish->incoming);
	publish_run_step(publish);
}

static void role_lose(struct publish *publish)
{
	if (!publish->has_role)
		return;
	log_warn("publisher_role", LOG_BOOL("is_held", false));
	publish->has_role = false;
	changes_clear(publish->incoming);
	publish->epoch.name[0] = '\0';
	stats_set(&publish->counts.is_publisher, 0);
	stats_set(&publish->counts.version, 0);
	stats_set(&publish->counts.rows, 0);
	stats_set(&publish->counts.pending, 0);
	publish_run_fail(publish, "the role is lost");
	publish_run_step(publish);
}

static void on_notify(struct str channel, struct str payload, void *arg)
{
	struct publish *publish = publish_of(arg);
	struct notice notice;
	if (publish->is_closing || !str_equal(channel, STR(PUBLISH_CHANNEL)))
		return;
	if (!notice_parse(&notice, payload)) {
		log_warn("publish_notice_refused", LOG_NUM("bytes", payload.len));
		return;
	}
	if (!notice.is_ack && notice.kind == CATALOGUE_STORE)
		refresh_stores(publish, notice.ids, notice.id_count);
	if (!publish->has_role)
		return;
	if (!changes_add(publish->incoming, &notice))
		log_warn("publish_ack_dropped", LOG_NUM("waiting", CHANGES_TOKENS_MAX));
	publish_run_step(publish);
}

static void refresh_stores(struct publish *publish, const uint32_t *ids, unsigned count)
{
	if (!publish->stores)
		return;
	publish->refreshes_started++;
	stores_refresh(publish->stores, ids, count, on_stores_refreshed, publish);
}

/* One that failed counts too: a webhook asks for its store again by itself. */
static void on_stores_refreshed(bool is_ok, void *arg)
{
	struct publish *publish = publish_of(arg);
	(void)is_ok;
	publish->refreshes_done++;
	if (!publish->is_closing)
		publish_run_step(publish);
}

static void on_redis_state(bool is_up, void *arg)
{
	struct publish *publish = publish_of(arg);
	if (publish->is_closing)
		return;
	if (!is_up) {
		/* It may come back without its last second, or empty. */
		changes_set_all(publish->incoming);
		publish_run_fail(publish, "Redis is away");
	}
	publish_run_step(publish);
}

static void on_tick(void *arg)
{
	struct publish *publish = publish_of(arg);
	loop_timer_set(publish->tick, PUBLISH_TICK_US);
	publish->is_resting = false;
	if (db_is_up(publish->db) && !publish->is_listening && db_is_idle(publish->db))
		on_db_state(true, publish);
	lock_ask(publish);
	publish_run_check(publish);
	publish_run_step(publish);
}
