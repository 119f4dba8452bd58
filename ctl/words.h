/* SPDX-License-Identifier: Apache-2.0
 * The sentences of outcome codes, in the language of whoever reads them. Pure. */
#ifndef WASL_CTL_WORDS_H
#define WASL_CTL_WORDS_H

#include <stdbool.h>

/* Why, in a sentence; NULL for what is no code (also for NULL). */
const char *words_of_outcome(const char *code, bool is_arabic);

#endif
