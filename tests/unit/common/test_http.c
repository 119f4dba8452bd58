/* SPDX-License-Identifier: Apache-2.0
 * Request heads: what is taken, what is refused and how, whatever the pieces they come in. */
#include "http.h"

#include "buf.h"
#include "http_rows.h"
#include "suite.h"

#define HEAD_ROOM (2 * HTTP_HEAD_MAX)

static struct http_request request;

/* Feeds bytes in pieces: up to cut, then step by step. 0 and the request, MORE, or the status. */
static unsigned judge(struct str bytes, size_t cut, size_t step)
{
	struct http_scan scan = {0};
	for (size_t len = cut;; len = len + step < bytes.len ? len + step : bytes.len) {
		switch (http_scan(&scan, (struct str){bytes.data, len})) {
		case HTTP_SCAN_REFUSED:
			return scan.status;
		case HTTP_SCAN_WHOLE:
			ck_assert_uint_le(scan.head_bytes, len);
			return http_parse((struct str){bytes.data, scan.head_bytes}, &request);
		case HTTP_SCAN_MORE:
			break;
		}
		if (len == bytes.len)
			return MORE;
	}
}

static unsigned judge_whole(struct str bytes)
{
	return judge(bytes, bytes.len, 1);
}

static struct str whole(const char *text)
{
	const unsigned status = judge_whole(str_from(text));
	ck_assert_msg(status == 0, "%u for %s", status, text);
	return str_from(text);
}

START_TEST(every_row_ends_as_it_should)
{
	ck_assert_uint_ge(COUNT_OF(http_rows), 150);
	for (size_t i = 0; i < COUNT_OF(http_rows); i++) {
		const unsigned status = judge_whole(http_rows[i].bytes);
		ck_assert_msg(status == http_rows[i].status, "row %zu: %u, not %u: %.*s", i, status,
			http_rows[i].status, STR_ARG(http_rows[i].bytes));
	}
}
END_TEST

START_TEST(pieces_change_nothing)
{
	for (size_t i = 0; i < COUNT_OF(http_rows); i++) {
		const struct http_row *row = &http_rows[i];
		for (size_t cut = 0; cut <= row->bytes.len; cut++) {
			ck_assert_msg(judge(row->bytes, cut, row->bytes.len + 1) == row->status,
				"row %zu cut at %zu", i, cut);
		}
		ck_assert_msg(judge(row->bytes, 0, 1) == row->status, "row %zu byte by byte", i);
		ck_assert_msg(judge(row->bytes, 0, 3) == row->status, "row %zu by threes", i);
	}
}
END_TEST

/* llhttp has states of their own for these headers. */
START_TEST(control_bytes_in_any_value_are_refused)
{
	static const char *const names[] = {"X", "Host", "Connection", "Transfer-Encoding",
		"Expect", "Content-Length", "Upgrade", "Proxy-Connection", "Keep-Alive"};
	static const char *const values[] = {"", "c", "close", "chunked", "1", "a"};
	for (size_t name = 0; name < COUNT_OF(names); name++) {
		for (size_t value = 0; value < COUNT_OF(values); value++) {
			for (int byte = 0; byte < 0x80; byte++) {
				if ((byte >= ' ' && byte != 0x7f) || byte == '\t')
					continue;
				char text[256];
				const int len = snprintf(text, sizeof(text),
					"GET / HTTP/1.1\r\n%s%s: %s%cx\r\n\r\n",
					name == 1 ? "" : "Host: a\r\n", names[name], values[value],
					byte);
				const unsigned status =
					judge_whole((struct str){text, (size_t)len});
				ck_assert_msg(status == 400, "%s: %s and 0x%02x: %u", names[name],
					values[value], (unsigned)byte, status);
			}
		}
	}
}
END_TEST

/* A head of the given lengths; header lines after Host are filled up to header_len each. */
static unsigned judge_sized(size_t line_len, unsigned headers, size_t header_len, size_t tail)
{
	struct buf buf;
	buf_init(&buf, 2 * HEAD_ROOM);
	buf_add_cstr(&buf, "GET /");
	while (buf.len < line_len - strlen(" HTTP/1.1"))
		buf_add_cstr(&buf, "a");
	buf_add_cstr(&buf, " HTTP/1.1\r\nHost: a\r\n");
	for (unsigned i = 1; i < headers; i++) {
		const size_t start = buf.len;
		buf_add_cstr(&buf, "X: ");
		while (buf.len - start < (i == headers - 1 && tail ? tail : header_len))
			buf_add_cstr(&buf, "y");
		buf_add_cstr(&buf, "\r\n");
	}
	buf_add_cstr(&buf, "\r\n");
	const unsigned status = judge_whole(buf_str(&buf));
	ck_assert_uint_eq(judge(buf_str(&buf), 0, 1), status);
	ck_assert_uint_eq(judge(buf_str(&buf), 7, 1000), status);
	buf_release(&buf);
	return status;
}

