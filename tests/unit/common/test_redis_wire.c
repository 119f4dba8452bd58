/* SPDX-License-Identifier: Apache-2.0
 * The connection against a server that we play: what leaves in one write, and replies that are
 * none. */
#include "redis_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#define GREETED "+OK\r\n+PONG\r\n" /* to CLIENT SETNAME and PING */

/* What the played server does with each connection: greets (or not), notes one read, and answers.
 */
static struct {
	const char *greeting;
	const char *answer;
	bool has_slices; /* a byte at a time */
	bool has_close;  /* after the answer */
	bool is_ahead;   /* answers before it is asked */
	int listener;
	pthread_t thread;
	char noted[4096];
	unsigned connections;
} play;

static void send_all(int fd, const char *text, bool has_slices)
{
	const size_t len = strlen(text);
	for (size_t at = 0; at < len; at += has_slices ? 1 : len) {
		if (send(fd, text + at, has_slices ? 1 : len, MSG_NOSIGNAL) < 0)
			return;
		if (has_slices)
			usleep(500);
	}
}

static void serve_one(int fd)
{
	char bytes[4096];
	size_t len = 0;
	do {
		const ssize_t got = recv(fd, bytes + len, sizeof(bytes) - 1 - len, 0);
		if (got <= 0)
			return;
		len += (size_t)got;
		bytes[len] = '\0';
	} while (!strstr(bytes, "PING\r\n"));
	if (!play.greeting)
		usleep(100000);
	else
		send_all(fd, play.greeting, play.has_slices);
	if (!play.is_ahead) {
		const ssize_t got = recv(fd, play.noted, sizeof(play.noted) - 1, 0);
		if (got <= 0)
			return;
		play.noted[got] = '\0';
	}
	if (play.answer)
		send_all(fd, play.answer, play.has_slices);
	if (!play.has_close)
		while (recv(fd, bytes, sizeof(bytes), 0) > 0)
			;
}

static void *serve(void *arg)
{
	(void)arg;
	for (;;) {
		const int fd = accept(play.listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		__atomic_add_fetch(&play.connections, 1, __ATOMIC_RELAXED);
		serve_one(fd);
		close(fd);
	}
}

static unsigned connections(void)
{
	return __atomic_load_n(&play.connections, __ATOMIC_RELAXED);
}

static void start(void)
{
	dir_make();
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof(un.sun_path), "%.90s", fixture.socket);
	play.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(play.listener, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(play.listener, 8), 0);
	ck_assert_int_eq(pthread_create(&play.thread, NULL, serve, NULL), 0);
	redis_start();
}

static void end(void)
{
	redis_free(fixture.redis);
	loop_free(fixture.loop);
	shutdown(play.listener, SHUT_RDWR);
	pthread_join(play.thread, NULL);
	unlink(fixture.socket);
	rmdir(fixture.dir);
}

static unsigned flushes;

static void on_before_flush(void *arg)
{
	(void)arg;
	flushes++;
	if (flushes == 1)
		ck_assert(ask("LAST"));
}

START_TEST(commands_of_a_turn_leave_in_one_write_with_the_last_word)
{
	play.greeting = GREETED;
	play.answer = "+1\r\n+2\r\n+3\r\n";
	fixture.config.before_flush = on_before_flush;
	start();
	wait_up();
	ck_assert_uint_eq(flushes, 0);
	wanted_answers = 3;
	ck_assert(ask("FIRST a"));
	ck_assert(ask("SECOND"));
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	ck_assert_str_eq(play.noted, "*2\r\n$5\r\nFIRST\r\n$1\r\na\r\n*1\r\n$6\r\nSECOND\r\n"
				     "*1\r\n$4\r\nLAST\r\n");
	ck_assert_str_eq(fixture.last, "3");
	ck_assert_uint_eq(flushes, 1);
	end();
}
END_TEST

static unsigned answers_after;

static void on_after_replies(void *arg)
{
	(void)arg;
	answers_after = fixture.answers;
}

START_TEST(the_replies_of_a_read_are_told_before_the_word_after_them)
{
	play.greeting = GREETED;
	play.answer = "+1\r\n+2\r\n+3\r\n";
	fixture.config.after_replies = on_after_replies;
	start();
	wait_up();
	wanted_answers = 3;
	ck_assert(ask("ONE") && ask("TWO") && ask("THREE"));
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	ck_assert_uint_eq(answers_after, 3);
	end();
}
END_TEST

START_TEST(replies_in_slices_are_the_same_replies)
{
	play.greeting = GREETED;
	play.answer = "*3\r\n$3\r\na\r\n\r\n:-7\r\n*1\r\n$-1\r\n+done\r\n";
	play.has_slices = true;
	start();
	wait_up();
	wanted_answers = 2;
	ck_assert(ask("ONE") && ask("TWO"));
	ck_assert(run_until(is_answered, FIXTURE_DEADLINE_US));
	ck_assert_uint_eq(fixture.answers, 2);
	ck_assert_str_eq(fixture.last, "done");
	end();
}
END_TEST

