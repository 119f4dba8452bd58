/* SPDX-License-Identifier: Apache-2.0
 * Text as a JSON string, escaped exactly as Postgres writes jsonb, so that what we write and what
 * it gives back compare as bytes. Pure. */
#ifndef WASL_JSON_TEXT_H
#define WASL_JSON_TEXT_H

#include "buf.h"
#include "str.h"

/* Appends text (UTF-8) in quotes. */
void json_text_add(struct buf *out, struct str text);
/* The same, or null for an empty text. */
void json_text_add_or_null(struct buf *out, struct str text);

#endif
