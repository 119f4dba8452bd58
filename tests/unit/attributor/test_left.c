/* SPDX-License-Identifier: Apache-2.0
 * What refunds, returns and shortfall leave of an order's lines. */
#include "left.h"

#include <stdlib.h>
#include <string.h>

#include "../common/suite.h"

#define EVENTS 6
#define LINES  3
#define ALL    (-1) /* no figure */

static struct event events[EVENTS];
static struct order_line lines[EVENTS][LINES];
static const struct event *order[EVENTS];
static unsigned count;
static struct folded folded;
static struct left_line left[ORDER_LINES_MAX];
static struct left_result result;

static struct event *add(enum event_type type)
{
	struct event *const event = &events[count];
	*event = (struct event){.type = type,
		.occurred_us = 100 + count,
		.received_us = 1000,
		.digits = 2,
		.tax_bp = ORDER_NO_TAX,
		.lines = lines[count]};
	order[count++] = event;
	return event;
}

/* A line of what was bought. */
static void buy(struct event *event, const char *id, int64_t quantity, int64_t unit_minor)
{
	event->lines[event->line_count++] = (struct order_line){
		.line_id = str_from(id), .quantity = quantity, .unit_price_minor = unit_minor};
}

/* A line of what became of it: quantity ALL, amount "" where not told. */
static void name(struct event *event, const char *id, int64_t quantity, const char *amount)
{
	struct order_line *const line = &event->lines[event->line_count++];
	const struct order_figure figure = {
		.has_value = quantity != ALL, .value = quantity != ALL ? quantity : 0};
	*line = (struct order_line){.line_id = str_from(id), .refunded_amount = str_from(amount)};
	if (event->type == EVENT_COLLECTED)
		line->collected_quantity = figure;
	else
		line->refunded_quantity = figure;
}

/* Two lines: "a" 3 x 100.00, "b" 1 x 50.00. */
static void setup_order(void)
{
	count = 0;
	struct event *const confirmed = add(EVENT_CONFIRMED);
	buy(confirmed, "a", 3, 10000);
	buy(confirmed, "b", 1, 5000);
}

static enum left_status reckon(void)
{
	fold_order(order, count, &folded);
	return left_lines(order, count, &folded, folded.terms, left, &result);
}

static void assert_left(int64_t a_minor, int64_t a_quantity, int64_t b_minor, int64_t b_quantity)
{
	ck_assert_int_eq(reckon(), LEFT_OK);
	ck_assert_int_eq(left[0].left_minor, a_minor);
	ck_assert_int_eq(left[0].quantity_left, a_quantity);
	ck_assert_int_eq(left[1].left_minor, b_minor);
	ck_assert_int_eq(left[1].quantity_left, b_quantity);
	ck_assert_int_eq(result.is_nothing_left,
		a_minor == 0 && (a_quantity == 0 || left[0].discounted_minor > 0) && b_minor == 0 &&
			(b_quantity == 0 || left[1].discounted_minor > 0));
}

START_TEST(nothing_taken_leaves_the_whole)
{
	setup_order();
	assert_left(30000, 3, 5000, 1);
	ck_assert(!result.is_over_refunded);
	add(EVENT_COLLECTED);
	assert_left(30000, 3, 5000, 1);
}
END_TEST

START_TEST(discounts_come_off_before_anything)
{
	setup_order();
	lines[0][0].discount_minor = 3000;
	events[0].discount_minor = 3200;
	ck_assert_int_eq(left_whole(&events[0], left), LEFT_OK);
	ck_assert_int_eq(left[0].discounted_minor, 27000 - 2700);
	ck_assert_int_eq(left[1].discounted_minor, 5000 - 500);
	ck_assert_int_eq(left[1].left_minor, 4500);
	events[0].discount_minor = 32001;
	ck_assert_int_eq(left_whole(&events[0], left), LEFT_OVERFLOW);
	events[0].discount_minor = 0;
	lines[0][0].discount_minor = 30001;
	ck_assert_int_eq(left_whole(&events[0], left), LEFT_OVERFLOW);
	lines[0][0] = (struct order_line){.quantity = 2, .unit_price_minor = INT64_MAX / 2 + 1};
	ck_assert_int_eq(left_whole(&events[0], left), LEFT_OVERFLOW);
	lines[0][0] = (struct order_line){.quantity = 1, .unit_price_minor = INT64_MAX - 4999};
	ck_assert_int_eq(left_whole(&events[0], left), LEFT_OVERFLOW);
	lines[0][0].unit_price_minor--;
	ck_assert_int_eq(left_whole(&events[0], left), LEFT_OK);
}
END_TEST

