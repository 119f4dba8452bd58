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

START_TEST(what_is_left_is_priced_not_what_was_bought)
{
	const struct rule rule = percent(1000);
	struct left_line left = {
		.discounted_minor = 27000, .left_minor = 18000, .quantity_left = 2};
	int64_t full;
	add_line(10000, 3, 3000, ORDER_NO_TAX);
	ck_assert(price_bases(&terms, &left, priced)); /* one of three units came back */
	priced[0].rule = &rule;
	ck_assert(price_order(priced, 1, &full));
	ck_assert_int_eq(full, 1800);
	left = (struct left_line){.discounted_minor = 27000};
	ck_assert(price_bases(&terms, &left, priced));
	priced[0].rule = &rule;
	ck_assert(price_order(priced, 1, &full));
	ck_assert_int_eq(full, 0);
	ck_assert_int_eq(priced[0].reason, OUTCOME_RETURNED);
}
END_TEST

START_TEST(a_refund_with_tax_comes_off_before_the_tax)
{
	const struct rule rule = percent(1000);
	const struct left_line left[] = {{10260, 10260, 1}, {5130, 2565, 1}};
	int64_t full;
	add_line(11400, 1, 0, 1400);
	add_line(5700, 1, 0, 1400);
	terms.prices_include_tax = true;
	ck_assert(price_bases(&terms, left, priced));
	priced[0].rule = priced[1].rule = &rule;
	ck_assert(price_order(priced, 2, &full));
	ck_assert_int_eq(priced[1].base_minor, 2250);
	ck_assert_int_eq(priced[1].amount_minor, 225);
	ck_assert_int_eq(full, 1125);
}
END_TEST

/* Lines of what is left, under one rule. */
static int64_t price(const struct rule *rule, unsigned count)
{
	int64_t full;
	for (unsigned i = 0; i < count; i++)
		priced[i].rule = rule;
	ck_assert(price_order(priced, count, &full));
	return full;
}

static void leave(unsigned index, int64_t left_minor, int64_t quantity_left)
{
	priced[index] = (struct price_line){.discounted_minor = left_minor,
		.left_minor = left_minor,
		.base_minor = left_minor,
		.quantity_left = quantity_left};
}

START_TEST(a_fixed_amount_of_the_order_stays_until_nothing_is_left)
{
	struct rule rule = percent(RULE_NO_RATE);
	rule.fixed_order_minor = 5000;
	leave(0, 100, 0);
	leave(1, 100, 1);
	leave(2, 100, 3);
	ck_assert_int_eq(price(&rule, 3), 5000);
	ck_assert_int_eq(priced[0].amount_minor, 0);
	ck_assert_int_eq(priced[1].amount_minor, 5000); /* above its net: it is the order's */
	ck_assert_int_eq(priced[2].amount_minor, 0);
	ck_assert_int_eq(priced[2].reason, OUTCOME_NONE);
	priced[1].quantity_left = 0;
	ck_assert_int_eq(price(&rule, 3), 5000);
	ck_assert_int_eq(priced[2].amount_minor, 5000);
	priced[2].quantity_left = 0;
	ck_assert_int_eq(price(&rule, 3), 0);
	rule.rate_bp = 1000;
	rule.fixed_unit_minor = 5;
	ck_assert_int_eq(price(&rule, 3), 30);
	priced[2].quantity_left = 2;
	ck_assert_int_eq(price(&rule, 3), 30 + 10 + 5000);
}
END_TEST

START_TEST(two_rules_of_an_order_have_a_fixed_amount_each)
{
	struct rule one = percent(RULE_NO_RATE), other = percent(RULE_NO_RATE);
	int64_t full;
	one.fixed_order_minor = 5000;
	other.rule_id = 2;
	other.fixed_order_minor = 7;
	for (unsigned i = 0; i < 4; i++) {
		leave(i, 100, 1);
		priced[i].rule = i % 2 == 0 ? &one : &other;
	}
	ck_assert(price_order(priced, 4, &full));
	ck_assert_int_eq(full, 5007);
	ck_assert_int_eq(priced[1].amount_minor, 7);
}
END_TEST

START_TEST(a_line_earns_no_more_than_its_cap)
{
	static const struct {
		int64_t cap, amount;
		enum outcome reason;
	} rows[] = {
		{RULE_NO_CAP, 1000, OUTCOME_NONE},
		{1001, 1000, OUTCOME_NONE},
		{1000, 1000, OUTCOME_NONE},
		{999, 999, OUTCOME_CAPPED_LINE},
		{0, 0, OUTCOME_CAPPED_LINE},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rule rule = percent(500);
		rule.fixed_unit_minor = 500;
		rule.cap_line_minor = rows[i].cap;
		leave(0, 10000, 1);
		ck_assert_int_eq(price(&rule, 1), rows[i].amount);
		ck_assert_int_eq(priced[0].reason, rows[i].reason);
	}
}
END_TEST

