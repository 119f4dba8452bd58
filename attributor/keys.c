/* SPDX-License-Identifier: Apache-2.0
 * Swaps keyring and ciphers together, or not at all. */
#include "keys.h"

#include <string.h>
#include <sys/stat.h>

#include "digest.h"
#include "log.h"
#include "seal.h"

static void forget(void);
static struct keys_file file_now(const char *path);
static bool is_same_file(const struct keys_file *a, const struct keys_file *b);

bool keys_init(
	struct keys *keys, const char *path, keys_change_fn *on_change, void *arg, struct err *err)
{
	*keys = (struct keys){.path = path, .on_change = on_change, .arg = arg};
	keys->file = file_now(path);
	if (!keyring_load(&keys->ring, path, err))
		return false;
	keys->box = token_box_new(&keys->ring, err);
	return keys->box != NULL;
}

bool keys_reload(struct keys *keys, struct err *err)
{
	struct keyring ring;
	keys->file = file_now(keys->path);
	if (!keyring_load(&ring, keys->path, err))
		return false;
	struct token_box *const box = token_box_new(&ring, err);
	if (box == NULL) {
		keyring_release(&ring);
		return false;
	}
	token_box_free(keys->box);
	forget();
	keys->box = box;
	keys->ring = ring;
	keyring_release(&ring);
	if (keys->on_change != NULL)
		keys->on_change(&keys->ring, keys->arg);
	return true;
}

bool keys_reload_if_changed(struct keys *keys)
{
	const struct keys_file now = file_now(keys->path);
	if (is_same_file(&now, &keys->file))
		return false;
	struct err err = {0};
	if (keys_reload(keys, &err)) {
		log_info("keyring_reloaded", LOG_TEXT("why", "unknown_slot"));
		return true;
	}
	log_error("keyring_refused", LOG_TEXT("reason", err.msg));
	return false;
}

void keys_release(struct keys *keys)
{
	token_box_free(keys->box);
	forget();
	keys->box = NULL;
	keyring_release(&keys->ring);
}

/* What is kept elsewhere of keys that may be gone now. */
static void forget(void)
{
	seal_forget();
	digest_forget();
}

/* All zero when there is none. */
static struct keys_file file_now(const char *path)
{
	struct stat found;
	if (stat(path, &found) != 0)
		return (struct keys_file){0};
	return (struct keys_file){.device = found.st_dev,
		.inode = found.st_ino,
		.bytes = found.st_size,
		.changed_ns = found.st_mtim.tv_sec * INT64_C(1000000000) + found.st_mtim.tv_nsec};
}

static bool is_same_file(const struct keys_file *a, const struct keys_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
	       a->changed_ns == b->changed_ns;
}
