/* SPDX-License-Identifier: Apache-2.0
 * Events in their fold order, and one walk along them that tells what the order has come to. */
#include "fold.h"

#include <stdlib.h>

#include "money.h"
#include "timestamp.h"

#define DAY_S INT64_C(86400)

#define ORDER_STATE_NAME(name, text) [ORDER_##name] = text,
static const char *const state_names[ORDER_STATE_COUNT] = {ORDER_STATES(ORDER_STATE_NAME)};

/* What the walk has to remember beside what it tells. */
struct walk {
	struct folded *folded;
	bool is_conflict;
	bool was_refused;    /* by which of the two the order is out */
	enum outcome before; /* why it was out before the conflict */
};

static int compare_by_version(const void *a, const void *b);
static int compare_by_time(const void *a, const void *b);
static int compare_rest(const struct event *a, const struct event *b);
static int compare_numbers(int64_t a, int64_t b);
static int64_t version_of(const struct event *event);
static unsigned rank_of(enum event_type type);
static void walk_event(struct walk *walk, unsigned index, const struct event *event);
static void on_placed(struct folded *folded, const struct event *event);
static void on_confirmed(struct walk *walk, unsigned index, const struct event *event);
static void on_collected(struct walk *walk, const struct event *event);
static void on_out(struct walk *walk, enum event_type type);
static void on_resolve(struct walk *walk, enum order_resolution resolution);
static void bring_back(struct walk *walk);
static void set_first(int64_t *fact_us, const struct event *event);
static void note_waiting(struct folded *folded, const struct event *const *events, unsigned count);
static enum order_state state_of(const struct folded *folded);
static enum order_state out_state(enum outcome reason);

const char *order_state_name(enum order_state state)
{
	return state_names[state];
}

void fold_sort(const struct event **events, unsigned count)
{
	bool has_versions = true;
	if (count < 2)
		return;
	for (unsigned i = 0; i < count; i++)
		has_versions = has_versions && (event_type_is_act(events[i]->type) ||
						       events[i]->order_version.has_value);
	qsort(events, count, sizeof(*events), has_versions ? compare_by_version : compare_by_time);
}

void fold_order(const struct event *const *events, unsigned count, struct folded *folded)
{
	struct walk walk = {.folded = folded};
	*folded = (struct folded){0};
	for (unsigned i = 0; i < count; i++)
		walk_event(&walk, i, events[i]);
	if (!folded->is_confirmed)
		note_waiting(folded, events, count);
	folded->state = state_of(folded);
}

bool fold_is_voided(const struct event *const *events, unsigned count, uint32_t affiliate_id)
{
	bool is_voided = false;
	for (unsigned i = 0; i < count; i++) {
		if (events[i]->type == EVENT_VOID && events[i]->affiliate_id == affiliate_id)
			is_voided = true;
		else if (events[i]->type == EVENT_REASSIGN || events[i]->type == EVENT_RESOLVE)
			is_voided = false;
	}
	return is_voided;
}

enum order_state fold_state(
	const struct folded *folded, bool collects_on_delivery, bool is_nothing_left)
{
	if (folded->state == ORDER_CANCELLED || folded->state == ORDER_REFUSED)
		return out_state(fold_out_reason(folded, collects_on_delivery));
	if (folded->state != ORDER_CONFIRMED && folded->state != ORDER_COLLECTED)
		return folded->state;
	if (is_nothing_left)
		return ORDER_RETURNED;
	return fold_is_collected(folded, collects_on_delivery) ? ORDER_COLLECTED : ORDER_CONFIRMED;
}

enum outcome fold_out_reason(const struct folded *folded, bool collects_on_delivery)
{
	const bool is_by_event =
		folded->out_reason == OUTCOME_CANCELLED || folded->out_reason == OUTCOME_REFUSED;
	return is_by_event && collects_on_delivery && folded->is_out_after_delivery
		       ? OUTCOME_RETURNED
		       : folded->out_reason;
}

