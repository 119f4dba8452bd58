/* SPDX-License-Identifier: Apache-2.0
 * Memory of one piece of work: taken bit by bit, given back at once, with a hard maximum. */
#ifndef WASL_ARENA_H
#define WASL_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "str.h"

#define ARENA_CHUNK_BYTES 65536

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
	size_t bytes; /* taken from the system */
	size_t max;
};

void arena_init(struct arena *arena, size_t max);
/* Zeroed memory of count things of size; NULL when the maximum or the system says no. Of 0 things:
 * a pointer that must not be followed. */
void *arena_take(struct arena *arena, size_t count, size_t size);
/* A copy, NUL-terminated; false when there is no room. */
bool arena_keep(struct arena *arena, struct str text, struct str *kept);
void arena_release(struct arena *arena); /* everything; usable again afterwards */

#endif
