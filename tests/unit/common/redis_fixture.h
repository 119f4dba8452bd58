/* SPDX-License-Identifier: Apache-2.0
 * A real Redis on a unix socket in a directory of its own, a connection to it, and a loop that runs
 * until something is so. */
#ifndef WASL_TEST_REDIS_FIXTURE_H
#define WASL_TEST_REDIS_FIXTURE_H

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "loop.h"
#include "redis.h"
#include "stats.h"
#include "suite.h"

#define FIXTURE_DEADLINE_US 60000000 /* no wait is longer */
#define FIXTURE_STEP_US     1000
#define FIXTURE_TURN_US     50000
#define FIXTURE_TURNS       (FIXTURE_DEADLINE_US / FIXTURE_TURN_US)
#define FIXTURE_ARGS_MAX    24

static struct {
	char dir[64];
	char socket[96];
	pid_t server;
	struct loop *loop;
	struct redis *redis;
	struct redis_config config;
	unsigned ups, downs, answers, losses;
	char last[4096]; /* text of the last answer */
	enum redis_type last_type;
} fixture;

static inline void dir_make(void)
{
	snprintf(fixture.dir, sizeof(fixture.dir), "/tmp/wasl-redis-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fixture.dir));
	snprintf(fixture.socket, sizeof(fixture.socket), "%s/redis.sock", fixture.dir);
}

/* options: further words for redis-server, NULL at the end. It dies with the test. */
static inline void server_start(const char *const *options)
{
	const char *args[FIXTURE_ARGS_MAX] = {"redis-server", "--port", "0", "--unixsocket",
		fixture.socket, "--dir", fixture.dir, "--save", "", "--appendonly", "no",
		"--logfile", "redis.log"};
	size_t count = 13;
	for (; options && *options; options++)
		args[count++] = *options;
	ck_assert_uint_lt(count, FIXTURE_ARGS_MAX);
	fixture.server = fork();
	if (fixture.server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		union {
			const char **in;
			char **out;
		} words = {.in = args};
		execvp("redis-server", words.out);
		_exit(127);
	}
}

static inline void server_kill(void)
{
	if (fixture.server <= 0)
		return;
	kill(fixture.server, SIGKILL);
	waitpid(fixture.server, NULL, 0);
	fixture.server = 0;
}

static inline void on_state(bool is_up, void *arg)
{
	(void)arg;
	if (is_up)
		fixture.ups++;
	else
		fixture.downs++;
}

/* A connection by the fixture's socket unless config says otherwise. */
static inline void redis_start(void)
{
	struct err err = {0};
	fixture.loop = loop_new(&err);
	fixture.config.name = "test";
	fixture.config.on_state = on_state;
	if (!fixture.config.url.host[0])
		memcpy(fixture.config.url.host, fixture.socket, sizeof(fixture.socket));
	if (!fixture.config.connect_deadline_us)
		fixture.config.connect_deadline_us = FIXTURE_DEADLINE_US;
	if (!fixture.config.reply_deadline_us)
		fixture.config.reply_deadline_us = FIXTURE_DEADLINE_US;
	fixture.redis = redis_new(fixture.loop, &fixture.config, &err);
	ck_assert_msg(fixture.redis, "%s", err.msg);
}

static struct loop_timer *step_timer;
static bool (*step_is_done)(void);
static int64_t step_until_us;
static bool step_was_done;

static inline void on_step(void *arg)
{
	(void)arg;
	step_was_done = step_is_done();
	if (step_was_done || loop_now_us(fixture.loop) >= step_until_us)
		loop_stop(fixture.loop);
	else
		loop_timer_set(step_timer, FIXTURE_STEP_US);
}

static inline bool run_until(bool (*is_done)(void), int64_t limit_us)
{
	step_is_done = is_done;
	step_until_us = clock_mono_us() + limit_us;
	step_timer = loop_timer_new(fixture.loop, on_step, NULL);
	loop_timer_set(step_timer, 0);
	loop_run(fixture.loop);
	loop_timer_free(step_timer);
	return step_was_done;
}

static inline bool is_up(void)
{
	return redis_is_up(fixture.redis);
}

static inline bool is_down(void)
{
	return !redis_is_up(fixture.redis);
}

static inline bool is_never(void)
{
	return false;
}

static unsigned wanted_answers;

static inline bool is_answered(void)
{
	return fixture.answers + fixture.losses >= wanted_answers;
}

static inline void on_reply(const struct redis_value *value, uint64_t tag, void *arg)
{
	(void)tag;
	(void)arg;
	if (!value) {
		fixture.losses++;
		return;
	}
	fixture.answers++;
	fixture.last_type = redis_value_type(value);
	const struct str text = redis_value_text(value);
	str_copy(fixture.last, sizeof(fixture.last), text);
}

/* Splits line at spaces and queues it as one command. */
static inline bool ask(const char *line)
{
	struct str args[REDIS_ARGS_MAX], rest = str_from(line);
	unsigned count = 0;
	while (rest.len > 0)
		str_cut(rest, ' ', &args[count++], &rest);
	return redis_command(fixture.redis, args, count, on_reply, 0, NULL);
}

/* One command and its answer's text. */
static inline const char *answer_to(const char *line)
{
	wanted_answers = fixture.answers + fixture.losses + 1;
	ck_assert(ask(line));
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	ck_assert_uint_eq(fixture.losses, 0);
	return fixture.last;
}

static inline uint64_t errors(enum redis_error error)
{
	return stats_get(&redis_counts(fixture.redis)->errors[error]);
}

static inline void wait_up(void)
{
	ck_assert_msg(run_until(is_up, FIXTURE_DEADLINE_US), "Redis did not come up");
}

static inline void fixture_end(void)
{
	redis_free(fixture.redis);
	loop_free(fixture.loop);
	server_kill();
	char log[128];
	snprintf(log, sizeof(log), "%s/redis.log", fixture.dir);
	unlink(log);
	unlink(fixture.socket);
	rmdir(fixture.dir);
}

#endif
