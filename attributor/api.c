/* SPDX-License-Identifier: Apache-2.0
 * Who calls the reading API and what for: methods, keys, scopes; then the routes take over. */
#include "api.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "log.h"

#define HASH_TEXT_LEN (2 + 2 * SEAL_HASH_BYTES) /* "\x…", as Postgres takes bytea */
#define RETRY_AFTER_S 1
#define AUTHENTICATE  "Bearer"

static const char sql_key[] =
	"SELECT scope, coalesce(store_id, affiliate_id, 0) FROM wasl.api_keys "
	"WHERE key_sha256 = $1::bytea AND revoked_at IS NULL";

static const struct problem problem_no_key = {.status = 401,
	.code = "unauthorized",
	.detail = "an API key is needed: Authorization: Bearer wasl_...",
	.authenticate = AUTHENTICATE};
static const struct problem problem_too_large = {
	.status = 413, .code = "too_large", .detail = "the body is longer than 4096 bytes"};
static const struct problem problem_busy = {.status = 503,
	.code = "busy",
	.detail = "too many calls are under way",
	.retry_after_s = RETRY_AFTER_S};

static bool method_check(
	enum api_route route, const struct http_request *request, struct problem *problem);
static bool head_check(const struct http_request *request, struct problem *problem);
static struct api_call *call_new(struct api *api, struct conn_server *server, struct conn_ref ref,
	const struct http_request *request);
static void call_read(struct api_call *call, const struct http_request *request);
static void call_free(struct api_call *call);
static void refuse(struct api_call *call, const struct problem *problem);
static void key_ask(struct api_call *call);
static void on_key(const struct db_result *result, void *arg);
static bool scope_parse(struct str text, enum api_scope *scope);
static void call_begin(struct api_call *call);

struct api *api_new(struct loop *loop, const struct api_config *config, struct err *err)
{
	struct api *api = calloc(1, sizeof(*api));
	if (!api) {
		err_set(err, ERR_SYSTEM, 0, "no memory for the API");
		return NULL;
	}
	api->magic = API_MAGIC;
	api->loop = loop;
	api->db = config->db;
	api->on_answer = config->on_answer;
	api->arg = config->arg;
	problem_page_init(&api->page);
	struct str base = str_from(config->link_base);
	while (base.len > 0 && base.data[base.len - 1] == '/')
		base.len--;
	if (!str_copy(api->link_base, sizeof(api->link_base), base)) {
		err_set(err, ERR_USAGE, 0, "link-base: over %d bytes", API_LINK_BASE_MAX - 1);
		api_free(api);
		return NULL;
	}
	if (!api_set_keyring(api, config->keyring, err)) {
		api_free(api);
		return NULL;
	}
	return api;
}

bool api_set_keyring(struct api *api, const struct keyring *keyring, struct err *err)
{
	struct token_box *const box = token_box_new(keyring, err);
	if (!box)
		return false;
	token_box_free(api->box);
	api->box = box;
	return true;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	assert(api->calls == 0);
	problem_page_release(&api->page);
	token_box_free(api->box);
	api->magic = 0;
	free(api);
}

unsigned api_head(struct api *api, const struct http_request *request, struct conn_reply *reply)
{
	struct problem problem = {0};
	if (head_check(request, &problem))
		return 0;
	(void)problem_page_fill(&api->page, &problem, reply);
	reply->is_head = request->method == HTTP_HEAD;
	if (api->on_answer)
		api->on_answer(api_route_of(request->path), problem.status, 0, api->arg);
	return problem.status;
}

void api_request(struct api *api, struct conn_server *server, struct conn_ref ref,
	const struct http_request *request)
{
	struct problem problem = {0};
	struct api_call *const call = call_new(api, server, ref, request);
	if (!call) {
		problem_reply(server, ref, &problem_busy);
		if (api->on_answer)
			api->on_answer(
				api_route_of(request->path), problem_busy.status, 0, api->arg);
		return;
	}
	if (!head_check(request, &problem)) {
		refuse(call, &problem);
		return;
	}
	if (api->calls > API_CALLS_MAX) {
		refuse(call, &problem_busy);
		return;
	}
	if (!seal_sha256(api_bearer(request), call->key_hash)) {
		api_call_refuse(call, 500, "internal", "no SHA-256");
		return;
	}
	call_read(call, request);
	key_ask(call);
}

void api_call_answer(struct api_call *call, const char *content_type, const struct buf *body,
	const char *headers)
{
	if (body->has_failed) {
		api_call_refuse(call, 500, "internal", "the answer is too long");
		return;
	}
	const struct conn_reply reply = {.status = 200,
		.headers = str_from(headers),
		.content_type = content_type,
		.body = buf_str(body),
		.is_head = call->is_head};
	(void)conn_server_reply(call->server, call->ref, &reply);
	struct api *const api = call->api;
	if (api->on_answer)
		api->on_answer(call->route, reply.status, loop_now_us(api->loop) - call->started_us,
			api->arg);
	call_free(call);
}

void api_call_refuse(struct api_call *call, unsigned status, const char *code, const char *detail)
{
	const struct problem problem = {
		.status = status, .code = code, .detail = detail, .pointer = call->pointer};
	refuse(call, &problem);
}

void api_call_refuse_scope(struct api_call *call)
{
	call->pointer = NULL;
	api_call_refuse(call, 404, "not_found", "there is no such thing, or not for this key");
}

