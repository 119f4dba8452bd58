/* SPDX-License-Identifier: Apache-2.0
 * What a webhook-id was used for, outside of any posting. */
#include <stdio.h>

#include "post_parts.h"

static const char known_sql[] =
	"SELECT " POST_ANSWERED
	" FROM wasl.event_ids i LEFT JOIN wasl.decisions d ON (d.store_id, d.order_id, d.version) "
	"= (i.store_id, i.order_id, i.decision_version) "
	"WHERE i.store_id = $1::bigint AND i.event_id = $2";

static void on_known(const struct db_result *result, void *arg);

bool post_ask_known(struct db *db, struct post_known_query *query)
{
	char store_id[24];
	snprintf(store_id, sizeof(store_id), "%u", query->store_id);
	const struct str params[] = {str_from(store_id), query->event_id};
	const struct db_statement statement = {
		.sql = known_sql, .params = params, .param_count = 2};
	return db_run(db, &statement, 1, on_known, query);
}

static void on_known(const struct db_result *result, void *arg)
{
	const struct post_known_query *const query = arg;
	if (result->status != DB_OK) {
		query->fn(POST_KNOWN_UNASKED, (struct str){0}, query->arg);
		return;
	}
	const struct db_rows *const rows = result->rows[0];
	char hash[2 * POST_BODY_HASH_BYTES];
	hex_encode(hash, query->body_sha256, POST_BODY_HASH_BYTES);
	if (db_rows_count(rows) == 0) {
		query->fn(POST_KNOWN_NOT, (struct str){0}, query->arg);
	} else if (!str_equal((struct str){hash, sizeof(hash)}, db_rows_text(rows, 0, 1))) {
		query->fn(POST_KNOWN_OTHER, (struct str){0}, query->arg);
	} else {
		struct buf answer;
		buf_init(&answer, POST_TEXT_MAX);
		post_text_known(&answer, rows, 0, 0);
		query->fn(POST_KNOWN_SAME, buf_str(&answer), query->arg);
		buf_release(&answer);
	}
}
