/* SPDX-License-Identifier: Apache-2.0
 * The bytes of segments: what is read back, and what each damage leaves. */
#include "spool_format.h"

#include "crc32c.h"
#include "suite.h"

#define RECORDS 3
#define RAW_MAX 4096

static struct {
	char bytes[RAW_MAX];
	size_t len;
	size_t ends[RECORDS];
	uint32_t sum;
} segment;

static const char *const payloads[RECORDS] = {"", "one", "and another with more in it"};

static void make(void)
{
	struct buf out;
	uint8_t head[SPOOL_HEAD_BYTES];
	buf_init(&out, RAW_MAX);
	segment.sum = spool_head_encode(head, 1234567);
	buf_add(&out, head, sizeof(head));
	for (unsigned i = 0; i < RECORDS; i++) {
		const struct spool_record record = {.kind = (uint8_t)(i + 1),
			.time_us = 1000 + (int64_t)i,
			.payload = str_from(payloads[i])};
		spool_record_encode(&out, &record);
		segment.ends[i] = out.len;
	}
	spool_records_sign(out.data + SPOOL_HEAD_BYTES, out.len - SPOOL_HEAD_BYTES, segment.sum);
	memcpy(segment.bytes, out.data, out.len);
	segment.len = out.len;
	buf_release(&out);
}

/* Reads raw to its end: bits of the records found, in *damage the bytes between them. */
static enum spool_scan read_all(struct str raw, unsigned *found_bits, size_t *damage)
{
	size_t at = SPOOL_HEAD_BYTES;
	*found_bits = 0;
	*damage = 0;
	for (;;) {
		struct spool_found found;
		const enum spool_scan scan = spool_scan(raw, segment.sum, &at, &found);
		if (scan != SPOOL_SCAN_RECORD)
			return scan;
		*damage += found.damage_bytes;
		ck_assert_uint_ge(found.record.kind, 1);
		ck_assert_uint_le(found.record.kind, RECORDS);
		const unsigned i = found.record.kind - 1u;
		ck_assert_int_eq(found.record.time_us, 1000 + (int64_t)i);
		ck_assert(str_equal(found.record.payload, str_from(payloads[i])));
		*found_bits |= 1u << i;
	}
}

