/* SPDX-License-Identifier: Apache-2.0
 * Events in their fold order, and what an order's placed and confirmed events come to. */
#include "fold.h"

#include <stdlib.h>

static int compare_by_version(const void *a, const void *b);
static int compare_by_time(const void *a, const void *b);
static int compare_rest(const struct event *a, const struct event *b);
static int compare_numbers(int64_t a, int64_t b);

const char *order_state_name(enum order_state state)
{
	switch (state) {
	case ORDER_NEW:
		return "new";
	case ORDER_PLACED:
		return "placed";
	case ORDER_CONFIRMED:
		return "confirmed";
	}
	return "";
}

void fold_sort(const struct event **events, unsigned count)
{
	bool has_versions = true;
	if (count < 2)
		return;
	for (unsigned i = 0; i < count; i++)
		has_versions = has_versions && events[i]->order_version.has_value;
	qsort(events, count, sizeof(*events), has_versions ? compare_by_version : compare_by_time);
}

void fold_order(const struct event *const *events, unsigned count, struct folded *folded)
{
	*folded = (struct folded){0};
	for (unsigned i = 0; i < count; i++) {
		const struct event *event = events[i];
		if (event_type_is_deferred(event->type))
			continue;
		const bool is_confirmed = event->type == EVENT_CONFIRMED;
		if (folded->first == NULL) {
			folded->first = event;
			folded->placed_us = event->placed_us.value;
		}
		if (is_confirmed && folded->state != ORDER_CONFIRMED)
			folded->confirmed_us = event->occurred_us;
		if (is_confirmed || folded->state != ORDER_CONFIRMED)
			folded->terms = event;
		if (folded->state != ORDER_CONFIRMED)
			folded->state = is_confirmed ? ORDER_CONFIRMED : ORDER_PLACED;
		folded->is_test = folded->is_test || event->is_test;
	}
}

static int compare_by_version(const void *a, const void *b)
{
	const struct event *const *left = a;
	const struct event *const *right = b;
	const int order =
		compare_numbers((*left)->order_version.value, (*right)->order_version.value);
	return order != 0 ? order : compare_rest(*left, *right);
}

static int compare_by_time(const void *a, const void *b)
{
	const struct event *const *left = a;
	const struct event *const *right = b;
	const int order = compare_numbers((*left)->occurred_us, (*right)->occurred_us);
	return order != 0 ? order : compare_rest(*left, *right);
}

/* Types are numbered by rank. */
static int compare_rest(const struct event *a, const struct event *b)
{
	const int order = compare_numbers(a->type, b->type);
	return order != 0 ? order : str_compare(a->event_id, b->event_id);
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}
