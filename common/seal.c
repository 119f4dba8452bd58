/* SPDX-License-Identifier: Apache-2.0
 * Sealing with AES-256-GCM, and hashes. Sealing goes through a kept context, since every event is
 * sealed under the same key; what opens a seal is made per call, but the cipher is looked up once.
 */
#include "seal.h"

#include <string.h>

#include <openssl/evp.h>

#include "digest.h"

/* Random IVs of 12 bytes under one key: good for 2^32 seals (NIST SP 800-38D section 8.3), then
 * rotate. */
#define IV_BYTES  12
#define TAG_BYTES 16
#define IV_AT     1
#define BODY_AT   (IV_AT + IV_BYTES)

_Static_assert(BODY_AT + TAG_BYTES == SEAL_OVERHEAD, "slot, IV and tag");
_Static_assert(DIGEST_BYTES == SEAL_HASH_BYTES, "of hashes too");

/* Each thread's own. */
static _Thread_local struct {
	EVP_CIPHER_CTX *ctx; /* NULL: none yet */
	uint8_t secret_key[KEYRING_KEY_BYTES];
} kept;

static EVP_CIPHER_CTX *sealing(const uint8_t *secret_key);
static const EVP_CIPHER *cipher(void);
static const uint8_t *key_of(const struct keyring_key *key, enum seal_purpose purpose);
static bool add_context(EVP_CIPHER_CTX *ctx, bool is_seal, uint8_t slot, struct str context);
static bool encrypt(EVP_CIPHER_CTX *ctx, struct str context, struct str plain, uint8_t *out);
static bool decrypt(EVP_CIPHER_CTX *ctx, const uint8_t *secret_key, struct str context,
	struct str sealed, uint8_t *out);

bool seal_encrypt(const struct keyring *keyring, enum seal_purpose purpose, struct entropy *entropy,
	struct str context, struct str plain, uint8_t *out, struct err *err)
{
	if (plain.len > SEAL_PLAIN_MAX || context.len > SEAL_CONTEXT_MAX)
		return err_set(err, ERR_LIMIT, 0, "%zu bytes are too many to seal", plain.len);
	if (keyring->active < 0)
		return err_set(err, ERR_REFUSED, 0, "the keyring has no active key");
	out[0] = (uint8_t)keyring->active;
	if (!entropy_draw(entropy, out + IV_AT, IV_BYTES))
		return err_set(err, ERR_SYSTEM, 0, "the kernel gives no random bytes");
	EVP_CIPHER_CTX *ctx = sealing(key_of(&keyring->keys[keyring->active], purpose));
	if (ctx != NULL && encrypt(ctx, context, plain, out))
		return true;
	seal_forget();
	return err_set(err, ERR_SYSTEM, 0, "OpenSSL could not seal");
}

void seal_forget(void)
{
	EVP_CIPHER_CTX_free(kept.ctx);
	kept.ctx = NULL;
	explicit_bzero(kept.secret_key, sizeof(kept.secret_key));
}

bool seal_decrypt(const struct keyring *keyring, enum seal_purpose purpose, struct str context,
	struct str sealed, uint8_t *out, size_t *out_len, struct err *err)
{
	if (sealed.len < SEAL_OVERHEAD || sealed.len - SEAL_OVERHEAD > SEAL_PLAIN_MAX ||
		context.len > SEAL_CONTEXT_MAX)
		return err_set(err, ERR_FORMAT, 0, "%zu bytes are not a seal", sealed.len);
	const unsigned slot = (uint8_t)sealed.data[0];
	if (slot >= KEYRING_SLOTS || keyring->keys[slot].state == KEY_ABSENT)
		return err_set(err, ERR_REFUSED, 0, "sealed with key %u, which is unknown", slot);
	if (keyring->keys[slot].state == KEY_REVOKED)
		return err_set(err, ERR_REFUSED, 0, "sealed with key %u, which is revoked", slot);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const bool is_open = ctx != NULL && decrypt(ctx, key_of(&keyring->keys[slot], purpose),
						    context, sealed, out);
	EVP_CIPHER_CTX_free(ctx);
	if (!is_open)
		return err_set(err, ERR_REFUSED, 0, "the seal is broken or is of something else");
	*out_len = sealed.len - SEAL_OVERHEAD;
	return true;
}

