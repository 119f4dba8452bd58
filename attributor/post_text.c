/* SPDX-License-Identifier: Apache-2.0
 * Decisions, rules and answers as text. What goes into a jsonb column is written as Postgres writes
 * it back (keys by length, then bytes; ", " and ": "), so that two of them compare as bytes. */
#include "json_text.h"
#include "post_parts.h"
#include "timestamp.h"

#define FIRST_TAIL     ",\"duplicate\":false}"
#define DUPLICATE_TAIL ",\"duplicate\":true}"

static void add_lines(struct post_text *text, const struct posting *posting,
	const struct decision *decision, const struct decide_share *share);
static void add_share(struct buf *out, const struct decide_share *share, unsigned place);
static void add_rows(const struct moves *moves, const char *currency, struct buf *out);
static void add_candidate(const struct match_candidate *candidate, struct buf *out);
static void add_coupon(const struct match_candidate *candidate, struct buf *out);
static void add_click(const struct match_candidate *candidate, struct buf *out);
static void add_candidates(const struct decision *decision, struct buf *out);
static void add_number_or_null(struct buf *out, bool has_value, int64_t value);
static void add_if(struct buf *out, const char *name, bool has_value, int64_t value);
static void add_money(struct buf *out, int64_t amount_minor, const char *currency);

void post_text_init(struct post_text *text)
{
	buf_init(&text->candidates, POST_TEXT_MAX);
	buf_init(&text->commissions, POST_TEXT_MAX);
	buf_init(&text->head, POST_TEXT_MAX);
	buf_init(&text->lines, POST_TEXT_MAX);
	buf_init(&text->shares, POST_TEXT_MAX);
}

void post_text_release(struct post_text *text)
{
	buf_release(&text->candidates);
	buf_release(&text->commissions);
	buf_release(&text->head);
	buf_release(&text->lines);
	buf_release(&text->shares);
}

bool post_text_has_failed(const struct post_text *text)
{
	return text->candidates.has_failed || text->commissions.has_failed ||
	       text->head.has_failed || text->lines.has_failed || text->shares.has_failed;
}

void post_text_decision(struct post_text *text, const struct posting *posting,
	const struct decision *decision, const struct moves *moves)
{
	if (decision->is_winner_kept)
		buf_add_str(&text->candidates, posting->live_candidates);
	else
		add_candidates(decision, &text->candidates);
	add_rows(moves, decision->folded.first->currency, &text->commissions);
	if (!posting->has_live) /* nothing to compare them with */
		return;
	const struct str head[POST_HEAD_FIELDS - 1] = {
		str_from(decision_result_name(decision->result)),
		str_from(outcome_name(decision->reason)), post_text_evidence(decision),
		str_from(post_text_flags(decision)), buf_str(&text->candidates)};
	post_text_fields(&text->head, head, POST_HEAD_FIELDS - 1);
	for (unsigned i = 0; i < decision->share_count; i++) {
		add_lines(text, posting, decision, &decision->shares[i]);
		add_share(&text->shares, &decision->shares[i], i);
	}
}

struct str post_text_evidence(const struct decision *decision)
{
	return decision->result == DECISION_UNATTRIBUTED
		       ? (struct str){0}
		       : str_from(match_evidence_name(decision->evidence));
}

const char *post_text_flags(const struct decision *decision)
{
	return decision->is_total_wrong ? "{total_mismatch}" : "{}";
}

uint32_t post_product_id(const struct posting *posting, struct str external_id)
{
	for (unsigned i = 0; i < posting->known_products; i++)
		if (posting->products[i].store_id == posting->item->store_id &&
			str_equal(posting->products[i].external_id, external_id))
			return posting->products[i].product_id;
	return 0;
}

/* What a rule has not is left out, but for the first keys, which readers look for. The rate is the
 * one that counted, with the tier; rate_bp is the rule's own. */
void post_text_rule(const struct rule *rule, const char *currency, struct buf *out)
{
	char text[MONEY_TEXT_MAX];
	const int rate_bp = rule_rate_bp(rule);
	const bool has_fixed = rule->fixed_unit_minor != RULE_NO_FIXED;
	buf_add_cstr(out, "{\"rate\": ");
	if (rate_bp != RULE_NO_RATE)
		money_format_rate(text, (unsigned)rate_bp);
	json_text_add_or_null(out, rate_bp != RULE_NO_RATE ? str_from(text) : (struct str){0});
	buf_add_cstr(out, ", \"fixed\": ");
	if (has_fixed)
		add_money(out, rule->fixed_unit_minor, currency);
	else
		buf_add_cstr(out, "null");
	buf_add_cstr(out, ", \"level\": \"");
	buf_add_cstr(out, rule_level_name(rule->level));
	buf_add_cstr(out, "\", \"rate_bp\": ");
	add_number_or_null(out, rule->rate_bp != RULE_NO_RATE, rule->rate_bp);
	buf_add_cstr(out, ", \"rule_id\": ");
	buf_add_int(out, rule->rule_id);
	buf_add_cstr(out, ", \"currency\": ");
	json_text_add_or_null(out, str_from(rule->currency));
	add_if(out, "tier_rate_bp", rule->tier_rate_bp != RULE_NO_RATE, rule->tier_rate_bp);
	add_if(out, "tier_bonus_bp", rule->tier_bonus_bp != 0, rule->tier_bonus_bp);
	add_if(out, "cap_line_minor", rule->cap_line_minor != RULE_NO_CAP, rule->cap_line_minor);
	add_if(out, "cap_order_minor", rule->cap_order_minor != RULE_NO_CAP, rule->cap_order_minor);
	add_if(out, "cap_period_minor", rule->cap_period_minor != RULE_NO_CAP,
		rule->cap_period_minor);
	buf_add_cstr(out, ", \"fixed_unit_minor\": ");
	add_number_or_null(out, has_fixed, rule->fixed_unit_minor);
	add_if(out, "fixed_order_minor", rule->fixed_order_minor != RULE_NO_FIXED,
		rule->fixed_order_minor);
	buf_add_cstr(out, "}");
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
		buf_add_int(out, (int64_t)fields[i].len);
		buf_add_cstr(out, ":");
		buf_add_str(out, fields[i]);
	}
	buf_add_cstr(out, "\n");
}

