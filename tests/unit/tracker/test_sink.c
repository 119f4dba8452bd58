/* SPDX-License-Identifier: Apache-2.0
 * A sink against a Redis that this test plays: every click is told exactly once, whatever becomes
 * of the connection. */
#include "sink.h"

#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/suite.h"
#include "clock.h"
#include "log.h"
#include "stats.h"

#define MANY        100000
#define STEP_US     1000
#define LIMIT_US    30000000
#define DEADLINE_US 10000000 /* long: only the connection's end decides */
#define INPUT_BYTES 65536

static struct {
	char dir[64], spool[80];
	struct loop *loop;
	struct loop_watch *accepting, *reading;
	int listen_fd, fd;
	bool is_mute;        /* answers no HSETNX any more */
	const char *refusal; /* what it answers to them instead */
	unsigned records;    /* HSETNX seen */
	struct sink *sink;
	struct entropy entropy;
	unsigned told[STORED_COUNT];
	unsigned put;
} fake;

static void on_done(const struct sink_ticket *ticket, enum stored stored, void *arg)
{
	(void)arg;
	ck_assert_uint_eq(ticket->headers.len, 5);
	fake.told[stored]++;
}

/* Replies in order to whatever commands begin in the input; good enough for commands that arrive
 * whole, which a socket pair's small ones do not always: a word that is cut is made up for by
 * counting lines that begin with '*'. */
static void on_input(unsigned ready, void *arg)
{
	(void)ready;
	(void)arg;
	static char input[INPUT_BYTES + 1];
	const ssize_t got = read(fake.fd, input, INPUT_BYTES);
	if (got <= 0) {
		loop_watch_free(fake.reading);
		fake.reading = NULL;
		close(fake.fd);
		fake.fd = -1;
		return;
	}
	if (fake.is_mute)
		return;
	input[got] = '\0';
	static bool is_multi;
	for (const char *at = input; (at = memchr(at, '$', (size_t)(input + got - at))) != NULL;
		at++) {
		const char *reply = NULL;
		if (strncmp(at, "$6\r\nHSETNX\r\n", 12) == 0) {
			fake.records++;
			reply = is_multi ? "+QUEUED\r\n" : fake.refusal ? fake.refusal : ":1\r\n";
		} else if (strncmp(at, "$8\r\nEXPIREAT\r\n", 14) == 0) {
			reply = is_multi ? "+QUEUED\r\n" : ":1\r\n";
		} else if (strncmp(at, "$5\r\nMULTI\r\n", 11) == 0) {
			is_multi = true;
			reply = "+OK\r\n";
		} else if (strncmp(at, "$4\r\nEXEC\r\n", 10) == 0) {
			is_multi = false;
			reply = fake.refusal ? "-EXECABORT x\r\n" : "*2\r\n:1\r\n:1\r\n";
		} else if (strncmp(at, "$4\r\nPING\r\n", 10) == 0) {
			reply = "+PONG\r\n";
		} else if (strncmp(at, "$6\r\nCLIENT\r\n", 12) == 0) {
			reply = "+OK\r\n";
		} else if (strncmp(at, "$4\r\nINFO\r\n", 10) == 0) {
			reply = "$11\r\nrun_id:same\r\n";
		} else if (strncmp(at, "$4\r\nXADD\r\n", 10) == 0) {
			reply = "$3\r\n1-1\r\n";
		}
		if (reply)
			ck_assert_int_gt(write(fake.fd, reply, strlen(reply)), 0);
	}
}

