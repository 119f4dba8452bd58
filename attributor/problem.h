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
	const char *allow; /* for 405 */
	bool has_close;
};
/* Writes the body into out. */
void problem_write(const struct problem *problem, struct buf *out);
void problem_reply(struct conn_server *server, struct conn_ref ref, const struct problem *problem);

#endif
