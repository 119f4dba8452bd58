/* SPDX-License-Identifier: Apache-2.0
 * Who clicks faster than people do. Pure. */
#include "flood.h"

#define CLICKS_COUNTED UINT16_MAX

void flood_init(struct flood *flood, unsigned clicks_max)
{
	*flood = (struct flood){.clicks_max = clicks_max};
}

bool flood_note(struct flood *flood, uint64_t who, int64_t now_us)
{
	struct flood_slot *slot = &flood->slots[who % FLOOD_SLOTS];
	if (slot->who != who || now_us >= slot->until_us) {
		slot->until_us = now_us + FLOOD_WINDOW_US;
		slot->who = who & ((UINT64_C(1) << 48) - 1);
		slot->clicks = 1;
		return false;
	}
	if (slot->clicks < CLICKS_COUNTED)
		slot->clicks = (uint16_t)(slot->clicks + 1);
	return slot->clicks > flood->clicks_max;
}
