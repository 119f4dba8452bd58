/* SPDX-License-Identifier: Apache-2.0
 * One publication, stage after stage: rows out of Postgres, into the shards, then the head. */
#include "publish_run.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "stats.h"

#define HEAD_FIELDS     6
#define TOKENS_TEXT_MAX (CHANGES_TOKENS_MAX * (CHANGES_TOKEN_MAX + 1) + 1)
#define EPOCH_VALUE_MAX 40 /* three numbers of ten digits */

static const char sql_highest[] = "SELECT coalesce((SELECT max(store_id) FROM wasl.stores), 0),"
				  " coalesce((SELECT max(product_id) FROM wasl.products), 0),"
				  " coalesce((SELECT max(affiliate_id) FROM wasl.affiliates), 0)";
static const char sql_published[] = "SELECT pg_notify('" PUBLISH_CHANNEL_DONE
				    "', token) FROM unnest(string_to_array($1, ' ')) token";

const struct str publish_kinds[CATALOGUE_KINDS] = {
	STR("stores"), STR("products"), STR("affiliates")};

static bool stage_step(struct publish *publish);
static bool begin(struct publish *publish);
static void give_up(struct publish *publish);
static void look(struct publish *publish);
static void on_epochs(const struct redis_value *value, uint64_t tag, void *arg);
static void old_add(struct publish *publish, struct str name, struct str highest);
static void on_served(const struct redis_value *value, uint64_t tag, void *arg);
static void served_first(struct publish *publish);
static void on_highest(const struct db_result *result, void *arg);
static void claim(struct publish *publish);
static void claim_write(struct publish *publish, redis_reply_fn *fn);
static void head_write(struct publish *publish);
static void on_head_written(const struct redis_value *value, uint64_t tag, void *arg);
static void on_claim_seen(const struct redis_value *value, uint64_t tag, void *arg);
static bool acknowledge(struct publish *publish);
static void on_acknowledged(const struct db_result *result, void *arg);
static bool remove_next(struct publish *publish, unsigned kept);
static void finish(struct publish *publish);
static void on_head_seen(const struct redis_value *value, uint64_t tag, void *arg);

void publish_run_step(struct publish *publish)
{
	while (!publish->is_closing && publish->under_way == 0 && stage_step(publish))
		;
	stats_set(&publish->counts.pending,
		publish->has_role
			? changes_count(publish->incoming) + changes_count(publish->current)
			: 0);
}

void publish_run_fail(struct publish *publish, const char *reason)
{
	if (publish->stage == PUBLISH_IDLE || publish->has_failed)
		return;
	publish->has_failed = true;
	(void)snprintf(publish->reason, sizeof(publish->reason), "%s", reason);
}

void publish_run_check(struct publish *publish)
{
	if (!publish->has_role || publish->stage != PUBLISH_IDLE || publish->is_head_asked ||
		publish->incoming->is_all)
		return;
	const struct str words[] = {
		STR("HMGET"), STR(CATALOGUE_HEAD), STR("epoch"), STR("version")};
	publish->is_head_asked =
		redis_command(publish->redis, words, 4, on_head_seen, publish->version, publish);
}

struct publish *publish_of(void *arg)
{
	struct publish *publish = arg;
	assert(publish->magic == PUBLISH_MAGIC);
	return publish;
}

void publish_send(
	struct publish *publish, const struct str *words, unsigned count, redis_reply_fn *fn)
{
	if (publish->has_failed)
		return;
	if (redis_command(publish->redis, words, count, fn, 0, publish))
		publish->under_way++;
	else
		publish_run_fail(publish, "Redis is away");
}

bool publish_take_reply(struct publish *publish, const struct redis_value *value)
{
	assert(publish->under_way > 0);
	publish->under_way--;
	if (publish->is_closing)
		return false;
	if (!value) {
		publish_run_fail(publish, "Redis does not answer");
		return false;
	}
	if (redis_value_type(value) != REDIS_TYPE_ERROR)
		return true;
	char reason[PUBLISH_REASON_MAX];
	const struct str text = redis_value_text(value);
	(void)snprintf(reason, sizeof(reason), "%.*s", STR_ARG(text));
	publish_run_fail(publish, reason);
	return false;
}

bool publish_take_result(struct publish *publish, const struct db_result *result)
{
	assert(publish->under_way > 0);
	publish->under_way--;
	if (publish->is_closing)
		return false;
	if (result->status != DB_OK)
		publish_run_fail(publish, result->message);
	return result->status == DB_OK;
}

