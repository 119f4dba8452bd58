/* SPDX-License-Identifier: Apache-2.0
 * From a request's path to what answers it. Pure. */
#ifndef WASL_TRACKER_ROUTE_H
#define WASL_TRACKER_ROUTE_H

#include "str.h"

#define ROUTES(X)             \
	X(LINK, "link")       \
	X(ROBOTS, "robots")   \
	X(FAVICON, "favicon") \
	X(SNIPPET, "snippet") \
	X(OTHER, "other")
#define ROUTE_ENUM(name, text) ROUTE_##name,
enum route { ROUTES(ROUTE_ENUM) ROUTE_COUNT };

/* Paths are compared as they were sent, without decoding or normalising: a link token has none of
 * the bytes that could be encoded, so "/%41…", "//TOKEN", "/./TOKEN" and "/TOKEN/" are not links.
 * LINK is every path of one non-empty segment that is not another route's; *token is that segment,
 * not yet opened. */
enum route route_match(struct str raw_path, struct str *token);
const char *route_name(enum route route);

#endif
