/* SPDX-License-Identifier: Apache-2.0
 * Whole reads and whole writes of a descriptor, through interruptions and short counts. */
#ifndef WASL_FILE_H
#define WASL_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads until *len bytes are there or the file ends; *len is what came. False: errno tells. */
bool file_read(int fd, char *bytes, size_t *len);
/* Writes all of it. False: errno tells, a part may be written. */
bool file_write(int fd, const char *bytes, size_t len);

#endif
