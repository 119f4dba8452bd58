/* SPDX-License-Identifier: Apache-2.0
 * Metrics: counters that one thread writes and another reads, a histogram, and the Prometheus text
 * format (version 0.0.4) that both daemons answer on /metrics. */
#ifndef WASL_STATS_H
#define WASL_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

#define STATS_CACHE_LINE 64
#define STATS_TEXT_MAX   (1024 * 1024) /* one scrape */
#define STATS_LABELS_MAX 6

/* Plain 64-bit words, written by one thread: relaxed loads and stores, no read-modify-write lock.
 */
static inline void stats_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}
static inline void stats_set(uint64_t *gauge, uint64_t value)
{
	__atomic_store_n(gauge, value, __ATOMIC_RELAXED);
}
static inline uint64_t stats_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Bounds in microseconds: 100 us 250 us 500 us 1 2.5 5 10 25 50 100 250 500 ms 1 2.5 s, +Inf. */
#define STATS_BUCKETS 15
struct stats_histogram {
	uint64_t counts[STATS_BUCKETS]; /* not cumulative */
	uint64_t sum_us;
};
void stats_observe(struct stats_histogram *histogram, int64_t us);
void stats_histogram_sum(struct stats_histogram *into, const struct stats_histogram *from);

/* Writers of the text format; label values are escaped. A family is announced once, then its
 * samples. */
struct stats_label {
	const char *name;
	const char *value;
};
enum stats_type { STATS_COUNTER = 0, STATS_GAUGE, STATS_HISTOGRAM };
void stats_family(struct buf *out, const char *name, enum stats_type type, const char *help);
void stats_sample(struct buf *out, const char *name, const struct stats_label *labels,
	unsigned label_count, uint64_t value);
void stats_sample_signed(struct buf *out, const char *name, const struct stats_label *labels,
	unsigned label_count, int64_t value);
/* Seconds with six decimals. */
void stats_sample_seconds(struct buf *out, const char *name, const struct stats_label *labels,
	unsigned label_count, int64_t us);
void stats_histogram_write(struct buf *out, const char *name, const struct stats_label *labels,
	unsigned label_count, const struct stats_histogram *histogram);

#endif
