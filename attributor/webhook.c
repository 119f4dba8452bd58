/* SPDX-License-Identifier: Apache-2.0
 * A webhook as a job that goes from step to step; each step is entered when the one before has its
 * answer. */
#include "webhook.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "event_json.h"
#include "log.h"
#include "problem.h"
#include "seal.h"
#include "timestamp.h"

#define JOB_MAGIC     0x30b5e7a1
#define CONTEXT_MAX   (EVENT_ID_MAX + 32) /* "event <store> <webhook-id>" */
#define SEGMENTS      4                   /* v1 stores STORE events */
#define SEGMENT_MAX   64
#define REPLY_HEADERS "Cache-Control: no-store\r\n"
#define CODE_AWAY     "database_unavailable"
#define DETAIL_AWAY   "the event could not be stored in time; send it again"

static const struct problem problem_unknown_store = {
	.status = 404, .code = "unknown_store", .detail = "there is no such store"};
static const struct problem problem_not_json = {.status = 415,
	.code = "unsupported_media_type",
	.detail = "Content-Type is application/json, without Content-Encoding"};

struct job {
	unsigned magic;
	struct webhook *webhook;
	struct job *next, *previous; /* by arrival, until answered */
	struct conn_server *server;
	struct conn_ref ref;
	bool is_answered;
	bool has_asked; /* the store was read again for this job */
	bool is_json;   /* what its Content-Type and Content-Encoding say */
	int64_t arrived_us, due_us;
	int64_t received_us;
	uint32_t store_id;
	enum verify_result verified;
	struct verify_headers headers;
	struct str body;
	struct event *event;
	struct event_fault fault;
	struct clicks_lookup lookup;
	struct post_item item;
	struct post_known_query known;
	uint8_t *sealed;
	char bytes[]; /* headers and body */
};

struct webhook {
	struct loop *loop;
	struct webhook_config config;
	struct problem_page page;
	struct job *head, *tail; /* unanswered, oldest first */
	struct loop_timer *deadline;
	unsigned jobs;
	size_t bytes;
};

static bool is_json(const struct http_request *request);
static struct str header_once(const struct http_request *request, const char *name);
static struct job *job_new(struct webhook *webhook, const struct http_request *request);
static void keep(char **at, struct str text, struct str *kept);
static void step_verify(struct job *job);
static void on_store(bool is_ok, void *arg);
static void step_parse(struct job *job, const struct store *store);
static void on_known(enum post_known known, struct str answer, void *arg);
static void refuse_invalid(struct job *job);
static void step_clicks(struct job *job);
static void on_clicks(void *arg);
static bool hide_customer(struct job *job);
static bool hide(struct job *job, struct str *hash);
static bool seal_body(struct job *job);
static void on_posted(struct post_item *item, const struct post_outcome *outcome);
static void on_deadline(void *arg);
static void give_up(struct job *job);
static void answer_json(struct job *job, struct str body, enum meters_result result);
static void answer_problem(
	struct job *job, const struct problem *problem, enum meters_result result);
static void answer_away(struct job *job);
static void answer_failed(struct job *job, const char *why);
static void note_answer(struct job *job, unsigned status, enum meters_result result);
static void unlink_job(struct job *job);
static void job_end(struct job *job);
static struct job *checked(void *arg);

enum webhook_path webhook_path_parse(struct str raw_path, uint32_t *store_id)
{
	char texts[SEGMENTS][SEGMENT_MAX];
	size_t lens[SEGMENTS];
	struct str rest = raw_path, segment;
	unsigned count = 0;
	if (!str_has_prefix(rest, STR("/")))
		return WEBHOOK_PATH_OTHER;
	rest = (struct str){rest.data + 1, rest.len - 1};
	bool has_more = true;
	while (has_more) {
		has_more = str_cut(rest, '/', &segment, &rest);
		if (count == SEGMENTS)
			return WEBHOOK_PATH_OTHER;
		if (!percent_decode(segment, false, texts[count], SEGMENT_MAX, &lens[count]))
			return segment.len > SEGMENT_MAX ? WEBHOOK_PATH_OTHER : WEBHOOK_PATH_BAD;
		if (memchr(texts[count], '\0', lens[count]) != NULL)
			return WEBHOOK_PATH_BAD;
		count++;
	}
	if (count != SEGMENTS || !str_equal((struct str){texts[0], lens[0]}, STR("v1")) ||
		!str_equal((struct str){texts[1], lens[1]}, STR("stores")) ||
		!str_equal((struct str){texts[3], lens[3]}, STR("events")))
		return WEBHOOK_PATH_OTHER;
	uint64_t id = 0;
	if (!str_parse_u64((struct str){texts[2], lens[2]}, UINT32_MAX, &id) || id == 0)
		return WEBHOOK_PATH_NO_STORE;
	*store_id = (uint32_t)id;
	return WEBHOOK_PATH_EVENTS;
}

