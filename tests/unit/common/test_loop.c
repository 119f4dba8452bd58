/* SPDX-License-Identifier: Apache-2.0
 * The loop: timers on time, defers at the end of the turn, wake-ups from threads, frees inside
 * callbacks. */
#include "loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "suite.h"

/* A callback's argument that note_arg writes down. */
#define MARK(c) ((char[]){c})

static struct loop *loop;
static char trace[64];

static void note(char c)
{
	const size_t len = strlen(trace);
	ck_assert_uint_lt(len, sizeof(trace) - 1);
	trace[len] = c;
}

static void start(void)
{
	struct err err;
	loop = loop_new(&err);
	ck_assert_ptr_nonnull(loop);
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void run_for(int64_t us)
{
	struct loop_timer *timer = loop_timer_new(loop, stop, NULL);
	loop_timer_set(timer, us);
	loop_run(loop);
	loop_timer_free(timer);
}

static void note_arg(void *arg)
{
	note(*(const char *)arg);
}

START_TEST(timers_fire_in_order_and_never_early)
{
	static const int64_t delays_us[] = {0, 1, 999, 1000, 3500, 25000};
	start();
	for (size_t i = 0; i < COUNT_OF(delays_us); i++) {
		const int64_t before_us = clock_mono_us();
		run_for(delays_us[i]);
		const int64_t took_us = clock_mono_us() - before_us;
		ck_assert_int_ge(took_us, delays_us[i]);
		ck_assert_int_lt(took_us, delays_us[i] + 10000000);
	}
	struct loop_timer *late = loop_timer_new(loop, note_arg, MARK('l'));
	struct loop_timer *soon = loop_timer_new(loop, note_arg, MARK('s'));
	struct loop_timer *never = loop_timer_new(loop, note_arg, MARK('n'));
	loop_timer_set(late, 20000);
	loop_timer_set(soon, 90000);
	loop_timer_set(soon, 5000);
	loop_timer_set(never, 1000);
	ck_assert(loop_timer_is_set(never));
	loop_timer_clear(never);
	ck_assert(!loop_timer_is_set(never));
	run_for(60000);
	ck_assert_str_eq(trace, "sl");
	ck_assert(!loop_timer_is_set(soon));
	loop_timer_free(late);
	loop_timer_free(soon);
	loop_timer_free(never);
	loop_free(loop);
}
END_TEST

static struct loop_defer *first, *second, *third;

static void on_first(void *arg)
{
	(void)arg;
	note('1');
	loop_defer_schedule(second); /* is waiting already */
	loop_defer_schedule(third);
}

static void on_turn(void *arg)
{
	(void)arg;
	loop_defer_schedule(first);
	loop_defer_schedule(second);
	loop_defer_schedule(first);
	note('t');
}

START_TEST(defers_run_once_at_the_end_of_the_turn)
{
	start();
	first = loop_defer_new(loop, on_first, NULL);
	second = loop_defer_new(loop, note_arg, MARK('2'));
	third = loop_defer_new(loop, note_arg, MARK('3'));
	struct loop_timer *one = loop_timer_new(loop, on_turn, NULL);
	struct loop_timer *two = loop_timer_new(loop, note_arg, MARK('u'));
	loop_timer_set(one, 0);
	loop_timer_set(two, 0);
	run_for(10000);
	ck_assert_str_eq(trace, "tu123");
	loop_defer_schedule(third);
	loop_defer_free(third);
	run_for(0);
	ck_assert_str_eq(trace, "tu123");
	loop_timer_free(one);
	loop_timer_free(two);
	loop_defer_free(first);
	loop_defer_free(second);
	loop_free(loop);
}
END_TEST

static unsigned rounds;

static void again(void *arg)
{
	(void)arg;
	rounds++;
	loop_defer_schedule(first);
}

START_TEST(a_defer_that_schedules_itself_lets_timers_run)
{
	start();
	first = loop_defer_new(loop, again, NULL);
	loop_defer_schedule(first);
	/* More than once: the time may pass without us having been given any of it. */
	for (int i = 0; i < 20 && rounds <= 100; i++)
		run_for(5000);
	ck_assert_uint_gt(rounds, 100);
	loop_defer_free(first);
	loop_free(loop);
}
END_TEST

static struct loop_watch *watches[2];
static int pairs[2][2];

/* Frees both: the one that runs, and the one whose turn comes next. */
static void on_ready_free(unsigned ready, void *arg)
{
	(void)arg;
	ck_assert_uint_eq(ready, LOOP_READ);
	note('r');
	for (int i = 0; i < 2; i++) {
		loop_watch_free(watches[i]);
		watches[i] = NULL;
	}
}

START_TEST(watches_may_be_freed_inside_callbacks)
{
	start();
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]), 0);
		watches[i] = loop_watch_new(loop, pairs[i][0], on_ready_free, NULL);
		loop_watch_set(watches[i], LOOP_READ);
		ck_assert_int_eq(write(pairs[i][1], "x", 1), 1);
	}
	run_for(5000);
	ck_assert_str_eq(trace, "r");
	loop_free(loop);
}
END_TEST

