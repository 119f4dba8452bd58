/* SPDX-License-Identifier: Apache-2.0
 * Which rule a line falls to, and what is told of those that it does not. */
#include "price.h"

#include "../common/suite.h"

static struct rule percent(int bp)
{
	struct rule rule = rule_empty();
	rule.rule_id = 1;
	rule.rate_bp = bp;
	return rule;
}

/* One rule of each level that covers affiliate 5, product 9 of category "shoes", best first. */
static void all_levels(struct rule rules[RULE_LEVEL_COUNT])
{
	for (unsigned i = 0; i < RULE_LEVEL_COUNT; i++) {
		const enum rule_level level = (enum rule_level)i;
		rules[i] = percent(100);
		rules[i].rule_id = (int64_t)i + 1;
		rules[i].level = level;
		if (level == RULE_AFFILIATE_PRODUCT || level == RULE_AFFILIATE_CATEGORY ||
			level == RULE_AFFILIATE)
			rules[i].affiliate_id = 5;
		if (level == RULE_AFFILIATE_PRODUCT || level == RULE_PRODUCT)
			rules[i].product_id = 9;
		if (level == RULE_AFFILIATE_CATEGORY || level == RULE_CATEGORY)
			rules[i].category = STR("shoes");
	}
}

static const struct rule_query query = {.affiliate_id = 5,
	.product_id = 9,
	.category = {.data = "shoes", .len = 5},
	.currency = "EGP",
	.placed_us = 1000};

START_TEST(the_most_specific_rule_wins)
{
	struct rule rules[RULE_LEVEL_COUNT];
	enum outcome why;
	all_levels(rules);
	rules[RULE_STORE].priority = 100;
	for (unsigned first = 0; first < RULE_LEVEL_COUNT; first++)
		ck_assert_ptr_eq(rule_pick(rules + first, RULE_LEVEL_COUNT - first, &query, &why),
			&rules[first]);
	ck_assert_int_eq(why, OUTCOME_NONE);
}
END_TEST

START_TEST(rules_of_others_do_not_match)
{
	struct rule rules[RULE_LEVEL_COUNT];
	enum outcome why;
	all_levels(rules);
	struct rule_query other = query;
	other.affiliate_id = 6;
	ck_assert_ptr_eq(rule_pick(rules, RULE_LEVEL_COUNT, &other, &why), &rules[RULE_PRODUCT]);
	other.product_id = 0; /* the catalogue does not know it */
	other.category = STR("");
	ck_assert_ptr_eq(rule_pick(rules, RULE_LEVEL_COUNT, &other, &why), &rules[RULE_STORE]);
	other.affiliate_id = 0; /* nobody */
	ck_assert_ptr_eq(rule_pick(rules, RULE_LEVEL_COUNT, &other, &why), &rules[RULE_STORE]);
	ck_assert_ptr_null(rule_pick(rules, RULE_STORE, &other, &why));
	ck_assert_int_eq(why, OUTCOME_NO_RULE);
	ck_assert_ptr_null(rule_pick(NULL, 0, &query, &why));
	ck_assert_int_eq(why, OUTCOME_NO_RULE);
}
END_TEST

START_TEST(a_rule_holds_from_its_start_to_before_its_end)
{
	enum outcome why;
	struct rule rule = percent(100);
	rule.valid_from_us = 1000;
	rule.valid_to_us = 1001;
	ck_assert_ptr_eq(rule_pick(&rule, 1, &query, &why), &rule);
	rule.valid_to_us = 1000;
	ck_assert_ptr_null(rule_pick(&rule, 1, &query, &why));
	rule.valid_to_us = INT64_MAX;
	rule.valid_from_us = 1001;
	ck_assert_ptr_null(rule_pick(&rule, 1, &query, &why));
}
END_TEST

START_TEST(a_level_is_settled_by_priority_then_start_then_id)
{
	struct rule rules[3] = {percent(100), percent(200), percent(300)};
	enum outcome why;
	rules[0].rule_id = 3;
	rules[1].rule_id = 2;
	rules[2].rule_id = 4;
	ck_assert_ptr_eq(rule_pick(rules, 3, &query, &why), &rules[1]);
	rules[2].valid_from_us = 500;
	ck_assert_ptr_eq(rule_pick(rules, 3, &query, &why), &rules[2]);
	rules[0].priority = 1;
	ck_assert_ptr_eq(rule_pick(rules, 3, &query, &why), &rules[0]);
	rules[0].priority = -1;
	ck_assert_ptr_eq(rule_pick(rules, 3, &query, &why), &rules[2]);
}
END_TEST

