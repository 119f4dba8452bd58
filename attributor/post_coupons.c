/* SPDX-License-Identifier: Apache-2.0
 * The coupons that a batch's events name: locked and looked up in a round trip of their own, since
 * what follows needs their owners; and their uses, taken and given back. */
#include "post_parts.h"

static const char coupons_sql[] =
	"SELECT k.at, k.raw, k.coupon_id, k.affiliate_id, k.held_back, k.uses_left, "
	"k.customer_uses_left, k.is_of_order FROM wasl.coupons_lock($1::integer[], $2::bigint[], "
	"$3::text[], $4::bigint[], $5::text[], $6::text[]) k WHERE k.coupon_id IS NOT NULL "
	"ORDER BY k.at";
enum { AT, RAW, COUPON_ID, OWNER, HELD_BACK, USES_LEFT, CUSTOMER_USES_LEFT, IS_OF_ORDER };

static void add_names(const struct posting *posting, unsigned at, struct pg_table *names);
static bool is_named_before(const struct posting *posting, unsigned event, unsigned coupon);
static unsigned count_rows(const struct db_rows *rows, unsigned from, unsigned at);
static bool take_coupon(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row);
static int64_t left_of(const struct db_rows *rows, unsigned row, unsigned column);
static void write_use(struct batch *batch, enum post_table to, const struct posting *posting,
	int64_t coupon_id, bool is_taken);

void post_coupons_init(struct pg_table *names)
{
	pg_table_init(names, coupons_sql, "ibtbtt");
}

bool post_coupons_statement(
	struct batch *batch, struct pg_table *names, struct db_statement *statement, bool *is_whole)
{
	for (unsigned i = 0; i < batch->count; i++) {
		const struct posting *const posting = &batch->postings[i];
		if (!posting->verdict.is_set && posting->folded.first != NULL)
			add_names(posting, i, names);
	}
	if (names->row_count == 0)
		return false;
	*is_whole &= pg_table_statement(names, statement);
	return true;
}

enum batch_step post_coupons_take(struct batch *batch, const struct db_result *result)
{
	const struct db_rows *const rows = result->rows[0];
	unsigned row = 0;
	for (unsigned i = 0; i < batch->count; i++) {
		struct posting *const posting = &batch->postings[i];
		const unsigned end = count_rows(rows, row, i);
		posting->coupons = arena_take(&batch->arena, end - row, sizeof(*posting->coupons));
		posting->uses = arena_take(&batch->arena, end - row, sizeof(*posting->uses));
		if (posting->coupons == NULL || posting->uses == NULL)
			return BATCH_NO_MEMORY;
		for (; row < end; row++)
			if (!take_coupon(batch, posting, rows, row))
				return BATCH_NO_MEMORY;
	}
	return BATCH_GO_ON;
}

void post_coupons_hold_back(const struct batch *batch, struct posting *posting)
{
	for (unsigned i = 0; i < posting->known_coupons; i++) {
		struct decide_coupon *const coupon = &posting->coupons[i];
		int64_t left = posting->uses[i].left;
		int64_t customer_left = posting->uses[i].customer_left;
		if (coupon->held_back != OUTCOME_NONE || posting->uses[i].is_of_order)
			continue;
		for (unsigned u = 0; u < batch->use_count; u++) {
			const struct post_use *const use = &batch->uses[u];
			if (use->store_id != posting->item->store_id ||
				use->coupon_id != coupon->coupon_id)
				continue;
			left -= left != INT64_MAX ? 1 : 0;
			if (customer_left != INT64_MAX &&
				str_equal(use->customer, posting->customer))
				customer_left--;
		}
		if (left < 1 || customer_left < 1)
			coupon->held_back = OUTCOME_COUPON_EXHAUSTED;
	}
}

/* A use that is given back within a batch is there for later ones only. */
void post_coupons_write(
	struct batch *batch, const struct posting *posting, const struct decision *decision)
{
	const int64_t had = posting->coupon_taken;
	const int64_t wants = decision->coupon_id;
	const bool takes = wants != 0 && decision->takes_coupon;
	if (had == 0) {
		if (takes)
			write_use(batch, POST_COUPON_USES, posting, wants, true);
	} else if (takes != posting->is_coupon_taken || (takes && wants != had)) {
		write_use(batch, POST_COUPON_USES_MOVED, posting, takes ? wants : had, takes);
	}
	if (takes && wants != had && batch->use_count < POST_BATCH_MAX)
		batch->uses[batch->use_count++] =
			(struct post_use){posting->item->store_id, wants, posting->customer};
}

static void add_names(const struct posting *posting, unsigned at, struct pg_table *names)
{
	for (unsigned e = 0; e < posting->event_count; e++) {
		const struct event *const event = posting->events[e];
		for (unsigned c = 0; c < event->coupon_count; c++) {
			if (is_named_before(posting, e, c))
				continue;
			pg_table_int(names, at);
			pg_table_int(names, posting->item->store_id);
			pg_table_text(names, event->coupons[c].code);
			pg_table_int(names, posting->folded.placed_us);
			pg_table_text(names, posting->item->order_id);
			pg_table_text_or_null(names, posting->customer);
		}
	}
}

static bool is_named_before(const struct posting *posting, unsigned event, unsigned coupon)
{
	const struct str code = posting->events[event]->coupons[coupon].code;
	for (unsigned e = 0; e <= event; e++) {
		const unsigned end = e < event ? posting->events[e]->coupon_count : coupon;
		for (unsigned c = 0; c < end; c++)
			if (str_equal(posting->events[e]->coupons[c].code, code))
				return true;
	}
	return false;
}

/* The end of the rows, from on, that are at's. */
static unsigned count_rows(const struct db_rows *rows, unsigned from, unsigned at)
{
	const unsigned count = db_rows_count(rows);
	while (from < count && db_rows_int(rows, from, AT) == (int64_t)at)
		from++;
	return from;
}

static bool take_coupon(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row)
{
	struct decide_coupon *const coupon = &posting->coupons[posting->known_coupons];
	posting->uses[posting->known_coupons++] =
		(struct post_uses){.left = left_of(rows, row, USES_LEFT),
			.customer_left = left_of(rows, row, CUSTOMER_USES_LEFT),
			.is_of_order = db_rows_bool(rows, row, IS_OF_ORDER)};
	coupon->coupon_id = db_rows_int(rows, row, COUPON_ID);
	coupon->affiliate_id = (uint32_t)db_rows_int(rows, row, OWNER);
	coupon->held_back = OUTCOME_NONE;
	if (!db_rows_is_null(rows, row, HELD_BACK))
		outcome_parse(db_rows_text(rows, row, HELD_BACK), &coupon->held_back);
	post_names_add(posting->affiliate_ids, &posting->affiliate_count, coupon->affiliate_id);
	return arena_keep(&batch->arena, db_rows_text(rows, row, RAW), &coupon->code);
}

static int64_t left_of(const struct db_rows *rows, unsigned row, unsigned column)
{
	return db_rows_is_null(rows, row, column) ? INT64_MAX : db_rows_int(rows, row, column);
}

static void write_use(struct batch *batch, enum post_table to, const struct posting *posting,
	int64_t coupon_id, bool is_taken)
{
	struct pg_table *const table = &batch->tables[to];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->order_id);
	pg_table_int(table, coupon_id);
	pg_table_text_or_null(table, posting->customer);
	if (to == POST_COUPON_USES_MOVED)
		pg_table_bool(table, is_taken);
}
