/* SPDX-License-Identifier: Apache-2.0
 * One spool's segments, without a loop: which of them the next group is appended to. What is read
 * of them is in spool_replay.c. */
#include "spool_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "stats.h"

#define SEGMENTS_FIRST 16
#define PROBE_BYTES    4096

static bool store_take_over(struct spool_store *store, struct err *err);
static void progress_apply(struct spool_store *store, const char *dir, unsigned first);
static void adopt_dir(struct spool_store *store, const char *dir);
static bool recover_into(struct spool_store *store, const char *dir, uint32_t number);
static void tell_found(const struct spool_store *store, const struct spool_segment *segment);
static bool segment_add(struct spool_store *store, const struct spool_segment *segment);
static void active_close(struct spool_store *store);

void spool_store_init(struct spool_store *store, const struct spool_io *io, const char *folder,
	const char *name, struct spool_counts *counts)
{
	*store = (struct spool_store){.io = io ? io : &spool_io_system,
		.folder = folder,
		.name = name,
		.lock_fd = -1,
		.active_fd = -1,
		.progress_fd = -1,
		.counts = counts};
	buf_init(&store->loaded, SPOOL_FILE_MAX);
}

bool spool_store_claim(struct spool_store *store, struct err *err)
{
	store->lock_fd = spool_dir_claim(store->folder, store->dir, &store->index, err);
	return store->lock_fd >= 0 && store_take_over(store, err);
}

bool spool_store_claim_index(
	struct spool_store *store, unsigned index, bool *is_held, struct err *err)
{
	store->index = index;
	store->lock_fd = spool_dir_lock(store->folder, index, store->dir, is_held);
	if (store->lock_fd < 0)
		return err_set(err, ERR_SYSTEM, *is_held ? 0 : errno, "spool %u%s", index,
			*is_held ? " is in use" : "");
	return store_take_over(store, err);
}

void spool_store_adopt(struct spool_store *store)
{
	for (int i = spool_dir_next(store->folder, 0); i >= 0;
		i = spool_dir_next(store->folder, (unsigned)i + 1)) {
		char dir[SPOOL_PATH_MAX];
		bool is_held;
		if ((unsigned)i == store->index)
			continue;
		const int fd = spool_dir_lock(store->folder, (unsigned)i, dir, &is_held);
		if (fd < 0)
			continue;
		adopt_dir(store, dir);
		close(fd);
	}
	spool_store_count(store);
}

bool spool_store_place(
	struct spool_store *store, int64_t now_us, struct spool_place *place, int *sys)
{
	if (store->active_fd >= 0 &&
		store->segments[store->segment_count - 1].end >= SPOOL_SEGMENT_BYTES)
		active_close(store);
	place->is_new = store->active_fd < 0;
	if (place->is_new) {
		struct spool_segment fresh;
		if (store->segment_count == SPOOL_SEGMENTS_MAX) {
			*sys = EFBIG;
			return false;
		}
		const int fd = spool_segment_make(
			store->io, store->dir, store->next_number, now_us, &fresh, sys);
		if (fd < 0) {
			store->next_number += *sys == EEXIST;
			return false;
		}
		store->next_number++;
		if (!segment_add(store, &fresh)) {
			close(fd);
			*sys = ENOMEM;
			return false;
		}
		store->active_fd = fd;
		store->active_count = 0;
	}
	const struct spool_segment *active = &store->segments[store->segment_count - 1];
	*place = (struct spool_place){.fd = store->active_fd,
		.at = active->end,
		.sum = active->sum,
		.is_new = place->is_new};
	return true;
}

bool spool_store_probe(struct spool_store *store, int64_t now_us, int *sys)
{
	static const char zeros[PROBE_BYTES];
	struct spool_place place;
	if (!spool_store_place(store, now_us, &place, sys))
		return false;
	*sys = spool_io_write(store->io, place.fd, zeros, sizeof(zeros), (off_t)place.at);
	const bool is_cut = store->io->ftruncate(place.fd, (off_t)place.at) == 0;
	if (*sys == 0 && !is_cut)
		*sys = errno;
	return *sys == 0;
}