START_TEST(fixed_amounts_match_their_currency_only)
{
	struct rule rules[2] = {percent(RULE_NO_RATE), percent(100)};
	enum outcome why;
	rules[0].level = RULE_PRODUCT;
	rules[0].product_id = 9;
	rules[0].fixed_unit_minor = 100;
	memcpy(rules[0].currency, "KWD", 4);
	ck_assert_ptr_eq(rule_pick(rules, 2, &query, &why), &rules[1]);
	ck_assert_int_eq(why, OUTCOME_NONE);
	ck_assert_ptr_null(rule_pick(rules, 1, &query, &why));
	ck_assert_int_eq(why, OUTCOME_NO_RULE_FOR_CURRENCY);
	memcpy(rules[0].currency, "EGP", 4);
	ck_assert_ptr_eq(rule_pick(rules, 2, &query, &why), &rules[0]);
}
END_TEST

/* Rules in the order in which they are told, each with its fate. */
START_TEST(every_rule_that_covers_a_product_is_told_with_why_it_lost)
{
	struct rule some[9];
	struct rule_explained told[9];
	static const enum rule_fate fates[] = {RULE_FATE_WON, RULE_FATE_HIGHER_ID,
		RULE_FATE_EARLIER_START, RULE_FATE_LOWER_PRIORITY, RULE_FATE_LESS_SPECIFIC,
		RULE_FATE_OTHER_CURRENCY, RULE_FATE_NO_LONGER_VALID, RULE_FATE_NOT_YET_VALID};
	static const int64_t ids[] = {3, 4, 2, 5, 1, 6, 7, 8};
	for (unsigned i = 0; i < 9; i++) {
		some[i] = percent(100);
		some[i].rule_id = (int64_t)i + 1;
		some[i].level = RULE_PRODUCT;
		some[i].product_id = 9;
		some[i].valid_from_us = 500;
	}
	some[0].level = RULE_STORE;
	some[0].product_id = 0;
	some[1].valid_from_us = 499;
	some[4].priority = -1;
	some[4].valid_from_us = 900;
	some[5].fixed_unit_minor = 1;
	memcpy(some[5].currency, "KWD", 4);
	some[6].valid_to_us = 1000;
	some[7].valid_from_us = 1001;
	some[7].level = RULE_STORE;
	some[7].product_id = 0;
	some[8].product_id = 10; /* covers something else */
	ck_assert_uint_eq(rule_explain(some, 9, &query, told), 8);
	for (unsigned i = 0; i < 8; i++) {
		ck_assert_int_eq(told[i].rule->rule_id, ids[i]);
		ck_assert_int_eq(told[i].fate, fates[i]);
	}
}
END_TEST

START_TEST(without_a_winner_the_others_are_told_all_the_same)
{
	struct rule rule = percent(100);
	struct rule_explained told[1];
	struct rule_query any = query;
	ck_assert_uint_eq(rule_explain(NULL, 0, &query, told), 0);
	rule.fixed_unit_minor = 1;
	memcpy(rule.currency, "KWD", 4);
	ck_assert_uint_eq(rule_explain(&rule, 1, &query, told), 1);
	ck_assert_int_eq(told[0].fate, RULE_FATE_OTHER_CURRENCY);
	any.currency = "";
	ck_assert_uint_eq(rule_explain(&rule, 1, &any, told), 1);
	ck_assert_int_eq(told[0].fate, RULE_FATE_WON);
	any.currency = NULL;
	ck_assert_uint_eq(rule_explain(&rule, 1, &any, told), 1);
	ck_assert_int_eq(told[0].fate, RULE_FATE_WON);
	for (unsigned i = 0; i < RULE_FATE_COUNT; i++)
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(rule_fate_name((enum rule_fate)i),
				rule_fate_name((enum rule_fate)k));
}
END_TEST

START_TEST(levels_have_words_that_read_back)
{
	enum rule_level level;
	for (unsigned i = 0; i < RULE_LEVEL_COUNT; i++) {
		ck_assert(rule_level_parse(str_from(rule_level_name((enum rule_level)i)), &level));
		ck_assert_uint_eq(level, i);
	}
	ck_assert(!rule_level_parse(STR(""), &level));
	ck_assert(!rule_level_parse(STR("shop"), &level));
}
END_TEST

SUITE_MAIN("price_rule", the_most_specific_rule_wins, rules_of_others_do_not_match,
	a_rule_holds_from_its_start_to_before_its_end,
	a_level_is_settled_by_priority_then_start_then_id, fixed_amounts_match_their_currency_only,
	every_rule_that_covers_a_product_is_told_with_why_it_lost,
	without_a_winner_the_others_are_told_all_the_same, levels_have_words_that_read_back)
