/* SPDX-License-Identifier: Apache-2.0
 * How much: the worked lines of the money rules, the choice of a rule, and where numbers end. */
#include "price.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "left.h"

#define LINES 8

static struct event terms;
static struct order_line lines[LINES];
static struct price_line priced[LINES];

static void setup(void)
{
	memset(lines, 0, sizeof(lines));
	terms = (struct event){.lines = lines, .tax_bp = ORDER_NO_TAX};
}

static void add_line(int64_t unit_price, int64_t quantity, int64_t discount, int tax_bp)
{
	lines[terms.line_count++] = (struct order_line){.quantity = quantity,
		.unit_price_minor = unit_price,
		.discount_minor = discount,
		.tax_bp = tax_bp};
}

static struct rule percent(int bp)
{
	struct rule rule = rule_empty();
	rule.rule_id = 1;
	rule.rate_bp = bp;
	return rule;
}

/* The bases of the terms with nothing taken off. */
static bool bases(void)
{
	struct left_line left[LINES];
	return left_whole(&terms, left) == LEFT_OK && price_bases(&terms, left, priced);
}

static int64_t total(const struct rule *rule)
{
	int64_t sum = 0;
	ck_assert(bases());
	for (unsigned i = 0; i < terms.line_count; i++)
		priced[i].rule = rule;
	ck_assert(price_order(priced, terms.line_count, &sum));
	return sum;
}

START_TEST(worked_percentages_round_half_up)
{
	static const struct {
		int64_t price;
		int bp;
		int64_t amount;
	} rows[] = {
		{90900, 750, 6818},   /* 909.00 EGP at 7.5 % */
		{12345, 333, 411},    /* 12.345 KWD at 3.33 % */
		{15, 1000, 2},        /* 0.15 at 10 % */
		{1, 750, 0},          /* 0.01 at 7.5 % */
		{14, 333, 0},         /* 0.4662 */
		{1, 5000, 1},         /* a half */
		{1, 4999, 0},         /* just under */
		{0, 10000, 0},        /* nothing of nothing */
		{90900, 0, 0},        /* 0 % */
		{90900, 10000, 90900} /* all */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct rule rule = percent(rows[i].bp);
		terms.line_count = 0;
		add_line(rows[i].price, 1, 0, ORDER_NO_TAX);
		ck_assert_int_eq(total(&rule), rows[i].amount);
		ck_assert_int_eq(priced[0].reason,
			rows[i].amount == 0 ? OUTCOME_ROUNDS_TO_ZERO : OUTCOME_NONE);
	}
}
END_TEST

START_TEST(each_line_rounds_by_itself)
{
	const struct rule rule = percent(1000);
	add_line(15, 1, 0, ORDER_NO_TAX);
	add_line(15, 1, 0, ORDER_NO_TAX);
	ck_assert_int_eq(total(&rule), 4);
	ck_assert_int_eq(priced[0].amount_minor, 2);
	ck_assert_int_eq(priced[1].amount_minor, 2);
}
END_TEST

START_TEST(line_discounts_come_off_the_base)
{
	const struct rule rule = percent(1000);
	add_line(10000, 3, 3000, ORDER_NO_TAX);
	ck_assert_int_eq(total(&rule), 2700);
	ck_assert_int_eq(priced[0].discounted_minor, 27000);
	ck_assert_int_eq(priced[0].base_minor, 27000);
}
END_TEST

START_TEST(tax_inclusive_lines_are_priced_net_after_the_discount)
{
	const struct rule rule = percent(1000);
	add_line(11400, 1, 0, 1400);
	add_line(5700, 1, 0, 1400);
	terms.prices_include_tax = true;
	terms.discount_minor = 1710;
	ck_assert_int_eq(total(&rule), 1350);
	ck_assert_int_eq(priced[0].discounted_minor, 10260);
	ck_assert_int_eq(priced[1].discounted_minor, 5130);
	ck_assert_int_eq(priced[0].base_minor, 9000);
	ck_assert_int_eq(priced[1].base_minor, 4500);
}
END_TEST

START_TEST(tax_is_each_lines_own_and_ignored_when_prices_are_net)
{
	add_line(10500, 1, 0, 500);
	add_line(10001, 1, 0, 0);
	add_line(10, 1, 0, 10000);
	terms.prices_include_tax = true;
	ck_assert(bases());
	ck_assert_int_eq(priced[0].base_minor, 10000);
	ck_assert_int_eq(priced[1].base_minor, 10001);
	ck_assert_int_eq(priced[2].base_minor, 5);
	terms.prices_include_tax = false;
	ck_assert(bases());
	ck_assert_int_eq(priced[0].base_minor, 10500);
	lines[1].tax_bp = ORDER_NO_TAX;
	ck_assert(bases());
	terms.prices_include_tax = true;
	ck_assert(!bases());
}
END_TEST

START_TEST(order_discounts_spread_by_largest_remainder)
{
	for (unsigned i = 0; i < 3; i++)
		add_line(100, 1, 0, ORDER_NO_TAX);
	terms.discount_minor = 100;
	ck_assert(bases());
	ck_assert_int_eq(priced[0].base_minor, 66); /* 34 off: the tie goes to the lower index */
	ck_assert_int_eq(priced[1].base_minor, 67);
	ck_assert_int_eq(priced[2].base_minor, 67);
	terms.discount_minor = 300;
	ck_assert(bases());
	ck_assert_int_eq(priced[0].base_minor + priced[1].base_minor + priced[2].base_minor, 0);
	terms.discount_minor = 301;
	ck_assert(!bases());
}
END_TEST

