/* SPDX-License-Identifier: Apache-2.0
 * The database, one statement after another: the only file here that knows libpq. Every wait has a
 * deadline. */
#ifndef WASL_CTL_DB_H
#define WASL_CTL_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

#define DB_CONNECT_S   5
#define DB_STATEMENT_S 60   /* the server gives up on a statement */
#define DB_MIGRATION_S 3600 /* and on a migration's */
#define DB_GRACE_S     5    /* after that we give up on the server */

/* Text parameters of one statement, NULL for SQL's null: db_query(db, sql, DB_ARGS(a, b), &err). */
#define DB_ARGS(...)                                                              \
	(unsigned)(sizeof((const char *const[]){"" __VA_OPT__(, ) __VA_ARGS__}) / \
			   sizeof(const char *) -                                 \
		   1),                                                            \
		((const char *const[]){"" __VA_OPT__(, ) __VA_ARGS__}) + 1

struct db;
struct db_rows;

/* NULL with err set when the server is not there within DB_CONNECT_S or does not want us. */
struct db *db_open(const char *url, struct err *err);
void db_close(struct db *db); /* NULL is fine; what was not committed is rolled back */
/* From here on statements may take this long. */
bool db_set_deadline(struct db *db, unsigned statement_s, struct err *err);

/* Runs one statement. NULL with err set on failure; else rows (none for a statement that has none),
 * to be freed with db_rows_free. */
struct db_rows *db_query(
	struct db *db, const char *sql, unsigned count, const char *const *params, struct err *err);
/* Runs a text of several statements. */
bool db_script(struct db *db, const char *text, struct err *err);
unsigned db_rows_count(const struct db_rows *rows);
/* The cell's text, NULL for null; lives as long as rows. */
const char *db_cell(const struct db_rows *rows, unsigned row, unsigned column);
/* Rows that an INSERT, UPDATE or DELETE touched. */
uint64_t db_rows_affected(const struct db_rows *rows);
void db_rows_free(struct db_rows *rows);

/* COPY … FROM STDIN: begin with the statement, put text-format data in pieces, end. */
bool db_copy_begin(struct db *db, const char *sql, struct err *err);
bool db_copy_put(struct db *db, struct str data, struct err *err);
bool db_copy_end(struct db *db, struct err *err);

/* Waits for a notification with this payload on a channel that the session listens on; false when
 * it has not come within wait_us. */
bool db_await_notice(struct db *db, const char *channel, const char *payload, int64_t wait_us);

#endif
