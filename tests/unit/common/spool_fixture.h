/* SPDX-License-Identifier: Apache-2.0
 * A folder for spools, a spool in it on a loop, and a file system that fails when it is told to. */
#ifndef WASL_TEST_SPOOL_FIXTURE_H
#define WASL_TEST_SPOOL_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "spool.h"
#include "spool_dir.h"
#include "spool_format.h"
#include "spool_io.h"
#include "stats.h"
#include "suite.h"

#define FIXTURE_STEP_US  1000
#define FIXTURE_LIMIT_US 10000000
#define TOLD_MAX         100000

static struct {
	char folder[128];
	struct loop *loop;
	struct spool *spool;
	bool has_sync;
	uint64_t max_bytes;
	const struct spool_io *io;
	unsigned safe, lost;
	unsigned found; /* records of segments that were taken over */
	uint64_t last_tag;
} fixture;

/* How the injected file system behaves. */
static struct {
	int write_error;    /* errno of each pwrite */
	size_t write_limit; /* bytes that one pwrite takes; 0: all */
	size_t disk_bytes;  /* what the disk still takes in all; SIZE_MAX: no end */
	int sync_error, truncate_error, read_error, open_error;
	unsigned syncs;
} faults;

static inline int faulty_open(const char *path, int flags, mode_t mode)
{
	if (faults.open_error && (flags & O_CREAT)) {
		errno = faults.open_error;
		return -1;
	}
	return open(path, flags, mode);
}

static inline ssize_t faulty_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	if (faults.write_error) {
		errno = faults.write_error;
		return -1;
	}
	if (faults.write_limit && len > faults.write_limit)
		len = faults.write_limit;
	if (faults.disk_bytes != SIZE_MAX) {
		if (faults.disk_bytes == 0) {
			errno = ENOSPC;
			return -1;
		}
		len = len < faults.disk_bytes ? len : faults.disk_bytes;
		faults.disk_bytes -= len;
	}
	return pwrite(fd, bytes, len, at);
}

static inline ssize_t faulty_pread(int fd, void *bytes, size_t len, off_t at)
{
	if (faults.read_error) {
		errno = faults.read_error;
		return -1;
	}
	return pread(fd, bytes, len < 1000 ? len : 1000, at);
}

static inline int faulty_fdatasync(int fd)
{
	__atomic_add_fetch(&faults.syncs, 1, __ATOMIC_RELAXED);
	if (faults.sync_error) {
		errno = faults.sync_error;
		return -1;
	}
	return fdatasync(fd);
}

static inline int faulty_ftruncate(int fd, off_t len)
{
	if (faults.truncate_error) {
		errno = faults.truncate_error;
		return -1;
	}
	return ftruncate(fd, len);
}

static const struct spool_io faulty_io = {
	.open = faulty_open,
	.pread = faulty_pread,
	.pwrite = faulty_pwrite,
	.fdatasync = faulty_fdatasync,
	.ftruncate = faulty_ftruncate,
	.rename = rename,
	.unlink = unlink,
};

static inline void on_told(uint64_t tag, bool is_safe, void *arg)
{
	(void)arg;
	if (is_safe) {
		ck_assert_uint_ge(tag, fixture.last_tag);
		fixture.last_tag = tag;
		fixture.safe++;
	} else {
		fixture.lost++;
	}
}

static inline void on_found(const struct spool_record *record, void *arg)
{
	(void)arg;
	ck_assert(record->kind <= SPOOL_KIND_MAX && record->payload.len > 0);
	fixture.found++;
}

