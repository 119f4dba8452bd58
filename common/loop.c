/* SPDX-License-Identifier: Apache-2.0
 * The loop on libevent: one turn is libevent's wait and callbacks, then the defers. */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "clock.h"

/* How often defers that schedule each other may take turns before sockets are looked at again. */
#define LOOP_DEFER_PASSES_MAX 8

struct loop_signal_watch {
	struct event event;
	loop_signal_fn *fn;
	void *arg;
	struct loop *loop;
	struct loop_signal_watch *next;
};

struct loop {
	struct event_base *base;
	int64_t now_us;
	bool has_now; /* now_us was read in this turn */
	bool is_stopping;
	struct loop_defer *first; /* scheduled defers, oldest first */
	struct loop_defer *last;
	struct loop_signal_watch *signals;
};

struct loop_watch {
	struct event event;
	struct loop *loop;
	loop_ready_fn *fn;
	void *arg;
	int fd;
	unsigned wants;
};

struct loop_timer {
	struct event event;
	struct loop *loop;
	loop_fn *fn;
	void *arg;
	int64_t due_us;
	bool is_set; /* as event_pending says, which takes a while for what is asked so often */
};

struct loop_defer {
	struct loop *loop;
	loop_fn *fn;
	void *arg;
	struct loop_defer *next;
	struct loop_defer *previous;
	bool is_scheduled;
};

struct loop_wake {
	struct loop_watch *watch;
	loop_fn *fn;
	void *arg;
	int fd;
};

static void run_defers(struct loop *loop);
static void defer_unlink(struct loop_defer *defer);
static void refresh_now(struct loop *loop);
static void on_watch(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);
static void timer_arm(struct loop_timer *timer, int64_t delay_us);
static void on_wake(unsigned ready, void *arg);
static void on_signal(evutil_socket_t signal_number, short what, void *arg);

struct loop *loop_new(struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct event_config *config = event_config_new();
	if (!loop || !config) {
		err_set(err, ERR_SYSTEM, ENOMEM, "event loop");
		goto fail;
	}
	/* One thread per base: no locks. The base's coarse clock is enough, see on_timer. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	loop->base = event_base_new_with_config(config);
	if (!loop->base) {
		err_set(err, ERR_SYSTEM, errno, "event loop");
		goto fail;
	}
	event_config_free(config);
	refresh_now(loop);
	return loop;
fail:
	if (config)
		event_config_free(config);
	free(loop);
	return NULL;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	assert(!loop->first);
	while (loop->signals) {
		struct loop_signal_watch *watch = loop->signals;
		loop->signals = watch->next;
		event_del(&watch->event);
		free(watch);
	}
	event_base_free(loop->base);
	free(loop);
}

void loop_run(struct loop *loop)
{
	loop->is_stopping = false;
	loop->has_now = false;
	refresh_now(loop);
	run_defers(loop);
	while (!loop->is_stopping) {
		loop->has_now = false;
		const int flags = EVLOOP_ONCE | (loop->first ? EVLOOP_NONBLOCK : 0);
		const int result = event_base_loop(loop->base, flags);
		assert(result >= 0);
		if (result > 0 && !loop->first)
			break; /* nothing is left that could ever happen */
		refresh_now(loop);
		run_defers(loop);
	}
}

void loop_stop(struct loop *loop)
{
	loop->is_stopping = true;
}

int64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_ready_fn *fn, void *arg)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	watch->loop = loop;
	watch->fd = fd;
	watch->fn = fn;
	watch->arg = arg;
	return watch;
}

void loop_watch_set(struct loop_watch *watch, unsigned wants)
{
	if (wants == watch->wants)
		return;
	if (watch->wants)
		event_del(&watch->event);
	watch->wants = wants;
	if (!wants)
		return;
	const int what = EV_PERSIST | ((wants & LOOP_READ) ? EV_READ : 0) |
			 ((wants & LOOP_WRITE) ? EV_WRITE : 0);
	event_assign(&watch->event, watch->loop->base, watch->fd, (short)what, on_watch, watch);
	/* The kernel may be out of memory or watches: nothing is heard then, and the deadline of
	 * whoever waits ends it. */
	if (event_add(&watch->event, NULL) != 0)
		watch->wants = 0;
}

unsigned loop_watch_wants(const struct loop_watch *watch)
{
	return watch->wants;
}

void loop_watch_free(struct loop_watch *watch)
{
	if (!watch)
		return;
	if (watch->wants)
		event_del(&watch->event);
	free(watch);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));
	if (!timer)
		return NULL;
	timer->loop = loop;
	timer->fn = fn;
	timer->arg = arg;
	event_assign(&timer->event, loop->base, -1, 0, on_timer, timer);
	return timer;
}

void loop_timer_set(struct loop_timer *timer, int64_t delay_us)
{
	if (delay_us < 0)
		delay_us = 0;
	timer->due_us = timer->loop->now_us + delay_us;
	timer_arm(timer, delay_us);
}

void loop_timer_clear(struct loop_timer *timer)
{
	event_del(&timer->event);
	timer->is_set = false;
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->is_set;
}

void loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	event_del(&timer->event);
	free(timer);
}

struct loop_defer *loop_defer_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct loop_defer *defer = calloc(1, sizeof(*defer));
	if (!defer)
		return NULL;
	defer->loop = loop;
	defer->fn = fn;
	defer->arg = arg;
	return defer;
}

