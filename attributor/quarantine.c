/* SPDX-License-Identifier: Apache-2.0
 * One page of events to retry after the other, at every look. */
#include "quarantine.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failpoint.h"
#include "kept_event.h"
#include "log.h"

#define QUARANTINE_MAGIC 0x4ad10c73
#define NUMBER_TEXT_MAX  24
#define COUNT_MAX        "100000" /* events are not counted beyond */

static const char put_sql[] =
	"SELECT wasl.quarantine_put($1::bigint, $2, decode($3, 'hex'), wasl.from_us($4::bigint), "
	"$5, $6, decode($7, 'hex'), decode($8, 'hex'), $9)";
static const char look_sql[] =
	"SELECT count(*) FROM (SELECT FROM wasl.quarantine WHERE state = 'waiting' LIMIT " COUNT_MAX
	") w";
static const char page_sql[] =
	"SELECT quarantine_id, store_id, event_id, encode(body_sha256, 'hex'), "
	"encode(sealed_facts, 'hex'), encode(sealed_body, 'hex') FROM wasl.quarantine "
	"WHERE state = 'retrying' AND quarantine_id > $1::bigint ORDER BY quarantine_id "
	"LIMIT $2::integer";
enum { COLUMN_ID, COLUMN_STORE, COLUMN_EVENT, COLUMN_HASH, COLUMN_FACTS, COLUMN_BODY };
static const char settle_sql[] = "SELECT wasl.quarantine_settle($1::bigint, $2::boolean, $3, $4)";

/* One event under way. */
struct retried {
	struct quarantine *quarantine;
	int64_t id;
	struct kept_event kept;
	struct backlog_record record;
	char *bytes; /* what record views */
};

struct quarantine {
	unsigned magic;
	struct quarantine_config config;
	struct loop_timer *timer;
	bool is_stopped, is_asked;
	unsigned under_way, puts;
	int64_t last_id; /* of the page before: those that have to wait don't hold up the others */
	struct quarantine_counts counts;
	struct retried retried[QUARANTINE_PAGE_MAX];
};

static void on_put(const struct db_result *result, void *arg);
static void on_timer(void *arg);
static void on_look(const struct db_result *result, void *arg);
static void on_page(const struct db_result *result, void *arg);
static void retry(struct quarantine *quarantine, const struct db_rows *rows, unsigned row);
static bool take_record(struct retried *retried, const struct db_rows *rows, unsigned row);
static bool take_hex(char **at, struct str hex, struct str *bytes);
static void on_posted(struct post_item *item, const struct post_outcome *outcome);
static void settle(struct retried *retried, bool is_posted, struct str code, struct str detail);
static void on_settled(const struct db_result *result, void *arg);
static void retried_end(struct retried *retried);
static char *hex_of(struct str bytes, struct str *hex);
static struct quarantine *checked(void *arg);

struct quarantine *quarantine_new(const struct quarantine_config *config, struct err *err)
{
	struct quarantine *const quarantine = calloc(1, sizeof(*quarantine));
	if (quarantine != NULL) {
		quarantine->magic = QUARANTINE_MAGIC;
		quarantine->config = *config;
		quarantine->timer = loop_timer_new(config->loop, on_timer, quarantine);
		if (quarantine->timer != NULL)
			return quarantine;
		free(quarantine);
	}
	err_set(err, ERR_LIMIT, 0, "no memory for the quarantine");
	return NULL;
}

void quarantine_start(struct quarantine *quarantine)
{
	loop_timer_set(quarantine->timer, QUARANTINE_LOOK_US);
}

bool quarantine_put(struct quarantine *quarantine, struct quarantine_put *put)
{
	char store_id[NUMBER_TEXT_MAX], received[NUMBER_TEXT_MAX];
	char hash[2 * BACKLOG_HASH_BYTES];
	struct str facts_hex, body_hex;
	char *const facts = hex_of(put->record.sealed_facts, &facts_hex);
	char *const body = hex_of(put->record.sealed_body, &body_hex);
	snprintf(store_id, sizeof(store_id), "%" PRIu32, put->record.store_id);
	snprintf(received, sizeof(received), "%" PRId64, put->received_us);
	hex_encode(hash, put->record.body_sha256, BACKLOG_HASH_BYTES);
	const struct str params[] = {str_from(store_id), put->record.event_id, {hash, sizeof(hash)},
		str_from(received), str_from(put->code), str_from(put->detail), facts_hex, body_hex,
		put->is_retried ? STR("retrying") : STR("waiting")};
	const struct db_statement statement = {.sql = put_sql,
		.params = params,
		.param_count = sizeof(params) / sizeof(params[0])};
	put->owner = quarantine;
	const bool is_asked = facts != NULL && body != NULL && !quarantine->is_stopped &&
			      db_run(quarantine->config.db, &statement, 1, on_put, put);
	quarantine->puts += is_asked ? 1 : 0;
	free(facts);
	free(body);
	return is_asked;
}