static inline void folder_make(void)
{
	faults.disk_bytes = SIZE_MAX;
	log_init("test", LOG_ERROR);
	fixture.safe = fixture.lost = 0;
	fixture.last_tag = 0;
	snprintf(fixture.folder, sizeof(fixture.folder), "/tmp/wasl-spool-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fixture.folder));
	const size_t len = strlen(fixture.folder);
	snprintf(fixture.folder + len, sizeof(fixture.folder) - len, "/spool");
	struct err err = {0};
	fixture.loop = loop_new(&err);
}

static inline struct spool *spool_make(void)
{
	struct err err = {0};
	const struct spool_config config = {
		.loop = fixture.loop,
		.folder = fixture.folder,
		.name = "test",
		.max_bytes = fixture.max_bytes ? fixture.max_bytes : UINT64_C(1) << 30,
		.has_sync = fixture.has_sync,
		.io = fixture.io,
		.on_told = on_told,
		.on_found = on_found,
	};
	struct spool *spool = spool_new(&config, &err);
	ck_assert_msg(spool, "%s", err.msg);
	return spool;
}

static inline void spool_start(void)
{
	fixture.spool = spool_make();
}

static inline void spool_end(void)
{
	spool_free(fixture.spool);
	fixture.spool = NULL;
}

static inline int entry_remove(
	const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static inline void folder_remove(void)
{
	if (fixture.spool)
		spool_end();
	loop_free(fixture.loop);
	*strrchr(fixture.folder, '/') = '\0';
	nftw(fixture.folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the loop ---- */

static struct loop_timer *step_timer;
static bool (*step_is_done)(void);
static int64_t step_until_us;

static inline void on_step(void *arg)
{
	(void)arg;
	if (step_is_done() || loop_now_us(fixture.loop) >= step_until_us)
		loop_stop(fixture.loop);
	else
		loop_timer_set(step_timer, FIXTURE_STEP_US);
}

static inline void run_until(bool (*is_done)(void), int64_t limit_us)
{
	step_is_done = is_done;
	step_until_us = clock_mono_us() + limit_us;
	step_timer = loop_timer_new(fixture.loop, on_step, NULL);
	loop_timer_set(step_timer, 0);
	loop_run(fixture.loop);
	loop_timer_free(step_timer);
}

static inline bool is_told(void)
{
	return spool_untold(fixture.spool) == 0;
}

static inline bool is_never(void)
{
	return false;
}

static inline void turn(void)
{
	run_until(is_told, FIXTURE_LIMIT_US);
	ck_assert_uint_eq(spool_untold(fixture.spool), 0);
}

/* ---- records: their numbers are their payloads ---- */

static inline enum spool_result put(uint64_t number)
{
	char text[32];
	const int len = snprintf(text, sizeof(text), "record %llu", (unsigned long long)number);
	return spool_add(
		fixture.spool, 1, (int64_t)number + 1, (struct str){text, (size_t)len}, number);
}

static inline void put_many(uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i < first + count; i++)
		ck_assert_int_eq(put(i), SPOOL_TAKEN);
	turn();
}

static inline uint64_t number_of_record(const struct spool_record *record)
{
	uint64_t number = UINT64_MAX;
	const struct str digits = {record->payload.data + 7, record->payload.len - 7};
	ck_assert_uint_gt(record->payload.len, 7);
	ck_assert(str_parse_u64(digits, UINT64_MAX, &number));
	ck_assert_int_eq(record->time_us, (int64_t)number + 1);
	return number;
}

/* Replays everything in order; returns how many, their sum in *sum. */
static inline unsigned drain(uint64_t *sum)
{
	struct spool_record records[SPOOL_RECORDS_MAX];
	unsigned all = 0;
	uint64_t total = 0;
	for (unsigned count; (count = spool_read(fixture.spool, records, SPOOL_RECORDS_MAX)) > 0;) {
		for (unsigned i = 0; i < count; i++)
			total += number_of_record(&records[i]);
		all += count;
		spool_done(fixture.spool, count);
	}
	if (sum)
		*sum = total;
	return all;
}

static inline uint64_t count_of(const uint64_t *counter)
{
	return stats_get(counter);
}
#define COUNT(name) count_of(&spool_counts(fixture.spool)->name)

/* ---- files ---- */

static inline unsigned files_of(unsigned index, const char *suffix)
{
	char dir[SPOOL_PATH_MAX];
	uint32_t *numbers;
	unsigned count;
	snprintf(dir, sizeof(dir), "%s/%u", fixture.folder, index);
	ck_assert(spool_dir_segments(dir, suffix, &numbers, &count, NULL));
	free(numbers);
	return count;
}

/* The path of the n-th segment of directory 0. */
static inline void segment_path(char out[SPOOL_PATH_MAX], unsigned n)
{
	char dir[SPOOL_PATH_MAX];
	uint32_t *numbers;
	unsigned count;
	snprintf(dir, sizeof(dir), "%s/0", fixture.folder);
	ck_assert(spool_dir_segments(dir, ".seg", &numbers, &count, NULL));
	ck_assert_uint_lt(n, count);
	spool_dir_path(out, dir, numbers[n], ".seg");
	free(numbers);
}

static inline size_t file_bytes(const char *path)
{
	struct stat status;
	ck_assert_int_eq(stat(path, &status), 0);
	return (size_t)status.st_size;
}

static inline void flip(const char *path, off_t at)
{
	char byte;
	const int fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte = (char)(byte ^ 0x10);
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

#endif
