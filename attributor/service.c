/* SPDX-License-Identifier: Apache-2.0
 * Owns every part and hands each what it needs; the pure core is nobody's. */
#include "service.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "process.h"
#include "service_parts.h"
#include "timestamp.h"

#define REDIS_CONNECT_DEADLINE_US (1000 * US_PER_MS)
#define REDIS_REPLY_DEADLINE_US   (1000 * US_PER_MS)
#define READ_CONNECT_DEADLINE_US  (5 * US_PER_S)
#define READ_RUN_DEADLINE_US      (10 * US_PER_S)
#define CHECK_AGAIN_US            (1 * US_PER_S)
#define CHECK_REFUSED_US          (5 * US_PER_S)
#define START_GRACE_US            (1 * US_PER_S)   /* then a snapshot is as good as Postgres */
#define LAST_JOBS_US              (20 * US_PER_MS) /* between looks at what is still under way */
#define LAST_JOBS_LIMIT_US        (6 * US_PER_S)   /* of them: over a posting run's deadline */
#define DRAIN_LIMIT_US            (10 * US_PER_S)  /* from SIGTERM to the end, as the tracker's */
#define TAKEOVER_LIMIT_US         (30 * US_PER_S)  /* for the stores of one that takes over */
#define ADDRESS_TEXT_MAX          128

static bool start(struct service *service, struct err *err);
static bool start_stores(struct service *service, struct err *err);
static bool start_post(struct service *service, struct err *err);
static bool start_webhook(struct service *service, struct err *err);
static void on_post_state(bool is_up, void *arg);
static void on_safe(void *arg);
static bool start_listeners(struct service *service, struct err *err);
static bool listen_public(struct service *service, struct err *err);
static void stop(struct service *service);
static void stop_replay(struct service *service);
static void on_read_state(bool is_up, void *arg);
static void on_check_again(void *arg);
static void on_start_grace(void *arg);
static void refuse_schema(struct service *service, const char *why);
static bool start_timer(struct service *service);
static void become_ready(struct service *service, const char *from);
static void on_schema(enum schema_result result, const char *why, void *arg);
static void load_stores(struct service *service);
static void on_stores(bool is_ok, void *arg);
static void on_unknown_slot(void *arg);
static void on_keyring(const struct keyring *keyring, void *arg);
static void on_api_answer(enum api_route route, unsigned status, int64_t took_us, void *arg);
static void on_hangup(int signal_number, void *arg);
static void on_fixed(const char *name, void *arg);
static void on_terminate(int signal_number, void *arg);
static void on_drain_limit(void *arg);
static void on_drained(void *arg);
static void on_handed_over(void *arg);
static void on_takeover_limit(void *arg);
static void end(struct service *service, int exit_code);

int service_run(const struct config *config, int argc, char **argv)
{
	struct service *const service = calloc(1, sizeof(*service));
	struct err err = {0};
	if (service == NULL)
		return EXIT_FAILURE;
	*service = (struct service){.config = config, .argc = argc, .argv = argv};
	entropy_init(&service->entropy);
	if (start(service, &err)) {
		loop_run(service->loop);
	} else {
		log_error("start_failed", LOG_TEXT("reason", err.msg));
		service->exit_code = EXIT_FAILURE;
	}
	const int exit_code = service->exit_code;
	stop(service);
	free(service);
	log_flush();
	return exit_code;
}

static bool start(struct service *service, struct err *err)
{
	if (!keys_init(&service->keys, service->config->keyring, on_keyring, service, err))
		return false;
	service->loop = loop_new(err);
	if (service->loop == NULL)
		return false;
	service->check_again = loop_timer_new(service->loop, on_check_again, service);
	service->start_grace = loop_timer_new(service->loop, on_start_grace, service);
	service->housekeeping = loop_timer_new(service->loop, service_housekeep, service);
	service->last_jobs = loop_timer_new(service->loop, on_drained, service);
	service->drain_limit = loop_timer_new(service->loop, on_drain_limit, service);
	service->takeover_limit = loop_timer_new(service->loop, on_takeover_limit, service);
	if (service->check_again == NULL || service->start_grace == NULL ||
		service->housekeeping == NULL || service->last_jobs == NULL ||
		service->drain_limit == NULL || service->takeover_limit == NULL)
		return err_set(err, ERR_LIMIT, 0, "no memory for timers");
	return start_stores(service, err) && start_post(service, err) &&
	       start_webhook(service, err) && start_listeners(service, err) &&
	       loop_signal(service->loop, SIGHUP, on_hangup, service, err) &&
	       loop_signal(service->loop, SIGTERM, on_terminate, service, err) &&
	       loop_signal(service->loop, SIGINT, on_terminate, service, err);
}

