/* SPDX-License-Identifier: Apache-2.0
 * Rows from Postgres into their shards: all of them page by page, or those that changed. */
#include <inttypes.h>
#include <stdio.h>

#include "log.h"
#include "publish_run.h"
#include "stats.h"

#define TEXT_OF(n)   #n
#define TEXT(n)      TEXT_OF(n)
#define IDS_TEXT_MAX (PUBLISH_CHUNK_IDS * 11 + 3) /* "{4294967295,...}" */
#define ID_TEXT_MAX  12
#define LOG_WORDS    14

/* Columns of every query for rows. */
enum column {
	COLUMN_ID = 0,
	COLUMN_VERSION,
	COLUMN_IS_ACTIVE,
	COLUMN_STORE,
	COLUMN_WINDOW,
	COLUMN_PARAM,
	COLUMN_URL
};

#define COLUMNS_STORE "SELECT store_id, version, true, 0, window_s, param, url FROM wasl.stores"
#define COLUMNS_PRODUCT \
	"SELECT product_id, version, status = 'active', store_id, 0, '', url FROM wasl.products"
#define COLUMNS_AFFILIATE \
	"SELECT affiliate_id, version, status = 'active', 0, 0, '', '' FROM wasl.affiliates"
#define PAGE_OF(id)                                                        \
	" WHERE " id " > $1::bigint AND " id " <= $2::bigint ORDER BY " id \
	" LIMIT " TEXT(PUBLISH_PAGE_ROWS)
#define AMONG(id) " WHERE " id " = ANY ($1::bigint[]) ORDER BY " id

static const char *const sql_page[CATALOGUE_KINDS] = {
	COLUMNS_STORE PAGE_OF("store_id"),
	COLUMNS_PRODUCT PAGE_OF("product_id"),
	COLUMNS_AFFILIATE PAGE_OF("affiliate_id"),
};
static const char *const sql_among[CATALOGUE_KINDS] = {
	COLUMNS_STORE AMONG("store_id"),
	COLUMNS_PRODUCT AMONG("product_id"),
	COLUMNS_AFFILIATE AMONG("affiliate_id"),
};
static const struct str kind_words[CATALOGUE_KINDS] = {STR("s"), STR("p"), STR("a")};

/* Rows of one shard on their way into one HSET. */
struct shard_write {
	char key[CATALOGUE_KEY_MAX];
	uint32_t shard;
	unsigned pairs;
	unsigned text_used;
	struct str words[2 + 2 * PUBLISH_PAIRS];
	char ids[PUBLISH_PAIRS][ID_TEXT_MAX];
	char rows[PUBLISH_PAIRS][CATALOGUE_ROW_MAX + 1];
};

static void on_page(const struct db_result *result, void *arg);
static void on_chunk(const struct db_result *result, void *arg);
static bool row_read(struct publish *publish, const struct db_rows *rows, unsigned row_index,
	struct catalogue_row *row);
static unsigned row_text(struct publish *publish, char *out, const struct catalogue_row *row);
static void shard_add(
	struct publish *publish, struct shard_write *write, const struct catalogue_row *row);
static void shard_flush(struct publish *publish, struct shard_write *write);
static void on_added(const struct redis_value *value, uint64_t tag, void *arg);
static void log_add(struct publish *publish, const struct catalogue_row *row, struct str text);

/* Ids above the highest one were announced while we listen: they follow as changes. */
bool publish_rows_next(struct publish *publish)
{
	while (publish->kind < CATALOGUE_KINDS &&
		publish->after >= publish->epoch.highest[publish->kind]) {
		publish->kind++;
		publish->after = 0;
	}
	if (publish->kind == CATALOGUE_KINDS)
		return false;
	char after[PUBLISH_NUMBER_TEXT], highest[PUBLISH_NUMBER_TEXT];
	const struct str params[] = {publish_number(after, publish->after),
		publish_number(highest, publish->epoch.highest[publish->kind])};
	const struct db_statement page = {
		.sql = sql_page[publish->kind], .params = params, .param_count = 2};
	if (db_run(publish->db, &page, 1, on_page, publish))
		publish->under_way++;
	else
		publish_run_fail(publish, "Postgres is away");
	return true;
}

bool publish_changes_next(struct publish *publish)
{
	struct changes *const current = publish->current;
	while (publish->kind < CATALOGUE_KINDS &&
		publish->at >= current->id_counts[publish->kind]) {
		publish->kind++;
		publish->at = 0;
	}
	if (publish->kind == CATALOGUE_KINDS)
		return false;
	char ids[IDS_TEXT_MAX];
	unsigned len = 0, taken = 0;
	while (taken < PUBLISH_CHUNK_IDS && publish->at < current->id_counts[publish->kind]) {
		len += (unsigned)snprintf(ids + len, sizeof(ids) - len, "%c%" PRIu32,
			taken == 0 ? '{' : ',', current->ids[publish->kind][publish->at]);
		publish->at++;
		taken++;
	}
	ids[len++] = '}';
	const struct str params[] = {{.data = ids, .len = len}};
	const struct db_statement among = {
		.sql = sql_among[publish->kind], .params = params, .param_count = 1};
	if (db_run(publish->db, &among, 1, on_chunk, publish))
		publish->under_way++;
	else
		publish_run_fail(publish, "Postgres is away");
	return true;
}

