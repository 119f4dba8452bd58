/* SPDX-License-Identifier: Apache-2.0
 * Options from text: one value by its type, and a whole file's lines. */
#include "conf.h"

#include <assert.h>
#include <string.h>

#include "timestamp.h"

#define QUOTED_MAX 60 /* bytes of a wrong value or key that a message shows */

struct size_unit {
	const char *name;
	int64_t bytes;
};

static const struct size_unit size_units[] = {
	{"GiB", INT64_C(1) << 30},
	{"MiB", INT64_C(1) << 20},
	{"KiB", INT64_C(1) << 10},
	{"", 1},
};
#define SIZE_UNIT_COUNT (sizeof(size_units) / sizeof(size_units[0]))

/* Where conf_parse_text stands. */
struct file_reader {
	const struct conf_program *program;
	const char *source;
	unsigned line;
	unsigned seen_line[CONF_OPTIONS_MAX]; /* 0: not yet */
	bool has_secret;
};

static char *text_at(const struct conf_option *option, void *config);
static int64_t *number_at(const struct conf_option *option, void *config);
static int64_t number_of(const struct conf_option *option, const void *config);
static bool is_text_type(enum conf_type type);
static bool set_text(
	const struct conf_option *option, struct str value, void *config, struct err *err);
static bool set_switch(
	const struct conf_option *option, struct str value, void *config, struct err *err);
static bool set_number(
	const struct conf_option *option, struct str value, void *config, struct err *err);
static bool size_parse(struct str text, int64_t *bytes);
static void number_format(enum conf_type type, int64_t number, struct buf *out);
static bool has_control(struct str text);
static struct str quoted(struct str text);
static bool take_line(struct file_reader *reader, struct str line, void *config, struct err *err);
static bool line_error(
	const struct file_reader *reader, struct err *err, const char *what, struct str name);

bool conf_value_set(
	const struct conf_option *option, struct str raw_value, void *config, struct err *err)
{
	if (has_control(raw_value) || !utf8_is_valid(raw_value))
		return err_set(err, ERR_USAGE, 0, "holds a control byte or invalid UTF-8");
	/* Empty where the default is empty too means "not given": nothing to check. */
	const bool is_given = raw_value.len > 0 || option->fallback[0] != '\0';
	if (is_given && option->check != NULL && !option->check(raw_value, err))
		return false;
	if (is_text_type(option->type))
		return set_text(option, raw_value, config, err);
	if (option->type == CONF_SWITCH)
		return set_switch(option, raw_value, config, err);
	return set_number(option, raw_value, config, err);
}

bool conf_value_equal(const struct conf_option *option, const void *one, const void *other)
{
	const char *a = (const char *)one + option->offset;
	const char *b = (const char *)other + option->offset;
	if (is_text_type(option->type))
		return strcmp(a, b) == 0;
	return memcmp(a, b, option->type == CONF_SWITCH ? sizeof(bool) : sizeof(int64_t)) == 0;
}

void conf_value_format(const struct conf_option *option, const void *config, struct buf *out)
{
	const char *at = (const char *)config + option->offset;
	bool is_on;
	switch (option->type) {
	case CONF_TEXT:
		buf_add_cstr(out, at);
		break;
	case CONF_SECRET:
		buf_add_cstr(out, at[0] == '\0' ? "" : "(hidden)");
		break;
	case CONF_SWITCH:
		memcpy(&is_on, at, sizeof(is_on));
		buf_add_cstr(out, is_on ? "on" : "off");
		break;
	case CONF_COUNT:
	case CONF_DURATION:
	case CONF_SIZE:
		number_format(option->type, number_of(option, config), out);
		break;
	}
}

void conf_defaults(const struct conf_program *program, void *config)
{
	assert(program->option_count <= CONF_OPTIONS_MAX);
	for (unsigned i = 0; i < program->option_count; i++) {
		const struct conf_option *option = &program->options[i];
		const bool is_set =
			conf_value_set(option, str_from(option->fallback), config, NULL);
		assert(is_set);
		(void)is_set;
	}
}

bool conf_parse_text(const struct conf_program *program, struct str raw_text, const char *source,
	void *config, bool *has_secret, struct err *err)
{
	struct file_reader reader = {.program = program, .source = source};
	assert(program->option_count <= CONF_OPTIONS_MAX);
	if (raw_text.len > CONF_FILE_MAX)
		return err_set(
			err, ERR_USAGE, 0, "%s: longer than %d bytes", source, CONF_FILE_MAX);
	while (raw_text.len > 0) {
		struct str line;
		str_cut(raw_text, '\n', &line, &raw_text);
		reader.line++;
		if (!take_line(&reader, line, config, err))
			return false;
	}
	if (has_secret != NULL)
		*has_secret = reader.has_secret;
	return true;
}

