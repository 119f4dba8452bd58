/* SPDX-License-Identifier: Apache-2.0
 * Click ids, buckets, records and extras: bytes to values and back. */
#include "click.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define UUID_VERSION_7    0x70
#define UUID_VARIANT      0x80 /* RFC 9562 section 4.1: the top two bits are 10 */
#define INDEX_BITS        6
#define RECORD_VERSION    1
#define RECORD_HAS_EXTRAS 0x80
#define RECORD_FLAGS      (CLICK_SUSPECT | CLICK_NO_TRACK)
#define EXTRAS_VERSION    1

/* Where the dashes of a UUID are: after these bytes. */
static const uint8_t dash_before[CLICK_ID_BYTES] = {[4] = 1, [6] = 1, [8] = 1, [10] = 1};

static void put_number(uint8_t *out, unsigned bytes, uint64_t value);
static uint64_t get_number(const uint8_t *in, unsigned bytes);
static unsigned add_bucket(
	char out[CLICK_KEY_MAX], const char *prefix, const struct click_bucket *bucket);

#define CLICK_NAME(name, text) text,

const char *click_class_name(enum click_class class)
{
	static const char *const names[] = {CLICK_CLASSES(CLICK_NAME)};
	return names[class];
}

const char *click_app_name(enum click_app app)
{
	static const char *const names[] = {CLICK_APPS(CLICK_NAME)};
	return names[app];
}

const char *click_os_name(enum click_os os)
{
	static const char *const names[] = {CLICK_OSES(CLICK_NAME)};
	return names[os];
}

void click_id_make(uint8_t id[CLICK_ID_BYTES], int64_t wall_ms, const struct click_bucket *bucket,
	unsigned index)
{
	assert(index < CLICK_BUCKET_CLICKS);
	/* 68 bits of bucket: 12 to rand_a, 56 to rand_b. */
	const uint64_t rand_a = (uint64_t)(bucket->high & 0x0f) << 8 | bucket->low >> 56;
	const uint64_t rand_b = (bucket->low & (UINT64_MAX >> 8)) << INDEX_BITS | index;
	put_number(id, 6, (uint64_t)wall_ms);
	put_number(id + 6, 2, rand_a);
	id[6] |= UUID_VERSION_7;
	put_number(id + 8, 8, rand_b);
	id[8] |= UUID_VARIANT;
}

int64_t click_id_ms(const uint8_t id[CLICK_ID_BYTES])
{
	return (int64_t)get_number(id, 6);
}

void click_id_bucket(const uint8_t id[CLICK_ID_BYTES], struct click_bucket *bucket, unsigned *index)
{
	const uint64_t rand_a = get_number(id + 6, 2) & 0x0fff;
	const uint64_t rand_b = get_number(id + 8, 8) & (UINT64_MAX >> 2);
	bucket->high = (uint8_t)(rand_a >> 8);
	bucket->low = (rand_a & 0xff) << 56 | rand_b >> INDEX_BITS;
	*index = (unsigned)(rand_b & (CLICK_BUCKET_CLICKS - 1));
}

void click_id_format(char out[CLICK_ID_TEXT_MAX], const uint8_t id[CLICK_ID_BYTES])
{
	char hex[2 * CLICK_ID_BYTES];
	hex_encode(hex, id, CLICK_ID_BYTES);
	for (unsigned i = 0; i < CLICK_ID_BYTES; i++) {
		if (dash_before[i])
			*out++ = '-';
		memcpy(out, hex + 2 * i, 2);
		out += 2;
	}
	*out = '\0';
}

bool click_id_parse(struct str text, uint8_t id[CLICK_ID_BYTES])
{
	uint8_t found[CLICK_ID_BYTES];
	if (text.len != CLICK_ID_TEXT_MAX - 1)
		return false;
	const char *at = text.data;
	for (unsigned i = 0; i < CLICK_ID_BYTES; i++) {
		if (dash_before[i] && *at++ != '-')
			return false;
		if (!hex_decode((struct str){.data = at, .len = 2}, &found[i], 1))
			return false;
		at += 2;
	}
	memcpy(id, found, CLICK_ID_BYTES);
	return true;
}

unsigned click_bucket_key(char out[CLICK_KEY_MAX], const struct click_bucket *bucket)
{
	return add_bucket(out, "wasl:c:", bucket);
}

unsigned click_extras_key(
	char out[CLICK_KEY_MAX], const struct click_bucket *bucket, unsigned index)
{
	assert(index < CLICK_BUCKET_CLICKS);
	const unsigned len = add_bucket(out, "wasl:x:", bucket);
	return len + (unsigned)snprintf(out + len, CLICK_KEY_MAX - len, ":%u", index);
}

