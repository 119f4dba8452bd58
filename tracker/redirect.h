/* SPDX-License-Identifier: Apache-2.0
 * The answers of the public listener: where a link leads, with which headers, and the page of a
 * link that leads nowhere. Pure. The destination comes from the catalogue alone. */
#ifndef WASL_TRACKER_REDIRECT_H
#define WASL_TRACKER_REDIRECT_H

#include <stdbool.h>

#include "catalogue_row.h"
#include "str.h"
#include "token.h"
#include "visit.h"

/* "Location: " + URL + one of "?&" + name + "=" + click token + CRLF + the fixed lines + the cookie
 */
#define REDIRECT_FIXED_MAX 192
#define REDIRECT_URL_MAX   (CATALOGUE_URL_MAX + 2 + CATALOGUE_PARAM_MAX + CLICK_TOKEN_LEN)
#define REDIRECT_HEAD_MAX  (12 + REDIRECT_URL_MAX + REDIRECT_FIXED_MAX + VISITOR_COOKIE_MAX)

/* url with param=token before any fragment: in the place of the first parameter of that name
 * (further ones are dropped), else as the last one; everything else byte for byte. Returns the
 * length; not NUL-terminated. */
unsigned redirect_url(
	char out[REDIRECT_URL_MAX], struct str url, struct str param, struct str token);

/* The header lines of a 302: Location and the ones that every redirect carries. location: at most
 * REDIRECT_URL_MAX bytes. cookie: a whole Set-Cookie line or empty. Returns the length. */
unsigned redirect_headers(char out[REDIRECT_HEAD_MAX], struct str location, struct str cookie);

/* The page of a link that does not open, and its header lines. */
extern const struct str redirect_lost_page;
extern const struct str redirect_lost_headers;
/* Header lines of the other answers. */
extern const struct str redirect_no_store;    /* 503 to a prefetch, 404 */
extern const struct str redirect_retry;       /* 503 before the first catalogue */
extern const struct str redirect_not_allowed; /* 405 */
extern const struct str redirect_day_long;    /* robots.txt and favicon.ico */
extern const struct str redirect_robots;

#endif
