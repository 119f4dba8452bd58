/* SPDX-License-Identifier: Apache-2.0
 * From the rows of an order as they stand to where its decision wants them: which rows are new,
 * which legal steps each takes, and the ledger's two entries for every step (MONEY section 4).
 * Pure.
 */
#ifndef WASL_MOVES_H
#define WASL_MOVES_H

#include "commission.h"
#include "decide.h"

struct commission_row {
	int64_t commission_id;
	uint32_t affiliate_id;
	enum commission_state state;
	bool is_adjustment;
	bool is_platform; /* an adjustment that an operator made and the platform pays */
	bool is_frozen;   /* paid, or in a payout: never changes */
	int64_t amount_minor;
	int64_t confirmed_minor; /* what it was first; follows the fold until it is approved */
	int64_t release_us;      /* 0: none */
	enum outcome reason;     /* as stored */
	struct str event_id;     /* of the act, with is_platform */
};

#define MOVE_NAMES(X)             \
	X(ACCRUE, "accrue")       \
	X(COLLECT, "collect")     \
	X(UNCOLLECT, "uncollect") \
	X(APPROVE, "approve")     \
	X(VOID, "void")           \
	X(REDUCE, "reduce")       \
	X(CLAWBACK, "clawback")   \
	X(GOODWILL, "goodwill")   \
	X(REASSIGN, "reassign")
#define MOVE_NAME_ENUM(name, text) MOVE_##name,
enum move_name { MOVE_NAMES(MOVE_NAME_ENUM) MOVE_NAME_COUNT };
const char *move_name_text(enum move_name name);

/* A row as it will stand after all its steps. */
struct moves_row {
	struct commission_row row;
	bool is_new;                /* commission_id is to be drawn; its first step is its birth */
	enum commission_state born; /* of a new row: what it is inserted as */
	int64_t born_minor;         /* and with what amount: both as after its first step */
	enum outcome reason;        /* of the row from now on */
	bool is_changed;            /* something of it has to be written; true of new rows */
};

/* One ledger transaction of two entries: from −amount, to +amount. */
struct moves_step {
	unsigned row; /* index into rows */
	enum move_name name;
	int64_t amount_minor; /* not negative; 0: no entries, the state alone moves */
	const char *from, *to;
	bool changes_state;          /* along commission.def; false of a birth */
	enum commission_state state; /* of the row after this step */
	int64_t row_amount_minor;    /* of the row after this step */
};

/* rows[0 … row_count of the input) are the old ones in their order, new ones follow. Steps are in
 * the order in which they have to be written, those of one row together. */
struct moves {
	struct moves_row *rows;
	unsigned row_count;
	struct moves_step *steps;
	unsigned step_count;
	unsigned reviews; /* 1u << DECIDE_REVIEW_COLLECTION_UNDONE: cash was taken back from an
			     approved row */
};

struct moves_input {
	const struct decision *decision;
	const struct event *const *events; /* all of the order, sorted: acts among them make rows */
	unsigned event_count;
	const struct commission_row *rows; /* all of the order */
	unsigned row_count;
	bool may_release; /* the timer asks and no review is open: held rows whose window is over at
			     now_us become approved */
	int64_t now_us;
};

#define MOVES_STEPS_OF_ROW_MAX 4

/* How many rows moves_plan may come to; it takes MOVES_STEPS_OF_ROW_MAX steps of each. */
unsigned moves_rows_max(const struct moves_input *input);
/* Fills moves, whose arrays are the caller's memory of the sizes above. After it the rows of each
 * affiliate, without those of the platform, add up to the amount that the decision gives; a frozen
 * row is as it was. Nothing to do is no step and no row changed. False: an amount leaves int64. */
bool moves_plan(const struct moves_input *input, struct moves *moves);

#endif
