/* SPDX-License-Identifier: Apache-2.0
 * The attributor as a whole: its parts put together, started, told of signals, and taken apart. */
#ifndef WASL_ATTRIBUTOR_SERVICE_H
#define WASL_ATTRIBUTOR_SERVICE_H

#include "config.h"

/* Runs until SIGTERM or SIGINT. Returns the process's exit code; what is wrong with a start is one
 * line in the log. argc and argv: to read the log level again on SIGHUP. */
int service_run(const struct config *config, int argc, char **argv);

#endif
