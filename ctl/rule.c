/* SPDX-License-Identifier: Apache-2.0
 * waslctl rule: what is paid for what, and the steps of those who sell much. */
#include "rule.h"

#include <stdio.h>
#include <string.h>

#include "list.h"
#include "money.h"
#include "nouns.h"
#include "out.h"

#define CATEGORY_MAX_BYTES 128
#define PRIORITY_MAX       1000000
#define TIER_ORDERS_MAX    1000000

#define TIER_OBJECT                                                                       \
	"json_build_object('tier_id', t.tier_id, 'store_id', t.store_id, 'from_orders', " \
	"t.from_orders, 'bonus', wasl.rate_text(t.bonus_bp), 'rate', "                    \
	"wasl.rate_text(t.rate_bp), 'from', wasl.time_text(t.valid_from), 'to', "         \
	"wasl.time_text(t.valid_to), 'actor', t.actor) FROM wasl.tiers t "

static enum call_exit rule_add(struct call *call);
static enum call_exit rule_list(struct call *call);
static enum call_exit rule_end(struct call *call);

static const struct option_spec add_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose rule"},
	{"affiliate", OPTION_TEXT, false, "AFFILIATE", "for this affiliate alone"},
	{"product", OPTION_TEXT, false, "PRODUCT", "for this product alone"},
	{"category", OPTION_TEXT, false, "CATEGORY", "or for this category alone"},
	{"rate", OPTION_TEXT, false, "RATE", "percent of a line's net price: 7.5%"},
	{"fixed", OPTION_TEXT, false, "AMOUNT", "for each unit, never above the line's net"},
	{"fixed-order", OPTION_TEXT, false, "AMOUNT", "once an order; for a store or an affiliate"},
	{"cap-line", OPTION_TEXT, false, "AMOUNT", "at most this a line"},
	{"cap-order", OPTION_TEXT, false, "AMOUNT", "at most this an order"},
	{"cap-month", OPTION_TEXT, false, "AMOUNT", "at most this an affiliate and month"},
	{"currency", OPTION_TEXT, false, "CODE", "of the amounts (default the store's)"},
	{"priority", OPTION_TEXT, false, "N", "the higher one wins at the same level (default 0)"},
	{"from", OPTION_TEXT, false, "TIME", "from then on, never in the past (default now)"},
	{"to", OPTION_TEXT, false, "TIME", "until then (default for ever)"},
	{"tier-from", OPTION_TEXT, false, "N",
		"a step instead: from N orders collected in the month before"},
	{"bonus", OPTION_TEXT, false, "RATE", "the step's addition to the winning rate"},
	{0},
};
static const struct option_spec list_options[] = {
	{"store", OPTION_TEXT, false, "STORE", "of this store"},
	{"affiliate", OPTION_TEXT, false, "AFFILIATE", "of this affiliate alone"},
	{"product", OPTION_TEXT, false, "PRODUCT", "of this product alone"},
	{"all", OPTION_SWITCH, false, NULL, "also those that have ended"},
	{"tiers", OPTION_SWITCH, false, NULL, "the steps instead"},
	LIST_OPTIONS,
	{0},
};
static const struct option_spec end_options[] = {
	{"to", OPTION_TEXT, false, "TIME", "at this time (default now)"},
	{"tier", OPTION_SWITCH, false, NULL, "the number is a step's"},
	{0},
};
static const struct option_spec explain_options[] = {
	{"affiliate", OPTION_TEXT, true, "AFFILIATE", "who sells"},
	{"product", OPTION_TEXT, true, "PRODUCT", "what"},
	{"at", OPTION_TEXT, false, "TIME", "when the order is placed (default now)"},
	{"currency", OPTION_TEXT, false, "CODE", "of the order (default the store's)"},
	{0},
};

const struct command rule_commands[] = {
	{"rule", "add", "", 0, 0, add_options, rule_add,
		"Add a rule of commission, or with --tier-from a step"},
	{"rule", "list", "", 0, 0, list_options, rule_list, "List rules, or with --tiers steps"},
	{"rule", "end", "RULE", 1, 1, end_options, rule_end, "End a rule or step"},
	{"rule", "explain", "", 0, 0, explain_options, rule_explain_run,
		"Tell which rule wins for a product, and why others do not"},
	{0},
};

