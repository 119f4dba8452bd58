/* SPDX-License-Identifier: Apache-2.0
 * Which webhook-ids wait in the spool, and with which bodies: a hash table in memory, with an upper
 * bound. */
#ifndef WASL_BACKLOG_INDEX_H
#define WASL_BACKLOG_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "backlog_record.h"

#define BACKLOG_INDEX_MAX (1u << 20) /* events; 80 MiB of memory when it is full */

enum backlog_seen {
	BACKLOG_NEW = 0, /* or on its way to the disk with the same body */
	BACKLOG_SAME,    /* safe there */
	BACKLOG_OTHER,   /* there, or on its way, with another body */
};

struct backlog_slot;
struct backlog_index {
	struct backlog_slot *slots;
	unsigned slot_count; /* a power of two; 0: none yet */
	unsigned used;
};

void backlog_index_init(struct backlog_index *index);
void backlog_index_release(struct backlog_index *index);
/* Is there room for one more? */
bool backlog_index_has_room(const struct backlog_index *index);
/* Of the record its store, webhook-id and hash count, here as below. It is on its way to the disk;
 * adding the same again counts it; another body under the same id is counted with the first. False:
 * no room or no memory. */
bool backlog_index_add(struct backlog_index *index, const struct backlog_record *record);
/* What became of one that was added: safe, or gone again. */
void backlog_index_told(
	struct backlog_index *index, const struct backlog_record *record, bool is_safe);
enum backlog_seen backlog_index_find(
	const struct backlog_index *index, const struct backlog_record *record);
/* Takes one away that was safe; of what is not there it does nothing. */
void backlog_index_remove(struct backlog_index *index, const struct backlog_record *record);

#endif
