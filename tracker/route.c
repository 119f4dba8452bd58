/* SPDX-License-Identifier: Apache-2.0
 * From a request's path to what answers it. Pure. */
#include "route.h"

#include <string.h>

enum route route_match(struct str raw_path, struct str *token)
{
	*token = (struct str){0};
	if (raw_path.len < 2 || raw_path.data[0] != '/')
		return ROUTE_OTHER;
	const struct str segment = {.data = raw_path.data + 1, .len = raw_path.len - 1};
	if (memchr(segment.data, '/', segment.len))
		return ROUTE_OTHER;
	/* All of the fixed names hold a dot, which no token does. */
	if (memchr(segment.data, '.', segment.len)) {
		if (str_equal(segment, STR("robots.txt")))
			return ROUTE_ROBOTS;
		if (str_equal(segment, STR("favicon.ico")))
			return ROUTE_FAVICON;
		if (str_equal(segment, STR("wasl.js")))
			return ROUTE_SNIPPET;
	}
	*token = segment;
	return ROUTE_LINK;
}

const char *route_name(enum route route)
{
#define ROUTE_TEXT(name, text) text,
	static const char *const names[] = {ROUTES(ROUTE_TEXT)};
	return names[route];
}
