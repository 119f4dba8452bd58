/* SPDX-License-Identifier: Apache-2.0
 * What the rows of an order have to do to come to what its decision says: affiliate by affiliate,
 * one legal step after the other, each with the accounts that it moves money between. */
#include "moves.h"

#include <string.h>

#define MOVE_NAME_TEXT(name, text) [MOVE_##name] = text,
static const char *const names[MOVE_NAME_COUNT] = {MOVE_NAMES(MOVE_NAME_TEXT)};

#define ACCOUNT_STORE    "store"
#define ACCOUNT_PLATFORM "platform"

#define NO_ROW UINT32_MAX

struct plan {
	const struct moves_input *input;
	struct moves *moves;
	bool is_due;      /* the order earns: confirmed, and no test */
	bool is_replaced; /* what somebody had goes to somebody else */
};

/* One affiliate's part: what it has and what it should have. */
struct part {
	uint32_t affiliate_id;
	const struct decide_share *share; /* NULL: not a winner */
	int64_t target_minor;
	int64_t sum_minor; /* of the rows that the store pays, before any move */
	bool is_void;      /* nothing is due for what became of the order or the part */
	enum outcome reason;
	unsigned sale; /* index of the row; NO_ROW */
	bool has_adjustments;
};

static bool is_replaced(const struct plan *plan);
static const struct decide_share *find_share(const struct plan *plan, uint32_t affiliate_id);
static bool is_store_row(const struct commission_row *row, uint32_t affiliate_id);
static bool is_first_of(const struct moves_input *input, unsigned index);
static bool plan_part(struct plan *plan, uint32_t affiliate_id, const struct decide_share *share);
static bool take_part(const struct plan *plan, struct part *part);
static enum outcome loss_reason(const struct plan *plan, uint32_t affiliate_id);
static void bear_sale(struct plan *plan, struct part *part);
static int64_t absorb(struct plan *plan, const struct part *part, int64_t need_minor);
static bool sale_takes(const struct plan *plan, const struct part *part, int64_t need_minor);
static void settle_sale(struct plan *plan, const struct part *part, int64_t need_minor);
static void reduce_row(
	struct plan *plan, unsigned index, const struct part *part, int64_t amount_minor);
static void end_row(struct plan *plan, unsigned index, const struct part *part);
static void revive_row(
	struct plan *plan, unsigned index, const struct part *part, int64_t to_minor);
static void raise_row(struct plan *plan, unsigned index, enum move_name name, int64_t amount_minor);
static void bear_adjustment(struct plan *plan, const struct part *part, int64_t amount_minor);
static void follow(struct plan *plan, unsigned index);
static bool bear_acts(struct plan *plan);
static bool has_row_of(const struct moves_input *input, struct str event_id);
static unsigned add_row(struct plan *plan, const struct commission_row *row);
static void add_step(struct plan *plan, unsigned index, const struct moves_step *step);
static void move_row(
	struct plan *plan, unsigned index, enum move_name name, enum commission_state to);
static enum move_name gain_name(const struct plan *plan, const struct part *part);
static enum move_name loss_name(
	const struct plan *plan, const struct part *part, enum move_name name);
static void note_changes(struct plan *plan);

const char *move_name_text(enum move_name name)
{
	return names[name];
}

unsigned moves_rows_max(const struct moves_input *input)
{
	unsigned max = 2 * (input->row_count + input->decision->share_count);
	for (unsigned i = 0; i < input->event_count; i++)
		max += input->events[i]->type == EVENT_ADJUST;
	return max;
}

bool moves_plan(const struct moves_input *input, struct moves *moves)
{
	const struct decision *const decision = input->decision;
	struct plan plan = {.input = input,
		.moves = moves,
		.is_due = decision->folded.is_confirmed && !decision->folded.is_test};
	moves->row_count = moves->step_count = moves->reviews = 0;
	for (unsigned i = 0; i < input->row_count; i++)
		moves->rows[moves->row_count++] =
			(struct moves_row){.row = input->rows[i], .reason = input->rows[i].reason};
	plan.is_replaced = is_replaced(&plan);
	for (unsigned i = 0; i < decision->share_count; i++) {
		const struct decide_share *const share = &decision->shares[i];
		if (find_share(&plan, share->affiliate_id) == share &&
			!plan_part(&plan, share->affiliate_id, share))
			return false;
	}
	for (unsigned i = 0; i < input->row_count; i++) {
		const uint32_t affiliate_id = input->rows[i].affiliate_id;
		if (is_first_of(input, i) && find_share(&plan, affiliate_id) == NULL &&
			!plan_part(&plan, affiliate_id, NULL))
			return false;
	}
	if (!bear_acts(&plan))
		return false;
	note_changes(&plan);
	return true;
}

