/* SPDX-License-Identifier: Apache-2.0
 * getopt_long over the tables of options. */
#include "options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_NAME_WIDTH 26

enum global_switch {
	SWITCH_JSON = GLOBAL_COUNT,
	SWITCH_HELP,
	SWITCH_VERSION,
	GLOBALS_AND_SWITCHES
};

#define FIRST_GLOBAL 1000 /* getopt values below are the command's own options */
#define LONG_MAX     (CALL_OPTIONS_MAX + GLOBALS_AND_SWITCHES + 1)

struct global_spec {
	const char *name, *environment, *value, *help;
	const char *fallback; /* NULL: none */
};

static const struct global_spec globals[GLOBALS_AND_SWITCHES] = {
	[GLOBAL_DATABASE_URL] = {"database-url", "WASL_DATABASE_URL", "URL",
		"Postgres, as a libpq URI; the role that owns the schema"},
	[GLOBAL_KEYRING] = {"keyring", "WASL_KEYRING", "FILE", "the keyring file",
		"/etc/wasl/keyring"},
	[GLOBAL_REDIS_URL] = {"redis-url", "WASL_REDIS_URL", "URL",
		"Redis, for click show and spool replay", "redis://127.0.0.1:6379"},
	[GLOBAL_ATTRIBUTOR_URL] = {"attributor-url", "WASL_ATTRIBUTOR_URL", "URL",
		"the attributor as storefronts reach it", "http://127.0.0.1:8090"},
	[GLOBAL_LINK_BASE] = {"link-base", "WASL_LINK_BASE", "URL",
		"what stands before a link's token", "http://127.0.0.1:8080"},
	[GLOBAL_SCHEMA_DIR] = {"schema-dir", "WASL_SCHEMA_DIR", "DIR", "the migrations"},
	[GLOBAL_STATE_DIR] = {"state-dir", "WASL_STATE_DIR", "DIR",
		"a daemon's folder on this machine, for spool", "/var/lib/wasl-tracker"},
	[SWITCH_JSON] = {"json", NULL, NULL, "JSON for programs instead of a table for people"},
	[SWITCH_HELP] = {"help", NULL, NULL, "print help and exit"},
	[SWITCH_VERSION] = {"version", NULL, NULL, "print the version and exit"},
};

static void add_globals(struct option *longs, unsigned *count);
static void add_own(struct option *longs, unsigned *count, const struct command *command);
static void take_global(struct call *call, int which, const char *value);
static bool take_own(struct call *call, unsigned index, const char *value);
static bool refuse(const struct call *call, char **argv, int code);
static bool check_complete(const struct call *call);

bool options_parse_globals(struct call *call, int argc, char **argv, int *rest)
{
	struct option longs[LONG_MAX] = {0};
	unsigned count = 0;
	add_globals(longs, &count);
	optind = 1;
	opterr = 0;
	for (int code; (code = getopt_long(argc, argv, "+:", longs, NULL)) != -1;) {
		if (code == '?' || code == ':')
			return refuse(call, argv, code);
		take_global(call, code - FIRST_GLOBAL, optarg);
	}
	*rest = optind;
	return true;
}

bool options_parse_command(struct call *call, int argc, char **argv)
{
	struct option longs[LONG_MAX] = {0};
	unsigned count = 0;
	add_own(longs, &count, call->command);
	add_globals(longs, &count);
	optind = 0; /* starts anew, also after another scan */
	opterr = 0;
	for (int code; (code = getopt_long(argc, argv, ":", longs, NULL)) != -1;) {
		if (code == '?' || code == ':')
			return refuse(call, argv, code);
		if (code >= FIRST_GLOBAL)
			take_global(call, code - FIRST_GLOBAL, optarg);
		else if (!take_own(call, (unsigned)code - 1, optarg))
			return false;
	}
	call->operands = argv + optind;
	call->operand_count = (unsigned)(argc - optind);
	return call->wants_help || call->wants_version || check_complete(call);
}

void options_from_environment(struct call *call)
{
	for (unsigned i = 0; i < GLOBAL_COUNT; i++) {
		const char *value = getenv(globals[i].environment);
		if (call->globals[i] == NULL && value != NULL && *value != '\0')
			call->globals[i] = value;
		if (call->globals[i] == NULL)
			call->globals[i] = globals[i].fallback;
	}
}

