/* SPDX-License-Identifier: Apache-2.0
 * The connection against a real Redis: replies, errors by kind, stalls, losses and recovery. */
#include "redis_fixture.h"

static void start(const char *const *options)
{
	dir_make();
	server_start(options);
	redis_start();
}

static char shape[256];

static void describe(const struct redis_value *value)
{
	static const char kinds[] = {'n', 's', 'e', 'i', 't', 'a'};
	const size_t len = strlen(shape);
	const struct str text = redis_value_text(value);
	snprintf(shape + len, sizeof(shape) - len, "%c%.*s", kinds[redis_value_type(value)],
		STR_ARG(text));
	if (redis_value_type(value) == REDIS_TYPE_INTEGER)
		snprintf(shape + strlen(shape), sizeof(shape) - strlen(shape), "%ld",
			(long)redis_value_integer(value));
	for (size_t i = 0; i < redis_value_count(value); i++)
		describe(redis_value_at(value, i));
}

static void on_shape(const struct redis_value *value, uint64_t tag, void *arg)
{
	ck_assert_uint_eq(tag, 0xfedcba9876543210u);
	ck_assert_ptr_eq(arg, shape);
	describe(value);
	fixture.answers++;
}

START_TEST(every_type_of_reply_is_told)
{
	start(NULL);
	wait_up();
	static const struct str commands[][4] = {
		{STR("SET"), STR("k"), STR("a\0\r\nb")},
		{STR("GET"), STR("k")},
		{STR("STRLEN"), STR("k")},
		{STR("GET"), STR("none")},
		{STR("MGET"), STR("none"), STR("k2"), STR("k")},
		{STR("LPUSH"), STR("k"), STR("")},
	};
	static const unsigned counts[] = {3, 2, 2, 2, 4, 3};
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		ck_assert(redis_command(fixture.redis, commands[i], counts[i], on_shape,
			0xfedcba9876543210u, shape));
	wanted_answers = COUNT_OF(commands);
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	/* %.*s ends at the NUL; STRLEN has the whole. */
	ck_assert_str_eq(shape,
		"sOKtai5nannta"
		"eWRONGTYPE Operation against a key holding the wrong kind of value");
	ck_assert_uint_eq(stats_get(&redis_counts(fixture.redis)->commands), 6);
	ck_assert_uint_eq(stats_get(&redis_counts(fixture.redis)->pending), 0);
	ck_assert_uint_eq(errors(REDIS_ERROR_WRONGTYPE), 1);
	fixture_end();
}
END_TEST

START_TEST(a_password_a_database_and_a_name_come_first)
{
	const char *const options[] = {"--requirepass", "a b\"c", NULL};
	memcpy(fixture.config.url.secret_password, "a b\"c", 6);
	fixture.config.url.db = 3;
	start(options);
	wait_up();
	ck_assert_str_eq(answer_to("CLIENT GETNAME"), "test");
	ck_assert_str_eq(answer_to("SET k v"), "OK");
	ck_assert_str_eq(answer_to("SELECT 0"), "OK");
	answer_to("GET k");
	ck_assert_int_eq(fixture.last_type, REDIS_TYPE_NIL);
	ck_assert_uint_eq(fixture.ups, 1);
	fixture_end();
}
END_TEST

START_TEST(refused_greetings_never_come_up)
{
	static const struct {
		const char *password;
		unsigned db;
		enum redis_error error;
	} rows[] = {
		{"wrong", 0, REDIS_ERROR_WRONGPASS},
		{"", 0, REDIS_ERROR_NOAUTH},
		{"right", 99, REDIS_ERROR_OTHER},
	};
	const char *const options[] = {"--requirepass", "right", NULL};
	dir_make();
	server_start(options);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		memset(&fixture.config, 0, sizeof(fixture.config));
		memcpy(fixture.config.url.secret_password, rows[i].password,
			strlen(rows[i].password) + 1);
		fixture.config.url.db = rows[i].db;
		redis_start();
		for (int turn = 0; turn < FIXTURE_TURNS && errors(rows[i].error) < 2; turn++)
			ck_assert(!run_until(is_up, FIXTURE_TURN_US));
		ck_assert_msg(errors(rows[i].error) == 2, "row %zu", i);
		redis_free(fixture.redis);
		loop_free(fixture.loop);
	}
	redis_start();
	fixture_end();
}
END_TEST

