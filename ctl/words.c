/* SPDX-License-Identifier: Apache-2.0
 * One table for attributor, database and us: common/outcome.def. */
#include "words.h"

#include <stddef.h>
#include <string.h>

struct words {
	const char *code, *arabic, *english;
};

#define OUTCOME(name, code, arabic, english) {code, arabic, english},
static const struct words outcomes[] = {
#include "outcome.def"
};

const char *words_of_outcome(const char *code, bool is_arabic)
{
	for (size_t i = 0; code != NULL && i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		if (strcmp(outcomes[i].code, code) == 0)
			return is_arabic ? outcomes[i].arabic : outcomes[i].english;
	return NULL;
}
