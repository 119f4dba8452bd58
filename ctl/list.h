/* SPDX-License-Identifier: Apache-2.0
 * Lists of any length, read by key a page at a time: as a table, as JSON, as CSV. */
#ifndef WASL_CTL_LIST_H
#define WASL_CTL_LIST_H

#include "call.h"

#define LIST_PARAMS_MAX 8
#define LIST_PAGE_ROWS  1000
#define LIST_CURSOR_MAX 1024

/* The options that a list takes. */
#define LIST_OPTIONS                                                 \
	{"limit", OPTION_TEXT, false, "N", "at most N rows"},        \
	{                                                            \
		"cursor", OPTION_TEXT, false, "CURSOR",              \
			"go on behind the \"next\" of a page before" \
	}

enum list_format { LIST_TABLE = 0, LIST_JSON, LIST_CSV };

struct list {
	/* Gives one JSON object a row, ordered by key; $1 is the key behind which to start (null:
	 * from the first), $2 the number of rows; the others are params. */
	const char *sql;
	const char *key; /* the member that is the key: a number, or a text */
	bool has_text_key;
	const char *const *columns; /* of the table and the CSV; ends with NULL */
	enum list_format format;
	const char *params[LIST_PARAMS_MAX];
	unsigned param_count;
	const char *store_id; /* NULL, or whose list it is: refused when there is no such store */
};

/* Prints the list as --json or list->format says, taking --limit and --cursor from the call. */
enum call_exit list_print(struct call *call, const struct list *list);

#endif
