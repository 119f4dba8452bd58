/* SPDX-License-Identifier: Apache-2.0
 * waslctl key: the keyring's slots, from new to active to revoked. */
#include <stdio.h>
#include <string.h>

#include "nouns.h"
#include "out.h"
#include "ring.h"

#define SLOT_TEXT_MAX 8
#define ID_TEXT_MAX   24

static enum call_exit key_list(struct call *call);
static enum call_exit key_add(struct call *call);
static enum call_exit key_activate(struct call *call);
static enum call_exit key_revoke(struct call *call);
static enum call_exit key_rotate(struct call *call);

static const struct option_spec add_options[] = {
	{"reuse", OPTION_TEXT, false, "SLOT",
		"replace this revoked slot: what it made never opens again"},
	{0},
};

const struct command key_commands[] = {
	{"key", "list", "", 0, 0, NULL, key_list, "List the keyring's slots"},
	{"key", "add", "", 0, 0, add_options, key_add,
		"Add a key that opens (the first one of a new file also mints)"},
	{"key", "activate", "SLOT", 1, 1, NULL, key_activate,
		"Mint with this key from now on; stored secrets move to it"},
	{"key", "revoke", "SLOT", 1, 1, NULL, key_revoke,
		"Refuse what this key made, for ever; refused while a stored secret uses it"},
	{"key", "rotate", "", 0, 0, add_options, key_rotate, "Add a key and activate it"},
	{0},
};

static bool find_slot(const struct call *call, const struct ring *ring, unsigned *slot);
static bool seals_nothing(struct call *call, unsigned slot);
static int oldest_revoked(const struct keyring *keyring);
static bool add_key(const struct call *call, struct ring *ring, unsigned slot);
static bool activate(struct call *call, struct ring *ring, unsigned slot);
static bool seal_again(struct call *call, struct ring *ring);
static bool seal_again_row(
	struct call *call, struct ring *ring, const struct db_rows *rows, unsigned row);
static bool seal_again_one(struct ring *ring, const char *store_id, const char *sealed_hex,
	char out[SECRET_SEALED_HEX], struct err *err);
static bool take_slot(const struct call *call, const struct ring *ring, unsigned *slot);
static bool store_ring(const struct call *call, const struct ring *ring);
static enum call_exit tell(const struct call *call, const struct ring *ring, unsigned slot);

static enum call_exit key_list(struct call *call)
{
	static const char *const columns[] = {"slot", "state", NULL};
	struct ring ring;
	struct out_table table;
	enum call_exit code = CALL_FAILED;
	if (!ring_open(call, &ring, RING_READ, &code))
		return code;
	json_t *rows = json_array();
	out_table_init(&table, columns);
	for (unsigned slot = 0; slot < KEYRING_SLOTS; slot++) {
		enum key_state state = ring.keyring.keys[slot].state;
		if (state == KEY_ABSENT)
			continue;
		json_t *row =
			json_pack("{s:i, s:s}", "slot", (int)slot, "state", key_state_name(state));
		out_table_add(&table, row);
		json_array_append_new(rows, row);
	}
	ring_close(&ring);
	if (call->is_json) {
		json_t *list = json_pack("{s:O, s:n}", "data", rows, "next");
		out_json(list);
		json_decref(list);
	} else {
		out_table_flush(&table);
	}
	out_table_release(&table);
	json_decref(rows);
	return CALL_DONE;
}

static enum call_exit key_add(struct call *call)
{
	struct ring ring;
	unsigned slot = 0;
	enum call_exit code = CALL_FAILED;
	uint64_t ignored = 0;
	if (!call_number(call, "reuse", 0, KEYRING_SLOTS - 1, &ignored))
		return CALL_USAGE;
	if (!ring_open(call, &ring, RING_CHANGE, &code))
		return code;
	code = CALL_FAILED;
	if (find_slot(call, &ring, &slot) && add_key(call, &ring, slot) && store_ring(call, &ring))
		code = tell(call, &ring, slot);
	ring_close(&ring);
	return code;
}

static enum call_exit key_activate(struct call *call)
{
	struct ring ring;
	unsigned slot = 0;
	enum call_exit code = CALL_FAILED;
	if (!call_db(call, &code) || !ring_open(call, &ring, RING_CHANGE, &code))
		return code;
	code = CALL_FAILED;
	if (take_slot(call, &ring, &slot)) {
		if (ring.keyring.keys[slot].state == KEY_REVOKED)
			call_fail(call, "slot %u is revoked", slot);
		else if (activate(call, &ring, slot))
			code = tell(call, &ring, slot);
	}
	ring_close(&ring);
	return code;
}

/* The lock on the ring's folder keeps store add and rotate-secret from sealing with the slot
 * between the count and the new file. */