void quarantine_words(char *out, size_t size, struct str text)
{
	const struct str cut = utf8_cut(text, size - 1);
	if (!utf8_is_valid(cut) || !str_copy(out, size, cut))
		str_copy(out, size, utf8_cut(STR("told in no UTF-8"), size - 1));
}

const struct quarantine_counts *quarantine_counts(const struct quarantine *quarantine)
{
	return &quarantine->counts;
}

void quarantine_stop(struct quarantine *quarantine)
{
	quarantine->is_stopped = true;
	loop_timer_clear(quarantine->timer);
}

bool quarantine_is_idle(const struct quarantine *quarantine)
{
	return quarantine->under_way == 0 && quarantine->puts == 0;
}

void quarantine_free(struct quarantine *quarantine)
{
	if (quarantine == NULL)
		return;
	assert(quarantine_is_idle(quarantine));
	loop_timer_free(quarantine->timer);
	quarantine->magic = 0;
	free(quarantine);
}

static void on_put(const struct db_result *result, void *arg)
{
	struct quarantine_put *const put = arg;
	struct quarantine *const quarantine = checked(put->owner);
	const bool is_kept = result->status == DB_OK;
	quarantine->puts--;
	if (is_kept) {
		failpoint_pass(FAILPOINT_QUARANTINED);
		quarantine->counts.put++;
		quarantine->counts.waiting += put->is_retried ? 0 : 1; /* told at once */
		log_error("event_quarantined", LOG_NUM("store", put->record.store_id),
			LOG_STR("event_id", put->record.event_id), LOG_TEXT("code", put->code),
			LOG_TEXT("detail", put->detail));
	} else {
		log_warn("quarantine_failed", LOG_TEXT("sqlstate", result->sqlstate),
			LOG_TEXT("reason", result->message));
	}
	put->fn(is_kept, put->arg);
}

static void on_timer(void *arg)
{
	struct quarantine *const quarantine = checked(arg);
	char after[NUMBER_TEXT_MAX], limit[NUMBER_TEXT_MAX];
	const struct db_statement look = {.sql = look_sql};
	loop_timer_set(quarantine->timer, QUARANTINE_LOOK_US);
	if (quarantine->is_asked || quarantine->under_way > 0 || !db_is_up(quarantine->config.db) ||
		!post_is_up(quarantine->config.post))
		return;
	snprintf(after, sizeof(after), "%" PRId64, quarantine->last_id);
	snprintf(limit, sizeof(limit), "%d", QUARANTINE_PAGE_MAX);
	const struct str params[] = {str_from(after), str_from(limit)};
	const struct db_statement page = {.sql = page_sql, .params = params, .param_count = 2};
	(void)db_run(quarantine->config.db, &look, 1, on_look, quarantine);
	quarantine->is_asked = db_run(quarantine->config.db, &page, 1, on_page, quarantine);
}

static void on_look(const struct db_result *result, void *arg)
{
	struct quarantine *const quarantine = checked(arg);
	if (result->status == DB_OK)
		quarantine->counts.waiting = (uint64_t)db_rows_int(result->rows[0], 0, 0);
}

static void on_page(const struct db_result *result, void *arg)
{
	struct quarantine *const quarantine = checked(arg);
	quarantine->is_asked = false;
	if (result->status != DB_OK || quarantine->is_stopped)
		return;
	const unsigned count = db_rows_count(result->rows[0]);
	for (unsigned row = 0; row < count && row < QUARANTINE_PAGE_MAX; row++)
		retry(quarantine, result->rows[0], row);
	if (count < QUARANTINE_PAGE_MAX)
		quarantine->last_id = 0;
}

