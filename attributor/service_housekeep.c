/* SPDX-License-Identifier: Apache-2.0
 * What the daemon does once a day: room for the bodies of months to come, and an end of old ones.
 */
#include <stdio.h>

#include "clock.h"
#include "log.h"
#include "service_parts.h"
#include "timestamp.h"

#define PARTITIONS_US    (24 * 3600 * US_PER_S)
#define PARTITIONS_LOCK  "500ms"
#define SECONDS_TEXT_MAX 24

static void on_partitions(const struct db_result *result, void *arg);

/* Months of raw bodies are made ahead, so that none goes to the DEFAULT partition; old ones end, by
 * the database's clock, which nobody's jump empties. Whoever waits for their lock holds up all that
 * is posted, so it does not wait long. */
void service_housekeep(void *arg)
{
	struct service *const service = arg;
	char retention_s[SECONDS_TEXT_MAX];
	snprintf(retention_s, sizeof(retention_s), "%lld",
		(long long)(service->config->body_retention_us / US_PER_S));
	const struct str param = str_from(retention_s);
	const struct db_statement statements[] = {
		{.sql = "SELECT set_config('lock_timeout', '" PARTITIONS_LOCK "', true)"},
		{.sql = "SELECT wasl.make_body_partitions(2)"},
		{.sql = "SELECT wasl.bodies_forget(now() - make_interval(secs => $1::bigint))",
			.params = &param,
			.param_count = 1}};
	const int64_t now_us = loop_now_us(service->loop);
	if (service->partitions_us == 0 || now_us - service->partitions_us > PARTITIONS_US)
		db_run(service->read_db, statements, 3, on_partitions, service);
	loop_timer_set(service->housekeeping, service->config->timer_interval_us);
}

static void on_partitions(const struct db_result *result, void *arg)
{
	struct service *const service = arg;
	if (result->status != DB_OK) {
		log_warn("partitions_not_made", LOG_TEXT("sqlstate", result->sqlstate),
			LOG_TEXT("reason", result->message));
		return;
	}
	service->partitions_us = loop_now_us(service->loop);
	const int64_t forgotten = db_rows_int(result->rows[2], 0, 0);
	if (forgotten > 0)
		log_info("bodies_forgotten", LOG_NUM("count", forgotten));
}
