/* SPDX-License-Identifier: Apache-2.0
 * A spool on a disk that is full, slow to take bytes, or broken. */
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "spool_fixture.h"

#define SMALL_DISK_KIB 256

static void start_faulty(void)
{
	folder_make();
	fixture.io = &faulty_io;
	spool_start();
}

static bool is_fine(void)
{
	return COUNT(is_full) == 0 && COUNT(is_failing) == 0;
}

START_TEST(short_writes_are_carried_on)
{
	start_faulty();
	faults.write_limit = 3;
	put_many(0, 20);
	ck_assert_uint_eq(fixture.safe, 20);
	ck_assert_uint_eq(drain(NULL), 20);
	folder_remove();
}
END_TEST

START_TEST(full_disk_refuses_the_group_whole_and_takes_again_when_there_is_room)
{
	start_faulty();
	put_many(0, 3);
	faults.disk_bytes = 40; /* room for a record and a half */
	ck_assert_int_eq(put(90), SPOOL_TAKEN);
	ck_assert_int_eq(put(91), SPOOL_TAKEN);
	turn();
	ck_assert_uint_eq(fixture.safe, 3);
	ck_assert_uint_eq(fixture.lost, 2);
	ck_assert_uint_eq(COUNT(is_full), 1);
	ck_assert_uint_eq(COUNT(is_failing), 0);
	ck_assert_uint_eq(COUNT(refused_full), 2);
	ck_assert_int_eq(put(92), SPOOL_FULL); /* for a while not even tried */
	faults.disk_bytes = SIZE_MAX;
	run_until(is_fine, FIXTURE_LIMIT_US);
	put_many(3, 2);
	ck_assert_uint_eq(fixture.safe, 5);
	ck_assert_uint_eq(drain(NULL), 5);
	ck_assert_uint_eq(COUNT(set_aside) + COUNT(tails_cut), 0);
	folder_remove();
}
END_TEST

START_TEST(half_written_group_leaves_nothing_behind)
{
	for (size_t room = 0; room < 60; room++) {
		start_faulty();
		put_many(0, 1);
		faults.disk_bytes = room;
		put(1);
		put(2);
		turn();
		const bool is_written = room >= 2 * (SPOOL_RECORD_BYTES + 8);
		ck_assert_uint_eq(fixture.lost, is_written ? 0 : 2);
		spool_end();
		faults.disk_bytes = SIZE_MAX;
		spool_start();
		ck_assert_uint_eq(drain(NULL), is_written ? 3 : 1);
		ck_assert_uint_eq(COUNT(set_aside), 0);
		folder_remove();
	}
}
END_TEST

START_TEST(failing_writes_are_told_and_end_when_the_disk_works)
{
	start_faulty();
	put_many(0, 2);
	faults.write_error = EIO;
	ck_assert_int_eq(put(9), SPOOL_TAKEN);
	turn();
	ck_assert_uint_eq(fixture.lost, 1);
	ck_assert_uint_eq(COUNT(is_failing), 1);
	ck_assert_int_eq(put(9), SPOOL_FAILED);
	faults.write_error = 0;
	run_until(is_fine, FIXTURE_LIMIT_US);
	put_many(2, 2);
	ck_assert_uint_eq(drain(NULL), 4);
	folder_remove();
}
END_TEST

START_TEST(failed_write_that_cant_be_cut_ends_its_segment)
{
	start_faulty();
	put_many(0, 2);
	faults.disk_bytes = 30;
	faults.truncate_error = EIO;
	put(9);
	put(9);
	turn();
	ck_assert_uint_eq(fixture.lost, 2);
	faults.disk_bytes = SIZE_MAX;
	faults.truncate_error = 0;
	run_until(is_fine, FIXTURE_LIMIT_US);
	put_many(2, 2);
	ck_assert_uint_eq(files_of(0, ".seg"), 2);
	ck_assert_uint_eq(drain(NULL), 4);
	folder_remove();
}
END_TEST

START_TEST(failed_sync_is_no_acknowledgement_and_never_tried_again_as_if_clean)
{
	folder_make();
	fixture.has_sync = true;
	fixture.io = &faulty_io;
	spool_start();
	put_many(0, 2);
	ck_assert_uint_eq(fixture.safe, 2);
	faults.sync_error = EIO;
	ck_assert_int_eq(put(8), SPOOL_TAKEN);
	turn();
	ck_assert_uint_eq(fixture.safe, 2);
	ck_assert_uint_eq(fixture.lost, 1);
	ck_assert_uint_eq(COUNT(is_failing), 1);
	faults.sync_error = 0;
	run_until(is_fine, FIXTURE_LIMIT_US);
	put_many(2, 1);
	ck_assert_uint_eq(files_of(0, ".seg"), 2); /* the old one is not written again */
	ck_assert_uint_eq(drain(NULL), 3);
	folder_remove();
}
END_TEST

