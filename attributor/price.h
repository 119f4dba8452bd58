/* SPDX-License-Identifier: Apache-2.0
 * How much: MONEY section 3 for percent and fixed per unit, tax-inclusive prices and order
 * discounts. Pure. */
#ifndef WASL_PRICE_H
#define WASL_PRICE_H

#include <stdbool.h>
#include <stdint.h>

#include "match.h"
#include "order.h"

#define RULE_NO_RATE  (-1)
#define RULE_NO_FIXED (-1)

/* Most specific first. */
#define RULE_LEVELS(X)                              \
	X(AFFILIATE_PRODUCT, "affiliate_product")   \
	X(PRODUCT, "product")                       \
	X(AFFILIATE_CATEGORY, "affiliate_category") \
	X(CATEGORY, "category")                     \
	X(AFFILIATE, "affiliate")                   \
	X(STORE, "store")
#define RULE_ENUM_LEVEL(name, text) RULE_##name,
enum rule_level { RULE_LEVELS(RULE_ENUM_LEVEL) RULE_LEVEL_COUNT };
const char *rule_level_name(enum rule_level level);
bool rule_level_parse(struct str text, enum rule_level *level);

struct rule {
	int64_t rule_id;
	enum rule_level level;
	uint32_t affiliate_id;             /* 0: any */
	uint32_t product_id;               /* 0: any */
	struct str category;               /* empty: any */
	int rate_bp;                       /* RULE_NO_RATE */
	int64_t fixed_unit_minor;          /* RULE_NO_FIXED */
	char currency[ORDER_CURRENCY_MAX]; /* of the fixed amount; "" when there is none */
	int32_t priority;
	int64_t valid_from_us; /* INT64_MIN: from the beginning */
	int64_t valid_to_us;   /* exclusive; INT64_MAX: still valid */
};

struct rule_query {
	uint32_t affiliate_id;
	uint32_t product_id; /* 0: the catalogue does not know it */
	struct str category;
	const char *currency;
	int64_t placed_us;
};

/* The winning rule: most specific level; then higher priority, later start, lower id. NULL: *why is
 * NO_RULE, or NO_RULE_FOR_CURRENCY when a rule would have matched but for its currency. */
const struct rule *rule_pick(const struct rule *rules, unsigned count,
	const struct rule_query *query, enum outcome *why);

struct price_line {
	int64_t discounted_minor; /* after line and order discounts */
	int64_t base_minor;       /* net of tax: what a rate applies to */
	int64_t amount_minor;     /* the commission of this line */
	const struct rule *rule;  /* NULL: none */
	enum outcome reason; /* NONE, ROUNDS_TO_ZERO, NO_RULE, NO_RULE_FOR_CURRENCY, CAPPED_LINE */
};

/* Line bases of an order (lines[i] for event->lines[i]); false when something overflows or a
 * discount is more than what it is taken from (both are refused while parsing too). */
bool price_bases(const struct event *terms, struct price_line *lines);
/* One line under its rule: base_minor in, amount_minor and reason out. False on overflow. */
bool price_line_amount(
	struct price_line *line, const struct rule *rule, enum outcome why, int64_t quantity);

#endif
