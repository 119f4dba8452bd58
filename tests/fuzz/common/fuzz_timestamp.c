/* SPDX-License-Identifier: Apache-2.0
 * Times and durations from text. What parses prints and parses back, to the millisecond that is
 * printed. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str raw = {.data = (const char *)data, .len = size};
	char text[TIMESTAMP_TEXT_MAX];
	int64_t us, back;
	if (timestamp_parse(raw, &us)) {
		timestamp_format(text, us);
		if (!timestamp_parse(str_from(text), &back) || back != us - us % US_PER_MS)
			abort();
	}
	if (duration_parse(raw, &us)) {
		duration_format(text, us);
		if (!duration_parse(str_from(text), &back) || back != us)
			abort();
	}
	return 0;
}
