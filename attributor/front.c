/* SPDX-License-Identifier: Apache-2.0
 * Routes by path; each route looks at the method itself. */
#include "front.h"

static unsigned on_head(const struct http_request *request, struct conn_reply *reply, void *arg);
static void on_request(struct conn_server *server, struct conn_ref ref,
	const struct http_request *request, const struct sockaddr_storage *peer, void *arg);
static void on_refused(unsigned status, struct conn_reply *reply, void *arg);
static struct problem refusal_of(unsigned status);

void front_init(
	struct front *front, struct webhook *webhook, struct api *api, struct meters *meters)
{
	*front = (struct front){.webhook = webhook, .api = api, .meters = meters};
	problem_page_init(&front->page);
}

void front_release(struct front *front)
{
	problem_page_release(&front->page);
}

struct conn_handlers front_handlers(struct front *front)
{
	return (struct conn_handlers){.on_request = on_request,
		.on_head = on_head,
		.on_refused = on_refused,
		.arg = front};
}

static unsigned on_head(const struct http_request *request, struct conn_reply *reply, void *arg)
{
	struct front *const front = arg;
	uint32_t store_id = 0;
	if (api_route_of(request->path) != API_ROUTE_NONE)
		return api_head(front->api, request, reply);
	struct problem problem = {
		.status = 404, .code = "no_such_route", .detail = "nothing answers at this path"};
	if (request->path.len == 0 ||
		request->path.data[0] != '/') /* OPTIONS *, CONNECT host:port */
		problem = (struct problem){.status = 405,
			.code = "method_not_allowed",
			.detail = "the whole server takes no request",
			.allow = "GET, HEAD, POST"};
	switch (webhook_path_parse(request->path, &store_id)) {
	case WEBHOOK_PATH_EVENTS:
	case WEBHOOK_PATH_NO_STORE:
		return webhook_head(front->webhook, request, reply);
	case WEBHOOK_PATH_BAD:
		problem = (struct problem){
			.status = 400, .code = "bad_path", .detail = "a NUL or a broken escape"};
		break;
	case WEBHOOK_PATH_OTHER:
		break;
	}
	meters_problem(front->meters, problem.code);
	meters_request(front->meters, METERS_OTHER, problem.status, 0);
	return problem_page_fill(&front->page, &problem, reply);
}

/* on_head has let nothing else pass. */
static void on_request(struct conn_server *server, struct conn_ref ref,
	const struct http_request *request, const struct sockaddr_storage *peer, void *arg)
{
	struct front *const front = arg;
	(void)peer;
	if (api_route_of(request->path) != API_ROUTE_NONE)
		api_request(front->api, server, ref, request);
	else
		webhook_request(front->webhook, server, ref, request);
}

static void on_refused(unsigned status, struct conn_reply *reply, void *arg)
{
	struct front *const front = arg;
	const struct problem problem = refusal_of(status);
	meters_problem(front->meters, problem.code);
	meters_request(front->meters, METERS_OTHER, status, 0);
	problem_page_fill(&front->page, &problem, reply);
}

/* What the connection layer refuses by itself, in this daemon's words. */
static struct problem refusal_of(unsigned status)
{
	struct problem problem = {.status = status, .code = "bad_request"};
	switch (status) {
	case 408:
		problem.code = "too_slow";
		problem.detail = "the request did not arrive in time";
		break;
	case 411:
		problem.code = "length_required";
		problem.detail = "a POST needs Content-Length or chunks";
		break;
	case 413:
		problem.code = "too_large";
		problem.detail = "a body may have 262144 bytes";
		break;
	case 414:
	case 431:
		problem.code = "head_too_large";
		problem.detail = "a request line or a header is over 8 KiB, or a head over 16 KiB "
				 "or 100 headers";
		break;
	case 503:
		problem.code = "overloaded";
		problem.detail = "no memory for another request; send it again";
		problem.retry_after_s = WEBHOOK_RETRY_S;
		break;
	default:
		problem.detail = "not a request of HTTP/1.0 or 1.1 as its rules demand";
		break;
	}
	return problem;
}
