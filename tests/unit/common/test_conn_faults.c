/* SPDX-License-Identifier: Apache-2.0
 * Connections under bad peers and short supplies: deadlines, cap, resets, descriptors, drain. */
#include "conn_fixture.h"

#include <sys/resource.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void server_drain_end(void)
{
	pthread_join(fixture.thread, NULL);
	ck_assert_uint_eq(fixture.drained, 1);
	server_free();
}

/* Says text a byte every 10 ms until the answer is there, which is before its end. */
static void trickle(int fd, const char *text)
{
	for (size_t at = 0;; at++) {
		char answer[16];
		if (recv(fd, answer, sizeof(answer), MSG_PEEK | MSG_DONTWAIT) > 0)
			break;
		ck_assert_msg(text[at], "all was said without an answer");
		ck_assert_int_eq(send(fd, text + at, 1, MSG_NOSIGNAL), 1);
		usleep(10000);
	}
}

#define LONG_HEAD                                                   \
	"GET / HTTP/1.1\r\nHost: a\r\nX: "                          \
	"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy" \
	"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"

START_TEST(a_slow_head_ends_at_an_absolute_deadline)
{
	limits_long();
	fixture.limits.head_deadline_us = SHORT_US;
	server_start();
	const int64_t start_us = clock_mono_us();
	const int other = dial();
	const int fd = dial();
	trickle(fd, LONG_HEAD);
	ck_assert_int_ge(clock_mono_us() - start_us, SHORT_US);
	ck_assert_ptr_nonnull(strstr(hear_end(fd), "HTTP/1.1 408 Request Timeout"));
	close(other);
	server_halt();
	ck_assert_uint_eq(counts().timeouts, 1);
	ck_assert_uint_eq(counts().bad_requests, 1);
	ck_assert_uint_eq(fixture.refused_status, 408);
	server_free();
}
END_TEST

START_TEST(a_slow_body_ends_at_an_absolute_deadline)
{
	limits_long();
	fixture.limits.body_deadline_us = SHORT_US;
	server_start();
	const int64_t start_us = clock_mono_us();
	const int fd = dial();
	say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n");
	trickle(fd, LONG_HEAD);
	ck_assert_int_ge(clock_mono_us() - start_us, SHORT_US);
	ck_assert_ptr_nonnull(strstr(hear_end(fd), "HTTP/1.1 408 Request Timeout"));
	server_halt();
	ck_assert_uint_eq(counts().timeouts, 1);
	server_free();
}
END_TEST

START_TEST(an_idle_connection_is_closed_in_silence)
{
	limits_long();
	fixture.limits.idle_deadline_us = 1000000;
	server_start();
	const int64_t start_us = clock_mono_us();
	const int fresh = dial();
	const int used = dial();
	say(used, GET("/x"));
	hear(used, "/x", 1);
	ck_assert_str_eq(hear_end(used), "");
	ck_assert_int_ge(clock_mono_us() - start_us, fixture.limits.idle_deadline_us);
	ck_assert_str_eq(hear_end(fresh), "");
	server_halt();
	ck_assert_uint_eq(counts().timeouts, 0);
	ck_assert_uint_eq(counts().resets, 0);
	ck_assert_uint_eq(counts().open, 0);
	server_free();
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_reset)
{
	limits_long();
	fixture.limits.write_deadline_us = SHORT_US;
	server_start();
	const int fd = dial();
	const int small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	say(fd, GET("/big") GET("/big") GET("/big") GET("/big") GET("/big") GET("/big") GET("/big")
			GET("/big"));
	WAIT_FOR(counts().accepted > 0);
	wait_open(0);
	server_halt();
	ck_assert_uint_eq(counts().timeouts, 1);
	ck_assert_uint_eq(counts().resets, 1);
	server_free();
}
END_TEST

START_TEST(over_the_cap_the_newest_is_closed)
{
	limits_long();
	fixture.limits.connections_max = 2;
	server_start();
	const int one = dial();
	const int two = dial();
	wait_open(2);
	const int three = dial();
	ck_assert_str_eq(hear_end(three), "");
	say(one, GET("/one"));
	hear(one, "/one", 1);
	say(two, GET("/two"));
	hear(two, "/two", 1);
	ck_assert_uint_eq(counts().refused_cap, 1);
	close(one);
	wait_open(1);
	const int four = dial();
	say(four, GET("/four"));
	hear(four, "/four", 1);
	server_stop();
}
END_TEST

/* A client at another of loopback's addresses. */
static int dial_from(const char *address)
{
	const int fd = client_socket();
	struct sockaddr_in in = {.sin_family = AF_INET};
	inet_pton(AF_INET, address, &in.sin_addr);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert(client_connect(fd));
	return fd;
}

