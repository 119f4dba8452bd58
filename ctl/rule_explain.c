/* SPDX-License-Identifier: Apache-2.0
 * waslctl rule explain: which rule wins for a product, and why the others do not. It asks the
 * attributor's own pricing, so that there is one answer and not two. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "nouns.h"
#include "out.h"
#include "price.h"
#include "rule.h"
#include "timestamp.h"

#define BASE_10 10

/* Every rule of the product's store that may cover it, whenever it holds. */
static const char rules_sql[] =
	"SELECT r.rule_id, r.level, r.affiliate_id, r.product_id, r.category, r.currency, "
	"r.priority, CASE WHEN isfinite(r.valid_from) THEN wasl.to_us(r.valid_from) END, "
	"CASE WHEN isfinite(r.valid_to) THEN wasl.to_us(r.valid_to) END, " RULE_OBJECT
	") FROM wasl.products p JOIN wasl.rules r ON r.store_id = p.store_id "
	"AND (r.product_id IS NULL OR r.product_id = p.product_id) "
	"AND (r.category IS NULL OR r.category = p.category) "
	"WHERE p.product_id = $1::bigint "
	"AND (r.affiliate_id IS NULL OR r.affiliate_id = $2::bigint) ORDER BY r.rule_id";
static const char query_sql[] =
	"SELECT p.store_id, p.category, coalesce($3, s.currency), "
	"(SELECT json_build_object('orders_collected', m.orders_collected, 'tier_id', t.tier_id, "
	"'bonus', wasl.rate_text(t.bonus_bp), 'rate', wasl.rate_text(t.rate_bp)) "
	"FROM wasl.tier_months m LEFT JOIN wasl.tiers t ON t.store_id = m.store_id "
	"AND t.from_orders <= m.orders_collected AND t.valid_from <= q.at "
	"AND (t.valid_to IS NULL OR t.valid_to > q.at) "
	"WHERE m.store_id = p.store_id AND m.affiliate_id = $2::bigint "
	"AND m.month = date_trunc('month', q.at AT TIME ZONE s.timezone)::date "
	"ORDER BY t.from_orders DESC NULLS LAST LIMIT 1), wasl.time_text(q.at), "
	"EXISTS (SELECT FROM wasl.affiliates WHERE affiliate_id = $2::bigint) "
	"FROM wasl.products p JOIN wasl.stores s USING (store_id), "
	"LATERAL (SELECT wasl.from_us($4::bigint) AS at) q WHERE p.product_id = $1::bigint";

static enum call_exit explain(
	struct call *call, const struct db_rows *asked, const struct rule_query *query);
static void take_rule(struct rule *rule, const struct db_rows *rows, unsigned row);
static int64_t cell_int(const struct db_rows *rows, unsigned row, unsigned column, int64_t absent);
static struct str cell_text(const struct db_rows *rows, unsigned row, unsigned column);
static json_t *fates_of(const struct db_rows *rows, const struct rule *rules, unsigned count,
	const struct rule_query *query);
static enum call_exit print(const struct call *call, const struct db_rows *asked, json_t *fates);

enum call_exit rule_explain_run(struct call *call)
{
	char at_text[CALL_NUMBER_MAX];
	int64_t at_us = clock_wall_us();
	unsigned digits = 0;
	enum call_exit code = CALL_FAILED;
	const char *const currency = call_text(call, "currency");
	if (!call_id(call, "affiliate") || !call_id(call, "product") ||
		!call_time(call, "at", &at_us))
		return CALL_USAGE;
	if (currency != NULL && !money_currency_digits(str_from(currency), &digits))
		return call_usage(call, "--currency: '%s' is not an ISO 4217 currency", currency);
	snprintf(at_text, sizeof(at_text), "%" PRId64, at_us);
	if (!call_db(call, &code))
		return code;
	struct db_rows *asked = call_query(call, query_sql,
		DB_ARGS(call_text(call, "product"), call_text(call, "affiliate"), currency,
			at_text));
	if (asked == NULL)
		return CALL_FAILED;
	if (db_rows_count(asked) == 0) {
		code = call_fail(call, "there is no product %s", call_text(call, "product"));
	} else if (*db_cell(asked, 0, 5) != 't') {
		code = call_fail(call, "there is no affiliate %s", call_text(call, "affiliate"));
	} else {
		const struct rule_query query = {
			.affiliate_id =
				(uint32_t)strtoul(call_text(call, "affiliate"), NULL, BASE_10),
			.product_id = (uint32_t)strtoul(call_text(call, "product"), NULL, BASE_10),
			.category = cell_text(asked, 0, 1),
			.currency = db_cell(asked, 0, 2),
			.placed_us = at_us};
		code = explain(call, asked, &query);
	}
	db_rows_free(asked);
	return code;
}

