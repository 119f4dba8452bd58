/* SPDX-License-Identifier: Apache-2.0
 * All that Redis is to know of one click, in a few bytes: what waits in the spool, or in memory,
 * until Redis has it for sure. Pure. */
#ifndef WASL_CLICK_NOTE_H
#define WASL_CLICK_NOTE_H

#include "click.h"

#define CLICK_NOTE_KIND  1  /* of its record in a spool; the record's time is the click's */
#define CLICK_NOTE_BYTES 51 /* without sub-ids */
#define CLICK_NOTE_MAX   (CLICK_NOTE_BYTES + CLICK_EXTRAS_MAX)

struct click_note {
	struct click_bucket bucket;
	unsigned index;
	int64_t expires_at_s;               /* of the bucket */
	uint8_t record[CLICK_RECORD_BYTES]; /* as click_record_encode wrote it */
	struct str extras;                  /* as click_extras_encode wrote them; empty: none */
};

/* 1 | bucket high u8 | bucket low u64 | index u8 | expires_at_s u64 | record | extras. Returns the
 * length. */
unsigned click_note_encode(uint8_t out[CLICK_NOTE_MAX], const struct click_note *note);
/* note->extras is a view into raw. */
bool click_note_parse(struct str raw, struct click_note *note);

#endif
