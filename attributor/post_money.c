/* SPDX-License-Identifier: Apache-2.0
 * The rows of commissions and ledger that take an order from where it stands to where its decision
 * wants it. A row that goes several steps is updated once for each change of its state, and each
 * such stage is a statement of its own. */
#include "post_parts.h"

static void write_new(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct moves_row *row);
static void write_stages(struct batch *batch, const struct posting *posting,
	const struct moves *moves, unsigned index);
static void write_stage(struct batch *batch, const struct posting *posting,
	const struct moves_row *row, unsigned stage, const struct commission_row *as);
static void write_step(struct batch *batch, const struct posting *posting,
	const struct moves_row *row, const struct moves_step *step, int64_t transaction_id);
static void write_entry(struct batch *batch, const struct posting *posting,
	const struct moves_row *row, const struct moves_step *step, int64_t transaction_id,
	const char *account, int64_t amount_minor);
static int64_t version_of(const struct posting *posting);

enum batch_step post_money_write(struct batch *batch, const struct posting *posting,
	const struct decision *decision, struct moves *moves)
{
	for (unsigned i = 0; i < moves->row_count; i++) {
		const struct moves_row *const row = &moves->rows[i];
		if (!row->is_changed)
			continue;
		if (row->is_new)
			write_new(batch, posting, decision, row);
		write_stages(batch, posting, moves, i);
	}
	for (unsigned i = 0; i < moves->step_count; i++) {
		const struct moves_step *const step = &moves->steps[i];
		struct post_ids *const ids = &batch->transaction_ids;
		if (step->amount_minor == 0)
			continue;
		if (ids->used == ids->count)
			return BATCH_SENSELESS;
		write_step(batch, posting, &moves->rows[step->row], step, ids->ids[ids->used++]);
	}
	return BATCH_GO_ON;
}

/* New rows get their numbers; before anything is said of them. */
enum batch_step post_money_number(struct batch *batch, struct moves *moves)
{
	struct post_ids *const ids = &batch->commission_ids;
	for (unsigned i = 0; i < moves->row_count; i++) {
		if (!moves->rows[i].is_new)
			continue;
		if (ids->used == ids->count)
			return BATCH_SENSELESS;
		moves->rows[i].row.commission_id = ids->ids[ids->used++];
	}
	return BATCH_GO_ON;
}

/* A sale was confirmed with its order; an adjustment is of the moment in which it is made. */
static void write_new(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct moves_row *row)
{
	const struct commission_row *const commission = &row->row;
	struct pg_table *const table = &batch->tables[POST_COMMISSIONS_NEW];
	pg_table_int(table, posting->item->store_id);
	pg_table_int(table, commission->commission_id);
	pg_table_text(table, posting->item->order_id);
	pg_table_int(table, commission->affiliate_id);
	pg_table_text(table, commission->is_adjustment ? STR("adjustment") : STR("sale"));
	pg_table_text(table, str_from(commission_state_name(row->born)));
	pg_table_text(table, str_from(decision->folded.first->currency));
	pg_table_int(table, row->born_minor);
	pg_table_int(table, commission->confirmed_minor);
	pg_table_int(
		table, commission->is_adjustment ? batch->now_us : decision->folded.confirmed_us);
	pg_table_int_or_null(table, commission->release_us != 0, commission->release_us);
	pg_table_text(table, str_from(outcome_name(row->reason)));
	pg_table_int(table, version_of(posting));
	pg_table_text(table, commission->is_platform ? STR("platform") : STR("store"));
	pg_table_text_or_null(table, commission->event_id);
}

/* As many updates as the row changes its state, but one at least; of a new row none if it stays as
 * it was born. Steps between two changes of state share the later one's update. */
static void write_stages(struct batch *batch, const struct posting *posting,
	const struct moves *moves, unsigned index)
{
	const struct moves_row *const row = &moves->rows[index];
	unsigned stage = 0;
	bool is_written = row->is_new;
	for (unsigned i = 0; i < moves->step_count; i++) {
		const struct moves_step *const step = &moves->steps[i];
		if (step->row != index || !step->changes_state)
			continue;
		struct commission_row as = row->row;
		as.state = step->state;
		as.amount_minor = step->row_amount_minor;
		write_stage(batch, posting, row, stage++, &as);
		is_written = as.amount_minor == row->row.amount_minor;
	}
	if (!is_written || (row->is_new && stage == 0 && row->born_minor != row->row.amount_minor))
		write_stage(batch, posting, row, stage, &row->row);
}

static void write_stage(struct batch *batch, const struct posting *posting,
	const struct moves_row *row, unsigned stage, const struct commission_row *as)
{
	struct pg_table *const table =
		&batch->tables[POST_COMMISSIONS_MOVED +
			       (stage < POST_STAGES ? stage : POST_STAGES - 1)];
	pg_table_int(table, posting->item->store_id);
	pg_table_int(table, as->commission_id);
	pg_table_text(table, str_from(commission_state_name(as->state)));
	pg_table_int(table, as->amount_minor);
	pg_table_int(table, as->confirmed_minor);
	pg_table_int_or_null(table, as->release_us != 0, as->release_us);
	pg_table_text(table, str_from(outcome_name(row->reason)));
	pg_table_int(table, version_of(posting));
}

static void write_step(struct batch *batch, const struct posting *posting,
	const struct moves_row *row, const struct moves_step *step, int64_t transaction_id)
{
	write_entry(batch, posting, row, step, transaction_id, step->from, -step->amount_minor);
	write_entry(batch, posting, row, step, transaction_id, step->to, step->amount_minor);
}

static void write_entry(struct batch *batch, const struct posting *posting,
	const struct moves_row *row, const struct moves_step *step, int64_t transaction_id,
	const char *account, int64_t amount_minor)
{
	struct pg_table *const table = &batch->tables[POST_ENTRIES];
	pg_table_int(table, posting->item->store_id);
	pg_table_int(table, transaction_id);
	pg_table_int(table, row->row.affiliate_id);
	pg_table_text(table, str_from(posting->folded.first->currency));
	pg_table_text(table, str_from(account));
	pg_table_int(table, amount_minor);
	pg_table_text(table, str_from(move_name_text(step->name)));
	pg_table_int(table, row->row.commission_id);
}

/* The decision that a row follows. */
static int64_t version_of(const struct posting *posting)
{
	return posting->new_version > 0 ? posting->new_version : posting->live_version;
}
