/* SPDX-License-Identifier: Apache-2.0
 * The way that a call takes through the program, instruction by instruction: exact where a clock
 * would only guess, on any machine. Two calls of one way do not branch on what differs in their
 * input. */
#ifndef WASL_TEST_STEPS_H
#define WASL_TEST_STEPS_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define STEPS_MAX 2000000 /* of one call */

struct steps_way {
	uint64_t count;
	uint64_t hash; /* FNV-1a of the instructions' addresses */
};

typedef void steps_fn(const void *input);

/* Runs fn(input) in a child, once to warm up and once step by step. False where processes must not
 * be traced. */
static inline bool steps_take(steps_fn *fn, const void *input, struct steps_way *way)
{
	*way = (struct steps_way){.hash = UINT64_C(0xcbf29ce484222325)};
	const pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		fn(input);
		raise(SIGSTOP);
		fn(input);
		raise(SIGSTOP);
		_exit(0);
	}
	int status = 0;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		return false;
	do {
		struct user_regs_struct registers;
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSTOPPED(status));
		ck_assert_int_eq(ptrace(PTRACE_GETREGS, child, NULL, &registers), 0);
		way->hash = (way->hash ^ registers.rip) * UINT64_C(0x100000001b3);
		ck_assert_uint_lt(++way->count, STEPS_MAX);
	} while (WSTOPSIG(status) == SIGTRAP);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return true;
}

#endif
