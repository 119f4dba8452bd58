/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 and HMAC-SHA256. OpenSSL takes longer to look an algorithm up and to make its context
 * than to hash a webhook, so each thread keeps its own of both for as long as the process lives. */
#ifndef WASL_DIGEST_H
#define WASL_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

#define DIGEST_BYTES 32

/* False only when OpenSSL has no memory. */
bool digest_sha256(struct str bytes, uint8_t out[DIGEST_BYTES]);
/* Of the parts one after the other. */
bool digest_hmac(
	struct str secret_key, const struct str *parts, unsigned count, uint8_t out[DIGEST_BYTES]);

#endif