void click_record_encode(uint8_t out[CLICK_RECORD_BYTES], const struct click_record *record)
{
	out[0] = (uint8_t)(RECORD_VERSION << 4 | record->class);
	out[1] = (uint8_t)(record->app << 3 | record->os);
	out[2] = (uint8_t)((record->flags & RECORD_FLAGS) |
			   (record->has_extras ? RECORD_HAS_EXTRAS : 0));
	put_number(out + 3, 3, record->link.campaign_id);
	put_number(out + 6, 4, record->link.affiliate_id);
	put_number(out + 10, 4, record->link.product_id);
	put_number(out + 14, 4, record->store_id);
	put_number(out + 18, 4, record->window_s);
	put_number(out + 22, 6, record->visitor);
	put_number(out + 28, 4, record->network);
}

bool click_record_parse(struct str raw, struct click_record *record)
{
	if (raw.len != CLICK_RECORD_BYTES)
		return false;
	const uint8_t *in = (const uint8_t *)raw.data;
	if (in[0] >> 4 != RECORD_VERSION || (in[0] & 0x0f) >= CLICK_CLASS_COUNT)
		return false;
	const unsigned app = in[1] >> 3;
	const unsigned os = in[1] & 0x07;
	*record = (struct click_record){
		.class = (enum click_class)(in[0] & 0x0f),
		.app = app < CLICK_APP_COUNT ? (enum click_app)app : CLICK_APP_OTHER,
		.os = os < CLICK_OS_COUNT ? (enum click_os)os : CLICK_OS_OTHER,
		.flags = in[2] & RECORD_FLAGS,
		.has_extras = (in[2] & RECORD_HAS_EXTRAS) != 0,
		.link.campaign_id = (uint32_t)get_number(in + 3, 3),
		.link.affiliate_id = (uint32_t)get_number(in + 6, 4),
		.link.product_id = (uint32_t)get_number(in + 10, 4),
		.store_id = (uint32_t)get_number(in + 14, 4),
		.window_s = (uint32_t)get_number(in + 18, 4),
		.visitor = get_number(in + 22, 6),
		.network = (uint32_t)get_number(in + 28, 4),
	};
	return true;
}

bool click_record_agrees(const struct click_record *record, const struct click_claim *claim)
{
	return record->link.affiliate_id == claim->link.affiliate_id &&
	       record->link.product_id == claim->link.product_id &&
	       record->link.campaign_id == claim->link.campaign_id &&
	       record->window_s == claim->window_s &&
	       (record->flags & RECORD_FLAGS) == (claim->flags & RECORD_FLAGS);
}

unsigned click_extras_encode(uint8_t out[CLICK_EXTRAS_MAX], const struct click_extras *extras)
{
	unsigned len = 0;
	out[len++] = EXTRAS_VERSION;
	for (unsigned i = 0; i <= CLICK_SUB_IDS; i++) {
		const struct str value = extras->values[i];
		assert(value.len <= CLICK_SUB_ID_MAX);
		if (value.len == 0)
			continue;
		out[len++] = (uint8_t)i;
		out[len++] = (uint8_t)value.len;
		memcpy(out + len, value.data, value.len);
		len += (unsigned)value.len;
	}
	return len;
}

bool click_extras_parse(struct str raw, struct click_extras *extras)
{
	struct click_extras found = {0};
	const uint8_t *in = (const uint8_t *)raw.data;
	if (raw.len == 0 || in[0] != EXTRAS_VERSION)
		return false;
	unsigned next_index = 0;
	for (size_t at = 1; at < raw.len;) {
		if (raw.len - at < 2)
			return false;
		const unsigned index = in[at];
		const size_t len = in[at + 1];
		at += 2;
		/* Ascending, so that none comes twice. */
		if (index > CLICK_SUB_IDS || index < next_index || len == 0 || len > raw.len - at)
			return false;
		found.values[index] = (struct str){.data = raw.data + at, .len = len};
		next_index = index + 1;
		at += len;
	}
	*extras = found;
	return true;
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

/* The bucket's 17 hex digits: one of high, sixteen of low. Twice per click: no printf. */
static unsigned add_bucket(
	char out[CLICK_KEY_MAX], const char *prefix, const struct click_bucket *bucket)
{
	static const char digits[] = "0123456789abcdef";
	const size_t len = strlen(prefix);
	assert(len + CLICK_BUCKET_HEX < CLICK_KEY_MAX);
	memcpy(out, prefix, len);
	out[len] = digits[bucket->high & 0x0fu];
	for (unsigned i = 1; i < CLICK_BUCKET_HEX; i++)
		out[len + i] = digits[bucket->low >> (4 * (CLICK_BUCKET_HEX - 1 - i)) & 0x0fu];
	out[len + CLICK_BUCKET_HEX] = '\0';
	return (unsigned)(len + CLICK_BUCKET_HEX);
}
