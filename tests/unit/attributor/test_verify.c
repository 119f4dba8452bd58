/* SPDX-License-Identifier: Apache-2.0
 * Standard Webhooks signatures: the specification's vector, its tolerance, and every way to get one
 * wrong. */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define SPEC_SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER_SECRET   "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SPEC_ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define SPEC_TIMESTAMP "1614265330"
#define SPEC_NOW_S     1614265330
#define SPEC_BODY      "{\"test\": 2432232314}"
#define SPEC_SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define WRONG          "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

#ifndef __SANITIZE_ADDRESS__ /* which brings an allocator of its own */
extern void *__libc_malloc(size_t size);
static bool is_empty;

/* In place of the library's, for OpenSSL too. */
void *malloc(size_t size)
{
	return is_empty ? NULL : __libc_malloc(size);
}
#endif

static enum verify_result check_list(const char *list)
{
	struct verify_secret secret;
	ck_assert(verify_secret_parse(STR(SPEC_SECRET), &secret));
	const struct verify_headers headers = {
		.id = STR(SPEC_ID), .timestamp = STR(SPEC_TIMESTAMP), .signature = str_from(list)};
	return verify_webhook(&headers, STR(SPEC_BODY), &secret, 1, SPEC_NOW_S);
}

/* A message signed by us at sent, looked at at SPEC_NOW_S. */
static enum verify_result check_signed(struct str id, struct str sent)
{
	struct verify_secret secret;
	char signature[VERIFY_SIGNATURE_TEXT_MAX];
	ck_assert(verify_secret_parse(STR(SPEC_SECRET), &secret));
	ck_assert(verify_sign(&secret, id, sent, STR(SPEC_BODY), signature));
	const struct verify_headers headers = {
		.id = id, .timestamp = sent, .signature = str_from(signature)};
	return verify_webhook(&headers, STR(SPEC_BODY), &secret, 1, SPEC_NOW_S);
}

START_TEST(the_specifications_vector_verifies)
{
	struct verify_secret secret;
	char signature[VERIFY_SIGNATURE_TEXT_MAX];
	ck_assert(verify_secret_parse(STR(SPEC_SECRET), &secret));
	ck_assert_uint_eq(secret.len, 24);
	ck_assert(
		verify_sign(&secret, STR(SPEC_ID), STR(SPEC_TIMESTAMP), STR(SPEC_BODY), signature));
	ck_assert_str_eq(signature, SPEC_SIGNATURE);
	ck_assert_int_eq(check_list(SPEC_SIGNATURE), VERIFY_OK);
}
END_TEST

static const struct {
	const char *list;
	enum verify_result result;
} lists[] = {
	{"", VERIFY_MISSING},
	{SPEC_SIGNATURE, VERIFY_OK},
	{WRONG " " SPEC_SIGNATURE, VERIFY_OK},
	{SPEC_SIGNATURE " " WRONG, VERIFY_OK},
	{"v1a,c2lnbmF0dXJl " SPEC_SIGNATURE, VERIFY_OK},
	{"v2, " SPEC_SIGNATURE, VERIFY_OK},
	{"v1,short " SPEC_SIGNATURE, VERIFY_OK},
	{WRONG, VERIFY_BAD_SIGNATURE},
	{"v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", VERIFY_BAD_SIGNATURE},
	{"v1,", VERIFY_BAD_SIGNATURE},
	{"v1", VERIFY_BAD_SIGNATURE},
	{",", VERIFY_BAD_SIGNATURE},
	{",x " SPEC_SIGNATURE, VERIFY_BAD_SIGNATURE},
	{" ", VERIFY_BAD_SIGNATURE},
	{"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", VERIFY_BAD_SIGNATURE},
	{"V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", VERIFY_BAD_SIGNATURE},
	{SPEC_SIGNATURE " ", VERIFY_BAD_SIGNATURE},
	{" " SPEC_SIGNATURE, VERIFY_BAD_SIGNATURE},
	{WRONG "  " SPEC_SIGNATURE, VERIFY_BAD_SIGNATURE},
	{SPEC_SIGNATURE "," SPEC_SIGNATURE, VERIFY_BAD_SIGNATURE},
	{"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", VERIFY_BAD_SIGNATURE},
	{"v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=", VERIFY_BAD_SIGNATURE},
	{"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", VERIFY_BAD_SIGNATURE},
	{"v1,G0HM9SSE+OTPJTGT/TMIKTSYZLE3UFJELVLNIOLJ1OE=", VERIFY_BAD_SIGNATURE},
	{"v1,83484cf52b04f8e4cf2531adfed9882ad4b2665137b852442d594d20e2c9d4e1",
		VERIFY_BAD_SIGNATURE},
};

START_TEST(signature_lists_are_read_strictly)
{
	ck_assert_int_eq(check_list(lists[_i].list), lists[_i].result);
}
END_TEST

