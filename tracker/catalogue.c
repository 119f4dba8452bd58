/* SPDX-License-Identifier: Apache-2.0
 * The catalogue in memory: stores, products and affiliates by id, read by every worker without a
 * lock. */
#include "catalogue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What a node's place holds: a node, an entry, or for an affiliate version * 4 + status * 2 + 1 (so
 * that it costs 8 bytes and is never 0). */
union slot {
	struct catalogue_node *node;
	struct catalogue_entry *entry;
	uint64_t mark;
};

struct catalogue_node {
	uint64_t edit; /* of the edit that made it: it may be changed in place until that edit is
			  published */
	union slot slots[];
};

#define MARK_VERSION_MAX (UINT64_MAX >> 2)
/* One put replaces at most a root, a middle, a leaf and an entry. */
#define RETIRED_PER_PUT 4
#define RETIRED_FIRST   256

/* Replaced, and visible in views up to generation. */
struct retired {
	void *memory;
	uint64_t generation;
};

struct catalogue {
	struct catalogue_node *roots[CATALOGUE_KINDS];
	uint64_t counts[CATALOGUE_KINDS];
	uint64_t edit;
	uint64_t generation;     /* of the last published view */
	struct retired *retired; /* a ring in order of generation */
	size_t retired_first, retired_count, retired_cap;
};

enum level { LEVEL_ROOT = 0, LEVEL_MIDDLE, LEVEL_LEAF, LEVELS };
static const unsigned level_bits[LEVELS] = {
	CATALOGUE_ROOT_BITS, CATALOGUE_MIDDLE_BITS, CATALOGUE_LEAF_BITS};
static const unsigned level_shift[LEVELS] = {
	CATALOGUE_MIDDLE_BITS + CATALOGUE_LEAF_BITS, CATALOGUE_LEAF_BITS, 0};
static_assert(CATALOGUE_ROOT_BITS + CATALOGUE_MIDDLE_BITS + CATALOGUE_LEAF_BITS == 32,
	"the levels cover an id");

static union slot slot_find(const struct catalogue_node *root, uint32_t id);
static unsigned slot_index(uint32_t id, enum level level);
static struct catalogue_node *node_own(
	struct catalogue *catalogue, struct catalogue_node *node, enum level level);
static union slot *slot_own(struct catalogue *catalogue, enum catalogue_kind kind, uint32_t id);
static uint64_t slot_version(enum catalogue_kind kind, union slot slot);
static bool slot_is_empty(enum catalogue_kind kind, union slot slot);
static struct catalogue_entry *entry_new(const struct catalogue_row *row);
static bool retired_reserve(struct catalogue *catalogue);
static void retire(struct catalogue *catalogue, void *memory);
static bool each_in(const struct catalogue_view *view, enum catalogue_kind kind,
	catalogue_row_fn *fn, void *arg);
static void row_from(
	struct catalogue_row *row, enum catalogue_kind kind, uint32_t id, union slot slot);
static void tree_free(struct catalogue_node *node, enum catalogue_kind kind, enum level level);

const struct catalogue_entry *catalogue_store(const struct catalogue_view *view, uint32_t store_id)
{
	return slot_find(view->roots[CATALOGUE_STORE], store_id).entry;
}

const struct catalogue_entry *catalogue_product(
	const struct catalogue_view *view, uint32_t product_id)
{
	return slot_find(view->roots[CATALOGUE_PRODUCT], product_id).entry;
}

bool catalogue_is_suspended(const struct catalogue_view *view, uint32_t affiliate_id)
{
	return slot_find(view->roots[CATALOGUE_AFFILIATE], affiliate_id).mark >> 1 & 1u;
}

struct str catalogue_entry_url(const struct catalogue_entry *entry)
{
	return (struct str){.data = entry->text + entry->param_len, .len = entry->url_len};
}

struct str catalogue_entry_param(const struct catalogue_entry *entry)
{
	return (struct str){.data = entry->text, .len = entry->param_len};
}

bool catalogue_each(const struct catalogue_view *view, catalogue_row_fn *fn, void *arg)
{
	return each_in(view, CATALOGUE_STORE, fn, arg) &&
	       each_in(view, CATALOGUE_PRODUCT, fn, arg) &&
	       each_in(view, CATALOGUE_AFFILIATE, fn, arg);
}

struct catalogue *catalogue_new(void)
{
	struct catalogue *catalogue = calloc(1, sizeof(*catalogue));
	if (catalogue)
		catalogue->edit = 1;
	return catalogue;
}

