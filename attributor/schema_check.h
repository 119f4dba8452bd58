/* SPDX-License-Identifier: Apache-2.0
 * May this build work on that database, as that role? It refuses a schema that is older or newer
 * than the one it was built for, a changed migration, and to run as owner or superuser. */
#ifndef WASL_SCHEMA_CHECK_H
#define WASL_SCHEMA_CHECK_H

#include <stdbool.h>

#include "db.h"

enum schema_result {
	SCHEMA_FITS = 0,
	SCHEMA_REFUSED,     /* why tells: exit 1 */
	SCHEMA_UNREACHABLE, /* no answer: ask again when the connection is up */
};

/* why is one line; it lives while the callback runs. */
typedef void schema_done_fn(enum schema_result result, const char *why, void *arg);

/* One at a time. fn is always called, later or at once. */
struct schema_check {
	struct db *db;
	schema_done_fn *fn;
	void *arg;
};
void schema_check_start(struct schema_check *check);

#endif
