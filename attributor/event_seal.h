/* SPDX-License-Identifier: Apache-2.0
 * What is kept of an event on disk, so that nobody reads a customer out of it: hashes become HMACs,
 * body and facts are sealed under the body key, each for its own store and webhook-id. */
#ifndef WASL_EVENT_SEAL_H
#define WASL_EVENT_SEAL_H

#include "entropy.h"
#include "event_json.h"
#include "keyring.h"

enum event_part { EVENT_PART_BODY = 0, EVENT_PART_FACTS };

/* Replaces the customer's hashes by the HMAC of them. False: no memory. */
bool event_hide_customer(struct event *event, const struct keyring *keyring);
/* Whose bytes they are is the seal's associated data. */
struct event_name {
	uint32_t store_id;
	struct str event_id;
};
/* Returns plain sealed, plain.len + SEAL_OVERHEAD bytes, the caller's to free; NULL: no memory, no
 * random bytes or no active key. */
uint8_t *event_seal(enum event_part part, const struct event_name *name, struct str plain,
	const struct keyring *keyring, struct entropy *entropy);
/* The plain bytes, sealed.len - SEAL_OVERHEAD of them, the caller's to free; NULL: err says why. */
char *event_unseal(enum event_part part, const struct event_name *name, struct str sealed,
	const struct keyring *keyring, struct err *err);

#endif
