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
#include "event_seal.h"
#include "failpoint.h"
#include "log.h"
#include "problem.h"
#include "seal.h"
#include "spares.h"
#include "timestamp.h"

#define JOB_MAGIC     0x30b5e7a1
#define JOB_BYTES     4096 /* of one that is used again */
#define JOBS_KEPT_MAX 256
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
	struct job *next, *previous; /* by arrival, until answered or late */
	struct conn_server *server;
	struct conn_ref ref;
	bool is_answered, is_listed;
	/* Who will call it again; it lives as long as one of them. */
	bool is_asking, is_looking, is_posting, is_spooling;
	bool is_late;   /* past its deadline */
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
	size_t taken; /* with bytes */
	char bytes[]; /* headers and body */
};

struct webhook {
	struct loop *loop;
	struct webhook_config config;
	struct problem_page page;
	struct job *head, *tail; /* listed, oldest first */
	struct loop_timer *deadline;
	unsigned jobs;
	size_t bytes;
	struct spares spares; /* jobs that are over */
};

static struct job *job_new(struct webhook *webhook, const struct http_request *request);
static void keep(char **at, struct str text, struct str *kept);
static void step_verify(struct job *job);
static void on_store(bool is_ok, void *arg);
static void step_parse(struct job *job, const struct store *store);
static void on_known(enum post_known known, struct str answer, void *arg);
static void refuse_invalid(struct job *job);
static void step_clicks(struct job *job);
static void on_clicks(void *arg);
static void on_posted(struct post_item *item, const struct post_outcome *outcome);
static void on_deadline(void *arg);
static void give_up(struct job *job);
static bool answer_waiting(struct job *job);
static void spool(struct job *job);
static void on_spooled(bool is_safe, void *arg);
static void answer_accepted(struct job *job);
static void answer_reused(struct job *job);
static void answer_json(
	struct job *job, unsigned status, struct str body, enum meters_result result);
static void answer_problem(
	struct job *job, const struct problem *problem, enum meters_result result);
static void answer_away(struct job *job);
static void answer_failed(struct job *job, const char *why);
static void note_answer(struct job *job, unsigned status, enum meters_result result);
static void unlink_job(struct job *job);
static void job_end(struct job *job);
static struct job *checked(void *arg);

