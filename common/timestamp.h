/* SPDX-License-Identifier: Apache-2.0
 * RFC 3339 times and durations with units, to and from microseconds. Pure. */
#ifndef WASL_TIMESTAMP_H
#define WASL_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

#define TIMESTAMP_TEXT_MAX 32
#define US_PER_S           INT64_C(1000000)
#define US_PER_MS          INT64_C(1000)

/* RFC 3339 section 5.6 with an offset ("Z" or "+hh:mm"), years 1970-9999; a fraction of up to nine
 * digits is cut to microseconds; a leap second (:60) counts as the next second. Refuses the rest.
 */
bool timestamp_parse(struct str text, int64_t *us);
/* "2026-11-21T08:00:00.000Z", NUL-terminated; cut, not rounded, to milliseconds. */
void timestamp_format(char out[TIMESTAMP_TEXT_MAX], int64_t us);

/* "25ms", "1s", "1min", "1h", "30d": a number without sign and one unit (us ms s min h d). Refuses
 * a bare number but "0", white space and overflow. */
bool duration_parse(struct str text, int64_t *us);
/* The largest unit that divides it: 2592000000000 -> "30d". */
void duration_format(char out[TIMESTAMP_TEXT_MAX], int64_t us);

#endif
