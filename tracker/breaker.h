/* SPDX-License-Identifier: Apache-2.0
 * Whether a click should wait for Redis at all: after a whole deadline of silence it should not,
 * until a probe comes back in time. Pure. */
#ifndef WASL_TRACKER_BREAKER_H
#define WASL_TRACKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct breaker {
	int64_t deadline_us;
	int64_t answered_us; /* when Redis last said anything */
	int64_t probed_us;   /* when the probe under way left */
	bool is_open;        /* clicks do not wait */
	bool is_probing;
};

void breaker_init(struct breaker *breaker, int64_t deadline_us);
/* Redis has answered something. */
static inline void breaker_answered(struct breaker *breaker, int64_t now_us)
{
	breaker->answered_us = now_us;
}
/* A click has waited in vain for the deadline. Opens, and returns true, if nothing came at all
 * meanwhile: one slow answer among others is no reason. */
bool breaker_missed(struct breaker *breaker, int64_t now_us);
/* A probe leaves: false while one is under way, or none is needed. */
bool breaker_probe(struct breaker *breaker, int64_t now_us);
/* Its answer, or its loss. Closes, and returns true, if it came within the deadline. */
bool breaker_probed(struct breaker *breaker, bool is_answer, int64_t now_us);
/* A new connection: nothing is known against it. */
void breaker_reset(struct breaker *breaker, int64_t now_us);

#endif
