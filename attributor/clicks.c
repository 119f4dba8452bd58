/* SPDX-License-Identifier: Apache-2.0
 * Opens click tokens and compares them with their records. */
#include "clicks.h"

#include <assert.h>
#include <stdlib.h>

#include "click.h"

/* A reply's tag: generation | slot | click. */
#define TAG_CLICK_BITS 8
#define TAG_SLOT_BITS  16

_Static_assert(ORDER_CLICKS_MAX <= 1 << TAG_CLICK_BITS, "a click's number fits its tag");
_Static_assert(CLICKS_LOOKUPS_MAX <= 1 << TAG_SLOT_BITS, "a slot's number fits its tag");

struct slot {
	struct clicks_lookup *lookup; /* NULL: free */
	uint32_t generation;
	unsigned next_free;
};

struct clicks {
	struct loop *loop;
	struct keys *keys;
	struct meters *meters;
	struct redis *redis;
	struct loop_timer *deadline; /* of the oldest lookup */
	struct clicks_lookup *head, *tail;
	struct slot slots[CLICKS_LOOKUPS_MAX];
	unsigned first_free; /* CLICKS_LOOKUPS_MAX: none */
};

static void open_tokens(struct clicks *clicks, struct event *event);
static bool has_other_key(enum token_result result);
static bool ask_all(struct clicks *clicks, struct clicks_lookup *lookup);
static bool ask(struct clicks *clicks, const struct click_claim *claim, uint64_t tag);
static void on_reply(const struct redis_value *value, uint64_t tag, void *arg);
static enum click_evidence compare(
	const struct redis_value *value, const struct click_claim *claim);
static void on_deadline(void *arg);
static void link_last(struct clicks *clicks, struct clicks_lookup *lookup);
static void finish(struct clicks *clicks, struct clicks_lookup *lookup);

struct clicks *clicks_new(
	struct loop *loop, struct keys *keys, struct meters *meters, struct err *err)
{
	struct clicks *const clicks = calloc(1, sizeof(*clicks));
	if (clicks != NULL) {
		clicks->loop = loop;
		clicks->keys = keys;
		clicks->meters = meters;
		for (unsigned i = 0; i < CLICKS_LOOKUPS_MAX; i++)
			clicks->slots[i].next_free = i + 1;
		clicks->deadline = loop_timer_new(loop, on_deadline, clicks);
		if (clicks->deadline != NULL)
			return clicks;
		free(clicks);
	}
	err_set(err, ERR_LIMIT, 0, "no memory for click look-ups");
	return NULL;
}

void clicks_set_redis(struct clicks *clicks, struct redis *redis)
{
	clicks->redis = redis;
}

void clicks_find(struct clicks *clicks, struct clicks_lookup *lookup)
{
	lookup->pending = 0;
	open_tokens(clicks, lookup->event);
	if (ask_all(clicks, lookup))
		link_last(clicks, lookup);
	else
		lookup->fn(lookup->arg);
}

void clicks_free(struct clicks *clicks)
{
	if (clicks == NULL)
		return;
	assert(clicks->head == NULL);
	loop_timer_free(clicks->deadline);
	free(clicks);
}

static void open_tokens(struct clicks *clicks, struct event *event)
{
	for (unsigned i = 0; i < event->click_count; i++) {
		struct order_click *const click = &event->clicks[i];
		click->evidence = CLICK_RECORD_NONE;
		click->result =
			token_open_click(clicks->keys->box, click->raw_token, &click->claim, NULL);
		if (has_other_key(click->result) && keys_reload_if_changed(clicks->keys))
			click->result = token_open_click(
				clicks->keys->box, click->raw_token, &click->claim, NULL);
	}
}

/* Whether another keyring may open the token: its slot is unknown here, or was revoked and may have
 * been given a new key since. */
static bool has_other_key(enum token_result result)
{
	return result == TOKEN_UNKNOWN_KEY || result == TOKEN_REVOKED_KEY ||
	       result == TOKEN_NOT_OURS;
}

