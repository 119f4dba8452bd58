/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/links: who may have a link for what, and the link. */
#include <jansson.h>

#include "api_call.h"
#include "json_text.h"

#define LINK_ANSWER_MAX                                                           \
	8192 /* the base, escaped to six times its length at worst, and the token \
	      */

static const char sql_exists[] =
	"SELECT EXISTS (SELECT FROM wasl.affiliates WHERE affiliate_id = $1::bigint), "
	"EXISTS (SELECT FROM wasl.products WHERE product_id = $2::bigint "
	"AND ($3::bigint IS NULL OR store_id = $3::bigint))";

static bool type_check(const struct http_request *request);
static void members_parse(struct api_call *call, const json_t *body);
static bool member_parse(
	struct api_call *call, const json_t *body, const char *pointer, int64_t max, uint32_t *out);
static void on_exists(const struct db_result *result, void *arg);
static void link_answer(struct api_call *call);

void api_link_parse(struct api_call *call, const struct http_request *request)
{
	if (!type_check(request)) {
		(void)api_fault_set(&call->fault, 415, "unsupported_media_type",
			"the body must be application/json, without a Content-Encoding");
		return;
	}
	json_error_t error;
	json_t *const body = json_loadb(request->body.data ? request->body.data : "",
		request->body.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!body) {
		(void)api_fault_set(&call->fault, 400, "malformed_json", "line %d column %d",
			error.line, error.column);
		return;
	}
	members_parse(call, body);
	json_decref(body);
}

void api_link_begin(struct api_call *call)
{
	const struct api_caller *const caller = &call->caller;
	if (caller->scope == API_SCOPE_FINANCE ||
		(caller->scope == API_SCOPE_AFFILIATE && caller->id != call->link.affiliate_id)) {
		api_call_refuse_scope(call);
		return;
	}
	char affiliate[API_NUMBER_MAX], product[API_NUMBER_MAX], store[API_NUMBER_MAX];
	const struct str params[] = {
		api_number(affiliate, call->link.affiliate_id),
		api_number(product, call->link.product_id),
		caller->scope == API_SCOPE_STORE ? api_number(store, caller->id) : (struct str){0},
	};
	const struct db_statement exists = {.sql = sql_exists, .params = params, .param_count = 3};
	(void)api_call_run(call, &exists, on_exists);
}

static bool type_check(const struct http_request *request)
{
	if (http_header_find(request, "content-encoding"))
		return false;
	const struct http_header *const header = http_header_find(request, "content-type");
	if (!header)
		return true;
	struct str type, parameters;
	(void)str_cut(header->value, ';', &type, &parameters);
	type = str_trim(type);
	const struct str suffix = STR("+json");
	if (str_equal_nocase(type, STR("application/json")))
		return true;
	return type.len > suffix.len &&
	       str_equal_nocase(
		       (struct str){.data = type.data + type.len - suffix.len, .len = suffix.len},
		       suffix);
}

/* In the order of the contract; members that are not known are ignored. */
static void members_parse(struct api_call *call, const json_t *body)
{
	if (!json_is_object(body)) {
		call->pointer = "";
		(void)api_fault_set(&call->fault, 422, "wrong_type", "the body must be an object");
		return;
	}
	if (!member_parse(call, body, "/affiliate_id", UINT32_MAX, &call->link.affiliate_id) ||
		!member_parse(call, body, "/product_id", UINT32_MAX, &call->link.product_id))
		return;
	if (json_object_get(body, "campaign_id"))
		(void)member_parse(
			call, body, "/campaign_id", CAMPAIGN_ID_MAX, &call->link.campaign_id);
}

/* pointer + 1 is the member's name. Ids start at 1, campaigns at 0. */
static bool member_parse(
	struct api_call *call, const json_t *body, const char *pointer, int64_t max, uint32_t *out)
{
	const json_t *const member = json_object_get(body, pointer + 1);
	const int64_t min = max == UINT32_MAX ? 1 : 0;
	call->pointer = pointer;
	if (!member)
		return api_fault_set(&call->fault, 422, "missing", "%s is needed", pointer + 1);
	if (!json_is_integer(member))
		return api_fault_set(
			&call->fault, 422, "wrong_type", "%s must be an integer", pointer + 1);
	const int64_t value = json_integer_value(member);
	if (value < min || value > max)
		return api_fault_set(&call->fault, 422, "out_of_range",
			"%s must be between %d and %lld", pointer + 1, (int)min, (long long)max);
	*out = (uint32_t)value;
	call->pointer = NULL;
	return true;
}

static void on_exists(const struct db_result *result, void *arg)
{
	struct api_call *const call = api_call_of(arg);
	if (result->status != DB_OK)
		api_call_refuse_result(call, result);
	else if (!db_rows_bool(result->rows[0], 0, 0))
		api_call_refuse(call, 404, "unknown_affiliate", "there is no such affiliate");
	else if (!db_rows_bool(result->rows[0], 0, 1))
		api_call_refuse(call, 404, "unknown_product",
			"there is no such product, or not for this key");
	else
		link_answer(call);
}

static void link_answer(struct api_call *call)
{
	char token[LINK_TOKEN_LEN + 1] = "";
	struct buf body;
	if (!token_mint_link(call->api->box, &call->link, token)) {
		api_call_refuse(call, 500, "internal", "the link could not be minted");
		return;
	}
	buf_init(&body, LINK_ANSWER_MAX);
	struct buf text;
	buf_init(&text, API_LINK_BASE_MAX + LINK_TOKEN_LEN + 1);
	buf_addf(&text, "%s/%s", call->api->link_base, token);
	buf_add_cstr(&body, "{\"url\":");
	json_text_add(&body, buf_str(&text));
	buf_addf(&body, ",\"token\":\"%s\"}", token);
	api_call_answer(call, "application/json", &body, "Cache-Control: no-store\r\n");
	buf_release(&text);
	buf_release(&body);
}
