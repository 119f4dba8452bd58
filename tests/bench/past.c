/* SPDX-License-Identifier: Apache-2.0
 * A clock that is behind: preloaded (LD_PRELOAD), it takes WASL_PAST_S seconds off the time of day.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static time_t past_s;

__attribute__((constructor)) static void read_past(void)
{
	const char *const text = getenv("WASL_PAST_S");
	past_s = text != NULL ? (time_t)strtoll(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	const int ret = (int)syscall(SYS_clock_gettime, id, now);
	if (ret == 0 && id == CLOCK_REALTIME)
		now->tv_sec -= past_s;
	return ret;
}
