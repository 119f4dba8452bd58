/* SPDX-License-Identifier: Apache-2.0
 * One word for what an event did, as it is told beside it for ever: wasl.events.effect. */
#include "post_parts.h"

/* What became of the rows, all of them together. */
struct effects {
	bool has_begun;     /* the order's first rows */
	bool is_reinstated; /* one that was nothing is something again */
	bool is_voided;     /* one came to nothing */
	bool is_collected;
	bool is_more, is_less;
};

static struct effects look(const struct posting *posting, const struct moves *moves);
static bool is_nothing(enum commission_state state);
static const char *quiet_effect(const struct posting *posting);

const char *post_effect(
	const struct posting *posting, const struct decision *decision, const struct moves *moves)
{
	const struct effects effects = look(posting, moves);
	if (posting->item->event == NULL)
		return ""; /* nobody is told */
	if (decision->result == DECISION_CONFLICT)
		return "conflict";
	if (effects.has_begun)
		return "accrued";
	if (effects.is_voided)
		return effects.is_more ? "amended" : "voided";
	if (effects.is_reinstated)
		return "reinstated";
	if (effects.is_collected)
		return "collected";
	if (effects.is_more || effects.is_less)
		return effects.is_more || posting->item->event->type == EVENT_AMENDED ||
				       posting->item->event->type == EVENT_CONFIRMED
			       ? "amended"
			       : "reduced";
	return quiet_effect(posting);
}

static struct effects look(const struct posting *posting, const struct moves *moves)
{
	struct effects effects = {.has_begun = posting->row_count == 0 && moves->row_count > 0};
	for (unsigned i = 0; i < moves->row_count; i++) {
		const struct commission_row *const row = &moves->rows[i].row;
		const struct commission_row *const was =
			moves->rows[i].is_new ? NULL : &posting->rows[i];
		const int64_t had_minor = was != NULL ? was->amount_minor : 0;
		effects.is_more |= row->amount_minor > had_minor;
		effects.is_less |= row->amount_minor < had_minor;
		if (was == NULL)
			continue;
		effects.is_voided |= !is_nothing(was->state) && is_nothing(row->state);
		effects.is_reinstated |= is_nothing(was->state) && !is_nothing(row->state);
		effects.is_collected |=
			was->state == COMMISSION_PENDING && row->state == COMMISSION_HELD;
	}
	return effects;
}

static bool is_nothing(enum commission_state state)
{
	return state == COMMISSION_VOIDED || state == COMMISSION_REVERSED;
}

/* No row has moved. */
static const char *quiet_effect(const struct posting *posting)
{
	switch (posting->item->event->type) {
	case EVENT_PLACED:
	case EVENT_CONFIRMED:
	case EVENT_AMENDED:
		return posting->new_version > 0 ? "decided" : "unchanged";
	case EVENT_SHIPPED:
	case EVENT_DELIVERED:
	case EVENT_COLLECTED:
	case EVENT_REINSTATED:
	case EVENT_REFUNDED:
	case EVENT_RETURNED:
	case EVENT_REFUSED:
	case EVENT_CANCELLED:
		return posting->new_version > 0 ? "decided" : "recorded";
	case EVENT_REASSIGN:
	case EVENT_VOID:
	case EVENT_ADJUST:
	case EVENT_RESOLVE:
	case EVENT_REVIEW:
	case EVENT_TYPE_COUNT:
		break;
	}
	return "recorded";
}
