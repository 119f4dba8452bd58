/* SPDX-License-Identifier: Apache-2.0
 * The answers of the public listener: where a link leads, with which headers, and the page of a
 * link that leads nowhere. Pure. */
#include "redirect.h"

#include <assert.h>
#include <string.h>

#define FIXED_LINES                            \
	"Cache-Control: no-store, private\r\n" \
	"Referrer-Policy: no-referrer\r\n"     \
	"X-Robots-Tag: noindex, nofollow\r\n"  \
	"X-Content-Type-Options: nosniff\r\n"
static_assert(
	sizeof(FIXED_LINES) <= REDIRECT_FIXED_MAX, "the fixed lines have outgrown their limit");

const struct str redirect_no_store = STR("Cache-Control: no-store\r\n");
const struct str redirect_retry = STR("Cache-Control: no-store\r\nRetry-After: 1\r\n");
const struct str redirect_not_allowed = STR("Allow: GET, HEAD\r\nCache-Control: no-store\r\n");
const struct str redirect_day_long = STR("Cache-Control: public, max-age=86400\r\n");
/* Nothing is disallowed: preview fetchers obey this file, and a link without its card is not
 * opened. That links stay out of search results is said by X-Robots-Tag on each. */
const struct str redirect_robots = STR("User-agent: *\nDisallow:\n");
const struct str redirect_lost_headers = STR("Cache-Control: no-store\r\n"
					     "Referrer-Policy: no-referrer\r\n"
					     "X-Robots-Tag: noindex, nofollow\r\n"
					     "X-Content-Type-Options: nosniff\r\n");
const struct str redirect_lost_page =
	STR("<!doctype html>\n"
	    "<html lang=\"ar\" dir=\"rtl\">\n"
	    "<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	    "<title>الرابط غير صالح · Link not found</title>\n"
	    "<style>body{font:1.1rem/1.6 system-ui,sans-serif;max-width:32rem;margin:15vh "
	    "auto;padding:0 1rem}"
	    "</style>\n"
	    "<h1>هذا الرابط غير صالح</h1>\n"
	    "<p>ربما نُسخ ناقصًا. اطلب الرابط كاملًا ممّن أرسله إليك.</p>\n"
	    "<div lang=\"en\" dir=\"ltr\">\n"
	    "<h1>This link does not work</h1>\n"
	    "<p>It may have been cut off when it was copied. Ask whoever sent it to you for the "
	    "whole link.</p>\n"
	    "</div>\n"
	    "</html>\n");

/* Text under construction; the caller's limits guarantee the room. */
struct line {
	char *out;
	size_t len;
};

static void line_add(struct line *line, struct str text);
static bool is_param(struct str pair, struct str param);
static void query_add(struct line *line, struct str query, struct str param, struct str token);

unsigned redirect_url(
	char out[REDIRECT_URL_MAX], struct str url, struct str param, struct str token)
{
	assert(url.len <= CATALOGUE_URL_MAX && param.len <= CATALOGUE_PARAM_MAX &&
		token.len <= CLICK_TOKEN_LEN);
	struct line line = {.out = out};
	struct str before, query, rest;
	str_cut(url, '#', &rest, &query);
	const struct str fragment = {.data = url.data + rest.len, .len = url.len - rest.len};
	str_cut(rest, '?', &before, &query);
	line_add(&line, before);
	line_add(&line, STR("?"));
	query_add(&line, query, param, token);
	line_add(&line, fragment);
	return (unsigned)line.len;
}

unsigned redirect_headers(char out[REDIRECT_HEAD_MAX], struct str location, struct str cookie)
{
	assert(location.len <= REDIRECT_URL_MAX && cookie.len <= VISITOR_COOKIE_MAX);
	struct line line = {.out = out};
	line_add(&line, STR("Location: "));
	line_add(&line, location);
	line_add(&line, STR("\r\n" FIXED_LINES));
	line_add(&line, cookie);
	return (unsigned)line.len;
}

static void query_add(struct line *line, struct str query, struct str param, struct str token)
{
	bool has_token = false;
	bool is_first = true;
	struct str rest = query;
	bool has_more = query.len > 0;
	while (has_more) {
		struct str pair;
		has_more = str_cut(rest, '&', &pair, &rest);
		const bool is_ours = is_param(pair, param);
		if (is_ours && has_token)
			continue;
		if (!is_first)
			line_add(line, STR("&"));
		is_first = false;
		if (is_ours) {
			line_add(line, param);
			line_add(line, STR("="));
			line_add(line, token);
			has_token = true;
		} else {
			line_add(line, pair);
		}
	}
	if (has_token)
		return;
	/* "a=1&" has its separator already. */
	if (query.len > 0 && query.data[query.len - 1] != '&')
		line_add(line, STR("&"));
	line_add(line, param);
	line_add(line, STR("="));
	line_add(line, token);
}

/* Also when the name is percent-encoded: the shop's server reads it as the same parameter. */
static bool is_param(struct str pair, struct str param)
{
	struct str name, value;
	str_cut(pair, '=', &name, &value);
	if (name.len == param.len)
		return str_equal(name, param);
	char decoded[CATALOGUE_PARAM_MAX];
	size_t len = 0;
	return name.len > param.len && memchr(name.data, '%', name.len) &&
	       percent_decode(name, true, decoded, sizeof(decoded), &len) &&
	       str_equal((struct str){.data = decoded, .len = len}, param);
}

static void line_add(struct line *line, struct str text)
{
	if (text.len == 0)
		return;
	memcpy(line->out + line->len, text.data, text.len);
	line->len += text.len;
}
