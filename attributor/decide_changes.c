/* SPDX-License-Identifier: Apache-2.0
 * The moves of money between the rows of an order as they stand and its decision. */
#include "decide_changes.h"

static const struct decide_share *find_share(
	const struct decision *decision, uint32_t affiliate_id);
static bool change_row(const struct decision *decision, const struct commission_row *row,
	struct decide_change *change);
static enum outcome void_reason(const struct decision *decision, uint32_t affiliate_id);

const char *decide_move_name(enum decide_move move)
{
	switch (move) {
	case MOVE_ACCRUE:
		return "accrue";
	case MOVE_REDUCE:
		return "reduce";
	case MOVE_VOID:
		return "void";
	}
	return "";
}

unsigned decide_changes(const struct decision *decision, const struct commission_row *rows,
	unsigned row_count, struct decide_change *changes)
{
	unsigned count = 0;
	for (unsigned i = 0; i < row_count; i++) {
		struct decide_change change = {.row = (int)i};
		if (change_row(decision, &rows[i], &change))
			changes[count++] = change;
	}
	for (unsigned i = 0; i < decision->share_count; i++) {
		const struct decide_share *share = &decision->shares[i];
		bool is_new = find_share(decision, share->affiliate_id) != NULL;
		for (unsigned k = 0; k < row_count && is_new; k++)
			is_new = rows[k].affiliate_id != share->affiliate_id;
		if (!is_new)
			continue;
		changes[count++] = (struct decide_change){.row = -1,
			.affiliate_id = share->affiliate_id,
			.move = MOVE_ACCRUE,
			.amount_minor = share->amount_minor,
			.delta_minor = share->amount_minor,
			.reason = share->reason};
	}
	return count;
}

/* The share that has to stand as a row; NULL: there is none. */
static const struct decide_share *find_share(const struct decision *decision, uint32_t affiliate_id)
{
	if (!decision->folded.is_confirmed || decision->folded.is_out || decision->folded.is_test ||
		affiliate_id == 0)
		return NULL;
	for (unsigned i = 0; i < decision->share_count; i++) {
		if (decision->shares[i].affiliate_id == affiliate_id)
			return &decision->shares[i];
	}
	return NULL;
}

static bool change_row(const struct decision *decision, const struct commission_row *row,
	struct decide_change *change)
{
	const struct decide_share *share = find_share(decision, row->affiliate_id);
	const int64_t stands_minor = row->is_voided ? 0 : row->amount_minor;
	change->affiliate_id = row->affiliate_id;
	if (share == NULL) {
		change->move = MOVE_VOID;
		change->delta_minor = -stands_minor;
		change->reason = void_reason(decision, row->affiliate_id);
		return !row->is_voided;
	}
	change->amount_minor = share->amount_minor;
	change->delta_minor = share->amount_minor - stands_minor;
	change->move = change->delta_minor < 0 ? MOVE_REDUCE : MOVE_ACCRUE;
	change->reason = share->reason;
	return row->is_voided || change->delta_minor != 0;
}

/* Why this affiliate's row is nobody's any more: what became of their candidate; when it is not
 * among those that count, somebody else's click decides. */
static enum outcome void_reason(const struct decision *decision, uint32_t affiliate_id)
{
	enum outcome reason =
		decision->result == DECISION_ATTRIBUTED ? OUTCOME_LOST_TO_CLICK : decision->reason;
	if (decision->folded.is_test)
		return reason;
	for (unsigned i = 0; i < decision->candidate_count; i++) {
		const struct match_candidate *candidate = &decision->candidates[i];
		if (!candidate->is_coupon && candidate->click.result == TOKEN_OK &&
			candidate->click.claim.link.affiliate_id == affiliate_id)
			reason = candidate->verdict;
	}
	return reason;
}
