/* SPDX-License-Identifier: Apache-2.0
 * An event's memory: blocks that grow to a limit and are freed together. */
#include "event_json_parts.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096
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
	size_t total;
};

static struct block *block_add(struct owned_event *owned, size_t size);

struct event *event_new(void)
{
	struct owned_event *owned = calloc(1, sizeof(*owned));
	if (owned == NULL)
		return NULL;
	owned->event.tax_bp = ORDER_NO_TAX;
	return &owned->event;
}

void *event_alloc(struct event *event, size_t size)
{
	struct owned_event *owned = (struct owned_event *)event;
	struct block *block = owned->blocks;
	if (size > EVENT_MEMORY_MAX)
		return NULL;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (block == NULL || block->size - block->used < size)
		block = block_add(owned, size);
	if (block == NULL)
		return NULL;
	void *bytes = block->bytes + block->used;
	block->used += size;
	memset(bytes, 0, size);
	return bytes;
}

bool event_keep(struct event *event, struct str text, struct str *kept)
{
	*kept = (struct str){0};
	if (text.len == 0)
		return true;
	char *copy = event_alloc(event, text.len);
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
