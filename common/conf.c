/* SPDX-License-Identifier: Apache-2.0
 * A daemon's options from all their sources: file, environment, flags; and what is printed of them.
 */
#include "conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "version.h"

#define ENVIRONMENT_PREFIX "WASL_"
#define ENVIRONMENT_MAX    (CONF_NAME_MAX + sizeof(ENVIRONMENT_PREFIX))
#define CONFIG_VARIABLE    "WASL_CONFIG"
#define PRINT_MAX          (CONF_OPTIONS_MAX * (CONF_TEXT_MAX + CONF_LINE_MAX))

/* Flags that every program has, after those of its table. */
enum common_flag { FLAG_CONFIG = 0, FLAG_HELP, FLAG_VERSION, FLAG_PRINT, FLAG_CHECK, COMMON_FLAGS };

static const struct option common_flags[COMMON_FLAGS] = {
	[FLAG_CONFIG] = {.name = "config", .has_arg = required_argument},
	[FLAG_HELP] = {.name = "help"},
	[FLAG_VERSION] = {.name = "version"},
	[FLAG_PRINT] = {.name = "print-config"},
	[FLAG_CHECK] = {.name = "check-config"},
};

/* What the command line said, before anything of it is applied. */
struct flags {
	const char *values[CONF_OPTIONS_MAX]; /* NULL: not given; the last one counts */
	const char *config_path;
	bool has_help, has_version, has_print, has_check;
};

static bool read_flags(const struct conf_program *program, int argc, char **argv,
	struct flags *flags, struct err *err);
static void make_long_options(const struct conf_program *program, struct option *out);
static bool flag_error(int code, const char *flag, struct err *err);
static void take_common(enum common_flag flag, struct flags *flags);
static bool load_sources(const struct conf_program *program, const struct flags *flags,
	void *config, struct err *err);
static bool load_file(
	const struct conf_program *program, const char *path, void *config, struct err *err);
static bool load_environment(const struct conf_program *program, void *config, struct err *err);
static void environment_name(char out[ENVIRONMENT_MAX], const char *name);
static void print_help(const struct conf_program *program);
static void print_config(const struct conf_program *program, const void *config);

enum conf_action conf_load(const struct conf_program *program, int argc, char **argv, void *config)
{
	struct flags flags = {0};
	struct err err = {0};
	conf_defaults(program, config);
	if (!read_flags(program, argc, argv, &flags, &err)) {
		fprintf(stderr, "%s: %s\n", program->name, err.msg);
		return CONF_EXIT_USAGE;
	}
	if (flags.has_help) {
		print_help(program);
		return CONF_EXIT_OK;
	}
	if (flags.has_version) {
		printf("%s %s\n", program->name, WASL_VERSION);
		return CONF_EXIT_OK;
	}
	if (!load_sources(program, &flags, config, &err)) {
		fprintf(stderr, "%s: %s\n", program->name, err.msg);
		return CONF_EXIT_USAGE;
	}
	if (flags.has_print) {
		print_config(program, config);
		return CONF_EXIT_OK;
	}
	return flags.has_check ? CONF_CHECKED : CONF_RUN;
}

bool conf_reload(
	const struct conf_program *program, int argc, char **argv, void *config, struct err *err)
{
	struct flags flags = {0};
	conf_defaults(program, config);
	return read_flags(program, argc, argv, &flags, err) &&
	       load_sources(program, &flags, config, err);
}

static bool read_flags(const struct conf_program *program, int argc, char **argv,
	struct flags *flags, struct err *err)
{
	struct option options[CONF_OPTIONS_MAX + COMMON_FLAGS + 1];
	make_long_options(program, options);
	opterr = 0;
	optind = 0; /* glibc: start anew, also in a second call */
	for (int at = 1;; at = optind) {
		int index = -1;
		const int code = getopt_long(argc, argv, "+:", options, &index);
		if (code == -1)
			break;
		if (code != 0)
			return flag_error(code, argv[at], err);
		/* getopt_long takes abbreviations; a later option would change what they mean. */
		const size_t len = strcspn(argv[at], "=");
		if (len != strlen(options[index].name) + 2)
			return flag_error('?', argv[at], err);
		if (index >= (int)program->option_count)
			take_common((enum common_flag)(index - (int)program->option_count), flags);
		else
			flags->values[index] = optarg == NULL ? "on" : optarg;
	}
	if (optind < argc)
		return err_set(err, ERR_USAGE, 0, "unexpected argument '%.60s'", argv[optind]);
	return true;
}

static void make_long_options(const struct conf_program *program, struct option *out)
{
	for (unsigned i = 0; i < program->option_count; i++) {
		assert(strlen(program->options[i].name) < CONF_NAME_MAX);
		out[i] = (struct option){
			.name = program->options[i].name,
			.has_arg = program->options[i].type == CONF_SWITCH ? optional_argument
									   : required_argument,
		};
	}
	memcpy(out + program->option_count, common_flags, sizeof(common_flags));
	out[program->option_count + COMMON_FLAGS] = (struct option){0};
}

static bool flag_error(int code, const char *flag, struct err *err)
{
	const int len = (int)strcspn(flag, "=");
	if (code == ':')
		return err_set(err, ERR_USAGE, 0, "%.60s: a value is missing", flag);
	return err_set(
		err, ERR_USAGE, 0, "unknown flag '%.*s' (see --help)", len > 60 ? 60 : len, flag);
}

