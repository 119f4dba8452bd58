/* SPDX-License-Identifier: Apache-2.0
 * Caps by affiliate and period: what is left under them for the orders of a batch, one after the
 * other, and what each order is granted and holds of that. */
#include "post_parts.h"

/* Rows are locked, and made where they are missing, until the transaction ends. An order that is
 * granted nothing (not confirmed, a test) asks without a currency, and is told its old grants. */
const char post_rooms_sql[] =
	"SELECT p.at, p.affiliate_id, p.rule_id, p.month, p.cap_minor - p.used_minor "
	"FROM wasl.period_rooms($1::integer[], $2::bigint[], $3::text[], $4::bigint[], "
	"$5::bigint[], $6::text[]) p ORDER BY p.at, p.affiliate_id, p.rule_id";
enum { AT, AFFILIATE, RULE, MONTH, FREE };

static const struct post_room *find_room(const struct batch *batch, const struct posting *posting,
	uint32_t affiliate_id, int64_t rule_id);
static const struct post_grant *find_grant(
	const struct posting *posting, uint32_t affiliate_id, int64_t rule_id);
static void write_new(struct batch *batch, const struct posting *posting, uint32_t affiliate_id,
	const struct decide_grant *grant);
static void write_changed(struct batch *batch, const struct posting *posting,
	const struct post_grant *was, const struct post_grant *now);
static void become(const struct decision *decision, struct post_grant *grant);
static void take_room(struct batch *batch, const struct post_room *taken, int64_t amount_minor);
static unsigned at_of(const struct batch *batch, const struct posting *posting);

enum batch_step post_rooms_take(struct batch *batch, const struct db_rows *rows)
{
	const unsigned count = db_rows_count(rows);
	batch->rooms = arena_take(&batch->arena, count, sizeof(*batch->rooms));
	if (batch->rooms == NULL)
		return BATCH_NO_MEMORY;
	for (unsigned row = 0; row < count; row++) {
		const int64_t at = db_rows_int(rows, row, AT);
		if (at < 0 || at >= (int64_t)batch->count)
			return BATCH_SENSELESS;
		struct post_room *const room = &batch->rooms[batch->room_count];
		*room = (struct post_room){.at = (unsigned)at,
			.store_id = batch->postings[at].item->store_id,
			.affiliate_id = (uint32_t)db_rows_int(rows, row, AFFILIATE),
			.rule_id = db_rows_int(rows, row, RULE),
			.free_minor = db_rows_int(rows, row, FREE)};
		str_copy(room->month, sizeof(room->month), db_rows_text(rows, row, MONTH));
		batch->room_count++;
	}
	return BATCH_GO_ON;
}

struct decide_room *post_rooms_of(
	struct batch *batch, const struct posting *posting, unsigned *count)
{
	const unsigned at = at_of(batch, posting);
	struct decide_room *const rooms =
		arena_take(&batch->arena, batch->room_count + posting->grant_count, sizeof(*rooms));
	*count = 0;
	for (unsigned i = 0; i < batch->room_count && rooms != NULL; i++) {
		const struct post_room *const room = &batch->rooms[i];
		if (room->at != at)
			continue;
		const struct post_grant *const grant =
			find_grant(posting, room->affiliate_id, room->rule_id);
		rooms[(*count)++] = (struct decide_room){.affiliate_id = room->affiliate_id,
			.rule_id = room->rule_id,
			.is_granted = grant != NULL,
			.granted_minor = grant != NULL ? grant->granted_minor : 0,
			.used_minor = grant != NULL ? grant->used_minor : 0,
			.wish_minor = grant != NULL ? grant->wish_minor : 0,
			.free_minor = room->free_minor};
	}
	return rooms;
}

/* What an order frees is there for later batches only, and new grants are written before uses
 * change: so no sum of them goes over a cap. */
