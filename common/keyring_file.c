/* SPDX-License-Identifier: Apache-2.0
 * The keyring on disk: read only when nobody else can, written anew and atomically. */
#include "keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define KEYRING_MODE (S_IRUSR | S_IWUSR)
#define TEMP_SUFFIX  ".XXXXXX"
#define HEX_TEXT     (2 * KEYRING_KEY_BYTES)

static bool file_check(int fd, const char *shown, struct err *err);
static bool write_file(int fd, const struct keyring *keyring);
static bool sync_folder(const char *path);

bool keyring_load(struct keyring *keyring, const char *path, struct err *err)
{
	char shown[ERR_PATH_MAX];
	char text[KEYRING_FILE_MAX + 1];
	size_t len = sizeof(text);
	bool ret = false;
	err_path(shown, path);
	/* O_NONBLOCK: a FIFO must not hold the start up; it is refused below. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ELOOP)
		return err_set(err, ERR_REFUSED, 0, "%s: a symbolic link", shown);
	if (fd < 0)
		return err_set(err, ERR_SYSTEM, errno, "%s", shown);
	if (!file_check(fd, shown, err))
		goto out;
	if (!file_read(fd, text, &len)) {
		err_set(err, ERR_SYSTEM, errno, "%s", shown);
		goto out;
	}
	const struct str raw_text = {.data = text, .len = len};
	struct err why = {0};
	ret = keyring_parse(keyring, raw_text, &why);
	if (!ret)
		err_set(err, why.kind, 0, "%s:%s", shown, why.msg);
out:
	explicit_bzero(text, sizeof(text));
	close(fd);
	return ret;
}

bool keyring_store(const struct keyring *keyring, const char *path, struct err *err)
{
	char shown[ERR_PATH_MAX];
	char temp[PATH_MAX];
	err_path(shown, path);
	if (keyring->active < 0)
		return err_set(err, ERR_REFUSED, 0, "%s: a keyring needs an active key", shown);
	const int wanted = snprintf(temp, sizeof(temp), "%s" TEMP_SUFFIX, path);
	if (wanted < 0 || (size_t)wanted >= sizeof(temp))
		return err_set(err, ERR_LIMIT, ENAMETOOLONG, "%s", shown);
	/* Made with mode 0600 from its first moment. */
	const int fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ERR_SYSTEM, errno, "%s", shown);
	bool is_safe = fchmod(fd, KEYRING_MODE) == 0 && write_file(fd, keyring) && fsync(fd) == 0;
	int sys = errno;
	close(fd);
	if (is_safe) {
		is_safe = rename(temp, path) == 0;
		sys = errno;
	}
	if (!is_safe) {
		unlink(temp);
		return err_set(err, ERR_SYSTEM, sys, "%s", shown);
	}
	if (!sync_folder(path))
		return err_set(err, ERR_SYSTEM, errno, "%s: its folder", shown);
	return true;
}

static bool file_check(int fd, const char *shown, struct err *err)
{
	struct stat info;
	if (fstat(fd, &info) != 0)
		return err_set(err, ERR_SYSTEM, errno, "%s", shown);
	if (!S_ISREG(info.st_mode))
		return err_set(err, ERR_REFUSED, 0, "%s: not a regular file", shown);
	if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return err_set(err, ERR_REFUSED, 0,
			"%s: mode %04o lets group or others in: use 0600", shown,
			(unsigned)info.st_mode & 07777);
	if (info.st_size > KEYRING_FILE_MAX)
		return err_set(
			err, ERR_LIMIT, 0, "%s: longer than %d bytes", shown, KEYRING_FILE_MAX);
	return true;
}

static bool write_file(int fd, const struct keyring *keyring)
{
	char line[HEX_TEXT + 32];
	bool is_written = true;
	for (unsigned slot = 0; slot < KEYRING_SLOTS && is_written; slot++) {
		const struct keyring_key *key = &keyring->keys[slot];
		if (key->state == KEY_ABSENT)
			continue;
		char hex[HEX_TEXT];
		hex_encode(hex, key->secret_master, KEYRING_KEY_BYTES);
		const int len = snprintf(line, sizeof(line), "%u %s %.*s\n", slot,
			key_state_name(key->state), HEX_TEXT, hex);
		is_written = file_write(fd, line, (size_t)len);
		explicit_bzero(hex, sizeof(hex));
	}
	explicit_bzero(line, sizeof(line));
	return is_written;
}

/* A rename is on disk only once its folder is. */
static bool sync_folder(const char *path)
{
	char folder[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	if (slash != NULL)
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
			path);
	const int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	if (fd < 0)
		return false;
	const bool is_synced = fsync(fd) == 0;
	const int sys = errno;
	close(fd);
	errno = sys;
	return is_synced;
}
