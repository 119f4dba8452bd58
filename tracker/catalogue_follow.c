/* SPDX-License-Identifier: Apache-2.0
 * Keeps the catalogue in memory and on disk the same as the one that the attributor publishes in
 * Redis. */
#include "catalogue_follow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue_row.h"
#include "catalogue_saver.h"
#include "catalogue_snapshot.h"
#include "clock.h"
#include "log.h"
#include "str.h"

#define LOG_ID_MAX   48
#define LOG_ID_START "0-0"
#define HEAD_PAIRS   6
#define NUMBER_MAX   24
#define CONNECT_US   INT64_C(2000000)

/* wasl:cat:head */
struct head {
	char epoch[CATALOGUE_EPOCH_HEX + 1];
	uint64_t version;
	uint64_t count;
	uint64_t highest[CATALOGUE_KINDS];
};

/* A load under way into a catalogue that nobody sees yet. */
struct load {
	struct catalogue *into; /* NULL: none */
	struct head head;
	char log_id[LOG_ID_MAX]; /* the log's end before the first shard was read */
	unsigned kind;
	uint64_t shard;
	unsigned under_way;
	uint64_t rows;
	uint64_t refused;
	int64_t started_us;
};

struct follow {
	struct follow_config config;
	struct redis *commands;
	struct redis *log;
	struct loop_timer *tick;
	struct catalogue_saver *saver;
	struct catalogue *serving;
	struct catalogue *dying; /* replaced by serving; freed when every reader has left it */
	uint64_t dying_generation;
	uint64_t generation;
	struct catalogue_view view;
	struct catalogue_mark mark;
	bool has_redis_load; /* serving comes from Redis, not from the snapshot */

	struct load load;
	uint64_t attempt; /* names the load; answers to an earlier one are ignored */
	bool is_head_asked;
	bool is_head_missing;
	bool is_incomplete;
	int64_t rest_until_us;   /* after an incomplete load */
	uint64_t head_before;    /* the head's version at the last check */
	uint64_t applied_before; /* ours at the last check */

	char log_id[LOG_ID_MAX];
	bool is_log_asked;

	int64_t confirmed_us;
	int64_t saved_us;
	bool is_unsaved;
	uint64_t loads;
	uint64_t rows_refused;
};

static void on_commands_state(bool is_up, void *arg);
static void on_log_state(bool is_up, void *arg);
static void on_tick(void *arg);
static void on_head(const struct redis_value *value, uint64_t tag, void *arg);
static bool head_parse(const struct redis_value *value, struct head *head);
static void head_check(struct follow *follow, const struct head *head);
static void load_start(struct follow *follow);
static void on_load_log(const struct redis_value *value, uint64_t tag, void *arg);
static void on_load_head(const struct redis_value *value, uint64_t tag, void *arg);
static void load_pump(struct follow *follow);
static bool shard_ask(struct follow *follow, enum catalogue_kind kind, uint32_t shard);
static void on_shard(const struct redis_value *value, uint64_t tag, void *arg);
static void load_finish(struct follow *follow);
static void load_abandon(struct follow *follow);
static void log_pump(struct follow *follow);
static void on_log(const struct redis_value *value, uint64_t tag, void *arg);
static unsigned log_entry_apply(struct follow *follow, const struct redis_value *entry);
static void view_publish(struct follow *follow);
static void memory_reclaim(struct follow *follow);
static void confirm(struct follow *follow);
static void save_start(struct follow *follow);
static void on_saved(bool is_saved, uint64_t generation, void *arg);

struct follow *follow_new(const struct follow_config *config, struct err *err)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	if (!follow) {
		err_set(err, ERR_SYSTEM, 0, "no memory");
		return NULL;
	}
	follow->config = *config;
	follow->saved_us = INT64_MIN / 2;
	struct redis_config redis = {
		.url = *config->url,
		.name = "catalogue",
		.connect_deadline_us = CONNECT_US,
		.reply_deadline_us = FOLLOW_REPLY_US,
		.on_state = on_commands_state,
		.arg = follow,
	};
	follow->commands = redis_new(config->loop, &redis, err);
	redis.name = "catalogue-log";
	redis.on_state = on_log_state;
	follow->log = follow->commands ? redis_new(config->loop, &redis, err) : NULL;
	follow->tick = loop_timer_new(config->loop, on_tick, follow);
	follow->saver = catalogue_saver_new(config->loop, config->state_dir, on_saved, follow, err);
	if (!follow->log || !follow->tick || !follow->saver) {
		follow_free(follow);
		return NULL;
	}
	loop_timer_set(follow->tick, FOLLOW_CHECK_US);
	return follow;
}

