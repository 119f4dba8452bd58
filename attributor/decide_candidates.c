/* SPDX-License-Identifier: Apache-2.0
 * The candidates of an order's events, each once, with what is known of them, and who of them wins.
 */
#include <string.h>

#include "decide_parts.h"

static unsigned find_deciding(struct decide_work *work);
static void add_event(struct decide_work *work, unsigned index, unsigned customers);
static void add_click(
	struct decide_work *work, const struct event *event, unsigned index, unsigned customers);
static void add_coupon(
	struct decide_work *work, const struct event *event, unsigned index, unsigned customers);
static void add(struct decision *decision, const struct match_candidate *candidate);
static bool has_click(const struct decision *decision, const struct event *event, unsigned index);
static bool has_coupon(const struct decision *decision, const struct match_candidate *candidate);
static const struct decide_coupon *find_coupon(const struct decide_known *known, struct str code);
static uint32_t store_of(const struct decide_known *known, uint32_t product_id);
static void look_up(
	const struct decide_work *work, struct match_candidate *candidate, unsigned customers);
static enum outcome find_verdict(
	const struct decide_known *known, const struct match_candidate *candidate);
static void sort(struct decision *decision);
static bool is_before(const struct match_candidate *a, const struct match_candidate *b);
static void match(struct decide_work *work);

/* The deciding event's candidates enter first, so that they are never those for which there is no
 * room; of the events before it all were refused. Without a deciding event those of all events are
 * told. */
void decide_candidates(struct decide_work *work)
{
	const unsigned deciding = find_deciding(work);
	const uint32_t self_referrer = work->match.self_referrer;
	work->decision->candidate_count = 0;
	work->customers = deciding < work->count ? deciding + 1 : work->count;
	if (deciding < work->count)
		add_event(work, deciding, work->customers);
	for (unsigned i = 0; i < deciding; i++)
		add_event(work, i, work->customers);
	sort(work->decision);
	match(work);
	work->match.self_referrer = self_referrer;
}

const struct decide_affiliate *decide_affiliate(
	const struct decide_known *known, uint32_t affiliate_id)
{
	for (unsigned i = 0; i < known->affiliate_count; i++)
		if (known->affiliates[i].affiliate_id == affiliate_id)
			return &known->affiliates[i];
	return NULL;
}

bool decide_is_customer(const struct decide_work *work, const struct decide_affiliate *affiliate,
	unsigned customers)
{
	const struct str phone = affiliate->phone, email = affiliate->email;
	bool is_customer = affiliate->is_customer;
	for (unsigned i = 0; i < customers && !is_customer; i++) {
		const struct event *const event = work->events[i];
		is_customer = (phone.len > 0 && str_equal(event->customer_phone, phone)) ||
			      (email.len > 0 && str_equal(event->customer_email, email));
	}
	return is_customer;
}

/* The first event with a candidate that stands, or count. Leaves in work->match.self_referrer who
 * would have won the first event that self-referral kept from deciding. */
static unsigned find_deciding(struct decide_work *work)
{
	uint32_t self_referrer = 0;
	unsigned deciding = 0;
	for (; deciding < work->count; deciding++) {
		work->decision->candidate_count = 0;
		add_event(work, deciding, deciding + 1);
		match(work);
		if (work->match.winner_count > 0)
			break;
		if (self_referrer == 0)
			self_referrer = work->match.self_referrer;
	}
	work->match.self_referrer = deciding < work->count ? 0 : self_referrer;
	return deciding;
}

static void match(struct decide_work *work)
{
	const struct decide_known *const known = work->known;
	const struct match_input input = {.store_id = known->store_id,
		.placed_us = work->decision->folded.placed_us,
		.model = known->model,
		.precedence = known->precedence,
		.blocks_self_referral = known->self_referral == SELF_REFERRAL_BLOCK};
	match_decide(
		&input, work->decision->candidates, work->decision->candidate_count, &work->match);
}

/* Operators' acts have none. */
static void add_event(struct decide_work *work, unsigned index, unsigned customers)
{
	const struct event *const event = work->events[index];
	for (unsigned i = 0; i < event->click_count; i++)
		add_click(work, event, i, customers);
	for (unsigned i = 0; i < event->coupon_count; i++)
		add_coupon(work, event, i, customers);
}

