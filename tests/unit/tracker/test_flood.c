/* SPDX-License-Identifier: Apache-2.0
 * Who clicks too fast, and everybody else. */
#include "flood.h"

#include "../common/suite.h"

static struct flood flood;

START_TEST(thirty_clicks_are_a_person_and_more_are_not)
{
	flood_init(&flood, FLOOD_VISITOR_MAX);
	for (int i = 1; i <= 1000; i++)
		ck_assert_msg(
			flood_note(&flood, 7, 1000) == (i > FLOOD_VISITOR_MAX), "click %d", i);
}
END_TEST

START_TEST(a_window_ends_however_many_came)
{
	flood_init(&flood, FLOOD_VISITOR_MAX);
	for (int i = 0; i < 70000; i++)
		flood_note(&flood, 7, 0);
	ck_assert(flood_note(&flood, 7, FLOOD_WINDOW_US - 1));
	for (int i = 0; i < FLOOD_VISITOR_MAX; i++)
		ck_assert(!flood_note(&flood, 7, FLOOD_WINDOW_US));
	ck_assert(flood_note(&flood, 7, FLOOD_WINDOW_US));
}
END_TEST

START_TEST(others_are_not_accused_of_it)
{
	flood_init(&flood, FLOOD_VISITOR_MAX);
	const uint64_t largest = (UINT64_C(1) << 48) - 1;
	for (int i = 0; i < 100; i++) {
		flood_note(&flood, 7, 0);
		ck_assert(!flood_note(&flood, 1000 + (uint64_t)i, 0));
	}
	ck_assert(flood_note(&flood, 7, 0));
	ck_assert(!flood_note(&flood, 7 + FLOOD_SLOTS, 0)); /* takes the place */
	ck_assert(!flood_note(&flood, 7, 0));
	for (int i = 0; i < FLOOD_VISITOR_MAX; i++)
		ck_assert(!flood_note(&flood, largest, 0));
	ck_assert(flood_note(&flood, largest, 0));
}
END_TEST

SUITE_MAIN("flood", thirty_clicks_are_a_person_and_more_are_not, a_window_ends_however_many_came,
	others_are_not_accused_of_it)
