/* SPDX-License-Identifier: Apache-2.0
 * A forged signature is refused by the same instructions, wherever its first wrong byte is. */
#include "../common/steps.h"
#include "verify.h"

#define ID        "msg_1"
#define TIMESTAMP "1614265330"
#define NOW_S     1614265330
#define BODY      "{}"

static struct verify_secret secrets[1];

static enum verify_result verify(const char *signature)
{
	const struct verify_headers headers = {
		.id = STR(ID), .timestamp = STR(TIMESTAMP), .signature = str_from(signature)};
	return verify_webhook(&headers, STR(BODY), secrets, 1, NOW_S);
}

static void step(const void *signature)
{
	verify(signature);
}

/* Another character of the same kind: decoding branches on the kind, which is public. */
static char other(char c)
{
	return (c >= '0' && c <= '8') || (c >= 'A' && c <= 'Y') || (c >= 'a' && c <= 'y')
		       ? (char)(c + 1)
		       : (char)(c - 1);
}

START_TEST(forged_signatures_take_one_way)
{
	char good[VERIFY_SIGNATURE_TEXT_MAX];
	struct steps_way first = {0}, way;
	ck_assert(verify_secret_parse(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &secrets[0]));
	ck_assert(verify_sign(&secrets[0], STR(ID), STR(TIMESTAMP), STR(BODY), good));
	ck_assert_int_eq(verify(good), VERIFY_OK);
	/* Behind "v1,", up to the last one, which has spare bits. */
	for (size_t at = 3; at + 2 < strlen(good); at += 20) {
		char forged[VERIFY_SIGNATURE_TEXT_MAX];
		memcpy(forged, good, sizeof(forged));
		if (good[at] == '+' || good[at] == '/')
			continue;
		forged[at] = other(good[at]);
		ck_assert_int_eq(verify(forged), VERIFY_BAD_SIGNATURE);
		if (!steps_take(step, forged, &way))
			return; /* processes must not be traced here */
		if (first.count == 0)
			first = way;
		ck_assert_msg(
			way.count == first.count && way.hash == first.hash, "character %zu", at);
	}
	ck_assert_uint_gt(first.count, 100);
}
END_TEST

SUITE_MAIN("verify_time", forged_signatures_take_one_way)