static bool is_replaced(const struct plan *plan)
{
	const struct moves_input *const input = plan->input;
	bool has_winner = false;
	for (unsigned i = 0; i < input->decision->share_count; i++)
		has_winner = has_winner ||
			     find_share(plan, input->decision->shares[i].affiliate_id) != NULL;
	for (unsigned i = 0; has_winner && i < input->row_count; i++) {
		if (!input->rows[i].is_platform && input->rows[i].amount_minor > 0 &&
			find_share(plan, input->rows[i].affiliate_id) == NULL)
			return true;
	}
	return false;
}

/* The share that has to stand as rows; NULL: none has. */
static const struct decide_share *find_share(const struct plan *plan, uint32_t affiliate_id)
{
	const struct decision *const decision = plan->input->decision;
	if (!plan->is_due || affiliate_id == 0)
		return NULL;
	for (unsigned i = 0; i < decision->share_count; i++) {
		if (decision->shares[i].affiliate_id == affiliate_id)
			return &decision->shares[i];
	}
	return NULL;
}

static bool is_store_row(const struct commission_row *row, uint32_t affiliate_id)
{
	return row->affiliate_id == affiliate_id && !row->is_platform;
}

static bool is_first_of(const struct moves_input *input, unsigned index)
{
	for (unsigned i = 0; i < index; i++) {
		if (input->rows[i].affiliate_id == input->rows[index].affiliate_id)
			return false;
	}
	return true;
}

static bool plan_part(struct plan *plan, uint32_t affiliate_id, const struct decide_share *share)
{
	struct part part = {.affiliate_id = affiliate_id, .share = share};
	int64_t need_minor;
	if (!take_part(plan, &part) ||
		__builtin_sub_overflow(part.target_minor, part.sum_minor, &need_minor))
		return false;
	const unsigned old_count = plan->moves->row_count;
	if (share != NULL && part.sale == NO_ROW) {
		bear_sale(plan, &part);
		need_minor = 0;
	} else {
		need_minor = absorb(plan, &part, need_minor);
		const int64_t taken_minor = sale_takes(plan, &part, need_minor) ? need_minor : 0;
		settle_sale(plan, &part, taken_minor);
		need_minor -= taken_minor;
	}
	for (unsigned i = 0; i < old_count; i++)
		if (is_store_row(&plan->moves->rows[i].row, affiliate_id))
			follow(plan, i);
	if (need_minor != 0)
		bear_adjustment(plan, &part, need_minor);
	return true;
}

static bool take_part(const struct plan *plan, struct part *part)
{
	const struct moves *const moves = plan->moves;
	part->is_void =
		part->share == NULL || part->share->is_void || plan->input->decision->folded.is_out;
	part->target_minor = part->is_void ? 0 : part->share->amount_minor;
	part->reason =
		part->share != NULL ? part->share->reason : loss_reason(plan, part->affiliate_id);
	part->sale = NO_ROW;
	for (unsigned i = 0; i < moves->row_count; i++) {
		const struct commission_row *const row = &moves->rows[i].row;
		if (!is_store_row(row, part->affiliate_id))
			continue;
		if (!row->is_adjustment)
			part->sale = i;
		else if (row->amount_minor != 0)
			part->has_adjustments = true;
		if (!money_add(part->sum_minor, row->amount_minor, &part->sum_minor))
			return false;
	}
	return true;
}

/* Why this affiliate's row is nobody's any more: what became of their candidate, and when it is not
 * among those that count, somebody else's click. */
static enum outcome loss_reason(const struct plan *plan, uint32_t affiliate_id)
{
	const struct decision *const decision = plan->input->decision;
	if (decision->folded.is_test || decision->reason == OUTCOME_OPERATOR_REASSIGNED)
		return decision->reason;
	for (unsigned i = 0; i < decision->candidate_count; i++) {
		if (decision->candidates[i].affiliate_id == affiliate_id)
			return decision->candidates[i].verdict;
	}
	if (decision->result == DECISION_UNATTRIBUTED)
		return decision->reason;
	return decision->reason == OUTCOME_WON_COUPON ? OUTCOME_LOST_TO_COUPON
						      : OUTCOME_LOST_TO_CLICK;
}

