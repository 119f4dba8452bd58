/* SPDX-License-Identifier: Apache-2.0
 * logfmt lines on stderr, one write(2) each: ts= lvl= svc= ev= first, then typed fields.
 * No personal data, no tokens, no secrets: whoever adds a field answers for it. */
#ifndef WASL_LOG_H
#define WASL_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

enum log_level { LOG_ERROR = 0, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX   4096 /* longer lines are cut, and end in cut=true */
#define LOG_FIELDS_MAX 24

enum log_type { LOG_TYPE_END = 0, LOG_TYPE_TEXT, LOG_TYPE_NUMBER, LOG_TYPE_BOOL };

struct log_field {
	const char *key;
	enum log_type type;
	struct str text;
	int64_t number;
};

#define LOG_TEXT(k, cstr) \
	((struct log_field){.key = (k), .type = LOG_TYPE_TEXT, .text = str_from(cstr)})
#define LOG_STR(k, view) ((struct log_field){.key = (k), .type = LOG_TYPE_TEXT, .text = (view)})
#define LOG_NUM(k, n) \
	((struct log_field){.key = (k), .type = LOG_TYPE_NUMBER, .number = (int64_t)(n)})
#define LOG_BOOL(k, b) ((struct log_field){.key = (k), .type = LOG_TYPE_BOOL, .number = (b)})

/* svc is a string constant: "wasl-tracker". Lines above the level are not written. SIGPIPE is
 * ignored from here on: a reader that has gone costs lines, not the service. */
void log_init(const char *svc, enum log_level level);
void log_set_level(enum log_level level);
bool log_level_parse(struct str text, enum log_level *level); /* error warn info debug */

/* ev is a constant, greppable word. Values are quoted when they are empty or hold anything but
 * printable ASCII without space, '"', '=' and '\\'; control and invalid bytes and bidirectional
 * marks leave as \xNN. Identical lines (ts apart) within 1 s collapse: the next different line is
 * preceded by ev=repeated times=N. Thread-safe. */
void log_write(enum log_level level, const char *ev, const struct log_field *fields);

/* Says at once what is still held back as repeated: before a process ends. */
void log_flush(void);

#define log_error(ev, ...) \
	log_write(LOG_ERROR, ev, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define log_warn(ev, ...) \
	log_write(LOG_WARN, ev, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define log_info(ev, ...) \
	log_write(LOG_INFO, ev, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define log_debug(ev, ...) \
	log_write(LOG_DEBUG, ev, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

#endif
