/* SPDX-License-Identifier: Apache-2.0
 * The candidates of an order's events, each once, and who of them wins. */
#include "decide_parts.h"

#include <string.h>

static const struct event *find_deciding(const struct decide_known *known,
	const struct event *const *events, unsigned count, struct decision *decision);
static void add_event(
	const struct decide_known *known, const struct event *event, struct decision *decision);
static void add_click(const struct decide_known *known, const struct event *event, unsigned index,
	struct decision *decision);
static void add_coupon(const struct event *event, unsigned index, struct decision *decision);
static void add(struct decision *decision, const struct match_candidate *candidate);
static bool has_click(const struct decision *decision, const struct event *event, unsigned index);
static bool has_coupon(const struct decision *decision, struct str code);
static void look_up(const struct decide_known *known, struct match_candidate *candidate);
static void sort(struct decision *decision);
static bool is_before(const struct match_candidate *a, const struct match_candidate *b);
static void match(const struct decide_known *known, struct decision *decision);

/* The deciding event's candidates enter first, so that they are never those for which there is no
 * room; of the events before it all were refused. Without a deciding event those of all events are
 * told. */
void decide_candidates(const struct decide_known *known, const struct event *const *events,
	unsigned count, struct decision *decision)
{
	const struct event *deciding = find_deciding(known, events, count, decision);
	decision->candidate_count = 0;
	if (deciding != NULL)
		add_event(known, deciding, decision);
	for (unsigned i = 0; i < count && events[i] != deciding; i++)
		add_event(known, events[i], decision);
	sort(decision);
	match(known, decision);
}

/* The first event with a candidate that stands; NULL: none has. Leaves its tries in the decision.
 */
static const struct event *find_deciding(const struct decide_known *known,
	const struct event *const *events, unsigned count, struct decision *decision)
{
	for (unsigned i = 0; i < count; i++) {
		decision->candidate_count = 0;
		add_event(known, events[i], decision);
		match(known, decision);
		if (decision->winner >= 0)
			return events[i];
	}
	return NULL;
}

static void match(const struct decide_known *known, struct decision *decision)
{
	const struct match_input input = {.store_id = known->store_id,
		.placed_us = decision->folded.placed_us,
		.model = known->model,
		.blocks_self_referral = known->blocks_self_referral};
	struct match_result result;
	match_decide(&input, decision->candidates, decision->candidate_count, &result);
	decision->winner = result.winner;
	decision->reason = result.reason;
	decision->evidence = result.evidence;
}

static void add_event(
	const struct decide_known *known, const struct event *event, struct decision *decision)
{
	if (event_type_is_deferred(event->type))
		return;
	for (unsigned i = 0; i < event->click_count; i++)
		add_click(known, event, i, decision);
	for (unsigned i = 0; i < event->coupon_count; i++)
		add_coupon(event, i, decision);
}

static void add_click(const struct decide_known *known, const struct event *event, unsigned index,
	struct decision *decision)
{
	if (has_click(decision, event, index))
		return;
	struct match_candidate candidate = {.click = event->clicks[index]};
	if (candidate.click.result == TOKEN_OK)
		look_up(known, &candidate);
	add(decision, &candidate);
}

static void add_coupon(const struct event *event, unsigned index, struct decision *decision)
{
	const struct match_candidate candidate = {
		.is_coupon = true, .coupon = event->coupons[index].code};
	if (!has_coupon(decision, candidate.coupon))
		add(decision, &candidate);
}

static void add(struct decision *decision, const struct match_candidate *candidate)
{
	if (decision->candidate_count < DECIDE_CANDIDATES_MAX)
		decision->candidates[decision->candidate_count++] = *candidate;
}

/* A click that opened is known by its id. Of tokens that did not open only the result is kept: an
 * event's nth of one result is the same as any other event's nth. */
static bool has_click(const struct decision *decision, const struct event *event, unsigned index)
{
	const struct order_click *click = &event->clicks[index];
	unsigned nth = 0, seen = 0;
	for (unsigned i = 0; i < index; i++)
		nth += event->clicks[i].result == click->result ? 1 : 0;
	for (unsigned i = 0; i < decision->candidate_count; i++) {
		const struct match_candidate *other = &decision->candidates[i];
		if (other->is_coupon || other->click.result != click->result)
			continue;
		if (click->result == TOKEN_OK &&
			memcmp(other->click.claim.click_id, click->claim.click_id,
				CLICK_ID_BYTES) == 0)
			return true;
		seen++;
	}
	return click->result != TOKEN_OK && seen > nth;
}

static bool has_coupon(const struct decision *decision, struct str code)
{
	for (unsigned i = 0; i < decision->candidate_count; i++) {
		if (decision->candidates[i].is_coupon &&
			str_equal(decision->candidates[i].coupon, code))
			return true;
	}
	return false;
}

static void look_up(const struct decide_known *known, struct match_candidate *candidate)
{
	const struct link_claim *link = &candidate->click.claim.link;
	for (unsigned i = 0; i < known->affiliate_count; i++) {
		if (known->affiliates[i].affiliate_id != link->affiliate_id)
			continue;
		candidate->standing = known->affiliates[i].standing;
		candidate->is_customer = known->affiliates[i].is_customer;
	}
	for (unsigned i = 0; i < known->product_count; i++) {
		if (known->products[i].product_id == link->product_id)
			candidate->product_store_id = known->products[i].store_id;
	}
}

/* Clicks by time and id, then tokens that did not open, then coupons as they came. */
static void sort(struct decision *decision)
{
	for (unsigned i = 1; i < decision->candidate_count; i++) {
		const struct match_candidate moved = decision->candidates[i];
		unsigned at = i;
		for (; at > 0 && is_before(&moved, &decision->candidates[at - 1]); at--)
			decision->candidates[at] = decision->candidates[at - 1];
		decision->candidates[at] = moved;
	}
}

static bool is_before(const struct match_candidate *a, const struct match_candidate *b)
{
	if (a->is_coupon || b->is_coupon)
		return !a->is_coupon && b->is_coupon;
	if (a->click.result != TOKEN_OK || b->click.result != TOKEN_OK)
		return a->click.result < b->click.result;
	return memcmp(a->click.claim.click_id, b->click.claim.click_id, CLICK_ID_BYTES) < 0;
}
