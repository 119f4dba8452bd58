/* SPDX-License-Identifier: Apache-2.0
 * waslctl link: the short links that affiliates share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "nouns.h"
#include "out.h"
#include "ring.h"
#include "token.h"

static enum call_exit link_mint(struct call *call);
static enum call_exit link_decode(struct call *call);

static const struct option_spec mint_options[] = {
	{"affiliate", OPTION_TEXT, true, "AFFILIATE", "who is credited"},
	{"product", OPTION_TEXT, true, "PRODUCT", "where it leads"},
	{"campaign", OPTION_TEXT, false, "N",
		"the affiliate's campaign, 0 to 16777215 (default 0)"},
	{0},
};

const struct command link_commands[] = {
	{"link", "mint", "", 0, 0, mint_options, link_mint,
		"Mint a link; checked against the catalogue when a database is given"},
	{"link", "decode", "TOKEN…|-", 1, DECODE_TOKENS_MAX, NULL, link_decode,
		"Open link tokens with the keyring alone; - reads one a line"},
	{0},
};

static enum call_exit check_ids(struct call *call);
static json_t *open_link(struct token_box *box, struct str raw_token, bool *is_ok);

static enum call_exit link_mint(struct call *call)
{
	struct ring ring;
	struct err err = {0};
	uint64_t affiliate_id = 0, product_id = 0, campaign_id = 0;
	char token[LINK_TOKEN_LEN + 1] = "";
	enum call_exit code = CALL_FAILED;
	if (!call_number(call, "affiliate", 1, CALL_ID_MAX, &affiliate_id) ||
		!call_number(call, "product", 1, CALL_ID_MAX, &product_id) ||
		!call_number(call, "campaign", 0, CAMPAIGN_ID_MAX, &campaign_id))
		return CALL_USAGE;
	const char *base = call_need(call, GLOBAL_LINK_BASE);
	if (base == NULL)
		return CALL_USAGE;
	if (!ring_open(call, &ring, RING_READ, &code))
		return code;
	code = call->globals[GLOBAL_DATABASE_URL] != NULL ? check_ids(call) : CALL_DONE;
	struct token_box *box = code == CALL_DONE ? token_box_new(&ring.keyring, &err) : NULL;
	const struct link_claim claim = {.affiliate_id = (uint32_t)affiliate_id,
		.product_id = (uint32_t)product_id,
		.campaign_id = (uint32_t)campaign_id};
	if (code == CALL_DONE && box == NULL)
		code = call_fail_err(call, &err);
	else if (code == CALL_DONE && !token_mint_link(box, &claim, token))
		code = call_fail(call, "the token could not be minted");
	if (code == CALL_DONE) {
		size_t len = strlen(base);
		while (len > 0 && base[len - 1] == '/')
			len--;
		json_t *url = json_sprintf("%.*s/%s", (int)len, base, token);
		code = out_object(call, json_pack("{s:o, s:s}", "url", url, "token", token));
	}
	token_box_free(box);
	ring_close(&ring);
	return code;
}

static enum call_exit link_decode(struct call *call)
{
	return decode_tokens(call, open_link);
}

static enum call_exit check_ids(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	const char *affiliate = call_text(call, "affiliate"), *product = call_text(call, "product");
	if (!call_db(call, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"SELECT EXISTS (SELECT FROM wasl.affiliates WHERE affiliate_id = $1::bigint), "
		"EXISTS (SELECT FROM wasl.products WHERE product_id = $2::bigint)",
		DB_ARGS(affiliate, product));
	if (rows == NULL)
		return CALL_FAILED;
	code = CALL_DONE;
	if (*db_cell(rows, 0, 0) != 't')
		code = call_fail(call, "there is no affiliate %s", affiliate);
	else if (*db_cell(rows, 0, 1) != 't')
		code = call_fail(call, "there is no product %s", product);
	db_rows_free(rows);
	return code;
}

static json_t *open_link(struct token_box *box, struct str raw_token, bool *is_ok)
{
	struct link_claim claim = {0};
	int slot = TOKEN_SLOT_NONE;
	enum token_result result = token_open_link(box, raw_token, &claim, &slot);
	json_t *object = decode_head(raw_token, result, slot);
	*is_ok = result == TOKEN_OK;
	if (*is_ok)
		decode_add_link(object, &claim);
	return object;
}
