/* SPDX-License-Identifier: Apache-2.0
 * The clicks that Redis acknowledged within the last moments: a ring of notes. */
#include "recent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* An entry: this head, the note, and padding up to the next multiple of 8. One that would cross the
 * block's end begins at its start; the head before it then says how many bytes are skipped. Behind
 * the block there is room for one head. */
struct entry {
	int64_t added_us;
	uint32_t bytes; /* with head and padding */
	uint32_t len;   /* of the note; SKIPPED: there is none */
};

#define SKIPPED UINT32_MAX

static struct entry *entry_at(const struct recent *recent, uint64_t offset);
static bool entry_make(struct recent *recent, struct str note, int64_t now_us);
static bool make_room(struct recent *recent, uint64_t bytes);
static void forget_old(struct recent *recent, int64_t now_us);
static void forget_first(struct recent *recent);

void recent_init(struct recent *recent, int64_t window_us)
{
	*recent = (struct recent){.window_us = window_us};
}

void recent_release(struct recent *recent)
{
	free(recent->bytes);
	recent_init(recent, recent->window_us);
}

void recent_add(struct recent *recent, struct str note, int64_t now_us)
{
	if (recent->window_us == 0)
		return;
	if (!recent->is_held)
		forget_old(recent, now_us);
	if (!entry_make(recent, note, now_us))
		recent->cut++;
}

void recent_hold(struct recent *recent, bool is_held)
{
	recent->is_held = is_held;
}

void recent_lose(struct recent *recent)
{
	recent->lost_to = recent->end;
}

bool recent_has_lost(const struct recent *recent)
{
	return recent->first < recent->lost_to;
}

bool recent_lost_next(const struct recent *recent, uint64_t *at, struct str *note)
{
	while (*at < recent->lost_to) {
		const struct entry *entry = entry_at(recent, *at);
		*at += entry->bytes;
		if (entry->len == SKIPPED)
			continue;
		*note = (struct str){(const char *)(entry + 1), entry->len};
		return true;
	}
	return false;
}

void recent_drop(struct recent *recent, unsigned count)
{
	const uint64_t left = recent->count - count;
	assert(count <= recent->count);
	while (recent->count > left) {
		assert(recent_has_lost(recent));
		forget_first(recent);
	}
}

static struct entry *entry_at(const struct recent *recent, uint64_t offset)
{
	return (struct entry *)(void *)(recent->bytes + (offset & (recent->size - 1)));
}

static bool entry_make(struct recent *recent, struct str note, int64_t now_us)
{
	const uint64_t bytes = (sizeof(struct entry) + note.len + 7) / 8 * 8;
	assert(note.len < UINT32_MAX / 2);
	if (!make_room(recent, 2 * bytes))
		return false;
	const uint64_t left = recent->size - (recent->end & (recent->size - 1));
	if (left < bytes) {
		/* It may reach into the block's spare end. */
		struct entry *skip = entry_at(recent, recent->end);
		*skip = (struct entry){.added_us = now_us, .bytes = (uint32_t)left, .len = SKIPPED};
		recent->end += left;
	}
	struct entry *entry = entry_at(recent, recent->end);
	*entry = (struct entry){
		.added_us = now_us, .bytes = (uint32_t)bytes, .len = (uint32_t)note.len};
	memcpy(entry + 1, note.data, note.len);
	recent->end += bytes;
	recent->count++;
	return true;
}

/* So many bytes behind the end: grows, or at the limit forgets the oldest. False when there is no
 * memory at all. */
static bool make_room(struct recent *recent, uint64_t bytes)
{
	while (!recent->bytes || recent->end - recent->first + bytes > recent->size) {
		const uint64_t size = recent->size ? 2 * recent->size : RECENT_BYTES_MIN;
		char *grown = size <= RECENT_BYTES_MAX ? malloc(size + sizeof(struct entry)) : NULL;
		if (!grown) {
			if (recent->first == recent->end || recent_has_lost(recent))
				return false;
			recent->cut++;
			forget_first(recent);
			continue;
		}
		struct recent fresh = {.bytes = grown,
			.size = size,
			.window_us = recent->window_us,
			.cut = recent->cut,
			.is_held = recent->is_held};
		for (uint64_t at = recent->first; at < recent->end;) {
			const struct entry *entry = entry_at(recent, at);
			at += entry->bytes;
			if (entry->len != SKIPPED) {
				const struct str note = {(const char *)(entry + 1), entry->len};
				entry_make(&fresh, note, entry->added_us);
			}
			if (at == recent->lost_to)
				fresh.lost_to = fresh.end;
		}
		free(recent->bytes);
		*recent = fresh;
	}
	return true;
}

static void forget_old(struct recent *recent, int64_t now_us)
{
	while (recent->first < recent->end && recent->first >= recent->lost_to &&
		entry_at(recent, recent->first)->added_us < now_us - recent->window_us)
		forget_first(recent);
}

static void forget_first(struct recent *recent)
{
	const struct entry *entry = entry_at(recent, recent->first);
	recent->count -= entry->len != SKIPPED;
	recent->first += entry->bytes;
}