static bool start_stores(struct service *service, struct err *err)
{
	struct redis_config redis = {.name = "attributor-clicks",
		.connect_deadline_us = REDIS_CONNECT_DEADLINE_US,
		.reply_deadline_us = REDIS_REPLY_DEADLINE_US};
	if (!redis_url_parse(str_from(service->config->secret_redis_url), &redis.url, err))
		return false;
	service->redis = redis_new(service->loop, &redis, err);
	explicit_bzero(&redis.url, sizeof(redis.url));
	if (service->redis == NULL)
		return false;
	service->read_db = db_new(service->loop,
		&(struct db_config){.url = service->config->secret_database_url,
			.name = "wasl-attributor read",
			.connect_deadline_us = READ_CONNECT_DEADLINE_US,
			.run_deadline_us = READ_RUN_DEADLINE_US,
			.on_state = on_read_state,
			.arg = service},
		err);
	if (service->read_db == NULL)
		return false;
	service->check = (struct schema_check){service->read_db, on_schema, service};
	service->stores = stores_new(service->loop, service->read_db, &service->keys.ring, err);
	if (service->stores == NULL)
		return false;
	stores_on_unknown_slot(service->stores, on_unknown_slot, service);
	service->snapshot = stores_snapshot_new(
		service->loop, service->config->state_dir, service->stores, err);
	loop_timer_set(service->start_grace, START_GRACE_US);
	return service->snapshot != NULL;
}

static bool start_post(struct service *service, struct err *err)
{
	service->post = post_new(service->loop,
		&(struct post_config){.database_url = service->config->secret_database_url,
			.batch_max = (unsigned)service->config->batch_max,
			.meters = &service->meters,
			.is_held = true,
			.on_state = on_post_state,
			.arg = service},
		err);
	if (service->post == NULL)
		return false;
	snprintf(service->spool_folder, sizeof(service->spool_folder), "%s/spool",
		service->config->state_dir);
	service->backlog =
		backlog_new(&(struct backlog_config){.loop = service->loop,
				    .folder = service->spool_folder,
				    .max_bytes = (uint64_t)service->config->spool_max_bytes,
				    .keys = &service->keys,
				    .entropy = &service->entropy,
				    .on_safe = on_safe,
				    .arg = service},
			err);
	service->quarantine = quarantine_new(&(struct quarantine_config){.loop = service->loop,
						     .db = service->read_db,
						     .post = service->post,
						     .stores = service->stores,
						     .keys = &service->keys},
		err);
	service->replay = replay_new(&(struct replay_config){.loop = service->loop,
					     .backlog = service->backlog,
					     .quarantine = service->quarantine,
					     .post = service->post,
					     .stores = service->stores,
					     .keys = &service->keys},
		err);
	return service->backlog != NULL && service->quarantine != NULL && service->replay != NULL;
}

static bool start_webhook(struct service *service, struct err *err)
{
	service->clicks = clicks_new(service->loop, &service->keys, &service->meters, err);
	if (service->clicks == NULL)
		return false;
	clicks_set_redis(service->clicks, service->redis);
	service->webhook = webhook_new(service->loop,
		&(struct webhook_config){.stores = service->stores,
			.keys = &service->keys,
			.clicks = service->clicks,
			.post = service->post,
			.backlog = service->backlog,
			.read_db = service->read_db,
			.entropy = &service->entropy,
			.meters = &service->meters,
			.order_deadline_us = service->config->order_deadline_us},
		err);
	if (service->webhook == NULL)
		return false;
	service->api = api_new(service->loop,
		&(struct api_config){.db = service->read_db,
			.link_base = service->config->link_base,
			.keyring = &service->keys.ring,
			.on_answer = on_api_answer,
			.arg = service},
		err);
	return service->api != NULL;
}

