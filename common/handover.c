/* SPDX-License-Identifier: Apache-2.0
 * Listening sockets: opened, offered to the next process, or taken over from the one before. */
#include "handover.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define HANDOVER_NAME    "listeners"
#define HANDOVER_VERSION 'W'

/* One message: the version, and the descriptors with the admin one first. */
union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(HANDOVER_FDS_MAX * sizeof(int))];
};

struct handover {
	struct listeners listeners;
	struct loop *loop;
	struct loop_watch *watch;
	struct loop_watch *taker_watch;
	handover_fn *on_taken;
	void *arg;
	int fd;
	int taker_fd; /* has the sockets and has not confirmed; else -1 */
};

static bool open_first(
	struct listeners *listeners, const struct listeners_config *config, struct err *err);
static bool open_rest(
	struct listeners *listeners, const struct listeners_config *config, struct err *err);
static bool take(
	struct listeners *listeners, const struct listeners_config *config, struct err *err);
static bool receive(int fd, struct listeners *listeners, struct err *err);
static bool descriptors_read(
	const struct msghdr *message, struct listeners *listeners, struct err *err);
static bool is_at(int fd, const struct conn_address *address, struct err *err);
static bool same_address(const struct sockaddr_storage *a, const struct conn_address *b);
static void close_all(struct listeners *listeners);
static bool path_make(const char *state_dir, const char *suffix, struct sockaddr_un *un);
static int offer_open(const char *state_dir, struct err *err);
static void on_asked(unsigned ready, void *arg);
static void on_taker(unsigned ready, void *arg);
static void taker_forget(struct handover *handover);
static bool is_own_user(int fd);
static bool give(int fd, const struct listeners *listeners);

bool listeners_open(
	struct listeners *listeners, const struct listeners_config *config, struct err *err)
{
	assert(config->public_count > 0 && config->public_count <= HANDOVER_PUBLIC_MAX);
	*listeners = (struct listeners){.admin_fd = -1, .before_fd = -1};
	if (config->has_takeover && !take(listeners, config, err))
		return false;
	const bool is_open = listeners->is_taken_over || open_first(listeners, config, err);
	if (is_open && open_rest(listeners, config, err))
		return true;
	close_all(listeners);
	return false;
}

void listeners_confirm(struct listeners *listeners)
{
	const char version = HANDOVER_VERSION;
	if (listeners->before_fd < 0)
		return;
	/* Should it have gone meanwhile, there is nobody to tell. */
	const ssize_t sent = send(listeners->before_fd, &version, 1, MSG_NOSIGNAL);
	(void)sent;
	close(listeners->before_fd);
	listeners->before_fd = -1;
}

struct handover *handover_new(struct loop *loop, const char *state_dir,
	const struct listeners *listeners, handover_fn *on_taken, void *arg, struct err *err)
{
	struct handover *handover = calloc(1, sizeof(*handover));
	if (!handover) {
		err_set(err, ERR_SYSTEM, ENOMEM, "hand-over");
		return NULL;
	}
	*handover = (struct handover){.listeners = *listeners,
		.loop = loop,
		.on_taken = on_taken,
		.arg = arg,
		.fd = -1,
		.taker_fd = -1};
	handover->fd = offer_open(state_dir, err);
	handover->watch =
		handover->fd < 0 ? NULL : loop_watch_new(loop, handover->fd, on_asked, handover);
	if (!handover->watch) {
		if (handover->fd >= 0)
			err_set(err, ERR_SYSTEM, ENOMEM, "hand-over");
		handover_free(handover);
		return NULL;
	}
	loop_watch_set(handover->watch, LOOP_READ);
	return handover;
}

/* The file stays: it may be the next process's by now, and a stale one is replaced. */
void handover_free(struct handover *handover)
{
	if (!handover)
		return;
	taker_forget(handover);
	loop_watch_free(handover->watch);
	if (handover->fd >= 0)
		close(handover->fd);
	free(handover);
}

