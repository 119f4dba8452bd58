/* SPDX-License-Identifier: Apache-2.0
 * Open addressing by the first bytes of a SHA-256, which no sender can steer; removal moves the
 * rest of the run back. */
#include "backlog_index.h"

#include <stdlib.h>
#include <string.h>

#include "seal.h"

#define SLOTS_FIRST 1024
#define KEY_BYTES   16

struct backlog_slot {
	uint8_t key[KEY_BYTES];  /* of SHA-256(store, webhook-id) */
	uint8_t body[KEY_BYTES]; /* of the body's SHA-256 */
	uint32_t pending;        /* records on their way to the disk */
	uint32_t safe;           /* and on it; 0 of both: free */
};

static bool key_of(const struct backlog_record *record, uint8_t key[KEY_BYTES]);
static unsigned home_of(const struct backlog_index *index, const uint8_t key[KEY_BYTES]);
static struct backlog_slot *slot_of(
	const struct backlog_index *index, const uint8_t key[KEY_BYTES]);
static bool grow(struct backlog_index *index);
static bool is_free(const struct backlog_slot *slot);
static void clear_if_free(struct backlog_index *index, const struct backlog_slot *slot);
static void close_gap(struct backlog_index *index, unsigned gap);

void backlog_index_init(struct backlog_index *index)
{
	*index = (struct backlog_index){0};
}

void backlog_index_release(struct backlog_index *index)
{
	free(index->slots);
	*index = (struct backlog_index){0};
}

bool backlog_index_has_room(const struct backlog_index *index)
{
	return index->used < BACKLOG_INDEX_MAX;
}

bool backlog_index_add(struct backlog_index *index, const struct backlog_record *record)
{
	uint8_t key[KEY_BYTES];
	if (!key_of(record, key) || (4 * (index->used + 1) > 3 * index->slot_count && !grow(index)))
		return false;
	struct backlog_slot *const slot = slot_of(index, key);
	if (is_free(slot)) {
		if (!backlog_index_has_room(index))
			return false;
		memcpy(slot->key, key, KEY_BYTES);
		memcpy(slot->body, record->body_sha256, KEY_BYTES);
		index->used++;
	}
	slot->pending++;
	return true;
}

void backlog_index_told(
	struct backlog_index *index, const struct backlog_record *record, bool is_safe)
{
	uint8_t key[KEY_BYTES];
	if (index->used == 0 || !key_of(record, key))
		return;
	struct backlog_slot *const slot = slot_of(index, key);
	if (slot->pending == 0)
		return;
	slot->pending--;
	slot->safe += is_safe ? 1 : 0;
	clear_if_free(index, slot);
}

enum backlog_seen backlog_index_find(
	const struct backlog_index *index, const struct backlog_record *record)
{
	uint8_t key[KEY_BYTES];
	if (index->used == 0 || !key_of(record, key))
		return BACKLOG_NEW;
	const struct backlog_slot *const slot = slot_of(index, key);
	if (is_free(slot))
		return BACKLOG_NEW;
	if (memcmp(slot->body, record->body_sha256, KEY_BYTES) != 0)
		return BACKLOG_OTHER;
	return slot->safe > 0 ? BACKLOG_SAME : BACKLOG_NEW;
}

void backlog_index_remove(struct backlog_index *index, const struct backlog_record *record)
{
	uint8_t key[KEY_BYTES];
	if (index->used == 0 || !key_of(record, key))
		return;
	struct backlog_slot *const slot = slot_of(index, key);
	if (slot->safe == 0)
		return;
	slot->safe--;
	clear_if_free(index, slot);
}

static bool key_of(const struct backlog_record *record, uint8_t key[KEY_BYTES])
{
	uint8_t bytes[sizeof(record->store_id) + EVENT_ID_MAX], hash[SEAL_HASH_BYTES];
	if (record->event_id.len > EVENT_ID_MAX)
		return false;
	memcpy(bytes, &record->store_id, sizeof(record->store_id));
	if (record->event_id.len > 0)
		memcpy(bytes + sizeof(record->store_id), record->event_id.data,
			record->event_id.len);
	const struct str name = {
		(const char *)bytes, sizeof(record->store_id) + record->event_id.len};
	if (!seal_sha256(name, hash))
		return false;
	memcpy(key, hash, KEY_BYTES);
	return true;
}

static unsigned home_of(const struct backlog_index *index, const uint8_t key[KEY_BYTES])
{
	uint32_t start;
	memcpy(&start, key, sizeof(start));
	return start & (index->slot_count - 1);
}

/* The slot of the key, or the free one where it would go. */
static struct backlog_slot *slot_of(const struct backlog_index *index, const uint8_t key[KEY_BYTES])
{
	unsigned at = home_of(index, key);
	while (!is_free(&index->slots[at]) && memcmp(index->slots[at].key, key, KEY_BYTES) != 0)
		at = (at + 1) & (index->slot_count - 1);
	return &index->slots[at];
}

/* Keeps a quarter of the slots free. */
static bool grow(struct backlog_index *index)
{
	struct backlog_index grown = {.used = index->used,
		.slot_count = index->slot_count > 0 ? 2 * index->slot_count : SLOTS_FIRST};
	grown.slots = calloc(grown.slot_count, sizeof(*grown.slots));
	if (grown.slots == NULL)
		return false;
	for (unsigned i = 0; i < index->slot_count; i++)
		if (!is_free(&index->slots[i]))
			*slot_of(&grown, index->slots[i].key) = index->slots[i];
	free(index->slots);
	*index = grown;
	return true;
}

static bool is_free(const struct backlog_slot *slot)
{
	return slot->pending == 0 && slot->safe == 0;
}

static void clear_if_free(struct backlog_index *index, const struct backlog_slot *slot)
{
	if (!is_free(slot))
		return;
	index->used--;
	close_gap(index, (unsigned)(slot - index->slots));
	if (index->used == 0)
		backlog_index_release(index);
}

/* Who stands behind a gap between itself and its home moves into it. */
static void close_gap(struct backlog_index *index, unsigned gap)
{
	const unsigned mask = index->slot_count - 1;
	for (unsigned at = (gap + 1) & mask; !is_free(&index->slots[at]); at = (at + 1) & mask) {
		const unsigned home = home_of(index, index->slots[at].key);
		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		index->slots[gap] = index->slots[at];
		gap = at;
	}
	index->slots[gap] = (struct backlog_slot){0};
}
