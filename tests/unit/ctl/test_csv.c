/* SPDX-License-Identifier: Apache-2.0
 * The CSV reader against RFC 4180 and against files that break it. */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

#include "../common/suite.h"

#define SHOWN_MAX 256

/* Every record as "field|field" and every fault as "!", each with its line, joined by spaces. */
static void show(struct str text, char out[SHOWN_MAX])
{
	struct csv *csv = malloc(sizeof(*csv));
	FILE *file = text.len > 0 ? fmemopen((char *)(uintptr_t)text.data, text.len, "r")
				  : fopen("/dev/null", "r");
	ck_assert(csv != NULL && file != NULL);
	csv_init(csv, file);
	size_t at = 0;
	enum csv_result result;
	out[0] = '\0';
	while ((result = csv_next(csv)) != CSV_END) {
		at += (size_t)snprintf(
			out + at, SHOWN_MAX - at, "%s%u:", at > 0 ? " " : "", (unsigned)csv->line);
		if (result != CSV_RECORD)
			at += (size_t)snprintf(out + at, SHOWN_MAX - at, "!");
		for (unsigned i = 0; result == CSV_RECORD && i < csv->field_count; i++)
			at += (size_t)snprintf(out + at, SHOWN_MAX - at, "%s%.*s", i > 0 ? "|" : "",
				STR_ARG(csv->fields[i]));
		ck_assert_uint_lt(at, SHOWN_MAX);
	}
	fclose(file);
	free(csv);
}

START_TEST(records_are_read_as_rfc_4180_says)
{
	static const struct {
		struct str text;
		const char *shown;
	} rows[] = {
		{STR(""), ""},
		{STR("a"), "1:a"},
		{STR("a\n"), "1:a"},
		{STR("a,b\r\nc,d\r\n"), "1:a|b 2:c|d"},
		{STR("a,b\nc,d"), "1:a|b 2:c|d"},
		{STR(","), "1:|"},
		{STR("a,\n,b\n"), "1:a| 2:|b"},
		{STR("\"a\",\"b,c\"\n"), "1:a|b,c"},
		{STR("\"a\"\"b\"\n"), "1:a\"b"},
		{STR("\"\"\"\"\n"), "1:\""},
		{STR("\"\",x\n"), "1:|x"},
		{STR("\"a\nb\"\nc\n"), "1:a\nb 3:c"},
		{STR("\"a\r\nb\",c\r\nd"), "1:a\r\nb|c 3:d"},
		{STR("\xef\xbb\xbf"
		     "a,b\n"),
			"1:a|b"},
		{STR("\xef\xbb\xbf\"a\"\n"), "1:a"},
		{STR("\n\na\n\n\nb\n\n"), "3:a 6:b"},
		{STR(" a , b \n"), "1: a | b "},
	};
	char shown[SHOWN_MAX];
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		show(rows[i].text, shown);
		ck_assert_msg(strcmp(shown, rows[i].shown) == 0, "row %zu: '%s'", i, shown);
	}
}
END_TEST

START_TEST(a_broken_record_costs_its_line_alone)
{
	static const struct {
		struct str text;
		const char *shown;
	} rows[] = {
		{STR("a\"b\nc\n"), "1:! 2:c"},
		{STR("\"a\"b,c\nd\n"), "1:! 2:d"},
		{STR("\"a\" ,c\nd\n"), "1:! 2:d"},
		{STR("a\rb\nc\n"), "1:! 2:c"},
		{STR("a\r"), "1:!"},
		{STR("a\n\"open\nb"), "1:a 2:!"},
		{STR("\""), "1:!"},
		{STR("x,\"y\nz\"w\nq\n"), "1:! 3:q"},
	};
	char shown[SHOWN_MAX];
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		show(rows[i].text, shown);
		ck_assert_msg(strcmp(shown, rows[i].shown) == 0, "row %zu: '%s'", i, shown);
	}
}
END_TEST

static enum csv_result first_of(const char *text, size_t len)
{
	struct csv *csv = malloc(sizeof(*csv));
	FILE *file = fmemopen((char *)(uintptr_t)text, len, "r");
	csv_init(csv, file);
	enum csv_result result = csv_next(csv);
	ck_assert_str_ne(csv_result_reason(result), "unknown");
	ck_assert_int_eq(csv_next(csv), result == CSV_RECORD ? CSV_END : CSV_RECORD);
	fclose(file);
	free(csv);
	return result;
}

START_TEST(limits_hold_to_the_byte_and_the_field)
{
	static char text[CSV_RECORD_MAX + 4];
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(first_of(text, CSV_RECORD_MAX - 1), CSV_RECORD);
	ck_assert_int_eq(first_of(text, CSV_RECORD_MAX), CSV_RECORD);
	memcpy(text + CSV_RECORD_MAX + 1, "\nb", 2);
	ck_assert_int_eq(first_of(text, CSV_RECORD_MAX + 3), CSV_TOO_LONG);
	memset(text, ',', CSV_FIELDS_MAX);
	ck_assert_int_eq(first_of(text, CSV_FIELDS_MAX - 1), CSV_RECORD);
	memcpy(text + CSV_FIELDS_MAX, "\nb", 2);
	ck_assert_int_eq(first_of(text, CSV_FIELDS_MAX + 2), CSV_TOO_MANY_FIELDS);
}
END_TEST

SUITE_MAIN("csv", records_are_read_as_rfc_4180_says, a_broken_record_costs_its_line_alone,
	limits_hold_to_the_byte_and_the_field)
