/* SPDX-License-Identifier: Apache-2.0
 * From sealed facts to a post item; and what each outcome means for what was already answered. */
#include "kept_event.h"

#include <stdlib.h>
#include <string.h>

#include "event_seal.h"
#include "seal.h"

static char *open_facts(const struct backlog_record *record, struct keys *keys, struct err *err);

enum kept_result kept_event_submit(struct kept_event *kept, const struct backlog_record *record,
	struct post *post, struct stores *stores, struct keys *keys)
{
	struct err err = {0};
	const struct store *const store = stores_find(stores, record->store_id);
	const struct post_item asked = kept->item;
	if (store == NULL) {
		stores_ask_again(stores, record->store_id, NULL, NULL);
		return stores_is_fresh(stores) ? KEPT_NO_STORE : KEPT_LATER;
	}
	if (!post_is_up(post))
		return KEPT_LATER;
	char *const facts = open_facts(record, keys, &err);
	if (facts == NULL)
		return err.kind == ERR_LIMIT ? KEPT_LATER : KEPT_UNOPENED;
	const struct str text = {facts, record->sealed_facts.len - SEAL_OVERHEAD};
	kept->event = NULL;
	const enum event_json_result result = event_json_load(text, &kept->event);
	free(facts);
	if (result == EVENT_JSON_NO_MEMORY)
		return KEPT_LATER;
	if (result != EVENT_JSON_OK || !str_equal(kept->event->event_id, record->event_id)) {
		kept_event_release(kept);
		return KEPT_SENSELESS;
	}
	kept->item = (struct post_item){.store_id = record->store_id,
		.event = kept->event,
		.terms = store->terms,
		.keyring = &keys->ring,
		.sealed_body = record->sealed_body,
		.body_bytes = record->sealed_body.len,
		.is_alone = asked.is_alone,
		.done = asked.done,
		.arg = asked.arg};
	memcpy(kept->item.body_sha256, record->body_sha256, POST_BODY_HASH_BYTES);
	if (post_submit(post, &kept->item))
		return KEPT_SUBMITTED;
	kept_event_release(kept);
	return KEPT_LATER;
}

void kept_event_release(struct kept_event *kept)
{
	event_free(kept->event);
	kept->event = NULL;
}

enum kept_fate kept_event_fate(
	const struct post_outcome *outcome, struct str *code, struct str *detail)
{
	switch (outcome->status) {
	case POST_DONE:
		return KEPT_OVER;
	case POST_REFUSED:
		*code = str_from(outcome->code);
		*detail = str_from(outcome->detail);
		return KEPT_QUARANTINE;
	case POST_FAILED:
		if (outcome->sqlstate[0] == '\0')
			return KEPT_STUCK;
		*code = str_from(outcome->sqlstate);
		*detail = str_from(outcome->detail);
		return KEPT_QUARANTINE;
	case POST_UNAVAILABLE:
		if (outcome->cause != DB_BROKEN)
			return KEPT_AGAIN;
		*code = str_from(outcome->sqlstate);
		*detail = str_from(outcome->detail);
		return KEPT_STOP;
	}
	return KEPT_AGAIN;
}

/* The key may be new in the file. */
static char *open_facts(const struct backlog_record *record, struct keys *keys, struct err *err)
{
	const struct event_name name = {record->store_id, record->event_id};
	char *facts = event_unseal(EVENT_PART_FACTS, &name, record->sealed_facts, &keys->ring, err);
	if (facts == NULL && keys_reload_if_changed(keys))
		facts = event_unseal(
			EVENT_PART_FACTS, &name, record->sealed_facts, &keys->ring, err);
	return facts;
}
