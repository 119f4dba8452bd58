/* SPDX-License-Identifier: Apache-2.0
 * Refusals as application/problem+json (RFC 9457), with a stable code for programs. */
#ifndef WASL_PROBLEM_H
#define WASL_PROBLEM_H

#include "buf.h"
#include "conn.h"

/* detail and pointer may be NULL; pointer only with 422. Escaped as JSON here. Sends the answer;
 * retry_after_s > 0 adds Retry-After. */
struct problem {
	unsigned status;
	const char *code;
	const char *detail;
	const char *pointer;
	unsigned retry_after_s;
	const char *allow;        /* for 405 */
	const char *authenticate; /* for 401: the scheme that is asked for; NULL: none is told */
	bool has_close;
};
#define PROBLEM_BODY_MAX    4096
#define PROBLEM_HEADERS_MAX 512
/* Writes the body into out. */
void problem_write(const struct problem *problem, struct buf *out);
void problem_reply(struct conn_server *server, struct conn_ref ref, const struct problem *problem);

/* A refusal from a conn_head_fn, whose views must live a little longer. Caller's storage. */
struct problem_page {
	struct buf body;
	struct buf headers;
};
void problem_page_init(struct problem_page *page);
void problem_page_release(struct problem_page *page);
/* Fills reply with views into page; returns the status. */
unsigned problem_page_fill(
	struct problem_page *page, const struct problem *problem, struct conn_reply *reply);

#endif
