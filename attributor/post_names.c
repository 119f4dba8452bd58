/* SPDX-License-Identifier: Apache-2.0
 * A batch's second round trip: what the facts name. Affiliates with their standing when the order
 * was placed, products, the rules that may match, and fresh numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "post_parts.h"
#include "seal.h"

#define NUMBER_TEXT_MAX 12
#define EMAIL_MAX_BYTES 254 /* RFC 5321 section 4.5.3.1, as the schema */
/* Clicks looked at: as many as a decision keeps candidates. */
#define CLICKS_MAX DECIDE_CANDIDATES_MAX

/* Hashes of how an affiliate is reached, in hex; len 0: not known. */
struct contact_hash {
	char hex[2 * SEAL_HASH_BYTES];
	size_t len;
};
struct contact {
	struct contact_hash phone, email;
};

/* An affiliate that was added after placed_at counts with the status it began with: clocks differ.
 */
static const char affiliates_sql[] =
	"SELECT n.at, a.affiliate_id, coalesce("
	"(SELECT s.status FROM wasl.affiliate_status s WHERE s.affiliate_id = a.affiliate_id "
	"AND s.since <= wasl.from_us(n.placed_us) ORDER BY s.since DESC LIMIT 1), "
	"(SELECT s.status FROM wasl.affiliate_status s WHERE s.affiliate_id = a.affiliate_id "
	"ORDER BY s.since LIMIT 1), a.status), a.phone, a.email "
	"FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) n (at, affiliate_id, placed_us) "
	"JOIN wasl.affiliates a USING (affiliate_id) ORDER BY n.at";
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
	"r.rate_bp, r.fixed_unit_minor, r.currency, r.priority, "
	"CASE WHEN isfinite(r.valid_from) THEN wasl.to_us(r.valid_from) END, "
	"CASE WHEN isfinite(r.valid_to) THEN wasl.to_us(r.valid_to) END "
	"FROM (SELECT r.* FROM named n JOIN wasl.rules r USING (store_id, product_id) "
	"UNION ALL SELECT r.* FROM wasl.rules r WHERE r.store_id = ANY ($3::bigint[]) "
	"AND r.product_id IS NULL AND (r.category IS NULL OR EXISTS (SELECT FROM named n "
	"WHERE n.store_id = r.store_id AND n.category = r.category))) r "
	"WHERE (r.affiliate_id IS NULL OR r.affiliate_id = ANY ($4::bigint[])) "
	"AND num_nonnulls(r.rate_bp, r.fixed_unit_minor) > 0 ORDER BY r.store_id, r.rule_id";
static const char commission_ids_sql[] =
	"SELECT nextval('wasl.commission_ids') FROM generate_series(1, $1::integer)";
static const char transaction_ids_sql[] =
	"SELECT nextval('wasl.ledger_transactions') FROM generate_series(1, $1::integer)";

enum { AFFILIATES, CLICK_PRODUCTS, LINE_PRODUCTS, RULES, COMMISSION_IDS, TRANSACTION_IDS, ASKED };
enum { OF_AFFILIATES, OF_CLICKS, OF_LINES, OF_STORES, OF_ALL_AFFILIATES };

static enum batch_step gather(struct batch *batch, struct posting *posting);
static void gather_click(struct posting *posting, const struct link_claim *claim);
static void add_distinct(uint32_t *ids, unsigned *count, uint32_t id);
static void add_names(struct batch *batch, struct pg_table *names);
static enum batch_step take_affiliates(struct batch *batch, const struct db_rows *rows);
static bool take_contact(
	const struct keyring *keyring, struct str phone, struct str email, struct contact *contact);
static bool take_hash(const struct keyring *keyring, struct str text, struct contact_hash *hash);
static bool keep_hash(struct batch *batch, const struct contact_hash *hash, struct str *kept);
static enum batch_step take_products(
	struct batch *batch, const struct db_rows *clicks, const struct db_rows *lines);
static bool take_product(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row);
static unsigned rows_at(const struct db_rows *rows, unsigned from, unsigned at);
static enum batch_step take_rules(struct batch *batch, const struct db_rows *rows);
static bool take_rule(
	struct batch *batch, struct rule *rule, const struct db_rows *rows, unsigned row);
static enum batch_step take_ids(
	struct batch *batch, struct post_ids *ids, const struct db_rows *rows);

enum batch_step post_names_gather(struct batch *batch)
{
	enum batch_step step = BATCH_GO_ON;
	for (unsigned i = 0; i < batch->count && step == BATCH_GO_ON; i++)
		if (!batch->postings[i].verdict.is_set)
			step = gather(batch, &batch->postings[i]);
	return step;
}

