/* SPDX-License-Identifier: Apache-2.0
 * Stores in memory: a hash table by id, filled by one query at a time that serves everybody who
 * asked meanwhile. */
#include "stores.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "digest.h"
#include "log.h"
#include "stores_parts.h"

#define SLOTS_FIRST   64   /* a power of two */
#define ASKS_MAX      4096 /* callers that wait; more are told so */
#define STRANGERS_MAX 256  /* unknown ids remembered as asked for */
#define IDS_TEXT_MAX  (ASKS_MAX * 12)
#define CONTEXT_MAX   32 /* "store 4294967295" */

struct ask {
	struct ask *next;
	uint32_t store_id; /* 0: all */
	stores_done_fn *done;
	void *arg;
};

struct stranger {
	uint32_t store_id;
	int64_t asked_us;
};

struct stores {
	struct loop *loop;
	struct db *db;
	const struct keyring *keyring;
	stores_unknown_fn *on_unknown; /* may be NULL */
	void *on_unknown_arg;
	struct loop_defer *begin;
	struct stores_entry *entries;
	unsigned slots, count;
	stores_change_fn *on_change; /* may be NULL */
	void *on_change_arg;
	bool is_loaded, is_fresh, is_under_way,
		is_whole;            /* is_whole: the query under way reads all */
	struct ask *waiting, *asked; /* for the next query; of the one under way */
	unsigned ask_count;
	struct stranger strangers[STRANGERS_MAX];
	unsigned stranger_next;
};

#define STORE_COLUMNS                                                                         \
	"SELECT store_id, version, currency, tax_rate_bp, model, precedence, self_referral, " \
	"collect_on, return_days, encode(secret_current, 'hex'), encode(secret_previous, "    \
	"'hex') FROM wasl.stores"
enum {
	STORE_ID,
	VERSION,
	CURRENCY,
	TAX_RATE,
	MODEL,
	PRECEDENCE,
	REFERRAL,
	COLLECT_ON,
	DAYS,
	SECRETS
};
static const char all_sql[] = STORE_COLUMNS;
static const char some_sql[] = STORE_COLUMNS " WHERE store_id = ANY ($1::bigint[])";

static bool add_ask(struct stores *stores, uint32_t store_id, stores_done_fn *done, void *arg);
static bool is_asked(const struct ask *ask, uint32_t store_id);
static int64_t *asked_us_of(struct stores *stores, uint32_t store_id);
static void forget_asked(struct stores *stores, const struct ask *ask);
static void on_begin(void *arg);
static bool run_query(struct stores *stores);
static void on_rows(const struct db_result *result, void *arg);
static void take_row(struct stores *stores, const struct db_rows *rows, unsigned row);
static void take_terms(struct store_terms *terms, const struct db_rows *rows, unsigned row);
static void take_secret(struct stores_entry *entry, unsigned index, struct str hex);
static void open_secrets(const struct stores *stores, struct stores_entry *entry);
static bool open_secret(const struct stores *stores, const struct stores_entry *entry,
	unsigned index, struct verify_secret *secret, struct err *err);
static void tell_all(struct ask *asks, bool is_ok);
static struct stores_entry *slot_of(
	const struct stores_entry *entries, unsigned slots, uint32_t store_id);
static bool grow(struct stores *stores);

struct stores *stores_new(
	struct loop *loop, struct db *db, const struct keyring *keyring, struct err *err)
{
	struct stores *const stores = calloc(1, sizeof(*stores));
	if (stores != NULL) {
		*stores = (struct stores){
			.loop = loop, .db = db, .keyring = keyring, .slots = SLOTS_FIRST};
		stores->entries = calloc(SLOTS_FIRST, sizeof(*stores->entries));
		stores->begin = loop_defer_new(loop, on_begin, stores);
		if (stores->entries != NULL && stores->begin != NULL)
			return stores;
		stores_free(stores);
	}
	err_set(err, ERR_LIMIT, 0, "no memory for stores");
	return NULL;
}

const struct store *stores_find(const struct stores *stores, uint32_t store_id)
{
	const struct stores_entry *const entry = slot_of(stores->entries, stores->slots, store_id);
	return entry->store.store_id == store_id ? &entry->store : NULL;
}