void post_rooms_write(
	struct batch *batch, const struct posting *posting, const struct decision *decision)
{
	const bool is_granted = decision->folded.confirmed != NULL && !decision->folded.is_test;
	for (unsigned i = 0; i < posting->grant_count; i++) {
		const struct post_grant *const grant = &posting->grants[i];
		struct post_grant now = *grant;
		become(decision, &now);
		if (now.used_minor != grant->used_minor || now.wish_minor != grant->wish_minor)
			write_changed(batch, posting, grant, &now);
	}
	for (unsigned s = 0; s < decision->share_count && is_granted; s++) {
		const struct decide_share *const share = &decision->shares[s];
		for (unsigned g = 0; g < share->grant_count; g++)
			if (share->grants[g].is_new)
				write_new(batch, posting, share->affiliate_id, &share->grants[g]);
	}
}

static const struct post_room *find_room(const struct batch *batch, const struct posting *posting,
	uint32_t affiliate_id, int64_t rule_id)
{
	for (unsigned i = 0; i < batch->room_count; i++)
		if (batch->rooms[i].at == at_of(batch, posting) &&
			batch->rooms[i].affiliate_id == affiliate_id &&
			batch->rooms[i].rule_id == rule_id)
			return &batch->rooms[i];
	return NULL;
}

static const struct post_grant *find_grant(
	const struct posting *posting, uint32_t affiliate_id, int64_t rule_id)
{
	for (unsigned i = 0; i < posting->grant_count; i++)
		if (posting->grants[i].affiliate_id == affiliate_id &&
			posting->grants[i].rule_id == rule_id)
			return &posting->grants[i];
	return NULL;
}

static void write_new(struct batch *batch, const struct posting *posting, uint32_t affiliate_id,
	const struct decide_grant *grant)
{
	const struct post_room *const room =
		find_room(batch, posting, affiliate_id, grant->rule_id);
	struct pg_table *const table = &batch->tables[POST_GRANTS];
	if (room == NULL || find_grant(posting, affiliate_id, grant->rule_id) != NULL)
		return;
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->order_id);
	pg_table_int(table, affiliate_id);
	pg_table_int(table, grant->rule_id);
	pg_table_text(table, str_from(room->month));
	pg_table_int(table, grant->wish_minor);
	pg_table_int(table, grant->granted_minor);
	pg_table_int(table, grant->used_minor);
	take_room(batch, room, grant->used_minor);
}

static void write_changed(struct batch *batch, const struct posting *posting,
	const struct post_grant *was, const struct post_grant *now)
{
	const struct post_room *const room =
		find_room(batch, posting, now->affiliate_id, now->rule_id);
	struct pg_table *const table = &batch->tables[POST_GRANTS_CHANGED];
	pg_table_int(table, posting->item->store_id);
	pg_table_text(table, posting->item->order_id);
	pg_table_int(table, now->affiliate_id);
	pg_table_int(table, now->rule_id);
	pg_table_int(table, now->wish_minor);
	pg_table_int(table, now->granted_minor);
	pg_table_int(table, now->used_minor);
	if (room != NULL && now->used_minor > was->used_minor)
		take_room(batch, room, now->used_minor - was->used_minor);
}

/* What the order asks for now, and holds of that: nothing, if its affiliate is no winner any more.
 */
static void become(const struct decision *decision, struct post_grant *grant)
{
	grant->used_minor = 0;
	for (unsigned s = 0; s < decision->share_count; s++) {
		const struct decide_share *const share = &decision->shares[s];
		for (unsigned g = 0; g < share->grant_count; g++) {
			const struct decide_grant *const says = &share->grants[g];
			if (share->affiliate_id != grant->affiliate_id ||
				says->rule_id != grant->rule_id)
				continue;
			grant->wish_minor = says->wish_minor;
			grant->granted_minor = says->granted_minor;
			grant->used_minor = says->used_minor;
		}
	}
}

/* The same room may have been told to several orders of the batch. */
static void take_room(struct batch *batch, const struct post_room *taken, int64_t amount_minor)
{
	const struct post_room of = *taken;
	for (unsigned i = 0; i < batch->room_count; i++) {
		struct post_room *const room = &batch->rooms[i];
		if (room->store_id == of.store_id && room->rule_id == of.rule_id &&
			room->affiliate_id == of.affiliate_id &&
			str_equal(str_from(room->month), str_from(of.month)))
			room->free_minor -= amount_minor;
	}
}

static unsigned at_of(const struct batch *batch, const struct posting *posting)
{
	return (unsigned)(posting - batch->postings);
}
