/* SPDX-License-Identifier: Apache-2.0
 * A spool on a good disk: groups, order, rotation, replay, locks, adoption, what a crash leaves. */
#include <sys/wait.h>

#include "spool_fixture.h"

#define RECORD(n) (SPOOL_RECORD_BYTES + sizeof("record " #n) - 1)

START_TEST(empty_spool_has_nothing_and_makes_no_segment)
{
	struct spool_record record;
	folder_make();
	spool_start();
	ck_assert_uint_eq(spool_read(fixture.spool, &record, 1), 0);
	spool_done(fixture.spool, 0);
	ck_assert_uint_eq(COUNT(records) + COUNT(bytes) + COUNT(oldest_us), 0);
	ck_assert_uint_eq(files_of(0, ".seg"), 0);
	struct stat status;
	ck_assert_int_eq(stat(fixture.folder, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0700);
	folder_remove();
}
END_TEST

START_TEST(one_record_comes_back_until_it_is_done_with)
{
	struct spool_record record;
	char path[SPOOL_PATH_MAX];
	struct stat status;
	folder_make();
	spool_start();
	ck_assert_int_eq(put(41), SPOOL_TAKEN);
	ck_assert_uint_eq(fixture.safe, 0); /* told from the loop */
	ck_assert_uint_eq(spool_untold(fixture.spool), 1);
	turn();
	ck_assert_uint_eq(fixture.safe, 1);
	ck_assert_uint_eq(COUNT(records), 1);
	ck_assert_uint_eq(COUNT(oldest_us), 42);
	segment_path(path, 0);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0600);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(spool_read(fixture.spool, &record, 1), 1);
		ck_assert_uint_eq(number_of_record(&record), 41);
	}
	spool_done(fixture.spool, 1);
	ck_assert_uint_eq(spool_read(fixture.spool, &record, 1), 0);
	ck_assert_uint_eq(COUNT(records) + COUNT(bytes) + COUNT(oldest_us), 0);
	ck_assert_uint_eq(COUNT(replayed), 1);
	ck_assert_uint_eq(files_of(0, ".seg"), 0);
	folder_remove();
}
END_TEST

START_TEST(records_of_a_turn_leave_in_one_write_and_in_order)
{
	struct spool_record records[3];
	folder_make();
	spool_start();
	put_many(0, 3);
	put_many(3, 1);
	ck_assert_uint_eq(fixture.safe, 4);
	ck_assert_uint_eq(spool_read(fixture.spool, records, 3), 3);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(number_of_record(&records[i]), i);
	spool_done(fixture.spool, 2); /* a part of what was read */
	ck_assert_uint_eq(spool_read(fixture.spool, records, 3), 2);
	ck_assert_uint_eq(number_of_record(&records[0]), 2);
	/* New ones while the old ones are read. */
	put_many(4, 2);
	ck_assert_uint_eq(spool_read(fixture.spool, records, 3), 3);
	ck_assert_uint_eq(number_of_record(&records[2]), 4);
	ck_assert_uint_eq(drain(NULL), 4);
	folder_remove();
}
END_TEST

START_TEST(full_segments_are_rotated_and_deleted_after_replay)
{
	static char payload[100000];
	folder_make();
	spool_start();
	const struct str view = {payload, sizeof(payload)};
	for (unsigned i = 0; i < 100; i++) {
		ck_assert_int_eq(spool_add(fixture.spool, 2, 1, view, i), SPOOL_TAKEN);
		turn();
	}
	ck_assert_uint_eq(files_of(0, ".seg"), 3);
	struct spool_record records[30];
	unsigned all = 0;
	for (unsigned count; (count = spool_read(fixture.spool, records, 30)) > 0; all += count)
		spool_done(fixture.spool, count);
	ck_assert_uint_eq(all, 100);
	ck_assert_uint_eq(files_of(0, ".seg"), 0);
	ck_assert_uint_eq(COUNT(set_aside) + COUNT(tails_cut), 0);
	folder_remove();
}
END_TEST

