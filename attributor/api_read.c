/* SPDX-License-Identifier: Apache-2.0
 * Answers out of Postgres: commissions as a list, balances, orders. What SQL makes of them is what
 * waslctl shows too. */
#include <stdio.h>

#include "api_call.h"
#include "api_csv.h"
#include "json_text.h"

#define JSON_TYPE   "application/json"
#define NO_STORE    "Cache-Control: no-store\r\n"
#define HEADERS_MAX 160
#define COLUMNS_MAX 18

/* The columns of finance.commissions, and whether JSON writes them as numbers. */
struct column {
	const char *name;
	bool is_number;
};
static const struct column commission_columns[COLUMNS_MAX] = {{"commission_id", true},
	{"store_id", true}, {"store", false}, {"affiliate_id", true}, {"affiliate", false},
	{"order_id", false}, {"currency", false}, {"amount", false}, {"amount_minor", true},
	{"placed_at", false}, {"confirmed_at", false}, {"age_days", true}, {"release_at", false},
	{"reason", false}, {"state", false}, {"kind", false}, {"amount_confirmed", false},
	{"payout_id", true}};
static const struct column balance_columns[] = {{"store_id", true}, {"currency", false},
	{"pending", false}, {"held", false}, {"available", false}, {"in_payout", false},
	{"paid", false}, {"under_review", false}};
#define BALANCE_COLUMNS (sizeof(balance_columns) / sizeof(balance_columns[0]))

static const char sql_commissions[] =
	"SELECT commission_id, store_id, store, affiliate_id, affiliate, order_id, currency, "
	"amount, "
	"amount_minor, placed_at, confirmed_at, age_days, release_at, reason, state, kind, "
	"amount_confirmed, payout_id FROM wasl.commissions_page($1, $2::bigint, $3::bigint, "
	"wasl.from_us($4::bigint), wasl.from_us($5::bigint), $6::bigint, $7::integer)";
static const char sql_affiliate[] = "SELECT FROM wasl.affiliates WHERE affiliate_id = $1::bigint";
static const char sql_balance[] =
	"SELECT wasl.balance_document($1::bigint) "
	"WHERE EXISTS (SELECT FROM wasl.affiliates WHERE affiliate_id = $1::bigint)";
static const char sql_balance_rows[] =
	"SELECT store_id, currency, pending, held, available, in_payout, paid, under_review "
	"FROM finance.balances WHERE affiliate_id = $1::bigint ORDER BY store_id, currency";
static const char sql_order[] = "SELECT wasl.order_document($1::bigint, $2, $3::bigint)";

static bool filter_scope(struct api_filter *filter, const struct api_caller *caller);
static void on_commissions(const struct db_result *result, void *arg);
static void on_document(const struct db_result *result, void *arg);
static void on_balance_rows(const struct db_result *result, void *arg);
static void csv_write(struct buf *out, const struct db_rows *rows, unsigned row_count,
	const struct column *columns, unsigned column_count);
static void json_write(
	struct buf *out, const struct db_rows *rows, unsigned row_count, const char *next);

void api_commissions_begin(struct api_call *call)
{
	struct api_filter *const filter = &call->filter;
	if (!filter_scope(filter, &call->caller)) {
		api_call_refuse_scope(call);
		return;
	}
	char affiliate[API_NUMBER_MAX], store[API_NUMBER_MAX], from[API_NUMBER_MAX],
		to[API_NUMBER_MAX];
	char after[API_NUMBER_MAX], rows[API_NUMBER_MAX];
	const struct str none = {0};
	const bool is_filtered = filter->state[0] != '\0' || filter->affiliate_id != 0 ||
				 filter->store_id != 0 || filter->has_from || filter->has_to;
	const struct str params[] = {
		filter->state[0] != '\0' ? str_from(filter->state) : none,
		filter->affiliate_id != 0 ? api_number(affiliate, filter->affiliate_id) : none,
		filter->store_id != 0 ? api_number(store, filter->store_id) : none,
		filter->has_from ? api_number(from, filter->from_us) : none,
		filter->has_to ? api_number(to, filter->to_us) : none,
		api_number(after, (int64_t)filter->after),
		api_number(rows, (int64_t)filter->limit + 1),
	};
	const struct db_statement page = {.sql = sql_commissions,
		.params = params,
		.param_count = sizeof(params) / sizeof(params[0]),
		.is_planned_anew = is_filtered};
	(void)api_call_run(call, &page, on_commissions);
}

void api_balance_begin(struct api_call *call)
{
	const struct api_caller *const caller = &call->caller;
	if (caller->scope == API_SCOPE_STORE ||
		(caller->scope == API_SCOPE_AFFILIATE && caller->id != call->path.affiliate_id)) {
		api_call_refuse_scope(call);
		return;
	}
	char affiliate[API_NUMBER_MAX];
	const struct str params[] = {api_number(affiliate, call->path.affiliate_id)};
	const struct db_statement document = {
		.sql = sql_balance, .params = params, .param_count = 1};
	const struct db_statement table[] = {
		{.sql = sql_affiliate, .params = params, .param_count = 1},
		{.sql = sql_balance_rows, .params = params, .param_count = 1}};
	if (!call->wants_csv) {
		(void)api_call_run(call, &document, on_document);
		return;
	}
	if (!db_run(call->api->db, table, 2, on_balance_rows, call)) {
		const struct db_result away = {.status = DB_UNAVAILABLE};
		api_call_refuse_result(call, &away);
	}
}

