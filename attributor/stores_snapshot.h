/* SPDX-License-Identifier: Apache-2.0
 * The stores on local disk, so that signatures are checked when the daemon starts without Postgres.
 *
 * STATE_DIR/stores.snapshot, 0600, replaced as a whole a moment after each change; secrets stay
 * sealed. All numbers big endian:
 *   "WASLSTO1" | count u32 | rows | SHA-256 of all before
 *   row: store u32 | version u64 | currency (4, NUL-padded) | tax i32 in basis points, -1: none |
 *        model u8 | precedence u8 | self-referral u8 | collects on delivery u8 | return days i32 |
 *        2 x (length u8, sealed secret) */
#ifndef WASL_STORES_SNAPSHOT_H
#define WASL_STORES_SNAPSHOT_H

#include "buf.h"
#include "loop.h"
#include "stores.h"

#define STORES_SNAPSHOT_MAX      (64u << 20) /* STORES_MAX rows of at most 213 bytes are 21 MiB */
#define STORES_SNAPSHOT_DELAY_US (200 * INT64_C(1000))   /* changes of that time are one writing */
#define STORES_SNAPSHOT_RETRY_US (60 * INT64_C(1000000)) /* after a failure of the disk */

void stores_snapshot_encode(const struct stores *stores, struct buf *out);
/* All or nothing but for secrets that do not open, which are logged. */
bool stores_snapshot_decode(struct str raw, struct stores *stores, struct err *err);

struct stores_snapshot;
/* Reads the file into stores if there is a whole one (what is wrong with it is logged), and writes
 * it anew after their changes. folder and stores must live until it is freed. */
struct stores_snapshot *stores_snapshot_new(
	struct loop *loop, const char *folder, struct stores *stores, struct err *err);
/* Waits for the disk. */
void stores_snapshot_free(struct stores_snapshot *snapshot);

#endif
