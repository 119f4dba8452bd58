/* SPDX-License-Identifier: Apache-2.0
 * The catalogue's tree: versions, views that stay as they were, and the snapshot on disk. */
#include "catalogue.h"

#include <unistd.h>

#include "catalogue_snapshot.h"

#include "../common/suite.h"

#define IDS 4000

static struct catalogue_row row_of(
	enum catalogue_kind kind, uint32_t id, uint64_t version, enum catalogue_status status)
{
	struct catalogue_row row = {.kind = kind, .id = id, .version = version, .status = status};
	if (kind == CATALOGUE_STORE) {
		row.window_s = 60;
		row.param = STR("wasl");
		row.url = STR("https://store.example/");
	} else if (kind == CATALOGUE_PRODUCT) {
		row.store_id = 9;
		row.url = STR("https://store.example/p?id=1");
	}
	return row;
}

static enum catalogue_change put(struct catalogue *catalogue, enum catalogue_kind kind, uint32_t id,
	uint64_t version, enum catalogue_status status)
{
	const struct catalogue_row row = row_of(kind, id, version, status);
	return catalogue_put(catalogue, &row);
}

START_TEST(empty_view_knows_nobody)
{
	const struct catalogue_view view = {0};
	ck_assert_ptr_null(catalogue_store(&view, 1));
	ck_assert_ptr_null(catalogue_product(&view, UINT32_MAX));
	ck_assert(!catalogue_is_suspended(&view, 1));
}
END_TEST

START_TEST(rows_are_found_and_lower_versions_ignored)
{
	static const uint32_t ids[] = {1, 1023, 1024, 1025, 1u << 21, UINT32_MAX - 1, UINT32_MAX};
	struct catalogue *catalogue = catalogue_new();
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		ck_assert_int_eq(put(catalogue, CATALOGUE_STORE, ids[i], 5, CATALOGUE_ACTIVE), 0);
		ck_assert_int_eq(put(catalogue, CATALOGUE_PRODUCT, ids[i], 5, CATALOGUE_ACTIVE), 0);
		ck_assert_int_eq(
			put(catalogue, CATALOGUE_AFFILIATE, ids[i], 5, CATALOGUE_STOPPED), 0);
		ck_assert_int_eq(put(catalogue, CATALOGUE_PRODUCT, ids[i], 4, CATALOGUE_STOPPED),
			CATALOGUE_OLDER);
		ck_assert_int_eq(put(catalogue, CATALOGUE_AFFILIATE, ids[i], 5, CATALOGUE_ACTIVE),
			CATALOGUE_OLDER);
	}
	const struct catalogue_view view = catalogue_publish(catalogue, 1);
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		const struct catalogue_entry *store = catalogue_store(&view, ids[i]);
		const struct catalogue_entry *product = catalogue_product(&view, ids[i]);
		ck_assert(store && product && catalogue_is_suspended(&view, ids[i]));
		ck_assert(str_equal(catalogue_entry_param(store), STR("wasl")));
		ck_assert(str_equal(catalogue_entry_url(store), STR("https://store.example/")));
		ck_assert(product->status == CATALOGUE_ACTIVE && product->store_id == 9);
	}
	ck_assert_ptr_null(catalogue_product(&view, 2));
	ck_assert(!catalogue_is_suspended(&view, 2));
	ck_assert_uint_eq(view.counts[CATALOGUE_AFFILIATE], COUNT_OF(ids));
	catalogue_free(catalogue);
}
END_TEST

START_TEST(published_views_never_change)
{
	struct catalogue *catalogue = catalogue_new();
	for (uint32_t id = 1; id <= IDS; id++) {
		put(catalogue, CATALOGUE_PRODUCT, id, 1, CATALOGUE_ACTIVE);
		put(catalogue, CATALOGUE_AFFILIATE, id, 1, CATALOGUE_ACTIVE);
	}
	const struct catalogue_view old = catalogue_publish(catalogue, 1);
	for (uint32_t id = 1; id <= IDS; id += 7) {
		put(catalogue, CATALOGUE_PRODUCT, id, 2, CATALOGUE_STOPPED);
		put(catalogue, CATALOGUE_AFFILIATE, id, 2, CATALOGUE_STOPPED);
		put(catalogue, CATALOGUE_PRODUCT, id, 3, CATALOGUE_STOPPED); /* twice in one edit */
	}
	put(catalogue, CATALOGUE_PRODUCT, IDS + 1, 1, CATALOGUE_ACTIVE);
	const struct catalogue_view new = catalogue_publish(catalogue, 2);
	catalogue_reclaim(catalogue, 1); /* a reader still uses the old view */
	for (uint32_t id = 1; id <= IDS; id++) {
		const bool is_changed = id % 7 == 1;
		ck_assert_int_eq(catalogue_product(&old, id)->status, CATALOGUE_ACTIVE);
		ck_assert(!catalogue_is_suspended(&old, id));
		ck_assert_int_eq(
			catalogue_product(&new, id)->status == CATALOGUE_STOPPED, is_changed);
		ck_assert(catalogue_is_suspended(&new, id) == is_changed);
	}
	ck_assert_ptr_null(catalogue_product(&old, IDS + 1));
	ck_assert_ptr_nonnull(catalogue_product(&new, IDS + 1));
	ck_assert_uint_gt(catalogue_retired(catalogue), 0);
	catalogue_reclaim(catalogue, 2);
	ck_assert_uint_eq(catalogue_retired(catalogue), 0);
	ck_assert_int_eq(catalogue_product(&new, 8)->status, CATALOGUE_STOPPED);
	catalogue_free(catalogue);
}
END_TEST

