/* SPDX-License-Identifier: Apache-2.0
 * The growing buffer with a hard maximum. */
#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_BYTES 256

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){.max = max};
}

void buf_release(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->has_failed = false;
}

bool buf_reserve(struct buf *buf, size_t len)
{
	if (buf->has_failed)
		return false;
	if (len > buf->max - buf->len || buf->max == SIZE_MAX) {
		buf->has_failed = true;
		return false;
	}
	/* cap never exceeds max + 1. */
	const size_t wanted = buf->len + len + 1;
	if (wanted <= buf->cap)
		return true;
	size_t cap = buf->cap == 0 ? BUF_FIRST_BYTES : buf->cap;
	while (cap < wanted)
		cap = cap > SIZE_MAX / 2 ? wanted : cap * 2;
	if (cap > buf->max + 1)
		cap = buf->max + 1;
	char *data = realloc(buf->data, cap);
	if (data == NULL) {
		buf->has_failed = true;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

void buf_add_int(struct buf *buf, int64_t value)
{
	char text[INT_TEXT_MAX];
	buf_add_str(buf, int_format(text, value));
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	va_list again;
	va_copy(again, args);
	/* buf_reserve always leaves a byte for the NUL that vsnprintf writes. */
	if (buf_reserve(buf, 0)) {
		const size_t room = buf->cap - buf->len;
		const int wanted = vsnprintf(buf->data + buf->len, room, format, args);
		if (wanted < 0) {
			buf->has_failed = true;
		} else if ((size_t)wanted < room) {
			buf->len += (size_t)wanted;
		} else if (buf_reserve(buf, (size_t)wanted)) {
			vsnprintf(buf->data + buf->len, (size_t)wanted + 1, format, again);
			buf->len += (size_t)wanted;
		}
	}
	va_end(again);
	va_end(args);
}

void buf_consume(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
		return;
	}
	if (len == 0)
		return;
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
}

const char *buf_cstr(struct buf *buf)
{
	if (buf->has_failed || buf->data == NULL)
		return "";
	buf->data[buf->len] = '\0';
	return buf->data;
}

struct str buf_str(const struct buf *buf)
{
	return (struct str){.data = buf->data, .len = buf->len};
}
