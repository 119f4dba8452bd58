/* SPDX-License-Identifier: Apache-2.0
 * Random bytes: none come twice, and none come when the kernel has none. */
#include "entropy.h"

#include <errno.h>
#include <stddef.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "suite.h"

#define DRAWS 10000

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

START_TEST(draws_never_repeat)
{
	static uint8_t drawn[DRAWS][16];
	struct entropy entropy;
	entropy_init(&entropy);
	for (unsigned i = 0; i < DRAWS; i++)
		ck_assert(entropy_draw(&entropy, drawn[i], sizeof(drawn[i])));
	qsort(drawn, DRAWS, sizeof(drawn[0]), compare);
	for (unsigned i = 1; i < DRAWS; i++)
		ck_assert_mem_ne(drawn[i - 1], drawn[i], sizeof(drawn[i]));
}
END_TEST

START_TEST(pool_is_wiped_as_it_is_drawn)
{
	static const uint8_t zeros[ENTROPY_POOL_BYTES];
	static uint8_t out[ENTROPY_POOL_BYTES + 1];
	struct entropy entropy;
	entropy_init(&entropy);
	ck_assert(entropy_draw(&entropy, out, 16));
	ck_assert_mem_eq(entropy.pool, zeros, 16);
	ck_assert(entropy_draw(&entropy, out, ENTROPY_POOL_BYTES));
	ck_assert_mem_eq(entropy.pool, zeros, ENTROPY_POOL_BYTES);
	ck_assert(entropy_draw(&entropy, out, 0));
	ck_assert(!entropy_draw(&entropy, out, sizeof(out)));
}
END_TEST

/* From here on this process's getrandom fails as it does before the kernel's pool is ready. */
static void fail_getrandom(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = COUNT_OF(rules), .filter = rules};
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(failing_source_gives_nothing_weak)
{
	static const uint8_t untouched[16];
	uint8_t out[16] = {0};
	struct entropy entropy;
	entropy_init(&entropy);
	fail_getrandom();
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(!entropy_draw(&entropy, out, sizeof(out)));
		ck_assert_mem_eq(out, untouched, sizeof(out));
	}
}
END_TEST

START_TEST(source_that_fails_later_stops_draws_at_the_pools_end)
{
	uint8_t out[1024];
	struct entropy entropy;
	entropy_init(&entropy);
	ck_assert(entropy_draw(&entropy, out, sizeof(out)));
	fail_getrandom();
	for (unsigned i = 1; i < ENTROPY_POOL_BYTES / sizeof(out); i++)
		ck_assert(entropy_draw(&entropy, out, sizeof(out)));
	ck_assert(!entropy_draw(&entropy, out, 1));
	ck_assert(!entropy_draw(&entropy, out, 1));
}
END_TEST

SUITE_MAIN("entropy", draws_never_repeat, pool_is_wiped_as_it_is_drawn,
	failing_source_gives_nothing_weak, source_that_fails_later_stops_draws_at_the_pools_end)