START_TEST(long_following_does_not_grow)
{
	struct catalogue *catalogue = catalogue_new();
	put(catalogue, CATALOGUE_PRODUCT, 1, 1, CATALOGUE_ACTIVE);
	uint64_t generation = 1;
	catalogue_publish(catalogue, generation);
	for (uint64_t version = 2; version < 2000; version++) {
		put(catalogue, CATALOGUE_PRODUCT, 1, version, CATALOGUE_ACTIVE);
		catalogue_publish(catalogue, ++generation);
		if (version % 50 == 0)
			catalogue_reclaim(catalogue, generation);
		ck_assert_uint_le(catalogue_retired(catalogue), 4 * 51);
	}
	ck_assert_uint_eq(catalogue_count(catalogue, CATALOGUE_PRODUCT), 1);
	catalogue_free(catalogue);
}
END_TEST

static struct catalogue_view snapshot_make(struct catalogue *catalogue, const char *folder)
{
	for (uint32_t id = 1; id <= IDS; id++)
		put(catalogue, CATALOGUE_PRODUCT, id, id,
			id % 2 ? CATALOGUE_ACTIVE : CATALOGUE_STOPPED);
	put(catalogue, CATALOGUE_STORE, 9, 1, CATALOGUE_ACTIVE);
	put(catalogue, CATALOGUE_AFFILIATE, 77, 3, CATALOGUE_STOPPED);
	const struct catalogue_view view = catalogue_publish(catalogue, 1);
	const struct catalogue_mark mark = {
		.epoch = "0123456789abcdef", .version = 12345, .confirmed_wall_us = 99};
	struct err err = {0};
	ck_assert_msg(catalogue_snapshot_write(folder, &view, &mark, &err), "%s", err.msg);
	return view;
}

START_TEST(snapshot_round_trips)
{
	char folder[] = "/tmp/wasl-unit-XXXXXX";
	ck_assert_ptr_nonnull(mkdtemp(folder));
	struct catalogue *catalogue = catalogue_new(), *again = catalogue_new();
	struct catalogue_mark mark;
	struct err err = {0};
	ck_assert_int_eq(
		catalogue_snapshot_read(folder, again, &mark, &err), CATALOGUE_SNAPSHOT_ABSENT);
	const struct catalogue_view before = snapshot_make(catalogue, folder);
	ck_assert_int_eq(
		catalogue_snapshot_read(folder, again, &mark, &err), CATALOGUE_SNAPSHOT_READ);
	ck_assert_str_eq(mark.epoch, "0123456789abcdef");
	ck_assert_uint_eq(mark.version, 12345);
	ck_assert_int_eq(mark.confirmed_wall_us, 99);
	const struct catalogue_view after = catalogue_publish(again, 1);
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++)
		ck_assert_uint_eq(before.counts[kind], after.counts[kind]);
	ck_assert_int_eq(catalogue_product(&after, 2)->status, CATALOGUE_STOPPED);
	ck_assert(catalogue_is_suspended(&after, 77));
	ck_assert_uint_eq(catalogue_store(&after, 9)->window_s, 60);
	catalogue_free(catalogue);
	catalogue_free(again);
}
END_TEST

START_TEST(damaged_snapshots_are_refused)
{
	char folder[] = "/tmp/wasl-unit-XXXXXX", path[128];
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, CATALOGUE_SNAPSHOT_NAME);
	struct catalogue *catalogue = catalogue_new();
	snapshot_make(catalogue, folder);
	catalogue_free(catalogue);
	FILE *file = fopen(path, "r+");
	ck_assert(file && fseek(file, 0, SEEK_END) == 0);
	const long size = ftell(file);
	const long places[] = {0, 9, 30, 44, 55, 60, size / 2, size - 1};
	struct catalogue_mark mark;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		fseek(file, places[i], SEEK_SET);
		const int byte = fgetc(file);
		fseek(file, places[i], SEEK_SET);
		fputc(byte ^ 1, file);
		fflush(file);
		struct err err = {0};
		struct catalogue *again = catalogue_new();
		ck_assert_msg(catalogue_snapshot_read(folder, again, &mark, &err) ==
				      CATALOGUE_SNAPSHOT_REFUSED,
			"byte %ld", places[i]);
		ck_assert(err.msg[0] != '\0');
		catalogue_free(again);
		fseek(file, places[i], SEEK_SET);
		fputc(byte, file);
		fflush(file);
	}
	for (long len = size - 1; len >= 0; len = len > 200 ? len - size / 5 : len - 1) {
		ck_assert_int_eq(ftruncate(fileno(file), len < 0 ? 0 : len), 0);
		struct catalogue *again = catalogue_new();
		ck_assert_int_eq(catalogue_snapshot_read(folder, again, &mark, NULL),
			CATALOGUE_SNAPSHOT_REFUSED);
		catalogue_free(again);
	}
	fclose(file);
}
END_TEST

SUITE_MAIN("catalogue", empty_view_knows_nobody, rows_are_found_and_lower_versions_ignored,
	published_views_never_change, long_following_does_not_grow, snapshot_round_trips,
	damaged_snapshots_are_refused)
