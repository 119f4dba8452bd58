/* SPDX-License-Identifier: Apache-2.0
 * What every unit test of common/ starts with: running one suite, and reading the vectors. */
#ifndef WASL_TEST_SUITE_H
#define WASL_TEST_SUITE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define VECTOR_LINE_MAX 1024
#define VECTOR_FIELDS   10

/* Splits the next line of vectors (tab-separated, # comments) into fields; how many, 0 at the end.
 * Empty fields count. */
static inline unsigned vector_next(FILE *file, char line[VECTOR_LINE_MAX], char **fields)
{
	do {
		if (fgets(line, VECTOR_LINE_MAX, file) == NULL)
			return 0;
	} while (line[0] == '#');
	line[strcspn(line, "\n")] = '\0';
	unsigned count = 0;
	for (char *rest = line; rest != NULL && count < VECTOR_FIELDS;)
		fields[count++] = strsep(&rest, "\t");
	return count;
}

/* xorshift64: the same numbers in every run. state is not zero. */
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Runs the tests (each in a process of its own) and gives main's exit status. */
static inline int suite_run(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
#define SUITE_MAIN(name, ...)                                   \
	int main(void)                                          \
	{                                                       \
		const TTest *tests[] = {__VA_ARGS__};           \
		return suite_run(name, tests, COUNT_OF(tests)); \
	}

#endif