bool seal_person(const struct keyring *keyring, struct str hash_hex, uint8_t out[SEAL_HASH_BYTES])
{
	const struct str secret_key = {(const char *)keyring->secret_person, KEYRING_KEY_BYTES};
	return digest_hmac(secret_key, &hash_hex, 1, out);
}

bool seal_sha256(struct str bytes, uint8_t out[SEAL_HASH_BYTES])
{
	return digest_sha256(bytes, out);
}

static EVP_CIPHER_CTX *sealing(const uint8_t *secret_key)
{
	const bool is_new = kept.ctx == NULL;
	if (!is_new && memcmp(kept.secret_key, secret_key, KEYRING_KEY_BYTES) == 0)
		return kept.ctx;
	if (is_new)
		kept.ctx = EVP_CIPHER_CTX_new();
	if (kept.ctx == NULL || EVP_EncryptInit_ex2(kept.ctx, is_new ? cipher() : NULL, secret_key,
					NULL, NULL) != 1)
		return NULL;
	memcpy(kept.secret_key, secret_key, KEYRING_KEY_BYTES);
	return kept.ctx;
}

/* OpenSSL's own constant when it can't be fetched: that one is looked up with every seal. */
static const EVP_CIPHER *cipher(void)
{
	static _Thread_local EVP_CIPHER *fetched;
	if (fetched == NULL)
		fetched = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	return fetched != NULL ? fetched : EVP_aes_256_gcm();
}

static const uint8_t *key_of(const struct keyring_key *key, enum seal_purpose purpose)
{
	return purpose == SEAL_SECRET ? key->secret_store : key->secret_body;
}

/* The slot is covered too: no byte of a seal can be changed. */
static bool add_context(EVP_CIPHER_CTX *ctx, bool is_seal, uint8_t slot, struct str context)
{
	int len = 0;
	const struct str parts[] = {{.data = (const char *)&slot, .len = 1}, context};
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *bytes = (const uint8_t *)parts[i].data;
		if (parts[i].len == 0)
			continue;
		if ((is_seal ? EVP_EncryptUpdate(ctx, NULL, &len, bytes, (int)parts[i].len)
			     : EVP_DecryptUpdate(ctx, NULL, &len, bytes, (int)parts[i].len)) != 1)
			return false;
	}
	return true;
}

static bool encrypt(EVP_CIPHER_CTX *ctx, struct str context, struct str plain, uint8_t *out)
{
	int len = 0;
	uint8_t *tag = out + BODY_AT + plain.len;
	if (EVP_EncryptInit_ex2(ctx, NULL, NULL, out + IV_AT, NULL) != 1 ||
		!add_context(ctx, true, out[0], context))
		return false;
	if (plain.len > 0 && EVP_EncryptUpdate(ctx, out + BODY_AT, &len,
				     (const uint8_t *)plain.data, (int)plain.len) != 1)
		return false;
	return EVP_EncryptFinal_ex(ctx, tag, &len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1;
}

static bool decrypt(EVP_CIPHER_CTX *ctx, const uint8_t *secret_key, struct str context,
	struct str sealed, uint8_t *out)
{
	const uint8_t *in = (const uint8_t *)sealed.data;
	const size_t plain_len = sealed.len - SEAL_OVERHEAD;
	uint8_t tag[TAG_BYTES];
	int len = 0;
	memcpy(tag, in + BODY_AT + plain_len, TAG_BYTES);
	if (EVP_DecryptInit_ex2(ctx, cipher(), secret_key, in + IV_AT, NULL) != 1 ||
		!add_context(ctx, false, in[0], context))
		return false;
	if (plain_len > 0 && EVP_DecryptUpdate(ctx, out, &len, in + BODY_AT, (int)plain_len) != 1)
		return false;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
		EVP_DecryptFinal_ex(ctx, tag, &len) == 1)
		return true;
	/* What was not proven must not be used. */
	explicit_bzero(out, plain_len);
	return false;
}
