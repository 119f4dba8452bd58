/* SPDX-License-Identifier: Apache-2.0
 * A growing buffer with a hard maximum, so that no peer decides how much memory we take. */
#ifndef WASL_BUF_H
#define WASL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_add_str(struct buf *buf, struct str text);
void buf_add_cstr(struct buf *buf, const char *text);
void buf_add_int(struct buf *buf, int64_t value); /* in decimal */
/* For what is written seldom: reading the format costs more than the others do altogether. */
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops len bytes at the front. */
void buf_consume(struct buf *buf, size_t len);
/* NUL-terminates (the NUL is not counted) and returns the text; "" when nothing or failed. */
const char *buf_cstr(struct buf *buf);
struct str buf_str(const struct buf *buf);

#endif
