/* SPDX-License-Identifier: Apache-2.0
 * Sends HTTP requests at a fixed rate, or as fast as they are answered, and tells how late the
 * answers came.
 *
 * usage: pace PORT RATE COUNT CONNECTIONS STATUS <REQUESTS
 * REQUESTS: each its length in decimal, a line feed and its bytes; when COUNT is more, they go
 * round. RATE max: each as soon as a connection is free. An answer with another STATUS ends the
 * program. Each request has a moment at which it is due, and its time counts from there: when the
 * server, or this program, falls behind, the wait in front of it counts too (no coordinated
 * omission). Kept connections to 127.0.0.1, one request under way on each. Prints one JSON object:
 * requests, seconds, p50_us, p99_us, p999_us, max_us. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "str.h"

#define CONNECTIONS_MAX 1024
#define EVENTS_MAX      64
#define REQUESTS_MAX    10000000
#define INPUT_MAX       (INT64_C(1) << 30)
#define RATE_MAX        1000000
#define ANSWER_MAX      65536
#define STALL_NS        (5 * NS_PER_S) /* without any answer: given up */
#define NS_PER_S        INT64_C(1000000000)
#define LENGTH_HEADER   "Content-Length: "

struct peer {
	int fd;
	int64_t due_ns; /* of the request under way */
	size_t len;
	bool is_busy;
	char answer[ANSWER_MAX];
};

struct pace {
	struct peer peers[CONNECTIONS_MAX];
	int epoll_fd;
	unsigned connections;
	unsigned idle[CONNECTIONS_MAX];
	unsigned idle_count;
	char *input;
	struct str *requests;
	size_t request_count;
	char status[16]; /* how the answers begin */
	int64_t *took_ns;
	size_t sent, done, total;
	int64_t start_ns, interval_ns;
};

static bool requests_read(struct pace *pace);
static bool pace_connect(struct pace *pace, unsigned port);
static bool pace_run(struct pace *pace);
static int64_t until_due_ns(const struct pace *pace);
static bool due_send(struct pace *pace);
static bool peer_read(struct pace *pace, unsigned at);
static bool is_answer_whole(struct peer *peer);
static void report(struct pace *pace, int64_t took_ns);
static int compare(const void *a, const void *b);
static int64_t now_ns(void);
static uint64_t number(const char *text, uint64_t max);

int main(int argc, char **argv)
{
	static struct pace pace;
	if (argc != 6) {
		fprintf(stderr, "usage: pace PORT RATE|max COUNT CONNECTIONS STATUS <REQUESTS\n");
		return 2;
	}
	const bool is_paced = strcmp(argv[2], "max") != 0;
	pace.interval_ns = is_paced ? NS_PER_S / (int64_t)number(argv[2], RATE_MAX) : 0;
	pace.total = number(argv[3], REQUESTS_MAX);
	pace.connections = (unsigned)number(argv[4], CONNECTIONS_MAX);
	snprintf(pace.status, sizeof(pace.status), "HTTP/1.1 %s ", argv[5]);
	pace.took_ns = calloc(pace.total, sizeof(*pace.took_ns));
	if (!pace.took_ns || !requests_read(&pace) ||
		!pace_connect(&pace, (unsigned)number(argv[1], 65535)))
		return EXIT_FAILURE;
	prctl(PR_SET_TIMERSLACK, 1); /* ns: a sleep ends when it should */
	if (!pace_run(&pace))
		return EXIT_FAILURE;
	report(&pace, now_ns() - pace.start_ns);
	free(pace.took_ns);
	free(pace.requests);
	free(pace.input);
	return EXIT_SUCCESS;
}

/* All of it at once, so that nothing is read while the clock runs. */
static bool requests_read(struct pace *pace)
{
	size_t len = 0, room = 0;
	do {
		room = room == 0 ? ANSWER_MAX : room * 2;
		char *const more = realloc(pace->input, room);
		if (!more)
			return false;
		pace->input = more;
		len += fread(pace->input + len, 1, room - len, stdin);
	} while (len == room && room < INPUT_MAX);
	pace->requests = calloc(pace->total, sizeof(*pace->requests));
	struct str rest = {pace->input, len}, head;
	while (pace->requests && rest.len > 0 && pace->request_count < pace->total) {
		uint64_t bytes = 0;
		if (!str_cut(rest, '\n', &head, &rest) || !str_parse_u64(head, rest.len, &bytes))
			break;
		pace->requests[pace->request_count++] = (struct str){rest.data, (size_t)bytes};
		rest = (struct str){rest.data + bytes, rest.len - (size_t)bytes};
	}
	if (pace->request_count == 0 || rest.len > 0)
		fprintf(stderr, "pace: the requests make no sense\n");
	return pace->request_count > 0 && rest.len == 0;
}

