/* SPDX-License-Identifier: Apache-2.0
 * What post*.c share: a connection with the items it has taken, and the batch under way there. */
#ifndef WASL_POST_PARTS_H
#define WASL_POST_PARTS_H

#include "arena.h"
#include "decide.h"
#include "decide_changes.h"
#include "event_json.h"
#include "pg_table.h"
#include "post.h"

#define POST_ARENA_MAX                                                                        \
	(512u << 20)             /* of one batch: 64 orders with all the events they may have \
				  */
#define POST_TEXT_MAX (4u << 20) /* one order's candidates, lines or answer as text */

/* An answer that was found while the batch is not yet committed. A final one (a duplicate, a
 * refusal) holds without the commit. */
struct post_verdict {
	bool is_set;
	bool is_final;
	struct post_outcome outcome;
};

/* One order of the batch. Everything it points to is in the batch's arena, but for item. */
struct posting {
	struct post_item *item;
	struct post_verdict verdict;
	bool is_new_order; /* made by this very transaction: a refusal undoes it */

	/* Read under the order's lock. */
	bool has_live; /* a decision that holds */
	int64_t live_version;
	int64_t live_placed_us; /* what the live lines' rules were looked up at */
	struct str live_head;   /* result, reason, evidence, candidates, commissions as text */
	struct str live_lines;  /* the lines as text */
	enum match_model model; /* the live decision's, else the store's */
	struct str precedence;
	const struct event **events; /* all of the order, the new one among them */
	unsigned event_count;
	struct event **loaded; /* those to be freed: all but the new one */
	unsigned loaded_count;
	struct commission_row *rows;
	unsigned row_count;
	struct decide_frozen *frozen;
	unsigned frozen_count;

	/* Folded from them. */
	struct folded folded;
	uint32_t *affiliate_ids; /* distinct, of the clicks */
	unsigned affiliate_count;
	uint32_t *product_ids; /* distinct, of the clicks */
	unsigned product_count;

	/* What those names stand for. */
	struct decide_affiliate *affiliates;
	unsigned known_affiliates;
	struct decide_product *products;
	unsigned known_products;

	/* Decided. */
	int64_t version;     /* of the decision that this event's answer tells; 0: none */
	int64_t new_version; /* of the decision that this event made; 0: none */
};

/* The rules of one store, for all its orders of the batch. */
struct post_rules {
	uint32_t store_id;
	const struct rule *rules;
	unsigned count;
};

/* Numbers drawn from a sequence for this batch. */
struct post_ids {
	int64_t *ids;
	unsigned count, used;
};

enum post_table {
	POST_EVENT_IDS = 0,
	POST_EVENTS,
	POST_BODIES,
	POST_ORDERS,
	POST_DECISIONS,
	POST_LINES,
	POST_COMMISSIONS_NEW,
	POST_COMMISSIONS_MOVED,
	POST_ENTRIES,
	POST_REVIEWS,
	POST_TABLES
};

#define POST_COUNTS_MAX (4 * POST_BATCH_MAX)
/* What is counted once the batch has committed. */
struct post_count {
	const char *state; /* of a commission, with its currency */
	char currency[ORDER_CURRENCY_MAX];
	const char *unattributed; /* reason of a decision without winner */
};

struct batch {
	struct arena arena;
	struct posting postings[POST_BATCH_MAX];
	unsigned count;
	unsigned read_at; /* where post_read's statements begin in the first run */
	struct rule *all_rules;
	struct post_rules rules[POST_BATCH_MAX];
	unsigned rules_count;
	struct post_ids commission_ids, transaction_ids;
	struct pg_table tables[POST_TABLES];
	bool has_tables;
	struct post_count counts[POST_COUNTS_MAX];
	unsigned count_used;
};

/* A part of the taken items that is tried as one batch. */
struct post_span {
	unsigned from, count;
};
#define POST_SPANS_MAX 16 /* halving 64 down to 1 leaves at most 7 */

/* One connection and what it has taken. */
struct poster {
	unsigned magic;
	struct post *post;
	struct db *db;
	struct loop_timer *pause;                /* before a batch is tried again */
	struct post_item *taken[POST_BATCH_MAX]; /* sorted; NULL once answered */
	unsigned taken_count;
	struct post_span spans[POST_SPANS_MAX];
	unsigned span_count;
	bool is_busy;     /* a run is under way, or the pause */
	uint64_t batches; /* begun on this connection */
	int64_t planned_us;
	struct batch batch;
	struct decision decision; /* room for one at a time: it is large */
};

