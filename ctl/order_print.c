/* SPDX-License-Identifier: Apache-2.0
 * An order in tables, for people: what happened, who earned it and why, in sentences. */
#include <stdio.h>
#include <string.h>

#include "order.h"
#include "out.h"
#include "text.h"
#include "words.h"

#define CELL_MAX 4096

/* A list of the document, and of its rows the member whose code gets a sentence. */
struct part {
	const char *name, *code;
	const char *const *columns;
};

static const char *const facts[] = {"order_id", "store_id", "state", "currency", "placed_at",
	"waiting", "waiting_since", "test", "flags", NULL};
static const char *const decided[] = {
	"result", "reason", "why", "evidence", "model", "precedence", "version", NULL};
static const char *const of_candidates[] = {"kind", "affiliate_id", "verdict", "evidence",
	"clicked_at", "window_s", "click_id", "coupon", "why", NULL};
static const char *const of_lines[] = {"line_id", "product_id", "affiliate_id", "quantity_left",
	"base", "rule", "amount", "reason", "why", NULL};
static const char *const of_shares[] = {
	"affiliate_id", "full", "share", "amount", "confirmed", "reason", "why", NULL};
static const char *const of_commissions[] = {"commission_id", "affiliate_id", "affiliate", "kind",
	"amount", "currency", "state", "release_at", "payout_id", "reason", "why", NULL};
static const char *const of_events[] = {
	"received_at", "type", "timestamp", "order_version", "event_id", "effect", NULL};
static const char *const of_acts[] = {"timestamp", "type", "actor", "reason", NULL};
static const char *const of_payouts[] = {"payout_id", "affiliate_id", "commission_id", "amount",
	"state", "reference", "ended_at", NULL};
static const char *const of_reviews[] = {"reason", "opened_by", "opened_at", "due_at", NULL};

static void explain(const json_t *order, bool is_arabic);
static void rule_in_words(json_t *line);
static void print_facts(const json_t *object, const char *const *names);
static void print_part(const json_t *object, const struct part *part, bool is_arabic);
static void add_why(json_t *object, const char *code, bool is_arabic);
static void line(const char *name, const json_t *value);

enum call_exit order_print(struct call *call)
{
	const char *const lang = call_text(call, "lang");
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
	explain(order, lang != NULL && strcmp(lang, "ar") == 0);
	json_decref(order);
	return CALL_DONE;
}

static void explain(const json_t *order, bool is_arabic)
{
	static const struct part parts[] = {{"lines", "reason", of_lines},
		{"shares", "reason", of_shares}, {"commissions", "reason", of_commissions},
		{"payouts", NULL, of_payouts}, {"events", NULL, of_events}, {"acts", NULL, of_acts},
		{"reviews", NULL, of_reviews}};
	static const struct part candidates = {"candidates", "verdict", of_candidates};
	json_t *const decision = json_object_get(order, "decision");
	size_t index = 0;
	json_t *priced = NULL;
	print_facts(order, facts);
	printf("\ndecision\n");
	if (json_is_object(decision)) {
		add_why(decision, "reason", is_arabic);
		print_facts(decision, decided);
		print_part(decision, &candidates, is_arabic);
	} else {
		printf("none yet\n");
	}
	json_array_foreach(json_object_get(order, "lines"), index, priced) rule_in_words(priced);
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		print_part(order, &parts[i], is_arabic);
}

/* For people: "store 7.5%", "product 20.00 a unit", "affiliate 50.00 an order". */
static void rule_in_words(json_t *line)
{
	static const char *const amounts[][2] = {{"rate", ""}, {"fixed", " a unit"},
		{"fixed_order", " an order"}, {"tier_bonus", " more for the step"},
		{"tier_rate", " by the step"}, {"cap_line", " at most a line"},
		{"cap_order", " at most an order"}, {"cap_month", " at most a month"}};
	const json_t *const rule = json_object_get(line, "rule");
	struct buf words;
	if (!json_is_object(rule))
		return;
	buf_init(&words, CELL_MAX);
	buf_add_cstr(&words, json_string_value(json_object_get(rule, "level")));
	for (unsigned i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
		const char *const amount = json_string_value(json_object_get(rule, amounts[i][0]));
		if (amount != NULL)
			buf_addf(&words, " %s%s", amount, amounts[i][1]);
	}
	json_object_set_new(line, "rule", json_string(buf_cstr(&words)));
	buf_release(&words);
}

static void print_facts(const json_t *object, const char *const *names)
{
	for (unsigned i = 0; names[i] != NULL; i++)
		line(names[i], json_object_get(object, names[i]));
}

/* Nothing where there is nothing. */
static void print_part(const json_t *object, const struct part *part, bool is_arabic)
{
	size_t index = 0;
	json_t *row = NULL;
	json_t *const rows = json_object_get(object, part->name);
	if (json_array_size(rows) == 0)
		return;
	printf("\n%s\n", part->name);
	if (part->code != NULL)
		json_array_foreach(rows, index, row) add_why(row, part->code, is_arabic);
	out_table_of(rows, part->columns);
}

static void add_why(json_t *object, const char *code, bool is_arabic)
{
	const char *const words =
		words_of_outcome(json_string_value(json_object_get(object, code)), is_arabic);
	json_object_set_new(object, "why", words != NULL ? json_string(words) : json_null());
}

static void line(const char *name, const json_t *value)
{
	struct buf cell, shown;
	buf_init(&cell, CELL_MAX);
	buf_init(&shown, CELL_MAX * TEXT_ESCAPE_MAX);
	out_cell(&cell, value);
	text_escape(&shown, buf_str(&cell));
	printf("%-13s %s\n", name, buf_cstr(&shown));
	buf_release(&cell);
	buf_release(&shown);
}
