/* SPDX-License-Identifier: Apache-2.0
 * CSV that spreadsheets open as it is meant: RFC 4180 with a UTF-8 byte order mark; cells that a
 * spreadsheet would take for a formula are guarded by an apostrophe. Pure. */
#ifndef WASL_API_CSV_H
#define WASL_API_CSV_H

#include "buf.h"
#include "str.h"

#define API_CSV_TYPE "text/csv; charset=utf-8"

void api_csv_begin(struct buf *out); /* the byte order mark */
/* The column-th cell of its line, from 0: quoted when it holds a comma, a quote, CR or LF; with an
 * apostrophe before a first = + - or @. */
void api_csv_cell(struct buf *out, unsigned column, struct str text);
void api_csv_end_line(struct buf *out);

#endif