static bool pace_connect(struct pace *pace, unsigned port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	pace->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < pace->connections; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
		const int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 ||
			connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
			epoll_ctl(pace->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
			perror("pace: connect");
			return false;
		}
		pace->peers[i].fd = fd;
		pace->idle[pace->idle_count++] = i;
	}
	return true;
}

static bool pace_run(struct pace *pace)
{
	pace->start_ns = now_ns();
	int64_t heard_ns = pace->start_ns;
	while (pace->done < pace->total) {
		if (!due_send(pace))
			return false;
		const int64_t wait_ns = until_due_ns(pace);
		const struct timespec wait = {
			.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
		struct epoll_event events[EVENTS_MAX];
		const int ready = epoll_pwait2(pace->epoll_fd, events, EVENTS_MAX, &wait, NULL);
		for (int i = 0; i < ready; i++)
			if (!peer_read(pace, events[i].data.u32))
				return false;
		if (ready > 0 || pace->idle_count == pace->connections)
			heard_ns = now_ns();
		else if (now_ns() - heard_ns > STALL_NS) {
			fprintf(stderr, "pace: no answer\n");
			return false;
		}
	}
	return true;
}

/* Until the next request can leave, if a connection is free for it; a second at most. */
static int64_t until_due_ns(const struct pace *pace)
{
	if (pace->sent == pace->total || pace->idle_count == 0)
		return NS_PER_S;
	const int64_t wait_ns = pace->start_ns + (int64_t)pace->sent * pace->interval_ns - now_ns();
	return wait_ns < 0 ? 0 : wait_ns < NS_PER_S ? wait_ns : NS_PER_S;
}

/* Sends what is due, as far as connections are free. */
static bool due_send(struct pace *pace)
{
	while (pace->sent < pace->total && pace->idle_count > 0) {
		int64_t due_ns = pace->start_ns + (int64_t)pace->sent * pace->interval_ns;
		if (pace->interval_ns == 0)
			due_ns = now_ns();
		else if (due_ns > now_ns())
			return true;
		const unsigned at = pace->idle[--pace->idle_count];
		struct peer *peer = &pace->peers[at];
		peer->due_ns = due_ns;
		peer->len = 0;
		peer->is_busy = true;
		const struct str *request = &pace->requests[pace->sent++ % pace->request_count];
		const ssize_t sent = send(peer->fd, request->data, request->len, MSG_NOSIGNAL);
		if (sent != (ssize_t)request->len) {
			perror("pace: send");
			return false;
		}
	}
	return true;
}

static bool peer_read(struct pace *pace, unsigned at)
{
	struct peer *peer = &pace->peers[at];
	const ssize_t len =
		read(peer->fd, peer->answer + peer->len, sizeof(peer->answer) - 1 - peer->len);
	if (len <= 0 || !peer->is_busy) {
		fprintf(stderr, "pace: a connection ended early\n");
		return false;
	}
	peer->len += (size_t)len;
	peer->answer[peer->len] = '\0';
	if (!is_answer_whole(peer))
		return true;
	if (strncmp(peer->answer, pace->status, strlen(pace->status)) != 0) {
		fprintf(stderr, "pace: not %sbut %.400s\n", pace->status, peer->answer);
		return false;
	}
	peer->is_busy = false;
	pace->took_ns[pace->done++] = now_ns() - peer->due_ns;
	pace->idle[pace->idle_count++] = at;
	return true;
}

static bool is_answer_whole(struct peer *peer)
{
	const char *end = strstr(peer->answer, "\r\n\r\n");
	const char *length = strstr(peer->answer, LENGTH_HEADER);
	if (!end)
		return false;
	const size_t body =
		length && length < end ? strtoul(length + strlen(LENGTH_HEADER), NULL, 10) : 0;
	return peer->len >= (size_t)(end - peer->answer) + 4 + body;
}

static void report(struct pace *pace, int64_t took_ns)
{
	qsort(pace->took_ns, pace->done, sizeof(*pace->took_ns), compare);
	const double us = 1000.0;
	printf("{\"requests\":%zu,\"seconds\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
	       "\"p999_us\":%.1f,\"max_us\":%.1f}\n",
		pace->done, (double)took_ns / (double)NS_PER_S,
		(double)pace->took_ns[pace->done / 2] / us,
		(double)pace->took_ns[pace->done * 99 / 100] / us,
		(double)pace->took_ns[pace->done * 999 / 1000] / us,
		(double)pace->took_ns[pace->done - 1] / us);
}

static int compare(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* From 1 to max; anything else ends the program. */
static uint64_t number(const char *text, uint64_t max)
{
	uint64_t value = 0;
	if (!str_parse_u64(str_from(text), max, &value) || value == 0) {
		fprintf(stderr, "pace: %s is no number from 1 to %llu\n", text,
			(unsigned long long)max);
		exit(2);
	}
	return value;
}
