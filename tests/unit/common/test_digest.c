/* SPDX-License-Identifier: Apache-2.0
 * Hashes against the vectors of FIPS 180-4 and RFC 4231. */
#include "digest.h"

#include <stdlib.h>

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

int main(void)
{
	Suite *suite = suite_create("digest");
	TCase *tcase = tcase_create("digest");
	tcase_add_test(tcase, sha256_is_as_published);
	tcase_add_test(tcase, hmac_is_as_published_whatever_the_key_before);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