void loop_defer_schedule(struct loop_defer *defer)
{
	if (defer->is_scheduled)
		return;
	struct loop *loop = defer->loop;
	defer->is_scheduled = true;
	defer->next = NULL;
	defer->previous = loop->last;
	if (loop->last)
		loop->last->next = defer;
	else
		loop->first = defer;
	loop->last = defer;
}

void loop_defer_free(struct loop_defer *defer)
{
	if (!defer)
		return;
	if (defer->is_scheduled)
		defer_unlink(defer);
	free(defer);
}

struct loop_wake *loop_wake_new(struct loop *loop, loop_fn *fn, void *arg, struct err *err)
{
	struct loop_wake *wake = calloc(1, sizeof(*wake));
	if (!wake) {
		err_set(err, ERR_SYSTEM, ENOMEM, "wake-up");
		return NULL;
	}
	wake->fn = fn;
	wake->arg = arg;
	wake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (wake->fd < 0) {
		err_set(err, ERR_SYSTEM, errno, "eventfd");
		free(wake);
		return NULL;
	}
	wake->watch = loop_watch_new(loop, wake->fd, on_wake, wake);
	if (!wake->watch) {
		err_set(err, ERR_SYSTEM, ENOMEM, "wake-up");
		close(wake->fd);
		free(wake);
		return NULL;
	}
	loop_watch_set(wake->watch, LOOP_READ);
	return wake;
}

void loop_wake_post(struct loop_wake *wake)
{
	const uint64_t one = 1;
	/* EAGAIN: 2^64 - 2 posts are waiting, so it is awake already. */
	const ssize_t written = write(wake->fd, &one, sizeof(one));
	(void)written;
}

void loop_wake_free(struct loop_wake *wake)
{
	if (!wake)
		return;
	loop_watch_free(wake->watch);
	close(wake->fd);
	free(wake);
}

bool loop_signal(
	struct loop *loop, int signal_number, loop_signal_fn *fn, void *arg, struct err *err)
{
	struct loop_signal_watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return err_set(err, ERR_SYSTEM, ENOMEM, "signal %d", signal_number);
	watch->fn = fn;
	watch->arg = arg;
	watch->loop = loop;
	event_assign(
		&watch->event, loop->base, signal_number, EV_SIGNAL | EV_PERSIST, on_signal, watch);
	if (event_add(&watch->event, NULL) != 0) {
		free(watch);
		return err_set(err, ERR_SYSTEM, errno, "signal %d", signal_number);
	}
	watch->next = loop->signals;
	loop->signals = watch;
	return true;
}

/* Defers scheduled by a defer run in a later pass; what is left after the last pass runs after the
 * next, then non-blocking, wait. */
static void run_defers(struct loop *loop)
{
	for (unsigned pass = 0; loop->first && pass < LOOP_DEFER_PASSES_MAX; pass++) {
		/* The pass ends with the defer that is last now, or before it if that one is freed.
		 */
		unsigned count = 0;
		for (const struct loop_defer *defer = loop->first; defer; defer = defer->next)
			count++;
		while (count-- && loop->first) {
			struct loop_defer *defer = loop->first;
			defer_unlink(defer);
			defer->fn(defer->arg);
		}
	}
}

static void defer_unlink(struct loop_defer *defer)
{
	struct loop *loop = defer->loop;
	if (defer->previous)
		defer->previous->next = defer->next;
	else
		loop->first = defer->next;
	if (defer->next)
		defer->next->previous = defer->previous;
	else
		loop->last = defer->previous;
	defer->is_scheduled = false;
}

static void refresh_now(struct loop *loop)
{
	if (loop->has_now)
		return;
	loop->now_us = clock_mono_us();
	loop->has_now = true;
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	struct loop_watch *watch = arg;
	refresh_now(watch->loop);
	watch->fn(((what & EV_READ) ? LOOP_READ : 0u) | ((what & EV_WRITE) ? LOOP_WRITE : 0u),
		watch->arg);
}

/* libevent's clock is the coarse one, up to 4 ms behind: a timer that comes early waits for the
 * rest, so that "not before it is due" holds on loop_now_us. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct loop_timer *timer = arg;
	refresh_now(timer->loop);
	const int64_t rest_us = timer->due_us - timer->loop->now_us;
	timer->is_set = false;
	if (rest_us > 0)
		timer_arm(timer, rest_us);
	else
		timer->fn(timer->arg);
}

static void timer_arm(struct loop_timer *timer, int64_t delay_us)
{
	const struct timeval delay = {
		.tv_sec = delay_us / 1000000,
		.tv_usec = delay_us % 1000000,
	};
	const int result = event_add(&timer->event, &delay);
	assert(result == 0);
	(void)result;
	timer->is_set = true;
}

static void on_wake(unsigned ready, void *arg)
{
	(void)ready;
	struct loop_wake *wake = arg;
	uint64_t posts;
	const ssize_t got = read(wake->fd, &posts, sizeof(posts));
	if (got == (ssize_t)sizeof(posts))
		wake->fn(wake->arg);
}

static void on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	(void)what;
	struct loop_signal_watch *watch = arg;
	refresh_now(watch->loop);
	watch->fn((int)signal_number, watch->arg);
}