static bool start_listeners(struct service *service, struct err *err)
{
	struct conn_limits limits = conn_limits_default;
	limits.body_max = HTTP_BODY_MAX;
	limits.connections_max = process_descriptors((unsigned)service->config->connections_max);
	limits.per_address_max = (unsigned)service->config->connections_per_address;
	front_init(&service->front, service->webhook, service->api, &service->meters);
	const struct conn_handlers handlers = front_handlers(&service->front);
	service->server = conn_server_new(service->loop, &limits, &handlers, err);
	struct listeners_config config = {.state_dir = service->config->state_dir,
		.public_count = 1,
		.has_takeover = service->config->has_takeover};
	if (service->server == NULL ||
		!conn_address_parse(
			str_from(service->config->listen), &config.public_address, err) ||
		!conn_address_parse(
			str_from(service->config->admin_listen), &config.admin_address, err) ||
		!listeners_open(&service->listeners, &config, err))
		return false;
	service->admin = admin_new(service->loop, service->listeners.admin_fd,
		&(struct admin_handlers){
			.on_health = service_health, .on_metrics = service_metrics, .arg = service},
		err);
	if (service->admin == NULL)
		return false;
	char text[ADDRESS_TEXT_MAX];
	conn_address_format(text, sizeof(text), admin_address(service->admin));
	log_info("listening", LOG_TEXT("listener", "admin"), LOG_TEXT("addr", text));
	if (!service->listeners.is_taken_over)
		return listen_public(service, err);
	log_info("takeover_waits", LOG_TEXT("for", "stores"));
	loop_timer_set(service->takeover_limit, TAKEOVER_LIMIT_US);
	return true;
}

/* From here on the public listener is served, and offered to the next process. */
static bool listen_public(struct service *service, struct err *err)
{
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof(bound);
	char text[ADDRESS_TEXT_MAX];
	struct err why = {0};
	loop_timer_clear(service->takeover_limit);
	getsockname(service->listeners.public_fds[0], (struct sockaddr *)&bound, &len);
	conn_address_format(text, sizeof(text), &bound);
	for (unsigned i = 0; i < service->listeners.public_count; i++)
		if (!conn_server_listen(service->server, service->listeners.public_fds[i], err))
			return false;
	service->is_open = true;
	listeners_confirm(&service->listeners);
	log_info("listening", LOG_TEXT("listener", "public"), LOG_TEXT("addr", text));
	service->handover = handover_new(service->loop, service->config->state_dir,
		&service->listeners, on_handed_over, service, &why);
	if (service->handover == NULL)
		log_warn("handover_unavailable", LOG_TEXT("reason", why.msg));
	return true;
}

/* The next process answers for both from here on. */
static void on_handed_over(void *arg)
{
	struct service *const service = arg;
	admin_retire(service->admin);
}

static void on_takeover_limit(void *arg)
{
	struct service *const service = arg;
	if (stores_is_loaded(service->stores)) {
		become_ready(service, "snapshot");
		return;
	}
	log_error("takeover_failed", LOG_TEXT("reason", "no stores"));
	end(service, EXIT_FAILURE);
}

/* What waits on something is told before what it would go on with is gone: Redis, then the reading
 * connection, then the posting ones; the listener's answers last. */
static void stop(struct service *service)
{
	if (service->timer != NULL)
		timer_stop(service->timer);
	stop_replay(service);
	if (service->clicks != NULL)
		clicks_set_redis(service->clicks, NULL);
	redis_free(service->redis);
	db_free(service->read_db);
	publish_free(service->publish);
	stores_snapshot_free(service->snapshot);
	stores_free(service->stores);
	post_free(service->post);
	backlog_free(service->backlog); /* what it makes safe now is still answered */
	replay_free(service->replay);
	quarantine_free(service->quarantine);
	timer_free(service->timer);
	handover_free(service->handover);
	admin_free(service->admin);
	conn_server_free(service->server);
	front_release(&service->front);
	api_free(service->api);
	webhook_free(service->webhook);
	clicks_free(service->clicks);
	loop_timer_free(service->check_again);
	loop_timer_free(service->start_grace);
	loop_timer_free(service->housekeeping);
	loop_timer_free(service->last_jobs);
	loop_timer_free(service->drain_limit);
	loop_timer_free(service->takeover_limit);
	loop_free(service->loop);
	keys_release(&service->keys);
}