void options_print_globals(void)
{
	printf("Options of every command (or their environment variables):\n");
	for (unsigned i = 0; i < GLOBALS_AND_SWITCHES; i++) {
		char left[64];
		snprintf(left, sizeof(left), "--%s%s%s", globals[i].name,
			globals[i].value ? " " : "", globals[i].value ? globals[i].value : "");
		printf("  %-*s %s", HELP_NAME_WIDTH, left, globals[i].help);
		if (globals[i].environment != NULL)
			printf("; %s", globals[i].environment);
		if (globals[i].fallback != NULL)
			printf(" (default %s)", globals[i].fallback);
		printf("\n");
	}
}

void options_print_command(const struct command *command)
{
	printf("usage: waslctl %s%s%s%s%s [OPTION]…\n%s.\n", command->noun,
		command->verb ? " " : "", command->verb ? command->verb : "",
		*command->operands ? " " : "", command->operands, command->help);
	if (command->options != NULL)
		printf("\nOptions:\n");
	for (const struct option_spec *option = command->options;
		option != NULL && option->kind != OPTION_END; option++) {
		char left[64];
		snprintf(left, sizeof(left), "--%s%s%s", option->name, option->value ? " " : "",
			option->value ? option->value : "");
		printf("  %-*s %s%s%s\n", HELP_NAME_WIDTH, left, option->help,
			option->is_required ? " (required)" : "",
			option->kind == OPTION_LIST ? " (may be repeated)" : "");
	}
	printf("\n");
	options_print_globals();
}

static void add_globals(struct option *longs, unsigned *count)
{
	for (int i = 0; i < GLOBALS_AND_SWITCHES; i++)
		longs[(*count)++] = (struct option){.name = globals[i].name,
			.has_arg = globals[i].value ? required_argument : no_argument,
			.val = FIRST_GLOBAL + i};
}

static void add_own(struct option *longs, unsigned *count, const struct command *command)
{
	for (unsigned i = 0; command->options != NULL && command->options[i].kind != OPTION_END;
		i++) {
		assert(i < CALL_OPTIONS_MAX);
		longs[(*count)++] = (struct option){.name = command->options[i].name,
			.has_arg = command->options[i].kind == OPTION_SWITCH ? no_argument
									     : required_argument,
			.val = (int)i + 1};
	}
}

static void take_global(struct call *call, int which, const char *value)
{
	if (which < GLOBAL_COUNT)
		call->globals[which] = value;
	else if (which == SWITCH_JSON)
		call->is_json = true;
	else if (which == SWITCH_HELP)
		call->wants_help = true;
	else
		call->wants_version = true;
}

static bool take_own(struct call *call, unsigned index, const char *value)
{
	const struct option_spec *option = &call->command->options[index];
	if (option->kind == OPTION_LIST) {
		if (call->list_count == CALL_LIST_MAX) {
			call_usage(call, "--%s more than %d times", option->name, CALL_LIST_MAX);
			return false;
		}
		call->list[call->list_count++] = value;
	} else if (call->values[index] != NULL) {
		call_usage(call, "--%s is given twice", option->name);
		return false;
	}
	call->values[index] = option->kind == OPTION_SWITCH ? "on" : value;
	return true;
}

static bool refuse(const struct call *call, char **argv, int code)
{
	const char *word = argv[optind > 0 ? optind - 1 : 0];
	if (code == ':')
		call_usage(call, "%s needs a value", word);
	else
		call_usage(call, "unknown option %s", word);
	return false;
}

static bool check_complete(const struct call *call)
{
	const struct command *command = call->command;
	for (unsigned i = 0; command->options != NULL && command->options[i].kind != OPTION_END;
		i++) {
		if (command->options[i].is_required && call->values[i] == NULL) {
			call_usage(call, "--%s is required", command->options[i].name);
			return false;
		}
	}
	if (call->operand_count < command->operands_min) {
		call_usage(call, "%s is missing", command->operands);
		return false;
	}
	if (call->operand_count > command->operands_max) {
		call_usage(call, "unexpected argument '%s'", call->operands[command->operands_max]);
		return false;
	}
	return true;
}
