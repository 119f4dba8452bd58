/* SPDX-License-Identifier: Apache-2.0
 * Finds the end of a request head as its bytes arrive, and refuses at the first byte that can't be
 * right. */
#include <assert.h>
#include <string.h>

#include "http_parts.h"

static enum http_scan_result refuse(struct http_scan *scan, unsigned status);
static enum http_scan_result scan_line(struct http_scan *scan, struct str bytes);
static enum http_scan_result over_limit(struct http_scan *scan);
static enum http_scan_result end_line(struct http_scan *scan, struct str bytes, uint32_t cr);
static bool first_byte_is_valid(char byte);

/* Decides byte by byte in order, in whatever pieces they come: the first byte that breaks a rule
 * gives the status. The search for the next CR is bounded by the line's and the head's limits. */
enum http_scan_result http_scan(struct http_scan *scan, struct str bytes)
{
	assert(bytes.len >= scan->at);
	for (;;) {
		const uint32_t line_start = scan->line_start;
		const enum http_scan_result result = scan_line(scan, bytes);
		if (result != HTTP_SCAN_MORE || scan->line_start == line_start)
			return result;
	}
}

/* Goes to the end of the current line, or of what is there of it. After a whole line at ==
 * line_start. */
static enum http_scan_result scan_line(struct http_scan *scan, struct str bytes)
{
	if (scan->at >= bytes.len)
		return HTTP_SCAN_MORE;
	if (scan->at == scan->line_start && !first_byte_is_valid(bytes.data[scan->at]))
		return refuse(scan, 400);
	const uint32_t line_max = scan->lines ? HTTP_HEADER_LINE_MAX : HTTP_REQUEST_LINE_MAX;
	/* The last places where this line's CR may be: at the line's limit, and one before the
	 * head's last byte. */
	const uint32_t line_stop = scan->line_start + line_max;
	const uint32_t stop = line_stop < HTTP_HEAD_MAX - 2 ? line_stop : HTTP_HEAD_MAX - 2;
	const uint32_t end = bytes.len <= stop ? (uint32_t)bytes.len : stop + 1;
	if (scan->at >= end && bytes.len > stop)
		return over_limit(scan);
	const char *from = bytes.data + scan->at;
	const char *found = memchr(from, '\r', end - scan->at);
	const uint32_t cr = found ? (uint32_t)(found - bytes.data) : end;
	if (memchr(from, '\n', cr - scan->at))
		return refuse(scan, 400);
	scan->at = cr;
	if (!found)
		return bytes.len > stop ? over_limit(scan) : HTTP_SCAN_MORE;
	if (cr + 1 >= bytes.len)
		return HTTP_SCAN_MORE;
	if (bytes.data[cr + 1] != '\n')
		return refuse(scan, 400);
	return end_line(scan, bytes, cr);
}

static enum http_scan_result over_limit(struct http_scan *scan)
{
	const bool is_long_request_line =
		scan->lines == 0 && scan->at - scan->line_start > HTTP_REQUEST_LINE_MAX;
	return refuse(scan, is_long_request_line ? 414 : 431);
}

static enum http_scan_result end_line(struct http_scan *scan, struct str bytes, uint32_t cr)
{
	const struct str line = {bytes.data + scan->line_start, cr - scan->line_start};
	scan->at = scan->line_start = cr + 2;
	if (scan->lines == 0 && line.len == 0) {
		if (scan->skip)
			return refuse(scan, 400);
		scan->skip = 2; /* RFC 9112 section 2.2: an old client's stray CRLF after a body */
		return HTTP_SCAN_MORE;
	}
	if (scan->lines == 0) {
		const unsigned status = http_request_line_check(line);
		if (status)
			return refuse(scan, status);
	}
	if (line.len == 0) {
		scan->head_bytes = scan->at;
		return HTTP_SCAN_WHOLE;
	}
	if (++scan->lines > HTTP_HEADERS_MAX + 1)
		return refuse(scan, 431);
	return HTTP_SCAN_MORE;
}

/* Refuses a folded header, an empty name, and whatever is no request at all, such as a TLS
 * ClientHello. */
static bool first_byte_is_valid(char byte)
{
	return byte == '\r' || http_is_token((struct str){&byte, 1});
}

static enum http_scan_result refuse(struct http_scan *scan, unsigned status)
{
	scan->status = status;
	return HTTP_SCAN_REFUSED;
}
