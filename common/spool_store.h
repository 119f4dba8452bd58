/* SPDX-License-Identifier: Apache-2.0
 * One spool's segments, without a loop: which of them the next group is appended to, and which
 * records are the oldest. Blocks as long as the disk does. */
#ifndef WASL_SPOOL_STORE_H
#define WASL_SPOOL_STORE_H

#include "spool_segment.h"

struct spool_store {
	const struct spool_io *io;
	const char *folder;
	const char *name;
	char dir[SPOOL_PATH_MAX];
	unsigned index; /* of dir in folder */
	int lock_fd;    /* -1: nothing is claimed yet */

	/* Oldest first; the last one is the active one while active_fd is open. */
	struct spool_segment *segments;
	unsigned segment_count, segment_cap;
	uint32_t next_number;
	int active_fd;
	uint32_t active_count; /* records of the active segment, replayed or not */
	bool is_busy;          /* a thread writes to the active segment: it must stay */

	/* What has been loaded of segments[0], and the last read's records in it. */
	struct buf loaded;
	uint32_t loaded_number;
	size_t read_ends[SPOOL_RECORDS_MAX];
	unsigned read_count;
	unsigned load_failures; /* one after another */
	int progress_fd;
	struct spool_counts *counts;
	spool_found_fn *on_found; /* may be NULL */
	void *found_arg;
};

/* Everything empty; nothing is claimed. folder and name stay the caller's. */
void spool_store_init(struct spool_store *store, const struct spool_io *io, const char *folder,
	const char *name, struct spool_counts *counts);
/* Claims a directory of folder and takes over what is in it. */
bool spool_store_claim(struct spool_store *store, struct err *err);
/* The same for that directory alone; *is_held: another process has it. */
bool spool_store_claim_index(
	struct spool_store *store, unsigned index, bool *is_held, struct err *err);
/* Moves the segments of every directory whose lock is free into this one. */
void spool_store_adopt(struct spool_store *store);

/* Where the next group goes: the active segment's descriptor, end and sum. False with *sys. */
struct spool_place {
	int fd;
	uint64_t at;
	uint32_t sum;
	bool is_new; /* its directory has to be synced, too */
};
bool spool_store_place(
	struct spool_store *store, int64_t now_us, struct spool_place *place, int *sys);
/* Whether the disk takes bytes again; zeros that a crash leaves behind are a torn tail. */
bool spool_store_probe(struct spool_store *store, int64_t now_us, int *sys);
/* The group is there: so many bytes and records, the first of that time. */
void spool_store_appended(
	struct spool_store *store, size_t bytes, unsigned records, int64_t time_us);
/* It is not, because of sys: the active segment ends where it did, or is never written again. */
void spool_store_failed(struct spool_store *store, int sys, bool was_sync);

unsigned spool_store_read(struct spool_store *store, struct spool_record *records, unsigned max);
void spool_store_done(struct spool_store *store, unsigned count);
void spool_store_damaged(struct spool_store *store);
/* Deletes, or sets aside, what has been replayed whole. */
void spool_store_clear(struct spool_store *store);
/* Sets the gauges. */
void spool_store_count(struct spool_store *store);
/* Ends the active segment and lets the lock go. */
void spool_store_release(struct spool_store *store);

#endif
