/* SPDX-License-Identifier: Apache-2.0
 * One worker: a thread with its own loop, listener, connection to Redis, keys and counters. */
#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

#define DRAIN_LOOK_US INT64_C(2000)

/* What the main thread has for the worker. */
struct mail {
	pthread_mutex_t lock;
	struct catalogue_view view;
	struct front_keys *keys;
	struct front_settings settings;
	bool has_view;
	bool has_settings;
	bool has_drain;
};

struct worker {
	struct worker_config config;
	struct loop *loop;
	struct loop_wake *wake;
	struct loop_timer *drain_timer;
	struct front *front;
	int64_t drain_until_us;
	pthread_t thread;
	bool is_started;
	bool is_draining;
	struct mail mail;
	uint64_t generation; /* atomic */
};

static void *worker_main(void *arg);
static void on_wake(void *arg);
static void on_answered(void *arg);
static void on_drain_look(void *arg);

struct worker *worker_new(const struct worker_config *config, struct err *err)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker) {
		err_set(err, ERR_SYSTEM, 0, "no memory");
		return NULL;
	}
	worker->config = *config;
	pthread_mutex_init(&worker->mail.lock, NULL);
	worker->loop = loop_new(err);
	if (worker->loop) {
		worker->wake = loop_wake_new(worker->loop, on_wake, worker, err);
		worker->drain_timer = loop_timer_new(worker->loop, on_drain_look, worker);
	}
	struct front_keys *keys =
		worker->wake && worker->drain_timer ? front_keys_new(config->keyring, err) : NULL;
	worker->front =
		keys ? front_new(worker->loop, config->config, config->connections_max, keys, err)
		     : NULL;
	bool is_listening = worker->front != NULL;
	for (unsigned i = 0; is_listening && i < config->listen_count; i++)
		is_listening = front_listen(worker->front, config->listen_fds[i], err);
	if (is_listening)
		return worker;
	worker_free(worker);
	return NULL;
}

bool worker_start(struct worker *worker, struct err *err)
{
	/* Signals are the main thread's. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int sys = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	worker->is_started = sys == 0;
	return worker->is_started || err_set(err, ERR_SYSTEM, sys, "a worker's thread");
}

void worker_give_view(struct worker *worker, const struct catalogue_view *view)
{
	pthread_mutex_lock(&worker->mail.lock);
	worker->mail.view = *view;
	worker->mail.has_view = true;
	pthread_mutex_unlock(&worker->mail.lock);
	loop_wake_post(worker->wake);
}

bool worker_give_keys(struct worker *worker, const struct keyring *keyring, struct err *err)
{
	struct front_keys *keys = front_keys_new(keyring, err);
	if (!keys)
		return false;
	pthread_mutex_lock(&worker->mail.lock);
	struct front_keys *unread = worker->mail.keys;
	worker->mail.keys = keys;
	pthread_mutex_unlock(&worker->mail.lock);
	front_keys_free(unread);
	loop_wake_post(worker->wake);
	return true;
}

void worker_give_settings(struct worker *worker, const struct front_settings *settings)
{
	pthread_mutex_lock(&worker->mail.lock);
	worker->mail.settings = *settings;
	worker->mail.has_settings = true;
	pthread_mutex_unlock(&worker->mail.lock);
	loop_wake_post(worker->wake);
}

void worker_drain(struct worker *worker)
{
	pthread_mutex_lock(&worker->mail.lock);
	worker->mail.has_drain = true;
	pthread_mutex_unlock(&worker->mail.lock);
	loop_wake_post(worker->wake);
}

uint64_t worker_generation(const struct worker *worker)
{
	return __atomic_load_n(&worker->generation, __ATOMIC_ACQUIRE);
}

const struct front_counts *worker_counts(const struct worker *worker)
{
	return front_counts(worker->front);
}

const struct conn_counts *worker_conn_counts(const struct worker *worker)
{
	return front_conn_counts(worker->front);
}

void worker_sink_status(const struct worker *worker, struct sink_status *status)
{
	front_sink_status(worker->front, status);
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->is_started)
		pthread_join(worker->thread, NULL);
	front_free(worker->front);
	front_keys_free(worker->mail.keys);
	if (worker->drain_timer)
		loop_timer_free(worker->drain_timer);
	if (worker->wake)
		loop_wake_free(worker->wake);
	if (worker->loop)
		loop_free(worker->loop);
	pthread_mutex_destroy(&worker->mail.lock);
	free(worker);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	on_wake(worker); /* the first visitor may be here before the first wake-up is */
	loop_run(worker->loop);
	worker->config.on_drained(worker->config.arg);
	return NULL;
}

static void on_wake(void *arg)
{
	struct worker *worker = arg;
	struct mail *mail = &worker->mail;
	pthread_mutex_lock(&mail->lock);
	const bool has_view = mail->has_view, has_drain = mail->has_drain;
	const struct catalogue_view view = mail->view;
	struct front_keys *keys = mail->keys;
	if (mail->has_settings)
		front_set_settings(worker->front, &mail->settings);
	mail->has_view = mail->has_drain = mail->has_settings = false;
	mail->keys = NULL;
	pthread_mutex_unlock(&mail->lock);
	if (has_view) {
		front_set_view(worker->front, &view);
		__atomic_store_n(&worker->generation, view.generation, __ATOMIC_RELEASE);
	}
	if (keys)
		front_set_keys(worker->front, keys);
	if (has_drain && !worker->is_draining) {
		worker->is_draining = true;
		front_drain(worker->front, on_answered, worker);
	}
}

/* Every answer has left; now wait, within bounds, for what Redis has not acknowledged. */
static void on_answered(void *arg)
{
	struct worker *worker = arg;
	worker->drain_until_us = clock_mono_us() + WORKER_DRAIN_US;
	on_drain_look(worker);
}

static void on_drain_look(void *arg)
{
	struct worker *worker = arg;
	if (front_redis_pending(worker->front) == 0 || clock_mono_us() >= worker->drain_until_us)
		loop_stop(worker->loop);
	else
		loop_timer_set(worker->drain_timer, DRAIN_LOOK_US);
}