START_TEST(over_its_cap_an_address_is_closed_and_others_are_not)
{
	limits_long();
	fixture.limits.per_address_max = 2;
	server_start();
	const int one = dial_from("127.0.0.2"), two = dial_from("127.0.0.2");
	wait_open(2);
	ck_assert_str_eq(hear_end(dial_from("127.0.0.2")), "");
	const int other = dial_from("127.0.0.3");
	say(other, GET("/other"));
	hear(other, "/other", 1);
	say(one, GET("/one"));
	hear(one, "/one", 1);
	close(one);
	wait_open(2);
	const int three = dial_from("127.0.0.2");
	say(three, GET("/three"));
	hear(three, "/three", 1);
	say(two, GET("/two"));
	hear(two, "/two", 1);
	ck_assert_uint_eq(counts().refused_address, 1);
	ck_assert_uint_eq(counts().refused_cap, 0);
	ck_assert_uint_eq(counts().accepted, 4);
	server_stop();
}
END_TEST

START_TEST(an_exempt_address_has_no_cap)
{
	limits_long();
	fixture.limits.per_address_max = 2;
	fixture.has_exempt = true;
	server_start();
	for (int i = 0; i < 5; i++)
		say(dial(), GET("/later"));
	wait_open(5);
	ck_assert_uint_eq(counts().refused_address, 0);
	server_stop();
}
END_TEST

static void reset(int fd)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

START_TEST(a_reset_or_half_a_request_leaves_nothing_behind)
{
	static const char *const parts[] = {
		"GET / HT",
		"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
		GET("/later"),
	};
	limits_long();
	fixture.later_us = 1000000; /* the reset comes first */
	server_start();
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		const int fd = dial();
		say(fd, parts[i]);
		wait_open(1);
		usleep(5000);
		reset(fd);
		wait_open(0);
		ck_assert_uint_eq(counts().resets, i + 1);
	}
	for (size_t i = 0; i < 3; i++) {
		const int fd = dial();
		say(fd, parts[i]);
		shutdown(fd, SHUT_WR);
		ck_assert_str_eq(hear_end(fd), "");
		ck_assert_uint_eq(counts().resets, COUNT_OF(parts) + i + 1);
		close(fd);
	}
	WAIT_FOR(__atomic_load_n(&fixture.waiting_count, __ATOMIC_ACQUIRE) == 0);
	server_halt();
	/* /later's answer found its connection gone, or went out to nobody if the request had come
	 * together with the connection, which is not watched then. */
	ck_assert_uint_le(fixture.gone, 1);
	ck_assert_uint_eq(counts().bad_requests, 0);
	server_free();
}
END_TEST

START_TEST(a_half_closed_peer_gets_all_its_answers)
{
	limits_long();
	server_start();
	const int fd = dial();
	say(fd, GET("/1") GET("/later") GET("/2") GET("/later") GET("/3"));
	shutdown(fd, SHUT_WR);
	const char *text = hear_end(fd);
	ck_assert_uint_eq(occurrences(text, "HTTP/1.1 200"), 5);
	ck_assert_ptr_nonnull(strstr(text, "\r\n\r\n/3"));
	wait_open(0);
	ck_assert_uint_eq(counts().resets, 0);
	server_stop();
}
END_TEST

#define STORM 40

