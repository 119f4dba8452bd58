/* SPDX-License-Identifier: Apache-2.0
 * A batch's last round trip: every row of it, one statement a table, in the order of enum
 * post_table. */
#include <string.h>

#include "post_parts.h"

struct write_table {
	const char *sql;
	const char *types; /* of its columns: see pg_table.h */
};

#define MOVED_TYPES "bbtbbbti"
static const char moved_sql[] =
	"UPDATE wasl.commissions c SET state = n.state, amount_minor = n.amount, "
	"amount_confirmed_minor = n.confirmed, release_at = wasl.from_us(n.release), reason = "
	"n.reason, decision_version = n.version, updated_at = now() FROM unnest($1::bigint[], "
	"$2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], "
	"$8::integer[]) n (store_id, commission_id, state, amount, confirmed, release, reason, "
	"version) WHERE c.store_id = n.store_id AND c.commission_id = n.commission_id";
_Static_assert(POST_STAGES == 4, "write_tables has one entry a stage");

static const struct write_table write_tables[POST_TABLES] = {
	[POST_EVENT_IDS] =
		{"INSERT INTO wasl.event_ids (store_id, event_id, order_id, body_sha256, "
		 "received_at, decision_version, answer) SELECT s, e, o, b, wasl.from_us(r), v, a "
		 "FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], "
		 "$5::bigint[], $6::integer[], $7::text[]) n (s, e, o, b, r, v, a)",
			"bttxbit"},
	[POST_EVENTS] =
		{"INSERT INTO wasl.events (store_id, order_id, event_id, type, occurred_at, "
		 "received_at, order_version, effect, facts) SELECT s, o, e, t, "
		 "wasl.from_us(c), wasl.from_us(r), v, x, f::jsonb "
		 "FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], "
		 "$5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[]) "
		 "n (s, o, e, t, c, r, v, x, f)",
			"btttbbbtt"},
	[POST_BODIES] = {"INSERT INTO wasl.event_bodies (store_id, event_id, received_at, sealed) "
			 "SELECT s, e, wasl.from_us(r), b FROM unnest($1::bigint[], $2::text[], "
			 "$3::bigint[], $4::bytea[]) n (s, e, r, b)",
		"btbx"},
	[POST_ORDERS] =
		{"UPDATE wasl.orders o SET state = n.state, currency = coalesce(n.currency, "
		 "o.currency), placed_at = wasl.from_us(n.placed), confirmed_at = "
		 "wasl.from_us(n.confirmed), shipped_at = wasl.from_us(n.shipped), delivered_at = "
		 "wasl.from_us(n.delivered), collected_at = wasl.from_us(n.collected), is_waiting "
		 "= n.waiting IS NOT NULL, waiting_since = wasl.from_us(n.waiting), is_test = "
		 "n.test, decision_version = coalesce(n.version, o.decision_version), due_at = "
		 "wasl.from_us(n.due), updated_at = now() FROM unnest($1::bigint[], $2::text[], "
		 "$3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], "
		 "$9::bigint[], $10::bigint[], $11::boolean[], $12::integer[], $13::bigint[]) n "
		 "(store_id, order_id, state, currency, placed, confirmed, shipped, delivered, "
		 "collected, waiting, test, version, due) WHERE o.store_id = n.store_id "
		 "AND o.order_id = n.order_id",
			"btttbbbbbbfib"},
	[POST_DECISIONS] =
		{"INSERT INTO wasl.decisions (store_id, order_id, version, supersedes, "
		 "event_id, result, reason, evidence, model, precedence, candidates, "
		 "commissions, flags) SELECT s, o, v, nullif(v - 1, 0), e, r, w, d, m, "
		 "p, c::jsonb, k::jsonb, f::text[] FROM unnest($1::bigint[], $2::text[], "
		 "$3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], "
		 "$8::text[], $9::text[], $10::text[], $11::text[], $12::text[]) "
		 "n (s, o, v, e, r, w, d, m, p, c, k, f)",
			"btittttttttt"},
	[POST_LINES] = {"INSERT INTO wasl.order_lines (store_id, order_id, version, affiliate_id, "
			"line_index, line_id, external_id, product_id, quantity, base_minor, rule, "
			"amount_minor, reason, quantity_left) SELECT s, o, v, a, i, l, x, p, q, b, "
			"r::jsonb, m, w, k FROM unnest($1::bigint[], $2::text[], $3::integer[], "
			"$4::bigint[], $5::integer[], $6::text[], $7::text[], $8::bigint[], "
			"$9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::text[], "
			"$14::bigint[]) n (s, o, v, a, i, l, x, p, q, b, r, m, w, k)",
		"btibittbbbtbtb"},
	[POST_SHARES] = {"INSERT INTO wasl.shares (store_id, order_id, version, affiliate_id, "
			 "place, full_minor, share_minor, amount_minor, confirmed_minor, reason) "
			 "SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[], "
			 "$4::bigint[], $5::integer[], $6::bigint[], $7::bigint[], $8::bigint[], "
			 "$9::bigint[], $10::text[])",
		"btibibbbbt"},
	[POST_COMMISSIONS_NEW] =
		{"INSERT INTO wasl.commissions (store_id, commission_id, order_id, "
		 "affiliate_id, kind, state, currency, amount_minor, amount_confirmed_minor, "
		 "confirmed_at, release_at, reason, decision_version, funded_by, event_id) "
		 "SELECT s, i, o, a, k, t, c, m, f, wasl.from_us(w), wasl.from_us(r), y, v, b, e "
		 "FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], "
		 "$6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], "
		 "$11::bigint[], $12::text[], $13::integer[], $14::text[], $15::text[]) "
		 "n (s, i, o, a, k, t, c, m, f, w, r, y, v, b, e)",
			"bbtbtttbbbbtitt"},
	/* One text for each stage: prepared once, run for each that has rows. */
	[POST_COMMISSIONS_MOVED] = {moved_sql, MOVED_TYPES},
	[POST_COMMISSIONS_MOVED + 1] = {moved_sql, MOVED_TYPES},
	[POST_COMMISSIONS_MOVED + 2] = {moved_sql, MOVED_TYPES},
	[POST_COMMISSIONS_MOVED + 3] = {moved_sql, MOVED_TYPES},
	/* One statement for all: each transaction in it balances, and the accounts follow once. */
	[POST_ENTRIES] = {"INSERT INTO wasl.entries (store_id, transaction_id, affiliate_id, "
			  "currency, account, amount_minor, move, commission_id) "
			  "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], "
			  "$4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[])",
		"bbbttbtb"},
	[POST_COUPON_USES] = {"INSERT INTO wasl.coupon_uses (store_id, order_id, coupon_id, "
			      "customer) SELECT * FROM unnest($1::bigint[], $2::text[], "
			      "$3::bigint[], $4::text[])",
		"btbt"},
	[POST_COUPON_USES_MOVED] =
		{"UPDATE wasl.coupon_uses u SET coupon_id = n.coupon_id, customer = n.customer, "
		 "is_taken = n.is_taken FROM unnest($1::bigint[], $2::text[], $3::bigint[], "
		 "$4::text[], $5::boolean[]) n (store_id, order_id, coupon_id, customer, is_taken) "
		 "WHERE u.store_id = n.store_id AND u.order_id = n.order_id",
			"btbtf"},
	[POST_GRANTS] = {"INSERT INTO wasl.grants (store_id, order_id, affiliate_id, rule_id, "
			 "month, wish_minor, granted_minor, used_minor) SELECT s, o, a, r, "
			 "m::date, w, g, u FROM unnest($1::bigint[], $2::text[], $3::bigint[], "
			 "$4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[]) "
			 "n (s, o, a, r, m, w, g, u)",
		"btbbtbbb"},
	[POST_GRANTS_CHANGED] =
		{"UPDATE wasl.grants g SET wish_minor = n.wish, granted_minor = n.granted, "
		 "used_minor = n.used FROM unnest($1::bigint[], $2::text[], $3::bigint[], "
		 "$4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) n (store_id, order_id, "
		 "affiliate_id, rule_id, wish, granted, used) WHERE g.store_id = n.store_id AND "
		 "g.order_id = n.order_id AND g.affiliate_id = n.affiliate_id AND g.rule_id = "
		 "n.rule_id",
			"btbbbbb"},
	[POST_REVIEWS] = {"INSERT INTO wasl.reviews (store_id, order_id, reason) SELECT * "
			  "FROM unnest($1::bigint[], $2::text[], $3::text[]) "
			  "ON CONFLICT (store_id, order_id, reason) WHERE lifted_at IS NULL "
			  "DO NOTHING",
		"btt"},
	[POST_CLICK_LOSSES] = {"DELETE FROM wasl.click_wins w USING unnest($1::bigint[], "
			       "$2::text[], $3::text[]) n (store_id, click_id, order_id) WHERE "
			       "w.store_id = n.store_id AND w.click_id = n.click_id::uuid "
			       "AND w.order_id = n.order_id",
		"btt"},
	[POST_CLICK_WINS] = {"INSERT INTO wasl.click_wins (store_id, click_id, order_id, customer) "
			     "SELECT s, c::uuid, o, k FROM unnest($1::bigint[], $2::text[], "
			     "$3::text[], $4::text[]) n (s, c, o, k) ON CONFLICT DO NOTHING",
		"bttt"},
};

