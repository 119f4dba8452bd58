/* SPDX-License-Identifier: Apache-2.0
 * Writes refusals as application/problem+json. */
#include "problem.h"

#include <stdio.h>

#include "json_text.h"

#define PROBLEM_TYPE "application/problem+json"

static void add_headers(const struct problem *problem, struct buf *out);

void problem_write(const struct problem *problem, struct buf *out)
{
	buf_addf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"code\":\"%s\"",
		http_status_text(problem->status), problem->status, problem->code);
	if (problem->detail != NULL) {
		buf_add_cstr(out, ",\"detail\":");
		json_text_add(out, str_from(problem->detail));
	}
	if (problem->pointer != NULL) {
		buf_add_cstr(out, ",\"pointer\":");
		json_text_add(out, str_from(problem->pointer));
	}
	buf_add_cstr(out, "}");
}

void problem_page_init(struct problem_page *page)
{
	buf_init(&page->body, PROBLEM_BODY_MAX);
	buf_init(&page->headers, PROBLEM_HEADERS_MAX);
}

void problem_page_release(struct problem_page *page)
{
	buf_release(&page->body);
	buf_release(&page->headers);
}

unsigned problem_page_fill(
	struct problem_page *page, const struct problem *problem, struct conn_reply *reply)
{
	buf_clear(&page->body);
	buf_clear(&page->headers);
	problem_write(problem, &page->body);
	add_headers(problem, &page->headers);
	*reply = (struct conn_reply){.status = problem->status,
		.headers = buf_str(&page->headers),
		.content_type = PROBLEM_TYPE,
		.body = buf_str(&page->body),
		.has_close = problem->has_close};
	return problem->status;
}

void problem_reply(struct conn_server *server, struct conn_ref ref, const struct problem *problem)
{
	struct problem_page page;
	struct conn_reply reply;
	problem_page_init(&page);
	problem_page_fill(&page, problem, &reply);
	conn_server_reply(server, ref, &reply);
	problem_page_release(&page);
}

static void add_headers(const struct problem *problem, struct buf *out)
{
	buf_add_cstr(out, "Cache-Control: no-store\r\n");
	if (problem->retry_after_s > 0)
		buf_addf(out, "Retry-After: %u\r\n", problem->retry_after_s);
	if (problem->allow != NULL)
		buf_addf(out, "Allow: %s\r\n", problem->allow);
	if (problem->authenticate != NULL)
		buf_addf(out, "WWW-Authenticate: %s\r\n", problem->authenticate);
}
