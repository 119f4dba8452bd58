/* SPDX-License-Identifier: Apache-2.0
 * All that Redis is to know of one click, in a few bytes. Pure. */
#include "click_note.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define NOTE_VERSION 1
#define LOW_AT       2
#define INDEX_AT     10
#define EXPIRES_AT   11
#define RECORD_AT    19

static_assert(RECORD_AT + CLICK_RECORD_BYTES == CLICK_NOTE_BYTES, "the record closes the note");

static void put_u64(uint8_t *out, uint64_t value);
static uint64_t get_u64(const uint8_t *in);

unsigned click_note_encode(uint8_t out[CLICK_NOTE_MAX], const struct click_note *note)
{
	assert(note->index < CLICK_BUCKET_CLICKS && note->extras.len <= CLICK_EXTRAS_MAX);
	out[0] = NOTE_VERSION;
	out[1] = note->bucket.high & 0x0f;
	put_u64(out + LOW_AT, note->bucket.low);
	out[INDEX_AT] = (uint8_t)note->index;
	put_u64(out + EXPIRES_AT, (uint64_t)note->expires_at_s);
	memcpy(out + RECORD_AT, note->record, CLICK_RECORD_BYTES);
	if (note->extras.len > 0)
		memcpy(out + CLICK_NOTE_BYTES, note->extras.data, note->extras.len);
	return (unsigned)(CLICK_NOTE_BYTES + note->extras.len);
}

bool click_note_parse(struct str raw, struct click_note *note)
{
	const uint8_t *in = (const uint8_t *)raw.data;
	struct click_record record;
	struct click_extras extras;
	if (raw.len < CLICK_NOTE_BYTES || raw.len > CLICK_NOTE_MAX || in[0] != NOTE_VERSION ||
		in[1] > 0x0f || in[INDEX_AT] >= CLICK_BUCKET_CLICKS ||
		get_u64(in + EXPIRES_AT) > INT64_MAX ||
		!click_record_parse(
			(struct str){raw.data + RECORD_AT, CLICK_RECORD_BYTES}, &record))
		return false;
	*note = (struct click_note){
		.bucket = {.high = in[1], .low = get_u64(in + LOW_AT)},
		.index = in[INDEX_AT],
		.expires_at_s = (int64_t)get_u64(in + EXPIRES_AT),
		.extras = {raw.data + CLICK_NOTE_BYTES, raw.len - CLICK_NOTE_BYTES},
	};
	memcpy(note->record, in + RECORD_AT, CLICK_RECORD_BYTES);
	return note->extras.len == 0 || click_extras_parse(note->extras, &extras);
}

static void put_u64(uint8_t *out, uint64_t value)
{
	const uint64_t big = htobe64(value);
	memcpy(out, &big, sizeof(big));
}

static uint64_t get_u64(const uint8_t *in)
{
	uint64_t big;
	memcpy(&big, in, sizeof(big));
	return be64toh(big);
}
