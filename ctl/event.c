/* SPDX-License-Identifier: Apache-2.0
 * waslctl event: an order's event sent as a storefront would, for a developer's first day. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "nouns.h"
#include "out.h"
#include "post.h"
#include "ring.h"
#include "sign.h"
#include "text.h"
#include "timestamp.h"

#define EVENT_FILE_MAX \
	(1024 * 1024) /* more than the attributor takes, so that its 413 can be seen */
#define EVENT_ID_RAND 16
#define EVENT_ID_MAX  256
#define URL_TEXT_MAX  2200

static enum call_exit event_send(struct call *call);

static const struct option_spec send_options[] = {
	{"store", OPTION_TEXT, true, "STORE", "whose secret signs it"},
	{"id", OPTION_TEXT, false, "ID",
		"the webhook-id (default: a new one): the same again is a repeat"},
	{0},
};

const struct command event_commands[] = {
	{"event", "send", "FILE.json|-", 1, 1, send_options, event_send,
		"Sign an event, send it to the attributor, print the answer"},
	{0},
};

static bool read_body(struct call *call, struct buf *body);
static bool read_secret(struct call *call, uint8_t secret[SECRET_BYTES], enum call_exit *code);
static bool make_id(const struct call *call, char out[EVENT_ID_MAX + 1]);
static void print_answer(const struct call *call, const struct post_answer *answer);

static enum call_exit event_send(struct call *call)
{
	struct buf body;
	struct err err = {0};
	struct post_answer answer = {0};
	uint8_t secret[SECRET_BYTES];
	char id[EVENT_ID_MAX + 1], timestamp[SIGN_TIME_MAX], signature[SIGN_TEXT_MAX],
		url[URL_TEXT_MAX];
	enum call_exit code = CALL_USAGE;
	if (!call_id(call, "store") || !call_words(call, "id", EVENT_ID_MAX, false))
		return CALL_USAGE;
	const char *base = call_need(call, GLOBAL_ATTRIBUTOR_URL);
	if (base == NULL)
		return CALL_USAGE;
	buf_init(&body, EVENT_FILE_MAX);
	code = CALL_FAILED;
	if (!read_body(call, &body) || !read_secret(call, secret, &code))
		goto out;
	code = CALL_FAILED;
	snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(clock_wall_us() / US_PER_S));
	if (!make_id(call, id) ||
		!sign_webhook(secret, sizeof(secret), id, timestamp, buf_str(&body), signature)) {
		call_fail(call, "the event could not be signed");
		goto out;
	}
	size_t len = strlen(base);
	while (len > 0 && base[len - 1] == '/')
		len--;
	snprintf(url, sizeof(url), "%.*s/v1/stores/%s/events", (int)len, base,
		call_text(call, "store"));
	const struct post_header headers[] = {{"Content-Type", "application/json"},
		{"webhook-id", id}, {"webhook-timestamp", timestamp},
		{"webhook-signature", signature}, {NULL, NULL}};
	if (!post_send(url, headers, buf_str(&body), &answer, &err)) {
		call_fail_err(call, &err);
		goto out;
	}
	print_answer(call, &answer);
	code = answer.status >= 200 && answer.status <= 299
		       ? CALL_DONE
		       : call_fail(call, "the attributor answered %ld", answer.status);
out:
	explicit_bzero(secret, sizeof(secret));
	post_answer_release(&answer);
	buf_release(&body);
	return code;
}

static bool read_body(struct call *call, struct buf *body)
{
	const char *path = call->operands[0];
	char piece[8192];
	size_t len = 0;
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (file == NULL) {
		call_fail(call, "%s: %s", path, strerror(errno));
		return false;
	}
	while ((len = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(body, piece, len);
	bool has_failed = ferror(file) != 0;
	if (file != stdin)
		fclose(file);
	if (has_failed)
		call_fail(call, "%s: cannot be read", path);
	else if (body->has_failed)
		call_fail(call, "%s: is over %d bytes", path, EVENT_FILE_MAX);
	return !has_failed && !body->has_failed;
}

static bool read_secret(struct call *call, uint8_t secret[SECRET_BYTES], enum call_exit *code)
{
	struct ring ring;
	struct err err = {0};
	const char *store_id = call_text(call, "store");
	if (!call_db(call, code))
		return false;
	struct db_rows *rows = call_query(call,
		"SELECT secret_current FROM wasl.stores WHERE store_id = $1::bigint",
		DB_ARGS(store_id));
	*code = CALL_FAILED;
	if (rows == NULL)
		return false;
	bool is_ok = false;
	if (db_rows_count(rows) == 0) {
		call_fail(call, "there is no store %s", store_id);
	} else if (ring_open(call, &ring, RING_READ, code)) {
		is_ok = ring_open_secret(&ring, store_id, db_cell(rows, 0, 0), secret, &err);
		if (!is_ok)
			*code = call_fail_err(call, &err);
		ring_close(&ring);
	}
	db_rows_free(rows);
	return is_ok;
}

static bool make_id(const struct call *call, char out[EVENT_ID_MAX + 1])
{
	struct entropy entropy;
	uint8_t random[EVENT_ID_RAND];
	const char *given = call_text(call, "id");
	if (given != NULL)
		return str_copy(out, EVENT_ID_MAX + 1, str_from(given));
	entropy_init(&entropy);
	if (!entropy_draw(&entropy, random, sizeof(random)))
		return false;
	memcpy(out, "msg_", 4);
	out[4 + base64url_encode(out + 4, random, sizeof(random))] = '\0';
	return true;
}

/* JSON as it came with --json; for people its status and members. */
static void print_answer(const struct call *call, const struct post_answer *answer)
{
	json_t *parsed =
		json_loadb(answer->body.data ? answer->body.data : "", answer->body.len, 0, NULL);
	if (!call->is_json)
		printf("HTTP %ld\n", answer->status);
	if (parsed != NULL) {
		if (call->is_json)
			out_json(parsed);
		else
			out_object(call, json_incref(parsed));
	} else if (answer->body.len > 0) {
		struct buf shown;
		buf_init(&shown, OUT_LINE_MAX);
		text_escape(&shown, buf_str(&answer->body));
		printf("%s\n", buf_cstr(&shown));
		buf_release(&shown);
	}
	json_decref(parsed);
}
