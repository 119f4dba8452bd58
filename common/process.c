/* SPDX-License-Identifier: Apache-2.0
 * What a daemon does to itself before anything else. */
#include "process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

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
