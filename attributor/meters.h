/* SPDX-License-Identifier: Apache-2.0
 * What the attributor counts, and how /metrics says it. */
#ifndef WASL_ATTRIBUTOR_METERS_H
#define WASL_ATTRIBUTOR_METERS_H

#include <stdbool.h>
#include <stdint.h>

#include "api.h"
#include "order.h"
#include "publish.h"
#include "redis.h"
#include "stats.h"

#define METERS_CODES_MAX       32   /* statuses of answers, per route */
#define METERS_PROBLEMS_MAX    96   /* problem codes and reasons: all are words of ours */
#define METERS_COMMISSIONS_MAX 1100 /* every state of every currency */
#define METERS_WORD_MAX        32

/* The reading API's routes, then these. */
enum meters_route { METERS_EVENTS = API_ROUTE_COUNT, METERS_OTHER, METERS_ROUTE_COUNT };

/* What became of an event: wasl_events_total{result}. */
#define METERS_RESULTS(X)               \
	X(ATTRIBUTED, "attributed")     \
	X(UNATTRIBUTED, "unattributed") \
	X(WAITING, "waiting")           \
	X(CONFLICT, "conflict")         \
	X(DUPLICATE, "duplicate")       \
	X(ACCEPTED, "accepted")         \
	X(REFUSED, "refused")           \
	X(UNAVAILABLE, "unavailable")   \
	X(FAILED, "failed")
#define METERS_ENUM_RESULT(name, text) METERS_##name,
enum meters_result { METERS_RESULTS(METERS_ENUM_RESULT) METERS_RESULT_COUNT };

struct meters_word {
	char word[METERS_WORD_MAX];
	uint64_t count;
};
struct meters_money {
	char currency[ORDER_CURRENCY_MAX];
	char state[METERS_WORD_MAX];
	uint64_t count;
};

/* Owned by the loop's thread, zero at the start. */
struct meters {
	struct {
		unsigned status;
		uint64_t count;
	} requests[METERS_ROUTE_COUNT][METERS_CODES_MAX];
	struct stats_histogram seconds[METERS_ROUTE_COUNT];
	uint64_t events[EVENT_TYPE_COUNT + 1][METERS_RESULT_COUNT]; /* last: type not known */
	struct meters_word problems[METERS_PROBLEMS_MAX];
	struct meters_word unattributed[METERS_PROBLEMS_MAX];
	struct meters_money commissions[METERS_COMMISSIONS_MAX];
	uint64_t batches, batch_events, retries, late, redis_skipped;
	uint64_t is_refused; /* gauge: the last transaction met a missing table or privilege */
};

#define METERS_NO_TYPE EVENT_TYPE_COUNT

void meters_request(struct meters *meters, unsigned route, unsigned status, int64_t took_us);
void meters_event(struct meters *meters, unsigned type, enum meters_result result);
void meters_problem(struct meters *meters, const char *code);
void meters_unattributed(struct meters *meters, const char *reason);
void meters_commission(struct meters *meters, const char *state, const char *currency);

struct quarantine_counts;
struct replay_counts;
struct spool_counts;
struct timer_counts;
/* What the daemon's parts count themselves, read at the scrape. */
struct meters_gauges {
	const struct conn_counts *connections;
	const struct redis_counts *redis[2];  /* clicks, catalogue; the latter may be NULL */
	const struct publish_counts *publish; /* NULL: not begun */
	const struct timer_counts *timer;     /* NULL: not begun */
	const struct spool_counts *spool;
	const struct quarantine_counts *quarantine;
	const struct replay_counts *replay;
	unsigned queued, jobs;
	unsigned stores;
	int64_t now_us, wall_us; /* the loop's, and the wall clock's */
};
void meters_write(const struct meters *meters, const struct meters_gauges *gauges, struct buf *out);

#endif
