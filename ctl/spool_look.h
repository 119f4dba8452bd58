/* SPDX-License-Identifier: Apache-2.0
 * Looks into spools without changing them, whoever holds them. */
#ifndef WASL_CTL_SPOOL_LOOK_H
#define WASL_CTL_SPOOL_LOOK_H

#include "err.h"
#include "spool_dir.h"
#include "spool_format.h"

struct spool_look {
	unsigned segments, bad; /* files */
	uint64_t records;       /* that have not been replayed */
	uint64_t bytes;
	int64_t oldest_us; /* 0: there is none */
	unsigned damaged;  /* stretches, torn tails too */
};

/* False ends the look. */
typedef bool spool_look_fn(const struct spool_record *record, void *arg);

/* Goes through one directory, oldest first; fn may be NULL. Segments that its owner deletes
 * meanwhile are passed over. */
bool spool_look(
	const char *dir, spool_look_fn *fn, void *arg, struct spool_look *look, struct err *err);

#endif
