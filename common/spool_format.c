/* SPDX-License-Identifier: Apache-2.0
 * The bytes of a spool's segments: how records are written, and how they are found again among
 * damage. Pure. */
#include "spool_format.h"

#include <assert.h>
#include <string.h>

#include "crc32c.h"

#define RECORD_MARK     0xb5
#define SUM_AT          16 /* in a record */
#define HEAD_SUM_AT     20
#define PROGRESS_SUM_AT 20

static const char magic[] = "waslspl";
#define MAGIC_LEN (sizeof(magic) - 1)

enum look { LOOK_RECORD = 0, LOOK_SHORT, LOOK_BAD };

static enum look look(struct str raw, uint32_t sum, size_t at, struct spool_record *record);
static bool is_zeros(struct str raw, size_t at);
static uint32_t record_sum(
	uint32_t sum, const uint8_t head[SPOOL_RECORD_BYTES], struct str payload);
static void put_number(uint8_t *out, unsigned bytes, uint64_t value);
static uint64_t get_number(const uint8_t *in, unsigned bytes);

uint32_t spool_head_encode(uint8_t out[SPOOL_HEAD_BYTES], int64_t made_us)
{
	memset(out, 0, SPOOL_HEAD_BYTES);
	memcpy(out, magic, MAGIC_LEN);
	out[MAGIC_LEN] = SPOOL_VERSION;
	put_number(out + 8, 8, (uint64_t)made_us);
	const uint32_t sum = crc32c(0, out, HEAD_SUM_AT);
	put_number(out + HEAD_SUM_AT, 4, sum);
	return sum;
}

enum spool_head spool_head_parse(struct str raw, uint32_t *sum)
{
	const uint8_t *in = (const uint8_t *)raw.data;
	if (raw.len < SPOOL_HEAD_BYTES || is_zeros(raw, 0))
		return SPOOL_HEAD_TORN;
	if (memcmp(in, magic, MAGIC_LEN) != 0 ||
		get_number(in + HEAD_SUM_AT, 4) != crc32c(0, in, HEAD_SUM_AT))
		return SPOOL_HEAD_BAD;
	if (in[MAGIC_LEN] != SPOOL_VERSION)
		return SPOOL_HEAD_VERSION;
	*sum = (uint32_t)get_number(in + HEAD_SUM_AT, 4);
	return SPOOL_HEAD_OK;
}

void spool_record_encode(struct buf *out, const struct spool_record *record)
{
	assert(record->payload.len <= SPOOL_PAYLOAD_MAX && record->kind != 0);
	uint8_t head[SPOOL_RECORD_BYTES] = {RECORD_MARK, record->kind};
	put_number(head + 4, 8, (uint64_t)record->time_us);
	put_number(head + 12, 4, record->payload.len);
	buf_add(out, head, sizeof(head));
	buf_add_str(out, record->payload);
}

void spool_end_encode(struct buf *out, int64_t time_us, uint32_t count)
{
	uint8_t payload[4];
	put_number(payload, sizeof(payload), count);
	const struct spool_record end = {.kind = SPOOL_KIND_END,
		.time_us = time_us,
		.payload = {(const char *)payload, sizeof(payload)}};
	spool_record_encode(out, &end);
}

void spool_records_sign(char *raw, size_t len, uint32_t sum)
{
	for (size_t at = 0; at < len;) {
		uint8_t *head = (uint8_t *)raw + at;
		const size_t payload_len = get_number(head + 12, 4);
		assert(head[0] == RECORD_MARK && payload_len <= len - at - SPOOL_RECORD_BYTES);
		const struct str payload = {raw + at + SPOOL_RECORD_BYTES, payload_len};
		put_number(head + SUM_AT, 4, record_sum(sum, head, payload));
		at += SPOOL_RECORD_BYTES + payload_len;
	}
}

