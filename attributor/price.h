/* SPDX-License-Identifier: Apache-2.0
 * How much: MONEY section 3, from what is left of the lines to what one affiliate gets for them:
 * the rule of each line, percent, fixed amounts, tiers, caps, shares. Pure. */
#ifndef WASL_PRICE_H
#define WASL_PRICE_H

#include <stdbool.h>
#include <stdint.h>

#include "order.h"
#include "outcome.h"

#define RULE_NO_RATE  (-1)
#define RULE_NO_FIXED (-1)
#define RULE_NO_CAP   (-1)

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
	uint32_t affiliate_id;     /* 0: any */
	uint32_t product_id;       /* 0: any */
	struct str category;       /* empty: any */
	int rate_bp;               /* RULE_NO_RATE */
	int64_t fixed_unit_minor;  /* RULE_NO_FIXED */
	int64_t fixed_order_minor; /* RULE_NO_FIXED; once an order */
	int64_t cap_line_minor;    /* RULE_NO_CAP; of each line */
	int64_t cap_order_minor;   /* RULE_NO_CAP; of all lines of the order under this rule */
	int64_t cap_period_minor;  /* RULE_NO_CAP; of an affiliate's month, see decide.h */
	char currency[ORDER_CURRENCY_MAX]; /* of fixed amounts and caps; "" when there are none */
	int32_t priority;
	int64_t valid_from_us; /* INT64_MIN: from the beginning */
	int64_t valid_to_us;   /* exclusive; INT64_MAX: still valid */
	/* The affiliate's tier, put in when the rule wins and frozen with it: 0 and RULE_NO_RATE in
	 * rules that nobody has won yet. */
	int tier_bonus_bp; /* added to the rate, if there is one */
	int tier_rate_bp;  /* RULE_NO_RATE, or it stands in for the rate of a store-level rule */
};
/* A rule without amounts, caps, tier or bounds in time: to be filled in. */
struct rule rule_empty(void);
/* The percentage with the tier: RULE_NO_RATE, or at most MONEY_BP_MAX. */
int rule_rate_bp(const struct rule *rule);

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

/* Why a rule that covers a product did not win. */
#define RULE_FATES(X)                       \
	X(WON, "won")                       \
	X(LESS_SPECIFIC, "less_specific")   \
	X(LOWER_PRIORITY, "lower_priority") \
	X(EARLIER_START, "earlier_start")   \
	X(HIGHER_ID, "higher_id")           \
	X(OTHER_CURRENCY, "other_currency") \
	X(NOT_YET_VALID, "not_yet_valid")   \
	X(NO_LONGER_VALID, "no_longer_valid")
#define RULE_ENUM_FATE(name, text) RULE_FATE_##name,
enum rule_fate { RULE_FATES(RULE_ENUM_FATE) RULE_FATE_COUNT };
const char *rule_fate_name(enum rule_fate fate);

struct rule_explained {
	const struct rule *rule; /* into the rules given */
	enum rule_fate fate;
};
/* Every rule that covers affiliate, product and category of the query: first the winner (if there
 * is one), then those that lost to it in the order in which they would have won, then those of
 * another currency, then those not valid at placed_us, each with its fate (against the winner).
 * explained has room for count; returns how many there are. A query without a currency (NULL or "")
 * matches any. */
unsigned rule_explain(const struct rule *rules, unsigned count, const struct rule_query *query,
	struct rule_explained *explained);

struct left_line; /* left.h */

struct price_line {
	int64_t discounted_minor; /* after line and order discounts */
	int64_t left_minor;       /* of that, after what came back */
	int64_t quantity_left;
	int64_t base_minor;      /* left, net of tax: what a rate applies to */
	int64_t amount_minor;    /* of this line, after the line's and the order's cap; and after
				    the period's where one affiliate has it all */
	const struct rule *rule; /* NULL: none matched, or nobody won */
	enum outcome reason;     /* NONE; ROUNDS_TO_ZERO, NO_RULE, NO_RULE_FOR_CURRENCY; RETURNED:
				    nothing of it is left; CAPPED_LINE, CAPPED_ORDER, CAPPED_PERIOD:
				    of several the last that took something */
};

/* What is left of each line (left[i] for terms->lines[i]) into fresh lines with their bases;
 * amounts and rules are zero. False when something overflows, or prices include a tax that a line
 * does not tell. */
bool price_bases(const struct event *terms, const struct left_line *left, struct price_line *lines);
/* What one affiliate earns with all lines as if alone. In: the bases, rule, and in reason why a
 * line without rule has none. Out: amounts and reasons of the lines, *full_minor their sum. False
 * on overflow. */
bool price_order(struct price_line *lines, unsigned count, int64_t *full_minor);
/* Of n that share full, the part of number place: floor(full / n) + (1 if place < full mod n). */
int64_t price_share(int64_t full_minor, unsigned n, unsigned place);
/* Takes the amounts of the lines under rule_id down to at most max_minor in all, by largest
 * remainder, those that lose something with reason. False on overflow. */
bool price_cap(struct price_line *lines, unsigned count, int64_t rule_id, int64_t max_minor,
	enum outcome reason);

#endif
