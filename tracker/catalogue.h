/* SPDX-License-Identifier: Apache-2.0
 * The catalogue in memory: stores, products and affiliates by id, read by every worker without a
 * lock.
 *
 * A persistent radix tree per kind: one thread edits, paths that a published view can see are
 * copied, nodes of the current edit are changed in place. A view is immutable. What an edit
 * replaced is freed once every reader has moved on to a later generation. Cost: about 60 bytes and
 * the URL per product, 8 bytes per affiliate. */
#ifndef WASL_TRACKER_CATALOGUE_H
#define WASL_TRACKER_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue_row.h"
#include "str.h"

/* An id's 32 bits: root, middle, leaf. A leaf is as wide as a shard. */
#define CATALOGUE_LEAF_BITS   10
#define CATALOGUE_MIDDLE_BITS 11
#define CATALOGUE_ROOT_BITS   11

struct catalogue_node;

/* A store or a product as the tree keeps it. */
struct catalogue_entry {
	uint64_t version;
	uint32_t store_id; /* product */
	uint32_t window_s; /* store */
	uint16_t url_len;
	uint8_t param_len;
	uint8_t status; /* enum catalogue_status */
	char text[];    /* param, url */
};

/* What a reader holds. By value: copying it is publishing it. */
struct catalogue_view {
	const struct catalogue_node *roots[CATALOGUE_KINDS];
	uint64_t counts[CATALOGUE_KINDS];
	uint64_t generation;
	bool is_loaded; /* false: there has never been a whole catalogue */
};

const struct catalogue_entry *catalogue_store(const struct catalogue_view *view, uint32_t store_id);
const struct catalogue_entry *catalogue_product(
	const struct catalogue_view *view, uint32_t product_id);
/* False for an affiliate that the catalogue does not know. */
bool catalogue_is_suspended(const struct catalogue_view *view, uint32_t affiliate_id);
struct str catalogue_entry_url(const struct catalogue_entry *entry);
struct str catalogue_entry_param(const struct catalogue_entry *entry);

/* Calls fn for every row, by kind, then by id; the row's views live while fn runs. Stops when fn
 * says false. */
typedef bool catalogue_row_fn(const struct catalogue_row *row, void *arg);
bool catalogue_each(const struct catalogue_view *view, catalogue_row_fn *fn, void *arg);

struct catalogue;

enum catalogue_change {
	CATALOGUE_CHANGED = 0,
	CATALOGUE_OLDER,     /* the same or a lower version than what is there: ignored */
	CATALOGUE_NO_MEMORY, /* nothing changed */
};

struct catalogue *catalogue_new(void); /* NULL when memory fails */
/* Nobody may hold a view of it any more. */
void catalogue_free(struct catalogue *catalogue);
enum catalogue_change catalogue_put(struct catalogue *catalogue, const struct catalogue_row *row);
/* The state after all puts so far, under a generation (rising) that readers report back. */
struct catalogue_view catalogue_publish(struct catalogue *catalogue, uint64_t generation);
/* Frees what no reader of generation or later can see. */
void catalogue_reclaim(struct catalogue *catalogue, uint64_t generation);
uint64_t catalogue_count(const struct catalogue *catalogue, enum catalogue_kind kind);
/* Replaced parts that wait for readers. */
uint64_t catalogue_retired(const struct catalogue *catalogue);

#endif
