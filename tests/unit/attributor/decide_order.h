/* SPDX-License-Identifier: Apache-2.0
 * A small store and the events of one order, for the tests of decide. */
#ifndef WASL_TEST_DECIDE_ORDER_H
#define WASL_TEST_DECIDE_ORDER_H

#include <string.h>

#include "decide.h"
#include "timestamp.h"

#define STORE     7
#define OTHER     8
#define EVENTS    5
#define LINES     3
#define PLACED_S  INT64_C(1795248000)
#define PLACED_US (PLACED_S * US_PER_S)
#define WINDOW_S  (30 * 86400)

#define AFFILIATE(id, how)                                                                      \
	{                                                                                       \
		.affiliate_id = (id), .standing = AFFILIATE_##how, .tier_rate_bp = RULE_NO_RATE \
	}
static struct decide_affiliate affiliates[] = {
	AFFILIATE(1, ACTIVE), AFFILIATE(2, ACTIVE), AFFILIATE(3, SUSPENDED)};
static const struct decide_product products[] = {
	{.product_id = 10, .store_id = STORE, .external_id = {.data = "SKU", .len = 3}},
	{.product_id = 11, .store_id = OTHER, .external_id = {.data = "SKU", .len = 3}},
	{.product_id = 12, .store_id = STORE, .external_id = {.data = "FIX", .len = 3}},
};
#define NO_FIXED .fixed_unit_minor = RULE_NO_FIXED, .fixed_order_minor = RULE_NO_FIXED
#define NO_CAPS                                                        \
	.cap_line_minor = RULE_NO_CAP, .cap_order_minor = RULE_NO_CAP, \
	.cap_period_minor = RULE_NO_CAP, .tier_rate_bp = RULE_NO_RATE
static const struct rule rules[] = {
	{.rule_id = 1,
		.level = RULE_STORE,
		.rate_bp = 1000,
		NO_FIXED,
		NO_CAPS,
		.valid_from_us = INT64_MIN,
		.valid_to_us = INT64_MAX},
	{.rule_id = 2,
		.level = RULE_PRODUCT,
		.product_id = 12,
		.rate_bp = RULE_NO_RATE,
		.fixed_unit_minor = 5000,
		.fixed_order_minor = RULE_NO_FIXED,
		NO_CAPS,
		.currency = "EGP",
		.valid_from_us = INT64_MIN,
		.valid_to_us = INT64_MAX},
	{.rule_id = 3,
		.level = RULE_AFFILIATE,
		.affiliate_id = 2,
		.rate_bp = 500,
		NO_FIXED,
		NO_CAPS,
		.valid_from_us = INT64_MIN,
		.valid_to_us = INT64_MAX},
};

static struct decide_known known;
static struct event events[EVENTS];
static struct order_line lines[EVENTS][LINES];
static struct order_click event_clicks[EVENTS][ORDER_CLICKS_MAX];
static struct order_coupon event_coupons[EVENTS][ORDER_COUPONS_MAX];
static const struct event *given[EVENTS];

static inline void order_setup(void)
{
	known = (struct decide_known){.store_id = STORE,
		.precedence_name = "coupon_first",
		.return_days = 14,
		.affiliates = affiliates,
		.affiliate_count = sizeof(affiliates) / sizeof(affiliates[0]),
		.products = products,
		.product_count = sizeof(products) / sizeof(products[0]),
		.rules = rules,
		.rule_count = sizeof(rules) / sizeof(rules[0])};
	memset(events, 0, sizeof(events));
}

static inline struct event *set(unsigned index, enum event_type type, int64_t at_s, const char *id)
{
	struct event *event = &events[index];
	*event = (struct event){.type = type,
		.occurred_us = (PLACED_S + at_s) * US_PER_S,
		.event_id = str_from(id),
		.order_id = STR("1001"),
		.placed_us = {.has_value = true, .value = PLACED_US},
		.currency = "EGP",
		.digits = 2,
		.tax_bp = ORDER_NO_TAX,
		.lines = lines[index],
		.line_count = 1,
		.clicks = event_clicks[index],
		.coupons = event_coupons[index]};
	memset(event_clicks[index], 0, sizeof(event_clicks[index]));
	memset(event_coupons[index], 0, sizeof(event_coupons[index]));
	lines[index][0] = (struct order_line){.line_id = STR("1"),
		.product_id = STR("SKU"),
		.quantity = 1,
		.unit_price_minor = 10000,
		.tax_bp = ORDER_NO_TAX};
	given[index] = event;
	return event;
}

static inline struct order_click *add_click(
	struct event *event, uint32_t affiliate_id, uint32_t product_id, int64_t clicked_s)
{
	struct order_click *click = &event->clicks[event->click_count++];
	const struct click_bucket bucket = {.low = affiliate_id};
	*click = (struct order_click){.result = TOKEN_OK};
	click_id_make(click->claim.click_id, (PLACED_S + clicked_s) * 1000, &bucket, 0);
	click->claim.link =
		(struct link_claim){.affiliate_id = affiliate_id, .product_id = product_id};
	click->claim.window_s = WINDOW_S;
	return click;
}

#endif