START_TEST(spool_is_full_at_its_maximum_and_takes_again_after_replay)
{
	static char payload[65536 - SPOOL_RECORD_BYTES];
	const struct str view = {payload, sizeof(payload)};
	folder_make();
	fixture.max_bytes = SPOOL_BYTES_MIN + SPOOL_HEAD_BYTES;
	spool_start();
	for (unsigned i = 0; i < SPOOL_BYTES_MIN / 65536; i++) {
		ck_assert_int_eq(spool_add(fixture.spool, 1, 1, view, i), SPOOL_TAKEN);
		turn();
	}
	ck_assert_uint_eq(COUNT(is_full), 0);
	ck_assert_uint_eq(COUNT(bytes), fixture.max_bytes);
	ck_assert_int_eq(put(99), SPOOL_FULL); /* one byte would be too many */
	ck_assert_uint_eq(COUNT(is_full), 1);
	ck_assert_uint_eq(COUNT(refused_full), 1);
	struct spool_record records[100];
	spool_done(fixture.spool, spool_read(fixture.spool, records, 100));
	ck_assert_uint_eq(COUNT(is_full), 0);
	ck_assert_int_eq(put(99), SPOOL_TAKEN);
	turn();
	folder_remove();
}
END_TEST

START_TEST(next_process_goes_on_where_this_one_ended)
{
	struct spool_record records[10];
	folder_make();
	spool_start();
	put_many(0, 10);
	ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 4);
	spool_done(fixture.spool, 4);
	spool_end();
	spool_start();
	ck_assert_uint_eq(COUNT(records), 6);
	ck_assert_uint_eq(spool_read(fixture.spool, records, 10), 6);
	ck_assert_uint_eq(number_of_record(&records[0]), 4);
	put_many(10, 1);
	ck_assert_uint_eq(drain(NULL), 7);
	spool_end();
	spool_start();
	ck_assert_uint_eq(drain(NULL), 0);
	folder_remove();
}
END_TEST

START_TEST(replay_without_its_progress_begins_anew)
{
	struct spool_record records[10];
	char path[SPOOL_PATH_MAX];
	folder_make();
	spool_start();
	put_many(0, 10);
	spool_done(fixture.spool, spool_read(fixture.spool, records, 4));
	spool_end();
	snprintf(path, sizeof(path), "%s/0/progress", fixture.folder);
	ck_assert_int_eq(unlink(path), 0);
	spool_start();
	ck_assert_uint_eq(drain(NULL), 10);
	folder_remove();
}
END_TEST

static void die_with(uint64_t first, uint64_t count);

/* An emptied spool has no segment: the next process's first one is no earlier one of that number.
 */
START_TEST(progress_of_a_segment_that_is_gone_says_nothing_of_the_next)
{
	uint64_t sum;
	folder_make();
	spool_start();
	put_many(0, 3);
	ck_assert_uint_eq(drain(NULL), 3);
	spool_end();
	die_with(10, 5);
	spool_start();
	ck_assert_uint_eq(COUNT(records), 5);
	ck_assert_uint_eq(drain(&sum), 5);
	ck_assert_uint_eq(sum, 10 + 11 + 12 + 13 + 14);
	folder_remove();
}
END_TEST