unsigned post_names_statements(struct batch *batch, struct pg_table *names,
	struct db_statement *statements, bool *is_whole)
{
	static const unsigned columns[POST_NAMES_TABLES] = {3, 2, 3, 1, 1};
	for (unsigned i = 0; i < POST_NAMES_TABLES; i++)
		pg_table_init(&names[i], "", columns[i]);
	add_names(batch, names);
	if (names[OF_STORES].row_count == 0)
		return 0;
	struct db_statement of[POST_NAMES_TABLES];
	for (unsigned i = 0; i < POST_NAMES_TABLES; i++)
		*is_whole &= pg_table_statement(&names[i], &of[i]);
	unsigned commissions = 0, moves = 0;
	for (unsigned i = 0; i < batch->count; i++) {
		commissions += batch->postings[i].affiliate_count;
		moves += batch->postings[i].affiliate_count + batch->postings[i].row_count;
	}
	/* Written into the first table's spare parameters, which live as long as the statements. */
	char text[2][NUMBER_TEXT_MAX];
	snprintf(text[0], sizeof(text[0]), "%u", commissions);
	snprintf(text[1], sizeof(text[1]), "%u", moves);
	struct str *const spare = &names[OF_AFFILIATES].params[names[OF_AFFILIATES].column_count];
	for (unsigned i = 0; i < 2; i++)
		*is_whole &= arena_keep(&batch->arena, str_from(text[i]), &spare[i]);
	struct str *const of_rules = &spare[2];
	of_rules[0] = names[OF_LINES].params[1];
	of_rules[1] = names[OF_LINES].params[2];
	of_rules[2] = names[OF_STORES].params[0];
	of_rules[3] = names[OF_ALL_AFFILIATES].params[0];
	statements[AFFILIATES] = of[OF_AFFILIATES];
	statements[AFFILIATES].sql = affiliates_sql;
	statements[CLICK_PRODUCTS] = of[OF_CLICKS];
	statements[CLICK_PRODUCTS].sql = click_products_sql;
	statements[LINE_PRODUCTS] = of[OF_LINES];
	statements[LINE_PRODUCTS].sql = line_products_sql;
	statements[RULES] = (struct db_statement){rules_sql, of_rules, 4};
	statements[COMMISSION_IDS] = (struct db_statement){commission_ids_sql, &spare[0], 1};
	statements[TRANSACTION_IDS] = (struct db_statement){transaction_ids_sql, &spare[1], 1};
	return ASKED;
}

enum batch_step post_names_take(struct batch *batch, const struct db_result *result)
{
	enum batch_step step = take_affiliates(batch, result->rows[AFFILIATES]);
	if (step == BATCH_GO_ON)
		step = take_products(
			batch, result->rows[CLICK_PRODUCTS], result->rows[LINE_PRODUCTS]);
	if (step == BATCH_GO_ON)
		step = take_rules(batch, result->rows[RULES]);
	if (step == BATCH_GO_ON)
		step = take_ids(batch, &batch->commission_ids, result->rows[COMMISSION_IDS]);
	if (step == BATCH_GO_ON)
		step = take_ids(batch, &batch->transaction_ids, result->rows[TRANSACTION_IDS]);
	return step;
}

static enum batch_step gather(struct batch *batch, struct posting *posting)
{
	fold_sort(posting->events, posting->event_count);
	fold_order(posting->events, posting->event_count, &posting->folded);
	posting->affiliate_ids = arena_take(&batch->arena, CLICKS_MAX, sizeof(uint32_t));
	posting->product_ids = arena_take(&batch->arena, CLICKS_MAX, sizeof(uint32_t));
	if (posting->affiliate_ids == NULL || posting->product_ids == NULL)
		return BATCH_NO_MEMORY;
	for (unsigned e = 0; e < posting->event_count; e++) {
		const struct event *const event = posting->events[e];
		if (event_type_is_deferred(event->type))
			continue;
		for (unsigned c = 0; c < event->click_count; c++)
			if (event->clicks[c].result == TOKEN_OK)
				gather_click(posting, &event->clicks[c].claim.link);
	}
	return BATCH_GO_ON;
}

static void gather_click(struct posting *posting, const struct link_claim *claim)
{
	add_distinct(posting->affiliate_ids, &posting->affiliate_count, claim->affiliate_id);
	add_distinct(posting->product_ids, &posting->product_count, claim->product_id);
}

