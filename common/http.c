/* SPDX-License-Identifier: Apache-2.0
 * A request head from bytes to fields: llhttp, and the checks that it leaves to us. */
#include "http.h"

#include <assert.h>
#include <string.h>

#include "http_llhttp.h"
#include "http_parts.h"

struct head_parse {
	llhttp_t parser; /* first: the callbacks get its address */
	struct http_request *request;
	bool is_whole;
	bool has_too_many;
};

static int on_url(llhttp_t *parser, const char *at, size_t len);
static int on_header_field(llhttp_t *parser, const char *at, size_t len);
static int on_header_value(llhttp_t *parser, const char *at, size_t len);
static int on_headers_complete(llhttp_t *parser);
static unsigned refusal_status(enum llhttp_errno error, struct str head);
static void request_clear(struct http_request *request);
static bool extend(struct str *span, const char *at, size_t len);
static enum http_method method_of(unsigned llhttp_method);
static unsigned read_headers(struct http_request *request);
static unsigned read_framing(struct http_request *request, const struct http_header *length,
	const struct http_header *encoding);

static const llhttp_settings_t head_settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
};

/* What a request may have only one of. */
struct single_headers {
	const struct http_header *host;
	const struct http_header *content_length;
	const struct http_header *transfer_encoding;
	const struct http_header *expect;
};

static unsigned note_header(struct single_headers *singles, const struct http_header *header);
static unsigned note_single(
	const struct http_header **single, const struct http_header *header, unsigned status);

unsigned http_parse(struct str head, struct http_request *request)
{
	request_clear(request);
	if (str_has_prefix(head, STR("\r\n")))
		head = (struct str){.data = head.data + 2, .len = head.len - 2};
	struct head_parse parse = {.request = request};
	llhttp_init(&parse.parser, HTTP_REQUEST, &head_settings);
	const enum llhttp_errno error = llhttp_execute(&parse.parser, head.data, head.len);
	if (parse.has_too_many)
		return 431;
	if (!parse.is_whole || error != HPE_PAUSED)
		return refusal_status(error, head);
	if (parse.parser.http_major != 1 || parse.parser.http_minor > 1)
		return 505;
	request->method = method_of(parse.parser.method);
	request->minor = parse.parser.http_minor;
	request->is_keep_alive = llhttp_should_keep_alive(&parse.parser) &&
				 !(parse.parser.flags & F_CONNECTION_CLOSE);
	const unsigned status = read_headers(request);
	if (status)
		return status;
	const enum http_form form = parse.parser.method == HTTP_CONNECT   ? HTTP_FORM_AUTHORITY
				    : parse.parser.method == HTTP_OPTIONS ? HTTP_FORM_ANY
									  : HTTP_FORM_PATH;
	return http_target_split(request, form) ? 0 : 400;
}

const struct http_header *http_header_find(const struct http_request *request, const char *name)
{
	const struct str wanted = str_from(name);
	for (unsigned i = 0; i < request->header_count; i++) {
		const struct http_header *header = &request->headers[i];
		if (header->name.len == wanted.len && str_equal_nocase(header->name, wanted))
			return header;
	}
	return NULL;
}

/* Everything but the array of headers, which header_count bounds: 3 KiB that need no zeros. */
static void request_clear(struct http_request *request)
{
	request->method = HTTP_GET;
	request->minor = 0;
	request->target = request->path = request->query = (struct str){0};
	request->host = request->body = (struct str){0};
	request->header_count = 0;
	request->content_length = 0;
	request->has_query = request->has_content_length = request->is_chunked = false;
	request->is_keep_alive = request->has_expect = false;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
	struct head_parse *parse = (struct head_parse *)parser;
	extend(&parse->request->target, at, len);
	return 0;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
	struct head_parse *parse = (struct head_parse *)parser;
	struct http_request *request = parse->request;
	/* A name that goes on where the last piece ended is the same name: a colon is between two.
	 */
	if (request->header_count &&
		extend(&request->headers[request->header_count - 1].name, at, len))
		return 0;
	if (request->header_count == HTTP_HEADERS_MAX) {
		parse->has_too_many = true;
		return -1;
	}
	request->headers[request->header_count++] = (struct http_header){.name = {at, len}};
	return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
	struct http_request *request = ((struct head_parse *)parser)->request;
	if (!request->header_count)
		return -1; /* llhttp lets an empty name pass without a field callback */
	struct str *value = &request->headers[request->header_count - 1].value;
	if (!extend(value, at, len))
		return -1;
	return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
	((struct head_parse *)parser)->is_whole = true;
	return HPE_PAUSED;
}

