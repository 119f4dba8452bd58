/* SPDX-License-Identifier: Apache-2.0
 * An event as it waits in the spool. Pure.
 *
 * A record of kind 2 whose time is the receipt; all numbers big endian:
 *   version u8 = 1 | store u32 | SHA-256 of the body (32) | length u16, webhook-id |
 *   length u32, sealed facts | length u32, sealed body
 * Facts are as event_json_facts writes them, with clicks opened and customers hidden. */
#ifndef WASL_BACKLOG_RECORD_H
#define WASL_BACKLOG_RECORD_H

#include "buf.h"
#include "order.h"

#define BACKLOG_KIND       2 /* of its record in a spool */
#define BACKLOG_HASH_BYTES 32
#define BACKLOG_HEAD_BYTES (1 + 4 + BACKLOG_HASH_BYTES + 2 + 4 + 4)

/* Views. */
struct backlog_record {
	uint32_t store_id;
	uint8_t body_sha256[BACKLOG_HASH_BYTES];
	struct str event_id;
	struct str sealed_facts;
	struct str sealed_body;
};

void backlog_record_encode(struct buf *out, const struct backlog_record *record);
/* False on anything that backlog_record_encode does not write. */
bool backlog_record_parse(struct str raw, struct backlog_record *record);

#endif
