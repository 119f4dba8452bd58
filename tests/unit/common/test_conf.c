/* SPDX-License-Identifier: Apache-2.0
 * Options: what each source may say, which one counts, and that every fault names its source. */
#include "conf.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"

#define OUTPUT_MAX 16384
#define ARGS_MAX   8

struct config {
	char listen[CONF_TEXT_MAX];
	char fallback_url[CONF_TEXT_MAX];
	char secret_database_url[CONF_TEXT_MAX];
	int64_t click_deadline_us;
	int64_t body_max;
	int64_t workers;
	bool has_insecure_cookie;
};

static bool starts_with_http(struct str value, struct err *err)
{
	if (str_has_prefix(value, STR("http://")))
		return true;
	return err_set(err, ERR_USAGE, 0, "not an http URL");
}

static const struct conf_option options[] = {
	{"body-max", CONF_SIZE, offsetof(struct config, body_max), "64KiB", 1024, 1 << 20,
		"bytes of one body", NULL},
	{"click-deadline", CONF_DURATION, offsetof(struct config, click_deadline_us), "25ms", 1000,
		1000000, "how long Redis may take", NULL},
	{"database-url", CONF_SECRET, offsetof(struct config, secret_database_url), "", 0, 0,
		"where Postgres is", NULL},
	{"fallback-url", CONF_TEXT, offsetof(struct config, fallback_url), "", 0, 0,
		"where bad tokens lead", starts_with_http},
	{"insecure-cookie", CONF_SWITCH, offsetof(struct config, has_insecure_cookie), "off", 0, 0,
		"cookies over plain HTTP", NULL},
	{"listen", CONF_TEXT, offsetof(struct config, listen), "127.0.0.1:8080", 0, 0,
		"where to listen", NULL},
	{"workers", CONF_COUNT, offsetof(struct config, workers), "1", 1, 64, "threads", NULL},
};
static const struct conf_program program = {
	"wasl-test", "Tests options.", options, COUNT_OF(options)};

static struct config config;
static char output[OUTPUT_MAX];
static char path[] = "/tmp/wasl-test-conf-XXXXXX";

/* Loads with up to ARGS_MAX arguments; what is printed on out_fd is in output. */
static enum conf_action load(int out_fd, const char *const *args)
{
	static char copies[ARGS_MAX][CONF_LINE_MAX];
	char *argv[ARGS_MAX + 2] = {copies[0]};
	char out_path[] = "/tmp/wasl-test-conf-out-XXXXXX";
	int argc = 1;
	snprintf(copies[0], sizeof(copies[0]), "wasl-test");
	for (; args != NULL && args[argc - 1] != NULL; argc++) {
		snprintf(copies[argc], sizeof(copies[argc]), "%s", args[argc - 1]);
		argv[argc] = copies[argc];
	}
	const int fd = mkostemp(out_path, O_APPEND);
	ck_assert_int_ge(fd, 0);
	unlink(out_path);
	fflush(NULL);
	const int saved = dup(out_fd);
	dup2(fd, out_fd);
	const enum conf_action action = conf_load(&program, argc, argv, &config);
	fflush(NULL);
	dup2(saved, out_fd);
	close(saved);
	const ssize_t len = pread(fd, output, sizeof(output) - 1, 0);
	output[len] = '\0';
	close(fd);
	return action;
}

