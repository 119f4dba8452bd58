/* SPDX-License-Identifier: Apache-2.0
 * Blocks that are used again, and how many are kept. */
#include "spares.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#define BLOCK 64

START_TEST(the_block_put_last_is_taken_first)
{
	struct spares spares;
	spares_init(&spares, 2, BLOCK);
	void *const one = spares_take(&spares, 1);
	void *const two = spares_take(&spares, BLOCK);
	ck_assert_ptr_ne(one, two);
	memset(one, 1, BLOCK);
	memset(two, 2, BLOCK);
	spares_put(&spares, one, 1);
	spares_put(&spares, two, BLOCK);
	ck_assert_uint_eq(spares.count, 2);
	ck_assert_ptr_eq(spares_take(&spares, BLOCK), two);
	ck_assert_ptr_eq(spares_take(&spares, 0), one);
	ck_assert_uint_eq(spares.count, 0);
	spares_put(&spares, one, 0);
	spares_put(&spares, two, BLOCK);
	spares_release(&spares);
	ck_assert_ptr_null(spares.first);
}
END_TEST

START_TEST(no_more_are_kept_than_the_maximum)
{
	void *blocks[3];
	struct spares spares;
	spares_init(&spares, 2, BLOCK);
	for (unsigned i = 0; i < 3; i++)
		blocks[i] = spares_take(&spares, BLOCK);
	for (unsigned i = 0; i < 3; i++)
		spares_put(&spares, blocks[i], BLOCK);
	ck_assert_uint_eq(spares.count, 2);
	spares_release(&spares);
}
END_TEST

START_TEST(a_larger_block_is_not_kept)
{
	struct spares spares;
	spares_init(&spares, 2, BLOCK);
	void *const large = spares_take(&spares, BLOCK + 1);
	memset(large, 1, BLOCK + 1);
	spares_put(&spares, large, BLOCK + 1);
	ck_assert_uint_eq(spares.count, 0);
	ck_assert_ptr_null(spares.first);
	spares_release(&spares);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spares");
	TCase *tcase = tcase_create("spares");
	tcase_add_test(tcase, the_block_put_last_is_taken_first);
	tcase_add_test(tcase, no_more_are_kept_than_the_maximum);
	tcase_add_test(tcase, a_larger_block_is_not_kept);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
