/* SPDX-License-Identifier: Apache-2.0
 * Compares the role and wasl.migrations with what the build knows (schema_files.h, made from
 * schema/). */
#include "schema_check.h"

#include <stdio.h>

struct schema_file {
	const char *name;
	const char *sha256;
};
static const struct schema_file schema_files[] = {
#include "schema_files.h"
};
#define SCHEMA_FILE_COUNT (sizeof(schema_files) / sizeof(schema_files[0]))

static const char role_sql[] =
	"SELECT bool_or(r.rolsuper), bool_or(coalesce(pg_has_role(r.rolname, n.nspowner, "
	"'MEMBER'), "
	"false)), current_user FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = 'wasl' "
	"WHERE r.rolname IN (session_user, current_user)";
static const char migrations_sql[] =
	"SELECT name, sha256 FROM wasl.migrations ORDER BY name COLLATE \"C\"";

static void on_role(const struct db_result *result, void *arg);
static void on_migrations(const struct db_result *result, void *arg);
static void ask(struct schema_check *check, const char *sql, db_done_fn *fn);
static void compare(struct schema_check *check, const struct db_rows *rows);
static void refuse(
	struct schema_check *check, const char *before, struct str name, const char *after);

void schema_check_start(struct schema_check *check)
{
	ask(check, role_sql, on_role);
}

static void ask(struct schema_check *check, const char *sql, db_done_fn *fn)
{
	const struct db_statement statement = {.sql = sql};
	if (!db_run(check->db, &statement, 1, fn, check))
		check->fn(SCHEMA_UNREACHABLE, "not connected", check->arg);
}

static void on_role(const struct db_result *result, void *arg)
{
	struct schema_check *const check = arg;
	if (result->status != DB_OK) {
		check->fn(SCHEMA_UNREACHABLE, result->message, check->arg);
		return;
	}
	const struct str role = db_rows_text(result->rows[0], 0, 2);
	if (db_rows_bool(result->rows[0], 0, 0))
		refuse(check, "refuses to run as superuser ", role, ": use wasl_attributor");
	else if (db_rows_bool(result->rows[0], 0, 1))
		refuse(check, "refuses to run as ", role,
			", who owns the schema: use wasl_attributor");
	else
		ask(check, migrations_sql, on_migrations);
}

static void on_migrations(const struct db_result *result, void *arg)
{
	struct schema_check *const check = arg;
	if (result->status == DB_OK)
		compare(check, result->rows[0]);
	else if (result->status == DB_UNAVAILABLE || result->status == DB_CONFLICT)
		check->fn(SCHEMA_UNREACHABLE, result->message, check->arg);
	else /* no schema, no table, or nothing granted yet: never migrated to the end */
		refuse(check, "the schema lacks ", str_from(schema_files[0].name),
			": run waslctl migrate");
}

static void compare(struct schema_check *check, const struct db_rows *rows)
{
	const unsigned count = db_rows_count(rows);
	for (unsigned i = 0; i < count || i < SCHEMA_FILE_COUNT; i++) {
		const struct str known =
			i < SCHEMA_FILE_COUNT ? str_from(schema_files[i].name) : (struct str){0};
		const struct str applied = i < count ? db_rows_text(rows, i, 0) : (struct str){0};
		if (applied.len == 0 || (known.len > 0 && str_compare(known, applied) < 0))
			refuse(check, "the schema is older than this program: it lacks ", known,
				": run waslctl migrate");
		else if (!str_equal(known, applied))
			refuse(check, "the schema is newer than this program, which does not know ",
				applied, "");
		else if (!str_equal(str_from(schema_files[i].sha256), db_rows_text(rows, i, 1)))
			refuse(check, "the schema's ", known,
				" is not the one this program was built for");
		else
			continue;
		return;
	}
	check->fn(SCHEMA_FITS, "", check->arg);
}

static void refuse(
	struct schema_check *check, const char *before, struct str name, const char *after)
{
	char why[ERR_MSG_MAX];
	snprintf(why, sizeof(why), "%s%.*s%s", before, STR_ARG(name), after);
	check->fn(SCHEMA_REFUSED, why, check->arg);
}