static void stop_replay(struct service *service)
{
	if (service->replay != NULL)
		replay_stop(service->replay);
	if (service->quarantine != NULL)
		quarantine_stop(service->quarantine);
}

static void on_post_state(bool is_up, void *arg)
{
	const struct service *const service = arg;
	if (is_up && service->replay != NULL)
		replay_kick(service->replay);
}

static void on_safe(void *arg)
{
	const struct service *const service = arg;
	if (service->replay != NULL)
		replay_kick(service->replay);
}

static void on_read_state(bool is_up, void *arg)
{
	struct service *const service = arg;
	if (!is_up)
		return;
	if (!service->is_checked)
		schema_check_start(&service->check);
	else
		load_stores(service);
}

static void on_check_again(void *arg)
{
	struct service *const service = arg;
	if (!service->is_checked)
		schema_check_start(&service->check);
	else if (!stores_is_fresh(service->stores))
		load_stores(service);
}

/* Postgres is not here, or not well: webhooks are taken by what an earlier process knew. */
static void on_start_grace(void *arg)
{
	struct service *const service = arg;
	if (stores_is_loaded(service->stores) && service->is_open)
		become_ready(service, "snapshot");
}

/* Who takes webhooks already goes on taking them; who has just begun says so and ends. */
static void refuse_schema(struct service *service, const char *why)
{
	if (!service->is_ready) {
		log_error("start_refused", LOG_TEXT("reason", why));
		end(service, EXIT_FAILURE);
		return;
	}
	if (!service->is_schema_wrong)
		log_error("posting_stopped", LOG_TEXT("reason", why));
	service->is_schema_wrong = true;
	loop_timer_set(service->check_again, CHECK_REFUSED_US);
}

static void on_schema(enum schema_result result, const char *why, void *arg)
{
	struct service *const service = arg;
	if (service->is_checked) /* asked twice, on either side of a lost connection */
		return;
	switch (result) {
	case SCHEMA_REFUSED:
		refuse_schema(service, why);
		return;
	case SCHEMA_UNREACHABLE:
		loop_timer_set(service->check_again, CHECK_AGAIN_US);
		return;
	case SCHEMA_FITS:
		break;
	}
	service->is_checked = true;
	service->is_schema_wrong = false;
	post_open(service->post);
	quarantine_start(service->quarantine);
	struct publish_config config = {.database_url = service->config->secret_database_url,
		.entropy = &service->entropy,
		.stores = service->stores};
	struct err err = {0};
	if (!redis_url_parse(
		    str_from(service->config->secret_redis_url), &config.redis_url, &err) ||
		(service->publish = publish_new(service->loop, &config, &err)) == NULL) {
		log_error("start_failed", LOG_TEXT("reason", err.msg));
		end(service, EXIT_FAILURE);
		return;
	}
	load_stores(service);
	service_housekeep(service);
}

static void load_stores(struct service *service)
{
	stores_refresh(service->stores, NULL, 0, on_stores, service);
}

static void on_stores(bool is_ok, void *arg)
{
	struct service *const service = arg;
	if (!is_ok && !stores_is_fresh(service->stores))
		loop_timer_set(service->check_again, CHECK_AGAIN_US);
	if (!is_ok || (service->timer == NULL && !start_timer(service)))
		return;
	become_ready(service, "postgres");
}

static bool start_timer(struct service *service)
{
	struct err err = {0};
	service->timer = timer_new(service->loop,
		&(struct timer_config){.database_url = service->config->secret_database_url,
			.interval_us = service->config->timer_interval_us,
			.post = service->post,
			.stores = service->stores,
			.keys = &service->keys},
		&err);
	if (service->timer == NULL) {
		log_error("start_failed", LOG_TEXT("reason", err.msg));
		end(service, EXIT_FAILURE);
	}
	return service->timer != NULL;
}