START_TEST(errors_are_counted_by_kind)
{
	start(NULL);
	wait_up();
	static const struct {
		const char *before, *command, *after;
		enum redis_error error;
	} rows[] = {
		{"SET k v", "HSETNX k f v", "DEL k", REDIS_ERROR_WRONGTYPE},
		{"CONFIG SET maxmemory 1", "SET k v", "CONFIG SET maxmemory 0", REDIS_ERROR_OOM},
		{"REPLICAOF 127.0.0.1 1", "SET k v", "REPLICAOF NO ONE", REDIS_ERROR_READONLY},
		{"CONFIG SET min-replicas-to-write 1", "SET k v",
			"CONFIG SET min-replicas-to-write 0", REDIS_ERROR_NOREPLICAS},
		{"ACL SETUSER default -get", "GET k", "ACL SETUSER default +get",
			REDIS_ERROR_NOPERM},
		{"PING", "NOSUCH", "PING", REDIS_ERROR_OTHER},
		{"PING", "CLUSTER SLOTS", "PING", REDIS_ERROR_OTHER},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		answer_to(rows[i].before);
		ck_assert_msg(
			fixture.last_type != REDIS_TYPE_ERROR, "row %zu: %s", i, fixture.last);
		const uint64_t before = errors(rows[i].error);
		answer_to(rows[i].command);
		ck_assert_int_eq(fixture.last_type, REDIS_TYPE_ERROR);
		ck_assert_msg(errors(rows[i].error) == before + 1, "row %zu: %s", i, fixture.last);
		answer_to(rows[i].after);
	}
	ck_assert(is_up());
	fixture_end();
}
END_TEST

START_TEST(a_stopped_server_costs_one_deadline_and_comes_back)
{
	fixture.config.reply_deadline_us = 500000;
	start(NULL);
	wait_up();
	const int64_t start_us = clock_mono_us(); /* of the turn that the questions belong to */
	answer_to("SET k v");
	kill(fixture.server, SIGSTOP);
	for (int i = 0; i < 10; i++)
		ck_assert(ask("GET k"));
	wanted_answers = fixture.answers + 10;
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	const int64_t took_us = clock_mono_us() - start_us;
	ck_assert_int_ge(took_us, 475000);
	ck_assert_int_le(took_us, 4500000); /* ten of them would be 5 s */
	ck_assert_uint_eq(fixture.losses, 10);
	ck_assert(is_down());
	ck_assert(!ask("GET k"));
	ck_assert_uint_eq(errors(REDIS_ERROR_TIMEOUT), 1);
	ck_assert_uint_eq(errors(REDIS_ERROR_BACKLOG), 1);
	ck_assert_uint_eq(fixture.downs, 1);
	kill(fixture.server, SIGCONT);
	wait_up();
	fixture.losses = 0;
	ck_assert_str_eq(answer_to("GET k"), "v");
	ck_assert_uint_eq(fixture.ups, 2);
	fixture_end();
}
END_TEST

START_TEST(quiet_time_is_no_timeout)
{
	fixture.config.reply_deadline_us = 500000;
	start(NULL);
	wait_up();
	for (int i = 0; i < 3; i++) {
		answer_to("PING");
		run_until(is_never, 600000);
	}
	ck_assert(is_up());
	ck_assert_uint_eq(fixture.downs, 0);
	fixture_end();
}
END_TEST

#define STALL_COMMANDS 15000 /* their replies take more than one read */

/* Our own process stood still, not Redis. */
START_TEST(a_stall_of_ours_is_not_blamed_on_redis)
{
	fixture.config.reply_deadline_us = 800000;
	start(NULL);
	wait_up();
	wanted_answers = STALL_COMMANDS;
	for (int i = 0; i < STALL_COMMANDS; i++)
		ck_assert(ask("PING"));
	run_until(is_never, 0);
	usleep(1000000);
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	ck_assert_uint_eq(fixture.losses, 0);
	ck_assert(is_up());
	fixture_end();
}
END_TEST

