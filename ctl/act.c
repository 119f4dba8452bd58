/* SPDX-License-Identifier: Apache-2.0
 * The act, and looking whether the order is still due since then. */
#include "act.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#define POLL_MS 10

static bool is_folded(struct call *call, const struct act *act, bool *is_known);

bool act_check_reason(const struct call *call)
{
	return call_words(call, "reason", ACT_REASON_MAX, true);
}

bool act_set_order(struct act *act, const char *store_id, const char *order_id)
{
	return str_copy(act->store_id, sizeof(act->store_id), str_from(store_id)) &&
	       str_copy(act->order_id, sizeof(act->order_id), str_from(order_id));
}

bool act_find_order(struct call *call, const char *commission_id, struct act *act)
{
	struct db_rows *rows = call_query(call,
		"SELECT store_id, order_id FROM wasl.commissions WHERE commission_id = $1::bigint",
		DB_ARGS(commission_id));
	if (rows == NULL)
		return false;
	const bool is_known = db_rows_count(rows) == 1 &&
			      act_set_order(act, db_cell(rows, 0, 0), db_cell(rows, 0, 1));
	db_rows_free(rows);
	if (!is_known)
		call_fail(call, "there is no commission %s", commission_id);
	return is_known;
}

bool act_do(struct call *call, const char *sql, unsigned count, const char *const *params,
	struct act *act)
{
	struct db_rows *rows = call_query(call, sql, count, params);
	if (rows == NULL)
		return false;
	const bool is_done =
		db_rows_count(rows) == 1 && db_cell(rows, 0, 0) != NULL &&
		str_copy(act->at_us, sizeof(act->at_us), str_from(db_cell(rows, 0, 0)));
	db_rows_free(rows);
	if (!is_done)
		call_fail(call, "the database gave no answer");
	return is_done;
}

void act_wait(struct call *call, const struct act *act)
{
	const int64_t deadline_us = clock_mono_us() + ACT_WAIT_US;
	bool is_known = true;
	while (is_known && !is_folded(call, act, &is_known)) {
		if (clock_mono_us() >= deadline_us) {
			fprintf(stderr,
				"waslctl %s %s: kept; it takes effect when an attributor runs\n",
				call->command->noun, call->command->verb);
			return;
		}
		poll(NULL, 0, POLL_MS);
	}
}

/* The attributor takes an order's due_at away, or sets it to what it waits for next. */
static bool is_folded(struct call *call, const struct act *act, bool *is_known)
{
	struct db_rows *rows = call_query(call,
		"SELECT due_at IS NULL OR due_at > wasl.from_us($3::bigint) FROM wasl.orders "
		"WHERE store_id = $1::bigint AND order_id = $2",
		DB_ARGS(act->store_id, act->order_id, act->at_us));
	*is_known = rows != NULL && db_rows_count(rows) == 1;
	const bool is_done = *is_known && strcmp(db_cell(rows, 0, 0), "t") == 0;
	db_rows_free(rows);
	return is_done;
}