static void on_page(const struct db_result *result, void *arg)
{
	struct publish *publish = publish_of(arg);
	if (publish_take_result(publish, result)) {
		const struct db_rows *const rows = result->rows[0];
		const unsigned count = db_rows_count(rows);
		struct shard_write write = {.pairs = 0};
		for (unsigned i = 0; i < count; i++) {
			struct catalogue_row row;
			if (row_read(publish, rows, i, &row))
				shard_add(publish, &write, &row);
		}
		shard_flush(publish, &write);
		publish->after = count < PUBLISH_PAGE_ROWS
					 ? publish->epoch.highest[publish->kind]
					 : (uint32_t)db_rows_int(rows, count - 1, COLUMN_ID);
	}
	publish_run_step(publish);
}

static void on_chunk(const struct db_result *result, void *arg)
{
	struct publish *publish = publish_of(arg);
	if (publish_take_result(publish, result)) {
		const struct db_rows *const rows = result->rows[0];
		struct shard_write write = {.pairs = 0};
		for (unsigned i = 0; i < db_rows_count(rows); i++) {
			struct catalogue_row row;
			char text[CATALOGUE_ROW_MAX + 1];
			if (!row_read(publish, rows, i, &row))
				continue;
			const unsigned len = row_text(publish, text, &row);
			if (len == 0)
				continue;
			shard_add(publish, &write, &row);
			log_add(publish, &row, (struct str){.data = text, .len = len});
			if (row.id > publish->epoch.highest[row.kind])
				publish->epoch.highest[row.kind] = row.id;
		}
		shard_flush(publish, &write);
	}
	publish_run_step(publish);
}

static bool row_read(struct publish *publish, const struct db_rows *rows, unsigned row_index,
	struct catalogue_row *row)
{
	*row = (struct catalogue_row){
		.kind = (enum catalogue_kind)publish->kind,
		.id = (uint32_t)db_rows_int(rows, row_index, COLUMN_ID),
		.version = (uint64_t)db_rows_int(rows, row_index, COLUMN_VERSION),
		.status = db_rows_bool(rows, row_index, COLUMN_IS_ACTIVE) ? CATALOGUE_ACTIVE
									  : CATALOGUE_STOPPED,
		.store_id = (uint32_t)db_rows_int(rows, row_index, COLUMN_STORE),
		.window_s = (uint32_t)db_rows_int(rows, row_index, COLUMN_WINDOW),
		.param = db_rows_text(rows, row_index, COLUMN_PARAM),
		.url = db_rows_text(rows, row_index, COLUMN_URL),
	};
	return row->id != 0;
}

/* 0: trackers would refuse it (somebody went around waslctl); it is left out, and the row before it
 * stays. */
static unsigned row_text(struct publish *publish, char *out, const struct catalogue_row *row)
{
	struct catalogue_row back;
	const unsigned len = catalogue_row_encode(out, CATALOGUE_ROW_MAX + 1, row);
	if (len > 0 && catalogue_row_parse(
			       (struct str){.data = out, .len = len}, row->kind, row->id, &back))
		return len;
	stats_add(&publish->counts.skipped, 1);
	log_warn("catalogue_row_refused", LOG_STR("kind", publish_kinds[row->kind]),
		LOG_NUM("id", row->id));
	return 0;
}

static void shard_add(
	struct publish *publish, struct shard_write *write, const struct catalogue_row *row)
{
	const uint32_t shard = row->id / CATALOGUE_SHARD_ROWS;
	if (write->pairs > 0 && (write->shard != shard || write->pairs == PUBLISH_PAIRS))
		shard_flush(publish, write);
	char *const text = write->rows[write->pairs];
	const unsigned len = row_text(publish, text, row);
	if (len == 0)
		return;
	if (write->pairs == 0) {
		write->shard = shard;
		write->words[0] = STR("HSET");
		write->words[1] = (struct str){.data = write->key,
			.len = catalogue_shard_key(
				write->key, str_from(publish->epoch.name), row->kind, shard)};
	}
	char *const id = write->ids[write->pairs];
	const int id_len = snprintf(id, ID_TEXT_MAX, "%" PRIu32, row->id);
	write->words[2 + 2 * write->pairs] = (struct str){.data = id, .len = (size_t)id_len};
	write->words[3 + 2 * write->pairs] = (struct str){.data = text, .len = len};
	write->pairs++;
}

static void shard_flush(struct publish *publish, struct shard_write *write)
{
	if (write->pairs == 0)
		return;
	publish_send(publish, write->words, 2 + 2 * write->pairs, on_added);
	stats_add(&publish->counts.published, write->pairs);
	write->pairs = 0;
}

static void on_added(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct publish *publish = publish_of(arg);
	(void)tag;
	if (publish_take_reply(publish, value))
		publish->rows += (uint64_t)redis_value_integer(value);
	publish_run_step(publish);
}

static void log_add(struct publish *publish, const struct catalogue_row *row, struct str text)
{
	char id[PUBLISH_NUMBER_TEXT];
	const struct str words[LOG_WORDS] = {STR("XADD"), STR(CATALOGUE_LOG), STR("MAXLEN"),
		STR("~"), STR(TEXT(CATALOGUE_LOG_MAX)), STR("*"), STR("e"),
		str_from(publish->epoch.name), STR("k"), kind_words[row->kind], STR("i"),
		publish_number(id, row->id), STR("r"), text};
	publish_send(publish, words, LOG_WORDS, publish_on_written);
	publish->version++;
}
