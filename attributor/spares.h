/* SPDX-License-Identifier: Apache-2.0
 * Blocks of memory that are used again: for what comes and goes with every event, and is of a size
 * for which the allocator first tidies up. */
#ifndef WASL_SPARES_H
#define WASL_SPARES_H

#include <stddef.h>

struct spare;
struct spares {
	struct spare *first;
	unsigned count;
	unsigned max;       /* kept */
	size_t block_bytes; /* of each; what is larger is not kept */
};

/* block_bytes: at least a pointer's. */
void spares_init(struct spares *spares, unsigned max, size_t block_bytes);
/* At least so many bytes, not cleared; NULL: no memory. */
void *spares_take(struct spares *spares, size_t bytes);
/* bytes: as it was taken. */
void spares_put(struct spares *spares, void *block, size_t bytes);
void spares_release(struct spares *spares);

#endif