void spool_store_appended(
	struct spool_store *store, size_t bytes, unsigned records, int64_t time_us)
{
	struct spool_segment *active = &store->segments[store->segment_count - 1];
	if (active->records == 0)
		active->oldest_us = time_us;
	active->end += bytes;
	active->records += records;
	store->active_count += records;
	stats_add(&store->counts->added, records);
	spool_store_count(store);
}

/* After a failed fdatasync the kernel may call pages clean that never reached the disk: what is in
 * that segment from here on is never trusted, nor written again. A full disk is no such thing. */
void spool_store_failed(struct spool_store *store, int sys, bool was_sync)
{
	const struct spool_segment *active = &store->segments[store->segment_count - 1];
	const bool is_cut = store->io->ftruncate(store->active_fd, (off_t)active->end) == 0;
	if (!was_sync && is_cut && (sys == ENOSPC || sys == EDQUOT))
		return;
	close(store->active_fd);
	store->active_fd = -1;
	spool_store_clear(store);
}

/* The gauges, anew: there are few segments, and none in good times. */
void spool_store_count(struct spool_store *store)
{
	uint64_t records = 0, bytes = 0;
	for (unsigned i = 0; i < store->segment_count; i++) {
		records += store->segments[i].records;
		bytes += store->segments[i].end;
	}
	stats_set(&store->counts->records, records);
	stats_set(&store->counts->bytes, bytes);
	stats_set(&store->counts->oldest_us,
		records > 0 ? (uint64_t)store->segments[0].oldest_us : 0);
}

void spool_store_release(struct spool_store *store)
{
	if (store->active_fd >= 0)
		active_close(store);
	if (store->progress_fd >= 0)
		close(store->progress_fd);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	store->active_fd = store->progress_fd = store->lock_fd = -1;
	buf_release(&store->loaded);
	free(store->segments);
	store->segments = NULL;
	store->segment_count = store->segment_cap = 0;
}

static bool store_take_over(struct spool_store *store, struct err *err)
{
	char path[SPOOL_PATH_MAX + sizeof("/progress")];
	uint32_t *seg = NULL, *bad = NULL;
	unsigned seg_count = 0, bad_count = 0;
	bool ret = false;
	if (!spool_dir_segments(store->dir, ".seg", &seg, &seg_count, err) ||
		!spool_dir_segments(store->dir, ".bad", &bad, &bad_count, err))
		goto out;
	store->next_number = seg_count > 0 ? seg[seg_count - 1] + 1 : 1;
	if (bad_count > 0 && bad[bad_count - 1] >= store->next_number)
		store->next_number = bad[bad_count - 1] + 1;
	for (unsigned i = 0; i < seg_count; i++)
		recover_into(store, store->dir, seg[i]);
	progress_apply(store, store->dir, 0);
	for (unsigned i = 0; i < store->segment_count; i++)
		tell_found(store, &store->segments[i]);
	snprintf(path, sizeof(path), "%s/progress", store->dir);
	store->progress_fd = store->io->open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	spool_store_count(store);
	ret = true;
out:
	free(seg);
	free(bad);
	if (!ret) {
		close(store->lock_fd);
		store->lock_fd = -1;
	}
	return ret;
}

/* The oldest segment of dir, segments[first] here, goes on where its replay had come to. */
static void progress_apply(struct spool_store *store, const char *dir, unsigned first)
{
	char path[SPOOL_PATH_MAX + sizeof("/progress")], bytes[SPOOL_PROGRESS_BYTES];
	size_t len = sizeof(bytes);
	struct spool_progress progress;
	snprintf(path, sizeof(path), "%s/progress", dir);
	const int fd = store->io->open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0)
		return;
	if (spool_io_read(store->io, fd, bytes, &len, 0) == 0 && first < store->segment_count &&
		spool_progress_parse((struct str){bytes, len}, &progress)) {
		struct spool_segment *segment = &store->segments[first];
		if (segment->number == progress.number && segment->sum == progress.sum &&
			progress.offset >= SPOOL_HEAD_BYTES && progress.offset <= segment->end &&
			progress.count <= segment->records) {
			segment->begin = progress.offset;
			segment->done = progress.count;
			segment->records -= progress.count;
		}
	}
	close(fd);
}

