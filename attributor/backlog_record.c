/* SPDX-License-Identifier: Apache-2.0
 * Lengths and the bytes behind them. */
#include "backlog_record.h"

#include <string.h>

#define RECORD_VERSION 1

static void put(struct buf *out, uint64_t value, unsigned bytes);
static bool take(struct str *rest, size_t len, struct str *taken);
static bool take_number(struct str *rest, unsigned bytes, uint64_t *value);
static bool take_text(struct str *rest, unsigned length_bytes, struct str *text);

void backlog_record_encode(struct buf *out, const struct backlog_record *record)
{
	put(out, RECORD_VERSION, 1);
	put(out, record->store_id, 4);
	buf_add(out, record->body_sha256, BACKLOG_HASH_BYTES);
	put(out, record->event_id.len, 2);
	buf_add_str(out, record->event_id);
	put(out, record->sealed_facts.len, 4);
	buf_add_str(out, record->sealed_facts);
	put(out, record->sealed_body.len, 4);
	buf_add_str(out, record->sealed_body);
}

bool backlog_record_parse(struct str raw, struct backlog_record *record)
{
	uint64_t version = 0, store_id = 0;
	struct str rest = raw, hash;
	*record = (struct backlog_record){0};
	if (!take_number(&rest, 1, &version) || version != RECORD_VERSION ||
		!take_number(&rest, 4, &store_id) || store_id == 0 ||
		!take(&rest, BACKLOG_HASH_BYTES, &hash) ||
		!take_text(&rest, 2, &record->event_id) || record->event_id.len == 0 ||
		record->event_id.len > EVENT_ID_MAX ||
		!take_text(&rest, 4, &record->sealed_facts) ||
		!take_text(&rest, 4, &record->sealed_body) || rest.len > 0)
		return false;
	record->store_id = (uint32_t)store_id;
	memcpy(record->body_sha256, hash.data, BACKLOG_HASH_BYTES);
	return true;
}

static void put(struct buf *out, uint64_t value, unsigned bytes)
{
	while (bytes-- > 0) {
		const uint8_t byte = (uint8_t)(value >> (8 * bytes));
		buf_add(out, &byte, 1);
	}
}

static bool take(struct str *rest, size_t len, struct str *taken)
{
	if (rest->len < len)
		return false;
	*taken = (struct str){rest->data, len};
	*rest = (struct str){rest->data + len, rest->len - len};
	return true;
}

static bool take_number(struct str *rest, unsigned bytes, uint64_t *value)
{
	struct str taken;
	if (!take(rest, bytes, &taken))
		return false;
	*value = 0;
	for (unsigned i = 0; i < bytes; i++)
		*value = *value << 8 | (uint8_t)taken.data[i];
	return true;
}

static bool take_text(struct str *rest, unsigned length_bytes, struct str *text)
{
	uint64_t len = 0;
	return take_number(rest, length_bytes, &len) && take(rest, (size_t)len, text);
}
