/* SPDX-License-Identifier: Apache-2.0
 * What a batch asks of the names in its events, and what becomes of it without memory. */
#include "post_parts.h"

#include "../common/suite.h"

#define AFFILIATE 7
#define LEFT      96 /* of the arena's chunk: room for the next small thing, not for all of them */

#ifndef __SANITIZE_ADDRESS__ /* which brings an allocator of its own */
extern void *__libc_malloc(size_t size);
static unsigned refusals;

/* In place of the library's: refuses the arena's next chunks. */
void *malloc(size_t size)
{
	if (refusals > 0 && size >= ARENA_CHUNK_BYTES) {
		refusals--;
		return NULL;
	}
	return __libc_malloc(size);
}
#endif

static struct poster *poster;
static struct order_line line = {.line_id = STR("1"), .product_id = STR("SKU-1"), .quantity = 1};
static struct event event = {
	.type = EVENT_CONFIRMED, .currency = "EGP", .lines = &line, .line_count = 1};
static uint32_t affiliate_id = AFFILIATE;
static struct post_item item = {.store_id = 1, .order_id = STR("o-1"), .event = &event};

static void setup(void)
{
	poster = calloc(1, sizeof(*poster));
	ck_assert_ptr_nonnull(poster);
	post_names_init(poster->names);
	arena_init(&poster->batch.arena, POST_ARENA_MAX);
	poster->batch.count = 1;
	poster->batch.postings[0] = (struct posting){.item = &item,
		.folded = {.first = &event, .terms = &event, .confirmed = &event},
		.affiliate_ids = &affiliate_id,
		.affiliate_count = 1};
}

static void teardown(void)
{
	for (unsigned i = 0; i < POST_NAMES_TABLES; i++)
		pg_table_release(&poster->names[i]);
	arena_release(&poster->batch.arena);
	free(poster);
}

static bool is_asked_whole(void)
{
	struct db_statement statements[DB_STATEMENTS_MAX];
	bool is_whole = true;
	post_names_statements(poster, statements, &is_whole);
	return is_whole;
}

START_TEST(what_the_events_name_is_asked_for)
{
	setup();
	ck_assert(is_asked_whole());
	ck_assert_int_ge(poster->batch.asked[ASK_ROOMS], 0);
	ck_assert_int_ge(poster->batch.asked[ASK_TIERS], 0);
	ck_assert_int_ge(poster->batch.asked[ASK_AFFILIATES], 0);
	ck_assert_int_ge(poster->batch.asked[ASK_LINE_PRODUCTS], 0);
	ck_assert_int_ge(poster->batch.asked[ASK_RULES], 0);
	ck_assert_int_lt(poster->batch.asked[ASK_CLICK_PRODUCTS], 0);
	teardown();
}
END_TEST

#ifndef __SANITIZE_ADDRESS__
/* Memory is there again for all that comes after it: the order would be nobody's. */
START_TEST(affiliates_that_memory_failed_for_fail_their_batch)
{
	setup();
	ck_assert_ptr_nonnull(arena_take(&poster->batch.arena, ARENA_CHUNK_BYTES - LEFT - 16, 1));
	refusals = 1;
	const bool is_whole = is_asked_whole();
	ck_assert_uint_eq(refusals, 0);
	ck_assert(!is_whole);
	teardown();
}
END_TEST
#endif

#ifndef __SANITIZE_ADDRESS__
SUITE_MAIN("post_names", what_the_events_name_is_asked_for,
	affiliates_that_memory_failed_for_fail_their_batch)
#else
SUITE_MAIN("post_names", what_the_events_name_is_asked_for)
#endif
