/* SPDX-License-Identifier: Apache-2.0
 * What /metrics says about the tracker, summed over its workers at each scrape. */
#include "metrics.h"

#include <stdio.h>

#include "metrics_spool.h"
#include "stats.h"

#define CODE_TEXT_MAX 16

/* The sum over all workers. */
struct total {
	struct front_counts front;
	struct conn_counts conn;
	uint64_t redis_errors[REDIS_ERROR_COUNT];
	uint64_t redis_commands;
	uint64_t redis_pending;
	unsigned redis_down; /* workers */
	struct spool_counts spool;
	struct refill_counts refill;
};

static void total_sum(const struct metrics_source *source, struct total *total);
static void front_sum(struct front_counts *into, const struct front_counts *from);
static void sink_sum(struct total *total, const struct worker *worker);
static void redis_sum(struct total *total, const struct redis_counts *counts);
static void requests_write(const struct front_counts *front, struct buf *out);
static void clicks_write(const struct front_counts *front, struct buf *out);
static void redis_write(const struct total *total, struct buf *out);
static void catalogue_write(const struct follow *follow, struct buf *out);
static void plain_write(
	struct buf *out, const char *name, enum stats_type type, const char *help, uint64_t value);

bool metrics_redis_is_away(const struct metrics_source *source)
{
	for (unsigned i = 0; i < source->worker_count; i++) {
		struct sink_status status;
		worker_sink_status(source->workers[i], &status);
		if (stats_get(status.is_away) != 0)
			return true;
	}
	return false;
}

void metrics_spool_state(const struct metrics_source *source, unsigned *full, unsigned *failing)
{
	*full = *failing = 0;
	for (unsigned i = 0; i < source->worker_count; i++) {
		struct sink_status status;
		worker_sink_status(source->workers[i], &status);
		*full += stats_get(&status.spool->is_full) != 0;
		*failing += stats_get(&status.spool->is_failing) != 0;
	}
}

void metrics_write(const struct metrics_source *source, struct buf *out)
{
	struct total total;
	total_sum(source, &total);
	requests_write(&total.front, out);
	stats_family(out, "wasl_http_request_seconds", STATS_HISTOGRAM,
		"Time from a link's request to its answer.");
	stats_histogram_write(out, "wasl_http_request_seconds", NULL, 0, &total.front.seconds);
	conn_counts_write(&total.conn, out);
	clicks_write(&total.front, out);
	redis_write(&total, out);
	metrics_spool_write(&total.spool, &total.refill, out);
	catalogue_write(source->follow, out);
}

static void total_sum(const struct metrics_source *source, struct total *total)
{
	*total = (struct total){0};
	for (unsigned i = 0; i < source->worker_count; i++) {
		const struct worker *worker = source->workers[i];
		const struct conn_counts *conn = worker_conn_counts(worker);
		front_sum(&total->front, worker_counts(worker));
		sink_sum(total, worker);
		total->conn.accepted += stats_get(&conn->accepted);
		total->conn.open += stats_get(&conn->open);
		total->conn.refused_cap += stats_get(&conn->refused_cap);
		total->conn.refused_address += stats_get(&conn->refused_address);
		total->conn.accept_failures += stats_get(&conn->accept_failures);
		total->conn.bad_requests += stats_get(&conn->bad_requests);
		total->conn.timeouts += stats_get(&conn->timeouts);
		total->conn.resets += stats_get(&conn->resets);
	}
	for (unsigned which = 0; which < 2; which++)
		redis_sum(total, follow_redis_counts(source->follow, which));
}

static void front_sum(struct front_counts *into, const struct front_counts *from)
{
	for (unsigned route = 0; route < ROUTE_COUNT; route++)
		for (unsigned class = 0; class < FRONT_CLASS_LABELS; class ++)
			for (unsigned code = 0; code < CODE_COUNT; code++)
				into->requests[route][class][code] +=
					stats_get(&from->requests[route][class][code]);
	for (unsigned class = 0; class < CLICK_CLASS_COUNT; class ++)
		for (unsigned stored = 0; stored < STORED_COUNT; stored++)
			into->clicks[class][stored] += stats_get(&from->clicks[class][stored]);
	into->sub_ids_dropped += stats_get(&from->sub_ids_dropped);
	into->suspended += stats_get(&from->suspended);
	stats_histogram_sum(&into->seconds, &from->seconds);
}