struct webhook *webhook_new(struct loop *loop, const struct webhook_config *config, struct err *err)
{
	struct webhook *const webhook = calloc(1, sizeof(*webhook));
	if (webhook != NULL) {
		*webhook = (struct webhook){.loop = loop, .config = *config};
		problem_page_init(&webhook->page);
		spares_init(&webhook->spares, JOBS_KEPT_MAX, JOB_BYTES);
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
	else if (is_known && !webhook_is_json(request))
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
	failpoint_pass(FAILPOINT_READ);
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
	spares_release(&webhook->spares);
	free(webhook);
}

static struct job *job_new(struct webhook *webhook, const struct http_request *request)
{
	const struct verify_headers raw = webhook_headers(request);
	const size_t taken = sizeof(struct job) + raw.id.len + raw.timestamp.len +
			     raw.signature.len + request->body.len;
	struct job *const job = spares_take(&webhook->spares, taken);
	if (job == NULL)
		return NULL;
	*job = (struct job){.magic = JOB_MAGIC, .webhook = webhook, .taken = taken};
	char *at = job->bytes;
	keep(&at, raw.id, &job->headers.id);
	keep(&at, raw.timestamp, &job->headers.timestamp);
	keep(&at, raw.signature, &job->headers.signature);
	keep(&at, request->body, &job->body);
	webhook_path_parse(request->path, &job->store_id);
	job->is_json = webhook_is_json(request);
	job->received_us = clock_wall_us();
	job->arrived_us = loop_now_us(webhook->loop);
	job->due_us = job->arrived_us + webhook->config.order_deadline_us;
	job->previous = webhook->tail;
	if (webhook->tail != NULL)
		webhook->tail->next = job;
	else
		webhook->head = job;
	webhook->tail = job;
	job->is_listed = true;
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
		job->has_asked = job->is_asking = true;
		if (stores_ask_again(stores, job->store_id, on_store, job))
			return;
		job->is_asking = false;
	}
	if (store == NULL)
		answer_problem(job, &problem_unknown_store, METERS_REFUSED);
	else if (!job->is_json)
		answer_problem(job, &problem_not_json, METERS_REFUSED);
	else if (job->verified == VERIFY_FAILED)
		answer_away(job);
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
	job->is_asking = false;
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
	failpoint_pass(FAILPOINT_VERIFIED);
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
		if (answer_waiting(job))
			break;
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
		if (answer_waiting(job))
			break;
		job->known = (struct post_known_query){.store_id = job->store_id,
			.event_id = job->headers.id,
			.fn = on_known,
			.arg = job};
		memcpy(job->known.body_sha256, job->item.body_sha256, POST_BODY_HASH_BYTES);
		job->is_asking = true;
		if (post_ask_known(job->webhook->config.read_db, &job->known))
			return;
		job->is_asking = false;
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
	job->is_asking = false;
	if (!job->is_answered)
		switch (known) {
		case POST_KNOWN_OTHER:
			answer_reused(job);
			break;
		case POST_KNOWN_SAME: /* valid then: a setting of the store has changed since */
			answer_json(job, 200, answer, METERS_DUPLICATE);
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
	const struct keyring *const ring = &job->webhook->config.keys->ring;
	const struct event_name name = {job->store_id, job->headers.id};
	if (event_keep(job->event, job->headers.id, &job->event->event_id) &&
		event_hide_customer(job->event, ring))
		job->sealed = event_seal(
			EVENT_PART_BODY, &name, job->body, ring, job->webhook->config.entropy);
	if (job->sealed == NULL) {
		answer_failed(job, "no memory or no random bytes");
		job_end(job);
		return;
	}
	job->item.store_id = job->store_id;
	job->item.event = job->event;
	job->item.sealed_body =
		(struct str){(const char *)job->sealed, job->body.len + SEAL_OVERHEAD};
	job->item.body_bytes = job->body.len;
	job->item.done = on_posted;
	job->item.arg = job;
	job->is_looking = true;
	job->lookup = (struct clicks_lookup){.event = job->event, .fn = on_clicks, .arg = job};
	clicks_find(job->webhook->config.clicks, &job->lookup);
}

static void on_clicks(void *arg)
{
	struct job *const job = checked(arg);
	job->is_looking = false;
	job->is_posting = !job->is_late && post_submit(job->webhook->config.post, &job->item);
	if (!job->is_posting)
		spool(job);
}

/* Once it is on its way to the disk only Postgres's yes is quicker: who then refuses it is found
 * again by the replay. */
static void on_posted(struct post_item *item, const struct post_outcome *outcome)
{
	struct job *const job = checked(item->arg);
	job->is_posting = false;
	if (!job->is_answered)
		switch (outcome->status) {
		case POST_DONE:
			answer_json(job, 200, outcome->answer, outcome->result);
			break;
		case POST_REFUSED:
			if (job->is_spooling)
				return;
			answer_problem(job,
				&(struct problem){.status = outcome->http_status,
					.code = outcome->code,
					.detail = outcome->detail,
					.pointer = outcome->pointer},
				METERS_REFUSED);
			break;
		case POST_UNAVAILABLE:
		case POST_FAILED: /* nothing is lost: the replay puts it into quarantine */
			if (!job->is_spooling)
				spool(job);
			return;
		}
	job_end(job);
}

/* A repeat of what waits on the disk. */
static bool answer_waiting(struct job *job)
{
	switch (backlog_find(job->webhook->config.backlog, job->store_id, job->headers.id,
		job->item.body_sha256)) {
	case BACKLOG_NEW:
		return false;
	case BACKLOG_SAME:
		answer_accepted(job);
		break;
	case BACKLOG_OTHER:
		answer_reused(job);
		break;
	}
	return true;
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

/* What is already on its way to Postgres may still commit; the replay then finds it. */
static void give_up(struct job *job)
{
	stats_add(&job->webhook->config.meters->late, 1);
	unlink_job(job);
	job->is_late = true;
	if (job->is_spooling || job->is_looking) /* the one is quick, the other nearly over */
		return;
	if (job->is_posting) {
		job->is_posting = !post_cancel(job->webhook->config.post, &job->item);
		spool(job);
	} else if (job->fault.code != NULL) {
		refuse_invalid(job);
	} else {
		answer_away(job);
	}
}

static void spool(struct job *job)
{
	switch (backlog_add(job->webhook->config.backlog, &job->item, on_spooled, job)) {
	case BACKLOG_TAKEN:
		job->is_spooling = true;
		return;
	case BACKLOG_REUSED:
		if (job->is_posting) /* Postgres may still take this one before the other */
			answer_away(job);
		else
			answer_reused(job);
		break;
	case BACKLOG_REFUSED:
		answer_away(job);
		break;
	}
	job_end(job);
}

static void on_spooled(bool is_safe, void *arg)
{
	struct job *const job = checked(arg);
	job->is_spooling = false;
	if (!job->is_answered && is_safe)
		answer_accepted(job);
	else if (!job->is_answered)
		answer_away(job);
	job_end(job);
}

static void answer_accepted(struct job *job)
{
	answer_json(job, 202, STR("{\"status\":\"accepted\"}"), METERS_ACCEPTED);
}

static void answer_reused(struct job *job)
{
	answer_problem(job,
		&(struct problem){.status = 409,
			.code = "webhook_id_reused",
			.detail = "this webhook-id was seen with another body"},
		METERS_REFUSED);
}

static void answer_json(
	struct job *job, unsigned status, struct str body, enum meters_result result)
{
	conn_server_reply(job->server, job->ref,
		&(struct conn_reply){.status = status,
			.headers = STR("Cache-Control: no-store\r\n"),
			.content_type = "application/json",
			.body = body});
	note_answer(job, status, result);
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
	failpoint_pass(FAILPOINT_ANSWERED);
	if (job->is_listed)
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
	job->is_listed = false;
}

/* Unless somebody is still to call it. */
static void job_end(struct job *job)
{
	if (job->is_asking || job->is_looking || job->is_posting || job->is_spooling)
		return;
	assert(job->is_answered);
	job->webhook->jobs--;
	job->webhook->bytes -= job->body.len;
	event_free(job->event);
	free(job->sealed);
	job->magic = 0;
	spares_put(&job->webhook->spares, job, job->taken);
}

static struct job *checked(void *arg)
{
	struct job *const job = arg;
	assert(job->magic == JOB_MAGIC);
	return job;
}
