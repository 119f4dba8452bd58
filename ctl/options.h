/* SPDX-License-Identifier: Apache-2.0
 * The command line and the environment into a call; and the help, printed from the same tables. */
#ifndef WASL_CTL_OPTIONS_H
#define WASL_CTL_OPTIONS_H

#include "call.h"

/* Takes the global options before the noun; *rest is the index of what follows them. False: wrong
 * usage, reported. */
bool options_parse_globals(struct call *call, int argc, char **argv, int *rest);
/* Takes the command's own options, the global ones among them, and the operands. argv[0] is the
 * word before them. False: wrong usage, reported. */
bool options_parse_command(struct call *call, int argc, char **argv);
/* Fills the global options that no flag gave from WASL_… variables, else with their defaults. */
void options_from_environment(struct call *call);

void options_print_globals(void);
void options_print_command(const struct command *command);

#endif
