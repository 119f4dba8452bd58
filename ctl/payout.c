/* SPDX-License-Identifier: Apache-2.0
 * waslctl payout: from what is payable to the bank's file. */
#include "payout.h"

#include "act.h"
#include "list.h"
#include "money.h"
#include "nouns.h"
#include "out.h"

#define STATES "draft|approved|executed|paid|failed|bounced|cancelled"

#define PAYOUT_OBJECT                                                                         \
	"json_build_object('payout_id', p.payout_id, 'affiliate_id', p.affiliate_id, "        \
	"'affiliate', p.affiliate, 'currency', p.currency, 'amount', p.amount::text, "        \
	"'state', p.state, 'reference', p.reference, 'method', p.method, 'account', "         \
	"p.account, 'commissions', p.commissions, 'drafted_by', p.drafted_by, 'drafted_at', " \
	"wasl.time_text(p.drafted_at), 'approved_by', p.approved_by, 'approved_at', "         \
	"wasl.time_text(p.approved_at), 'executed_by', p.executed_by, 'executed_at', "        \
	"wasl.time_text(p.executed_at), 'ended_by', p.ended_by, 'ended_at', "                 \
	"wasl.time_text(p.ended_at), 'note', p.note"
#define PAYOUTS                                                                              \
	"(SELECT w.*, a.name AS affiliate, wasl.money_text(w.amount_minor, w.currency) AS "  \
	"amount, (SELECT count(*) FROM wasl.payout_rows r WHERE r.payout_id = w.payout_id) " \
	"AS commissions FROM wasl.payouts w JOIN wasl.affiliates a USING (affiliate_id)) p "

static enum call_exit payout_draft(struct call *call);
static enum call_exit payout_approve(struct call *call);
static enum call_exit payout_execute(struct call *call);
static enum call_exit payout_cancel(struct call *call);
static enum call_exit payout_list(struct call *call);
static enum call_exit payout_show(struct call *call);
static enum call_exit payout_minimum(struct call *call);

static const struct option_spec draft_options[] = {
	{"affiliate", OPTION_TEXT, false, "AFFILIATE", "of this affiliate alone"},
	{"currency", OPTION_TEXT, false, "CODE", "in this currency alone"},
	{0},
};
static const struct option_spec execute_options[] = {
	{"out", OPTION_TEXT, false, "FILE", "a new file for the CSV (default stdout)"}, {0}};
static const struct option_spec cancel_options[] = {
	{"reason", OPTION_TEXT, false, "TEXT", "why"}, {0}};
static const struct option_spec list_options[] = {
	{"state", OPTION_TEXT, false, "STATE", STATES},
	{"affiliate", OPTION_TEXT, false, "AFFILIATE", "of this affiliate"},
	{"currency", OPTION_TEXT, false, "CODE", "in this currency"},
	LIST_OPTIONS,
	{0},
};
static const struct option_spec minimum_options[] = {
	{"set", OPTION_TEXT, false, "AMOUNT", "from this sum on there is a payout"}, {0}};

const struct command payout_commands[] = {
	{"payout", "draft", "", 0, 0, draft_options, payout_draft,
		"Draft payouts of all that is payable"},
	{"payout", "approve", "PAYOUT", 1, 1, NULL, payout_approve,
		"Approve a draft that somebody else made"},
	{"payout", "execute", "[PAYOUT]", 0, 1, execute_options, payout_execute,
		"Write the file for the bank: of one payout, or of all that are approved"},
	{"payout", "import", "FILE.csv", 1, 1, NULL, payout_import,
		"Read what the bank did: reference, result, note"},
	{"payout", "list", "", 0, 0, list_options, payout_list, "List payouts"},
	{"payout", "show", "PAYOUT", 1, 1, NULL, payout_show, "Show a payout and what it is of"},
	{"payout", "cancel", "PAYOUT", 1, 1, cancel_options, payout_cancel, "Cancel a draft"},
	{"payout", "minimum", "CURRENCY", 1, 1, minimum_options, payout_minimum,
		"Show or set the least that is paid out"},
	{0},
};

static bool check_currency(const struct call *call, const char *currency, unsigned *digits);
static enum call_exit do_one(
	struct call *call, const char *sql, unsigned count, const char *const *params);
static json_t *payouts_of(struct call *call, const char *sql, const char *param);
static enum call_exit show(struct call *call, const char *id);
static enum call_exit write_file(struct call *call, FILE *file, const struct db_rows *rows);

