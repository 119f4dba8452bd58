/* SPDX-License-Identifier: Apache-2.0
 * What a spool asks of the file system: a table, so that tests can put failures in its place. */
#ifndef WASL_SPOOL_IO_H
#define WASL_SPOOL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* As the system's calls of these names: -1 and errno. */
struct spool_io {
	int (*open)(const char *path, int flags, mode_t mode);
	ssize_t (*pread)(int fd, void *bytes, size_t len, off_t at);
	ssize_t (*pwrite)(int fd, const void *bytes, size_t len, off_t at);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, off_t len);
	int (*rename)(const char *from, const char *to);
	int (*unlink)(const char *path);
};
extern const struct spool_io spool_io_system;

/* All of it, through interruptions and short counts. Returns 0 or errno; a write that makes no
 * progress is ENOSPC. */
int spool_io_write(const struct spool_io *io, int fd, const void *bytes, size_t len, off_t at);
/* Up to *len bytes; *len is what was there. */
int spool_io_read(const struct spool_io *io, int fd, void *bytes, size_t *len, off_t at);

#endif
