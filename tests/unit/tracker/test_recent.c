/* SPDX-License-Identifier: Apache-2.0
 * The ring of clicks that Redis acknowledged lately: what is kept, forgotten, and sent again. */
#include "recent.h"

#include "../common/suite.h"

#define WINDOW_US 1000

static struct recent recent;

static void add(unsigned number, size_t len, int64_t now_us)
{
	char note[2000];
	memset(note, (int)(number & 0xff), sizeof(note));
	memcpy(note, &number, sizeof(number));
	recent_add(&recent, (struct str){note, len}, now_us);
}

/* The lost ones in order, from first on; how many. */
static unsigned lost_from(unsigned first)
{
	uint64_t at = recent.first;
	struct str note;
	unsigned count = 0;
	bool is_good = true;
	while (recent_lost_next(&recent, &at, &note)) {
		unsigned number;
		memcpy(&number, note.data, sizeof(number));
		is_good &= note.len >= sizeof(number) && number == first + count;
		for (size_t i = sizeof(number); i < note.len; i++)
			is_good &= (uint8_t)note.data[i] == (number & 0xff);
		count++;
	}
	ck_assert(is_good);
	return count;
}

START_TEST(empty_ring_has_lost_nothing)
{
	recent_init(&recent, WINDOW_US);
	recent_lose(&recent);
	ck_assert(!recent_has_lost(&recent));
	recent_drop(&recent, 0);
	recent_release(&recent);
}
END_TEST

START_TEST(window_of_zero_keeps_nothing)
{
	recent_init(&recent, 0);
	add(1, 51, 0);
	recent_lose(&recent);
	ck_assert(!recent_has_lost(&recent));
	ck_assert_ptr_null(recent.bytes);
}
END_TEST

START_TEST(notes_are_forgotten_after_the_window_and_not_before)
{
	recent_init(&recent, WINDOW_US);
	add(0, 51, 0);
	add(1, 51, 1);
	add(2, 51, WINDOW_US);
	ck_assert_uint_eq(recent.count, 3);
	add(3, 51, WINDOW_US + 1);
	ck_assert_uint_eq(recent.count, 3);
	recent_lose(&recent);
	ck_assert_uint_eq(lost_from(1), 3);
	recent_release(&recent);
}
END_TEST

START_TEST(nothing_is_forgotten_while_redis_is_away)
{
	recent_init(&recent, WINDOW_US);
	add(0, 51, 0);
	recent_hold(&recent, true);
	add(1, 51, 50 * WINDOW_US);
	recent_lose(&recent);
	recent_hold(&recent, false);
	add(2, 51, 100 * WINDOW_US);
	ck_assert_uint_eq(lost_from(0), 2); /* what is lost stays, however old */
	recent_drop(&recent, 1);
	ck_assert_uint_eq(lost_from(1), 1);
	recent_drop(&recent, 1);
	ck_assert(!recent_has_lost(&recent));
	ck_assert_uint_eq(recent.count, 1); /* the new one */
	recent_release(&recent);
}
END_TEST

START_TEST(notes_of_all_lengths_come_back_whole_over_many_rounds)
{
	uint64_t seed = 88172645463325252u;
	unsigned next = 0, first = 0;
	recent_init(&recent, 1 << 30);
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 100; i++)
			add(next++, 51 + random_next(&seed) % 1500, round);
		recent_lose(&recent);
		ck_assert_uint_eq(lost_from(first), next - first);
		const unsigned done = (unsigned)(random_next(&seed) % (next - first + 1));
		recent_drop(&recent, done);
		first += done;
		ck_assert_uint_eq(lost_from(first), next - first);
	}
	ck_assert_uint_eq(recent.cut, 0);
	recent_release(&recent);
}
END_TEST

START_TEST(at_the_limit_the_oldest_go_unless_they_are_lost)
{
	recent_init(&recent, 1 << 30);
	const unsigned many = RECENT_BYTES_MAX / 1500;
	for (unsigned i = 0; i < many; i++)
		add(i, 1900, 0);
	ck_assert_uint_gt(recent.cut, 0);
	ck_assert_uint_le(recent.size, RECENT_BYTES_MAX);
	const uint64_t kept = recent.count, cut = recent.cut;
	ck_assert_uint_eq(kept + cut, many);
	recent_lose(&recent);
	ck_assert_uint_eq(lost_from((unsigned)cut), kept);
	add(many, 1900, 0); /* no room: it is the new one that is not kept */
	ck_assert_uint_eq(recent.cut, cut + 1);
	ck_assert_uint_eq(lost_from((unsigned)cut), kept);
	recent_release(&recent);
}
END_TEST

SUITE_MAIN("recent", empty_ring_has_lost_nothing, window_of_zero_keeps_nothing,
	notes_are_forgotten_after_the_window_and_not_before,
	nothing_is_forgotten_while_redis_is_away,
	notes_of_all_lengths_come_back_whole_over_many_rounds,
	at_the_limit_the_oldest_go_unless_they_are_lost)
