/* SPDX-License-Identifier: Apache-2.0
 * Random orders and clicks against an oracle in exact fractions that shares no code with us
 * (tests/oracle/oracle.py). Run from the top of the tree; ORACLE_SEED draws other ones. */
#include "price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "left.h"
#include "match.h"

#define ORDERS           3000
#define ORACLE_LINES_MAX 20
#define TEXT_MAX         8192
#define STORE            7

static FILE *oracle;
static pid_t oracle_pid;
static char text[TEXT_MAX];
static char *at;

static void open_oracle(const char *what)
{
	int ends[2];
	char count[16];
	const char *seed = getenv("ORACLE_SEED");
	snprintf(count, sizeof(count), "%d", ORDERS);
	ck_assert_int_eq(pipe(ends), 0);
	oracle_pid = fork();
	ck_assert_int_ge(oracle_pid, 0);
	if (oracle_pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execlp("python3", "python3", "tests/oracle/oracle.py", what, count,
			seed != NULL ? seed : "1", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	oracle = fdopen(ends[0], "r");
	ck_assert_ptr_nonnull(oracle);
}

static void close_oracle(unsigned seen)
{
	int status = -1;
	fclose(oracle);
	ck_assert_int_eq(waitpid(oracle_pid, &status, 0), oracle_pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(seen, ORDERS);
}

static bool next_line(void)
{
	at = text;
	return fgets(text, sizeof(text), oracle) != NULL;
}

/* The next word of the line. */
static const char *word(void)
{
	char *start = at + strspn(at, " \n");
	at = start + strcspn(start, " \n");
	if (*at != '\0')
		*at++ = '\0';
	return start;
}

static int64_t number(void)
{
	char *end;
	const char *start = word();
	const int64_t value = strtoll(start, &end, 10);
	ck_assert_msg(end != start && *end == '\0', "%s", start);
	return value;
}

static void bar(void)
{
	ck_assert_str_eq(word(), "|");
}

static struct rule read_order(struct event *terms, struct order_line *lines)
{
	struct rule rule = rule_empty();
	rule.rule_id = 1;
	*terms = (struct event){.lines = lines, .prices_include_tax = number() != 0};
	terms->discount_minor = number();
	rule.rate_bp = (int)number();
	rule.fixed_unit_minor = number();
	terms->line_count = (unsigned)number();
	ck_assert_uint_le(terms->line_count, ORACLE_LINES_MAX);
	bar();
	for (unsigned i = 0; i < terms->line_count; i++) {
		lines[i] = (struct order_line){.unit_price_minor = number()};
		lines[i].quantity = number();
		lines[i].discount_minor = number();
		lines[i].tax_bp = (int)number();
	}
	bar();
	return rule;
}

/* False: refused. */
static bool price(const struct event *terms, const struct rule *rule, struct price_line *priced,
	int64_t *total)
{
	struct left_line left[ORACLE_LINES_MAX];
	if (left_whole(terms, left) != LEFT_OK || !price_bases(terms, left, priced))
		return false;
	for (unsigned i = 0; i < terms->line_count; i++)
		priced[i].rule = rule;
	return price_order(priced, terms->line_count, total);
}

START_TEST(amounts_are_those_of_the_oracle)
{
	struct order_line lines[ORACLE_LINES_MAX];
	struct price_line priced[ORACLE_LINES_MAX];
	struct event terms;
	unsigned seen = 0;
	int64_t total;
	open_oracle("price");
	for (; next_line(); seen++) {
		const struct rule rule = read_order(&terms, lines);
		const bool is_priced = price(&terms, &rule, priced, &total);
		if (strncmp(at, "refused", 7) == 0) {
			ck_assert_msg(!is_priced, "order %u", seen);
			continue;
		}
		ck_assert_msg(is_priced, "order %u", seen);
		for (unsigned i = 0; i < terms.line_count; i++)
			ck_assert_int_eq(priced[i].base_minor, number());
		bar();
		for (unsigned i = 0; i < terms.line_count; i++)
			ck_assert_int_eq(priced[i].amount_minor, number());
		bar();
		ck_assert_int_eq(total, number());
	}
	close_oracle(seen);
}
END_TEST

static struct match_candidate read_click(void)
{
	struct match_candidate candidate = {0};
	struct order_click *click = &candidate.click;
	ck_assert(hex_decode(str_from(word()), click->claim.click_id, CLICK_ID_BYTES));
	ck_assert_int_eq(click_id_ms(click->claim.click_id), number());
	click->claim.window_s = (uint32_t)number();
	candidate.product_store_id = (uint32_t)number();
	const char *standing = word();
	candidate.standing = strcmp(standing, "active") == 0      ? AFFILIATE_ACTIVE
			     : strcmp(standing, "suspended") == 0 ? AFFILIATE_SUSPENDED
								  : AFFILIATE_UNKNOWN;
	const char *evidence = word();
	click->evidence = strcmp(evidence, "agrees") == 0     ? CLICK_RECORD_AGREES
			  : strcmp(evidence, "mismatch") == 0 ? CLICK_RECORD_MISMATCH
							      : CLICK_RECORD_NONE;
	return candidate;
}

START_TEST(winners_and_verdicts_are_those_of_the_oracle)
{
	struct match_candidate candidates[MATCH_CANDIDATES_MAX];
	struct match_result result;
	unsigned seen = 0;
	open_oracle("match");
	for (; next_line(); seen++) {
		struct match_input input = {.store_id = STORE};
		input.model = strcmp(word(), "first") == 0 ? MATCH_FIRST : MATCH_LAST;
		input.placed_us = number();
		const unsigned count = (unsigned)number();
		ck_assert_uint_le(count, MATCH_CANDIDATES_MAX);
		bar();
		for (unsigned i = 0; i < count; i++)
			candidates[i] = read_click();
		bar();
		match_decide(&input, candidates, count, &result);
		const int64_t winner = number();
		if (winner < 0)
			ck_assert_ptr_null(result.winning_click);
		else
			ck_assert_ptr_eq(
				result.winning_click, candidates[winner].click.claim.click_id);
		for (unsigned i = 0; i < count; i++)
			ck_assert_str_eq(outcome_name(candidates[i].verdict), word());
	}
	close_oracle(seen);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("oracle");
	TCase *tcase = tcase_create("oracle");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, amounts_are_those_of_the_oracle);
	tcase_add_test(tcase, winners_and_verdicts_are_those_of_the_oracle);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
