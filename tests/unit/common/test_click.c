/* SPDX-License-Identifier: Apache-2.0
 * Clicks: ids with their buckets, keys, records and extras go to bytes and back. */
#include "click.h"

#include "suite.h"

#define ROUNDS 20000

START_TEST(ids_are_uuids_of_version_7_and_carry_their_bucket)
{
	uint64_t state = 21;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t id[CLICK_ID_BYTES];
		struct click_bucket found;
		unsigned index = 99;
		const int64_t ms = (int64_t)(random_next(&state) >> 16);
		const struct click_bucket bucket = {
			.high = (uint8_t)(random_next(&state) & 0x0f), .low = random_next(&state)};
		click_id_make(id, ms, &bucket, i % CLICK_BUCKET_CLICKS);
		ck_assert_uint_eq(id[6] >> 4, 7);
		ck_assert_uint_eq(id[8] >> 6, 2);
		ck_assert_int_eq(click_id_ms(id), ms);
		click_id_bucket(id, &found, &index);
		ck_assert_uint_eq(found.high, bucket.high);
		ck_assert_uint_eq(found.low, bucket.low);
		ck_assert_uint_eq(index, i % CLICK_BUCKET_CLICKS);
	}
}
END_TEST

START_TEST(bits_are_laid_out_as_written_down)
{
	uint8_t id[CLICK_ID_BYTES];
	char text[CLICK_ID_TEXT_MAX];
	const struct click_bucket bucket = {.high = 0xa, .low = UINT64_C(0xbc123456789abcde)};
	click_id_make(id, INT64_C(0x0191c40960be), &bucket, 63);
	click_id_format(text, id);
	/* rand_a abc; rand_b 0x123456789abcde << 6 | 63, under the variant 10. */
	ck_assert_str_eq(text, "0191c409-60be-7abc-848d-159e26af37bf");
	const struct click_bucket zero = {0};
	click_id_make(id, 0, &zero, 0);
	click_id_format(text, id);
	ck_assert_str_eq(text, "00000000-0000-7000-8000-000000000000");
}
END_TEST

START_TEST(ids_parse_dashed_in_either_case_only)
{
	static const struct str bad[] = {STR(""), STR("0191c40960be7e0ea952cee07440cabe"),
		STR("0191c409-60be-7e0e-a952-cee07440cab"),
		STR("0191c409-60be-7e0e-a952-cee07440cabe0"),
		STR("0191c409-60be-7e0e-a952-cee07440cabg"),
		STR("0191c40960be-7e0e-a952-cee07440cabe-"),
		STR("{191c409-60be-7e0e-a952-cee07440cab}"),
		STR("0191c409_60be_7e0e_a952_cee07440cabe"),
		STR("0191c409-60be-7e0e-a952-cee07440cab\0")};
	uint8_t id[CLICK_ID_BYTES];
	char text[CLICK_ID_TEXT_MAX];
	ck_assert(click_id_parse(STR("0191C409-60be-7E0e-a952-CEE07440cabe"), id));
	click_id_format(text, id);
	ck_assert_str_eq(text, "0191c409-60be-7e0e-a952-cee07440cabe");
	ck_assert(click_id_parse(STR("ffffffff-ffff-4fff-ffff-ffffffffffff"), id));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		ck_assert_msg(!click_id_parse(bad[i], id), "row %zu", i);
}
END_TEST

START_TEST(keys_are_named_as_written_down)
{
	char key[CLICK_KEY_MAX];
	const struct click_bucket bucket = {.high = 0xf, .low = 0x1};
	ck_assert_uint_eq(click_bucket_key(key, &bucket), 24);
	ck_assert_str_eq(key, "wasl:c:f0000000000000001");
	ck_assert_uint_eq(click_extras_key(key, &bucket, 63), 27);
	ck_assert_str_eq(key, "wasl:x:f0000000000000001:63");
}
END_TEST

static struct click_record random_record(uint64_t *state)
{
	struct click_record record = {
		.class = (enum click_class)(random_next(state) % CLICK_CLASS_COUNT),
		.app = (enum click_app)(random_next(state) % CLICK_APP_COUNT),
		.os = (enum click_os)(random_next(state) % CLICK_OS_COUNT),
		.flags = (uint8_t)(random_next(state) & 3),
		.has_extras = random_next(state) % 2 == 0,
		.link = {(uint32_t)random_next(state), (uint32_t)random_next(state),
			(uint32_t)random_next(state) & CAMPAIGN_ID_MAX},
		.store_id = (uint32_t)random_next(state),
		.window_s = (uint32_t)random_next(state),
		.visitor = random_next(state) >> 16,
		.network = (uint32_t)random_next(state),
	};
	return record;
}

START_TEST(records_come_back_whole)
{
	uint64_t state = 22;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t bytes[CLICK_RECORD_BYTES], again[CLICK_RECORD_BYTES];
		const struct click_record record = random_record(&state);
		struct click_record found;
		click_record_encode(bytes, &record);
		const struct str raw = {.data = (const char *)bytes, .len = sizeof(bytes)};
		ck_assert(click_record_parse(raw, &found));
		click_record_encode(again, &found);
		ck_assert_mem_eq(bytes, again, sizeof(bytes));
		ck_assert(found.class == record.class && found.app == record.app);
		ck_assert(found.os == record.os && found.flags == record.flags);
		ck_assert(found.has_extras == record.has_extras);
		ck_assert_mem_eq(&found.link, &record.link, sizeof(found.link));
		ck_assert(found.store_id == record.store_id && found.window_s == record.window_s);
		ck_assert(found.visitor == record.visitor && found.network == record.network);
	}
}
END_TEST

