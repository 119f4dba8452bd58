/* SPDX-License-Identifier: Apache-2.0
 * Seals an event into a record, and remembers its name while it waits. */
#include "backlog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "event_seal.h"
#include "failpoint.h"
#include "seal.h"
#include "stats.h"

#define TICKET_MAGIC 0x2c7e9f15

/* A record on its way to the disk. */
struct ticket {
	unsigned magic;
	backlog_told_fn *fn;
	void *arg;
	struct backlog_record name; /* no seals */
	char event_id[];
};

struct backlog {
	struct backlog_config config;
	struct backlog_index index;
	struct spool *spool;
};

static bool add(struct backlog *backlog, const struct post_item *item, struct ticket *ticket);
static bool encode(const struct backlog *backlog, const struct post_item *item, struct buf *out);
static struct ticket *ticket_new(const struct post_item *item, backlog_told_fn *fn, void *arg);
static void on_told(uint64_t tag, bool is_safe, void *arg);
static void on_found(const struct spool_record *record, void *arg);
static void tell_safe(const struct backlog *backlog);

struct backlog *backlog_new(const struct backlog_config *config, struct err *err)
{
	struct backlog *const backlog = calloc(1, sizeof(*backlog));
	if (backlog == NULL) {
		err_set(err, ERR_LIMIT, 0, "no memory for the spool");
		return NULL;
	}
	backlog->config = *config;
	backlog_index_init(&backlog->index);
	backlog->spool = spool_new(&(struct spool_config){.loop = config->loop,
					   .folder = config->folder,
					   .name = "events",
					   .max_bytes = config->max_bytes,
					   .has_sync = true,
					   .on_told = on_told,
					   .on_found = on_found,
					   .arg = backlog},
		err);
	if (backlog->spool != NULL)
		return backlog;
	backlog_free(backlog);
	return NULL;
}

enum backlog_seen backlog_find(const struct backlog *backlog, uint32_t store_id,
	struct str event_id, const uint8_t body_sha256[BACKLOG_HASH_BYTES])
{
	struct backlog_record record = {.store_id = store_id, .event_id = event_id};
	memcpy(record.body_sha256, body_sha256, BACKLOG_HASH_BYTES);
	return backlog_index_find(&backlog->index, &record);
}

enum backlog_result backlog_add(
	struct backlog *backlog, const struct post_item *item, backlog_told_fn *fn, void *arg)
{
	struct ticket *const ticket = ticket_new(item, fn, arg);
	enum backlog_result result = BACKLOG_REFUSED;
	if (ticket == NULL)
		return result;
	if (backlog_index_find(&backlog->index, &ticket->name) == BACKLOG_OTHER)
		result = BACKLOG_REUSED;
	else if (backlog_index_add(&backlog->index, &ticket->name)) {
		if (add(backlog, item, ticket))
			return BACKLOG_TAKEN;
		backlog_index_told(&backlog->index, &ticket->name, false);
	}
	free(ticket);
	return result;
}

const struct spool_counts *backlog_counts(const struct backlog *backlog)
{
	return spool_counts(backlog->spool);
}

unsigned backlog_read(struct backlog *backlog, struct spool_record *records, unsigned max)
{
	const unsigned count = spool_read(backlog->spool, records, max);
	if (count == 0 && stats_get(&spool_counts(backlog->spool)->records) == 0 &&
		spool_untold(backlog->spool) == 0)
		backlog_index_release(&backlog->index);
	return count;
}

void backlog_done(struct backlog *backlog, const struct backlog_record *records, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		backlog_index_remove(&backlog->index, &records[i]);
	spool_done(backlog->spool, count);
}

void backlog_set_aside(struct backlog *backlog)
{
	spool_set_aside(backlog->spool);
}

void backlog_free(struct backlog *backlog)
{
	if (backlog == NULL)
		return;
	spool_free(backlog->spool);
	backlog_index_release(&backlog->index);
	free(backlog);
}

static bool add(struct backlog *backlog, const struct post_item *item, struct ticket *ticket)
{
	struct buf bytes;
	bool is_taken = false;
	buf_init(&bytes, SPOOL_PAYLOAD_MAX);
	if (encode(backlog, item, &bytes)) {
		failpoint_pass(FAILPOINT_SPOOLING);
		is_taken = spool_add(backlog->spool, BACKLOG_KIND, item->event->received_us,
				   buf_str(&bytes), (uint64_t)(uintptr_t)ticket) == SPOOL_TAKEN;
	}
	buf_release(&bytes);
	return is_taken;
}

static bool encode(const struct backlog *backlog, const struct post_item *item, struct buf *out)
{
	const struct event_name name = {item->store_id, item->event->event_id};
	struct backlog_record record = {.store_id = item->store_id,
		.event_id = item->event->event_id,
		.sealed_body = item->sealed_body};
	struct buf facts;
	memcpy(record.body_sha256, item->body_sha256, BACKLOG_HASH_BYTES);
	buf_init(&facts, EVENT_FACTS_MAX);
	event_json_facts(item->event, &facts);
	uint8_t *const sealed =
		facts.has_failed ? NULL
				 : event_seal(EVENT_PART_FACTS, &name, buf_str(&facts),
					   &backlog->config.keys->ring, backlog->config.entropy);
	if (sealed != NULL) {
		record.sealed_facts = (struct str){(const char *)sealed, facts.len + SEAL_OVERHEAD};
		backlog_record_encode(out, &record);
	}
	buf_release(&facts);
	free(sealed);
	return sealed != NULL && !out->has_failed;
}

static struct ticket *ticket_new(const struct post_item *item, backlog_told_fn *fn, void *arg)
{
	const struct str id = item->event->event_id;
	struct ticket *const ticket = malloc(sizeof(*ticket) + id.len);
	if (ticket == NULL)
		return NULL;
	*ticket = (struct ticket){.magic = TICKET_MAGIC,
		.fn = fn,
		.arg = arg,
		.name = {.store_id = item->store_id, .event_id = {ticket->event_id, id.len}}};
	memcpy(ticket->event_id, id.data, id.len);
	memcpy(ticket->name.body_sha256, item->body_sha256, BACKLOG_HASH_BYTES);
	return ticket;
}

static void on_told(uint64_t tag, bool is_safe, void *arg)
{
	struct backlog *const backlog = arg;
	struct ticket *const ticket = (struct ticket *)(uintptr_t)tag;
	assert(ticket->magic == TICKET_MAGIC);
	if (is_safe)
		failpoint_pass(FAILPOINT_SPOOLED);
	backlog_index_told(&backlog->index, &ticket->name, is_safe);
	ticket->fn(is_safe, ticket->arg);
	ticket->magic = 0;
	free(ticket);
	if (is_safe)
		tell_safe(backlog);
}

/* What is no event is met again by the replay. */
static void on_found(const struct spool_record *record, void *arg)
{
	struct backlog *const backlog = arg;
	struct backlog_record name;
	if (record->kind == BACKLOG_KIND && backlog_record_parse(record->payload, &name) &&
		backlog_index_add(&backlog->index, &name))
		backlog_index_told(&backlog->index, &name, true);
	tell_safe(backlog);
}

static void tell_safe(const struct backlog *backlog)
{
	if (backlog->config.on_safe != NULL)
		backlog->config.on_safe(backlog->config.arg);
}
