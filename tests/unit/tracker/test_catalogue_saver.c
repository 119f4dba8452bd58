/* SPDX-License-Identifier: Apache-2.0
 * Saving the catalogue in a thread while it goes on changing. */
#include "catalogue_saver.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#include "../common/suite.h"

#define PRODUCTS      100000
#define AFFILIATES    50000
#define CHANGES       20   /* of one publish, under way during a save */
#define CHANGED_STEP  37   /* ids far apart: other leaves */
#define RETIRED_MAX   1000 /* when nobody reads old views */
#define WAIT_US       INT64_C(120000000)
#define TURN_US       1000
#define STACK_TOO_BIG ((size_t)1 << 46) /* more than an address space has room for */

struct fixture {
	char folder[24];
	char temporary[CATALOGUE_SNAPSHOT_PATH_MAX];
	struct loop *loop;
	struct loop_timer *turn;
	struct catalogue_saver *saver;
	struct catalogue *catalogue;
	struct catalogue_view view;
	uint64_t version; /* of the rows changed last */
	unsigned ended_count;
	bool is_saved;
	uint64_t saved_generation;
	int64_t deadline_us;
};

static const struct catalogue_mark mark = {
	.epoch = "0123456789abcdef", .version = 12, .confirmed_wall_us = 99};

static void put(struct fixture *f, enum catalogue_kind kind, uint32_t id, uint64_t version)
{
	const struct catalogue_row row = {
		.kind = kind,
		.id = id,
		.version = version,
		.status = version % 2 ? CATALOGUE_ACTIVE : CATALOGUE_STOPPED,
		.store_id = kind == CATALOGUE_PRODUCT ? 9 : 0,
		.url = kind == CATALOGUE_PRODUCT ? STR("https://store.example/p?id=1") : STR(""),
	};
	ck_assert_int_eq(catalogue_put(f->catalogue, &row), CATALOGUE_CHANGED);
}

static void publish(struct fixture *f)
{
	f->view = catalogue_publish(f->catalogue, f->view.generation + 1);
}

/* As the tracker does: nobody reads but the saver. */
static void reclaim(struct fixture *f)
{
	const uint64_t saver = catalogue_saver_generation(f->saver);
	catalogue_reclaim(f->catalogue, saver < f->view.generation ? saver : f->view.generation);
}

/* One turn of the loop's other work: changes, a new view, reclaiming. */
static void change(struct fixture *f)
{
	f->version++;
	for (uint32_t i = 0; i < CHANGES; i++) {
		put(f, CATALOGUE_PRODUCT, 1 + i * CHANGED_STEP * CHANGED_STEP, f->version);
		put(f, CATALOGUE_AFFILIATE, 1 + i * CHANGED_STEP, f->version);
	}
	publish(f);
	reclaim(f);
}

static void on_saved(bool is_saved, uint64_t generation, void *arg)
{
	struct fixture *f = arg;
	f->ended_count++;
	f->is_saved = is_saved;
	f->saved_generation = generation;
	ck_assert_uint_eq(catalogue_saver_generation(f->saver), UINT64_MAX);
	loop_stop(f->loop);
}

static void on_turn(void *arg)
{
	struct fixture *f = arg;
	ck_assert_int_lt(clock_mono_us(), f->deadline_us);
	change(f);
	loop_timer_set(f->turn, TURN_US);
}

static void on_enough(void *arg)
{
	struct fixture *f = arg;
	loop_stop(f->loop);
}

/* Runs the loop, changing the catalogue all the while, until the save has ended. */
static void run(struct fixture *f)
{
	f->deadline_us = clock_mono_us() + WAIT_US;
	loop_timer_set(f->turn, 0);
	loop_run(f->loop);
	loop_timer_clear(f->turn);
}

static void setup(struct fixture *f, uint32_t products, uint32_t affiliates)
{
	*f = (struct fixture){.folder = "/tmp/wasl-unit-XXXXXX", .version = 1};
	ck_assert_ptr_nonnull(mkdtemp(f->folder));
	snprintf(f->temporary, sizeof(f->temporary), "%s/%s.tmp", f->folder,
		CATALOGUE_SNAPSHOT_NAME);
	f->loop = loop_new(NULL);
	f->turn = loop_timer_new(f->loop, on_turn, f);
	f->saver = catalogue_saver_new(f->loop, f->folder, on_saved, f, NULL);
	f->catalogue = catalogue_new();
	ck_assert(f->turn && f->saver && f->catalogue);
	for (uint32_t id = 1; id <= products; id++)
		put(f, CATALOGUE_PRODUCT, id, 1);
	for (uint32_t id = 1; id <= affiliates; id++)
		put(f, CATALOGUE_AFFILIATE, id, 1);
	publish(f);
}

