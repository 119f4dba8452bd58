/* SPDX-License-Identifier: Apache-2.0
 * Hashes over OpenSSL's kept contexts. */
#include "digest.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/params.h>

static _Thread_local EVP_MD *sha256;
static _Thread_local EVP_MD_CTX *sha256_ctx;

/* A context that has its key. */
struct keyed {
	EVP_MAC_CTX *ctx; /* NULL: none yet */
	uint8_t secret_key[DIGEST_KEY_BYTES_MAX];
	size_t len; /* 0: no key, or one too long to be known again */
};
static _Thread_local struct keyed kept[DIGEST_KEYS_MAX];
static _Thread_local unsigned next_kept; /* whose key gives way */

static bool sha256_make(void);
static EVP_MAC_CTX *hmac_begin(struct str secret_key);
static bool hmac_rekey(struct keyed *keyed, struct str secret_key);
static EVP_MAC_CTX *hmac_make(void);
static void keyed_forget(struct keyed *keyed);

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
	EVP_MAC_CTX *const hmac_ctx = hmac_begin(secret_key);
	if (hmac_ctx == NULL)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (parts[i].len > 0 &&
			EVP_MAC_update(hmac_ctx, (const uint8_t *)parts[i].data, parts[i].len) != 1)
			return false;
	return EVP_MAC_final(hmac_ctx, out, &len, DIGEST_BYTES) == 1 && len == DIGEST_BYTES;
}

void digest_forget(void)
{
	for (unsigned i = 0; i < DIGEST_KEYS_MAX; i++)
		keyed_forget(&kept[i]);
	next_kept = 0;
}

static bool sha256_make(void)
{
	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (sha256 != NULL)
		sha256_ctx = EVP_MD_CTX_new();
	return sha256_ctx != NULL;
}

static EVP_MAC_CTX *hmac_begin(struct str secret_key)
{
	/* In time that depends on our own keys only. */
	for (unsigned i = 0; i < DIGEST_KEYS_MAX && secret_key.len > 0; i++)
		if (kept[i].len == secret_key.len &&
			memcmp(kept[i].secret_key, secret_key.data, secret_key.len) == 0)
			return EVP_MAC_init(kept[i].ctx, NULL, 0, NULL) == 1 ? kept[i].ctx : NULL;
	struct keyed *const keyed = &kept[next_kept];
	next_kept = (next_kept + 1) % DIGEST_KEYS_MAX;
	if (hmac_rekey(keyed, secret_key))
		return keyed->ctx;
	keyed_forget(keyed);
	return NULL;
}

static bool hmac_rekey(struct keyed *keyed, struct str secret_key)
{
	explicit_bzero(keyed->secret_key, keyed->len);
	keyed->len = 0;
	if (keyed->ctx == NULL)
		keyed->ctx = hmac_make();
	if (keyed->ctx == NULL || EVP_MAC_init(keyed->ctx, (const uint8_t *)secret_key.data,
					  secret_key.len, NULL) != 1)
		return false;
	if (secret_key.len > 0 && secret_key.len <= DIGEST_KEY_BYTES_MAX) {
		memcpy(keyed->secret_key, secret_key.data, secret_key.len);
		keyed->len = secret_key.len;
	}
	return true;
}

static EVP_MAC_CTX *hmac_make(void)
{
	char name[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_construct_end()};
	EVP_MAC *const hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *const made = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
	EVP_MAC_free(hmac); /* the context holds it */
	if (made != NULL && EVP_MAC_CTX_set_params(made, params) == 1)
		return made;
	EVP_MAC_CTX_free(made);
	return NULL;
}

static void keyed_forget(struct keyed *keyed)
{
	EVP_MAC_CTX_free(keyed->ctx); /* wipes what it has of the key */
	explicit_bzero(keyed, sizeof(*keyed));
}