START_TEST(other_records_are_refused_and_newer_codes_read_as_other)
{
	uint64_t state = 23;
	uint8_t bytes[CLICK_RECORD_BYTES + 1] = {0};
	struct click_record found;
	const struct click_record record = random_record(&state);
	click_record_encode(bytes, &record);
	for (size_t len = 0; len <= sizeof(bytes); len++)
		ck_assert(click_record_parse((struct str){.data = (char *)bytes, .len = len},
				  &found) == (len == CLICK_RECORD_BYTES));
	const struct str raw = {.data = (char *)bytes, .len = CLICK_RECORD_BYTES};
	for (unsigned first = 0; first < 256; first++) {
		bytes[0] = (uint8_t)first;
		ck_assert(click_record_parse(raw, &found) ==
			  (first >> 4 == 1 && (first & 0x0f) < CLICK_CLASS_COUNT));
	}
	bytes[0] = 0x10;
	bytes[1] = 0xff;
	ck_assert(click_record_parse(raw, &found));
	ck_assert(found.app == CLICK_APP_OTHER && found.os == CLICK_OS_OTHER);
}
END_TEST

START_TEST(record_and_token_must_tell_the_same_story)
{
	const struct click_record record = {
		.link = {1, 2, 3}, .window_s = 4, .flags = CLICK_SUSPECT, .store_id = 9};
	const struct click_claim same = {
		.link = {1, 2, 3}, .window_s = 4, .flags = CLICK_SUSPECT | 0x40};
	const struct click_claim others[] = {
		{.link = {9, 2, 3}, .window_s = 4, .flags = CLICK_SUSPECT},
		{.link = {1, 9, 3}, .window_s = 4, .flags = CLICK_SUSPECT},
		{.link = {1, 2, 9}, .window_s = 4, .flags = CLICK_SUSPECT},
		{.link = {1, 2, 3}, .window_s = 9, .flags = CLICK_SUSPECT},
		{.link = {1, 2, 3}, .window_s = 4, .flags = 0},
		{.link = {1, 2, 3}, .window_s = 4, .flags = CLICK_SUSPECT | CLICK_NO_TRACK},
	};
	ck_assert(click_record_agrees(&record, &same));
	for (size_t i = 0; i < COUNT_OF(others); i++)
		ck_assert_msg(!click_record_agrees(&record, &others[i]), "row %zu", i);
}
END_TEST

START_TEST(extras_come_back_in_their_places)
{
	static char longest[CLICK_SUB_ID_MAX];
	uint8_t bytes[CLICK_EXTRAS_MAX];
	struct click_extras found;
	memset(longest, 'x', sizeof(longest));
	for (unsigned mask = 0; mask < 64; mask++) {
		struct click_extras extras = {0};
		for (unsigned i = 0; i <= CLICK_SUB_IDS; i++) {
			if ((mask >> i & 1) != 0)
				extras.values[i] = (struct str){
					.data = longest, .len = i % 2 == 0 ? sizeof(longest) : 1};
		}
		const unsigned len = click_extras_encode(bytes, &extras);
		ck_assert_uint_le(len, CLICK_EXTRAS_MAX);
		ck_assert(click_extras_parse(
			(struct str){.data = (char *)bytes, .len = len}, &found));
		for (unsigned i = 0; i <= CLICK_SUB_IDS; i++)
			ck_assert(str_equal(found.values[i], extras.values[i]));
	}
}
END_TEST

START_TEST(other_extras_are_refused)
{
	static const struct str bad[] = {STR(""), STR("\x00"), STR("\x02"), STR("\x01\x00"),
		STR("\x01\x00\x01"), STR("\x01\x00\x02x"), STR("\x01\x06\x01x"),
		STR("\x01\x00\x00"), STR("\x01\x00\x01x\x00\x01y"), STR("\x01\x02\x01x\x01\x01y"),
		STR("\x01\x00\x01xy")};
	struct click_extras found;
	ck_assert(click_extras_parse(STR("\x01"), &found) && found.values[0].len == 0);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		ck_assert_msg(!click_extras_parse(bad[i], &found), "row %zu", i);
}
END_TEST

START_TEST(codes_have_names)
{
	ck_assert_str_eq(click_class_name(CLICK_CLASS_HUMAN), "human");
	ck_assert_str_eq(click_class_name(CLICK_CLASS_HEAD), "head");
	ck_assert_str_eq(click_app_name(CLICK_APP_TIKTOK), "tiktok");
	ck_assert_str_eq(click_os_name(CLICK_OS_LINUX), "linux");
	ck_assert_uint_lt(CLICK_APP_COUNT, 32);
	ck_assert_uint_le(CLICK_OS_COUNT, 8);
}
END_TEST

SUITE_MAIN("click", ids_are_uuids_of_version_7_and_carry_their_bucket,
	bits_are_laid_out_as_written_down, ids_parse_dashed_in_either_case_only,
	keys_are_named_as_written_down, records_come_back_whole,
	other_records_are_refused_and_newer_codes_read_as_other,
	record_and_token_must_tell_the_same_story, extras_come_back_in_their_places,
	other_extras_are_refused, codes_have_names)
