/* SPDX-License-Identifier: Apache-2.0
 * The CSV reader: a state a byte, fields gathered in one array. */
#include "csv.h"

#define BOM_BYTES 3

enum state { AT_START = 0, PLAIN, QUOTED, AFTER_QUOTE };

static int get(struct csv *csv);
static void skip_bom(struct csv *csv);
static enum csv_result read_record(struct csv *csv);
static enum csv_result take(struct csv *csv, char byte);
static enum csv_result end_field(struct csv *csv, size_t *start);
static enum csv_result skip_line(struct csv *csv, enum csv_result why);

void csv_init(struct csv *csv, FILE *file)
{
	csv->file = file;
	csv->line = 0;
	csv->next_line = 1;
	csv->field_count = 0;
	csv->record_len = 0;
}

enum csv_result csv_next(struct csv *csv)
{
	if (csv->line == 0)
		skip_bom(csv);
	for (;;) {
		csv->line = csv->next_line;
		enum csv_result result = read_record(csv);
		bool is_blank = result == CSV_RECORD && csv->field_count == 1 &&
				csv->fields[0].len == 0 && csv->next_line == csv->line + 1;
		if (!is_blank)
			return result;
		if (feof(csv->file))
			return CSV_END;
	}
}

const char *csv_result_reason(enum csv_result result)
{
	switch (result) {
	case CSV_RECORD:
	case CSV_END:
		return "none";
	case CSV_READ_FAILED:
		return "the file could not be read";
	case CSV_STRAY_QUOTE:
		return "a quote where none may be";
	case CSV_STRAY_CR:
		return "a carriage return without a line feed";
	case CSV_UNCLOSED:
		return "the file ends inside quotes";
	case CSV_TOO_LONG:
		return "the record is over 65536 bytes";
	case CSV_TOO_MANY_FIELDS:
		return "the record has over 64 fields";
	}
	return "unknown";
}

static int get(struct csv *csv)
{
	int byte = getc_unlocked(csv->file);
	if (byte == '\n')
		csv->next_line++;
	return byte;
}

static void skip_bom(struct csv *csv)
{
	static const unsigned char bom[BOM_BYTES] = {0xef, 0xbb, 0xbf};
	int first = getc_unlocked(csv->file);
	if (first != bom[0]) {
		if (first != EOF)
			ungetc(first, csv->file);
		return;
	}
	/* 0xef starts no header that is ASCII: without the rest of the mark the file is refused
	 * anyway. */
	for (unsigned i = 1; i < BOM_BYTES; i++) {
		int byte = getc_unlocked(csv->file);
		if (byte != bom[i]) {
			if (byte != EOF)
				ungetc(byte, csv->file);
			return;
		}
	}
}

static enum csv_result read_record(struct csv *csv)
{
	enum state state = AT_START;
	enum csv_result result = CSV_RECORD;
	size_t start = 0;
	bool has_begun = false;
	csv->field_count = 0;
	csv->record_len = 0;
	for (;;) {
		int byte = get(csv);
		if (byte == EOF && ferror(csv->file))
			return CSV_READ_FAILED;
		if (byte == EOF && !has_begun)
			return CSV_END;
		if (byte == EOF)
			return state == QUOTED ? CSV_UNCLOSED : end_field(csv, &start);
		has_begun = true;
		if (state == QUOTED) {
			if (byte == '"')
				state = AFTER_QUOTE;
			else
				result = take(csv, (char)byte);
		} else if (byte == '"') {
			if (state == PLAIN)
				return skip_line(csv, CSV_STRAY_QUOTE);
			if (state == AFTER_QUOTE)
				result = take(csv, '"');
			state = QUOTED;
		} else if (byte == ',') {
			result = end_field(csv, &start);
			state = AT_START;
		} else if (byte == '\n') {
			return end_field(csv, &start);
		} else if (byte == '\r') {
			if (get(csv) != '\n')
				return skip_line(csv, CSV_STRAY_CR);
			return end_field(csv, &start);
		} else if (state == AFTER_QUOTE) {
			return skip_line(csv, CSV_STRAY_QUOTE);
		} else {
			result = take(csv, (char)byte);
			state = PLAIN;
		}
		if (result != CSV_RECORD)
			return byte == '\n' ? result : skip_line(csv, result);
	}
}

static enum csv_result take(struct csv *csv, char byte)
{
	if (csv->record_len == CSV_RECORD_MAX)
		return CSV_TOO_LONG;
	csv->record[csv->record_len++] = byte;
	return CSV_RECORD;
}

static enum csv_result end_field(struct csv *csv, size_t *start)
{
	if (csv->field_count == CSV_FIELDS_MAX)
		return CSV_TOO_MANY_FIELDS;
	csv->fields[csv->field_count++] =
		(struct str){.data = csv->record + *start, .len = csv->record_len - *start};
	*start = csv->record_len;
	return CSV_RECORD;
}

static enum csv_result skip_line(struct csv *csv, enum csv_result why)
{
	for (int byte = get(csv); byte != '\n' && byte != EOF;)
		byte = get(csv);
	return ferror(csv->file) ? CSV_READ_FAILED : why;
}
