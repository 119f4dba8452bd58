/* SPDX-License-Identifier: Apache-2.0
 * The words for event types: each has one, and nothing else is one. */
#include "order.h"

#include <stdlib.h>

#include <check.h>

START_TEST(every_type_has_a_word_that_reads_back)
{
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		enum event_type type = EVENT_TYPE_COUNT;
		ck_assert(event_type_parse(str_from(event_type_name((enum event_type)i)), &type));
		ck_assert_uint_eq(type, i);
	}
}
END_TEST

START_TEST(other_words_are_no_types)
{
	static const char *const words[] = {"", "order", "order.", "order.place", "order.placedd",
		"Order.placed", " order.placed"};
	enum event_type type = EVENT_TYPE_COUNT;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		ck_assert(!event_type_parse(str_from(words[i]), &type));
	const struct str with_nul = STR("order.placed\0");
	ck_assert(!event_type_parse(with_nul, &type));
}
END_TEST

START_TEST(acts_are_those_of_operators)
{
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++)
		ck_assert_int_eq(event_type_is_act((enum event_type)i),
			str_has_prefix(
				str_from(event_type_name((enum event_type)i)), STR("operator.")));
	ck_assert(event_type_is_act(EVENT_REVIEW));
}
END_TEST

START_TEST(resolutions_have_words_that_read_back)
{
	enum order_resolution resolution = RESOLVE_OUT;
	ck_assert(order_resolution_parse(STR("collected"), &resolution));
	ck_assert_int_eq(resolution, RESOLVE_COLLECTED);
	ck_assert(order_resolution_parse(STR("out"), &resolution));
	ck_assert_int_eq(resolution, RESOLVE_OUT);
	ck_assert(!order_resolution_parse(STR(""), &resolution));
	ck_assert(!order_resolution_parse(STR("in"), &resolution));
}
END_TEST

START_TEST(ranks_follow_the_fold)
{
	ck_assert_int_lt(EVENT_PLACED, EVENT_CONFIRMED);
	ck_assert_int_lt(EVENT_CONFIRMED, EVENT_AMENDED);
	ck_assert_int_lt(EVENT_AMENDED, EVENT_SHIPPED);
	ck_assert_int_lt(EVENT_SHIPPED, EVENT_DELIVERED);
	ck_assert_int_lt(EVENT_DELIVERED, EVENT_COLLECTED);
	ck_assert_int_lt(EVENT_COLLECTED, EVENT_REINSTATED);
	ck_assert_int_lt(EVENT_REINSTATED, EVENT_REFUNDED);
	ck_assert_int_lt(EVENT_REFUNDED, EVENT_RETURNED);
	ck_assert_int_lt(EVENT_RETURNED, EVENT_REFUSED);
	ck_assert_int_lt(EVENT_REFUSED, EVENT_CANCELLED);
	ck_assert_int_lt(EVENT_CANCELLED, EVENT_REASSIGN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("order");
	TCase *tcase = tcase_create("order");
	tcase_add_test(tcase, every_type_has_a_word_that_reads_back);
	tcase_add_test(tcase, other_words_are_no_types);
	tcase_add_test(tcase, acts_are_those_of_operators);
	tcase_add_test(tcase, resolutions_have_words_that_read_back);
	tcase_add_test(tcase, ranks_follow_the_fold);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
