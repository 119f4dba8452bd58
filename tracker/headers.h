/* SPDX-License-Identifier: Apache-2.0
 * What the tracker wants to know from a request's headers, gathered in one pass. Pure. */
#ifndef WASL_TRACKER_HEADERS_H
#define WASL_TRACKER_HEADERS_H

#include <stdbool.h>

#include "http.h"
#include "str.h"

#define HEADERS_COOKIES_MAX \
	8 /* RFC 9113 lets a proxy split Cookie; more than this is nobody's browser */
#define HEADERS_FORWARDED_MAX 8

/* Views into the request. */
struct headers {
	struct str user_agent; /* the first */
	unsigned user_agent_count;
	struct str cookies[HEADERS_COOKIES_MAX];
	unsigned cookie_count;
	struct str forwarded[HEADERS_FORWARDED_MAX]; /* X-Forwarded-For, the last ones in the order
							sent */
	unsigned forwarded_count;
	bool is_prefetch;    /* Sec-Purpose, Purpose, X-Purpose or X-Moz says so */
	bool wants_no_track; /* DNT: 1 or Sec-GPC: 1 */
	bool is_embedded;    /* Sec-Fetch-Dest says image, iframe, …: not a page that is opened */
};

void headers_gather(const struct http_request *request, struct headers *headers);

#endif
