/* SPDX-License-Identifier: Apache-2.0
 * How much an order's events come to: the worked lines of the money rules over whole histories,
 * shares, tiers, caps by period and what was confirmed. */
#include "decide.h"

#include "../common/suite.h"
#include "decide_order.h"

#define NOTHING "" /* no figure */

static struct decision decision;
static struct rule own_rules[3];

static enum decide_status decide(unsigned count)
{
	decision_release(&decision);
	return decide_order(&known, given, count, &decision);
}

/* One rule of the store: 10 %. */
static void ten_percent(void)
{
	own_rules[0] = rule_empty();
	own_rules[0].rule_id = 1;
	own_rules[0].rate_bp = 1000;
	known.rules = own_rules;
	known.rule_count = 1;
}

/* A confirmed order with a click of affiliate 1, and no lines yet. */
static void confirm(void)
{
	order_setup();
	ten_percent();
	add_click(set(0, EVENT_CONFIRMED, 0, "a"), 1, 10, -60)->evidence = CLICK_RECORD_AGREES;
	events[0].line_count = 0;
}

static struct order_line *buy(unsigned index, const char *id, int64_t quantity, int64_t unit_minor)
{
	struct order_line *const line = &lines[index][events[index].line_count++];
	*line = (struct order_line){.line_id = str_from(id),
		.product_id = STR("SKU"),
		.quantity = quantity,
		.unit_price_minor = unit_minor,
		.tax_bp = ORDER_NO_TAX};
	return line;
}

/* What became of it later, for all lines unless some are named after this. */
static void later(unsigned index, enum event_type type)
{
	static const char *const ids[EVENTS] = {"a", "b", "c", "d", "e"};
	set(index, type, 60 * (int64_t)index, ids[index])->line_count = 0;
	events[index].currency[0] = '\0';
}

static void name(unsigned index, const char *id, int64_t quantity, const char *amount)
{
	struct order_line *const line = &lines[index][events[index].line_count++];
	const struct order_figure figure = {.has_value = quantity >= 0, .value = quantity};
	*line = (struct order_line){.line_id = str_from(id), .refunded_amount = str_from(amount)};
	if (events[index].type == EVENT_COLLECTED)
		line->collected_quantity = figure;
	else
		line->refunded_quantity = figure;
}

static const struct decide_share *share_of(unsigned count, unsigned place)
{
	ck_assert_int_eq(decide(count), DECIDE_OK);
	ck_assert_uint_lt(place, decision.share_count);
	return &decision.shares[place];
}

static int64_t amount(unsigned count)
{
	return share_of(count, 0)->amount_minor;
}

START_TEST(confirmed_then_refused)
{
	confirm();
	own_rules[0].rate_bp = 750;
	buy(0, "1", 1, 90900);
	ck_assert_int_eq(amount(1), 6818);
	ck_assert(!decision.shares[0].is_void);
	ck_assert_int_eq(decision.evidence, EVIDENCE_RECORD);
	later(1, EVENT_REFUSED);
	ck_assert_int_eq(amount(2), 0);
	ck_assert(decision.shares[0].is_void);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_REFUSED);
	ck_assert_int_eq(decision.shares[0].confirmed_minor, 6818);
	ck_assert_int_eq(decision.result, DECISION_ATTRIBUTED);
}
END_TEST

START_TEST(a_click_of_day_0_wins_an_order_of_day_29_that_arrives_on_day_45)
{
	confirm();
	events[0].click_count = 0;
	add_click(&events[0], 1, 10, -29 * 86400);
	events[0].occurred_us += INT64_C(16) * 86400 * US_PER_S;
	events[0].received_us = events[0].occurred_us;
	buy(0, "1", 1, 10000);
	ck_assert_int_eq(amount(1), 1000);
}
END_TEST