static void teardown(struct fixture *f)
{
	char path[CATALOGUE_SNAPSHOT_PATH_MAX];
	catalogue_saver_free(f->saver);
	catalogue_free(f->catalogue);
	loop_timer_free(f->turn);
	loop_free(f->loop);
	snprintf(path, sizeof(path), "%s/%s", f->folder, CATALOGUE_SNAPSHOT_NAME);
	unlink(path);
	unlink(f->temporary);
	ck_assert_int_eq(rmdir(f->folder), 0);
}

static bool row_has_version(const struct catalogue_row *row, void *arg)
{
	const uint64_t *version = arg;
	ck_assert_uint_eq(row->version, *version);
	return true;
}

/* What is on disk: so many rows, all of one version. */
static void disk_check(struct fixture *f, uint64_t products, uint64_t affiliates, uint64_t version)
{
	struct catalogue *again = catalogue_new();
	struct catalogue_mark told;
	struct err err = {0};
	ck_assert_msg(
		catalogue_snapshot_read(f->folder, again, &told, &err) == CATALOGUE_SNAPSHOT_READ,
		"%s", err.msg);
	ck_assert_str_eq(told.epoch, mark.epoch);
	ck_assert_uint_eq(told.version, mark.version);
	ck_assert_int_eq(told.confirmed_wall_us, mark.confirmed_wall_us);
	const struct catalogue_view view = catalogue_publish(again, 1);
	ck_assert_uint_eq(view.counts[CATALOGUE_PRODUCT], products);
	ck_assert_uint_eq(view.counts[CATALOGUE_AFFILIATE], affiliates);
	ck_assert(catalogue_each(&view, row_has_version, &version));
	catalogue_free(again);
}

/* Makes the next save wait until the reader that this returns is drained; it fails then, because a
 * FIFO can't be synced. */
static int save_hold(struct fixture *f)
{
	ck_assert_int_eq(mkfifo(f->temporary, 0600), 0);
	/* Without a writer: a save writes what the pipe holds, then waits. */
	const int fd = open(f->temporary, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void *drain(void *arg)
{
	char bytes[4096];
	const int *fd = arg;
	ck_assert_int_eq(fcntl(*fd, F_SETFL, 0), 0);
	/* A read before the save has opened its end would find the pipe at its own. */
	struct pollfd coming = {.fd = *fd, .events = POLLIN};
	ck_assert_int_eq(poll(&coming, 1, WAIT_US / 1000), 1);
	while (read(*fd, bytes, sizeof(bytes)) > 0)
		;
	close(*fd);
	return NULL;
}

START_TEST(disk_gets_the_view_that_was_handed_over_whatever_comes_later)
{
	struct fixture f;
	setup(&f, PRODUCTS, AFFILIATES);
	const uint64_t generation = f.view.generation;
	ck_assert(catalogue_saver_start(f.saver, &f.view, &mark));
	ck_assert_uint_eq(catalogue_saver_generation(f.saver), generation);
	change(&f); /* at least once before the thread can have ended for the loop */
	run(&f);
	ck_assert(f.is_saved && f.ended_count == 1);
	ck_assert_uint_eq(f.saved_generation, generation);
	ck_assert_uint_gt(f.view.generation, generation);
	disk_check(&f, PRODUCTS, AFFILIATES, 1);
	reclaim(&f);
	ck_assert_uint_eq(catalogue_retired(f.catalogue), 0);
	teardown(&f);
}
END_TEST

START_TEST(one_view_is_written_at_a_time_and_kept_until_then)
{
	struct fixture f;
	setup(&f, PRODUCTS, 1);
	int fd = save_hold(&f);
	ck_assert(catalogue_saver_start(f.saver, &f.view, &mark));
	const uint64_t generation = f.view.generation;
	for (unsigned i = 0; i < 100; i++)
		change(&f);
	ck_assert(!catalogue_saver_start(f.saver, &f.view, &mark));
	ck_assert_uint_eq(catalogue_saver_generation(f.saver), generation);
	ck_assert_uint_gt(catalogue_retired(f.catalogue), RETIRED_MAX);
	ck_assert_uint_eq(f.ended_count, 0);
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, drain, &fd), 0);
	run(&f);
	pthread_join(thread, NULL);
	ck_assert(!f.is_saved && f.ended_count == 1);
	change(&f);
	ck_assert_uint_lt(catalogue_retired(f.catalogue), RETIRED_MAX);
	/* The disk works again. */
	ck_assert(catalogue_saver_start(f.saver, &f.view, &mark));
	run(&f);
	ck_assert(f.is_saved && f.ended_count == 2);
	teardown(&f);
}
END_TEST

