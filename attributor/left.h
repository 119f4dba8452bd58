/* SPDX-License-Identifier: Apache-2.0
 * What is left of an order's lines after refunds, returns and what was never collected: MONEY
 * section 3. Pure. */
#ifndef WASL_LEFT_H
#define WASL_LEFT_H

#include "fold.h"

struct left_line {
	int64_t discounted_minor; /* after line and order discounts, nothing taken off */
	int64_t left_minor;       /* in the terms of unit_price, as the one before */
	int64_t quantity_left;
};

struct left_result {
	bool is_over_refunded; /* more than there is was to be taken off: clamped */
	bool is_nothing_left;  /* no amount of any line, and no unit of any free one */
};

enum left_status {
	LEFT_OK = 0,
	LEFT_OVERFLOW,   /* an amount leaves int64, or a discount is more than what it is taken from
			  */
	LEFT_BAD_AMOUNT, /* a refunded amount more precise than the currency */
};

/* lines[i] for terms->lines[i], at most ORDER_LINES_MAX. events: all of the order, sorted, and what
 * fold_order made of them; figures for lines that the terms don't have count for nothing. An amount
 * that is too precise (it came before the order's currency was known) is read half_up. Returns
 * LEFT_OK or LEFT_OVERFLOW. */
enum left_status left_lines(const struct event *const *events, unsigned count,
	const struct folded *folded, const struct event *terms, struct left_line *lines,
	struct left_result *result);
/* The same terms with nothing taken off. Returns LEFT_OK or LEFT_OVERFLOW. */
enum left_status left_whole(const struct event *terms, struct left_line *lines);

/* Whether the refunded amounts of an event, as texts, can be taken with a currency of so many
 * digits: LEFT_BAD_AMOUNT, LEFT_OVERFLOW. For an event that comes once the currency is known. */
enum left_status left_check_amounts(const struct event *event, unsigned digits);
/* total, where given, differs from the discounted lines with shipping, cod_fee and, unless prices
 * include it, tax. */
bool left_is_total_wrong(const struct event *terms, const struct left_line *lines);

#endif
