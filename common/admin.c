/* SPDX-License-Identifier: Apache-2.0
 * What operators and their tools ask a daemon: is it alive, is it ready, how does it do. */
#include "admin.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "log.h"
#include "stats.h"
#include "version.h"

#define ADMIN_CONNECTIONS_MAX 64
#define ADMIN_DEADLINE_US     5000000
#define ADMIN_IDLE_US         60000000
#define ADMIN_STATM_MAX       256
#define US_PER_SECOND         1000000
#define METRICS_TYPE          "text/plain; version=0.0.4; charset=utf-8"

struct admin {
	struct admin_handlers handlers;
	struct conn_server *server;
	struct sockaddr_storage address;
};

typedef void admin_answer_fn(struct admin *admin, struct buf *out, struct conn_reply *reply);

static void on_request(struct conn_server *server, struct conn_ref ref,
	const struct http_request *request, const struct sockaddr_storage *peer, void *arg);
static admin_answer_fn *find_route(struct str path);
static void answer_healthz(struct admin *admin, struct buf *out, struct conn_reply *reply);
static void answer_readyz(struct admin *admin, struct buf *out, struct conn_reply *reply);
static void answer_metrics(struct admin *admin, struct buf *out, struct conn_reply *reply);
static struct admin_health health_of(const struct admin *admin);
static void write_health(struct buf *out, const struct admin_health *health);
static void write_process(struct buf *out);
static uint64_t resident_bytes(void);
static int64_t cpu_us(void);
static uint64_t open_fds(void);

static const struct conn_limits admin_limits = {
	.connections_max = ADMIN_CONNECTIONS_MAX,
	.body_max = 0,
	.head_deadline_us = ADMIN_DEADLINE_US,
	.body_deadline_us = ADMIN_DEADLINE_US,
	.idle_deadline_us = ADMIN_IDLE_US,
	.write_deadline_us = ADMIN_DEADLINE_US,
};

struct admin *admin_new(
	struct loop *loop, int listen_fd, const struct admin_handlers *handlers, struct err *err)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	if (!admin) {
		close(listen_fd);
		err_set(err, ERR_SYSTEM, ENOMEM, "admin listener");
		return NULL;
	}
	admin->handlers = *handlers;
	const struct conn_handlers conn_handlers = {.on_request = on_request, .arg = admin};
	admin->server = conn_server_new(loop, &admin_limits, &conn_handlers, err);
	socklen_t len = sizeof(admin->address);
	if (!admin->server) {
		close(listen_fd);
	} else if (getsockname(listen_fd, (struct sockaddr *)&admin->address, &len) != 0) {
		err_set(err, ERR_SYSTEM, errno, "admin listener");
		close(listen_fd);
	} else if (conn_server_listen(admin->server, listen_fd, err)) {
		return admin;
	}
	admin_free(admin);
	return NULL;
}

void admin_retire(struct admin *admin)
{
	conn_server_unlisten(admin->server);
}

const struct sockaddr_storage *admin_address(const struct admin *admin)
{
	return &admin->address;
}

void admin_free(struct admin *admin)
{
	if (!admin)
		return;
	conn_server_free(admin->server);
	free(admin);
}

static void on_request(struct conn_server *server, struct conn_ref ref,
	const struct http_request *request, const struct sockaddr_storage *peer, void *arg)
{
	(void)peer;
	struct admin *admin = arg;
	struct conn_reply reply = {
		.status = 200,
		.content_type = "text/plain; charset=utf-8",
		.headers = STR("Cache-Control: no-store\r\n"),
	};
	struct buf out;
	buf_init(&out, STATS_TEXT_MAX);
	admin_answer_fn *const answer = find_route(request->path);
	if (!answer) {
		reply.status = 404;
		buf_add_cstr(&out, "not found\n");
	} else if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
		reply.status = 405;
		reply.headers = STR("Allow: GET, HEAD\r\nCache-Control: no-store\r\n");
		buf_add_cstr(&out, "method not allowed\n");
	} else {
		answer(admin, &out, &reply);
	}
	if (out.has_failed) {
		log_error("admin_answer_too_large", LOG_NUM("max", STATS_TEXT_MAX));
		reply.status = 500;
		buf_clear(&out);
	}
	reply.body = buf_str(&out);
	conn_server_reply(server, ref, &reply);
	buf_release(&out);
}

