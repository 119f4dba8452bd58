/* SPDX-License-Identifier: Apache-2.0
 * What stands of an order before it is folded: its live decision with the verdicts, lines and
 * shares of that, what it took of coupons and caps, and its commissions. */
#include <stdlib.h>
#include <string.h>

#include "post_parts.h"

#define WORDS_MAX 8 /* of one row in a column that holds several */

const char post_live_decisions_sql[] =
	"SELECT n.at, d.version, d.model, d.precedence, d.result, d.reason, d.evidence, "
	"d.flags::text, d.candidates::text, " POST_COMMISSIONS_AS_ANSWERED
	", wasl.to_us(o.placed_at), "
	"(SELECT string_agg(concat_ws(' ', s.affiliate_id, s.place, s.full_minor, s.share_minor, "
	"s.amount_minor, s.confirmed_minor, s.reason), E'\\n' ORDER BY s.place) FROM wasl.shares s "
	"WHERE (s.store_id, s.order_id, s.version) = (d.store_id, d.order_id, d.version)), "
	"(SELECT string_agg(concat_ws(' ', g.affiliate_id, g.rule_id, g.granted_minor, "
	"g.used_minor, to_char(g.month, 'YYYY-MM-DD'), g.wish_minor), E'\\n' "
	"ORDER BY g.affiliate_id, g.rule_id) "
	"FROM wasl.grants g WHERE (g.store_id, g.order_id) = (d.store_id, d.order_id)), "
	"(SELECT string_agg(concat_ws(' ', k->>'kind', k->>'verdict', coalesce(k->>'click_id', "
	"encode(convert_to(k->>'coupon', 'UTF8'), 'hex'))), E'\\n') "
	"FROM jsonb_array_elements(d.candidates) k), u.coupon_id, coalesce(u.is_taken, false), "
	"EXISTS (SELECT FROM wasl.reviews r WHERE (r.store_id, r.order_id) "
	"= (d.store_id, d.order_id) AND r.lifted_at IS NULL), "
	"(SELECT string_agg(r.reason, E'\\n') FROM wasl.reviews r WHERE (r.store_id, r.order_id) "
	"= (d.store_id, d.order_id)) " POST_ORDERS_OF_BATCH
	"JOIN wasl.orders o USING (store_id, order_id) JOIN wasl.decisions d "
	"ON (d.store_id, d.order_id, d.version) = (o.store_id, o.order_id, o.decision_version) "
	"LEFT JOIN wasl.coupon_uses u "
	"ON (u.store_id, u.order_id) = (o.store_id, o.order_id)";
enum {
	VERSION = 1,
	MODEL,
	PRECEDENCE,
	HEAD, /* POST_HEAD_FIELDS columns: result, reason, evidence, flags, candidates,
		 commissions */
	PLACED_US = HEAD + POST_HEAD_FIELDS,
	SHARES,
	GRANTS,
	VERDICTS,
	COUPON_ID,
	COUPON_TAKEN,
	HAS_REVIEW,
	REVIEWS
};

const char post_live_lines_sql[] =
	"SELECT n.at, l.affiliate_id, l.line_index, l.line_id, l.external_id, l.product_id, "
	"l.quantity, l.base_minor, l.rule::text, l.amount_minor, l.reason, l.quantity_left, "
	"l.rule->>'rule_id', l.rule->>'level', l.rule->>'currency', l.rule->>'rate_bp', "
	"l.rule->>'fixed_unit_minor', l.rule->>'fixed_order_minor', l.rule->>'cap_line_minor', "
	"l.rule->>'cap_order_minor', l.rule->>'cap_period_minor', l.rule->>'tier_bonus_bp', "
	"l.rule->>'tier_rate_bp' " POST_ORDERS_OF_BATCH
	"JOIN wasl.orders o USING (store_id, order_id) JOIN wasl.order_lines l "
	"ON (l.store_id, l.order_id, l.version) = (o.store_id, o.order_id, o.decision_version) "
	"ORDER BY n.at, l.affiliate_id, l.line_index";
