/* SPDX-License-Identifier: Apache-2.0
 * A batch's third round trip: every row of it, one statement a table. Orders before commissions,
 * decisions before their lines, commissions before the ledger's entries. */
#include <string.h>

#include "post_parts.h"

struct write_table {
	const char *sql;
	unsigned columns;
};

static const struct write_table write_tables[POST_TABLES] = {
	[POST_EVENT_IDS] =
		{"INSERT INTO wasl.event_ids (store_id, event_id, order_id, body_sha256, "
		 "received_at, decision_version) SELECT s, e, o, b, wasl.from_us(r), v "
		 "FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], "
		 "$5::bigint[], $6::integer[]) n (s, e, o, b, r, v)",
			6},
	[POST_EVENTS] =
		{"INSERT INTO wasl.events (store_id, order_id, event_id, type, occurred_at, "
		 "received_at, order_version, effect, facts) SELECT s, o, e, t, "
		 "wasl.from_us(c), wasl.from_us(r), v, x, f::jsonb "
		 "FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], "
		 "$5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[]) "
		 "n (s, o, e, t, c, r, v, x, f)",
			9},
	[POST_BODIES] = {"INSERT INTO wasl.event_bodies (store_id, event_id, received_at, sealed) "
			 "SELECT s, e, wasl.from_us(r), b FROM unnest($1::bigint[], $2::text[], "
			 "$3::bigint[], $4::bytea[]) n (s, e, r, b)",
		4},
	[POST_ORDERS] =
		{"UPDATE wasl.orders o SET state = n.state, currency = coalesce(n.currency, "
		 "o.currency), placed_at = wasl.from_us(n.placed), confirmed_at = "
		 "wasl.from_us(n.confirmed), is_waiting = n.waiting, is_test = n.test, "
		 "decision_version = coalesce(n.version, o.decision_version), "
		 "updated_at = now() FROM unnest($1::bigint[], $2::text[], $3::text[], "
		 "$4::text[], $5::bigint[], $6::bigint[], $7::boolean[], $8::boolean[], "
		 "$9::integer[]) n (store_id, order_id, state, currency, placed, confirmed, "
		 "waiting, test, version) WHERE o.store_id = n.store_id "
		 "AND o.order_id = n.order_id",
			9},
	[POST_DECISIONS] = {"INSERT INTO wasl.decisions (store_id, order_id, version, supersedes, "
			    "event_id, result, reason, evidence, model, precedence, candidates, "
			    "commissions) SELECT s, o, v, nullif(v - 1, 0), e, r, w, d, m, p, "
			    "c::jsonb, k::jsonb FROM unnest($1::bigint[], $2::text[], "
			    "$3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], "
			    "$8::text[], $9::text[], $10::text[], $11::text[]) "
			    "n (s, o, v, e, r, w, d, m, p, c, k)",
		11},
	[POST_LINES] = {"INSERT INTO wasl.order_lines (store_id, order_id, version, affiliate_id, "
			"line_index, line_id, external_id, product_id, quantity, base_minor, rule, "
			"amount_minor, reason) SELECT s, o, v, a, i, l, x, p, q, b, r::jsonb, m, w "
			"FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[], "
			"$5::integer[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], "
			"$10::bigint[], $11::text[], $12::bigint[], $13::text[]) "
			"n (s, o, v, a, i, l, x, p, q, b, r, m, w)",
		13},
	[POST_COMMISSIONS_NEW] =
		{"INSERT INTO wasl.commissions (store_id, commission_id, order_id, "
		 "affiliate_id, currency, amount_minor, amount_confirmed_minor, "
		 "confirmed_at, reason, decision_version) SELECT s, i, o, a, c, m, "
		 "m, wasl.from_us(t), w, v FROM unnest($1::bigint[], $2::bigint[], "
		 "$3::text[], $4::bigint[], $5::text[], $6::bigint[], "
		 "$7::bigint[], $8::text[], $9::integer[]) "
		 "n (s, i, o, a, c, m, t, w, v)",
			9},
	[POST_COMMISSIONS_MOVED] = {"UPDATE wasl.commissions c SET state = n.state, amount_minor = "
				    "n.amount, reason = n.reason, decision_version = n.version, "
				    "updated_at = now() FROM unnest($1::bigint[], $2::bigint[], "
				    "$3::text[], $4::bigint[], $5::text[], $6::integer[]) n "
				    "(store_id, commission_id, state, amount, reason, version) "
				    "WHERE c.store_id = n.store_id "
				    "AND c.commission_id = n.commission_id",
		6},
	/* One statement for all: each transaction in it balances, and the accounts follow once. */
	[POST_ENTRIES] = {"INSERT INTO wasl.entries (store_id, transaction_id, affiliate_id, "
			  "currency, account, amount_minor, move, commission_id) "
			  "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], "
			  "$4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[])",
		8},
	[POST_REVIEWS] = {"INSERT INTO wasl.reviews (store_id, order_id, reason) SELECT * "
			  "FROM unnest($1::bigint[], $2::text[], $3::text[]) "
			  "ON CONFLICT (store_id, order_id, reason) WHERE lifted_at IS NULL "
			  "DO NOTHING",
		3},
};

static void write_lines(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct decide_share *share);
static void write_entry(struct batch *batch, const struct posting *posting,
	const struct post_money *money, unsigned index, const char *account, int64_t amount_minor);