START_TEST(entries_up_to_the_limit_are_looked_at)
{
	for (unsigned before = VERIFY_SIGNATURES_MAX - 2; before <= VERIFY_SIGNATURES_MAX;
		before++) {
		char list[2048] = "";
		size_t len = 0;
		for (unsigned i = 0; i < before; i++)
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s ", WRONG);
		snprintf(list + len, sizeof(list) - len, "%s", SPEC_SIGNATURE);
		ck_assert_int_eq(check_list(list),
			before < VERIFY_SIGNATURES_MAX ? VERIFY_OK : VERIFY_BAD_SIGNATURE);
	}
}
END_TEST

static const struct {
	const char *timestamp;
	enum verify_result result;
} timestamps[] = {
	{"", VERIFY_MISSING},
	{"0", VERIFY_EXPIRED},
	{"1614265029", VERIFY_EXPIRED}, /* 301 s ago */
	{"1614265030", VERIFY_OK},
	{"1614265031", VERIFY_OK},
	{"1614265330", VERIFY_OK},
	{"1614265629", VERIFY_OK},
	{"1614265630", VERIFY_OK},
	{"1614265631", VERIFY_EXPIRED},
	{"999999999999", VERIFY_EXPIRED},
	{"1000000000000", VERIFY_BAD_TIMESTAMP},
	{"01614265330", VERIFY_BAD_TIMESTAMP},
	{"+1614265330", VERIFY_BAD_TIMESTAMP},
	{"-1614265330", VERIFY_BAD_TIMESTAMP},
	{" 1614265330", VERIFY_BAD_TIMESTAMP},
	{"1614265330 ", VERIFY_BAD_TIMESTAMP},
	{"1614265330.0", VERIFY_BAD_TIMESTAMP},
	{"1614265330abc", VERIFY_BAD_TIMESTAMP},
	{"1e9", VERIFY_BAD_TIMESTAMP},
	{"0x60377a32", VERIFY_BAD_TIMESTAMP},
	{"18446744073709551616", VERIFY_BAD_TIMESTAMP},
	{"16142653301614265330", VERIFY_BAD_TIMESTAMP},
};

START_TEST(timestamps_are_canonical_and_within_the_tolerance)
{
	ck_assert_int_eq(check_signed(STR(SPEC_ID), str_from(timestamps[_i].timestamp)),
		timestamps[_i].result);
}
END_TEST

START_TEST(ids_are_printable_and_without_dots)
{
	char longest[258];
	memset(longest, 'a', sizeof(longest));
	const struct str sent = STR(SPEC_TIMESTAMP);
	ck_assert_int_eq(check_signed(STR(""), sent), VERIFY_MISSING);
	ck_assert_int_eq(check_signed(STR("a"), sent), VERIFY_OK);
	ck_assert_int_eq(check_signed((struct str){.data = longest, .len = 256}, sent), VERIFY_OK);
	ck_assert_int_eq(
		check_signed((struct str){.data = longest, .len = 257}, sent), VERIFY_BAD_ID);
	ck_assert_int_eq(check_signed(STR("a.b"), sent), VERIFY_BAD_ID);
	ck_assert_int_eq(check_signed(STR("a\tb"), sent), VERIFY_BAD_ID);
	ck_assert_int_eq(check_signed(STR("a\0b"), sent), VERIFY_BAD_ID);
	ck_assert_int_eq(check_signed(STR("a\x7f"), sent), VERIFY_BAD_ID);
	ck_assert_int_eq(check_signed(STR("\xd9\x88"), sent), VERIFY_BAD_ID);
}
END_TEST

START_TEST(a_changed_byte_anywhere_is_refused)
{
	struct verify_secret secret;
	char body[] = SPEC_BODY "\n";
	const size_t len = sizeof(SPEC_BODY) - 1;
	ck_assert(verify_secret_parse(STR(SPEC_SECRET), &secret));
	const struct verify_headers headers = {.id = STR(SPEC_ID),
		.timestamp = STR(SPEC_TIMESTAMP),
		.signature = STR(SPEC_SIGNATURE)};
	for (size_t i = 0; i < len; i++) {
		body[i] = (char)(body[i] ^ 1);
		ck_assert_int_eq(verify_webhook(&headers, (struct str){.data = body, .len = len},
					 &secret, 1, SPEC_NOW_S),
			VERIFY_BAD_SIGNATURE);
		body[i] = (char)(body[i] ^ 1);
	}
	for (size_t cut = 0; cut <= len + 1; cut++)
		ck_assert_int_eq(verify_webhook(&headers, (struct str){.data = body, .len = cut},
					 &secret, 1, SPEC_NOW_S),
			cut == len ? VERIFY_OK : VERIFY_BAD_SIGNATURE);
}
END_TEST

