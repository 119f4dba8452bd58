/* SPDX-License-Identifier: Apache-2.0
 * Codes and sentences of the outcomes. */
#include "outcome.h"

struct outcome_words {
	const char *code, *arabic, *english;
};

#define OUTCOME(name, code, arabic, english) [OUTCOME_##name] = {code, arabic, english},
static const struct outcome_words words[OUTCOME_COUNT] = {
	[OUTCOME_NONE] = {"", "", ""},
#include "outcome.def"
};

const char *outcome_name(enum outcome outcome)
{
	return words[outcome].code;
}

const char *outcome_arabic(enum outcome outcome)
{
	return words[outcome].arabic;
}

const char *outcome_english(enum outcome outcome)
{
	return words[outcome].english;
}

bool outcome_parse(struct str code, enum outcome *outcome)
{
	for (unsigned i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
		if (!str_equal(code, str_from(words[i].code)))
			continue;
		*outcome = (enum outcome)i;
		return true;
	}
	return false;
}
