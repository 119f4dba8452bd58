/* SPDX-License-Identifier: Apache-2.0
 * waslctl affiliate: who shares links, how to reach them, and whether they are credited. */
#include <stdio.h>
#include <string.h>

#include "ack.h"
#include "list.h"
#include "nouns.h"
#include "out.h"
#include "payout.h"

#define NAME_MAX_BYTES    255
#define EMAIL_MAX_BYTES   254 /* RFC 5321 with its brackets taken off */
#define METHOD_MAX_BYTES  64
#define ACCOUNT_MAX_BYTES 255
#define PHONE_DIGITS_MIN  7
#define PHONE_DIGITS_MAX  15 /* E.164 */

#define AFFILIATE_OBJECT                                                                         \
	"json_build_object('affiliate_id', a.affiliate_id, 'name', a.name, 'status', a.status, " \
	"'lang', a.lang, 'phone', a.phone, 'email', a.email, 'payout_method', a.payout_method, " \
	"'payout_account', a.payout_account, 'created_at', wasl.time_text(a.created_at))"

static enum call_exit affiliate_add(struct call *call);
static enum call_exit affiliate_set(struct call *call);
static enum call_exit affiliate_suspend(struct call *call);
static enum call_exit affiliate_resume(struct call *call);
static enum call_exit affiliate_list(struct call *call);

static const struct option_spec add_options[] = {
	{"name", OPTION_TEXT, true, "NAME", "any UTF-8, up to 255 bytes"},
	{"lang", OPTION_TEXT, false, "LANG", "ar|en (default ar)"},
	{"phone", OPTION_TEXT, false, "NUMBER", "E.164: +201001234567"},
	{"email", OPTION_TEXT, false, "ADDRESS", "e-mail"},
	{0},
};
static const struct option_spec set_options[] = {
	{"name", OPTION_TEXT, false, "NAME", "any UTF-8, up to 255 bytes"},
	{"lang", OPTION_TEXT, false, "LANG", "ar|en"},
	{"phone", OPTION_TEXT, false, "NUMBER", "E.164: +201001234567"},
	{"email", OPTION_TEXT, false, "ADDRESS", "e-mail"},
	{"payout-method", OPTION_TEXT, false, "METHOD", "how commissions are paid"},
	{"payout-account", OPTION_TEXT, false, "ACCOUNT", "and where to"},
	{0},
};
static const struct option_spec list_options[] = {LIST_OPTIONS, {0}};

const struct command affiliate_commands[] = {
	{"affiliate", "add", "", 0, 0, add_options, affiliate_add, "Add an affiliate"},
	{"affiliate", "set", "AFFILIATE", 1, 1, set_options, affiliate_set,
		"Change what is known of an affiliate"},
	{"affiliate", "suspend", "AFFILIATE", 1, 1, NULL, affiliate_suspend,
		"Stop crediting an affiliate from now on"},
	{"affiliate", "resume", "AFFILIATE", 1, 1, NULL, affiliate_resume,
		"Credit an affiliate again from now on"},
	{"affiliate", "list", "", 0, 0, list_options, affiliate_list, "List affiliates"},
	{0},
};

static bool check_person(const struct call *call);
static bool check_phone(const struct call *call);
static bool check_email(const struct call *call);
static bool check_account(const struct call *call);
static enum call_exit change_status(struct call *call, const char *status);
static enum call_exit tell(struct call *call, const char *id);

