/* SPDX-License-Identifier: Apache-2.0
 * What the round trip of names found: rows into what the pure core wants to know of each order. */
#include "post_parts.h"
#include "seal.h"

#define EMAIL_MAX_BYTES 254 /* RFC 5321 section 4.5.3.1, as the schema */

/* Columns, as post_names.c asks for them. */
enum { AFFILIATE_ID = 1, STATUS_THEN, STATUS_NOW, PHONE, EMAIL };
enum { TIER_AFFILIATE = 1, TIER_BONUS, TIER_RATE };
enum {
	COLUMN_STORE,
	COLUMN_ID,
	COLUMN_LEVEL,
	COLUMN_AFFILIATE,
	COLUMN_PRODUCT,
	COLUMN_CATEGORY,
	COLUMN_CURRENCY,
	COLUMN_PRIORITY,
	COLUMN_FROM,
	COLUMN_TO,
	COLUMN_RATE,
	COLUMN_FIXED_UNIT,
	COLUMN_FIXED_ORDER,
	COLUMN_CAP_LINE,
	COLUMN_CAP_ORDER,
	COLUMN_CAP_PERIOD
};

static const struct db_rows *rows_of(
	const struct batch *batch, const struct db_result *result, unsigned which);
static enum batch_step take_affiliates(
	struct batch *batch, const struct db_rows *rows, const struct db_rows *tiers);
static bool take_contact(
	struct batch *batch, const struct keyring *keyring, struct str text, struct str *hash);
static void take_tiers(struct batch *batch, const struct db_rows *rows);
static enum batch_step take_products(
	struct batch *batch, const struct db_rows *clicks, const struct db_rows *lines);
static bool take_product(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row);
static unsigned rows_at(const struct db_rows *rows, unsigned from, unsigned at);
static unsigned count_of(const struct db_rows *rows);
static enum batch_step take_rules(struct batch *batch, const struct db_rows *rows);
static bool take_rule(
	struct batch *batch, struct rule *rule, const struct db_rows *rows, unsigned row);
static int64_t number_or(const struct db_rows *rows, unsigned row, unsigned column, int64_t none);
static bool take_ids(struct batch *batch, struct post_ids *ids, const struct db_rows *rows,
	const int64_t *spare, unsigned spare_count);

enum batch_step post_names_take(struct poster *poster, const struct db_result *result)
{
	struct batch *const batch = &poster->batch;
	enum batch_step step = take_affiliates(
		batch, rows_of(batch, result, ASK_AFFILIATES), rows_of(batch, result, ASK_TIERS));
	if (step == BATCH_GO_ON)
		step = take_products(batch, rows_of(batch, result, ASK_CLICK_PRODUCTS),
			rows_of(batch, result, ASK_LINE_PRODUCTS));
	if (step == BATCH_GO_ON)
		step = take_rules(batch, rows_of(batch, result, ASK_RULES));
	if (step == BATCH_GO_ON)
		step = post_rooms_take(batch, rows_of(batch, result, ASK_ROOMS));
	if (step != BATCH_GO_ON)
		return step;
	const bool is_kept = take_ids(batch, &batch->commission_ids,
				     rows_of(batch, result, ASK_COMMISSION_IDS), NULL, 0) &&
			     take_ids(batch, &batch->transaction_ids,
				     rows_of(batch, result, ASK_TRANSACTION_IDS), poster->spare_ids,
				     poster->spare_count);
	poster->spare_count = 0; /* the batch's now; what it leaves comes back with its commit */
	return is_kept ? BATCH_GO_ON : BATCH_NO_MEMORY;
}

/* NULL: was not asked, which is as good as no rows. */
static const struct db_rows *rows_of(
	const struct batch *batch, const struct db_result *result, unsigned which)
{
	return batch->asked[which] < 0 ? NULL : result->rows[batch->asked[which]];
}

static unsigned count_of(const struct db_rows *rows)
{
	return rows == NULL ? 0 : db_rows_count(rows);
}

static enum batch_step take_affiliates(
	struct batch *batch, const struct db_rows *rows, const struct db_rows *tiers)
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
			const struct str active = STR("active");
			struct decide_affiliate *const affiliate =
				&posting->affiliates[posting->known_affiliates++];
			*affiliate = (struct decide_affiliate){
				.affiliate_id = (uint32_t)db_rows_int(rows, row, AFFILIATE_ID),
				.standing = str_equal(db_rows_text(rows, row, STATUS_THEN), active)
						    ? AFFILIATE_ACTIVE
						    : AFFILIATE_SUSPENDED,
				.is_suspended_now =
					!str_equal(db_rows_text(rows, row, STATUS_NOW), active),
				.tier_rate_bp = RULE_NO_RATE};
			if (!take_contact(batch, posting->item->keyring,
				    db_rows_text(rows, row, PHONE), &affiliate->phone) ||
				!take_contact(batch, posting->item->keyring,
					db_rows_text(rows, row, EMAIL), &affiliate->email))
				return BATCH_NO_MEMORY; /* OpenSSL has no other reason */
		}
	}
	take_tiers(batch, tiers);
	return BATCH_GO_ON;
}