static bool open_first(
	struct listeners *listeners, const struct listeners_config *config, struct err *err)
{
	const int public_fd = conn_listen(&config->public_address, true, true, err);
	if (public_fd < 0)
		return false;
	listeners->public_fds[listeners->public_count++] = public_fd;
	listeners->admin_fd = conn_listen(&config->admin_address, false, true, err);
	return listeners->admin_fd >= 0;
}

static bool open_rest(
	struct listeners *listeners, const struct listeners_config *config, struct err *err)
{
	while (listeners->public_count < config->public_count) {
		const int fd = conn_listen_again(listeners->public_fds[0], err);
		if (fd < 0)
			return false;
		listeners->public_fds[listeners->public_count++] = fd;
	}
	return true;
}

/* True also when nobody is there to take over from. */
static bool take(
	struct listeners *listeners, const struct listeners_config *config, struct err *err)
{
	struct sockaddr_un un;
	if (!path_make(config->state_dir, "", &un))
		return err_set(err, ERR_USAGE, 0, "takeover: the path of state-dir is too long");
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, ERR_SYSTEM, errno, "takeover");
	bool ret = false;
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0) {
		const bool is_nobody = errno == ENOENT || errno == ECONNREFUSED;
		ret = is_nobody || err_set(err, ERR_SYSTEM, errno, "takeover");
	} else if (!is_own_user(fd)) {
		err_set(err, ERR_REFUSED, 0, "takeover: the running process is another user's");
	} else if (receive(fd, listeners, err)) {
		ret = is_at(listeners->admin_fd, &config->admin_address, err);
		for (unsigned i = 0; ret && i < listeners->public_count; i++)
			ret = is_at(listeners->public_fds[i], &config->public_address, err);
		listeners->is_taken_over = ret;
		listeners->before_fd = fd;
		if (ret)
			return true;
		close_all(listeners);
		return false;
	}
	close(fd);
	return ret;
}

static bool receive(int fd, struct listeners *listeners, struct err *err)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	if (poll(&wait, 1, HANDOVER_DEADLINE_MS) != 1)
		return err_set(err, ERR_REFUSED, 0, "takeover: the running process is silent");
	char version = 0;
	union control control;
	struct iovec part = {.iov_base = &version, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	const ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (got == 1 && descriptors_read(&message, listeners, err) && version == HANDOVER_VERSION)
		return true;
	close_all(listeners);
	return err_set(err, ERR_FORMAT, 0, "takeover: the running process gave nothing of use");
}

static bool descriptors_read(
	const struct msghdr *message, struct listeners *listeners, struct err *err)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(message);
	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return false;
	const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fds[HANDOVER_FDS_MAX];
	if (count > HANDOVER_FDS_MAX)
		return err_set(err, ERR_LIMIT, 0, "takeover: too many listeners");
	memcpy(fds, CMSG_DATA(head), count * sizeof(int));
	for (size_t i = 0; i < count; i++) {
		if (i == 0)
			listeners->admin_fd = fds[i];
		else
			listeners->public_fds[listeners->public_count++] = fds[i];
	}
	return count > 1 && !(message->msg_flags & MSG_CTRUNC);
}

static bool is_at(int fd, const struct conn_address *address, struct err *err)
{
	char text[ERR_PATH_MAX];
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof(bound);
	if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0)
		return err_set(err, ERR_SYSTEM, errno, "takeover");
	if (same_address(&bound, address))
		return true;
	conn_address_format(text, sizeof(text), &bound);
	return err_set(err, ERR_REFUSED, 0, "takeover: the running process listens on %s", text);
}

/* Port 0 is every port; the bytes after a Unix path's end do not count. */
static bool same_address(const struct sockaddr_storage *a, const struct conn_address *b)
{
	char one[sizeof(struct sockaddr_un) + sizeof("unix:")], other[sizeof(one)];
	struct conn_address wanted = *b;
	struct sockaddr_in from, into; /* the port is at the same place in sockaddr_in6 */
	if (a->ss_family != b->sockaddr.ss_family)
		return false;
	if (a->ss_family != AF_UNIX) {
		memcpy(&from, a, sizeof(from));
		memcpy(&into, &wanted.sockaddr, sizeof(into));
		if (into.sin_port == 0)
			into.sin_port = from.sin_port;
		memcpy(&wanted.sockaddr, &into, sizeof(into));
	}
	conn_address_format(one, sizeof(one), a);
	conn_address_format(other, sizeof(other), &wanted.sockaddr);
	return strcmp(one, other) == 0;
}