static void retry(struct quarantine *quarantine, const struct db_rows *rows, unsigned row)
{
	struct retried *const retried = &quarantine->retried[quarantine->under_way];
	*retried =
		(struct retried){.quarantine = quarantine, .id = db_rows_int(rows, row, COLUMN_ID)};
	quarantine->last_id = retried->id;
	if (!take_record(retried, rows, row))
		return;
	retried->kept.item =
		(struct post_item){.is_alone = true, .done = on_posted, .arg = retried};
	switch (kept_event_submit(&retried->kept, &retried->record, quarantine->config.post,
		quarantine->config.stores, quarantine->config.keys)) {
	case KEPT_SUBMITTED:
		quarantine->under_way++;
		return;
	case KEPT_UNOPENED:
		settle(retried, false, STR("not_opened"), STR("no key opens it"));
		break;
	case KEPT_SENSELESS:
		settle(retried, false, STR("not_understood"), STR("what was sealed is no event"));
		break;
	case KEPT_LATER:
	case KEPT_NO_STORE:
		break;
	}
	retried_end(retried);
}

static bool take_record(struct retried *retried, const struct db_rows *rows, unsigned row)
{
	struct backlog_record *const record = &retried->record;
	const struct str id = db_rows_text(rows, row, COLUMN_EVENT);
	const struct str facts = db_rows_text(rows, row, COLUMN_FACTS);
	const struct str body = db_rows_text(rows, row, COLUMN_BODY);
	retried->bytes = malloc(id.len + facts.len / 2 + body.len / 2 + 1);
	char *at = retried->bytes;
	if (at == NULL)
		return false;
	record->store_id = (uint32_t)db_rows_int(rows, row, COLUMN_STORE);
	memcpy(at, id.data, id.len);
	record->event_id = (struct str){at, id.len};
	at += id.len;
	if (hex_decode(db_rows_text(rows, row, COLUMN_HASH), record->body_sha256,
		    BACKLOG_HASH_BYTES) &&
		take_hex(&at, facts, &record->sealed_facts) &&
		take_hex(&at, body, &record->sealed_body))
		return true;
	retried_end(retried);
	return false;
}

static bool take_hex(char **at, struct str hex, struct str *bytes)
{
	*bytes = (struct str){*at, hex.len / 2};
	*at += hex.len / 2;
	return hex_decode(hex, (char *)(uintptr_t)bytes->data, bytes->len);
}

static void on_posted(struct post_item *item, const struct post_outcome *outcome)
{
	struct retried *const retried = item->arg;
	struct quarantine *const quarantine = checked(retried->quarantine);
	struct str code = {0}, detail = {0};
	switch (kept_event_fate(outcome, &code, &detail)) {
	case KEPT_OVER:
		quarantine->counts.posted++;
		log_info("event_released", LOG_NUM("store", retried->record.store_id),
			LOG_STR("event_id", retried->record.event_id));
		settle(retried, true, code, detail);
		break;
	case KEPT_QUARANTINE:
	case KEPT_STOP: /* the operator sees why, and has it tried again */
		settle(retried, false, code, detail);
		break;
	case KEPT_AGAIN:
	case KEPT_STUCK:
		break;
	}
	retried_end(retried);
	quarantine->under_way--;
}

/* If it is not told, it is found posted at the next attempt. */
static void settle(struct retried *retried, bool is_posted, struct str code, struct str detail)
{
	char id[NUMBER_TEXT_MAX], words[QUARANTINE_DETAIL_MAX];
	snprintf(id, sizeof(id), "%" PRId64, retried->id);
	if (detail.data != NULL)
		quarantine_words(words, sizeof(words), detail);
	const struct str params[] = {str_from(id), is_posted ? STR("true") : STR("false"), code,
		detail.data != NULL ? str_from(words) : (struct str){0}};
	const struct db_statement statement = {
		.sql = settle_sql, .params = params, .param_count = 4};
	if (!retried->quarantine->is_stopped)
		(void)db_run(retried->quarantine->config.db, &statement, 1, on_settled,
			retried->quarantine);
}

static void on_settled(const struct db_result *result, void *arg)
{
	(void)checked(arg);
	if (result->status != DB_OK)
		log_warn("quarantine_failed", LOG_TEXT("sqlstate", result->sqlstate),
			LOG_TEXT("reason", result->message));
}

static void retried_end(struct retried *retried)
{
	kept_event_release(&retried->kept);
	free(retried->bytes);
	retried->bytes = NULL;
}

/* The caller's to free; NULL: no memory. */
static char *hex_of(struct str bytes, struct str *hex)
{
	char *const text = malloc(2 * bytes.len + 1);
	if (text != NULL)
		hex_encode(text, bytes.data, bytes.len);
	*hex = (struct str){text, 2 * bytes.len};
	return text;
}

static struct quarantine *checked(void *arg)
{
	struct quarantine *const quarantine = arg;
	assert(quarantine->magic == QUARANTINE_MAGIC);
	return quarantine;
}