static enum call_exit payout_draft(struct call *call)
{
	static const char *const columns[] = {"payout_id", "affiliate", "amount", "currency",
		"commissions", "state", "reference", NULL};
	unsigned digits = 0;
	enum call_exit code = CALL_FAILED;
	if (!call_id(call, "affiliate") ||
		!check_currency(call, call_text(call, "currency"), &digits))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	struct db_rows *rows =
		call_query(call, "SELECT array_agg(d) FROM wasl.payout_draft($1::bigint, $2) d",
			DB_ARGS(call_text(call, "affiliate"), call_text(call, "currency")));
	if (rows == NULL)
		return CALL_FAILED;
	const char *const ids = db_cell(rows, 0, 0);
	json_t *const data = payouts_of(call,
		"SELECT json_agg(" PAYOUT_OBJECT ") ORDER BY p.payout_id) FROM " PAYOUTS
		"WHERE p.payout_id = ANY ($1::bigint[])",
		ids != NULL ? ids : "{}");
	db_rows_free(rows);
	if (data == NULL)
		return CALL_FAILED;
	if (call->is_json)
		return out_object(call, json_pack("{s:o, s:n}", "data", data, "next"));
	out_table_of(data, columns);
	if (json_array_size(data) == 0)
		printf("nothing is payable\n");
	json_decref(data);
	return CALL_DONE;
}

static enum call_exit payout_approve(struct call *call)
{
	return do_one(call, "SELECT wasl.payout_approve($1::bigint)", DB_ARGS(call->operands[0]));
}

static enum call_exit payout_cancel(struct call *call)
{
	if (!call_words(call, "reason", ACT_REASON_MAX, true))
		return CALL_USAGE;
	return do_one(call, "SELECT wasl.payout_cancel($1::bigint, $2)",
		DB_ARGS(call->operands[0], call_text(call, "reason")));
}

/* The file is made first: a payout that was executed has its line in it. */
static enum call_exit payout_execute(struct call *call)
{
	const char *const path = call_text(call, "out");
	const char *const id = call->operand_count > 0 ? call->operands[0] : NULL;
	enum call_exit code = CALL_FAILED;
	if (id != NULL && !call_operand_number(call, 0))
		return CALL_USAGE;
	if (path != NULL && call->is_json)
		return call_usage(call, "--out is for the CSV, --json for stdout");
	if (!call_db(call, &code))
		return code;
	FILE *const file = path != NULL ? fopen(path, "wxe") : stdout;
	if (file == NULL)
		return call_fail(call, "%s: %m", path);
	struct db_rows *rows = call_query(call,
		"SELECT json_build_object('affiliate', affiliate, 'method', method, 'account', "
		"account, 'amount', amount, 'currency', currency, 'reference', reference) "
		"FROM wasl.payout_execute($1::bigint)",
		DB_ARGS(id));
	code = rows != NULL ? write_file(call, file, rows) : CALL_FAILED;
	db_rows_free(rows);
	if (path != NULL && fclose(file) != 0 && code == CALL_DONE)
		code = call_fail(call, "%s: %m", path);
	if (path != NULL && rows == NULL)
		remove(path);
	return code;
}

static enum call_exit payout_list(struct call *call)
{
	static const char *const columns[] = {"payout_id", "affiliate", "amount", "currency",
		"state", "reference", "commissions", "drafted_by", "approved_by", "drafted_at",
		"ended_at", NULL};
	unsigned digits = 0;
	if (!call_one_of(call, "state", STATES) || !call_id(call, "affiliate") ||
		!check_currency(call, call_text(call, "currency"), &digits))
		return CALL_USAGE;
	return list_print(call,
		&(struct list){.sql = "SELECT " PAYOUT_OBJECT ") FROM " PAYOUTS
				      "WHERE p.payout_id > coalesce($1::bigint, 0) "
				      "AND ($3::text IS NULL OR p.state = $3) "
				      "AND ($4::bigint IS NULL OR p.affiliate_id = $4::bigint) "
				      "AND ($5::text IS NULL OR p.currency = $5) "
				      "ORDER BY p.payout_id LIMIT $2::bigint",
			.key = "payout_id",
			.columns = columns,
			.params = {call_text(call, "state"), call_text(call, "affiliate"),
				call_text(call, "currency")},
			.param_count = 3});
}

static enum call_exit payout_show(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	if (!call_operand_number(call, 0))
		return CALL_USAGE;
	return call_db(call, &code) ? show(call, call->operands[0]) : code;
}