static void add_distinct(uint32_t *ids, unsigned *count, uint32_t id)
{
	for (unsigned i = 0; i < *count; i++)
		if (ids[i] == id)
			return;
	if (*count < CLICKS_MAX)
		ids[(*count)++] = id;
}

static void add_names(struct batch *batch, struct pg_table *names)
{
	for (unsigned i = 0; i < batch->count; i++) {
		const struct posting *const posting = &batch->postings[i];
		const struct event *const terms = posting->folded.terms;
		if (posting->verdict.is_set || posting->folded.first == NULL)
			continue;
		pg_table_int(&names[OF_STORES], posting->item->store_id);
		for (unsigned a = 0; a < posting->affiliate_count; a++) {
			pg_table_int(&names[OF_AFFILIATES], i);
			pg_table_int(&names[OF_AFFILIATES], posting->affiliate_ids[a]);
			pg_table_int(&names[OF_AFFILIATES], posting->folded.placed_us);
			pg_table_int(&names[OF_ALL_AFFILIATES], posting->affiliate_ids[a]);
		}
		for (unsigned p = 0; p < posting->product_count; p++) {
			pg_table_int(&names[OF_CLICKS], i);
			pg_table_int(&names[OF_CLICKS], posting->product_ids[p]);
		}
		for (unsigned l = 0; terms != NULL && l < terms->line_count; l++) {
			pg_table_int(&names[OF_LINES], i);
			pg_table_int(&names[OF_LINES], posting->item->store_id);
			pg_table_text(&names[OF_LINES], terms->lines[l].product_id);
		}
	}
}

static enum batch_step take_affiliates(struct batch *batch, const struct db_rows *rows)
{
	unsigned row = 0;
	for (unsigned i = 0; i < batch->count; i++) {
		struct posting *const posting = &batch->postings[i];
		const unsigned end = rows_at(rows, row, i);
		posting->affiliates =
			arena_take(&batch->arena, end - row, sizeof(*posting->affiliates));
		if (posting->affiliates == NULL)
			return BATCH_NO_MEMORY;
		for (; row < end; row++) {
			const bool is_active = str_equal(db_rows_text(rows, row, 2), STR("active"));
			struct contact contact;
			if (!take_contact(posting->item->keyring, db_rows_text(rows, row, 3),
				    db_rows_text(rows, row, 4), &contact))
				return BATCH_NO_MEMORY; /* OpenSSL has no other reason */
			struct decide_affiliate *const affiliate =
				&posting->affiliates[posting->known_affiliates++];
			affiliate->affiliate_id = (uint32_t)db_rows_int(rows, row, 1);
			affiliate->standing = is_active ? AFFILIATE_ACTIVE : AFFILIATE_SUSPENDED;
			affiliate->tier_rate_bp = RULE_NO_RATE;
			if (!keep_hash(batch, &contact.phone, &affiliate->phone) ||
				!keep_hash(batch, &contact.email, &affiliate->email))
				return BATCH_NO_MEMORY;
		}
	}
	return BATCH_GO_ON;
}

/* Fills the affiliate's hashes as the shop makes its customer's: of the phone in E.164 with its
 * plus, of the e-mail trimmed and in lower case; then, as events keep them, the HMAC of that hash.
 */