void stores_refresh(
	struct stores *stores, const uint32_t *ids, unsigned count, stores_done_fn *done, void *arg)
{
	bool is_taken = true;
	if (ids == NULL || count == 0 || count > ASKS_MAX / 2)
		is_taken = add_ask(stores, 0, done, arg);
	/* The last one tells: they are all answered by the same query. */
	else
		for (unsigned i = 0; i < count && is_taken; i++)
			is_taken = add_ask(stores, ids[i], i + 1 == count ? done : NULL, arg);
	if (!is_taken && done != NULL)
		done(false, arg);
}

bool stores_ask_again(struct stores *stores, uint32_t store_id, stores_done_fn *done, void *arg)
{
	const int64_t now_us = loop_now_us(stores->loop);
	int64_t *const asked_us = asked_us_of(stores, store_id);
	const bool is_lately = *asked_us != 0 && now_us - *asked_us < STORES_REFRESH_US;
	/* Of one on its way the answer is this one's too. */
	if (is_lately && !is_asked(stores->waiting, store_id) && !is_asked(stores->asked, store_id))
		return false;
	if (add_ask(stores, store_id, done, arg))
		*asked_us = now_us;
	else if (done != NULL)
		done(false, arg);
	return true;
}

void stores_set_keyring(struct stores *stores, const struct keyring *keyring)
{
	stores->keyring = keyring;
	for (unsigned i = 0; i < stores->slots; i++)
		if (stores->entries[i].store.store_id != 0)
			open_secrets(stores, &stores->entries[i]);
}

void stores_on_unknown_slot(struct stores *stores, stores_unknown_fn *fn, void *arg)
{
	stores->on_unknown = fn;
	stores->on_unknown_arg = arg;
}

void stores_on_change(struct stores *stores, stores_change_fn *fn, void *arg)
{
	stores->on_change = fn;
	stores->on_change_arg = arg;
}

bool stores_is_loaded(const struct stores *stores)
{
	return stores->is_loaded;
}

bool stores_is_fresh(const struct stores *stores)
{
	return stores->is_fresh;
}

void stores_set_loaded(struct stores *stores)
{
	stores->is_loaded = true;
}

const struct stores_entry *stores_next(const struct stores *stores, unsigned *at)
{
	while (*at < stores->slots) {
		const struct stores_entry *const entry = &stores->entries[(*at)++];
		if (entry->store.store_id != 0)
			return entry;
	}
	return NULL;
}

void stores_put(struct stores *stores, const struct stores_entry *fresh)
{
	const uint32_t store_id = fresh->store.store_id;
	struct stores_entry *entry = slot_of(stores->entries, stores->slots, store_id);
	if (entry->store.store_id == 0) {
		if (stores->count == STORES_MAX || !grow(stores)) {
			log_error("store_left_out", LOG_NUM("store", store_id));
			return;
		}
		entry = slot_of(stores->entries, stores->slots, store_id);
		stores->count++;
	}
	struct stores_entry next = *fresh;
	memcpy(next.store.secrets, entry->store.secrets, sizeof(next.store.secrets));
	next.asked_us = entry->asked_us;
	*entry = next;
	explicit_bzero(&next, sizeof(next));
	open_secrets(stores, entry);
}

unsigned stores_count(const struct stores *stores)
{
	return stores->count;
}

enum match_model stores_model_parse(struct str text)
{
	if (str_equal(text, STR("first")))
		return MATCH_FIRST;
	return str_equal(text, STR("linear")) ? MATCH_LINEAR : MATCH_LAST;
}

const char *stores_model_name(enum match_model model)
{
	switch (model) {
	case MATCH_LAST:
		return "last";
	case MATCH_FIRST:
		return "first";
	case MATCH_LINEAR:
		return "linear";
	}
	return "";
}

enum match_precedence stores_precedence_parse(struct str text)
{
	return str_equal(text, STR("click_first")) ? MATCH_CLICK_FIRST : MATCH_COUPON_FIRST;
}

const char *stores_precedence_name(enum match_precedence precedence)
{
	return precedence == MATCH_CLICK_FIRST ? "click_first" : "coupon_first";
}

void stores_free(struct stores *stores)
{
	if (stores == NULL)
		return;
	struct ask *const waiting = stores->waiting;
	stores->waiting = NULL;
	tell_all(waiting, false);
	loop_defer_free(stores->begin);
	if (stores->entries != NULL)
		explicit_bzero(stores->entries, stores->slots * sizeof(*stores->entries));
	free(stores->entries);
	free(stores);
}