enum {
	LINE_AFFILIATE = 1, /* POST_LINE_FIELDS columns from here on */
	LINE_ID = 3,
	LINE_PRODUCT = 4,
	LINE_REASON = 10,
	RULE_ID = LINE_AFFILIATE + POST_LINE_FIELDS,
	RULE_LEVEL,
	RULE_CURRENCY,
	RULE_RATE,
	RULE_FIXED_UNIT,
	RULE_FIXED_ORDER,
	RULE_CAP_LINE,
	RULE_CAP_ORDER,
	RULE_CAP_PERIOD,
	RULE_TIER_BONUS,
	RULE_TIER_RATE
};

/* Sales and adjustments have an index of their own each. OFFSET 0: looked up order by order. */
#define ROWS_OF_KIND(kind)                                                               \
	"SELECT * FROM wasl.commissions c WHERE c.store_id = n.store_id AND c.order_id " \
	"= n.order_id AND c.kind = '" kind "' "
const char post_live_commissions_sql[] =
	"SELECT n.at, c.commission_id, c.affiliate_id, c.state, c.kind = 'adjustment', "
	"c.funded_by = 'platform', c.state = 'paid' OR c.payout_id IS NOT NULL, c.amount_minor, "
	"c.amount_confirmed_minor, coalesce(wasl.to_us(c.release_at), 0), c.reason, "
	"c.event_id " POST_ORDERS_OF_BATCH
	"JOIN LATERAL (" ROWS_OF_KIND("sale") "UNION ALL " ROWS_OF_KIND(
		"adjustment") "OFFSET 0) c ON true ORDER BY n.at, c.commission_id";
enum {
	ROW_ID = 1,
	ROW_AFFILIATE,
	ROW_STATE,
	ROW_IS_ADJUSTMENT,
	ROW_IS_PLATFORM,
	ROW_IS_FROZEN,
	ROW_AMOUNT,
	ROW_CONFIRMED,
	ROW_RELEASE_US,
	ROW_REASON,
	ROW_EVENT
};

static bool take_head(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row);
static bool take_winners(struct batch *batch, struct posting *posting);
static bool take_grants(struct batch *batch, struct posting *posting, struct str text);
static bool take_verdicts(struct batch *batch, struct posting *posting, struct str text);
static bool take_verdict(
	struct batch *batch, const struct str *words, struct decide_verdict *verdict);
static unsigned count_lines(struct str text);
static unsigned cut_words(struct str line, struct str words[WORDS_MAX]);
static int64_t number_of(struct str text);
static void take_frozen(struct decide_frozen *frozen, const struct db_rows *rows, unsigned row);
static int64_t number_or(const struct db_rows *rows, unsigned row, unsigned column, int64_t none);
static void note_winner(struct posting *posting, uint32_t affiliate_id);
static unsigned reviews_of(struct str text);
static enum outcome outcome_of(struct str name);
static enum match_evidence evidence_of(struct str name);

enum batch_step post_live_decision(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row)
{
	posting->has_live = true;
	posting->live_version = db_rows_int(rows, row, VERSION);
	posting->live_placed_us = db_rows_int(rows, row, PLACED_US);
	posting->live_reason = outcome_of(db_rows_text(rows, row, HEAD + 1));
	posting->live_evidence = evidence_of(db_rows_text(rows, row, HEAD + 2));
	posting->is_live_attributed = str_equal(db_rows_text(rows, row, HEAD), STR("attributed"));
	posting->model = stores_model_parse(db_rows_text(rows, row, MODEL));
	posting->precedence = stores_precedence_parse(db_rows_text(rows, row, PRECEDENCE));
	posting->coupon_taken = db_rows_int(rows, row, COUPON_ID);
	posting->is_coupon_taken = db_rows_bool(rows, row, COUPON_TAKEN);
	posting->has_review = db_rows_bool(rows, row, HAS_REVIEW);
	posting->reviews = reviews_of(db_rows_text(rows, row, REVIEWS));
	const bool is_kept =
		take_head(batch, posting, rows, row) &&
		arena_keep(&batch->arena, db_rows_text(rows, row, SHARES), &posting->live_shares) &&
		take_winners(batch, posting) &&
		take_grants(batch, posting, db_rows_text(rows, row, GRANTS)) &&
		take_verdicts(batch, posting, db_rows_text(rows, row, VERDICTS));
	return is_kept ? BATCH_GO_ON : BATCH_NO_MEMORY;
}

