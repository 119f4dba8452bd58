/* SPDX-License-Identifier: Apache-2.0
 * What the database would do between two postings of an order, in plain arrays: see fold_case.h. */
#include "fold_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_BYTES_MAX (256 * 1024)

static char kept[KEPT_BYTES_MAX];
static size_t kept_bytes;

static void know(struct fold_case *order);
static void know_rooms(struct fold_case *order, struct decide_room *rooms);
static void note_decision(struct fold_case *order);
static void note_frozen(struct fold_case *order);
static void note_verdicts(struct fold_case *order);
static void note_grants(struct fold_case *order);
static void move(struct fold_case *order, bool is_timer, int64_t now_us);
static void take_step(
	struct fold_case *order, const struct moves *moves, const struct moves_step *step);
static void enter(struct fold_case *order, uint32_t affiliate_id, const char *name, int64_t amount);
static bool is_locked(const struct fold_case *order);
static const char *status_name(enum decide_status status);

void fold_case_init(struct fold_case *order)
{
	struct decide_known *known = &order->known;
	memset(order, 0, sizeof(*order));
	known->affiliates = order->affiliates;
	known->products = order->products;
	known->coupons = order->coupons;
	known->rules = order->rules;
}

void fold_case_begin(struct fold_case *order)
{
	if (order->is_decided)
		decision_release(&order->decision);
	memset(&order->decision, 0, sizeof(order->decision));
	order->is_decided = false;
	order->arrived_count = order->unseen_count = 0;
	order->state = ORDER_NEW;
	order->reviews = 0;
	order->row_count = order->account_count = order->granted_count = 0;
	order->known.frozen_count = order->known.verdict_count = order->known.live_winner_count = 0;
	order->known.coupon_taken = 0;
	order->known.live_reason = OUTCOME_NONE;
	order->known.live_evidence = EVIDENCE_NONE;
}

void fold_case_arrive(struct fold_case *order, unsigned event)
{
	if (event >= order->event_count || order->arrived_count == FOLD_CASE_MAX)
		fold_case_die("no such event", "");
	order->arrived[order->arrived_count++] = order->events[event];
	order->unseen[order->unseen_count++] = order->events[event];
}

const char *fold_case_post(struct fold_case *order, bool is_timer, int64_t now_us)
{
	static struct decide_room rooms[FOLD_CASE_MAX];
	struct left_line lines[ORDER_LINES_MAX];
	struct left_result left = {0};
	if (order->is_decided)
		decision_release(&order->decision);
	know(order);
	know_rooms(order, rooms);
	order->is_decided = true;
	const enum decide_status status =
		decide_order(&order->known, order->arrived, order->arrived_count, &order->decision);
	const struct folded *folded = &order->decision.folded;
	if (status == DECIDE_NOTHING) {
		order->state = folded->state;
		return "ok";
	}
	if (status != DECIDE_OK)
		return status_name(status);
	if (left_lines(order->arrived, order->arrived_count, folded, folded->terms, lines, &left) !=
		LEFT_OK)
		return "left";
	order->state = fold_state(folded, order->known.collects_on_delivery, left.is_nothing_left);
	order->reviews |= order->decision.reviews;
	move(order, is_timer, now_us);
	note_decision(order);
	order->unseen_count = 0;
	return "ok";
}

/* What the live decision froze holds while placed_at is the same. */
static void know(struct fold_case *order)
{
	struct decide_known *known = &order->known;
	struct folded folded;
	fold_sort(order->arrived, order->arrived_count);
	fold_order(order->arrived, order->arrived_count, &folded);
	if (folded.first == NULL || folded.placed_us != order->decided_placed_us)
		known->frozen_count = known->verdict_count = 0;
	known->frozen = order->frozen;
	known->verdicts = order->verdicts;
	known->arrived = order->unseen;
	known->arrived_count = order->unseen_count;
	known->live_winners = order->winners;
	known->is_locked = is_locked(order);
}

static void know_rooms(struct fold_case *order, struct decide_room *rooms)
{
	for (unsigned i = 0; i < order->room_count; i++) {
		const struct fold_room *room = &order->rooms[i];
		rooms[i] = (struct decide_room){.affiliate_id = room->affiliate_id,
			.rule_id = room->rule_id,
			.free_minor = room->free_minor};
		for (unsigned g = 0; g < order->granted_count; g++) {
			const struct decide_room *granted = &order->granted[g];
			if (granted->affiliate_id == room->affiliate_id &&
				granted->rule_id == room->rule_id) {
				rooms[i] = *granted;
				rooms[i].free_minor = room->free_minor - granted->used_minor;
			}
		}
	}
	order->known.rooms = rooms;
	order->known.room_count = order->room_count;
}

