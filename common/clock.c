/* SPDX-License-Identifier: Apache-2.0
 * The two clocks, in microseconds. */
#include "clock.h"

#include <time.h>

#include "timestamp.h"

static int64_t read_us(clockid_t id)
{
	struct timespec now = {0};
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}
