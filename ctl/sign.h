/* SPDX-License-Identifier: Apache-2.0
 * Standard Webhooks 1.0: the signature of a message. Pure. */
#ifndef WASL_CTL_SIGN_H
#define WASL_CTL_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "str.h"

#define SIGN_TIME_MAX 24                       /* seconds since 1970 */
#define SIGN_TEXT_MAX (3 + BASE64_LEN(32) + 1) /* "v1,", base64 of HMAC-SHA256, NUL */

/* "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body"; false when OpenSSL fails. */
bool sign_webhook(const uint8_t *secret, size_t secret_len, const char *id, const char *timestamp,
	struct str body, char out[SIGN_TEXT_MAX]);

#endif