static void write_file(const char *text, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

START_TEST(nearer_sources_count)
{
	const char *const none[] = {NULL};
	const char *const file[] = {"--config", path, NULL};
	const char *const flag[] = {"--workers=5", "--config", path, NULL};
	close(mkstemp(path));
	write_file("# a comment\n\n  workers =  3 \nlisten = :1\n", 0644);
	ck_assert_int_eq(load(STDERR_FILENO, none), CONF_RUN);
	ck_assert_int_eq(config.workers, 1);
	ck_assert_int_eq(config.click_deadline_us, 25000);
	ck_assert_int_eq(config.body_max, 65536);
	ck_assert_int_eq(load(STDERR_FILENO, file), CONF_RUN);
	ck_assert_int_eq(config.workers, 3);
	ck_assert_str_eq(config.listen, ":1");
	setenv("WASL_WORKERS", "4", 1);
	setenv("WASL_UNKNOWN_THING", "x", 1);
	ck_assert_int_eq(load(STDERR_FILENO, file), CONF_RUN);
	ck_assert_int_eq(config.workers, 4);
	ck_assert_int_eq(load(STDERR_FILENO, flag), CONF_RUN);
	ck_assert_int_eq(config.workers, 5);
	setenv("WASL_CONFIG", path, 1);
	unsetenv("WASL_WORKERS");
	ck_assert_int_eq(load(STDERR_FILENO, none), CONF_RUN);
	ck_assert_int_eq(config.workers, 3);
	unlink(path);
}
END_TEST

START_TEST(faulty_flags_exit_2_with_one_line)
{
	static const struct {
		const char *args[3];
		const char *message;
	} rows[] = {
		{{"--lisen=x"}, "wasl-test: unknown flag '--lisen' (see --help)\n"},
		{{"--work=3"}, "wasl-test: unknown flag '--work' (see --help)\n"},
		{{"-w"}, "wasl-test: unknown flag '-w' (see --help)\n"},
		{{"--help=x"}, "wasl-test: unknown flag '--help' (see --help)\n"},
		{{"--workers"}, "wasl-test: --workers: a value is missing\n"},
		{{"extra"}, "wasl-test: unexpected argument 'extra'\n"},
		{{"--", "--workers=2"}, "wasl-test: unexpected argument '--workers=2'\n"},
		{{"--insecure-cookie", "on"}, "wasl-test: unexpected argument 'on'\n"},
		{{"--insecure-cookie=yes"},
			"wasl-test: --insecure-cookie: 'yes' is neither on nor off\n"},
		{{"--workers=0"}, "wasl-test: --workers: '0' is out of range (1 to 64)\n"},
		{{"--workers=65"}, "wasl-test: --workers: '65' is out of range (1 to 64)\n"},
		{{"--workers=1,5"}, "wasl-test: --workers: '1,5' is not a whole number\n"},
		{{"--click-deadline=999us"},
			"wasl-test: --click-deadline: '999us' is out of range (1ms to 1s)\n"},
		{{"--click-deadline=25"}, "wasl-test: --click-deadline: '25' is not a duration "
					  "such as 25ms, 1s, 1min, 1h or 30d\n"},
		{{"--body-max=2GiB"},
			"wasl-test: --body-max: '2GiB' is out of range (1KiB to 1MiB)\n"},
		{{"--body-max=64kb"}, "wasl-test: --body-max: '64kb' is not a size such as 4096, "
				      "64KiB, 16MiB or 1GiB\n"},
		{{"--fallback-url=ftp://x"}, "wasl-test: --fallback-url: not an http URL\n"},
		{{"--listen=a\nb"}, "wasl-test: --listen: holds a control byte or invalid UTF-8\n"},
		{{"--config=/nonexistent/x"},
			"wasl-test: /nonexistent/x: No such file or directory\n"},
		{{"--config=/tmp"}, "wasl-test: /tmp: not a regular file\n"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ck_assert_int_eq(load(STDERR_FILENO, rows[i].args), CONF_EXIT_USAGE);
		ck_assert_str_eq(output, rows[i].message);
	}
	setenv("WASL_CLICK_DEADLINE", "2s", 1);
	ck_assert_int_eq(load(STDERR_FILENO, NULL), CONF_EXIT_USAGE);
	ck_assert_str_eq(
		output, "wasl-test: WASL_CLICK_DEADLINE: '2s' is out of range (1ms to 1s)\n");
}
END_TEST

START_TEST(faulty_files_are_named_with_their_line)
{
	static const struct {
		struct str text;
		const char *message;
	} rows[] = {
		{STR("lisen = x\n"), "f:1: unknown key 'lisen'"},
		{STR("listen = a\n\nlisten = a\n"), "f:3: duplicate key 'listen'"},
		{STR("# ok\nlisten\n"), "f:2: expected 'name = value'"},
		{STR("= x"), "f:1: unknown key ''"},
		{STR("Listen = x"), "f:1: unknown key 'Listen'"},
		{STR("workers = 7,5"), "f:1: workers: '7,5' is not a whole number"},
		{STR("workers ="), "f:1: workers: '' is not a whole number"},
		{STR("workers = 0"), "f:1: workers: '0' is out of range (1 to 64)"},
		{STR("fallback-url = x"), "f:1: fallback-url: not an http URL"},
		{STR("listen = a\0b"), "f:1: listen: holds a control byte or invalid UTF-8"},
		{STR("listen = a\r\n"), "f:1: listen: holds a control byte or invalid UTF-8"},
		{STR("listen = \xff"), "f:1: listen: holds a control byte or invalid UTF-8"},
		{STR("\xef\xbb\xbflisten = a"), "f:1: unknown key ''"},
		{STR("[tracker]"), "f:1: expected 'name = value'"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err err = {0};
		conf_defaults(&program, &config);
		ck_assert_msg(!conf_parse_text(&program, rows[i].text, "f", &config, NULL, &err),
			"row %zu", i);
		ck_assert_str_eq(err.msg, rows[i].message);
	}
}
END_TEST

START_TEST(lengths_of_values_lines_and_files_are_limited)
{
	static char text[CONF_FILE_MAX + 1];
	struct err err = {0};
	const struct {
		size_t len;
		bool is_good;
	} rows[] = {{9 + CONF_TEXT_MAX - 1, true}, {9 + CONF_TEXT_MAX, false},
		{CONF_LINE_MAX + 1, false}};
	memset(text, 'x', sizeof(text));
	memcpy(text, "listen = ", 9);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct str raw = {.data = text, .len = rows[i].len};
		ck_assert(conf_parse_text(&program, raw, "f", &config, NULL, &err) ==
			  rows[i].is_good);
	}
	memset(text, '\n', sizeof(text));
	ck_assert(conf_parse_text(&program, (struct str){.data = text, .len = CONF_FILE_MAX}, "f",
		&config, NULL, &err));
	ck_assert(!conf_parse_text(&program, (struct str){.data = text, .len = CONF_FILE_MAX + 1},
		"f", &config, NULL, &err));
	ck_assert(conf_parse_text(&program, (struct str){0}, "f", &config, NULL, &err));
}
END_TEST

START_TEST(a_file_with_a_secret_is_closed_to_others)
{
	const char *const args[] = {"--config", path, NULL};
	const char *const print[] = {"--print-config", "--config", path, NULL};
	close(mkstemp(path));
	write_file("database-url = postgresql://u:hunter2@h/db\n", 0644);
	ck_assert_int_eq(load(STDERR_FILENO, args), CONF_EXIT_USAGE);
	ck_assert_ptr_nonnull(strstr(output, "holds a secret and has mode 0644"));
	ck_assert_ptr_null(strstr(output, "hunter2"));
	write_file("database-url = postgresql://u:hunter2@h/db\n", 0640);
	ck_assert_int_eq(load(STDERR_FILENO, args), CONF_RUN);
	ck_assert_str_eq(config.secret_database_url, "postgresql://u:hunter2@h/db");
	ck_assert_int_eq(load(STDOUT_FILENO, print), CONF_EXIT_OK);
	ck_assert_ptr_nonnull(strstr(output, "# database-url = (hidden)\n"));
	ck_assert_ptr_null(strstr(output, "hunter2"));
	unlink(path);
}
END_TEST

START_TEST(printed_config_is_a_file_that_says_the_same)
{
	const char *const args[] = {"--print-config", "--workers=9", "--insecure-cookie",
		"--click-deadline=1s", "--body-max=3000", "--listen=[::1]:0", NULL};
	struct err err = {0};
	ck_assert_int_eq(load(STDOUT_FILENO, args), CONF_EXIT_OK);
	struct config back;
	memset(&back, 0, sizeof(back));
	conf_defaults(&program, &back);
	ck_assert_msg(
		conf_parse_text(&program, str_from(output), "f", &back, NULL, &err), "%s", err.msg);
	ck_assert(back.workers == 9 && back.has_insecure_cookie);
	ck_assert(back.click_deadline_us == 1000000 && back.body_max == 3000);
	ck_assert_str_eq(back.listen, "[::1]:0");
}
END_TEST

START_TEST(help_version_and_check_do_what_they_say)
{
	const char *const help[] = {"--help", NULL};
	const char *const version[] = {"--version", NULL};
	const char *const check[] = {"--check-config", "--insecure-cookie=on", NULL};
	ck_assert_int_eq(load(STDOUT_FILENO, help), CONF_EXIT_OK);
	for (size_t i = 0; i < COUNT_OF(options); i++)
		ck_assert_ptr_nonnull(strstr(output, options[i].name));
	ck_assert_ptr_nonnull(strstr(output, "WASL_CLICK_DEADLINE, default 25ms"));
	ck_assert_int_eq(load(STDOUT_FILENO, version), CONF_EXIT_OK);
	ck_assert_int_eq(strncmp(output, "wasl-test ", 10), 0);
	ck_assert_int_eq(load(STDERR_FILENO, check), CONF_CHECKED);
	ck_assert(config.has_insecure_cookie);
}
END_TEST

START_TEST(a_locale_changes_nothing)
{
	const char *const args[] = {"--click-deadline=250ms", NULL};
	/* Whichever of them this machine has. */
	(void)(setlocale(LC_ALL, "de_DE.UTF-8") != NULL ||
		setlocale(LC_ALL, "ar_EG.UTF-8") != NULL || setlocale(LC_ALL, "C.UTF-8") != NULL);
	ck_assert_int_eq(load(STDERR_FILENO, args), CONF_RUN);
	ck_assert_int_eq(config.click_deadline_us, 250000);
}
END_TEST

SUITE_MAIN("conf", nearer_sources_count, faulty_flags_exit_2_with_one_line,
	faulty_files_are_named_with_their_line, lengths_of_values_lines_and_files_are_limited,
	a_file_with_a_secret_is_closed_to_others, printed_config_is_a_file_that_says_the_same,
	help_version_and_check_do_what_they_say, a_locale_changes_nothing)
