/* SPDX-License-Identifier: Apache-2.0
 * waslctl coupon: codes that are an affiliate's own, for followers who will not click. */
#include "list.h"
#include "nouns.h"
#include "out.h"

#define CODE_MAX_BYTES 128

#define COUPON_OBJECT                                                                          \
	"json_build_object('coupon_id', c.coupon_id, 'store_id', c.store_id, 'code', c.code, " \
	"'affiliate_id', c.affiliate_id, 'affiliate', a.name, 'status', c.status, "            \
	"'valid_from', CASE WHEN isfinite(c.valid_from) THEN wasl.time_text(c.valid_from) "    \
	"END, 'valid_to', wasl.time_text(c.valid_to), 'uses_max', c.uses_max, "                \
	"'uses_per_customer_max', c.uses_per_customer_max, 'used', c.used, "                   \
	"'actor', c.actor, 'created_at', wasl.time_text(c.created_at)) "                       \
	"FROM wasl.coupons c JOIN wasl.affiliates a USING (affiliate_id) "

static enum call_exit coupon_add(struct call *call);
static enum call_exit coupon_suspend(struct call *call);
static enum call_exit coupon_resume(struct call *call);
static enum call_exit coupon_rotate(struct call *call);
static enum call_exit coupon_list(struct call *call);

static const struct option_spec add_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "where it is redeemed"},
	{"affiliate", OPTION_TEXT, true, "AFFILIATE", "whose it is"},
	{"from", OPTION_TEXT, false, "TIME", "valid from this RFC 3339 time or date on"},
	{"to", OPTION_TEXT, false, "TIME", "and up to this one"},
	{"uses", OPTION_TEXT, false, "N", "at most N orders in all"},
	{"uses-per-customer", OPTION_TEXT, false, "N", "at most N orders of one customer"},
	{"force", OPTION_SWITCH, false, NULL, "although the code is easily guessed"},
	{0},
};
static const struct option_spec one_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose coupon"}, {0}};
static const struct option_spec rotate_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose coupon"},
	{"force", OPTION_SWITCH, false, NULL, "although the new code is easily guessed"},
	{0},
};
static const struct option_spec list_options[] = {
	{"store", OPTION_TEXT, false, "STORE", "of this store"},
	{"affiliate", OPTION_TEXT, false, "AFFILIATE", "of this affiliate"},
	LIST_OPTIONS,
	{0},
};

const struct command coupon_commands[] = {
	{"coupon", "add", "CODE", 1, 1, add_options, coupon_add, "Add an affiliate's coupon"},
	{"coupon", "suspend", "CODE", 1, 1, one_options, coupon_suspend,
		"Stop crediting a coupon from now on"},
	{"coupon", "resume", "CODE", 1, 1, one_options, coupon_resume,
		"Credit a coupon again from now on"},
	{"coupon", "rotate", "CODE NEW_CODE", 2, 2, rotate_options, coupon_rotate,
		"End a code that has leaked; its owner gets the new one"},
	{"coupon", "list", "", 0, 0, list_options, coupon_list, "List coupons"},
	{0},
};

static bool check_code(const struct call *call, const char *code);
static enum call_exit set_status(struct call *call, const char *sql);
static bool find(struct call *call, char id[CALL_NUMBER_MAX]);
static enum call_exit tell(struct call *call, const char *id);

static enum call_exit coupon_add(struct call *call)
{
	char from_text[CALL_NUMBER_MAX], to_text[CALL_NUMBER_MAX];
	char uses_text[CALL_NUMBER_MAX], customer_text[CALL_NUMBER_MAX], id[CALL_NUMBER_MAX];
	int64_t from_us = 0, to_us = 0;
	uint64_t uses = 0, per_customer = 0;
	enum call_exit code = CALL_FAILED;
	if (!check_code(call, call->operands[0]) || !call_id(call, "store") ||
		!call_id(call, "affiliate") || !call_time(call, "from", &from_us) ||
		!call_time(call, "to", &to_us) || !call_number(call, "uses", 1, INT64_MAX, &uses) ||
		!call_number(call, "uses-per-customer", 1, INT64_MAX, &per_customer))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"SELECT wasl.coupon_add($1::bigint, $2, $3::bigint, wasl.from_us($4::bigint), "
		"wasl.from_us($5::bigint), $6::bigint, $7::bigint, $8::text IS NOT NULL)",
		DB_ARGS(call_text(call, "store"), call->operands[0], call_text(call, "affiliate"),
			call_number_param(call, "from", from_us, from_text),
			call_number_param(call, "to", to_us, to_text),
			call_number_param(call, "uses", (int64_t)uses, uses_text),
			call_number_param(
				call, "uses-per-customer", (int64_t)per_customer, customer_text),
			call_text(call, "force")));
	if (rows == NULL)
		return CALL_FAILED;
	str_copy(id, sizeof(id), str_from(db_cell(rows, 0, 0)));
	db_rows_free(rows);
	return tell(call, id);
}

