/* SPDX-License-Identifier: Apache-2.0
 * Signing against the example of the Standard Webhooks specification. */
#include "sign.h"

#include <string.h>

#include "../common/suite.h"

START_TEST(the_specification_s_example_comes_out)
{
	static const char secret_text[] = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
	uint8_t secret[24];
	size_t len = 0;
	char signature[SIGN_TEXT_MAX];
	ck_assert(base64_decode(str_from(secret_text), secret, sizeof(secret), &len));
	ck_assert(sign_webhook(secret, len, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
		STR("{\"test\": 2432232314}"), signature));
	ck_assert_str_eq(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}
END_TEST

START_TEST(every_part_counts)
{
	static const uint8_t secret[32] = {1};
	char whole[SIGN_TEXT_MAX], other[SIGN_TEXT_MAX];
	ck_assert(sign_webhook(secret, sizeof(secret), "id", "1", STR("body"), whole));
	ck_assert(sign_webhook(secret, sizeof(secret), "ie", "1", STR("body"), other));
	ck_assert_str_ne(whole, other);
	ck_assert(sign_webhook(secret, sizeof(secret), "id", "2", STR("body"), other));
	ck_assert_str_ne(whole, other);
	ck_assert(sign_webhook(secret, sizeof(secret), "id", "1", STR("body\n"), other));
	ck_assert_str_ne(whole, other);
	ck_assert(sign_webhook(secret, sizeof(secret), "id", "1", STR(""), other));
	ck_assert_str_ne(whole, other);
}
END_TEST

SUITE_MAIN("sign", the_specification_s_example_comes_out, every_part_counts)
