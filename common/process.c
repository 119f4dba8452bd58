/* SPDX-License-Identifier: Apache-2.0
 * What a daemon does to itself before anything else. */
#include "process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"

/* Descriptors besides the public connections: listeners, loops, stores, admin, files. */
#define DESCRIPTORS_OWN 256

void process_guard(void)
{
	int fd;
	do {
		fd = open("/dev/null", O_RDWR); /* the lowest free number */
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	struct rlimit none = {0};
	if (getrlimit(RLIMIT_CORE, &none) == 0) {
		none.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &none);
	}
}

unsigned process_descriptors(unsigned connections)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return connections;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	const rlim_t wanted = (rlim_t)connections + DESCRIPTORS_OWN;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return connections;
	const rlim_t left = limit.rlim_cur >= 2 * DESCRIPTORS_OWN ? limit.rlim_cur - DESCRIPTORS_OWN
								  : limit.rlim_cur / 2;
	const rlim_t share = left < connections ? left : connections;
	log_warn("few_descriptors", LOG_NUM("have", limit.rlim_cur), LOG_NUM("want", wanted),
		LOG_NUM("connections", share));
	return share > 0 ? (unsigned)share : 1;
}