START_TEST(each_line_rounds_by_itself_in_any_currency)
{
	confirm();
	buy(0, "1", 1, 15);
	buy(0, "2", 1, 15);
	ck_assert_int_eq(amount(1), 4);
	events[0].line_count = 0;
	own_rules[0].rate_bp = 333;
	memcpy(events[0].currency, "KWD", 4);
	events[0].digits = 3;
	buy(0, "1", 1, 12345);
	ck_assert_int_eq(amount(1), 411);
}
END_TEST

START_TEST(one_unit_returned_by_quantity)
{
	confirm();
	buy(0, "1", 3, 10000)->discount_minor = 3000;
	later(1, EVENT_RETURNED);
	name(1, "1", 1, NOTHING);
	ck_assert_int_eq(amount(1), 2700);
	ck_assert_int_eq(amount(2), 1800);
	ck_assert_int_eq(decision.shares[0].lines[0].base_minor, 18000);
	ck_assert_int_eq(decision.shares[0].lines[0].quantity_left, 2);
	ck_assert_int_eq(decision.shares[0].confirmed_minor, 2700);
	ck_assert_int_eq(decision.folded.state, ORDER_CONFIRMED);
}
END_TEST

START_TEST(tax_included_an_order_discount_and_a_refund_by_amount)
{
	confirm();
	buy(0, "1", 1, 11400)->tax_bp = 1400;
	buy(0, "2", 1, 5700)->tax_bp = 1400;
	events[0].prices_include_tax = true;
	events[0].discount_minor = 1710;
	ck_assert_int_eq(amount(1), 1350);
	ck_assert_int_eq(decision.shares[0].lines[0].discounted_minor, 10260);
	ck_assert_int_eq(decision.shares[0].lines[1].base_minor, 4500);
	later(1, EVENT_REFUNDED);
	name(1, "2", -1, "25.65");
	ck_assert_int_eq(amount(2), 1125);
	ck_assert_int_eq(decision.shares[0].lines[1].base_minor, 2250);
	ck_assert_int_eq(decision.shares[0].lines[1].amount_minor, 225);
}
END_TEST

START_TEST(a_shared_order_keeps_its_parts_together_when_half_comes_back)
{
	static const int64_t parts[] = {334, 333, 333}, halves[] = {167, 167, 166};
	struct decide_affiliate people[3] = {
		AFFILIATE(1, ACTIVE), AFFILIATE(2, ACTIVE), AFFILIATE(3, ACTIVE)};
	confirm();
	known.affiliates = people;
	known.model = MATCH_LINEAR;
	add_click(&events[0], 2, 10, -120);
	add_click(&events[0], 3, 10, -180);
	buy(0, "1", 1, 10000);
	later(1, EVENT_REFUNDED);
	events[1].refunded_amount = STR("50.00");
	for (unsigned place = 0; place < 3; place++) {
		ck_assert_int_eq(share_of(1, place)->amount_minor, parts[place]);
		ck_assert_uint_eq(decision.shares[place].affiliate_id, place + 1);
		ck_assert_int_eq(decision.shares[place].reason, OUTCOME_SHARED_LINEAR);
		ck_assert_int_eq(share_of(2, place)->amount_minor, halves[place]);
		ck_assert_int_eq(decision.shares[place].confirmed_minor, parts[place]);
		ck_assert_int_eq(decision.shares[place].full_minor, 500);
	}
	lines[0][0].unit_price_minor = 20;
	ck_assert_int_eq(share_of(1, 1)->amount_minor, 1);
	ck_assert_int_eq(share_of(1, 2)->amount_minor, 0);
	ck_assert_int_eq(decision.shares[2].reason, OUTCOME_ROUNDS_TO_ZERO);
	ck_assert(!decision.shares[2].is_void);
}
END_TEST

