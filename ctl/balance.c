/* SPDX-License-Identifier: Apache-2.0
 * waslctl balance: an affiliate's money by store, currency and bucket. */
#include "nouns.h"
#include "out.h"

static enum call_exit balance(struct call *call);

const struct command balance_commands[] = {
	{"balance", NULL, "AFFILIATE", 1, 1, NULL, balance, "Show an affiliate's balance"}, {0}};

static enum call_exit balance(struct call *call)
{
	static const char *const columns[] = {"store_id", "currency", "pending", "held",
		"available", "in_payout", "paid", "under_review", NULL};
	enum call_exit code = CALL_FAILED;
	size_t index = 0;
	json_t *row = NULL;
	if (!call_operand_id(call, 0))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"SELECT wasl.balance_document(affiliate_id) FROM wasl.affiliates "
		"WHERE affiliate_id = $1::bigint",
		DB_ARGS(call->operands[0]));
	if (rows == NULL)
		return CALL_FAILED;
	json_t *document =
		db_rows_count(rows) == 1 ? json_loads(db_cell(rows, 0, 0), 0, NULL) : NULL;
	bool is_known = db_rows_count(rows) == 1;
	db_rows_free(rows);
	if (!is_known)
		return call_fail(call, "there is no affiliate %s", call->operands[0]);
	if (call->is_json || document == NULL)
		return out_object(call, document);
	struct out_table table;
	out_table_init(&table, columns);
	json_array_foreach(json_object_get(document, "data"), index, row)
		out_table_add(&table, row);
	out_table_flush(&table);
	out_table_release(&table);
	json_decref(document);
	return CALL_DONE;
}
