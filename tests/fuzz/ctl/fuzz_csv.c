/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a CSV file: reading ends, lines rise, fields stay within the record; and what a
 * terminal gets to see of them holds no control character. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "csv.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct csv csv;
	uint64_t line = 0;
	enum csv_result result = CSV_RECORD;
	if (size == 0)
		return 0;
	FILE *file = fmemopen((uint8_t *)(uintptr_t)data, size, "r");
	assert(file != NULL);
	csv_init(&csv, file);
	for (size_t records = 0; (result = csv_next(&csv)) != CSV_END; records++) {
		assert(records <= size && result != CSV_READ_FAILED && csv.line > line);
		line = csv.line;
		for (unsigned i = 0; result == CSV_RECORD && i < csv.field_count; i++) {
			struct str field = csv.fields[i];
			struct buf shown;
			assert(field.data >= csv.record &&
				field.data + field.len <= csv.record + csv.record_len);
			buf_init(&shown, CSV_RECORD_MAX * TEXT_ESCAPE_MAX + 1);
			text_escape(&shown, field);
			assert(!shown.has_failed && !text_has_control(buf_str(&shown)));
			assert(utf8_is_valid(buf_str(&shown)));
			buf_release(&shown);
		}
	}
	fclose(file);
	return 0;
}
