/* SPDX-License-Identifier: Apache-2.0
 * One run of one command: what it is called with, how it reports, and the exit code it ends with.
 */
#ifndef WASL_CTL_CALL_H
#define WASL_CTL_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "db.h"
#include "err.h"
#include "str.h"

#define CALL_OPTIONS_MAX 24 /* options of one command's own */
#define CALL_LIST_MAX    64 /* values of one repeatable option */
#define CALL_ID_MAX      UINT32_MAX
#define CALL_NUMBER_MAX  24 /* decimal digits of an int64, a sign and a NUL */

enum call_exit { CALL_DONE = 0, CALL_FAILED = 1, CALL_USAGE = 2 };

enum option_kind { OPTION_END = 0, OPTION_TEXT, OPTION_SWITCH, OPTION_LIST };

struct option_spec {
	const char *name;
	enum option_kind kind;
	bool is_required;
	const char *value; /* what the help calls it; NULL for a switch */
	const char *help;
};

/* The options that every command takes; each but the switches has an environment variable. */
enum global {
	GLOBAL_DATABASE_URL = 0,
	GLOBAL_KEYRING,
	GLOBAL_REDIS_URL,
	GLOBAL_ATTRIBUTOR_URL,
	GLOBAL_LINK_BASE,
	GLOBAL_SCHEMA_DIR,
	GLOBAL_STATE_DIR,
	GLOBAL_COUNT
};

struct call;
typedef enum call_exit call_fn(struct call *call);

struct command {
	const char *noun;
	const char *verb;     /* NULL: the noun alone */
	const char *operands; /* as the help shows them; "" for none */
	unsigned operands_min, operands_max;
	const struct option_spec *options; /* ends with OPTION_END; NULL: none */
	call_fn *run;
	const char *help;
};

struct call {
	const struct command *command;
	const char *globals[GLOBAL_COUNT];
	bool is_json;
	bool wants_help, wants_version;
	const char *values[CALL_OPTIONS_MAX]; /* by the option's place in command->options */
	const char *list[CALL_LIST_MAX];      /* the values of the one repeatable option */
	unsigned list_count;
	char **operands;
	unsigned operand_count;
	struct db *db; /* opened by call_db */
};

/* Report in one line on stderr, escaped, after "waslctl NOUN VERB: ". They return CALL_FAILED and
 * CALL_USAGE, so that a refusal is one line. */
enum call_exit call_fail(const struct call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
enum call_exit call_fail_err(const struct call *call, const struct err *err);
enum call_exit call_usage(const struct call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The option's value, NULL when it was not given. Naming an option that the command does not have
 * is our bug. */
const char *call_text(const struct call *call, const char *name);
bool call_has(const struct call *call, const char *name);

/* Each checks an option's value and reports a bad one (the caller returns CALL_USAGE); an option
 * that was not given is fine and leaves *out. */
bool call_number(
	const struct call *call, const char *name, uint64_t min, uint64_t max, uint64_t *out);
bool call_id(const struct call *call, const char *name);
bool call_one_of(const struct call *call, const char *name, const char *words);
bool call_window(const struct call *call, const char *name, uint64_t *window_s);
bool call_rate(const struct call *call, const char *name, unsigned *bp);
bool call_time(const struct call *call, const char *name, int64_t *us);
/* A time or number that was checked, as a statement's parameter: NULL when it was not given. */
const char *call_number_param(
	const struct call *call, const char *name, int64_t number, char text[CALL_NUMBER_MAX]);
/* 1 to max bytes of UTF-8; control characters only if may_control. */
bool call_words(const struct call *call, const char *name, size_t max, bool may_control);
bool call_operand_id(const struct call *call, unsigned index);
/* A number of a row that may become large: commissions, reviews, payouts, rules. */
bool call_operand_number(const struct call *call, unsigned index);
/* The global option's value; NULL, reported, when it has no default and neither flag nor
 * environment gives it. */
const char *call_need(const struct call *call, enum global global);

/* Opens the database once; false, reported, when it is not there (the caller returns CALL_FAILED,
 * or CALL_USAGE when no URL was given: *code says which). */
bool call_db(struct call *call, enum call_exit *code);
/* db_query with the failure reported: NULL means the caller returns CALL_FAILED. */
struct db_rows *call_query(
	struct call *call, const char *sql, unsigned count, const char *const *params);
/* The same where no rows matter. */
bool call_run(struct call *call, const char *sql, unsigned count, const char *const *params);
void call_release(struct call *call);

#endif