void follow_restore(struct follow *follow)
{
	struct err err = {0};
	struct catalogue *catalogue = catalogue_new();
	if (!catalogue)
		return;
	switch (catalogue_snapshot_read(follow->config.state_dir, catalogue, &follow->mark, &err)) {
	case CATALOGUE_SNAPSHOT_READ:
		break;
	case CATALOGUE_SNAPSHOT_REFUSED:
		follow->mark = (struct catalogue_mark){0};
		log_warn("snapshot_refused", LOG_TEXT("why", err.msg));
		catalogue_free(catalogue);
		return;
	case CATALOGUE_SNAPSHOT_ABSENT:
		catalogue_free(catalogue);
		return;
	}
	follow->serving = catalogue;
	const int64_t age_us = clock_wall_us() - follow->mark.confirmed_wall_us;
	follow->confirmed_us = clock_mono_us() - (age_us > 0 ? age_us : 0);
	view_publish(follow);
	follow->is_unsaved = false;
	log_info("ready", LOG_TEXT("from", "snapshot"),
		LOG_NUM("stores", follow->view.counts[CATALOGUE_STORE]),
		LOG_NUM("products", follow->view.counts[CATALOGUE_PRODUCT]),
		LOG_NUM("affiliates", follow->view.counts[CATALOGUE_AFFILIATE]),
		LOG_NUM("age_s", age_us / 1000000));
}

void follow_status(const struct follow *follow, struct follow_status *status)
{
	const int64_t age_us = clock_mono_us() - follow->confirmed_us;
	*status = (struct follow_status){
		.version = follow->mark.version,
		.age_us = follow->view.is_loaded ? age_us : -1,
		.loads = follow->loads,
		.rows_refused = follow->rows_refused,
		.is_ready = follow->view.is_loaded,
		.is_stale = follow->view.is_loaded && age_us > FOLLOW_STALE_US,
	};
}

const struct redis_counts *follow_redis_counts(const struct follow *follow, unsigned which)
{
	return redis_counts(which == 0 ? follow->commands : follow->log);
}

void follow_save(struct follow *follow)
{
	catalogue_saver_wait(follow->saver);
	save_start(follow);
	catalogue_saver_wait(follow->saver);
}

void follow_free(struct follow *follow)
{
	if (!follow)
		return;
	/* Freeing tells everything pending that it is lost; nothing may start anew then. */
	follow->attempt++;
	struct redis *commands = follow->commands, *log = follow->log;
	follow->commands = follow->log = NULL;
	if (commands)
		redis_free(commands);
	if (log)
		redis_free(log);
	if (follow->tick)
		loop_timer_free(follow->tick);
	catalogue_saver_free(follow->saver); /* it reads serving or dying */
	catalogue_free(follow->load.into);
	catalogue_free(follow->dying);
	catalogue_free(follow->serving);
	free(follow);
}

/* ---- the head, once a second ---- */

static void on_commands_state(bool is_up, void *arg)
{
	struct follow *follow = arg;
	log_info(is_up ? "redis_up" : "redis_down", LOG_TEXT("name", "catalogue"));
	if (is_up && follow->tick)
		loop_timer_set(follow->tick, 0);
}

static void on_tick(void *arg)
{
	struct follow *follow = arg;
	loop_timer_set(follow->tick, FOLLOW_CHECK_US);
	memory_reclaim(follow);
	if (follow->is_unsaved &&
		loop_now_us(follow->config.loop) - follow->saved_us >= FOLLOW_SNAPSHOT_US)
		save_start(follow);
	log_pump(follow);
	if (follow->is_head_asked)
		return;
	const struct str args[] = {STR("HGETALL"), STR(CATALOGUE_HEAD)};
	follow->is_head_asked = redis_command(follow->commands, args, 2, on_head, 0, follow);
}

static void on_head(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct follow *follow = arg;
	(void)tag;
	follow->is_head_asked = false;
	if (!value || redis_value_type(value) != REDIS_TYPE_ARRAY || !follow->commands)
		return;
	struct head head;
	if (!head_parse(value, &head)) {
		if (!follow->is_head_missing)
			log_warn("catalogue_head_missing",
				LOG_BOOL("serving", follow->view.is_loaded));
		follow->is_head_missing = true;
		return;
	}
	follow->is_head_missing = false;
	head_check(follow, &head);
}

