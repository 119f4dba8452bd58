/* SPDX-License-Identifier: Apache-2.0
 * waslctl spool: what a daemon's spools on this machine hold, and clicks that dead ones left. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "click_note.h"
#include "nouns.h"
#include "out.h"
#include "spool_look.h"
#include "spool_push.h"
#include "timestamp.h"

#define FOLDER_MAX    1100
#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     1000000
#define CURSOR_MAX    UINT32_MAX
#define PAGE_ROWS     100
#define KIND_TEXT_MAX 16
#define EVENT_KIND    2 /* the attributor's, sealed */

static enum call_exit spool_list(struct call *call);
static enum call_exit spool_show(struct call *call);
static enum call_exit spool_replay(struct call *call);

static const struct option_spec show_options[] = {
	{"limit", OPTION_TEXT, false, "N", "at most so many records (default 1000)"},
	{"cursor", OPTION_TEXT, false, "N", "pass over so many: what \"next\" said"},
	{0},
};

const struct command spool_commands[] = {
	{"spool", "list", "", 0, 0, NULL, spool_list, "List the spools below the state-dir"},
	{"spool", "show", "", 0, 0, show_options, spool_show,
		"Show the records that wait in them, oldest first in each"},
	{"spool", "replay", "", 0, 0, NULL, spool_replay,
		"Send Redis the clicks of spools that no daemon holds"},
	{0},
};

/* What spool show has printed. */
struct shown {
	struct call *call;
	struct out_table table;
	json_t *rows;
	int spool;
	uint64_t passed, count, limit, cursor;
};

static const char *const list_columns[] = {
	"spool", "held", "segments", "records", "bytes", "oldest", "damaged", "set_aside", NULL};
static const char *const show_columns[] = {"spool", "kind", "time", "click_id", "bytes", NULL};

static bool folder_of(struct call *call, char folder[FOLDER_MAX]);
static bool is_held(const char *folder, unsigned index);
static json_t *look_row(int index, bool is_taken, const struct spool_look *look);
static bool record_show(const struct spool_record *record, void *arg);
static json_t *record_row(int spool, const struct spool_record *record);
static void list_out(const struct call *call, json_t *rows, json_t *next, struct out_table *table);
static json_t *time_json(int64_t us);

static enum call_exit spool_list(struct call *call)
{
	char folder[FOLDER_MAX], dir[SPOOL_PATH_MAX];
	struct out_table table;
	enum call_exit code = CALL_DONE;
	if (!folder_of(call, folder))
		return CALL_FAILED;
	json_t *rows = json_array();
	out_table_init(&table, list_columns);
	for (int i = spool_dir_next(folder, 0); i >= 0;
		i = spool_dir_next(folder, (unsigned)i + 1)) {
		struct spool_look look;
		struct err err = {0};
		snprintf(dir, sizeof(dir), "%s/%d", folder, i);
		if (!spool_look(dir, NULL, NULL, &look, &err)) {
			code = call_fail_err(call, &err);
			continue;
		}
		json_t *row = look_row(i, is_held(folder, (unsigned)i), &look);
		out_table_add(&table, row);
		json_array_append_new(rows, row);
	}
	list_out(call, rows, json_null(), &table);
	return code;
}

static enum call_exit spool_show(struct call *call)
{
	char folder[FOLDER_MAX], dir[SPOOL_PATH_MAX], next[24];
	struct shown shown = {.call = call, .limit = LIMIT_DEFAULT};
	struct err err = {0};
	enum call_exit code = CALL_DONE;
	if (!call_number(call, "limit", 1, LIMIT_MAX, &shown.limit) ||
		!call_number(call, "cursor", 0, CURSOR_MAX, &shown.cursor))
		return CALL_USAGE;
	if (!folder_of(call, folder))
		return CALL_FAILED;
	shown.rows = json_array();
	out_table_init(&shown.table, show_columns);
	for (shown.spool = spool_dir_next(folder, 0);
		shown.spool >= 0 && shown.count <= shown.limit;
		shown.spool = spool_dir_next(folder, (unsigned)shown.spool + 1)) {
		struct spool_look look;
		snprintf(dir, sizeof(dir), "%s/%d", folder, shown.spool);
		if (!spool_look(dir, record_show, &shown, &look, &err))
			code = call_fail_err(call, &err);
	}
	/* One more than the limit was met: there is more. */
	snprintf(next, sizeof(next), "%llu", (unsigned long long)(shown.cursor + shown.limit));
	list_out(call, shown.rows, shown.count > shown.limit ? json_string(next) : json_null(),
		&shown.table);
	return code;
}

