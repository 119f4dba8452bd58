/* SPDX-License-Identifier: Apache-2.0
 * waslctl click: what a click token says, and what Redis remembers of the click. */
#include "click.h"

#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "fetch.h"
#include "nouns.h"
#include "out.h"
#include "ring.h"
#include "timestamp.h"

static enum call_exit click_decode(struct call *call);
static enum call_exit click_show(struct call *call);

const struct command click_commands[] = {
	{"click", "decode", "CLICK_TOKEN…|-", 1, DECODE_TOKENS_MAX, NULL, click_decode,
		"Open click tokens with the keyring alone; - reads one a line"},
	{"click", "show", "CLICK_TOKEN|CLICK_ID", 1, 1, NULL, click_show,
		"Show a click as Redis has it"},
	{0},
};

static json_t *open_click(struct token_box *box, struct str raw_token, bool *is_ok);
static bool open_operand(
	struct call *call, uint8_t id[CLICK_ID_BYTES], json_t **object, enum call_exit *code);
static void add_id(json_t *object, const uint8_t id[CLICK_ID_BYTES]);
static void add_record(json_t *object, const struct click_record *record);
static void add_extras(json_t *object, const struct fetched *fetched);
static void add_expiry(json_t *object, const struct fetched *fetched);
static enum call_exit tell_missing(struct call *call, const char *why);

static enum call_exit click_decode(struct call *call)
{
	return decode_tokens(call, open_click);
}

static enum call_exit click_show(struct call *call)
{
	uint8_t id[CLICK_ID_BYTES];
	struct fetched fetched;
	struct click_record record;
	struct err err = {0};
	json_t *object = NULL;
	enum call_exit code = CALL_USAGE;
	const char *redis_url = call_need(call, GLOBAL_REDIS_URL);
	if (redis_url == NULL || !open_operand(call, id, &object, &code))
		return code;
	enum fetch_result result = fetch_click(redis_url, id, &fetched, &err);
	if (result == FETCH_BAD_URL) {
		json_decref(object);
		return call_usage(call, "--redis-url: %s", err.msg);
	}
	struct str raw = {.data = (const char *)fetched.record, .len = fetched.record_len};
	if (result == FETCH_FOUND && !click_record_parse(raw, &record))
		result = FETCH_NO_ENTRY;
	if (result != FETCH_FOUND) {
		json_decref(object);
		return tell_missing(call, fetch_result_name(result));
	}
	add_record(object, &record);
	add_extras(object, &fetched);
	add_expiry(object, &fetched);
	return out_object(call, object);
}

static json_t *open_click(struct token_box *box, struct str raw_token, bool *is_ok)
{
	struct click_claim claim = {0};
	int slot = TOKEN_SLOT_NONE;
	enum token_result result = token_open_click(box, raw_token, &claim, &slot);
	json_t *object = decode_head(raw_token, result, slot);
	*is_ok = result == TOKEN_OK;
	if (!*is_ok)
		return object;
	decode_add_link(object, &claim.link);
	add_id(object, claim.click_id);
	json_object_set_new(object, "flags", json_integer(claim.flags));
	json_object_set_new(object, "window_s", json_integer(claim.window_s));
	return object;
}

/* A dashed id as it is, or the id of a token that opens; *object then holds what it says. */
static bool open_operand(
	struct call *call, uint8_t id[CLICK_ID_BYTES], json_t **object, enum call_exit *code)
{
	struct ring ring;
	struct err err = {0};
	struct click_claim claim = {0};
	bool is_ok = false;
	const struct str operand = str_from(call->operands[0]);
	if (click_id_parse(operand, id)) {
		*object = json_object();
		add_id(*object, id);
		return true;
	}
	if (!ring_open(call, &ring, RING_READ, code))
		return false;
	struct token_box *box = token_box_new(&ring.keyring, &err);
	ring_close(&ring);
	if (box == NULL) {
		*code = call_fail_err(call, &err);
		return false;
	}
	enum token_result result = token_open_click(box, operand, &claim, NULL);
	*object = open_click(box, operand, &is_ok);
	token_box_free(box);
	memcpy(id, claim.click_id, CLICK_ID_BYTES);
	if (is_ok)
		return true;
	if (call->is_json)
		out_json(*object);
	json_decref(*object);
	*code = call_fail(call, "the token does not open: %s", token_result_name(result));
	return false;
}

static void add_id(json_t *object, const uint8_t id[CLICK_ID_BYTES])
{
	char text[CLICK_ID_TEXT_MAX], clicked_at[TIMESTAMP_TEXT_MAX];
	click_id_format(text, id);
	timestamp_format(clicked_at, click_id_ms(id) * US_PER_MS);
	json_object_set_new(object, "click_id", json_string(text));
	json_object_set_new(object, "clicked_at", json_string(clicked_at));
}

/* Without a token the record alone tells whose click it is; with one the token's word stands. */
static void add_record(json_t *object, const struct click_record *record)
{
	if (json_object_get(object, "affiliate_id") == NULL) {
		decode_add_link(object, &record->link);
		json_object_set_new(object, "flags", json_integer(record->flags));
		json_object_set_new(object, "window_s", json_integer(record->window_s));
	}
	json_object_set_new(object, "found", json_true());
	json_object_set_new(object, "store_id", json_integer(record->store_id));
	json_object_set_new(object, "class", json_string(click_class_name(record->class)));
	json_object_set_new(object, "app", json_string(click_app_name(record->app)));
	json_object_set_new(object, "os", json_string(click_os_name(record->os)));
}

static void add_extras(json_t *object, const struct fetched *fetched)
{
	static const char *const names[CLICK_SUB_IDS + 1] = {"s1", "s2", "s3", "s4", "s5", "cid"};
	struct click_extras extras = {0};
	struct str raw = {.data = (const char *)fetched->extras, .len = fetched->extras_len};
	if (raw.len > 0 && !click_extras_parse(raw, &extras))
		extras = (struct click_extras){0};
	for (unsigned i = 0; i <= CLICK_SUB_IDS; i++) {
		json_t *value = NULL;
		if (extras.values[i].len > 0)
			value = json_stringn(extras.values[i].data, extras.values[i].len);
		json_object_set_new(object, names[i], value ? value : json_null());
	}
}

static void add_expiry(json_t *object, const struct fetched *fetched)
{
	char expires_at[TIMESTAMP_TEXT_MAX];
	if (fetched->expires_at_us <= 0) {
		json_object_set_new(object, "expires_at", json_null());
		json_object_set_new(object, "ttl_s", json_null());
		return;
	}
	timestamp_format(expires_at, fetched->expires_at_us);
	json_object_set_new(object, "expires_at", json_string(expires_at));
	json_object_set_new(object, "ttl_s", json_integer(fetched->ttl_ms / 1000));
}

static enum call_exit tell_missing(struct call *call, const char *why)
{
	if (call->is_json) {
		json_t *answer = json_pack("{s:b, s:s}", "found", 0, "why", why);
		out_json(answer);
		json_decref(answer);
	}
	return call_fail(call, "not found: %s", why);
}