/* 3 x 100.00, line discount 30.00, one unit returned by quantity: base 180.00. */
START_TEST(a_quantity_alone_takes_its_part_of_the_discounted_line)
{
	setup_order();
	lines[0][0].discount_minor = 3000;
	name(add(EVENT_RETURNED), "a", 1, "");
	assert_left(18000, 2, 5000, 1);
}
END_TEST

/* Tax 14 % included, lines 114.00 and 57.00, order discount 17.10; 25.65 of line 2 refunded. */
START_TEST(an_amount_is_in_the_terms_of_the_unit_price)
{
	count = 0;
	struct event *const confirmed = add(EVENT_CONFIRMED);
	buy(confirmed, "1", 1, 11400);
	buy(confirmed, "2", 1, 5700);
	confirmed->discount_minor = 1710;
	name(add(EVENT_REFUNDED), "2", ALL, "25.65");
	assert_left(10260, 1, 2565, 1);
}
END_TEST

START_TEST(an_amount_without_a_quantity_takes_units_only_when_it_reaches_the_line)
{
	static const struct {
		const char *amount;
		int64_t left_minor, quantity_left;
		bool is_over;
	} rows[] = {{"0", 30000, 3, false}, {"0.01", 29999, 3, false}, {"299.99", 1, 3, false},
		{"300.00", 0, 0, false}, {"300.01", 0, 0, true},
		{"92233720368547758.07", 0, 0, true}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup_order();
		name(add(EVENT_REFUNDED), "a", ALL, rows[i].amount);
		assert_left(rows[i].left_minor, rows[i].quantity_left, 5000, 1);
		ck_assert_int_eq(result.is_over_refunded, rows[i].is_over);
	}
}
END_TEST

START_TEST(quantities_are_clamped_at_the_line)
{
	static const struct {
		int64_t quantity, left_minor, quantity_left;
		bool is_over;
	} rows[] = {{ALL, 30000, 3, false}, {0, 30000, 3, false}, {2, 10000, 1, false},
		{3, 0, 0, false}, {4, 0, 0, true}, {ORDER_QUANTITY_MAX, 0, 0, true}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup_order();
		name(add(EVENT_RETURNED), "a", rows[i].quantity, "");
		assert_left(rows[i].left_minor, rows[i].quantity_left, 5000, 1);
		ck_assert_int_eq(result.is_over_refunded, rows[i].is_over);
	}
}
END_TEST

START_TEST(quantity_and_amount_are_both_taken_at_their_word)
{
	setup_order();
	name(add(EVENT_REFUNDED), "a", 2, "12.50");
	assert_left(28750, 1, 5000, 1);
}
END_TEST

START_TEST(the_last_figures_of_a_stream_replace_those_before)
{
	setup_order();
	name(add(EVENT_RETURNED), "a", 2, "");
	struct event *const second = add(EVENT_RETURNED);
	name(second, "a", 1, "");
	name(second, "b", 1, "");
	assert_left(20000, 2, 0, 0);
	name(add(EVENT_RETURNED), "b", 0, "");
	assert_left(20000, 2, 5000, 1);
}
END_TEST

START_TEST(of_two_streams_the_greater_amount_counts_then_the_quantity)
{
	setup_order();
	name(add(EVENT_REFUNDED), "a", ALL, "100.00");
	name(add(EVENT_RETURNED), "a", 1, "");
	assert_left(20000, 2, 5000, 1); /* 100.00 each: one unit */
	lines[1][0].refunded_amount = STR("150.00");
	assert_left(15000, 3, 5000, 1);
	lines[2][0].refunded_quantity.value = 2;
	assert_left(10000, 1, 5000, 1);
}
END_TEST

START_TEST(three_partial_returns_above_the_order_are_clamped_and_flagged)
{
	setup_order();
	for (int64_t i = 1; i <= 3; i++)
		name(add(EVENT_RETURNED), "a", i + 1, "");
	assert_left(0, 0, 5000, 1);
	ck_assert(result.is_over_refunded);
}
END_TEST