START_TEST(lines_that_cost_nothing_take_no_discount)
{
	add_line(0, 5, 0, ORDER_NO_TAX);
	add_line(100, 1, 0, ORDER_NO_TAX);
	terms.discount_minor = 99;
	ck_assert(bases());
	ck_assert_int_eq(priced[0].base_minor, 0);
	ck_assert_int_eq(priced[1].base_minor, 1);
	terms.line_count = 1;
	ck_assert(!bases());
	terms.discount_minor = 0;
	ck_assert(bases());
}
END_TEST

START_TEST(a_fixed_amount_is_per_unit_and_capped_at_the_lines_net)
{
	static const struct {
		int64_t price, quantity, discount, amount;
		enum outcome reason;
	} rows[] = {
		{10000, 3, 0, 15000, OUTCOME_NONE},
		{5000, 1, 0, 5000, OUTCOME_NONE},
		{4999, 1, 0, 4999, OUTCOME_CAPPED_LINE},
		{10000, 1, 10000, 0, OUTCOME_CAPPED_LINE}, /* discounted to nothing */
		{0, 1000000, 0, 0, OUTCOME_CAPPED_LINE},
	};
	struct rule rule = percent(RULE_NO_RATE);
	rule.fixed_unit_minor = 5000;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		terms.line_count = 0;
		add_line(rows[i].price, rows[i].quantity, rows[i].discount, ORDER_NO_TAX);
		ck_assert_int_eq(total(&rule), rows[i].amount);
		ck_assert_int_eq(priced[0].reason, rows[i].reason);
	}
}
END_TEST

START_TEST(percent_and_fixed_add_up)
{
	struct rule rule = percent(1000);
	rule.fixed_unit_minor = 50;
	add_line(1000, 2, 0, ORDER_NO_TAX);
	ck_assert_int_eq(total(&rule), 200 + 100);
	rule.fixed_unit_minor = 0;
	ck_assert_int_eq(total(&rule), 200);
	ck_assert_int_eq(priced[0].reason, OUTCOME_NONE);
}
END_TEST

START_TEST(no_rule_is_a_zero_with_its_reason)
{
	struct price_line line = {
		.base_minor = 100, .amount_minor = 7, .reason = OUTCOME_NO_RULE_FOR_CURRENCY};
	int64_t full;
	ck_assert(price_order(&line, 1, &full));
	ck_assert_int_eq(line.amount_minor, 0);
	ck_assert_int_eq(line.reason, OUTCOME_NO_RULE_FOR_CURRENCY);
	ck_assert_ptr_null(line.rule);
}
END_TEST

START_TEST(numbers_end_where_int64_ends)
{
	const struct rule all = percent(10000);
	add_line(INT64_MAX, 1, 0, ORDER_NO_TAX);
	ck_assert_int_eq(total(&all), INT64_MAX);
	add_line(1, 1, 0, ORDER_NO_TAX);
	ck_assert(!bases());
	terms.line_count = 1;
	lines[0].quantity = 2;
	ck_assert(!bases());
	lines[0] = (struct order_line){.quantity = 2, .unit_price_minor = 10, .discount_minor = 21};
	ck_assert(!bases());
	struct rule both = percent(10000);
	both.fixed_unit_minor = INT64_MAX;
	struct price_line line = {.base_minor = INT64_MAX, .quantity_left = 1, .rule = &both};
	int64_t full;
	ck_assert(!price_order(&line, 1, &full));
	both.rate_bp = RULE_NO_RATE;
	line.quantity_left = 1000000;
	ck_assert(price_order(&line, 1, &full));
	ck_assert_int_eq(line.amount_minor, INT64_MAX);
	ck_assert_int_eq(line.reason, OUTCOME_CAPPED_LINE);
}
END_TEST

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

int main(void)
{
	Suite *suite = suite_create("price");
	TCase *tcase = tcase_create("price");
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, worked_percentages_round_half_up);
	tcase_add_test(tcase, each_line_rounds_by_itself);
	tcase_add_test(tcase, line_discounts_come_off_the_base);
	tcase_add_test(tcase, tax_inclusive_lines_are_priced_net_after_the_discount);
	tcase_add_test(tcase, tax_is_each_lines_own_and_ignored_when_prices_are_net);
	tcase_add_test(tcase, order_discounts_spread_by_largest_remainder);
	tcase_add_test(tcase, lines_that_cost_nothing_take_no_discount);
	tcase_add_test(tcase, a_fixed_amount_is_per_unit_and_capped_at_the_lines_net);
	tcase_add_test(tcase, percent_and_fixed_add_up);
	tcase_add_test(tcase, no_rule_is_a_zero_with_its_reason);
	tcase_add_test(tcase, numbers_end_where_int64_ends);
	tcase_add_test(tcase, the_most_specific_rule_wins);
	tcase_add_test(tcase, rules_of_others_do_not_match);
	tcase_add_test(tcase, a_rule_holds_from_its_start_to_before_its_end);
	tcase_add_test(tcase, a_level_is_settled_by_priority_then_start_then_id);
	tcase_add_test(tcase, fixed_amounts_match_their_currency_only);
	tcase_add_test(tcase, levels_have_words_that_read_back);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