void api_order_begin(struct api_call *call)
{
	const struct api_caller *const caller = &call->caller;
	const struct api_path *const path = &call->path;
	if (caller->scope == API_SCOPE_STORE && caller->id != path->store_id) {
		api_call_refuse_scope(call);
		return;
	}
	char store[API_NUMBER_MAX], affiliate[API_NUMBER_MAX];
	const struct str params[] = {
		api_number(store, path->store_id),
		{.data = path->order_id, .len = path->order_id_len},
		caller->scope == API_SCOPE_AFFILIATE ? api_number(affiliate, caller->id)
						     : (struct str){0},
	};
	const struct db_statement order = {.sql = sql_order, .params = params, .param_count = 3};
	(void)api_call_run(call, &order, on_document);
}

/* A key of a store or an affiliate sees its own, whatever it asks for; asking for another's: false.
 */
static bool filter_scope(struct api_filter *filter, const struct api_caller *caller)
{
	uint32_t *asked = NULL;
	switch (caller->scope) {
	case API_SCOPE_FINANCE:
	case API_SCOPE_ADMIN:
	case API_SCOPES:
		return true;
	case API_SCOPE_STORE:
		asked = &filter->store_id;
		break;
	case API_SCOPE_AFFILIATE:
		asked = &filter->affiliate_id;
		break;
	}
	if (*asked != 0 && *asked != caller->id)
		return false;
	*asked = caller->id;
	return true;
}

/* One row more than asked for tells that there is a next page. */
static void on_commissions(const struct db_result *result, void *arg)
{
	struct api_call *const call = api_call_of(arg);
	if (result->status != DB_OK) {
		api_call_refuse_result(call, result);
		return;
	}
	const struct db_rows *const rows = result->rows[0];
	unsigned count = db_rows_count(rows);
	char next[API_CURSOR_MAX] = "", headers[HEADERS_MAX] = NO_STORE;
	if (count > call->filter.limit) {
		count = call->filter.limit;
		api_cursor_encode(next, (uint64_t)db_rows_int(rows, count - 1, 0));
		(void)snprintf(headers, sizeof(headers), NO_STORE "Next-Cursor: %s\r\n", next);
	}
	struct buf body;
	buf_init(&body, API_ANSWER_MAX);
	if (call->wants_csv)
		csv_write(&body, rows, count, commission_columns, COLUMNS_MAX);
	else
		json_write(&body, rows, count, next);
	api_call_answer(call, call->wants_csv ? API_CSV_TYPE : JSON_TYPE, &body, headers);
	buf_release(&body);
}

static void on_document(const struct db_result *result, void *arg)
{
	struct api_call *const call = api_call_of(arg);
	if (result->status != DB_OK) {
		api_call_refuse_result(call, result);
		return;
	}
	const struct db_rows *const rows = result->rows[0];
	if (db_rows_count(rows) != 1 || db_rows_is_null(rows, 0, 0)) {
		api_call_refuse_scope(call);
		return;
	}
	struct buf body;
	buf_init(&body, API_ANSWER_MAX);
	buf_add_str(&body, db_rows_text(rows, 0, 0));
	api_call_answer(call, JSON_TYPE, &body, NO_STORE);
	buf_release(&body);
}

static void on_balance_rows(const struct db_result *result, void *arg)
{
	struct api_call *const call = api_call_of(arg);
	if (result->status != DB_OK) {
		api_call_refuse_result(call, result);
		return;
	}
	if (db_rows_count(result->rows[0]) == 0) {
		api_call_refuse_scope(call);
		return;
	}
	struct buf body;
	buf_init(&body, API_ANSWER_MAX);
	csv_write(&body, result->rows[1], db_rows_count(result->rows[1]), balance_columns,
		BALANCE_COLUMNS);
	api_call_answer(call, API_CSV_TYPE, &body, NO_STORE);
	buf_release(&body);
}

static void csv_write(struct buf *out, const struct db_rows *rows, unsigned row_count,
	const struct column *columns, unsigned column_count)
{
	api_csv_begin(out);
	for (unsigned i = 0; i < column_count; i++)
		api_csv_cell(out, i, str_from(columns[i].name));
	api_csv_end_line(out);
	for (unsigned row = 0; row < row_count; row++) {
		for (unsigned i = 0; i < column_count; i++)
			api_csv_cell(out, i, db_rows_text(rows, row, i));
		api_csv_end_line(out);
	}
}

static void json_write(
	struct buf *out, const struct db_rows *rows, unsigned row_count, const char *next)
{
	buf_add_cstr(out, "{\"data\":[");
	for (unsigned row = 0; row < row_count; row++) {
		buf_add_cstr(out, row == 0 ? "{" : ",{");
		for (unsigned i = 0; i < COLUMNS_MAX; i++) {
			buf_addf(out, "%s\"%s\":", i == 0 ? "" : ",", commission_columns[i].name);
			const struct str text = db_rows_text(rows, row, i);
			if (db_rows_is_null(rows, row, i))
				buf_add_cstr(out, "null");
			else if (commission_columns[i].is_number)
				buf_add_str(out, text);
			else
				json_text_add(out, text);
		}
		buf_add_cstr(out, "}");
	}
	buf_add_cstr(out, "],\"next\":");
	json_text_add_or_null(out, str_from(next));
	buf_add_cstr(out, "}");
}
