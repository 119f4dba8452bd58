/* SPDX-License-Identifier: Apache-2.0
 * The keyring as commands use it: loaded under a lock, so that no secret is sealed with a key while
 * another command retires it. */
#ifndef WASL_CTL_RING_H
#define WASL_CTL_RING_H

#include "call.h"
#include "entropy.h"
#include "keyring.h"
#include "seal.h"

#define SECRET_BYTES      32
#define SECRET_TEXT_MAX   (6 + BASE64_LEN(SECRET_BYTES) + 1) /* "whsec_", base64, NUL */
#define SECRET_SEALED_HEX (2 + 2 * (SECRET_BYTES + SEAL_OVERHEAD) + 1)

enum ring_use { RING_READ = 0, RING_SEAL, RING_CHANGE };

struct ring {
	struct keyring keyring;
	struct entropy entropy;
	const char *path;
	int lock_fd; /* -1: none */
};

/* Loads --keyring. RING_SEAL shares the lock with others that seal, RING_CHANGE excludes everyone
 * and takes a missing file as an empty ring (no key active: keyring.active is -1). False, reported:
 * return *code. */
bool ring_open(struct call *call, struct ring *ring, enum ring_use use, enum call_exit *code);
bool ring_is_empty(const struct ring *ring);
void ring_close(struct ring *ring);

/* Draws a webhook secret: its text for the storefront, and sealed for the row of this store as
 * Postgres reads bytea. False when entropy or sealing fails. */
bool ring_make_secret(struct ring *ring, const char *store_id, char text[SECRET_TEXT_MAX],
	char sealed_hex[SECRET_SEALED_HEX], struct err *err);
/* Opens a sealed secret as bytea comes out of Postgres ("\x…"). */
bool ring_open_secret(const struct ring *ring, const char *store_id, const char *sealed_hex,
	uint8_t secret[SECRET_BYTES], struct err *err);
bool ring_seal_secret(struct ring *ring, const char *store_id, const uint8_t secret[SECRET_BYTES],
	char sealed_hex[SECRET_SEALED_HEX], struct err *err);

#endif