static enum call_exit key_revoke(struct call *call)
{
	struct ring ring;
	unsigned slot = 0;
	enum call_exit code = CALL_FAILED;
	if (!call_db(call, &code) || !ring_open(call, &ring, RING_CHANGE, &code))
		return code;
	code = CALL_FAILED;
	if (take_slot(call, &ring, &slot)) {
		if (ring.keyring.active == (int)slot) {
			call_fail(call, "slot %u is the active one: activate another first", slot);
		} else if (seals_nothing(call, slot)) {
			ring.keyring.keys[slot].state = KEY_REVOKED;
			if (store_ring(call, &ring))
				code = tell(call, &ring, slot);
		}
	}
	ring_close(&ring);
	return code;
}

/* Says what the slot still seals and could not be opened any more. */
static bool seals_nothing(struct call *call, unsigned slot)
{
	char slot_text[SLOT_TEXT_MAX];
	snprintf(slot_text, sizeof(slot_text), "%u", slot);
	struct db_rows *const rows = call_query(call,
		"SELECT count(*) FILTER (WHERE event IS NULL), min(store) FILTER (WHERE event IS "
		"NULL), count(event), min(event) FROM (SELECT store_id, NULL::bigint FROM "
		"wasl.stores WHERE get_byte(secret_current, 0) = $1::integer OR "
		"get_byte(secret_previous, 0) = $1::integer UNION ALL SELECT store_id, "
		"quarantine_id FROM wasl.quarantine WHERE state IN ('waiting', 'retrying') AND "
		"(get_byte(sealed_facts, 0) = $1::integer OR get_byte(sealed_body, 0) = "
		"$1::integer)) AS sealed (store, event)",
		DB_ARGS(slot_text));
	if (rows == NULL)
		return false;
	const bool has_events = *db_cell(rows, 0, 2) != '0',
		   has_stores = *db_cell(rows, 0, 0) != '0';
	if (has_events)
		call_fail(call,
			"slot %u still seals %s events in quarantine, %s for one: retry or drop "
			"them first",
			slot, db_cell(rows, 0, 2), db_cell(rows, 0, 3));
	else if (has_stores)
		call_fail(call,
			"slot %u still seals the secrets of %s stores, store %s for one: activate "
			"another slot again",
			slot, db_cell(rows, 0, 0), db_cell(rows, 0, 1));
	db_rows_free(rows);
	return !has_events && !has_stores;
}

/* The new key is in the file, valid, before anything is sealed with it. */
static enum call_exit key_rotate(struct call *call)
{
	struct ring ring;
	unsigned slot = 0;
	enum call_exit code = CALL_FAILED;
	uint64_t ignored = 0;
	if (!call_number(call, "reuse", 0, KEYRING_SLOTS - 1, &ignored))
		return CALL_USAGE;
	if (!call_db(call, &code) || !ring_open(call, &ring, RING_CHANGE, &code))
		return code;
	code = CALL_FAILED;
	if (find_slot(call, &ring, &slot) && add_key(call, &ring, slot) &&
		store_ring(call, &ring) && activate(call, &ring, slot))
		code = tell(call, &ring, slot);
	ring_close(&ring);
	return code;
}

/* The lowest free slot, or the revoked one that --reuse names. */
static bool find_slot(const struct call *call, const struct ring *ring, unsigned *slot)
{
	uint64_t reused = 0;
	if (call_has(call, "reuse")) {
		call_number(call, "reuse", 0, KEYRING_SLOTS - 1, &reused);
		*slot = (unsigned)reused;
		if (ring->keyring.keys[*slot].state == KEY_REVOKED)
			return true;
		call_fail(call, "slot %u is %s, not revoked", *slot,
			key_state_name(ring->keyring.keys[*slot].state));
		return false;
	}
	for (*slot = 0; *slot < KEYRING_SLOTS; (*slot)++) {
		if (ring->keyring.keys[*slot].state == KEY_ABSENT)
			return true;
	}
	int oldest = oldest_revoked(&ring->keyring);
	if (oldest < 0)
		call_fail(call, "the ring is full and no slot is revoked: revoke one first");
	else
		call_fail(call,
			"the ring is full; the oldest revoked slot is %d: key add --reuse %d",
			oldest, oldest);
	return false;
}

/* Slots are taken in turn, so going round from the active one the first revoked is the oldest. */
static int oldest_revoked(const struct keyring *keyring)
{
	for (int step = 1; step < KEYRING_SLOTS; step++) {
		int slot = (keyring->active + step) % KEYRING_SLOTS;
		if (keyring->keys[slot].state == KEY_REVOKED)
			return slot;
	}
	return -1;
}

