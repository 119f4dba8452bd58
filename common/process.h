/* SPDX-License-Identifier: Apache-2.0
 * What a daemon does to itself before anything else. */
#ifndef WASL_PROCESS_H
#define WASL_PROCESS_H

/* Opens /dev/null in the place of a closed standard stream, so that no socket or file of ours ever
 * has its number and gets the log; and forbids core files, which would hold the keys. */
void process_guard(void);
/* Raises the limit of descriptors to the hard one. Returns how many of the asked connections they
 * are enough for, at least 1: those of stores, files and the admin listener must not be taken by
 * visitors. Fewer than asked is said once (ev=few_descriptors). */
unsigned process_descriptors(unsigned connections);

#endif
