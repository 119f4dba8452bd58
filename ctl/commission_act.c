/* SPDX-License-Identifier: Apache-2.0
 * waslctl commission void, adjust, write-off: what an operator takes or gives, with a reason. */
#include <stdio.h>
#include <string.h>

#include "act.h"
#include "money.h"
#include "nouns.h"
#include "out.h"

static bool begin(struct call *call, struct act *act, enum call_exit *code);
static bool parse_amount(struct call *call, char minor_text[CALL_NUMBER_MAX], enum call_exit *code);
static enum call_exit finish(struct call *call, struct act *act);

enum call_exit commission_void(struct call *call)
{
	struct act act;
	enum call_exit code = CALL_FAILED;
	if (!begin(call, &act, &code))
		return code;
	if (!act_do(call, "SELECT wasl.to_us(now()), wasl.commission_void($1::bigint, $2)",
		    DB_ARGS(call->operands[0], call_text(call, "reason")), &act))
		return CALL_FAILED;
	return finish(call, &act);
}

enum call_exit commission_adjust(struct call *call)
{
	struct act act;
	char minor_text[CALL_NUMBER_MAX];
	enum call_exit code = CALL_FAILED;
	if (!begin(call, &act, &code) || !parse_amount(call, minor_text, &code))
		return code;
	if (!act_do(call,
		    "SELECT wasl.to_us(now()), wasl.commission_adjust($1::bigint, $2::bigint, $3)",
		    DB_ARGS(call->operands[0], minor_text, call_text(call, "reason")), &act))
		return CALL_FAILED;
	return finish(call, &act);
}

enum call_exit commission_write_off(struct call *call)
{
	struct act act;
	enum call_exit code = CALL_FAILED;
	if (!begin(call, &act, &code))
		return code;
	if (!act_do(call, "SELECT wasl.to_us(now()), wasl.write_off($1::bigint, $2)",
		    DB_ARGS(call->operands[0], call_text(call, "reason")), &act))
		return CALL_FAILED;
	return finish(call, &act);
}

static bool begin(struct call *call, struct act *act, enum call_exit *code)
{
	*code = CALL_USAGE;
	if (!call_operand_number(call, 0) || !act_check_reason(call))
		return false;
	if (!call_db(call, code))
		return false;
	*code = CALL_FAILED;
	return act_find_order(call, call->operands[0], act);
}

/* Signed, in the commission's currency. */
static bool parse_amount(struct call *call, char minor_text[CALL_NUMBER_MAX], enum call_exit *code)
{
	const char *const text = call_text(call, "amount");
	unsigned digits = 0;
	int64_t minor = 0;
	struct db_rows *rows = call_query(call,
		"SELECT currency FROM finance.commissions WHERE commission_id = $1::bigint",
		DB_ARGS(call->operands[0]));
	const bool is_known = rows != NULL && db_rows_count(rows) == 1 &&
			      money_currency_digits(str_from(db_cell(rows, 0, 0)), &digits);
	db_rows_free(rows);
	*code = CALL_FAILED;
	if (!is_known)
		return false;
	const char *const digits_text = *text == '+' ? text + 1 : text;
	if (money_parse(str_from(digits_text), digits, &minor) != MONEY_OK || minor == 0 ||
		(*text == '+' && minor < 0)) {
		*code = call_usage(call,
			"--amount: '%s' is not an amount such as +5 or -5 with at most %u decimals",
			text, digits);
		return false;
	}
	snprintf(minor_text, CALL_NUMBER_MAX, "%lld", (long long)minor);
	return true;
}

/* All that the affiliate has of the order, as it stands now. */
static enum call_exit finish(struct call *call, struct act *act)
{
	static const char *const columns[] = {"commission_id", "affiliate", "order_id", "kind",
		"amount", "currency", "state", "reason", NULL};
	act_wait(call, act);
	struct db_rows *rows = call_query(call,
		"SELECT json_build_object('data', json_agg(row_to_json(p) ORDER BY "
		"p.commission_id), 'next', NULL) FROM finance.commissions n, "
		"LATERAL wasl.commissions_page(NULL, n.affiliate_id, n.store_id, NULL, NULL, "
		"NULL, NULL) p WHERE n.commission_id = $1::bigint AND p.order_id = n.order_id",
		DB_ARGS(call->operands[0]));
	if (rows == NULL)
		return CALL_FAILED;
	json_t *const answer = json_loads(db_cell(rows, 0, 0), 0, NULL);
	db_rows_free(rows);
	if (call->is_json || answer == NULL)
		return out_object(call, answer);
	out_table_of(json_object_get(answer, "data"), columns);
	json_decref(answer);
	return CALL_DONE;
}