static void on_ready_note(unsigned ready, void *arg)
{
	(void)arg;
	note((char)('0' + ready));
	loop_watch_set(watches[0], 0);
}

START_TEST(wants_decide_what_is_told)
{
	start();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[0]), 0);
	watches[0] = loop_watch_new(loop, pairs[0][0], on_ready_note, NULL);
	run_for(2000);
	ck_assert_str_eq(trace, "");
	loop_watch_set(watches[0], LOOP_READ);
	run_for(2000);
	ck_assert_str_eq(trace, "");
	loop_watch_set(watches[0], LOOP_READ | LOOP_WRITE);
	run_for(2000);
	ck_assert_str_eq(trace, "2");
	ck_assert_int_eq(write(pairs[0][1], "x", 1), 1);
	run_for(2000);
	ck_assert_str_eq(trace, "2");
	loop_watch_set(watches[0], LOOP_READ | LOOP_WRITE);
	run_for(2000);
	ck_assert_str_eq(trace, "23");
	loop_watch_free(watches[0]);
	loop_free(loop);
}
END_TEST

#define POSTS 1000

static void *post_many(void *arg)
{
	for (int i = 0; i < POSTS; i++)
		loop_wake_post(arg);
	return NULL;
}

static void on_woken(void *arg)
{
	(void)arg;
	rounds++;
}

START_TEST(posts_from_a_thread_wake_the_loop)
{
	start();
	struct err err;
	pthread_t thread;
	struct loop_wake *wake = loop_wake_new(loop, on_woken, NULL, &err);
	ck_assert_ptr_nonnull(wake);
	ck_assert_int_eq(pthread_create(&thread, NULL, post_many, wake), 0);
	run_for(50000);
	pthread_join(thread, NULL);
	run_for(1000);
	ck_assert_uint_ge(rounds, 1);
	ck_assert_uint_le(rounds, POSTS);
	const unsigned before = rounds;
	run_for(1000);
	ck_assert_uint_eq(rounds, before);
	loop_wake_free(wake);
	loop_free(loop);
}
END_TEST

static void on_usr1(int signal_number, void *arg)
{
	(void)arg;
	ck_assert_int_eq(signal_number, SIGUSR1);
	note('s');
}

START_TEST(signals_come_as_callbacks)
{
	start();
	struct err err;
	ck_assert(loop_signal(loop, SIGUSR1, on_usr1, NULL, &err));
	raise(SIGUSR1);
	run_for(5000);
	ck_assert_str_eq(trace, "s");
	loop_free(loop);
}
END_TEST

static void check_now(void *arg)
{
	int64_t *last_us = arg;
	*last_us = loop_now_us(loop);
	const int64_t until_us = clock_mono_us() + 3000;
	while (clock_mono_us() < until_us)
		;
	ck_assert_int_eq(loop_now_us(loop), *last_us);
	note('n');
}

START_TEST(now_is_one_instant_a_turn)
{
	start();
	int64_t now_us = 0;
	struct loop_timer *timer = loop_timer_new(loop, check_now, &now_us);
	for (int i = 0; i < 3; i++) {
		const int64_t before_us = now_us;
		loop_timer_set(timer, 0);
		run_for(0);
		ck_assert_int_gt(now_us, before_us);
		ck_assert_int_le(now_us, clock_mono_us());
	}
	ck_assert_str_eq(trace, "nnn");
	loop_timer_free(timer);
	loop_free(loop);
}
END_TEST

SUITE_MAIN("loop", timers_fire_in_order_and_never_early, defers_run_once_at_the_end_of_the_turn,
	a_defer_that_schedules_itself_lets_timers_run, watches_may_be_freed_inside_callbacks,
	wants_decide_what_is_told, posts_from_a_thread_wake_the_loop, signals_come_as_callbacks,
	now_is_one_instant_a_turn)
