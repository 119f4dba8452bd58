/* SPDX-License-Identifier: Apache-2.0
 * Request bodies: counted and chunked, in any pieces, and never a byte too many. */
#include "http.h"

#include "buf.h"
#include "suite.h"

#define BODY_MAX 100

struct outcome {
	enum http_body_result result;
	size_t used; /* of all bytes, once it is not MORE */
	char text[4 * BODY_MAX];
};

static const struct http_request chunked = {.is_chunked = true};

/* Feeds raw in pieces of step bytes, the first of cut. */
static struct outcome feed(
	const struct http_request *request, struct str raw, size_t cut, size_t step)
{
	struct outcome outcome = {0};
	struct http_body *body = http_body_new(request, BODY_MAX);
	ck_assert_ptr_nonnull(body);
	size_t piece = cut;
	for (;;) {
		size_t used = 77;
		if (piece > raw.len - outcome.used)
			piece = raw.len - outcome.used;
		outcome.result =
			http_body_feed(body, (struct str){raw.data + outcome.used, piece}, &used);
		ck_assert_uint_le(used, piece);
		outcome.used += used;
		if (outcome.result != HTTP_BODY_MORE || outcome.used == raw.len)
			break;
		ck_assert_uint_eq(used, piece);
		piece = step;
	}
	ck_assert(str_copy(outcome.text, sizeof(outcome.text), http_body_bytes(body)));
	http_body_free(body);
	return outcome;
}

START_TEST(counted_bodies_end_at_their_length)
{
	static const struct {
		uint64_t length;
		const char *raw;
		enum http_body_result result;
		const char *text;
	} rows[] = {
		{1, "", HTTP_BODY_MORE, ""},
		{1, "a", HTTP_BODY_WHOLE, "a"},
		{1, "ab", HTTP_BODY_WHOLE, "a"},
		{5, "abcd", HTTP_BODY_MORE, "abcd"},
		{5, "abcdeGET / HTTP/1.1", HTTP_BODY_WHOLE, "abcde"},
		{5, "\r\n\r\n\r\n", HTTP_BODY_WHOLE, "\r\n\r\n\r"},
		{BODY_MAX + 1, "a", HTTP_BODY_TOO_LARGE, ""},
		{INT64_MAX, "a", HTTP_BODY_TOO_LARGE, ""},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct http_request request = {
			.has_content_length = true, .content_length = rows[i].length};
		for (size_t cut = 0; cut <= strlen(rows[i].raw); cut++) {
			const struct outcome outcome =
				feed(&request, str_from(rows[i].raw), cut, 1);
			ck_assert_msg(outcome.result == rows[i].result, "row %zu cut %zu", i, cut);
			ck_assert_str_eq(outcome.text, rows[i].text);
			ck_assert_uint_eq(outcome.used, strlen(rows[i].text));
		}
	}
}
END_TEST

START_TEST(a_body_of_the_maximum_is_taken)
{
	char raw[BODY_MAX + 1];
	memset(raw, 'x', sizeof(raw));
	const struct http_request request = {
		.has_content_length = true, .content_length = BODY_MAX};
	const struct outcome outcome = feed(&request, (struct str){raw, sizeof(raw)}, 7, 7);
	ck_assert_int_eq(outcome.result, HTTP_BODY_WHOLE);
	ck_assert_uint_eq(outcome.used, BODY_MAX);
	ck_assert_uint_eq(strlen(outcome.text), BODY_MAX);
}
END_TEST

#define S50 "50\r\n" X80 "\r\n"
#define X20 "xxxxxxxxxxxxxxxxxxxx"
#define X80 X20 X20 X20 X20