START_TEST(both_secrets_of_a_rotation_verify)
{
	struct verify_secret secrets[VERIFY_SECRETS_MAX];
	ck_assert(verify_secret_parse(STR(OTHER_SECRET), &secrets[0]));
	ck_assert(verify_secret_parse(STR(SPEC_SECRET), &secrets[1]));
	const struct verify_headers headers = {.id = STR(SPEC_ID),
		.timestamp = STR(SPEC_TIMESTAMP),
		.signature = STR(SPEC_SIGNATURE)};
	const struct str body = STR(SPEC_BODY);
	ck_assert_int_eq(verify_webhook(&headers, body, secrets, 2, SPEC_NOW_S), VERIFY_OK);
	ck_assert_int_eq(verify_webhook(&headers, body, secrets + 1, 1, SPEC_NOW_S), VERIFY_OK);
	ck_assert_int_eq(
		verify_webhook(&headers, body, secrets, 1, SPEC_NOW_S), VERIFY_BAD_SIGNATURE);
	secrets[1].len = 0;
	ck_assert_int_eq(
		verify_webhook(&headers, body, secrets, 2, SPEC_NOW_S), VERIFY_BAD_SIGNATURE);
	ck_assert_int_eq(
		verify_webhook(&headers, body, secrets, 0, SPEC_NOW_S), VERIFY_BAD_SIGNATURE);
}
END_TEST

START_TEST(secrets_of_24_to_64_bytes_are_read)
{
	uint8_t bytes[66] = {0};
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		char text[128] = "whsec_";
		struct verify_secret secret;
		const size_t text_len = 6 + base64_encode(text + 6, bytes, len);
		const bool is_read =
			verify_secret_parse((struct str){.data = text, .len = text_len}, &secret);
		ck_assert_int_eq(is_read, len >= 24 && len <= 64);
		ck_assert_uint_eq(secret.len, is_read ? len : 0);
	}
	struct verify_secret secret;
	ck_assert(!verify_secret_parse(STR("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &secret));
	ck_assert(!verify_secret_parse(STR("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &secret));
	ck_assert(!verify_secret_parse(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"), &secret));
	ck_assert(!verify_secret_parse(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), &secret));
	ck_assert(!verify_sign(&secret, STR("a"), STR("1"), STR("{}"), (char[48]){0}));
}
END_TEST

#ifndef __SANITIZE_ADDRESS__
START_TEST(a_signature_that_memory_failed_for_is_not_a_bad_one)
{
	struct verify_secret secret;
	ck_assert(verify_secret_parse(STR(SPEC_SECRET), &secret));
	const struct verify_headers headers = {.id = STR(SPEC_ID),
		.timestamp = STR(SPEC_TIMESTAMP),
		.signature = STR(SPEC_SIGNATURE)};
	ck_assert_int_eq(check_list(SPEC_SIGNATURE), VERIFY_OK);
	is_empty = true;
	const enum verify_result result =
		verify_webhook(&headers, STR(SPEC_BODY), &secret, 1, SPEC_NOW_S);
	is_empty = false;
	ck_assert_int_eq(result, VERIFY_FAILED);
	ck_assert_int_eq(check_list(SPEC_SIGNATURE), VERIFY_OK);
	ck_assert_int_eq(check_list(WRONG), VERIFY_BAD_SIGNATURE);
}
END_TEST
#endif

START_TEST(every_result_has_a_word)
{
	ck_assert_str_eq(verify_result_name(VERIFY_OK), "ok");
	ck_assert_str_eq(verify_result_name(VERIFY_MISSING), "missing");
	ck_assert_str_eq(verify_result_name(VERIFY_BAD_ID), "bad_id");
	ck_assert_str_eq(verify_result_name(VERIFY_BAD_TIMESTAMP), "bad_timestamp");
	ck_assert_str_eq(verify_result_name(VERIFY_EXPIRED), "expired");
	ck_assert_str_eq(verify_result_name(VERIFY_BAD_SIGNATURE), "bad_signature");
	ck_assert_str_eq(verify_result_name(VERIFY_FAILED), "failed");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verify");
	TCase *tcase = tcase_create("verify");
	tcase_add_test(tcase, the_specifications_vector_verifies);
	tcase_add_loop_test(tcase, signature_lists_are_read_strictly, 0,
		(int)(sizeof(lists) / sizeof(lists[0])));
	tcase_add_test(tcase, entries_up_to_the_limit_are_looked_at);
	tcase_add_loop_test(tcase, timestamps_are_canonical_and_within_the_tolerance, 0,
		(int)(sizeof(timestamps) / sizeof(timestamps[0])));
	tcase_add_test(tcase, ids_are_printable_and_without_dots);
	tcase_add_test(tcase, a_changed_byte_anywhere_is_refused);
	tcase_add_test(tcase, both_secrets_of_a_rotation_verify);
	tcase_add_test(tcase, secrets_of_24_to_64_bytes_are_read);
#ifndef __SANITIZE_ADDRESS__
	tcase_add_test(tcase, a_signature_that_memory_failed_for_is_not_a_bad_one);
#endif
	tcase_add_test(tcase, every_result_has_a_word);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