START_TEST(no_lines_and_no_amount_take_the_whole_order)
{
	static const enum event_type types[] = {EVENT_REFUNDED, EVENT_RETURNED};
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		setup_order();
		name(add(types[i]), "a", 1, "");
		add(types[i]);
		assert_left(0, 0, 0, 0);
		ck_assert(!result.is_over_refunded);
	}
	name(add(EVENT_RETURNED), "b", 0, ""); /* b is told again, a is not */
	assert_left(0, 0, 5000, 1);
}
END_TEST

START_TEST(lines_that_the_terms_do_not_have_count_for_nothing)
{
	setup_order();
	name(add(EVENT_RETURNED), "gone", 5, "");
	name(add(EVENT_COLLECTED), "gone", 1, "");
	assert_left(0, 0, 0, 0); /* nothing of a and b was collected */
	ck_assert(!result.is_over_refunded);
}
END_TEST

/* 300.00 + 50.00 sent, only the first collected. */
START_TEST(what_is_not_collected_is_taken_off)
{
	setup_order();
	name(add(EVENT_COLLECTED), "a", ALL, "");
	assert_left(30000, 3, 0, 0);
	name(add(EVENT_COLLECTED), "b", 1, "");
	assert_left(30000, 3, 5000, 1); /* cumulative: a stays as it was told */
	name(add(EVENT_COLLECTED), "a", 1, "");
	assert_left(10000, 1, 5000, 1);
	add(EVENT_COLLECTED);
	assert_left(30000, 3, 5000, 1);
	name(add(EVENT_COLLECTED), "a", 2, "");
	assert_left(20000, 2, 5000, 1); /* b was collected with the whole */
}
END_TEST

START_TEST(more_collected_than_sent_is_all_of_it)
{
	setup_order();
	name(add(EVENT_COLLECTED), "a", 4, "");
	name(&events[1], "b", 0, "");
	assert_left(30000, 3, 0, 0);
}
END_TEST

START_TEST(shortfall_and_refund_add_up_and_are_clamped_together)
{
	static const struct {
		int64_t collected, quantity;
		const char *amount;
		int64_t left_minor, quantity_left;
		bool is_over;
	} rows[] = {
		{2, 1, "", 10000, 1, false},
		{2, 2, "", 0, 0, false},
		{2, 3, "", 0, 0, true},
		{2, ALL, "200.00", 0, 2, false},
		{2, ALL, "200.01", 0, 2, true},
		{0, ALL, "0.01", 0, 0, true},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup_order();
		struct event *const collected = add(EVENT_COLLECTED);
		name(collected, "a", rows[i].collected, "");
		name(collected, "b", ALL, "");
		name(add(EVENT_REFUNDED), "a", rows[i].quantity, rows[i].amount);
		assert_left(rows[i].left_minor, rows[i].quantity_left, 5000, 1);
		ck_assert_int_eq(result.is_over_refunded, rows[i].is_over);
	}
}
END_TEST

/* 3 for 100.00: 33.33 and 66.67, either way nothing remains and nobody erred. */
START_TEST(rounding_is_no_overrefund)
{
	for (int64_t collected = 0; collected <= 3; collected++) {
		setup_order();
		lines[0][0].discount_minor = 20000;
		struct event *const event = add(EVENT_COLLECTED);
		name(event, "a", collected, "");
		name(event, "b", ALL, "");
		name(add(EVENT_RETURNED), "a", collected, "");
		assert_left(0, 0, 5000, 1);
		ck_assert(!result.is_over_refunded);
	}
	setup_order();
	lines[0][0].discount_minor = 20000;
	name(add(EVENT_COLLECTED), "a", 1, "");
	name(add(EVENT_REFUNDED), "a", ALL, "33.34");
	assert_left(0, 1, 0, 0);
	ck_assert(!result.is_over_refunded);
	lines[2][0].refunded_amount = STR("33.35");
	assert_left(0, 1, 0, 0);
	ck_assert(result.is_over_refunded);
}
END_TEST