/* An order that was once confirmed has its row, if only as a voided one: then it is accrued as it
 * was confirmed, and ended. */
static void bear_sale(struct plan *plan, struct part *part)
{
	const int64_t amount_minor =
		part->is_void ? part->share->confirmed_minor : part->target_minor;
	const struct commission_row row = {.affiliate_id = part->affiliate_id,
		.state = COMMISSION_PENDING,
		.confirmed_minor = part->share->confirmed_minor};
	part->sale = add_row(plan, &row);
	plan->moves->rows[part->sale].reason = part->reason;
	raise_row(plan, part->sale, gain_name(plan, part), amount_minor);
	if (part->is_void)
		end_row(plan, part->sale, part);
	follow(plan, part->sale);
}

/* What is too much comes first out of adjustments that nobody could be paid yet, the newest first:
 * a new row against one that may wait for ever would be owed at once. Returns what is still too
 * much. */
static int64_t absorb(struct plan *plan, const struct part *part, int64_t need_minor)
{
	for (unsigned i = plan->moves->row_count; i-- > 0 && need_minor < 0;) {
		struct moves_row *const adjustment = &plan->moves->rows[i];
		struct commission_row *const row = &adjustment->row;
		if (!is_store_row(row, part->affiliate_id) || !row->is_adjustment ||
			row->amount_minor <= 0 ||
			(row->state != COMMISSION_PENDING && row->state != COMMISSION_HELD))
			continue;
		if (row->amount_minor + need_minor <= 0) {
			need_minor += row->amount_minor;
			adjustment->reason = part->reason;
			end_row(plan, i, part);
			continue;
		}
		reduce_row(plan, i, part, -need_minor);
		need_minor = 0;
	}
	return need_minor;
}

/* What a sale row can't take, being frozen or too small, is a row of its own; so is what comes back
 * after such a row. */
static bool sale_takes(const struct plan *plan, const struct part *part, int64_t need_minor)
{
	if (part->sale == NO_ROW)
		return false;
	const struct commission_row *const row = &plan->moves->rows[part->sale].row;
	int64_t to_minor;
	return !row->is_frozen && money_add(row->amount_minor, need_minor, &to_minor) &&
	       to_minor >= 0 && !(need_minor > 0 && part->has_adjustments);
}

static void settle_sale(struct plan *plan, const struct part *part, int64_t need_minor)
{
	if (part->sale == NO_ROW || plan->moves->rows[part->sale].row.is_frozen)
		return;
	struct moves_row *const sale = &plan->moves->rows[part->sale];
	struct commission_row *const row = &sale->row;
	const int64_t to_minor = row->amount_minor + need_minor;
	const bool has_no_life =
		row->state == COMMISSION_VOIDED || row->state == COMMISSION_REVERSED;
	const bool was_approved =
		row->state == COMMISSION_APPROVED || row->state == COMMISSION_REVERSED;
	if (part->share != NULL && !was_approved)
		row->confirmed_minor = part->share->confirmed_minor;
	sale->reason = part->reason;
	if (part->is_void && to_minor == 0) {
		if (!has_no_life)
			end_row(plan, part->sale, part);
	} else if (has_no_life) {
		revive_row(plan, part->sale, part, to_minor);
	} else if (need_minor > 0) {
		raise_row(plan, part->sale, gain_name(plan, part), need_minor);
	} else if (need_minor < 0) {
		reduce_row(plan, part->sale, part, -need_minor);
	}
}

/* Less, but still something or still alive. */
static void reduce_row(
	struct plan *plan, unsigned index, const struct part *part, int64_t amount_minor)
{
	struct commission_row *const row = &plan->moves->rows[index].row;
	row->amount_minor -= amount_minor;
	add_step(plan, index,
		&(struct moves_step){.name = loss_name(plan, part, MOVE_REDUCE),
			.amount_minor = amount_minor,
			.from = commission_bucket(row->state),
			.to = ACCOUNT_STORE});
}

