/* SPDX-License-Identifier: Apache-2.0
 * The words for why: every outcome has a code of its own and a sentence in both languages. */
#include "outcome.h"

#include "../common/suite.h"

#define CODE_BYTES_MAX 64 /* as the schema allows */

START_TEST(every_outcome_has_its_own_code)
{
	for (unsigned i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
		const char *const code = outcome_name((enum outcome)i);
		enum outcome back = OUTCOME_NONE;
		ck_assert_uint_gt(strlen(code), 0);
		ck_assert_uint_le(strlen(code), CODE_BYTES_MAX);
		ck_assert_uint_eq(strspn(code, "abcdefghijklmnopqrstuvwxyz_"), strlen(code));
		ck_assert(outcome_parse(str_from(code), &back));
		ck_assert_uint_eq(back, i);
	}
	ck_assert_str_eq(outcome_name(OUTCOME_LOST_TO_LATER_CLICK), "lost_to_later_click");
}
END_TEST

START_TEST(no_outcome_is_the_empty_text)
{
	enum outcome back = OUTCOME_NONE;
	ck_assert_str_eq(outcome_name(OUTCOME_NONE), "");
	ck_assert_str_eq(outcome_arabic(OUTCOME_NONE), "");
	ck_assert_str_eq(outcome_english(OUTCOME_NONE), "");
	ck_assert(!outcome_parse(STR(""), &back));
	ck_assert(!outcome_parse(STR("won"), &back));
	ck_assert(!outcome_parse(STR("won_coupon "), &back));
}
END_TEST

START_TEST(every_outcome_says_a_sentence_in_both_languages)
{
	for (unsigned i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
		const char *const arabic = outcome_arabic((enum outcome)i);
		const char *const english = outcome_english((enum outcome)i);
		ck_assert(utf8_is_valid(str_from(arabic)));
		ck_assert_int_eq(arabic[strlen(arabic) - 1], '.');
		ck_assert_int_eq(english[strlen(english) - 1], '.');
		ck_assert_int_lt(arabic[0], 0); /* no ASCII: Arabic it is */
		ck_assert(english[0] >= 'A' && english[0] <= 'Z');
		for (unsigned k = OUTCOME_NONE + 1; k < i; k++) {
			ck_assert_str_ne(arabic, outcome_arabic((enum outcome)k));
			ck_assert_str_ne(english, outcome_english((enum outcome)k));
		}
	}
}
END_TEST

/* The refusals are looked for in this order, and what a verdict says of those before it is read
 * from its place. */
START_TEST(refusals_stand_in_the_order_of_the_rules)
{
	static const char *const codes[] = {"bad_token", "wrong_store", "key_revoked",
		"affiliate_suspended", "out_of_window", "click_after_order", "self_referral",
		"record_mismatch", "unknown_affiliate", "coupon_unknown", "coupon_expired",
		"coupon_exhausted", "coupon_suspended"};
	for (unsigned i = 0; i < COUNT_OF(codes); i++)
		ck_assert_str_eq(outcome_name((enum outcome)(OUTCOME_BAD_TOKEN + i)), codes[i]);
	ck_assert_int_eq(OUTCOME_LOST_TO_OTHER_COUPON + 1, OUTCOME_BAD_TOKEN);
	ck_assert_int_eq(OUTCOME_NONE + 1, OUTCOME_WON_COUPON);
}
END_TEST

SUITE_MAIN("outcome", every_outcome_has_its_own_code, no_outcome_is_the_empty_text,
	every_outcome_says_a_sentence_in_both_languages, refusals_stand_in_the_order_of_the_rules)
