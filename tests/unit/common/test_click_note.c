/* SPDX-License-Identifier: Apache-2.0
 * Notes of clicks: what is read back, and what is refused. */
#include "click_note.h"

#include "suite.h"

static struct click_note sample(struct str extras)
{
	struct click_note note = {.bucket = {.high = 0xf, .low = UINT64_C(0x0123456789abcdef)},
		.index = 63,
		.expires_at_s = 1893456000,
		.extras = extras};
	const struct click_record record = {.class = CLICK_CLASS_HUMAN,
		.link = {.affiliate_id = 5, .product_id = 7},
		.window_s = 86400};
	click_record_encode(note.record, &record);
	return note;
}

START_TEST(note_is_read_back)
{
	uint8_t raw_extras[CLICK_EXTRAS_MAX], raw[CLICK_NOTE_MAX];
	char longest[CLICK_SUB_ID_MAX];
	memset(longest, 'x', sizeof(longest));
	for (unsigned values = 0; values <= CLICK_SUB_IDS + 1; values++) {
		struct click_extras extras = {0};
		for (unsigned i = 0; i < values; i++)
			extras.values[i] = (struct str){longest, sizeof(longest)};
		const struct str encoded = {(const char *)raw_extras,
			values > 0 ? click_extras_encode(raw_extras, &extras) : 0};
		const struct click_note note = sample(encoded);
		const unsigned len = click_note_encode(raw, &note);
		ck_assert_uint_eq(len, CLICK_NOTE_BYTES + encoded.len);
		struct click_note back;
		ck_assert(click_note_parse((struct str){(const char *)raw, len}, &back));
		ck_assert_uint_eq(back.bucket.low, note.bucket.low);
		ck_assert_uint_eq(back.bucket.high, 0xf);
		ck_assert_uint_eq(back.index, 63);
		ck_assert_int_eq(back.expires_at_s, note.expires_at_s);
		ck_assert_mem_eq(back.record, note.record, CLICK_RECORD_BYTES);
		ck_assert(str_equal(back.extras, encoded));
	}
}
END_TEST

START_TEST(what_is_no_note_is_refused)
{
	static const struct {
		unsigned at;
		uint8_t byte;
	} rows[] = {{0, 0}, {0, 2}, {1, 0x10}, {10, 64}, {11, 0x80}, {19, 0x2f}};
	uint8_t raw[CLICK_NOTE_MAX];
	struct click_note back;
	const struct click_note note = sample((struct str){0});
	const unsigned len = click_note_encode(raw, &note);
	for (unsigned short_len = 0; short_len < len; short_len++)
		ck_assert(!click_note_parse((struct str){(const char *)raw, short_len}, &back));
	ck_assert(!click_note_parse((struct str){(const char *)raw, len + 1}, &back));
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		const uint8_t before = raw[rows[i].at];
		raw[rows[i].at] = rows[i].byte;
		ck_assert_msg(
			!click_note_parse((struct str){(const char *)raw, len}, &back), "%u", i);
		raw[rows[i].at] = before;
	}
	ck_assert(click_note_parse((struct str){(const char *)raw, len}, &back));
}
END_TEST

SUITE_MAIN("click_note", note_is_read_back, what_is_no_note_is_refused)
