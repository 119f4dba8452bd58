/* SPDX-License-Identifier: Apache-2.0
 * The reading API: commissions, balances, orders, and links to be minted, for holders of a key.
 *
 * GET  /v1/commissions?state=&affiliate=&store=&from=&to=&limit=&cursor=
 * GET  /v1/affiliates/ID/balance
 * GET  /v1/stores/STORE/orders/ORDER_ID
 * POST /v1/links  {"affiliate_id":…,"product_id":…,"campaign_id":…}
 *
 * `Authorization: Bearer wasl_…`. Without a good key 401, outside its scope 404. Errors are
 * problem+json. A key is looked up by its SHA-256 for every call, so that one that is revoked opens
 * nothing from then on. */
#ifndef WASL_API_H
#define WASL_API_H

#include <stdbool.h>
#include <stdint.h>

#include "conn.h"
#include "db.h"
#include "err.h"
#include "http.h"
#include "keyring.h"
#include "loop.h"

#define API_BODY_MAX   4096        /* of POST /v1/links */
#define API_CALLS_MAX  200         /* under way; more are answered 503. Fewer than DB_QUEUE_MAX */
#define API_ANSWER_MAX (16u << 20) /* 1,000 commissions of 1.5 KB, each byte escaped to six */

/* Route, and its name in wasl_http_requests_total{route}. */
#define API_ROUTES(X)                     \
	X(COMMISSIONS, "api_commissions") \
	X(BALANCE, "api_balance")         \
	X(ORDER, "api_order")             \
	X(LINKS, "api_links")
#define API_ENUM_ROUTE(name, text) API_ROUTE_##name,
enum api_route { API_ROUTES(API_ENUM_ROUTE) API_ROUTE_COUNT, API_ROUTE_NONE = API_ROUTE_COUNT };
const char *api_route_name(enum api_route route);
/* By its raw path alone; API_ROUTE_NONE: not this module's. Pure. */
enum api_route api_route_of(struct str raw_path);

struct api_config {
	struct db *db; /* for reading, may be shared; freed before the api and the conn_server */
	const char *link_base; /* what stands before "/TOKEN": "https://go.example"; copied */
	const struct keyring *keyring;
	/* Told of every answer, with the route, its status and the time it took; may be NULL. */
	void (*on_answer)(enum api_route route, unsigned status, int64_t took_us, void *arg);
	void *arg;
};

struct api;
struct api *api_new(struct loop *loop, const struct api_config *config, struct err *err);
/* A conn_head_fn for requests whose path is an api route: 405, 401 without a key and 413 before any
 * body is read. 0: go on. */
unsigned api_head(struct api *api, const struct http_request *request, struct conn_reply *reply);
/* Takes a whole request of an api route and answers it through conn_server_reply, now or later. */
void api_request(struct api *api, struct conn_server *server, struct conn_ref ref,
	const struct http_request *request);
/* After a reload: links are minted with this ring's active key. False: the old one stays. */
bool api_set_keyring(struct api *api, const struct keyring *keyring, struct err *err);
void api_free(struct api *api);

#endif
