/* SPDX-License-Identifier: Apache-2.0
 * waslctl order: what became of an order, who earned it and why. */
#include <stdio.h>
#include <string.h>

#include "list.h"
#include "nouns.h"
#include "out.h"
#include "text.h"

#define CELL_MAX 4096

static enum call_exit order_show(struct call *call);
static enum call_exit order_list(struct call *call);

static const struct option_spec show_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose order"}, {0}};
static const struct option_spec list_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose orders"},
	{"waiting", OPTION_SWITCH, false, NULL, "only those that wait for an event"},
	{"conflict", OPTION_SWITCH, false, NULL, "only those whose events contradict each other"},
	{"unattributed", OPTION_SWITCH, false, NULL, "only those that nobody earned"},
	LIST_OPTIONS,
	{0},
};

const struct command order_commands[] = {
	{"order", "show", "ORDER", 1, 1, show_options, order_show,
		"Show an order, its events, and the decision with its reasons"},
	{"order", "list", "", 0, 0, list_options, order_list, "List a store's orders"},
	{0},
};

static void explain(const json_t *order);
static void rule_in_words(json_t *line);
static void print_part(const json_t *order, const char *part, const char *const *columns);
static void line(const char *name, const json_t *value);

static enum call_exit order_show(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	if (!call_id(call, "store"))
		return CALL_USAGE;
	if (!utf8_is_valid(str_from(call->operands[0])))
		return call_usage(call, "the order's id is not UTF-8");
	if (!call_db(call, &code))
		return code;
	struct db_rows *rows = call_query(call, "SELECT wasl.order_document($1::bigint, $2)",
		DB_ARGS(call_text(call, "store"), call->operands[0]));
	if (rows == NULL)
		return CALL_FAILED;
	const char *text = db_rows_count(rows) == 1 ? db_cell(rows, 0, 0) : NULL;
	bool is_known = text != NULL;
	json_t *order = is_known ? json_loads(text, 0, NULL) : NULL;
	db_rows_free(rows);
	if (!is_known)
		return call_fail(call, "store %s has no order %s", call_text(call, "store"),
			call->operands[0]);
	if (call->is_json || order == NULL)
		return out_object(call, order);
	explain(order);
	json_decref(order);
	return CALL_DONE;
}

static enum call_exit order_list(struct call *call)
{
	static const char *const columns[] = {"order_id", "state", "result", "reason", "evidence",
		"affiliates", "amount", "currency", "placed_at", "waiting", NULL};
	if (!call_id(call, "store"))
		return CALL_USAGE;
	return list_print(call,
		&(struct list){
			.sql = "SELECT json_build_object('order_id', o.order_id, 'store_id', "
			       "o.store_id, "
			       "'state', o.state, 'currency', o.currency, "
			       "'placed_at', wasl.time_text(o.placed_at), 'waiting', o.is_waiting, "
			       "'test', o.is_test, 'result', d.result, 'reason', d.reason, "
			       "'evidence', d.evidence, 'affiliates', coalesce(c.affiliates, "
			       "'{}'), "
			       "'amount', wasl.money_text(coalesce(c.amount, 0)::bigint, "
			       "o.currency)) "
			       "FROM wasl.orders o LEFT JOIN wasl.decisions d ON (d.store_id, "
			       "d.order_id, "
			       "d.version) = (o.store_id, o.order_id, o.decision_version) "
			       "LEFT JOIN LATERAL (SELECT array_agg(DISTINCT m.affiliate_id) AS "
			       "affiliates, "
			       "sum(m.amount_minor) AS amount FROM wasl.commissions m "
			       "WHERE (m.store_id, m.order_id) = (o.store_id, o.order_id)) c ON "
			       "true "
			       "WHERE o.store_id = $3::bigint AND o.order_id > coalesce($1::text, "
			       "'') "
			       "AND ($4::text IS NULL OR o.is_waiting) "
			       "AND ($5::text IS NULL OR d.result = 'conflict') "
			       "AND ($6::text IS NULL OR d.result = 'unattributed') "
			       "AND (NOT o.is_test OR $4::text IS NOT NULL) "
			       "ORDER BY o.order_id LIMIT $2::bigint",
			.key = "order_id",
			.columns = columns,
			.params = {call_text(call, "store"), call_text(call, "waiting"),
				call_text(call, "conflict"), call_text(call, "unattributed")},
			.param_count = 4});
}

static void explain(const json_t *order)
{
	static const char *const facts[] = {
		"order_id", "store_id", "state", "currency", "placed_at", "waiting", "test", NULL};
	static const char *const decided[] = {
		"result", "reason", "evidence", "model", "precedence", "version", NULL};
	static const char *const candidates[] = {"kind", "affiliate_id", "verdict", "evidence",
		"clicked_at", "window_s", "click_id", "coupon", NULL};
	static const char *const lines[] = {
		"line_id", "product_id", "affiliate_id", "base", "rule", "amount", "reason", NULL};
	static const char *const commissions[] = {"commission_id", "affiliate_id", "affiliate",
		"amount", "currency", "state", "reason", NULL};
	static const char *const events[] = {
		"received_at", "type", "timestamp", "event_id", "effect", NULL};
	static const char *const reviews[] = {"reason", "opened_by", "opened_at", "due_at", NULL};
	for (unsigned i = 0; facts[i] != NULL; i++)
		line(facts[i], json_object_get(order, facts[i]));
	const json_t *decision = json_object_get(order, "decision");
	printf("\ndecision\n");
	for (unsigned i = 0; json_is_object(decision) && decided[i] != NULL; i++)
		line(decided[i], json_object_get(decision, decided[i]));
	if (!json_is_object(decision))
		printf("none yet\n");
	print_part(decision, "candidates", candidates);
	size_t index = 0;
	json_t *priced = NULL;
	json_array_foreach(json_object_get(order, "lines"), index, priced) rule_in_words(priced);
	print_part(order, "lines", lines);
	print_part(order, "commissions", commissions);
	print_part(order, "events", events);
	print_part(order, "reviews", reviews);
}

/* For people: "store 7.5%", "product 20.00 a unit". */
static void rule_in_words(json_t *line)
{
	json_t *rule = json_object_get(line, "rule");
	const char *rate = json_string_value(json_object_get(rule, "rate"));
	const char *fixed = json_string_value(json_object_get(rule, "fixed"));
	if (!json_is_object(rule))
		return;
	json_object_set_new(line, "rule",
		json_sprintf("%s%s%s%s%s%s", json_string_value(json_object_get(rule, "level")),
			rate != NULL ? " " : "", rate != NULL ? rate : "", fixed != NULL ? " " : "",
			fixed != NULL ? fixed : "", fixed != NULL ? " a unit" : ""));
}

/* Nothing where there is nothing. */
static void print_part(const json_t *order, const char *part, const char *const *columns)
{
	struct out_table table;
	size_t index = 0;
	json_t *row = NULL;
	json_t *rows = json_object_get(order, part);
	if (json_array_size(rows) == 0)
		return;
	printf("\n%s\n", part);
	out_table_init(&table, columns);
	json_array_foreach(rows, index, row) out_table_add(&table, row);
	out_table_flush(&table);
	out_table_release(&table);
}

static void line(const char *name, const json_t *value)
{
	struct buf cell, shown;
	buf_init(&cell, CELL_MAX);
	buf_init(&shown, CELL_MAX * TEXT_ESCAPE_MAX);
	out_cell(&cell, value);
	text_escape(&shown, buf_str(&cell));
	printf("%-12s %s\n", name, buf_cstr(&shown));
	buf_release(&cell);
	buf_release(&shown);
}
