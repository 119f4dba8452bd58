/* SPDX-License-Identifier: Apache-2.0
 * The folder of spools: its numbered sub-directories, who holds which, and the segments in them. */
#ifndef WASL_SPOOL_DIR_H
#define WASL_SPOOL_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define SPOOL_DIRS_MAX     1000  /* "0" to "999" */
#define SPOOL_PATH_MAX     1280  /* a folder of 1024 bytes, and what stands below it */
#define SPOOL_SEGMENTS_MAX 65536 /* of one spool */

/* Makes folder (its parent has to be there) and takes the first sub-directory whose lock is free,
 * making it when there is none; dir becomes its path. Returns the descriptor that holds the lock,
 * or -1. */
int spool_dir_claim(const char *folder, char dir[SPOOL_PATH_MAX], unsigned *index, struct err *err);
/* The lock of that sub-directory; -1 when it is not there, held by another (*is_held), or can't be
 * had. */
int spool_dir_lock(const char *folder, unsigned index, char dir[SPOOL_PATH_MAX], bool *is_held);
/* The next sub-directory there is with an index of at least index; -1: none. */
int spool_dir_next(const char *folder, unsigned index);

/* The numbers of a directory's files with that suffix (".seg", ".bad"), ascending; *numbers is
 * malloc'ed and the caller's. */
bool spool_dir_segments(
	const char *dir, const char *suffix, uint32_t **numbers, unsigned *count, struct err *err);
void spool_dir_path(char out[SPOOL_PATH_MAX], const char *dir, uint32_t number, const char *suffix);

#endif
