/* SPDX-License-Identifier: Apache-2.0
 * The oldest records of a spool's segments: read, done with, or found damaged. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "spool_store.h"
#include "stats.h"

#define LOAD_FAILURES_MAX 3  /* then the segment is set aside */
#define BAD_MAX           16 /* segments set aside; beyond it the oldest is deleted */

static bool first_load(struct spool_store *store);
static bool is_shortage(int sys);
static unsigned first_read(struct spool_store *store, struct spool_record *records, unsigned max);
static void damage_note(struct spool_store *store, uint64_t begin, uint64_t bytes);
static void progress_write(struct spool_store *store);
static bool first_is_active(const struct spool_store *store);
static void first_remove(struct spool_store *store);
static void bad_limit(struct spool_store *store);

unsigned spool_store_read(struct spool_store *store, struct spool_record *records, unsigned max)
{
	store->read_count = 0;
	spool_store_clear(store);
	while (store->segment_count > 0 && store->segments[0].begin < store->segments[0].end) {
		if (!first_load(store))
			break;
		store->read_count = first_read(store, records, max);
		if (store->read_count > 0)
			break;
		store->segments[0].begin = store->segments[0].end;
		spool_store_clear(store);
	}
	spool_store_count(store);
	return store->read_count;
}

void spool_store_done(struct spool_store *store, unsigned count)
{
	assert(count <= store->read_count);
	store->read_count = 0;
	if (count == 0)
		return;
	struct spool_segment *first = &store->segments[0];
	first->begin = store->read_ends[count - 1];
	first->done += count;
	first->records -= first->records < count ? first->records : count;
	stats_add(&store->counts->replayed, count);
	progress_write(store);
	spool_store_clear(store);
	spool_store_count(store);
}

void spool_store_damaged(struct spool_store *store)
{
	assert(store->segment_count > 0);
	store->segments[0].is_damaged = true;
	stats_add(&store->counts->set_aside, 1);
	log_error("spool_set_aside", LOG_TEXT("name", store->name), LOG_TEXT("dir", store->dir),
		LOG_NUM("segment", store->segments[0].number), LOG_TEXT("why", "a strange record"));
}

void spool_store_clear(struct spool_store *store)
{
	while (store->segment_count > 0 && store->segments[0].begin >= store->segments[0].end &&
		!(first_is_active(store) && store->is_busy))
		first_remove(store);
	if (store->segment_count == 0) {
		buf_release(&store->loaded);
		store->loaded_number = 0;
	}
}

/* False: not now. */
static bool first_load(struct spool_store *store)
{
	struct spool_segment *first = &store->segments[0];
	int sys = 0;
	if (store->loaded_number != first->number)
		buf_clear(&store->loaded);
	store->loaded_number = first->number;
	if (store->loaded.len >= first->end ||
		spool_segment_load(store->io, store->dir, first, &store->loaded, &sys)) {
		store->load_failures = 0;
		return true;
	}
	if (store->load_failures++ == 0)
		log_error("spool_unreadable", LOG_TEXT("name", store->name),
			LOG_TEXT("dir", store->dir), LOG_NUM("segment", first->number),
			LOG_TEXT("why", strerror(sys)));
	store->loaded.has_failed = false;
	if (is_shortage(sys)) {
		store->load_failures = 1;
		return false;
	}
	if (store->load_failures < LOAD_FAILURES_MAX)
		return false;
	store->load_failures = 0;
	damage_note(store, first->begin, first->end - first->begin);
	first->begin = first->end;
	spool_store_clear(store);
	return false;
}

/* What the process or the machine is short of says nothing of the disk. */
static bool is_shortage(int sys)
{
	return sys == ENOMEM || sys == EMFILE || sys == ENFILE || sys == EINTR || sys == EAGAIN;
}