static enum call_exit payout_minimum(struct call *call)
{
	const char *const currency = call->operands[0], *const text = call_text(call, "set");
	char minor_text[CALL_NUMBER_MAX];
	unsigned digits = 0;
	int64_t minor = 0;
	enum call_exit code = CALL_FAILED;
	if (!check_currency(call, currency, &digits))
		return CALL_USAGE;
	if (text != NULL && (money_parse(str_from(text), digits, &minor) != MONEY_OK || minor <= 0))
		return call_usage(call,
			"--set: '%s' is not an amount above 0 with at most %u decimals", text,
			digits);
	if (!call_db(call, &code))
		return code;
	if (text != NULL &&
		!call_run(call, "SELECT wasl.payout_minimum_set($1, $2::bigint)",
			DB_ARGS(currency, call_number_param(call, "set", minor, minor_text))))
		return CALL_FAILED;
	struct db_rows *rows = call_query(call,
		"SELECT json_build_object('currency', c.currency, 'minimum', "
		"wasl.money_text(m.minimum_minor, c.currency), 'actor', m.actor, 'set_at', "
		"wasl.time_text(m.set_at)) FROM wasl.currencies c "
		"LEFT JOIN wasl.payout_minimums m USING (currency) WHERE c.currency = $1",
		DB_ARGS(currency));
	if (rows == NULL)
		return CALL_FAILED;
	code = out_object(call, json_loads(db_cell(rows, 0, 0), 0, NULL));
	db_rows_free(rows);
	return code;
}

static bool check_currency(const struct call *call, const char *currency, unsigned *digits)
{
	if (currency == NULL || money_currency_digits(str_from(currency), digits))
		return true;
	call_usage(call, "'%s' is not an ISO 4217 currency", currency);
	return false;
}

static enum call_exit do_one(
	struct call *call, const char *sql, unsigned count, const char *const *params)
{
	enum call_exit code = CALL_FAILED;
	if (!call_operand_number(call, 0))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	return call_run(call, sql, count, params) ? show(call, call->operands[0]) : CALL_FAILED;
}

/* An array; NULL, reported, on failure. */
static json_t *payouts_of(struct call *call, const char *sql, const char *param)
{
	struct db_rows *rows = call_query(call, sql, DB_ARGS(param));
	if (rows == NULL)
		return NULL;
	const char *const text = db_cell(rows, 0, 0);
	json_t *const data = text != NULL ? json_loads(text, 0, NULL) : json_array();
	db_rows_free(rows);
	if (data == NULL)
		call_fail(call, "the answer could not be put together");
	return data;
}

static enum call_exit show(struct call *call, const char *id)
{
	static const char *const columns[] = {
		"commission_id", "store", "order_id", "kind", "amount", "state", NULL};
	json_t *const found = payouts_of(call,
		"SELECT json_agg(" PAYOUT_OBJECT
		", 'rows', (SELECT coalesce(json_agg(json_build_object('commission_id', "
		"r.commission_id, 'store_id', r.store_id, 'store', c.store, 'order_id', "
		"c.order_id, 'kind', c.kind, 'amount', wasl.money_text(r.amount_minor, "
		"p.currency), 'state', c.state) ORDER BY r.store_id, r.commission_id), '[]') "
		"FROM wasl.payout_rows r JOIN finance.commissions c USING (store_id, "
		"commission_id) "
		"WHERE r.payout_id = p.payout_id))) FROM " PAYOUTS "WHERE p.payout_id = $1::bigint",
		id);
	if (found == NULL)
		return CALL_FAILED;
	json_t *const payout = json_incref(json_array_get(found, 0));
	json_decref(found);
	if (payout == NULL)
		return call_fail(call, "there is no payout %s", id);
	if (call->is_json)
		return out_object(call, payout);
	json_t *const rows = json_incref(json_object_get(payout, "rows"));
	json_object_del(payout, "rows");
	const enum call_exit code = out_object(call, payout);
	printf("\n");
	out_table_of(rows, columns);
	json_decref(rows);
	return code;
}

static enum call_exit write_file(struct call *call, FILE *file, const struct db_rows *rows)
{
	json_t *const data = json_array();
	for (unsigned i = 0; i < db_rows_count(rows); i++)
		json_array_append_new(data, json_loads(db_cell(rows, i, 0), 0, NULL));
	if (call->is_json)
		return out_object(call, json_pack("{s:o, s:n}", "data", data, "next"));
	const bool is_written = payout_file_write(file, data);
	if (!is_written)
		call_fail(call, "the file could not be written: the same command with the "
				"payout's number writes its line again");
	else if (file != stdout)
		printf("%zu payouts\n", json_array_size(data));
	json_decref(data);
	return is_written ? CALL_DONE : CALL_FAILED;
}
