/* SPDX-License-Identifier: Apache-2.0
 * The words for why: verdicts of candidates, reasons of decisions and of amounts, from
 * common/outcome.def. Pure. */
#ifndef WASL_OUTCOME_H
#define WASL_OUTCOME_H

#include <stdbool.h>

#include "str.h"

#define OUTCOME(name, code, arabic, english) OUTCOME_##name,
enum outcome {
	OUTCOME_NONE = 0,
#include "outcome.def"
	OUTCOME_COUNT
};

/* The code as the database, the API and the answers have it; "" for OUTCOME_NONE. */
const char *outcome_name(enum outcome outcome);
/* A sentence for the affiliate, in UTF-8; "" for OUTCOME_NONE. */
const char *outcome_arabic(enum outcome outcome);
const char *outcome_english(enum outcome outcome);
/* The outcome of a code; refuses what is none, the empty text too. */
bool outcome_parse(struct str code, enum outcome *outcome);

#endif
