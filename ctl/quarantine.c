/* SPDX-License-Identifier: Apache-2.0
 * waslctl quarantine: events that were answered 202 and that the database then refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "list.h"
#include "nouns.h"
#include "out.h"
#include "ring.h"
#include "timestamp.h"

#define REASON_MAX  1000 /* bytes, as the schema allows them */
#define NO_REASON   "no reason given"
#define CONTEXT_MAX 320            /* "event <store> <webhook-id>" */
#define WAIT_US     (5 * US_PER_S) /* for an attributor's next look */
#define LOOK_US     (100 * US_PER_MS)

#define QUARANTINE_OBJECT                                                                    \
	"json_build_object('quarantine_id', q.quarantine_id, 'store_id', q.store_id, "       \
	"'event_id', q.event_id, 'state', q.state, 'code', q.code, 'detail', q.detail, "     \
	"'received_at', wasl.time_text(q.received_at), 'put_at', wasl.time_text(q.put_at), " \
	"'changed_at', wasl.time_text(q.changed_at), 'changed_by', q.changed_by, "           \
	"'reason', q.reason) FROM wasl.quarantine q "

static enum call_exit quarantine_list(struct call *call);
static enum call_exit quarantine_show(struct call *call);
static enum call_exit quarantine_retry(struct call *call);
static enum call_exit quarantine_drop(struct call *call);

static const struct option_spec list_options[] = {
	{"store", OPTION_TEXT, false, "STORE", "of this store"},
	{"all", OPTION_SWITCH, false, NULL, "also those that were posted or dropped"},
	LIST_OPTIONS,
	{0},
};
static const struct option_spec drop_options[] = {
	{"reason", OPTION_TEXT, false, "TEXT", "why, in words; kept for ever"},
	{0},
};

const struct command quarantine_commands[] = {
	{"quarantine", "list", "", 0, 0, list_options, quarantine_list,
		"List events that were accepted and could not be posted"},
	{"quarantine", "show", "ID", 1, 1, NULL, quarantine_show,
		"Show one of them with its body, which the keyring opens"},
	{"quarantine", "retry", "ID", 1, 1, NULL, quarantine_retry,
		"Have it tried again, once what stood in its way is mended"},
	{"quarantine", "drop", "ID", 1, 1, drop_options, quarantine_drop,
		"Decide that it never takes effect"},
	{0},
};

static json_t *read_object(struct call *call);
static bool is_in(const json_t *object, const char *state);
static json_t *open_body(
	struct call *call, const char *store_id, const char *event_id, const char *sealed_hex);

static enum call_exit quarantine_list(struct call *call)
{
	static const char *const columns[] = {"quarantine_id", "store_id", "event_id", "state",
		"code", "detail", "received_at", "put_at", NULL};
	if (!call_id(call, "store"))
		return CALL_USAGE;
	return list_print(
		call, &(struct list){.sql = "SELECT " QUARANTINE_OBJECT
					    "WHERE q.quarantine_id > coalesce($1::bigint, 0) "
					    "AND ($3::bigint IS NULL OR q.store_id = $3::bigint) "
					    "AND ($4::text IS NOT NULL OR q.state IN ('waiting', "
					    "'retrying')) ORDER BY q.quarantine_id "
					    "LIMIT $2::bigint",
			      .key = "quarantine_id",
			      .columns = columns,
			      .params = {call_text(call, "store"), call_text(call, "all")},
			      .param_count = 2});
}

static enum call_exit quarantine_show(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	if (!call_operand_number(call, 0))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	json_t *const object = read_object(call);
	if (object == NULL)
		return CALL_FAILED;
	struct db_rows *rows = call_query(call,
		"SELECT store_id, event_id, encode(sealed_body, 'hex') FROM wasl.quarantine "
		"WHERE quarantine_id = $1::bigint",
		DB_ARGS(call->operands[0]));
	if (rows == NULL) {
		json_decref(object);
		return CALL_FAILED;
	}
	json_object_set_new(object, "body",
		open_body(call, db_cell(rows, 0, 0), db_cell(rows, 0, 1), db_cell(rows, 0, 2)));
	db_rows_free(rows);
	return out_object(call, object);
}

/* Shown as it stands after the next attempt, if one comes soon; failed when it was refused again.
 */
static enum call_exit quarantine_retry(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	if (!call_operand_number(call, 0))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	if (!call_run(call, "SELECT wasl.quarantine_retry($1::bigint)", DB_ARGS(call->operands[0])))
		return CALL_FAILED;
	const int64_t until_us = clock_mono_us() + WAIT_US;
	json_t *object = read_object(call);
	while (object != NULL && is_in(object, "retrying") && clock_mono_us() < until_us) {
		json_decref(object);
		usleep(LOOK_US);
		object = read_object(call);
	}
	if (object == NULL)
		return CALL_FAILED;
	const bool is_refused = is_in(object, "waiting");
	if (is_in(object, "retrying"))
		fprintf(stderr, "waslctl: it is tried once an attributor runs\n");
	code = out_object(call, object);
	return is_refused ? call_fail(call, "it was refused again, and waits") : code;
}

static enum call_exit quarantine_drop(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	if (!call_operand_number(call, 0) || !call_words(call, "reason", REASON_MAX, false))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	const char *const reason = call_text(call, "reason");
	if (!call_run(call, "SELECT wasl.quarantine_drop($1::bigint, $2)",
		    DB_ARGS(call->operands[0], reason != NULL ? reason : NO_REASON)))
		return CALL_FAILED;
	json_t *const object = read_object(call);
	return object != NULL ? out_object(call, object) : CALL_FAILED;
}

/* The caller's to release; NULL, reported: there is none. */
static json_t *read_object(struct call *call)
{
	struct db_rows *rows =
		call_query(call, "SELECT " QUARANTINE_OBJECT "WHERE q.quarantine_id = $1::bigint",
			DB_ARGS(call->operands[0]));
	if (rows == NULL)
		return NULL;
	json_t *const object =
		db_rows_count(rows) == 1 ? json_loads(db_cell(rows, 0, 0), 0, NULL) : NULL;
	if (object == NULL)
		call_fail(call, "there is no event %s in quarantine", call->operands[0]);
	db_rows_free(rows);
	return object;
}

static bool is_in(const json_t *object, const char *state)
{
	const char *const text = json_string_value(json_object_get(object, "state"));
	return text != NULL && strcmp(text, state) == 0;
}

/* Null when it is gone, or when no key opens it, which stderr tells. */
static json_t *open_body(
	struct call *call, const char *store_id, const char *event_id, const char *sealed_hex)
{
	struct ring ring;
	struct err err = {0};
	char context[CONTEXT_MAX];
	enum call_exit code;
	json_t *body = NULL;
	const struct str hex = str_from(sealed_hex != NULL ? sealed_hex : "");
	if (hex.len == 0 || !ring_open(call, &ring, RING_READ, &code))
		return json_null();
	const size_t len = hex.len / 2;
	uint8_t *const sealed = malloc(2 * len);
	size_t plain_len = 0;
	snprintf(context, sizeof(context), "event %s %s", store_id, event_id);
	if (sealed != NULL && hex_decode(hex, sealed, len)) {
		char *const plain = (char *)sealed + len;
		if (seal_decrypt(&ring.keyring, SEAL_BODY, str_from(context),
			    (struct str){(const char *)sealed, len}, (uint8_t *)plain, &plain_len,
			    &err))
			body = json_loadb(plain, plain_len, 0, NULL);
		else
			call_fail_err(call, &err);
	}
	free(sealed);
	ring_close(&ring);
	return body != NULL ? body : json_null();
}
