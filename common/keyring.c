/* SPDX-License-Identifier: Apache-2.0
 * The keyring in memory: parsing its text, deriving sub-keys. Its file is in keyring_file.c. */
#include "keyring.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#define FIELD_SEPARATOR ' '
#define NO_KEY          (-1)

static const char *const state_names[] = {"absent", "active", "valid", "revoked"};

static bool parse_lines(
	struct keyring *keyring, struct str raw_text, unsigned *line, struct err *err);
static bool parse_line(struct keyring *keyring, struct str text, unsigned line, struct err *err);
static enum key_state state_parse(struct str text);
static bool derive_all(struct keyring_key *key, struct err *err);
static bool derive(const uint8_t *secret_master, const char *info, uint8_t *out, struct err *err);
static bool derive_person(struct keyring *keyring, struct err *err);

bool keyring_parse(struct keyring *keyring, struct str raw_text, struct err *err)
{
	struct keyring fresh = {.active = NO_KEY};
	unsigned line = 0;
	bool ret = false;
	if (raw_text.len > KEYRING_FILE_MAX) {
		err_set(err, ERR_LIMIT, 0, "1: longer than %d bytes", KEYRING_FILE_MAX);
		goto out;
	}
	if (!parse_lines(&fresh, raw_text, &line, err))
		goto out;
	if (fresh.active == NO_KEY) {
		err_set(err, ERR_FORMAT, 0, "%u: no active key", line == 0 ? 1 : line);
		goto out;
	}
	for (unsigned slot = 0; slot < KEYRING_SLOTS; slot++) {
		if (fresh.keys[slot].state != KEY_ABSENT && !derive_all(&fresh.keys[slot], err))
			goto out;
	}
	if (!derive_person(&fresh, err))
		goto out;
	*keyring = fresh;
	ret = true;
out:
	keyring_release(&fresh);
	return ret;
}

bool keyring_set(struct keyring *keyring, unsigned slot, enum key_state state,
	const uint8_t *secret_master, struct err *err)
{
	if (slot >= KEYRING_SLOTS || state == KEY_ABSENT)
		return err_set(err, ERR_USAGE, 0, "no such key slot or state: %u %s", slot,
			key_state_name(state));
	struct keyring fresh = *keyring;
	struct keyring_key *key = &fresh.keys[slot];
	key->state = state;
	/* secret_master may be this very key's. */
	memmove(key->secret_master, secret_master, KEYRING_KEY_BYTES);
	fresh.active = NO_KEY;
	for (unsigned i = 0; i < KEYRING_SLOTS; i++) {
		if (fresh.keys[i].state != KEY_ACTIVE)
			continue;
		if (state == KEY_ACTIVE && i != slot)
			fresh.keys[i].state = KEY_VALID;
		else
			fresh.active = (int)i;
	}
	const bool is_derived = derive_all(key, err) && derive_person(&fresh, err);
	if (is_derived)
		*keyring = fresh;
	keyring_release(&fresh);
	return is_derived;
}

void keyring_release(struct keyring *keyring)
{
	explicit_bzero(keyring, sizeof(*keyring));
	keyring->active = NO_KEY;
}

const char *key_state_name(enum key_state state)
{
	return state_names[state];
}

static bool parse_lines(
	struct keyring *keyring, struct str raw_text, unsigned *line, struct err *err)
{
	while (raw_text.len > 0) {
		struct str text;
		str_cut(raw_text, '\n', &text, &raw_text);
		(*line)++;
		if (str_trim(text).len == 0 || text.data[0] == '#')
			continue;
		if (!parse_line(keyring, text, *line, err))
			return false;
	}
	return true;
}

static bool parse_line(struct keyring *keyring, struct str text, unsigned line, struct err *err)
{
	struct str slot_text, state_text, key_text;
	uint64_t slot = 0;
	str_cut(text, FIELD_SEPARATOR, &slot_text, &text);
	str_cut(text, FIELD_SEPARATOR, &state_text, &key_text);
	if (!str_parse_u64(slot_text, KEYRING_SLOTS - 1, &slot))
		return err_set(err, ERR_FORMAT, 0, "%u: the slot is not one of 0-%d", line,
			KEYRING_SLOTS - 1);
	const enum key_state state = state_parse(state_text);
	if (state == KEY_ABSENT)
		return err_set(err, ERR_FORMAT, 0,
			"%u: the state is not one of active, valid, revoked", line);
	struct keyring_key *key = &keyring->keys[slot];
	if (key->state != KEY_ABSENT)
		return err_set(
			err, ERR_FORMAT, 0, "%u: slot %u a second time", line, (unsigned)slot);
	if (state == KEY_ACTIVE && keyring->active != NO_KEY)
		return err_set(err, ERR_FORMAT, 0, "%u: a second active key, after slot %d", line,
			keyring->active);
	if (!hex_decode(key_text, key->secret_master, KEYRING_KEY_BYTES))
		return err_set(err, ERR_FORMAT, 0, "%u: the key is not %d hex digits", line,
			2 * KEYRING_KEY_BYTES);
	key->state = state;
	if (state == KEY_ACTIVE)
		keyring->active = (int)slot;
	return true;
}

static enum key_state state_parse(struct str text)
{
	static const enum key_state states[] = {KEY_ACTIVE, KEY_VALID, KEY_REVOKED};
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (str_equal(text, str_from(key_state_name(states[i]))))
			return states[i];
	}
	return KEY_ABSENT;
}

static bool derive_all(struct keyring_key *key, struct err *err)
{
	return derive(key->secret_master, "wasl link v1", key->secret_link, err) &&
	       derive(key->secret_master, "wasl click v1", key->secret_click, err) &&
	       derive(key->secret_master, "wasl secret v1", key->secret_store, err) &&
	       derive(key->secret_master, "wasl body v1", key->secret_body, err);
}

/* Of the lowest slot in the file, whatever its state: rotation must not change who a person is. */
static bool derive_person(struct keyring *keyring, struct err *err)
{
	unsigned slot = 0;
	while (keyring->keys[slot].state == KEY_ABSENT)
		slot++;
	return derive(
		keyring->keys[slot].secret_master, "wasl person v1", keyring->secret_person, err);
}

/* HKDF-SHA256, RFC 5869; without a salt, which stands for 32 zero bytes. */
static bool derive(const uint8_t *secret_master, const char *info, uint8_t *out, struct err *err)
{
	bool ret = false;
	char digest[] = "SHA256";
	uint8_t secret_copy[KEYRING_KEY_BYTES];
	char info_copy[32];
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	/* OSSL_PARAM takes pointers to what is not const. */
	memcpy(secret_copy, secret_master, sizeof(secret_copy));
	const size_t info_len = strlen(info);
	str_copy(info_copy, sizeof(info_copy), str_from(info));
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, secret_copy, sizeof(secret_copy)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info_copy, info_len),
		OSSL_PARAM_construct_end(),
	};
	if (ctx != NULL && EVP_KDF_derive(ctx, out, KEYRING_KEY_BYTES, params) == 1)
		ret = true;
	else
		err_set(err, ERR_SYSTEM, 0, "OpenSSL could not derive a key");
	explicit_bzero(secret_copy, sizeof(secret_copy));
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ret;
}