/* The numbers of a rule as SQL takes them; NULL: not given. */
enum { FIXED = 0, FIXED_ORDER, CAP_LINE, CAP_ORDER, CAP_MONTH, MONEY_COUNT };
struct numbers {
	const char *rate_bp, *money[MONEY_COUNT];
	char rate_text[CALL_NUMBER_MAX], money_text[MONEY_COUNT][CALL_NUMBER_MAX];
};
static const char *const money_names[MONEY_COUNT] = {
	"fixed", "fixed-order", "cap-line", "cap-order", "cap-month"};

static enum call_exit add_rule(struct call *call, int64_t from_us, int64_t to_us);
static enum call_exit add_tier(struct call *call, int64_t from_us);
static bool check_kind(const struct call *call, bool is_tier);
static bool parse_numbers(const struct call *call, const char *currency, struct numbers *numbers);
static bool find_currency(struct call *call, char currency[MONEY_CURRENCY_LEN + 1]);
static bool parse_priority(const struct call *call, int64_t *priority);
static enum call_exit tell(struct call *call, struct db_rows *made, bool is_tier);
static enum call_exit tell_id(struct call *call, const char *id, bool is_tier);

static enum call_exit rule_add(struct call *call)
{
	int64_t from_us = 0, to_us = 0;
	const bool is_tier = call_has(call, "tier-from");
	enum call_exit code = CALL_FAILED;
	if (!check_kind(call, is_tier) || !call_id(call, "store") || !call_id(call, "affiliate") ||
		!call_id(call, "product") ||
		!call_words(call, "category", CATEGORY_MAX_BYTES, false) ||
		!call_time(call, "from", &from_us) || !call_time(call, "to", &to_us))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	return is_tier ? add_tier(call, from_us) : add_rule(call, from_us, to_us);
}

static enum call_exit rule_list(struct call *call)
{
	static const char *const rules[] = {"rule_id", "store_id", "level", "affiliate_id",
		"product_id", "category", "rate", "fixed", "fixed_order", "cap_line", "cap_order",
		"cap_month", "currency", "priority", "from", "to", NULL};
	static const char *const tiers[] = {
		"tier_id", "store_id", "from_orders", "bonus", "rate", "from", "to", NULL};
	const bool is_tier = call_has(call, "tiers");
	if (!call_id(call, "store") || !call_id(call, "affiliate") || !call_id(call, "product"))
		return CALL_USAGE;
	struct list list = {.key = is_tier ? "tier_id" : "rule_id",
		.columns = is_tier ? tiers : rules,
		.params = {call_text(call, "store"), call_text(call, "all"),
			call_text(call, "affiliate"), call_text(call, "product")},
		.param_count = 4,
		.sql = "SELECT " RULE_OBJECT
		       ") FROM wasl.rules r WHERE r.rule_id > coalesce($1::bigint, 0) "
		       "AND ($3::bigint IS NULL OR r.store_id = $3::bigint) AND ($4::text IS NOT "
		       "NULL OR r.valid_to IS NULL OR r.valid_to > now()) "
		       "AND ($5::bigint IS NULL OR r.affiliate_id = $5::bigint) "
		       "AND ($6::bigint IS NULL OR r.product_id = $6::bigint) "
		       "ORDER BY r.rule_id LIMIT $2::bigint"};
	if (is_tier && (call_has(call, "affiliate") || call_has(call, "product")))
		return call_usage(call, "--tiers: steps are a store's");
	if (is_tier) {
		list.param_count = 2;
		list.sql = "SELECT " TIER_OBJECT "WHERE t.tier_id > coalesce($1::bigint, 0) "
			   "AND ($3::bigint IS NULL OR t.store_id = $3::bigint) AND ($4::text IS "
			   "NOT NULL OR t.valid_to IS NULL OR t.valid_to > now()) "
			   "ORDER BY t.tier_id LIMIT $2::bigint";
	}
	return list_print(call, &list);
}

