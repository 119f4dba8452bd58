/* SPDX-License-Identifier: Apache-2.0
 * One thread's event loop: file descriptors, timers, wake-ups from other threads, and work for the
 * end of the turn. A thin face on libevent, so that one file knows it. Everything here belongs to
 * the loop's own thread except loop_wake_post. */
#ifndef WASL_LOOP_H
#define WASL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct loop;
struct loop_watch; /* interest in one file descriptor */
struct loop_timer; /* one-shot; armed again by hand */
struct loop_defer; /* runs once at the end of the turn in which it was scheduled */
struct loop_wake;  /* lets another thread run a callback here */

enum loop_ready { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void loop_fn(void *arg);
typedef void loop_ready_fn(unsigned ready, void *arg); /* ready: enum loop_ready bits */
typedef void loop_signal_fn(int signal_number, void *arg);

struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop); /* its parts must be freed before */
/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* CLOCK_MONOTONIC, read once a turn. */
int64_t loop_now_us(const struct loop *loop);

/* Level-triggered and persistent; wants: enum loop_ready bits, 0 pauses. fd stays the caller's. */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_ready_fn *fn, void *arg);
void loop_watch_set(struct loop_watch *watch, unsigned wants);
unsigned loop_watch_wants(const struct loop_watch *watch);
void loop_watch_free(struct loop_watch *watch); /* allowed inside its own callback */

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_timer_set(struct loop_timer *timer, int64_t delay_us);
void loop_timer_clear(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

struct loop_defer *loop_defer_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_defer_schedule(struct loop_defer *defer); /* scheduling twice in a turn runs it once */
void loop_defer_free(struct loop_defer *defer);

struct loop_wake *loop_wake_new(struct loop *loop, loop_fn *fn, void *arg, struct err *err);
void loop_wake_post(struct loop_wake *wake); /* from any thread; several posts may run fn once */
void loop_wake_free(struct loop_wake *wake);

/* Signals go to this loop's thread as callbacks; the others should block them. */
bool loop_signal(
	struct loop *loop, int signal_number, loop_signal_fn *fn, void *arg, struct err *err);

#endif
