/* SPDX-License-Identifier: Apache-2.0
 * waslctl order: what became of an order, who earned it and why. */
#include "order.h"

#include "act.h"
#include "list.h"
#include "nouns.h"

static enum call_exit order_show(struct call *call);
static enum call_exit order_list(struct call *call);

static const struct option_spec show_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose order"}, ORDER_LANG_OPTION, {0}};
static const struct option_spec reassign_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose order"},
	{"to", OPTION_TEXT, false, "AFFILIATE", "whose the order is from now on"},
	{"to-evidence", OPTION_SWITCH, false, NULL, "or: whose its clicks and coupons say"},
	ACT_REASON_OPTION,
	ORDER_LANG_OPTION,
	{0},
};
static const struct option_spec resolve_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose order"},
	{"as", OPTION_TEXT, true, "WHAT", "collected|out: the cash came in, or nothing is due"},
	ACT_REASON_OPTION,
	ORDER_LANG_OPTION,
	{0},
};
static const struct option_spec list_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose orders"},
	{"waiting", OPTION_SWITCH, false, NULL, "only those that wait for an event"},
	{"conflict", OPTION_SWITCH, false, NULL, "only those whose events contradict each other"},
	{"unattributed", OPTION_SWITCH, false, NULL, "only those that nobody earned"},
	{"test", OPTION_SWITCH, false, NULL, "only test orders, which are left out else"},
	LIST_OPTIONS,
	{0},
};

const struct command order_commands[] = {
	{"order", "show", "ORDER", 1, 1, show_options, order_show,
		"Show an order, its events, and the decision with its reasons"},
	{"order", "list", "", 0, 0, list_options, order_list, "List a store's orders"},
	{"order", "reassign", "ORDER", 1, 1, reassign_options, order_reassign,
		"Give an order to an affiliate, or back to its evidence"},
	{"order", "resolve", "ORDER", 1, 1, resolve_options, order_resolve,
		"End the conflict of an order"},
	{0},
};

/* since: when an order began to wait, or to contradict itself. */
static const char list_sql[] =
	"SELECT json_build_object('order_id', o.order_id, 'store_id', o.store_id, "
	"'state', o.state, 'currency', o.currency, 'placed_at', wasl.time_text(o.placed_at), "
	"'waiting', o.is_waiting, 'since', wasl.time_text(CASE WHEN o.is_waiting THEN "
	"o.waiting_since WHEN o.state = 'conflict' THEN (SELECT max(r.opened_at) FROM "
	"wasl.reviews r WHERE (r.store_id, r.order_id, r.reason) = (o.store_id, o.order_id, "
	"'conflict')) END), 'test', o.is_test, 'result', d.result, 'reason', d.reason, "
	"'evidence', d.evidence, 'affiliates', coalesce(c.affiliates, '{}'), "
	"'amount', wasl.money_text(coalesce(c.amount, 0)::bigint, o.currency)) "
	"FROM wasl.orders o LEFT JOIN wasl.decisions d ON (d.store_id, d.order_id, d.version) = "
	"(o.store_id, o.order_id, o.decision_version) LEFT JOIN LATERAL (SELECT "
	"array_agg(DISTINCT m.affiliate_id) AS affiliates, sum(m.amount_minor) AS amount "
	"FROM wasl.commissions_of_orders m WHERE (m.store_id, m.order_id) = (o.store_id, "
	"o.order_id)) c ON true WHERE o.store_id = $3::bigint AND o.order_id > coalesce($1::text, "
	"'') "
	"AND ($4::text IS NULL OR o.is_waiting) AND ($5::text IS NULL OR o.state = 'conflict') "
	"AND ($6::text IS NULL OR d.result = 'unattributed') "
	"AND CASE WHEN $7::text IS NOT NULL THEN o.is_test ELSE NOT o.is_test OR "
	"$4::text IS NOT NULL END ORDER BY o.order_id LIMIT $2::bigint";

static enum call_exit order_show(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	if (!order_check(call))
		return CALL_USAGE;
	return call_db(call, &code) ? order_print(call) : code;
}

static enum call_exit order_list(struct call *call)
{
	static const char *const columns[] = {"order_id", "state", "result", "reason", "evidence",
		"affiliates", "amount", "currency", "placed_at", "waiting", "since", NULL};
	if (!call_id(call, "store"))
		return CALL_USAGE;
	return list_print(
		call, &(struct list){.sql = list_sql,
			      .key = "order_id",
			      .has_text_key = true,
			      .columns = columns,
			      .params = {call_text(call, "store"), call_text(call, "waiting"),
				      call_text(call, "conflict"), call_text(call, "unattributed"),
				      call_text(call, "test")},
			      .param_count = 5,
			      .store_id = call_text(call, "store")});
}

bool order_check(const struct call *call)
{
	if (!call_id(call, "store") || !call_one_of(call, "lang", "en|ar"))
		return false;
	if (utf8_is_valid(str_from(call->operands[0])))
		return true;
	call_usage(call, "the order's id is not UTF-8");
	return false;
}
