/* SPDX-License-Identifier: Apache-2.0
 * waslctl review: what holds money back until somebody has looked. */
#include "act.h"
#include "list.h"
#include "nouns.h"
#include "order.h"
#include "out.h"

#define REVIEW_REASON_MAX 64 /* bytes, as the schema allows them */

#define REVIEW_OBJECT                                                                       \
	"json_build_object('review_id', r.review_id, 'store_id', r.store_id, 'order_id', "  \
	"r.order_id, 'reason', r.reason, 'opened_by', r.opened_by, 'opened_at', "           \
	"wasl.time_text(r.opened_at), 'due_at', wasl.time_text(r.due_at), 'lifted_by', "    \
	"r.lifted_by, 'lifted_at', wasl.time_text(r.lifted_at), 'amount', (SELECT "         \
	"wasl.money_text(sum(c.amount_minor)::bigint, c.currency) FROM wasl.commissions c " \
	"WHERE c.store_id = r.store_id AND c.order_id = r.order_id AND c.state IN "         \
	"('pending', 'held', 'approved') GROUP BY c.currency), 'currency', (SELECT "        \
	"o.currency FROM wasl.orders o WHERE (o.store_id, o.order_id) = (r.store_id, "      \
	"r.order_id))) FROM wasl.reviews r "

static enum call_exit review_list(struct call *call);
static enum call_exit review_open(struct call *call);
static enum call_exit review_lift(struct call *call);

static const struct option_spec list_options[] = {
	{"store", OPTION_TEXT, false, "STORE", "of this store's orders"},
	{"only", OPTION_TEXT, false, "REASON", "of this reason"},
	{"overdue", OPTION_SWITCH, false, NULL, "only those whose due date has passed"},
	{"all", OPTION_SWITCH, false, NULL, "also those that were lifted"},
	LIST_OPTIONS,
	{0},
};
static const struct option_spec open_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose order"},
	{"reason", OPTION_TEXT, true, "TEXT", "why, in at most 64 bytes"},
	{"due", OPTION_TEXT, false, "TIME", "when it has to be looked at (default in 7 days)"},
	{0},
};
static const struct option_spec lift_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose order"},
	ACT_REASON_OPTION,
	{"only", OPTION_TEXT, false, "REASON", "the review of this reason (default all of them)"},
	ORDER_LANG_OPTION,
	{0},
};

const struct command review_commands[] = {
	{"review", "list", "", 0, 0, list_options, review_list, "List open reviews"},
	{"review", "open", "ORDER", 1, 1, open_options, review_open,
		"Hold an order's commissions back until somebody has looked"},
	{"review", "lift", "ORDER", 1, 1, lift_options, review_lift,
		"End the reviews of an order: its commissions go on"},
	{0},
};

static enum call_exit review_list(struct call *call)
{
	static const char *const columns[] = {"review_id", "store_id", "order_id", "reason",
		"amount", "currency", "opened_by", "opened_at", "due_at", "lifted_at", NULL};
	if (!call_id(call, "store"))
		return CALL_USAGE;
	return list_print(
		call, &(struct list){.sql = "SELECT " REVIEW_OBJECT
					    "WHERE r.review_id > coalesce($1::bigint, 0) "
					    "AND ($3::bigint IS NULL OR r.store_id = $3::bigint) "
					    "AND ($4::text IS NULL OR r.reason = $4) "
					    "AND ($5::text IS NULL OR r.due_at < now()) "
					    "AND ($6::text IS NOT NULL OR r.lifted_at IS NULL) "
					    "ORDER BY r.review_id LIMIT $2::bigint",
			      .key = "review_id",
			      .columns = columns,
			      .params = {call_text(call, "store"), call_text(call, "only"),
				      call_text(call, "overdue"), call_text(call, "all")},
			      .param_count = 4});
}

static enum call_exit review_open(struct call *call)
{
	char due_text[CALL_NUMBER_MAX], id[CALL_NUMBER_MAX];
	int64_t due_us = 0;
	enum call_exit code = CALL_FAILED;
	if (!call_id(call, "store") || !call_words(call, "reason", REVIEW_REASON_MAX, false) ||
		!call_time(call, "due", &due_us))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"SELECT wasl.review_open($1::bigint, $2, $3, wasl.from_us($4::bigint))",
		DB_ARGS(call_text(call, "store"), call->operands[0], call_text(call, "reason"),
			call_number_param(call, "due", due_us, due_text)));
	if (rows == NULL)
		return CALL_FAILED;
	str_copy(id, sizeof(id), str_from(db_cell(rows, 0, 0)));
	db_rows_free(rows);
	rows = call_query(
		call, "SELECT " REVIEW_OBJECT "WHERE r.review_id = $1::bigint", DB_ARGS(id));
	if (rows == NULL)
		return CALL_FAILED;
	code = out_object(
		call, db_rows_count(rows) == 1 ? json_loads(db_cell(rows, 0, 0), 0, NULL) : NULL);
	db_rows_free(rows);
	return code;
}

/* What it held up goes on at once: the order is shown as it stands then. */
static enum call_exit review_lift(struct call *call)
{
	struct act act;
	enum call_exit code = CALL_FAILED;
	if (!order_check(call) || !act_check_reason(call))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	if (!act_set_order(&act, call_text(call, "store"), call->operands[0]))
		return call_fail(call, "there is no such order");
	if (!act_do(call, "SELECT wasl.to_us(now()), wasl.review_lift($1::bigint, $2, $3, $4)",
		    DB_ARGS(call_text(call, "store"), call->operands[0], call_text(call, "only"),
			    call_text(call, "reason")),
		    &act))
		return CALL_FAILED;
	act_wait(call, &act);
	return order_print(call);
}