struct webhook *webhook_new(struct loop *loop, const struct webhook_config *config, struct err *err)
{
	struct webhook *const webhook = calloc(1, sizeof(*webhook));
	if (webhook != NULL) {
		*webhook = (struct webhook){.loop = loop, .config = *config};
		problem_page_init(&webhook->page);
		webhook->deadline = loop_timer_new(loop, on_deadline, webhook);
		if (webhook->deadline != NULL)
			return webhook;
		free(webhook);
	}
	err_set(err, ERR_LIMIT, 0, "no memory for webhooks");
	return NULL;
}

unsigned webhook_head(
	struct webhook *webhook, const struct http_request *request, struct conn_reply *reply)
{
	uint32_t store_id = 0;
	struct problem problem = {0};
	const enum webhook_path path = webhook_path_parse(request->path, &store_id);
	const struct stores *const stores = webhook->config.stores;
	const bool is_large = request->content_length > HTTP_BODY_MAX;
	/* Before the stores are loaded nobody can say; a body that is not read has no later. */
	const bool is_known = !stores_is_loaded(stores) || stores_find(stores, store_id) != NULL;
	if (request->method != HTTP_POST)
		problem = (struct problem){.status = 405,
			.code = "method_not_allowed",
			.detail = "events are sent by POST",
			.allow = "POST"};
	else if (path == WEBHOOK_PATH_NO_STORE || (!is_known && is_large))
		problem = problem_unknown_store;
	else if (is_large)
		problem = (struct problem){.status = 413,
			.code = "too_large",
			.detail = "a body may have 262144 bytes"};
	else if (is_known && !is_json(request))
		problem = problem_not_json;
	/* A store that is not known here may be new: that is asked, and 404 or 415 come later. */
	else if (!stores_is_loaded(stores))
		problem = (struct problem){.status = 503,
			.code = CODE_AWAY,
			.detail = DETAIL_AWAY,
			.retry_after_s = WEBHOOK_AWAY_S};
	else if (webhook->jobs >= WEBHOOK_JOBS_MAX || webhook->bytes >= WEBHOOK_BYTES_MAX)
		problem = (struct problem){.status = 503,
			.code = "overloaded",
			.detail = "too many events at once; send it again",
			.retry_after_s = WEBHOOK_RETRY_S};
	else
		return 0;
	meters_event(webhook->config.meters, METERS_NO_TYPE,
		problem.status == 503 ? METERS_UNAVAILABLE : METERS_REFUSED);
	meters_problem(webhook->config.meters, problem.code);
	meters_request(webhook->config.meters, METERS_EVENTS, problem.status, 0);
	return problem_page_fill(&webhook->page, &problem, reply);
}

void webhook_request(struct webhook *webhook, struct conn_server *server, struct conn_ref ref,
	const struct http_request *request)
{
	struct job *const job = job_new(webhook, request);
	if (job == NULL) {
		problem_reply(server, ref,
			&(struct problem){.status = 503,
				.code = "overloaded",
				.detail = "no memory for another event; send it again",
				.retry_after_s = WEBHOOK_RETRY_S});
		return;
	}
	job->server = server;
	job->ref = ref;
	step_verify(job);
}

unsigned webhook_jobs(const struct webhook *webhook)
{
	return webhook->jobs;
}

void webhook_free(struct webhook *webhook)
{
	if (webhook == NULL)
		return;
	assert(webhook->jobs == 0);
	loop_timer_free(webhook->deadline);
	problem_page_release(&webhook->page);
	free(webhook);
}