enum spool_scan spool_scan(struct str raw, uint32_t sum, size_t *at, struct spool_found *found)
{
	const size_t begin = *at;
	if (begin >= raw.len)
		return SPOOL_SCAN_NONE;
	const enum look first = look(raw, sum, begin, &found->record);
	for (size_t i = begin; i < raw.len; i++) {
		if ((uint8_t)raw.data[i] != RECORD_MARK ||
			look(raw, sum, i, &found->record) != LOOK_RECORD)
			continue;
		found->damage_bytes = i - begin;
		*at = i + SPOOL_RECORD_BYTES + found->record.payload.len;
		return SPOOL_SCAN_RECORD;
	}
	found->damage_bytes = raw.len - begin;
	*at = raw.len;
	return first == LOOK_SHORT || is_zeros(raw, begin) ? SPOOL_SCAN_TORN : SPOOL_SCAN_DAMAGE;
}

int64_t spool_record_time(const uint8_t raw[SPOOL_RECORD_BYTES])
{
	return (int64_t)get_number(raw + 4, 8);
}

bool spool_end_parse(const struct spool_record *record, uint32_t *count)
{
	if (record->kind != SPOOL_KIND_END || record->payload.len != 4)
		return false;
	*count = (uint32_t)get_number((const uint8_t *)record->payload.data, 4);
	return true;
}

void spool_progress_encode(uint8_t out[SPOOL_PROGRESS_BYTES], const struct spool_progress *progress)
{
	put_number(out, 4, progress->number);
	put_number(out + 4, 4, progress->sum);
	put_number(out + 8, 8, progress->offset);
	put_number(out + 16, 4, progress->count);
	put_number(out + PROGRESS_SUM_AT, 4, crc32c(0, out, PROGRESS_SUM_AT));
}

bool spool_progress_parse(struct str raw, struct spool_progress *progress)
{
	const uint8_t *in = (const uint8_t *)raw.data;
	if (raw.len != SPOOL_PROGRESS_BYTES ||
		get_number(in + PROGRESS_SUM_AT, 4) != crc32c(0, in, PROGRESS_SUM_AT))
		return false;
	progress->number = (uint32_t)get_number(in, 4);
	progress->sum = (uint32_t)get_number(in + 4, 4);
	progress->offset = get_number(in + 8, 8);
	progress->count = (uint32_t)get_number(in + 16, 4);
	return true;
}

static enum look look(struct str raw, uint32_t sum, size_t at, struct spool_record *record)
{
	const uint8_t *in = (const uint8_t *)raw.data + at;
	const size_t left = raw.len - at;
	if (in[0] != RECORD_MARK)
		return LOOK_BAD;
	if (left < SPOOL_RECORD_BYTES)
		return LOOK_SHORT;
	const uint64_t len = get_number(in + 12, 4);
	if (in[1] == 0 || in[2] != 0 || in[3] != 0 || len > SPOOL_PAYLOAD_MAX)
		return LOOK_BAD;
	if (len > left - SPOOL_RECORD_BYTES)
		return LOOK_SHORT;
	const struct str payload = {(const char *)in + SPOOL_RECORD_BYTES, (size_t)len};
	if (get_number(in + SUM_AT, 4) != record_sum(sum, in, payload))
		return LOOK_BAD;
	*record = (struct spool_record){
		.kind = in[1], .time_us = (int64_t)get_number(in + 4, 8), .payload = payload};
	return LOOK_RECORD;
}

static bool is_zeros(struct str raw, size_t at)
{
	for (; at < raw.len; at++)
		if (raw.data[at] != 0)
			return false;
	return true;
}

static uint32_t record_sum(uint32_t sum, const uint8_t head[SPOOL_RECORD_BYTES], struct str payload)
{
	return crc32c(crc32c(sum, head, SUM_AT), payload.data, payload.len);
}

static void put_number(uint8_t *out, unsigned bytes, uint64_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		out[i] = (uint8_t)value;
}

static uint64_t get_number(const uint8_t *in, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | in[i];
	return value;
}
