/* SPDX-License-Identifier: Apache-2.0
 * waslctl migrate: the numbered files of schema/, each once, each in a transaction of its own. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nouns.h"
#include "out.h"
#include "seal.h"

#define FILES_MAX       1000
#define FILE_NAME_MAX   256
#define FILE_BYTES_MAX  (4 * 1024 * 1024)
#define NUMBER_DIGITS   4
#define SHA256_HEX      (2 * SEAL_HASH_BYTES + 1)
#define WALK_UP_MAX     4
#define LOCK_TEXT       "wasl.migrations"
#define FIRST_MIGRATION "0001_catalogue.sql"

#ifndef WASL_SCHEMA_DIR
#define WASL_SCHEMA_DIR "/usr/local/share/wasl/schema"
#endif

struct migration {
	char name[FILE_NAME_MAX];
	char sha256[SHA256_HEX];
	char *text;
};

struct migrations {
	struct migration *files; /* by name */
	unsigned count;
};

static enum call_exit migrate(struct call *call);
static bool find_folder(const struct call *call, char out[PATH_MAX]);
static bool read_folder(const char *folder, struct migrations *migrations, struct err *err);
static bool read_one(const char *folder, struct migration *migration, struct err *err);
static int by_name(const struct dirent **a, const struct dirent **b);
static int is_migration(const struct dirent *entry);
static bool prepare(struct call *call);
static bool check_applied(
	struct call *call, const struct migrations *migrations, unsigned *applied);
static bool apply(struct call *call, const struct migration *migration);
static enum call_exit tell(struct call *call, const struct migrations *migrations, unsigned from);
static void migrations_release(struct migrations *migrations);

const struct command migrate_commands[] = {
	{"migrate", NULL, "", 0, 0, NULL, migrate, "Bring the database's schema up to date"}, {0}};

static enum call_exit migrate(struct call *call)
{
	struct migrations migrations = {0};
	struct err err = {0};
	char folder[PATH_MAX];
	enum call_exit code = CALL_FAILED;
	unsigned applied = 0;
	if (!find_folder(call, folder))
		return call_fail(call, "no folder with migrations found: give --schema-dir");
	if (!call_db(call, &code))
		return code;
	code = CALL_FAILED;
	if (!read_folder(folder, &migrations, &err)) {
		call_fail_err(call, &err);
		goto out;
	}
	if (!prepare(call) || !check_applied(call, &migrations, &applied))
		goto out;
	for (unsigned i = applied; i < migrations.count; i++) {
		if (!apply(call, &migrations.files[i]))
			goto out;
	}
	code = tell(call, &migrations, applied);
out:
	migrations_release(&migrations);
	return code;
}

/* As given; else beside an installed program; else above a built one; else where make install puts
 * it. */
static bool find_folder(const struct call *call, char out[PATH_MAX])
{
	char base[PATH_MAX], probe[PATH_MAX + sizeof(FIRST_MIGRATION) + 1];
	const char *const places[] = {"../share/wasl/schema", "schema"};
	const char *given = call->globals[GLOBAL_SCHEMA_DIR];
	if (given != NULL)
		return str_copy(out, PATH_MAX, str_from(given));
	ssize_t len = readlink("/proc/self/exe", base, sizeof(base) - 1);
	base[len > 0 ? len : 0] = '\0';
	for (unsigned up = 0; up <= WALK_UP_MAX; up++) {
		char *slash = strrchr(base, '/');
		if (slash == NULL)
			break;
		*slash = '\0';
		int size = snprintf(out, PATH_MAX, "%s/%s", base, places[up > 0]);
		if (size < 0 || size >= PATH_MAX)
			break;
		snprintf(probe, sizeof(probe), "%s/%s", out, FIRST_MIGRATION);
		if (access(probe, R_OK) == 0)
			return true;
	}
	snprintf(out, PATH_MAX, "%s", WASL_SCHEMA_DIR);
	return access(out, R_OK) == 0;
}

static bool read_folder(const char *folder, struct migrations *migrations, struct err *err)
{
	struct dirent **entries = NULL;
	char shown[ERR_PATH_MAX];
	int count = scandir(folder, &entries, is_migration, by_name);
	bool is_ok = false;
	if (count < 0)
		return err_set(err, ERR_SYSTEM, errno, "%s", err_path(shown, folder));
	if (count == 0 || count > FILES_MAX) {
		err_set(err, ERR_REFUSED, 0, "%s holds %d migrations", err_path(shown, folder),
			count);
		goto out;
	}
	migrations->files = calloc((size_t)count, sizeof(*migrations->files));
	is_ok = migrations->files != NULL || err_set(err, ERR_SYSTEM, ENOMEM, "migrations");
	for (int i = 0; is_ok && i < count; i++) {
		struct migration *file = &migrations->files[i];
		is_ok = str_copy(file->name, sizeof(file->name), str_from(entries[i]->d_name)) &&
			read_one(folder, file, err);
		migrations->count++;
		if (is_ok && i > 0 && strncmp(file->name, file[-1].name, NUMBER_DIGITS) == 0)
			is_ok = err_set(err, ERR_REFUSED, 0, "%s and %s have the same number",
				file[-1].name, file->name);
	}
out:
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return is_ok;
}

