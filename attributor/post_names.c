/* SPDX-License-Identifier: Apache-2.0
 * A batch's round trip of names: what the facts name. Affiliates with their standing when the order
 * was placed and their tier, coupons, products, the rules that may match, and fresh numbers. What
 * no order of the batch names is not asked for. */
#include <stdio.h>
#include <string.h>

#include "post_parts.h"

#define NUMBER_TEXT_MAX 12
/* Clicks looked at: as many as a decision keeps candidates. */
#define NAMES_MAX      DECIDE_CANDIDATES_MAX
#define SPARE_IDS_MORE 256 /* transaction numbers drawn beyond what one batch may need */

/* An affiliate that was added after placed_at counts with the status it began with: clocks differ.
 */
static const char affiliates_sql[] =
	"SELECT n.at, a.affiliate_id, coalesce("
	"(SELECT s.status FROM wasl.affiliate_status s WHERE s.affiliate_id = a.affiliate_id "
	"AND s.since <= wasl.from_us(n.placed_us) ORDER BY s.since DESC LIMIT 1), "
	"(SELECT s.status FROM wasl.affiliate_status s WHERE s.affiliate_id = a.affiliate_id "
	"ORDER BY s.since LIMIT 1), a.status), a.status, a.phone, a.email "
	"FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) n (at, affiliate_id, placed_us) "
	"JOIN wasl.affiliates a USING (affiliate_id) ORDER BY n.at";
static const char tiers_sql[] =
	"SELECT t.at, t.affiliate_id, t.bonus_bp, t.rate_bp FROM wasl.tiers_for($1::integer[], "
	"$2::bigint[], $3::bigint[], $4::bigint[]) t";
static const char click_products_sql[] =
	"SELECT n.at, p.product_id, p.store_id, p.external_id, p.category "
	"FROM unnest($1::bigint[], $2::bigint[]) n (at, product_id) "
	"JOIN wasl.products p USING (product_id) ORDER BY n.at";
static const char line_products_sql[] =
	"SELECT n.at, p.product_id, p.store_id, p.external_id, p.category "
	"FROM unnest($1::bigint[], $2::bigint[], $3::text[]) n (at, store_id, external_id) "
	"JOIN wasl.products p USING (store_id, external_id) ORDER BY n.at";
static const char rules_sql[] =
	"WITH named AS (SELECT DISTINCT p.store_id, p.product_id, p.category "
	"FROM unnest($1::bigint[], $2::text[]) n (store_id, external_id) "
	"JOIN wasl.products p USING (store_id, external_id)) "
	"SELECT r.store_id, r.rule_id, r.level, r.affiliate_id, r.product_id, r.category, "
	"r.currency, r.priority, CASE WHEN isfinite(r.valid_from) THEN wasl.to_us(r.valid_from) "
	"END, CASE WHEN isfinite(r.valid_to) THEN wasl.to_us(r.valid_to) END, r.rate_bp, "
	"r.fixed_unit_minor, r.fixed_order_minor, r.cap_line_minor, r.cap_order_minor, "
	"r.cap_period_minor "
	"FROM (SELECT r.* FROM named n JOIN wasl.rules r USING (store_id, product_id) "
	"UNION ALL SELECT r.* FROM wasl.rules r WHERE r.store_id = ANY ($3::bigint[]) "
	"AND r.product_id IS NULL AND (r.category IS NULL OR EXISTS (SELECT FROM named n "
	"WHERE n.store_id = r.store_id AND n.category = r.category))) r "
	"WHERE r.affiliate_id IS NULL OR r.affiliate_id = ANY ($4::bigint[]) "
	"ORDER BY r.store_id, r.rule_id";
static const char commission_ids_sql[] =
	"SELECT nextval('wasl.commission_ids') FROM generate_series(1, $1::integer)";
static const char transaction_ids_sql[] =
	"SELECT nextval('wasl.ledger_transactions') FROM generate_series(1, $1::integer)";