/* A process of its own that ends without a word, its records told safe. */
static void die_with(uint64_t first, uint64_t count)
{
	const pid_t pid = fork();
	if (pid == 0) {
		struct err err = {0};
		fixture.loop = loop_new(&err);
		fixture.safe = 0;
		spool_start();
		for (uint64_t i = first; i < first + count; i++)
			put(i);
		turn();
		_exit(fixture.safe == count ? 0 : 1);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(records_survive_their_process)
{
	uint64_t sum;
	folder_make();
	die_with(0, 5);
	die_with(5, 5);
	spool_start();
	ck_assert_uint_eq(COUNT(records), 10);
	ck_assert_uint_eq(COUNT(tails_cut) + COUNT(set_aside), 0);
	ck_assert_uint_eq(drain(&sum), 10);
	ck_assert_uint_eq(sum, 45);
	folder_remove();
}
END_TEST

START_TEST(torn_tail_is_cut_at_each_byte)
{
	for (size_t cut = 1; cut <= RECORD(2) + 1; cut++) {
		char path[SPOOL_PATH_MAX];
		folder_make();
		die_with(0, 3);
		segment_path(path, 0);
		ck_assert_int_eq(truncate(path, (off_t)(file_bytes(path) - cut)), 0);
		spool_start();
		const bool is_whole = cut == RECORD(2);
		ck_assert_uint_eq(COUNT(tails_cut), is_whole ? 0 : 1);
		ck_assert_uint_eq(COUNT(set_aside), 0);
		ck_assert_uint_eq(drain(NULL), cut <= RECORD(2) ? 2 : 1);
		ck_assert_uint_eq(files_of(0, ".seg") + files_of(0, ".bad"), 0);
		folder_remove();
	}
}
END_TEST

START_TEST(zero_filled_tail_is_cut)
{
	char path[SPOOL_PATH_MAX];
	folder_make();
	die_with(0, 3);
	segment_path(path, 0);
	ck_assert_int_eq(truncate(path, (off_t)(file_bytes(path) + 5000)), 0);
	spool_start();
	ck_assert_uint_eq(COUNT(tails_cut), 1);
	ck_assert_uint_eq(drain(NULL), 3);
	ck_assert_uint_eq(COUNT(set_aside), 0);
	folder_remove();
}
END_TEST

START_TEST(bit_flipped_anywhere_but_at_the_tail_is_set_aside)
{
	for (off_t at = SPOOL_HEAD_BYTES; at < (off_t)(SPOOL_HEAD_BYTES + 2 * RECORD(1)); at++) {
		char path[SPOOL_PATH_MAX];
		struct spool_record records[3];
		folder_make();
		die_with(0, 3);
		segment_path(path, 0);
		flip(path, at);
		spool_start();
		ck_assert_uint_eq(spool_read(fixture.spool, records, 3), 2);
		ck_assert_uint_eq(spool_read(fixture.spool, records, 3), 2);
		ck_assert_uint_eq(COUNT(set_aside), 1); /* met twice, counted once */
		spool_done(fixture.spool, 1);
		/* A crash here meets it again: the segment may not go as if it were whole. */
		spool_end();
		spool_start();
		ck_assert_uint_eq(drain(NULL), 2);
		ck_assert_uint_eq(COUNT(set_aside), 1);
		ck_assert_uint_eq(files_of(0, ".seg"), 0);
		ck_assert_uint_eq(files_of(0, ".bad"), 1);
		folder_remove();
	}
}
END_TEST

START_TEST(flip_in_the_last_record_is_set_aside)
{
	char path[SPOOL_PATH_MAX];
	folder_make();
	die_with(0, 3);
	segment_path(path, 0);
	flip(path, (off_t)file_bytes(path) - 1);
	spool_start();
	ck_assert_uint_eq(drain(NULL), 2);
	ck_assert_uint_eq(COUNT(set_aside), 1);
	ck_assert_uint_eq(COUNT(tails_cut), 0);
	ck_assert_uint_eq(files_of(0, ".bad"), 1);
	folder_remove();
}
END_TEST

START_TEST(file_that_is_no_segment_is_set_aside)
{
	static const off_t places[] = {0, 7, 10, 23}; /* magic, version, time, sum */
	for (unsigned i = 0; i < COUNT_OF(places); i++) {
		char path[SPOOL_PATH_MAX];
		folder_make();
		die_with(0, 3);
		die_with(3, 2);
		segment_path(path, 0);
		flip(path, places[i]);
		spool_start();
		ck_assert_uint_eq(COUNT(set_aside), 1);
		ck_assert_uint_eq(files_of(0, ".bad"), 1);
		ck_assert_uint_eq(drain(NULL), 2);
		put_many(7, 1); /* takes no number twice */
		ck_assert_uint_eq(files_of(0, ".bad"), 1);
		folder_remove();
	}
}
END_TEST

START_TEST(segment_without_a_record_is_deleted)
{
	for (unsigned len = 0; len <= SPOOL_HEAD_BYTES; len += SPOOL_HEAD_BYTES / 2) {
		char path[SPOOL_PATH_MAX];
		folder_make();
		die_with(0, 1);
		segment_path(path, 0);
		ck_assert_int_eq(truncate(path, len), 0);
		spool_start();
		ck_assert_uint_eq(files_of(0, ".seg") + files_of(0, ".bad"), 0);
		ck_assert_uint_eq(COUNT(set_aside), 0);
		folder_remove();
	}
}
END_TEST

START_TEST(two_owners_have_two_directories)
{
	folder_make();
	spool_start();
	put_many(0, 2);
	struct spool *first = fixture.spool;
	spool_start();
	ck_assert_uint_eq(COUNT(records), 0); /* the first one's are not ours */
	put_many(2, 3);
	ck_assert_uint_eq(files_of(0, ".seg"), 1);
	ck_assert_uint_eq(files_of(1, ".seg"), 1);
	ck_assert_uint_eq(drain(NULL), 3);
	spool_end();
	fixture.spool = first;
	ck_assert_uint_eq(drain(NULL), 2);
	folder_remove();
}
END_TEST

START_TEST(what_dead_owners_left_is_adopted)
{
	struct spool_record records[4];
	uint64_t sum;
	folder_make();
	spool_start();
	struct spool *first = fixture.spool;
	spool_start();
	struct spool *second = fixture.spool;
	put_many(0, 4);
	spool_done(second, spool_read(second, records, 1));
	spool_start();
	put_many(4, 4);
	spool_free(fixture.spool);
	spool_free(second);
	spool_free(first);
	fixture.found = 0;
	spool_start(); /* claims 0, adopts 1 and 2, of 1 what is left */
	ck_assert_uint_eq(fixture.found, 7);
	ck_assert_uint_eq(COUNT(records), 7);
	ck_assert_uint_eq(files_of(0, ".seg"), 2);
	ck_assert_uint_eq(files_of(1, ".seg") + files_of(2, ".seg"), 0);
	put_many(8, 1);
	ck_assert_uint_eq(drain(&sum), 8);
	ck_assert_uint_eq(sum, 36);
	folder_remove();
}
END_TEST

static bool has_adopted(void)
{
	return COUNT(records) == 3;
}

START_TEST(owner_that_dies_later_is_adopted_later)
{
	folder_make();
	spool_start();
	struct spool *first = fixture.spool;
	put_many(0, 2);
	spool_start();
	put_many(2, 1);
	spool_free(first);
	run_until(has_adopted, 2 * FIXTURE_LIMIT_US);
	ck_assert_uint_eq(drain(NULL), 3);
	folder_remove();
}
END_TEST

START_TEST(strange_record_keeps_its_segment)
{
	struct spool_record records[4];
	folder_make();
	spool_start();
	put_many(0, 3);
	ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 3);
	spool_set_aside(fixture.spool);
	spool_done(fixture.spool, 3);
	ck_assert_uint_eq(COUNT(set_aside), 1);
	ck_assert_uint_eq(files_of(0, ".bad"), 1);
	folder_remove();
}
END_TEST

START_TEST(hundred_thousand_records_come_back_once_and_in_order)
{
	struct spool_record records[SPOOL_RECORDS_MAX];
	uint64_t next = 0;
	folder_make();
	spool_start();
	for (uint64_t i = 0; i < 100000; i += 1000)
		put_many(i, 1000);
	ck_assert_uint_eq(COUNT(records), 100000);
	for (unsigned count; (count = spool_read(fixture.spool, records, SPOOL_RECORDS_MAX)) > 0;) {
		for (unsigned i = 0; i < count; i++)
			ck_assert_uint_eq(number_of_record(&records[i]), next++);
		spool_done(fixture.spool, count);
	}
	ck_assert_uint_eq(next, 100000);
	folder_remove();
}
END_TEST

START_TEST(synced_records_are_told_after_their_sync)
{
	folder_make();
	fixture.has_sync = true;
	fixture.io = &faulty_io;
	spool_start();
	for (uint64_t i = 0; i < 50; i++) {
		ck_assert_int_eq(put(i), SPOOL_TAKEN);
		if (i % 7 == 0)
			turn();
	}
	turn();
	ck_assert_uint_eq(fixture.safe, 50);
	ck_assert_uint_ge(faults.syncs, 2); /* the segment, and its directory once */
	ck_assert_int_eq(put(50), SPOOL_TAKEN);
	spool_free(fixture.spool); /* tells what waits */
	fixture.spool = NULL;
	ck_assert_uint_eq(fixture.safe, 51);
	spool_start();
	ck_assert_uint_eq(drain(NULL), 51);
	folder_remove();
}
END_TEST

SUITE_MAIN("spool", empty_spool_has_nothing_and_makes_no_segment,
	one_record_comes_back_until_it_is_done_with,
	records_of_a_turn_leave_in_one_write_and_in_order,
	full_segments_are_rotated_and_deleted_after_replay,
	spool_is_full_at_its_maximum_and_takes_again_after_replay,
	next_process_goes_on_where_this_one_ended, replay_without_its_progress_begins_anew,
	progress_of_a_segment_that_is_gone_says_nothing_of_the_next, records_survive_their_process,
	torn_tail_is_cut_at_each_byte, zero_filled_tail_is_cut,
	bit_flipped_anywhere_but_at_the_tail_is_set_aside, flip_in_the_last_record_is_set_aside,
	file_that_is_no_segment_is_set_aside, segment_without_a_record_is_deleted,
	two_owners_have_two_directories, what_dead_owners_left_is_adopted,
	owner_that_dies_later_is_adopted_later, strange_record_keeps_its_segment,
	hundred_thousand_records_come_back_once_and_in_order,
	synced_records_are_told_after_their_sync)
