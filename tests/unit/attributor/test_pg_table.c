/* SPDX-License-Identifier: Apache-2.0
 * Arrays of columns as Postgres reads them. */
#include "pg_table.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

/* A param that is these bytes, written as a C string of len. */
static void assert_param(
	const struct db_statement *statement, unsigned index, const char *bytes, size_t len)
{
	ck_assert_uint_lt(index, statement->param_count);
	ck_assert_uint_eq(statement->params[index].len, len);
	ck_assert_mem_eq(statement->params[index].data, bytes, len);
}
#define PARAM(statement, index, bytes) assert_param(statement, index, bytes, sizeof(bytes) - 1)

START_TEST(no_rows_are_empty_arrays)
{
	struct pg_table table;
	struct db_statement statement;
	pg_table_init(&table, "sql", "bt");
	ck_assert(pg_table_statement(&table, &statement));
	ck_assert_str_eq(statement.sql, "sql");
	ck_assert_uint_eq(statement.param_count, 2);
	ck_assert(statement.is_binary);
	PARAM(&statement, 0, "\0\0\0\0\0\0\0\0\0\0\0\x14");
	PARAM(&statement, 1, "\0\0\0\0\0\0\0\0\0\0\0\x19");
	pg_table_release(&table);
}
END_TEST

/* One dimension, whether there are nulls, the type, how many, counted from 1. */
#define HEAD(nulls, type, count) "\0\0\0\1\0\0\0" nulls "\0\0\0" type "\0\0\0" count "\0\0\0\1"

START_TEST(values_go_to_their_columns_row_by_row)
{
	struct pg_table table;
	struct db_statement statement;
	pg_table_init(&table, "sql", "bftix");
	pg_table_int(&table, INT64_MIN);
	pg_table_bool(&table, true);
	pg_table_text(&table, STR("one"));
	pg_table_int(&table, INT32_MIN);
	pg_table_bytes(&table, "\0\xa5", 2);
	ck_assert_uint_eq(table.row_count, 1);
	pg_table_int_or_null(&table, false, 7);
	pg_table_bool(&table, false);
	pg_table_text_or_null(&table, STR(""));
	pg_table_int_or_null(&table, true, INT32_MAX);
	pg_table_bytes(&table, "", 0);
	ck_assert_uint_eq(table.row_count, 2);
	ck_assert(pg_table_statement(&table, &statement));
	PARAM(&statement, 0,
		HEAD("\1", "\x14", "\2") "\0\0\0\x8\x80\0\0\0\0\0\0\0\xff\xff\xff\xff");
	PARAM(&statement, 1, HEAD("\0", "\x10", "\2") "\0\0\0\1\1\0\0\0\1\0");
	PARAM(&statement, 2, HEAD("\1", "\x19", "\2") "\0\0\0\3one\xff\xff\xff\xff");
	PARAM(&statement, 3, HEAD("\0", "\x17", "\2") "\0\0\0\4\x80\0\0\0\0\0\0\4\x7f\xff\xff\xff");
	PARAM(&statement, 4, HEAD("\0", "\x11", "\2") "\0\0\0\2\0\xa5\0\0\0\0");
	pg_table_release(&table);
}
END_TEST

START_TEST(texts_keep_every_byte)
{
	static const char *const texts[] = {"", "a\"b", "\\", "{,} \n", "NULL", "\xd8\xb7"};
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct pg_table table;
		struct db_statement statement;
		const size_t len = strlen(texts[i]);
		pg_table_init(&table, "sql", "t");
		pg_table_text(&table, str_from(texts[i]));
		ck_assert(pg_table_statement(&table, &statement));
		const struct str param = statement.params[0];
		ck_assert_uint_eq(param.len, 24 + len);
		ck_assert_uint_eq((unsigned char)param.data[23], len);
		ck_assert_mem_eq(param.data + 24, texts[i], len);
		pg_table_release(&table);
	}
}
END_TEST

START_TEST(a_cleared_table_has_no_rows)
{
	static const char many[PG_COLUMN_KEEPS];
	struct pg_table table;
	struct db_statement statement;
	pg_table_init(&table, "sql", "tb");
	pg_table_text(&table, (struct str){many, sizeof(many)});
	pg_table_null(&table);
	ck_assert(pg_table_statement(&table, &statement));
	pg_table_clear(&table);
	ck_assert_uint_le(table.columns[0].cap, PG_COLUMN_KEEPS);
	pg_table_text(&table, STR("a"));
	pg_table_int(&table, 1);
	ck_assert(pg_table_statement(&table, &statement));
	PARAM(&statement, 0, HEAD("\0", "\x19", "\1") "\0\0\0\1a");
	PARAM(&statement, 1, HEAD("\0", "\x14", "\1") "\0\0\0\x8\0\0\0\0\0\0\0\1");
	pg_table_release(&table);
}
END_TEST

START_TEST(a_column_over_its_maximum_is_told)
{
	struct pg_table table;
	struct db_statement statement;
	pg_table_init(&table, "sql", "t");
	static const char text[300];
	table.columns[0].max = 256;
	pg_table_text(&table, (struct str){text, sizeof(text)});
	ck_assert(!pg_table_statement(&table, &statement));
	pg_table_clear(&table);
	ck_assert(pg_table_statement(&table, &statement));
	pg_table_release(&table);
}
END_TEST

START_TEST(a_text_that_failed_fails_its_column)
{
	struct pg_table table;
	struct db_statement statement;
	struct buf text;
	buf_init(&text, 4);
	pg_table_init(&table, "sql", "bt");
	for (unsigned row = 0; row < 3; row++) {
		buf_clear(&text);
		buf_add_cstr(&text, row == 1 ? "five!" : "four");
		pg_table_int(&table, row);
		pg_table_buf_or_null(&table, &text);
	}
	ck_assert_uint_eq(table.row_count, 3);
	ck_assert(!pg_table_statement(&table, &statement));
	pg_table_clear(&table);
	buf_clear(&text);
	for (unsigned row = 0; row < 2; row++) {
		pg_table_int(&table, row);
		pg_table_buf_or_null(&table, &text);
		buf_add_cstr(&text, "four");
	}
	ck_assert(pg_table_statement(&table, &statement));
	PARAM(&statement, 1, HEAD("\1", "\x19", "\2") "\xff\xff\xff\xff\0\0\0\4four");
	buf_release(&text);
	pg_table_release(&table);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pg_table");
	TCase *tcase = tcase_create("pg_table");
	tcase_add_test(tcase, no_rows_are_empty_arrays);
	tcase_add_test(tcase, values_go_to_their_columns_row_by_row);
	tcase_add_test(tcase, texts_keep_every_byte);
	tcase_add_test(tcase, a_cleared_table_has_no_rows);
	tcase_add_test(tcase, a_column_over_its_maximum_is_told);
	tcase_add_test(tcase, a_text_that_failed_fails_its_column);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
