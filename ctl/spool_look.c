/* SPDX-License-Identifier: Apache-2.0
 * Looks into spools without changing them, whoever holds them. */
#include "spool_look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool_segment.h"

static bool look_segment(
	const char *dir, uint32_t number, spool_look_fn *fn, void *arg, struct spool_look *look);
static bool file_load(const char *path, struct buf *into);
static void progress_load(const char *dir, struct spool_progress *progress);

bool spool_look(
	const char *dir, spool_look_fn *fn, void *arg, struct spool_look *look, struct err *err)
{
	uint32_t *numbers;
	*look = (struct spool_look){0};
	if (!spool_dir_segments(dir, ".bad", &numbers, &look->bad, err))
		return false;
	free(numbers);
	unsigned count;
	if (!spool_dir_segments(dir, ".seg", &numbers, &count, err))
		return false;
	for (unsigned i = 0; i < count && look_segment(dir, numbers[i], fn, arg, look); i++)
		continue;
	free(numbers);
	return true;
}

static bool look_segment(
	const char *dir, uint32_t number, spool_look_fn *fn, void *arg, struct spool_look *look)
{
	char path[SPOOL_PATH_MAX];
	struct buf bytes;
	struct spool_progress progress = {0};
	uint32_t sum;
	bool ret = true;
	spool_dir_path(path, dir, number, ".seg");
	buf_init(&bytes, SPOOL_FILE_MAX);
	if (!file_load(path, &bytes))
		goto out;
	look->segments++;
	look->bytes += bytes.len;
	const struct str raw = buf_str(&bytes);
	if (spool_head_parse(raw, &sum) != SPOOL_HEAD_OK) {
		look->damaged++;
		goto out;
	}
	progress_load(dir, &progress);
	const bool is_begun =
		progress.number == number && progress.sum == sum && progress.offset <= raw.len;
	size_t at = is_begun ? progress.offset : SPOOL_HEAD_BYTES;
	for (struct spool_found found; ret;) {
		found.damage_bytes = 0;
		const enum spool_scan scan = spool_scan(raw, sum, &at, &found);
		look->damaged += found.damage_bytes > 0;
		if (scan == SPOOL_SCAN_NONE)
			break;
		if (scan != SPOOL_SCAN_RECORD || found.record.kind == SPOOL_KIND_END)
			continue;
		if (look->records++ == 0)
			look->oldest_us = found.record.time_us;
		ret = !fn || fn(&found.record, arg);
	}
out:
	buf_release(&bytes);
	return ret;
}

static bool file_load(const char *path, struct buf *into)
{
	char piece[64 * 1024];
	FILE *file = fopen(path, "rb");
	if (!file)
		return false;
	for (size_t got; (got = fread(piece, 1, sizeof(piece), file)) > 0;)
		buf_add(into, piece, got);
	const bool is_read = !ferror(file) && !into->has_failed;
	fclose(file);
	return is_read;
}

static void progress_load(const char *dir, struct spool_progress *progress)
{
	char path[SPOOL_PATH_MAX + sizeof("/progress")];
	struct buf bytes;
	buf_init(&bytes, SPOOL_PROGRESS_BYTES);
	snprintf(path, sizeof(path), "%s/progress", dir);
	if (!file_load(path, &bytes) || !spool_progress_parse(buf_str(&bytes), progress))
		*progress = (struct spool_progress){0};
	buf_release(&bytes);
}
