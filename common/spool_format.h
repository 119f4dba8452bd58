/* SPDX-License-Identifier: Apache-2.0
 * The bytes of a spool's segments: how records are written, and how they are found again among
 * damage. Pure.
 *
 * All numbers are big endian, all sums CRC-32C. A segment is a head and records:
 *   head (24):   "waslspl" | version u8 = 1 | made_us i64 | 0 u32 | sum u32 of the 20 bytes before
 *   record (20): 0xb5 | kind u8 | 0 u16 | time_us i64 | length u32 | sum u32 | payload
 * where a record's sum covers its segment's sum (so that what stands in a payload, or comes from
 * another segment, is no record of this one) and all of the record but the sum itself. A closed
 * segment ends with a record of kind 255 whose payload is the count of the records before it, u32:
 * one without it was being written when its writer died. */
#ifndef WASL_SPOOL_FORMAT_H
#define WASL_SPOOL_FORMAT_H

#include "buf.h"
#include "spool.h"

#define SPOOL_VERSION      1
#define SPOOL_HEAD_BYTES   24
#define SPOOL_RECORD_BYTES 20 /* before the payload */
#define SPOOL_KIND_END     255
#define SPOOL_END_BYTES    (SPOOL_RECORD_BYTES + 4)
/* progress: number u32 | its segment's sum u32 | offset u64 | count u32 | sum u32 of the 20 bytes
 * before */
#define SPOOL_PROGRESS_BYTES 24

/* Returns the head's sum. */
uint32_t spool_head_encode(uint8_t out[SPOOL_HEAD_BYTES], int64_t made_us);
enum spool_head {
	SPOOL_HEAD_OK = 0,
	SPOOL_HEAD_TORN,    /* too short, or all zeros: its writer died before the first record */
	SPOOL_HEAD_VERSION, /* sound, of another version */
	SPOOL_HEAD_BAD,
};
/* sum: what its records' sums begin with. */
enum spool_head spool_head_parse(struct str raw, uint32_t *sum);

/* Without its sum, since nobody knows yet which segment it goes to. */
void spool_record_encode(struct buf *out, const struct spool_record *record);
void spool_end_encode(struct buf *out, int64_t time_us, uint32_t count);
/* Gives each record of raw, a run of encoded ones, its sum for the segment with that sum. */
void spool_records_sign(char *raw, size_t len, uint32_t sum);

/* The next record at or after *at, with raw a whole segment and *at not before its head. */
enum spool_scan {
	SPOOL_SCAN_RECORD = 0, /* *at is behind it; damage_bytes lie between the old *at and it */
	SPOOL_SCAN_TORN,       /* raw ends in the middle of a record, or in zeros */
	SPOOL_SCAN_DAMAGE,     /* what is left is no record, and no torn one either */
	SPOOL_SCAN_NONE,       /* raw ends here */
};
struct spool_found {
	struct spool_record record;
	size_t damage_bytes;
};
enum spool_scan spool_scan(struct str raw, uint32_t sum, size_t *at, struct spool_found *found);
/* The time of a record whose sum nobody has looked at. */
int64_t spool_record_time(const uint8_t raw[SPOOL_RECORD_BYTES]);
/* The count of an end record; false if it is none. */
bool spool_end_parse(const struct spool_record *record, uint32_t *count);

/* How far a segment has been replayed: to that offset, so many records. A number is given again
 * once a spool was empty, so the segment's sum is asked, too. */
struct spool_progress {
	uint32_t number;
	uint32_t sum;
	uint64_t offset;
	uint32_t count;
};
void spool_progress_encode(
	uint8_t out[SPOOL_PROGRESS_BYTES], const struct spool_progress *progress);
bool spool_progress_parse(struct str raw, struct spool_progress *progress);

#endif
