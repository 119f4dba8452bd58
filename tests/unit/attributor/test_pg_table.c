/* SPDX-License-Identifier: Apache-2.0
 * Arrays of columns as Postgres reads them. */
#include "pg_table.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static void assert_param(const struct db_statement *statement, unsigned index, const char *text)
{
	ck_assert_uint_lt(index, statement->param_count);
	ck_assert_uint_eq(statement->params[index].len, strlen(text));
	ck_assert_mem_eq(statement->params[index].data, text, strlen(text));
}

START_TEST(no_rows_are_empty_arrays)
{
	struct pg_table table;
	struct db_statement statement;
	pg_table_init(&table, "sql", 2);
	ck_assert(pg_table_statement(&table, &statement));
	ck_assert_str_eq(statement.sql, "sql");
	ck_assert_uint_eq(statement.param_count, 2);
	assert_param(&statement, 0, "{}");
	assert_param(&statement, 1, "{}");
	pg_table_release(&table);
}
END_TEST

START_TEST(values_go_to_their_columns_row_by_row)
{
	struct pg_table table;
	struct db_statement statement;
	pg_table_init(&table, "sql", 3);
	pg_table_int(&table, INT64_MIN);
	pg_table_bool(&table, true);
	pg_table_text(&table, STR("one"));
	ck_assert_uint_eq(table.row_count, 1);
	pg_table_int_or_null(&table, false, 7);
	pg_table_bool(&table, false);
	pg_table_text_or_null(&table, STR(""));
	pg_table_int_or_null(&table, true, 7);
	pg_table_null(&table);
	pg_table_text_or_null(&table, STR("NULL"));
	ck_assert_uint_eq(table.row_count, 3);
	ck_assert(pg_table_statement(&table, &statement));
	assert_param(&statement, 0, "{-9223372036854775808,NULL,7}");
	assert_param(&statement, 1, "{t,f,NULL}");
	assert_param(&statement, 2, "{\"one\",NULL,\"NULL\"}");
	pg_table_release(&table);
}
END_TEST

START_TEST(texts_keep_every_byte)
{
	static const char *const rows[][2] = {
		{"", "{\"\"}"},
		{"a\"b", "{\"a\\\"b\"}"},
		{"\\", "{\"\\\\\"}"},
		{"{,} \n", "{\"{,} \n\"}"},
		{"\"\"", "{\"\\\"\\\"\"}"},
		{"\xd8\xb7", "{\"\xd8\xb7\"}"},
	};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pg_table table;
		struct db_statement statement;
		pg_table_init(&table, "sql", 1);
		pg_table_text(&table, str_from(rows[i][0]));
		ck_assert(pg_table_statement(&table, &statement));
		assert_param(&statement, 0, rows[i][1]);
		pg_table_release(&table);
	}
}
END_TEST

START_TEST(bytes_are_hex_of_any_length)
{
	static const size_t lengths[] = {0, 1, 511, 512, 513, 2000};
	uint8_t bytes[2000];
	memset(bytes, 0xa5, sizeof(bytes));
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct pg_table table;
		struct db_statement statement;
		pg_table_init(&table, "sql", 1);
		pg_table_bytes(&table, bytes, lengths[i]);
		ck_assert(pg_table_statement(&table, &statement));
		const struct str text = statement.params[0];
		ck_assert_uint_eq(text.len, strlen("{\"\\\\x\"}") + 2 * lengths[i]);
		ck_assert_mem_eq(text.data, "{\"\\\\x", 5);
		for (size_t at = 0; at < lengths[i]; at++)
			ck_assert_mem_eq(text.data + 5 + 2 * at, "a5", 2);
		pg_table_release(&table);
	}
}
END_TEST

START_TEST(a_column_over_its_maximum_is_told)
{
	struct pg_table table;
	struct db_statement statement;
	pg_table_init(&table, "sql", 1);
	buf_release(&table.columns[0]);
	buf_init(&table.columns[0], 8);
	buf_add_cstr(&table.columns[0], "{");
	pg_table_text(&table, STR("12345678"));
	ck_assert(!pg_table_statement(&table, &statement));
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
	tcase_add_test(tcase, bytes_are_hex_of_any_length);
	tcase_add_test(tcase, a_column_over_its_maximum_is_told);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
