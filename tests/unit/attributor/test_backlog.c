/* SPDX-License-Identifier: Apache-2.0
 * Records of events in the spool, and the names of those that wait. */
#include <stdio.h>

#include "../common/suite.h"
#include "backlog_index.h"

#define MANY 5000

static struct backlog_record sample(uint32_t store_id, const char *id, uint8_t body)
{
	struct backlog_record record = {.store_id = store_id,
		.event_id = str_from(id),
		.sealed_facts = STR("facts"),
		.sealed_body = STR("body bytes")};
	memset(record.body_sha256, body, sizeof(record.body_sha256));
	return record;
}

static void add_safe(struct backlog_index *index, const struct backlog_record *record)
{
	ck_assert(backlog_index_add(index, record));
	backlog_index_told(index, record, true);
}

START_TEST(record_comes_back_as_it_was)
{
	struct backlog_record record = sample(7, "msg-1", 9), again;
	struct buf bytes;
	buf_init(&bytes, 4096);
	backlog_record_encode(&bytes, &record);
	ck_assert_uint_eq(bytes.len, BACKLOG_HEAD_BYTES + 5 + 5 + 10);
	ck_assert(backlog_record_parse(buf_str(&bytes), &again));
	ck_assert_uint_eq(again.store_id, 7);
	ck_assert(str_equal(again.event_id, record.event_id));
	ck_assert(str_equal(again.sealed_facts, record.sealed_facts));
	ck_assert(str_equal(again.sealed_body, record.sealed_body));
	ck_assert_mem_eq(again.body_sha256, record.body_sha256, BACKLOG_HASH_BYTES);
	buf_release(&bytes);
}
END_TEST

START_TEST(record_cut_anywhere_is_refused)
{
	struct backlog_record record = sample(7, "msg-1", 9), again;
	struct buf bytes;
	buf_init(&bytes, 4096);
	backlog_record_encode(&bytes, &record);
	for (size_t len = 0; len < bytes.len; len++)
		ck_assert(!backlog_record_parse((struct str){bytes.data, len}, &again));
	buf_add_cstr(&bytes, "x");
	ck_assert(!backlog_record_parse(buf_str(&bytes), &again));
	bytes.len--;
	bytes.data[0]++;
	ck_assert(!backlog_record_parse(buf_str(&bytes), &again));
	buf_release(&bytes);
}
END_TEST

START_TEST(record_without_store_or_id_is_refused)
{
	struct backlog_record records[] = {sample(0, "msg-1", 9), sample(1, "", 9)}, again;
	for (unsigned i = 0; i < COUNT_OF(records); i++) {
		struct buf bytes;
		buf_init(&bytes, 4096);
		backlog_record_encode(&bytes, &records[i]);
		ck_assert(!backlog_record_parse(buf_str(&bytes), &again));
		buf_release(&bytes);
	}
}
END_TEST

START_TEST(empty_index_knows_nothing)
{
	struct backlog_index index;
	const struct backlog_record record = sample(1, "a", 1);
	backlog_index_init(&index);
	ck_assert(backlog_index_has_room(&index));
	ck_assert_int_eq(backlog_index_find(&index, &record), BACKLOG_NEW);
	backlog_index_remove(&index, &record);
	backlog_index_release(&index);
}
END_TEST

START_TEST(name_belongs_to_its_store_and_body)
{
	struct backlog_index index;
	const struct backlog_record record = sample(1, "a", 1), store = sample(2, "a", 1),
				    id = sample(1, "b", 1), body = sample(1, "a", 2);
	backlog_index_init(&index);
	add_safe(&index, &record);
	ck_assert_int_eq(backlog_index_find(&index, &record), BACKLOG_SAME);
	ck_assert_int_eq(backlog_index_find(&index, &store), BACKLOG_NEW);
	ck_assert_int_eq(backlog_index_find(&index, &id), BACKLOG_NEW);
	ck_assert_int_eq(backlog_index_find(&index, &body), BACKLOG_OTHER);
	backlog_index_release(&index);
}
END_TEST

START_TEST(name_added_twice_goes_with_the_second_removal)
{
	struct backlog_index index;
	const struct backlog_record record = sample(1, "a", 1);
	backlog_index_init(&index);
	add_safe(&index, &record);
	add_safe(&index, &record);
	backlog_index_remove(&index, &record);
	ck_assert_int_eq(backlog_index_find(&index, &record), BACKLOG_SAME);
	backlog_index_remove(&index, &record);
	ck_assert_int_eq(backlog_index_find(&index, &record), BACKLOG_NEW);
	ck_assert_uint_eq(index.used, 0);
	backlog_index_release(&index);
}
END_TEST

/* Until it is on the disk nobody may be told that it is; but no other body takes its name. */
START_TEST(name_on_its_way_is_no_acknowledgement_and_keeps_others_out)
{
	struct backlog_index index;
	const struct backlog_record record = sample(1, "a", 1), other = sample(1, "a", 2);
	backlog_index_init(&index);
	ck_assert(backlog_index_add(&index, &record) && backlog_index_add(&index, &record));
	ck_assert_int_eq(backlog_index_find(&index, &record), BACKLOG_NEW);
	ck_assert_int_eq(backlog_index_find(&index, &other), BACKLOG_OTHER);
	backlog_index_remove(&index, &record); /* none is there to be taken away */
	backlog_index_told(&index, &record, false);
	ck_assert_int_eq(backlog_index_find(&index, &other), BACKLOG_OTHER);
	backlog_index_told(&index, &record, true);
	backlog_index_told(&index, &record, true); /* one too many */
	ck_assert_int_eq(backlog_index_find(&index, &record), BACKLOG_SAME);
	backlog_index_remove(&index, &record);
	ck_assert_int_eq(backlog_index_find(&index, &other), BACKLOG_NEW);
	ck_assert(backlog_index_add(&index, &other));
	backlog_index_told(&index, &other, false);
	ck_assert_uint_eq(index.used, 0);
	backlog_index_release(&index);
}
END_TEST

/* Removal closes the gaps of a table that has grown, whatever the order. */
START_TEST(many_names_come_and_go)
{
	static char ids[MANY][16];
	static bool is_in[MANY];
	struct backlog_index index;
	uint64_t state = 88172645463325252u;
	unsigned used = 0;
	backlog_index_init(&index);
	for (unsigned i = 0; i < MANY; i++)
		snprintf(ids[i], sizeof(ids[i]), "id-%u", i);
	for (unsigned turn = 0; turn < 10 * MANY; turn++) {
		const unsigned i = (unsigned)(random_next(&state) % MANY);
		const struct backlog_record record = sample(1, ids[i], 1);
		if (is_in[i])
			backlog_index_remove(&index, &record);
		else
			add_safe(&index, &record);
		used = is_in[i] ? used - 1 : used + 1;
		is_in[i] = !is_in[i];
		ck_assert_uint_eq(index.used, used);
	}
	for (unsigned i = 0; i < MANY; i++) {
		const struct backlog_record record = sample(1, ids[i], 1);
		ck_assert_int_eq(
			backlog_index_find(&index, &record), is_in[i] ? BACKLOG_SAME : BACKLOG_NEW);
	}
	backlog_index_release(&index);
}
END_TEST

SUITE_MAIN("backlog", record_comes_back_as_it_was, record_cut_anywhere_is_refused,
	record_without_store_or_id_is_refused, empty_index_knows_nothing,
	name_belongs_to_its_store_and_body, name_added_twice_goes_with_the_second_removal,
	name_on_its_way_is_no_acknowledgement_and_keeps_others_out, many_names_come_and_go)