static const struct chunk_row {
	const char *raw;
	enum http_body_result result;
	const char *text;
	size_t rest; /* bytes of the next request */
} chunk_rows[] = {
	{"0\r\n\r\n", HTTP_BODY_WHOLE, "", 0},
	{"0\r\n\r\nGET / HTTP/1.1\r\n", HTTP_BODY_WHOLE, "", 16},
	{"1\r\na\r\n0\r\n\r\n", HTTP_BODY_WHOLE, "a", 0},
	{"1\r\na\r\n0\r\n\r\n\r\n", HTTP_BODY_WHOLE, "a", 2},
	{"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", HTTP_BODY_WHOLE, "01234567890123456789",
		0},
	{"0001\r\na\r\n000\r\n\r\n", HTTP_BODY_WHOLE, "a", 0},
	{"2\r\n\r\n\r\n0\r\n\r\n", HTTP_BODY_WHOLE, "\r\n", 0},
	{"2\r\n\n\r\r\n0\r\n\r\n", HTTP_BODY_WHOLE, "\n\r", 0},
	{"1;x\r\na\r\n0\r\n\r\n", HTTP_BODY_WHOLE, "a", 0},
	{"1;x;y=\"z\"\r\na\r\n0;end\r\n\r\n", HTTP_BODY_WHOLE, "a", 0},
	{"1\r\na\r\n0\r\nX: y\r\nZ: z\r\n\r\n", HTTP_BODY_WHOLE, "a", 0},
	{"1\r\na\r\n0\r\nHost: evil\r\n\r\nG", HTTP_BODY_WHOLE, "a", 1},
	{S50 "14\r\n" X20 "\r\n0\r\n\r\n", HTTP_BODY_WHOLE, X80 X20, 0},
	/* Not whole. */
	{"", HTTP_BODY_MORE, "", 0},
	{"1", HTTP_BODY_MORE, "", 0},
	{"1\r", HTTP_BODY_MORE, "", 0},
	{"1\r\n", HTTP_BODY_MORE, "", 0},
	{"1\r\na", HTTP_BODY_MORE, "a", 0},
	{"1\r\na\r\n0\r\n", HTTP_BODY_MORE, "a", 0},
	{"1\r\na\r\n0\r\nX: y\r\n", HTTP_BODY_MORE, "a", 0},
	/* Malformed; llhttp 8.1.0 takes no extension after one with a value. */
	{"1;x=y;z\r\na\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"0x1\r\na\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"x\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"-1\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"+1\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{";x\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\na\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\nab\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r\n0\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r\n0\r\n\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r\n0\r\nX: y\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r\n0\r\nX: y\r\n\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1;x\n\r\na\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1;x\na\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\rX\na\r\n0\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r\n0\r\n: y\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r\n0\r\n: y\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r\n0\r\nX: y\r\n folded\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"1\r\na\r\n0\r\n\tX: y\r\n\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"10000000000000000\r\n", HTTP_BODY_REFUSED, NULL, 0},
	{"100000000000000000000000000000001\r\n", HTTP_BODY_REFUSED, NULL, 0},
	/* Too large: refused at the size, before the data. */
	{"65\r\n", HTTP_BODY_TOO_LARGE, NULL, 0},
	{"ffffffffffffffff\r\n", HTTP_BODY_TOO_LARGE, NULL, 0},
	{"7fffffff\r\n", HTTP_BODY_TOO_LARGE, NULL, 0},
	{S50 "15\r\n", HTTP_BODY_TOO_LARGE, NULL, 0},
};

START_TEST(chunked_bodies_are_read_strictly)
{
	for (size_t i = 0; i < COUNT_OF(chunk_rows); i++) {
		const struct chunk_row *row = &chunk_rows[i];
		const struct str raw = str_from(row->raw);
		for (size_t cut = 0; cut <= raw.len; cut++) {
			for (size_t step = 1; step <= raw.len + 2; step += raw.len + 1) {
				const struct outcome outcome = feed(&chunked, raw, cut, step);
				ck_assert_msg(outcome.result == row->result, "row %zu cut %zu: %d",
					i, cut, outcome.result);
				if (row->text)
					ck_assert_str_eq(outcome.text, row->text);
				if (row->result == HTTP_BODY_WHOLE)
					ck_assert_uint_eq(outcome.used, raw.len - row->rest);
			}
		}
	}
}
END_TEST

/* Extensions and trailers of that many bytes in all. */
static enum http_body_result extra(size_t bytes, bool is_trailer, size_t step)
{
	struct buf raw;
	buf_init(&raw, 4 * HTTP_CHUNK_EXTRA_MAX);
	const char *before = is_trailer ? "0\r\nX: " : "0;";
	const char *after = is_trailer ? "\r\n\r\n" : "\r\n\r\n";
	buf_add_cstr(&raw, before);
	while (raw.len < bytes - strlen(after))
		buf_add_cstr(&raw, "y");
	buf_add_cstr(&raw, after);
	const struct outcome outcome = feed(&chunked, buf_str(&raw), step, step);
	buf_release(&raw);
	return outcome.result;
}

START_TEST(framing_has_a_limit)
{
	for (int is_trailer = 0; is_trailer <= 1; is_trailer++) {
		for (size_t step = 1; step <= 200000; step = step * 100 + 1) {
			const size_t max = HTTP_CHUNK_EXTRA_MAX;
			ck_assert_int_eq(extra(max - 1, is_trailer, step), HTTP_BODY_WHOLE);
			ck_assert_int_eq(extra(max, is_trailer, step), HTTP_BODY_WHOLE);
			ck_assert_int_eq(extra(max + 1, is_trailer, step), HTTP_BODY_TOO_LARGE);
			ck_assert_int_eq(extra(2 * max, is_trailer, step), HTTP_BODY_TOO_LARGE);
		}
	}
}
END_TEST

START_TEST(a_refusal_stays)
{
	struct http_body *body = http_body_new(&chunked, BODY_MAX);
	size_t used;
	ck_assert_int_eq(http_body_feed(body, STR("zz\r\n"), &used), HTTP_BODY_REFUSED);
	ck_assert_int_eq(http_body_feed(body, STR("0\r\n\r\n"), &used), HTTP_BODY_REFUSED);
	ck_assert_uint_eq(used, 0);
	http_body_free(body);
	body = http_body_new(&chunked, BODY_MAX);
	ck_assert_int_eq(http_body_feed(body, STR("0\r\n\r\n"), &used), HTTP_BODY_WHOLE);
	ck_assert_int_eq(http_body_feed(body, STR("zz\r\n"), &used), HTTP_BODY_WHOLE);
	ck_assert_uint_eq(used, 0);
	http_body_free(body);
}
END_TEST

SUITE_MAIN("http_body", counted_bodies_end_at_their_length, a_body_of_the_maximum_is_taken,
	chunked_bodies_are_read_strictly, framing_has_a_limit, a_refusal_stays)
