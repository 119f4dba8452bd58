/* SPDX-License-Identifier: Apache-2.0
 * Decisions, rules and answers as text. What goes into a jsonb column is written as Postgres writes
 * it back (keys by length, then bytes; ", " and ": "), so that two of them compare as bytes. */
#include <inttypes.h>
#include <stdio.h>

#include "json_text.h"
#include "post_parts.h"
#include "timestamp.h"

#define NUMBER_TEXT_MAX 24

#define FIRST_TAIL     ",\"duplicate\":false}"
#define DUPLICATE_TAIL ",\"duplicate\":true}"

static void add_lines(struct post_text *text, const struct posting *posting,
	const struct event *terms, const struct decide_share *share);
static struct str number_text(char out[NUMBER_TEXT_MAX], int64_t number);
static void add_candidate(const struct match_candidate *candidate, struct buf *out);
static void add_click(const struct match_candidate *candidate, struct buf *out);
static void add_number_or_null(struct buf *out, bool has_value, int64_t value);

void post_text_init(struct post_text *text)
{
	buf_init(&text->candidates, POST_TEXT_MAX);
	buf_init(&text->commissions, POST_TEXT_MAX);
	buf_init(&text->head, POST_TEXT_MAX);
	buf_init(&text->lines, POST_TEXT_MAX);
}

void post_text_release(struct post_text *text)
{
	buf_release(&text->candidates);
	buf_release(&text->commissions);
	buf_release(&text->head);
	buf_release(&text->lines);
}

bool post_text_has_failed(const struct post_text *text)
{
	return text->candidates.has_failed || text->commissions.has_failed ||
	       text->head.has_failed || text->lines.has_failed;
}

void post_text_decision(struct post_text *text, const struct posting *posting,
	const struct decision *decision, const struct post_money *money)
{
	post_text_candidates(decision, &text->candidates);
	post_text_commissions(money->rows, money->row_count, decision->folded.first->currency,
		&text->commissions);
	const struct str head[POST_HEAD_FIELDS] = {str_from(decision_result_name(decision->result)),
		str_from(outcome_name(decision->reason)), post_text_evidence(decision),
		buf_str(&text->candidates), buf_str(&text->commissions)};
	post_text_fields(&text->head, head, POST_HEAD_FIELDS);
	for (unsigned i = 0; i < decision->share_count; i++)
		add_lines(text, posting, decision->folded.terms, &decision->shares[i]);
}

struct str post_text_evidence(const struct decision *decision)
{
	if (decision->result != DECISION_ATTRIBUTED)
		return (struct str){0};
	return str_from(match_evidence_name(decision->evidence));
}

uint32_t post_product_id(const struct posting *posting, struct str external_id)
{
	for (unsigned i = 0; i < posting->known_products; i++)
		if (posting->products[i].store_id == posting->item->store_id &&
			str_equal(posting->products[i].external_id, external_id))
			return posting->products[i].product_id;
	return 0;
}

void post_text_candidates(const struct decision *decision, struct buf *out)
{
	buf_add_cstr(out, "[");
	for (unsigned i = 0; i < decision->candidate_count; i++) {
		buf_add_cstr(out, i > 0 ? ", " : "");
		add_candidate(&decision->candidates[i], out);
	}
	buf_add_cstr(out, "]");
}

void post_text_rule(const struct rule *rule, struct buf *out)
{
	char text[MONEY_TEXT_MAX];
	const bool has_fixed = rule->fixed_unit_minor != RULE_NO_FIXED;
	const bool has_rate = rule->rate_bp != RULE_NO_RATE;
	buf_add_cstr(out, "{\"rate\": ");
	if (has_rate)
		money_format_rate(text, (unsigned)rule->rate_bp);
	json_text_add_or_null(out, has_rate ? str_from(text) : (struct str){0});
	buf_add_cstr(out, ", \"fixed\": ");
	unsigned digits = 0;
	money_currency_digits(str_from(rule->currency), &digits);
	if (has_fixed)
		money_format(text, rule->fixed_unit_minor, digits);
	json_text_add_or_null(out, has_fixed ? str_from(text) : (struct str){0});
	buf_addf(out, ", \"level\": \"%s\", \"rate_bp\": ", rule_level_name(rule->level));
	add_number_or_null(out, has_rate, rule->rate_bp);
	buf_addf(out, ", \"rule_id\": %" PRId64 ", \"currency\": ", rule->rule_id);
	json_text_add_or_null(out, str_from(rule->currency));
	buf_add_cstr(out, ", \"fixed_unit_minor\": ");
	add_number_or_null(out, has_fixed, rule->fixed_unit_minor);
	buf_add_cstr(out, "}");
}

void post_text_commissions(const struct post_commission *commissions, unsigned count,
	const char *currency, struct buf *out)
{
	unsigned digits = 0;
	money_currency_digits(str_from(currency), &digits);
	buf_add_cstr(out, "[");
	for (unsigned i = 0; i < count; i++) {
		char amount[MONEY_TEXT_MAX];
		money_format(amount, commissions[i].amount_minor, digits);
		buf_addf(out,
			"%s{\"id\":%" PRId64 ",\"affiliate_id\":%u,\"amount\":\"%s\","
			"\"currency\":\"%s\",\"state\":\"%s\"}",
			i > 0 ? "," : "", commissions[i].commission_id, commissions[i].affiliate_id,
			amount, currency, commissions[i].state);
	}
	buf_add_cstr(out, "]");
}