static const char *model_name(enum match_model model);

void post_write_init(struct batch *batch)
{
	for (unsigned i = 0; i < POST_TABLES; i++)
		pg_table_init(&batch->tables[i], write_tables[i].sql, write_tables[i].columns);
	batch->has_tables = true;
}

void post_write_event(
	struct batch *batch, const struct posting *posting, const char *effect, struct str facts)
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

void post_write_order(struct batch *batch, const struct posting *posting, bool is_waiting)
{
	const struct folded *const folded = &posting->folded;
	const bool has_first = folded->first != NULL;
	struct pg_table *const table = &batch->tables[POST_ORDERS];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->event->order_id);
	pg_table_text(table, str_from(order_state_name(folded->state)));
	pg_table_text_or_null(
		table, has_first ? str_from(folded->first->currency) : (struct str){0});
	pg_table_int_or_null(table, has_first, folded->placed_us);
	pg_table_int_or_null(table, folded->is_confirmed, folded->confirmed_us);
	pg_table_bool(table, is_waiting);
	pg_table_bool(table, folded->is_test);
	pg_table_int_or_null(table, posting->new_version > 0, posting->new_version);
}

void post_write_review(struct batch *batch, const struct posting *posting, const char *reason)
{
	struct pg_table *const table = &batch->tables[POST_REVIEWS];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->event->order_id);
	pg_table_text(table, str_from(reason));
}

void post_write_decision(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct post_text *text)
{
	struct pg_table *const table = &batch->tables[POST_DECISIONS];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->event->order_id);
	pg_table_int(table, posting->new_version);
	pg_table_text(table, posting->item->event->event_id);
	pg_table_text(table, str_from(decision_result_name(decision->result)));
	pg_table_text(table, str_from(outcome_name(decision->reason)));
	pg_table_text_or_null(table, post_text_evidence(decision));
	pg_table_text(table, str_from(model_name(posting->model)));
	pg_table_text(table, posting->precedence);
	pg_table_text(table, buf_str(&text->candidates));
	pg_table_text(table, buf_str(&text->commissions));
	for (unsigned i = 0; i < decision->share_count; i++)
		write_lines(batch, posting, decision, &decision->shares[i]);
}

void post_write_money(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct post_money *money)
{
	const char *const currency = decision->folded.first->currency;
	for (unsigned i = 0; i < money->change_count; i++) {
		const struct decide_change *const change = &money->changes[i];
		const struct post_commission *const row = &money->rows[money->row_of[i]];
		struct pg_table *const table =
			&batch->tables[change->row < 0 ? POST_COMMISSIONS_NEW
						       : POST_COMMISSIONS_MOVED];
		pg_table_int(table, posting->item->store_id);
		pg_table_int(table, row->commission_id);
		if (change->row < 0) {
			pg_table_text(table, posting->item->event->order_id);
			pg_table_int(table, row->affiliate_id);
			pg_table_text(table, str_from(currency));
			pg_table_int(table, row->amount_minor);
			pg_table_int(table, decision->folded.confirmed_us);
		} else {
			pg_table_text(table, str_from(row->state));
			pg_table_int(table, row->amount_minor);
		}
		pg_table_text(table, str_from(outcome_name(change->reason)));
		pg_table_int(table, posting->new_version);
		if (change->delta_minor != 0) {
			write_entry(batch, posting, money, i, "store", -change->delta_minor);
			write_entry(batch, posting, money, i, "pending", change->delta_minor);
		}
	}
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
			post_text_rule(line->rule, &rule);
		pg_table_int(table, posting->item->store_id);
		pg_table_text(table, posting->item->event->order_id);
		pg_table_int(table, posting->new_version);
		pg_table_int(table, share->affiliate_id);
		pg_table_int(table, i);
		pg_table_text(table, terms->lines[i].line_id);
		pg_table_text(table, terms->lines[i].product_id);
		pg_table_int_or_null(table, product_id != 0, product_id);
		pg_table_int(table, terms->lines[i].quantity);
		pg_table_int(table, line->base_minor);
		pg_table_text_or_null(table, buf_str(&rule));
		pg_table_int(table, line->amount_minor);
		pg_table_text_or_null(table, str_from(outcome_name(line->reason)));
	}
	buf_release(&rule);
}

static void write_entry(struct batch *batch, const struct posting *posting,
	const struct post_money *money, unsigned index, const char *account, int64_t amount_minor)
{
	const struct post_commission *const row = &money->rows[money->row_of[index]];
	struct pg_table *const table = &batch->tables[POST_ENTRIES];
	pg_table_int(table, posting->item->store_id);
	pg_table_int(table, money->transaction_ids[index]);
	pg_table_int(table, row->affiliate_id);
	pg_table_text(table, str_from(posting->folded.first->currency));
	pg_table_text(table, str_from(account));
	pg_table_int(table, amount_minor);
	pg_table_text(table, str_from(decide_move_name(money->changes[index].move)));
	pg_table_int(table, row->commission_id);
}

static const char *model_name(enum match_model model)
{
	switch (model) {
	case MATCH_LAST:
		return "last";
	case MATCH_FIRST:
		return "first";
	case MATCH_LINEAR:
		return "linear";
	}
	return "";
}