START_TEST(each_who_shares_has_their_own_rules)
{
	confirm();
	known.model = MATCH_LINEAR;
	add_click(&events[0], 2, 10, -120);
	own_rules[1] = own_rules[0];
	own_rules[1].rule_id = 2;
	own_rules[1].level = RULE_AFFILIATE;
	own_rules[1].affiliate_id = 2;
	own_rules[1].rate_bp = 500;
	known.rule_count = 2;
	buy(0, "1", 1, 100000);
	ck_assert_int_eq(share_of(1, 0)->amount_minor, 5000);
	ck_assert_int_eq(share_of(1, 1)->amount_minor, 2500);
	set(1, EVENT_VOID, 60, "operator-1")->affiliate_id = 2; /* nobody gains by it */
	events[1].line_count = 0;
	ck_assert_int_eq(share_of(2, 0)->amount_minor, 5000);
	ck_assert_int_eq(share_of(2, 1)->amount_minor, 0);
	ck_assert(decision.shares[1].is_void);
}
END_TEST

START_TEST(only_what_was_collected_is_held)
{
	confirm();
	buy(0, "1", 1, 30000);
	buy(0, "2", 1, 20000);
	later(1, EVENT_COLLECTED);
	events[1].received_us = events[1].occurred_us + 5;
	name(1, "1", 1, NOTHING);
	ck_assert_int_eq(amount(1), 5000);
	ck_assert(!decision.is_collected);
	ck_assert_int_eq(decision.release_us, 0);
	ck_assert_int_eq(amount(2), 3000);
	ck_assert(decision.is_collected);
	ck_assert_int_eq(
		decision.release_us, events[1].occurred_us + INT64_C(14) * 86400 * US_PER_S);
	ck_assert_int_eq(decision.folded.state, ORDER_COLLECTED);
	ck_assert_int_eq(decision.shares[0].lines[1].reason, OUTCOME_RETURNED);
}
END_TEST

START_TEST(cancelled_then_confirmed_is_pending)
{
	confirm();
	buy(0, "1", 1, 10000);
	later(1, EVENT_CANCELLED);
	ck_assert_int_eq(amount(2), 0);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_CANCELLED);
	set(2, EVENT_CONFIRMED, 300, "c");
	ck_assert_int_eq(amount(3), 1000);
	ck_assert(!decision.is_collected);
	ck_assert_int_eq(decision.folded.state, ORDER_CONFIRMED);
}
END_TEST

START_TEST(an_amendment_never_moves_the_decision_in_any_order_of_arrival)
{
	confirm();
	buy(0, "1", 1, 10000);
	add_click(set(1, EVENT_AMENDED, 600, "b"), 2, 10, -5);
	lines[1][0].unit_price_minor = 30000;
	for (unsigned run = 0; run < 2; run++) {
		given[run] = &events[0];
		given[1 - run] = &events[1];
		ck_assert_int_eq(amount(2), 3000);
		ck_assert_uint_eq(decision.shares[0].affiliate_id, 1);
		ck_assert_int_eq(decision.shares[0].confirmed_minor, 1000);
	}
}
END_TEST

START_TEST(all_of_a_paid_order_returned_leaves_nothing_due)
{
	confirm();
	buy(0, "1", 1, 80000);
	later(1, EVENT_COLLECTED);
	later(2, EVENT_RETURNED);
	ck_assert_int_eq(amount(2), 8000);
	ck_assert_int_eq(amount(3), 0);
	ck_assert(decision.shares[0].is_void);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_RETURNED);
	ck_assert_int_eq(decision.folded.state, ORDER_RETURNED);
}
END_TEST

START_TEST(a_fixed_amount_on_a_free_line_is_capped_to_nothing_and_no_void)
{
	confirm();
	own_rules[0].rate_bp = RULE_NO_RATE;
	own_rules[0].fixed_unit_minor = 5000;
	memcpy(own_rules[0].currency, "EGP", 4);
	buy(0, "1", 1, 10000)->discount_minor = 10000;
	ck_assert_int_eq(amount(1), 0);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_CAPPED_LINE);
	ck_assert(!decision.shares[0].is_void);
	memcpy(own_rules[0].currency, "KWD", 4);
	ck_assert_int_eq(amount(1), 0);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_NO_RULE_FOR_CURRENCY);
}
END_TEST

