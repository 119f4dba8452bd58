/* SPDX-License-Identifier: Apache-2.0
 * What is left of each line: one pass over the events gathers the figures that hold, then every
 * line is reckoned from its own. */
#include "left.h"

#include <stdlib.h>

#define DIGITS_MOST 3 /* decimals that an amount may have whose currency was not known */

typedef unsigned __int128 wide;

/* Two streams of cumulative figures; of each line the greater counts. */
enum stream { STREAM_REFUNDED = 0, STREAM_RETURNED, STREAM_COUNT };

/* What the last event of a stream that names a line says of it. */
struct figure {
	bool is_all; /* the event named no lines: everything */
	struct order_figure quantity;
	struct str amount; /* empty: not told */
};

struct line_figures {
	struct figure streams[STREAM_COUNT];
	int64_t collected; /* of the line's quantity */
};

/* Lines are found by their ids, sorted: orders have up to 500 lines and 1,000 events. */
struct sorted_line {
	struct str line_id;
	unsigned index;
};

struct gathered {
	struct sorted_line by_id[ORDER_LINES_MAX];
	struct line_figures lines[ORDER_LINES_MAX];
	unsigned count;
	struct str order_amounts[STREAM_COUNT];
};

/* A figure in numbers. */
struct taken {
	int64_t amount_minor;
	int64_t quantity;
	bool is_by_amount; /* the amount was told, not reckoned from the quantity */
	bool is_all;
};

static bool line_discounted(const struct order_line *line, int64_t *discounted);
static bool is_gone(const struct left_line *line);
static void gather(struct gathered *gathered, const struct event *const *events, unsigned count,
	const struct folded *folded);
static void sort_lines(struct gathered *gathered, const struct event *terms);
static int compare_ids(const void *a, const void *b);
static struct line_figures *find_line(struct gathered *gathered, struct str line_id);
static void gather_collected(
	struct gathered *gathered, const struct event *event, bool *is_partial);
static void gather_refund(struct gathered *gathered, const struct event *event, enum stream stream);
static bool take_from_line(const struct line_figures *figures, const struct order_line *line,
	unsigned digits, struct left_line *left, struct left_result *result);
static bool resolve(const struct figure *figure, const struct left_line *whole, unsigned digits,
	struct taken *taken);
static bool is_greater(const struct taken *a, const struct taken *b);
static bool is_over(const struct taken *taken, const struct left_line *whole, int64_t uncollected);
static bool take_from_order(const struct gathered *gathered, unsigned digits,
	struct left_line *lines, struct left_result *result);
static bool greater_amount(const struct gathered *gathered, unsigned digits, int64_t *amount);
static bool read_half_up(struct str text, unsigned digits, int64_t *minor);
static enum left_status check_amount(struct str text, unsigned digits);
static bool add_text(int64_t *sum, struct str text, unsigned digits);
static int64_t least(int64_t a, int64_t b);

enum left_status left_whole(const struct event *terms, struct left_line *lines)
{
	int64_t discounted[ORDER_LINES_MAX];
	int64_t parts[ORDER_LINES_MAX];
	int64_t sum = 0;
	if (terms->line_count > ORDER_LINES_MAX)
		return LEFT_OVERFLOW;
	for (unsigned i = 0; i < terms->line_count; i++) {
		if (!line_discounted(&terms->lines[i], &discounted[i]) ||
			!money_add(sum, discounted[i], &sum))
			return LEFT_OVERFLOW;
	}
	if (terms->discount_minor > sum ||
		!money_spread(terms->discount_minor, discounted, terms->line_count, parts))
		return LEFT_OVERFLOW;
	for (unsigned i = 0; i < terms->line_count; i++)
		lines[i] = (struct left_line){.discounted_minor = discounted[i] - parts[i],
			.left_minor = discounted[i] - parts[i],
			.quantity_left = terms->lines[i].quantity};
	return LEFT_OK;
}

enum left_status left_lines(const struct event *const *events, unsigned count,
	const struct folded *folded, const struct event *terms, struct left_line *lines,
	struct left_result *result)
{
	struct gathered gathered;
	*result = (struct left_result){0};
	const enum left_status status = left_whole(terms, lines);
	if (status != LEFT_OK)
		return status;
	sort_lines(&gathered, terms);
	gather(&gathered, events, count, folded);
	for (unsigned i = 0; i < terms->line_count; i++) {
		if (!take_from_line(
			    &gathered.lines[i], &terms->lines[i], terms->digits, &lines[i], result))
			return LEFT_OVERFLOW;
	}
	if (!take_from_order(&gathered, terms->digits, lines, result))
		return LEFT_OVERFLOW;
	result->is_nothing_left = true;
	for (unsigned i = 0; i < terms->line_count; i++)
		result->is_nothing_left = result->is_nothing_left && is_gone(&lines[i]);
	return LEFT_OK;
}

enum left_status left_check_amounts(const struct event *event, unsigned digits)
{
	enum left_status status = check_amount(event->refunded_amount, digits);
	for (unsigned i = 0; i < event->line_count && status == LEFT_OK; i++)
		status = check_amount(event->lines[i].refunded_amount, digits);
	return status;
}