void post_text_answer(const struct post_answer *answer, struct buf *out)
{
	buf_add_cstr(out, "{\"order_id\":");
	json_text_add(out, answer->order_id);
	buf_add_cstr(out, ",\"decision\":");
	json_text_add(out, answer->result);
	buf_add_cstr(out, ",\"reason\":");
	json_text_add_or_null(out, answer->reason);
	buf_add_cstr(out, ",\"commissions\":");
	buf_add_str(out, answer->commissions);
	buf_add_cstr(out, answer->is_duplicate ? DUPLICATE_TAIL : FIRST_TAIL);
}

void post_text_repeat(struct str answer, struct buf *out)
{
	const struct str first = STR(FIRST_TAIL);
	const size_t head = answer.len >= first.len ? answer.len - first.len : 0;
	const struct str tail = {answer.data + head, answer.len - head};
	const bool is_first = str_equal(tail, first);
	buf_add(out, answer.data, is_first ? head : answer.len);
	if (is_first)
		buf_add_cstr(out, DUPLICATE_TAIL);
}

void post_text_known(struct buf *out, const struct db_rows *rows, unsigned row, unsigned column)
{
	const bool is_deferred = db_rows_bool(rows, row, column + 2);
	struct post_answer answer = {.order_id = db_rows_text(rows, row, column),
		.result = STR("deferred"),
		.commissions = STR("[]"),
		.is_duplicate = true};
	if (!is_deferred) {
		answer.result = db_rows_text(rows, row, column + 3);
		answer.reason = db_rows_text(rows, row, column + 4);
		answer.commissions = db_rows_text(rows, row, column + 5);
	}
	post_text_answer(&answer, out);
}

/* Each with its length before it, so that no field can look like two. */
void post_text_fields(struct buf *out, const struct str *fields, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		buf_addf(out, "%zu:", fields[i].len);
		buf_add_str(out, fields[i]);
	}
	buf_add_cstr(out, "\n");
}

/* The rows of one winner, as they will be read back: by affiliate and index. */
static void add_lines(struct post_text *text, const struct posting *posting,
	const struct event *terms, const struct decide_share *share)
{
	struct buf rule;
	buf_init(&rule, POST_RULE_MAX);
	for (unsigned i = 0; i < terms->line_count; i++) {
		const struct order_line *const from = &terms->lines[i];
		const struct price_line *const line = &share->lines[i];
		const uint32_t product_id = post_product_id(posting, from->product_id);
		char numbers[6][NUMBER_TEXT_MAX];
		buf_clear(&rule);
		if (line->rule != NULL)
			post_text_rule(line->rule, &rule);
		const struct str fields[POST_LINE_FIELDS] = {
			number_text(numbers[0], share->affiliate_id), number_text(numbers[1], i),
			from->line_id, from->product_id,
			product_id == 0 ? (struct str){0} : number_text(numbers[2], product_id),
			number_text(numbers[3], from->quantity),
			number_text(numbers[4], line->base_minor), buf_str(&rule),
			number_text(numbers[5], line->amount_minor),
			str_from(outcome_name(line->reason))};
		post_text_fields(&text->lines, fields, POST_LINE_FIELDS);
	}
	text->lines.has_failed |= rule.has_failed;
	buf_release(&rule);
}

static struct str number_text(char out[NUMBER_TEXT_MAX], int64_t number)
{
	const int len = snprintf(out, NUMBER_TEXT_MAX, "%" PRId64, number);
	return (struct str){out, (size_t)len};
}

static void add_candidate(const struct match_candidate *candidate, struct buf *out)
{
	if (!candidate->is_coupon) {
		add_click(candidate, out);
		return;
	}
	buf_add_cstr(out, "{\"kind\": \"coupon\", \"coupon\": ");
	json_text_add(out, candidate->coupon);
	buf_addf(out, ", \"verdict\": \"%s\"}", outcome_name(candidate->verdict));
}

static void add_click(const struct match_candidate *candidate, struct buf *out)
{
	const bool is_open = candidate->click.result == TOKEN_OK;
	const struct click_claim *const claim = &candidate->click.claim;
	char click_id[CLICK_ID_TEXT_MAX], clicked_at[TIMESTAMP_TEXT_MAX];
	struct str id = {0}, at = {0}, evidence = {0};
	if (is_open) {
		click_id_format(click_id, claim->click_id);
		timestamp_format(clicked_at, click_id_ms(claim->click_id) * US_PER_MS);
		id = str_from(click_id);
		at = str_from(clicked_at);
		evidence = candidate->click.evidence == CLICK_RECORD_NONE ? STR("token")
									  : STR("record");
	}
	buf_addf(out, "{\"kind\": \"click\", \"verdict\": \"%s\", \"click_id\": ",
		outcome_name(candidate->verdict));
	json_text_add_or_null(out, id);
	buf_add_cstr(out, ", \"evidence\": ");
	json_text_add_or_null(out, evidence);
	buf_add_cstr(out, ", \"window_s\": ");
	add_number_or_null(out, is_open, is_open ? claim->window_s : 0);
	buf_add_cstr(out, ", \"clicked_at\": ");
	json_text_add_or_null(out, at);
	buf_add_cstr(out, ", \"affiliate_id\": ");
	add_number_or_null(out, is_open, is_open ? claim->link.affiliate_id : 0);
	buf_add_cstr(out, "}");
}

static void add_number_or_null(struct buf *out, bool has_value, int64_t value)
{
	if (has_value)
		buf_addf(out, "%" PRId64, value);
	else
		buf_add_cstr(out, "null");
}