static bool was_up(void)
{
	return fixture.ups > 0;
}

static bool was_down(void)
{
	return fixture.downs > 0;
}

START_TEST(what_is_not_the_protocol_drops_the_connection)
{
	static const struct {
		const char *answer;
		bool is_ahead, has_close;
		enum redis_error error;
	} rows[] = {
		{"HTTP/1.1 400 Bad Request\r\n\r\n", false, false, REDIS_ERROR_PROTOCOL},
		{"$-2\r\n", false, false, REDIS_ERROR_PROTOCOL},
		{":12x\r\n", false, false, REDIS_ERROR_PROTOCOL},
		{"$99999999999999999999\r\n", false, false, REDIS_ERROR_PROTOCOL},
		{"*-5\r\n", false, false, REDIS_ERROR_PROTOCOL},
		{">2\r\n+push\r\n+x\r\n", false, false, REDIS_ERROR_PROTOCOL},
		{"+unasked\r\n", true, false, REDIS_ERROR_PROTOCOL},
		{"-ERR unasked\r\n", true, false, REDIS_ERROR_PROTOCOL},
		{"$5\r\nhal", false, true, REDIS_ERROR_LOST},
		{NULL, false, true, REDIS_ERROR_LOST},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		play.greeting = GREETED;
		play.answer = rows[i].answer;
		play.is_ahead = rows[i].is_ahead;
		play.has_close = rows[i].has_close;
		fixture.losses = fixture.answers = fixture.ups = fixture.downs = 0;
		start();
		ck_assert(run_until(was_up, FIXTURE_DEADLINE_US));
		wanted_answers = 1;
		const bool is_asked = !rows[i].is_ahead && ask("GET k");
		ck_assert_msg(run_until(was_down, FIXTURE_DEADLINE_US), "row %zu", i);
		ck_assert_msg(errors(rows[i].error) == 1, "row %zu", i);
		ck_assert_uint_eq(fixture.losses, is_asked);
		ck_assert_uint_eq(fixture.answers, 0);
		end();
		memset(&fixture.config.url, 0, sizeof(fixture.config.url));
	}
}
END_TEST

/* Redis at its limit of clients says so to nobody's question, and closes. */
START_TEST(a_greeting_refused_or_missing_is_tried_again)
{
	play.greeting = "-ERR max number of clients reached\r\n";
	fixture.config.connect_deadline_us = 100000;
	start();
	/* An attempt may time out before the server has had its turn to accept it. */
	for (int turn = 0; turn < FIXTURE_TURNS && connections() < 2; turn++)
		ck_assert(!run_until(is_up, FIXTURE_TURN_US));
	ck_assert_uint_ge(connections(), 2);
	play.greeting = NULL; /* accepts and is silent */
	const uint64_t before = errors(REDIS_ERROR_TIMEOUT);
	for (int turn = 0; turn < FIXTURE_TURNS && errors(REDIS_ERROR_TIMEOUT) < before + 2; turn++)
		ck_assert(!run_until(is_up, FIXTURE_TURN_US));
	ck_assert_uint_ge(errors(REDIS_ERROR_TIMEOUT), before + 2);
	play.greeting = GREETED;
	wait_up();
	end();
}
END_TEST

START_TEST(a_host_name_is_looked_up_and_each_address_tried)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost"};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	play.greeting = GREETED;
	play.listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(play.listener, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(listen(play.listener, 8), 0);
	ck_assert_int_eq(getsockname(play.listener, (struct sockaddr *)&in, &len), 0);
	ck_assert_int_eq(pthread_create(&play.thread, NULL, serve, NULL), 0);
	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		snprintf(fixture.config.url.host, sizeof(fixture.config.url.host), "%s", hosts[i]);
		fixture.config.url.port = ntohs(in.sin_port);
		redis_start();
		wait_up();
		redis_free(fixture.redis);
		loop_free(fixture.loop);
	}
	snprintf(fixture.config.url.host, sizeof(fixture.config.url.host), "no-such-host.invalid");
	redis_start();
	const int64_t start_us = clock_mono_us();
	ck_assert(!run_until(is_up, 50000));
	ck_assert_int_lt(clock_mono_us() - start_us, 3000000); /* the loop did not wait for it */
	redis_free(fixture.redis);
	loop_free(fixture.loop);
}
END_TEST

SUITE_MAIN("redis_wire", commands_of_a_turn_leave_in_one_write_with_the_last_word,
	the_replies_of_a_read_are_told_before_the_word_after_them,
	replies_in_slices_are_the_same_replies, what_is_not_the_protocol_drops_the_connection,
	a_greeting_refused_or_missing_is_tried_again,
	a_host_name_is_looked_up_and_each_address_tried)