bool left_is_total_wrong(const struct event *terms, const struct left_line *lines)
{
	int64_t sum = 0, total = 0;
	if (terms->total.len == 0)
		return false;
	for (unsigned i = 0; i < terms->line_count; i++) {
		if (!money_add(sum, lines[i].discounted_minor, &sum))
			return true;
	}
	if (!add_text(&sum, terms->shipping, terms->digits) ||
		!add_text(&sum, terms->cod_fee, terms->digits) ||
		(!terms->prices_include_tax && !add_text(&sum, terms->tax, terms->digits)) ||
		!add_text(&total, terms->total, terms->digits))
		return true;
	return sum != total;
}

static bool line_discounted(const struct order_line *line, int64_t *discounted)
{
	if (!money_multiply(line->unit_price_minor, line->quantity, discounted) ||
		line->discount_minor < 0 || line->discount_minor > *discounted)
		return false;
	*discounted -= line->discount_minor;
	return true;
}

static bool is_gone(const struct left_line *line)
{
	return line->left_minor == 0 && (line->discounted_minor > 0 || line->quantity_left == 0);
}

static void gather(struct gathered *gathered, const struct event *const *events, unsigned count,
	const struct folded *folded)
{
	bool is_partial = false;
	for (unsigned i = 0; i < count; i++) {
		if (events[i]->type == EVENT_COLLECTED && i >= folded->collected_from)
			gather_collected(gathered, events[i], &is_partial);
		else if (events[i]->type == EVENT_REFUNDED)
			gather_refund(gathered, events[i], STREAM_REFUNDED);
		else if (events[i]->type == EVENT_RETURNED && i >= folded->returned_from)
			gather_refund(gathered, events[i], STREAM_RETURNED);
	}
}

static void sort_lines(struct gathered *gathered, const struct event *terms)
{
	gathered->count = terms->line_count;
	for (unsigned i = 0; i < STREAM_COUNT; i++)
		gathered->order_amounts[i] = (struct str){0};
	for (unsigned i = 0; i < gathered->count; i++) {
		gathered->by_id[i] =
			(struct sorted_line){.line_id = terms->lines[i].line_id, .index = i};
		gathered->lines[i] = (struct line_figures){.collected = terms->lines[i].quantity};
	}
	qsort(gathered->by_id, gathered->count, sizeof(gathered->by_id[0]), compare_ids);
}

static int compare_ids(const void *a, const void *b)
{
	const struct sorted_line *const left = a;
	const struct sorted_line *const right = b;
	return str_compare(left->line_id, right->line_id);
}

static struct line_figures *find_line(struct gathered *gathered, struct str line_id)
{
	const struct sorted_line key = {.line_id = line_id};
	const struct sorted_line *const found = bsearch(
		&key, gathered->by_id, gathered->count, sizeof(gathered->by_id[0]), compare_ids);
	return found != NULL ? &gathered->lines[found->index] : NULL;
}

/* An event without lines says all of everything. The first with lines says nothing of those that it
 * does not name: of them nothing was collected, unless an event before it said so. */
static void gather_collected(struct gathered *gathered, const struct event *event, bool *is_partial)
{
	if (event->line_count == 0 || !*is_partial) {
		for (unsigned i = 0; i < gathered->count; i++)
			gathered->lines[i].collected =
				event->line_count == 0 ? ORDER_QUANTITY_MAX : 0;
	}
	*is_partial = true;
	for (unsigned i = 0; i < event->line_count; i++) {
		const struct order_figure *const told = &event->lines[i].collected_quantity;
		struct line_figures *const line = find_line(gathered, event->lines[i].line_id);
		if (line != NULL)
			line->collected = told->has_value ? told->value : ORDER_QUANTITY_MAX;
	}
}

/* The whole order stands for what the same stream said before, of lines and of the order. */
static void gather_refund(struct gathered *gathered, const struct event *event, enum stream stream)
{
	if (event->line_count == 0) {
		gathered->order_amounts[stream] = event->refunded_amount;
		if (event->refunded_amount.len > 0)
			return;
		for (unsigned i = 0; i < gathered->count; i++)
			gathered->lines[i].streams[stream] = (struct figure){.is_all = true};
	}
	for (unsigned i = 0; i < event->line_count; i++) {
		const struct order_line *const told = &event->lines[i];
		struct line_figures *const line = find_line(gathered, told->line_id);
		if (line != NULL)
			line->streams[stream] = (struct figure){.quantity = told->refunded_quantity,
				.amount = told->refunded_amount};
	}
}