/* One view out of adjoining pieces; false when at is not where span ends. */
static bool extend(struct str *span, const char *at, size_t len)
{
	if (!span->data) {
		*span = (struct str){.data = at, .len = len};
		return true;
	}
	if (span->data + span->len != at)
		return false;
	span->len += len;
	return true;
}

static unsigned refusal_status(enum llhttp_errno error, struct str head)
{
	if (error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE)
		return 505;
	struct str method, rest;
	if (error == HPE_INVALID_METHOD && str_cut(head, ' ', &method, &rest) &&
		http_is_token(method))
		return 501;
	return 400;
}

static enum http_method method_of(unsigned llhttp_method)
{
	switch (llhttp_method) {
	case LLHTTP_GET:
		return HTTP_GET;
	case LLHTTP_HEAD:
		return HTTP_HEAD;
	case LLHTTP_POST:
		return HTTP_POST;
	}
	return HTTP_OTHER;
}

/* Everything that headers say about the request as a whole. */
static unsigned read_headers(struct http_request *request)
{
	struct single_headers singles = {0};
	for (unsigned i = 0; i < request->header_count; i++) {
		struct http_header *header = &request->headers[i];
		if (!http_is_token(header->name))
			return 400;
		header->value = str_trim(header->value);
		const unsigned status = note_header(&singles, header);
		if (status)
			return status;
	}
	if (singles.host) {
		request->host = singles.host->value;
		if (!http_host_is_valid(request->host))
			return 400;
	} else if (request->minor > 0) {
		return 400;
	}
	/* RFC 9110 section 10.1.1: a 1.0 client's expectation is not one. */
	if (singles.expect && request->minor > 0) {
		if (!str_equal_nocase(singles.expect->value, STR("100-continue")))
			return 417;
		request->has_expect = true;
	}
	return read_framing(request, singles.content_length, singles.transfer_encoding);
}

/* By length first: most headers are none of the four. */
static unsigned note_header(struct single_headers *singles, const struct http_header *header)
{
	switch (header->name.len) {
	case sizeof("Host") - 1:
		if (str_equal_nocase(header->name, STR("Host")))
			return note_single(&singles->host, header, 400);
		break;
	case sizeof("Expect") - 1:
		if (str_equal_nocase(header->name, STR("Expect")))
			return note_single(&singles->expect, header, 417);
		break;
	case sizeof("Content-Length") - 1:
		if (str_equal_nocase(header->name, STR("Content-Length")))
			return note_single(&singles->content_length, header, 400);
		break;
	case sizeof("Transfer-Encoding") - 1:
		if (str_equal_nocase(header->name, STR("Transfer-Encoding")))
			return note_single(&singles->transfer_encoding, header, 501);
		break;
	}
	return 0;
}

static unsigned note_single(
	const struct http_header **single, const struct http_header *header, unsigned status)
{
	if (*single)
		return status;
	*single = header;
	return 0;
}

/* RFC 9112 section 6: how long the body is, with every doubt refused. */
static unsigned read_framing(struct http_request *request, const struct http_header *length,
	const struct http_header *encoding)
{
	if (length && encoding)
		return 400;
	if (encoding) {
		if (request->minor == 0 || !str_equal_nocase(encoding->value, STR("chunked")))
			return 501;
		request->is_chunked = true;
	}
	if (length) {
		if (!str_parse_u64(length->value, INT64_MAX, &request->content_length))
			return 400;
		request->has_content_length = true;
	}
	return 0;
}
