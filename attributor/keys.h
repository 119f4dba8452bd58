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

#define KEYS_REREAD_US (1000 * INT64_C(1000)) /* between two readings for unknown slots */

typedef void keys_change_fn(const struct keyring *keyring, void *arg);

struct keys {
	struct keyring ring;
	struct token_box *box;
	const char *path;
	int64_t reread_us; /* loop time of the last reading for an unknown slot; 0: never */
	keys_change_fn *on_change;
	void *arg;
};

/* Reads path (which must outlive keys). on_change may be NULL; it is called after every reading
 * that brought another ring, not by keys_init. */
bool keys_init(
	struct keys *keys, const char *path, keys_change_fn *on_change, void *arg, struct err *err);
/* Reads the file anew. False: it is bad, nothing has changed. */
bool keys_reload(struct keys *keys, struct err *err);
/* For an unknown slot: reads the file unless that was done within KEYS_REREAD_US. True when the
 * ring is another one now. */
bool keys_reload_if_due(struct keys *keys, int64_t now_us);
void keys_release(struct keys *keys);

#endif