static void write_lines(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct decide_share *share);
static void write_share(struct batch *batch, const struct posting *posting,
	const struct decide_share *share, unsigned place);
static struct str decided_by(const struct posting *posting);
static void write_click(
	struct pg_table *table, const struct posting *posting, const uint8_t *click_id);
static void add_time(struct pg_table *table, int64_t us);

void post_write_init(struct pg_table *tables)
{
	for (unsigned i = 0; i < POST_TABLES; i++)
		pg_table_init(&tables[i], write_tables[i].sql, write_tables[i].types);
}

void post_write_event(struct batch *batch, const struct posting *posting, const char *effect,
	const char *answer, struct str facts)
{
	const struct post_item *const item = posting->item;
	const struct event *const event = item->event;
	struct pg_table *table = &batch->tables[POST_EVENT_IDS];
	pg_table_int(table, item->store_id);
	pg_table_text(table, event->event_id);
	pg_table_text(table, event->order_id);
	pg_table_bytes(table, item->body_sha256, sizeof(item->body_sha256));
	pg_table_int(table, event->received_us);
	pg_table_int_or_null(table, posting->version > 0, posting->version);
	pg_table_text_or_null(table, str_from(answer));

	table = &batch->tables[POST_EVENTS];
	pg_table_int(table, item->store_id);
	pg_table_text(table, event->order_id);
	pg_table_text(table, event->event_id);
	pg_table_text(table, str_from(event_type_name(event->type)));
	pg_table_int(table, event->occurred_us);
	pg_table_int(table, event->received_us);
	pg_table_int_or_null(table, event->order_version.has_value, event->order_version.value);
	pg_table_text(table, str_from(effect));
	pg_table_text(table, facts);

	table = &batch->tables[POST_BODIES];
	pg_table_int(table, item->store_id);
	pg_table_text(table, event->event_id);
	pg_table_int(table, event->received_us);
	pg_table_bytes(table, item->sealed_body.data, item->sealed_body.len);
}

