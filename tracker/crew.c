/* SPDX-License-Identifier: Apache-2.0
 * The running tracker: its workers, the catalogue they share, the admin listener and the signals.
 */
#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "catalogue_follow.h"
#include "handover.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "process.h"
#include "worker.h"

#define ADDRESS_TEXT_MAX 128
/* For the catalogue of a process that takes over: it accepts nobody before. */
#define CATALOGUE_LIMIT_US INT64_C(30000000)

struct crew {
	const struct config *config;
	struct keyring *keyring;
	int argc;
	char **argv;
	struct loop *loop;
	struct admin *admin;
	struct follow *follow;
	struct loop_wake *drained; /* posted by each worker's end */
	struct loop_timer *drain_timer;
	struct loop_timer *catalogue_timer;
	struct listeners listeners;
	struct handover *handover;
	struct worker *workers[CONFIG_WORKERS_MAX];
	struct sockaddr_storage address; /* of the public listener, its port known */
	unsigned worker_count;
	unsigned connections_max; /* of the process */
	unsigned started_count;
	unsigned drained_count; /* atomic */
	bool is_loaded;         /* the catalogue is there */
	bool is_open;           /* the workers accept */
	bool is_draining;
	int exit_code;
};

static bool crew_start(struct crew *crew, struct err *err);
static bool crew_open(struct crew *crew, struct err *err);
static bool listeners_start(struct crew *crew, struct err *err);
static bool workers_make(struct crew *crew, struct err *err);
static bool workers_start(struct crew *crew, struct err *err);
static bool admin_start(struct crew *crew, struct err *err);
static bool signals_start(struct crew *crew, struct err *err);
static void crew_release(struct crew *crew);
static void listening_log(const char *listener, const struct sockaddr_storage *address);
static void on_view(const struct catalogue_view *view, void *arg);
static uint64_t oldest_in_use(void *arg);
static void on_health(struct admin_health *health, void *arg);
static void on_metrics(struct buf *out, void *arg);
static void on_reload(int signal_number, void *arg);
static void keyring_take(struct crew *crew, const struct keyring *ring);
static void settings_take(struct crew *crew, const struct config *config);
static void on_fixed(const char *name, void *arg);
static void on_stop(int signal_number, void *arg);
static void on_worker_end(void *arg);
static void on_drained(void *arg);
static void on_drain_deadline(void *arg);
static void on_catalogue_deadline(void *arg);
static void on_handed_over(void *arg);

int crew_run(const struct config *config, struct keyring *keyring, int argc, char **argv)
{
	struct crew crew = {
		.config = config, .keyring = keyring, .argc = argc, .argv = argv, .exit_code = 1};
	struct err err = {0};
	if (crew_start(&crew, &err)) {
		loop_run(crew.loop);
		follow_save(crew.follow);
		log_info("stopped", LOG_NUM("code", crew.exit_code));
	} else {
		fprintf(stderr, "wasl-tracker: %s\n", err.msg);
	}
	/* A worker that did not end in time can't be joined: the process's end takes it along. */
	if (crew.drained_count < crew.started_count && crew.is_draining)
		_exit(crew.exit_code);
	crew_release(&crew);
	return crew.exit_code;
}

static bool crew_start(struct crew *crew, struct err *err)
{
	crew->connections_max = process_descriptors((unsigned)crew->config->text.connections_max);
	crew->loop = loop_new(err);
	if (!crew->loop)
		return false;
	crew->drained = loop_wake_new(crew->loop, on_drained, crew, err);
	crew->drain_timer = loop_timer_new(crew->loop, on_drain_deadline, crew);
	crew->catalogue_timer = loop_timer_new(crew->loop, on_catalogue_deadline, crew);
	if (!crew->drained || !crew->drain_timer || !crew->catalogue_timer)
		return false;
	const struct follow_config follow = {
		.loop = crew->loop,
		.url = &crew->config->redis,
		.state_dir = crew->config->text.state_dir,
		.on_view = on_view,
		.oldest_in_use = oldest_in_use,
		.arg = crew,
	};
	crew->follow = follow_new(&follow, err);
	if (!crew->follow || !signals_start(crew, err) || !listeners_start(crew, err) ||
		!admin_start(crew, err) || !workers_make(crew, err))
		return false;
	follow_restore(crew->follow);
	if (!crew->listeners.is_taken_over || crew->is_loaded)
		return crew_open(crew, err);
	log_info("takeover_waits", LOG_TEXT("for", "catalogue"));
	loop_timer_set(crew->catalogue_timer, CATALOGUE_LIMIT_US);
	return true;
}

/* From here on the public listeners are served, and offered to the next process. */
static bool crew_open(struct crew *crew, struct err *err)
{
	struct err why = {0};
	if (!workers_start(crew, err))
		return false;
	crew->is_open = true;
	loop_timer_clear(crew->catalogue_timer);
	listeners_confirm(&crew->listeners);
	listening_log("public", &crew->address);
	listening_log("admin", admin_address(crew->admin));
	crew->handover = handover_new(crew->loop, crew->config->text.state_dir, &crew->listeners,
		on_handed_over, crew, &why);
	if (!crew->handover)
		log_warn("handover_unavailable", LOG_TEXT("why", why.msg));
	return true;
}