static bool add_ask(struct stores *stores, uint32_t store_id, stores_done_fn *done, void *arg)
{
	struct ask *const ask = stores->ask_count < ASKS_MAX ? malloc(sizeof(*ask)) : NULL;
	if (ask == NULL)
		return false;
	*ask = (struct ask){stores->waiting, store_id, done, arg};
	stores->waiting = ask;
	stores->ask_count++;
	if (!stores->is_under_way)
		loop_defer_schedule(stores->begin);
	return true;
}

static bool is_asked(const struct ask *ask, uint32_t store_id)
{
	while (ask != NULL && ask->store_id != store_id)
		ask = ask->next;
	return ask != NULL;
}

static int64_t *asked_us_of(struct stores *stores, uint32_t store_id)
{
	struct stores_entry *const entry = slot_of(stores->entries, stores->slots, store_id);
	if (entry->store.store_id == store_id)
		return &entry->asked_us;
	for (unsigned i = 0; i < STRANGERS_MAX; i++)
		if (stores->strangers[i].store_id == store_id)
			return &stores->strangers[i].asked_us;
	struct stranger *const stranger =
		&stores->strangers[stores->stranger_next++ % STRANGERS_MAX];
	*stranger = (struct stranger){.store_id = store_id};
	return &stranger->asked_us;
}

/* They got no answer that could stand for the next who asks. */
static void forget_asked(struct stores *stores, const struct ask *ask)
{
	for (; ask != NULL; ask = ask->next)
		if (ask->store_id != 0)
			*asked_us_of(stores, ask->store_id) = 0;
}

static void on_begin(void *arg)
{
	struct stores *const stores = arg;
	if (stores->is_under_way || stores->waiting == NULL)
		return;
	stores->asked = stores->waiting;
	stores->waiting = NULL;
	stores->ask_count = 0;
	stores->is_under_way = run_query(stores);
	if (stores->is_under_way)
		return;
	struct ask *const asked = stores->asked;
	stores->asked = NULL;
	forget_asked(stores, asked);
	tell_all(asked, false);
}

static bool run_query(struct stores *stores)
{
	stores->is_whole = is_asked(stores->asked, 0);
	struct db_statement statement = {.sql = all_sql};
	struct buf ids;
	struct str param;
	buf_init(&ids, IDS_TEXT_MAX);
	if (!stores->is_whole) {
		buf_add_cstr(&ids, "{");
		for (const struct ask *ask = stores->asked; ask != NULL; ask = ask->next)
			buf_addf(&ids, "%s%u", ids.len > 1 ? "," : "", ask->store_id);
		buf_add_cstr(&ids, "}");
		param = buf_str(&ids);
		statement =
			(struct db_statement){.sql = some_sql, .params = &param, .param_count = 1};
	}
	const bool is_run = !ids.has_failed && db_run(stores->db, &statement, 1, on_rows, stores);
	buf_release(&ids);
	return is_run;
}

static void on_rows(const struct db_result *result, void *arg)
{
	struct stores *const stores = arg;
	struct ask *const asked = stores->asked;
	stores->asked = NULL;
	stores->is_under_way = false;
	if (result->status == DB_OK) {
		const unsigned count = db_rows_count(result->rows[0]);
		for (unsigned row = 0; row < count; row++)
			take_row(stores, result->rows[0], row);
		if (stores->is_whole && !stores->is_fresh)
			log_info("stores_loaded", LOG_NUM("count", stores->count));
		stores->is_loaded |= stores->is_whole;
		stores->is_fresh |= stores->is_whole;
		if (count > 0 && stores->is_fresh && stores->on_change != NULL)
			stores->on_change(stores->on_change_arg);
	} else {
		log_warn("stores_not_read", LOG_TEXT("sqlstate", result->sqlstate),
			LOG_TEXT("reason", result->message));
		forget_asked(stores, asked);
	}
	if (stores->waiting != NULL)
		loop_defer_schedule(stores->begin);
	tell_all(asked, result->status == DB_OK);
}

static void take_row(struct stores *stores, const struct db_rows *rows, unsigned row)
{
	struct stores_entry entry = {0};
	struct store *const store = &entry.store;
	store->store_id = (uint32_t)db_rows_int(rows, row, STORE_ID);
	store->version = (uint64_t)db_rows_int(rows, row, VERSION);
	str_copy(store->currency, sizeof(store->currency), db_rows_text(rows, row, CURRENCY));
	store->tax_bp = db_rows_is_null(rows, row, TAX_RATE)
				? ORDER_NO_TAX
				: (int)db_rows_int(rows, row, TAX_RATE);
	take_terms(&store->terms, rows, row);
	for (unsigned i = 0; i < VERIFY_SECRETS_MAX; i++)
		take_secret(&entry, i, db_rows_text(rows, row, SECRETS + i));
	stores_put(stores, &entry);
}

