/* SPDX-License-Identifier: Apache-2.0
 * What an order's events come to against the rows that it moves: commissions,
 * the room that it took of caps and coupons, reviews. Payouts and timers may
 * have taken a commission further than its events: it is where it may be if no
 * move is left to be made. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "refold_parts.h"

#define STATE_TEXT_MAX (MONEY_TEXT_MAX + 16)

/* Its standing may have changed since. */
#define REVIEWS_OF_TODAY (1u << DECIDE_REVIEW_AFFILIATE_SUSPENDED)

static void compare_row(const struct refold_comparison *comparison,
	const struct commission_row *stands, const struct moves_row *says);
static const char *row_text(const struct refold_comparison *comparison, char text[STATE_TEXT_MAX],
	const struct commission_row *row);
static void compare_grants(const struct refold_comparison *comparison);
static void compare_grant(const struct refold_comparison *comparison, uint32_t affiliate_id,
	const struct decide_grant *says);
static const struct decide_room *find_room(
	const struct refold_order *order, uint32_t affiliate_id, int64_t rule_id);
static const struct decide_grant *find_grant(
	const struct decision *decision, const struct decide_room *room);
static void compare_coupon(const struct refold_comparison *comparison);
static void compare_reviews(const struct refold_comparison *comparison, unsigned reviews);

bool refold_compare_rows(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct moves_input input = {.decision = comparison->decision,
		.events = order->events,
		.event_count = order->event_count,
		.rows = order->rows,
		.row_count = order->row_count};
	const unsigned rows_max = moves_rows_max(&input);
	struct moves moves = {.rows = calloc(rows_max + 1, sizeof(*moves.rows)),
		.steps = calloc(
			(size_t)(rows_max + 1) * MOVES_STEPS_OF_ROW_MAX, sizeof(*moves.steps))};
	const bool is_ok = moves.rows != NULL && moves.steps != NULL;
	if (is_ok && !moves_plan(&input, &moves)) {
		refold_tell(comparison, "its commissions are beyond all amounts");
	} else if (is_ok) {
		for (unsigned i = 0; i < moves.row_count; i++)
			compare_row(comparison, i < order->row_count ? &order->rows[i] : NULL,
				&moves.rows[i]);
		compare_grants(comparison);
		compare_coupon(comparison);
		compare_reviews(comparison, comparison->decision->reviews | moves.reviews);
	}
	free(moves.rows);
	free(moves.steps);
	return is_ok;
}

static void compare_row(const struct refold_comparison *comparison,
	const struct commission_row *stands, const struct moves_row *says)
{
	char is[STATE_TEXT_MAX], comes_to[STATE_TEXT_MAX];
	const struct commission_row *const row = &says->row;
	row_text(comparison, comes_to, row);
	if (stands == NULL)
		refold_tell(comparison,
			"commission of affiliate %" PRIu32 " is missing, its events come to %s",
			row->affiliate_id, comes_to);
	else if (stands->state != row->state || stands->amount_minor != row->amount_minor)
		refold_tell(comparison,
			"commission of affiliate %" PRIu32 " is %s, its events come to %s",
			row->affiliate_id, row_text(comparison, is, stands), comes_to);
	else if (stands->confirmed_minor != row->confirmed_minor)
		refold_tell(comparison,
			"commission of affiliate %" PRIu32 " was %s when confirmed, its events "
			"come to %s",
			row->affiliate_id, refold_amount(comparison, is, stands->confirmed_minor),
			refold_amount(comparison, comes_to, row->confirmed_minor));
	else if (stands->release_us != row->release_us)
		refold_tell(comparison,
			"commission of affiliate %" PRIu32 " is released at another time than its "
			"events say",
			row->affiliate_id);
	else if (stands->reason != says->reason)
		refold_tell(comparison,
			"commission of affiliate %" PRIu32 " stands as %s, its events say %s",
			row->affiliate_id, outcome_name(stands->reason),
			outcome_name(says->reason));
}

