/* SPDX-License-Identifier: Apache-2.0
 * logfmt lines on stderr: building, escaping, collapsing repeats. */
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "timestamp.h"

#define LOG_REPEAT_US US_PER_S
#define LOG_CUT_MARK  " cut=true"
#define LOG_HEAD_MAX  (sizeof("ts= ") + TIMESTAMP_TEXT_MAX)
#define LOG_BODY_MAX  (LOG_LINE_MAX - LOG_HEAD_MAX - sizeof(LOG_CUT_MARK) - sizeof("\n"))

/* A line without its time. Once something did not fit, nothing more is added: a cut line has whole
 * fields and values up to the cut. */
struct body {
	char bytes[LOG_BODY_MAX];
	size_t len;
	bool is_cut;
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *service = "wasl";
static enum log_level level_max = LOG_INFO;
/* The last line written, and how often it came again since. Guarded by lock. */
static struct body last;
static enum log_level last_level;
static int64_t last_us;
static uint64_t repeats;

static void add_head(struct body *body, enum log_level level, const char *ev);
static void add_field(struct body *body, const struct log_field *field);
static void add_value(struct body *body, struct str text);
static void add_byte(struct body *body, uint8_t byte);
static void add(struct body *body, const char *bytes, size_t len);
static bool is_plain(struct str text);
static size_t shown_len(struct str text);
static void write_repeats(void);
static void write_line(const struct body *body);

void log_init(const char *svc, enum log_level level)
{
	pthread_mutex_lock(&lock);
	service = svc;
	pthread_mutex_unlock(&lock);
	log_set_level(level);
	/* A reader of the log, or a peer, that has gone must not end the service. */
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
}

void log_set_level(enum log_level level)
{
	__atomic_store_n(&level_max, level, __ATOMIC_RELAXED);
}

bool log_level_parse(struct str text, enum log_level *level)
{
	for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (!str_equal(text, str_from(level_names[i])))
			continue;
		*level = (enum log_level)i;
		return true;
	}
	return false;
}

void log_write(enum log_level level, const char *ev, const struct log_field *fields)
{
	if (level > __atomic_load_n(&level_max, __ATOMIC_RELAXED))
		return;
	const int saved_errno = errno;
	struct body body;
	body.len = 0;
	body.is_cut = false;
	add_head(&body, level, ev);
	for (unsigned i = 0; i < LOG_FIELDS_MAX && fields[i].type != LOG_TYPE_END; i++)
		add_field(&body, &fields[i]);
	const int64_t now_us = clock_mono_us();
	pthread_mutex_lock(&lock);
	const bool is_repeat = body.len == last.len && body.is_cut == last.is_cut &&
			       memcmp(body.bytes, last.bytes, body.len) == 0;
	if (is_repeat && now_us - last_us < LOG_REPEAT_US) {
		repeats++;
	} else {
		write_repeats();
		write_line(&body);
		memcpy(last.bytes, body.bytes, body.len);
		last.len = body.len;
		last.is_cut = body.is_cut;
		last_level = level;
		last_us = now_us;
	}
	pthread_mutex_unlock(&lock);
	errno = saved_errno;
}

void log_flush(void)
{
	pthread_mutex_lock(&lock);
	write_repeats();
	last.len = 0;
	pthread_mutex_unlock(&lock);
}

static void add_head(struct body *body, enum log_level level, const char *ev)
{
	add(body, "lvl=", 4);
	add(body, level_names[level], strlen(level_names[level]));
	add(body, " svc=", 5);
	add(body, service, strlen(service));
	add(body, " ev=", 4);
	add(body, ev, strlen(ev));
}

