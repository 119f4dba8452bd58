/* SPDX-License-Identifier: Apache-2.0
 * Addresses to listen on, from text to a listening socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn_parts.h"

#define CONN_PORT_MAX 65535
#define CONN_HOST_MAX 64

static bool parse_unix(struct str path, struct conn_address *address, struct err *err);
static bool parse_ip(struct str host, uint16_t port, struct conn_address *address);
static bool is_taken(const struct conn_address *address, struct err *err);
static bool unlink_stale(const struct conn_address *address, struct err *err);
static int open_socket(const struct conn_address *address, bool has_reuseport, struct err *err);
static bool set_flag(int fd, int level, int option);
static void set_failure(const struct conn_address *address, int error, struct err *err);

bool conn_address_parse(struct str text, struct conn_address *address, struct err *err)
{
	*address = (struct conn_address){0};
	if (str_has_prefix(text, STR("unix:")))
		return parse_unix((struct str){text.data + 5, text.len - 5}, address, err);
	size_t colon = text.len;
	while (colon > 0 && text.data[colon - 1] != ':')
		colon--;
	uint64_t port;
	const struct str port_text = {text.data + colon, text.len - colon};
	if (colon == 0 || !str_parse_u64(port_text, CONN_PORT_MAX, &port))
		return err_set(err, ERR_FORMAT, 0, "\"%.*s\" has no port from 0 to %d",
			STR_ARG(text), CONN_PORT_MAX);
	if (!parse_ip((struct str){text.data, colon - 1}, (uint16_t)port, address))
		return err_set(err, ERR_FORMAT, 0, "\"%.*s\" is not an IP address and a port",
			STR_ARG(text));
	return true;
}

void conn_address_format(char *out, size_t out_size, const struct sockaddr_storage *sockaddr)
{
	char host[INET6_ADDRSTRLEN] = "";
	if (sockaddr->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sockaddr, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
		snprintf(out, out_size, "%s:%u", host, ntohs(in.sin_port));
	} else if (sockaddr->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, sockaddr, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
		snprintf(out, out_size, "[%s]:%u", host, ntohs(in6.sin6_port));
	} else {
		struct sockaddr_un un;
		memcpy(&un, sockaddr, sizeof(un));
		snprintf(out, out_size, "unix:%.*s", (int)sizeof(un.sun_path), un.sun_path);
	}
}

int conn_listen(
	const struct conn_address *address, bool has_reuseport, bool is_first, struct err *err)
{
	const bool is_unix = address->sockaddr.ss_family == AF_UNIX;
	if (is_unix && !unlink_stale(address, err))
		return -1;
	if (!is_unix && is_first && has_reuseport && is_taken(address, err))
		return -1;
	const int fd = open_socket(address, has_reuseport && !is_unix, err);
	if (fd < 0)
		return -1;
	if (listen(fd, CONN_BACKLOG) != 0) {
		set_failure(address, errno, err);
		close(fd);
		return -1;
	}
	return fd;
}

int conn_listen_again(int listen_fd, struct err *err)
{
	struct conn_address address = {.len = sizeof(address.sockaddr)};
	if (getsockname(listen_fd, (struct sockaddr *)&address.sockaddr, &address.len) != 0) {
		err_set(err, ERR_SYSTEM, errno, "listen again");
		return -1;
	}
	if (address.sockaddr.ss_family != AF_UNIX)
		return conn_listen(&address, true, false, err);
	const int fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		set_failure(&address, errno, err);
	return fd;
}

static bool parse_unix(struct str path, struct conn_address *address, struct err *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	if (path.len == 0 || !str_copy(un.sun_path, sizeof(un.sun_path), path))
		return err_set(err, ERR_FORMAT, 0, "a socket's path has 1 to %zu bytes",
			sizeof(un.sun_path) - 1);
	memcpy(&address->sockaddr, &un, sizeof(un));
	address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
	return true;
}

/* "" is every address: the v6 socket takes v4 too. */
static bool parse_ip(struct str host, uint16_t port, struct conn_address *address)
{
	char text[CONN_HOST_MAX];
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const bool has_brackets =
		host.len > 1 && host.data[0] == '[' && host.data[host.len - 1] == ']';
	const struct str bare = has_brackets ? (struct str){host.data + 1, host.len - 2} : host;
	if (!str_copy(text, sizeof(text), bare))
		return false;
	if (host.len == 0 || (has_brackets && inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)) {
		memcpy(&address->sockaddr, &in6, sizeof(in6));
		address->len = sizeof(in6);
		return true;
	}
	if (has_brackets || inet_pton(AF_INET, text, &in.sin_addr) != 1)
		return false;
	memcpy(&address->sockaddr, &in, sizeof(in));
	address->len = sizeof(in);
	return true;
}

/* Two processes of one user may share a port by SO_REUSEPORT, and would then steal each other's
 * connections. A bind without it fails if anybody has the port. */
static bool is_taken(const struct conn_address *address, struct err *err)
{
	const int fd = open_socket(address, false, err);
	if (fd < 0)
		return true;
	/* SO_REUSEADDR lets two that don't listen bind; listening is what finds the other one. */
	const bool is_listening = listen(fd, 1) == 0;
	if (!is_listening)
		set_failure(address, errno, err);
	close(fd);
	return !is_listening;
}

/* A socket file that nobody listens on is what a killed process left. */
static bool unlink_stale(const struct conn_address *address, struct err *err)
{
	struct sockaddr_un un;
	memcpy(&un, &address->sockaddr, sizeof(un));
	struct stat info;
	if (lstat(un.sun_path, &info) != 0)
		return true;
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		set_failure(address, errno, err);
		return false;
	}
	const int result = connect(fd, (const struct sockaddr *)&un, address->len);
	const int error = result == 0 ? 0 : errno;
	close(fd);
	if (!S_ISSOCK(info.st_mode) || error != ECONNREFUSED) {
		set_failure(address, EADDRINUSE, err);
		return false;
	}
	unlink(un.sun_path);
	return true;
}

static int open_socket(const struct conn_address *address, bool has_reuseport, struct err *err)
{
	const sa_family_t family = address->sockaddr.ss_family;
	const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		set_failure(address, errno, err);
		return -1;
	}
	/* Accepted sockets inherit TCP_NODELAY from the listening one on Linux. */
	bool is_ready = family == AF_UNIX || (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) &&
						     set_flag(fd, IPPROTO_TCP, TCP_NODELAY));
	if (is_ready && has_reuseport)
		is_ready = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
	if (!is_ready || bind(fd, (const struct sockaddr *)&address->sockaddr, address->len) != 0) {
		set_failure(address, errno, err);
		close(fd);
		return -1;
	}
	return fd;
}

static bool set_flag(int fd, int level, int option)
{
	const int on = 1;
	return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

static void set_failure(const struct conn_address *address, int error, struct err *err)
{
	char text[sizeof(struct sockaddr_un) + sizeof("unix:")];
	conn_address_format(text, sizeof(text), &address->sockaddr);
	err_set(err, ERR_SYSTEM, error, "listen on %s", text);
}
