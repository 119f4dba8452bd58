/* SPDX-License-Identifier: Apache-2.0
 * A click as tracker and attributor share it: its id, its bucket, its record in Redis. Pure.
 *
 * Click id: a UUIDv7 (RFC 9562 section 5.7) whose 74 free bits are bucket (68) | index (6), most
 * significant first: rand_a is bucket bits 67-56, rand_b is bucket bits 55-0 and the index. Redis:
 * hash wasl:c:<17 hex of the bucket>, field <index in decimal>, value a record of 32 bytes (under
 * 64, so that Redis keeps the hash packed). Sub-ids: string wasl:x:<17 hex>:<index>. Both expire at
 * the end of the bucket's hour + window + grace. Each new bucket is announced on the stream
 * wasl:buckets. */
#ifndef WASL_CLICK_H
#define WASL_CLICK_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"
#include "token.h"

#define CLICK_BUCKET_CLICKS  64   /* indexes of one bucket */
#define CLICK_BUCKET_OPEN_S  3600 /* a bucket takes clicks for at most this long */
#define CLICK_RECORD_BYTES   32
#define CLICK_BUCKET_HEX     17
#define CLICK_KEY_MAX        32 /* "wasl:c:" + 17, "wasl:x:" + 17 + ":63", and a NUL */
#define CLICK_ID_TEXT_MAX    37 /* dashed, and a NUL */
#define CLICK_SUB_IDS        5
#define CLICK_SUB_ID_MAX     255 /* bytes of s1-s5 and cid, after percent-decoding */
#define CLICK_EXTRAS_MAX     (6 * (2 + CLICK_SUB_ID_MAX) + 1)
#define CLICK_BUCKETS_STREAM "wasl:buckets"

#define CLICK_CLASSES(X)        \
	X(HUMAN, "human")       \
	X(SUSPECT, "suspect")   \
	X(PREVIEW, "preview")   \
	X(PREFETCH, "prefetch") \
	X(BOT, "bot")           \
	X(HEAD, "head")
#define CLICK_APPS(X)             \
	X(OTHER, "other")         \
	X(BROWSER, "browser")     \
	X(WHATSAPP, "whatsapp")   \
	X(TIKTOK, "tiktok")       \
	X(INSTAGRAM, "instagram") \
	X(FACEBOOK, "facebook")   \
	X(SNAPCHAT, "snapchat")   \
	X(TWITTER, "x")           \
	X(TELEGRAM, "telegram")
#define CLICK_OSES(X)         \
	X(OTHER, "other")     \
	X(ANDROID, "android") \
	X(IOS, "ios")         \
	X(WINDOWS, "windows") \
	X(MACOS, "macos")     \
	X(LINUX, "linux")

#define CLICK_ENUM_CLASS(name, text) CLICK_CLASS_##name,
#define CLICK_ENUM_APP(name, text)   CLICK_APP_##name,
#define CLICK_ENUM_OS(name, text)    CLICK_OS_##name,
enum click_class { CLICK_CLASSES(CLICK_ENUM_CLASS) CLICK_CLASS_COUNT };
enum click_app { CLICK_APPS(CLICK_ENUM_APP) CLICK_APP_COUNT };
enum click_os { CLICK_OSES(CLICK_ENUM_OS) CLICK_OS_COUNT };
const char *click_class_name(enum click_class class);
const char *click_app_name(enum click_app app);
const char *click_os_name(enum click_os os);

/* 68 random bits: high holds the top 4. */
struct click_bucket {
	uint8_t high;
	uint64_t low;
};

/* index < CLICK_BUCKET_CLICKS; wall_ms is cut to 48 bits. */
void click_id_make(uint8_t id[CLICK_ID_BYTES], int64_t wall_ms, const struct click_bucket *bucket,
	unsigned index);
int64_t click_id_ms(const uint8_t id[CLICK_ID_BYTES]);
void click_id_bucket(
	const uint8_t id[CLICK_ID_BYTES], struct click_bucket *bucket, unsigned *index);
/* "0191c409-60be-7e0e-a952-cee07440cabe", NUL-terminated. */
void click_id_format(char out[CLICK_ID_TEXT_MAX], const uint8_t id[CLICK_ID_BYTES]);
/* Dashed, either case, any UUID. */
bool click_id_parse(struct str text, uint8_t id[CLICK_ID_BYTES]);

/* Keys, NUL-terminated; return their length. */
unsigned click_bucket_key(char out[CLICK_KEY_MAX], const struct click_bucket *bucket);
unsigned click_extras_key(
	char out[CLICK_KEY_MAX], const struct click_bucket *bucket, unsigned index);

/* What Redis keeps of one click: no personal data (visitor and network are keyed hashes, 0 = none).
 */
struct click_record {
	enum click_class class;
	enum click_app app;
	enum click_os os;
	uint8_t flags; /* of the token */
	bool has_extras;
	struct link_claim link;
	uint32_t store_id;
	uint32_t window_s;
	uint64_t visitor; /* 48 bits */
	uint32_t network;
};

/* Byte 0: version 1 << 4 | class; 1: app << 3 | os; 2: token flags | 0x80 if has_extras; 3-5
 * campaign; 6-9 affiliate; 10-13 product; 14-17 store; 18-21 window_s; 22-27 visitor; 28-31
 * network. Big endian. */
void click_record_encode(uint8_t out[CLICK_RECORD_BYTES], const struct click_record *record);
/* Refuses another length or version, and codes out of range (a newer writer's app or os reads as
 * other). */
bool click_record_parse(struct str raw, struct click_record *record);
/* The record and the token tell the same story: ids, window and token flags. */
bool click_record_agrees(const struct click_record *record, const struct click_claim *claim);

/* Sub-ids s1-s5 (index 0-4) and cid (index 5); an empty view is absent. */
struct click_extras {
	struct str values[CLICK_SUB_IDS + 1];
};
/* One byte of version, then per value: index u8, length u8, bytes. Returns the length. */
unsigned click_extras_encode(uint8_t out[CLICK_EXTRAS_MAX], const struct click_extras *extras);
/* Views into raw. */
bool click_extras_parse(struct str raw, struct click_extras *extras);

#endif
