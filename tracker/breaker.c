/* SPDX-License-Identifier: Apache-2.0
 * Whether a click should wait for Redis at all. Pure. */
#include "breaker.h"

void breaker_init(struct breaker *breaker, int64_t deadline_us)
{
	*breaker = (struct breaker){.deadline_us = deadline_us};
}

bool breaker_missed(struct breaker *breaker, int64_t now_us)
{
	if (breaker->is_open || now_us - breaker->answered_us < breaker->deadline_us)
		return false;
	breaker->is_open = true;
	return true;
}

bool breaker_probe(struct breaker *breaker, int64_t now_us)
{
	if (!breaker->is_open || breaker->is_probing)
		return false;
	breaker->is_probing = true;
	breaker->probed_us = now_us;
	return true;
}

bool breaker_probed(struct breaker *breaker, bool is_answer, int64_t now_us)
{
	breaker->is_probing = false;
	if (!breaker->is_open || !is_answer || now_us - breaker->probed_us > breaker->deadline_us)
		return false;
	breaker->is_open = false;
	return true;
}

void breaker_reset(struct breaker *breaker, int64_t now_us)
{
	breaker->is_open = breaker->is_probing = false;
	breaker->answered_us = now_us;
}