void publish_on_written(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct publish *publish = publish_of(arg);
	(void)tag;
	(void)publish_take_reply(publish, value);
	publish_run_step(publish);
}

struct str publish_number(char out[PUBLISH_NUMBER_TEXT], uint64_t number)
{
	const int len = snprintf(out, PUBLISH_NUMBER_TEXT, "%" PRIu64, number);
	return (struct str){.data = out, .len = (size_t)len};
}

/* Every stage begins here, and goes on here once all its answers have come. False: nothing to do
 * until something arrives. */
static bool stage_step(struct publish *publish)
{
	if (publish->has_failed) {
		give_up(publish);
		return true;
	}
	switch (publish->stage) {
	case PUBLISH_IDLE:
		return begin(publish);
	case PUBLISH_LOOK:
		publish->stage = PUBLISH_SWEEP;
		served_first(publish);
		return true;
	case PUBLISH_SWEEP:
		if (remove_next(publish, publish->served[0] != '\0' ? 1 : 0))
			return true;
		publish->stage = PUBLISH_CLAIM;
		claim(publish);
		return true;
	case PUBLISH_CLAIM:
		publish->stage = PUBLISH_ROWS;
		return true;
	case PUBLISH_ROWS:
	case PUBLISH_CHANGES:
		if (publish->is_whole ? publish_rows_next(publish) : publish_changes_next(publish))
			return true;
		publish->stage = PUBLISH_HEAD;
		head_write(publish);
		return true;
	case PUBLISH_HEAD:
		publish->stage = PUBLISH_ACK;
		return acknowledge(publish);
	case PUBLISH_ACK:
		return acknowledge(publish);
	case PUBLISH_CLEAN:
		if (!remove_next(publish, 0))
			publish->stage = PUBLISH_IDLE;
		return true;
	}
	return false;
}

static bool begin(struct publish *publish)
{
	if (!publish->has_role || publish->is_resting || changes_is_empty(publish->incoming) ||
		!redis_is_up(publish->redis))
		return false;
	struct changes *const taken = publish->incoming;
	publish->incoming = publish->current;
	publish->current = taken;
	changes_clear(publish->incoming);
	publish->refreshes_awaited = publish->refreshes_started;
	publish->is_whole = taken->is_all;
	publish->started_us = loop_now_us(publish->loop);
	publish->kind = 0;
	publish->at = 0;
	if (publish->is_whole) {
		publish->stage = PUBLISH_LOOK;
		look(publish);
	} else {
		publish->stage = PUBLISH_CHANGES;
		changes_sort(taken);
	}
	return true;
}

/* Whoever waits goes on waiting, for the whole publication that is due now. */
static void give_up(struct publish *publish)
{
	publish->has_failed = false;
	publish->stage = PUBLISH_IDLE;
	if (publish->has_role) {
		log_warn("catalogue_failed", LOG_TEXT("why", publish->reason));
		stats_add(&publish->counts.failures, 1);
		changes_set_all(publish->incoming);
		changes_add_tokens(publish->incoming, publish->current);
		publish->is_resting = true;
	}
	changes_clear(publish->current);
}

/* ---- everything, under a new epoch ---- */

static void look(struct publish *publish)
{
	publish->old_count = 0;
	const struct str words[] = {STR("HGETALL"), STR(PUBLISH_EPOCHS)};
	publish_send(publish, words, 2, on_epochs);
	publish->served[0] = '\0';
	const struct str served[] = {STR("HGET"), STR(CATALOGUE_HEAD), STR("epoch")};
	publish_send(publish, served, 3, on_served);
	const struct db_statement highest = {.sql = sql_highest};
	if (db_run(publish->db, &highest, 1, on_highest, publish))
		publish->under_way++;
	else
		publish_run_fail(publish, "Postgres is away");
}

static void on_epochs(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct publish *publish = publish_of(arg);
	(void)tag;
	if (publish_take_reply(publish, value)) {
		const size_t count = redis_value_count(value);
		for (size_t i = 0; i + 1 < count && publish->old_count < PUBLISH_EPOCHS_MAX; i += 2)
			old_add(publish, redis_value_text(redis_value_at(value, i)),
				redis_value_text(redis_value_at(value, i + 1)));
	}
	publish_run_step(publish);
}

