/* SPDX-License-Identifier: Apache-2.0
 * Between reading and writing a batch: each order is decided by the pure core, compared with the
 * decision that holds, and turned into rows and an answer. */
#include <stdio.h>
#include <string.h>

#include "post_parts.h"
#include "timestamp.h"

#define REVIEW_AHEAD_US (600 * US_PER_S)
#define REVIEW_OLD_US   (180 * 86400 * US_PER_S)

#define POINTER_MAX    64
#define DETAIL_PRECISE "more decimals than the order's currency has"

static enum batch_step decide_one(struct poster *poster, struct posting *posting);
static enum batch_step check(struct batch *batch, struct posting *posting);
static bool is_precise(struct str amount, unsigned digits);
static const struct event *known_currency(const struct posting *posting);
static bool known_of(
	struct batch *batch, const struct posting *posting, struct decide_known *known);
static void refuse(
	struct posting *posting, const char *code, const char *detail, const char *pointer);
static enum batch_step post_waiting(struct batch *batch, struct posting *posting);
static enum batch_step post_decision(
	struct batch *batch, struct posting *posting, const struct decision *decision);
static enum batch_step plan(struct batch *batch, struct posting *posting,
	const struct decision *decision, struct moves *moves);
static bool is_another(const struct posting *posting, const struct post_text *text);
static unsigned reviews_to_open(const struct posting *posting, unsigned reviews);
static void open_reviews(struct batch *batch, const struct posting *posting, unsigned opened);
static bool is_cause(const struct event *event, enum decide_review review);
static int64_t due_us(const struct moves *moves);
static enum batch_step finish(struct batch *batch, struct posting *posting, int64_t release_us,
	const char *effect, const struct post_answer *answer);
static bool is_told_to_wait(const struct posting *posting, const struct post_answer *answer);
static bool is_far_off(const struct event *event);
static enum meters_result result_of(struct str result);
static void count_decision(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct moves *moves);

enum batch_step post_decide(struct poster *poster)
{
	struct batch *const batch = &poster->batch;
	enum batch_step step = BATCH_GO_ON;
	for (unsigned i = 0; i < batch->count && step == BATCH_GO_ON; i++)
		if (!batch->postings[i].verdict.is_set)
			step = decide_one(poster, &batch->postings[i]);
	return step;
}

static enum batch_step decide_one(struct poster *poster, struct posting *posting)
{
	struct batch *const batch = &poster->batch;
	struct decide_known known;
	struct decision *const decision = &poster->decision;
	enum batch_step step = check(batch, posting);
	if (step != BATCH_GO_ON || posting->verdict.is_set)
		return step;
	post_coupons_hold_back(batch, posting);
	if (!known_of(batch, posting, &known))
		return BATCH_NO_MEMORY;
	switch (decide_order(&known, posting->events, posting->event_count, decision)) {
	case DECIDE_OK:
		posting->folded = decision->folded;
		step = post_decision(batch, posting, decision);
		break;
	case DECIDE_NOTHING:
		posting->folded = decision->folded;
		step = post_waiting(batch, posting);
		break;
	case DECIDE_OVERFLOW:
		refuse(posting, "amount_overflow", "the amounts are more than can be counted",
			"/data/lines");
		break;
	case DECIDE_CURRENCY:
		refuse(posting, "currency_changed", "the order has events in another currency",
			"/data/currency");
		break;
	case DECIDE_BAD_AMOUNT:
		refuse(posting, "too_precise", "more decimals than the currency has", "");
		break;
	case DECIDE_NO_MEMORY:
		step = BATCH_NO_MEMORY;
		break;
	}
	decision_release(decision);
	return step;
}

/* Refuses what can be seen to be wrong only beside the order's other events: another currency, and
 * refunded amounts that its currency has no digits for. */
