/* SPDX-License-Identifier: Apache-2.0
 * What a store could not take in time, kept on local disk until it can.
 *
 * FOLDER/<n>/ is one spool: it belongs to whoever holds the lock of FOLDER/<n>/lock, and whose lock
 * is free is adopted by the next. It holds segments, <8 digits>.seg, to which records are only
 * appended (spool_format.h), and `progress`, how far the oldest one has been replayed. Records
 * survive the process; with has_sync also the power. Damage is never passed over in silence: the
 * good records around it are replayed, it is counted and logged, and the segment stays as .bad.
 *
 * All records of one loop turn leave in one write; with has_sync that write and its fdatasync run
 * in a thread of the spool's own, and the next group waits for it. Everything here belongs to the
 * loop's thread; others read the counters.
 *
 * To replay: spool_read gives the oldest records, as often as it is called the same ones, until
 * spool_done says that their store has them. A crash in between gives them again: whoever replays
 * must not mind. */
#ifndef WASL_SPOOL_H
#define WASL_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "str.h"

#define SPOOL_PAYLOAD_MAX   (1024 * 1024)     /* of one record */
#define SPOOL_SEGMENT_BYTES (4 * 1024 * 1024) /* about: a group is not torn apart */
#define SPOOL_BYTES_MIN     (1024 * 1024)     /* the least max_bytes */
#define SPOOL_GROUP_MAX     (8 * 1024 * 1024) /* bytes that wait for one write */
#define SPOOL_RECORDS_MAX   256               /* of one spool_read */
#define SPOOL_RETRY_US      INT64_C(250000)   /* after a failure of the disk */
#define SPOOL_KIND_MAX      254               /* kinds are the owner's, from 1 */

enum spool_result {
	SPOOL_TAKEN = 0,
	SPOOL_FULL,   /* max_bytes reached, or no space or quota left on the disk */
	SPOOL_FAILED, /* any other failure of the disk, and for a while after one; or no memory */
};

/* A view; lives until the next spool_read, spool_done or spool_free. */
struct spool_record {
	uint8_t kind;
	int64_t time_us; /* wall clock, the owner's */
	struct str payload;
};

/* Read without locks by other threads (relaxed). */
struct spool_counts {
	uint64_t records;      /* on disk, not yet replayed */
	uint64_t bytes;        /* of their segments */
	uint64_t oldest_us;    /* wall clock; 0: there is none */
	uint64_t added;        /* since the start, as all that follow */
	uint64_t replayed;     /* spool_done */
	uint64_t set_aside;    /* damaged stretches */
	uint64_t tails_cut;    /* torn ends of segments whose writer died */
	uint64_t refused_full; /* records */
	uint64_t refused_failed;
	uint64_t is_full;
	uint64_t is_failing;
};

/* Once for each record that spool_add took, from the loop, in order. is_safe false: it may still
 * turn up in a replay, but nobody may count on it. */
typedef void spool_told_fn(uint64_t tag, bool is_safe, void *arg);
/* Once for each record of a segment that is taken over, the process's own of an earlier life or
 * another's, before it is read; the view lives while it runs. */
typedef void spool_found_fn(const struct spool_record *record, void *arg);

struct spool_io;
struct spool_config {
	struct loop *loop;
	const char *folder; /* made when missing, mode 0700 */
	const char *name;   /* for logs */
	uint64_t max_bytes; /* of all segments; what was adopted counts, but is never refused */
	bool has_sync;      /* tell a record safe only after fdatasync */
	const struct spool_io *io; /* NULL: the system's */
	spool_told_fn *on_told;
	spool_found_fn *on_found; /* may be NULL */
	void *arg;
};

struct spool;
/* Claims a sub-directory and adopts the free ones. A disk that fails is no reason to fail: counted,
 * logged, tried again. NULL when memory fails. */
struct spool *spool_new(const struct spool_config *config, struct err *err);
/* Takes one record, kind 1 to SPOOL_KIND_MAX, at most SPOOL_PAYLOAD_MAX bytes. SPOOL_TAKEN: on_told
 * follows, never from inside. Else counted, and nothing is called. */
enum spool_result spool_add(
	struct spool *spool, uint8_t kind, int64_t time_us, struct str payload, uint64_t tag);
/* Records whose on_told is still to come. */
unsigned spool_untold(const struct spool *spool);
/* Up to max (at most SPOOL_RECORDS_MAX) of the oldest records; 0: none is left, or the disk does
 * not let us read. */
unsigned spool_read(struct spool *spool, struct spool_record *records, unsigned max);
/* The first count records of the last spool_read are safe elsewhere. */
void spool_done(struct spool *spool, unsigned count);
/* A record of the last spool_read can't be made sense of: its segment is kept as .bad. */
void spool_set_aside(struct spool *spool);
const struct spool_counts *spool_counts(const struct spool *spool);
/* Writes what waits, telling it; then lets the lock go. */
void spool_free(struct spool *spool);

#endif
