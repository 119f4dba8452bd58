/* SPDX-License-Identifier: Apache-2.0
 * Amounts and rates from text. What parses prints and parses back as the same number. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "money.h"

#define DIGITS_MAX 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str raw = {.data = (const char *)data, .len = size};
	char text[MONEY_TEXT_MAX];
	int64_t minor, back;
	unsigned bp, bp_back, digits;
	for (digits = 0; digits <= DIGITS_MAX; digits++) {
		if (money_parse(raw, digits, &minor) != MONEY_OK)
			continue;
		money_format(text, minor, digits);
		if (money_parse(str_from(text), digits, &back) != MONEY_OK || back != minor)
			abort();
	}
	if (money_parse_rate(raw, &bp) == MONEY_OK) {
		money_format_rate(text, bp);
		if (money_parse_rate(str_from(text), &bp_back) != MONEY_OK || bp_back != bp)
			abort();
	}
	money_currency_digits(raw, &digits);
	return 0;
}
