/* SPDX-License-Identifier: Apache-2.0
 * logfmt lines: what a reader of stderr gets, whatever the values hold. */
#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "suite.h"

#define CAPTURE_MAX (256 * 1024)
#define THREADS     4
#define LINES       200

static char captured[CAPTURE_MAX];
static int capture_fd = -1;

/* Sends this test's stderr to a file without a name. */
static void capture_start(void)
{
	char path[] = "/tmp/wasl-test-log-XXXXXX";
	capture_fd = mkostemp(path, O_APPEND);
	ck_assert_int_ge(capture_fd, 0);
	unlink(path);
	ck_assert_int_eq(dup2(capture_fd, STDERR_FILENO), STDERR_FILENO);
}

static char *capture_end(void)
{
	log_flush();
	const ssize_t len = pread(capture_fd, captured, sizeof(captured) - 1, 0);
	ck_assert_int_ge(len, 0);
	captured[len] = '\0';
	close(capture_fd);
	return captured;
}

/* What follows the time in the one line that value makes. */
static const char *line_of(struct str value)
{
	capture_start();
	log_init("wasl-test", LOG_DEBUG);
	log_info("seen", LOG_STR("v", value));
	const char *at = strchr(capture_end(), ' ');
	ck_assert_ptr_nonnull(at);
	return at + 1;
}

START_TEST(values_are_escaped_in_one_place)
{
	static const struct {
		struct str value;
		const char *shown;
	} rows[] = {
		{STR("plain"), "plain"},
		{STR(""), "\"\""},
		{STR("two words"), "\"two words\""},
		{STR("a=b"), "\"a=b\""},
		{STR("say \"x\""), "\"say \\\"x\\\"\""},
		{STR("back\\slash"), "\"back\\\\slash\""},
		{STR("a\nts=1 lvl=error"), "\"a\\x0ats=1 lvl=error\""},
		{STR("\x1b[31m"), "\"\\x1b[31m\""},
		{STR("nul\0here"), "\"nul\\x00here\""},
		{STR("del\x7f"), "\"del\\x7f\""},
		{STR("bad\xff\xc3"), "\"bad\\xff\\xc3\""},
		{STR("\xd9\x88\xd8\xb5\xd9\x84"), "\"\xd9\x88\xd8\xb5\xd9\x84\""},
		{STR("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\""},
		{STR("rlo\xe2\x80\xae"), "\"rlo\\xe2\\x80\\xae\""},
		{STR("iso\xe2\x81\xa6"), "\"iso\\xe2\\x81\\xa6\""},
		{STR("c1\xc2\x9b"), "\"c1\\xc2\\x9b\""},
		{STR("ls\xe2\x80\xa8"), "\"ls\\xe2\\x80\\xa8\""},
		{STR("%n%s"), "%n%s"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char expected[256];
		snprintf(expected, sizeof(expected), "lvl=info svc=wasl-test ev=seen v=%s\n",
			rows[i].shown);
		ck_assert_str_eq(line_of(rows[i].value), expected);
	}
}
END_TEST

START_TEST(fields_are_typed_and_the_time_comes_first)
{
	capture_start();
	log_init("wasl-test", LOG_DEBUG);
	log_error("down", LOG_TEXT("kind", "oom"), LOG_NUM("n", INT64_MIN), LOG_BOOL("up", false));
	const char *text = capture_end();
	ck_assert_int_eq(strncmp(text, "ts=20", 5), 0);
	ck_assert_str_eq(strchr(text, ' '),
		" lvl=error svc=wasl-test ev=down kind=oom n=-9223372036854775808 up=false\n");
}
END_TEST

START_TEST(lines_above_the_level_are_not_written)
{
	enum log_level level;
	capture_start();
	log_init("wasl-test", LOG_WARN);
	log_info("no");
	log_debug("no");
	log_warn("yes");
	log_set_level(LOG_ERROR);
	log_warn("no");
	const char *text = capture_end();
	ck_assert_ptr_null(strstr(text, "ev=no"));
	ck_assert_ptr_nonnull(strstr(text, "ev=yes"));
	ck_assert(log_level_parse(STR("debug"), &level) && level == LOG_DEBUG);
	ck_assert(!log_level_parse(STR("Debug"), &level) && !log_level_parse(STR(""), &level));
}
END_TEST

START_TEST(overlong_line_is_cut_and_says_so)
{
	static char value[2 * LOG_LINE_MAX];
	for (size_t len = LOG_LINE_MAX - 200; len < LOG_LINE_MAX + 8; len++) {
		memset(value, len % 2 == 0 ? 'x' : '=', len);
		capture_start();
		log_init("wasl-test", LOG_INFO);
		log_info("long", LOG_STR("v", ((struct str){.data = value, .len = len})),
			LOG_TEXT("after", "this one"), LOG_TEXT("last", "a \"b\" c"));
		const char *text = capture_end();
		const size_t written = strlen(text);
		ck_assert_uint_le(written, LOG_LINE_MAX);
		ck_assert_uint_eq(strcspn(text, "\n"), written - 1);
		const bool is_whole = strstr(text, "last=\"a \\\"b\\\" c\"\n") != NULL;
		ck_assert(is_whole != (strstr(text, " cut=true\n") != NULL));
	}
}
END_TEST

START_TEST(repeats_collapse_and_are_counted)
{
	capture_start();
	log_init("wasl-test", LOG_INFO);
	for (unsigned i = 0; i < 50; i++)
		log_warn("redis_down", LOG_TEXT("kind", "connect"));
	log_info("other");
	log_info("other");
	const char *text = capture_end();
	const char *first = strstr(text, "redis_down");
	const char *repeated = strstr(text, "lvl=warn svc=wasl-test ev=repeated times=49\n");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(repeated);
	ck_assert_ptr_null(strstr(first + 1, "redis_down"));
	ck_assert(strstr(text, "ev=other") > repeated);
	ck_assert_ptr_nonnull(strstr(repeated, "lvl=info svc=wasl-test ev=repeated times=1\n"));
}
END_TEST

static void *write_many(void *arg)
{
	const int64_t *number = arg;
	for (unsigned i = 0; i < LINES; i++)
		log_info("thread", LOG_NUM("n", *number), LOG_NUM("i", i));
	return NULL;
}

START_TEST(threads_never_mix_their_lines)
{
	pthread_t threads[THREADS];
	int64_t numbers[THREADS];
	unsigned lines = 0;
	capture_start();
	log_init("wasl-test", LOG_INFO);
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	char *rest = capture_end();
	for (char *line = strsep(&rest, "\n"); rest != NULL; line = strsep(&rest, "\n")) {
		ck_assert_int_eq(strncmp(line, "ts=", 3), 0);
		ck_assert_ptr_nonnull(strstr(line, " ev=thread n="));
		lines++;
	}
	ck_assert_uint_eq(lines, THREADS * LINES);
}
END_TEST

START_TEST(closed_stderr_and_gone_reader_cost_only_the_line)
{
	int ends[2];
	log_init("wasl-test", LOG_INFO);
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	log_error("nobody_reads");
	close(STDERR_FILENO);
	log_error("closed");
	log_error("still_here");
}
END_TEST

SUITE_MAIN("log", values_are_escaped_in_one_place, fields_are_typed_and_the_time_comes_first,
	lines_above_the_level_are_not_written, overlong_line_is_cut_and_says_so,
	repeats_collapse_and_are_counted, threads_never_mix_their_lines,
	closed_stderr_and_gone_reader_cost_only_the_line)
