/* SPDX-License-Identifier: Apache-2.0
 * How much: the bases of an order's lines, what each earns under its rule, and what caps and
 * sharing leave of it. */
#include "price.h"

#include "left.h"

static bool line_net(const struct event *terms, unsigned index, struct price_line *line);
static bool price_line(struct price_line *line);
static int64_t fixed_amount(const struct price_line *line, bool *is_capped);
static bool is_first_of_rule(const struct price_line *lines, unsigned index);
static bool add_fixed_order(struct price_line *lines, unsigned count, unsigned from);
static void tell_zero(struct price_line *line);
static bool is_under(const struct price_line *line, int64_t rule_id);

bool price_bases(const struct event *terms, const struct left_line *left, struct price_line *lines)
{
	if (terms->line_count > ORDER_LINES_MAX)
		return false;
	for (unsigned i = 0; i < terms->line_count; i++) {
		lines[i] = (struct price_line){.discounted_minor = left[i].discounted_minor,
			.left_minor = left[i].left_minor,
			.quantity_left = left[i].quantity_left};
		if (!line_net(terms, i, &lines[i]))
			return false;
	}
	return true;
}

bool price_order(struct price_line *lines, unsigned count, int64_t *full_minor)
{
	*full_minor = 0;
	for (unsigned i = 0; i < count; i++)
		if (!price_line(&lines[i]))
			return false;
	for (unsigned i = 0; i < count; i++)
		if (is_first_of_rule(lines, i) && !add_fixed_order(lines, count, i))
			return false;
	for (unsigned i = 0; i < count; i++)
		tell_zero(&lines[i]);
	for (unsigned i = 0; i < count; i++) {
		const struct rule *const rule = lines[i].rule;
		if (is_first_of_rule(lines, i) && rule->cap_order_minor != RULE_NO_CAP &&
			!price_cap(lines, count, rule->rule_id, rule->cap_order_minor,
				OUTCOME_CAPPED_ORDER))
			return false;
	}
	for (unsigned i = 0; i < count; i++)
		if (!money_add(*full_minor, lines[i].amount_minor, full_minor))
			return false;
	return true;
}

int64_t price_share(int64_t full_minor, unsigned n, unsigned place)
{
	return full_minor / n + (place < full_minor % n ? 1 : 0);
}

bool price_cap(struct price_line *lines, unsigned count, int64_t rule_id, int64_t max_minor,
	enum outcome reason)
{
	int64_t amounts[ORDER_LINES_MAX], parts[ORDER_LINES_MAX];
	int64_t sum = 0;
	if (count > ORDER_LINES_MAX)
		return false;
	for (unsigned i = 0; i < count; i++) {
		amounts[i] = is_under(&lines[i], rule_id) ? lines[i].amount_minor : 0;
		if (!money_add(sum, amounts[i], &sum))
			return false;
	}
	if (sum <= max_minor)
		return true;
	if (!money_spread(max_minor, amounts, count, parts))
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (parts[i] == amounts[i])
			continue;
		lines[i].amount_minor = parts[i];
		lines[i].reason = reason;
	}
	return true;
}

static bool line_net(const struct event *terms, unsigned index, struct price_line *line)
{
	line->base_minor = line->left_minor;
	if (!terms->prices_include_tax)
		return true;
	const int tax_bp = terms->lines[index].tax_bp;
	return tax_bp != ORDER_NO_TAX && money_scale(line->left_minor, MONEY_BP_MAX,
						 MONEY_BP_MAX + tax_bp, &line->base_minor);
}

/* Percent and fixed per unit, up to the line's cap. */
static bool price_line(struct price_line *line)
{
	const struct rule *const rule = line->rule;
	bool is_capped = false;
	line->amount_minor = 0;
	if (rule == NULL)
		return true;
	const int rate_bp = rule_rate_bp(rule);
	if (rate_bp != RULE_NO_RATE &&
		!money_scale(line->base_minor, rate_bp, MONEY_BP_MAX, &line->amount_minor))
		return false;
	if (!money_add(line->amount_minor, fixed_amount(line, &is_capped), &line->amount_minor))
		return false;
	if (rule->cap_line_minor != RULE_NO_CAP && line->amount_minor > rule->cap_line_minor) {
		line->amount_minor = rule->cap_line_minor;
		is_capped = true;
	}
	line->reason = is_capped ? OUTCOME_CAPPED_LINE : OUTCOME_NONE;
	return true;
}

/* Per unit, never above the line's net; a product beyond int64 is above it too. */
static int64_t fixed_amount(const struct price_line *line, bool *is_capped)
{
	int64_t fixed = 0;
	if (line->rule->fixed_unit_minor == RULE_NO_FIXED)
		return 0;
	*is_capped = !money_multiply(line->rule->fixed_unit_minor, line->quantity_left, &fixed) ||
		     fixed > line->base_minor;
	return *is_capped ? line->base_minor : fixed;
}

static bool is_first_of_rule(const struct price_line *lines, unsigned index)
{
	if (lines[index].rule == NULL)
		return false;
	for (unsigned i = 0; i < index; i++)
		if (is_under(&lines[i], lines[index].rule->rule_id))
			return false;
	return true;
}

/* Once for all lines of a rule, the first of which is from: on the first that has a unit left. */
static bool add_fixed_order(struct price_line *lines, unsigned count, unsigned from)
{
	const struct rule *const rule = lines[from].rule;
	if (rule->fixed_order_minor == RULE_NO_FIXED)
		return true;
	for (unsigned i = from; i < count; i++)
		if (is_under(&lines[i], rule->rule_id) && lines[i].quantity_left > 0)
			return money_add(lines[i].amount_minor, rule->fixed_order_minor,
				&lines[i].amount_minor);
	return true;
}

/* A line beside the one that carries its rule's fixed amount of the order has no reason for its
 * zero. */
static void tell_zero(struct price_line *line)
{
	const struct rule *const rule = line->rule;
	if (rule == NULL || line->amount_minor != 0)
		return;
	if (line->left_minor == 0 && (line->discounted_minor > 0 || line->quantity_left == 0))
		line->reason = OUTCOME_RETURNED;
	else if (line->reason == OUTCOME_NONE &&
		 (rule_rate_bp(rule) != RULE_NO_RATE || rule->fixed_unit_minor != RULE_NO_FIXED))
		line->reason = OUTCOME_ROUNDS_TO_ZERO;
}

static bool is_under(const struct price_line *line, int64_t rule_id)
{
	return line->rule != NULL && line->rule->rule_id == rule_id;
}
