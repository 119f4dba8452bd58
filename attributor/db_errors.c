/* SPDX-License-Identifier: Apache-2.0
 * What a SQLSTATE means for whoever asked, and how often each was seen. */
#include "db_parts.h"

#include <string.h>

/* Of the whole process: its loop's thread counts and reads them. */
static struct {
	char sqlstate[6];
	uint64_t count;
} seen[DB_SQLSTATES_MAX];
static unsigned seen_count;

static bool is_class(const char *sqlstate, const char *class);

enum db_status db_status_of(const char *sqlstate)
{
	static const char *const conflicts[] = {"40001", "40P01", "55P03"};
	for (unsigned i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++)
		if (strcmp(sqlstate, conflicts[i]) == 0)
			return DB_CONFLICT;
	/* 57P: shut down; 53: no room; 58: its disk; 25006: read-only after a fail-over; 57014: the
	 * statement took too long; 08: the connection. */
	if (is_class(sqlstate, "57") || is_class(sqlstate, "53") || is_class(sqlstate, "58") ||
		is_class(sqlstate, "08") || strcmp(sqlstate, "25P03") == 0 ||
		db_errors_end_session(sqlstate))
		return DB_UNAVAILABLE;
	if (is_class(sqlstate, "22") || is_class(sqlstate, "23") || is_class(sqlstate, "P0"))
		return DB_DATA;
	return DB_BROKEN;
}

/* 25006: the server became a standby, or its address leads to one; 26000, 42P05: what was prepared
 * here is not, or somebody else did, so a pooler gave the session to another client in between. */
bool db_errors_end_session(const char *sqlstate)
{
	return strcmp(sqlstate, "25006") == 0 || strcmp(sqlstate, "26000") == 0 ||
	       strcmp(sqlstate, "42P05") == 0;
}

void db_errors_count(const char *sqlstate)
{
	for (unsigned i = 0; i < seen_count; i++)
		if (strcmp(seen[i].sqlstate, sqlstate) == 0) {
			seen[i].count++;
			return;
		}
	if (seen_count == DB_SQLSTATES_MAX)
		return;
	str_copy(seen[seen_count].sqlstate, sizeof(seen[0].sqlstate), str_from(sqlstate));
	seen[seen_count++].count = 1;
}

void db_errors_each(void (*fn)(const char *sqlstate, uint64_t count, void *arg), void *arg)
{
	for (unsigned i = 0; i < seen_count; i++)
		fn(seen[i].sqlstate, seen[i].count, arg);
}

static bool is_class(const char *sqlstate, const char *class)
{
	return strncmp(sqlstate, class, 2) == 0;
}
