/* SPDX-License-Identifier: Apache-2.0
 * The histogram and the Prometheus text format. */
#include "stats.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define US_PER_SECOND 1000000

struct bucket {
	int64_t le_us;
	const char *le; /* as Prometheus reads it, in seconds */
};

/* The last bucket is +Inf. */
static const struct bucket buckets[STATS_BUCKETS - 1] = {
	{100, "0.0001"},
	{250, "0.00025"},
	{500, "0.0005"},
	{1000, "0.001"},
	{2500, "0.0025"},
	{5000, "0.005"},
	{10000, "0.01"},
	{25000, "0.025"},
	{50000, "0.05"},
	{100000, "0.1"},
	{250000, "0.25"},
	{500000, "0.5"},
	{1000000, "1"},
	{2500000, "2.5"},
};

static void add_name(struct buf *out, const char *name, const char *suffix,
	const struct stats_label *labels, unsigned label_count);
static void add_label(struct buf *out, const struct stats_label *label, bool is_first);
static void add_seconds(struct buf *out, int64_t us);

void stats_observe(struct stats_histogram *histogram, int64_t us)
{
	if (us < 0)
		us = 0;
	unsigned i = 0;
	while (i < STATS_BUCKETS - 1 && us > buckets[i].le_us)
		i++;
	stats_add(&histogram->counts[i], 1);
	stats_add(&histogram->sum_us, (uint64_t)us);
}

void stats_histogram_sum(struct stats_histogram *into, const struct stats_histogram *from)
{
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		stats_add(&into->counts[i], stats_get(&from->counts[i]));
	stats_add(&into->sum_us, stats_get(&from->sum_us));
}

void stats_family(struct buf *out, const char *name, enum stats_type type, const char *help)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

void stats_sample(struct buf *out, const char *name, const struct stats_label *labels,
	unsigned label_count, uint64_t value)
{
	add_name(out, name, "", labels, label_count);
	buf_addf(out, " %" PRIu64 "\n", value);
}

void stats_sample_signed(struct buf *out, const char *name, const struct stats_label *labels,
	unsigned label_count, int64_t value)
{
	add_name(out, name, "", labels, label_count);
	buf_addf(out, " %" PRId64 "\n", value);
}

void stats_sample_seconds(struct buf *out, const char *name, const struct stats_label *labels,
	unsigned label_count, int64_t us)
{
	add_name(out, name, "", labels, label_count);
	add_seconds(out, us);
}

void stats_histogram_write(struct buf *out, const char *name, const struct stats_label *labels,
	unsigned label_count, const struct stats_histogram *histogram)
{
	assert(label_count < STATS_LABELS_MAX);
	struct stats_label with_le[STATS_LABELS_MAX];
	if (label_count > 0)
		memcpy(with_le, labels, label_count * sizeof(*labels));
	uint64_t count = 0;
	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		const bool is_last = i == STATS_BUCKETS - 1;
		with_le[label_count] = (struct stats_label){
			.name = "le", .value = is_last ? "+Inf" : buckets[i].le};
		count += stats_get(&histogram->counts[i]);
		add_name(out, name, "_bucket", with_le, label_count + 1);
		buf_addf(out, " %" PRIu64 "\n", count);
	}
	add_name(out, name, "_sum", labels, label_count);
	add_seconds(out, (int64_t)stats_get(&histogram->sum_us));
	add_name(out, name, "_count", labels, label_count);
	buf_addf(out, " %" PRIu64 "\n", count);
}

static void add_name(struct buf *out, const char *name, const char *suffix,
	const struct stats_label *labels, unsigned label_count)
{
	assert(label_count <= STATS_LABELS_MAX);
	buf_add_cstr(out, name);
	buf_add_cstr(out, suffix);
	if (label_count == 0)
		return;
	for (unsigned i = 0; i < label_count; i++)
		add_label(out, &labels[i], i == 0);
	buf_add_str(out, STR("}"));
}

/* The format escapes backslash, quote and line feed, and asks for UTF-8: other control bytes are
 * replaced. */
static void add_label(struct buf *out, const struct stats_label *label, bool is_first)
{
	buf_addf(out, "%s%s=\"", is_first ? "{" : ",", label->name);
	const bool is_utf8 = utf8_is_valid(str_from(label->value));
	for (const char *at = label->value; *at; at++) {
		const unsigned char byte = (unsigned char)*at;
		if (byte == '\n')
			buf_add_str(out, STR("\\n"));
		else if (byte == '\\' || byte == '"')
			buf_add(out, (const char[]){'\\', *at}, 2);
		else if (byte < ' ' || byte == 0x7f || (byte > 0x7f && !is_utf8))
			buf_add_str(out, STR("?"));
		else
			buf_add(out, at, 1);
	}
	buf_add_str(out, STR("\""));
}

static void add_seconds(struct buf *out, int64_t us)
{
	const char *sign = us < 0 ? "-" : "";
	const uint64_t absolute = us < 0 ? -(uint64_t)us : (uint64_t)us;
	buf_addf(out, " %s%" PRIu64 ".%06" PRIu64 "\n", sign, absolute / US_PER_SECOND,
		absolute % US_PER_SECOND);
}
