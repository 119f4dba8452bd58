/* SPDX-License-Identifier: Apache-2.0
 * AES-256-GCM for what rests on disk: webhook secrets and raw bodies. And the keyed hashes of
 * persons.
 *
 * Sealed bytes: slot u8 | IV (12, random) | ciphertext | tag (16); the caller's context (which row,
 * which file) is the associated data, so that a sealed value can't be moved to another row. */
#ifndef WASL_SEAL_H
#define WASL_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entropy.h"
#include "err.h"
#include "keyring.h"
#include "str.h"

#define SEAL_OVERHEAD    29
#define SEAL_HASH_BYTES  32
#define SEAL_PLAIN_MAX   (16 * 1024 * 1024)
#define SEAL_CONTEXT_MAX 1024

enum seal_purpose { SEAL_SECRET = 0, SEAL_BODY };

/* Seals with the active key; out takes plain.len + SEAL_OVERHEAD bytes. */
bool seal_encrypt(const struct keyring *keyring, enum seal_purpose purpose, struct entropy *entropy,
	struct str context, struct str plain, uint8_t *out, struct err *err);
/* The context of seals keeps the key that sealed last: this ends it, for when the key's time is
 * over.
 */
void seal_forget(void);
/* out takes sealed.len - SEAL_OVERHEAD bytes (zeros after a refusal). Refuses an unknown or revoked
 * slot and any change. */
bool seal_decrypt(const struct keyring *keyring, enum seal_purpose purpose, struct str context,
	struct str sealed, uint8_t *out, size_t *out_len, struct err *err);
/* HMAC-SHA256 under "wasl person v1": what customer hashes become on receipt. */
bool seal_person(const struct keyring *keyring, struct str hash_hex, uint8_t out[SEAL_HASH_BYTES]);
bool seal_sha256(struct str bytes, uint8_t out[SEAL_HASH_BYTES]);

#endif
