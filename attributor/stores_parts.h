/* SPDX-License-Identifier: Apache-2.0
 * What stores.c and the snapshot share: a store with its secrets as they rest, sealed. */
#ifndef WASL_STORES_PARTS_H
#define WASL_STORES_PARTS_H

#include "seal.h"
#include "stores.h"

#define STORES_SEALED_MAX (VERIFY_SECRET_MAX + SEAL_OVERHEAD)

struct stores_entry {
	struct store store; /* store_id 0: free */
	uint8_t sealed[VERIFY_SECRETS_MAX][STORES_SEALED_MAX];
	uint8_t sealed_len[VERIFY_SECRETS_MAX]; /* 0: none */
	int64_t asked_us;
};

/* The first entry at or after *at, which is then behind it; NULL: no more. */
const struct stores_entry *stores_next(const struct stores *stores, unsigned *at);
/* Adds or replaces a store and opens its secrets; those of fresh itself don't matter. */
void stores_put(struct stores *stores, const struct stores_entry *fresh);
/* All that an earlier process knew is here. */
void stores_set_loaded(struct stores *stores);

#endif
