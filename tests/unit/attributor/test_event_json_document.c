/* SPDX-License-Identifier: Apache-2.0
 * The memory of a parsed document: small ones that lie in the pool, big ones that go beyond it, and
 * what is parsed after each. */
#include "event_json_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <check.h>

#define BODY_MAX (4 * EVENT_POOL_BYTES)

static char body[BODY_MAX];
static json_error_t error;

/* An array of count texts, each its own number. */
static struct str numbers(unsigned count)
{
	size_t len = 0;
	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(
			body + len, sizeof(body) - len, "%c\"%u\"", i == 0 ? '[' : ',', i);
	len += (size_t)snprintf(body + len, sizeof(body) - len, "]");
	ck_assert_uint_lt(len, sizeof(body));
	return (struct str){body, len};
}

static void assert_numbers(unsigned count)
{
	json_t *const document = event_document_parse(numbers(count), 0, &error);
	ck_assert_uint_eq(json_array_size(document), count);
	for (unsigned i = 0; i < count; i++)
		ck_assert_uint_eq(
			strtoul(json_string_value(json_array_get(document, i)), NULL, 10), i);
	event_document_drop(document);
}

/* 500 of them take about half of the pool, 5000 five times as much. */
START_TEST(a_document_may_be_bigger_than_the_pool)
{
	static const unsigned counts[] = {1, 500, 900, 1000, 1100, 5000, 1, 20000, 1};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		assert_numbers(counts[i]);
}
END_TEST

/* What has no room in the pool goes beside it, what comes after may still lie within. */
START_TEST(one_text_may_be_bigger_than_the_pool)
{
	const size_t len = sizeof(body) - 1;
	memset(body, 'x', sizeof(body));
	memcpy(body, "[1.5,\"", 6);
	memcpy(body + len - 8, "\",[\"y\"]]", 8);
	for (unsigned times = 0; times < 3; times++) {
		json_t *const document = event_document_parse((struct str){body, len}, 0, &error);
		ck_assert_uint_eq(json_string_length(json_array_get(document, 1)), len - 14);
		ck_assert_str_eq(
			json_string_value(json_array_get(json_array_get(document, 2), 0)), "y");
		event_document_drop(document);
	}
}
END_TEST

START_TEST(every_document_has_the_whole_pool)
{
	const void *first = NULL;
	for (unsigned times = 0; times < 100; times++) {
		json_t *const document = event_document_parse(numbers(400), 0, &error);
		if (first == NULL)
			first = document;
		ck_assert_ptr_eq(document, first);
		event_document_drop(document);
	}
}
END_TEST

/* There is nothing to drop, however much was made before the fault. */
START_TEST(a_refused_document_leaves_nothing)
{
	static const unsigned counts[] = {1, 400, 5000};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct str text = numbers(counts[i]);
		text.len--;
		ck_assert_ptr_null(event_document_parse(text, 0, &error));
		ck_assert_int_eq(json_error_code(&error), json_error_premature_end_of_input);
		assert_numbers(400);
	}
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* which is not to be kept from mapping memory */
/* Nothing is wrong with the text: who sends it again later is heard. */
START_TEST(a_document_that_memory_failed_for_says_so)
{
	struct rlimit limit;
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	const struct rlimit none = {.rlim_cur = 1, .rlim_max = limit.rlim_max};
	const struct str text = numbers(30000); /* takes megabytes, more than free ones lie about */
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	json_t *const document = event_document_parse(text, 0, &error);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_ptr_null(document);
	ck_assert_int_eq(json_error_code(&error), json_error_out_of_memory);
	ck_assert_ptr_null(event_document_parse(STR("["), 0, &error));
	ck_assert_int_eq(json_error_code(&error), json_error_premature_end_of_input);
	assert_numbers(400);
}
END_TEST
#endif

START_TEST(others_have_memory_of_their_own)
{
	json_malloc_t take;
	json_free_t give;
	json_t *const mine = json_pack("{s:s}", "key", "value");
	event_document_drop(event_document_parse(STR("[\"a\",{\"b\":1}]"), 0, &error));
	json_get_alloc_funcs(&take, &give);
	ck_assert(take == malloc && give == free);
	ck_assert_str_eq(json_string_value(json_object_get(mine, "key")), "value");
	json_decref(mine);
	ck_assert_ptr_null(event_document_parse(STR("["), 0, &error));
	json_get_alloc_funcs(&take, &give);
	ck_assert(take == malloc && give == free);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("event_json_document");
	TCase *tcase = tcase_create("event_json_document");
	tcase_add_test(tcase, a_document_may_be_bigger_than_the_pool);
	tcase_add_test(tcase, one_text_may_be_bigger_than_the_pool);
	tcase_add_test(tcase, every_document_has_the_whole_pool);
	tcase_add_test(tcase, a_refused_document_leaves_nothing);
#ifndef __SANITIZE_ADDRESS__
	tcase_add_test(tcase, a_document_that_memory_failed_for_says_so);
#endif
	tcase_add_test(tcase, others_have_memory_of_their_own);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