static bool is_json(const struct http_request *request)
{
	if (http_header_find(request, "content-encoding") != NULL)
		return false;
	const struct http_header *const header = http_header_find(request, "content-type");
	if (header == NULL)
		return true;
	struct str type, parameters;
	str_cut(header->value, ';', &type, &parameters);
	type = str_trim(type);
	const struct str suffix = STR("+json");
	return str_equal_nocase(type, STR("application/json")) ||
	       (type.len > suffix.len &&
		       str_equal_nocase((struct str){type.data + type.len - suffix.len, suffix.len},
			       suffix));
}

/* Empty when it is absent or there twice. */
static struct str header_once(const struct http_request *request, const char *name)
{
	struct str value = {0};
	unsigned count = 0;
	for (unsigned i = 0; i < request->header_count; i++)
		if (str_equal_nocase(request->headers[i].name, str_from(name))) {
			value = request->headers[i].value;
			count++;
		}
	return count == 1 ? value : (struct str){0};
}

static struct job *job_new(struct webhook *webhook, const struct http_request *request)
{
	const struct verify_headers raw = {header_once(request, "webhook-id"),
		header_once(request, "webhook-timestamp"),
		header_once(request, "webhook-signature")};
	const size_t bytes = raw.id.len + raw.timestamp.len + raw.signature.len + request->body.len;
	struct job *const job = malloc(sizeof(*job) + bytes);
	if (job == NULL)
		return NULL;
	*job = (struct job){.magic = JOB_MAGIC, .webhook = webhook};
	char *at = job->bytes;
	keep(&at, raw.id, &job->headers.id);
	keep(&at, raw.timestamp, &job->headers.timestamp);
	keep(&at, raw.signature, &job->headers.signature);
	keep(&at, request->body, &job->body);
	webhook_path_parse(request->path, &job->store_id);
	job->is_json = is_json(request);
	job->received_us = clock_wall_us();
	job->arrived_us = loop_now_us(webhook->loop);
	job->due_us = job->arrived_us + webhook->config.order_deadline_us;
	job->previous = webhook->tail;
	if (webhook->tail != NULL)
		webhook->tail->next = job;
	else
		webhook->head = job;
	webhook->tail = job;
	webhook->jobs++;
	webhook->bytes += job->body.len;
	if (!loop_timer_is_set(webhook->deadline))
		loop_timer_set(webhook->deadline, webhook->config.order_deadline_us);
	return job;
}

static void keep(char **at, struct str text, struct str *kept)
{
	if (text.len > 0)
		memcpy(*at, text.data, text.len);
	*kept = (struct str){*at, text.len};
	*at += text.len;
}

/* The store may be new, or its secret rotated just now: it is read again, once, before anyone is
 * refused for it. */
static void step_verify(struct job *job)
{
	struct stores *const stores = job->webhook->config.stores;
	const struct store *const store = stores_find(stores, job->store_id);
	if (store != NULL) {
		job->verified = verify_webhook(&job->headers, job->body, store->secrets,
			VERIFY_SECRETS_MAX, job->received_us / US_PER_S);
		if (job->verified == VERIFY_OK && job->is_json) {
			step_parse(job, store);
			return;
		}
	}
	if ((store == NULL || job->verified == VERIFY_BAD_SIGNATURE) && !job->has_asked) {
		job->has_asked = true;
		if (stores_ask_again(stores, job->store_id, on_store, job))
			return;
	}
	if (store == NULL)
		answer_problem(job, &problem_unknown_store, METERS_REFUSED);
	else if (!job->is_json)
		answer_problem(job, &problem_not_json, METERS_REFUSED);
	else
		answer_problem(job,
			&(struct problem){.status = 401,
				.code = verify_result_name(job->verified),
				.detail = "Standard Webhooks: webhook-id, webhook-timestamp "
					  "within 300 s, webhook-signature",
				.authenticate = "Webhook-Signature"},
			METERS_REFUSED);
	job_end(job);
}

static void on_store(bool is_ok, void *arg)
{
	struct job *const job = checked(arg);
	if (job->is_answered) {
		job_end(job);
	} else if (!is_ok && stores_find(job->webhook->config.stores, job->store_id) == NULL) {
		answer_away(job);
		job_end(job);
	} else {
		step_verify(job);
	}
}

