/* SPDX-License-Identifier: Apache-2.0
 * Text from outside on its way to a terminal: escaped, and measured in columns. Pure. */
#ifndef WASL_CTL_TEXT_H
#define WASL_CTL_TEXT_H

#include <stdbool.h>

#include "buf.h"
#include "str.h"

#define TEXT_ESCAPE_MAX 6 /* bytes that one byte may become: "\u202e" for three, "\x1b" for one */

/* Adds text as a terminal may show it: control characters (C0, DEL, C1), marks that turn the
 * writing direction of what follows, and bytes that are not UTF-8 leave as \n \t \r \xNN \uNNNN. */
void text_escape(struct buf *out, struct str text);
/* The same inside JSON that is already encoded: DEL, C1 and direction marks become \uNNNN. */
void text_escape_json(struct buf *out, struct str json);
/* C0, DEL or C1; invalid UTF-8 does not count. */
bool text_has_control(struct str text);
/* Columns on a terminal: marks count 0, wide East Asian characters and emoji 2. */
unsigned text_columns(struct str text);
/* Adds text as UTF-8 whatever it holds: what is not becomes U+FFFD. */
void text_add_utf8(struct buf *out, struct str text);

#endif
