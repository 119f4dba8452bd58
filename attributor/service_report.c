/* SPDX-License-Identifier: Apache-2.0
 * How the daemon is: /readyz and /metrics. */
#include "clock.h"
#include "service_parts.h"
#include "stats.h"

void service_health(struct admin_health *health, void *arg)
{
	const struct service *const service = arg;
	health->is_ready = service->is_ready && !service->is_stopping;
	if (!redis_is_up(service->redis))
		health->degraded[health->degraded_count++] = "redis";
	if (!db_is_up(service->read_db) || !post_is_up(service->post))
		health->degraded[health->degraded_count++] = "postgres";
	if (service->timer != NULL && timer_counts(service->timer)->waiting > 0)
		health->degraded[health->degraded_count++] = "orders_waiting";
	const struct spool_counts *const spool = backlog_counts(service->backlog);
	if (stats_get(&spool->is_full))
		health->degraded[health->degraded_count++] = "spool_full";
	if (stats_get(&spool->is_failing))
		health->degraded[health->degraded_count++] = "spool_failing";
	if (quarantine_counts(service->quarantine)->waiting > 0)
		health->degraded[health->degraded_count++] = "quarantine";
	if (service->meters.is_refused || replay_counts(service->replay)->is_stopped)
		health->degraded[health->degraded_count++] = "posting";
	if (service->is_schema_wrong)
		health->degraded[health->degraded_count++] = "schema";
}

void service_metrics(struct buf *out, void *arg)
{
	const struct service *const service = arg;
	const bool has_publish = service->publish != NULL;
	const struct meters_gauges gauges = {.connections = conn_server_counts(service->server),
		.redis = {redis_counts(service->redis),
			has_publish ? publish_redis_counts(service->publish) : NULL},
		.publish = has_publish ? publish_counts(service->publish) : NULL,
		.timer = service->timer != NULL ? timer_counts(service->timer) : NULL,
		.spool = backlog_counts(service->backlog),
		.quarantine = quarantine_counts(service->quarantine),
		.replay = replay_counts(service->replay),
		.wall_us = clock_wall_us(),
		.queued = post_queued(service->post),
		.jobs = webhook_jobs(service->webhook),
		.stores = stores_count(service->stores),
		.now_us = loop_now_us(service->loop)};
	meters_write(&service->meters, &gauges, out);
}