static void old_add(struct publish *publish, struct str name, struct str highest)
{
	struct publish_epoch *const old = &publish->old[publish->old_count];
	if (name.len != CATALOGUE_EPOCH_HEX || !str_copy(old->name, sizeof(old->name), name))
		return;
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++) {
		struct str word;
		uint64_t id;
		(void)str_cut(highest, ' ', &word, &highest);
		if (!str_parse_u64(word, UINT32_MAX, &id))
			return;
		old->highest[kind] = (uint32_t)id;
	}
	publish->old_count++;
}

static void on_served(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct publish *publish = publish_of(arg);
	(void)tag;
	if (publish_take_reply(publish, value))
		(void)str_copy(publish->served, sizeof(publish->served), redis_value_text(value));
	publish_run_step(publish);
}

static void served_first(struct publish *publish)
{
	publish->kind = 0;
	publish->shard = 0;
	for (unsigned i = 0; i < publish->old_count; i++) {
		if (strcmp(publish->old[i].name, publish->served) != 0)
			continue;
		const struct publish_epoch served = publish->old[i];
		publish->old[i] = publish->old[0];
		publish->old[0] = served;
		return;
	}
	publish->served[0] = '\0';
}

static void on_highest(const struct db_result *result, void *arg)
{
	struct publish *publish = publish_of(arg);
	if (publish_take_result(publish, result)) {
		for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++)
			publish->epoch.highest[kind] =
				(uint32_t)db_rows_int(result->rows[0], 0, kind);
	}
	publish_run_step(publish);
}

static void claim(struct publish *publish)
{
	uint8_t random[CATALOGUE_EPOCH_HEX / 2];
	if (!entropy_draw(publish->entropy, random, sizeof(random))) {
		publish_run_fail(publish, "no random bytes for a new epoch");
		return;
	}
	hex_encode(publish->epoch.name, random, sizeof(random));
	publish->epoch.name[CATALOGUE_EPOCH_HEX] = '\0';
	publish->version = 0;
	publish->rows = 0;
	publish->kind = 0;
	publish->after = 0;
	claim_write(publish, publish_on_written);
}

static void claim_write(struct publish *publish, redis_reply_fn *fn)
{
	char value[EPOCH_VALUE_MAX];
	const uint32_t *const highest = publish->epoch.highest;
	(void)snprintf(value, sizeof(value), "%" PRIu32 " %" PRIu32 " %" PRIu32,
		highest[CATALOGUE_STORE], highest[CATALOGUE_PRODUCT], highest[CATALOGUE_AFFILIATE]);
	const struct str words[] = {
		STR("HSET"), STR(PUBLISH_EPOCHS), str_from(publish->epoch.name), str_from(value)};
	publish_send(publish, words, 4, fn);
}

/* ---- the head, and what follows it ---- */

/* A whole publication writes all fields in one command, and looks whether Redis was emptied under
 * its hands: that would leave a head that promises shards which are gone. Changes leave the epoch
 * alone, so that a publisher that lost its role without knowing can't bring its old epoch back; and
 * nothing that they write may be new to Redis. */
static void head_write(struct publish *publish)
{
	char numbers[HEAD_FIELDS][PUBLISH_NUMBER_TEXT];
	struct str words[2 + 2 * HEAD_FIELDS] = {STR("HSET"), STR(CATALOGUE_HEAD)};
	const struct str name = str_from(publish->epoch.name);
	unsigned count = 2;
	words[count++] = STR("version");
	words[count++] = publish_number(numbers[0], publish->version);
	words[count++] = STR("count");
	words[count++] = publish_number(numbers[1], publish->rows);
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++) {
		words[count++] = publish_kinds[kind];
		words[count++] = publish_number(numbers[2 + kind], publish->epoch.highest[kind]);
	}
	if (!publish->is_whole) {
		claim_write(publish, on_head_written);
		publish_send(publish, words, count, on_head_written);
		return;
	}
	words[count++] = STR("epoch");
	words[count++] = name;
	publish_send(publish, words, count, publish_on_written);
	const struct str seen[] = {STR("HEXISTS"), STR(PUBLISH_EPOCHS), name};
	publish_send(publish, seen, 3, on_claim_seen);
}

static void on_head_written(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct publish *publish = publish_of(arg);
	(void)tag;
	if (publish_take_reply(publish, value) && redis_value_integer(value) != 0)
		publish_run_fail(publish, "the head has gone");
	publish_run_step(publish);
}

