/* SPDX-License-Identifier: Apache-2.0
 * The order of an order's events, and what they come to. */
#include "fold.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#define EVENTS 4

static struct event events[EVENTS];
static const struct event *sorted[EVENTS];
static struct folded folded;

static void setup(void)
{
	memset(events, 0, sizeof(events));
	for (unsigned i = 0; i < EVENTS; i++)
		sorted[i] = &events[i];
}

static struct event *set(unsigned index, enum event_type type, int64_t at_us, const char *id)
{
	events[index] = (struct event){.type = type,
		.occurred_us = at_us,
		.event_id = str_from(id),
		.placed_us = {.has_value = true, .value = 50 + index}};
	return &events[index];
}

static void set_version(unsigned index, int64_t version)
{
	events[index].order_version = (struct order_figure){.has_value = true, .value = version};
}

static void assert_order(const unsigned *order, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ck_assert_ptr_eq(sorted[i], &events[order[i]]);
}

START_TEST(nothing_and_one_event_are_sorted)
{
	fold_sort(NULL, 0);
	fold_sort(sorted, 1);
	ck_assert_ptr_eq(sorted[0], &events[0]);
}
END_TEST

START_TEST(time_goes_before_rank_and_rank_before_id)
{
	set(0, EVENT_CANCELLED, 10, "a");
	set(1, EVENT_CONFIRMED, 20, "b");
	set(2, EVENT_PLACED, 20, "c");
	set(3, EVENT_CONFIRMED, 20, "a");
	fold_sort(sorted, 4);
	assert_order((const unsigned[]){0, 2, 3, 1}, 4);
}
END_TEST

START_TEST(ids_compare_by_bytes)
{
	set(0, EVENT_PLACED, 0, "b");
	set(1, EVENT_PLACED, 0, "B");
	set(2, EVENT_PLACED, 0, "ab");
	set(3, EVENT_PLACED, 0, "a");
	fold_sort(sorted, 4);
	assert_order((const unsigned[]){1, 3, 2, 0}, 4);
}
END_TEST

START_TEST(versions_count_only_if_all_have_one)
{
	set(0, EVENT_PLACED, 10, "a");
	set(1, EVENT_CONFIRMED, 20, "b");
	set(2, EVENT_SHIPPED, 30, "c");
	set_version(0, 3);
	set_version(1, 2);
	fold_sort(sorted, 3);
	assert_order((const unsigned[]){0, 1, 2}, 3);
	set_version(2, 1);
	fold_sort(sorted, 3);
	assert_order((const unsigned[]){2, 1, 0}, 3);
	set_version(0, 2); /* equal versions: by rank, whatever the time */
	fold_sort(sorted, 3);
	assert_order((const unsigned[]){2, 0, 1}, 3);
}
END_TEST

START_TEST(deferred_events_alone_are_a_new_order)
{
	set(0, EVENT_CANCELLED, 10, "a");
	set(1, EVENT_AMENDED, 20, "b");
	fold_order(sorted, 2, &folded);
	ck_assert_int_eq(folded.state, ORDER_NEW);
	ck_assert_ptr_null(folded.first);
	ck_assert_ptr_null(folded.terms);
	fold_order(sorted, 0, &folded);
	ck_assert_int_eq(folded.state, ORDER_NEW);
}
END_TEST

START_TEST(the_last_placed_holds_until_a_confirmed)
{
	set(0, EVENT_PLACED, 10, "a");
	set(1, EVENT_PLACED, 20, "b");
	fold_order(sorted, 2, &folded);
	ck_assert_int_eq(folded.state, ORDER_PLACED);
	ck_assert_ptr_eq(folded.first, &events[0]);
	ck_assert_ptr_eq(folded.terms, &events[1]);
	ck_assert_int_eq(folded.placed_us, 50);
	ck_assert_int_eq(folded.confirmed_us, 0);
}
END_TEST

START_TEST(the_last_confirmed_gives_the_terms_and_the_first_its_time)
{
	set(0, EVENT_PLACED, 10, "a");
	set(1, EVENT_CONFIRMED, 20, "b");
	set(2, EVENT_CONFIRMED, 30, "c");
	set(3, EVENT_PLACED, 40, "d");
	fold_order(sorted, 4, &folded);
	ck_assert_int_eq(folded.state, ORDER_CONFIRMED);
	ck_assert_ptr_eq(folded.first, &events[0]);
	ck_assert_ptr_eq(folded.terms, &events[2]);
	ck_assert_int_eq(folded.confirmed_us, 20);
}
END_TEST

START_TEST(one_test_event_makes_a_test_order)
{
	set(0, EVENT_PLACED, 10, "a");
	set(1, EVENT_CONFIRMED, 20, "b");
	fold_order(sorted, 2, &folded);
	ck_assert(!folded.is_test);
	for (unsigned i = 0; i < 2; i++) {
		events[i].is_test = true;
		fold_order(sorted, 2, &folded);
		ck_assert(folded.is_test);
		events[i].is_test = false;
	}
}
END_TEST

START_TEST(states_have_the_words_of_the_schema)
{
	ck_assert_str_eq(order_state_name(ORDER_NEW), "new");
	ck_assert_str_eq(order_state_name(ORDER_PLACED), "placed");
	ck_assert_str_eq(order_state_name(ORDER_CONFIRMED), "confirmed");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fold");
	TCase *tcase = tcase_create("fold");
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, nothing_and_one_event_are_sorted);
	tcase_add_test(tcase, time_goes_before_rank_and_rank_before_id);
	tcase_add_test(tcase, ids_compare_by_bytes);
	tcase_add_test(tcase, versions_count_only_if_all_have_one);
	tcase_add_test(tcase, deferred_events_alone_are_a_new_order);
	tcase_add_test(tcase, the_last_placed_holds_until_a_confirmed);
	tcase_add_test(tcase, the_last_confirmed_gives_the_terms_and_the_first_its_time);
	tcase_add_test(tcase, one_test_event_makes_a_test_order);
	tcase_add_test(tcase, states_have_the_words_of_the_schema);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
