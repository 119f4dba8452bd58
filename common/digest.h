/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 and HMAC-SHA256. OpenSSL takes longer to look an algorithm up and to make its context
 * than to hash a webhook, so each thread keeps its own of both for as long as the process lives,
 * and with them the last DIGEST_KEYS_MAX keys of HMACs: two of the blocks that an HMAC hashes are
 * of the key alone. */
#ifndef WASL_DIGEST_H
#define WASL_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

#define DIGEST_BYTES 32

/* False only when OpenSSL has no memory. */
bool digest_sha256(struct str bytes, uint8_t out[DIGEST_BYTES]);
#define DIGEST_KEYS_MAX      16
#define DIGEST_KEY_BYTES_MAX 64 /* longer keys are not kept */

/* Of the parts one after the other. */
bool digest_hmac(
	struct str secret_key, const struct str *parts, unsigned count, uint8_t out[DIGEST_BYTES]);
/* Wipes the kept keys, for when one's time is over. */
void digest_forget(void);

#endif