static void add_click(
	struct decide_work *work, const struct event *event, unsigned index, unsigned customers)
{
	if (has_click(work->decision, event, index))
		return;
	struct match_candidate candidate = {.click = event->clicks[index]};
	if (candidate.click.result == TOKEN_OK) {
		const struct link_claim *const link = &candidate.click.claim.link;
		candidate.affiliate_id = link->affiliate_id;
		candidate.product_store_id = store_of(work->known, link->product_id);
		look_up(work, &candidate, customers);
	}
	add(work->decision, &candidate);
}

static void add_coupon(
	struct decide_work *work, const struct event *event, unsigned index, unsigned customers)
{
	struct match_candidate candidate = {
		.is_coupon = true, .coupon = event->coupons[index].code};
	const struct decide_coupon *const coupon = find_coupon(work->known, candidate.coupon);
	if (coupon != NULL) {
		const bool has_taken = coupon->coupon_id == work->known->coupon_taken;
		candidate.coupon_id = coupon->coupon_id;
		candidate.affiliate_id = coupon->affiliate_id;
		candidate.held_back = coupon->held_back;
		if (has_taken && coupon->held_back == OUTCOME_COUPON_EXHAUSTED)
			candidate.held_back = OUTCOME_NONE;
	}
	if (has_coupon(work->decision, &candidate))
		return;
	look_up(work, &candidate, customers);
	add(work->decision, &candidate);
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

/* One coupon may be written in several ways. */
static bool has_coupon(const struct decision *decision, const struct match_candidate *candidate)
{
	for (unsigned i = 0; i < decision->candidate_count; i++) {
		const struct match_candidate *const other = &decision->candidates[i];
		if (other->is_coupon && (str_equal(other->coupon, candidate->coupon) ||
						(other->coupon_id != 0 &&
							other->coupon_id == candidate->coupon_id)))
			return true;
	}
	return false;
}

static const struct decide_coupon *find_coupon(const struct decide_known *known, struct str code)
{
	for (unsigned i = 0; i < known->coupon_count; i++)
		if (str_equal(known->coupons[i].code, code))
			return known->coupons[i].coupon_id != 0 ? &known->coupons[i] : NULL;
	return NULL;
}

static uint32_t store_of(const struct decide_known *known, uint32_t product_id)
{
	for (unsigned i = 0; i < known->product_count; i++)
		if (known->products[i].product_id == product_id)
			return known->products[i].store_id;
	return 0;
}

/* What the live decision said holds, with one exception: whether the affiliate is the customer,
 * when an event that it has not seen is among those whose customers count. */
static void look_up(
	const struct decide_work *work, struct match_candidate *candidate, unsigned customers)
{
	const bool is_anew = work->first_arrived < customers;
	const enum outcome known = find_verdict(work->known, candidate);
	const struct decide_affiliate *const affiliate =
		decide_affiliate(work->known, candidate->affiliate_id);
	candidate->known = known == OUTCOME_SELF_REFERRAL && is_anew ? OUTCOME_NONE : known;
	if (affiliate == NULL)
		return;
	candidate->standing = affiliate->standing;
	if (is_anew || known == OUTCOME_NONE || known == OUTCOME_OUT_OF_WINDOW ||
		known == OUTCOME_CLICK_AFTER_ORDER)
		candidate->is_customer = decide_is_customer(work, affiliate, customers);
}

static enum outcome find_verdict(
	const struct decide_known *known, const struct match_candidate *candidate)
{
	for (unsigned i = 0; i < known->verdict_count; i++) {
		const struct decide_verdict *const verdict = &known->verdicts[i];
		if (verdict->is_coupon != candidate->is_coupon)
			continue;
		if (!candidate->is_coupon &&
			memcmp(verdict->click_id, candidate->click.claim.click_id,
				CLICK_ID_BYTES) == 0)
			return verdict->verdict;
		if (!candidate->is_coupon)
			continue;
		const struct decide_coupon *const coupon = find_coupon(known, verdict->coupon);
		if (str_equal(verdict->coupon, candidate->coupon) ||
			(coupon != NULL && coupon->coupon_id == candidate->coupon_id))
			return verdict->verdict;
	}
	return OUTCOME_NONE;
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