static void close_all(struct listeners *listeners)
{
	if (listeners->admin_fd >= 0)
		close(listeners->admin_fd);
	for (unsigned i = 0; i < listeners->public_count; i++)
		close(listeners->public_fds[i]);
	if (listeners->before_fd >= 0)
		close(listeners->before_fd);
	*listeners = (struct listeners){.admin_fd = -1, .before_fd = -1};
}

static bool path_make(const char *state_dir, const char *suffix, struct sockaddr_un *un)
{
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	const int len = snprintf(
		un->sun_path, sizeof(un->sun_path), "%s/" HANDOVER_NAME "%s", state_dir, suffix);
	return len > 0 && (size_t)len < sizeof(un->sun_path);
}

/* Made beside and moved into place, so that the path always leads to a process that answers. */
static int offer_open(const char *state_dir, struct err *err)
{
	struct sockaddr_un un, fresh;
	char suffix[24];
	snprintf(suffix, sizeof(suffix), ".%d", (int)getpid());
	if (!path_make(state_dir, "", &un) || !path_make(state_dir, suffix, &fresh)) {
		err_set(err, ERR_LIMIT, 0, "the path of state-dir is too long for a socket");
		return -1;
	}
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(fresh.sun_path);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&fresh, sizeof(fresh)) == 0) {
		if (chmod(fresh.sun_path, S_IRUSR | S_IWUSR) == 0 && listen(fd, 1) == 0 &&
			rename(fresh.sun_path, un.sun_path) == 0)
			return fd;
		unlink(fresh.sun_path);
	}
	err_set(err, ERR_SYSTEM, errno, "a socket in state-dir");
	if (fd >= 0)
		close(fd);
	return -1;
}

static void on_asked(unsigned ready, void *arg)
{
	(void)ready;
	struct handover *handover = arg;
	const int fd = accept4(handover->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	taker_forget(handover);
	handover->taker_watch = loop_watch_new(handover->loop, fd, on_taker, handover);
	if (!handover->taker_watch || !is_own_user(fd) || !give(fd, &handover->listeners)) {
		loop_watch_free(handover->taker_watch);
		handover->taker_watch = NULL;
		close(fd);
		log_warn("handover_refused");
		return;
	}
	handover->taker_fd = fd;
	loop_watch_set(handover->taker_watch, LOOP_READ);
}

/* A taker that ends without a word has not started: all stays as it was. */
static void on_taker(unsigned ready, void *arg)
{
	(void)ready;
	struct handover *handover = arg;
	char version = 0;
	const ssize_t got = recv(handover->taker_fd, &version, 1, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	taker_forget(handover);
	if (got != 1 || version != HANDOVER_VERSION) {
		log_warn("handover_failed");
		return;
	}
	log_info("handed_over", LOG_NUM("listeners", handover->listeners.public_count));
	handover->on_taken(handover->arg);
}

static void taker_forget(struct handover *handover)
{
	if (handover->taker_fd < 0)
		return;
	loop_watch_free(handover->taker_watch);
	close(handover->taker_fd);
	handover->taker_watch = NULL;
	handover->taker_fd = -1;
}

static bool is_own_user(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

static bool give(int fd, const struct listeners *listeners)
{
	int fds[HANDOVER_FDS_MAX];
	unsigned count = 0;
	char version = HANDOVER_VERSION;
	union control control = {0};
	fds[count++] = listeners->admin_fd;
	for (unsigned i = 0; i < listeners->public_count; i++)
		fds[count++] = listeners->public_fds[i];
	struct iovec part = {.iov_base = &version, .iov_len = 1};
	const struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	return sendmsg(fd, &message, MSG_NOSIGNAL) == 1;
}
