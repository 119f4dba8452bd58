/* SPDX-License-Identifier: Apache-2.0
 * A disk that takes a millisecond longer: preloaded (LD_PRELOAD), it adds that to every fdatasync.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

#define DELAY_NS 1000000

typedef int sync_fn(int fd);

int fdatasync(int fd)
{
	static sync_fn *real;
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	const struct timespec delay = {.tv_nsec = DELAY_NS};
	clock_nanosleep(CLOCK_MONOTONIC, 0, &delay, NULL);
	return real(fd);
}
