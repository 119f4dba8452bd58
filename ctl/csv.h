/* SPDX-License-Identifier: Apache-2.0
 * CSV by RFC 4180, record by record, in bounded memory.
 *
 * Lines end with CRLF or LF; quoted fields may hold both, and "" for a quote; a UTF-8 byte order
 * mark at the start is skipped, blank lines too. A record that breaks the rules is told by its
 * reason, and reading goes on with the line after the one on which it broke. */
#ifndef WASL_CTL_CSV_H
#define WASL_CTL_CSV_H

#include <stdint.h>
#include <stdio.h>

#include "str.h"

#define CSV_FIELDS_MAX 64
#define CSV_RECORD_MAX 65536 /* bytes of a record's fields */

enum csv_result {
	CSV_RECORD = 0,
	CSV_END,
	CSV_READ_FAILED,
	CSV_STRAY_QUOTE,     /* a quote inside an unquoted field, or text after a closing quote */
	CSV_STRAY_CR,        /* a carriage return without a line feed */
	CSV_UNCLOSED,        /* the file ends inside quotes */
	CSV_TOO_LONG,        /* over CSV_RECORD_MAX */
	CSV_TOO_MANY_FIELDS, /* over CSV_FIELDS_MAX */
};

struct csv {
	FILE *file;    /* the caller's */
	uint64_t line; /* on which the record began, from 1 */
	uint64_t next_line;
	unsigned field_count;
	struct str fields[CSV_FIELDS_MAX]; /* into record; until the next csv_next */
	size_t record_len;
	char record[CSV_RECORD_MAX];
};

void csv_init(struct csv *csv, FILE *file);
enum csv_result csv_next(struct csv *csv);
const char *csv_result_reason(enum csv_result result);

#endif
