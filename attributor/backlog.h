/* SPDX-License-Identifier: Apache-2.0
 * Events that were answered 202: on local disk, and from there into Postgres once it is back.
 *
 * A record is told safe after fdatasync. Which webhook-ids wait is kept in memory, read from the
 * disk when segments are taken over, so that a repeat is known while Postgres is away. */
#ifndef WASL_BACKLOG_H
#define WASL_BACKLOG_H

#include "backlog_index.h"
#include "entropy.h"
#include "keys.h"
#include "loop.h"
#include "post.h"
#include "spool.h"

struct backlog_config {
	struct loop *loop;
	const char *folder;
	uint64_t max_bytes;
	const struct keys *keys;
	struct entropy *entropy;
	void (*on_safe)(void *arg); /* there is something to replay, spooled or taken over from a
				     * process that died; may be NULL */
	void *arg;
};

struct backlog;
/* A disk that fails is no reason to fail. NULL when memory fails. */
struct backlog *backlog_new(const struct backlog_config *config, struct err *err);
/* Is it safe here, and with the same body? */
enum backlog_seen backlog_find(const struct backlog *backlog, uint32_t store_id,
	struct str event_id, const uint8_t body_sha256[BACKLOG_HASH_BYTES]);
/* Puts the item's event on disk; the item may go on meanwhile, and may end. fn tells, later, once
 * and from the loop, whether it is safe; it is not called unless the event was taken. */
enum backlog_result {
	BACKLOG_TAKEN = 0,
	BACKLOG_REUSED, /* its webhook-id is here with another body */
	BACKLOG_REFUSED /* no room, no memory, or the disk fails */
};
typedef void backlog_told_fn(bool is_safe, void *arg);
enum backlog_result backlog_add(
	struct backlog *backlog, const struct post_item *item, backlog_told_fn *fn, void *arg);
const struct spool_counts *backlog_counts(const struct backlog *backlog);

/* For who replays: the oldest records, as spool_read gives them. Once there are none, no
 * webhook-id waits, whatever became of the disk. */
unsigned backlog_read(struct backlog *backlog, struct spool_record *records, unsigned max);
/* The first count of them, with what they hold, are in Postgres. */
void backlog_done(struct backlog *backlog, const struct backlog_record *records, unsigned count);
/* One of them is no event: its segment is kept. */
void backlog_set_aside(struct backlog *backlog);
/* Tells what is still to be told first. */
void backlog_free(struct backlog *backlog);

#endif
