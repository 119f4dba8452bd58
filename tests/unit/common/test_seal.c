/* SPDX-License-Identifier: Apache-2.0
 * Seals: they open with the same key, purpose and context alone, and no bit of them can be changed.
 */
#include "seal.h"

#include "ring.h"
#include "suite.h"

#define PLAIN_MAX 300

static struct keyring keyring;
static struct entropy entropy;

static struct str view(const uint8_t *bytes, size_t len)
{
	return (struct str){.data = (const char *)bytes, .len = len};
}

static void prepare(void)
{
	ring_from_vectors(&keyring);
	entropy_init(&entropy);
}

START_TEST(seals_open_at_every_length)
{
	uint8_t plain[PLAIN_MAX], sealed[PLAIN_MAX + SEAL_OVERHEAD], back[PLAIN_MAX];
	struct err err = {0};
	prepare();
	memset(plain, 0xa5, sizeof(plain));
	for (size_t len = 0; len <= PLAIN_MAX; len++) {
		size_t back_len = 99;
		const enum seal_purpose purpose = len % 2 == 0 ? SEAL_SECRET : SEAL_BODY;
		ck_assert(seal_encrypt(&keyring, purpose, &entropy, STR("store 7"),
			view(plain, len), sealed, &err));
		ck_assert(seal_decrypt(&keyring, purpose, STR("store 7"),
			view(sealed, len + SEAL_OVERHEAD), back, &back_len, &err));
		ck_assert_uint_eq(back_len, len);
		ck_assert(str_equal(view(back, back_len), view(plain, len)));
	}
}
END_TEST

START_TEST(no_bit_can_be_changed)
{
	uint8_t sealed[16 + SEAL_OVERHEAD], back[16];
	size_t len;
	struct err err = {0};
	prepare();
	ck_assert(seal_encrypt(
		&keyring, SEAL_BODY, &entropy, STR("c"), STR("sixteen bytes ok"), sealed, &err));
	for (unsigned bit = 0; bit < 8 * sizeof(sealed); bit++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert(!seal_decrypt(&keyring, SEAL_BODY, STR("c"), view(sealed, sizeof(sealed)),
			back, &len, &err));
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t cut = 0; cut < sizeof(sealed); cut++)
		ck_assert(!seal_decrypt(
			&keyring, SEAL_BODY, STR("c"), view(sealed, cut), back, &len, &err));
	ck_assert(seal_decrypt(
		&keyring, SEAL_BODY, STR("c"), view(sealed, sizeof(sealed)), back, &len, &err));
}
END_TEST

START_TEST(another_row_purpose_or_key_does_not_open)
{
	uint8_t sealed[3 + SEAL_OVERHEAD], back[3];
	size_t len;
	struct err err = {0};
	prepare();
	ck_assert(seal_encrypt(
		&keyring, SEAL_SECRET, &entropy, STR("store 7"), STR("abc"), sealed, &err));
	const struct str raw = view(sealed, sizeof(sealed));
	ck_assert(!seal_decrypt(&keyring, SEAL_SECRET, STR("store 8"), raw, back, &len, &err));
	ck_assert(!seal_decrypt(&keyring, SEAL_SECRET, STR(""), raw, back, &len, &err));
	ck_assert(!seal_decrypt(&keyring, SEAL_BODY, STR("store 7"), raw, back, &len, &err));
	struct keyring other = keyring;
	ck_assert(keyring_set(&other, 0, KEY_REVOKED, keyring.keys[0].secret_master, &err));
	ck_assert(!seal_decrypt(&other, SEAL_SECRET, STR("store 7"), raw, back, &len, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "revoked"));
	ck_assert(!seal_encrypt(
		&other, SEAL_SECRET, &entropy, STR("store 7"), STR("abc"), sealed, &err));
	keyring_release(&other);
	ck_assert(!seal_decrypt(&other, SEAL_SECRET, STR("store 7"), raw, back, &len, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "unknown"));
	ck_assert(keyring_set(&keyring, 1, KEY_ACTIVE, keyring.keys[3].secret_master, &err));
	ck_assert(seal_decrypt(&keyring, SEAL_SECRET, STR("store 7"), raw, back, &len, &err));
}
END_TEST

START_TEST(same_text_never_seals_alike)
{
	uint8_t first[3 + SEAL_OVERHEAD], second[3 + SEAL_OVERHEAD];
	prepare();
	ck_assert(seal_encrypt(&keyring, SEAL_SECRET, &entropy, STR(""), STR("abc"), first, NULL));
	ck_assert(seal_encrypt(&keyring, SEAL_SECRET, &entropy, STR(""), STR("abc"), second, NULL));
	ck_assert_mem_ne(first + 1, second + 1, 12);
	ck_assert_mem_ne(first + 13, second + 13, 3);
}
END_TEST

START_TEST(limits_are_refused)
{
	static uint8_t big[SEAL_PLAIN_MAX + 1];
	uint8_t out[1];
	struct err err = {0};
	prepare();
	ck_assert(!seal_encrypt(
		&keyring, SEAL_BODY, &entropy, STR(""), view(big, sizeof(big)), out, &err));
	ck_assert_int_eq(err.kind, ERR_LIMIT);
	ck_assert(!seal_encrypt(&keyring, SEAL_BODY, &entropy, view(big, SEAL_CONTEXT_MAX + 1),
		STR(""), out, &err));
}
END_TEST

/* FIPS 180-4's "abc", and HMAC under a person key computed with Python's hmac module. */
START_TEST(hashes_are_the_standard_ones)
{
	uint8_t hash[SEAL_HASH_BYTES];
	char hex[2 * SEAL_HASH_BYTES];
	ck_assert(seal_sha256(STR("abc"), hash));
	hex_encode(hex, hash, sizeof(hash));
	ck_assert_mem_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		sizeof(hex));
	ck_assert(seal_sha256((struct str){0}, hash));
	hex_encode(hex, hash, sizeof(hash));
	ck_assert_mem_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		sizeof(hex));
	prepare();
	ck_assert(seal_person(&keyring, STR("0123456789abcdef"), hash));
	hex_encode(hex, hash, sizeof(hash));
	ck_assert_mem_eq(hex, "35c918745ebddd6f21961c8cc1f6b01a067b7b9dfa74236df0dc42c9131f48cf",
		sizeof(hex));
}
END_TEST

SUITE_MAIN("seal", seals_open_at_every_length, no_bit_can_be_changed,
	another_row_purpose_or_key_does_not_open, same_text_never_seals_alike, limits_are_refused,
	hashes_are_the_standard_ones)