START_TEST(an_order_earns_no_more_than_its_cap_spread_over_its_lines)
{
	struct rule rule = percent(1000);
	rule.cap_line_minor = 100;
	rule.cap_order_minor = 250;
	rule.fixed_order_minor = 50;
	leave(0, 1000, 1);
	leave(1, 1000, 1);
	ck_assert_int_eq(price(&rule, 2), 250);
	ck_assert_int_eq(priced[0].reason, OUTCOME_NONE);
	leave(2, 2000, 1); /* 150 + 100 + 100: a hundred goes, in proportion */
	leave(3, 0, 1);
	ck_assert_int_eq(price(&rule, 4), 250);
	ck_assert_int_eq(priced[0].amount_minor, 107);
	ck_assert_int_eq(priced[1].amount_minor, 72); /* 71.43 each: the tie to the lower index */
	ck_assert_int_eq(priced[2].amount_minor, 71);
	ck_assert_int_eq(priced[0].reason, OUTCOME_CAPPED_ORDER);
	ck_assert_int_eq(priced[2].reason, OUTCOME_CAPPED_ORDER);
	ck_assert_int_eq(priced[3].reason, OUTCOME_ROUNDS_TO_ZERO);
	rule.cap_order_minor = 0;
	ck_assert_int_eq(price(&rule, 4), 0);
	ck_assert_int_eq(priced[1].reason, OUTCOME_CAPPED_ORDER);
}
END_TEST

START_TEST(a_cap_takes_from_its_own_rule_only)
{
	struct rule capped = percent(1000), free_of_it = percent(1000);
	int64_t full;
	capped.cap_order_minor = 10;
	free_of_it.rule_id = 2;
	leave(0, 1000, 1);
	leave(1, 1000, 1);
	priced[0].rule = &capped;
	priced[1].rule = &free_of_it;
	ck_assert(price_order(priced, 2, &full));
	ck_assert_int_eq(full, 110);
	ck_assert_int_eq(priced[1].reason, OUTCOME_NONE);
}
END_TEST

START_TEST(tiers_add_to_percentages_and_stand_in_for_the_stores_own)
{
	struct rule rule = percent(1000);
	ck_assert_int_eq(rule_rate_bp(&rule), 1000);
	rule.tier_bonus_bp = 150;
	ck_assert_int_eq(rule_rate_bp(&rule), 1150);
	leave(0, 10000, 1);
	ck_assert_int_eq(price(&rule, 1), 1150);
	rule.tier_bonus_bp = 9001;
	ck_assert_int_eq(rule_rate_bp(&rule), MONEY_BP_MAX);
	rule.tier_bonus_bp = 0;
	rule.tier_rate_bp = 700; /* also when it is less */
	ck_assert_int_eq(rule_rate_bp(&rule), 700);
	rule.tier_rate_bp = 0;
	ck_assert_int_eq(rule_rate_bp(&rule), 0);
	rule.level = RULE_PRODUCT;
	ck_assert_int_eq(rule_rate_bp(&rule), 1000);
	rule = rule_empty();
	rule.tier_rate_bp = 700;
	rule.tier_bonus_bp = 100;
	ck_assert_int_eq(rule_rate_bp(&rule), RULE_NO_RATE);
}
END_TEST

START_TEST(shares_of_an_amount_add_up_to_it)
{
	static const struct {
		int64_t full;
		unsigned n;
		int64_t parts[4];
	} rows[] = {
		{1000, 3, {334, 333, 333}},
		{500, 3, {167, 167, 166}},
		{2, 3, {1, 1, 0}},
		{0, 2, {0, 0}},
		{7, 1, {7}},
		{INT64_MAX, 2, {INT64_MAX / 2 + 1, INT64_MAX / 2}},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned place = 0; place < rows[i].n; place++)
			ck_assert_int_eq(
				price_share(rows[i].full, rows[i].n, place), rows[i].parts[place]);
}
END_TEST

START_TEST(sums_of_caps_and_fixed_amounts_end_where_int64_ends)
{
	struct rule rule = percent(RULE_NO_RATE);
	int64_t full;
	rule.fixed_order_minor = INT64_MAX;
	leave(0, 0, 1);
	ck_assert_int_eq(price(&rule, 1), INT64_MAX);
	rule.rate_bp = 10000;
	leave(0, 1, 1);
	priced[0].rule = &rule;
	ck_assert(!price_order(priced, 1, &full));
	rule.fixed_order_minor = RULE_NO_FIXED;
	rule.cap_order_minor = 5;
	leave(0, INT64_MAX, 1);
	leave(1, INT64_MAX, 1);
	priced[0].rule = priced[1].rule = &rule;
	ck_assert(!price_order(priced, 2, &full));
	ck_assert(!price_cap(priced, ORDER_LINES_MAX + 1, 1, 5, OUTCOME_CAPPED_ORDER));
	terms.line_count = ORDER_LINES_MAX + 1;
	ck_assert(!price_bases(&terms, NULL, priced));
}
END_TEST

static void add_more_tests(TCase *tcase)
{
	tcase_add_test(tcase, what_is_left_is_priced_not_what_was_bought);
	tcase_add_test(tcase, a_refund_with_tax_comes_off_before_the_tax);
	tcase_add_test(tcase, a_fixed_amount_of_the_order_stays_until_nothing_is_left);
	tcase_add_test(tcase, two_rules_of_an_order_have_a_fixed_amount_each);
	tcase_add_test(tcase, a_line_earns_no_more_than_its_cap);
	tcase_add_test(tcase, an_order_earns_no_more_than_its_cap_spread_over_its_lines);
	tcase_add_test(tcase, a_cap_takes_from_its_own_rule_only);
	tcase_add_test(tcase, tiers_add_to_percentages_and_stand_in_for_the_stores_own);
	tcase_add_test(tcase, shares_of_an_amount_add_up_to_it);
	tcase_add_test(tcase, sums_of_caps_and_fixed_amounts_end_where_int64_ends);
}

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
	add_more_tests(tcase);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