static void add_field(struct body *body, const struct log_field *field)
{
	char number[TIMESTAMP_TEXT_MAX];
	const size_t start = body->len;
	add(body, " ", 1);
	add(body, field->key, strlen(field->key));
	add(body, "=", 1);
	if (body->is_cut) {
		body->len = start;
		return;
	}
	switch (field->type) {
	case LOG_TYPE_TEXT:
		add_value(body, field->text);
		break;
	case LOG_TYPE_NUMBER:
		snprintf(number, sizeof(number), "%lld", (long long)field->number);
		add(body, number, strlen(number));
		break;
	case LOG_TYPE_BOOL:
		add_value(body, field->number != 0 ? STR("true") : STR("false"));
		break;
	case LOG_TYPE_END:
		break;
	}
}

static void add_value(struct body *body, struct str text)
{
	if (is_plain(text)) {
		add(body, text.data, text.len);
		return;
	}
	add(body, "\"", 1);
	if (body->is_cut)
		return;
	while (text.len > 0 && !body->is_cut) {
		size_t len = shown_len(text);
		if (len > 0) {
			add(body, text.data, len);
		} else {
			len = 1;
			add_byte(body, (uint8_t)text.data[0]);
		}
		text.data += len;
		text.len -= len;
	}
	/* A byte is kept free for this, so that a cut value is closed too. */
	body->bytes[body->len++] = '"';
}

static void add_byte(struct body *body, uint8_t byte)
{
	if (byte == '"' || byte == '\\') {
		const char pair[] = {'\\', (char)byte};
		add(body, pair, sizeof(pair));
		return;
	}
	char escape[4] = {'\\', 'x'};
	hex_encode(escape + 2, &byte, 1);
	add(body, escape, sizeof(escape));
}

static void add(struct body *body, const char *bytes, size_t len)
{
	if (body->is_cut || body->len + len > sizeof(body->bytes) - 1) {
		body->is_cut = true;
		return;
	}
	if (len > 0)
		memcpy(body->bytes + body->len, bytes, len);
	body->len += len;
}

static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		const char c = text.data[i];
		if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return text.len > 0;
}

/* How many bytes at the front may be shown as they are: one character, or 0 if it must be escaped:
 * control bytes (C0, DEL, C1), invalid UTF-8, and what turns or breaks lines for whoever reads them
 * (bidirectional controls U+061C U+200E-F U+202A-E U+2066-9, separators U+2028-9, U+FEFF). */
static size_t shown_len(struct str text)
{
	const uint8_t *at = (const uint8_t *)text.data;
	if (at[0] < 0x80)
		return at[0] >= ' ' && at[0] < 0x7f && at[0] != '"' && at[0] != '\\' ? 1 : 0;
	const size_t len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	if (text.len < len || !utf8_is_valid((struct str){.data = text.data, .len = len}))
		return 0;
	if (len == 2)
		return (at[0] == 0xc2 && at[1] < 0xa0) || (at[0] == 0xd8 && at[1] == 0x9c) ? 0 : 2;
	if (at[0] == 0xe2 && at[1] == 0x80)
		return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae) ? 0 : 3;
	if (at[0] == 0xe2 && at[1] == 0x81)
		return at[2] >= 0xa6 && at[2] <= 0xa9 ? 0 : 3;
	return at[0] == 0xef && at[1] == 0xbb && at[2] == 0xbf ? 0 : len;
}

static void write_repeats(void)
{
	if (repeats == 0)
		return;
	struct body body;
	body.len = 0;
	body.is_cut = false;
	add_head(&body, last_level, "repeated");
	const struct log_field times = LOG_NUM("times", repeats);
	add_field(&body, &times);
	write_line(&body);
	repeats = 0;
}

static void write_line(const struct body *body)
{
	char line[LOG_LINE_MAX];
	char ts[TIMESTAMP_TEXT_MAX];
	timestamp_format(ts, clock_wall_us());
	const int len = snprintf(line, sizeof(line), "ts=%s %.*s%s\n", ts, (int)body->len,
		body->bytes, body->is_cut ? LOG_CUT_MARK : "");
	/* A full disk or a closed stderr costs the line, not the service. */
	while (write(STDERR_FILENO, line, (size_t)len) < 0 && errno == EINTR)
		continue;
}
