/* SPDX-License-Identifier: Apache-2.0
 * The catalogue on local disk, so that the tracker starts and redirects even when Redis is down. */
#include "catalogue_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC          "WASLCAT1"
#define MAGIC_LEN      8
#define HEAD_BYTES     (MAGIC_LEN + CATALOGUE_EPOCH_HEX + 8 + 8 + 8)
#define ROW_HEAD_BYTES (1 + 4 + 2)
#define DIGEST_BYTES   32
#define IO_BYTES       65536

/* A file and the digest of all that went through it. */
struct stream {
	FILE *file;
	EVP_MD_CTX *digest;
	bool has_failed;
	int sys; /* errno of the failure; 0: the file ended early, or OpenSSL failed */
};

static bool path_make(char out[CATALOGUE_SNAPSHOT_PATH_MAX], const char *folder, const char *tail);
static bool stream_open(struct stream *stream, const char *path, int flags);
static bool stream_close(struct stream *stream);
static void stream_write(struct stream *stream, const void *bytes, size_t len);
static void stream_read(struct stream *stream, void *bytes, size_t len);
static bool content_write(struct stream *stream, const struct catalogue_view *view,
	const struct catalogue_mark *mark);
static bool row_write(const struct catalogue_row *row, void *arg);
static bool content_read(struct stream *stream, struct catalogue *catalogue,
	struct catalogue_mark *mark, struct err *err);
static bool row_read(struct stream *stream, struct catalogue *catalogue, struct err *err);
static bool folder_sync(const char *folder);
static void number_put(uint8_t *out, uint64_t value, unsigned bytes);
static uint64_t number_get(const uint8_t *bytes, unsigned count);

bool catalogue_snapshot_write(const char *folder, const struct catalogue_view *view,
	const struct catalogue_mark *mark, struct err *err)
{
	char path[CATALOGUE_SNAPSHOT_PATH_MAX], temporary[CATALOGUE_SNAPSHOT_PATH_MAX];
	if (!path_make(path, folder, "") || !path_make(temporary, folder, ".tmp"))
		return err_set(err, ERR_LIMIT, 0, "state-dir: the path is too long");
	struct stream stream;
	if (!stream_open(&stream, temporary, O_WRONLY | O_CREAT | O_TRUNC))
		return err_set(err, ERR_SYSTEM, stream.sys, "%s", temporary);
	bool is_done = content_write(&stream, view, mark) && fflush(stream.file) == 0 &&
		       fsync(fileno(stream.file)) == 0;
	const int sys = stream.sys ? stream.sys : errno;
	is_done = stream_close(&stream) && is_done;
	if (!is_done) {
		unlink(temporary);
		return err_set(err, ERR_SYSTEM, sys, "%s", temporary);
	}
	if (rename(temporary, path) != 0 || !folder_sync(folder))
		return err_set(err, ERR_SYSTEM, errno, "%s", path);
	return true;
}

enum catalogue_snapshot_result catalogue_snapshot_read(const char *folder,
	struct catalogue *catalogue, struct catalogue_mark *mark, struct err *err)
{
	char path[CATALOGUE_SNAPSHOT_PATH_MAX];
	if (!path_make(path, folder, "")) {
		err_set(err, ERR_LIMIT, 0, "state-dir: the path is too long");
		return CATALOGUE_SNAPSHOT_REFUSED;
	}
	struct stream stream;
	if (!stream_open(&stream, path, O_RDONLY)) {
		err_set(err, ERR_SYSTEM, stream.sys, "%s", path);
		return stream.sys == ENOENT ? CATALOGUE_SNAPSHOT_ABSENT
					    : CATALOGUE_SNAPSHOT_REFUSED;
	}
	const bool is_whole = content_read(&stream, catalogue, mark, err);
	stream_close(&stream);
	return is_whole ? CATALOGUE_SNAPSHOT_READ : CATALOGUE_SNAPSHOT_REFUSED;
}

static bool path_make(char out[CATALOGUE_SNAPSHOT_PATH_MAX], const char *folder, const char *tail)
{
	const int len = snprintf(
		out, CATALOGUE_SNAPSHOT_PATH_MAX, "%s/%s%s", folder, CATALOGUE_SNAPSHOT_NAME, tail);
	return len > 0 && len < CATALOGUE_SNAPSHOT_PATH_MAX;
}

static bool stream_open(struct stream *stream, const char *path, int flags)
{
	*stream = (struct stream){0};
	const int fd = open(path, flags | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0) {
		stream->sys = errno;
		return false;
	}
	stream->file = fdopen(fd, (flags & O_WRONLY) ? "w" : "r");
	if (!stream->file) {
		stream->sys = errno;
		close(fd);
		return false;
	}
	setvbuf(stream->file, NULL, _IOFBF, IO_BYTES);
	stream->digest = EVP_MD_CTX_new();
	if (!stream->digest || EVP_DigestInit_ex(stream->digest, EVP_sha256(), NULL) != 1) {
		stream->sys = ENOMEM;
		stream_close(stream);
		return false;
	}
	return true;
}

static bool stream_close(struct stream *stream)
{
	EVP_MD_CTX_free(stream->digest);
	return fclose(stream->file) == 0;
}