/* The hash of how an affiliate is reached as a shop makes its customer's: of the phone in E.164
 * with its plus (digits have no case), of the e-mail trimmed and in lower case; then, as events
 * keep it, the HMAC of that hash. */
static bool take_contact(
	struct batch *batch, const struct keyring *keyring, struct str text, struct str *hash)
{
	char lower[EMAIL_MAX_BYTES];
	uint8_t digest[SEAL_HASH_BYTES];
	char hex[2 * SEAL_HASH_BYTES];
	const struct str trimmed = str_trim(text);
	if (trimmed.len == 0 || trimmed.len > sizeof(lower)) /* the schema lets none in */
		return true;
	for (size_t i = 0; i < trimmed.len; i++) {
		const char c = trimmed.data[i];
		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	if (!seal_sha256((struct str){lower, trimmed.len}, digest))
		return false;
	hex_encode(hex, digest, sizeof(digest));
	if (!seal_person(keyring, (struct str){hex, sizeof(hex)}, digest))
		return false;
	hex_encode(hex, digest, sizeof(digest));
	return arena_keep(&batch->arena, (struct str){hex, sizeof(hex)}, hash);
}

static void take_tiers(struct batch *batch, const struct db_rows *rows)
{
	for (unsigned row = 0; row < count_of(rows); row++) {
		const int64_t at = db_rows_int(rows, row, 0);
		const uint32_t id = (uint32_t)db_rows_int(rows, row, TIER_AFFILIATE);
		if (at < 0 || at >= (int64_t)batch->count)
			continue;
		struct posting *const posting = &batch->postings[at];
		for (unsigned a = 0; a < posting->known_affiliates; a++) {
			struct decide_affiliate *const affiliate = &posting->affiliates[a];
			if (affiliate->affiliate_id != id)
				continue;
			affiliate->tier_bonus_bp = (int)db_rows_int(rows, row, TIER_BONUS);
			affiliate->tier_rate_bp =
				(int)number_or(rows, row, TIER_RATE, RULE_NO_RATE);
		}
	}
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
	const unsigned count = count_of(rows);
	while (from < count && db_rows_int(rows, from, 0) == (int64_t)at)
		from++;
	return from;
}

static enum batch_step take_rules(struct batch *batch, const struct db_rows *rows)
{
	const unsigned count = count_of(rows);
	batch->all_rules = arena_take(&batch->arena, count, sizeof(*batch->all_rules));
	if (batch->all_rules == NULL)
		return BATCH_NO_MEMORY;
	struct post_rules *of_store = NULL;
	for (unsigned row = 0; row < count; row++) {
		const uint32_t store_id = (uint32_t)db_rows_int(rows, row, COLUMN_STORE);
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
	rule->rule_id = db_rows_int(rows, row, COLUMN_ID);
	rule_level_parse(db_rows_text(rows, row, COLUMN_LEVEL), &rule->level);
	rule->affiliate_id = (uint32_t)db_rows_int(rows, row, COLUMN_AFFILIATE);
	rule->product_id = (uint32_t)db_rows_int(rows, row, COLUMN_PRODUCT);
	str_copy(rule->currency, sizeof(rule->currency), db_rows_text(rows, row, COLUMN_CURRENCY));
	rule->priority = (int32_t)db_rows_int(rows, row, COLUMN_PRIORITY);
	rule->valid_from_us = number_or(rows, row, COLUMN_FROM, INT64_MIN);
	rule->valid_to_us = number_or(rows, row, COLUMN_TO, INT64_MAX);
	rule->rate_bp = (int)number_or(rows, row, COLUMN_RATE, RULE_NO_RATE);
	rule->fixed_unit_minor = number_or(rows, row, COLUMN_FIXED_UNIT, RULE_NO_FIXED);
	rule->fixed_order_minor = number_or(rows, row, COLUMN_FIXED_ORDER, RULE_NO_FIXED);
	rule->cap_line_minor = number_or(rows, row, COLUMN_CAP_LINE, RULE_NO_CAP);
	rule->cap_order_minor = number_or(rows, row, COLUMN_CAP_ORDER, RULE_NO_CAP);
	rule->cap_period_minor = number_or(rows, row, COLUMN_CAP_PERIOD, RULE_NO_CAP);
	return arena_keep(&batch->arena, db_rows_text(rows, row, COLUMN_CATEGORY), &rule->category);
}

static int64_t number_or(const struct db_rows *rows, unsigned row, unsigned column, int64_t none)
{
	return db_rows_is_null(rows, row, column) ? none : db_rows_int(rows, row, column);
}

static bool take_ids(struct batch *batch, struct post_ids *ids, const struct db_rows *rows,
	const int64_t *spare, unsigned spare_count)
{
	const unsigned fresh = count_of(rows);
	ids->ids = arena_take(&batch->arena, fresh + spare_count, sizeof(*ids->ids));
	if (ids->ids == NULL)
		return false;
	for (unsigned i = 0; i < spare_count; i++)
		ids->ids[ids->count++] = spare[i];
	for (unsigned i = 0; i < fresh; i++)
		ids->ids[ids->count++] = db_rows_int(rows, i, 0);
	return true;
}