static bool head_parse(const struct redis_value *value, struct head *head)
{
	*head = (struct head){0};
	static const struct str names[HEAD_PAIRS] = {STR("epoch"), STR("version"), STR("count"),
		STR("stores"), STR("products"), STR("affiliates")};
	uint64_t *const numbers[HEAD_PAIRS] = {NULL, &head->version, &head->count,
		&head->highest[CATALOGUE_STORE], &head->highest[CATALOGUE_PRODUCT],
		&head->highest[CATALOGUE_AFFILIATE]};
	unsigned found = 0;
	for (size_t i = 0; i + 1 < redis_value_count(value); i += 2) {
		const struct str name = redis_value_text(redis_value_at(value, i));
		const struct str text = redis_value_text(redis_value_at(value, i + 1));
		for (unsigned k = 0; k < HEAD_PAIRS; k++) {
			if (!str_equal(name, names[k]))
				continue;
			const uint64_t max = k < 3 ? UINT64_MAX >> 1 : UINT32_MAX;
			if (k == 0 ? text.len != CATALOGUE_EPOCH_HEX ||
						!str_copy(head->epoch, sizeof(head->epoch), text)
				   : !str_parse_u64(text, max, numbers[k]))
				return false;
			found |= 1u << k;
		}
	}
	return found == (1u << HEAD_PAIRS) - 1;
}

/* The publisher counts changes in the head, we count those that came by the log since the load.
 * What the head had a whole check ago must have arrived by now; and what we had a check ago must be
 * in the head by now, else some changes were counted both in the head that the load saw and from
 * the log. */
static void head_check(struct follow *follow, const struct head *head)
{
	if (follow->load.into) {
		if (follow->load.head.epoch[0] != 0 &&
			strcmp(follow->load.head.epoch, head->epoch) != 0)
			load_abandon(follow);
		return;
	}
	if (!follow->has_redis_load || strcmp(follow->mark.epoch, head->epoch) != 0) {
		load_start(follow);
		return;
	}
	if (follow->applied_before > head->version)
		follow->mark.version -= follow->applied_before - head->version;
	if (follow->mark.version < follow->head_before) {
		log_warn("catalogue_behind", LOG_NUM("version", follow->mark.version),
			LOG_NUM("published", head->version));
		load_start(follow);
		return;
	}
	follow->head_before = head->version;
	follow->applied_before = follow->mark.version;
	if (redis_is_up(follow->log))
		confirm(follow);
}

/* ---- loading everything ---- */

static void load_start(struct follow *follow)
{
	/* Two catalogues at a time are enough. */
	if (follow->dying || loop_now_us(follow->config.loop) < follow->rest_until_us)
		return;
	follow->load = (struct load){
		.into = catalogue_new(), .started_us = loop_now_us(follow->config.loop)};
	follow->attempt++;
	if (!follow->load.into)
		return;
	const struct str log_end[] = {
		STR("XREVRANGE"), STR(CATALOGUE_LOG), STR("+"), STR("-"), STR("COUNT"), STR("1")};
	const struct str head[] = {STR("HGETALL"), STR(CATALOGUE_HEAD)};
	if (!redis_command(follow->commands, log_end, 6, on_load_log, follow->attempt, follow) ||
		!redis_command(follow->commands, head, 2, on_load_head, follow->attempt, follow))
		load_abandon(follow);
}

static void on_load_log(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct follow *follow = arg;
	if (tag != follow->attempt)
		return;
	if (!value || redis_value_type(value) != REDIS_TYPE_ARRAY) {
		load_abandon(follow);
		return;
	}
	struct str id = STR(LOG_ID_START);
	if (redis_value_count(value) > 0 && redis_value_count(redis_value_at(value, 0)) == 2)
		id = redis_value_text(redis_value_at(redis_value_at(value, 0), 0));
	if (!str_copy(follow->load.log_id, sizeof(follow->load.log_id), id))
		load_abandon(follow);
}

static void on_load_head(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct follow *follow = arg;
	if (tag != follow->attempt)
		return;
	if (!value || redis_value_type(value) != REDIS_TYPE_ARRAY ||
		!head_parse(value, &follow->load.head)) {
		load_abandon(follow);
		return;
	}
	load_pump(follow);
}

/* Keeps a window of shards under way; the answers call it again. */
static void load_pump(struct follow *follow)
{
	struct load *load = &follow->load;
	while (load->kind < CATALOGUE_KINDS && load->under_way < FOLLOW_LOAD_WINDOW) {
		const uint64_t highest = load->head.highest[load->kind];
		if (highest == 0 || load->shard > highest / CATALOGUE_SHARD_ROWS) {
			load->kind++;
			load->shard = 0;
			continue;
		}
		if (!shard_ask(follow, (enum catalogue_kind)load->kind, (uint32_t)load->shard)) {
			load_abandon(follow);
			return;
		}
		load->under_way++;
		load->shard++;
	}
	if (load->kind == CATALOGUE_KINDS && load->under_way == 0)
		load_finish(follow);
}

