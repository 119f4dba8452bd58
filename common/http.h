/* SPDX-License-Identifier: Apache-2.0
 * One HTTP/1.x request head, from bytes to fields: RFC 9112 read strictly.
 *
 * A head is gathered whole (http_scan finds its end and refuses what llhttp lets pass: LF not after
 * CR, a line that starts with space or tab, a second leading CRLF, lines and heads over their
 * limits), then parsed in one go (http_parse: llhttp, then checks of Host, version,
 * Transfer-Encoding, lengths and names). So the answer never depends on how the bytes were cut.
 * Bodies go through http_body. */
#ifndef WASL_HTTP_H
#define WASL_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "str.h"

#define HTTP_REQUEST_LINE_MAX 8192
#define HTTP_HEADER_LINE_MAX  8192
#define HTTP_HEAD_MAX         16384 /* request line, headers and the empty line */
#define HTTP_HEADERS_MAX      100
#define HTTP_BODY_MAX         (256 * 1024)
#define HTTP_CHUNK_EXTRA_MAX  (64 * 1024) /* chunk sizes, extensions and trailers of one body */

enum http_method {
	HTTP_GET = 0,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_OTHER, /* known to llhttp (PUT, DELETE, OPTIONS, …): 405 by the routes */
};

struct http_header {
	struct str name;  /* as sent; compare with str_equal_nocase */
	struct str value; /* without surrounding blanks */
};

/* Views into the head's bytes: they live as long as the handler runs. */
struct http_request {
	enum http_method method;
	unsigned minor; /* HTTP/1.minor: 0 or 1 */
	struct str target;
	struct str path;  /* raw, begins with '/', or "*" */
	struct str query; /* raw, without '?'; has_query tells "" from none */
	struct str host;
	struct str body; /* whole; empty if none */
	struct http_header headers[HTTP_HEADERS_MAX];
	unsigned header_count;
	uint64_t content_length;
	bool has_query;
	bool has_content_length;
	bool is_chunked;
	bool is_keep_alive;
	bool has_expect; /* Expect: 100-continue */
};

/* The first header of that name (ASCII case ignored); NULL when absent. */
const struct http_header *http_header_find(const struct http_request *request, const char *name);

enum http_scan_result {
	HTTP_SCAN_MORE = 0, /* the head is not whole yet */
	HTTP_SCAN_WHOLE,
	HTTP_SCAN_REFUSED, /* status tells how */
};

/* Where a scan stands; zero at the start of each request. */
struct http_scan {
	uint32_t at;         /* bytes looked at */
	uint32_t line_start; /* of the line that contains at */
	uint32_t skip;       /* 2 when one leading CRLF was there */
	uint32_t lines;
	uint32_t head_bytes; /* with HTTP_SCAN_WHOLE: through the empty line, skip included */
	unsigned status;     /* with HTTP_SCAN_REFUSED: 400, 414 or 431 */
};

/* bytes: all that has arrived of this request, from its first byte. */
enum http_scan_result http_scan(struct http_scan *scan, struct str bytes);

/* head: exactly the bytes that http_scan found whole. Returns 0 and fills request, or the status
 * that refuses it (400, 414, 417, 431, 501, 505); the connection is to be closed then. Refused:
 * anything llhttp refuses; no or two Hosts in 1.1, a bad Host; a version other than 1.0 and 1.1
 * (505); Transfer-Encoding in 1.0 or other than exactly "chunked" (501), with a Content-Length
 * (400); two Content-Lengths, or one that is not a plain number without leading zeros; an empty or
 * non-token name; a control byte in a value; an absolute-form target whose authority is not the
 * Host; an Expect other than 100-continue (417). */
unsigned http_parse(struct str head, struct http_request *request);

/* The body of one request, fed as it arrives. */
struct http_body;
enum http_body_result {
	HTTP_BODY_MORE = 0,
	HTTP_BODY_WHOLE,
	HTTP_BODY_REFUSED,   /* malformed chunks: 400 */
	HTTP_BODY_TOO_LARGE, /* over its maximum or HTTP_CHUNK_EXTRA_MAX: 413 */
	HTTP_BODY_NO_MEMORY, /* 503 */
};
/* request: from http_parse, with a Content-Length or chunked. NULL when memory fails. */
struct http_body *http_body_new(const struct http_request *request, uint32_t body_max);
void http_body_free(struct http_body *body);
/* Takes raw bytes; *used says how many belonged to this body (the rest is the next request). */
enum http_body_result http_body_feed(struct http_body *body, struct str raw, size_t *used);
struct str http_body_bytes(const struct http_body *body);
/* How many more bytes are surely its own; 0 when it is chunked, as nobody knows then. */
size_t http_body_missing(const struct http_body *body);

/* Parameters of a query string, in order: calls fn for each name=value (raw views, is_form decoding
 * is the caller's), at most HTTP_PARAMS_MAX; returns false when there were more (the rest is not
 * looked at). */
#define HTTP_PARAMS_MAX 64
typedef void http_param_fn(struct str raw_name, struct str raw_value, void *arg);
bool http_query_each(struct str raw_query, http_param_fn *fn, void *arg);

const char *http_status_text(unsigned status); /* "Not Found" */

#endif
