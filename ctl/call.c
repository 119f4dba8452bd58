/* SPDX-License-Identifier: Apache-2.0
 * What the commands ask of their call: reports, values, the database. */
#include "call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "money.h"
#include "text.h"
#include "timestamp.h"

#define REPORT_MAX 1024
#define LINE_MAX_  (REPORT_MAX * TEXT_ESCAPE_MAX)

static void report(const struct call *call, const char *message);
static unsigned option_index(const struct call *call, const char *name);

enum call_exit call_fail(const struct call *call, const char *format, ...)
{
	char message[REPORT_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	report(call, message);
	return CALL_FAILED;
}

enum call_exit call_fail_err(const struct call *call, const struct err *err)
{
	report(call, err->msg);
	return err->kind == ERR_USAGE ? CALL_USAGE : CALL_FAILED;
}

enum call_exit call_usage(const struct call *call, const char *format, ...)
{
	char message[REPORT_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	report(call, message);
	return CALL_USAGE;
}

const char *call_text(const struct call *call, const char *name)
{
	return call->values[option_index(call, name)];
}

bool call_has(const struct call *call, const char *name)
{
	return call_text(call, name) != NULL;
}

bool call_number(
	const struct call *call, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = call_text(call, name);
	uint64_t value = 0;
	if (text == NULL)
		return true;
	if (!str_parse_u64(str_from(text), max, &value) || value < min) {
		call_usage(call, "--%s: '%s' is not a number from %llu to %llu", name, text,
			(unsigned long long)min, (unsigned long long)max);
		return false;
	}
	*out = value;
	return true;
}

bool call_id(const struct call *call, const char *name)
{
	uint64_t ignored = 0;
	return call_number(call, name, 1, CALL_ID_MAX, &ignored);
}

bool call_one_of(const struct call *call, const char *name, const char *words)
{
	const char *text = call_text(call, name);
	if (text == NULL)
		return true;
	struct str rest = str_from(words);
	struct str word;
	while (rest.len > 0) {
		str_cut(rest, '|', &word, &rest);
		if (str_equal(word, str_from(text)))
			return true;
	}
	call_usage(call, "--%s: '%s' is not one of %s", name, text, words);
	return false;
}

bool call_window(const struct call *call, const char *name, uint64_t *window_s)
{
	const char *text = call_text(call, name);
	int64_t us = 0;
	if (text == NULL)
		return true;
	if (!duration_parse(str_from(text), &us) || us <= 0 || us % US_PER_S != 0 ||
		us / US_PER_S > UINT32_MAX) {
		call_usage(call, "--%s: '%s' is not whole seconds such as 30d or 12h", name, text);
		return false;
	}
	*window_s = (uint64_t)(us / US_PER_S);
	return true;
}

bool call_rate(const struct call *call, const char *name, unsigned *bp)
{
	const char *text = call_text(call, name);
	if (text == NULL || money_parse_rate(str_from(text), bp) == MONEY_OK)
		return true;
	call_usage(call, "--%s: '%s' is not a rate from 0%% to 100%% such as 7.5%%", name, text);
	return false;
}

bool call_time(const struct call *call, const char *name, int64_t *us)
{
	const char *text = call_text(call, name);
	char midnight[TIMESTAMP_TEXT_MAX];
	if (text == NULL || timestamp_parse(str_from(text), us))
		return true;
	int len = snprintf(midnight, sizeof(midnight), "%sT00:00:00Z", text);
	if (len > 0 && (size_t)len < sizeof(midnight) && timestamp_parse(str_from(midnight), us))
		return true;
	call_usage(call, "--%s: '%s' is neither an RFC 3339 time nor a date (then midnight UTC)",
		name, text);
	return false;
}

const char *call_number_param(
	const struct call *call, const char *name, int64_t number, char text[CALL_NUMBER_MAX])
{
	snprintf(text, CALL_NUMBER_MAX, "%lld", (long long)number);
	return call_has(call, name) ? text : NULL;
}

bool call_words(const struct call *call, const char *name, size_t max, bool may_control)
{
	const char *text = call_text(call, name);
	if (text == NULL)
		return true;
	struct str view = str_from(text);
	if (view.len == 0 || view.len > max)
		call_usage(call, "--%s: takes 1 to %zu bytes", name, max);
	else if (!utf8_is_valid(view))
		call_usage(call, "--%s: is not UTF-8", name);
	else if (!may_control && text_has_control(view))
		call_usage(call, "--%s: holds a control character", name);
	else
		return true;
	return false;
}

bool call_operand_id(const struct call *call, unsigned index)
{
	uint64_t id = 0;
	assert(index < call->operand_count);
	if (str_parse_u64(str_from(call->operands[index]), CALL_ID_MAX, &id) && id > 0)
		return true;
	call_usage(call, "'%s' is not an id", call->operands[index]);
	return false;
}

bool call_operand_number(const struct call *call, unsigned index)
{
	uint64_t number = 0;
	assert(index < call->operand_count);
	if (str_parse_u64(str_from(call->operands[index]), INT64_MAX, &number) && number > 0)
		return true;
	call_usage(call, "'%s' is not a number", call->operands[index]);
	return false;
}

const char *call_need(const struct call *call, enum global global)
{
	static const char *const names[GLOBAL_COUNT] = {
		[GLOBAL_DATABASE_URL] = "--database-url or WASL_DATABASE_URL",
		[GLOBAL_KEYRING] = "--keyring or WASL_KEYRING",
		[GLOBAL_REDIS_URL] = "--redis-url or WASL_REDIS_URL",
		[GLOBAL_ATTRIBUTOR_URL] = "--attributor-url or WASL_ATTRIBUTOR_URL",
		[GLOBAL_LINK_BASE] = "--link-base or WASL_LINK_BASE",
		[GLOBAL_SCHEMA_DIR] = "--schema-dir or WASL_SCHEMA_DIR",
	};
	if (call->globals[global] == NULL)
		call_usage(call, "%s is required", names[global]);
	return call->globals[global];
}

bool call_db(struct call *call, enum call_exit *code)
{
	if (call->db != NULL)
		return true;
	struct err err = {0};
	const char *url = call_need(call, GLOBAL_DATABASE_URL);
	*code = CALL_USAGE;
	if (url == NULL)
		return false;
	call->db = db_open(url, &err);
	if (call->db == NULL)
		*code = call_fail_err(call, &err);
	return call->db != NULL;
}

struct db_rows *call_query(
	struct call *call, const char *sql, unsigned count, const char *const *params)
{
	struct err err = {0};
	struct db_rows *rows = db_query(call->db, sql, count, params, &err);
	if (rows == NULL)
		call_fail_err(call, &err);
	return rows;
}

bool call_run(struct call *call, const char *sql, unsigned count, const char *const *params)
{
	struct db_rows *rows = call_query(call, sql, count, params);
	db_rows_free(rows);
	return rows != NULL;
}

void call_release(struct call *call)
{
	db_close(call->db);
	call->db = NULL;
}

static void report(const struct call *call, const char *message)
{
	struct buf line;
	buf_init(&line, LINE_MAX_);
	text_escape(&line, str_from(message));
	fprintf(stderr, "waslctl%s%s%s%s: %s\n", call->command ? " " : "",
		call->command ? call->command->noun : "",
		call->command && call->command->verb ? " " : "",
		call->command && call->command->verb ? call->command->verb : "", buf_cstr(&line));
	buf_release(&line);
}

static unsigned option_index(const struct call *call, const char *name)
{
	const struct option_spec *options = call->command->options;
	for (unsigned i = 0; options != NULL && options[i].kind != OPTION_END; i++) {
		if (strcmp(options[i].name, name) == 0)
			return i;
	}
	assert(!"the command has no such option");
	return 0;
}
