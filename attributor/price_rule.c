/* SPDX-License-Identifier: Apache-2.0
 * Which rule of a store a line falls to, and why the others do not apply. */
#include "price.h"

#define RULE_LEVEL_NAME(name, text) [RULE_##name] = text,
static const char *const level_names[RULE_LEVEL_COUNT] = {RULE_LEVELS(RULE_LEVEL_NAME)};
#define RULE_FATE_NAME(name, text) [RULE_FATE_##name] = text,
static const char *const fate_names[RULE_FATE_COUNT] = {RULE_FATES(RULE_FATE_NAME)};

static bool rule_covers(const struct rule *rule, const struct rule_query *query);
static bool rule_is_valid(const struct rule *rule, int64_t placed_us);
static bool rule_is_in_currency(const struct rule *rule, const char *currency);
static bool rule_is_before(const struct rule *a, const struct rule *b);
static enum rule_fate fate_of(
	const struct rule *rule, const struct rule_query *query, const struct rule *winner);
static bool is_told_before(const struct rule_explained *a, const struct rule_explained *b);
static unsigned fate_group(enum rule_fate fate);

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

const char *rule_fate_name(enum rule_fate fate)
{
	return fate_names[fate];
}

struct rule rule_empty(void)
{
	return (struct rule){.level = RULE_STORE,
		.rate_bp = RULE_NO_RATE,
		.fixed_unit_minor = RULE_NO_FIXED,
		.fixed_order_minor = RULE_NO_FIXED,
		.cap_line_minor = RULE_NO_CAP,
		.cap_order_minor = RULE_NO_CAP,
		.cap_period_minor = RULE_NO_CAP,
		.valid_from_us = INT64_MIN,
		.valid_to_us = INT64_MAX,
		.tier_rate_bp = RULE_NO_RATE};
}

int rule_rate_bp(const struct rule *rule)
{
	if (rule->rate_bp == RULE_NO_RATE)
		return RULE_NO_RATE;
	int rate_bp = rule->rate_bp;
	if (rule->level == RULE_STORE && rule->tier_rate_bp != RULE_NO_RATE)
		rate_bp = rule->tier_rate_bp;
	rate_bp += rule->tier_bonus_bp;
	return rate_bp < MONEY_BP_MAX ? rate_bp : MONEY_BP_MAX;
}

const struct rule *rule_pick(
	const struct rule *rules, unsigned count, const struct rule_query *query, enum outcome *why)
{
	const struct rule *best = NULL;
	*why = OUTCOME_NO_RULE;
	for (unsigned i = 0; i < count; i++) {
		if (!rule_covers(&rules[i], query) || !rule_is_valid(&rules[i], query->placed_us))
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

unsigned rule_explain(const struct rule *rules, unsigned count, const struct rule_query *query,
	struct rule_explained *explained)
{
	enum outcome why;
	const struct rule *const winner = rule_pick(rules, count, query, &why);
	unsigned told = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!rule_covers(&rules[i], query))
			continue;
		const struct rule_explained next = {&rules[i], fate_of(&rules[i], query, winner)};
		unsigned at = told++;
		for (; at > 0 && is_told_before(&next, &explained[at - 1]); at--)
			explained[at] = explained[at - 1];
		explained[at] = next;
	}
	return told;
}

static bool rule_covers(const struct rule *rule, const struct rule_query *query)
{
	return (rule->affiliate_id == 0 || rule->affiliate_id == query->affiliate_id) &&
	       (rule->product_id == 0 || rule->product_id == query->product_id) &&
	       (rule->category.len == 0 || str_equal(rule->category, query->category));
}

static bool rule_is_valid(const struct rule *rule, int64_t placed_us)
{
	return rule->valid_from_us <= placed_us && placed_us < rule->valid_to_us;
}

static bool rule_is_in_currency(const struct rule *rule, const char *currency)
{
	return rule->currency[0] == '\0' || currency == NULL || currency[0] == '\0' ||
	       str_equal(str_from(rule->currency), str_from(currency));
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

/* Of a rule that covers the query. A valid one in its currency means that there is a winner. */
static enum rule_fate fate_of(
	const struct rule *rule, const struct rule_query *query, const struct rule *winner)
{
	if (rule == winner)
		return RULE_FATE_WON;
	if (query->placed_us < rule->valid_from_us)
		return RULE_FATE_NOT_YET_VALID;
	if (query->placed_us >= rule->valid_to_us)
		return RULE_FATE_NO_LONGER_VALID;
	if (!rule_is_in_currency(rule, query->currency))
		return RULE_FATE_OTHER_CURRENCY;
	if (rule->level != winner->level)
		return RULE_FATE_LESS_SPECIFIC;
	if (rule->priority != winner->priority)
		return RULE_FATE_LOWER_PRIORITY;
	return rule->valid_from_us != winner->valid_from_us ? RULE_FATE_EARLIER_START
							    : RULE_FATE_HIGHER_ID;
}

static bool is_told_before(const struct rule_explained *a, const struct rule_explained *b)
{
	const unsigned group = fate_group(a->fate), other = fate_group(b->fate);
	return group != other ? group < other : rule_is_before(a->rule, b->rule);
}

static unsigned fate_group(enum rule_fate fate)
{
	switch (fate) {
	case RULE_FATE_WON:
	case RULE_FATE_LESS_SPECIFIC:
	case RULE_FATE_LOWER_PRIORITY:
	case RULE_FATE_EARLIER_START:
	case RULE_FATE_HIGHER_ID:
		return 0;
	case RULE_FATE_OTHER_CURRENCY:
		return 1;
	case RULE_FATE_NOT_YET_VALID:
	case RULE_FATE_NO_LONGER_VALID:
	case RULE_FATE_COUNT:
		break;
	}
	return 2;
}
