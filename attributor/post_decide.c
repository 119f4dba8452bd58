/* SPDX-License-Identifier: Apache-2.0
 * Between reading and writing a batch: each order is decided by the pure core, compared with the
 * decision that holds, and turned into rows and an answer. */
#include <string.h>

#include "post_parts.h"
#include "timestamp.h"

#define REVIEW_AHEAD_US (600 * US_PER_S)
#define REVIEW_OLD_US   (180 * 86400 * US_PER_S)

static enum batch_step decide_one(struct poster *poster, struct posting *posting);
static struct decide_known known_of(struct batch *batch, const struct posting *posting);
static void refuse(
	struct posting *posting, const char *code, const char *detail, const char *pointer);
static enum batch_step post_decision(
	struct batch *batch, struct posting *posting, const struct decision *decision);
static enum batch_step move_money(struct batch *batch, struct posting *posting,
	const struct decision *decision, struct post_money *money);
static bool take_id(struct post_ids *ids, int64_t *id);
static bool is_another(
	const struct posting *posting, const struct post_text *text, unsigned change_count);
static enum batch_step finish(struct batch *batch, struct posting *posting, const char *effect,
	const struct post_answer *answer);
static const char *effect_of(
	const struct posting *posting, const struct post_money *money, bool is_new_decision);
static void count_decision(
	struct batch *batch, const struct decision *decision, const struct post_money *money);

enum batch_step post_decide(struct poster *poster)
{
	struct batch *const batch = &poster->batch;
	enum batch_step step = BATCH_GO_ON;
	post_write_init(batch);
	for (unsigned i = 0; i < batch->count && step == BATCH_GO_ON; i++)
		if (!batch->postings[i].verdict.is_set)
			step = decide_one(poster, &batch->postings[i]);
	return step;
}

static enum batch_step decide_one(struct poster *poster, struct posting *posting)
{
	struct batch *const batch = &poster->batch;
	const struct decide_known known = known_of(batch, posting);
	struct decision *const decision = &poster->decision;
	enum batch_step step = BATCH_GO_ON;
	const struct post_answer deferred = {.order_id = posting->item->event->order_id,
		.result = STR("deferred"),
		.commissions = STR("[]")};
	switch (decide_order(&known, posting->events, posting->event_count, decision)) {
	case DECIDE_OK:
		posting->folded = decision->folded;
		step = post_decision(batch, posting, decision);
		break;
	case DECIDE_NOTHING:
		posting->folded = decision->folded;
		step = finish(batch, posting, "deferred", &deferred);
		break;
	case DECIDE_OVERFLOW:
		refuse(posting, "amount_overflow", "the amounts are more than can be counted",
			"/data/lines");
		break;
	case DECIDE_CURRENCY:
		refuse(posting, "currency_changed", "the order began in another currency",
			"/data/currency");
		break;
	case DECIDE_BAD_AMOUNT:
		refuse(posting, "bad_amount", "an amount has more digits than the order's currency",
			"/data");
		break;
	case DECIDE_NO_MEMORY:
		step = BATCH_NO_MEMORY;
		break;
	}
	decision_release(decision);
	return step;
}