static void end_row(struct plan *plan, unsigned index, const struct part *part)
{
	struct commission_row *const row = &plan->moves->rows[index].row;
	const int64_t amount_minor = row->amount_minor;
	const char *const from = commission_bucket(row->state);
	const bool was_approved = row->state == COMMISSION_APPROVED;
	row->amount_minor = 0;
	row->state = was_approved ? COMMISSION_REVERSED : COMMISSION_VOIDED;
	row->release_us = was_approved ? row->release_us : 0;
	add_step(plan, index,
		&(struct moves_step){.name = loss_name(plan, part, MOVE_VOID),
			.amount_minor = amount_minor,
			.from = from,
			.to = ACCOUNT_STORE,
			.changes_state = true});
}

/* A reversed row was approved before, and is so again when there is something to approve. */
static void revive_row(struct plan *plan, unsigned index, const struct part *part, int64_t to_minor)
{
	struct commission_row *const row = &plan->moves->rows[index].row;
	if (row->state == COMMISSION_REVERSED && to_minor == 0)
		return;
	row->state = row->state == COMMISSION_REVERSED ? COMMISSION_APPROVED : COMMISSION_PENDING;
	const unsigned first = plan->moves->step_count;
	raise_row(plan, index, gain_name(plan, part), to_minor);
	plan->moves->steps[first].changes_state = true;
}

/* Money enters as pending and goes on to the bucket where the row already is; the row is as it will
 * be from the first of these steps. */
static void raise_row(struct plan *plan, unsigned index, enum move_name name, int64_t amount_minor)
{
	struct commission_row *const row = &plan->moves->rows[index].row;
	const char *const pending = commission_bucket(COMMISSION_PENDING);
	const char *const held = commission_bucket(COMMISSION_HELD);
	row->amount_minor += amount_minor;
	add_step(plan, index,
		&(struct moves_step){.name = name,
			.amount_minor = amount_minor,
			.from = ACCOUNT_STORE,
			.to = pending});
	if (row->state == COMMISSION_HELD || row->state == COMMISSION_APPROVED)
		add_step(plan, index,
			&(struct moves_step){.name = MOVE_COLLECT,
				.amount_minor = amount_minor,
				.from = pending,
				.to = held});
	if (row->state == COMMISSION_APPROVED)
		add_step(plan, index,
			&(struct moves_step){.name = MOVE_APPROVE,
				.amount_minor = amount_minor,
				.from = held,
				.to = commission_bucket(COMMISSION_APPROVED)});
}

static void bear_adjustment(struct plan *plan, const struct part *part, int64_t amount_minor)
{
	const bool is_loss = amount_minor < 0;
	const struct commission_row row = {.affiliate_id = part->affiliate_id,
		.state = is_loss ? COMMISSION_APPROVED : COMMISSION_PENDING,
		.is_adjustment = true,
		.amount_minor = is_loss ? amount_minor : 0,
		.confirmed_minor = amount_minor};
	const unsigned index = add_row(plan, &row);
	struct moves_row *const adjustment = &plan->moves->rows[index];
	adjustment->reason = part->reason;
	if (!is_loss) {
		raise_row(plan, index, gain_name(plan, part), amount_minor);
		follow(plan, index);
		return;
	}
	if (part->share != NULL && part->reason != OUTCOME_OPERATOR_VOID)
		adjustment->reason = OUTCOME_CLAWBACK;
	add_step(plan, index,
		&(struct moves_step){.name = loss_name(plan, part, MOVE_CLAWBACK),
			.amount_minor = -amount_minor,
			.from = commission_bucket(COMMISSION_APPROVED),
			.to = ACCOUNT_STORE});
}

/* A row that is alive follows the order: cash in or not, its return window over or not. What was
 * approved stays so, under review when its cash was taken back. */
static void follow(struct plan *plan, unsigned index)
{
	const struct moves_input *const input = plan->input;
	const struct decision *const decision = input->decision;
	struct commission_row *const row = &plan->moves->rows[index].row;
	if (row->is_frozen && row->state == COMMISSION_PAID)
		return;
	if (row->state == COMMISSION_APPROVED && row->amount_minor > 0 && !decision->is_collected)
		plan->moves->reviews |= 1u << DECIDE_REVIEW_COLLECTION_UNDONE;
	if (row->is_frozen)
		return;
	if (row->state == COMMISSION_PENDING && decision->is_collected)
		move_row(plan, index, MOVE_COLLECT, COMMISSION_HELD);
	else if (row->state == COMMISSION_HELD && !decision->is_collected)
		move_row(plan, index, MOVE_UNCOLLECT, COMMISSION_PENDING);
	if (row->state == COMMISSION_PENDING)
		row->release_us = 0;
	if (row->state != COMMISSION_HELD)
		return;
	row->release_us = decision->release_us;
	if (input->may_release && row->release_us != 0 && row->release_us <= input->now_us)
		move_row(plan, index, MOVE_APPROVE, COMMISSION_APPROVED);
}

