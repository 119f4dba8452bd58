/* SPDX-License-Identifier: Apache-2.0
 * The keyring in use and the kept ciphers of it: read at the start, again on SIGHUP, and again when
 * a token names a slot that is not known here. */
#ifndef WASL_KEYS_H
#define WASL_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "keyring.h"
#include "token.h"

typedef void keys_change_fn(const struct keyring *keyring, void *arg);

/* Which writing of the file was read: a stored keyring is a new file each time. */
struct keys_file {
	uint64_t device, inode;
	int64_t bytes, changed_ns;
};

struct keys {
	struct keyring ring;
	struct token_box *box;
	const char *path;
	struct keys_file file; /* as it was just before it was last read, well or not */
	keys_change_fn *on_change;
	void *arg;
};

/* Reads path (which must outlive keys). on_change may be NULL; it is called after every reading
 * that brought another ring, not by keys_init. */
bool keys_init(
	struct keys *keys, const char *path, keys_change_fn *on_change, void *arg, struct err *err);
/* Reads the file anew. False: it is bad, nothing has changed. */
bool keys_reload(struct keys *keys, struct err *err);
/* For what the ring does not open, as its slot is unknown or may have been given a new key: reads
 * the file again if it is another one than was read last, so that a flood of foreign tokens costs a
 * stat(2) each, and a key that was just added is known before the answer. True when the ring is
 * another one now. */
bool keys_reload_if_changed(struct keys *keys);
void keys_release(struct keys *keys);

#endif
