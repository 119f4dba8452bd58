/* SPDX-License-Identifier: Apache-2.0
 * One parsed document at a time: jansson takes its memory bit by bit from a kept block, which is
 * emptied at once when the document is dropped. */
#include "event_json_parts.h"

#include <assert.h>
#include <sanitizer/asan_interface.h> /* its macros do nothing without the sanitizer */
#include <stdlib.h>

#define ALIGNMENT 16 /* as malloc's */

static _Alignas(ALIGNMENT) char pool[EVENT_POOL_BYTES];
static size_t used;         /* of the pool */
static size_t taken_beside; /* how often malloc had to help since the document was begun */
static bool has_failed;     /* it could not, once */
static bool is_open;

static void *take(size_t size);
static void give(void *bytes);
static void close_pool(void);

json_t *event_document_parse(struct str text, size_t flags, json_error_t *error)
{
	assert(!is_open);
	is_open = true;
	json_set_alloc_funcs(take, give);
	ASAN_POISON_MEMORY_REGION(pool, sizeof(pool));
	json_t *const document = json_loadb(text.data, text.len, flags, error);
	if (document == NULL) {
		if (has_failed)
			error->text[sizeof(error->text) - 1] = json_error_out_of_memory;
		close_pool();
	}
	return document;
}

void event_document_drop(json_t *document)
{
	assert(is_open);
	if (taken_beside > 0)
		json_decref(document);
	close_pool();
}

static void close_pool(void)
{
	json_set_alloc_funcs(malloc, free);
	ASAN_POISON_MEMORY_REGION(pool, sizeof(pool));
	used = 0;
	taken_beside = 0;
	has_failed = false;
	is_open = false;
}

static void *take(size_t size)
{
	if (size > sizeof(pool) - used) {
		taken_beside++;
		void *const beside = malloc(size);
		has_failed |= beside == NULL;
		return beside;
	}
	void *const bytes = pool + used;
	used += (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	ASAN_UNPOISON_MEMORY_REGION(bytes, size);
	return bytes;
}

static void give(void *bytes)
{
	const uintptr_t at = (uintptr_t)bytes;
	if (at < (uintptr_t)pool || at >= (uintptr_t)pool + sizeof(pool))
		free(bytes);
}