/* True: at least one answer is to be waited for. */
static bool ask_all(struct clicks *clicks, struct clicks_lookup *lookup)
{
	unsigned open = 0;
	for (unsigned i = 0; i < lookup->event->click_count; i++)
		open += lookup->event->clicks[i].result == TOKEN_OK;
	if (open == 0)
		return false;
	if (clicks->first_free == CLICKS_LOOKUPS_MAX || clicks->redis == NULL ||
		!redis_is_up(clicks->redis)) {
		stats_add(&clicks->meters->redis_skipped, open);
		return false;
	}
	struct slot *const slot = &clicks->slots[clicks->first_free];
	const uint64_t tag = ((uint64_t)slot->generation << TAG_SLOT_BITS | clicks->first_free)
			     << TAG_CLICK_BITS;
	for (unsigned i = 0; i < lookup->event->click_count; i++)
		if (lookup->event->clicks[i].result == TOKEN_OK &&
			ask(clicks, &lookup->event->clicks[i].claim, tag | i))
			lookup->pending++;
	if (lookup->pending == 0)
		return false;
	slot->lookup = lookup;
	lookup->slot = clicks->first_free;
	clicks->first_free = slot->next_free;
	return true;
}

static bool ask(struct clicks *clicks, const struct click_claim *claim, uint64_t tag)
{
	struct click_bucket bucket;
	unsigned index = 0;
	char key[CLICK_KEY_MAX], field[INT_TEXT_MAX];
	click_id_bucket(claim->click_id, &bucket, &index);
	const unsigned key_len = click_bucket_key(key, &bucket);
	const struct str args[] = {STR("HGET"), {key, key_len}, int_format(field, index)};
	return redis_command(clicks->redis, args, 3, on_reply, tag, clicks);
}

static void on_reply(const struct redis_value *value, uint64_t tag, void *arg)
{
	struct clicks *const clicks = arg;
	const unsigned index = tag & ((1u << TAG_CLICK_BITS) - 1);
	struct slot *const slot =
		&clicks->slots[tag >> TAG_CLICK_BITS & ((1u << TAG_SLOT_BITS) - 1)];
	const uint32_t generation = (uint32_t)(tag >> (TAG_CLICK_BITS + TAG_SLOT_BITS));
	struct clicks_lookup *const lookup = slot->lookup;
	if (lookup == NULL || slot->generation != generation)
		return; /* too late */
	struct order_click *const click = &lookup->event->clicks[index];
	click->evidence = compare(value, &click->claim);
	if (--lookup->pending == 0)
		finish(clicks, lookup);
}

/* A record that is gone, or that this version cannot read, says nothing against the token. */
static enum click_evidence compare(const struct redis_value *value, const struct click_claim *claim)
{
	struct click_record record;
	if (value == NULL || redis_value_type(value) != REDIS_TYPE_STRING ||
		!click_record_parse(redis_value_text(value), &record))
		return CLICK_RECORD_NONE;
	return click_record_agrees(&record, claim) ? CLICK_RECORD_AGREES : CLICK_RECORD_MISMATCH;
}

static void on_deadline(void *arg)
{
	struct clicks *const clicks = arg;
	const int64_t now_us = loop_now_us(clicks->loop);
	while (clicks->head != NULL && clicks->head->due_us <= now_us) {
		stats_add(&clicks->meters->redis_skipped, clicks->head->pending);
		finish(clicks, clicks->head);
	}
	if (clicks->head != NULL)
		loop_timer_set(clicks->deadline, clicks->head->due_us - now_us);
}

static void link_last(struct clicks *clicks, struct clicks_lookup *lookup)
{
	lookup->due_us = loop_now_us(clicks->loop) + CLICKS_DEADLINE_US;
	lookup->next = NULL;
	lookup->previous = clicks->tail;
	if (clicks->tail != NULL)
		clicks->tail->next = lookup;
	else
		clicks->head = lookup;
	clicks->tail = lookup;
	if (!loop_timer_is_set(clicks->deadline))
		loop_timer_set(clicks->deadline, CLICKS_DEADLINE_US);
}

static void finish(struct clicks *clicks, struct clicks_lookup *lookup)
{
	struct slot *const slot = &clicks->slots[lookup->slot];
	slot->lookup = NULL;
	slot->generation++;
	slot->next_free = clicks->first_free;
	clicks->first_free = lookup->slot;
	if (lookup->previous != NULL)
		lookup->previous->next = lookup->next;
	else
		clicks->head = lookup->next;
	if (lookup->next != NULL)
		lookup->next->previous = lookup->previous;
	else
		clicks->tail = lookup->previous;
	lookup->fn(lookup->arg);
}