bool fold_is_collected(const struct folded *folded, bool collects_on_delivery)
{
	return folded->collected_us != 0 || (collects_on_delivery && folded->delivered_us != 0);
}

int64_t fold_release_us(const struct folded *folded, bool collects_on_delivery, int return_days)
{
	if (!fold_is_collected(folded, collects_on_delivery))
		return 0;
	int64_t from_us = folded->collected_us;
	if (from_us == 0 || (folded->delivered_us != 0 && folded->delivered_us > from_us))
		from_us = folded->delivered_us;
	int64_t release_us;
	if (!money_add(from_us, return_days * DAY_S * US_PER_S, &release_us))
		return INT64_MAX;
	return release_us != 0 ? release_us : 1;
}

static int compare_by_version(const void *a, const void *b)
{
	const struct event *const *left = a;
	const struct event *const *right = b;
	const int order = compare_numbers(version_of(*left), version_of(*right));
	return order != 0 ? order : compare_rest(*left, *right);
}

static int compare_by_time(const void *a, const void *b)
{
	const struct event *const *left = a;
	const struct event *const *right = b;
	const int order = compare_numbers((*left)->occurred_us, (*right)->occurred_us);
	return order != 0 ? order : compare_rest(*left, *right);
}

static int compare_rest(const struct event *a, const struct event *b)
{
	const int order = compare_numbers(rank_of(a->type), rank_of(b->type));
	return order != 0 ? order : str_compare(a->event_id, b->event_id);
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Versions that storefronts send are not negative. */
static int64_t version_of(const struct event *event)
{
	return event->order_version.has_value ? event->order_version.value : -1;
}

/* Types are numbered by rank; acts are one rank, and their ids ascend. */
static unsigned rank_of(enum event_type type)
{
	return event_type_is_act(type) ? EVENT_REASSIGN : type;
}

static void walk_event(struct walk *walk, unsigned index, const struct event *event)
{
	struct folded *const folded = walk->folded;
	folded->is_test = folded->is_test || event->is_test;
	switch (event->type) {
	case EVENT_PLACED:
		on_placed(folded, event);
		break;
	case EVENT_CONFIRMED:
		on_confirmed(walk, index, event);
		break;
	case EVENT_AMENDED:
		if (folded->is_confirmed)
			folded->terms = event;
		break;
	case EVENT_SHIPPED:
		set_first(&folded->shipped_us, event);
		break;
	case EVENT_DELIVERED:
		set_first(&folded->delivered_us, event);
		break;
	case EVENT_COLLECTED:
		on_collected(walk, event);
		break;
	case EVENT_REINSTATED:
		folded->returned_from = index + 1;
		bring_back(walk);
		break;
	case EVENT_REFUSED:
	case EVENT_CANCELLED:
		on_out(walk, event->type);
		break;
	case EVENT_REASSIGN:
		folded->reassigned = event->affiliate_id != 0 ? event : NULL;
		break;
	case EVENT_RESOLVE:
		on_resolve(walk, event->resolution);
		break;
	case EVENT_REFUNDED:
	case EVENT_RETURNED:
	case EVENT_VOID:
	case EVENT_ADJUST:
	case EVENT_REVIEW:
	case EVENT_TYPE_COUNT:
		break;
	}
}

static void on_placed(struct folded *folded, const struct event *event)
{
	if (folded->first == NULL) {
		folded->first = event;
		folded->placed_us = event->placed_us.value;
	}
	if (!folded->is_confirmed)
		folded->terms = event;
}

/* One that brings the order back sends the goods out anew: what was known of the first parcel says
 * nothing about the second. */
static void on_confirmed(struct walk *walk, unsigned index, const struct event *event)
{
	struct folded *const folded = walk->folded;
	if (folded->first == NULL) {
		folded->first = event;
		folded->placed_us = event->placed_us.value;
	}
	if (folded->is_out) {
		folded->shipped_us = folded->delivered_us = folded->collected_us = 0;
		folded->collected_from = index + 1;
		bring_back(walk);
	}
	if (!folded->is_confirmed) {
		folded->is_confirmed = true;
		folded->confirmed = event;
		folded->confirmed_us = event->occurred_us;
	}
	folded->terms = event;
}

static void on_collected(struct walk *walk, const struct event *event)
{
	struct folded *const folded = walk->folded;
	set_first(&folded->collected_us, event);
	if (!folded->is_out || walk->is_conflict)
		return;
	walk->is_conflict = true;
	walk->before = folded->out_reason;
	folded->out_reason = walk->was_refused ? OUTCOME_COLLECTED_AFTER_REFUSAL
					       : OUTCOME_COLLECTED_AFTER_CANCEL;
}

/* A conflict stays one whatever else takes the order away: its cash is still unexplained. Who
 * cancels what was refused at the door only closes the file: the coupon stays used. */
static void on_out(struct walk *walk, enum event_type type)
{
	struct folded *const folded = walk->folded;
	if (walk->is_conflict)
		return;
	walk->was_refused = type == EVENT_REFUSED;
	if (walk->was_refused || !folded->is_out)
		folded->gives_coupon_back = !walk->was_refused && folded->shipped_us == 0 &&
					    folded->delivered_us == 0 && folded->collected_us == 0;
	folded->is_out = true;
	folded->is_out_after_delivery = folded->delivered_us != 0;
	folded->out_reason = walk->was_refused ? OUTCOME_REFUSED : OUTCOME_CANCELLED;
	if (folded->collected_us != 0)
		folded->out_reason = OUTCOME_RETURNED;
}

static void on_resolve(struct walk *walk, enum order_resolution resolution)
{
	walk->folded->reassigned = NULL;
	if (!walk->is_conflict)
		return;
	switch (resolution) {
	case RESOLVE_OUT:
		walk->is_conflict = false;
		walk->folded->out_reason = walk->before;
		break;
	case RESOLVE_COLLECTED:
		bring_back(walk);
		break;
	}
}

static void bring_back(struct walk *walk)
{
	walk->is_conflict = false;
	walk->folded->is_out = walk->folded->is_out_after_delivery = false;
	walk->folded->out_reason = OUTCOME_NONE;
	walk->folded->gives_coupon_back = false;
}

/* 0 says that there was none; the instant 0 itself, which senders without a clock tell, is kept as
 * the microsecond after it. */
static void set_first(int64_t *fact_us, const struct event *event)
{
	if (*fact_us != 0)
		return;
	*fact_us =
		event->occurred_us < event->received_us ? event->occurred_us : event->received_us;
	if (*fact_us == 0)
		*fact_us = 1;
}

static void note_waiting(struct folded *folded, const struct event *const *events, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (events[i]->type == EVENT_PLACED || event_type_is_act(events[i]->type))
			continue;
		if (!folded->is_waiting || events[i]->received_us < folded->waiting_since_us)
			folded->waiting_since_us = events[i]->received_us;
		folded->is_waiting = true;
	}
}

static enum order_state state_of(const struct folded *folded)
{
	if (folded->first == NULL)
		return ORDER_NEW;
	if (folded->is_out)
		return out_state(folded->out_reason);
	if (!folded->is_confirmed)
		return ORDER_PLACED;
	return folded->collected_us != 0 ? ORDER_COLLECTED : ORDER_CONFIRMED;
}

static enum order_state out_state(enum outcome reason)
{
	if (reason == OUTCOME_CANCELLED)
		return ORDER_CANCELLED;
	if (reason == OUTCOME_REFUSED)
		return ORDER_REFUSED;
	return reason == OUTCOME_RETURNED ? ORDER_RETURNED : ORDER_CONFLICT;
}