START_TEST(an_amount_of_the_order_is_spread_over_what_is_left)
{
	setup_order();
	struct event *const refunded = add(EVENT_REFUNDED);
	refunded->refunded_amount = STR("70.00");
	assert_left(24000, 3, 4000, 1);
	name(add(EVENT_RETURNED), "a", 2, ""); /* left 100.00 and 50.00 before the 70.00 */
	assert_left(10000 - 4667, 1, 5000 - 2333, 1);
	ck_assert(!result.is_over_refunded);
	refunded->refunded_amount = STR("150.00");
	assert_left(0, 0, 0, 0);
	ck_assert(!result.is_over_refunded);
	refunded->refunded_amount = STR("150.01");
	assert_left(0, 0, 0, 0);
	ck_assert(result.is_over_refunded);
}
END_TEST

START_TEST(amounts_of_the_order_are_cumulative_in_two_streams)
{
	setup_order();
	add(EVENT_REFUNDED)->refunded_amount = STR("70.00");
	add(EVENT_REFUNDED)->refunded_amount = STR("35.00");
	assert_left(27000, 3, 4500, 1);
	add(EVENT_RETURNED)->refunded_amount = STR("70.00");
	assert_left(24000, 3, 4000, 1);
	add(EVENT_RETURNED); /* the whole */
	assert_left(0, 0, 0, 0);
}
END_TEST

START_TEST(the_whole_replaces_an_amount_of_the_order)
{
	setup_order();
	add(EVENT_REFUNDED)->refunded_amount = STR("70.00");
	add(EVENT_REFUNDED);
	assert_left(0, 0, 0, 0);
	ck_assert(!result.is_over_refunded);
}
END_TEST

START_TEST(a_reinstatement_undoes_returns_and_keeps_refunds)
{
	setup_order();
	name(add(EVENT_RETURNED), "a", 2, "");
	name(add(EVENT_REFUNDED), "b", ALL, "10.00");
	add(EVENT_REINSTATED);
	assert_left(30000, 3, 4000, 1);
	name(add(EVENT_RETURNED), "a", 1, "");
	assert_left(20000, 2, 4000, 1);
}
END_TEST

START_TEST(a_confirmation_that_brings_back_undoes_shortfall)
{
	setup_order();
	name(add(EVENT_COLLECTED), "a", 1, "");
	assert_left(10000, 1, 0, 0);
	add(EVENT_CANCELLED);
	struct event *const again = add(EVENT_CONFIRMED);
	buy(again, "a", 3, 10000);
	buy(again, "b", 1, 5000);
	assert_left(30000, 3, 5000, 1);
}
END_TEST

START_TEST(an_amendment_brings_its_own_lines)
{
	setup_order();
	name(add(EVENT_RETURNED), "a", 1, "");
	struct event *const amended = add(EVENT_AMENDED);
	buy(amended, "c", 2, 1000);
	buy(amended, "a", 2, 10000);
	assert_left(2000, 2, 10000, 1);
	amended->lines[1].quantity = 1; /* fewer than were returned before */
	assert_left(2000, 2, 0, 0);
	ck_assert(!result.is_over_refunded);
}
END_TEST

START_TEST(a_free_line_has_units_left_until_they_are_returned)
{
	setup_order();
	lines[0][1].unit_price_minor = 0;
	name(add(EVENT_RETURNED), "a", 3, "");
	assert_left(0, 0, 0, 1);
	name(&events[1], "b", 1, "");
	assert_left(0, 0, 0, 0);
	setup_order(); /* but an amount that takes all that the order has takes them too */
	lines[0][1].unit_price_minor = 0;
	add(EVENT_REFUNDED)->refunded_amount = STR("300.00");
	assert_left(0, 0, 0, 0);
}
END_TEST

START_TEST(amounts_too_precise_for_the_currency_are_read_half_up)
{
	static const struct {
		const char *text;
		unsigned digits;
		int64_t taken_minor;
	} rows[] = {{"1.004", 2, 100}, {"1.005", 2, 101}, {"1.005", 3, 1005}, {"1.4", 0, 1},
		{"1.5", 0, 2}, {"1.499", 0, 1}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		setup_order();
		events[0].digits = rows[i].digits;
		name(add(EVENT_REFUNDED), "a", ALL, rows[i].text);
		assert_left(30000 - rows[i].taken_minor, 3, 5000, 1);
		ck_assert_int_eq(left_check_amounts(&events[1], rows[i].digits),
			rows[i].digits == 3 ? LEFT_OK : LEFT_BAD_AMOUNT);
	}
}
END_TEST