static void take_common(enum common_flag flag, struct flags *flags)
{
	switch (flag) {
	case FLAG_CONFIG:
		flags->config_path = optarg;
		break;
	case FLAG_HELP:
		flags->has_help = true;
		break;
	case FLAG_VERSION:
		flags->has_version = true;
		break;
	case FLAG_PRINT:
		flags->has_print = true;
		break;
	case FLAG_CHECK:
		flags->has_check = true;
		break;
	case COMMON_FLAGS:
		break;
	}
}

static bool load_sources(const struct conf_program *program, const struct flags *flags,
	void *config, struct err *err)
{
	const char *path = flags->config_path;
	if (path == NULL)
		path = getenv(CONFIG_VARIABLE);
	if (path != NULL && !load_file(program, path, config, err))
		return false;
	if (!load_environment(program, config, err))
		return false;
	for (unsigned i = 0; i < program->option_count; i++) {
		struct err why = {0};
		if (flags->values[i] == NULL)
			continue;
		if (!conf_value_set(&program->options[i], str_from(flags->values[i]), config, &why))
			return err_set(
				err, ERR_USAGE, 0, "--%s: %s", program->options[i].name, why.msg);
	}
	return true;
}

static bool load_file(
	const struct conf_program *program, const char *path, void *config, struct err *err)
{
	char shown[ERR_PATH_MAX];
	struct stat info;
	bool ret = false;
	bool has_secret = false;
	size_t len = CONF_FILE_MAX + 1;
	char *text = NULL;
	err_path(shown, path);
	/* O_NONBLOCK: a FIFO must not hold the start up; it is refused below. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &info) != 0) {
		err_set(err, ERR_USAGE, errno, "%s", shown);
		goto out;
	}
	if (!S_ISREG(info.st_mode)) {
		err_set(err, ERR_USAGE, 0, "%s: not a regular file", shown);
		goto out;
	}
	text = malloc(len);
	if (text == NULL || !file_read(fd, text, &len)) {
		err_set(err, ERR_USAGE, errno, "%s", shown);
		goto out;
	}
	const struct str raw_text = {.data = text, .len = len};
	if (!conf_parse_text(program, raw_text, shown, config, &has_secret, err))
		goto out;
	if (has_secret && (info.st_mode & S_IRWXO) != 0) {
		err_set(err, ERR_USAGE, 0, "%s: holds a secret and has mode %04o: use 0600 or 0640",
			shown, (unsigned)info.st_mode & 07777);
		goto out;
	}
	ret = true;
out:
	if (text != NULL)
		explicit_bzero(text, CONF_FILE_MAX + 1);
	free(text);
	if (fd >= 0)
		close(fd);
	return ret;
}

static bool load_environment(const struct conf_program *program, void *config, struct err *err)
{
	for (unsigned i = 0; i < program->option_count; i++) {
		char name[ENVIRONMENT_MAX];
		struct err why = {0};
		environment_name(name, program->options[i].name);
		const char *value = getenv(name);
		if (value == NULL)
			continue;
		if (!conf_value_set(&program->options[i], str_from(value), config, &why))
			return err_set(err, ERR_USAGE, 0, "%s: %s", name, why.msg);
	}
	return true;
}

static void environment_name(char out[ENVIRONMENT_MAX], const char *name)
{
	snprintf(out, ENVIRONMENT_MAX, ENVIRONMENT_PREFIX "%s", name);
	for (char *at = out; *at != '\0'; at++) {
		if (*at == '-')
			*at = '_';
		else if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	}
}

static void print_help(const struct conf_program *program)
{
	static const char *const kinds[] = {
		[CONF_TEXT] = "=TEXT",
		[CONF_SECRET] = "=TEXT",
		[CONF_SWITCH] = "[=on|off]",
		[CONF_COUNT] = "=N",
		[CONF_DURATION] = "=DURATION",
		[CONF_SIZE] = "=SIZE",
	};
	printf("usage: %s [--NAME=VALUE]...\n%s\n\n", program->name, program->summary);
	for (unsigned i = 0; i < program->option_count; i++) {
		const struct conf_option *option = &program->options[i];
		char name[ENVIRONMENT_MAX];
		environment_name(name, option->name);
		printf("  --%s%s\n      %s\n      %s", option->name, kinds[option->type],
			option->help, name);
		if (option->fallback[0] != '\0' && option->type != CONF_SECRET)
			printf(", default %s", option->fallback);
		printf("\n");
	}
	printf("\n  --config=FILE     lines \"name = value\"; " CONFIG_VARIABLE "\n"
	       "  --check-config    read everything, report the first fault, exit\n"
	       "  --print-config    print what would be used, as a file\n"
	       "  --help  --version\n\n"
	       "A flag goes before the environment, the environment before the file.\n");
}

/* A file that --config takes; secrets are left out. */
static void print_config(const struct conf_program *program, const void *config)
{
	struct buf out;
	buf_init(&out, PRINT_MAX);
	for (unsigned i = 0; i < program->option_count; i++) {
		const struct conf_option *option = &program->options[i];
		buf_addf(&out, "# %s\n%s%s = ", option->help,
			option->type == CONF_SECRET ? "# " : "", option->name);
		conf_value_format(option, config, &out);
		buf_add_cstr(&out, "\n");
	}
	fputs(buf_cstr(&out), stdout);
	buf_release(&out);
}
