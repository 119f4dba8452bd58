/* SPDX-License-Identifier: Apache-2.0
 * One POST over HTTP: the only file here that knows libcurl. */
#ifndef WASL_CTL_POST_H
#define WASL_CTL_POST_H

#include <stdbool.h>

#include "buf.h"
#include "err.h"
#include "str.h"

#define POST_WAIT_MS    15000L
#define POST_ANSWER_MAX (1024 * 1024)
#define POST_HEADER_MAX 512

struct post_header {
	const char *name, *value;
};

struct post_answer {
	long status;
	struct buf body;
};

/* headers ends with a NULL name. False with err set when no answer came within POST_WAIT_MS. */
bool post_send(const char *url, const struct post_header *headers, struct str body,
	struct post_answer *answer, struct err *err);
void post_answer_release(struct post_answer *answer);

#endif