START_TEST(amounts_of_an_event_are_checked_against_the_currency)
{
	setup_order();
	struct event *const event = add(EVENT_REFUNDED);
	ck_assert_int_eq(left_check_amounts(event, 2), LEFT_OK);
	event->refunded_amount = STR("1.005");
	ck_assert_int_eq(left_check_amounts(event, 2), LEFT_BAD_AMOUNT);
	event->refunded_amount = STR("92233720368547758.07");
	ck_assert_int_eq(left_check_amounts(event, 2), LEFT_OK);
	ck_assert_int_eq(left_check_amounts(event, 3), LEFT_OVERFLOW);
}
END_TEST

START_TEST(the_largest_order_is_reckoned)
{
	static struct order_line many[ORDER_LINES_MAX];
	static char ids[ORDER_LINES_MAX][8];
	setup_order();
	for (unsigned i = 0; i < ORDER_LINES_MAX; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%u", i);
		many[i] = (struct order_line){
			.line_id = str_from(ids[i]), .quantity = 1, .unit_price_minor = 100};
	}
	events[0].lines = many;
	events[0].line_count = ORDER_LINES_MAX;
	name(add(EVENT_RETURNED), "499", 1, "");
	name(&events[1], "7", 1, "");
	ck_assert_int_eq(reckon(), LEFT_OK);
	for (unsigned i = 0; i < ORDER_LINES_MAX; i++)
		ck_assert_int_eq(left[i].left_minor, i == 7 || i == 499 ? 0 : 100);
	events[0].line_count = ORDER_LINES_MAX + 1;
	ck_assert_int_eq(reckon(), LEFT_OVERFLOW);
}
END_TEST

START_TEST(a_total_that_does_not_add_up_is_told)
{
	setup_order();
	struct event *const terms = &events[0];
	terms->discount_minor = 1000;
	ck_assert_int_eq(left_whole(terms, left), LEFT_OK);
	ck_assert(!left_is_total_wrong(terms, left)); /* none given */
	terms->total = STR("340.00");
	ck_assert(!left_is_total_wrong(terms, left));
	terms->shipping = STR("50.00");
	terms->cod_fee = STR("10");
	ck_assert(left_is_total_wrong(terms, left));
	terms->total = STR("400");
	ck_assert(!left_is_total_wrong(terms, left));
	terms->tax = STR("47.60");
	ck_assert(left_is_total_wrong(terms, left));
	terms->prices_include_tax = true;
	ck_assert(!left_is_total_wrong(terms, left));
	terms->total = STR("400.01");
	ck_assert(left_is_total_wrong(terms, left));
	terms->shipping = STR("92233720368547758.07");
	ck_assert(left_is_total_wrong(terms, left));
}
END_TEST

SUITE_MAIN("left", nothing_taken_leaves_the_whole, discounts_come_off_before_anything,
	a_quantity_alone_takes_its_part_of_the_discounted_line,
	an_amount_is_in_the_terms_of_the_unit_price,
	an_amount_without_a_quantity_takes_units_only_when_it_reaches_the_line,
	quantities_are_clamped_at_the_line, quantity_and_amount_are_both_taken_at_their_word,
	the_last_figures_of_a_stream_replace_those_before,
	of_two_streams_the_greater_amount_counts_then_the_quantity,
	three_partial_returns_above_the_order_are_clamped_and_flagged,
	no_lines_and_no_amount_take_the_whole_order,
	lines_that_the_terms_do_not_have_count_for_nothing, what_is_not_collected_is_taken_off,
	more_collected_than_sent_is_all_of_it, shortfall_and_refund_add_up_and_are_clamped_together,
	rounding_is_no_overrefund, an_amount_of_the_order_is_spread_over_what_is_left,
	amounts_of_the_order_are_cumulative_in_two_streams,
	the_whole_replaces_an_amount_of_the_order, a_reinstatement_undoes_returns_and_keeps_refunds,
	a_confirmation_that_brings_back_undoes_shortfall, an_amendment_brings_its_own_lines,
	a_free_line_has_units_left_until_they_are_returned,
	amounts_too_precise_for_the_currency_are_read_half_up,
	amounts_of_an_event_are_checked_against_the_currency, the_largest_order_is_reckoned,
	a_total_that_does_not_add_up_is_told)