static void on_connection(unsigned ready, void *arg)
{
	(void)ready;
	(void)arg;
	fake.fd = accept4(fake.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(fake.fd, 0);
	fake.reading = loop_watch_new(fake.loop, fake.fd, on_input, NULL);
	loop_watch_set(fake.reading, LOOP_READ);
}

static void hang_up(void)
{
	if (fake.reading)
		loop_watch_free(fake.reading);
	fake.reading = NULL;
	if (fake.fd >= 0)
		close(fake.fd);
	fake.fd = -1;
}

static void start(void)
{
	struct err err = {0};
	struct redis_url url = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	log_init("test", LOG_ERROR);
	entropy_init(&fake.entropy);
	fake.fd = -1;
	snprintf(fake.dir, sizeof(fake.dir), "/tmp/wasl-sink-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fake.dir));
	snprintf(fake.spool, sizeof(fake.spool), "%s/spool", fake.dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/redis", fake.dir);
	memcpy(url.host, address.sun_path, sizeof(address.sun_path));
	fake.loop = loop_new(&err);
	fake.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(
		bind(fake.listen_fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fake.listen_fd, 10), 0);
	fake.accepting = loop_watch_new(fake.loop, fake.listen_fd, on_connection, NULL);
	loop_watch_set(fake.accepting, LOOP_READ);
	const struct sink_config config = {
		.loop = fake.loop,
		.url = &url,
		.deadline_us = DEADLINE_US,
		.grace_s = 0,
		.loss_window_us = 2000000,
		.tickets_max = 2 * MANY,
		.spool_folder = fake.spool,
		.spool_max_bytes = UINT64_C(1) << 30,
		.entropy = &fake.entropy,
		.on_done = on_done,
	};
	fake.sink = sink_new(&config, &err);
	ck_assert_msg(fake.sink, "%s", err.msg);
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static void end(void)
{
	sink_free(fake.sink);
	hang_up();
	loop_watch_free(fake.accepting);
	close(fake.listen_fd);
	loop_free(fake.loop);
	nftw(fake.dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
	ck_assert_uint_eq(
		fake.told[STORED_REDIS] + fake.told[STORED_SPOOL] + fake.told[STORED_NONE],
		fake.put);
}

static struct loop_timer *step_timer;
static bool (*step_is_done)(void);
static int64_t step_until_us;

static void on_step(void *arg)
{
	(void)arg;
	if (step_is_done() || loop_now_us(fake.loop) >= step_until_us)
		loop_stop(fake.loop);
	else
		loop_timer_set(step_timer, STEP_US);
}

static void run_until(bool (*is_done)(void))
{
	step_is_done = is_done;
	step_until_us = clock_mono_us() + LIMIT_US;
	step_timer = loop_timer_new(fake.loop, on_step, NULL);
	loop_timer_set(step_timer, 0);
	loop_run(fake.loop);
	loop_timer_free(step_timer);
	ck_assert(is_done());
}

static bool is_up(void)
{
	struct sink_status status;
	sink_status(fake.sink, &status);
	return stats_get(&status.redis->is_up) == 1 && sink_pending(fake.sink) == 0;
}

static bool is_down(void)
{
	struct sink_status status;
	sink_status(fake.sink, &status);
	return stats_get(&status.redis->is_up) == 0;
}

static bool is_told(void)
{
	return fake.told[STORED_REDIS] + fake.told[STORED_SPOOL] + fake.told[STORED_NONE] ==
	       fake.put;
}

static void put(unsigned count)
{
	const struct click_record record = {.class = CLICK_CLASS_HUMAN,
		.link = {.affiliate_id = 1, .product_id = 2},
		.window_s = 3600};
	for (unsigned i = 0; i < count; i++) {
		const struct bucket_now now = {
			.mono_us = clock_mono_us(), .wall_us = clock_wall_us()};
		struct bucket_place place;
		ck_assert(sink_place(fake.sink, record.window_s, &now, &place));
		const struct sink_click click = {
			.place = &place, .record = &record, .wall_us = now.wall_us};
		sink_put(fake.sink, &click, &(struct sink_ticket){.headers = STR("A: b\n")});
	}
	fake.put += count;
}

START_TEST(click_is_told_when_redis_has_it)
{
	start();
	run_until(is_up);
	put(70); /* more than a bucket */
	ck_assert_uint_eq(fake.told[STORED_REDIS], 0);
	run_until(is_told);
	ck_assert_uint_eq(fake.told[STORED_REDIS], 70);
	ck_assert_uint_eq(fake.records, 70);
	end();
}
END_TEST

START_TEST(click_without_redis_is_in_the_spool_at_once)
{
	start();
	put(3);
	run_until(is_told);
	ck_assert_uint_eq(fake.told[STORED_SPOOL], 3);
	end();
}
END_TEST

START_TEST(refused_clicks_are_in_the_spool_at_once_each_refusal_told_apart)
{
	static const struct {
		const char *reply;
		enum redis_error error;
	} refusals[] = {
		{"-OOM x\r\n", REDIS_ERROR_OOM},
		{"-READONLY x\r\n", REDIS_ERROR_READONLY},
		{"-MISCONF x\r\n", REDIS_ERROR_MISCONF},
		{"-LOADING x\r\n", REDIS_ERROR_LOADING},
		{"-NOREPLICAS x\r\n", REDIS_ERROR_NOREPLICAS},
		{"-MASTERDOWN x\r\n", REDIS_ERROR_MASTERDOWN},
		{"-NOAUTH x\r\n", REDIS_ERROR_NOAUTH},
		{"-WRONGPASS x\r\n", REDIS_ERROR_WRONGPASS},
		{"-NOPERM x\r\n", REDIS_ERROR_NOPERM},
		{"-BUSY x\r\n", REDIS_ERROR_BUSY},
		{"-WRONGTYPE x\r\n", REDIS_ERROR_WRONGTYPE},
		{"-MOVED 1 a:1\r\n", REDIS_ERROR_CLUSTER},
		{"-ASK 1 a:1\r\n", REDIS_ERROR_CLUSTER},
		{"-CLUSTERDOWN x\r\n", REDIS_ERROR_CLUSTER},
		{"-TRYAGAIN x\r\n", REDIS_ERROR_CLUSTER},
		{"-EXECABORT x\r\n", REDIS_ERROR_EXECABORT},
		{"-WHATEVER\r\n", REDIS_ERROR_OTHER},
		{"garbage\r\n", REDIS_ERROR_PROTOCOL},
		/* No error for Redis, and no answer to what was asked: not counted as one. */
		{"+OK\r\n", REDIS_ERROR_COUNT},
		{"$-1\r\n", REDIS_ERROR_COUNT},
		{"*0\r\n", REDIS_ERROR_COUNT},
		{"*1\r\n$5\r\nab\r\n", REDIS_ERROR_COUNT},
	};
	for (unsigned i = 0; i < COUNT_OF(refusals); i++) {
		memset(fake.told, 0, sizeof(fake.told));
		fake.put = fake.records = 0;
		start();
		run_until(is_up);
		fake.refusal = refusals[i].reply;
		put(5);
		run_until(is_told);
		ck_assert_msg(fake.told[STORED_SPOOL] == 5, "%s", refusals[i].reply);
		struct sink_status status;
		sink_status(fake.sink, &status);
		if (refusals[i].error < REDIS_ERROR_COUNT)
			ck_assert_msg(stats_get(&status.redis->errors[refusals[i].error]) > 0, "%s",
				refusals[i].reply);
		fake.refusal = NULL;
		end();
	}
}
END_TEST

START_TEST(hundred_thousand_under_way_when_the_connection_breaks_are_told_once)
{
	start();
	run_until(is_up);
	fake.is_mute = true;
	/* Fewer than REDIS_PENDING_MAX commands in all; the rest is spooled at once. */
	put(MANY);
	struct sink_status status;
	sink_status(fake.sink, &status);
	ck_assert_uint_gt(stats_get(&status.redis->pending), REDIS_PENDING_MAX - 10);
	hang_up();
	run_until(is_told);
	ck_assert_uint_eq(fake.told[STORED_SPOOL], MANY);
	ck_assert(is_down());
	end();
}
END_TEST

START_TEST(hundred_thousand_under_way_at_the_end_are_told_once)
{
	start();
	run_until(is_up);
	fake.is_mute = true;
	put(MANY);
	end();
	ck_assert_uint_eq(fake.told[STORED_SPOOL], MANY);
}
END_TEST

START_TEST(more_than_a_group_takes_are_told_unsafe_at_once)
{
	start();
	put(2 * MANY);
	ck_assert_uint_gt(fake.told[STORED_NONE], 0);
	ck_assert_uint_lt(fake.told[STORED_NONE], MANY);
	run_until(is_told);
	ck_assert_uint_gt(fake.told[STORED_SPOOL], MANY);
	end();
}
END_TEST

SUITE_MAIN("sink", click_is_told_when_redis_has_it, click_without_redis_is_in_the_spool_at_once,
	refused_clicks_are_in_the_spool_at_once_each_refusal_told_apart,
	hundred_thousand_under_way_when_the_connection_breaks_are_told_once,
	hundred_thousand_under_way_at_the_end_are_told_once,
	more_than_a_group_takes_are_told_unsafe_at_once)
