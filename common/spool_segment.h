/* SPDX-License-Identifier: Apache-2.0
 * One segment file: made, taken over from a writer that died, read, put an end to. */
#ifndef WASL_SPOOL_SEGMENT_H
#define WASL_SPOOL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "spool_dir.h"
#include "spool_format.h"
#include "spool_io.h"

/* A group that begins below SPOOL_SEGMENT_BYTES is written whole. */
#define SPOOL_FILE_MAX (SPOOL_SEGMENT_BYTES + SPOOL_GROUP_MAX + SPOOL_PAYLOAD_MAX)

struct spool_segment {
	uint32_t number;
	uint32_t sum;       /* what its records' sums begin with */
	uint64_t begin;     /* what is before it has been replayed */
	uint64_t end;       /* what is behind it was never told safe */
	uint32_t done;      /* records before begin, as far as is known */
	uint64_t records;   /* between the two, as far as is known */
	uint64_t damage_to; /* damage before this has been counted */
	int64_t oldest_us;  /* of the first of them */
	bool is_damaged;
};

/* A new file with its head. Returns its descriptor, or -1 with *sys. */
int spool_segment_make(const struct spool_io *io, const char *dir, uint32_t number, int64_t now_us,
	struct spool_segment *segment, int *sys);
/* Marks it as complete and closes it; failing to mark it does no harm. */
void spool_segment_close(
	const struct spool_io *io, int fd, const struct spool_segment *segment, uint32_t count);

enum spool_recovery {
	SPOOL_RECOVERED = 0,
	SPOOL_RECOVERED_TORN, /* the same; its torn tail is cut off */
	SPOOL_EMPTY,          /* its writer died before the first record: deleted */
	SPOOL_BAD,            /* no segment, or of another version: now .bad; err says why */
	SPOOL_UNREADABLE,     /* left as it is; err says why */
};
/* What a file of that number holds, whoever wrote it. */
enum spool_recovery spool_segment_recover(const struct spool_io *io, const char *dir,
	uint32_t number, struct spool_segment *segment, struct err *err);

/* Adds the bytes from into->len up to the segment's end. False: errno's value in *sys. */
bool spool_segment_load(const struct spool_io *io, const char *dir,
	const struct spool_segment *segment, struct buf *into, int *sys);
/* Renames it to .bad. */
bool spool_segment_set_aside(const struct spool_io *io, const char *dir, uint32_t number);

#endif
