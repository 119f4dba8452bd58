/* SPDX-License-Identifier: Apache-2.0
 * POST /v1/stores/STORE/events: from a signed body to an answer. Verify, parse, look the clicks up,
 * post; the answer when it has committed, or, at the order deadline or without Postgres, when it is
 * safe on local disk. */
#ifndef WASL_WEBHOOK_H
#define WASL_WEBHOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "backlog.h"
#include "clicks.h"
#include "conn.h"
#include "entropy.h"
#include "keys.h"
#include "meters.h"
#include "post.h"
#include "stores.h"
#include "verify.h"

#define WEBHOOK_JOBS_MAX  4096        /* under way; more are told to come again */
#define WEBHOOK_BYTES_MAX (64u << 20) /* and the bytes of their bodies */
#define WEBHOOK_RETRY_S   1           /* Retry-After when there is too much at once */
#define WEBHOOK_AWAY_S    5           /* and when Postgres is away */

struct webhook_config {
	struct stores *stores;
	struct keys *keys;
	struct clicks *clicks;
	struct post *post;
	struct backlog *backlog;
	struct db *read_db;
	struct entropy *entropy;
	struct meters *meters;
	int64_t order_deadline_us;
};

enum webhook_path {
	WEBHOOK_PATH_OTHER = 0,
	WEBHOOK_PATH_BAD,      /* NUL or a broken escape: 400 */
	WEBHOOK_PATH_NO_STORE, /* an events path whose store can't be: 404 */
	WEBHOOK_PATH_EVENTS,
};
/* webhook_head.c, pure. */
enum webhook_path webhook_path_parse(struct str raw_path, uint32_t *store_id);
/* Whether Content-Type and Content-Encoding let it be JSON. */
bool webhook_is_json(const struct http_request *request);
/* Each is empty when it is absent or there twice. */
struct verify_headers webhook_headers(const struct http_request *request);

struct webhook;
struct webhook *webhook_new(
	struct loop *loop, const struct webhook_config *config, struct err *err);
/* What can be refused before the body is read: 405, 404, 413, 415. 0: go on. reply's views live
 * until the next call. */
unsigned webhook_head(
	struct webhook *webhook, const struct http_request *request, struct conn_reply *reply);
void webhook_request(struct webhook *webhook, struct conn_server *server, struct conn_ref ref,
	const struct http_request *request);
unsigned webhook_jobs(const struct webhook *webhook);
/* Its jobs must be over: free what they wait for (stores, clicks, post, backlog) before. */
void webhook_free(struct webhook *webhook);

#endif
