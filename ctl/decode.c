/* SPDX-License-Identifier: Apache-2.0
 * The loop over tokens. */
#include "decode.h"

#include <stdio.h>
#include <string.h>

#include "out.h"
#include "ring.h"
#include "text.h"

static bool decode_stream(struct call *call, struct token_box *box, decode_fn *open);
static bool read_line(FILE *file, char line[DECODE_LINE_MAX + 1], size_t *len);
static bool decode_one(struct call *call, struct token_box *box, struct str token, decode_fn *open);

enum call_exit decode_tokens(struct call *call, decode_fn *open)
{
	struct ring ring;
	struct err err = {0};
	enum call_exit code = CALL_FAILED;
	if (!ring_open(call, &ring, RING_READ, &code))
		return code;
	struct token_box *box = token_box_new(&ring.keyring, &err);
	ring_close(&ring);
	if (box == NULL)
		return call_fail_err(call, &err);
	bool are_ok = true;
	for (unsigned i = 0; i < call->operand_count; i++) {
		bool is_ok = strcmp(call->operands[i], "-") == 0
				     ? decode_stream(call, box, open)
				     : decode_one(call, box, str_from(call->operands[i]), open);
		are_ok = are_ok && is_ok;
	}
	token_box_free(box);
	return are_ok ? CALL_DONE : call_fail(call, "not every token is ok");
}

json_t *decode_head(struct str raw_token, enum token_result result, int slot)
{
	struct buf token;
	buf_init(&token, 3 * (DECODE_LINE_MAX + 1));
	text_add_utf8(&token, raw_token);
	json_t *object = json_pack("{s:s%, s:s}", "token", buf_cstr(&token), token.len, "result",
		token_result_name(result));
	if (slot != TOKEN_SLOT_NONE)
		json_object_set_new(object, "slot", json_integer(slot));
	buf_release(&token);
	return object;
}

void decode_add_link(json_t *object, const struct link_claim *claim)
{
	json_object_set_new(object, "affiliate_id", json_integer(claim->affiliate_id));
	json_object_set_new(object, "product_id", json_integer(claim->product_id));
	json_object_set_new(object, "campaign_id", json_integer(claim->campaign_id));
}

/* Each answer leaves as soon as its line is there, so that another program can talk with us. */
static bool decode_stream(struct call *call, struct token_box *box, decode_fn *open)
{
	char line[DECODE_LINE_MAX + 1];
	size_t len = 0;
	bool are_ok = true;
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	while (read_line(stdin, line, &len))
		are_ok = decode_one(call, box, (struct str){line, len}, open) && are_ok;
	if (!ferror(stdin))
		return are_ok;
	call_fail(call, "stdin could not be read");
	return false;
}

/* A line without its end (LF or CRLF); of a longer one its first DECODE_LINE_MAX bytes. */
static bool read_line(FILE *file, char line[DECODE_LINE_MAX + 1], size_t *len)
{
	int byte = 0;
	*len = 0;
	while ((byte = getc_unlocked(file)) != EOF && byte != '\n') {
		if (*len < DECODE_LINE_MAX)
			line[(*len)++] = (char)byte;
	}
	if (byte == EOF && *len == 0)
		return false;
	if (byte == '\n' && *len > 0 && line[*len - 1] == '\r')
		(*len)--;
	return true;
}

static bool decode_one(struct call *call, struct token_box *box, struct str token, decode_fn *open)
{
	const char *name = NULL;
	json_t *value = NULL;
	bool is_ok = false;
	json_t *object = open(box, token, &is_ok);
	if (call->is_json) {
		out_json(object);
		json_decref(object);
		return is_ok;
	}
	json_object_foreach(object, name, value)
	{
		struct buf cell, shown;
		bool is_bare = strcmp(name, "token") == 0 || strcmp(name, "result") == 0;
		buf_init(&cell, DECODE_LINE_MAX * 3 + 1);
		buf_init(&shown, (DECODE_LINE_MAX * 3 + 1) * TEXT_ESCAPE_MAX);
		out_cell(&cell, value);
		text_escape(&shown, buf_str(&cell));
		printf("%s%s%s%s", strcmp(name, "token") == 0 ? "" : "  ", is_bare ? "" : name,
			is_bare ? "" : "=", buf_cstr(&shown));
		buf_release(&cell);
		buf_release(&shown);
	}
	printf("\n");
	json_decref(object);
	return is_ok;
}
