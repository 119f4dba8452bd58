/* SPDX-License-Identifier: Apache-2.0
 * Loops around read(2) and write(2). */
#include "file.h"

#include <errno.h>
#include <unistd.h>

bool file_read(int fd, char *bytes, size_t *len)
{
	size_t filled = 0;
	while (filled < *len) {
		const ssize_t got = read(fd, bytes + filled, *len - filled);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			break;
		filled += (size_t)got;
	}
	*len = filled;
	return true;
}

bool file_write(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		const ssize_t written = write(fd, bytes, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		bytes += written;
		len -= (size_t)written;
	}
	return true;
}
