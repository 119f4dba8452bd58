/* SPDX-License-Identifier: Apache-2.0
 * What the tracker wants to know from a request's headers, gathered in one pass. Pure. */
#include "headers.h"

#include <string.h>
#include <strings.h>

static void header_take(const struct http_header *header, struct headers *headers);
static bool is_speculative(struct str value);
static void forwarded_add(struct headers *headers, struct str value);

void headers_gather(const struct http_request *request, struct headers *headers)
{
	headers->user_agent = (struct str){0};
	headers->user_agent_count = 0;
	headers->cookie_count = 0;
	headers->forwarded_count = 0;
	headers->is_prefetch = false;
	headers->wants_no_track = false;
	headers->is_embedded = false;
	for (unsigned i = 0; i < request->header_count; i++)
		header_take(&request->headers[i], headers);
}

#define IS(header, literal) (strncasecmp((header)->name.data, literal, sizeof(literal) - 1) == 0)

/* Told apart by length first: most headers of a browser end here after one comparison. */
static void header_take(const struct http_header *header, struct headers *headers)
{
	switch (header->name.len) {
	case sizeof("DNT") - 1:
		if (IS(header, "DNT") && str_equal(header->value, STR("1")))
			headers->wants_no_track = true;
		return;
	case sizeof("X-Moz") - 1:
		if (IS(header, "X-Moz"))
			headers->is_prefetch |= is_speculative(header->value);
		return;
	case sizeof("Cookie") - 1:
		if (IS(header, "Cookie") && headers->cookie_count < HEADERS_COOKIES_MAX)
			headers->cookies[headers->cookie_count++] = header->value;
		return;
	case sizeof("Purpose") - 1: /* and Sec-GPC */
		if (IS(header, "Purpose"))
			headers->is_prefetch |= is_speculative(header->value);
		else if (IS(header, "Sec-GPC") && str_equal(header->value, STR("1")))
			headers->wants_no_track = true;
		return;
	case sizeof("X-Purpose") - 1:
		if (IS(header, "X-Purpose"))
			headers->is_prefetch |= is_speculative(header->value);
		return;
	case sizeof("User-Agent") - 1:
		if (IS(header, "User-Agent") && headers->user_agent_count++ == 0)
			headers->user_agent = header->value;
		return;
	case sizeof("Sec-Purpose") - 1:
		if (IS(header, "Sec-Purpose"))
			headers->is_prefetch |= is_speculative(header->value);
		return;
	case sizeof("Sec-Fetch-Dest") - 1:
		if (IS(header, "Sec-Fetch-Dest"))
			headers->is_embedded |= !str_equal(header->value, STR("document"));
		return;
	case sizeof("X-Forwarded-For") - 1:
		if (IS(header, "X-Forwarded-For"))
			forwarded_add(headers, header->value);
		return;
	default:
		return;
	}
}

/* "prefetch;prerender" (Chrome), "prefetch" (Firefox, older Chrome), "preview" (old Safari). */
static bool is_speculative(struct str value)
{
	return str_contains_nocase(value, STR("prefetch")) ||
	       str_contains_nocase(value, STR("prerender")) ||
	       str_contains_nocase(value, STR("preview"));
}

/* The trusted proxy's own line is the last one, so the first are dropped when there are too many.
 */
static void forwarded_add(struct headers *headers, struct str value)
{
	if (headers->forwarded_count == HEADERS_FORWARDED_MAX) {
		memmove(headers->forwarded, headers->forwarded + 1,
			(HEADERS_FORWARDED_MAX - 1) * sizeof(headers->forwarded[0]));
		headers->forwarded_count--;
	}
	headers->forwarded[headers->forwarded_count++] = value;
}