enum batch_step {
	BATCH_GO_ON = 0,
	BATCH_NO_MEMORY,
	BATCH_SENSELESS, /* the database told what it never should: logged */
};

/* Plans are kept, but a plan that was made for a small table serves a grown one badly, and nobody
 * has counted its rows yet: they are made anew after 1, 2, 4, 8 … batches, and by the clock. */
#define POST_PLANS_US (60 * INT64_C(1000000))

/* post.c */
bool poster_is_to_plan(struct poster *poster);
void poster_run_next(struct poster *poster);
/* The span is over: what has no answer yet is tried again by the rules of status. */
void poster_batch_failed(struct poster *poster, const struct db_result *result);
void poster_answer(struct poster *poster, struct posting *posting);
struct meters *post_meters(struct post *post);

/* post_batch.c: the steps of a batch, one round trip each. */
void batch_start(struct poster *poster);
void batch_release(struct batch *batch);

/* post_read.c */
unsigned post_read_statements(struct batch *batch, struct pg_table *names,
	struct db_statement *statements, bool *is_whole);
enum batch_step post_read_take(struct batch *batch, const struct db_result *result);
#define POST_READ_NAMES 2 /* tables that hold its parameters */

/* post_names.c */
enum batch_step post_names_gather(struct batch *batch);
unsigned post_names_statements(struct batch *batch, struct pg_table *names,
	struct db_statement *statements, bool *is_whole);
enum batch_step post_names_take(struct batch *batch, const struct db_result *result);
#define POST_NAMES_TABLES 5

/* post_decide.c: decides every order that has no verdict yet, and fills the tables. */
enum batch_step post_decide(struct poster *poster);

/* What becomes of an order's commissions. In the batch's arena. */
struct post_commission {
	int64_t commission_id;
	uint32_t affiliate_id;
	int64_t amount_minor;
	const char *state;
};
struct post_money {
	struct post_commission *rows; /* as they will stand: the old ones, then the new */
	unsigned row_count;
	struct decide_change *changes;
	int64_t *transaction_ids; /* of each change */
	unsigned *row_of;         /* index into rows, of each change */
	unsigned change_count;
};

/* A decision as text: what goes into its row, and what it is compared by. */
struct post_text {
	struct buf candidates, commissions, head, lines;
};

/* post_write.c: rows into the batch's tables. */
#define POST_RULE_MAX 1024
void post_write_init(struct batch *batch);
void post_write_event(
	struct batch *batch, const struct posting *posting, const char *effect, struct str facts);
void post_write_order(struct batch *batch, const struct posting *posting, bool is_waiting);
void post_write_review(struct batch *batch, const struct posting *posting, const char *reason);
void post_write_decision(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct post_text *text);
void post_write_money(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct post_money *money);
void post_count_add(
	struct batch *batch, const char *state, const char *currency, const char *unattributed);

/* post_text.c: texts as the database keeps and the outside reads them. */
void post_text_init(struct post_text *text);
void post_text_release(struct post_text *text);
bool post_text_has_failed(const struct post_text *text);
void post_text_decision(struct post_text *text, const struct posting *posting,
	const struct decision *decision, const struct post_money *money);
struct str post_text_evidence(const struct decision *decision); /* empty: nobody won */
uint32_t post_product_id(const struct posting *posting, struct str external_id); /* 0: unknown */
void post_text_candidates(const struct decision *decision, struct buf *out);
void post_text_rule(const struct rule *rule, struct buf *out);
void post_text_commissions(const struct post_commission *commissions, unsigned count,
	const char *currency, struct buf *out);
struct post_answer {
	struct str order_id;
	struct str result;
	struct str reason;      /* empty: null */
	struct str commissions; /* a JSON array */
	bool is_duplicate;
};
void post_text_answer(const struct post_answer *answer, struct buf *out);
/* The answer to a repeat of what answer was told for. */
void post_text_repeat(struct str answer, struct buf *out);
/* The answer of a webhook-id that was seen before, from six columns: order_id, hash (not used),
 * whether it was deferred, result, reason, commissions. */
void post_text_known(struct buf *out, const struct db_rows *rows, unsigned row, unsigned column);
/* What decides whether a decision is another one than the live one. Head: result, reason, evidence,
 * candidates, commissions. Line: affiliate_id, line_index, line_id, external_id, product_id,
 * quantity, base_minor, rule, amount_minor, reason. NULL is the empty text. */
#define POST_HEAD_FIELDS 5
#define POST_LINE_FIELDS 10
void post_text_fields(struct buf *out, const struct str *fields, unsigned count);

#endif
