/* SPDX-License-Identifier: Apache-2.0
 * Caps by period: what a share asks of each, what it is granted, and what falls under it. */
#include <stdlib.h>

#include "decide_parts.h"

static bool has_caps(const struct decide_known *known);
static enum decide_status add_wishes(const struct decide_work *work, unsigned place,
	const struct event *terms, struct decide_share *share);
static bool add_grant(
	const struct decide_work *work, struct decide_share *share, const struct decide_part *part);
static const struct decide_room *find_room(
	const struct decide_known *known, uint32_t affiliate_id, int64_t rule_id);
static int64_t smaller(int64_t a, int64_t b);
static int64_t larger(int64_t a, int64_t b);

bool decide_parts(
	const struct decide_priced *priced, unsigned winner_count, struct decide_parts *parts)
{
	int64_t amounts[ORDER_LINES_MAX], shares[ORDER_LINES_MAX];
	parts->count = 0;
	for (unsigned i = 0; i < priced->line_count; i++) {
		const struct price_line *const line = &priced->lines[i];
		unsigned at = 0;
		if (line->rule == NULL)
			continue;
		while (at < parts->count && parts->parts[at].rule->rule_id != line->rule->rule_id)
			at++;
		if (at == parts->count)
			parts->parts[parts->count++] = (struct decide_part){.rule = line->rule};
		parts->parts[at].amount_minor += line->amount_minor; /* full is their sum */
	}
	for (unsigned i = 0; i < parts->count; i++)
		amounts[i] = parts->parts[i].amount_minor;
	if (winner_count == 1)
		return true;
	if (!money_spread(priced->share_minor, amounts, parts->count, shares))
		return false;
	for (unsigned i = 0; i < parts->count; i++)
		parts->parts[i].amount_minor = shares[i];
	return true;
}

enum decide_status decide_grants(
	const struct decide_work *work, unsigned place, struct decide_share *share)
{
	const struct event *const confirmed = work->decision->folded.confirmed;
	enum decide_status status = DECIDE_OK;
	bool is_since = false;
	if (work->is_self_referral || !has_caps(work->known))
		return DECIDE_OK;
	for (unsigned i = 0; i < work->count && status == DECIDE_OK; i++) {
		const struct event *const event = work->events[i];
		is_since |= event == confirmed;
		if (is_since && (event->type == EVENT_CONFIRMED || event->type == EVENT_AMENDED))
			status = add_wishes(work, place, event, share);
	}
	return status;
}

struct decide_grant *decide_grant(const struct decide_share *share, int64_t rule_id)
{
	for (unsigned i = 0; i < share->grant_count; i++)
		if (share->grants[i].rule_id == rule_id)
			return &share->grants[i];
	return NULL;
}

static bool has_caps(const struct decide_known *known)
{
	for (unsigned i = 0; i < known->rule_count; i++)
		if (known->rules[i].cap_period_minor != RULE_NO_CAP)
			return true;
	for (unsigned i = 0; i < known->frozen_count; i++)
		if (known->frozen[i].rule.rule_id != 0 &&
			known->frozen[i].rule.cap_period_minor != RULE_NO_CAP)
			return true;
	return false;
}

/* The rules that these terms are the first to have a line of. */
static enum decide_status add_wishes(const struct decide_work *work, unsigned place,
	const struct event *terms, struct decide_share *share)
{
	struct left_line left[ORDER_LINES_MAX];
	struct decide_priced priced;
	struct decide_parts parts;
	if (terms->line_count > ORDER_LINES_MAX || left_whole(terms, left) != LEFT_OK)
		return DECIDE_OVERFLOW;
	enum decide_status status = decide_price(work, place, terms, left, &priced);
	if (status != DECIDE_OK)
		return status;
	if (!decide_parts(&priced, work->winner_count, &parts))
		status = DECIDE_OVERFLOW;
	for (unsigned i = 0; i < parts.count && status == DECIDE_OK; i++)
		if (parts.parts[i].rule->cap_period_minor != RULE_NO_CAP &&
			decide_grant(share, parts.parts[i].rule->rule_id) == NULL &&
			!add_grant(work, share, &parts.parts[i]))
			status = DECIDE_NO_MEMORY;
	decide_priced_release(&priced);
	return status;
}

/* Asked again, an order may keep what it has and take what is free beside what it holds. */
static bool add_grant(
	const struct decide_work *work, struct decide_share *share, const struct decide_part *part)
{
	const struct decide_room *const room =
		find_room(work->known, share->affiliate_id, part->rule->rule_id);
	struct decide_grant grant = {
		.rule_id = part->rule->rule_id, .wish_minor = part->amount_minor, .is_new = true};
	if (room == NULL) {
		grant.granted_minor = smaller(grant.wish_minor, part->rule->cap_period_minor);
	} else if (!room->is_granted) {
		grant.granted_minor = smaller(grant.wish_minor, larger(room->free_minor, 0));
	} else if (room->wish_minor == grant.wish_minor) {
		grant.granted_minor = room->granted_minor;
		grant.is_new = false;
	} else {
		int64_t open_minor = 0;
		if (!money_add(room->used_minor, larger(room->free_minor, 0), &open_minor))
			open_minor = INT64_MAX;
		grant.granted_minor =
			smaller(grant.wish_minor, larger(room->granted_minor, open_minor));
	}
	struct decide_grant *const grants =
		realloc(share->grants, (share->grant_count + 1) * sizeof(*grants));
	if (grants == NULL)
		return false;
	share->grants = grants;
	share->grants[share->grant_count++] = grant;
	return true;
}

static const struct decide_room *find_room(
	const struct decide_known *known, uint32_t affiliate_id, int64_t rule_id)
{
	for (unsigned i = 0; i < known->room_count; i++)
		if (known->rooms[i].affiliate_id == affiliate_id &&
			known->rooms[i].rule_id == rule_id)
			return &known->rooms[i];
	return NULL;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}