static const char *row_text(const struct refold_comparison *comparison, char text[STATE_TEXT_MAX],
	const struct commission_row *row)
{
	char amount[MONEY_TEXT_MAX];
	snprintf(text, STATE_TEXT_MAX, "%s %s", commission_state_name(row->state),
		refold_amount(comparison, amount, row->amount_minor));
	return text;
}

static void compare_grants(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decision *const decision = comparison->decision;
	for (unsigned i = 0; i < decision->share_count; i++)
		for (unsigned g = 0; g < decision->shares[i].grant_count; g++)
			compare_grant(comparison, decision->shares[i].affiliate_id,
				&decision->shares[i].grants[g]);
	for (unsigned i = 0; i < order->room_count; i++) {
		const struct decide_room *const room = &order->rooms[i];
		if (room->used_minor != 0 && find_grant(decision, room) == NULL)
			refold_tell(comparison,
				"affiliate %" PRIu32 " takes room of rule %" PRId64
				", its events say none",
				room->affiliate_id, room->rule_id);
	}
}

static void compare_grant(const struct refold_comparison *comparison, uint32_t affiliate_id,
	const struct decide_grant *says)
{
	char stands[MONEY_TEXT_MAX], comes_to[MONEY_TEXT_MAX];
	const struct decide_room *const room =
		find_room(comparison->order, affiliate_id, says->rule_id);
	if (room == NULL)
		refold_tell(comparison,
			"affiliate %" PRIu32 " was granted no room of rule %" PRId64, affiliate_id,
			says->rule_id);
	else if (room->wish_minor >= 0 && room->wish_minor != says->wish_minor)
		refold_tell(comparison,
			"affiliate %" PRIu32 " asked for %s of rule %" PRId64
			", its events come to %s",
			affiliate_id, refold_amount(comparison, stands, room->wish_minor),
			says->rule_id, refold_amount(comparison, comes_to, says->wish_minor));
	else if (room->used_minor != says->used_minor)
		refold_tell(comparison,
			"affiliate %" PRIu32 " takes %s of rule %" PRId64 ", its events come to %s",
			affiliate_id, refold_amount(comparison, stands, room->used_minor),
			says->rule_id, refold_amount(comparison, comes_to, says->used_minor));
}

static const struct decide_room *find_room(
	const struct refold_order *order, uint32_t affiliate_id, int64_t rule_id)
{
	for (unsigned i = 0; i < order->room_count; i++)
		if (order->rooms[i].affiliate_id == affiliate_id &&
			order->rooms[i].rule_id == rule_id)
			return &order->rooms[i];
	return NULL;
}

static const struct decide_grant *find_grant(
	const struct decision *decision, const struct decide_room *room)
{
	for (unsigned i = 0; i < decision->share_count; i++) {
		const struct decide_share *const share = &decision->shares[i];
		for (unsigned g = 0; g < share->grant_count; g++)
			if (share->affiliate_id == room->affiliate_id &&
				share->grants[g].rule_id == room->rule_id)
				return &share->grants[g];
	}
	return NULL;
}

static void compare_coupon(const struct refold_comparison *comparison)
{
	const struct refold_order *const order = comparison->order;
	const struct decision *const decision = comparison->decision;
	const int64_t stands = order->is_coupon_taken ? order->coupon_id : 0;
	const int64_t comes_to = decision->takes_coupon ? decision->coupon_id : 0;
	if (stands != comes_to)
		refold_tell(comparison,
			"it takes a use of coupon %" PRId64 ", its events say %" PRId64
			" (0: of none)",
			stands, comes_to);
}

static void compare_reviews(const struct refold_comparison *comparison, unsigned reviews)
{
	const unsigned missing = reviews & ~(comparison->order->reviews | REVIEWS_OF_TODAY);
	for (unsigned i = 0; i < DECIDE_REVIEW_COUNT; i++)
		if ((missing & (1u << i)) != 0)
			refold_tell(comparison, "its events open a review (%s), and none was",
				decide_review_name((enum decide_review)i));
}