static enum batch_step check(struct batch *batch, struct posting *posting)
{
	const struct event *const event = posting->item->event;
	const struct event *const other = known_currency(posting);
	if (event == NULL || other == NULL)
		return BATCH_GO_ON;
	if (event->currency[0] != '\0') {
		if (strcmp(event->currency, other->currency) != 0)
			refuse(posting, "currency_changed",
				"the order has events in another currency", "/data/currency");
		return BATCH_GO_ON;
	}
	for (unsigned i = 0; i < event->line_count; i++) {
		char pointer[POINTER_MAX];
		struct str kept;
		if (is_precise(event->lines[i].refunded_amount, other->digits))
			continue;
		snprintf(pointer, sizeof(pointer), "/data/lines/%u/refunded_amount", i);
		if (!arena_keep(&batch->arena, str_from(pointer), &kept))
			return BATCH_NO_MEMORY;
		refuse(posting, "too_precise", DETAIL_PRECISE, kept.data);
		return BATCH_GO_ON;
	}
	if (!is_precise(event->refunded_amount, other->digits))
		refuse(posting, "too_precise", DETAIL_PRECISE, "/data/refunded_amount");
	return BATCH_GO_ON;
}

static bool is_precise(struct str amount, unsigned digits)
{
	int64_t minor;
	return amount.len == 0 || money_parse(amount, digits, &minor) == MONEY_OK;
}

/* Some event of the order, but for the new one, that tells a currency; NULL: none. */
static const struct event *known_currency(const struct posting *posting)
{
	for (unsigned i = 0; i < posting->loaded_count; i++)
		if (posting->loaded[i]->currency[0] != '\0')
			return posting->loaded[i];
	return NULL;
}

static bool known_of(struct batch *batch, const struct posting *posting, struct decide_known *known)
{
	const struct store_terms *const terms = &posting->item->terms;
	*known = (struct decide_known){.store_id = posting->item->store_id,
		.model = posting->model,
		.precedence = posting->precedence,
		.precedence_name = stores_precedence_name(posting->precedence),
		.self_referral = terms->self_referral,
		.collects_on_delivery = terms->collects_on_delivery,
		.return_days = terms->return_days,
		.affiliates = posting->affiliates,
		.affiliate_count = posting->known_affiliates,
		.products = posting->products,
		.product_count = posting->known_products,
		.coupons = posting->coupons,
		.coupon_count = posting->known_coupons,
		.arrived = posting->arrived,
		.arrived_count = posting->arrived_count,
		.coupon_taken = posting->coupon_taken,
		.is_locked = posting->is_locked,
		.live_winners = posting->live_winners,
		.live_winner_count = posting->live_winner_count,
		.live_reason = posting->live_reason,
		.live_evidence = posting->live_evidence};
	/* Frozen for another placed_at, in other words before an earlier event came late: looked up
	 * again, or who and how much would depend on which event came first. */
	if (posting->live_placed_us == posting->folded.placed_us) {
		known->frozen = posting->frozen;
		known->frozen_count = posting->frozen_count;
		known->verdicts = posting->verdicts;
		known->verdict_count = posting->verdict_count;
	}
	for (unsigned i = 0; i < batch->rules_count; i++)
		if (batch->rules[i].store_id == known->store_id) {
			known->rules = batch->rules[i].rules;
			known->rule_count = batch->rules[i].count;
		}
	known->rooms = post_rooms_of(batch, posting, &known->room_count);
	return known->rooms != NULL;
}

static void refuse(
	struct posting *posting, const char *code, const char *detail, const char *pointer)
{
	posting->verdict = (struct post_verdict){.is_set = true,
		.is_final = true,
		.outcome = {.status = POST_REFUSED,
			.http_status = 422,
			.code = code,
			.detail = detail,
			.pointer = pointer}};
}

/* Nothing to decide yet: the order was neither placed nor confirmed. */
static enum batch_step post_waiting(struct batch *batch, struct posting *posting)
{
	return finish(batch, posting, 0, "waiting", NULL);
}

