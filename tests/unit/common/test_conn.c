/* SPDX-License-Identifier: Apache-2.0
 * Connections over real sockets: order, keep-alive, bodies, refusals. */
#include "conn_fixture.h"

#include <sys/epoll.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

START_TEST(answers_are_framed_and_kept_alive)
{
	limits_long();
	server_start();
	const int fd = dial();
	for (int i = 0; i < 3; i++) {
		say(fd, GET("/x?y"));
		const char *text = hear(fd, "/x?y", 1);
		ck_assert_ptr_eq(strstr(text, "HTTP/1.1 200 OK\r\nDate: "), text);
		ck_assert_ptr_nonnull(strstr(text, " GMT\r\nContent-Length: 4\r\n"));
		ck_assert_ptr_nonnull(strstr(text, "Content-Type: text/plain\r\n\r\n/x?y"));
		ck_assert_ptr_null(strstr(text, "Connection:"));
	}
	say(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear_end(fd), "Connection: close\r\n"));
	wait_open(0);
	ck_assert_uint_eq(counts().accepted, 1);
	ck_assert_uint_eq(counts().resets, 0);
	ck_assert_int_eq(strncmp(fixture.last_peer, "127.0.0.1:", 10), 0);
	server_stop();
}
END_TEST

START_TEST(an_old_client_is_closed_unless_it_asks)
{
	limits_long();
	server_start();
	int fd = dial();
	say(fd, "GET / HTTP/1.0\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear_end(fd), "Connection: close\r\n"));
	close(fd);
	fd = dial();
	say(fd, "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, "/1", 1), "Connection: keep-alive\r\n"));
	say(fd, "GET /2 HTTP/1.0\r\n\r\n");
	hear_end(fd);
	server_stop();
}
END_TEST

START_TEST(head_and_no_content_send_no_body)
{
	limits_long();
	server_start();
	const int fd = dial();
	say(fd, "HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n" GET("/empty") GET("/last"));
	const char *text = hear(fd, "/last", 1);
	ck_assert_ptr_nonnull(
		strstr(text, "Content-Length: 4\r\nContent-Type: text/plain\r\n\r\nHTTP/1.1 204"));
	const char *empty = strstr(text, "HTTP/1.1 204 No Content\r\n");
	ck_assert_ptr_nonnull(empty);
	const char *end = strstr(empty, "\r\n\r\n");
	ck_assert_int_eq(strncmp(end + 4, "HTTP/1.1 200", 12), 0);
	const char *length = strstr(empty, "Content-Length");
	ck_assert(!length || length > end);
	server_stop();
}
END_TEST

/* Of a pipeline of count requests, every third answered later. */
static struct buf pipeline(unsigned count)
{
	struct buf buf;
	buf_init(&buf, 1 << 20);
	for (unsigned i = 0; i < count; i++) {
		if (i % 3 == 2)
			buf_add_cstr(&buf, GET("/later"));
		else
			buf_addf(&buf, "GET /n%u HTTP/1.1\r\nHost: a\r\n\r\n", i);
	}
	return buf;
}

static void check_order(const char *text, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char body[32];
		snprintf(body, sizeof(body), "\r\n\r\n/n%u", i);
		text = strstr(text, i % 3 == 2 ? "\r\n\r\nlater" : body);
		ck_assert_msg(text, "answer %u", i);
	}
}

START_TEST(pipelined_requests_are_answered_in_order)
{
	limits_long();
	server_start();
	const int fd = dial();
	struct buf buf = pipeline(100);
	say_bytes(fd, buf.data, buf.len);
	check_order(hear(fd, "HTTP/1.1 200", 100), 99);
	buf_release(&buf);
	server_stop();
}
END_TEST

START_TEST(an_error_in_the_pipeline_comes_in_its_turn_and_ends_it)
{
	limits_long();
	server_start();
	const int fd = dial();
	struct buf buf = pipeline(50);
	buf_add_cstr(&buf, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
	for (int i = 0; i < 50; i++)
		buf_add_cstr(&buf, GET("/after"));
	say_bytes(fd, buf.data, buf.len);
	const char *text = hear_end(fd);
	check_order(text, 50);
	ck_assert_uint_eq(occurrences(text, "HTTP/1.1 200"), 50);
	ck_assert_uint_eq(occurrences(text, "HTTP/1.1 400"), 1);
	ck_assert_ptr_null(strstr(text, "/after"));
	ck_assert_uint_eq(fixture.handled, 50);
	ck_assert_uint_eq(counts().bad_requests, 1);
	ck_assert_uint_eq(fixture.refused_status, 400);
	buf_release(&buf);
	server_stop();
}
END_TEST

START_TEST(a_flood_of_pipelined_bytes_is_bounded_and_whole)
{
	limits_long();
	server_start();
	const int fd = dial();
	struct buf buf;
	buf_init(&buf, 1 << 20);
	buf_add_cstr(&buf, GET("/later"));
	for (unsigned i = 0; i < 3000; i++)
		buf_add_cstr(&buf, GET("/0123456789012345678901234567890123456789"));
	buf_add_cstr(&buf, GET("/end!"));
	say_bytes(fd, buf.data, buf.len);
	ck_assert_uint_eq(occurrences(hear(fd, "/end!", 1), "HTTP/1.1 200"), 3002);
	buf_release(&buf);
	server_stop();
}
END_TEST

/* More than may be kept has come after a body whose answer is still to be given. */
START_TEST(long_bodies_may_be_pipelined)
{
	enum { BODY_BYTES = 2 * CONN_PENDING_MAX };
	static char body[BODY_BYTES + 1];
	memset(body, 'x', BODY_BYTES);
	limits_long();
	fixture.limits.body_max = BODY_BYTES;
	server_start();
	for (unsigned is_chunked = 0; is_chunked < 2; is_chunked++) {
		struct buf buf;
		buf_init(&buf, 1 << 20);
		for (unsigned requests = 0; requests < 4; requests++) {
			buf_add_cstr(&buf, "POST /later HTTP/1.1\r\nHost: a\r\n");
			if (is_chunked)
				buf_addf(&buf,
					"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
					(unsigned)BODY_BYTES, body);
			else
				buf_addf(&buf, "Content-Length: %u\r\n\r\n%s", (unsigned)BODY_BYTES,
					body);
		}
		buf_add_cstr(&buf, GET("/end!"));
		const int fd = dial();
		say_bytes(fd, buf.data, buf.len);
		ck_assert_uint_eq(occurrences(hear(fd, "/end!", 1), "HTTP/1.1 200"), 5);
		close(fd);
		buf_release(&buf);
	}
	server_stop();
}
END_TEST

START_TEST(pieces_change_nothing)
{
	limits_long();
	server_start();
	const char *text = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
			   "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
			   "3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n" GET("/end!");
	/* The first head, all but its body's last byte, all of it, and everything at once. */
	static const size_t steps[] = {1, 3, 51, 55, 56, 1000};
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		const size_t step = steps[i];
		const int fd = dial();
		for (size_t at = 0; at < strlen(text); at += step) {
			say_bytes(
				fd, text + at, strlen(text + at) < step ? strlen(text + at) : step);
			usleep(300);
		}
		const char *answers = hear(fd, "/end!", 1);
		ck_assert_uint_eq(occurrences(answers, "HTTP/1.1 200"), 3);
		ck_assert_ptr_nonnull(strstr(answers, "\r\n\r\nhelloHTTP"));
		ck_assert_ptr_nonnull(strstr(answers, "\r\n\r\nabcdeHTTP"));
		close(fd);
	}
	server_stop();
}
END_TEST

START_TEST(continue_is_said_once_the_head_is_agreed)
{
	limits_long();
	server_start();
	int fd = dial();
	say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: "
		"100-continue\r\n\r\n");
	ck_assert_str_eq(hear(fd, "\r\n\r\n", 1), "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "hello" GET("/end!"));
	ck_assert_ptr_nonnull(strstr(hear(fd, "/end!", 1), "\r\n\r\nhelloHTTP"));
	close(fd);
	static const struct {
		const char *head, *answer;
	} rows[] = {
		{"POST /no HTTP/1.1\r\nContent-Length: 5\r\n", "HTTP/1.1 405 Method"},
		{"POST /echo HTTP/1.1\r\nContent-Length: 1001\r\n", "HTTP/1.1 413 Content"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fd = dial();
		say(fd, rows[i].head);
		say(fd, "Host: a\r\nExpect: 100-continue\r\n\r\n");
		const char *text = hear_end(fd);
		ck_assert_ptr_eq(strstr(text, rows[i].answer), text);
		ck_assert_ptr_nonnull(strstr(text, "Connection: close\r\n"));
		close(fd);
	}
	server_stop();
}
END_TEST

START_TEST(a_body_that_comes_with_its_head_needs_no_continue)
{
	limits_long();
	server_start();
	const int fd = dial();
	say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
		"Expect: 100-continue\r\n\r\nhello");
	ck_assert_ptr_null(strstr(hear(fd, "hello", 1), "100 Continue"));
	server_stop();
}
END_TEST

START_TEST(refusals_have_their_status_and_close)
{
	static const struct {
		const char *text;
		unsigned status;
	} rows[] = {
		{"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", 411},
		{"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413},
		{"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
			413},
		{"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
			400},
		{"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
		{"\x16\x03\x01\x02", 400},
		{"GET /\r\n", 400},
		{"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
		{"GET / HTTP/3.0\r\n", 505},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
		{"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417},
	};
	limits_long();
	server_start();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const int fd = dial();
		say(fd, rows[i].text);
		const char *text = hear_end(fd);
		unsigned status = 0;
		if (strlen(text) > 12)
			status = (unsigned)strtoul(text + 9, NULL, 10);
		ck_assert_msg(status == rows[i].status, "row %zu: %s", i, text);
		ck_assert_ptr_nonnull(strstr(text, "Connection: close\r\n"));
		close(fd);
	}
	server_halt();
	ck_assert_uint_eq(counts().bad_requests, COUNT_OF(rows));
	ck_assert_uint_eq(fixture.refused, COUNT_OF(rows));
	ck_assert_uint_eq(fixture.handled, 0);
	server_free();
}
END_TEST

/* Without lingering the unread megabytes would make the kernel reset the connection and drop the
 * answer. */
START_TEST(a_refused_sender_still_gets_its_answer)
{
	limits_long();
	server_start();
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 20; i++) {
		const int fd = dial();
		say(fd, "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
		say_bytes(fd, big, 200000);
		ck_assert_ptr_nonnull(strstr(hear_end(fd), "HTTP/1.1 405"));
		close(fd);
	}
	server_stop();
}
END_TEST

START_TEST(a_server_without_bodies_asks_its_routes_first)
{
	limits_long();
	fixture.limits.body_max = 0;
	server_start();
	int fd = dial();
	say(fd, "POST /x HTTP/1.1\r\nHost: a\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, "/x", 1), "HTTP/1.1 200"));
	say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, "/x", 1), "HTTP/1.1 200"));
	say(fd, "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
	ck_assert_ptr_nonnull(strstr(hear_end(fd), "HTTP/1.1 405"));
	close(fd);
	fd = dial();
	say(fd, "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
	ck_assert_ptr_nonnull(strstr(hear_end(fd), "HTTP/1.1 413"));
	close(fd);
	fd = dial();
	say(fd, "GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear_end(fd), "HTTP/1.1 413"));
	server_halt();
	ck_assert_uint_eq(fixture.handled, 2);
	server_free();
}
END_TEST

START_TEST(a_big_answer_arrives_whole)
{
	limits_long();
	server_start();
	memset(big, 'b', sizeof(big));
	const int fd = dial();
	say(fd, GET("/big") GET("/end!"));
	const char *text = hear(fd, "/end!", 1);
	const char *body = strstr(text, "\r\n\r\n") + 4;
	ck_assert_uint_eq(strspn(body, "b"), BIG_BYTES);
	server_stop();
}
END_TEST

#define WAITERS 5

static void waiters_dial(int *fds)
{
	for (unsigned i = 0; i < WAITERS; i++)
		fds[i] = dial();
}

/* Each asks for /later, in their order; nobody is answered before all have asked. */
static void waiters_ask(const int *fds)
{
	for (unsigned i = 0; i < WAITERS; i++) {
		say(fds[i], GET("/later"));
		WAIT_FOR(__atomic_load_n(&fixture.handled, __ATOMIC_RELAXED) > i);
	}
}

START_TEST(answers_leave_in_the_order_in_which_they_were_given)
{
	fixture.later_min = WAITERS;
	limits_long();
	server_start();
	int fds[WAITERS];
	const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	waiters_dial(fds);
	/* Before anything can be ready, which would be listed in this order. */
	for (unsigned i = WAITERS; i-- > 0;) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
		ck_assert_int_eq(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &event), 0);
	}
	waiters_ask(fds);
	for (unsigned i = 0; i < WAITERS; i++) {
		char byte;
		ck_assert_int_eq(recv(fds[i], &byte, 1, MSG_PEEK), 1);
	}
	/* The kernel lists them as they became ready. */
	struct epoll_event events[WAITERS];
	ck_assert_int_eq(epoll_wait(epoll_fd, events, WAITERS, 0), WAITERS);
	for (unsigned i = 0; i < WAITERS; i++)
		ck_assert_uint_eq(events[i].data.u32, i);
	close(epoll_fd);
	server_stop();
}
END_TEST

START_TEST(answers_can_leave_before_the_turn_ends)
{
	fixture.holds_turn = true;
	fixture.later_min = WAITERS;
	limits_long();
	server_start();
	int fds[WAITERS];
	waiters_dial(fds);
	waiters_ask(fds);
	for (unsigned i = 0; i < WAITERS; i++)
		hear(fds[i], "later", 1);
	__atomic_store_n(&fixture.is_heard, true, __ATOMIC_RELEASE);
	say(fds[0], GET("/next"));
	hear(fds[0], "/next", 1);
	server_halt();
	ck_assert(fixture.was_heard);
	server_free();
}
END_TEST

SUITE_MAIN("conn", answers_are_framed_and_kept_alive, an_old_client_is_closed_unless_it_asks,
	head_and_no_content_send_no_body, pipelined_requests_are_answered_in_order,
	an_error_in_the_pipeline_comes_in_its_turn_and_ends_it,
	a_flood_of_pipelined_bytes_is_bounded_and_whole, long_bodies_may_be_pipelined,
	pieces_change_nothing, continue_is_said_once_the_head_is_agreed,
	a_body_that_comes_with_its_head_needs_no_continue, refusals_have_their_status_and_close,
	a_refused_sender_still_gets_its_answer, a_server_without_bodies_asks_its_routes_first,
	a_big_answer_arrives_whole, answers_leave_in_the_order_in_which_they_were_given,
	answers_can_leave_before_the_turn_ends)