static bool take_from_line(const struct line_figures *figures, const struct order_line *line,
	unsigned digits, struct left_line *left, struct left_result *result)
{
	const struct left_line whole = *left;
	const int64_t uncollected = line->quantity - least(figures->collected, line->quantity);
	struct taken taken, other;
	int64_t uncollected_minor;
	if (!resolve(&figures->streams[STREAM_REFUNDED], &whole, digits, &taken) ||
		!resolve(&figures->streams[STREAM_RETURNED], &whole, digits, &other) ||
		!money_scale(
			whole.discounted_minor, uncollected, line->quantity, &uncollected_minor))
		return false;
	if (is_greater(&other, &taken))
		taken = other;
	left->left_minor -= uncollected_minor;
	left->left_minor -= least(taken.amount_minor, left->left_minor);
	left->quantity_left -= least(taken.quantity + uncollected, left->quantity_left);
	if (is_over(&taken, &whole, uncollected))
		result->is_over_refunded = true;
	return true;
}

static bool resolve(const struct figure *figure, const struct left_line *whole, unsigned digits,
	struct taken *taken)
{
	*taken = (struct taken){.amount_minor = whole->discounted_minor,
		.quantity = whole->quantity_left,
		.is_by_amount = figure->amount.len > 0,
		.is_all = figure->is_all};
	if (figure->is_all)
		return true;
	taken->quantity = figure->quantity.has_value ? figure->quantity.value : 0;
	if (figure->amount.len == 0 && taken->quantity >= whole->quantity_left)
		return true;
	if (figure->amount.len == 0)
		return money_scale(whole->discounted_minor, taken->quantity, whole->quantity_left,
			&taken->amount_minor);
	if (!read_half_up(figure->amount, digits, &taken->amount_minor))
		return false;
	if (!figure->quantity.has_value && taken->amount_minor >= whole->discounted_minor)
		taken->quantity = whole->quantity_left;
	return true;
}

static bool is_greater(const struct taken *a, const struct taken *b)
{
	if (a->amount_minor != b->amount_minor)
		return a->amount_minor > b->amount_minor;
	return a->quantity > b->quantity;
}

/* More units than were collected, or a told amount above what those cost, rounded up: half a minor
 * unit that only rounding made is nobody's error. */
static bool is_over(const struct taken *taken, const struct left_line *whole, int64_t uncollected)
{
	if (taken->is_all)
		return false;
	if (taken->quantity + uncollected > whole->quantity_left)
		return true;
	if (!taken->is_by_amount)
		return false;
	const wide quantity = (uint64_t)whole->quantity_left;
	const wide collected = (uint64_t)(whole->quantity_left - uncollected);
	const wide worth = (uint64_t)whole->discounted_minor * collected;
	return (uint64_t)taken->amount_minor > (worth + quantity - 1) / quantity;
}

/* Of the order as a whole: spread over what the lines have left. */
static bool take_from_order(const struct gathered *gathered, unsigned digits,
	struct left_line *lines, struct left_result *result)
{
	int64_t weights[ORDER_LINES_MAX];
	int64_t parts[ORDER_LINES_MAX];
	int64_t sum = 0, amount;
	if (!greater_amount(gathered, digits, &amount))
		return false;
	if (amount == 0)
		return true;
	for (unsigned i = 0; i < gathered->count; i++) {
		weights[i] = lines[i].left_minor;
		sum += weights[i];
	}
	result->is_over_refunded = result->is_over_refunded || amount > sum;
	if (!money_spread(least(amount, sum), weights, gathered->count, parts))
		return false;
	for (unsigned i = 0; i < gathered->count; i++) {
		lines[i].left_minor -= parts[i];
		if (amount >= sum || (lines[i].left_minor == 0 && parts[i] > 0))
			lines[i].quantity_left = 0;
	}
	return true;
}

static bool greater_amount(const struct gathered *gathered, unsigned digits, int64_t *amount)
{
	*amount = 0;
	for (unsigned i = 0; i < STREAM_COUNT; i++) {
		int64_t minor = 0;
		const struct str text = gathered->order_amounts[i];
		if (text.len > 0 && !read_half_up(text, digits, &minor))
			return false;
		if (minor > *amount)
			*amount = minor;
	}
	return true;
}

static bool read_half_up(struct str text, unsigned digits, int64_t *minor)
{
	static const int64_t powers[DIGITS_MOST + 1] = {1, 10, 100, 1000};
	enum money_result result = money_parse(text, digits, minor);
	if (result == MONEY_TOO_PRECISE && digits < DIGITS_MOST) {
		result = money_parse(text, DIGITS_MOST, minor);
		if (result == MONEY_OK &&
			!money_scale(*minor, 1, powers[DIGITS_MOST - digits], minor))
			return false;
	}
	return result == MONEY_OK && *minor >= 0;
}

static enum left_status check_amount(struct str text, unsigned digits)
{
	int64_t minor;
	if (text.len == 0)
		return LEFT_OK;
	switch (money_parse(text, digits, &minor)) {
	case MONEY_OK:
		return LEFT_OK;
	case MONEY_TOO_PRECISE:
	case MONEY_BAD_SYNTAX:
		return LEFT_BAD_AMOUNT;
	case MONEY_OUT_OF_RANGE:
		break;
	}
	return LEFT_OVERFLOW;
}

static bool add_text(int64_t *sum, struct str text, unsigned digits)
{
	int64_t minor;
	if (text.len == 0)
		return true;
	return money_parse(text, digits, &minor) == MONEY_OK && money_add(*sum, minor, sum);
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