static enum batch_step post_decision(
	struct batch *batch, struct posting *posting, const struct decision *decision)
{
	struct moves moves = {0};
	struct post_text text;
	enum batch_step step = plan(batch, posting, decision, &moves);
	if (step != BATCH_GO_ON || posting->verdict.is_set)
		return step;
	post_text_init(&text);
	post_text_decision(&text, posting, decision, &moves);
	const bool is_new = is_another(posting, &text);
	posting->new_version = is_new ? posting->live_version + 1 : 0;
	posting->version = is_new ? posting->new_version : posting->live_version;
	if (is_new)
		post_write_decision(batch, posting, decision, &text);
	step = post_money_write(batch, posting, decision, &moves);
	post_coupons_write(batch, posting, decision);
	post_rooms_write(batch, posting, decision);
	post_write_click(batch, posting, decision);
	const unsigned opened = reviews_to_open(posting, decision->reviews | moves.reviews);
	open_reviews(batch, posting, opened);
	count_decision(batch, posting, decision, &moves);
	const struct post_answer answer = {.order_id = posting->item->order_id,
		.result = str_from(decision_result_name(decision->result)),
		.reason = str_from(outcome_name(decision->reason)),
		.commissions = buf_str(&text.commissions)};
	if (post_text_has_failed(&text))
		step = BATCH_NO_MEMORY;
	if (step == BATCH_GO_ON)
		step = finish(batch, posting,
			posting->has_review || opened != 0 ? 0 : due_us(&moves),
			post_effect(posting, decision, &moves), &answer);
	post_text_release(&text);
	return step;
}

/* The order's commissions as they will stand, and the steps that lead there, in the arena. */
static enum batch_step plan(struct batch *batch, struct posting *posting,
	const struct decision *decision, struct moves *moves)
{
	const struct moves_input input = {.decision = decision,
		.events = posting->events,
		.event_count = posting->event_count,
		.rows = posting->rows,
		.row_count = posting->row_count,
		.may_release = posting->item->event == NULL && !posting->has_review &&
			       reviews_to_open(posting, decision->reviews) == 0,
		.now_us = batch->now_us};
	const unsigned most = moves_rows_max(&input);
	moves->rows = arena_take(&batch->arena, most, sizeof(*moves->rows));
	moves->steps = arena_take(
		&batch->arena, (size_t)most * MOVES_STEPS_OF_ROW_MAX, sizeof(*moves->steps));
	if (moves->rows == NULL || moves->steps == NULL)
		return BATCH_NO_MEMORY;
	if (moves_plan(&input, moves))
		return post_money_number(batch, moves);
	refuse(posting, "amount_overflow", "the amounts are more than can be counted",
		"/data/lines");
	return BATCH_GO_ON;
}

/* Who, what or how much is another than the live decision says; or its answer would tell rows that
 * this event's does not. */
static bool is_another(const struct posting *posting, const struct post_text *text)
{
	return !posting->has_live || !str_equal(posting->live_head, buf_str(&text->head)) ||
	       !str_equal(posting->live_lines, buf_str(&text->lines)) ||
	       !str_equal(posting->live_shares, buf_str(&text->shares)) ||
	       (posting->item->event != NULL &&
		       !str_equal(posting->live_commissions, buf_str(&text->commissions)));
}

/* Of the reviews that a decision asks for those that are to be opened: not one that was lifted,
 * unless the event is a new cause for it. */
static unsigned reviews_to_open(const struct posting *posting, unsigned reviews)
{
	const struct event *const event = posting->item->event;
	unsigned opened = reviews & ~posting->reviews;
	for (unsigned i = 0; i < DECIDE_REVIEW_COUNT && event != NULL; i++)
		if ((reviews & (1u << i)) != 0 && is_cause(event, (enum decide_review)i))
			opened |= 1u << i;
	return opened;
}

static void open_reviews(struct batch *batch, const struct posting *posting, unsigned opened)
{
	for (unsigned i = 0; i < DECIDE_REVIEW_COUNT; i++)
		if ((opened & (1u << i)) != 0)
			post_write_review(
				batch, posting, decide_review_name((enum decide_review)i));
}

/* Whether the event by itself is a reason to look again, though an operator has looked before. */
static bool is_cause(const struct event *event, enum decide_review review)
{
	switch (review) {
	case DECIDE_REVIEW_CONFLICT:
		return event->type == EVENT_COLLECTED || event->type == EVENT_CANCELLED ||
		       event->type == EVENT_REFUSED;
	case DECIDE_REVIEW_OVER_REFUND:
		return event->type == EVENT_REFUNDED || event->type == EVENT_RETURNED ||
		       event->type == EVENT_AMENDED;
	case DECIDE_REVIEW_LATE_EVIDENCE:
		return event->click_count > 0 || event->coupon_count > 0;
	case DECIDE_REVIEW_SELF_REFERRAL:
	case DECIDE_REVIEW_COUPON_STACKED:
	case DECIDE_REVIEW_AFFILIATE_SUSPENDED:
	case DECIDE_REVIEW_COLLECTION_UNDONE:
		return false;
	case DECIDE_REVIEW_TIMESTAMP:
	case DECIDE_REVIEW_COUNT:
		break;
	}
	return true;
}