static bool listeners_start(struct crew *crew, struct err *err)
{
	const struct listeners_config config = {
		.state_dir = crew->config->text.state_dir,
		.public_address = crew->config->listen,
		.admin_address = crew->config->admin_listen,
		.public_count = crew->config->worker_count,
		.has_takeover = crew->config->text.has_takeover,
	};
	if (!listeners_open(&crew->listeners, &config, err))
		return false;
	socklen_t len = sizeof(crew->address);
	if (getsockname(crew->listeners.public_fds[0], (struct sockaddr *)&crew->address, &len) !=
		0)
		return err_set(err, ERR_SYSTEM, errno, "public listener");
	if (crew->listeners.is_taken_over)
		log_info("taken_over", LOG_NUM("listeners", crew->listeners.public_count));
	return true;
}

/* All are made before any of them runs, so that a failure has nothing to stop. */
static bool workers_make(struct crew *crew, struct err *err)
{
	const unsigned count = crew->config->worker_count;
	for (unsigned i = 0; i < count; i++) {
		/* A process taken over from may have had more workers. */
		int fds[HANDOVER_PUBLIC_MAX];
		unsigned fd_count = 0;
		for (unsigned at = i; at < crew->listeners.public_count; at += count)
			fds[fd_count++] = crew->listeners.public_fds[at];
		const struct worker_config config = {
			.config = crew->config,
			.listen_fds = fds,
			.listen_count = fd_count,
			.keyring = crew->keyring,
			.connections_max = (crew->connections_max + count - 1) / count,
			.on_drained = on_worker_end,
			.arg = crew,
		};
		crew->workers[i] = worker_new(&config, err);
		if (!crew->workers[i])
			return false;
		crew->worker_count++;
	}
	return true;
}

static bool workers_start(struct crew *crew, struct err *err)
{
	for (unsigned i = 0; i < crew->worker_count; i++) {
		if (!worker_start(crew->workers[i], err)) {
			crew->is_draining = true; /* the started ones can't be joined */
			return false;
		}
		crew->started_count++;
	}
	return true;
}

static bool admin_start(struct crew *crew, struct err *err)
{
	const struct admin_handlers handlers = {
		.on_health = on_health, .on_metrics = on_metrics, .arg = crew};
	crew->admin = admin_new(crew->loop, crew->listeners.admin_fd, &handlers, err);
	return crew->admin != NULL;
}

static bool signals_start(struct crew *crew, struct err *err)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL); /* a full disk is the spool's to tell */
	return loop_signal(crew->loop, SIGHUP, on_reload, crew, err) &&
	       loop_signal(crew->loop, SIGTERM, on_stop, crew, err) &&
	       loop_signal(crew->loop, SIGINT, on_stop, crew, err);
}

static void crew_release(struct crew *crew)
{
	for (unsigned i = 0; i < crew->worker_count; i++)
		worker_free(crew->workers[i]);
	if (crew->admin)
		admin_free(crew->admin);
	handover_free(crew->handover);
	follow_free(crew->follow);
	if (crew->catalogue_timer)
		loop_timer_free(crew->catalogue_timer);
	if (crew->drain_timer)
		loop_timer_free(crew->drain_timer);
	if (crew->drained)
		loop_wake_free(crew->drained);
	if (crew->loop)
		loop_free(crew->loop);
}

static void listening_log(const char *listener, const struct sockaddr_storage *address)
{
	char text[ADDRESS_TEXT_MAX];
	conn_address_format(text, sizeof(text), address);
	log_info("listening", LOG_TEXT("listener", listener), LOG_TEXT("addr", text));
}

static void on_view(const struct catalogue_view *view, void *arg)
{
	struct crew *crew = arg;
	for (unsigned i = 0; i < crew->worker_count; i++)
		worker_give_view(crew->workers[i], view);
	crew->is_loaded = view->is_loaded;
	struct err err = {0};
	if (!loop_timer_is_set(crew->catalogue_timer) || !crew->is_loaded)
		return;
	if (!crew_open(crew, &err)) {
		log_error("start_failed", LOG_TEXT("why", err.msg));
		loop_stop(crew->loop);
	}
}

static void on_catalogue_deadline(void *arg)
{
	struct crew *crew = arg;
	log_error("takeover_failed", LOG_TEXT("why", "no catalogue"));
	loop_stop(crew->loop);
}

/* The next process answers for both from here on. */
static void on_handed_over(void *arg)
{
	struct crew *crew = arg;
	admin_retire(crew->admin);
}