enum { OF_AFFILIATES, OF_CLICKS, OF_LINES, OF_STORES, OF_ALL_AFFILIATES };
/* Columns of OF_AFFILIATES, and views of them as the statements want them. */
enum { AT, STORE, ORDER, AFFILIATE, PLACED_US, CURRENCY, AFFILIATE_COLUMNS };

struct asking {
	struct batch *batch;
	struct db_statement *statements;
	unsigned count;
};

static enum batch_step gather(struct batch *batch, struct posting *posting);
static void gather_event(struct posting *posting, const struct event *event);
static struct str customer_of(const struct posting *posting);
static void add_names(struct batch *batch, struct pg_table *names);
static void add_affiliates(const struct posting *posting, unsigned at, struct pg_table *names);
static void add_lines(const struct posting *posting, unsigned at, const struct event *terms,
	struct pg_table *names);
static void ask(struct asking *asking, unsigned which, const char *sql, const struct str *params,
	unsigned count);
static void ask_count(
	struct asking *asking, unsigned which, const char *sql, const struct str *number);
static bool ask_affiliates(struct asking *asking, const struct pg_table *names);
static bool ask_ids(struct asking *asking, struct poster *poster);
static unsigned commissions_of(const struct posting *posting);
static bool has_row(const struct posting *posting, uint32_t affiliate_id);

enum batch_step post_names_gather(struct batch *batch)
{
	enum batch_step step = BATCH_GO_ON;
	for (unsigned i = 0; i < batch->count && step == BATCH_GO_ON; i++)
		if (!batch->postings[i].verdict.is_set)
			step = gather(batch, &batch->postings[i]);
	return step;
}

void post_names_init(struct pg_table *names)
{
	static const char *const types[POST_NAMES_TABLES] = {"ibtbbt", "bb", "bbt", "b", "b"};
	for (unsigned i = 0; i < POST_NAMES_TABLES; i++)
		pg_table_init(&names[i], "", types[i]);
}

unsigned post_names_statements(
	struct poster *poster, struct db_statement *statements, bool *is_whole)
{
	struct pg_table *const names = poster->names;
	struct batch *const batch = &poster->batch;
	struct asking asking = {.batch = batch, .statements = statements};
	for (unsigned i = 0; i < POST_NAMES_ASKS; i++)
		batch->asked[i] = -1;
	add_names(batch, names);
	if (names[OF_STORES].row_count == 0)
		return 0;
	struct db_statement of[POST_NAMES_TABLES];
	for (unsigned i = 0; i < POST_NAMES_TABLES; i++)
		*is_whole &= pg_table_statement(&names[i], &of[i]);
	if (names[OF_AFFILIATES].row_count > 0)
		*is_whole &= ask_affiliates(&asking, names);
	if (names[OF_CLICKS].row_count > 0)
		ask(&asking, ASK_CLICK_PRODUCTS, click_products_sql, of[OF_CLICKS].params, 2);
	if (names[OF_LINES].row_count > 0)
		ask(&asking, ASK_LINE_PRODUCTS, line_products_sql, of[OF_LINES].params, 3);
	if (names[OF_AFFILIATES].row_count > 0) {
		struct str *const of_rules = arena_take(&batch->arena, 4, sizeof(*of_rules));
		*is_whole &= of_rules != NULL;
		if (of_rules != NULL) {
			of_rules[0] = names[OF_LINES].params[1];
			of_rules[1] = names[OF_LINES].params[2];
			of_rules[2] = names[OF_STORES].params[0];
			of_rules[3] = names[OF_ALL_AFFILIATES].params[0];
			ask(&asking, ASK_RULES, rules_sql, of_rules, 4);
		}
	}
	*is_whole &= ask_ids(&asking, poster);
	return asking.count;
}

bool post_names_add(uint32_t *ids, unsigned *count, uint32_t id)
{
	for (unsigned i = 0; i < *count; i++)
		if (ids[i] == id)
			return true;
	if (id == 0 || *count == NAMES_MAX)
		return false;
	ids[(*count)++] = id;
	return true;
}

