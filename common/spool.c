/* SPDX-License-Identifier: Apache-2.0
 * What a store could not take in time, kept on local disk until it can: the part on the loop. */
#include "spool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "spool_store.h"
#include "spool_writer.h"
#include "stats.h"

#define ADOPT_US   INT64_C(10000000) /* between looks for spools that nobody holds */
#define PROBE_US   INT64_C(1000000)  /* between looks whether a disk that failed works again */
#define TAGS_FIRST 64
#define GROUP_KEEP (256 * 1024) /* a larger empty buffer is given back */

/* Records that leave in one write. */
struct group {
	struct buf bytes;
	uint64_t *tags;
	unsigned count, cap;
	int64_t time_us; /* of the first */
};

struct spool {
	struct spool_config config;
	struct spool_store store;
	struct loop_defer *flush;
	struct loop_timer *timer; /* adopts, and finds out whether a disk that failed works again */
	struct spool_writer *writer;
	struct group next;    /* collects */
	struct group leaving; /* is being written */
	struct spool_job job;
	bool is_writing;
	int64_t refused_until_us; /* the disk has just failed */
	struct spool_counts counts;
};

static void on_timer(void *arg);
static bool claim(struct spool *spool);
static void on_flush(void *arg);
static bool group_place(struct spool *spool);
static void on_written(void *arg);
static void group_tell(struct spool *spool, bool is_safe);
static bool group_add(struct group *group, const struct spool_record *record, uint64_t tag);
static void group_release(struct group *group);
static void trouble(struct spool *spool, int sys);
static void trouble_over(struct spool *spool);

struct spool *spool_new(const struct spool_config *config, struct err *err)
{
	struct spool *spool = calloc(1, sizeof(*spool));
	if (!spool) {
		err_set(err, ERR_SYSTEM, ENOMEM, "the spool");
		return NULL;
	}
	spool->config = *config;
	spool_store_init(&spool->store, config->io, config->folder, config->name, &spool->counts);
	spool->store.on_found = config->on_found;
	spool->store.found_arg = config->arg;
	buf_init(&spool->next.bytes, SPOOL_GROUP_MAX);
	buf_init(&spool->leaving.bytes, SPOOL_GROUP_MAX);
	spool->flush = loop_defer_new(config->loop, on_flush, spool);
	spool->timer = loop_timer_new(config->loop, on_timer, spool);
	if (config->has_sync)
		spool->writer = spool_writer_new(config->loop, on_written, spool, err);
	if (!spool->flush || !spool->timer || (config->has_sync && !spool->writer)) {
		err_set(err, ERR_SYSTEM, ENOMEM, "the spool");
		spool_free(spool);
		return NULL;
	}
	loop_timer_set(spool->timer, claim(spool) ? ADOPT_US : PROBE_US);
	return spool;
}

enum spool_result spool_add(
	struct spool *spool, uint8_t kind, int64_t time_us, struct str payload, uint64_t tag)
{
	assert(kind > 0 && kind <= SPOOL_KIND_MAX && payload.len <= SPOOL_PAYLOAD_MAX);
	struct spool_counts *const counts = &spool->counts;
	const struct spool_record record = {.kind = kind, .time_us = time_us, .payload = payload};
	const bool is_refused = loop_now_us(spool->config.loop) < spool->refused_until_us;
	const uint64_t bytes = stats_get(&counts->bytes) + spool->next.bytes.len +
			       spool->leaving.bytes.len + SPOOL_RECORD_BYTES + payload.len;
	if (bytes > spool->config.max_bytes)
		trouble(spool, EFBIG);
	else if (!is_refused && group_add(&spool->next, &record, tag)) {
		if (!spool->is_writing)
			loop_defer_schedule(spool->flush);
		return SPOOL_TAKEN;
	}
	const bool is_full = stats_get(&counts->is_full) != 0;
	stats_add(is_full ? &counts->refused_full : &counts->refused_failed, 1);
	return is_full ? SPOOL_FULL : SPOOL_FAILED;
}

