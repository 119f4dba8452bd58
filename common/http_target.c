/* SPDX-License-Identifier: Apache-2.0
 * The parts of a request line and of a Host: versions, authorities, paths, query parameters. */
#include <assert.h>
#include <string.h>

#include "http_parts.h"

/* Bits of byte_classes. */
enum { IS_TOKEN = 1, IS_HOST = 2, IS_ADDRESS = 4 };

#define HTTP_PORT_MAX 65535

static bool authority_cut(struct str absolute, struct str *authority, struct str *rest);
static bool all_are(struct str text, unsigned class);
static bool host_name_is_valid(struct str name);
static bool port_is_valid(struct str port);
static void path_split(struct http_request *request, struct str target);

/* RFC 9110 tchar; RFC 3986 reg-name (with '%', checked apart) and what an address in brackets is
 * made of. */
#define T IS_TOKEN
#define H IS_HOST
#define A IS_ADDRESS
static const unsigned char byte_classes[256] = {
	['!'] = T | H,
	['#'] = T,
	['$'] = T | H,
	['%'] = T | H,
	['&'] = T | H,
	['\''] = T | H,
	['('] = H,
	[')'] = H,
	['*'] = T | H,
	['+'] = T | H,
	[','] = H,
	['-'] = T | H,
	['.'] = T | H | A,
	[':'] = A,
	[';'] = H,
	['='] = H,
	['^'] = T,
	['_'] = T | H,
	['`'] = T,
	['|'] = T,
	['~'] = T | H,
	['0'] = T | H | A,
	['1'] = T | H | A,
	['2'] = T | H | A,
	['3'] = T | H | A,
	['4'] = T | H | A,
	['5'] = T | H | A,
	['6'] = T | H | A,
	['7'] = T | H | A,
	['8'] = T | H | A,
	['9'] = T | H | A,
	['A' ... 'F'] = T | H | A,
	['G' ... 'Z'] = T | H,
	['a' ... 'f'] = T | H | A,
	['g' ... 'z'] = T | H,
};
#undef T
#undef H
#undef A

bool http_is_token(struct str text)
{
	return text.len > 0 && all_are(text, IS_TOKEN);
}

unsigned http_request_line_check(struct str line)
{
	static const struct str version = STR(" HTTP/1.1");
	if (line.len < version.len)
		return 400;
	const char *tail = line.data + line.len - version.len;
	/* Exactly two spaces, with something before and between them. */
	const char *space = memchr(line.data, ' ', line.len);
	if (!space || space == line.data || space + 1 >= tail ||
		memchr(space + 1, ' ', (size_t)(line.data + line.len - space) - 1) != tail)
		return 400;
	const char major = tail[version.len - 3];
	const char minor = tail[version.len - 1];
	if (memcmp(tail, version.data, version.len - 3) != 0 || tail[version.len - 2] != '.' ||
		major < '0' || major > '9' || minor < '0' || minor > '9')
		return 400;
	return major == '1' && (minor == '0' || minor == '1') ? 0 : 505;
}

bool http_host_is_valid(struct str host)
{
	if (host.len > 0 && host.data[0] == '[') {
		const char *close = memchr(host.data, ']', host.len);
		if (!close)
			return false;
		const struct str address = {host.data + 1, (size_t)(close - host.data) - 1};
		const struct str after = {close + 1, host.len - address.len - 2};
		const bool is_address = address.len > 1 && all_are(address, IS_ADDRESS) &&
					memchr(address.data, ':', address.len);
		return is_address &&
		       (after.len == 0 ||
			       (after.data[0] == ':' &&
				       port_is_valid((struct str){after.data + 1, after.len - 1})));
	}
	struct str name, port;
	const bool has_port = str_cut(host, ':', &name, &port);
	return host_name_is_valid(name) && (!has_port || port_is_valid(port));
}

bool http_target_split(struct http_request *request, enum http_form form)
{
	const struct str target = request->target;
	if (target.len == 0 || memchr(target.data, '#', target.len))
		return false;
	const bool is_star = str_equal(target, STR("*"));
	if (form == HTTP_FORM_AUTHORITY || is_star) {
		request->path = STR("*");
		return form == HTTP_FORM_AUTHORITY ? http_host_is_valid(target)
						   : form == HTTP_FORM_ANY;
	}
	if (target.data[0] == '/') {
		path_split(request, target);
		return true;
	}
	struct str authority, rest;
	if (!authority_cut(target, &authority, &rest) || !http_host_is_valid(authority))
		return false;
	if (request->host.len == 0)
		request->host = authority;
	path_split(request, rest);
	return str_equal_nocase(authority, request->host);
}

bool http_query_each(struct str raw_query, http_param_fn *fn, void *arg)
{
	unsigned count = 0;
	while (raw_query.len > 0) {
		struct str pair, name, value;
		str_cut(raw_query, '&', &pair, &raw_query);
		if (pair.len == 0)
			continue;
		if (count++ == HTTP_PARAMS_MAX)
			return false;
		str_cut(pair, '=', &name, &value);
		fn(name, value, arg);
	}
	return true;
}

static bool all_are(struct str text, unsigned class)
{
	for (size_t i = 0; i < text.len; i++)
		if (!(byte_classes[(unsigned char)text.data[i]] & class))
			return false;
	return true;
}

/* "http://authority" and what follows it; https too, as a proxy in front may pass it on. */
static bool authority_cut(struct str absolute, struct str *authority, struct str *rest)
{
	static const struct str schemes[] = {STR("http://"), STR("https://")};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const struct str scheme = schemes[i];
		if (absolute.len < scheme.len ||
			!str_equal_nocase((struct str){absolute.data, scheme.len}, scheme))
			continue;
		const struct str after = {absolute.data + scheme.len, absolute.len - scheme.len};
		size_t end = 0;
		while (end < after.len && after.data[end] != '/' && after.data[end] != '?')
			end++;
		*authority = (struct str){after.data, end};
		*rest = (struct str){after.data + end, after.len - end};
		return true;
	}
	return false;
}

static void path_split(struct http_request *request, struct str target)
{
	request->has_query = str_cut(target, '?', &request->path, &request->query);
	if (request->path.len == 0)
		request->path = STR("/");
}

static bool host_name_is_valid(struct str name)
{
	if (name.len == 0 || !all_are(name, IS_HOST))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char byte;
		if (name.data[i] == '%' &&
			(name.len - i < 3 ||
				!hex_decode((struct str){name.data + i + 1, 2}, &byte, 1)))
			return false;
	}
	return true;
}

/* RFC 3986 lets it be empty. */
static bool port_is_valid(struct str port)
{
	uint64_t number;
	return port.len == 0 || str_parse_u64(port, HTTP_PORT_MAX, &number);
}
