/* SPDX-License-Identifier: Apache-2.0
 * Histogram bounds, and text that Prometheus reads. */
#include "stats.h"

#include "suite.h"

static struct buf out;

static void expect(const char *text)
{
	ck_assert_str_eq(buf_cstr(&out), text);
	buf_release(&out);
}

START_TEST(observations_fall_on_their_side_of_a_bound)
{
	static const struct {
		int64_t us;
		unsigned bucket;
	} rows[] = {{-5, 0}, {0, 0}, {99, 0}, {100, 0}, {101, 1}, {250, 1}, {251, 2}, {1000, 3},
		{1001, 4}, {25000, 7}, {25001, 8}, {2499999, 13}, {2500000, 13}, {2500001, 14},
		{INT64_MAX, 14}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct stats_histogram histogram = {0};
		stats_observe(&histogram, rows[i].us);
		for (unsigned bucket = 0; bucket < STATS_BUCKETS; bucket++)
			ck_assert_msg(histogram.counts[bucket] == (bucket == rows[i].bucket),
				"row %zu bucket %u", i, bucket);
		ck_assert_uint_eq(histogram.sum_us, rows[i].us < 0 ? 0 : (uint64_t)rows[i].us);
	}
}
END_TEST

START_TEST(histograms_are_cumulative_and_end_with_infinity)
{
	struct stats_histogram one = {0}, both = {0};
	stats_observe(&one, 50);
	stats_observe(&one, 700);
	stats_observe(&one, 9000000);
	stats_histogram_sum(&both, &one);
	stats_histogram_sum(&both, &one);
	buf_init(&out, 4096);
	const struct stats_label label = {"route", "click"};
	stats_histogram_write(&out, "t", &label, 1, &both);
	const char *text = buf_cstr(&out);
	ck_assert_ptr_nonnull(strstr(text, "t_bucket{route=\"click\",le=\"0.0001\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(text, "t_bucket{route=\"click\",le=\"0.0005\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(text, "t_bucket{route=\"click\",le=\"0.001\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(text, "t_bucket{route=\"click\",le=\"2.5\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(text, "t_bucket{route=\"click\",le=\"+Inf\"} 6\n"
					   "t_sum{route=\"click\"} 18.001500\n"
					   "t_count{route=\"click\"} 6\n"));
	buf_release(&out);
}
END_TEST

START_TEST(families_and_samples_are_plain_text)
{
	buf_init(&out, 4096);
	const struct stats_label labels[] = {{"a", "x"}, {"b", "y z"}};
	stats_family(&out, "n", STATS_COUNTER, "What it counts.");
	stats_sample(&out, "n", NULL, 0, UINT64_MAX);
	stats_sample(&out, "n", labels, 2, 0);
	stats_sample_signed(&out, "n", labels, 1, INT64_MIN);
	stats_sample_seconds(&out, "n", NULL, 0, 1);
	stats_sample_seconds(&out, "n", NULL, 0, -2500000);
	expect("# HELP n What it counts.\n# TYPE n counter\nn 18446744073709551615\n"
	       "n{a=\"x\",b=\"y z\"} 0\nn{a=\"x\"} -9223372036854775808\nn 0.000001\nn "
	       "-2.500000\n");
}
END_TEST

START_TEST(label_values_cannot_break_out)
{
	static const struct {
		const char *value, *text;
	} rows[] = {
		{"", "n{a=\"\"} 1\n"},
		{"a\"b", "n{a=\"a\\\"b\"} 1\n"},
		{"a\\", "n{a=\"a\\\\\"} 1\n"},
		{"a\nb", "n{a=\"a\\nb\"} 1\n"},
		{"\r\x1b\x7f", "n{a=\"???\"} 1\n"},
		{"\xd9\x85", "n{a=\"\xd9\x85\"} 1\n"},
		{"\xd9", "n{a=\"?\"} 1\n"},
		{"\"} 1\nm 2", "n{a=\"\\\"} 1\\nm 2\"} 1\n"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&out, 4096);
		const struct stats_label label = {"a", rows[i].value};
		stats_sample(&out, "n", &label, 1, 1);
		expect(rows[i].text);
	}
}
END_TEST

SUITE_MAIN("stats", observations_fall_on_their_side_of_a_bound,
	histograms_are_cumulative_and_end_with_infinity, families_and_samples_are_plain_text,
	label_values_cannot_break_out)
