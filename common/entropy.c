/* SPDX-License-Identifier: Apache-2.0
 * Random bytes from getrandom(2), drawn in pieces. */
#include "entropy.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static bool refill(struct entropy *entropy);

void entropy_init(struct entropy *entropy)
{
	explicit_bzero(entropy->pool, sizeof(entropy->pool));
	entropy->used = sizeof(entropy->pool);
}

bool entropy_draw(struct entropy *entropy, void *out, size_t len)
{
	if (len > sizeof(entropy->pool))
		return false;
	if (len > sizeof(entropy->pool) - entropy->used && !refill(entropy))
		return false;
	uint8_t *at = entropy->pool + entropy->used;
	memcpy(out, at, len);
	explicit_bzero(at, len);
	entropy->used += len;
	return true;
}

static bool refill(struct entropy *entropy)
{
	size_t filled = 0;
	entropy->used = sizeof(entropy->pool);
	while (filled < sizeof(entropy->pool)) {
		/* Before the kernel's pool is ready this says EAGAIN instead of waiting. */
		const ssize_t got = getrandom(
			entropy->pool + filled, sizeof(entropy->pool) - filled, GRND_NONBLOCK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		filled += (size_t)got;
	}
	entropy->used = 0;
	return true;
}