void post_write_order(struct batch *batch, const struct posting *posting, int64_t due_us)
{
	const struct folded *const folded = &posting->folded;
	const bool has_first = folded->first != NULL;
	struct pg_table *const table = &batch->tables[POST_ORDERS];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->order_id);
	pg_table_text(table, str_from(order_state_name(has_first ? folded->state : ORDER_NEW)));
	pg_table_text_or_null(
		table, has_first ? str_from(folded->first->currency) : (struct str){0});
	pg_table_int_or_null(table, has_first, folded->placed_us);
	pg_table_int_or_null(table, folded->confirmed != NULL, folded->confirmed_us);
	add_time(table, folded->shipped_us);
	add_time(table, folded->delivered_us);
	add_time(table, folded->collected_us);
	pg_table_int_or_null(table, folded->is_waiting, folded->waiting_since_us);
	pg_table_bool(table, folded->is_test);
	pg_table_int_or_null(table, posting->new_version > 0, posting->new_version);
	add_time(table, due_us);
}

void post_write_review(struct batch *batch, const struct posting *posting, const char *reason)
{
	struct pg_table *const table = &batch->tables[POST_REVIEWS];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->order_id);
	pg_table_text(table, str_from(reason));
}

void post_write_decision(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct post_text *text)
{
	struct pg_table *const table = &batch->tables[POST_DECISIONS];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->order_id);
	pg_table_int(table, posting->new_version);
	pg_table_text(table, decided_by(posting));
	pg_table_text(table, str_from(decision_result_name(decision->result)));
	pg_table_text(table, str_from(outcome_name(decision->reason)));
	pg_table_text_or_null(table, post_text_evidence(decision));
	pg_table_text(table, str_from(stores_model_name(posting->model)));
	pg_table_text(table, str_from(stores_precedence_name(posting->precedence)));
	pg_table_text(table, buf_str(&text->candidates));
	pg_table_text(table, buf_str(&text->commissions));
	pg_table_text(table, str_from(post_text_flags(decision)));
	for (unsigned i = 0; i < decision->share_count; i++) {
		write_lines(batch, posting, decision, &decision->shares[i]);
		if (decision->shares[i].affiliate_id != 0)
			write_share(batch, posting, &decision->shares[i], i);
	}
}