static uint8_t told[REDIS_PENDING_MAX];

static void on_told(const struct redis_value *value, uint64_t tag, void *arg)
{
	(void)arg;
	ck_assert_uint_lt(tag, REDIS_PENDING_MAX);
	ck_assert_uint_eq(told[tag], 0);
	told[tag] = 1;
	if (value)
		fixture.answers++;
	else
		fixture.losses++;
	/* What an impatient caller would do. */
	if (!value)
		ck_assert(!redis_command(
			fixture.redis, (const struct str[]){STR("PING")}, 1, NULL, 0, NULL));
}

static void fill(void)
{
	const struct str set[] = {STR("SET"), STR("k"), STR("0123456789")};
	for (uint64_t i = 0; i < REDIS_PENDING_MAX; i++)
		ck_assert(redis_command(fixture.redis, set, 3, on_told, i, NULL));
	ck_assert(!redis_command(fixture.redis, set, 3, on_told, 0, NULL));
	ck_assert_uint_eq(errors(REDIS_ERROR_BACKLOG), 1);
	ck_assert_uint_eq(stats_get(&redis_counts(fixture.redis)->pending), REDIS_PENDING_MAX);
}

START_TEST(a_hundred_thousand_pending_are_told_once_when_it_dies)
{
	fixture.config.reply_deadline_us = FIXTURE_DEADLINE_US;
	start(NULL);
	wait_up();
	fill();
	kill(fixture.server, SIGSTOP);
	run_until(is_never, 20000);
	ck_assert_uint_eq(fixture.answers + fixture.losses, 0);
	server_kill();
	wanted_answers = REDIS_PENDING_MAX;
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	ck_assert_uint_eq(fixture.losses, REDIS_PENDING_MAX);
	ck_assert_uint_eq(fixture.downs, 1);
	ck_assert_uint_eq(errors(REDIS_ERROR_LOST), 1);
	server_start(NULL);
	wait_up();
	fixture_end();
}
END_TEST

START_TEST(a_hundred_thousand_pending_are_answered)
{
	fixture.config.reply_deadline_us = FIXTURE_DEADLINE_US;
	start(NULL);
	wait_up();
	fill();
	wanted_answers = REDIS_PENDING_MAX;
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	ck_assert_uint_eq(fixture.answers, REDIS_PENDING_MAX);
	fixture_end();
}
END_TEST

START_TEST(freeing_tells_everybody_first)
{
	start(NULL);
	wait_up();
	for (int i = 0; i < 3; i++)
		ck_assert(ask("PING"));
	redis_free(fixture.redis);
	ck_assert_uint_eq(fixture.losses, 3);
	ck_assert_uint_eq(fixture.downs, 0);
	loop_free(fixture.loop);
	redis_start();
	fixture_end();
}
END_TEST

START_TEST(a_server_that_comes_late_is_found)
{
	dir_make();
	redis_start();
	ck_assert(!run_until(is_up, 300000));
	ck_assert(!ask("PING"));
	ck_assert_uint_le(errors(REDIS_ERROR_CONNECT), 8);
	/* After 50 ms and 100 ms. */
	for (int turn = 0; turn < FIXTURE_TURNS && errors(REDIS_ERROR_CONNECT) < 2; turn++)
		ck_assert(!run_until(is_up, FIXTURE_TURN_US));
	ck_assert_uint_ge(errors(REDIS_ERROR_CONNECT), 2);
	server_start(NULL);
	wait_up();
	ck_assert_uint_eq(fixture.downs, 0);
	fixture_end();
}
END_TEST

SUITE_MAIN("redis", every_type_of_reply_is_told, a_password_a_database_and_a_name_come_first,
	refused_greetings_never_come_up, errors_are_counted_by_kind,
	a_stopped_server_costs_one_deadline_and_comes_back, quiet_time_is_no_timeout,
	a_stall_of_ours_is_not_blamed_on_redis,
	a_hundred_thousand_pending_are_told_once_when_it_dies,
	a_hundred_thousand_pending_are_answered, freeing_tells_everybody_first,
	a_server_that_comes_late_is_found)
