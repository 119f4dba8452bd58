/* SPDX-License-Identifier: Apache-2.0
 * Memory that is given back at once. */
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define MAX (4 * (size_t)ARENA_CHUNK_BYTES)

START_TEST(things_are_zeroed_aligned_and_apart)
{
	static const size_t sizes[] = {
		1, 7, 8, 16, 17, 1000, ARENA_CHUNK_BYTES, ARENA_CHUNK_BYTES - 32};
	unsigned char *taken[8];
	struct arena arena;
	arena_init(&arena, MAX);
	for (unsigned i = 0; i < 8; i++) {
		taken[i] = arena_take(&arena, sizes[i], 1);
		ck_assert_ptr_nonnull(taken[i]);
		ck_assert_uint_eq((uintptr_t)taken[i] % 16, 0);
		for (size_t at = 0; at < sizes[i]; at++)
			ck_assert_uint_eq(taken[i][at], 0);
		memset(taken[i], (int)i + 1, sizes[i]);
	}
	for (unsigned i = 0; i < 8; i++)
		for (size_t at = 0; at < sizes[i]; at++)
			ck_assert_uint_eq(taken[i][at], i + 1);
	arena_release(&arena);
}
END_TEST

START_TEST(none_of_a_thing_is_no_failure)
{
	struct arena arena;
	arena_init(&arena, MAX);
	ck_assert_ptr_nonnull(arena_take(&arena, 0, 8));
	arena_release(&arena);
}
END_TEST

START_TEST(the_maximum_is_kept)
{
	struct arena arena;
	arena_init(&arena, ARENA_CHUNK_BYTES);
	ck_assert_ptr_null(arena_take(&arena, ARENA_CHUNK_BYTES + 1, 1));
	ck_assert_ptr_nonnull(arena_take(&arena, ARENA_CHUNK_BYTES - 16, 1));
	ck_assert_ptr_null(arena_take(&arena, 64, 1));
	arena_release(&arena);
	ck_assert_ptr_nonnull(arena_take(&arena, 64, 1));
	arena_release(&arena);
}
END_TEST

START_TEST(a_count_that_overflows_is_refused)
{
	struct arena arena;
	arena_init(&arena, SIZE_MAX);
	ck_assert_ptr_null(arena_take(&arena, SIZE_MAX, 2));
	ck_assert_ptr_null(arena_take(&arena, SIZE_MAX / 8, 16));
	arena_release(&arena);
}
END_TEST

START_TEST(a_kept_text_is_a_copy_with_its_end)
{
	struct arena arena;
	struct str kept;
	char text[] = "copied";
	arena_init(&arena, MAX);
	ck_assert(arena_keep(&arena, str_from(text), &kept));
	text[0] = 'x';
	ck_assert_str_eq(kept.data, "copied");
	ck_assert_uint_eq(kept.len, 6);
	ck_assert(arena_keep(&arena, (struct str){0}, &kept));
	ck_assert_str_eq(kept.data, "");
	ck_assert(!arena_keep(&arena, (struct str){text, MAX * 2}, &kept));
	ck_assert_uint_eq(kept.len, 0);
	arena_release(&arena);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arena");
	TCase *tcase = tcase_create("arena");
	tcase_add_test(tcase, things_are_zeroed_aligned_and_apart);
	tcase_add_test(tcase, none_of_a_thing_is_no_failure);
	tcase_add_test(tcase, the_maximum_is_kept);
	tcase_add_test(tcase, a_count_that_overflows_is_refused);
	tcase_add_test(tcase, a_kept_text_is_a_copy_with_its_end);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
