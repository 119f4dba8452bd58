/* SPDX-License-Identifier: Apache-2.0
 * A daemon's options from one table: default < config file < environment (WASL_NAME) < flag. The
 * same table prints the help, the example file and --print-config. */
#ifndef WASL_CONF_H
#define WASL_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"

#define CONF_TEXT_MAX    1024 /* one value */
#define CONF_FILE_MAX    65536
#define CONF_LINE_MAX    2048
#define CONF_OPTIONS_MAX 64 /* of one program */
#define CONF_NAME_MAX    48

enum conf_type {
	CONF_TEXT = 0, /* char[CONF_TEXT_MAX] at offset */
	CONF_SECRET,   /* the same, never printed or logged; a file that sets one must not be
			  world-readable */
	CONF_SWITCH,   /* bool; "on" or "off"; as a flag without value: on */
	CONF_COUNT,    /* int64_t between min and max */
	CONF_DURATION, /* int64_t microseconds, with unit, between min and max */
	CONF_SIZE,     /* int64_t bytes: plain, KiB, MiB, GiB */
};

struct conf_option {
	const char *name; /* "click-deadline"; environment WASL_CLICK_DEADLINE; file key
			     click-deadline */
	enum conf_type type;
	size_t offset;        /* into the daemon's config struct */
	const char *fallback; /* the default, as text */
	int64_t min, max;
	const char *help; /* one line */
	bool (*check)(
		struct str value, struct err *err); /* may be NULL: a further check of the text */
};

struct conf_program {
	const char *name;                  /* "wasl-tracker" */
	const char *summary;               /* one line */
	const struct conf_option *options; /* sorted by name */
	unsigned option_count;
};

enum conf_action { CONF_RUN = 0, CONF_EXIT_OK, CONF_EXIT_USAGE, CONF_CHECKED };

/* Fills config from all sources. Handles --help, --version, --print-config (written to stdout:
 * CONF_EXIT_OK),
 * --check-config (CONF_CHECKED: the caller checks what only it knows, then exits 0), --config FILE.
 * Any error is one line on stderr naming source and line ("tracker.conf:3: unknown key 'lisen'"):
 * CONF_EXIT_USAGE, exit 2. File: "name = value" a line, # comments, a key twice is an error. No
 * positional arguments. */
enum conf_action conf_load(const struct conf_program *program, int argc, char **argv, void *config);

/* The same sources again, into a fresh config, for SIGHUP: nothing is printed, --help and its like
 * are ignored. False: err names source and line, and config is of no use. */
bool conf_reload(
	const struct conf_program *program, int argc, char **argv, void *config, struct err *err);
/* Both configs hold the same value of that option. */
bool conf_value_equal(const struct conf_option *option, const void *one, const void *other);

/* The parts of it, for tests and fuzzers. Pure: nothing is read but what is given. */

/* One option from text; refuses what its type, range, length or check refuse. err says what is
 * wrong with it, without a source, and never quotes a secret. */
bool conf_value_set(
	const struct conf_option *option, struct str raw_value, void *config, struct err *err);
/* The value as conf_value_set takes it; a secret as "(hidden)". */
void conf_value_format(const struct conf_option *option, const void *config, struct buf *out);
/* Sets every option of the table to its default. */
void conf_defaults(const struct conf_program *program, void *config);
/* A whole file's text, called source in err. has_secret (may be NULL) tells whether it sets a
 * CONF_SECRET. */
bool conf_parse_text(const struct conf_program *program, struct str raw_text, const char *source,
	void *config, bool *has_secret, struct err *err);

#endif