void catalogue_free(struct catalogue *catalogue)
{
	if (!catalogue)
		return;
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++)
		tree_free(catalogue->roots[kind], (enum catalogue_kind)kind, LEVEL_ROOT);
	catalogue_reclaim(catalogue, UINT64_MAX);
	free(catalogue->retired);
	free(catalogue);
}

enum catalogue_change catalogue_put(struct catalogue *catalogue, const struct catalogue_row *row)
{
	const enum catalogue_kind kind = row->kind;
	const union slot old = slot_find(catalogue->roots[kind], row->id);
	const bool was_empty = slot_is_empty(kind, old);
	if (!was_empty && row->version <= slot_version(kind, old))
		return CATALOGUE_OLDER;

	union slot new = {0};
	if (kind == CATALOGUE_AFFILIATE) {
		const uint64_t version =
			row->version < MARK_VERSION_MAX ? row->version : MARK_VERSION_MAX;
		new.mark = version << 2 | (uint64_t)(row->status == CATALOGUE_STOPPED) << 1 | 1;
	} else {
		new.entry = entry_new(row);
		if (!new.entry)
			return CATALOGUE_NO_MEMORY;
	}
	union slot *slot = retired_reserve(catalogue) ? slot_own(catalogue, kind, row->id) : NULL;
	if (!slot) {
		if (kind != CATALOGUE_AFFILIATE)
			free(new.entry);
		return CATALOGUE_NO_MEMORY;
	}
	*slot = new;
	if (was_empty)
		catalogue->counts[kind]++;
	else if (kind != CATALOGUE_AFFILIATE)
		retire(catalogue, old.entry);
	return CATALOGUE_CHANGED;
}

struct catalogue_view catalogue_publish(struct catalogue *catalogue, uint64_t generation)
{
	assert(generation > catalogue->generation);
	catalogue->generation = generation;
	catalogue->edit++;
	struct catalogue_view view = {.generation = generation, .is_loaded = true};
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++) {
		view.roots[kind] = catalogue->roots[kind];
		view.counts[kind] = catalogue->counts[kind];
	}
	return view;
}

void catalogue_reclaim(struct catalogue *catalogue, uint64_t generation)
{
	while (catalogue->retired_count > 0) {
		const struct retired *oldest = &catalogue->retired[catalogue->retired_first];
		if (oldest->generation >= generation)
			return;
		free(oldest->memory);
		catalogue->retired_first = (catalogue->retired_first + 1) % catalogue->retired_cap;
		catalogue->retired_count--;
	}
}

uint64_t catalogue_count(const struct catalogue *catalogue, enum catalogue_kind kind)
{
	return catalogue->counts[kind];
}

uint64_t catalogue_retired(const struct catalogue *catalogue)
{
	return catalogue->retired_count;
}

static unsigned slot_index(uint32_t id, enum level level)
{
	return id >> level_shift[level] & ((1u << level_bits[level]) - 1);
}

static union slot slot_find(const struct catalogue_node *root, uint32_t id)
{
	const struct catalogue_node *node = root;
	for (unsigned level = LEVEL_ROOT; node && level < LEVEL_LEAF; level++)
		node = node->slots[slot_index(id, (enum level)level)].node;
	return node ? node->slots[slot_index(id, LEVEL_LEAF)] : (union slot){0};
}

/* The place of id in nodes that this edit may change; NULL when memory fails (then at most empty or
 * copied nodes were added, and the content is the same). retired_reserve must have been called. */
static union slot *slot_own(struct catalogue *catalogue, enum catalogue_kind kind, uint32_t id)
{
	struct catalogue_node **at = &catalogue->roots[kind];
	for (unsigned level = LEVEL_ROOT;; level++) {
		struct catalogue_node *node = node_own(catalogue, *at, (enum level)level);
		if (!node)
			return NULL;
		*at = node;
		union slot *slot = &node->slots[slot_index(id, (enum level)level)];
		if (level == LEVEL_LEAF)
			return slot;
		at = &slot->node;
	}
}

/* node itself if it is this edit's, else a copy of it (or an empty one for NULL). */
static struct catalogue_node *node_own(
	struct catalogue *catalogue, struct catalogue_node *node, enum level level)
{
	if (node && node->edit == catalogue->edit)
		return node;
	const size_t slots_bytes = sizeof(union slot) << level_bits[level];
	struct catalogue_node *own = calloc(1, sizeof(*own) + slots_bytes);
	if (!own)
		return NULL;
	own->edit = catalogue->edit;
	if (node) {
		memcpy(own->slots, node->slots, slots_bytes);
		retire(catalogue, node);
	}
	return own;
}

