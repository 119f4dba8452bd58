/* SPDX-License-Identifier: Apache-2.0
 * The body of one request: counted by Content-Length, or de-chunked by llhttp. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http_llhttp.h"

struct http_body {
	llhttp_t parser; /* first: the callbacks get its address; chunked bodies only */
	struct buf bytes;
	uint64_t length; /* of a counted body */
	size_t extra;    /* framing bytes of a chunked body so far */
	const char *
		framing_from; /* of the feed under way: where the bytes since the last data begin */
	char framing_last;    /* the framing byte before that, for CR and LF in two feeds */
	bool is_chunked;
	bool is_whole;
	enum http_body_result refusal;
};

/* llhttp comes to the chunks by way of a head. */
static const char chunked_head[] =
	"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

static enum http_body_result feed_counted(struct http_body *body, struct str raw, size_t *used);
static enum http_body_result feed_chunked(struct http_body *body, struct str raw, size_t *used);
static bool check_framing(struct http_body *body, const char *end);
static int on_body(llhttp_t *parser, const char *at, size_t len);
static int on_chunk_header(llhttp_t *parser);
static int on_message_complete(llhttp_t *parser);
static enum http_body_result refuse(struct http_body *body, enum http_body_result refusal);

static const llhttp_settings_t chunk_settings = {
	.on_body = on_body,
	.on_chunk_header = on_chunk_header,
	.on_message_complete = on_message_complete,
};

struct http_body *http_body_new(const struct http_request *request, uint32_t body_max)
{
	assert(request->has_content_length || request->is_chunked);
	struct http_body *body = calloc(1, sizeof(*body));
	if (!body)
		return NULL;
	buf_init(&body->bytes, body_max);
	body->is_chunked = request->is_chunked;
	body->length = request->content_length;
	if (!body->is_chunked && body->length > body_max)
		body->refusal = HTTP_BODY_TOO_LARGE;
	if (body->is_chunked) {
		llhttp_init(&body->parser, HTTP_REQUEST, &chunk_settings);
		const enum llhttp_errno error =
			llhttp_execute(&body->parser, chunked_head, sizeof(chunked_head) - 1);
		assert(error == HPE_OK);
		(void)error;
	}
	return body;
}

void http_body_free(struct http_body *body)
{
	if (!body)
		return;
	buf_release(&body->bytes);
	free(body);
}

enum http_body_result http_body_feed(struct http_body *body, struct str raw, size_t *used)
{
	*used = 0;
	if (body->refusal)
		return body->refusal;
	if (body->is_whole)
		return HTTP_BODY_WHOLE;
	return body->is_chunked ? feed_chunked(body, raw, used) : feed_counted(body, raw, used);
}

struct str http_body_bytes(const struct http_body *body)
{
	return buf_str(&body->bytes);
}

size_t http_body_missing(const struct http_body *body)
{
	return body->is_chunked || body->refusal ? 0 : (size_t)body->length - body->bytes.len;
}

static enum http_body_result feed_counted(struct http_body *body, struct str raw, size_t *used)
{
	const uint64_t missing = body->length - body->bytes.len;
	const size_t take = raw.len < missing ? raw.len : (size_t)missing;
	buf_add(&body->bytes, raw.data, take);
	if (body->bytes.has_failed) /* length is below the maximum */
		return refuse(body, HTTP_BODY_NO_MEMORY);
	*used = take;
	body->is_whole = body->bytes.len == body->length;
	return body->is_whole ? HTTP_BODY_WHOLE : HTTP_BODY_MORE;
}

static enum http_body_result feed_chunked(struct http_body *body, struct str raw, size_t *used)
{
	if (raw.len == 0)
		return HTTP_BODY_MORE;
	body->framing_from = raw.data;
	const enum llhttp_errno error = llhttp_execute(&body->parser, raw.data, raw.len);
	if (body->refusal)
		return body->refusal;
	const char *end = raw.data + raw.len;
	if (error == HPE_PAUSED && body->is_whole)
		end = llhttp_get_error_pos(&body->parser);
	else if (error != HPE_OK)
		return refuse(body, HTTP_BODY_REFUSED);
	if (!check_framing(body, end))
		return body->refusal;
	*used = (size_t)(end - raw.data);
	return body->is_whole ? HTTP_BODY_WHOLE : HTTP_BODY_MORE;
}

/* The bytes between two pieces of data are sizes, extensions, trailers and line ends: no more than
 * their limit; no CR without LF or LF without CR, no folded trailer and none without a name, which
 * llhttp lets pass in places. */
static bool check_framing(struct http_body *body, const char *end)
{
	const char *at = body->framing_from;
	if (at >= end)
		return true;
	const size_t len = (size_t)(end - at);
	if (len > HTTP_CHUNK_EXTRA_MAX - body->extra) {
		refuse(body, HTTP_BODY_TOO_LARGE);
		return false;
	}
	body->extra += len;
	for (char last = body->framing_last; at < end; last = *at++) {
		const bool is_line_bad = last == '\n' && (*at == ':' || *at == ' ' || *at == '\t');
		if (is_line_bad || (*at == '\n') != (last == '\r')) {
			refuse(body, HTTP_BODY_REFUSED);
			return false;
		}
	}
	body->framing_last = end[-1];
	return true;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct http_body *body = (struct http_body *)parser;
	if (!check_framing(body, at))
		return -1;
	body->framing_from = at + len;
	buf_add(&body->bytes, at, len);
	if (!body->bytes.has_failed) /* on_chunk_header has seen that it fits */
		return 0;
	refuse(body, HTTP_BODY_NO_MEMORY);
	return -1;
}

/* A chunk that can't fit is refused before its data come. */
static int on_chunk_header(llhttp_t *parser)
{
	struct http_body *body = (struct http_body *)parser;
	if (parser->content_length <= body->bytes.max - body->bytes.len)
		return 0;
	refuse(body, HTTP_BODY_TOO_LARGE);
	return -1;
}

static int on_message_complete(llhttp_t *parser)
{
	((struct http_body *)parser)->is_whole = true;
	return HPE_PAUSED;
}

static enum http_body_result refuse(struct http_body *body, enum http_body_result refusal)
{
	body->refusal = refusal;
	return refusal;
}