static enum batch_step gather(struct batch *batch, struct posting *posting)
{
	fold_sort(posting->events, posting->event_count);
	fold_order(posting->events, posting->event_count, &posting->folded);
	posting->customer = customer_of(posting);
	posting->affiliate_ids = arena_take(&batch->arena, NAMES_MAX, sizeof(uint32_t));
	posting->product_ids = arena_take(&batch->arena, NAMES_MAX, sizeof(uint32_t));
	if (posting->affiliate_ids == NULL || posting->product_ids == NULL)
		return BATCH_NO_MEMORY;
	for (unsigned i = 0; i < posting->live_winner_count; i++)
		post_names_add(posting->affiliate_ids, &posting->affiliate_count,
			posting->live_winners[i]);
	for (unsigned i = 0; i < posting->grant_count; i++)
		post_names_add(posting->affiliate_ids, &posting->affiliate_count,
			posting->grants[i].affiliate_id);
	for (unsigned e = 0; e < posting->event_count; e++)
		gather_event(posting, posting->events[e]);
	return BATCH_GO_ON;
}

static void gather_event(struct posting *posting, const struct event *event)
{
	if (event->type == EVENT_REASSIGN)
		post_names_add(
			posting->affiliate_ids, &posting->affiliate_count, event->affiliate_id);
	for (unsigned c = 0; c < event->click_count; c++) {
		const struct link_claim *const link = &event->clicks[c].claim.link;
		if (event->clicks[c].result != TOKEN_OK)
			continue;
		post_names_add(
			posting->affiliate_ids, &posting->affiliate_count, link->affiliate_id);
		post_names_add(posting->product_ids, &posting->product_count, link->product_id);
	}
}

/* By phone, since that is what nearly every order has. */
static struct str customer_of(const struct posting *posting)
{
	struct str email = {0};
	for (unsigned e = 0; e < posting->event_count; e++) {
		if (posting->events[e]->customer_phone.len > 0)
			return posting->events[e]->customer_phone;
		if (email.len == 0)
			email = posting->events[e]->customer_email;
	}
	return email;
}

static void add_names(struct batch *batch, struct pg_table *names)
{
	for (unsigned i = 0; i < batch->count; i++) {
		const struct posting *const posting = &batch->postings[i];
		const struct folded *const folded = &posting->folded;
		if (posting->verdict.is_set || folded->first == NULL)
			continue;
		pg_table_int(&names[OF_STORES], posting->item->store_id);
		add_affiliates(posting, i, names);
		for (unsigned p = 0; p < posting->product_count; p++) {
			pg_table_int(&names[OF_CLICKS], i);
			pg_table_int(&names[OF_CLICKS], posting->product_ids[p]);
		}
		add_lines(posting, i, folded->terms, names);
		if (folded->confirmed != folded->terms)
			add_lines(posting, i, folded->confirmed, names);
	}
}

static void add_affiliates(const struct posting *posting, unsigned at, struct pg_table *names)
{
	const struct folded *const folded = &posting->folded;
	const bool is_granted = folded->confirmed != NULL && !folded->is_test;
	for (unsigned a = 0; a < posting->affiliate_count; a++) {
		struct pg_table *const table = &names[OF_AFFILIATES];
		pg_table_int(table, at);
		pg_table_int(table, posting->item->store_id);
		pg_table_text(table, posting->item->order_id);
		pg_table_int(table, posting->affiliate_ids[a]);
		pg_table_int(table, folded->placed_us);
		pg_table_text_or_null(
			table, is_granted ? str_from(folded->first->currency) : (struct str){0});
		pg_table_int(&names[OF_ALL_AFFILIATES], posting->affiliate_ids[a]);
	}
}

static void add_lines(const struct posting *posting, unsigned at, const struct event *terms,
	struct pg_table *names)
{
	for (unsigned l = 0; terms != NULL && l < terms->line_count; l++) {
		pg_table_int(&names[OF_LINES], at);
		pg_table_int(&names[OF_LINES], posting->item->store_id);
		pg_table_text(&names[OF_LINES], terms->lines[l].product_id);
	}
}

