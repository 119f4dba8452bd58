/* SPDX-License-Identifier: Apache-2.0
 * Swaps keyring and ciphers together, or not at all. */
#include "keys.h"

#include <string.h>

#include "log.h"

bool keys_init(
	struct keys *keys, const char *path, keys_change_fn *on_change, void *arg, struct err *err)
{
	*keys = (struct keys){.path = path, .on_change = on_change, .arg = arg};
	if (!keyring_load(&keys->ring, path, err))
		return false;
	keys->box = token_box_new(&keys->ring, err);
	return keys->box != NULL;
}

bool keys_reload(struct keys *keys, struct err *err)
{
	struct keyring ring;
	if (!keyring_load(&ring, keys->path, err))
		return false;
	struct token_box *const box = token_box_new(&ring, err);
	if (box == NULL) {
		keyring_release(&ring);
		return false;
	}
	token_box_free(keys->box);
	keys->box = box;
	keys->ring = ring;
	keyring_release(&ring);
	if (keys->on_change != NULL)
		keys->on_change(&keys->ring, keys->arg);
	return true;
}

bool keys_reload_if_due(struct keys *keys, int64_t now_us)
{
	if (keys->reread_us != 0 && now_us - keys->reread_us < KEYS_REREAD_US)
		return false;
	keys->reread_us = now_us;
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
	keys->box = NULL;
	keyring_release(&keys->ring);
}