enum batch_step post_live_lines(
	struct batch *batch, struct posting *posting, const struct post_slice *slice)
{
	struct buf text;
	buf_init(&text, POST_TEXT_MAX);
	posting->frozen = arena_take(&batch->arena, slice->count, sizeof(*posting->frozen));
	if (posting->frozen == NULL)
		return BATCH_NO_MEMORY;
	bool is_kept = true;
	for (unsigned i = 0; i < slice->count; i++) {
		const unsigned row = slice->from + i;
		struct str fields[POST_LINE_FIELDS];
		for (unsigned f = 0; f < POST_LINE_FIELDS; f++)
			fields[f] = db_rows_text(slice->rows, row, LINE_AFFILIATE + f);
		post_text_fields(&text, fields, POST_LINE_FIELDS);
		struct decide_frozen *const frozen = &posting->frozen[posting->frozen_count++];
		take_frozen(frozen, slice->rows, row);
		is_kept &= arena_keep(&batch->arena, db_rows_text(slice->rows, row, LINE_ID),
				   &frozen->line_id) &&
			   arena_keep(&batch->arena, db_rows_text(slice->rows, row, LINE_PRODUCT),
				   &frozen->product_id);
		/* Decisions of the first schema have no shares. */
		if (posting->live_shares.len == 0 && posting->is_live_attributed)
			note_winner(posting, frozen->affiliate_id);
	}
	is_kept &=
		!text.has_failed && arena_keep(&batch->arena, buf_str(&text), &posting->live_lines);
	buf_release(&text);
	return is_kept ? BATCH_GO_ON : BATCH_NO_MEMORY;
}

enum batch_step post_live_commissions(
	struct batch *batch, struct posting *posting, const struct post_slice *slice)
{
	posting->rows = arena_take(&batch->arena, slice->count, sizeof(*posting->rows));
	if (posting->rows == NULL)
		return BATCH_NO_MEMORY;
	for (unsigned i = 0; i < slice->count; i++) {
		const struct db_rows *const rows = slice->rows;
		const unsigned at = slice->from + i;
		struct commission_row *const row = &posting->rows[posting->row_count++];
		*row = (struct commission_row){.commission_id = db_rows_int(rows, at, ROW_ID),
			.affiliate_id = (uint32_t)db_rows_int(rows, at, ROW_AFFILIATE),
			.is_adjustment = db_rows_bool(rows, at, ROW_IS_ADJUSTMENT),
			.is_platform = db_rows_bool(rows, at, ROW_IS_PLATFORM),
			.is_frozen = db_rows_bool(rows, at, ROW_IS_FROZEN),
			.amount_minor = db_rows_int(rows, at, ROW_AMOUNT),
			.confirmed_minor = db_rows_int(rows, at, ROW_CONFIRMED),
			.release_us = db_rows_int(rows, at, ROW_RELEASE_US),
			.reason = outcome_of(db_rows_text(rows, at, ROW_REASON))};
		if (!commission_state_parse(db_rows_text(rows, at, ROW_STATE), &row->state))
			return BATCH_SENSELESS;
		posting->is_locked |= row->is_adjustment || row->is_frozen ||
				      row->state == COMMISSION_APPROVED ||
				      row->state == COMMISSION_REVERSED;
		if (!arena_keep(&batch->arena, db_rows_text(rows, at, ROW_EVENT), &row->event_id))
			return BATCH_NO_MEMORY;
	}
	return BATCH_GO_ON;
}

