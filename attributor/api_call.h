/* SPDX-License-Identifier: Apache-2.0
 * Inside the reading API: one call from its request to its answer. api.c knows who calls (keys and
 * scopes), api_read.c answers from Postgres, api_link.c mints. */
#ifndef WASL_API_CALL_H
#define WASL_API_CALL_H

#include "api.h"
#include "api_query.h"
#include "problem.h"
#include "seal.h"
#include "token.h"

#define API_MAGIC         0x61706921u
#define API_CALL_MAGIC    0x63616c6cu
#define API_LINK_BASE_MAX 1024
#define API_NUMBER_MAX    24

enum api_scope {
	API_SCOPE_FINANCE = 0,
	API_SCOPE_ADMIN,
	API_SCOPE_STORE,
	API_SCOPE_AFFILIATE,
	API_SCOPES,
};

/* Who calls: id is the store's or the affiliate's, else 0. */
struct api_caller {
	enum api_scope scope;
	uint32_t id;
};

struct api {
	uint32_t magic;
	struct loop *loop;
	struct db *db;
	struct token_box *box;
	char link_base[API_LINK_BASE_MAX];
	void (*on_answer)(enum api_route route, unsigned status, int64_t took_us, void *arg);
	void *arg;
	unsigned calls;           /* under way */
	struct problem_page page; /* of api_head's refusals */
};

/* On the heap from the request to its answer. A database run holds the pointer: it is told exactly
 * once, and the call is freed by nothing else. */
struct api_call {
	uint32_t magic;
	struct api *api;
	struct conn_server *server;
	struct conn_ref ref;
	int64_t started_us;
	enum api_route route;
	bool is_head;
	bool wants_csv;
	uint8_t key_hash[SEAL_HASH_BYTES];
	struct api_caller caller;
	struct api_fault fault; /* told once the caller is known: who may not ask learns nothing */
	const char *pointer;    /* of fault */
	struct api_path path;
	struct api_filter filter;
	struct link_claim link;
};

/* The routes: begun when the caller is known and the request sound. */
void api_commissions_begin(struct api_call *call);
void api_balance_begin(struct api_call *call);
void api_order_begin(struct api_call *call);
void api_link_begin(struct api_call *call);
/* Reads {"affiliate_id":…,"product_id":…,"campaign_id":…} into call->link, or sets its fault. */
void api_link_parse(struct api_call *call, const struct http_request *request);

/* The ends of a call: each answers and frees it. */
void api_call_answer(struct api_call *call, const char *content_type, const struct buf *body,
	const char *headers);
void api_call_refuse(struct api_call *call, unsigned status, const char *code, const char *detail);
void api_call_refuse_scope(struct api_call *call); /* 404 */
/* A run that did not end well: 503 when Postgres is away or busy, else 500 and a log line. */
void api_call_refuse_result(struct api_call *call, const struct db_result *result);
/* Sends one statement; false: the call has been refused and is gone. */
bool api_call_run(struct api_call *call, const struct db_statement *statement, db_done_fn *fn);
struct api_call *api_call_of(void *arg);
struct str api_number(char out[API_NUMBER_MAX], int64_t number);

#endif
