/* SPDX-License-Identifier: Apache-2.0
 * waslctl order reassign, order resolve: whose an order is, and how a conflict ends, by an
 * operator's word. */
#include "act.h"
#include "nouns.h"
#include "order.h"

static enum call_exit finish(
	struct call *call, const char *sql, unsigned count, const char *const *params);

enum call_exit order_reassign(struct call *call)
{
	if (!order_check(call) || !act_check_reason(call) || !call_id(call, "to"))
		return CALL_USAGE;
	if (call_has(call, "to") == call_has(call, "to-evidence"))
		return call_usage(call, "takes either --to or --to-evidence");
	return finish(call,
		"SELECT wasl.to_us(now()), wasl.order_reassign($1::bigint, $2, $3::bigint, $4)",
		DB_ARGS(call_text(call, "store"), call->operands[0], call_text(call, "to"),
			call_text(call, "reason")));
}

enum call_exit order_resolve(struct call *call)
{
	if (!order_check(call) || !act_check_reason(call) ||
		!call_one_of(call, "as", "collected|out"))
		return CALL_USAGE;
	return finish(call, "SELECT wasl.to_us(now()), wasl.order_resolve($1::bigint, $2, $3, $4)",
		DB_ARGS(call_text(call, "store"), call->operands[0], call_text(call, "as"),
			call_text(call, "reason")));
}

static enum call_exit finish(
	struct call *call, const char *sql, unsigned count, const char *const *params)
{
	struct act act;
	enum call_exit code = CALL_FAILED;
	if (!call_db(call, &code))
		return code;
	if (!act_set_order(&act, call_text(call, "store"), call->operands[0]))
		return call_fail(call, "there is no such order");
	if (!act_do(call, sql, count, params, &act))
		return CALL_FAILED;
	act_wait(call, &act);
	return order_print(call);
}
