/* SPDX-License-Identifier: Apache-2.0
 * Cells of the file for the bank. */
#include <string.h>

#include "payout.h"
#include "text.h"

static void write_cell(FILE *file, const char *text, bool may_guard);

bool payout_file_write(FILE *file, const json_t *payouts)
{
	static const char *const columns[] = {
		"affiliate", "method", "account", "amount", "currency", "reference"};
	const size_t column_count = sizeof(columns) / sizeof(columns[0]);
	for (size_t i = 0; i < column_count; i++)
		fprintf(file, "%s%s", i > 0 ? "," : "", columns[i]);
	fputs("\r\n", file);
	for (size_t row = 0; row < json_array_size(payouts); row++) {
		const json_t *const payout = json_array_get(payouts, row);
		for (size_t i = 0; i < column_count; i++) {
			const char *const text =
				json_string_value(json_object_get(payout, columns[i]));
			const bool is_plain = strcmp(columns[i], "account") == 0 && text != NULL &&
					      payout_account_check(str_from(text));
			fputs(i > 0 ? "," : "", file);
			write_cell(file, text != NULL ? text : "", !is_plain);
		}
		fputs("\r\n", file);
	}
	return fflush(file) == 0 && !ferror(file);
}

bool payout_account_check(struct str account)
{
	if (account.len == 0 || text_has_control(account) || !utf8_is_valid(account) ||
		memchr("=-@", account.data[0], 3) != NULL)
		return false;
	for (size_t i = 1; account.data[0] == '+' && i < account.len; i++)
		if (account.data[i] < '0' || account.data[i] > '9')
			return false;
	return true;
}

static void write_cell(FILE *file, const char *text, bool may_guard)
{
	const bool is_guarded = may_guard && *text != '\0' && strchr("=+-@", *text) != NULL;
	const bool is_quoted = strpbrk(text, ",\"\r\n") != NULL;
	fputs(is_quoted ? "\"" : "", file);
	fputs(is_guarded ? "'" : "", file);
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"')
			fputc('"', file);
		fputc(*c, file);
	}
	fputs(is_quoted ? "\"" : "", file);
}
