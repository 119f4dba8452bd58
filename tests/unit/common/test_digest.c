/* SPDX-License-Identifier: Apache-2.0
 * Hashes against the vectors of FIPS 180-4 and RFC 4231. */
#include "digest.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static void assert_hex(const uint8_t digest[DIGEST_BYTES], const char *hex)
{
	char text[2 * DIGEST_BYTES + 1] = "";
	hex_encode(text, digest, DIGEST_BYTES);
	ck_assert_str_eq(text, hex);
}

START_TEST(sha256_is_as_published)
{
	static const char *const rows[][2] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	for (unsigned i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		const unsigned row = i % (sizeof(rows) / sizeof(rows[0]));
		uint8_t digest[DIGEST_BYTES];
		ck_assert(digest_sha256(str_from(rows[row][0]), digest));
		assert_hex(digest, rows[row][1]);
	}
}
END_TEST

START_TEST(hmac_is_as_published_whatever_the_key_before)
{
	const struct str one[] = {STR("what do ya "), STR(""), STR("want for nothing?")};
	const struct str other[] = {STR("Hi There")};
	char key[20];
	uint8_t digest[DIGEST_BYTES];
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = 0x0b;
	for (unsigned round = 0; round < 2; round++) {
		ck_assert(digest_hmac(STR("Jefe"), one, 3, digest));
		assert_hex(
			digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
		ck_assert(digest_hmac((struct str){key, sizeof(key)}, other, 1, digest));
		assert_hex(
			digest, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	}
}
END_TEST

/* RFC 4231 test cases 6 (a key of 131 bytes) and, for each length, what a fresh start gives. */
START_TEST(a_key_is_known_by_all_its_bytes_however_many_there_are)
{
	enum { KEYS = 2 * DIGEST_KEYS_MAX + 1, LONGEST = 131 };
	uint8_t key[LONGEST], first[KEYS + LONGEST][DIGEST_BYTES], digest[DIGEST_BYTES];
	const struct str text = STR("Test Using Larger Than Block-Size Key - Hash Key First");
	memset(key, 0xaa, sizeof(key));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < KEYS + LONGEST; i++) {
			const size_t len = i < KEYS ? DIGEST_KEY_BYTES_MAX : i - KEYS + 1;
			key[DIGEST_KEY_BYTES_MAX - 1] = i < KEYS ? (uint8_t)i : 0xaa;
			if (round == 0)
				digest_forget();
			ck_assert(digest_hmac((struct str){(char *)key, len}, &text, 1, digest));
			if (round == 0)
				memcpy(first[i], digest, DIGEST_BYTES);
			ck_assert_mem_eq(digest, first[i], DIGEST_BYTES);
			if (round == 1) /* known again */
				ck_assert(digest_hmac(
					(struct str){(char *)key, len}, &text, 1, digest));
			ck_assert_mem_eq(digest, first[i], DIGEST_BYTES);
			ck_assert(i == 0 || memcmp(first[i - 1], digest, DIGEST_BYTES) != 0);
		}
		assert_hex(
			digest, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("digest");
	TCase *tcase = tcase_create("digest");
	tcase_add_test(tcase, sha256_is_as_published);
	tcase_add_test(tcase, hmac_is_as_published_whatever_the_key_before);
	tcase_add_test(tcase, a_key_is_known_by_all_its_bytes_however_many_there_are);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