/* Commissions last: without them the head tells who, how much and why, for those who answer nobody.
 */
static bool take_head(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row)
{
	struct str head[POST_HEAD_FIELDS];
	struct buf text;
	for (unsigned i = 0; i < POST_HEAD_FIELDS; i++)
		head[i] = db_rows_text(rows, row, HEAD + i);
	buf_init(&text, POST_TEXT_MAX);
	post_text_fields(&text, head, POST_HEAD_FIELDS - 1);
	const bool is_kept =
		!text.has_failed &&
		arena_keep(&batch->arena, buf_str(&text), &posting->live_head) &&
		arena_keep(&batch->arena, head[POST_HEAD_CANDIDATES], &posting->live_candidates) &&
		arena_keep(&batch->arena, head[POST_HEAD_FIELDS - 1], &posting->live_commissions);
	buf_release(&text);
	return is_kept;
}

/* The winners are the affiliates of the shares, latest click first. */
static bool take_winners(struct batch *batch, struct posting *posting)
{
	struct str rest = posting->live_shares, line, words[WORDS_MAX];
	posting->live_winners =
		arena_take(&batch->arena, DECIDE_WINNERS_MAX + 1, sizeof(*posting->live_winners));
	if (posting->live_winners == NULL)
		return false;
	while (rest.len > 0) {
		str_cut(rest, '\n', &line, &rest);
		if (cut_words(line, words) > 0)
			note_winner(posting, (uint32_t)number_of(words[0]));
	}
	return true;
}

static bool take_grants(struct batch *batch, struct posting *posting, struct str text)
{
	struct str rest = text, line, words[WORDS_MAX];
	const unsigned count = count_lines(text);
	posting->grants = arena_take(&batch->arena, count, sizeof(*posting->grants));
	if (posting->grants == NULL)
		return false;
	while (rest.len > 0 && posting->grant_count < count) {
		str_cut(rest, '\n', &line, &rest);
		if (cut_words(line, words) < 6)
			continue;
		struct post_grant *const grant = &posting->grants[posting->grant_count++];
		*grant = (struct post_grant){.affiliate_id = (uint32_t)number_of(words[0]),
			.rule_id = number_of(words[1]),
			.granted_minor = number_of(words[2]),
			.used_minor = number_of(words[3]),
			.wish_minor = number_of(words[5])};
		str_copy(grant->month, sizeof(grant->month), words[4]);
	}
	return true;
}

static bool take_verdicts(struct batch *batch, struct posting *posting, struct str text)
{
	struct str rest = text, line, words[WORDS_MAX];
	const unsigned count = count_lines(text);
	posting->verdicts = arena_take(&batch->arena, count, sizeof(*posting->verdicts));
	bool is_kept = posting->verdicts != NULL;
	while (rest.len > 0 && is_kept && posting->verdict_count < count) {
		str_cut(rest, '\n', &line, &rest);
		if (cut_words(line, words) < 3) /* a token that did not open has no name */
			continue;
		struct decide_verdict *const verdict = &posting->verdicts[posting->verdict_count++];
		is_kept = take_verdict(batch, words, verdict);
		if (verdict->verdict == OUTCOME_WON_LAST_CLICK ||
			verdict->verdict == OUTCOME_WON_FIRST_CLICK)
			posting->live_click = verdict->click_id;
	}
	return is_kept;
}

static bool take_verdict(
	struct batch *batch, const struct str *words, struct decide_verdict *verdict)
{
	char coupon[ORDER_COUPON_MAX];
	verdict->is_coupon = str_equal(words[0], STR("coupon"));
	verdict->verdict = outcome_of(words[1]);
	if (!verdict->is_coupon)
		return click_id_parse(words[2], verdict->click_id);
	const size_t len = words[2].len / 2;
	return len <= sizeof(coupon) && hex_decode(words[2], coupon, len) &&
	       arena_keep(&batch->arena, (struct str){coupon, len}, &verdict->coupon);
}