/* The rows of one winner, as they will be read back: by affiliate and index. */
static void add_lines(struct post_text *text, const struct posting *posting,
	const struct decision *decision, const struct decide_share *share)
{
	const struct event *const terms = decision->folded.terms;
	struct buf rule;
	buf_init(&rule, POST_RULE_MAX);
	for (unsigned i = 0; i < terms->line_count; i++) {
		const struct order_line *const from = &terms->lines[i];
		const struct price_line *const line = &share->lines[i];
		const uint32_t product_id = post_product_id(posting, from->product_id);
		char numbers[7][INT_TEXT_MAX];
		buf_clear(&rule);
		if (line->rule != NULL)
			post_text_rule(line->rule, decision->folded.first->currency, &rule);
		text->lines.has_failed |= rule.has_failed;
		const struct str fields[POST_LINE_FIELDS] = {
			int_format(numbers[0], share->affiliate_id), int_format(numbers[1], i),
			from->line_id, from->product_id,
			product_id == 0 ? (struct str){0} : int_format(numbers[2], product_id),
			int_format(numbers[3], from->quantity),
			int_format(numbers[4], line->base_minor), buf_str(&rule),
			int_format(numbers[5], line->amount_minor),
			str_from(outcome_name(line->reason)),
			int_format(numbers[6], line->quantity_left)};
		post_text_fields(&text->lines, fields, POST_LINE_FIELDS);
	}
	buf_release(&rule);
}

/* As post_live_decisions_sql writes it. */
static void add_share(struct buf *out, const struct decide_share *share, unsigned place)
{
	if (share->affiliate_id == 0)
		return;
	const int64_t numbers[] = {share->affiliate_id, place, share->full_minor,
		share->share_minor, share->amount_minor, share->confirmed_minor};
	buf_add_cstr(out, out->len > 0 ? "\n" : "");
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		buf_add_int(out, numbers[i]);
		buf_add_cstr(out, " ");
	}
	buf_add_cstr(out, outcome_name(share->reason));
}

static void add_rows(const struct moves *moves, const char *currency, struct buf *out)
{
	buf_add_cstr(out, "[");
	for (unsigned i = 0; i < moves->row_count; i++) {
		const struct commission_row *const row = &moves->rows[i].row;
		buf_add_cstr(out, i > 0 ? ",{\"id\":" : "{\"id\":");
		buf_add_int(out, row->commission_id);
		buf_add_cstr(out, ",\"affiliate_id\":");
		buf_add_int(out, row->affiliate_id);
		buf_add_cstr(out, ",\"amount\":");
		add_money(out, row->amount_minor, currency);
		buf_add_cstr(out, ",\"currency\":\"");
		buf_add_cstr(out, currency);
		buf_add_cstr(out, "\",\"state\":\"");
		buf_add_cstr(out, commission_state_name(row->state));
		buf_add_cstr(out, "\"}");
	}
	buf_add_cstr(out, "]");
}

static void add_candidates(const struct decision *decision, struct buf *out)
{
	buf_add_cstr(out, "[");
	for (unsigned i = 0; i < decision->candidate_count; i++) {
		buf_add_cstr(out, i > 0 ? ", " : "");
		add_candidate(&decision->candidates[i], out);
	}
	buf_add_cstr(out, "]");
}

static void add_candidate(const struct match_candidate *candidate, struct buf *out)
{
	if (candidate->is_coupon)
		add_coupon(candidate, out);
	else
		add_click(candidate, out);
}

static void add_coupon(const struct match_candidate *candidate, struct buf *out)
{
	buf_add_cstr(out, "{\"kind\": \"coupon\", \"coupon\": ");
	json_text_add(out, candidate->coupon);
	buf_add_cstr(out, ", \"verdict\": \"");
	buf_add_cstr(out, outcome_name(candidate->verdict));
	buf_add_cstr(out, "\"");
	if (candidate->affiliate_id != 0) {
		buf_add_cstr(out, ", \"evidence\": \"coupon\", \"affiliate_id\": ");
		buf_add_int(out, candidate->affiliate_id);
	}
	buf_add_cstr(out, "}");
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
	buf_add_cstr(out, "{\"kind\": \"click\", \"verdict\": \"");
	buf_add_cstr(out, outcome_name(candidate->verdict));
	buf_add_cstr(out, "\", \"click_id\": ");
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
		buf_add_int(out, value);
	else
		buf_add_cstr(out, "null");
}

static void add_if(struct buf *out, const char *name, bool has_value, int64_t value)
{
	if (!has_value)
		return;
	buf_add_cstr(out, ", \"");
	buf_add_cstr(out, name);
	buf_add_cstr(out, "\": ");
	buf_add_int(out, value);
}

static void add_money(struct buf *out, int64_t amount_minor, const char *currency)
{
	char text[MONEY_TEXT_MAX];
	unsigned digits = 0;
	money_currency_digits(str_from(currency), &digits);
	money_format(text, amount_minor, digits);
	buf_add_cstr(out, "\"");
	buf_add_cstr(out, text);
	buf_add_cstr(out, "\"");
}
