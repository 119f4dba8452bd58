/* SPDX-License-Identifier: Apache-2.0
 * The catalogue on local disk, so that the tracker starts and redirects even when Redis is down.
 *
 * File: "WASLCAT1" | epoch (16 hex) | version u64 | confirmed u64 | rows u64, then per row kind u8
 * | id u32 | length u16 | text (catalogue_row_encode), then the SHA-256 of all that. Big endian. */
#ifndef WASL_TRACKER_CATALOGUE_SNAPSHOT_H
#define WASL_TRACKER_CATALOGUE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue.h"
#include "err.h"

#define CATALOGUE_SNAPSHOT_NAME     "catalogue.snapshot"
#define CATALOGUE_SNAPSHOT_PATH_MAX 1088 /* a configured folder, the name and ".tmp" */

/* Which state of the publisher's a catalogue is. */
struct catalogue_mark {
	char epoch[CATALOGUE_EPOCH_HEX + 1];
	uint64_t version;          /* changes applied of that epoch */
	int64_t confirmed_wall_us; /* when Redis was last seen to have nothing newer */
};

/* Writes folder/catalogue.snapshot anew: temporary file of mode 0600 beside it, fsync, rename,
 * fsync of the folder. The old one stays on any failure. */
bool catalogue_snapshot_write(const char *folder, const struct catalogue_view *view,
	const struct catalogue_mark *mark, struct err *err);

enum catalogue_snapshot_result {
	CATALOGUE_SNAPSHOT_READ = 0,
	CATALOGUE_SNAPSHOT_ABSENT,
	CATALOGUE_SNAPSHOT_REFUSED, /* err says why; the catalogue is not to be used */
};
/* Puts every row into an empty catalogue. */
enum catalogue_snapshot_result catalogue_snapshot_read(const char *folder,
	struct catalogue *catalogue, struct catalogue_mark *mark, struct err *err);

#endif
