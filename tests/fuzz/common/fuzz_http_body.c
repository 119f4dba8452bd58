/* SPDX-License-Identifier: Apache-2.0
 * Request bodies: the first byte chooses chunked or a length; pieces change nothing but which
 * refusal it is. */
#include <stdlib.h>
#include <string.h>

#include "http.h"

#define BODY_MAX 100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum http_body_result result;
	size_t used;
	size_t len;
	char bytes[BODY_MAX];
};

static void check(bool is_so)
{
	if (!is_so)
		abort();
}

static struct outcome feed(const struct http_request *request, struct str raw, size_t step)
{
	struct outcome outcome = {0};
	struct http_body *body = http_body_new(request, BODY_MAX);
	check(body != NULL);
	do {
		const size_t left = raw.len - outcome.used;
		const struct str piece = {raw.data + outcome.used, left < step ? left : step};
		size_t used = 0;
		outcome.result = http_body_feed(body, piece, &used);
		check(used <= piece.len);
		check(outcome.result != HTTP_BODY_MORE || used == piece.len);
		outcome.used += used;
	} while (outcome.result == HTTP_BODY_MORE && outcome.used < raw.len);
	const struct str bytes = http_body_bytes(body);
	check(bytes.len <= BODY_MAX);
	outcome.len = bytes.len;
	if (bytes.len > 0)
		memcpy(outcome.bytes, bytes.data, bytes.len);
	http_body_free(body);
	return outcome;
}

static bool is_refusal(enum http_body_result result)
{
	return result != HTTP_BODY_MORE && result != HTTP_BODY_WHOLE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const struct http_request request = {
		.is_chunked = data[0] >= 128,
		.has_content_length = data[0] < 128,
		.content_length = (uint64_t)data[0] + 1,
	};
	const struct str raw = {(const char *)data + 1, size - 1};
	const struct outcome whole = feed(&request, raw, size);
	for (size_t step = 1; step <= 64; step *= 5) {
		const struct outcome pieces = feed(&request, raw, step);
		check(is_refusal(pieces.result) == is_refusal(whole.result));
		if (is_refusal(whole.result))
			continue;
		check(pieces.result == whole.result && pieces.used == whole.used);
		check(pieces.len == whole.len && memcmp(pieces.bytes, whole.bytes, whole.len) == 0);
	}
	return 0;
}
