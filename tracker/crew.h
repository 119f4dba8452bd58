/* SPDX-License-Identifier: Apache-2.0
 * The running tracker: its workers, the catalogue they share, the admin listener and the signals.
 * Lives on the main thread's loop. */
#ifndef WASL_TRACKER_CREW_H
#define WASL_TRACKER_CREW_H

#include "config.h"
#include "err.h"
#include "keyring.h"

/* From SIGTERM to the exit at the latest: answers under way, Redis, the snapshot. */
#define CREW_DRAIN_US INT64_C(10000000)

/* argc, argv: for SIGHUP, which reads the keyring and the options again. Runs until SIGTERM or
 * SIGINT. Returns the exit code: 0 drained; 1 the start failed (one line on stderr), or the end
 * took longer than CREW_DRAIN_US. A second SIGTERM ends at once with 1. */
int crew_run(const struct config *config, struct keyring *keyring, int argc, char **argv);

#endif
