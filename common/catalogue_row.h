/* SPDX-License-Identifier: Apache-2.0
 * The catalogue as it crosses Redis: what the attributor publishes and trackers follow. Pure.
 *
 * wasl:cat:head          hash: epoch (16 hex), version (changes published in this epoch), count
 * (rows), stores, products, affiliates (highest id of each kind: how many shards to read)
 * wasl:cat:<epoch>:<k>:<shard>  hash id -> row; k is s, p or a; shard = id / CATALOGUE_SHARD_ROWS
 * wasl:cat:log           stream of changes, each entry e <epoch> k <kind> i <id> r <row>; trimmed
 * at about CATALOGUE_LOG_MAX; a reader that finds itself behind reads everything again Each row
 * carries a version that its database row raised under its lock; a reader ignores lower ones. */
#ifndef WASL_CATALOGUE_ROW_H
#define WASL_CATALOGUE_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

#define CATALOGUE_HEAD       "wasl:cat:head"
#define CATALOGUE_LOG        "wasl:cat:log"
#define CATALOGUE_SHARD_ROWS 1024
#define CATALOGUE_LOG_MAX    100000
#define CATALOGUE_EPOCH_HEX  16
#define CATALOGUE_KEY_MAX    64
#define CATALOGUE_URL_MAX    2048
#define CATALOGUE_PARAM_MAX  32
#define CATALOGUE_ROW_MAX    (CATALOGUE_URL_MAX + CATALOGUE_PARAM_MAX + 96)

enum catalogue_kind {
	CATALOGUE_STORE = 0,
	CATALOGUE_PRODUCT,
	CATALOGUE_AFFILIATE,
	CATALOGUE_KINDS
};
enum catalogue_status {
	CATALOGUE_ACTIVE = 0,
	CATALOGUE_STOPPED
}; /* paused product, suspended affiliate */

/* Fields that a kind does not have are zero or empty. Views into the parsed text. */
struct catalogue_row {
	enum catalogue_kind kind;
	uint32_t id;
	uint64_t version;
	enum catalogue_status status;
	uint32_t store_id; /* product */
	uint32_t window_s; /* store */
	struct str param;  /* store: the landing parameter's name, [A-Za-z0-9_.-]{1,32} */
	struct str url;    /* store and product: passes catalogue_url_check */
};

/* Text: store "V STATUS WINDOW PARAM URL", product "V STATUS STORE URL", affiliate "V STATUS";
 * STATUS is a or x. Returns the length, 0 when out_size is too small. */
unsigned catalogue_row_encode(char *out, unsigned out_size, const struct catalogue_row *row);
/* kind and id come from the key and field. Refuses anything else than the above and limits
 * exceeded. */
bool catalogue_row_parse(
	struct str raw, enum catalogue_kind kind, uint32_t id, struct catalogue_row *row);
/* "wasl:cat:<epoch>:p:17", NUL-terminated; returns its length. */
unsigned catalogue_shard_key(
	char out[CATALOGUE_KEY_MAX], struct str epoch, enum catalogue_kind kind, uint32_t shard);

/* A product or store URL (DESIGN: http or https, at most CATALOGUE_URL_MAX bytes, no user-info, no
 * control or non-ASCII byte, no space, host in punycode, a port in range). *host is the host's
 * view. */
bool catalogue_url_check(struct str url, struct str *host);
/* host is base or a sub-domain of it, ASCII case ignored. */
bool catalogue_host_covers(struct str base, struct str host);

#endif