START_TEST(crc32c_is_the_rfcs)
{
	/* RFC 3720 section B.4 */
	uint8_t bytes[32];
	memset(bytes, 0, sizeof(bytes));
	ck_assert_uint_eq(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	ck_assert_uint_eq(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	ck_assert_uint_eq(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		ck_assert_uint_eq(crc32c(7, bytes, len), crc32c_portable(7, bytes, len));
		const uint32_t half = crc32c(7, bytes, len / 2);
		ck_assert_uint_eq(
			crc32c(half, bytes + len / 2, len - len / 2), crc32c(7, bytes, len));
	}
}
END_TEST

START_TEST(head_is_told_apart)
{
	uint8_t head[SPOOL_HEAD_BYTES];
	uint32_t sum = 0;
	const struct str raw = {(const char *)head, sizeof(head)};
	const uint32_t made = spool_head_encode(head, -5);
	ck_assert_int_eq(spool_head_parse(raw, &sum), SPOOL_HEAD_OK);
	ck_assert_uint_eq(sum, made);
	for (size_t len = 0; len < sizeof(head); len++)
		ck_assert_int_eq(
			spool_head_parse((struct str){raw.data, len}, &sum), SPOOL_HEAD_TORN);
	for (size_t bit = 0; bit < 8 * sizeof(head); bit++) {
		head[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(spool_head_parse(raw, &sum), SPOOL_HEAD_BAD);
		head[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	head[7] = SPOOL_VERSION + 1;
	const uint32_t other = crc32c(0, head, 20);
	for (unsigned i = 0; i < 4; i++)
		head[20 + i] = (uint8_t)(other >> (24 - 8 * i));
	ck_assert_int_eq(spool_head_parse(raw, &sum), SPOOL_HEAD_VERSION);
	memset(head, 0, sizeof(head));
	ck_assert_int_eq(spool_head_parse(raw, &sum), SPOOL_HEAD_TORN);
}
END_TEST

START_TEST(records_are_read_back)
{
	unsigned bits;
	size_t damage;
	make();
	const struct str raw = {segment.bytes, segment.len};
	ck_assert_int_eq(read_all(raw, &bits, &damage), SPOOL_SCAN_NONE);
	ck_assert_uint_eq(bits, 7);
	ck_assert_uint_eq(damage, 0);
	ck_assert_int_eq(read_all((struct str){segment.bytes, SPOOL_HEAD_BYTES}, &bits, &damage),
		SPOOL_SCAN_NONE);
	ck_assert_uint_eq(bits, 0);
}
END_TEST

START_TEST(tail_torn_at_each_byte_costs_its_record_alone)
{
	make();
	for (size_t len = SPOOL_HEAD_BYTES; len < segment.len; len++) {
		unsigned bits, wanted = 0;
		size_t damage;
		bool is_whole = len == SPOOL_HEAD_BYTES;
		for (unsigned i = 0; i < RECORDS; i++) {
			wanted |= segment.ends[i] <= len ? 1u << i : 0;
			is_whole |= segment.ends[i] == len;
		}
		const enum spool_scan end =
			read_all((struct str){segment.bytes, len}, &bits, &damage);
		ck_assert_uint_eq(bits, wanted);
		ck_assert_int_eq(end, is_whole ? SPOOL_SCAN_NONE : SPOOL_SCAN_TORN);
	}
}
END_TEST

START_TEST(bit_flipped_at_each_byte_costs_its_record_alone)
{
	make();
	for (size_t bit = 8 * SPOOL_HEAD_BYTES; bit < 8 * segment.len; bit++) {
		unsigned bits, hit = 0;
		size_t damage;
		while (segment.ends[hit] <= bit / 8)
			hit++;
		segment.bytes[bit / 8] ^= (char)(1u << bit % 8);
		const enum spool_scan end =
			read_all((struct str){segment.bytes, segment.len}, &bits, &damage);
		segment.bytes[bit / 8] ^= (char)(1u << bit % 8);
		ck_assert_uint_eq(bits, 7u & ~(1u << hit));
		if (hit + 1 < RECORDS) {
			ck_assert_int_eq(end, SPOOL_SCAN_NONE);
			ck_assert_uint_gt(damage, 0);
		} else {
			/* A length that reaches behind the end looks like a torn tail. */
			ck_assert(end == SPOOL_SCAN_DAMAGE || end == SPOOL_SCAN_TORN);
		}
	}
}
END_TEST

START_TEST(zeros_behind_the_last_record_are_a_torn_tail)
{
	make();
	for (size_t zeros = 1; zeros < 100; zeros++) {
		unsigned bits;
		size_t damage;
		memset(segment.bytes + segment.len, 0, zeros);
		ck_assert_int_eq(
			read_all((struct str){segment.bytes, segment.len + zeros}, &bits, &damage),
			SPOOL_SCAN_TORN);
		ck_assert_uint_eq(bits, 7);
	}
}
END_TEST

START_TEST(record_of_another_segment_is_none)
{
	unsigned bits;
	size_t damage;
	make();
	segment.sum++;
	ck_assert_int_eq(read_all((struct str){segment.bytes, segment.len}, &bits, &damage),
		SPOOL_SCAN_DAMAGE);
	ck_assert_uint_eq(bits, 0);
}
END_TEST

START_TEST(payload_of_the_limit_is_read_back)
{
	struct buf out;
	struct spool_found found;
	size_t at = 0;
	char *payload = calloc(1, SPOOL_PAYLOAD_MAX);
	buf_init(&out, SPOOL_RECORD_BYTES + SPOOL_PAYLOAD_MAX);
	const struct spool_record record = {
		.kind = SPOOL_KIND_MAX, .payload = {payload, SPOOL_PAYLOAD_MAX}};
	spool_record_encode(&out, &record);
	ck_assert(!out.has_failed);
	spool_records_sign(out.data, out.len, 1);
	ck_assert_int_eq(spool_scan(buf_str(&out), 1, &at, &found), SPOOL_SCAN_RECORD);
	ck_assert_uint_eq(found.record.payload.len, SPOOL_PAYLOAD_MAX);
	/* One more is none, however it is signed. */
	out.data[15] = 1;
	at = 0;
	ck_assert_int_ne(spool_scan(buf_str(&out), 1, &at, &found), SPOOL_SCAN_RECORD);
	buf_release(&out);
	free(payload);
}
END_TEST

START_TEST(end_and_progress_are_read_back)
{
	struct buf out;
	struct spool_found found;
	size_t at = 0;
	uint32_t count = 0;
	buf_init(&out, SPOOL_END_BYTES);
	spool_end_encode(&out, 9, 77);
	spool_records_sign(out.data, out.len, 5);
	ck_assert_uint_eq(out.len, SPOOL_END_BYTES);
	ck_assert_int_eq(spool_scan(buf_str(&out), 5, &at, &found), SPOOL_SCAN_RECORD);
	ck_assert(spool_end_parse(&found.record, &count));
	ck_assert_uint_eq(count, 77);
	buf_release(&out);
	uint8_t bytes[SPOOL_PROGRESS_BYTES];
	const struct spool_progress in = {
		.number = 3, .sum = 3000000000, .offset = UINT64_C(1) << 40, .count = 4000000000};
	struct spool_progress back;
	spool_progress_encode(bytes, &in);
	const struct str raw = {(const char *)bytes, sizeof(bytes)};
	ck_assert(spool_progress_parse(raw, &back));
	ck_assert_uint_eq(back.number, 3);
	ck_assert_uint_eq(back.sum, in.sum);
	ck_assert_uint_eq(back.offset, in.offset);
	ck_assert_uint_eq(back.count, in.count);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert(!spool_progress_parse(raw, &back));
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert(!spool_progress_parse((struct str){raw.data, raw.len - 1}, &back));
}
END_TEST

SUITE_MAIN("spool_format", crc32c_is_the_rfcs, head_is_told_apart, records_are_read_back,
	tail_torn_at_each_byte_costs_its_record_alone,
	bit_flipped_at_each_byte_costs_its_record_alone,
	zeros_behind_the_last_record_are_a_torn_tail, record_of_another_segment_is_none,
	payload_of_the_limit_is_read_back, end_and_progress_are_read_back)
