/* SPDX-License-Identifier: Apache-2.0
 * The running tracker: its workers, the catalogue they share, the admin listener and the signals.
 */
#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "catalogue_follow.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "worker.h"

#define ADDRESS_TEXT_MAX 128
/* Descriptors besides the public connections: listeners, loops, Redis, admin, files. */
#define DESCRIPTORS_OWN 256

struct crew {
	const struct config *config;
	struct keyring *keyring;
	struct loop *loop;
	struct admin *admin;
	struct follow *follow;
	struct loop_wake *drained; /* posted by each worker's end */
	struct loop_timer *drain_timer;
	struct worker *workers[CONFIG_WORKERS_MAX];
	struct conn_address address; /* of the public listener, its port known */
	unsigned worker_count;
	unsigned started_count;
	unsigned drained_count; /* atomic */
	bool is_draining;
	int exit_code;
};

static bool crew_start(struct crew *crew, struct err *err);
static bool workers_make(struct crew *crew, struct err *err);
static bool workers_start(struct crew *crew, struct err *err);
static bool admin_start(struct crew *crew, struct err *err);
static bool signals_start(struct crew *crew, struct err *err);
static void crew_release(struct crew *crew);
static void descriptors_raise(void);
static void descriptors_check(const struct config *config);
static void listening_log(const char *listener, const struct sockaddr_storage *address);
static void on_view(const struct catalogue_view *view, void *arg);
static uint64_t oldest_in_use(void *arg);
static void on_health(struct admin_health *health, void *arg);
static void on_metrics(struct buf *out, void *arg);
static void on_reload(int signal_number, void *arg);
static void on_stop(int signal_number, void *arg);
static void on_worker_end(void *arg);
static void on_drained(void *arg);
static void on_drain_deadline(void *arg);

int crew_run(const struct config *config, struct keyring *keyring)
{
	struct crew crew = {.config = config, .keyring = keyring, .exit_code = 1};
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
	descriptors_raise();
	crew->loop = loop_new(err);
	if (!crew->loop)
		return false;
	crew->drained = loop_wake_new(crew->loop, on_drained, crew, err);
	crew->drain_timer = loop_timer_new(crew->loop, on_drain_deadline, crew);
	if (!crew->drained || !crew->drain_timer)
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
	if (!crew->follow || !signals_start(crew, err) || !admin_start(crew, err) ||
		!workers_make(crew, err))
		return false;
	follow_restore(crew->follow);
	if (!workers_start(crew, err))
		return false;
	listening_log("public", &crew->address.sockaddr);
	listening_log("admin", admin_address(crew->admin));
	descriptors_check(crew->config);
	return true;
}

/* All are made before any of them runs, so that a failure has nothing to stop. */
static bool workers_make(struct crew *crew, struct err *err)
{
	struct conn_address address = crew->config->listen;
	for (unsigned i = 0; i < crew->config->worker_count; i++) {
		const int fd = conn_listen(&address, true, i == 0, err);
		if (fd < 0)
			return false;
		struct sockaddr_storage bound = {0};
		socklen_t len = sizeof(bound);
		if (i == 0 && getsockname(fd, (struct sockaddr *)&bound, &len) == 0)
			address = (struct conn_address){.sockaddr = bound, .len = len};
		const struct worker_config config = {
			.config = crew->config,
			.listen_fd = fd,
			.keyring = crew->keyring,
			.on_drained = on_worker_end,
			.arg = crew,
		};
		crew->workers[i] = worker_new(&config, err);
		if (!crew->workers[i])
			return false;
		crew->worker_count++;
	}
	crew->address = address;
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
	crew->admin = admin_new(crew->loop, &crew->config->admin_listen, &handlers, err);
	return crew->admin != NULL;
}

static bool signals_start(struct crew *crew, struct err *err)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
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
	follow_free(crew->follow);
	if (crew->drain_timer)
		loop_timer_free(crew->drain_timer);
	if (crew->drained)
		loop_wake_free(crew->drained);
	if (crew->loop)
		loop_free(crew->loop);
}

/* As many descriptors as the hard limit gives. */
static void descriptors_raise(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Too few are said once; the connection layer lives with them. */
static void descriptors_check(const struct config *config)
{
	struct rlimit limit;
	const rlim_t wanted = (rlim_t)config->text.connections_max + DESCRIPTORS_OWN;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
		log_warn("few_descriptors", LOG_NUM("have", limit.rlim_cur),
			LOG_NUM("want", wanted));
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
	if (!metrics_redis_is_up(&source))
		health->degraded[health->degraded_count++] = "redis";
	if (status.is_stale)
		health->degraded[health->degraded_count++] = "catalogue_stale";
}

static void on_metrics(struct buf *out, void *arg)
{
	const struct metrics_source source = source_of(arg);
	metrics_write(&source, out);
}

/* The old ring stays on any error. */
static void on_reload(int signal_number, void *arg)
{
	(void)signal_number;
	struct crew *crew = arg;
	struct keyring fresh = {0};
	struct err err = {0};
	if (!keyring_load(&fresh, crew->config->text.keyring, &err)) {
		log_error("keyring_refused", LOG_TEXT("why", err.msg));
		return;
	}
	keyring_release(crew->keyring);
	*crew->keyring = fresh;
	keyring_release(&fresh);
	for (unsigned i = 0; i < crew->worker_count; i++)
		if (!worker_give_keys(crew->workers[i], crew->keyring, &err))
			log_error(
				"keyring_refused", LOG_NUM("worker", i), LOG_TEXT("why", err.msg));
	log_info("keyring_reloaded", LOG_NUM("active", crew->keyring->active));
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
	loop_timer_set(crew->drain_timer, CREW_DRAIN_US);
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
