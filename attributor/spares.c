/* SPDX-License-Identifier: Apache-2.0
 * Spare blocks as a stack: the one used last is the one that the caches know. */
#include "spares.h"

#include <assert.h>
#include <stdlib.h>

struct spare {
	struct spare *next;
};

void spares_init(struct spares *spares, unsigned max, size_t block_bytes)
{
	assert(block_bytes >= sizeof(struct spare));
	*spares = (struct spares){.max = max, .block_bytes = block_bytes};
}

void *spares_take(struct spares *spares, size_t bytes)
{
	if (bytes > spares->block_bytes)
		return malloc(bytes);
	struct spare *const spare = spares->first;
	if (spare == NULL)
		return malloc(spares->block_bytes);
	spares->first = spare->next;
	spares->count--;
	return spare;
}

void spares_put(struct spares *spares, void *block, size_t bytes)
{
	if (bytes > spares->block_bytes || spares->count == spares->max) {
		free(block);
		return;
	}
	struct spare *const spare = block;
	spare->next = spares->first;
	spares->first = spare;
	spares->count++;
}

void spares_release(struct spares *spares)
{
	while (spares->first != NULL) {
		struct spare *const spare = spares->first;
		spares->first = spare->next;
		free(spare);
	}
	spares->count = 0;
}
