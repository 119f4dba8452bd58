/* SPDX-License-Identifier: Apache-2.0
 * waslctl apikey: who may read the API, and how much of it. Only hashes of the keys are kept. */
#include <string.h>

#include "entropy.h"
#include "list.h"
#include "nouns.h"
#include "out.h"
#include "seal.h"

#define KEY_BYTES      32
#define KEY_PREFIX     "wasl_"
#define KEY_TEXT_MAX   (sizeof(KEY_PREFIX) + BASE64URL_LEN(KEY_BYTES))
#define HASH_TEXT_MAX  (2 + 2 * SEAL_HASH_BYTES + 1)
#define NAME_MAX_BYTES 255

static enum call_exit apikey_add(struct call *call);
static enum call_exit apikey_list(struct call *call);
static enum call_exit apikey_revoke(struct call *call);

static const struct option_spec add_options[] = {
	{"scope", OPTION_TEXT, true, "SCOPE", "finance|admin|store:ID|affiliate:ID"},
	{"name", OPTION_TEXT, false, "NAME", "what it is for"},
	{0},
};
static const struct option_spec list_options[] = {LIST_OPTIONS, {0}};

const struct command apikey_commands[] = {
	{"apikey", "add", "", 0, 0, add_options, apikey_add, "Make an API key; it is shown once"},
	{"apikey", "list", "", 0, 0, list_options, apikey_list, "List API keys"},
	{"apikey", "revoke", "APIKEY", 1, 1, NULL, apikey_revoke, "End an API key"},
	{0},
};

struct scope {
	const char *kind, *store_id, *affiliate_id;
};

static bool parse_scope(const struct call *call, struct scope *scope);
static bool check_target(struct call *call, const struct scope *scope);
static bool make_key(char text[KEY_TEXT_MAX], char hash[HASH_TEXT_MAX]);

static enum call_exit apikey_add(struct call *call)
{
	struct scope scope = {0};
	char key[KEY_TEXT_MAX], hash[HASH_TEXT_MAX];
	enum call_exit code = CALL_FAILED;
	if (!parse_scope(call, &scope) || !call_words(call, "name", NAME_MAX_BYTES, false))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	if (!check_target(call, &scope))
		return CALL_FAILED;
	if (!make_key(key, hash))
		return call_fail(call, "the kernel has no random bytes");
	struct db_rows *rows = call_query(call,
		"INSERT INTO wasl.api_keys (name, scope, store_id, affiliate_id, key_sha256) "
		"VALUES ($1, $2, $3::bigint, $4::bigint, $5::bytea) RETURNING apikey_id",
		DB_ARGS(call_text(call, "name"), scope.kind, scope.store_id, scope.affiliate_id,
			hash));
	if (rows == NULL)
		return CALL_FAILED;
	code = out_object(call,
		json_pack("{s:o, s:s}", "apikey_id", out_number(db_cell(rows, 0, 0)), "key", key));
	db_rows_free(rows);
	explicit_bzero(key, sizeof(key));
	return code;
}

static enum call_exit apikey_list(struct call *call)
{
	static const char *const columns[] = {
		"apikey_id", "name", "scope", "created_at", "revoked_at", NULL};
	return list_print(call,
		&(struct list){
			.sql = "SELECT json_build_object('apikey_id', k.apikey_id, 'name', k.name, "
			       "'scope', concat_ws(':', k.scope, coalesce(k.store_id, "
			       "k.affiliate_id)), "
			       "'created_at', wasl.time_text(k.created_at), "
			       "'revoked_at', wasl.time_text(k.revoked_at)) FROM wasl.api_keys k "
			       "WHERE k.apikey_id > coalesce($1::bigint, 0) "
			       "ORDER BY k.apikey_id LIMIT $2::bigint",
			.key = "apikey_id",
			.columns = columns});
}

static enum call_exit apikey_revoke(struct call *call)
{
	enum call_exit code = CALL_FAILED;
	if (!call_operand_id(call, 0))
		return CALL_USAGE;
	if (!call_db(call, &code))
		return code;
	struct db_rows *rows = call_query(call,
		"UPDATE wasl.api_keys SET revoked_at = coalesce(revoked_at, now()) "
		"WHERE apikey_id = $1::bigint RETURNING wasl.time_text(revoked_at)",
		DB_ARGS(call->operands[0]));
	if (rows == NULL)
		return CALL_FAILED;
	if (db_rows_count(rows) == 0)
		code = call_fail(call, "there is no API key %s", call->operands[0]);
	else
		code = out_object(
			call, json_pack("{s:o, s:s}", "apikey_id", out_number(call->operands[0]),
				      "revoked_at", db_cell(rows, 0, 0)));
	db_rows_free(rows);
	return code;
}

/* finance, admin, store:ID, affiliate:ID */
static bool parse_scope(const struct call *call, struct scope *scope)
{
	const char *text = call_text(call, "scope");
	const char *colon = strchr(text, ':');
	uint64_t id = 0;
	struct str head, tail;
	str_cut(str_from(text), ':', &head, &tail);
	bool has_id = colon != NULL && str_parse_u64(tail, CALL_ID_MAX, &id) && id > 0;
	if (colon == NULL && (strcmp(text, "finance") == 0 || strcmp(text, "admin") == 0))
		*scope = (struct scope){.kind = text};
	else if (has_id && str_equal(head, STR("store")))
		*scope = (struct scope){.kind = "store", .store_id = colon + 1};
	else if (has_id && str_equal(head, STR("affiliate")))
		*scope = (struct scope){.kind = "affiliate", .affiliate_id = colon + 1};
	else
		call_usage(call, "--scope: '%s' is not finance, admin, store:ID or affiliate:ID",
			text);
	return scope->kind != NULL;
}

static bool check_target(struct call *call, const struct scope *scope)
{
	struct db_rows *rows = call_query(call,
		"SELECT ($1::bigint IS NULL OR EXISTS (SELECT FROM wasl.stores WHERE store_id = "
		"$1::bigint)) "
		"AND ($2::bigint IS NULL OR EXISTS (SELECT FROM wasl.affiliates "
		"WHERE affiliate_id = $2::bigint))",
		DB_ARGS(scope->store_id, scope->affiliate_id));
	if (rows == NULL)
		return false;
	bool is_there = *db_cell(rows, 0, 0) == 't';
	db_rows_free(rows);
	if (!is_there)
		call_fail(call, "there is no %s", call_text(call, "scope"));
	return is_there;
}

static bool make_key(char text[KEY_TEXT_MAX], char hash[HASH_TEXT_MAX])
{
	struct entropy entropy;
	uint8_t random[KEY_BYTES], sha256[SEAL_HASH_BYTES];
	const size_t prefix_len = sizeof(KEY_PREFIX) - 1;
	entropy_init(&entropy);
	if (!entropy_draw(&entropy, random, sizeof(random)))
		return false;
	memcpy(text, KEY_PREFIX, prefix_len);
	text[prefix_len + base64url_encode(text + prefix_len, random, sizeof(random))] = '\0';
	if (!seal_sha256(str_from(text), sha256))
		return false;
	memcpy(hash, "\\x", 2);
	hex_encode(hash + 2, sha256, sizeof(sha256));
	hash[HASH_TEXT_MAX - 1] = '\0';
	return true;
}
