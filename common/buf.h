/* SPDX-License-Identifier: Apache-2.0
 * A growing buffer with a hard maximum, so that no peer decides how much memory we take. */
#ifndef WASL_BUF_H
#define WASL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "str.h"

/* After the first refusal (maximum reached, or memory) has_failed stays set and every further add
 * is ignored, so that a writer checks once at the end. */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
	bool has_failed;
};

void buf_init(struct buf *buf, size_t max);
void buf_release(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory, clears has_failed */
/* Room for len more bytes at data + len, and for a NUL after them; false, and failed, when there is
 * none. */
bool buf_reserve(struct buf *buf, size_t len);
static inline void buf_add(struct buf *buf, const void *bytes, size_t len);
static inline void buf_add_str(struct buf *buf, struct str text);
static inline void buf_add_cstr(struct buf *buf, const char *text);
void buf_add_int(struct buf *buf, int64_t value); /* in decimal */
/* For what is written seldom: reading the format costs more than the others do altogether. */
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops len bytes at the front. */
void buf_consume(struct buf *buf, size_t len);
/* NUL-terminates (the NUL is not counted) and returns the text; "" when nothing or failed. */
const char *buf_cstr(struct buf *buf);
struct str buf_str(const struct buf *buf);

/* Here, since most of what is written is a few bytes of known length. */
static inline void buf_add(struct buf *buf, const void *bytes, size_t len)
{
	/* Room that is there already is within the maximum. */
	const bool is_easy = !buf->has_failed && len < buf->cap - buf->len;
	if (len == 0 || (!is_easy && !buf_reserve(buf, len)))
		return;
	memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
}

static inline void buf_add_str(struct buf *buf, struct str text)
{
	buf_add(buf, text.data, text.len);
}

static inline void buf_add_cstr(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

#endif