static void sink_sum(struct total *total, const struct worker *worker)
{
	struct sink_status status;
	worker_sink_status(worker, &status);
	redis_sum(total, status.redis);
	total->redis_down += stats_get(&status.redis->is_up) == 0;
	metrics_spool_sum(&total->spool, status.spool);
	total->refill.resent += stats_get(&status.refill->resent);
	total->refill.expired += stats_get(&status.refill->expired);
	total->refill.cut += stats_get(&status.refill->cut);
}

static void redis_sum(struct total *total, const struct redis_counts *counts)
{
	for (unsigned i = 0; i < REDIS_ERROR_COUNT; i++)
		total->redis_errors[i] += stats_get(&counts->errors[i]);
	total->redis_commands += stats_get(&counts->commands);
	total->redis_pending += stats_get(&counts->pending);
}

/* Only what has happened: the table has a thousand places and a link's life fills ten. */
static void requests_write(const struct front_counts *front, struct buf *out)
{
	const char *name = "wasl_http_requests_total";
	stats_family(out, name, STATS_COUNTER, "Requests answered, by route, class and status.");
	for (unsigned route = 0; route < ROUTE_COUNT; route++)
		for (unsigned class = 0; class < FRONT_CLASS_LABELS; class ++)
			for (unsigned code = 0; code < CODE_COUNT; code++) {
				const uint64_t value = front->requests[route][class][code];
				if (value == 0)
					continue;
				char status[CODE_TEXT_MAX];
				snprintf(status, sizeof(status), "%u", front_code_status[code]);
				const struct stats_label labels[] = {
					{"route", route_name((enum route)route)},
					{"class", front_class_name(class)},
					{"code", status},
				};
				stats_sample(out, name, labels, 3, value);
			}
}

static void clicks_write(const struct front_counts *front, struct buf *out)
{
	const char *name = "wasl_clicks_total";
	stats_family(out, name, STATS_COUNTER,
		"Redirects with a click token, by where the click was when they left.");
	for (unsigned class = 0; class < CLICK_CLASS_COUNT; class ++) {
		if (!classify_is_credited((enum click_class) class))
			continue;
		for (unsigned stored = 0; stored < STORED_COUNT; stored++) {
			const struct stats_label labels[] = {
				{"class", click_class_name((enum click_class) class)},
				{"stored", stored_name((enum stored)stored)},
			};
			stats_sample(out, name, labels, 2, front->clicks[class][stored]);
		}
	}
	plain_write(out, "wasl_sub_ids_dropped_total", STATS_COUNTER,
		"Sub-ids and cids that were too long, badly encoded or not UTF-8.",
		front->sub_ids_dropped);
	plain_write(out, "wasl_suspended_total", STATS_COUNTER,
		"Links of suspended affiliates, answered without credit.", front->suspended);
}

static void redis_write(const struct total *total, struct buf *out)
{
	plain_write(out, "wasl_redis_up", STATS_GAUGE,
		"1 while every worker's connection for clicks is up.", total->redis_down == 0);
	plain_write(out, "wasl_redis_commands_total", STATS_COUNTER, "Commands sent to Redis.",
		total->redis_commands);
	plain_write(out, "wasl_redis_pending", STATS_GAUGE, "Commands that Redis has not answered.",
		total->redis_pending);
	stats_family(out, "wasl_redis_errors_total", STATS_COUNTER,
		"Failures of and refusals by Redis, by kind.");
	for (unsigned i = 0; i < REDIS_ERROR_COUNT; i++) {
		const struct stats_label label = {"kind", redis_error_name((enum redis_error)i)};
		stats_sample(out, "wasl_redis_errors_total", &label, 1, total->redis_errors[i]);
	}
}

static void catalogue_write(const struct follow *follow, struct buf *out)
{
	struct follow_status status;
	follow_status(follow, &status);
	plain_write(out, "wasl_catalogue_version", STATS_GAUGE,
		"Changes of the publisher's epoch that this tracker has.", status.version);
	if (status.age_us >= 0) {
		stats_family(out, "wasl_catalogue_age_seconds", STATS_GAUGE,
			"Time since the catalogue was last known to be the newest.");
		stats_sample_seconds(out, "wasl_catalogue_age_seconds", NULL, 0, status.age_us);
	}
	plain_write(out, "wasl_catalogue_loads_total", STATS_COUNTER,
		"Times that the whole catalogue was read from Redis.", status.loads);
	plain_write(out, "wasl_catalogue_rows_refused_total", STATS_COUNTER,
		"Published rows that were not taken over.", status.rows_refused);
}

static void plain_write(
	struct buf *out, const char *name, enum stats_type type, const char *help, uint64_t value)
{
	stats_family(out, name, type, help);
	stats_sample(out, name, NULL, 0, value);
}