/* The clients' sockets are made before the limit: only the server runs into it. */
START_TEST(without_descriptors_it_stops_accepting_and_recovers)
{
	limits_long();
	server_start();
	int fds[STORM];
	for (int i = 0; i < STORM; i++)
		fds[i] = client_socket();
	const int probe = dup(fds[0]);
	close(probe);
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	const struct rlimit tight = {.rlim_cur = (rlim_t)probe + 5, .rlim_max = limit.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	for (int i = 0; i < STORM; i++)
		ck_assert(client_connect(fds[i]));
	for (int i = 0; i < 20000 && counts().accept_failures < 2; i++)
		usleep(1000);
	const uint64_t failures = counts().accept_failures;
	ck_assert_uint_ge(failures, 2);
	ck_assert_uint_le(failures, 40); /* ten a second, not a busy loop */
	say(fds[0], GET("/first"));
	hear(fds[0], "/first", 1);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	say(fds[STORM - 1], GET("/last"));
	hear(fds[STORM - 1], "/last", 1);
	server_stop();
}
END_TEST

START_TEST(a_drain_finishes_what_is_under_way)
{
	limits_long();
	fixture.later_us = 2000000;
	server_start();
	const int idle = dial(), later = dial(), half = dial();
	say(idle, GET("/x"));
	hear(idle, "/x", 1);
	say(half, "GET /half HTTP/1.1\r\n");
	say(later, GET("/later") GET("/not"));
	usleep(300000); /* all have been read */
	loop_wake_post(fixture.drain);
	ck_assert_str_eq(hear_end(idle), "");
	const char *text = hear_end(later);
	ck_assert_uint_eq(occurrences(text, "HTTP/1.1 200"), 1);
	ck_assert_ptr_nonnull(strstr(text, "Connection: close\r\n"));
	const int late = client_socket();
	ck_assert(!client_connect(late));
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_uint_eq(fixture.drained, 0);
	say(half, "Host: a\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear_end(half), "Connection: close\r\n"));
	server_drain_end();
}
END_TEST

static bool is_held, is_let_go; /* atomic */

static void hold(void *arg)
{
	(void)arg;
	__atomic_store_n(&is_held, true, __ATOMIC_RELEASE);
	WAIT_FOR(__atomic_load_n(&is_let_go, __ATOMIC_ACQUIRE));
}

START_TEST(a_drain_serves_the_backlog)
{
	limits_long();
	server_start();
	struct err err;
	/* Wakes on a busy loop: the connections are in the backlog when the drain begins. */
	struct loop_wake *busy = loop_wake_new(fixture.loop, hold, NULL, &err);
	loop_wake_post(busy);
	WAIT_FOR(__atomic_load_n(&is_held, __ATOMIC_ACQUIRE));
	loop_wake_post(fixture.drain);
	int fds[20];
	for (int i = 0; i < 20; i++) {
		fds[i] = dial();
		if (i > 0)
			say(fds[i], GET("/backlog"));
	}
	__atomic_store_n(&is_let_go, true, __ATOMIC_RELEASE);
	for (int i = 1; i < 20; i++)
		ck_assert_ptr_nonnull(strstr(hear_end(fds[i]), "/backlog"));
	ck_assert_str_eq(hear_end(fds[0]), ""); /* said nothing for a second */
	pthread_join(fixture.thread, NULL);
	ck_assert_uint_eq(fixture.drained, 1);
	loop_wake_free(busy);
	server_free();
}
END_TEST

START_TEST(a_drain_does_not_wait_for_slow_peers)
{
	limits_long();
	server_start();
	const int half = dial(), deaf = dial();
	say(half, "GET /half HTTP/1.1\r\n");
	say(deaf, GET("/big"));
	usleep(200000); /* both have been read */
	const int64_t began_us = clock_mono_us();
	loop_wake_post(fixture.drain);
	server_drain_end();
	const int64_t took_us = clock_mono_us() - began_us;
	ck_assert_int_ge(took_us, 5000000);
	ck_assert_int_lt(took_us, 40000000);
	close(half);
	close(deaf);
}
END_TEST

START_TEST(a_drain_of_nothing_ends_at_once)
{
	limits_long();
	server_start();
	loop_wake_post(fixture.drain);
	server_drain_end();
}
END_TEST

START_TEST(a_thousand_connections_come_and_go)
{
	limits_long();
	fixture.limits.connections_max = 400;
	server_start();
	for (int round = 0; round < 3; round++) {
		int fds[350];
		for (int i = 0; i < 350; i++)
			fds[i] = dial();
		for (int i = 0; i < 350; i++)
			say(fds[i], i % 2 ? GET("/later") : GET("/now"));
		for (int i = 0; i < 350; i++)
			hear(fds[i], i % 2 ? "later" : "/now", 1);
		for (int i = 0; i < 350; i++)
			close(fds[i]);
		wait_open(0);
	}
	ck_assert_uint_eq(counts().accepted, 1050);
	ck_assert_uint_eq(counts().refused_cap, 0);
	server_stop();
}
END_TEST

SUITE_MAIN("conn_faults", a_slow_head_ends_at_an_absolute_deadline,
	a_slow_body_ends_at_an_absolute_deadline, an_idle_connection_is_closed_in_silence,
	a_peer_that_does_not_read_is_reset, over_the_cap_the_newest_is_closed,
	over_its_cap_an_address_is_closed_and_others_are_not, an_exempt_address_has_no_cap,
	a_reset_or_half_a_request_leaves_nothing_behind, a_half_closed_peer_gets_all_its_answers,
	without_descriptors_it_stops_accepting_and_recovers, a_drain_finishes_what_is_under_way,
	a_drain_serves_the_backlog, a_drain_of_nothing_ends_at_once,
	a_drain_does_not_wait_for_slow_peers, a_thousand_connections_come_and_go)
