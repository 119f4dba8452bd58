/* SPDX-License-Identifier: Apache-2.0
 * Request heads: any bytes, in any pieces, end alike, and every view lies inside the head. */
#include <stdlib.h>
#include <string.h>

#include "http.h"

#define MORE 1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_request request;

static void check(bool is_so)
{
	if (!is_so)
		abort();
}

static void check_view(struct str head, struct str view)
{
	if (view.len == 0 || (view.len == 1 && view.data[0] == '*') ||
		(view.len == 1 && view.data[0] == '/'))
		return;
	check(view.data >= head.data && view.data + view.len <= head.data + head.len);
}

static void check_request(struct str head)
{
	check(request.minor <= 1 && request.header_count <= HTTP_HEADERS_MAX);
	check(request.minor == 0 || request.host.len > 0);
	check(!(request.is_chunked && request.has_content_length));
	check(request.path.len > 0 && (request.path.data[0] == '/' || request.path.data[0] == '*'));
	check_view(head, request.target);
	check_view(head, request.path);
	check_view(head, request.query);
	check_view(head, request.host);
	for (unsigned i = 0; i < request.header_count; i++) {
		check(request.headers[i].name.len > 0);
		check_view(head, request.headers[i].name);
		check_view(head, request.headers[i].value);
	}
}

static unsigned judge(struct str bytes, size_t step, uint32_t *head_bytes)
{
	struct http_scan scan = {0};
	for (size_t len = step < bytes.len ? step : bytes.len;;
		len = bytes.len - len > step ? len + step : bytes.len) {
		switch (http_scan(&scan, (struct str){bytes.data, len})) {
		case HTTP_SCAN_REFUSED:
			return scan.status;
		case HTTP_SCAN_WHOLE: {
			const struct str head = {bytes.data, scan.head_bytes};
			check(head.len <= len && head.len <= HTTP_HEAD_MAX);
			*head_bytes = scan.head_bytes;
			const unsigned status = http_parse(head, &request);
			if (status == 0)
				check_request(head);
			return status;
		}
		case HTTP_SCAN_MORE:
			check(len < HTTP_HEAD_MAX);
			break;
		}
		if (len == bytes.len)
			return MORE;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str bytes = {(const char *)data, size};
	uint32_t whole = 0, pieces = 0;
	const unsigned status = judge(bytes, size + 1, &whole);
	for (size_t step = 1; step <= 64; step *= 7) {
		check(judge(bytes, step, &pieces) == status);
		check(pieces == whole);
	}
	check(status <= 1 || (status >= 400 && strcmp(http_status_text(status), "Unknown") != 0));
	return 0;
}
