/* SPDX-License-Identifier: Apache-2.0
 * The keyring file: up to seven master keys and the sub-keys made from them. Its loss ends every
 * link.
 *
 * One key a line, `SLOT STATE HEX`, blank lines and lines that start with # ignored: slot 0-6,
 * state active (exactly one: mints and opens), valid (opens) or revoked (refused), 32 bytes of hex.
 * Sub-keys are HKDF-SHA256 (RFC 5869, no salt) of 32 bytes with info "wasl link v1" and so on. */
#ifndef WASL_KEYRING_H
#define WASL_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"

#define KEYRING_SLOTS     7
#define KEYRING_KEY_BYTES 32
#define KEYRING_FILE_MAX  4096 /* seven lines of ~80 bytes, with room for comments */

enum key_state { KEY_ABSENT = 0, KEY_ACTIVE, KEY_VALID, KEY_REVOKED };

struct keyring_key {
	enum key_state state;
	uint8_t secret_master[KEYRING_KEY_BYTES];
	uint8_t secret_link[KEYRING_KEY_BYTES];  /* "wasl link v1" */
	uint8_t secret_click[KEYRING_KEY_BYTES]; /* "wasl click v1" */
	uint8_t secret_store[KEYRING_KEY_BYTES]; /* "wasl secret v1": webhook secrets at rest */
	uint8_t secret_body[KEYRING_KEY_BYTES];  /* "wasl body v1": raw bodies */
};

struct keyring {
	struct keyring_key keys[KEYRING_SLOTS];
	int active; /* slot of the one active key; -1: there is none */
	uint8_t secret_person[KEYRING_KEY_BYTES]; /* "wasl person v1" of the lowest slot there is */
};

/* Parses a whole file's text. Refuses, with "LINE: why": a bad slot, state or key, a slot twice,
 * not exactly one active key. keyring is untouched on refusal. */
bool keyring_parse(struct keyring *keyring, struct str raw_text, struct err *err);
/* Reads path: a regular file and no link, closed to group and others, at most KEYRING_FILE_MAX. The
 * ring is untouched on refusal; what the text refuses is named as "path:LINE: why". */
bool keyring_load(struct keyring *keyring, const char *path, struct err *err);
/* Writes path anew: temporary file of mode 0600 beside it, fsync, rename, fsync of the folder. */
bool keyring_store(const struct keyring *keyring, const char *path, struct err *err);
/* Fills keys[slot] from a master key (32 bytes, may be its own) and derives its sub-keys and the
 * person key. A new active key makes the former one valid. Start an empty ring with
 * keyring_release. */
bool keyring_set(struct keyring *keyring, unsigned slot, enum key_state state,
	const uint8_t *secret_master, struct err *err);
/* Wipes it: an empty ring. */
void keyring_release(struct keyring *keyring);
const char *key_state_name(enum key_state state); /* "active" "valid" "revoked" "absent" */

#endif
