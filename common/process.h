/* SPDX-License-Identifier: Apache-2.0
 * What a daemon does to itself before anything else. */
#ifndef WASL_PROCESS_H
#define WASL_PROCESS_H

/* Opens /dev/null in the place of a closed standard stream, so that no socket or file of ours ever
 * has its number and gets the log; and forbids core files, which would hold the keys. */
void process_guard(void);

#endif