static bool take_line(struct file_reader *reader, struct str line, void *config, struct err *err)
{
	struct str name, value;
	if (line.len > CONF_LINE_MAX)
		return line_error(reader, err, "line too long", (struct str){0});
	line = str_trim(line);
	if (line.len == 0 || line.data[0] == '#')
		return true;
	if (!str_cut(line, '=', &name, &value))
		return line_error(reader, err, "expected 'name = value'", (struct str){0});
	name = str_trim(name);
	unsigned index = 0;
	while (index < reader->program->option_count &&
		!str_equal(name, str_from(reader->program->options[index].name)))
		index++;
	if (index == reader->program->option_count)
		return line_error(reader, err, "unknown key", name);
	if (reader->seen_line[index] != 0)
		return line_error(reader, err, "duplicate key", name);
	reader->seen_line[index] = reader->line;
	const struct conf_option *option = &reader->program->options[index];
	if (option->type == CONF_SECRET)
		reader->has_secret = true;
	struct err why = {0};
	if (!conf_value_set(option, str_trim(value), config, &why))
		return err_set(err, ERR_USAGE, 0, "%s:%u: %s: %s", reader->source, reader->line,
			option->name, why.msg);
	return true;
}

static bool line_error(
	const struct file_reader *reader, struct err *err, const char *what, struct str name)
{
	if (name.data == NULL)
		return err_set(err, ERR_USAGE, 0, "%s:%u: %s", reader->source, reader->line, what);
	const struct str shown = quoted(name);
	return err_set(err, ERR_USAGE, 0, "%s:%u: %s '%.*s'", reader->source, reader->line, what,
		STR_ARG(shown));
}

static bool set_text(
	const struct conf_option *option, struct str value, void *config, struct err *err)
{
	if (!str_copy(text_at(option, config), CONF_TEXT_MAX, value))
		return err_set(err, ERR_USAGE, 0, "longer than %d bytes", CONF_TEXT_MAX - 1);
	return true;
}

static bool set_switch(
	const struct conf_option *option, struct str value, void *config, struct err *err)
{
	const bool is_on = str_equal(value, STR("on"));
	if (!is_on && !str_equal(value, STR("off"))) {
		const struct str shown = quoted(value);
		return err_set(err, ERR_USAGE, 0, "'%.*s' is neither on nor off", STR_ARG(shown));
	}
	memcpy((char *)config + option->offset, &is_on, sizeof(is_on));
	return true;
}

static bool set_number(
	const struct conf_option *option, struct str value, void *config, struct err *err)
{
	int64_t number = 0;
	uint64_t count = 0;
	bool is_read;
	const char *kind;
	if (option->type == CONF_DURATION) {
		is_read = duration_parse(value, &number);
		kind = "a duration such as 25ms, 1s, 1min, 1h or 30d";
	} else if (option->type == CONF_SIZE) {
		is_read = size_parse(value, &number);
		kind = "a size such as 4096, 64KiB, 16MiB or 1GiB";
	} else {
		is_read = str_parse_u64(value, INT64_MAX, &count);
		number = (int64_t)count;
		kind = "a whole number";
	}
	const struct str shown = quoted(value);
	if (!is_read)
		return err_set(err, ERR_USAGE, 0, "'%.*s' is not %s", STR_ARG(shown), kind);
	if (number < option->min || number > option->max) {
		struct buf range;
		buf_init(&range, ERR_MSG_MAX);
		number_format(option->type, option->min, &range);
		buf_add_cstr(&range, " to ");
		number_format(option->type, option->max, &range);
		err_set(err, ERR_USAGE, 0, "'%.*s' is out of range (%s)", STR_ARG(shown),
			buf_cstr(&range));
		buf_release(&range);
		return false;
	}
	*number_at(option, config) = number;
	return true;
}

static bool size_parse(struct str text, int64_t *bytes)
{
	size_t digits = 0;
	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	uint64_t number = 0;
	const struct str number_text = {.data = text.data, .len = digits};
	if (!str_parse_u64(number_text, INT64_MAX, &number))
		return false;
	const struct str name = {.data = text.data + digits, .len = text.len - digits};
	for (size_t i = 0; i < SIZE_UNIT_COUNT; i++) {
		if (str_equal(name, str_from(size_units[i].name)))
			return !__builtin_mul_overflow((int64_t)number, size_units[i].bytes, bytes);
	}
	return false;
}

static void number_format(enum conf_type type, int64_t number, struct buf *out)
{
	char text[TIMESTAMP_TEXT_MAX];
	if (type == CONF_DURATION) {
		duration_format(text, number);
		buf_add_cstr(out, text);
		return;
	}
	size_t unit = SIZE_UNIT_COUNT - 1;
	if (type == CONF_SIZE && number != 0) {
		unit = 0;
		while (number % size_units[unit].bytes != 0)
			unit++;
	}
	buf_addf(
		out, "%lld%s", (long long)(number / size_units[unit].bytes), size_units[unit].name);
}

static bool is_text_type(enum conf_type type)
{
	return type == CONF_TEXT || type == CONF_SECRET;
}

static char *text_at(const struct conf_option *option, void *config)
{
	return (char *)config + option->offset;
}

static int64_t *number_at(const struct conf_option *option, void *config)
{
	return (int64_t *)(void *)((char *)config + option->offset);
}

static int64_t number_of(const struct conf_option *option, const void *config)
{
	int64_t number;
	memcpy(&number, (const char *)config + option->offset, sizeof(number));
	return number;
}

static bool has_control(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		const unsigned char c = (unsigned char)text.data[i];
		if (c < ' ' || c == 0x7f)
			return true;
	}
	return false;
}

/* The part that a message may show: its start, up to the first byte that is not printable ASCII. */
static struct str quoted(struct str text)
{
	size_t len = 0;
	while (len < text.len && len < QUOTED_MAX && text.data[len] >= ' ' && text.data[len] <= '~')
		len++;
	return (struct str){.data = text.data, .len = len};
}
