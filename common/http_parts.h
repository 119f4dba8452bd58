/* SPDX-License-Identifier: Apache-2.0
 * What the files of the http module share among themselves. */
#ifndef WASL_HTTP_PARTS_H
#define WASL_HTTP_PARTS_H

#include "http.h"

/* RFC 9110 section 5.6.2: one or more token characters. */
bool http_is_token(struct str text);

/* "METHOD target HTTP/1.x", without its CRLF: 0, 400, or 505 for a well-formed version that is
 * not 1.0 or 1.1. */
unsigned http_request_line_check(struct str line);

/* uri-host [":" port] of RFC 3986, not empty, no user-info, no IPv6 zone, port at most 65535. */
bool http_host_is_valid(struct str host);

/* Which forms of target the method allows (RFC 9112 section 3.2). */
enum http_form {
	HTTP_FORM_PATH = 0,  /* origin or absolute */
	HTTP_FORM_ANY,       /* OPTIONS: also "*" */
	HTTP_FORM_AUTHORITY, /* CONNECT: host and port only; path becomes "*" */
};
/* Fills path, query and, for the absolute form in HTTP/1.0 without Host, host. False: malformed,
 * has a fragment, or its authority is not the Host. */
bool http_target_split(struct http_request *request, enum http_form form);

#endif