static uint64_t oldest_in_use(void *arg)
{
	const struct crew *crew = arg;
	uint64_t oldest = UINT64_MAX;
	for (unsigned i = 0; i < crew->worker_count; i++) {
		const uint64_t generation = worker_generation(crew->workers[i]);
		oldest = generation < oldest ? generation : oldest;
	}
	return oldest;
}

static struct metrics_source source_of(const struct crew *crew)
{
	return (struct metrics_source){.workers = crew->workers,
		.worker_count = crew->worker_count,
		.follow = crew->follow};
}

static void on_health(struct admin_health *health, void *arg)
{
	const struct crew *crew = arg;
	const struct metrics_source source = source_of(crew);
	struct follow_status status;
	follow_status(crew->follow, &status);
	health->is_ready = status.is_ready && !crew->is_draining;
	health->degraded_count = 0;
	if (metrics_redis_is_away(&source))
		health->degraded[health->degraded_count++] = "redis";
	unsigned spool_full, spool_failing;
	metrics_spool_state(&source, &spool_full, &spool_failing);
	if (spool_full > 0)
		health->degraded[health->degraded_count++] = "spool_full";
	if (spool_failing > 0)
		health->degraded[health->degraded_count++] = "spool_failing";
	if (status.is_stale)
		health->degraded[health->degraded_count++] = "catalogue_stale";
}

static void on_metrics(struct buf *out, void *arg)
{
	const struct metrics_source source = source_of(arg);
	metrics_write(&source, out);
}

/* Both are read before either is used: on any error all stays as it was. */
static void on_reload(int signal_number, void *arg)
{
	(void)signal_number;
	struct crew *crew = arg;
	struct keyring ring = {0};
	struct config config;
	struct err err = {0}, config_err = {0};
	const bool has_ring = keyring_load(&ring, crew->config->text.keyring, &err);
	const bool has_config = config_reload(&config, crew->argc, crew->argv, &config_err);
	if (!has_ring)
		log_error("keyring_refused", LOG_TEXT("why", err.msg));
	if (!has_config)
		log_error("config_refused", LOG_TEXT("why", config_err.msg));
	if (has_ring && has_config) {
		keyring_take(crew, &ring);
		settings_take(crew, &config);
	}
	keyring_release(&ring);
	explicit_bzero(&config, sizeof(config));
}

static void keyring_take(struct crew *crew, const struct keyring *ring)
{
	struct err err = {0};
	keyring_release(crew->keyring);
	*crew->keyring = *ring;
	for (unsigned i = 0; i < crew->worker_count; i++)
		if (!worker_give_keys(crew->workers[i], crew->keyring, &err))
			log_error(
				"keyring_refused", LOG_NUM("worker", i), LOG_TEXT("why", err.msg));
	log_info("keyring_reloaded", LOG_NUM("active", crew->keyring->active));
}

static void settings_take(struct crew *crew, const struct config *config)
{
	const struct front_settings settings = front_settings_of(config);
	config_each_fixed(crew->config, config, on_fixed, NULL);
	log_set_level(config->log_level);
	for (unsigned i = 0; i < crew->worker_count; i++)
		worker_give_settings(crew->workers[i], &settings);
	log_info("config_reloaded", LOG_TEXT("level", config->text.log_level),
		LOG_NUM("trusted_proxies", settings.trusted_proxies.count),
		LOG_TEXT("access_log", config->text.access_log));
}

static void on_fixed(const char *name, void *arg)
{
	(void)arg;
	log_warn("config_needs_restart", LOG_TEXT("option", name));
}

static void on_stop(int signal_number, void *arg)
{
	struct crew *crew = arg;
	if (crew->is_draining) {
		log_warn("stopped_at_once", LOG_NUM("signal", signal_number));
		_exit(1);
	}
	crew->is_draining = true;
	log_info("stopping", LOG_NUM("signal", signal_number));
	handover_free(crew->handover);
	crew->handover = NULL;
	loop_timer_clear(crew->catalogue_timer);
	loop_timer_set(crew->drain_timer, CREW_DRAIN_US);
	if (!crew->is_open)
		on_drained(crew);
	for (unsigned i = 0; i < crew->worker_count; i++)
		worker_drain(crew->workers[i]);
}

/* In a worker's thread. */
static void on_worker_end(void *arg)
{
	struct crew *crew = arg;
	__atomic_add_fetch(&crew->drained_count, 1, __ATOMIC_RELEASE);
	loop_wake_post(crew->drained);
}

static void on_drained(void *arg)
{
	struct crew *crew = arg;
	if (__atomic_load_n(&crew->drained_count, __ATOMIC_ACQUIRE) < crew->started_count)
		return;
	crew->exit_code = 0;
	loop_stop(crew->loop);
}

static void on_drain_deadline(void *arg)
{
	struct crew *crew = arg;
	log_error("drain_too_slow",
		LOG_NUM("workers", crew->started_count - __atomic_load_n(&crew->drained_count,
								 __ATOMIC_ACQUIRE)));
	loop_stop(crew->loop);
}