static void stream_write(struct stream *stream, const void *bytes, size_t len)
{
	if (stream->has_failed)
		return;
	if (fwrite(bytes, 1, len, stream->file) != len) {
		stream->has_failed = true;
		stream->sys = errno;
	} else if (EVP_DigestUpdate(stream->digest, bytes, len) != 1) {
		stream->has_failed = true;
	}
}

static void stream_read(struct stream *stream, void *bytes, size_t len)
{
	if (!stream->has_failed && (fread(bytes, 1, len, stream->file) != len ||
					   EVP_DigestUpdate(stream->digest, bytes, len) != 1)) {
		stream->has_failed = true;
		stream->sys = ferror(stream->file) ? errno : 0;
	}
	if (stream->has_failed)
		memset(bytes, 0, len);
}

static bool content_write(
	struct stream *stream, const struct catalogue_view *view, const struct catalogue_mark *mark)
{
	uint8_t head[HEAD_BYTES] = MAGIC;
	memcpy(head + MAGIC_LEN, mark->epoch, CATALOGUE_EPOCH_HEX);
	number_put(head + MAGIC_LEN + CATALOGUE_EPOCH_HEX, mark->version, 8);
	number_put(head + HEAD_BYTES - 16, (uint64_t)mark->confirmed_wall_us, 8);
	uint64_t rows = 0;
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++)
		rows += view->counts[kind];
	number_put(head + HEAD_BYTES - 8, rows, 8);
	stream_write(stream, head, sizeof(head));
	catalogue_each(view, row_write, stream);
	uint8_t digest[EVP_MAX_MD_SIZE];
	if (stream->has_failed || EVP_DigestFinal_ex(stream->digest, digest, NULL) != 1)
		return false;
	return fwrite(digest, 1, DIGEST_BYTES, stream->file) == DIGEST_BYTES;
}

static bool row_write(const struct catalogue_row *row, void *arg)
{
	struct stream *stream = arg;
	char text[CATALOGUE_ROW_MAX];
	const unsigned len = catalogue_row_encode(text, sizeof(text), row);
	uint8_t head[ROW_HEAD_BYTES];
	head[0] = (uint8_t)row->kind;
	number_put(head + 1, row->id, 4);
	number_put(head + 5, len, 2);
	stream_write(stream, head, sizeof(head));
	stream_write(stream, text, len);
	return !stream->has_failed;
}

static bool content_read(struct stream *stream, struct catalogue *catalogue,
	struct catalogue_mark *mark, struct err *err)
{
	uint8_t head[HEAD_BYTES];
	stream_read(stream, head, sizeof(head));
	if (stream->has_failed || memcmp(head, MAGIC, MAGIC_LEN) != 0)
		return err_set(err, ERR_FORMAT, stream->sys, "%s: not a snapshot",
			CATALOGUE_SNAPSHOT_NAME);
	memcpy(mark->epoch, head + MAGIC_LEN, CATALOGUE_EPOCH_HEX);
	mark->epoch[CATALOGUE_EPOCH_HEX] = '\0';
	mark->version = number_get(head + MAGIC_LEN + CATALOGUE_EPOCH_HEX, 8);
	mark->confirmed_wall_us = (int64_t)number_get(head + HEAD_BYTES - 16, 8);
	for (uint64_t rows = number_get(head + HEAD_BYTES - 8, 8); rows > 0; rows--)
		if (!row_read(stream, catalogue, err))
			return false;
	uint8_t digest[EVP_MAX_MD_SIZE], told[DIGEST_BYTES];
	if (EVP_DigestFinal_ex(stream->digest, digest, NULL) != 1 ||
		fread(told, 1, sizeof(told), stream->file) != sizeof(told) ||
		memcmp(digest, told, sizeof(told)) != 0 || fgetc(stream->file) != EOF)
		return err_set(err, ERR_FORMAT, 0, "%s: the checksum does not fit its content",
			CATALOGUE_SNAPSHOT_NAME);
	return true;
}

static bool row_read(struct stream *stream, struct catalogue *catalogue, struct err *err)
{
	uint8_t head[ROW_HEAD_BYTES];
	char text[CATALOGUE_ROW_MAX];
	stream_read(stream, head, sizeof(head));
	const struct str raw = {.data = text, .len = (size_t)number_get(head + 5, 2)};
	if (raw.len <= sizeof(text))
		stream_read(stream, text, raw.len);
	struct catalogue_row row;
	if (stream->has_failed || raw.len > sizeof(text) || head[0] >= CATALOGUE_KINDS ||
		!catalogue_row_parse(
			raw, (enum catalogue_kind)head[0], (uint32_t)number_get(head + 1, 4), &row))
		return err_set(err, ERR_FORMAT, stream->sys, "%s: cut off or damaged",
			CATALOGUE_SNAPSHOT_NAME);
	if (catalogue_put(catalogue, &row) == CATALOGUE_NO_MEMORY)
		return err_set(err, ERR_SYSTEM, ENOMEM, "%s", CATALOGUE_SNAPSHOT_NAME);
	return true;
}

static bool folder_sync(const char *folder)
{
	const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	const bool is_done = fsync(fd) == 0;
	const int sys = errno;
	close(fd);
	errno = sys;
	return is_done;
}

static void number_put(uint8_t *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t number_get(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}