static void on_claim_seen(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct publish *publish = publish_of(arg);
	(void)tag;
	if (publish_take_reply(publish, value) && redis_value_integer(value) != 1)
		publish_run_fail(publish, "Redis was emptied meanwhile");
	publish_run_step(publish);
}

static bool acknowledge(struct publish *publish)
{
	struct changes *const current = publish->current;
	if (publish->refreshes_done < publish->refreshes_awaited && current->token_count > 0)
		return false;
	finish(publish);
	if (current->token_count == 0)
		return true;
	char tokens[TOKENS_TEXT_MAX];
	unsigned len = 0;
	for (unsigned i = 0; i < current->token_count; i++)
		len += (unsigned)snprintf(tokens + len, sizeof(tokens) - len, "%s%s",
			i == 0 ? "" : " ", current->tokens[i]);
	changes_clear(current);
	const struct str params[] = {{.data = tokens, .len = len}};
	const struct db_statement published = {
		.sql = sql_published, .params = params, .param_count = 1};
	if (db_run(publish->db, &published, 1, on_acknowledged, publish))
		publish->under_way++;
	return true;
}

static void on_acknowledged(const struct db_result *result, void *arg)
{
	struct publish *publish = publish_of(arg);
	(void)publish_take_result(publish, result);
	publish_run_step(publish);
}

/* The rows are there and the head says so. */
static void finish(struct publish *publish)
{
	struct publish_counts *const counts = &publish->counts;
	const int64_t now_us = loop_now_us(publish->loop);
	stats_set(&counts->version, publish->version);
	stats_set(&counts->rows, publish->rows);
	stats_set(&counts->whole_us, (uint64_t)now_us);
	publish->stage = publish->is_whole ? PUBLISH_CLEAN : PUBLISH_IDLE;
	if (!publish->is_whole)
		return;
	stats_add(&counts->full, 1);
	publish->kind = 0;
	publish->shard = 0;
	log_info("catalogue_published", LOG_TEXT("epoch", publish->epoch.name),
		LOG_NUM("rows", publish->rows), LOG_NUM("took_us", now_us - publish->started_us));
}

/* Removes the last of old, a slice of shards at a time; false: there are but kept of them. */
static bool remove_next(struct publish *publish, unsigned kept)
{
	if (publish->old_count <= kept)
		return false;
	struct publish_epoch *const old = &publish->old[publish->old_count - 1];
	for (unsigned sent = 0; sent < PUBLISH_CLEAN_KEYS && publish->kind < CATALOGUE_KINDS;) {
		if (publish->shard > old->highest[publish->kind] / CATALOGUE_SHARD_ROWS) {
			publish->kind++;
			publish->shard = 0;
			continue;
		}
		char key[CATALOGUE_KEY_MAX];
		const unsigned len = catalogue_shard_key(key, str_from(old->name),
			(enum catalogue_kind)publish->kind, (uint32_t)publish->shard);
		const struct str words[] = {STR("UNLINK"), {.data = key, .len = len}};
		publish_send(publish, words, 2, publish_on_written);
		publish->shard++;
		sent++;
	}
	if (publish->kind < CATALOGUE_KINDS)
		return true;
	const struct str words[] = {STR("HDEL"), STR(PUBLISH_EPOCHS), str_from(old->name)};
	publish_send(publish, words, 3, publish_on_written);
	publish->old_count--;
	publish->kind = 0;
	publish->shard = 0;
	return true;
}

static void on_head_seen(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct publish *publish = publish_of(arg);
	publish->is_head_asked = false;
	if (publish->is_closing || !publish->has_role || publish->stage != PUBLISH_IDLE ||
		publish->version != tag || !value || redis_value_type(value) != REDIS_TYPE_ARRAY ||
		redis_value_count(value) != 2)
		return;
	char version[PUBLISH_NUMBER_TEXT];
	const bool is_ours = str_equal(redis_value_text(redis_value_at(value, 0)),
				     str_from(publish->epoch.name)) &&
			     str_equal(redis_value_text(redis_value_at(value, 1)),
				     publish_number(version, publish->version));
	if (is_ours) {
		stats_set(&publish->counts.whole_us, (uint64_t)loop_now_us(publish->loop));
		return;
	}
	log_warn("catalogue_head_lost", LOG_TEXT("epoch", publish->epoch.name));
	changes_set_all(publish->incoming);
	publish_run_step(publish);
}
