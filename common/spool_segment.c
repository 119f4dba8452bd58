/* SPDX-License-Identifier: Apache-2.0
 * One segment file: made, taken over from a writer that died, read, put an end to. */
#include "spool_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum spool_recovery recover_file(const struct spool_io *io, const char *path, int fd,
	struct spool_segment *segment, struct err *err);
static bool is_complete(const struct spool_io *io, int fd, struct spool_segment *segment);
static enum spool_recovery recover_tail(
	const struct spool_io *io, int fd, struct spool_segment *segment, struct err *err);
static size_t tail_find(struct str raw, struct spool_segment *segment);
static bool fill(const struct spool_io *io, int fd, uint64_t end, struct buf *into, int *sys);

int spool_segment_make(const struct spool_io *io, const char *dir, uint32_t number, int64_t now_us,
	struct spool_segment *segment, int *sys)
{
	char path[SPOOL_PATH_MAX];
	uint8_t head[SPOOL_HEAD_BYTES];
	spool_dir_path(path, dir, number, ".seg");
	const int fd = io->open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		*sys = errno;
		return -1;
	}
	*segment = (struct spool_segment){.number = number,
		.sum = spool_head_encode(head, now_us),
		.begin = SPOOL_HEAD_BYTES,
		.end = SPOOL_HEAD_BYTES};
	*sys = spool_io_write(io, fd, head, sizeof(head), 0);
	if (*sys == 0)
		return fd;
	close(fd);
	io->unlink(path);
	return -1;
}

void spool_segment_close(
	const struct spool_io *io, int fd, const struct spool_segment *segment, uint32_t count)
{
	struct buf end;
	buf_init(&end, SPOOL_END_BYTES);
	spool_end_encode(&end, 0, count);
	if (!end.has_failed) {
		spool_records_sign(end.data, end.len, segment->sum);
		if (spool_io_write(io, fd, end.data, end.len, (off_t)segment->end) != 0)
			(void)!io->ftruncate(fd, (off_t)segment->end);
	}
	buf_release(&end);
	close(fd);
}

enum spool_recovery spool_segment_recover(const struct spool_io *io, const char *dir,
	uint32_t number, struct spool_segment *segment, struct err *err)
{
	char path[SPOOL_PATH_MAX], shown[ERR_PATH_MAX];
	spool_dir_path(path, dir, number, ".seg");
	*segment = (struct spool_segment){.number = number, .begin = SPOOL_HEAD_BYTES};
	const int fd = io->open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0) {
		err_set(err, ERR_SYSTEM, errno, "%s", err_path(shown, path));
		return SPOOL_UNREADABLE;
	}
	const enum spool_recovery result = recover_file(io, path, fd, segment, err);
	close(fd);
	if (result == SPOOL_EMPTY)
		io->unlink(path);
	if (result == SPOOL_BAD)
		spool_segment_set_aside(io, dir, number);
	return result;
}

bool spool_segment_load(const struct spool_io *io, const char *dir,
	const struct spool_segment *segment, struct buf *into, int *sys)
{
	char path[SPOOL_PATH_MAX];
	spool_dir_path(path, dir, segment->number, ".seg");
	const int fd = io->open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0) {
		*sys = errno;
		return false;
	}
	const bool is_read = fill(io, fd, segment->end, into, sys);
	close(fd);
	return is_read;
}

bool spool_segment_set_aside(const struct spool_io *io, const char *dir, uint32_t number)
{
	char from[SPOOL_PATH_MAX], to[SPOOL_PATH_MAX];
	spool_dir_path(from, dir, number, ".seg");
	spool_dir_path(to, dir, number, ".bad");
	return io->rename(from, to) == 0;
}

static enum spool_recovery recover_file(const struct spool_io *io, const char *path, int fd,
	struct spool_segment *segment, struct err *err)
{
	char shown[ERR_PATH_MAX];
	uint8_t head[SPOOL_HEAD_BYTES];
	size_t len = sizeof(head);
	struct stat status;
	int sys = spool_io_read(io, fd, head, &len, 0);
	if (sys == 0 && fstat(fd, &status) != 0)
		sys = errno;
	if (sys != 0) {
		err_set(err, ERR_SYSTEM, sys, "%s", err_path(shown, path));
		return SPOOL_UNREADABLE;
	}
	segment->end = (uint64_t)status.st_size;
	switch (spool_head_parse((struct str){(const char *)head, len}, &segment->sum)) {
	case SPOOL_HEAD_OK:
		break;
	case SPOOL_HEAD_TORN:
		if (segment->end <= SPOOL_HEAD_BYTES)
			return SPOOL_EMPTY;
		err_set(err, ERR_FORMAT, 0, "%s: no head", err_path(shown, path));
		return SPOOL_BAD;
	case SPOOL_HEAD_VERSION:
		err_set(err, ERR_FORMAT, 0, "%s: of another version", err_path(shown, path));
		return SPOOL_BAD;
	case SPOOL_HEAD_BAD:
		err_set(err, ERR_FORMAT, 0, "%s: not a segment", err_path(shown, path));
		return SPOOL_BAD;
	}
	if (segment->end > SPOOL_FILE_MAX) {
		err_set(err, ERR_LIMIT, 0, "%s: too large", err_path(shown, path));
		return SPOOL_BAD;
	}
	if (is_complete(io, fd, segment))
		return segment->end > SPOOL_HEAD_BYTES ? SPOOL_RECOVERED : SPOOL_EMPTY;
	return recover_tail(io, fd, segment, err);
}