static enum call_exit spool_replay(struct call *call)
{
	char folder[FOLDER_MAX];
	struct redis_url url;
	struct spool_pushed pushed = {0};
	unsigned held = 0;
	struct err err = {0};
	enum call_exit code = CALL_DONE;
	const char *redis_url = call_need(call, GLOBAL_REDIS_URL);
	if (!redis_url)
		return CALL_USAGE;
	if (!redis_url_parse(str_from(redis_url), &url, &err))
		return call_usage(call, "--redis-url: %s", err.msg);
	if (!folder_of(call, folder))
		return CALL_FAILED;
	for (int i = spool_dir_next(folder, 0); i >= 0 && code == CALL_DONE;
		i = spool_dir_next(folder, (unsigned)i + 1)) {
		switch (spool_push(&url, folder, (unsigned)i, &pushed, &err)) {
		case SPOOL_PUSH_DONE:
			break;
		case SPOOL_PUSH_HELD:
			held++;
			err = (struct err){0};
			break;
		case SPOOL_PUSH_FAILED:
			code = call_fail(call, "spool %d: %s", i, err.msg);
			break;
		}
	}
	explicit_bzero(&url, sizeof(url));
	out_object(call, json_pack("{s:I, s:I, s:I, s:i}", "replayed", (json_int_t)pushed.clicks,
				 "expired", (json_int_t)pushed.expired, "set_aside",
				 (json_int_t)pushed.set_aside, "held", (int)held));
	if (code == CALL_DONE && held > 0)
		code = call_fail(call,
			"%u spools are held by a running daemon, which replays them itself", held);
	return code;
}

static bool folder_of(struct call *call, char folder[FOLDER_MAX])
{
	const char *state_dir = call_need(call, GLOBAL_STATE_DIR);
	if (!state_dir)
		return false;
	const int len = snprintf(folder, FOLDER_MAX, "%s/spool", state_dir);
	if (len < FOLDER_MAX && access(folder, R_OK | X_OK) == 0)
		return true;
	call_fail(call, "%s: no spools there, or none that we may read", folder);
	return false;
}

static bool is_held(const char *folder, unsigned index)
{
	char dir[SPOOL_PATH_MAX];
	bool is_taken = false;
	const int fd = spool_dir_lock(folder, index, dir, &is_taken);
	if (fd >= 0)
		close(fd);
	return is_taken;
}

static json_t *look_row(int index, bool is_taken, const struct spool_look *look)
{
	return json_pack("{s:i, s:b, s:i, s:I, s:I, s:o, s:i, s:i}", "spool", index, "held",
		is_taken, "segments", (int)look->segments, "records", (json_int_t)look->records,
		"bytes", (json_int_t)look->bytes, "oldest", time_json(look->oldest_us), "damaged",
		(int)look->damaged, "set_aside", (int)look->bad);
}

static bool record_show(const struct spool_record *record, void *arg)
{
	struct shown *shown = arg;
	if (shown->passed < shown->cursor) {
		shown->passed++;
		return true;
	}
	if (++shown->count > shown->limit)
		return false;
	json_t *row = record_row(shown->spool, record);
	out_table_add(&shown->table, row);
	if (shown->call->is_json)
		json_array_append_new(shown->rows, row);
	else
		json_decref(row);
	if (!shown->call->is_json && shown->count % PAGE_ROWS == 0)
		out_table_flush(&shown->table);
	return true;
}

/* A click's id is its time, its bucket and its index; of other records the kind alone is told. */
static json_t *record_row(int spool, const struct spool_record *record)
{
	struct click_note note;
	char kind[KIND_TEXT_MAX] = "click", id[CLICK_ID_TEXT_MAX] = "";
	if (record->kind == CLICK_NOTE_KIND && click_note_parse(record->payload, &note)) {
		uint8_t raw_id[CLICK_ID_BYTES];
		click_id_make(raw_id, record->time_us / US_PER_MS, &note.bucket, note.index);
		click_id_format(id, raw_id);
	} else if (record->kind == EVENT_KIND) {
		snprintf(kind, sizeof(kind), "event");
	} else {
		snprintf(kind, sizeof(kind), "%u", record->kind);
	}
	return json_pack("{s:i, s:s, s:o, s:o, s:i}", "spool", spool, "kind", kind, "time",
		time_json(record->time_us), "click_id", id[0] ? json_string(id) : json_null(),
		"bytes", (int)record->payload.len);
}

/* Takes rows and next over. */
static void list_out(const struct call *call, json_t *rows, json_t *next, struct out_table *table)
{
	if (call->is_json) {
		json_t *list = json_pack("{s:O, s:O}", "data", rows, "next", next);
		out_json(list);
		json_decref(list);
	} else {
		out_table_flush(table);
		if (!json_is_null(next))
			printf("… more: --cursor %s\n", json_string_value(next));
	}
	out_table_release(table);
	json_decref(rows);
	json_decref(next);
}

static json_t *time_json(int64_t us)
{
	char text[TIMESTAMP_TEXT_MAX];
	if (us <= 0)
		return json_null();
	timestamp_format(text, us);
	return json_string(text);
}