START_TEST(empty_catalogue_is_saved_and_waited_for)
{
	struct fixture f;
	setup(&f, 0, 0);
	catalogue_saver_wait(f.saver); /* nothing runs */
	ck_assert_uint_eq(f.ended_count, 0);
	for (unsigned i = 1; i <= 3; i++) { /* the wake-ups of those waited for come late */
		ck_assert(catalogue_saver_start(f.saver, &f.view, &mark));
		catalogue_saver_wait(f.saver);
		ck_assert(f.is_saved && f.ended_count == i);
	}
	disk_check(&f, 0, 0, 0);
	teardown(&f);
}
END_TEST

START_TEST(late_wake_up_does_not_end_the_next_save)
{
	struct fixture f;
	setup(&f, PRODUCTS, 0);
	ck_assert(catalogue_saver_start(f.saver, &f.view, &mark));
	catalogue_saver_wait(f.saver);
	int fd = save_hold(&f);
	ck_assert(catalogue_saver_start(f.saver, &f.view, &mark));
	/* If the first wake-up joined the second save here, nothing would ever drain it. */
	loop_timer_free(f.turn);
	f.turn = loop_timer_new(f.loop, on_enough, &f);
	loop_timer_set(f.turn, 50 * TURN_US);
	loop_run(f.loop);
	ck_assert_uint_eq(f.ended_count, 1);
	pthread_t thread;
	ck_assert_int_eq(pthread_create(&thread, NULL, drain, &fd), 0);
	catalogue_saver_wait(f.saver);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(f.ended_count, 2);
	teardown(&f);
}
END_TEST

START_TEST(without_a_thread_it_is_saved_at_once)
{
	struct fixture f;
	setup(&f, 1000, 10);
	pthread_attr_t before, attr;
	ck_assert_int_eq(pthread_getattr_default_np(&before), 0);
	ck_assert_int_eq(pthread_getattr_default_np(&attr), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&attr, STACK_TOO_BIG), 0);
	ck_assert_int_eq(pthread_setattr_default_np(&attr), 0);
	pthread_t thread;
	int fd = -1;
	ck_assert_int_ne(pthread_create(&thread, NULL, drain, &fd), 0);
	ck_assert(catalogue_saver_start(f.saver, &f.view, &mark));
	ck_assert(f.is_saved && f.ended_count == 1);
	ck_assert_uint_eq(f.saved_generation, f.view.generation);
	ck_assert_int_eq(pthread_setattr_default_np(&before), 0);
	disk_check(&f, 1000, 10, 1);
	teardown(&f);
}
END_TEST

START_TEST(freeing_waits_and_calls_nobody)
{
	struct fixture f;
	setup(&f, PRODUCTS, 0);
	ck_assert(catalogue_saver_start(f.saver, &f.view, &mark));
	catalogue_saver_free(f.saver);
	f.saver = NULL;
	ck_assert_uint_eq(f.ended_count, 0);
	disk_check(&f, PRODUCTS, 0, 1);
	teardown(&f);
}
END_TEST

SUITE_MAIN("catalogue_saver", disk_gets_the_view_that_was_handed_over_whatever_comes_later,
	one_view_is_written_at_a_time_and_kept_until_then, empty_catalogue_is_saved_and_waited_for,
	late_wake_up_does_not_end_the_next_save, without_a_thread_it_is_saved_at_once,
	freeing_waits_and_calls_nobody)