/* The tag carries what the answer needs: attempt (30 bits), kind (2), shard (32). */
#define TAG_ATTEMPT_MASK UINT64_C(0x3fffffff)

static bool shard_ask(struct follow *follow, enum catalogue_kind kind, uint32_t shard)
{
	char key[CATALOGUE_KEY_MAX];
	const unsigned len =
		catalogue_shard_key(key, str_from(follow->load.head.epoch), kind, shard);
	const struct str args[] = {STR("HGETALL"), {.data = key, .len = len}};
	const uint64_t tag =
		(follow->attempt & TAG_ATTEMPT_MASK) << 34 | (uint64_t)kind << 32 | shard;
	return redis_command(follow->commands, args, 2, on_shard, tag, follow);
}

static void on_shard(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct follow *follow = arg;
	if (tag >> 34 != (follow->attempt & TAG_ATTEMPT_MASK))
		return;
	if (!value || redis_value_type(value) != REDIS_TYPE_ARRAY) {
		load_abandon(follow);
		return;
	}
	struct load *load = &follow->load;
	load->under_way--;
	const enum catalogue_kind kind = (enum catalogue_kind)(tag >> 32 & 3);
	for (size_t i = 0; i + 1 < redis_value_count(value); i += 2) {
		uint64_t id = 0;
		struct catalogue_row row;
		load->rows++;
		if (!str_parse_u64(redis_value_text(redis_value_at(value, i)), UINT32_MAX, &id) ||
			!catalogue_row_parse(redis_value_text(redis_value_at(value, i + 1)), kind,
				(uint32_t)id, &row)) {
			load->refused++;
		} else if (catalogue_put(load->into, &row) == CATALOGUE_NO_MEMORY) {
			load_abandon(follow);
			return;
		}
	}
	load_pump(follow);
}

static void load_finish(struct follow *follow)
{
	struct load *load = &follow->load;
	if (load->rows < load->head.count) {
		if (!follow->is_incomplete)
			log_warn("catalogue_incomplete", LOG_NUM("rows", load->rows),
				LOG_NUM("published", load->head.count));
		follow->is_incomplete = true;
		follow->rest_until_us = loop_now_us(follow->config.loop) + FOLLOW_REST_US;
		load_abandon(follow);
		return;
	}
	const bool was_ready = follow->view.is_loaded;
	follow->dying = follow->serving;
	follow->dying_generation = follow->generation + 1;
	follow->serving = load->into;
	load->into = NULL;
	follow->attempt++;
	memcpy(follow->mark.epoch, load->head.epoch, sizeof(follow->mark.epoch));
	follow->mark.version = load->head.version;
	memcpy(follow->log_id, load->log_id, sizeof(follow->log_id));
	follow->has_redis_load = true;
	follow->is_incomplete = false;
	follow->head_before = follow->applied_before = load->head.version;
	follow->loads++;
	follow->rows_refused += load->refused;
	confirm(follow);
	view_publish(follow);
	const int64_t took_us = clock_mono_us() - load->started_us;
	log_info("catalogue_loaded", LOG_TEXT("epoch", follow->mark.epoch),
		LOG_NUM("version", follow->mark.version),
		LOG_NUM("stores", follow->view.counts[CATALOGUE_STORE]),
		LOG_NUM("products", follow->view.counts[CATALOGUE_PRODUCT]),
		LOG_NUM("affiliates", follow->view.counts[CATALOGUE_AFFILIATE]),
		LOG_NUM("refused", load->refused), LOG_NUM("took_ms", took_us / 1000));
	if (!was_ready)
		log_info("ready", LOG_TEXT("from", "redis"));
	follow->saved_us = INT64_MIN / 2; /* if a save is running, as soon as it has ended */
	save_start(follow);
	log_pump(follow);
}

static void load_abandon(struct follow *follow)
{
	follow->attempt++;
	catalogue_free(follow->load.into);
	follow->load = (struct load){0};
}

/* ---- following changes ---- */

static void on_log_state(bool is_up, void *arg)
{
	struct follow *follow = arg;
	if (is_up && follow->log)
		log_pump(follow);
}

/* One read under way; the tag is the load that its place in the log belongs to. */
static void log_pump(struct follow *follow)
{
	if (follow->is_log_asked || !follow->has_redis_load || !follow->log)
		return;
	if (catalogue_retired(follow->serving) > FOLLOW_RETIRED_MAX)
		memory_reclaim(follow);
	if (catalogue_retired(follow->serving) > FOLLOW_RETIRED_MAX)
		return; /* on_tick asks again */
	const struct str args[] = {STR("XREAD"), STR("COUNT"), STR("1000"), STR("BLOCK"),
		STR("1000"), STR("STREAMS"), STR(CATALOGUE_LOG), str_from(follow->log_id)};
	follow->is_log_asked = redis_command(follow->log, args, 8, on_log, follow->loads, follow);
}