static unsigned count_lines(struct str text)
{
	unsigned count = text.len > 0 ? 1 : 0;
	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == '\n' ? 1 : 0;
	return count;
}

static unsigned cut_words(struct str line, struct str words[WORDS_MAX])
{
	unsigned count = 0;
	while (line.len > 0 && count < WORDS_MAX)
		str_cut(line, ' ', &words[count++], &line);
	return count;
}

/* Of what SQL wrote as a number that is not negative. */
static int64_t number_of(struct str text)
{
	uint64_t number = 0;
	str_parse_u64(text, INT64_MAX, &number);
	return (int64_t)number;
}

static void take_frozen(struct decide_frozen *frozen, const struct db_rows *rows, unsigned row)
{
	struct rule *const rule = &frozen->rule;
	frozen->affiliate_id = (uint32_t)db_rows_int(rows, row, LINE_AFFILIATE);
	frozen->why = outcome_of(db_rows_text(rows, row, LINE_REASON));
	*rule = (struct rule){.rate_bp = (int)number_or(rows, row, RULE_RATE, RULE_NO_RATE),
		.fixed_unit_minor = number_or(rows, row, RULE_FIXED_UNIT, RULE_NO_FIXED),
		.fixed_order_minor = number_or(rows, row, RULE_FIXED_ORDER, RULE_NO_FIXED),
		.cap_line_minor = number_or(rows, row, RULE_CAP_LINE, RULE_NO_CAP),
		.cap_order_minor = number_or(rows, row, RULE_CAP_ORDER, RULE_NO_CAP),
		.cap_period_minor = number_or(rows, row, RULE_CAP_PERIOD, RULE_NO_CAP),
		.tier_bonus_bp = (int)number_or(rows, row, RULE_TIER_BONUS, 0),
		.tier_rate_bp = (int)number_or(rows, row, RULE_TIER_RATE, RULE_NO_RATE),
		.valid_from_us = INT64_MIN,
		.valid_to_us = INT64_MAX};
	if (db_rows_is_null(rows, row, RULE_ID))
		return;
	rule->rule_id = db_rows_int(rows, row, RULE_ID);
	rule_level_parse(db_rows_text(rows, row, RULE_LEVEL), &rule->level);
	str_copy(rule->currency, sizeof(rule->currency), db_rows_text(rows, row, RULE_CURRENCY));
}

static int64_t number_or(const struct db_rows *rows, unsigned row, unsigned column, int64_t none)
{
	return db_rows_is_null(rows, row, column) ? none : db_rows_int(rows, row, column);
}

static void note_winner(struct posting *posting, uint32_t affiliate_id)
{
	if (affiliate_id == 0 || posting->live_winner_count > DECIDE_WINNERS_MAX)
		return;
	for (unsigned i = 0; i < posting->live_winner_count; i++)
		if (posting->live_winners[i] == affiliate_id)
			return;
	posting->live_winners[posting->live_winner_count++] = affiliate_id;
}

/* As bits. Others are opened by operators and by triggers, for reasons of their own. */
static unsigned reviews_of(struct str text)
{
	unsigned reviews = 0;
	while (text.len > 0) {
		struct str reason;
		str_cut(text, '\n', &reason, &text);
		for (unsigned i = 0; i < DECIDE_REVIEW_COUNT; i++)
			if (str_equal(reason, str_from(decide_review_name((enum decide_review)i))))
				reviews |= 1u << i;
	}
	return reviews;
}

/* A word that an older version wrote and this one does not know is no reason. */
static enum outcome outcome_of(struct str name)
{
	enum outcome outcome = OUTCOME_NONE;
	outcome_parse(name, &outcome);
	return outcome;
}

static enum match_evidence evidence_of(struct str name)
{
	static const enum match_evidence all[] = {
		EVIDENCE_RECORD, EVIDENCE_TOKEN, EVIDENCE_COUPON, EVIDENCE_OPERATOR};
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (str_equal(name, str_from(match_evidence_name(all[i]))))
			return all[i];
	return EVIDENCE_NONE;
}