START_TEST(what_a_cap_left_is_told_with_its_reason)
{
	confirm();
	own_rules[0].cap_line_minor = 900;
	buy(0, "1", 1, 10000);
	buy(0, "2", 1, 100);
	ck_assert_int_eq(amount(1), 910);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_CAPPED_LINE);
	own_rules[0].cap_order_minor = 500;
	ck_assert_int_eq(amount(1), 500);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_CAPPED_ORDER);
	own_rules[0].cap_period_minor = 100;
	ck_assert_int_eq(amount(1), 100);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_CAPPED_PERIOD);
	ck_assert_int_eq(decision.shares[0].full_minor, 500);
	ck_assert_int_eq(decision.shares[0].lines[0].amount_minor, 99);
	ck_assert_int_eq(decision.shares[0].lines[1].amount_minor, 1);
}
END_TEST

START_TEST(an_affiliates_tier_is_frozen_with_the_rule)
{
	struct decide_affiliate people[1] = {AFFILIATE(1, ACTIVE)};
	struct decide_frozen frozen = {
		.affiliate_id = 1, .line_id = STR("1"), .product_id = STR("SKU")};
	confirm();
	people[0].tier_bonus_bp = 200;
	known.affiliates = people;
	known.affiliate_count = 1;
	buy(0, "1", 1, 10000);
	ck_assert_int_eq(amount(1), 1200);
	ck_assert_int_eq(decision.shares[0].lines[0].rule->tier_bonus_bp, 200);
	ck_assert_int_eq(own_rules[0].tier_bonus_bp, 0);
	frozen.rule = *decision.shares[0].lines[0].rule;
	known.frozen = &frozen;
	known.frozen_count = 1;
	people[0].tier_bonus_bp = 0;
	people[0].tier_rate_bp = 100;
	ck_assert_int_eq(amount(1), 1200);
	known.frozen_count = 0;
	ck_assert_int_eq(amount(1), 100);
	people[0].tier_rate_bp = RULE_NO_RATE;
	ck_assert_int_eq(amount(1), 1000);
}
END_TEST

/* What is free, what the order was granted before, and what comes of a part of 10.00. */
static const struct {
	struct decide_room room;
	int64_t granted, used;
	bool is_new;
} rooms[] = {
	{{.free_minor = 5000}, 1000, 1000, true},
	{{.free_minor = 1000}, 1000, 1000, true},
	{{.free_minor = 999}, 999, 999, true},
	{{.free_minor = 0}, 0, 0, true},
	{{.free_minor = -5}, 0, 0, true},
	/* Granted before: what is free now counts no more. */
	{{.is_granted = true, .wish_minor = 1000, .granted_minor = 300, .free_minor = 5000}, 300,
		300, false},
	{{.is_granted = true, .wish_minor = 1000, .granted_minor = 1000, .free_minor = -5}, 1000,
		1000, false},
	/* It had asked for something else: asked again. */
	{{.is_granted = true,
		 .wish_minor = 400,
		 .granted_minor = 400,
		 .used_minor = 400,
		 .free_minor = 300},
		700, 700, true},
	{{.is_granted = true, .wish_minor = 2000, .granted_minor = 2000, .free_minor = -5}, 1000,
		1000, true},
	{{.is_granted = true, .wish_minor = 600, .granted_minor = 600, .free_minor = 700}, 700, 700,
		true},
};