static bool is_locked(const struct fold_case *order)
{
	for (unsigned i = 0; i < order->row_count; i++) {
		const struct commission_row *row = &order->rows[i];
		if (!row->is_platform &&
			(row->is_adjustment || row->state == COMMISSION_APPROVED ||
				row->state == COMMISSION_PAID || row->state == COMMISSION_REVERSED))
			return true;
	}
	return false;
}

static void note_decision(struct fold_case *order)
{
	struct decide_known *known = &order->known;
	const struct decision *decision = &order->decision;
	order->decided_placed_us = decision->folded.placed_us;
	note_frozen(order);
	note_verdicts(order);
	if (decision->folded.is_confirmed && !decision->folded.is_test)
		note_grants(order);
	known->live_winner_count = 0;
	for (unsigned i = 0; i < decision->share_count; i++) {
		if (decision->shares[i].affiliate_id != 0)
			order->winners[known->live_winner_count++] =
				decision->shares[i].affiliate_id;
	}
	known->live_reason = decision->reason;
	known->live_evidence = decision->evidence;
	if (decision->coupon_id != 0)
		known->coupon_taken = decision->coupon_id;
}

/* Into a second array first: rules of the lines may point into the frozen ones. */
static void note_frozen(struct fold_case *order)
{
	static struct decide_frozen fresh[FOLD_CASE_FROZEN_MAX];
	const struct decision *decision = &order->decision;
	const struct event *terms = decision->folded.terms;
	unsigned count = 0;
	for (unsigned i = 0; i < decision->share_count; i++) {
		for (unsigned l = 0; l < terms->line_count && count < FOLD_CASE_FROZEN_MAX; l++) {
			const struct price_line *line = &decision->shares[i].lines[l];
			fresh[count] = (struct decide_frozen){
				.affiliate_id = decision->shares[i].affiliate_id,
				.line_id = terms->lines[l].line_id,
				.product_id = terms->lines[l].product_id,
				.rule = line->rule != NULL ? *line->rule : rule_empty(),
				.why = line->reason};
			if (line->rule == NULL)
				fresh[count].rule.rule_id = 0;
			count++;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		for (unsigned r = 0; r < order->known.rule_count; r++) {
			if (order->rules[r].rule_id == fresh[i].rule.rule_id)
				fresh[i].rule.category = order->rules[r].category;
		}
	}
	memcpy(order->frozen, fresh, count * sizeof(*fresh));
	order->known.frozen_count = count;
}

static void note_verdicts(struct fold_case *order)
{
	const struct decision *decision = &order->decision;
	if (decision->is_winner_kept)
		return;
	order->known.verdict_count = decision->candidate_count;
	for (unsigned i = 0; i < decision->candidate_count; i++) {
		const struct match_candidate *candidate = &decision->candidates[i];
		struct decide_verdict *verdict = &order->verdicts[i];
		*verdict = (struct decide_verdict){.is_coupon = candidate->is_coupon,
			.coupon = candidate->coupon,
			.verdict = candidate->verdict};
		memcpy(verdict->click_id, candidate->click.claim.click_id, CLICK_ID_BYTES);
	}
}

static void note_grants(struct fold_case *order)
{
	for (unsigned g = 0; g < order->granted_count; g++)
		order->granted[g].used_minor = 0;
	for (unsigned i = 0; i < order->decision.share_count; i++) {
		const struct decide_share *share = &order->decision.shares[i];
		for (unsigned n = 0; n < share->grant_count; n++) {
			const struct decide_grant *grant = &share->grants[n];
			unsigned g = 0;
			while (g < order->granted_count &&
				(order->granted[g].affiliate_id != share->affiliate_id ||
					order->granted[g].rule_id != grant->rule_id))
				g++;
			if (g == FOLD_CASE_MAX)
				fold_case_die("too many grants", "");
			if (g == order->granted_count && !grant->is_new)
				fold_case_die("a grant that was never made", "");
			order->granted_count += g == order->granted_count;
			order->granted[g] =
				(struct decide_room){.affiliate_id = share->affiliate_id,
					.rule_id = grant->rule_id,
					.is_granted = true,
					.granted_minor = grant->granted_minor,
					.wish_minor = grant->wish_minor,
					.used_minor = grant->used_minor};
		}
	}
}

static void move(struct fold_case *order, bool is_timer, int64_t now_us)
{
	const struct moves_input input = {.decision = &order->decision,
		.events = order->arrived,
		.event_count = order->arrived_count,
		.rows = order->rows,
		.row_count = order->row_count,
		.may_release = is_timer,
		.now_us = now_us};
	const unsigned max = moves_rows_max(&input);
	struct moves moves = {.rows = calloc(max + 1, sizeof(*moves.rows)),
		.steps = calloc(((size_t)max + 1) * MOVES_STEPS_OF_ROW_MAX, sizeof(*moves.steps))};
	if (moves.rows == NULL || moves.steps == NULL)
		fold_case_die("no memory", "");
	if (!moves_plan(&input, &moves) || moves.row_count > FOLD_CASE_MAX)
		fold_case_die("no plan of moves", "");
	for (unsigned i = 0; i < moves.step_count; i++)
		take_step(order, &moves, &moves.steps[i]);
	for (unsigned i = 0; i < moves.row_count; i++) {
		order->rows[i] = moves.rows[i].row;
		order->rows[i].reason = moves.rows[i].reason;
		order->rows[i].commission_id = i + 1;
	}
	order->row_count = moves.row_count;
	order->reviews |= moves.reviews;
	free(moves.rows);
	free(moves.steps);
}

/* The database's own refusals: legal moves only, and no entry of a frozen row. */
static void take_step(
	struct fold_case *order, const struct moves *moves, const struct moves_step *step)
{
	const struct moves_row *row = &moves->rows[step->row];
	struct commission_row *stored = &order->rows[step->row];
	if (step->row >= FOLD_CASE_MAX || step->amount_minor < 0)
		fold_case_die("no such step", move_name_text(step->name));
	if (step->row >= order->row_count) {
		*stored = row->row;
		stored->state = row->born;
		order->row_count = step->row + 1;
	} else if (stored->is_frozen) {
		fold_case_die("a frozen row moves", move_name_text(step->name));
	}
	if (step->changes_state && !commission_can_move(stored->state, step->state))
		fold_case_die("no such move to", commission_state_name(step->state));
	if (!step->changes_state && stored->state != step->state)
		fold_case_die("a move unsaid to", commission_state_name(step->state));
	stored->state = step->state;
	if (step->amount_minor != 0) {
		enter(order, row->row.affiliate_id, step->from, -step->amount_minor);
		enter(order, row->row.affiliate_id, step->to, step->amount_minor);
	}
}

static void enter(struct fold_case *order, uint32_t affiliate_id, const char *name, int64_t amount)
{
	unsigned i = 0;
	while (i < order->account_count && (order->accounts[i].affiliate_id != affiliate_id ||
						   strcmp(order->accounts[i].name, name) != 0))
		i++;
	if (i == FOLD_CASE_MAX)
		fold_case_die("too many accounts", name);
	if (i == order->account_count)
		order->accounts[order->account_count++] =
			(struct fold_account){.affiliate_id = affiliate_id, .name = name};
	order->accounts[i].amount_minor += amount;
}

void fold_case_pay(struct fold_case *order, char what)
{
	for (unsigned i = 0; i < order->row_count; i++) {
		struct commission_row *row = &order->rows[i];
		const bool is_under_way = row->is_frozen && row->state == COMMISSION_APPROVED;
		if (what == 'p' && row->state == COMMISSION_APPROVED && !row->is_frozen) {
			row->is_frozen = true;
			enter(order, row->affiliate_id, "available", -row->amount_minor);
			enter(order, row->affiliate_id, "in_payout", row->amount_minor);
		} else if ((what == 's' || what == 'f') && is_under_way) {
			row->is_frozen = what == 's';
			row->state = what == 's' ? COMMISSION_PAID : COMMISSION_APPROVED;
			enter(order, row->affiliate_id, "in_payout", -row->amount_minor);
			enter(order, row->affiliate_id, what == 's' ? "paid" : "available",
				row->amount_minor);
		} else if (what == 'b' && row->state == COMMISSION_PAID) {
			row->is_frozen = false;
			row->state = COMMISSION_APPROVED;
			enter(order, row->affiliate_id, "paid", -row->amount_minor);
			enter(order, row->affiliate_id, "available", row->amount_minor);
		}
	}
}

void fold_case_clear(struct fold_case *order)
{
	fold_case_begin(order);
	for (unsigned i = 0; i < order->event_count; i++)
		event_free(order->events[i]);
	fold_case_init(order);
	kept_bytes = 0;
}

struct str fold_case_keep(const char *text)
{
	const size_t len = strlen(text);
	if (kept_bytes + len > KEPT_BYTES_MAX)
		fold_case_die("too much text", text);
	char *copy = kept + kept_bytes;
	memcpy(copy, text, len);
	kept_bytes += len;
	return (struct str){.data = copy, .len = len};
}

static const char *status_name(enum decide_status status)
{
	switch (status) {
	case DECIDE_OK:
	case DECIDE_NOTHING:
		return "ok";
	case DECIDE_OVERFLOW:
		return "overflow";
	case DECIDE_CURRENCY:
		return "currency";
	case DECIDE_BAD_AMOUNT:
		return "bad_amount";
	case DECIDE_NO_MEMORY:
		return "no_memory";
	}
	return "";
}

_Noreturn void fold_case_die(const char *why, const char *what)
{
	fprintf(stderr, "fold_tool: %s: %s\n", why, what);
	exit(EXIT_FAILURE);
}