static struct decide_known known_of(struct batch *batch, const struct posting *posting)
{
	struct decide_known known = {.store_id = posting->item->store_id,
		.model = posting->model,
		.precedence = str_equal(posting->precedence, STR("click_first"))
				      ? MATCH_CLICK_FIRST
				      : MATCH_COUPON_FIRST,
		.precedence_name = posting->precedence.data,
		.self_referral = posting->item->self_referral,
		.arrived = (const struct event *const *)&posting->item->event,
		.arrived_count = 1,
		.affiliates = posting->affiliates,
		.affiliate_count = posting->known_affiliates,
		.products = posting->products,
		.product_count = posting->known_products};
	/* Frozen for another placed_at, in other words before an earlier event came late: looked up
	 * again, or the price would depend on which event came first. */
	if (posting->live_placed_us == posting->folded.placed_us) {
		known.frozen = posting->frozen;
		known.frozen_count = posting->frozen_count;
	}
	for (unsigned i = 0; i < batch->rules_count; i++)
		if (batch->rules[i].store_id == known.store_id) {
			known.rules = batch->rules[i].rules;
			known.rule_count = batch->rules[i].count;
		}
	return known;
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

static enum batch_step post_decision(
	struct batch *batch, struct posting *posting, const struct decision *decision)
{
	struct post_money money = {0};
	struct post_text text;
	enum batch_step step = move_money(batch, posting, decision, &money);
	if (step != BATCH_GO_ON)
		return step;
	post_text_init(&text);
	post_text_decision(&text, posting, decision, &money);
	const bool is_new = is_another(posting, &text, money.change_count);
	posting->new_version = is_new ? posting->live_version + 1 : 0;
	posting->version = is_new ? posting->new_version : posting->live_version;
	if (is_new)
		post_write_decision(batch, posting, decision, &text);
	post_write_money(batch, posting, decision, &money);
	for (unsigned i = 0; i < DECIDE_REVIEW_COUNT; i++)
		if ((decision->reviews & 1u << i) != 0)
			post_write_review(
				batch, posting, decide_review_name((enum decide_review)i));
	count_decision(batch, decision, &money);
	const bool is_deferred = event_type_is_deferred(posting->item->event->type);
	const struct post_answer answer = {.order_id = posting->item->event->order_id,
		.result = is_deferred ? STR("deferred")
				      : str_from(decision_result_name(decision->result)),
		.reason = is_deferred ? (struct str){0} : str_from(outcome_name(decision->reason)),
		.commissions = is_deferred ? STR("[]") : buf_str(&text.commissions)};
	if (is_deferred)
		posting->version = 0;
	step = post_text_has_failed(&text)
		       ? BATCH_NO_MEMORY
		       : finish(batch, posting, effect_of(posting, &money, is_new), &answer);
	post_text_release(&text);
	return step;
}

/* The order's commissions as they will stand, the moves that lead there, and numbers for both. */
static enum batch_step move_money(struct batch *batch, struct posting *posting,
	const struct decision *decision, struct post_money *money)
{
	const unsigned most = posting->row_count + decision->share_count;
	money->changes = arena_take(&batch->arena, most, sizeof(*money->changes));
	money->transaction_ids = arena_take(&batch->arena, most, sizeof(*money->transaction_ids));
	money->rows = arena_take(&batch->arena, most, sizeof(*money->rows));
	money->row_of = arena_take(&batch->arena, most, sizeof(*money->row_of));
	if (money->changes == NULL || money->transaction_ids == NULL || money->rows == NULL ||
		money->row_of == NULL)
		return BATCH_NO_MEMORY;
	for (unsigned i = 0; i < posting->row_count; i++)
		money->rows[money->row_count++] =
			(struct post_commission){.commission_id = posting->rows[i].commission_id,
				.affiliate_id = posting->rows[i].affiliate_id,
				.amount_minor = posting->rows[i].amount_minor,
				.state = posting->rows[i].is_voided ? "voided" : "pending"};
	money->change_count =
		decide_changes(decision, posting->rows, posting->row_count, money->changes);
	for (unsigned i = 0; i < money->change_count; i++) {
		struct decide_change *const change = &money->changes[i];
		if (!take_id(&batch->transaction_ids, &money->transaction_ids[i]))
			return BATCH_SENSELESS;
		struct post_commission *row = &money->rows[money->row_count];
		if (change->row >= 0)
			row = &money->rows[change->row];
		else if (!take_id(&batch->commission_ids, &row->commission_id))
			return BATCH_SENSELESS;
		else
			money->row_count++;
		money->row_of[i] = (unsigned)(row - money->rows);
		row->affiliate_id = change->affiliate_id;
		row->amount_minor = change->amount_minor;
		row->state = change->move == MOVE_VOID ? "voided" : "pending";
	}
	return BATCH_GO_ON;
}

static bool take_id(struct post_ids *ids, int64_t *id)
{
	if (ids->used == ids->count)
		return false;
	*id = ids->ids[ids->used++];
	return true;
}

static bool is_another(
	const struct posting *posting, const struct post_text *text, unsigned change_count)
{
	return !posting->has_live || change_count > 0 ||
	       !str_equal(posting->live_head, buf_str(&text->head)) ||
	       !str_equal(posting->live_lines, buf_str(&text->lines));
}

/* What every event leaves, whatever it came to: its id, facts and body, its order's row, its
 * answer. */
static enum batch_step finish(struct batch *batch, struct posting *posting, const char *effect,
	const struct post_answer *answer)
{
	const struct event *const event = posting->item->event;
	struct buf text;
	buf_init(&text, EVENT_FACTS_MAX);
	event_json_facts(event, &text);
	bool is_whole = !text.has_failed;
	if (is_whole)
		post_write_event(batch, posting, effect, buf_str(&text));
	post_write_order(batch, posting, posting->folded.is_waiting);
	if (event->occurred_us > event->received_us + REVIEW_AHEAD_US ||
		event->occurred_us < event->received_us - REVIEW_OLD_US)
		post_write_review(batch, posting, "timestamp_out_of_range");
	buf_clear(&text);
	post_text_answer(answer, &text);
	posting->verdict = (struct post_verdict){.is_set = true, .outcome = {.status = POST_DONE}};
	posting->verdict.outcome.result = event_type_is_deferred(event->type) ? METERS_DEFERRED
					  : str_equal(answer->result, STR("attributed"))
						  ? METERS_ATTRIBUTED
						  : METERS_UNATTRIBUTED;
	is_whole &= !text.has_failed &&
		    arena_keep(&batch->arena, buf_str(&text), &posting->verdict.outcome.answer);
	buf_release(&text);
	return is_whole ? BATCH_GO_ON : BATCH_NO_MEMORY;
}

static const char *effect_of(
	const struct posting *posting, const struct post_money *money, bool is_new_decision)
{
	if (event_type_is_deferred(posting->item->event->type))
		return "deferred";
	if (money->change_count > 0)
		return posting->row_count == 0 ? "accrued" : "amended";
	return is_new_decision ? "decided" : "unchanged";
}

static void count_decision(
	struct batch *batch, const struct decision *decision, const struct post_money *money)
{
	if (decision->result == DECISION_UNATTRIBUTED)
		post_count_add(batch, NULL, "", outcome_name(decision->reason));
	for (unsigned i = 0; i < money->change_count; i++)
		post_count_add(batch, money->rows[money->row_of[i]].state,
			decision->folded.first->currency, NULL);
}
