/* SPDX-License-Identifier: Apache-2.0
 * Signing by OpenSSL's HMAC. */
#include "sign.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "buf.h"

#define SIGN_BYTES  32
#define CONTENT_MAX (4 * 1024 * 1024)

bool sign_webhook(const uint8_t *secret, size_t secret_len, const char *id, const char *timestamp,
	struct str body, char out[SIGN_TEXT_MAX])
{
	uint8_t mac[SIGN_BYTES];
	unsigned mac_len = 0;
	struct buf content;
	buf_init(&content, CONTENT_MAX);
	buf_addf(&content, "%s.%s.", id, timestamp);
	buf_add_str(&content, body);
	bool is_ok =
		!content.has_failed &&
		HMAC(EVP_sha256(), secret, (int)secret_len, (const unsigned char *)content.data,
			content.len, mac, &mac_len) != NULL &&
		mac_len == sizeof(mac);
	buf_release(&content);
	if (!is_ok)
		return false;
	memcpy(out, "v1,", 3);
	out[3 + base64_encode(out + 3, mac, sizeof(mac))] = '\0';
	return true;
}
