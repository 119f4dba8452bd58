/* SPDX-License-Identifier: Apache-2.0
 * The commands that make a click known to Redis; click.h has the keys. Each returns what
 * redis_command returns: false when Redis is down or too much is under way, and nothing is called.
 */
#ifndef WASL_CLICK_SEND_H
#define WASL_CLICK_SEND_H

#include "click_note.h"
#include "redis.h"

#define CLICK_SEND_BUCKETS_MAX    "1000000" /* about, kept on the stream of buckets */
#define CLICK_SEND_FIRST_COMMANDS 4

/* HSETNX: an integer, 1 when the record is new, 0 when the bucket's place is taken. */
bool click_send_record(struct redis *redis, const struct click_note *note, redis_reply_fn *fn,
	uint64_t tag, void *arg);
/* The same for a bucket that may not be there yet, together with its EXPIREAT in a transaction: a
 * writer that dies between the two leaves no bucket without an end. A transaction that can't be
 * queued whole breaks the connection off. */
struct click_send_first {
	redis_reply_fn *fn;        /* gets EXEC's answer */
	redis_reply_fn *queued_fn; /* gets HSETNX's own: why EXEC will refuse; may be NULL */
	uint64_t tag;
	void *arg;
};
bool click_send_first(
	struct redis *redis, const struct click_note *note, const struct click_send_first *first);
/* What HSETNX said in the transaction; NULL when it was not run. */
const struct redis_value *click_send_first_value(const struct redis_value *exec);
/* SET with the bucket's expiry; only when the note has extras. */
bool click_send_extras(struct redis *redis, const struct click_note *note, redis_reply_fn *fn,
	uint64_t tag, void *arg);
/* XADD to the stream of buckets. */
bool click_send_bucket(struct redis *redis, const struct click_bucket *bucket, int64_t expires_at_s,
	redis_reply_fn *fn, void *arg);
/* EXPIREAT: an integer, 0 when Redis has no such bucket. */
bool click_send_expiry(struct redis *redis, const struct click_bucket *bucket, int64_t expires_at_s,
	redis_reply_fn *fn, void *arg);

#endif