static enum call_exit rule_end(struct call *call)
{
	char to_text[CALL_NUMBER_MAX];
	int64_t to_us = 0;
	const bool is_tier = call_has(call, "tier");
	enum call_exit code = CALL_FAILED;
	if (!call_operand_number(call, 0) || !call_time(call, "to", &to_us))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	if (!call_run(call,
		    is_tier ? "SELECT wasl.tier_end($1::bigint, wasl.from_us($2::bigint))"
			    : "SELECT wasl.rule_end($1::bigint, wasl.from_us($2::bigint))",
		    DB_ARGS(call->operands[0], call_number_param(call, "to", to_us, to_text))))
		return CALL_FAILED;
	return tell_id(call, call->operands[0], is_tier);
}

static enum call_exit add_rule(struct call *call, int64_t from_us, int64_t to_us)
{
	char from_text[CALL_NUMBER_MAX], to_text[CALL_NUMBER_MAX], priority_text[CALL_NUMBER_MAX];
	char currency[MONEY_CURRENCY_LEN + 1];
	struct numbers numbers;
	int64_t priority = 0;
	if (!find_currency(call, currency))
		return CALL_FAILED;
	if (!parse_numbers(call, currency, &numbers) || !parse_priority(call, &priority))
		return CALL_USAGE;
	struct db_rows *rows = call_query(call,
		"SELECT wasl.rule_add($1::bigint, $2::bigint, $3::bigint, $4, $5::integer, "
		"$6::bigint, $7::bigint, $8::bigint, $9::bigint, $10::bigint, $11, $12::integer, "
		"wasl.from_us($13::bigint), wasl.from_us($14::bigint))",
		DB_ARGS(call_text(call, "store"), call_text(call, "affiliate"),
			call_text(call, "product"), call_text(call, "category"), numbers.rate_bp,
			numbers.money[FIXED], numbers.money[FIXED_ORDER], numbers.money[CAP_LINE],
			numbers.money[CAP_ORDER], numbers.money[CAP_MONTH],
			call_text(call, "currency"),
			call_number_param(call, "priority", priority, priority_text),
			call_number_param(call, "from", from_us, from_text),
			call_number_param(call, "to", to_us, to_text)));
	return tell(call, rows, false);
}

static enum call_exit add_tier(struct call *call, int64_t from_us)
{
	char from_text[CALL_NUMBER_MAX], bonus_text[CALL_NUMBER_MAX], rate_text[CALL_NUMBER_MAX];
	uint64_t orders = 0;
	unsigned bonus_bp = 0, rate_bp = 0;
	if (!call_number(call, "tier-from", 1, TIER_ORDERS_MAX, &orders) ||
		!call_rate(call, "bonus", &bonus_bp) || !call_rate(call, "rate", &rate_bp))
		return CALL_USAGE;
	struct db_rows *rows = call_query(call,
		"SELECT wasl.tier_add($1::bigint, $2::integer, $3::integer, $4::integer, "
		"wasl.from_us($5::bigint))",
		DB_ARGS(call_text(call, "store"), call_text(call, "tier-from"),
			call_number_param(call, "bonus", bonus_bp, bonus_text),
			call_number_param(call, "rate", rate_bp, rate_text),
			call_number_param(call, "from", from_us, from_text)));
	return tell(call, rows, true);
}

/* A rule or a step: what belongs to the other one is wrong usage. */
static bool check_kind(const struct call *call, bool is_tier)
{
	static const char *const of_rules[] = {"affiliate", "product", "category", "fixed",
		"fixed-order", "cap-line", "cap-order", "cap-month", "currency", "priority", "to"};
	if (!is_tier && call_has(call, "bonus")) {
		call_usage(call, "--bonus needs --tier-from");
		return false;
	}
	if (is_tier && call_has(call, "bonus") == call_has(call, "rate")) {
		call_usage(call, "--tier-from needs --bonus or --rate");
		return false;
	}
	if (!is_tier && !call_has(call, "rate") && !call_has(call, "fixed") &&
		!call_has(call, "fixed-order")) {
		call_usage(call, "needs --rate, --fixed or --fixed-order");
		return false;
	}
	if (call_has(call, "product") && call_has(call, "category")) {
		call_usage(call, "takes --product or --category, not both");
		return false;
	}
	for (unsigned i = 0; is_tier && i < sizeof(of_rules) / sizeof(of_rules[0]); i++) {
		if (call_has(call, of_rules[i])) {
			call_usage(call, "--%s: not with --tier-from", of_rules[i]);
			return false;
		}
	}
	return true;
}

