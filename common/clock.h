/* SPDX-License-Identifier: Apache-2.0
 * The two clocks: wall time for what people see, monotonic time for every deadline. */
#ifndef WASL_CLOCK_H
#define WASL_CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void); /* since 1970-01-01T00:00:00Z, CLOCK_REALTIME */
int64_t clock_mono_us(void); /* CLOCK_MONOTONIC */

#endif