static void step_parse(struct job *job, const struct store *store)
{
	const struct event_defaults defaults = {
		.received_us = job->received_us, .tax_bp = store->tax_bp};
	job->item.terms = store->terms;
	job->item.keyring = &job->webhook->config.keys->ring;
	if (!seal_sha256(job->body, job->item.body_sha256)) {
		answer_failed(job, "sha256");
		job_end(job);
		return;
	}
	switch (event_json_parse(job->body, &defaults, &job->event, &job->fault)) {
	case EVENT_JSON_OK:
		step_clicks(job);
		return;
	case EVENT_JSON_MALFORMED:
		answer_problem(job,
			&(struct problem){.status = 400,
				.code = job->fault.code,
				.detail = job->fault.detail},
			METERS_REFUSED);
		break;
	case EVENT_JSON_INVALID:
		/* 409 comes before 422. */
		job->known = (struct post_known_query){.store_id = job->store_id,
			.event_id = job->headers.id,
			.fn = on_known,
			.arg = job};
		memcpy(job->known.body_sha256, job->item.body_sha256, POST_BODY_HASH_BYTES);
		if (post_ask_known(job->webhook->config.read_db, &job->known))
			return;
		refuse_invalid(job);
		break;
	case EVENT_JSON_NO_MEMORY:
		answer_away(job);
		break;
	}
	job_end(job);
}

static void on_known(enum post_known known, struct str answer, void *arg)
{
	struct job *const job = checked(arg);
	if (!job->is_answered)
		switch (known) {
		case POST_KNOWN_OTHER:
			answer_problem(job,
				&(struct problem){.status = 409,
					.code = "webhook_id_reused",
					.detail = "this webhook-id was seen with another body"},
				METERS_REFUSED);
			break;
		case POST_KNOWN_SAME: /* valid then: a setting of the store has changed since */
			answer_json(job, answer, METERS_DUPLICATE);
			break;
		case POST_KNOWN_NOT:
		case POST_KNOWN_UNASKED:
			refuse_invalid(job);
			break;
		}
	job_end(job);
}

static void refuse_invalid(struct job *job)
{
	answer_problem(job,
		&(struct problem){.status = 422,
			.code = job->fault.code,
			.detail = job->fault.detail,
			.pointer = job->fault.pointer},
		METERS_REFUSED);
}

static void step_clicks(struct job *job)
{
	if (!event_keep(job->event, job->headers.id, &job->event->event_id) ||
		!hide_customer(job) || !seal_body(job)) {
		answer_failed(job, "no memory or no random bytes");
		job_end(job);
		return;
	}
	job->lookup = (struct clicks_lookup){.event = job->event, .fn = on_clicks, .arg = job};
	clicks_find(job->webhook->config.clicks, &job->lookup);
}

static void on_clicks(void *arg)
{
	struct job *const job = checked(arg);
	if (job->is_answered) {
		job_end(job);
		return;
	}
	job->item.store_id = job->store_id;
	job->item.event = job->event;
	job->item.body_bytes = job->body.len;
	job->item.done = on_posted;
	job->item.arg = job;
	if (post_submit(job->webhook->config.post, &job->item))
		return;
	answer_away(job);
	job_end(job);
}

/* What is kept of a customer is an HMAC of the hash that the sender made. */
static bool hide_customer(struct job *job)
{
	return hide(job, &job->event->customer_phone) && hide(job, &job->event->customer_email);
}

static bool hide(struct job *job, struct str *hash)
{
	uint8_t keyed[SEAL_HASH_BYTES];
	char hex[2 * SEAL_HASH_BYTES];
	if (hash->len == 0)
		return true;
	if (!seal_person(&job->webhook->config.keys->ring, *hash, keyed))
		return false;
	hex_encode(hex, keyed, sizeof(keyed));
	return event_keep(job->event, (struct str){hex, sizeof(hex)}, hash);
}

static bool seal_body(struct job *job)
{
	char context[CONTEXT_MAX];
	struct err err = {0};
	const int len = snprintf(
		context, sizeof(context), "event %u %.*s", job->store_id, STR_ARG(job->headers.id));
	job->sealed = malloc(job->body.len + SEAL_OVERHEAD);
	if (job->sealed == NULL || len < 0 || (size_t)len >= sizeof(context))
		return false;
	job->item.sealed_body =
		(struct str){(const char *)job->sealed, job->body.len + SEAL_OVERHEAD};
	return seal_encrypt(&job->webhook->config.keys->ring, SEAL_BODY,
		job->webhook->config.entropy, (struct str){context, (size_t)len}, job->body,
		job->sealed, &err);
}