static bool take_contact(
	const struct keyring *keyring, struct str phone, struct str email, struct contact *contact)
{
	char lower[EMAIL_MAX_BYTES];
	struct str trimmed = str_trim(email);
	if (trimmed.len > sizeof(lower)) /* the schema lets none in */
		trimmed.len = 0;
	for (size_t i = 0; i < trimmed.len; i++) {
		const char c = trimmed.data[i];
		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return take_hash(keyring, phone, &contact->phone) &&
	       take_hash(keyring, (struct str){lower, trimmed.len}, &contact->email);
}

static bool take_hash(const struct keyring *keyring, struct str text, struct contact_hash *hash)
{
	uint8_t digest[SEAL_HASH_BYTES];
	hash->len = 0;
	if (text.len == 0)
		return true;
	if (!seal_sha256(text, digest))
		return false;
	hex_encode(hash->hex, digest, sizeof(digest));
	if (!seal_person(keyring, (struct str){hash->hex, sizeof(hash->hex)}, digest))
		return false;
	hex_encode(hash->hex, digest, sizeof(digest));
	hash->len = sizeof(hash->hex);
	return true;
}

static bool keep_hash(struct batch *batch, const struct contact_hash *hash, struct str *kept)
{
	return arena_keep(&batch->arena, (struct str){hash->hex, hash->len}, kept);
}

static enum batch_step take_products(
	struct batch *batch, const struct db_rows *clicks, const struct db_rows *lines)
{
	unsigned click = 0, line = 0;
	for (unsigned i = 0; i < batch->count; i++) {
		struct posting *const posting = &batch->postings[i];
		const unsigned click_end = rows_at(clicks, click, i);
		const unsigned line_end = rows_at(lines, line, i);
		posting->products = arena_take(&batch->arena, click_end - click + line_end - line,
			sizeof(*posting->products));
		bool is_kept = posting->products != NULL;
		for (; click < click_end && is_kept; click++)
			is_kept = take_product(batch, posting, clicks, click);
		for (; line < line_end && is_kept; line++)
			is_kept = take_product(batch, posting, lines, line);
		if (!is_kept)
			return BATCH_NO_MEMORY;
	}
	return BATCH_GO_ON;
}

static bool take_product(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row)
{
	struct decide_product *const product = &posting->products[posting->known_products++];
	product->product_id = (uint32_t)db_rows_int(rows, row, 1);
	product->store_id = (uint32_t)db_rows_int(rows, row, 2);
	return arena_keep(&batch->arena, db_rows_text(rows, row, 3), &product->external_id) &&
	       arena_keep(&batch->arena, db_rows_text(rows, row, 4), &product->category);
}

/* The end of the rows, from on, whose first column is at. */
static unsigned rows_at(const struct db_rows *rows, unsigned from, unsigned at)
{
	const unsigned count = db_rows_count(rows);
	while (from < count && db_rows_int(rows, from, 0) == (int64_t)at)
		from++;
	return from;
}

static enum batch_step take_rules(struct batch *batch, const struct db_rows *rows)
{
	const unsigned count = db_rows_count(rows);
	batch->all_rules = arena_take(&batch->arena, count, sizeof(*batch->all_rules));
	if (batch->all_rules == NULL)
		return BATCH_NO_MEMORY;
	struct post_rules *of_store = NULL;
	for (unsigned row = 0; row < count; row++) {
		const uint32_t store_id = (uint32_t)db_rows_int(rows, row, 0);
		if (of_store == NULL || of_store->store_id != store_id) {
			if (batch->rules_count == POST_BATCH_MAX)
				return BATCH_SENSELESS;
			of_store = &batch->rules[batch->rules_count++];
			*of_store = (struct post_rules){store_id, &batch->all_rules[row], 0};
		}
		of_store->count++;
		if (!take_rule(batch, &batch->all_rules[row], rows, row))
			return BATCH_NO_MEMORY;
	}
	return BATCH_GO_ON;
}

static bool take_rule(
	struct batch *batch, struct rule *rule, const struct db_rows *rows, unsigned row)
{
	*rule = rule_empty();
	rule->rule_id = db_rows_int(rows, row, 1);
	rule_level_parse(db_rows_text(rows, row, 2), &rule->level);
	rule->affiliate_id = (uint32_t)db_rows_int(rows, row, 3);
	rule->product_id = (uint32_t)db_rows_int(rows, row, 4);
	rule->rate_bp =
		db_rows_is_null(rows, row, 6) ? RULE_NO_RATE : (int)db_rows_int(rows, row, 6);
	rule->fixed_unit_minor =
		db_rows_is_null(rows, row, 7) ? RULE_NO_FIXED : db_rows_int(rows, row, 7);
	if (rule->fixed_unit_minor != RULE_NO_FIXED)
		str_copy(rule->currency, sizeof(rule->currency), db_rows_text(rows, row, 8));
	rule->priority = (int32_t)db_rows_int(rows, row, 9);
	rule->valid_from_us =
		db_rows_is_null(rows, row, 10) ? INT64_MIN : db_rows_int(rows, row, 10);
	rule->valid_to_us = db_rows_is_null(rows, row, 11) ? INT64_MAX : db_rows_int(rows, row, 11);
	return arena_keep(&batch->arena, db_rows_text(rows, row, 5), &rule->category);
}

static enum batch_step take_ids(
	struct batch *batch, struct post_ids *ids, const struct db_rows *rows)
{
	ids->count = db_rows_count(rows);
	ids->ids = arena_take(&batch->arena, ids->count, sizeof(*ids->ids));
	for (unsigned i = 0; i < ids->count && ids->ids != NULL; i++)
		ids->ids[i] = db_rows_int(rows, i, 0);
	return ids->ids != NULL ? BATCH_GO_ON : BATCH_NO_MEMORY;
}