/* One row for each adjustment that an operator made. */
static bool bear_acts(struct plan *plan)
{
	const struct moves_input *const input = plan->input;
	const char *const available = commission_bucket(COMMISSION_APPROVED);
	for (unsigned i = 0; i < input->event_count; i++) {
		const struct event *const act = input->events[i];
		if (act->type != EVENT_ADJUST || has_row_of(input, act->event_id))
			continue;
		if (act->amount_minor == INT64_MIN)
			return false;
		const bool is_loss = act->amount_minor < 0;
		const struct commission_row row = {.affiliate_id = act->affiliate_id,
			.state = COMMISSION_APPROVED,
			.is_adjustment = true,
			.is_platform = true,
			.amount_minor = act->amount_minor,
			.confirmed_minor = act->amount_minor,
			.event_id = act->event_id};
		const unsigned index = add_row(plan, &row);
		plan->moves->rows[index].reason = OUTCOME_OPERATOR_ADJUSTMENT;
		add_step(plan, index,
			&(struct moves_step){.name = MOVE_GOODWILL,
				.amount_minor = is_loss ? -act->amount_minor : act->amount_minor,
				.from = is_loss ? available : ACCOUNT_PLATFORM,
				.to = is_loss ? ACCOUNT_PLATFORM : available});
	}
	return true;
}

static bool has_row_of(const struct moves_input *input, struct str event_id)
{
	for (unsigned i = 0; i < input->row_count; i++) {
		if (input->rows[i].is_platform && str_equal(input->rows[i].event_id, event_id))
			return true;
	}
	return false;
}

static unsigned add_row(struct plan *plan, const struct commission_row *row)
{
	struct moves *const moves = plan->moves;
	moves->rows[moves->row_count] =
		(struct moves_row){.row = *row, .is_new = true, .born = row->state};
	return moves->row_count++;
}

/* The row is already as it stands after the step. */
static void add_step(struct plan *plan, unsigned index, const struct moves_step *step)
{
	struct moves *const moves = plan->moves;
	struct moves_row *const row = &moves->rows[index];
	struct moves_step *const added = &moves->steps[moves->step_count++];
	*added = *step;
	added->row = index;
	added->state = row->row.state;
	added->row_amount_minor = row->row.amount_minor;
}

/* The whole row goes from one bucket to another. */
static void move_row(
	struct plan *plan, unsigned index, enum move_name name, enum commission_state to)
{
	struct commission_row *const row = &plan->moves->rows[index].row;
	const char *const from = commission_bucket(row->state);
	row->state = to;
	add_step(plan, index,
		&(struct moves_step){.name = name,
			.amount_minor = row->amount_minor,
			.from = from,
			.to = commission_bucket(to),
			.changes_state = true});
}

/* Of two who change places both sides say so. */
static enum move_name gain_name(const struct plan *plan, const struct part *part)
{
	return plan->is_replaced && part->sum_minor == 0 ? MOVE_REASSIGN : MOVE_ACCRUE;
}

static enum move_name loss_name(
	const struct plan *plan, const struct part *part, enum move_name name)
{
	return plan->is_replaced && part->share == NULL ? MOVE_REASSIGN : name;
}

static void note_changes(struct plan *plan)
{
	struct moves *const moves = plan->moves;
	for (unsigned i = moves->step_count; i-- > 0;) {
		struct moves_row *const row = &moves->rows[moves->steps[i].row];
		if (row->is_new)
			row->born_minor = moves->steps[i].row_amount_minor;
	}
	for (unsigned i = 0; i < moves->row_count; i++) {
		struct moves_row *const row = &moves->rows[i];
		const struct commission_row *const now = &row->row;
		if (i >= plan->input->row_count) {
			row->is_changed = true;
			continue;
		}
		const struct commission_row *const old = &plan->input->rows[i];
		row->is_changed = now->state != old->state ||
				  now->amount_minor != old->amount_minor ||
				  now->confirmed_minor != old->confirmed_minor ||
				  now->release_us != old->release_us || row->reason != old->reason;
	}
}
