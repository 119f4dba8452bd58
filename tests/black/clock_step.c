/* SPDX-License-Identifier: Apache-2.0
 * A wall clock that steps when a test says so: preloaded (LD_PRELOAD), it adds the microseconds
 * that the first eight bytes of the file WASL_TEST_CLOCK hold to every reading of the time of day.
 * Steady clocks stay as they are. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define US_PER_S INT64_C(1000000)

static const volatile int64_t *step_us;

__attribute__((constructor)) static void begin(void)
{
	const char *const path = getenv("WASL_TEST_CLOCK");
	const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *const map = mmap(NULL, sizeof(*step_us), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		step_us = map;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	const int failed = (int)syscall(SYS_clock_gettime, id, now);
	if (failed || step_us == NULL || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
		return failed;
	const int64_t us = now->tv_sec * US_PER_S + now->tv_nsec / 1000 + *step_us;
	*now = (struct timespec){
		.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000 + now->tv_nsec % 1000};
	return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec exact;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &exact);
	*now = (struct timeval){.tv_sec = exact.tv_sec, .tv_usec = exact.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *out)
{
	struct timespec exact;
	clock_gettime(CLOCK_REALTIME, &exact);
	if (out != NULL)
		*out = exact.tv_sec;
	return exact.tv_sec;
}