static bool parse_numbers(const struct call *call, const char *currency, struct numbers *numbers)
{
	unsigned bp = 0, digits = 0;
	*numbers = (struct numbers){0};
	if (!money_currency_digits(str_from(currency), &digits)) {
		call_usage(call, "--currency: '%s' is not an ISO 4217 currency", currency);
		return false;
	}
	if (!call_rate(call, "rate", &bp))
		return false;
	numbers->rate_bp = call_number_param(call, "rate", bp, numbers->rate_text);
	for (unsigned i = 0; i < MONEY_COUNT; i++) {
		const char *const text = call_text(call, money_names[i]);
		int64_t minor = 0;
		if (text != NULL &&
			(money_parse(str_from(text), digits, &minor) != MONEY_OK || minor < 0)) {
			call_usage(call, "--%s: '%s' is not an amount of %s, which has %u decimals",
				money_names[i], text, currency, digits);
			return false;
		}
		numbers->money[i] =
			call_number_param(call, money_names[i], minor, numbers->money_text[i]);
	}
	return true;
}

/* What amounts are in. */
static bool find_currency(struct call *call, char currency[MONEY_CURRENCY_LEN + 1])
{
	struct db_rows *rows = call_query(call,
		"SELECT coalesce($2, currency) FROM wasl.stores WHERE store_id = $1::bigint",
		DB_ARGS(call_text(call, "store"), call_text(call, "currency")));
	if (rows == NULL)
		return false;
	const bool is_known = db_rows_count(rows) == 1;
	if (!is_known)
		call_fail(call, "there is no store %s", call_text(call, "store"));
	else if (!str_copy(currency, MONEY_CURRENCY_LEN + 1, str_from(db_cell(rows, 0, 0))))
		str_copy(currency, MONEY_CURRENCY_LEN + 1, STR("?"));
	db_rows_free(rows);
	return is_known;
}

/* May be negative. */
static bool parse_priority(const struct call *call, int64_t *priority)
{
	const char *const text = call_text(call, "priority");
	uint64_t value = 0;
	if (text == NULL)
		return true;
	const bool is_negative = *text == '-';
	if (!str_parse_u64(str_from(text + (is_negative ? 1 : 0)), PRIORITY_MAX, &value)) {
		call_usage(call, "--priority: '%s' is not a number from -%d to %d", text,
			PRIORITY_MAX, PRIORITY_MAX);
		return false;
	}
	*priority = is_negative ? -(int64_t)value : (int64_t)value;
	return true;
}

/* made holds the number of what was made, or is NULL after a refusal. */
static enum call_exit tell(struct call *call, struct db_rows *made, bool is_tier)
{
	char id[CALL_NUMBER_MAX];
	if (made == NULL)
		return CALL_FAILED;
	str_copy(id, sizeof(id), str_from(db_cell(made, 0, 0)));
	db_rows_free(made);
	return tell_id(call, id, is_tier);
}

static enum call_exit tell_id(struct call *call, const char *id, bool is_tier)
{
	struct db_rows *rows = call_query(call,
		is_tier ? "SELECT " TIER_OBJECT "WHERE t.tier_id = $1::bigint"
			: "SELECT " RULE_OBJECT ") FROM wasl.rules r WHERE r.rule_id = $1::bigint",
		DB_ARGS(id));
	if (rows == NULL)
		return CALL_FAILED;
	const enum call_exit code = out_object(
		call, db_rows_count(rows) == 1 ? json_loads(db_cell(rows, 0, 0), 0, NULL) : NULL);
	db_rows_free(rows);
	return code;
}