unsigned spool_untold(const struct spool *spool)
{
	return spool->next.count + spool->leaving.count;
}

unsigned spool_read(struct spool *spool, struct spool_record *records, unsigned max)
{
	spool->store.is_busy = spool->is_writing;
	return spool_store_read(&spool->store, records, max);
}

void spool_done(struct spool *spool, unsigned count)
{
	/* What waits for its write would find the active segment gone: a new one costs more than
	 * going on with this one. */
	spool->store.is_busy = spool_untold(spool) > 0;
	spool_store_done(&spool->store, count);
	if (stats_get(&spool->counts.bytes) < spool->config.max_bytes / 4 * 3 &&
		loop_now_us(spool->config.loop) >= spool->refused_until_us &&
		stats_get(&spool->counts.is_full))
		trouble_over(spool);
}

void spool_set_aside(struct spool *spool)
{
	spool_store_damaged(&spool->store);
}

const struct spool_counts *spool_counts(const struct spool *spool)
{
	return &spool->counts;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	if (spool->is_writing) {
		spool_writer_wait(spool->writer);
		on_written(spool);
	}
	if (spool->next.count > 0) {
		spool_writer_free(spool->writer);
		spool->writer = NULL; /* from here on in this thread */
		on_flush(spool);
	}
	spool_writer_free(spool->writer);
	spool_store_release(&spool->store);
	if (spool->flush)
		loop_defer_free(spool->flush);
	if (spool->timer)
		loop_timer_free(spool->timer);
	group_release(&spool->next);
	group_release(&spool->leaving);
	free(spool);
}

static void on_timer(void *arg)
{
	struct spool *spool = arg;
	const bool has_failed = spool->counts.is_failing || spool->counts.is_full;
	if (spool->store.lock_fd < 0) {
		claim(spool);
	} else if (has_failed && !spool->is_writing && spool->next.count == 0 &&
		   stats_get(&spool->counts.bytes) < spool->config.max_bytes) {
		int sys = 0;
		if (spool_store_probe(&spool->store, clock_wall_us(), &sys))
			trouble_over(spool);
		else
			trouble(spool, sys);
	} else if (!spool->is_writing && !has_failed) {
		spool_store_adopt(&spool->store);
	}
	const bool is_fine =
		spool->store.lock_fd >= 0 && !spool->counts.is_failing && !spool->counts.is_full;
	loop_timer_set(spool->timer, is_fine ? ADOPT_US : PROBE_US);
}

static bool claim(struct spool *spool)
{
	struct err err = {0};
	if (!spool_store_claim(&spool->store, &err)) {
		if (!spool->counts.is_failing)
			log_error("spool_not_opened", LOG_TEXT("name", spool->config.name),
				LOG_TEXT("why", err.msg));
		trouble(spool, err.sys ? err.sys : EIO);
		return false;
	}
	spool_store_adopt(&spool->store);
	trouble_over(spool);
	const uint64_t records = stats_get(&spool->counts.records);
	if (records > 0)
		log_info("spool_found", LOG_TEXT("name", spool->config.name),
			LOG_NUM("records", records),
			LOG_NUM("bytes", stats_get(&spool->counts.bytes)));
	return true;
}

static void on_flush(void *arg)
{
	struct spool *spool = arg;
	if (spool->is_writing || spool->next.count == 0)
		return;
	const struct group leaving = spool->next;
	spool->next = spool->leaving;
	spool->leaving = leaving;
	if (!group_place(spool)) {
		group_tell(spool, false);
		return;
	}
	spool->is_writing = true;
	if (spool->writer) {
		spool_writer_start(spool->writer, &spool->job);
		return;
	}
	spool_job_run(&spool->job);
	on_written(spool);
}