static bool add_key(const struct call *call, struct ring *ring, unsigned slot)
{
	struct err err = {0};
	uint8_t master[KEYRING_KEY_BYTES];
	const bool is_first = ring_is_empty(ring);
	bool is_ok = entropy_draw(&ring->entropy, master, sizeof(master)) ||
		     err_set(&err, ERR_SYSTEM, 0, "the kernel has no random bytes");
	is_ok = is_ok &&
		keyring_set(&ring->keyring, slot, is_first ? KEY_ACTIVE : KEY_VALID, master, &err);
	explicit_bzero(master, sizeof(master));
	if (is_ok && is_first)
		ring->keyring.active = (int)slot;
	if (!is_ok)
		call_fail_err(call, &err);
	return is_ok;
}

/* First the database, then the file. Whoever dies in between leaves secrets sealed with a key that
 * the file still calls valid, and old ones that it calls active: all of them open, and running it
 * again finishes the work. The other way round a crash would do no harm either, but then secrets
 * could stay with the old key unnoticed. */
static bool activate(struct call *call, struct ring *ring, unsigned slot)
{
	if (ring->keyring.active >= 0 && ring->keyring.active != (int)slot)
		ring->keyring.keys[ring->keyring.active].state = KEY_VALID;
	ring->keyring.keys[slot].state = KEY_ACTIVE;
	ring->keyring.active = (int)slot;
	return call_run(call, "BEGIN", DB_ARGS()) && seal_again(call, ring) &&
	       call_run(call, "COMMIT", DB_ARGS()) && store_ring(call, ring);
}

static bool seal_again(struct call *call, struct ring *ring)
{
	char slot_text[SLOT_TEXT_MAX];
	snprintf(slot_text, sizeof(slot_text), "%d", ring->keyring.active);
	struct db_rows *rows = call_query(call,
		"SELECT store_id, secret_current, secret_previous FROM wasl.stores "
		"WHERE get_byte(secret_current, 0) <> $1::integer "
		"OR get_byte(secret_previous, 0) <> $1::integer ORDER BY store_id FOR UPDATE",
		DB_ARGS(slot_text));
	bool is_ok = rows != NULL;
	for (unsigned row = 0; is_ok && row < db_rows_count(rows); row++)
		is_ok = seal_again_row(call, ring, rows, row);
	db_rows_free(rows);
	return is_ok;
}

static bool seal_again_row(
	struct call *call, struct ring *ring, const struct db_rows *rows, unsigned row)
{
	struct err err = {0};
	char current[SECRET_SEALED_HEX], previous[SECRET_SEALED_HEX];
	const char *store_id = db_cell(rows, row, 0);
	const char *old_previous = db_cell(rows, row, 2);
	if (!seal_again_one(ring, store_id, db_cell(rows, row, 1), current, &err) ||
		(old_previous != NULL &&
			!seal_again_one(ring, store_id, old_previous, previous, &err))) {
		call_fail(call, "store %s: %s", store_id, err.msg);
		return false;
	}
	return call_run(call,
		"UPDATE wasl.stores SET secret_current = $2::bytea, secret_previous = $3::bytea "
		"WHERE store_id = $1::bigint",
		DB_ARGS(store_id, current, old_previous ? previous : NULL));
}

static bool seal_again_one(struct ring *ring, const char *store_id, const char *sealed_hex,
	char out[SECRET_SEALED_HEX], struct err *err)
{
	uint8_t secret[SECRET_BYTES];
	bool is_ok = ring_open_secret(ring, store_id, sealed_hex, secret, err) &&
		     ring_seal_secret(ring, store_id, secret, out, err);
	explicit_bzero(secret, sizeof(secret));
	return is_ok;
}

static bool take_slot(const struct call *call, const struct ring *ring, unsigned *slot)
{
	uint64_t value = 0;
	if (!str_parse_u64(str_from(call->operands[0]), KEYRING_SLOTS - 1, &value)) {
		call_fail(call, "'%s' is not a slot from 0 to %d", call->operands[0],
			KEYRING_SLOTS - 1);
		return false;
	}
	*slot = (unsigned)value;
	if (ring->keyring.keys[value].state != KEY_ABSENT)
		return true;
	call_fail(call, "slot %u holds no key", *slot);
	return false;
}

static bool store_ring(const struct call *call, const struct ring *ring)
{
	struct err err = {0};
	if (keyring_store(&ring->keyring, ring->path, &err))
		return true;
	call_fail_err(call, &err);
	return false;
}

static enum call_exit tell(const struct call *call, const struct ring *ring, unsigned slot)
{
	return out_object(call, json_pack("{s:i, s:s}", "slot", (int)slot, "state",
					key_state_name(ring->keyring.keys[slot].state)));
}