static void on_log(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct follow *follow = arg;
	follow->is_log_asked = false;
	if (!value || redis_value_type(value) == REDIS_TYPE_ERROR)
		return; /* on_tick asks again */
	const struct redis_value *stream =
		redis_value_count(value) == 1 ? redis_value_at(value, 0) : NULL;
	if (tag == follow->loads && stream && redis_value_count(stream) == 2) {
		const struct redis_value *entries = redis_value_at(stream, 1);
		unsigned changed = 0;
		for (size_t i = 0; i < redis_value_count(entries); i++)
			changed += log_entry_apply(follow, redis_value_at(entries, i));
		if (changed > 0)
			view_publish(follow);
	}
	log_pump(follow);
}

/* An entry: its id, then e EPOCH k KIND i ID r ROW. Returns 1 if it changed the catalogue. */
static unsigned log_entry_apply(struct follow *follow, const struct redis_value *entry)
{
	if (redis_value_count(entry) != 2 || !str_copy(follow->log_id, sizeof(follow->log_id),
						     redis_value_text(redis_value_at(entry, 0))))
		return 0;
	const struct redis_value *fields = redis_value_at(entry, 1);
	struct str epoch = {0}, kind_text = {0}, id_text = {0}, text = {0};
	for (size_t i = 0; i + 1 < redis_value_count(fields); i += 2) {
		const struct str name = redis_value_text(redis_value_at(fields, i));
		const struct str value = redis_value_text(redis_value_at(fields, i + 1));
		if (name.len != 1)
			continue;
		if (name.data[0] == 'e')
			epoch = value;
		else if (name.data[0] == 'k')
			kind_text = value;
		else if (name.data[0] == 'i')
			id_text = value;
		else if (name.data[0] == 'r')
			text = value;
	}
	if (!str_equal(epoch, str_from(follow->mark.epoch))) {
		loop_timer_set(follow->tick, 0); /* everything was published anew: look now */
		return 0;
	}
	follow->mark.version++;
	uint64_t id = 0;
	struct catalogue_row row;
	const enum catalogue_kind kind = str_equal(kind_text, STR("s"))   ? CATALOGUE_STORE
					 : str_equal(kind_text, STR("p")) ? CATALOGUE_PRODUCT
					 : str_equal(kind_text, STR("a")) ? CATALOGUE_AFFILIATE
									  : CATALOGUE_KINDS;
	if (kind == CATALOGUE_KINDS || !str_parse_u64(id_text, UINT32_MAX, &id) ||
		!catalogue_row_parse(text, kind, (uint32_t)id, &row)) {
		follow->rows_refused++;
		return 0;
	}
	if (catalogue_put(follow->serving, &row) == CATALOGUE_NO_MEMORY)
		follow->has_redis_load = false; /* no memory: the next check loads afresh */
	return 1;
}

static void view_publish(struct follow *follow)
{
	follow->view = catalogue_publish(follow->serving, ++follow->generation);
	follow->is_unsaved = true;
	follow->config.on_view(&follow->view, follow->config.arg);
}

static void memory_reclaim(struct follow *follow)
{
	const uint64_t readers = follow->config.oldest_in_use(follow->config.arg);
	const uint64_t saver = catalogue_saver_generation(follow->saver);
	const uint64_t oldest = readers < saver ? readers : saver;
	if (follow->dying && oldest >= follow->dying_generation) {
		catalogue_free(follow->dying);
		follow->dying = NULL;
	}
	if (follow->serving)
		catalogue_reclaim(follow->serving, oldest);
}

static void confirm(struct follow *follow)
{
	follow->confirmed_us = clock_mono_us();
}

/* ---- saving ---- */

static void save_start(struct follow *follow)
{
	if (!follow->is_unsaved || !follow->view.is_loaded)
		return;
	const int64_t now_us = clock_mono_us();
	follow->mark.confirmed_wall_us = clock_wall_us() - (now_us - follow->confirmed_us);
	if (catalogue_saver_start(follow->saver, &follow->view, &follow->mark))
		follow->saved_us = now_us;
}

/* What has changed since the save began is not saved yet. */
static void on_saved(bool is_saved, uint64_t generation, void *arg)
{
	struct follow *follow = arg;
	if (is_saved && generation == follow->view.generation)
		follow->is_unsaved = false;
}
