/* SPDX-License-Identifier: Apache-2.0
 * The folder of spools: its numbered sub-directories, who holds which, and the segments in them. */
#include "spool_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "str.h"

#define NUMBER_DIGITS 8
#define LIST_FIRST    16

static int lock_take(const char *folder, unsigned index, bool may_make, char dir[SPOOL_PATH_MAX]);
static bool dir_make(const char *path);
static void dir_sync(const char *path);
static bool number_of(const char *name, const char *suffix, uint32_t *number);
static int by_number(const void *a, const void *b);

int spool_dir_claim(const char *folder, char dir[SPOOL_PATH_MAX], unsigned *index, struct err *err)
{
	char shown[ERR_PATH_MAX];
	if (!dir_make(folder)) {
		err_set(err, ERR_SYSTEM, errno, "%s", err_path(shown, folder));
		return -1;
	}
	for (*index = 0; *index < SPOOL_DIRS_MAX; (*index)++) {
		const int fd = lock_take(folder, *index, true, dir);
		if (fd >= 0)
			return fd;
		if (errno != EWOULDBLOCK) {
			err_set(err, ERR_SYSTEM, errno, "%s", err_path(shown, dir));
			return -1;
		}
	}
	err_set(err, ERR_LIMIT, 0, "%s: all %d spools are taken", err_path(shown, folder),
		SPOOL_DIRS_MAX);
	return -1;
}

int spool_dir_lock(const char *folder, unsigned index, char dir[SPOOL_PATH_MAX], bool *is_held)
{
	const int fd = lock_take(folder, index, false, dir);
	*is_held = fd < 0 && errno == EWOULDBLOCK;
	return fd;
}

int spool_dir_next(const char *folder, unsigned index)
{
	int found = -1;
	DIR *const stream = opendir(folder);
	if (!stream)
		return -1;
	for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		uint64_t number;
		if (str_parse_u64(str_from(entry->d_name), SPOOL_DIRS_MAX - 1, &number) &&
			number >= index && (found < 0 || number < (uint64_t)found))
			found = (int)number;
	}
	closedir(stream);
	return found;
}

bool spool_dir_segments(
	const char *dir, const char *suffix, uint32_t **numbers, unsigned *count, struct err *err)
{
	char shown[ERR_PATH_MAX];
	unsigned cap = LIST_FIRST;
	*count = 0;
	*numbers = malloc(cap * sizeof(**numbers));
	DIR *const stream = *numbers ? opendir(dir) : NULL;
	if (!stream) {
		free(*numbers);
		*numbers = NULL;
		return err_set(err, ERR_SYSTEM, errno, "%s", err_path(shown, dir));
	}
	for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		uint32_t number;
		if (*count == SPOOL_SEGMENTS_MAX || !number_of(entry->d_name, suffix, &number))
			continue;
		if (*count == cap) {
			uint32_t *grown = realloc(*numbers, 2 * cap * sizeof(*grown));
			if (!grown)
				break;
			*numbers = grown;
			cap *= 2;
		}
		(*numbers)[(*count)++] = number;
	}
	closedir(stream);
	qsort(*numbers, *count, sizeof(**numbers), by_number);
	return true;
}

void spool_dir_path(char out[SPOOL_PATH_MAX], const char *dir, uint32_t number, const char *suffix)
{
	snprintf(out, SPOOL_PATH_MAX, "%s/%0*u%s", dir, NUMBER_DIGITS, number, suffix);
}

/* The lock goes with its descriptor, so a dead process holds none. Lock files are never deleted:
 * two could then each hold one. errno EWOULDBLOCK: another holds it. */
static int lock_take(const char *folder, unsigned index, bool may_make, char dir[SPOOL_PATH_MAX])
{
	char path[SPOOL_PATH_MAX];
	const int len = snprintf(dir, SPOOL_PATH_MAX, "%s/%u", folder, index);
	if (len >= SPOOL_PATH_MAX - 32) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (may_make && !dir_make(dir))
		return -1;
	memcpy(path, dir, (size_t)len);
	memcpy(path + len, "/lock", sizeof("/lock"));
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	const int sys = errno;
	close(fd);
	errno = sys;
	return -1;
}

static bool dir_make(const char *path)
{
	if (mkdir(path, 0700) != 0)
		return errno == EEXIST;
	char parent[SPOOL_PATH_MAX];
	struct str text = str_from(path);
	while (text.len > 1 && text.data[text.len - 1] != '/')
		text.len--;
	if (str_copy(parent, sizeof(parent), text) && text.len > 0)
		dir_sync(parent);
	return true;
}

/* Best effort: a file system that can't do it keeps no promise about power either. */
static void dir_sync(const char *path)
{
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

static bool number_of(const char *name, const char *suffix, uint32_t *number)
{
	const struct str digits = {name, NUMBER_DIGITS};
	if (strlen(name) != NUMBER_DIGITS + strlen(suffix) ||
		strcmp(name + NUMBER_DIGITS, suffix) != 0)
		return false;
	*number = 0;
	for (unsigned i = 0; i < NUMBER_DIGITS; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return false;
		*number = *number * 10 + (uint32_t)(digits.data[i] - '0');
	}
	return true;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left < right ? -1 : left > right;
}
