/* SPDX-License-Identifier: Apache-2.0
 * What a spool asks of the file system: a table, so that tests can put failures in its place. */
#include "spool_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int system_open(const char *path, int flags, mode_t mode);

const struct spool_io spool_io_system = {
	.open = system_open,
	.pread = pread,
	.pwrite = pwrite,
	.fdatasync = fdatasync,
	.ftruncate = ftruncate,
	.rename = rename,
	.unlink = unlink,
};

int spool_io_write(const struct spool_io *io, int fd, const void *bytes, size_t len, off_t at)
{
	const char *from = bytes;
	while (len > 0) {
		const ssize_t written = io->pwrite(fd, from, len, at);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? errno : ENOSPC;
		from += written;
		at += written;
		len -= (size_t)written;
	}
	return 0;
}

int spool_io_read(const struct spool_io *io, int fd, void *bytes, size_t *len, off_t at)
{
	char *into = bytes;
	size_t filled = 0;
	while (filled < *len) {
		const ssize_t got = io->pread(fd, into + filled, *len - filled, at + (off_t)filled);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0)
			break;
		filled += (size_t)got;
	}
	*len = filled;
	return 0;
}

static int system_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}