void post_write_click(
	struct batch *batch, const struct posting *posting, const struct decision *decision)
{
	const uint8_t *const had = posting->live_click;
	const uint8_t *const has = decision->folded.is_test ? NULL : decision->winning_click;
	if (had != NULL && has != NULL && memcmp(had, has, CLICK_ID_BYTES) == 0)
		return;
	if (had != NULL)
		write_click(&batch->tables[POST_CLICK_LOSSES], posting, had);
	if (has == NULL)
		return;
	write_click(&batch->tables[POST_CLICK_WINS], posting, has);
	pg_table_text_or_null(&batch->tables[POST_CLICK_WINS], posting->customer);
}

void post_count_add(
	struct batch *batch, const char *state, const char *currency, const char *unattributed)
{
	if (batch->count_used == POST_COUNTS_MAX)
		return;
	struct post_count *const count = &batch->counts[batch->count_used++];
	*count = (struct post_count){.state = state, .unattributed = unattributed};
	str_copy(count->currency, sizeof(count->currency), str_from(currency));
}

static void write_lines(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct decide_share *share)
{
	const struct event *const terms = decision->folded.terms;
	struct pg_table *const table = &batch->tables[POST_LINES];
	struct buf rule;
	buf_init(&rule, POST_RULE_MAX);
	for (unsigned i = 0; i < terms->line_count; i++) {
		const struct price_line *const line = &share->lines[i];
		const uint32_t product_id = post_product_id(posting, terms->lines[i].product_id);
		buf_clear(&rule);
		if (line->rule != NULL)
			post_text_rule(line->rule, decision->folded.first->currency, &rule);
		pg_table_int(table, posting->item->store_id);
		pg_table_text(table, posting->item->order_id);
		pg_table_int(table, posting->new_version);
		pg_table_int(table, share->affiliate_id);
		pg_table_int(table, i);
		pg_table_text(table, terms->lines[i].line_id);
		pg_table_text(table, terms->lines[i].product_id);
		pg_table_int_or_null(table, product_id != 0, product_id);
		pg_table_int(table, terms->lines[i].quantity);
		pg_table_int(table, line->base_minor);
		pg_table_buf_or_null(table, &rule);
		pg_table_int(table, line->amount_minor);
		pg_table_text_or_null(table, str_from(outcome_name(line->reason)));
		pg_table_int(table, line->quantity_left);
	}
	buf_release(&rule);
}

static void write_share(struct batch *batch, const struct posting *posting,
	const struct decide_share *share, unsigned place)
{
	struct pg_table *const table = &batch->tables[POST_SHARES];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->order_id);
	pg_table_int(table, posting->new_version);
	pg_table_int(table, share->affiliate_id);
	pg_table_int(table, place);
	pg_table_int(table, share->full_minor);
	pg_table_int(table, share->share_minor);
	pg_table_int(table, share->amount_minor);
	pg_table_int(table, share->confirmed_minor);
	pg_table_text(table, str_from(outcome_name(share->reason)));
}

static void write_click(
	struct pg_table *table, const struct posting *posting, const uint8_t *click_id)
{
	char text[CLICK_ID_TEXT_MAX];
	click_id_format(text, click_id);
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, str_from(text));
	pg_table_text(table, posting->item->order_id);
}

/* The event that made the decision: the new one, or, when the order was only folded again, the one
 * that came last. */
static struct str decided_by(const struct posting *posting)
{
	const struct event *last = posting->item->event;
	for (unsigned i = 0; i < posting->event_count && posting->item->event == NULL; i++)
		if (last == NULL || posting->events[i]->received_us >= last->received_us)
			last = posting->events[i];
	return last->event_id;
}

static void add_time(struct pg_table *table, int64_t us)
{
	pg_table_int_or_null(table, us != 0, us);
}