static enum call_exit explain(
	struct call *call, const struct db_rows *asked, const struct rule_query *query)
{
	enum call_exit code = CALL_FAILED;
	struct db_rows *rows = call_query(
		call, rules_sql, DB_ARGS(call_text(call, "product"), call_text(call, "affiliate")));
	if (rows == NULL)
		return CALL_FAILED;
	const unsigned count = db_rows_count(rows);
	struct rule *const rules = calloc(count + 1, sizeof(*rules));
	for (unsigned i = 0; i < count && rules != NULL; i++)
		take_rule(&rules[i], rows, i);
	json_t *const fates = rules != NULL ? fates_of(rows, rules, count, query) : NULL;
	if (fates != NULL)
		code = print(call, asked, fates);
	else
		call_fail(call, "no memory");
	free(rules);
	db_rows_free(rows);
	return code;
}

/* What explaining asks of a rule: not its amounts. */
static void take_rule(struct rule *rule, const struct db_rows *rows, unsigned row)
{
	*rule = rule_empty();
	rule->rule_id = cell_int(rows, row, 0, 0);
	rule_level_parse(cell_text(rows, row, 1), &rule->level);
	rule->affiliate_id = (uint32_t)cell_int(rows, row, 2, 0);
	rule->product_id = (uint32_t)cell_int(rows, row, 3, 0);
	rule->category = cell_text(rows, row, 4);
	str_copy(rule->currency, sizeof(rule->currency), cell_text(rows, row, 5));
	rule->priority = (int32_t)cell_int(rows, row, 6, 0);
	rule->valid_from_us = cell_int(rows, row, 7, INT64_MIN);
	rule->valid_to_us = cell_int(rows, row, 8, INT64_MAX);
}

static int64_t cell_int(const struct db_rows *rows, unsigned row, unsigned column, int64_t absent)
{
	const char *const cell = db_cell(rows, row, column);
	return cell != NULL ? (int64_t)strtoll(cell, NULL, BASE_10) : absent;
}

static struct str cell_text(const struct db_rows *rows, unsigned row, unsigned column)
{
	const char *const cell = db_cell(rows, row, column);
	return cell != NULL ? str_from(cell) : (struct str){0};
}

/* The rules in the order in which they would win, each as it is shown, with its fate. */
static json_t *fates_of(const struct db_rows *rows, const struct rule *rules, unsigned count,
	const struct rule_query *query)
{
	struct rule_explained *const explained = calloc(count + 1, sizeof(*explained));
	json_t *const fates = explained != NULL ? json_array() : NULL;
	const unsigned told = fates != NULL ? rule_explain(rules, count, query, explained) : 0;
	for (unsigned i = 0; i < told; i++) {
		const unsigned row = (unsigned)(explained[i].rule - rules);
		json_t *const rule = json_loads(db_cell(rows, row, 9), 0, NULL);
		json_object_set_new(rule, "fate", json_string(rule_fate_name(explained[i].fate)));
		json_array_append_new(fates, rule);
	}
	free(explained);
	return fates;
}

static enum call_exit print(const struct call *call, const struct db_rows *asked, json_t *fates)
{
	static const char *const columns[] = {"fate", "rule_id", "level", "rate", "fixed",
		"fixed_order", "cap_line", "cap_order", "cap_month", "currency", "priority", "from",
		"to", NULL};
	const char *const tier = db_cell(asked, 0, 3);
	json_t *const answer = json_pack("{s:o, s:o, s:o, s:s, s:s, s:o, s:o}", "store_id",
		out_number(db_cell(asked, 0, 0)), "affiliate_id",
		out_number(call_text(call, "affiliate")), "product_id",
		out_number(call_text(call, "product")), "at", db_cell(asked, 0, 4), "currency",
		db_cell(asked, 0, 2), "tier",
		tier != NULL ? json_loads(tier, 0, NULL) : json_null(), "rules", fates);
	if (call->is_json || answer == NULL)
		return out_object(call, answer);
	struct out_table table;
	size_t index = 0;
	json_t *rule = NULL;
	out_table_init(&table, columns);
	json_array_foreach(fates, index, rule) out_table_add(&table, rule);
	out_table_flush(&table);
	out_table_release(&table);
	if (json_array_size(fates) == 0)
		printf("no rule covers this product: nothing is paid\n");
	if (tier != NULL)
		printf("step of the month: %s\n", tier);
	json_decref(answer);
	return CALL_DONE;
}