/* Its segments become ours, behind ours, under new numbers. The order between two spools says
 * nothing; that within each is kept. */
static void adopt_dir(struct spool_store *store, const char *dir)
{
	uint32_t *numbers;
	unsigned count;
	if (!spool_dir_segments(dir, ".seg", &numbers, &count, NULL))
		return;
	if (count > 0 && store->active_fd >= 0)
		active_close(store);
	const unsigned first = store->segment_count;
	for (unsigned i = 0; i < count && store->segment_count < SPOOL_SEGMENTS_MAX; i++) {
		char from[SPOOL_PATH_MAX], to[SPOOL_PATH_MAX];
		const unsigned before = store->segment_count;
		if (!recover_into(store, dir, numbers[i]))
			continue;
		if (before == first)
			progress_apply(store, dir, first);
		spool_dir_path(from, dir, numbers[i], ".seg");
		spool_dir_path(to, store->dir, store->next_number, ".seg");
		if (store->io->rename(from, to) != 0) {
			store->segment_count = before;
			break;
		}
		store->segments[before].number = store->next_number++;
		tell_found(store, &store->segments[before]);
	}
	free(numbers);
	if (store->segment_count > first)
		log_info("spool_adopted", LOG_TEXT("name", store->name), LOG_TEXT("from", dir),
			LOG_NUM("segments", store->segment_count - first));
}

/* True when it is in the list now. */
static bool recover_into(struct spool_store *store, const char *dir, uint32_t number)
{
	struct spool_segment segment;
	struct err err = {0};
	const enum spool_recovery result =
		spool_segment_recover(store->io, dir, number, &segment, &err);
	switch (result) {
	case SPOOL_RECOVERED_TORN:
		stats_add(&store->counts->tails_cut, 1);
		log_warn("spool_tail_cut", LOG_TEXT("name", store->name), LOG_TEXT("dir", dir),
			LOG_NUM("segment", number));
		return segment_add(store, &segment);
	case SPOOL_RECOVERED:
		return segment_add(store, &segment);
	case SPOOL_EMPTY:
		return false;
	case SPOOL_BAD:
		stats_add(&store->counts->set_aside, 1);
		log_error("spool_set_aside", LOG_TEXT("name", store->name), LOG_TEXT("dir", dir),
			LOG_NUM("segment", number), LOG_TEXT("why", err.msg));
		return false;
	case SPOOL_UNREADABLE:
		log_error("spool_unreadable", LOG_TEXT("name", store->name), LOG_TEXT("dir", dir),
			LOG_NUM("segment", number), LOG_TEXT("why", err.msg));
		return false;
	}
	return false;
}

/* What can't be read here is met again by the replay, which counts it. */
static void tell_found(const struct spool_store *store, const struct spool_segment *segment)
{
	struct buf bytes;
	struct spool_found found;
	int sys;
	if (store->on_found == NULL)
		return;
	buf_init(&bytes, SPOOL_FILE_MAX);
	if (spool_segment_load(store->io, store->dir, segment, &bytes, &sys)) {
		const struct str raw = buf_str(&bytes);
		size_t at = segment->begin;
		while (at < raw.len &&
			spool_scan(raw, segment->sum, &at, &found) == SPOOL_SCAN_RECORD)
			if (found.record.kind != SPOOL_KIND_END)
				store->on_found(&found.record, store->found_arg);
	}
	buf_release(&bytes);
}

static bool segment_add(struct spool_store *store, const struct spool_segment *segment)
{
	if (store->segment_count == store->segment_cap) {
		const unsigned cap = store->segment_cap ? 2 * store->segment_cap : SEGMENTS_FIRST;
		struct spool_segment *grown = realloc(store->segments, cap * sizeof(*grown));
		if (!grown)
			return false;
		store->segments = grown;
		store->segment_cap = cap;
	}
	store->segments[store->segment_count++] = *segment;
	return true;
}

static void active_close(struct spool_store *store)
{
	spool_segment_close(store->io, store->active_fd, &store->segments[store->segment_count - 1],
		store->active_count);
	store->active_fd = -1;
	spool_store_clear(store);
}