static void on_posted(struct post_item *item, const struct post_outcome *outcome)
{
	struct job *const job = checked(item->arg);
	if (!job->is_answered)
		switch (outcome->status) {
		case POST_DONE:
			answer_json(job, outcome->answer, outcome->result);
			break;
		case POST_REFUSED:
			answer_problem(job,
				&(struct problem){.status = outcome->http_status,
					.code = outcome->code,
					.detail = outcome->detail,
					.pointer = outcome->pointer},
				METERS_REFUSED);
			break;
		case POST_UNAVAILABLE:
			answer_away(job);
			break;
		case POST_FAILED:
			answer_failed(job, "not posted");
			break;
		}
	job_end(job);
}

static void on_deadline(void *arg)
{
	struct webhook *const webhook = arg;
	const int64_t now_us = loop_now_us(webhook->loop);
	while (webhook->head != NULL && webhook->head->due_us <= now_us)
		give_up(webhook->head);
	if (webhook->head != NULL)
		loop_timer_set(webhook->deadline, webhook->head->due_us - now_us);
}

/* The one place where an event that was good goes unstored: its sender has to come again. A local
 * spool, asked here before the answer, would take it instead. What is already on its way to
 * Postgres may still commit; the repeat then finds it. */
static void give_up(struct job *job)
{
	stats_add(&job->webhook->config.meters->late, 1);
	answer_away(job);
	if (job->item.is_waiting && post_cancel(job->webhook->config.post, &job->item))
		job_end(job);
}

static void answer_json(struct job *job, struct str body, enum meters_result result)
{
	conn_server_reply(job->server, job->ref,
		&(struct conn_reply){.status = 200,
			.headers = STR(REPLY_HEADERS),
			.content_type = "application/json",
			.body = body});
	note_answer(job, 200, result);
}

static void answer_problem(
	struct job *job, const struct problem *problem, enum meters_result result)
{
	problem_reply(job->server, job->ref, problem);
	meters_problem(job->webhook->config.meters, problem->code);
	note_answer(job, problem->status, result);
}

static void answer_away(struct job *job)
{
	answer_problem(job,
		&(struct problem){.status = 503,
			.code = CODE_AWAY,
			.detail = DETAIL_AWAY,
			.retry_after_s = WEBHOOK_AWAY_S},
		METERS_UNAVAILABLE);
}

static void answer_failed(struct job *job, const char *why)
{
	log_error("event_failed", LOG_NUM("store", job->store_id),
		LOG_STR("event_id", job->headers.id), LOG_TEXT("reason", why));
	answer_problem(job,
		&(struct problem){
			.status = 500, .code = "internal", .detail = "not done, and logged here"},
		METERS_FAILED);
}

static void note_answer(struct job *job, unsigned status, enum meters_result result)
{
	struct meters *const meters = job->webhook->config.meters;
	meters_event(meters, job->event != NULL ? job->event->type : METERS_NO_TYPE, result);
	meters_request(
		meters, METERS_EVENTS, status, loop_now_us(job->webhook->loop) - job->arrived_us);
	job->is_answered = true;
	unlink_job(job);
}

static void unlink_job(struct job *job)
{
	struct webhook *const webhook = job->webhook;
	if (job->previous != NULL)
		job->previous->next = job->next;
	else
		webhook->head = job->next;
	if (job->next != NULL)
		job->next->previous = job->previous;
	else
		webhook->tail = job->previous;
	job->next = job->previous = NULL;
}

/* Nothing will call it any more. */
static void job_end(struct job *job)
{
	assert(job->is_answered);
	job->webhook->jobs--;
	job->webhook->bytes -= job->body.len;
	event_free(job->event);
	free(job->sealed);
	job->magic = 0;
	free(job);
}

static struct job *checked(void *arg)
{
	struct job *const job = arg;
	assert(job->magic == JOB_MAGIC);
	return job;
}