/* By its end record alone; whether the rest is sound shows when it is read. */
static bool is_complete(const struct spool_io *io, int fd, struct spool_segment *segment)
{
	char bytes[SPOOL_END_BYTES];
	size_t len = sizeof(bytes), at = 0;
	uint32_t count;
	struct spool_found found;
	if (segment->end < SPOOL_HEAD_BYTES + SPOOL_END_BYTES ||
		spool_io_read(io, fd, bytes, &len, (off_t)(segment->end - len)) != 0 ||
		spool_scan((struct str){bytes, len}, segment->sum, &at, &found) !=
			SPOOL_SCAN_RECORD ||
		found.damage_bytes > 0 || !spool_end_parse(&found.record, &count))
		return false;
	segment->end -= SPOOL_END_BYTES;
	segment->records = count;
	/* The first record's time: a figure for people, so its sum is not asked. */
	uint8_t first[SPOOL_RECORD_BYTES];
	len = sizeof(first);
	if (spool_io_read(io, fd, first, &len, SPOOL_HEAD_BYTES) == 0 && len == sizeof(first))
		segment->oldest_us = spool_record_time(first);
	return true;
}

/* Its writer died: what it wrote last may be torn. */
static enum spool_recovery recover_tail(
	const struct spool_io *io, int fd, struct spool_segment *segment, struct err *err)
{
	struct buf bytes;
	int sys;
	buf_init(&bytes, SPOOL_FILE_MAX);
	if (!fill(io, fd, segment->end, &bytes, &sys)) {
		buf_release(&bytes);
		err_set(err, ERR_SYSTEM, sys, "a segment");
		return SPOOL_UNREADABLE;
	}
	const size_t sound = tail_find(buf_str(&bytes), segment);
	buf_release(&bytes);
	const bool is_torn = sound < segment->end;
	segment->end = sound;
	if (segment->end == SPOOL_HEAD_BYTES)
		return SPOOL_EMPTY;
	/* A disk that refuses this loses nothing: it is found out again the next time. */
	if (!is_torn || io->ftruncate(fd, (off_t)sound) == 0)
		spool_segment_close(io, dup(fd), segment, (uint32_t)segment->records);
	return is_torn ? SPOOL_RECOVERED_TORN : SPOOL_RECOVERED;
}

/* Where the torn tail begins; the end, when there is none. Damage before it, or that is no torn
 * tail, stays for who reads the segment. */
static size_t tail_find(struct str raw, struct spool_segment *segment)
{
	size_t at = SPOOL_HEAD_BYTES;
	for (;;) {
		const size_t before = at;
		struct spool_found found;
		switch (spool_scan(raw, segment->sum, &at, &found)) {
		case SPOOL_SCAN_RECORD:
			if (segment->records == 0)
				segment->oldest_us = found.record.time_us;
			segment->records += found.record.kind != SPOOL_KIND_END;
			break;
		case SPOOL_SCAN_TORN:
			return before;
		case SPOOL_SCAN_DAMAGE:
		case SPOOL_SCAN_NONE:
			return raw.len;
		}
	}
}

static bool fill(const struct spool_io *io, int fd, uint64_t end, struct buf *into, int *sys)
{
	char piece[64 * 1024];
	while (into->len < end) {
		const uint64_t left = end - into->len;
		size_t len = left < sizeof(piece) ? (size_t)left : sizeof(piece);
		*sys = spool_io_read(io, fd, piece, &len, (off_t)into->len);
		if (*sys != 0)
			return false;
		if (len == 0)
			break; /* shorter than it was: what is missing counts as damage */
		buf_add(into, piece, len);
		if (into->has_failed) {
			*sys = ENOMEM;
			return false;
		}
	}
	return true;
}