static void take_terms(struct store_terms *terms, const struct db_rows *rows, unsigned row)
{
	const struct str self_referral = db_rows_text(rows, row, REFERRAL);
	terms->model = stores_model_parse(db_rows_text(rows, row, MODEL));
	terms->precedence = stores_precedence_parse(db_rows_text(rows, row, PRECEDENCE));
	terms->self_referral = str_equal(self_referral, STR("allow"))    ? SELF_REFERRAL_ALLOW
			       : str_equal(self_referral, STR("review")) ? SELF_REFERRAL_REVIEW
									 : SELF_REFERRAL_BLOCK;
	terms->collects_on_delivery =
		str_equal(db_rows_text(rows, row, COLLECT_ON), STR("delivered"));
	terms->return_days = (int)db_rows_int(rows, row, DAYS);
}

static void take_secret(struct stores_entry *entry, unsigned index, struct str hex)
{
	entry->sealed_len[index] = 0;
	if (hex.len / 2 <= STORES_SEALED_MAX && hex_decode(hex, entry->sealed[index], hex.len / 2))
		entry->sealed_len[index] = (uint8_t)(hex.len / 2);
}

/* A secret that does not open keeps what it was before: sealing it under a new key does not change
 * it, and its store's orders go on until the key is here. The log says why. */
static void open_secrets(const struct stores *stores, struct stores_entry *entry)
{
	for (unsigned i = 0; i < VERIFY_SECRETS_MAX; i++) {
		struct verify_secret *const secret = &entry->store.secrets[i];
		struct verify_secret opened = {0};
		struct err err = {0};
		bool is_open =
			entry->sealed_len[i] == 0 || open_secret(stores, entry, i, &opened, &err);
		/* The slot may be new in the file, or one that was revoked may have another key. */
		if (!is_open && stores->on_unknown != NULL) {
			stores->on_unknown(stores->on_unknown_arg);
			is_open = open_secret(stores, entry, i, &opened, &err);
		}
		if (is_open) {
			if (secret->len > 0 && memcmp(secret, &opened, sizeof(opened)) != 0)
				digest_forget();
			*secret = opened;
		} else {
			log_error("secret_not_opened", LOG_NUM("store", entry->store.store_id),
				LOG_TEXT("reason", err.msg));
		}
	}
}

static bool open_secret(const struct stores *stores, const struct stores_entry *entry,
	unsigned index, struct verify_secret *secret, struct err *err)
{
	char context[CONTEXT_MAX];
	const int context_len =
		snprintf(context, sizeof(context), "store %u", entry->store.store_id);
	const struct str sealed = {(const char *)entry->sealed[index], entry->sealed_len[index]};
	size_t len = 0;
	if (!seal_decrypt(stores->keyring, SEAL_SECRET, (struct str){context, (size_t)context_len},
		    sealed, secret->secret_bytes, &len, err))
		return false;
	secret->len = (uint8_t)len;
	return true;
}

static void tell_all(struct ask *asks, bool is_ok)
{
	while (asks != NULL) {
		struct ask *const next = asks->next;
		if (asks->done != NULL)
			asks->done(is_ok, asks->arg);
		free(asks);
		asks = next;
	}
}

static struct stores_entry *slot_of(
	const struct stores_entry *entries, unsigned slots, uint32_t store_id)
{
	const unsigned mask = slots - 1;
	unsigned slot = (store_id * 2654435761u) & mask; /* Knuth's multiplicative hash */
	while (entries[slot].store.store_id != 0 && entries[slot].store.store_id != store_id)
		slot = (slot + 1) & mask;
	return (struct stores_entry *)(uintptr_t)&entries[slot];
}

/* Keeps a quarter of the slots free. */
static bool grow(struct stores *stores)
{
	if ((stores->count + 1) * 4 <= stores->slots * 3)
		return true;
	const unsigned slots = stores->slots * 2;
	struct stores_entry *const entries = calloc(slots, sizeof(*entries));
	if (entries == NULL)
		return false;
	for (unsigned i = 0; i < stores->slots; i++)
		if (stores->entries[i].store.store_id != 0)
			*slot_of(entries, slots, stores->entries[i].store.store_id) =
				stores->entries[i];
	explicit_bzero(stores->entries, stores->slots * sizeof(*stores->entries));
	free(stores->entries);
	stores->entries = entries;
	stores->slots = slots;
	return true;
}
