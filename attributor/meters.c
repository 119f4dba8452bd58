/* SPDX-License-Identifier: Apache-2.0
 * Counters by word, and their text for Prometheus. */
#include "meters.h"

#include <stdio.h>
#include <string.h>

#include "db.h"
#include "quarantine.h"
#include "replay.h"
#include "spool.h"
#include "timer.h"

#define METERS_STATUS_TEXT 12

static void count_word(struct meters_word *words, unsigned max, const char *word);
static const char *route_name(unsigned route);
static void write_requests(const struct meters *meters, struct buf *out);
static void write_events(const struct meters *meters, struct buf *out);
static void write_words(const struct meters_word *words, const char *name, const char *label,
	const char *help, struct buf *out);
static void write_commissions(const struct meters *meters, struct buf *out);
static void write_redis(const struct meters_gauges *gauges, struct buf *out);
static void write_publish(const struct meters_gauges *gauges, struct buf *out);
static void write_timer(const struct meters_gauges *gauges, struct buf *out);
static void write_kept(const struct meters_gauges *gauges, struct buf *out);
static void write_sqlstate(const char *sqlstate, uint64_t count, void *arg);
static void write_plain(
	struct buf *out, const char *name, enum stats_type type, const char *help, uint64_t value);

#define RESULT_NAME(name, text) [METERS_##name] = text,
static const char *const result_names[METERS_RESULT_COUNT] = {METERS_RESULTS(RESULT_NAME)};

void meters_request(struct meters *meters, unsigned route, unsigned status, int64_t took_us)
{
	stats_observe(&meters->seconds[route], took_us);
	for (unsigned i = 0; i < METERS_CODES_MAX; i++) {
		if (meters->requests[route][i].status == 0)
			meters->requests[route][i].status = status;
		if (meters->requests[route][i].status == status) {
			stats_add(&meters->requests[route][i].count, 1);
			return;
		}
	}
}

void meters_event(struct meters *meters, unsigned type, enum meters_result result)
{
	stats_add(&meters->events[type][result], 1);
}

void meters_problem(struct meters *meters, const char *code)
{
	count_word(meters->problems, METERS_PROBLEMS_MAX, code);
}

void meters_unattributed(struct meters *meters, const char *reason)
{
	count_word(meters->unattributed, METERS_PROBLEMS_MAX, reason);
}

void meters_commission(struct meters *meters, const char *state, const char *currency)
{
	for (unsigned i = 0; i < METERS_COMMISSIONS_MAX; i++) {
		struct meters_money *const money = &meters->commissions[i];
		if (money->count == 0) {
			str_copy(money->state, sizeof(money->state), str_from(state));
			str_copy(money->currency, sizeof(money->currency), str_from(currency));
		}
		if (strcmp(money->state, state) == 0 && strcmp(money->currency, currency) == 0) {
			stats_add(&money->count, 1);
			return;
		}
	}
}

void meters_write(const struct meters *meters, const struct meters_gauges *gauges, struct buf *out)
{
	write_requests(meters, out);
	conn_counts_write(gauges->connections, out);
	write_events(meters, out);
	write_words(meters->problems, "wasl_problems_total", "code",
		"Refusals by their problem code.", out);
	write_words(meters->unattributed, "wasl_unattributed_total", "reason",
		"Decisions without a winner.", out);
	write_commissions(meters, out);
	stats_family(out, "wasl_postgres_errors_total", STATS_COUNTER,
		"Failures of statements and connections.");
	db_errors_each(write_sqlstate, out);
	write_plain(out, "wasl_event_queue", STATS_GAUGE, "Events that wait for a transaction.",
		gauges->queued);
	write_plain(out, "wasl_event_jobs", STATS_GAUGE, "Webhooks under way.", gauges->jobs);
	write_plain(out, "wasl_event_batches_total", STATS_COUNTER, "Posting transactions.",
		meters->batches);
	write_plain(out, "wasl_event_batch_events_total", STATS_COUNTER,
		"Events in posting transactions.", meters->batch_events);
	write_plain(out, "wasl_event_retries_total", STATS_COUNTER,
		"Posting transactions tried again.", meters->retries);
	write_plain(out, "wasl_event_late_total", STATS_COUNTER,
		"Webhooks that Postgres had not committed at order-deadline.", meters->late);
	write_plain(out, "wasl_click_lookups_skipped_total", STATS_COUNTER,
		"Clicks matched without asking Redis, which was away or late.",
		meters->redis_skipped);
	write_plain(out, "wasl_stores", STATS_GAUGE, "Stores known.", gauges->stores);
	write_redis(gauges, out);
	write_publish(gauges, out);
	write_timer(gauges, out);
	write_plain(out, "wasl_posting_refused", STATS_GAUGE,
		"The database refuses what we do: a table or a privilege is missing.",
		meters->is_refused);
	write_kept(gauges, out);
}

