/* SPDX-License-Identifier: Apache-2.0
 * Chunks in a list; a thing bigger than a chunk gets one of its own. */
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	_Alignas(ALIGNMENT) unsigned char bytes[];
};

static struct arena_chunk *chunk_add(struct arena *arena, size_t size);

void arena_init(struct arena *arena, size_t max)
{
	*arena = (struct arena){.max = max};
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
	if (size != 0 && count > (SIZE_MAX / 2) / size)
		return NULL;
	const size_t bytes = (count * size + ALIGNMENT) & ~(size_t)(ALIGNMENT - 1);
	struct arena_chunk *chunk = arena->chunks;
	if (chunk == NULL || chunk->size - chunk->used < bytes)
		chunk = chunk_add(arena, bytes);
	if (chunk == NULL)
		return NULL;
	void *const taken = chunk->bytes + chunk->used;
	chunk->used += bytes;
	return memset(taken, 0, bytes);
}

bool arena_keep(struct arena *arena, struct str text, struct str *kept)
{
	char *const copy = arena_take(arena, text.len + 1, 1);
	*kept = (struct str){0};
	if (copy == NULL)
		return false;
	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	*kept = (struct str){copy, text.len};
	return true;
}

void arena_release(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *const next = arena->chunks->next;
		free(arena->chunks);
		arena->chunks = next;
	}
	arena->bytes = 0;
}

static struct arena_chunk *chunk_add(struct arena *arena, size_t size)
{
	if (size < ARENA_CHUNK_BYTES)
		size = ARENA_CHUNK_BYTES;
	if (size > arena->max - arena->bytes)
		return NULL;
	struct arena_chunk *const chunk = malloc(sizeof(*chunk) + size);
	if (chunk == NULL)
		return NULL;
	*chunk = (struct arena_chunk){.next = arena->chunks, .size = size};
	arena->chunks = chunk;
	arena->bytes += size;
	return chunk;
}