static bool group_place(struct spool *spool)
{
	struct spool_place place;
	struct group *group = &spool->leaving;
	int sys = EIO;
	if (spool->store.lock_fd < 0 ||
		!spool_store_place(&spool->store, clock_wall_us(), &place, &sys)) {
		trouble(spool, sys);
		return false;
	}
	spool_records_sign(group->bytes.data, group->bytes.len, place.sum);
	spool->job = (struct spool_job){
		.io = spool->store.io,
		.fd = place.fd,
		.at = (off_t)place.at,
		.bytes = group->bytes.data,
		.len = group->bytes.len,
		.has_sync = spool->config.has_sync,
		.sync_dir = place.is_new ? spool->store.dir : NULL,
	};
	return true;
}

static void on_written(void *arg)
{
	struct spool *spool = arg;
	const struct spool_job *job = &spool->job;
	struct group *group = &spool->leaving;
	spool->is_writing = false;
	spool->store.is_busy = false;
	if (job->sys == 0) {
		spool_store_appended(&spool->store, group->bytes.len, group->count, group->time_us);
		trouble_over(spool);
	} else {
		spool_store_failed(&spool->store, job->sys, job->was_sync);
		trouble(spool, job->sys);
	}
	group_tell(spool, job->sys == 0);
	if (spool->next.count > 0)
		loop_defer_schedule(spool->flush);
}

static void group_tell(struct spool *spool, bool is_safe)
{
	struct group *group = &spool->leaving;
	if (!is_safe)
		stats_add(spool->counts.is_full ? &spool->counts.refused_full
						: &spool->counts.refused_failed,
			group->count);
	for (unsigned i = 0; i < group->count; i++)
		spool->config.on_told(group->tags[i], is_safe, spool->config.arg);
	group->count = 0;
	buf_clear(&group->bytes);
	if (group->bytes.cap > GROUP_KEEP)
		buf_release(&group->bytes);
}

static bool group_add(struct group *group, const struct spool_record *record, uint64_t tag)
{
	const size_t before = group->bytes.len;
	if (group->count == group->cap) {
		const unsigned cap = group->cap ? 2 * group->cap : TAGS_FIRST;
		uint64_t *grown = realloc(group->tags, cap * sizeof(*grown));
		if (!grown)
			return false;
		group->tags = grown;
		group->cap = cap;
	}
	spool_record_encode(&group->bytes, record);
	if (group->bytes.has_failed) {
		group->bytes.has_failed = false;
		group->bytes.len = before;
		return false;
	}
	if (group->count == 0)
		group->time_us = record->time_us;
	group->tags[group->count++] = tag;
	return true;
}

static void group_release(struct group *group)
{
	buf_release(&group->bytes);
	free(group->tags);
}

static void trouble(struct spool *spool, int sys)
{
	const bool is_full = sys == ENOSPC || sys == EDQUOT || sys == EFBIG;
	uint64_t *const now = is_full ? &spool->counts.is_full : &spool->counts.is_failing;
	uint64_t *const other = is_full ? &spool->counts.is_failing : &spool->counts.is_full;
	/* EFBIG is our own bound: it gives way with the replay, not with time. */
	if (sys != EFBIG)
		spool->refused_until_us = loop_now_us(spool->config.loop) + SPOOL_RETRY_US;
	if (*now == 0) {
		log_error(is_full ? "spool_full" : "spool_failing",
			LOG_TEXT("name", spool->config.name), LOG_TEXT("why", strerror(sys)));
		loop_timer_set(spool->timer, PROBE_US);
	}
	stats_set(now, 1);
	stats_set(other, 0);
}

static void trouble_over(struct spool *spool)
{
	if (spool->counts.is_full == 0 && spool->counts.is_failing == 0)
		return;
	log_info("spool_works", LOG_TEXT("name", spool->config.name));
	stats_set(&spool->counts.is_full, 0);
	stats_set(&spool->counts.is_failing, 0);
	spool->refused_until_us = 0;
}