static void count_word(struct meters_word *words, unsigned max, const char *word)
{
	for (unsigned i = 0; i < max; i++) {
		if (words[i].count == 0)
			str_copy(words[i].word, sizeof(words[i].word), str_from(word));
		if (strcmp(words[i].word, word) == 0) {
			stats_add(&words[i].count, 1);
			return;
		}
	}
}

static const char *route_name(unsigned route)
{
	if (route < API_ROUTE_COUNT)
		return api_route_name((enum api_route)route);
	return route == METERS_EVENTS ? "events" : "other";
}

static void write_requests(const struct meters *meters, struct buf *out)
{
	const char *const total = "wasl_http_requests_total";
	const char *const seconds = "wasl_http_request_seconds";
	stats_family(out, total, STATS_COUNTER, "Answers by route, class of sender and status.");
	for (unsigned route = 0; route < METERS_ROUTE_COUNT; route++)
		for (unsigned i = 0; i < METERS_CODES_MAX; i++) {
			char status[METERS_STATUS_TEXT];
			if (meters->requests[route][i].count == 0)
				continue;
			snprintf(status, sizeof(status), "%u", meters->requests[route][i].status);
			const struct stats_label labels[] = {
				{"route", route_name(route)}, {"class", ""}, {"code", status}};
			stats_sample(out, total, labels, 3, meters->requests[route][i].count);
		}
	stats_family(out, seconds, STATS_HISTOGRAM, "Time from the whole request to its answer.");
	for (unsigned route = 0; route < METERS_ROUTE_COUNT; route++) {
		const struct stats_label label = {"route", route_name(route)};
		stats_histogram_write(out, seconds, &label, 1, &meters->seconds[route]);
	}
}

static void write_events(const struct meters *meters, struct buf *out)
{
	stats_family(out, "wasl_events_total", STATS_COUNTER, "Events by what became of them.");
	for (unsigned type = 0; type <= EVENT_TYPE_COUNT; type++)
		for (unsigned result = 0; result < METERS_RESULT_COUNT; result++) {
			if (meters->events[type][result] == 0)
				continue;
			const struct stats_label labels[] = {
				{"type", type == METERS_NO_TYPE
						 ? ""
						 : event_type_name((enum event_type)type)},
				{"result", result_names[result]}};
			stats_sample(
				out, "wasl_events_total", labels, 2, meters->events[type][result]);
		}
}

static void write_words(const struct meters_word *words, const char *name, const char *label,
	const char *help, struct buf *out)
{
	stats_family(out, name, STATS_COUNTER, help);
	for (unsigned i = 0; i < METERS_PROBLEMS_MAX && words[i].count > 0; i++) {
		const struct stats_label labels[] = {{label, words[i].word}};
		stats_sample(out, name, labels, 1, words[i].count);
	}
}

static void write_commissions(const struct meters *meters, struct buf *out)
{
	const char *const name = "wasl_commissions_total";
	stats_family(out, name, STATS_COUNTER, "Commissions posted, by the state they came to.");
	for (unsigned i = 0; i < METERS_COMMISSIONS_MAX && meters->commissions[i].count > 0; i++) {
		const struct meters_money *const money = &meters->commissions[i];
		const struct stats_label labels[] = {
			{"state", money->state}, {"currency", money->currency}};
		stats_sample(out, name, labels, 2, money->count);
	}
}

static void write_redis(const struct meters_gauges *gauges, struct buf *out)
{
	bool is_up = true;
	uint64_t commands = 0;
	stats_family(out, "wasl_redis_errors_total", STATS_COUNTER, "Failures of Redis, by kind.");
	for (unsigned kind = 0; kind < REDIS_ERROR_COUNT; kind++) {
		uint64_t errors = 0;
		for (unsigned i = 0; i < 2 && gauges->redis[i] != NULL; i++)
			errors += stats_get(&gauges->redis[i]->errors[kind]);
		const struct stats_label label = {"kind", redis_error_name((enum redis_error)kind)};
		stats_sample(out, "wasl_redis_errors_total", &label, 1, errors);
	}
	for (unsigned i = 0; i < 2 && gauges->redis[i] != NULL; i++) {
		is_up &= stats_get(&gauges->redis[i]->is_up) != 0;
		commands += stats_get(&gauges->redis[i]->commands);
	}
	write_plain(out, "wasl_redis_up", STATS_GAUGE, "Both connections to Redis are up.", is_up);
	write_plain(out, "wasl_redis_commands_total", STATS_COUNTER, "Commands sent.", commands);
}