START_TEST(a_cap_by_period_grants_once)
{
	for (unsigned i = 0; i < COUNT_OF(rooms); i++) {
		struct decide_room room = rooms[i].room;
		confirm();
		own_rules[0].cap_period_minor = 5000;
		room.affiliate_id = 1;
		room.rule_id = 1;
		known.rooms = &room;
		known.room_count = 1;
		buy(0, "1", 1, 10000);
		ck_assert_int_eq(amount(1), rooms[i].used);
		ck_assert_uint_eq(decision.shares[0].grant_count, 1);
		ck_assert_int_eq(decision.shares[0].grants[0].wish_minor, 1000);
		ck_assert_int_eq(decision.shares[0].grants[0].granted_minor, rooms[i].granted);
		ck_assert_int_eq(decision.shares[0].grants[0].used_minor, rooms[i].used);
		ck_assert_int_eq(decision.shares[0].grants[0].is_new, rooms[i].is_new);
		ck_assert_int_eq(decision.shares[0].confirmed_minor, rooms[i].used);
		decision_release(&decision);
	}
}
END_TEST

START_TEST(what_is_asked_of_a_period_does_not_depend_on_what_came_first)
{
	confirm();
	own_rules[0].cap_period_minor = 5000;
	buy(0, "1", 1, 10000);
	later(1, EVENT_REFUNDED);
	events[1].refunded_amount = STR("60.00");
	set(2, EVENT_AMENDED, 120, "c");
	lines[2][0].unit_price_minor = 40000;
	ck_assert_int_eq(amount(2), 400);
	ck_assert_int_eq(decision.shares[0].grants[0].granted_minor, 1000);
	ck_assert_int_eq(decision.shares[0].grants[0].used_minor, 400);
	ck_assert_int_eq(amount(3), 1000); /* 34.00 of the amended one, but 10.00 were asked for */
	later(3, EVENT_CANCELLED);
	ck_assert_int_eq(amount(4), 0);
	ck_assert_int_eq(decision.shares[0].grants[0].granted_minor, 1000);
	ck_assert_int_eq(decision.shares[0].grants[0].used_minor, 0);
	events[0].type = EVENT_PLACED;
	ck_assert_int_eq(amount(1), 0);
	ck_assert_uint_eq(decision.shares[0].grant_count, 0);
	events[0].type = EVENT_CONFIRMED;
	events[0].is_test = true;
	ck_assert_int_eq(amount(1), 1000);
	ck_assert_uint_eq(decision.shares[0].grant_count, 0);
}
END_TEST

START_TEST(a_rule_that_comes_with_an_amendment_asks_then)
{
	confirm();
	own_rules[1] = own_rules[0];
	own_rules[1].rule_id = 2;
	own_rules[1].level = RULE_PRODUCT;
	own_rules[1].product_id = 12;
	own_rules[1].cap_period_minor = 700;
	known.rule_count = 2;
	buy(0, "1", 1, 10000);
	set(1, EVENT_AMENDED, 60, "b");
	buy(1, "2", 1, 9000)->product_id = STR("FIX");
	ck_assert_int_eq(amount(1), 1000);
	ck_assert_uint_eq(decision.shares[0].grant_count, 0);
	ck_assert_int_eq(amount(2), 1000 + 700);
	ck_assert_int_eq(decision.shares[0].grants[0].wish_minor, 900);
	ck_assert_int_eq(decision.shares[0].lines[1].reason, OUTCOME_CAPPED_PERIOD);
	set(2, EVENT_AMENDED, 120, "c"); /* and is gone again: it keeps what it was granted */
	ck_assert_int_eq(amount(3), 1000);
	ck_assert_uint_eq(decision.shares[0].grant_count, 1);
	ck_assert_int_eq(decision.shares[0].grants[0].granted_minor, 700);
	ck_assert_int_eq(decision.shares[0].grants[0].used_minor, 0);
}
END_TEST