static enum call_exit coupon_suspend(struct call *call)
{
	return set_status(call, "SELECT wasl.coupon_suspend($1::bigint)");
}

static enum call_exit coupon_resume(struct call *call)
{
	return set_status(call, "SELECT wasl.coupon_resume($1::bigint)");
}

static enum call_exit coupon_rotate(struct call *call)
{
	char id[CALL_NUMBER_MAX];
	enum call_exit code = CALL_FAILED;
	if (!check_code(call, call->operands[0]) || !check_code(call, call->operands[1]) ||
		!call_id(call, "store"))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	if (!find(call, id))
		return CALL_FAILED;
	struct db_rows *rows =
		call_query(call, "SELECT wasl.coupon_rotate($1::bigint, $2, $3::text IS NOT NULL)",
			DB_ARGS(id, call->operands[1], call_text(call, "force")));
	if (rows == NULL)
		return CALL_FAILED;
	str_copy(id, sizeof(id), str_from(db_cell(rows, 0, 0)));
	db_rows_free(rows);
	return tell(call, id);
}

static enum call_exit coupon_list(struct call *call)
{
	static const char *const columns[] = {"coupon_id", "store_id", "code", "affiliate",
		"status", "used", "uses_max", "uses_per_customer_max", "valid_from", "valid_to",
		NULL};
	if (!call_id(call, "store") || !call_id(call, "affiliate"))
		return CALL_USAGE;
	return list_print(call,
		&(struct list){.sql = "SELECT " COUPON_OBJECT
				      "WHERE c.coupon_id > coalesce($1::bigint, 0) "
				      "AND ($3::bigint IS NULL OR c.store_id = $3::bigint) "
				      "AND ($4::bigint IS NULL OR c.affiliate_id = $4::bigint) "
				      "ORDER BY c.coupon_id LIMIT $2::bigint",
			.key = "coupon_id",
			.columns = columns,
			.params = {call_text(call, "store"), call_text(call, "affiliate")},
			.param_count = 2});
}

static bool check_code(const struct call *call, const char *code)
{
	const struct str view = str_from(code);
	if (view.len > 0 && view.len <= CODE_MAX_BYTES && utf8_is_valid(view))
		return true;
	call_usage(call, "a code takes 1 to %d bytes of UTF-8", CODE_MAX_BYTES);
	return false;
}

static enum call_exit set_status(struct call *call, const char *sql)
{
	char id[CALL_NUMBER_MAX];
	enum call_exit code = CALL_FAILED;
	if (!check_code(call, call->operands[0]) || !call_id(call, "store"))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	if (!find(call, id) || !call_run(call, sql, DB_ARGS(id)))
		return CALL_FAILED;
	return tell(call, id);
}

/* By the code as shops may write it. */
static bool find(struct call *call, char id[CALL_NUMBER_MAX])
{
	struct db_rows *rows = call_query(call,
		"SELECT coupon_id FROM wasl.coupons WHERE store_id = $1::bigint "
		"AND code = wasl.coupon_code($2)",
		DB_ARGS(call_text(call, "store"), call->operands[0]));
	if (rows == NULL)
		return false;
	const bool is_known = db_rows_count(rows) == 1;
	if (is_known)
		str_copy(id, CALL_NUMBER_MAX, str_from(db_cell(rows, 0, 0)));
	db_rows_free(rows);
	if (!is_known)
		call_fail(call, "store %s has no coupon %s", call_text(call, "store"),
			call->operands[0]);
	return is_known;
}

static enum call_exit tell(struct call *call, const char *id)
{
	struct db_rows *rows = call_query(
		call, "SELECT " COUPON_OBJECT "WHERE c.coupon_id = $1::bigint", DB_ARGS(id));
	if (rows == NULL)
		return CALL_FAILED;
	const enum call_exit code = out_object(
		call, db_rows_count(rows) == 1 ? json_loads(db_cell(rows, 0, 0), 0, NULL) : NULL);
	db_rows_free(rows);
	return code;
}