static unsigned first_read(struct spool_store *store, struct spool_record *records, unsigned max)
{
	struct spool_segment *first = &store->segments[0];
	const struct str loaded = buf_str(&store->loaded);
	const struct str raw = {loaded.data, loaded.len < first->end ? loaded.len : first->end};
	size_t at = first->begin;
	unsigned count = 0;
	assert(max <= SPOOL_RECORDS_MAX);
	while (count < max) {
		struct spool_found found;
		const size_t before = at;
		const enum spool_scan scan = spool_scan(raw, first->sum, &at, &found);
		if (scan == SPOOL_SCAN_NONE && at >= first->end)
			break;
		if (scan != SPOOL_SCAN_RECORD) {
			damage_note(store, before, first->end - before);
			break;
		}
		if (found.damage_bytes > 0)
			damage_note(store, before, found.damage_bytes);
		if (found.record.kind == SPOOL_KIND_END)
			continue;
		records[count] = found.record;
		store->read_ends[count++] = at;
	}
	if (count > 0)
		first->oldest_us = records[0].time_us;
	return count;
}

/* Reading again finds the same damage again: it counts once. */
static void damage_note(struct spool_store *store, uint64_t begin, uint64_t bytes)
{
	struct spool_segment *first = &store->segments[0];
	if (begin + bytes <= first->damage_to)
		return;
	first->damage_to = begin + bytes;
	first->is_damaged = true;
	stats_add(&store->counts->set_aside, 1);
	log_error("spool_set_aside", LOG_TEXT("name", store->name), LOG_TEXT("dir", store->dir),
		LOG_NUM("segment", first->number), LOG_NUM("offset", begin),
		LOG_NUM("bytes", bytes));
}

/* A damaged segment is replayed from its beginning after a crash, so that its damage is met again.
 * Best effort: replaying twice does no harm. */
static void progress_write(struct spool_store *store)
{
	const struct spool_segment *first = &store->segments[0];
	uint8_t bytes[SPOOL_PROGRESS_BYTES];
	if (store->progress_fd < 0 || first->is_damaged)
		return;
	const struct spool_progress progress = {.number = first->number,
		.sum = first->sum,
		.offset = first->begin,
		.count = first->done};
	spool_progress_encode(bytes, &progress);
	(void)!store->io->pwrite(store->progress_fd, bytes, sizeof(bytes), 0);
}

static bool first_is_active(const struct spool_store *store)
{
	return store->active_fd >= 0 && store->segment_count == 1;
}

static void first_remove(struct spool_store *store)
{
	char path[SPOOL_PATH_MAX];
	const struct spool_segment *first = &store->segments[0];
	if (first_is_active(store)) {
		close(store->active_fd);
		store->active_fd = -1;
	}
	spool_dir_path(path, store->dir, first->number, ".seg");
	const bool is_gone = first->is_damaged
				     ? spool_segment_set_aside(store->io, store->dir, first->number)
				     : store->io->unlink(path) == 0;
	if (!is_gone)
		log_error("spool_not_deleted", LOG_TEXT("name", store->name),
			LOG_TEXT("dir", store->dir), LOG_NUM("segment", first->number),
			LOG_TEXT("why", strerror(errno)));
	if (first->is_damaged)
		bad_limit(store);
	store->segment_count--;
	memmove(store->segments, store->segments + 1,
		store->segment_count * sizeof(*store->segments));
}

static void bad_limit(struct spool_store *store)
{
	uint32_t *numbers;
	unsigned count;
	if (!spool_dir_segments(store->dir, ".bad", &numbers, &count, NULL))
		return;
	for (unsigned i = 0; i + BAD_MAX < count; i++) {
		char path[SPOOL_PATH_MAX];
		spool_dir_path(path, store->dir, numbers[i], ".bad");
		store->io->unlink(path);
		log_error("spool_bad_deleted", LOG_TEXT("name", store->name),
			LOG_TEXT("dir", store->dir), LOG_NUM("segment", numbers[i]));
	}
	free(numbers);
}