START_TEST(shares_are_capped_after_sharing_and_rules_by_their_parts)
{
	confirm();
	known.model = MATCH_LINEAR;
	add_click(&events[0], 2, 10, -120);
	own_rules[0].cap_period_minor = 100;
	own_rules[1] = rule_empty();
	own_rules[1].rule_id = 2;
	own_rules[1].level = RULE_PRODUCT;
	own_rules[1].product_id = 12;
	own_rules[1].rate_bp = 1000;
	known.rule_count = 2;
	buy(0, "1", 1, 10000);
	buy(0, "2", 1, 3010)->product_id = STR("FIX");
	/* full 13.01: shares 6.51 and 6.50; of 6.51 rule 1 has 5.00, rule 2 1.51 */
	ck_assert_int_eq(share_of(1, 0)->share_minor, 651);
	ck_assert_int_eq(decision.shares[0].amount_minor, 100 + 151);
	ck_assert_int_eq(decision.shares[0].grants[0].wish_minor, 500);
	ck_assert_int_eq(decision.shares[0].reason, OUTCOME_CAPPED_PERIOD);
	ck_assert_int_eq(decision.shares[0].lines[0].amount_minor, 1000); /* lines keep full */
	ck_assert_int_eq(share_of(1, 1)->amount_minor, 100 + 150);
}
END_TEST

START_TEST(a_total_that_does_not_add_up_is_flagged)
{
	confirm();
	buy(0, "1", 1, 10000);
	events[0].shipping = STR("10.00");
	events[0].total = STR("110.00");
	ck_assert_int_eq(amount(1), 1000);
	ck_assert(!decision.is_total_wrong);
	events[0].total = STR("110.01");
	ck_assert_int_eq(amount(1), 1000);
	ck_assert(decision.is_total_wrong);
}
END_TEST

START_TEST(more_refunded_than_there_is_asks_for_a_review)
{
	confirm();
	buy(0, "1", 1, 10000);
	later(1, EVENT_REFUNDED);
	name(1, "1", 0, "100.01");
	ck_assert_int_eq(amount(2), 0);
	ck_assert_uint_eq(decision.reviews, 1u << DECIDE_REVIEW_OVER_REFUND);
}
END_TEST

START_TEST(an_event_that_cannot_be_is_refused)
{
	const struct event *arrived = &events[1];
	confirm();
	buy(0, "1", 1, 10000);
	later(1, EVENT_REFUNDED);
	name(1, "1", -1, "1.005");
	known.arrived = &arrived;
	known.arrived_count = 1;
	ck_assert_int_eq(decide(2), DECIDE_BAD_AMOUNT);
	known.arrived_count = 0;          /* it came before the currency was known */
	ck_assert_int_eq(amount(2), 990); /* of 98.99 */
	memcpy(events[1].currency, "KWD", 4);
	ck_assert_int_eq(decide(2), DECIDE_CURRENCY);
	given[0] = &events[1];
	ck_assert_int_eq(decide(1), DECIDE_NOTHING);
	ck_assert(decision.folded.is_waiting);
}
END_TEST

SUITE_MAIN("decide_money", confirmed_then_refused,
	a_click_of_day_0_wins_an_order_of_day_29_that_arrives_on_day_45,
	each_line_rounds_by_itself_in_any_currency, one_unit_returned_by_quantity,
	tax_included_an_order_discount_and_a_refund_by_amount,
	a_shared_order_keeps_its_parts_together_when_half_comes_back,
	each_who_shares_has_their_own_rules, only_what_was_collected_is_held,
	cancelled_then_confirmed_is_pending,
	an_amendment_never_moves_the_decision_in_any_order_of_arrival,
	all_of_a_paid_order_returned_leaves_nothing_due,
	a_fixed_amount_on_a_free_line_is_capped_to_nothing_and_no_void,
	what_a_cap_left_is_told_with_its_reason, an_affiliates_tier_is_frozen_with_the_rule,
	a_cap_by_period_grants_once, what_is_asked_of_a_period_does_not_depend_on_what_came_first,
	a_rule_that_comes_with_an_amendment_asks_then,
	shares_are_capped_after_sharing_and_rules_by_their_parts,
	a_total_that_does_not_add_up_is_flagged, more_refunded_than_there_is_asks_for_a_review,
	an_event_that_cannot_be_is_refused)