START_TEST(limits_are_reached_but_not_passed)
{
	ck_assert_uint_eq(judge_sized(HTTP_REQUEST_LINE_MAX - 1, 1, 0, 0), 0);
	ck_assert_uint_eq(judge_sized(HTTP_REQUEST_LINE_MAX, 1, 0, 0), 0);
	ck_assert_uint_eq(judge_sized(HTTP_REQUEST_LINE_MAX + 1, 1, 0, 0), 414);
	ck_assert_uint_eq(judge_sized(20, 2, HTTP_HEADER_LINE_MAX, 0), 0);
	ck_assert_uint_eq(judge_sized(20, 2, HTTP_HEADER_LINE_MAX + 1, 0), 431);
	ck_assert_uint_eq(judge_sized(20, HTTP_HEADERS_MAX - 1, 10, 0), 0);
	ck_assert_uint_eq(judge_sized(20, HTTP_HEADERS_MAX, 10, 0), 0);
	ck_assert_uint_eq(judge_sized(20, HTTP_HEADERS_MAX + 1, 10, 0), 431);
	/* 8192 + 2, "Host: a" + 2, the last header + 2, and the empty line. */
	const size_t tail = HTTP_HEAD_MAX - (8192 + 2) - 9 - 2 - 2;
	ck_assert_uint_eq(judge_sized(8192, 2, 0, tail - 1), 0);
	ck_assert_uint_eq(judge_sized(8192, 2, 0, tail), 0);
	ck_assert_uint_eq(judge_sized(8192, 2, 0, tail + 1), 431);
	ck_assert_uint_eq(judge_sized(8192, 2, 0, tail + 2), 431);
	ck_assert_uint_eq(judge_sized(8192, 2, 0, tail + 3), 431);
}
END_TEST

START_TEST(endless_lines_are_refused_without_their_end)
{
	static char bytes[HEAD_ROOM];
	memset(bytes, 'A', sizeof(bytes));
	ck_assert_uint_eq(judge((struct str){bytes, sizeof(bytes)}, 0, 7), 414);
	ck_assert_uint_eq(judge((struct str){bytes, HTTP_REQUEST_LINE_MAX}, 0, 7), MORE);
	ck_assert_uint_eq(judge((struct str){bytes, HTTP_REQUEST_LINE_MAX + 1}, 0, 7), 414);
	memcpy(bytes, "GET / HTTP/1.1\r\n", 16);
	ck_assert_uint_eq(judge((struct str){bytes, 16 + HTTP_HEADER_LINE_MAX}, 0, 7), MORE);
	ck_assert_uint_eq(judge((struct str){bytes, 17 + HTTP_HEADER_LINE_MAX}, 0, 7), 431);
}
END_TEST

START_TEST(fields_are_views_into_the_head)
{
	const char *text = "\r\nPOST /a/b?c=d&e HTTP/1.1\r\nHost: Shop.example:80\r\nX-Empty:\r\n"
			   "X-Two:  one\r\nx-two: two \t\r\nContent-Length: 12\r\nExpect: "
			   "100-continue\r\n\r\n";
	whole(text);
	ck_assert_int_eq(request.method, HTTP_POST);
	ck_assert_uint_eq(request.minor, 1);
	ck_assert(str_equal(request.target, STR("/a/b?c=d&e")));
	ck_assert(str_equal(request.path, STR("/a/b")));
	ck_assert(str_equal(request.query, STR("c=d&e")) && request.has_query);
	ck_assert(str_equal(request.host, STR("Shop.example:80")));
	ck_assert_uint_eq(request.header_count, 6);
	ck_assert(str_equal(http_header_find(&request, "X-TWO")->value, STR("one")));
	ck_assert(str_equal(request.headers[3].value, STR("two")));
	ck_assert_uint_eq(http_header_find(&request, "x-empty")->value.len, 0);
	ck_assert(!http_header_find(&request, "x-tw"));
	ck_assert(request.has_content_length && request.content_length == 12);
	ck_assert(request.has_expect && request.is_keep_alive && !request.is_chunked);
	ck_assert_ptr_eq(request.target.data, text + 7);
}
END_TEST