static admin_answer_fn *find_route(struct str path)
{
	if (str_equal(path, STR("/healthz")))
		return answer_healthz;
	if (str_equal(path, STR("/readyz")))
		return answer_readyz;
	if (str_equal(path, STR("/metrics")))
		return answer_metrics;
	return NULL;
}

static void answer_healthz(struct admin *admin, struct buf *out, struct conn_reply *reply)
{
	(void)admin;
	(void)reply;
	buf_add_cstr(out, "ok\n");
}

/* The reasons are constant words of the daemon: nothing in them needs escaping. */
static void answer_readyz(struct admin *admin, struct buf *out, struct conn_reply *reply)
{
	const struct admin_health health = health_of(admin);
	reply->status = health.is_ready ? 200 : 503;
	reply->content_type = "application/json";
	buf_addf(out, "{\"ready\":%s,\"degraded\":[", health.is_ready ? "true" : "false");
	for (unsigned i = 0; i < health.degraded_count; i++)
		buf_addf(out, "%s\"%s\"", i ? "," : "", health.degraded[i]);
	buf_add_cstr(out, "]}\n");
}

static void answer_metrics(struct admin *admin, struct buf *out, struct conn_reply *reply)
{
	reply->content_type = METRICS_TYPE;
	const struct stats_label version = {.name = "version", .value = WASL_VERSION};
	stats_family(out, "wasl_build_info", STATS_GAUGE, "The version that runs, always 1.");
	stats_sample(out, "wasl_build_info", &version, 1, 1);
	const struct admin_health health = health_of(admin);
	write_health(out, &health);
	write_process(out);
	if (admin->handlers.on_metrics)
		admin->handlers.on_metrics(out, admin->handlers.arg);
}

static struct admin_health health_of(const struct admin *admin)
{
	struct admin_health health = {.is_ready = true};
	if (admin->handlers.on_health)
		admin->handlers.on_health(&health, admin->handlers.arg);
	assert(health.degraded_count <= ADMIN_DEGRADED_MAX);
	return health;
}

static void write_health(struct buf *out, const struct admin_health *health)
{
	stats_family(out, "wasl_ready", STATS_GAUGE, "1 when /readyz answers 200.");
	stats_sample(out, "wasl_ready", NULL, 0, health->is_ready);
	stats_family(
		out, "wasl_degraded", STATS_GAUGE, "1 for each reason why it works with less.");
	for (unsigned i = 0; i < health->degraded_count; i++) {
		const struct stats_label reason = {.name = "reason", .value = health->degraded[i]};
		stats_sample(out, "wasl_degraded", &reason, 1, 1);
	}
}

static void write_process(struct buf *out)
{
	stats_family(out, "process_resident_memory_bytes", STATS_GAUGE, "Resident memory.");
	stats_sample(out, "process_resident_memory_bytes", NULL, 0, resident_bytes());
	stats_family(out, "process_cpu_seconds_total", STATS_COUNTER, "User and system time.");
	stats_sample_seconds(out, "process_cpu_seconds_total", NULL, 0, cpu_us());
	stats_family(out, "process_open_fds", STATS_GAUGE, "Open file descriptors.");
	stats_sample(out, "process_open_fds", NULL, 0, open_fds());
}

/* The second number of /proc/self/statm, in pages; 0 where there is no /proc. */
static uint64_t resident_bytes(void)
{
	char text[ADMIN_STATM_MAX];
	const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	const ssize_t len = read(fd, text, sizeof(text));
	close(fd);
	if (len <= 0)
		return 0;
	struct str total, rest, resident, shared;
	uint64_t pages = 0;
	str_cut((struct str){text, (size_t)len}, ' ', &total, &rest);
	str_cut(rest, ' ', &resident, &shared);
	if (!str_parse_u64(resident, INT64_MAX, &pages))
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int64_t cpu_us(void)
{
	struct rusage usage = {0};
	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_SECOND +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static uint64_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return 0;
	uint64_t count = 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count > 3 ? count - 3 : 0; /* ".", ".." and the directory's own */
}
