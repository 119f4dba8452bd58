/* SPDX-License-Identifier: Apache-2.0
 * Hashes over OpenSSL's kept contexts. */
#include "digest.h"

#include <openssl/evp.h>
#include <openssl/params.h>

static _Thread_local EVP_MD *sha256;
static _Thread_local EVP_MD_CTX *sha256_ctx;
static _Thread_local EVP_MAC_CTX *hmac_ctx;

static bool sha256_make(void);
static bool hmac_make(void);

bool digest_sha256(struct str bytes, uint8_t out[DIGEST_BYTES])
{
	unsigned len = 0;
	return (sha256_ctx != NULL || sha256_make()) &&
	       EVP_DigestInit_ex2(sha256_ctx, sha256, NULL) == 1 &&
	       EVP_DigestUpdate(sha256_ctx, bytes.data, bytes.len) == 1 &&
	       EVP_DigestFinal_ex(sha256_ctx, out, &len) == 1 && len == DIGEST_BYTES;
}

bool digest_hmac(
	struct str secret_key, const struct str *parts, unsigned count, uint8_t out[DIGEST_BYTES])
{
	size_t len = 0;
	if ((hmac_ctx == NULL && !hmac_make()) ||
		EVP_MAC_init(hmac_ctx, (const uint8_t *)secret_key.data, secret_key.len, NULL) != 1)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (parts[i].len > 0 &&
			EVP_MAC_update(hmac_ctx, (const uint8_t *)parts[i].data, parts[i].len) != 1)
			return false;
	return EVP_MAC_final(hmac_ctx, out, &len, DIGEST_BYTES) == 1 && len == DIGEST_BYTES;
}

static bool sha256_make(void)
{
	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (sha256 != NULL)
		sha256_ctx = EVP_MD_CTX_new();
	return sha256_ctx != NULL;
}

static bool hmac_make(void)
{
	char name[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_construct_end()};
	EVP_MAC *const hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *const made = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
	EVP_MAC_free(hmac); /* the context holds it */
	if (made != NULL && EVP_MAC_CTX_set_params(made, params) == 1) {
		hmac_ctx = made;
		return true;
	}
	EVP_MAC_CTX_free(made);
	return false;
}