START_TEST(unreadable_segment_is_set_aside_in_the_end)
{
	struct spool_record records[4];
	start_faulty();
	put_many(0, 3);
	faults.read_error = EIO;
	ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 0);
	ck_assert_uint_eq(COUNT(set_aside), 0);
	faults.read_error = 0;
	ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 3); /* it was a passing fault */
	put_many(3, 1);
	faults.read_error = EIO;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 0);
	faults.read_error = 0;
	ck_assert_uint_eq(COUNT(set_aside), 1);
	ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 0);
	ck_assert_uint_eq(files_of(0, ".bad"), 1);
	folder_remove();
}
END_TEST

START_TEST(shortage_of_memory_or_descriptors_is_no_fault_of_the_segment)
{
	static const int shortages[] = {ENOMEM, EMFILE, ENFILE, EAGAIN};
	struct spool_record records[4];
	start_faulty();
	put_many(0, 3);
	for (unsigned i = 0; i < 10 * COUNT_OF(shortages); i++) {
		faults.read_error = shortages[i % COUNT_OF(shortages)];
		ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 0);
	}
	faults.read_error = EIO; /* one alone is no reason either */
	ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 0);
	faults.read_error = 0;
	ck_assert_uint_eq(COUNT(set_aside), 0);
	ck_assert_uint_eq(spool_read(fixture.spool, records, 4), 3);
	folder_remove();
}
END_TEST

START_TEST(folder_that_cant_be_made_is_tried_again)
{
	char parent[128], moved[160];
	folder_make();
	str_copy(parent, sizeof(parent), str_from(fixture.folder));
	*strrchr(parent, '/') = '\0';
	snprintf(moved, sizeof(moved), "%s-away", parent);
	ck_assert_int_eq(rename(parent, moved), 0);
	spool_start();
	ck_assert_uint_eq(COUNT(is_failing), 1);
	ck_assert_int_ne(put(1), SPOOL_TAKEN);
	ck_assert_int_eq(rename(moved, parent), 0);
	run_until(is_fine, FIXTURE_LIMIT_US);
	put_many(0, 1);
	ck_assert_uint_eq(drain(NULL), 1);
	folder_remove();
}
END_TEST

START_TEST(file_size_limit_is_a_failure_like_others)
{
	static char payload[1000];
	const struct str view = {payload, sizeof(payload)};
	folder_make();
	spool_start();
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGXFSZ, &ignore, NULL);
	struct rlimit before, limit;
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 10000;
	setrlimit(RLIMIT_FSIZE, &limit);
	unsigned taken = 0;
	while (fixture.lost == 0 && taken < 100) {
		ck_assert_int_eq(spool_add(fixture.spool, 1, 1, view, taken++), SPOOL_TAKEN);
		turn();
	}
	setrlimit(RLIMIT_FSIZE, &before);
	ck_assert_uint_eq(fixture.lost, 1);
	ck_assert_uint_eq(fixture.safe, 9); /* 24 + 9 * 1020 < 10000 */
	struct spool_record records[20];
	ck_assert_uint_eq(spool_read(fixture.spool, records, 20), 9);
	folder_remove();
}
END_TEST

/* Root has a real one; others meet ENOSPC by the injected file system above. */
START_TEST(small_disk_fills_and_empties)
{
	static char payload[10000];
	char folder[128], options[32];
	const struct str view = {payload, sizeof(payload)};
	folder_make();
	str_copy(folder, sizeof(folder), str_from(fixture.folder));
	*strrchr(folder, '/') = '\0';
	snprintf(options, sizeof(options), "size=%dk", SMALL_DISK_KIB);
	if (mount("spool", folder, "tmpfs", 0, options) != 0) {
		folder_remove();
		return;
	}
	spool_start();
	unsigned number = 0;
	while (fixture.lost == 0 && number < 100) {
		ck_assert_int_eq(spool_add(fixture.spool, 1, 1, view, number++), SPOOL_TAKEN);
		turn();
	}
	ck_assert_uint_eq(fixture.lost, 1);
	ck_assert_uint_ge(fixture.safe, 20);
	ck_assert_uint_eq(COUNT(is_full), 1);
	struct spool_record records[50];
	const unsigned count = spool_read(fixture.spool, records, 50);
	ck_assert_uint_eq(count, fixture.safe);
	spool_done(fixture.spool, count);
	run_until(is_fine, FIXTURE_LIMIT_US);
	ck_assert_int_eq(spool_add(fixture.spool, 1, 1, view, number), SPOOL_TAKEN);
	turn();
	ck_assert_uint_eq(fixture.safe, count + 1);
	spool_end();
	ck_assert_int_eq(umount2(folder, MNT_DETACH), 0);
	folder_remove();
}
END_TEST

SUITE_MAIN("spool_faults", short_writes_are_carried_on,
	full_disk_refuses_the_group_whole_and_takes_again_when_there_is_room,
	half_written_group_leaves_nothing_behind,
	failing_writes_are_told_and_end_when_the_disk_works,
	failed_write_that_cant_be_cut_ends_its_segment,
	failed_sync_is_no_acknowledgement_and_never_tried_again_as_if_clean,
	unreadable_segment_is_set_aside_in_the_end,
	shortage_of_memory_or_descriptors_is_no_fault_of_the_segment,
	folder_that_cant_be_made_is_tried_again, file_size_limit_is_a_failure_like_others,
	small_disk_fills_and_empties)
