/* SPDX-License-Identifier: Apache-2.0
 * An event's memory: what goes with the event, then blocks up to a limit; freed together. */
#include "event_json_parts.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096
#define FIRST_BYTES 3584 /* with the event itself one piece of less than 4 KiB: enough for most */
#define ALIGNMENT   8

struct block {
	struct block *next;
	size_t size;
	size_t used;
	_Alignas(ALIGNMENT) char bytes[];
};

/* The event comes first: a pointer to it is a pointer to the whole. */
struct owned_event {
	struct event event;
	struct block *blocks;
	size_t total; /* bytes of the blocks */
	size_t used;  /* of first */
	_Alignas(ALIGNMENT) char first[FIRST_BYTES];
};

static void *take(struct event *event, size_t size);
static struct block *block_add(struct owned_event *owned, size_t size);

struct event *event_new(void)
{
	struct owned_event *owned = malloc(sizeof(*owned));
	if (owned == NULL)
		return NULL;
	memset(owned, 0, offsetof(struct owned_event, first));
	owned->event.tax_bp = ORDER_NO_TAX;
	return &owned->event;
}

void *event_alloc(struct event *event, size_t count, size_t size)
{
	void *const bytes = count <= EVENT_MEMORY_MAX / size ? take(event, count * size) : NULL;
	return bytes != NULL ? memset(bytes, 0, count * size) : NULL;
}

bool event_keep(struct event *event, struct str text, struct str *kept)
{
	*kept = (struct str){0};
	if (text.len == 0)
		return true;
	char *copy = take(event, text.len);
	if (copy == NULL)
		return false;
	memcpy(copy, text.data, text.len);
	*kept = (struct str){.data = copy, .len = text.len};
	return true;
}

void event_free(struct event *event)
{
	struct owned_event *owned = (struct owned_event *)event;
	if (owned == NULL)
		return;
	while (owned->blocks != NULL) {
		struct block *next = owned->blocks->next;
		free(owned->blocks);
		owned->blocks = next;
	}
	free(owned);
}

/* Not zeroed. */
static void *take(struct event *event, size_t size)
{
	struct owned_event *owned = (struct owned_event *)event;
	if (size > EVENT_MEMORY_MAX)
		return NULL;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (size <= sizeof(owned->first) - owned->used) {
		owned->used += size;
		return owned->first + owned->used - size;
	}
	struct block *block = owned->blocks;
	if (block == NULL || block->size - block->used < size)
		block = block_add(owned, size);
	if (block == NULL)
		return NULL;
	block->used += size;
	return block->bytes + block->used - size;
}

static struct block *block_add(struct owned_event *owned, size_t size)
{
	if (size < BLOCK_BYTES)
		size = BLOCK_BYTES;
	if (size > EVENT_MEMORY_MAX - owned->total)
		return NULL;
	struct block *block = malloc(sizeof(*block) + size);
	if (block == NULL)
		return NULL;
	*block = (struct block){.next = owned->blocks, .size = size};
	owned->blocks = block;
	owned->total += size;
	return block;
}