START_TEST(targets_are_split_by_their_form)
{
	whole("GET http://h:1?q HTTP/1.1\r\nHost: H:1\r\n\r\n");
	ck_assert(str_equal(request.path, STR("/")) && str_equal(request.query, STR("q")));
	whole("GET HTTPS://h/x/y? HTTP/1.1\r\nHost: h\r\n\r\n");
	ck_assert(str_equal(request.path, STR("/x/y")) && request.has_query);
	ck_assert_uint_eq(request.query.len, 0);
	whole("GET http://h/x HTTP/1.0\r\n\r\n");
	ck_assert(str_equal(request.host, STR("h")) && !request.has_query);
	whole("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
	ck_assert(str_equal(request.path, STR("*")));
	ck_assert_int_eq(request.method, HTTP_OTHER);
	whole("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n");
	ck_assert(str_equal(request.path, STR("*")));
	ck_assert_int_eq(request.method, HTTP_OTHER);
}
END_TEST

START_TEST(keep_alive_follows_version_and_connection)
{
	static const struct {
		const char *version, *connection;
		bool is_keep_alive;
	} rows[] = {
		{"1.1", "", true},
		{"1.1", "Connection: close\r\n", false},
		{"1.1", "Connection: CLOSE\r\n", false},
		{"1.1", "Connection: x, close\r\n", false},
		{"1.1", "Connection: x\r\nConnection: close\r\n", false},
		{"1.1", "Connection: closed\r\n", true},
		{"1.1", "Connection: keep-alive\r\n", true},
		{"1.1", "Connection: keep-alive, close\r\n", false},
		{"1.0", "", false},
		{"1.0", "Connection: keep-alive\r\n", true},
		{"1.0", "Connection: Keep-Alive\r\n", true},
		{"1.0", "Connection: keep-alive, close\r\n", false},
		{"1.0", "Connection: close\r\n", false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[256];
		snprintf(text, sizeof(text), "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", rows[i].version,
			rows[i].connection);
		whole(text);
		ck_assert_msg(request.is_keep_alive == rows[i].is_keep_alive, "row %zu", i);
	}
}
END_TEST

START_TEST(an_old_client_expects_nothing)
{
	whole("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
	ck_assert(!request.has_expect);
	whole("POST / HTTP/1.0\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n");
	ck_assert(!request.has_expect);
}
END_TEST

START_TEST(the_scan_ends_where_the_head_ends)
{
	const struct str two =
		STR("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	struct http_scan scan = {0};
	ck_assert_int_eq(http_scan(&scan, two), HTTP_SCAN_WHOLE);
	ck_assert_uint_eq(scan.head_bytes, two.len / 2);
	const struct str rest = {two.data + scan.head_bytes, two.len - scan.head_bytes};
	scan = (struct http_scan){0};
	ck_assert_int_eq(http_scan(&scan, rest), HTTP_SCAN_WHOLE);
	ck_assert_uint_eq(http_parse(rest, &request), 0);
	ck_assert(str_equal(request.path, STR("/2")));
}
END_TEST

/* Whatever bytes stand anywhere in a good head, pieces change nothing. */
START_TEST(a_changed_byte_is_judged_alike_in_pieces)
{
	char text[] = "GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n";
	const struct str bytes = {text, sizeof(text) - 1};
	for (size_t at = 0; at < bytes.len; at++) {
		const char kept = text[at];
		for (int byte = 0; byte < 256; byte += byte == ' ' ? 7 : 1) {
			text[at] = (char)byte;
			const unsigned status = judge_whole(bytes);
			ck_assert_uint_eq(judge(bytes, 0, 1), status);
		}
		text[at] = kept;
	}
}
END_TEST

struct params {
	struct buf text;
	unsigned count;
};

static void note_param(struct str raw_name, struct str raw_value, void *arg)
{
	struct params *params = arg;
	params->count++;
	buf_addf(&params->text, "%.*s>%.*s|", STR_ARG(raw_name), STR_ARG(raw_value));
}

START_TEST(parameters_come_raw_and_in_order)
{
	static const struct {
		struct str query;
		const char *seen;
	} rows[] = {
		{STR(""), ""},
		{STR("&&&"), ""},
		{STR("a"), "a>|"},
		{STR("a="), "a>|"},
		{STR("=a"), ">a|"},
		{STR("a=b=c"), "a>b=c|"},
		{STR("a=1&a=2&&b"), "a>1|a>2|b>|"},
		{STR("%zz=%41&+=+"), "%zz>%41|+>+|"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct params params = {0};
		buf_init(&params.text, 1000);
		ck_assert(http_query_each(rows[i].query, note_param, &params));
		ck_assert_str_eq(buf_cstr(&params.text), rows[i].seen);
		buf_release(&params.text);
	}
}
END_TEST

START_TEST(a_thousand_parameters_are_too_many)
{
	for (unsigned wanted = HTTP_PARAMS_MAX - 1; wanted <= 1000;
		wanted += wanted < 66 ? 1 : 934) {
		struct buf query;
		struct params params = {0};
		buf_init(&query, 8192);
		buf_init(&params.text, 8192);
		for (unsigned i = 0; i < wanted; i++)
			buf_add_cstr(&query, "a=1&");
		ck_assert(http_query_each(buf_str(&query), note_param, &params) ==
			  (wanted <= HTTP_PARAMS_MAX));
		ck_assert_uint_eq(
			params.count, wanted < HTTP_PARAMS_MAX ? wanted : HTTP_PARAMS_MAX);
		buf_release(&query);
		buf_release(&params.text);
	}
}
END_TEST

SUITE_MAIN("http", every_row_ends_as_it_should, pieces_change_nothing,
	control_bytes_in_any_value_are_refused, limits_are_reached_but_not_passed,
	endless_lines_are_refused_without_their_end, fields_are_views_into_the_head,
	targets_are_split_by_their_form, keep_alive_follows_version_and_connection,
	an_old_client_expects_nothing, the_scan_ends_where_the_head_ends,
	a_changed_byte_is_judged_alike_in_pieces, parameters_come_raw_and_in_order,
	a_thousand_parameters_are_too_many)
