/* SPDX-License-Identifier: Apache-2.0
 * Standard Webhooks (github.com/standard-webhooks, spec 1.0): is this body from someone who holds
 * the secret? Pure.
 *
 * Signed bytes: webhook-id "." webhook-timestamp "." body; HMAC-SHA256 under the secret's bytes;
 * webhook-signature is a list, separated by single spaces, of "v1,<base64 of 32 bytes>"; entries of
 * other versions are skipped. */
#ifndef WASL_VERIFY_H
#define WASL_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

#define VERIFY_TOLERANCE_S    300
#define VERIFY_SIGNATURES_MAX 16 /* entries looked at */
#define VERIFY_SECRET_MAX     64 /* bytes; a secret is 24-64 */
#define VERIFY_SECRETS_MAX    2  /* current and previous */

enum verify_result {
	VERIFY_OK = 0,
	VERIFY_MISSING,       /* one of the three headers is absent, empty or there twice */
	VERIFY_BAD_ID,        /* over 256 bytes, or a byte that is not printable ASCII, or a '.' */
	VERIFY_BAD_TIMESTAMP, /* not a canonical decimal of seconds */
	VERIFY_EXPIRED,       /* outside the tolerance */
	VERIFY_BAD_SIGNATURE, /* malformed list or none that matches */
	VERIFY_FAILED,        /* nobody can say: OpenSSL had no memory */
};
const char *verify_result_name(
	enum verify_result result); /* "missing" … for metrics and problem codes */

struct verify_secret {
	uint8_t secret_bytes[VERIFY_SECRET_MAX];
	uint8_t len; /* 0: none */
};

/* The raw header values; an absent one is an empty view. */
struct verify_headers {
	struct str id;
	struct str timestamp;
	struct str signature;
};

/* Every signature is compared with every secret in constant time. */
enum verify_result verify_webhook(const struct verify_headers *raw, struct str raw_body,
	const struct verify_secret *secrets, unsigned secret_count, int64_t now_s);
/* "whsec_<base64>" -> bytes. */
bool verify_secret_parse(struct str text, struct verify_secret *secret);
/* The "v1,…" signature of a message, NUL-terminated (tests, and whoever sends). */
#define VERIFY_SIGNATURE_TEXT_MAX 48
bool verify_sign(const struct verify_secret *secret, struct str id, struct str timestamp,
	struct str body, char out[VERIFY_SIGNATURE_TEXT_MAX]);

#endif
