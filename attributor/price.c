/* SPDX-License-Identifier: Apache-2.0
 * How much: the bases of an order's lines, the rule of each, and what comes of both. */
#include "price.h"

#define RULE_LEVEL_NAME(name, text) [RULE_##name] = text,
static const char *const level_names[RULE_LEVEL_COUNT] = {RULE_LEVELS(RULE_LEVEL_NAME)};

static bool rule_covers(const struct rule *rule, const struct rule_query *query);
static bool rule_is_in_currency(const struct rule *rule, const char *currency);
static bool rule_is_before(const struct rule *a, const struct rule *b);
static bool line_discounted(const struct order_line *line, int64_t *discounted);
static bool line_net(const struct event *terms, unsigned index, struct price_line *line);
static int64_t fixed_amount(
	const struct rule *rule, int64_t quantity, int64_t base_minor, bool *is_capped);

const char *rule_level_name(enum rule_level level)
{
	return level_names[level];
}

bool rule_level_parse(struct str text, enum rule_level *level)
{
	for (unsigned i = 0; i < RULE_LEVEL_COUNT; i++) {
		if (!str_equal(text, str_from(level_names[i])))
			continue;
		*level = (enum rule_level)i;
		return true;
	}
	return false;
}

const struct rule *rule_pick(
	const struct rule *rules, unsigned count, const struct rule_query *query, enum outcome *why)
{
	const struct rule *best = NULL;
	*why = OUTCOME_NO_RULE;
	for (unsigned i = 0; i < count; i++) {
		if (!rule_covers(&rules[i], query))
			continue;
		if (!rule_is_in_currency(&rules[i], query->currency))
			*why = OUTCOME_NO_RULE_FOR_CURRENCY;
		else if (best == NULL || rule_is_before(&rules[i], best))
			best = &rules[i];
	}
	if (best != NULL)
		*why = OUTCOME_NONE;
	return best;
}

bool price_bases(const struct event *terms, struct price_line *lines)
{
	int64_t discounted[ORDER_LINES_MAX];
	int64_t parts[ORDER_LINES_MAX];
	int64_t sum = 0;
	if (terms->line_count > ORDER_LINES_MAX)
		return false;
	for (unsigned i = 0; i < terms->line_count; i++) {
		lines[i] = (struct price_line){0};
		if (!line_discounted(&terms->lines[i], &discounted[i]) ||
			!money_add(sum, discounted[i], &sum))
			return false;
	}
	if (terms->discount_minor > sum ||
		!money_spread(terms->discount_minor, discounted, terms->line_count, parts))
		return false;
	for (unsigned i = 0; i < terms->line_count; i++) {
		lines[i].discounted_minor = discounted[i] - parts[i];
		if (!line_net(terms, i, &lines[i]))
			return false;
	}
	return true;
}

bool price_line_amount(
	struct price_line *line, const struct rule *rule, enum outcome why, int64_t quantity)
{
	bool is_capped = false;
	line->rule = rule;
	line->amount_minor = 0;
	line->reason = why;
	if (rule == NULL)
		return true;
	if (rule->rate_bp != RULE_NO_RATE &&
		!money_scale(line->base_minor, rule->rate_bp, MONEY_BP_MAX, &line->amount_minor))
		return false;
	const int64_t fixed = fixed_amount(rule, quantity, line->base_minor, &is_capped);
	if (!money_add(line->amount_minor, fixed, &line->amount_minor))
		return false;
	line->reason = OUTCOME_NONE;
	if (is_capped)
		line->reason = OUTCOME_CAPPED_LINE;
	else if (line->amount_minor == 0)
		line->reason = OUTCOME_ROUNDS_TO_ZERO;
	return true;
}

static bool rule_covers(const struct rule *rule, const struct rule_query *query)
{
	return (rule->affiliate_id == 0 || rule->affiliate_id == query->affiliate_id) &&
	       (rule->product_id == 0 || rule->product_id == query->product_id) &&
	       (rule->category.len == 0 || str_equal(rule->category, query->category)) &&
	       rule->valid_from_us <= query->placed_us && query->placed_us < rule->valid_to_us;
}

static bool rule_is_in_currency(const struct rule *rule, const char *currency)
{
	return rule->currency[0] == '\0' || str_equal(str_from(rule->currency), str_from(currency));
}

static bool rule_is_before(const struct rule *a, const struct rule *b)
{
	if (a->level != b->level)
		return a->level < b->level;
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->valid_from_us != b->valid_from_us)
		return a->valid_from_us > b->valid_from_us;
	return a->rule_id < b->rule_id;
}

static bool line_discounted(const struct order_line *line, int64_t *discounted)
{
	if (!money_multiply(line->unit_price_minor, line->quantity, discounted) ||
		line->discount_minor < 0 || line->discount_minor > *discounted)
		return false;
	*discounted -= line->discount_minor;
	return true;
}

static bool line_net(const struct event *terms, unsigned index, struct price_line *line)
{
	line->base_minor = line->discounted_minor;
	if (!terms->prices_include_tax)
		return true;
	const int tax_bp = terms->lines[index].tax_bp;
	return tax_bp != ORDER_NO_TAX && money_scale(line->discounted_minor, MONEY_BP_MAX,
						 MONEY_BP_MAX + tax_bp, &line->base_minor);
}

/* Per unit, never above the line's net; a product beyond int64 is above it too. */
static int64_t fixed_amount(
	const struct rule *rule, int64_t quantity, int64_t base_minor, bool *is_capped)
{
	int64_t fixed = 0;
	if (rule->fixed_unit_minor == RULE_NO_FIXED)
		return 0;
	*is_capped =
		!money_multiply(rule->fixed_unit_minor, quantity, &fixed) || fixed > base_minor;
	return *is_capped ? base_minor : fixed;
}
