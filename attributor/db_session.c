/* SPDX-License-Identifier: Apache-2.0
 * What a new session is held to, and whether it is one to post in: writable, ours alone, and of the
 * newest timeline that this process has seen. */
#include "db_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a session is held to besides our own deadlines: a statement whose reader is gone must not
 * keep its locks. */
#define IDLE_IN_TRANSACTION_MS 30000
#define SYSTEM_TEXT_MAX        24 /* a u64 and a NUL */

enum column { COLUMN_MARK = 0, COLUMN_IS_READ_ONLY, COLUMN_TIMELINE, COLUMN_SYSTEM };

/* The mark stays in the session: who finds one shares it with another client. Evaluated from left
 * to right. Only a server that is no standby knows where its timeline stands. */
#define SESSION_SQL                                                                             \
	"SELECT coalesce(current_setting('wasl.session', true), ''), "                          \
	"pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean, "            \
	"CASE WHEN pg_is_in_recovery() THEN 0 ELSE "                                            \
	"('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint END, " \
	"(SELECT system_identifier FROM pg_control_system()), "                                 \
	"set_config('wasl.session', 'taken', false), "                                          \
	"set_config('statement_timeout', $1, false), "                                          \
	"set_config('idle_in_transaction_session_timeout', $2, false), "                        \
	"set_config('client_min_messages', 'warning', false), "                                 \
	"set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false)"

static const char session_sql[] = SESSION_SQL;
static const char session_by_key_sql[] = SESSION_SQL
	", set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', "
	"false), "
	"set_config('enable_mergejoin', 'off', false), set_config('enable_material', 'off', "
	"false), "
	"set_config('plan_cache_mode', 'force_generic_plan', false)";

/* Of the whole process, as its loop's thread alone connects. */
static struct {
	char system[SYSTEM_TEXT_MAX];
	int64_t timeline;
} newest;

bool db_session_send(struct db *db)
{
	char statement_ms[24], idle_ms[24];
	snprintf(statement_ms, sizeof(statement_ms), "%lld",
		(long long)(db->config.run_deadline_us / 1000));
	snprintf(idle_ms, sizeof(idle_ms), "%d", IDLE_IN_TRANSACTION_MS);
	const char *const values[] = {statement_ms, idle_ms};
	const char *const sql = db->config.is_by_key ? session_by_key_sql : session_sql;
	return PQsendQueryParams(db->conn, sql, 2, NULL, values, NULL, NULL, 0) == 1 &&
	       PQpipelineSync(db->conn) == 1;
}

bool db_session_check(const struct db_rows *rows, char reason[ERR_MSG_MAX])
{
	const struct str system = db_rows_text(rows, 0, COLUMN_SYSTEM);
	const int64_t timeline = db_rows_int(rows, 0, COLUMN_TIMELINE);
	if (db_rows_text(rows, 0, COLUMN_MARK).len > 0) {
		snprintf(reason, ERR_MSG_MAX,
			"another client has used this session: the pooler must pool sessions "
			"(pool_mode=session) and reset them");
		return false;
	}
	if (db_rows_bool(rows, 0, COLUMN_IS_READ_ONLY)) {
		snprintf(reason, ERR_MSG_MAX, "the server is read-only");
		return false;
	}
	const bool is_known = str_equal(system, str_from(newest.system));
	if (is_known && timeline < newest.timeline) {
		snprintf(reason, ERR_MSG_MAX,
			"an old primary: on timeline %" PRId64 ", and %" PRId64 " was seen",
			timeline, newest.timeline);
		return false;
	}
	str_copy(newest.system, sizeof(newest.system), system);
	newest.timeline = timeline;
	return true;
}