void api_call_refuse_result(struct api_call *call, const struct db_result *result)
{
	const struct problem away = {.status = 503,
		.code = "unavailable",
		.detail = "the database does not answer",
		.retry_after_s = RETRY_AFTER_S};
	switch (result->status) {
	case DB_UNAVAILABLE:
	case DB_CONFLICT:
		refuse(call, &away);
		return;
	case DB_OK:
	case DB_DATA:
	case DB_BROKEN:
		break;
	}
	log_error("api_failed", LOG_TEXT("route", api_route_name(call->route)),
		LOG_TEXT("sqlstate", result->sqlstate), LOG_TEXT("why", result->message));
	api_call_refuse(call, 500, "internal", "the database has refused the question");
}

bool api_call_run(struct api_call *call, const struct db_statement *statement, db_done_fn *fn)
{
	if (db_run(call->api->db, statement, 1, fn, call))
		return true;
	const struct db_result away = {.status = DB_UNAVAILABLE};
	api_call_refuse_result(call, &away);
	return false;
}

struct api_call *api_call_of(void *arg)
{
	struct api_call *call = arg;
	assert(call->magic == API_CALL_MAGIC);
	return call;
}

struct str api_number(char out[API_NUMBER_MAX], int64_t number)
{
	const int len = snprintf(out, API_NUMBER_MAX, "%" PRId64, number);
	return (struct str){.data = out, .len = (size_t)len};
}

static bool method_check(
	enum api_route route, const struct http_request *request, struct problem *problem)
{
	const bool is_post = route == API_ROUTE_LINKS;
	if (is_post ? request->method == HTTP_POST
		    : request->method == HTTP_GET || request->method == HTTP_HEAD)
		return true;
	*problem = (struct problem){.status = 405,
		.code = "method_not_allowed",
		.detail = "this address answers other methods",
		.allow = is_post ? "POST" : "GET, HEAD"};
	return false;
}

/* What the head alone refuses: 405, 413, 401. */
static bool head_check(const struct http_request *request, struct problem *problem)
{
	if (!method_check(api_route_of(request->path), request, problem))
		return false;
	if (request->content_length > API_BODY_MAX || request->body.len > API_BODY_MAX) {
		*problem = problem_too_large;
		return false;
	}
	if (api_bearer(request).len == 0) {
		*problem = problem_no_key;
		return false;
	}
	return true;
}

static struct api_call *call_new(struct api *api, struct conn_server *server, struct conn_ref ref,
	const struct http_request *request)
{
	struct api_call *const call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	*call = (struct api_call){.magic = API_CALL_MAGIC,
		.api = api,
		.server = server,
		.ref = ref,
		.started_us = loop_now_us(api->loop),
		.route = api_route_of(request->path),
		.is_head = request->method == HTTP_HEAD,
		.wants_csv = api_wants_csv(request)};
	api->calls++;
	return call;
}

/* The request's views die soon: everything that is needed later is taken out of it. */
static void call_read(struct api_call *call, const struct http_request *request)
{
	if (!api_path_parse(&call->path, call->route, request->path, &call->fault))
		return;
	if (call->route == API_ROUTE_COMMISSIONS)
		(void)api_filter_parse(&call->filter, request->query, &call->fault);
	else if (call->route == API_ROUTE_LINKS)
		api_link_parse(call, request);
}

static void call_free(struct api_call *call)
{
	call->api->calls--;
	call->magic = 0;
	free(call);
}

static void refuse(struct api_call *call, const struct problem *problem)
{
	struct api *const api = call->api;
	struct problem_page page;
	struct conn_reply reply;
	problem_page_init(&page);
	(void)problem_page_fill(&page, problem, &reply);
	reply.is_head = call->is_head;
	(void)conn_server_reply(call->server, call->ref, &reply);
	problem_page_release(&page);
	if (api->on_answer)
		api->on_answer(call->route, problem->status,
			loop_now_us(api->loop) - call->started_us, api->arg);
	call_free(call);
}

/* ---- keys ---- */

static void key_ask(struct api_call *call)
{
	char text[HASH_TEXT_LEN] = "\\x";
	hex_encode(text + 2, call->key_hash, SEAL_HASH_BYTES);
	const struct str params[] = {{.data = text, .len = sizeof(text)}};
	const struct db_statement ask = {.sql = sql_key, .params = params, .param_count = 1};
	(void)api_call_run(call, &ask, on_key);
}

static void on_key(const struct db_result *result, void *arg)
{
	struct api_call *const call = api_call_of(arg);
	if (result->status != DB_OK) {
		api_call_refuse_result(call, result);
		return;
	}
	const struct db_rows *const rows = result->rows[0];
	if (db_rows_count(rows) != 1 ||
		!scope_parse(db_rows_text(rows, 0, 0), &call->caller.scope)) {
		refuse(call, &problem_no_key);
		return;
	}
	call->caller.id = (uint32_t)db_rows_int(rows, 0, 1);
	call_begin(call);
}

static bool scope_parse(struct str text, enum api_scope *scope)
{
	static const struct str words[API_SCOPES] = {
		STR("finance"), STR("admin"), STR("store"), STR("affiliate")};
	for (unsigned i = 0; i < API_SCOPES; i++) {
		if (str_equal(text, words[i])) {
			*scope = (enum api_scope)i;
			return true;
		}
	}
	return false;
}

static void call_begin(struct api_call *call)
{
	if (call->fault.status != 0) {
		api_call_refuse(call, call->fault.status, call->fault.code, call->fault.detail);
		return;
	}
	switch (call->route) {
	case API_ROUTE_COMMISSIONS:
		api_commissions_begin(call);
		return;
	case API_ROUTE_BALANCE:
		api_balance_begin(call);
		return;
	case API_ROUTE_ORDER:
		api_order_begin(call);
		return;
	case API_ROUTE_LINKS:
		api_link_begin(call);
		return;
	case API_ROUTE_NONE:
		break;
	}
	api_call_refuse_scope(call);
}