static bool read_one(const char *folder, struct migration *migration, struct err *err)
{
	char path[PATH_MAX + FILE_NAME_MAX];
	uint8_t hash[SEAL_HASH_BYTES];
	snprintf(path, sizeof(path), "%s/%s", folder, migration->name);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return err_set(err, ERR_SYSTEM, errno, "%s", migration->name);
	migration->text = malloc(FILE_BYTES_MAX + 1);
	size_t len = migration->text ? fread(migration->text, 1, FILE_BYTES_MAX + 1, file) : 0;
	bool is_ok = migration->text != NULL && !ferror(file);
	fclose(file);
	if (!is_ok)
		return err_set(err, ERR_SYSTEM, EIO, "%s", migration->name);
	if (len > FILE_BYTES_MAX || memchr(migration->text, '\0', len) != NULL)
		return err_set(
			err, ERR_FORMAT, 0, "%s is too long or holds a NUL", migration->name);
	migration->text[len] = '\0';
	if (!seal_sha256((struct str){migration->text, len}, hash))
		return err_set(err, ERR_SYSTEM, 0, "%s: SHA-256 failed", migration->name);
	hex_encode(migration->sha256, hash, sizeof(hash));
	migration->sha256[SHA256_HEX - 1] = '\0';
	char *fitted = realloc(migration->text, len + 1);
	migration->text = fitted ? fitted : migration->text;
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* NNNN_….sql */
static int is_migration(const struct dirent *entry)
{
	struct str name = str_from(entry->d_name);
	const size_t suffix_len = sizeof(".sql") - 1;
	if (name.len < NUMBER_DIGITS + 1 + suffix_len || name.data[NUMBER_DIGITS] != '_')
		return 0;
	for (unsigned i = 0; i < NUMBER_DIGITS; i++) {
		if (name.data[i] < '0' || name.data[i] > '9')
			return 0;
	}
	return memcmp(name.data + name.len - suffix_len, ".sql", suffix_len) == 0;
}

/* One migrate at a time: the session's lock is held until the connection ends. */
static bool prepare(struct call *call)
{
	struct err err = {0};
	if (!call_run(call, "SELECT pg_advisory_lock(hashtext($1))", DB_ARGS(LOCK_TEXT)))
		return false;
	if (!db_set_deadline(call->db, DB_MIGRATION_S, &err)) {
		call_fail_err(call, &err);
		return false;
	}
	return call_run(call, "CREATE SCHEMA IF NOT EXISTS wasl", DB_ARGS()) &&
	       call_run(call,
		       "CREATE TABLE IF NOT EXISTS wasl.migrations (name text PRIMARY KEY, "
		       "sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
		       DB_ARGS());
}

/* What was applied must be the first files of the folder, byte for byte. */
static bool check_applied(struct call *call, const struct migrations *migrations, unsigned *applied)
{
	struct db_rows *rows = call_query(call,
		"SELECT name, sha256 FROM wasl.migrations ORDER BY name COLLATE \"C\"", DB_ARGS());
	if (rows == NULL)
		return false;
	bool is_ok = true;
	unsigned count = db_rows_count(rows);
	for (unsigned i = 0; is_ok && i < count; i++) {
		const char *name = db_cell(rows, i, 0);
		const struct migration *file = i < migrations->count ? &migrations->files[i] : NULL;
		int order = file ? strcmp(file->name, name) : 1;
		if (order > 0)
			call_fail(call, "%s was applied but is not in the folder", name);
		else if (order < 0)
			call_fail(call, "%s is out of order: %s was applied already", file->name,
				name);
		else if (strcmp(file->sha256, db_cell(rows, i, 1)) != 0)
			call_fail(call, "%s was changed after it was applied", name);
		is_ok = order == 0 && strcmp(file->sha256, db_cell(rows, i, 1)) == 0;
	}
	db_rows_free(rows);
	*applied = count;
	return is_ok;
}

static bool apply(struct call *call, const struct migration *migration)
{
	struct err err = {0};
	if (!call_run(call, "BEGIN", DB_ARGS()))
		return false;
	if (!db_script(call->db, migration->text, &err)) {
		call_fail(call, "%s: %s", migration->name, err.msg);
		return false;
	}
	return call_run(call, "INSERT INTO wasl.migrations (name, sha256) VALUES ($1, $2)",
		       DB_ARGS(migration->name, migration->sha256)) &&
	       call_run(call, "COMMIT", DB_ARGS());
}

static enum call_exit tell(struct call *call, const struct migrations *migrations, unsigned from)
{
	if (call->is_json) {
		json_t *names = json_array();
		for (unsigned i = from; i < migrations->count; i++)
			json_array_append_new(names, json_string(migrations->files[i].name));
		return out_object(call, json_pack("{s:o}", "applied", names));
	}
	for (unsigned i = from; i < migrations->count; i++)
		printf("applied %s\n", migrations->files[i].name);
	if (from == migrations->count)
		printf("nothing to apply: %u migrations are in place\n", from);
	return CALL_DONE;
}

static void migrations_release(struct migrations *migrations)
{
	for (unsigned i = 0; i < migrations->count; i++)
		free(migrations->files[i].text);
	free(migrations->files);
}