static void become_ready(struct service *service, const char *from)
{
	struct err err = {0};
	if (service->is_ready)
		return;
	service->is_ready = true;
	log_info("ready", LOG_NUM("stores", stores_count(service->stores)), LOG_TEXT("from", from));
	if (!service->is_open && !service->is_stopping && !listen_public(service, &err)) {
		log_error("start_failed", LOG_TEXT("reason", err.msg));
		end(service, EXIT_FAILURE);
	}
}

static void on_unknown_slot(void *arg)
{
	struct service *const service = arg;
	keys_reload_if_changed(&service->keys);
}

static void on_keyring(const struct keyring *keyring, void *arg)
{
	struct service *const service = arg;
	struct err err = {0};
	stores_set_keyring(service->stores, keyring);
	if (!api_set_keyring(service->api, keyring, &err))
		log_error("keyring_not_used", LOG_TEXT("reason", err.msg));
}

static void on_api_answer(enum api_route route, unsigned status, int64_t took_us, void *arg)
{
	struct service *const service = arg;
	meters_request(&service->meters, route, status, took_us);
}

/* The options are read before the keyring is taken: on any error all stays as it was. */
static void on_hangup(int signal_number, void *arg)
{
	struct service *const service = arg;
	struct config fresh;
	struct err err = {0};
	enum log_level level = LOG_INFO;
	(void)signal_number;
	if (!config_reload(&fresh, service->argc, service->argv, &err)) {
		log_error("config_refused", LOG_TEXT("reason", err.msg));
	} else if (!keys_reload(&service->keys, &err)) {
		log_error("keyring_refused", LOG_TEXT("reason", err.msg));
	} else {
		log_info("keyring_reloaded", LOG_TEXT("why", "sighup"));
		config_each_fixed(service->config, &fresh, on_fixed, NULL);
		log_level_parse(str_from(fresh.log_level), &level);
		log_set_level(level);
		log_info("config_reloaded", LOG_TEXT("level", fresh.log_level));
	}
	explicit_bzero(&fresh, sizeof(fresh));
}

static void on_fixed(const char *name, void *arg)
{
	(void)arg;
	log_warn("config_needs_restart", LOG_TEXT("option", name));
}

/* The second one does not wait. */
static void on_terminate(int signal_number, void *arg)
{
	struct service *const service = arg;
	log_info("stopping", LOG_NUM("signal", signal_number));
	if (service->is_stopping) {
		end(service, EXIT_FAILURE);
		return;
	}
	service->is_stopping = true;
	if (service->timer != NULL)
		timer_stop(service->timer);
	stop_replay(service);
	handover_free(service->handover);
	service->handover = NULL;
	loop_timer_clear(service->takeover_limit);
	loop_timer_set(service->drain_limit, DRAIN_LIMIT_US);
	conn_server_drain(service->server, on_drained, service);
}

static void on_drain_limit(void *arg)
{
	log_warn("drain_too_slow", LOG_NUM("limit_us", DRAIN_LIMIT_US));
	end(arg, EXIT_FAILURE);
}

/* Every webhook is answered; those that came too late for it are still let to commit, and so is
 * what the timer has begun. */
static void on_drained(void *arg)
{
	struct service *const service = arg;
	const int64_t now_us = loop_now_us(service->loop);
	if (service->drained_us == 0)
		service->drained_us = now_us;
	const bool is_over = webhook_jobs(service->webhook) == 0 &&
			     (service->timer == NULL || timer_is_idle(service->timer)) &&
			     replay_is_idle(service->replay) &&
			     quarantine_is_idle(service->quarantine);
	if (!is_over && now_us - service->drained_us < LAST_JOBS_LIMIT_US)
		loop_timer_set(service->last_jobs, LAST_JOBS_US);
	else
		end(service, EXIT_SUCCESS);
}

static void end(struct service *service, int exit_code)
{
	service->exit_code = exit_code;
	if (exit_code == EXIT_SUCCESS)
		log_info("stopped");
	loop_stop(service->loop);
}