static void ask(struct asking *asking, unsigned which, const char *sql, const struct str *params,
	unsigned count)
{
	asking->batch->asked[which] = (int)asking->count;
	asking->statements[asking->count++] = (struct db_statement){
		.sql = sql, .params = params, .param_count = count, .is_binary = true};
}

static void ask_count(
	struct asking *asking, unsigned which, const char *sql, const struct str *number)
{
	asking->batch->asked[which] = (int)asking->count;
	asking->statements[asking->count++] =
		(struct db_statement){.sql = sql, .params = number, .param_count = 1};
}

/* The views of columns live in the batch's arena. Returns false, with nothing asked, when that has
 * no room. */
static bool ask_affiliates(struct asking *asking, const struct pg_table *names)
{
	const struct str *const columns = names[OF_AFFILIATES].params;
	struct str *const views = arena_take(&asking->batch->arena, 7, sizeof(*views));
	if (views == NULL)
		return false;
	views[0] = columns[AT];
	views[1] = columns[STORE];
	views[2] = columns[AFFILIATE];
	views[3] = columns[PLACED_US];
	views[4] = columns[AT];
	views[5] = columns[AFFILIATE];
	views[6] = columns[PLACED_US];
	ask(asking, ASK_ROOMS, post_rooms_sql, columns, AFFILIATE_COLUMNS);
	ask(asking, ASK_TIERS, tiers_sql, views, 4);
	ask(asking, ASK_AFFILIATES, affiliates_sql, views + 4, 3);
	return true;
}

/* Numbers of ledger transactions tell nothing and are kept from one batch to the next; commissions
 * are listed by theirs, so those are drawn when they are needed. */
static bool ask_ids(struct asking *asking, struct poster *poster)
{
	const struct batch *const batch = asking->batch;
	unsigned commissions = 0, moves = 0;
	for (unsigned i = 0; i < batch->count; i++) {
		const struct posting *const posting = &batch->postings[i];
		if (posting->verdict.is_set || posting->folded.first == NULL)
			continue;
		const unsigned made = commissions_of(posting);
		commissions += made;
		moves += (made + posting->row_count) * MOVES_STEPS_OF_ROW_MAX;
	}
	struct str *const counts = arena_take(&asking->batch->arena, 2, sizeof(*counts));
	char text[NUMBER_TEXT_MAX];
	snprintf(text, sizeof(text), "%u", commissions);
	if (counts == NULL || !arena_keep(&asking->batch->arena, str_from(text), &counts[0]))
		return false;
	if (commissions > 0)
		ask_count(asking, ASK_COMMISSION_IDS, commission_ids_sql, &counts[0]);
	if (moves <= poster->spare_count)
		return true;
	snprintf(text, sizeof(text), "%u", moves - poster->spare_count + SPARE_IDS_MORE);
	if (!arena_keep(&asking->batch->arena, str_from(text), &counts[1]))
		return false;
	ask_count(asking, ASK_TRANSACTION_IDS, transaction_ids_sql, &counts[1]);
	return true;
}

/* How many rows an order may come to have more: one of every affiliate without one, an adjustment
 * of every one whose row may be frozen, and one of each operator's adjustment. */
static unsigned commissions_of(const struct posting *posting)
{
	unsigned count = 0;
	if (posting->folded.confirmed == NULL)
		return 0;
	for (unsigned a = 0; a < posting->affiliate_count; a++)
		count += posting->is_locked || !has_row(posting, posting->affiliate_ids[a]);
	for (unsigned r = 0; r < posting->row_count; r++)
		count += posting->is_locked;
	for (unsigned e = 0; e < posting->event_count; e++)
		count += posting->events[e]->type == EVENT_ADJUST;
	return count;
}

static bool has_row(const struct posting *posting, uint32_t affiliate_id)
{
	for (unsigned r = 0; r < posting->row_count; r++)
		if (posting->rows[r].affiliate_id == affiliate_id)
			return true;
	return false;
}