static enum call_exit affiliate_add(struct call *call)
{
	struct ack ack;
	enum call_exit code = CALL_FAILED;
	if (!check_person(call))
		return CALL_USAGE;
	if (!ack_begin(call, &ack, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"WITH added AS (INSERT INTO wasl.affiliates (name, lang, phone, email) "
		"VALUES ($1, coalesce($2, 'ar'), $3, $4) RETURNING affiliate_id) "
		"SELECT affiliate_id FROM added",
		DB_ARGS(call_text(call, "name"), call_text(call, "lang"), call_text(call, "phone"),
			call_text(call, "email")));
	if (rows == NULL)
		return CALL_FAILED;
	code = CALL_FAILED;
	if (call_run(call,
		    "INSERT INTO wasl.affiliate_status (affiliate_id, since, status) "
		    "VALUES ($1::bigint, '-infinity', 'active')",
		    DB_ARGS(db_cell(rows, 0, 0))) &&
		ack_commit(call, &ack))
		code = out_object(
			call, json_pack("{s:o}", "affiliate_id", out_number(db_cell(rows, 0, 0))));
	db_rows_free(rows);
	if (code == CALL_DONE)
		ack_wait(call, &ack);
	return code;
}

static enum call_exit affiliate_set(struct call *call)
{
	struct ack ack;
	enum call_exit code = CALL_FAILED;
	if (!call_operand_id(call, 0) || !check_person(call) ||
		!call_words(call, "payout-method", METHOD_MAX_BYTES, false) || !check_account(call))
		return CALL_USAGE;
	if (!ack_begin(call, &ack, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"UPDATE wasl.affiliates SET name = coalesce($2, name), lang = coalesce($3, lang), "
		"phone = coalesce($4, phone), email = coalesce($5, email), "
		"payout_method = coalesce($6, payout_method), "
		"payout_account = coalesce($7, payout_account) WHERE affiliate_id = $1::bigint",
		DB_ARGS(call->operands[0], call_text(call, "name"), call_text(call, "lang"),
			call_text(call, "phone"), call_text(call, "email"),
			call_text(call, "payout-method"), call_text(call, "payout-account")));
	if (rows == NULL)
		return CALL_FAILED;
	bool is_known = db_rows_affected(rows) == 1;
	db_rows_free(rows);
	if (!is_known)
		return call_fail(call, "there is no affiliate %s", call->operands[0]);
	if (!ack_commit(call, &ack))
		return CALL_FAILED;
	code = tell(call, call->operands[0]);
	ack_wait(call, &ack);
	return code;
}

static enum call_exit affiliate_suspend(struct call *call)
{
	return change_status(call, "suspended");
}

static enum call_exit affiliate_resume(struct call *call)
{
	return change_status(call, "active");
}

static enum call_exit affiliate_list(struct call *call)
{
	static const char *const columns[] = {
		"affiliate_id", "name", "status", "lang", "phone", "email", NULL};
	return list_print(
		call, &(struct list){.sql = "SELECT " AFFILIATE_OBJECT " FROM wasl.affiliates a "
					    "WHERE a.affiliate_id > coalesce($1::bigint, 0) "
					    "ORDER BY a.affiliate_id LIMIT $2::bigint",
			      .key = "affiliate_id",
			      .columns = columns});
}

static bool check_person(const struct call *call)
{
	return call_words(call, "name", NAME_MAX_BYTES, true) &&
	       call_one_of(call, "lang", "ar|en") && check_phone(call) && check_email(call);
}

static bool check_phone(const struct call *call)
{
	const char *phone = call_text(call, "phone");
	if (phone == NULL)
		return true;
	size_t len = *phone == '+' ? strspn(phone + 1, "0123456789") : 0;
	if (len >= PHONE_DIGITS_MIN && len <= PHONE_DIGITS_MAX && phone[1 + len] == '\0' &&
		phone[1] != '0')
		return true;
	call_usage(call, "--phone: '%s' is not E.164 such as +201001234567", phone);
	return false;
}

/* One @ with something on both sides; whether mail arrives, only mail can tell. */
static bool check_email(const struct call *call)
{
	const char *email = call_text(call, "email");
	if (email == NULL)
		return true;
	if (!call_words(call, "email", EMAIL_MAX_BYTES, false))
		return false;
	const char *at = strchr(email, '@');
	if (at != NULL && at != email && at[1] != '\0' && strpbrk(at + 1, "@ ") == NULL)
		return true;
	call_usage(call, "--email: '%s' is not an address", email);
	return false;
}

/* It goes to the bank as it is. */
static bool check_account(const struct call *call)
{
	const char *account = call_text(call, "payout-account");
	if (!call_words(call, "payout-account", ACCOUNT_MAX_BYTES, false))
		return false;
	if (account == NULL || payout_account_check(str_from(account)))
		return true;
	call_usage(call,
		"--payout-account: '%s' begins with = - @ (or + and more than digits), which "
		"spreadsheets would run",
		account);
	return false;
}

/* The lock first: the history's times then follow the order of the changes. */
static enum call_exit change_status(struct call *call, const char *status)
{
	struct ack ack;
	enum call_exit code = CALL_FAILED;
	if (!call_operand_id(call, 0))
		return CALL_USAGE;
	const char *id = call->operands[0];
	if (!ack_begin(call, &ack, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"SELECT status FROM wasl.affiliates WHERE affiliate_id = $1::bigint FOR UPDATE",
		DB_ARGS(id));
	if (rows == NULL)
		return CALL_FAILED;
	bool is_known = db_rows_count(rows) == 1;
	bool is_same = is_known && strcmp(db_cell(rows, 0, 0), status) == 0;
	db_rows_free(rows);
	if (!is_known)
		return call_fail(call, "there is no affiliate %s", id);
	if (!is_same && (!call_run(call,
				 "INSERT INTO wasl.affiliate_status (affiliate_id, since, status) "
				 "VALUES ($1::bigint, clock_timestamp(), $2)",
				 DB_ARGS(id, status)) ||
				!call_run(call,
					"UPDATE wasl.affiliates SET status = $2 WHERE affiliate_id "
					"= $1::bigint",
					DB_ARGS(id, status))))
		return CALL_FAILED;
	if (!ack_commit(call, &ack))
		return CALL_FAILED;
	code = tell(call, id);
	ack_wait(call, &ack);
	return code;
}

static enum call_exit tell(struct call *call, const char *id)
{
	struct db_rows *rows = call_query(call,
		"SELECT " AFFILIATE_OBJECT
		" FROM wasl.affiliates a WHERE a.affiliate_id = $1::bigint",
		DB_ARGS(id));
	if (rows == NULL)
		return CALL_FAILED;
	enum call_exit code = out_object(call, json_loads(db_cell(rows, 0, 0), 0, NULL));
	db_rows_free(rows);
	return code;
}
