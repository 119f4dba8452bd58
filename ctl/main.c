/* SPDX-License-Identifier: Apache-2.0
 * waslctl: finds the command that was named, or prints which there are. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "nouns.h"
#include "options.h"
#include "out.h"
#include "version.h"

#define HELP_COMMAND_WIDTH 46

static const struct command *const nouns[] = {migrate_commands, verify_commands, store_commands,
	affiliate_commands, product_commands, link_commands, click_commands, event_commands,
	order_commands, commission_commands, review_commands, rule_commands, coupon_commands,
	payout_commands, balance_commands, key_commands, apikey_commands, spool_commands,
	quarantine_commands};
#define NOUN_COUNT (sizeof(nouns) / sizeof(nouns[0]))

static const struct command *find(const char *noun, const char *verb, bool *is_noun);
static enum call_exit run(struct call *call, int argc, char **argv);
static void print_help(void);
static void print_noun(const struct command *commands);

int main(int argc, char **argv)
{
	struct call call = {0};
	int rest = 0;
	log_init("waslctl", LOG_ERROR); /* what the shared modules log belongs to daemons */
	if (!options_parse_globals(&call, argc, argv, &rest))
		return CALL_USAGE;
	enum call_exit code = CALL_DONE;
	if (call.wants_version)
		printf("waslctl " WASL_VERSION "\n");
	else if (call.wants_help || rest == argc)
		print_help();
	else
		code = run(&call, argc - rest, argv + rest);
	if (rest == argc && !call.wants_help && !call.wants_version)
		code = call_usage(&call, "a command is missing");
	code = out_finish(&call, code);
	call_release(&call);
	return (int)code;
}

/* argv: noun, verb, the rest. */
static enum call_exit run(struct call *call, int argc, char **argv)
{
	bool is_noun = false;
	const char *verb = argc > 1 ? argv[1] : "";
	const struct command *command = find(argv[0], verb, &is_noun);
	if (command == NULL && is_noun && strcmp(verb, "--help") == 0) {
		for (size_t i = 0; i < NOUN_COUNT; i++) {
			if (strcmp(nouns[i]->noun, argv[0]) == 0)
				print_noun(nouns[i]);
		}
		return CALL_DONE;
	}
	if (command == NULL)
		return call_usage(call, "unknown command: %s%s%s", argv[0], *verb ? " " : "", verb);
	call->command = command;
	int skipped = command->verb != NULL ? 1 : 0;
	if (!options_parse_command(call, argc - skipped, argv + skipped))
		return CALL_USAGE;
	options_from_environment(call);
	if (call->wants_version) {
		printf("waslctl " WASL_VERSION "\n");
		return CALL_DONE;
	}
	if (call->wants_help) {
		options_print_command(command);
		return CALL_DONE;
	}
	return command->run(call);
}

static const struct command *find(const char *noun, const char *verb, bool *is_noun)
{
	for (size_t i = 0; i < NOUN_COUNT; i++) {
		if (strcmp(nouns[i]->noun, noun) != 0)
			continue;
		*is_noun = true;
		for (const struct command *command = nouns[i]; command->noun != NULL; command++) {
			if (command->verb == NULL || strcmp(command->verb, verb) == 0)
				return command;
		}
	}
	return NULL;
}

static void print_help(void)
{
	printf("usage: waslctl [OPTION]… COMMAND …\nThe operator's command line of "
	       "Wasl.\n\nCommands:\n");
	for (size_t i = 0; i < NOUN_COUNT; i++)
		print_noun(nouns[i]);
	printf("\n");
	options_print_globals();
	printf("\nExit code: 0 done, 1 refused or failed (one line on stderr says why), 2 wrong "
	       "usage.\n"
	       "waslctl COMMAND --help prints the options of one command.\n");
}

static void print_noun(const struct command *commands)
{
	for (const struct command *command = commands; command->noun != NULL; command++) {
		char left[128];
		snprintf(left, sizeof(left), "%s%s%s%s%s", command->noun, command->verb ? " " : "",
			command->verb ? command->verb : "", *command->operands ? " " : "",
			command->operands);
		printf("  %-*s %s\n", HELP_COMMAND_WIDTH, left, command->help);
	}
}
