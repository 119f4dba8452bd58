/* SPDX-License-Identifier: Apache-2.0
 * An order's decision: what its events come to, who earned it, how much of it, and when it is
 * theirs. */
#include "decide.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "decide_parts.h"

#define DECIDE_REVIEW_NAME(name, text) [DECIDE_REVIEW_##name] = text,
static const char *const review_names[DECIDE_REVIEW_COUNT] = {DECIDE_REVIEWS(DECIDE_REVIEW_NAME)};

static enum decide_status check_events(const struct decide_work *work);
static unsigned find_arrived(const struct decide_work *work);
static bool is_arrived(const struct decide_known *known, const struct event *event);
static enum decide_status take_lines(struct decide_work *work);
static void conclude(struct decide_work *work);
static void take_coupon(struct decide_work *work);

const char *decide_review_name(enum decide_review review)
{
	return review_names[review];
}

const char *decision_result_name(enum decision_result result)
{
	switch (result) {
	case DECISION_ATTRIBUTED:
		return "attributed";
	case DECISION_UNATTRIBUTED:
		return "unattributed";
	case DECISION_CONFLICT:
		return "conflict";
	}
	return "";
}

enum decide_status decide_order(const struct decide_known *known, const struct event **events,
	unsigned count, struct decision *decision)
{
	struct left_line left[ORDER_LINES_MAX];
	struct decide_work work = {.known = known,
		.events = events,
		.count = count,
		.decision = decision,
		.left = left};
	memset(decision, 0, offsetof(struct decision, shares));
	fold_sort(events, count);
	fold_order(events, count, &decision->folded);
	work.first_arrived = find_arrived(&work);
	enum decide_status status = check_events(&work);
	if (status == DECIDE_OK && decision->folded.first == NULL)
		status = DECIDE_NOTHING;
	if (status == DECIDE_OK)
		status = take_lines(&work);
	if (status != DECIDE_OK)
		return status;
	decide_candidates(&work);
	decide_winners(&work);
	conclude(&work);
	take_coupon(&work);
	return decide_shares(&work);
}

void decision_release(struct decision *decision)
{
	for (unsigned i = 0; i < decision->share_count; i++) {
		free(decision->shares[i].lines);
		free(decision->shares[i].rules);
		free(decision->shares[i].grants);
	}
	decision->share_count = 0;
}

/* One currency for all that name one; and the amounts of what is new fit it, once it is known. */
static enum decide_status check_events(const struct decide_work *work)
{
	const struct event *const first = work->decision->folded.first;
	const char *currency = "";
	for (unsigned i = 0; i < work->count; i++) {
		const char *const next = work->events[i]->currency;
		if (currency[0] != '\0' && next[0] != '\0' && strcmp(currency, next) != 0)
			return DECIDE_CURRENCY;
		if (next[0] != '\0')
			currency = next;
	}
	for (unsigned i = 0; i < work->known->arrived_count && first != NULL; i++)
		switch (left_check_amounts(work->known->arrived[i], first->digits)) {
		case LEFT_OK:
			break;
		case LEFT_OVERFLOW:
			return DECIDE_OVERFLOW;
		case LEFT_BAD_AMOUNT:
			return DECIDE_BAD_AMOUNT;
		}
	return DECIDE_OK;
}

static unsigned find_arrived(const struct decide_work *work)
{
	unsigned first = work->count;
	bool turns_order = false, had_versions = true;
	for (unsigned i = work->count; i-- > 0;) {
		const struct event *const event = work->events[i];
		const bool has_version =
			event->order_version.has_value || event_type_is_act(event->type);
		const bool has_arrived = is_arrived(work->known, event);
		if (has_arrived)
			first = i;
		turns_order = turns_order || (has_arrived && !has_version);
		had_versions = had_versions && (has_arrived || has_version);
	}
	/* The first one without a version: those before it stand by their times from now on, and
	 * any of them may have come before the deciding event. */
	return turns_order && had_versions ? 0 : first;
}

static bool is_arrived(const struct decide_known *known, const struct event *event)
{
	for (unsigned i = 0; i < known->arrived_count; i++) {
		if (known->arrived[i] == event)
			return true;
	}
	return false;
}

static enum decide_status take_lines(struct decide_work *work)
{
	const struct decide_known *const known = work->known;
	struct decision *const decision = work->decision;
	struct folded *const folded = &decision->folded;
	if (folded->terms->line_count > ORDER_LINES_MAX ||
		left_lines(work->events, work->count, folded, folded->terms, work->left,
			&work->left_result) != LEFT_OK)
		return DECIDE_OVERFLOW;
	folded->state =
		fold_state(folded, known->collects_on_delivery, work->left_result.is_nothing_left);
	folded->out_reason = fold_out_reason(folded, known->collects_on_delivery);
	decision->is_collected = fold_is_collected(folded, known->collects_on_delivery);
	decision->release_us =
		fold_release_us(folded, known->collects_on_delivery, known->return_days);
	decision->is_total_wrong = left_is_total_wrong(folded->terms, work->left);
	if (work->left_result.is_over_refunded)
		decision->reviews |= 1u << DECIDE_REVIEW_OVER_REFUND;
	if (folded->state == ORDER_CONFLICT)
		decision->reviews |= 1u << DECIDE_REVIEW_CONFLICT;
	return DECIDE_OK;
}

static void conclude(struct decide_work *work)
{
	struct decision *const decision = work->decision;
	const bool has_winner = work->winner_count > 0 && !work->is_self_referral;
	decision->result = has_winner ? DECISION_ATTRIBUTED : DECISION_UNATTRIBUTED;
	decision->reason = work->reason;
	decision->evidence = work->evidence;
	if (decision->folded.is_test) {
		decision->result = DECISION_UNATTRIBUTED;
		decision->reason = OUTCOME_TEST_ORDER;
		decision->evidence = EVIDENCE_NONE;
		decision->winning_click = NULL;
	} else if (decision->folded.state == ORDER_CONFLICT) {
		decision->result = DECISION_CONFLICT;
		decision->reason = decision->folded.out_reason;
	}
}

/* An operator's reassignment changes whose the sale is, not that the coupon was used. */
static void take_coupon(struct decide_work *work)
{
	struct decision *const decision = work->decision;
	if (decision->folded.is_test)
		return;
	decision->coupon_id =
		decision->is_winner_kept ? work->known->coupon_taken : work->match.coupon_id;
	decision->takes_coupon = decision->coupon_id != 0 && !decision->folded.gives_coupon_back;
}