static void write_publish(const struct meters_gauges *gauges, struct buf *out)
{
	const struct publish_counts *const counts = gauges->publish;
	if (counts == NULL)
		return;
	write_plain(out, "wasl_catalogue_publisher", STATS_GAUGE, "This one publishes.",
		counts->is_publisher);
	write_plain(out, "wasl_catalogue_version", STATS_GAUGE,
		"Changes published in this epoch, by the publisher.", counts->version);
	write_plain(
		out, "wasl_catalogue_rows", STATS_GAUGE, "Rows in the catalogue.", counts->rows);
	write_plain(out, "wasl_catalogue_published_total", STATS_COUNTER, "Rows written.",
		counts->published);
	write_plain(out, "wasl_catalogue_failures_total", STATS_COUNTER,
		"Publications given up, to be tried again.", counts->failures);
	if (counts->whole_us == 0)
		return;
	stats_family(out, "wasl_catalogue_age_seconds", STATS_GAUGE,
		"Since Redis last held all that Postgres does.");
	stats_sample_seconds(out, "wasl_catalogue_age_seconds", NULL, 0,
		gauges->now_us - (int64_t)counts->whole_us);
}

static void write_timer(const struct meters_gauges *gauges, struct buf *out)
{
	const struct timer_counts *const counts = gauges->timer;
	if (counts == NULL)
		return;
	const int64_t late_us =
		counts->due_since_us == 0 ? 0 : gauges->wall_us - counts->due_since_us;
	write_plain(out, "wasl_orders_due", STATS_GAUGE,
		"Orders that were to be folded again at the last look.", counts->due);
	stats_family(out, "wasl_orders_due_oldest_seconds", STATS_GAUGE,
		"How long the first of them has been due.");
	stats_sample_seconds(
		out, "wasl_orders_due_oldest_seconds", NULL, 0, late_us > 0 ? late_us : 0);
	write_plain(out, "wasl_orders_waiting", STATS_GAUGE,
		"Orders with events that have waited over a day for a confirmation.",
		counts->waiting);
	write_plain(out, "wasl_orders_folded_total", STATS_COUNTER,
		"Orders folded again without an event.", counts->folded);
	write_plain(out, "wasl_orders_put_off_total", STATS_COUNTER,
		"Orders that could not be, and are tried an hour later.", counts->put_off);
}

/* The spool's are named as the tracker's. */
static void write_kept(const struct meters_gauges *gauges, struct buf *out)
{
	const struct spool_counts *const spool = gauges->spool;
	const struct replay_counts *const replay = gauges->replay;
	const int64_t oldest_us = (int64_t)stats_get(&spool->oldest_us);
	const int64_t age_us = oldest_us == 0 ? 0 : gauges->wall_us - oldest_us;
	write_plain(out, "wasl_spool_records", STATS_GAUGE, "Events on disk, not yet in Postgres.",
		stats_get(&spool->records));
	write_plain(
		out, "wasl_spool_bytes", STATS_GAUGE, "Their segments.", stats_get(&spool->bytes));
	stats_family(out, "wasl_spool_oldest_seconds", STATS_GAUGE,
		"Since the oldest of them was received.");
	stats_sample_seconds(out, "wasl_spool_oldest_seconds", NULL, 0, age_us > 0 ? age_us : 0);
	write_plain(out, "wasl_spool_added_total", STATS_COUNTER, "Events spooled.",
		stats_get(&spool->added));
	write_plain(out, "wasl_spool_replayed_total", STATS_COUNTER, "Events that left it.",
		stats_get(&spool->replayed));
	write_plain(out, "wasl_spool_set_aside_total", STATS_COUNTER, "Damaged stretches.",
		stats_get(&spool->set_aside));
	write_plain(out, "wasl_spool_refused_total", STATS_COUNTER,
		"Events that it could not take: answered 503.",
		stats_get(&spool->refused_full) + stats_get(&spool->refused_failed));
	write_plain(out, "wasl_spool_failing", STATS_GAUGE, "Its disk is full or fails.",
		stats_get(&spool->is_full) | stats_get(&spool->is_failing));
	write_plain(out, "wasl_replay_retries_total", STATS_COUNTER,
		"Batches of it that did not end whole.", replay->retries);
	write_plain(out, "wasl_replay_stopped", STATS_GAUGE,
		"The database refuses what we do: nothing of it is posted.", replay->is_stopped);
	write_plain(out, "wasl_quarantine_events", STATS_GAUGE, "Events that wait for an operator.",
		gauges->quarantine->waiting);
	write_plain(out, "wasl_quarantine_put_total", STATS_COUNTER, "Events put there.",
		gauges->quarantine->put);
}

static void write_sqlstate(const char *sqlstate, uint64_t count, void *arg)
{
	const struct stats_label label = {"sqlstate", sqlstate};
	stats_sample(arg, "wasl_postgres_errors_total", &label, 1, count);
}

static void write_plain(
	struct buf *out, const char *name, enum stats_type type, const char *help, uint64_t value)
{
	stats_family(out, name, type, help);
	stats_sample(out, name, NULL, 0, value);
}