static bool slot_is_empty(enum catalogue_kind kind, union slot slot)
{
	return kind == CATALOGUE_AFFILIATE ? slot.mark == 0 : slot.entry == NULL;
}

static uint64_t slot_version(enum catalogue_kind kind, union slot slot)
{
	return kind == CATALOGUE_AFFILIATE ? slot.mark >> 2 : slot.entry->version;
}

static struct catalogue_entry *entry_new(const struct catalogue_row *row)
{
	assert(row->url.len <= CATALOGUE_URL_MAX && row->param.len <= CATALOGUE_PARAM_MAX);
	struct catalogue_entry *entry = malloc(sizeof(*entry) + row->param.len + row->url.len);
	if (!entry)
		return NULL;
	*entry = (struct catalogue_entry){
		.version = row->version,
		.store_id = row->store_id,
		.window_s = row->window_s,
		.url_len = (uint16_t)row->url.len,
		.param_len = (uint8_t)row->param.len,
		.status = (uint8_t)row->status,
	};
	if (row->param.len > 0)
		memcpy(entry->text, row->param.data, row->param.len);
	if (row->url.len > 0)
		memcpy(entry->text + row->param.len, row->url.data, row->url.len);
	return entry;
}

/* Room for what one put may retire, so that retire itself can't fail. */
static bool retired_reserve(struct catalogue *catalogue)
{
	if (catalogue->retired_cap - catalogue->retired_count >= RETIRED_PER_PUT)
		return true;
	const size_t cap = catalogue->retired_cap ? catalogue->retired_cap * 2 : RETIRED_FIRST;
	struct retired *ring = calloc(cap, sizeof(*ring));
	if (!ring)
		return false;
	for (size_t i = 0; i < catalogue->retired_count; i++)
		ring[i] =
			catalogue->retired[(catalogue->retired_first + i) % catalogue->retired_cap];
	free(catalogue->retired);
	catalogue->retired = ring;
	catalogue->retired_cap = cap;
	catalogue->retired_first = 0;
	return true;
}

static void retire(struct catalogue *catalogue, void *memory)
{
	assert(catalogue->retired_count < catalogue->retired_cap);
	const size_t at =
		(catalogue->retired_first + catalogue->retired_count) % catalogue->retired_cap;
	catalogue->retired[at] =
		(struct retired){.memory = memory, .generation = catalogue->generation};
	catalogue->retired_count++;
}

static bool each_in(const struct catalogue_view *view, enum catalogue_kind kind,
	catalogue_row_fn *fn, void *arg)
{
	const struct catalogue_node *root = view->roots[kind];
	for (uint32_t i = 0; root && i < 1u << CATALOGUE_ROOT_BITS; i++) {
		const struct catalogue_node *middle = root->slots[i].node;
		for (uint32_t j = 0; middle && j < 1u << CATALOGUE_MIDDLE_BITS; j++) {
			const struct catalogue_node *leaf = middle->slots[j].node;
			for (uint32_t k = 0; leaf && k < 1u << CATALOGUE_LEAF_BITS; k++) {
				if (slot_is_empty(kind, leaf->slots[k]))
					continue;
				struct catalogue_row row;
				row_from(&row, kind,
					i << level_shift[LEVEL_ROOT] |
						j << level_shift[LEVEL_MIDDLE] | k,
					leaf->slots[k]);
				if (!fn(&row, arg))
					return false;
			}
		}
	}
	return true;
}

static void row_from(
	struct catalogue_row *row, enum catalogue_kind kind, uint32_t id, union slot slot)
{
	*row = (struct catalogue_row){.kind = kind, .id = id, .version = slot_version(kind, slot)};
	if (kind == CATALOGUE_AFFILIATE) {
		row->status = slot.mark >> 1 & 1u ? CATALOGUE_STOPPED : CATALOGUE_ACTIVE;
		return;
	}
	row->status = (enum catalogue_status)slot.entry->status;
	row->store_id = slot.entry->store_id;
	row->window_s = slot.entry->window_s;
	row->param = catalogue_entry_param(slot.entry);
	row->url = catalogue_entry_url(slot.entry);
}

static void tree_free(struct catalogue_node *node, enum catalogue_kind kind, enum level level)
{
	if (!node)
		return;
	for (size_t i = 0; i < (size_t)1 << level_bits[level]; i++) {
		if (level != LEVEL_LEAF)
			tree_free(node->slots[i].node, kind, (enum level)(level + 1));
		else if (kind != CATALOGUE_AFFILIATE)
			free(node->slots[i].entry);
	}
	free(node);
}
