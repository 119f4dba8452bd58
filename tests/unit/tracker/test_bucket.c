/* SPDX-License-Identifier: Apache-2.0
 * Buckets: which place a click gets, and when a bucket closes. */
#include "bucket.h"

#include "../common/suite.h"

#define HOUR_US INT64_C(3600000000)
#define WALL_US INT64_C(1700000000000000)
#define GRACE_S 259200

static uint64_t fresh_low = 100;

/* As the sink does it: fresh bits only when asked for. */
static struct bucket_place take(
	struct bucket_set *set, uint32_t window_s, int64_t mono_us, int64_t wall_us)
{
	const struct bucket_now now = {.mono_us = mono_us, .wall_us = wall_us};
	struct bucket_place place;
	if (bucket_take(set, window_s, &now, NULL, &place))
		return place;
	const struct click_bucket fresh = {.high = 0xff, .low = ++fresh_low};
	ck_assert(bucket_take(set, window_s, &now, &fresh, &place));
	return place;
}

START_TEST(bucket_takes_64_clicks)
{
	struct bucket_set set;
	bucket_set_init(&set, GRACE_S);
	const struct bucket_place first = take(&set, 60, 0, WALL_US);
	ck_assert(first.is_new);
	ck_assert_uint_eq(first.index, 0);
	ck_assert_uint_eq(first.id.high, 0xf); /* 68 bits */
	for (unsigned i = 1; i < CLICK_BUCKET_CLICKS; i++) {
		const struct bucket_place place = take(&set, 60, 0, WALL_US);
		ck_assert(!place.is_new && place.id.low == first.id.low);
		ck_assert_uint_eq(place.index, i);
	}
	const struct bucket_place next = take(&set, 60, 0, WALL_US);
	ck_assert(next.is_new && next.id.low != first.id.low && next.index == 0);
}
END_TEST

START_TEST(every_click_lives_at_least_its_window)
{
	struct bucket_set set;
	bucket_set_init(&set, GRACE_S);
	struct bucket_place place = take(&set, 86400, 0, WALL_US + 1);
	ck_assert_int_ge(
		place.expires_at_s * 1000000, WALL_US + 1 + HOUR_US + INT64_C(86400000000));
	place = take(&set, 86400, HOUR_US - 1, WALL_US + HOUR_US);
	ck_assert(!place.is_new);
	ck_assert_int_ge(place.expires_at_s * 1000000,
		WALL_US + HOUR_US + INT64_C(1000000) * (86400 + GRACE_S));
}
END_TEST

START_TEST(hour_ends_by_either_clock)
{
	static const struct {
		int64_t mono_us, wall_us;
		bool is_new;
	} rows[] = {
		{HOUR_US - 1, WALL_US + HOUR_US - 1, false},
		{HOUR_US, WALL_US, true},
		{0, WALL_US + HOUR_US, true},
		{0, WALL_US - 1, true},
		{0, WALL_US, false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct bucket_set set;
		bucket_set_init(&set, 0);
		take(&set, 60, 0, WALL_US);
		ck_assert_msg(
			take(&set, 60, rows[i].mono_us, rows[i].wall_us).is_new == rows[i].is_new,
			"row %zu", i);
	}
}
END_TEST

START_TEST(windows_have_buckets_of_their_own)
{
	struct bucket_set set;
	bucket_set_init(&set, 0);
	const struct bucket_place a = take(&set, 60, 0, WALL_US), b = take(&set, 61, 0, WALL_US);
	ck_assert(a.id.low != b.id.low && b.is_new);
	ck_assert_uint_eq(take(&set, 60, 0, WALL_US).index, 1);
	ck_assert_uint_eq(take(&set, 61, 0, WALL_US).index, 1);
	/* More windows than places: the least recently used closes, none is ever mixed. */
	for (uint32_t window_s = 100; window_s < 100 + 3 * BUCKETS_OPEN_MAX; window_s++)
		ck_assert(take(&set, window_s, 0, WALL_US).is_new);
	ck_assert(take(&set, 60, 0, WALL_US).is_new);
	ck_assert(!take(&set, 100 + 3 * BUCKETS_OPEN_MAX - 1, 0, WALL_US).is_new);
}
END_TEST

START_TEST(forgotten_announcements_are_made_again)
{
	struct bucket_set set;
	bucket_set_init(&set, 0);
	const struct bucket_place first = take(&set, 60, 0, WALL_US);
	bucket_set_forget_announced(&set);
	const struct bucket_place again = take(&set, 60, 0, WALL_US);
	ck_assert(again.is_new && again.id.low == first.id.low && again.index == 1);
	bucket_set_clear(&set);
	ck_assert(take(&set, 60, 0, WALL_US).id.low != first.id.low);
}
END_TEST

SUITE_MAIN("bucket", bucket_takes_64_clicks, every_click_lives_at_least_its_window,
	hour_ends_by_either_clock, windows_have_buckets_of_their_own,
	forgotten_announcements_are_made_again)