/* When the first of the held rows may be released; 0: none waits for that. */
static int64_t due_us(const struct moves *moves)
{
	int64_t first_us = 0;
	for (unsigned i = 0; i < moves->row_count; i++) {
		const struct commission_row *const row = &moves->rows[i].row;
		if (row->state == COMMISSION_HELD && row->release_us != 0 &&
			(first_us == 0 || row->release_us < first_us))
			first_us = row->release_us;
	}
	return first_us;
}

/* What every event leaves, whatever it came to: its id, facts and body, its order's row, its
 * answer. Without an answer of its own (NULL), or while it waits, it is told so. */
static enum batch_step finish(struct batch *batch, struct posting *posting, int64_t release_us,
	const char *effect, const struct post_answer *answer)
{
	const struct event *const event = posting->item->event;
	const bool is_waiting =
		event != NULL && (answer == NULL || is_told_to_wait(posting, answer));
	const struct post_answer waiting = {.order_id = posting->item->order_id,
		.result = STR("waiting"),
		.reason = str_from(outcome_name(OUTCOME_NOT_CONFIRMED)),
		.commissions = STR("[]")};
	struct buf text;
	posting->verdict = (struct post_verdict){.is_set = true, .outcome = {.status = POST_DONE}};
	if (event != NULL && is_far_off(event)) {
		post_write_review(batch, posting, decide_review_name(DECIDE_REVIEW_TIMESTAMP));
		release_us = 0;
	}
	/* What stays held though its time is over is not looked at again by the clock. */
	if (event == NULL && release_us <= batch->now_us)
		release_us = 0;
	post_write_order(batch, posting, release_us);
	if (event == NULL)
		return BATCH_GO_ON;
	if (is_waiting)
		answer = &waiting;
	buf_init(&text, EVENT_FACTS_MAX);
	event_json_facts(event, &text);
	bool is_whole = !text.has_failed;
	if (is_whole)
		post_write_event(batch, posting, is_waiting ? "waiting" : effect,
			is_waiting ? "waiting" : "", buf_str(&text));
	buf_clear(&text);
	post_text_answer(answer, &text);
	posting->verdict.outcome.result = result_of(answer->result);
	is_whole &= !text.has_failed &&
		    arena_keep(&batch->arena, buf_str(&text), &posting->verdict.outcome.answer);
	buf_release(&text);
	return is_whole ? BATCH_GO_ON : BATCH_NO_MEMORY;
}

/* Before an order is confirmed, all but what places it waits; a conflict is told all the same. */
static bool is_told_to_wait(const struct posting *posting, const struct post_answer *answer)
{
	return posting->folded.is_waiting && posting->item->event->type != EVENT_PLACED &&
	       !str_equal(answer->result, str_from(decision_result_name(DECISION_CONFLICT)));
}

static bool is_far_off(const struct event *event)
{
	return event->occurred_us > event->received_us + REVIEW_AHEAD_US ||
	       event->occurred_us < event->received_us - REVIEW_OLD_US;
}

static enum meters_result result_of(struct str result)
{
	if (str_equal(result, STR("waiting")))
		return METERS_WAITING;
	if (str_equal(result, str_from(decision_result_name(DECISION_CONFLICT))))
		return METERS_CONFLICT;
	return str_equal(result, str_from(decision_result_name(DECISION_ATTRIBUTED)))
		       ? METERS_ATTRIBUTED
		       : METERS_UNATTRIBUTED;
}

static void count_decision(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct moves *moves)
{
	if (decision->result == DECISION_UNATTRIBUTED && posting->new_version > 0)
		post_count_add(batch, NULL, "", outcome_name(decision->reason));
	for (unsigned i = 0; i < moves->row_count; i++) {
		const enum commission_state state = moves->rows[i].row.state;
		if (moves->rows[i].is_new || state != posting->rows[i].state)
			post_count_add(batch, commission_state_name(state),
				decision->folded.first->currency, NULL);
	}
}
