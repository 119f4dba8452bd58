/* SPDX-License-Identifier: Apache-2.0
 * What post*.c share: a connection with the items it has taken, and the batch under way there. */
#ifndef WASL_POST_PARTS_H
#define WASL_POST_PARTS_H

#include "arena.h"
#include "event_json.h"
#include "moves.h"
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

/* What an order was granted of a rule's cap by period, and holds of that. */
#define POST_MONTH_MAX 11 /* "2026-11-01" and a NUL */
struct post_grant {
	uint32_t affiliate_id;
	int64_t rule_id;
	int64_t wish_minor, granted_minor, used_minor;
	char month[POST_MONTH_MAX];
};

/* What is left of a coupon's caps; INT64_MAX: there is none. */
struct post_uses {
	int64_t left, customer_left;
	bool is_of_order; /* the order has or had it: not asked again */
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
	bool is_live_attributed;
	enum outcome live_reason;
	enum match_evidence live_evidence;
	struct str live_head; /* result, reason, evidence, flags, candidates as text */
	struct str live_candidates, live_commissions, live_lines, live_shares; /* as text */
	enum match_model model; /* the live decision's, else the store's; so the next */
	enum match_precedence precedence;
	uint32_t *live_winners; /* by place */
	unsigned live_winner_count;
	const uint8_t *live_click; /* that alone won; NULL: none */
	struct decide_verdict *verdicts;
	unsigned verdict_count;
	struct post_grant *grants;
	unsigned grant_count;
	int64_t coupon_taken; /* whose use the order has or had; 0: none */
	bool is_coupon_taken; /* it has it now */
	bool has_review;      /* an open one */
	unsigned reviews;     /* 1u << DECIDE_REVIEW_…: opened once, and maybe lifted since */
	bool is_locked;       /* its winners stay */
	const struct event **events; /* all of the order, the new one among them */
	unsigned event_count;
	struct event **loaded; /* those to be freed: all but the new one */
	unsigned loaded_count;
	const struct event **arrived; /* not yet seen by the live decision */
	unsigned arrived_count;
	struct commission_row *rows;
	unsigned row_count;
	struct decide_frozen *frozen;
	unsigned frozen_count;

	/* Folded from them. */
	struct folded folded;
	struct str customer;     /* HMAC of phone or e-mail, of the first event that has one */
	uint32_t *affiliate_ids; /* distinct: of clicks, acts, winners */
	unsigned affiliate_count;
	uint32_t *product_ids; /* distinct, of the clicks */
	unsigned product_count;

	/* What those names stand for. */
	struct decide_affiliate *affiliates;
	unsigned known_affiliates;
	struct decide_product *products;
	unsigned known_products;
	struct decide_coupon *coupons;
	struct post_uses *uses; /* of each coupon */
	unsigned known_coupons;

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

/* A coupon's use that an order of this batch took, which the numbers read before do not count. */
struct post_use {
	uint32_t store_id;
	int64_t coupon_id;
	struct str customer;
};

/* A cap by period whose row this transaction has locked. */
struct post_room {
	unsigned at; /* the posting that it was told for */
	uint32_t store_id, affiliate_id;
	int64_t rule_id;
	char month[POST_MONTH_MAX];
	int64_t free_minor; /* less what orders of this batch have taken */
};

#define POST_SPARE_IDS 512

/* Tables that hold the parameters of what is read of orders, and of what they name. */
#define POST_READ_NAMES   2
#define POST_NAMES_TABLES 5

/* Statements of the round trip of names, in the order in which they are sent; batch.asked says
 * which are. */
enum post_ask {
	ASK_ROOMS,
	ASK_TIERS,
	ASK_AFFILIATES,
	ASK_CLICK_PRODUCTS,
	ASK_LINE_PRODUCTS,
	ASK_RULES,
	ASK_COMMISSION_IDS,
	ASK_TRANSACTION_IDS,
	POST_NAMES_ASKS
};

/* Numbers drawn from a sequence for this batch. */
struct post_ids {
	int64_t *ids;
	unsigned count, used;
};

/* How often a row may move in one transaction: see MOVES_STEPS_OF_ROW_MAX. */
#define POST_STAGES MOVES_STEPS_OF_ROW_MAX

/* In the order in which they are written: orders before commissions, decisions before what hangs on
 * them, commissions before the ledger's entries. */
enum post_table {
	POST_EVENT_IDS = 0,
	POST_EVENTS,
	POST_BODIES,
	POST_ORDERS,
	POST_DECISIONS,
	POST_LINES,
	POST_SHARES,
	POST_COMMISSIONS_NEW,
	POST_COMMISSIONS_MOVED, /* POST_STAGES of them */
	POST_ENTRIES = POST_COMMISSIONS_MOVED + POST_STAGES,
	POST_COUPON_USES,
	POST_COUPON_USES_MOVED,
	POST_GRANTS,
	POST_GRANTS_CHANGED,
	POST_REVIEWS,
	POST_CLICK_LOSSES,
	POST_CLICK_WINS,
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
	unsigned count;
	unsigned read_at;           /* where post_read's statements begin in the first run */
	int64_t now_us;             /* the transaction's */
	int asked[POST_NAMES_ASKS]; /* where each statement of names is; -1: not there */
	struct rule *all_rules;
	struct post_room *rooms;
	unsigned room_count;
	struct post_ids commission_ids, transaction_ids;
	struct pg_table *tables; /* POST_TABLES: the poster's */
	unsigned named_count, rules_count, use_count, count_used;
	/* From here on only as far as counted above: the rest is of batches before. */
	struct posting
		*named[POST_BATCH_MAX]; /* whom post_read's last statements name, by at - 1 */
	struct post_rules rules[POST_BATCH_MAX];
	struct post_use uses[POST_BATCH_MAX];
	struct post_count counts[POST_COUNTS_MAX];
	struct posting postings[POST_BATCH_MAX];
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
	int64_t spare_ids[POST_SPARE_IDS]; /* of ledger transactions, for the next batch */
	unsigned spare_count;
	struct batch batch;
	/* Of the batch, and cleared for the next one: their memory is kept. */
	struct pg_table read_names[POST_READ_NAMES];
	struct pg_table coupon_names;
	struct pg_table names[POST_NAMES_TABLES];
	struct pg_table tables[POST_TABLES];
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
void batch_tables_init(struct poster *poster);
void batch_tables_release(struct poster *poster);

/* Rows of one result that belong to one posting: they come sorted by n.at. */
struct post_slice {
	const struct db_rows *rows;
	unsigned from, count;
};
/* Parameters 1 and 2 of what is read of orders: stores and orders, in sorted order. */
#define POST_ORDERS_OF_BATCH \
	"FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY n (store_id, order_id, at) "
#define POST_COMMISSIONS_AS_ANSWERED                                                               \
	"(SELECT coalesce('[' || string_agg(format('{\"id\":%s,\"affiliate_id\":%s,\"amount\":%s," \
	"\"currency\":%s,\"state\":%s}', c->'id', c->'affiliate_id', c->'amount', c->'currency', " \
	"c->'state'), ',' ORDER BY i) || ']', '[]') "                                              \
	"FROM jsonb_array_elements(d.commissions) WITH ORDINALITY k (c, i))"
/* Of event_ids i and its decision d: what post_text_known reads. */
#define POST_ANSWERED                                                                           \
	"i.order_id, encode(i.body_sha256, 'hex'), i.decision_version IS NULL AND i.answer IS " \
	"NULL, coalesce(i.answer, d.result), CASE WHEN i.answer IS NULL THEN d.reason ELSE "    \
	"'not_confirmed' END, CASE WHEN i.answer IS NULL THEN " POST_COMMISSIONS_AS_ANSWERED    \
	" ELSE '[]' END"

/* post_read.c */
void post_read_init(struct pg_table *names); /* POST_READ_NAMES */
/* Fills names, which have no rows; statements are views of them. */
unsigned post_read_statements(struct batch *batch, struct pg_table *names,
	struct db_statement *statements, bool *is_whole);
enum batch_step post_read_take(struct batch *batch, const struct db_result *result);
/* Of the orders that are not new and have no verdict yet; 0: there are none. Fills names anew. */
unsigned post_read_old_statements(struct batch *batch, struct pg_table *names,
	struct db_statement *statements, bool *is_whole);
enum batch_step post_read_old_take(struct batch *batch, const struct db_result *result);

/* post_live.c: what stands of orders that are not new. */
extern const char post_live_decisions_sql[], post_live_lines_sql[], post_live_commissions_sql[];
enum batch_step post_live_decision(
	struct batch *batch, struct posting *posting, const struct db_rows *rows, unsigned row);
enum batch_step post_live_lines(
	struct batch *batch, struct posting *posting, const struct post_slice *slice);
enum batch_step post_live_commissions(
	struct batch *batch, struct posting *posting, const struct post_slice *slice);

/* post_coupons.c: a round trip of its own, only when events of the batch name coupons: it locks
 * them, and tells whose they are. */
void post_coupons_init(struct pg_table *names);
bool post_coupons_statement(struct batch *batch, struct pg_table *names,
	struct db_statement *statement, bool *is_whole);
enum batch_step post_coupons_take(struct batch *batch, const struct db_result *result);
/* What holds each of the order's coupons back, now that orders before it in the batch have taken
 * theirs. */
void post_coupons_hold_back(const struct batch *batch, struct posting *posting);
/* Writes what the decision takes or gives back. */
void post_coupons_write(
	struct batch *batch, const struct posting *posting, const struct decision *decision);

/* post_names.c */
enum batch_step post_names_gather(struct batch *batch);
void post_names_init(struct pg_table *names); /* POST_NAMES_TABLES */
/* Fills poster->names; statements are views of it. */
unsigned post_names_statements(
	struct poster *poster, struct db_statement *statements, bool *is_whole);
bool post_names_add(uint32_t *ids, unsigned *count, uint32_t id);

/* post_found.c */
enum batch_step post_names_take(struct poster *poster, const struct db_result *result);

/* post_rooms.c: what is left of caps by period. */
extern const char post_rooms_sql[];
enum batch_step post_rooms_take(struct batch *batch, const struct db_rows *rows);
/* The rooms of an order as decide_order wants them, in the arena; NULL: no memory. */
struct decide_room *post_rooms_of(
	struct batch *batch, const struct posting *posting, unsigned *count);
void post_rooms_write(
	struct batch *batch, const struct posting *posting, const struct decision *decision);

/* post_decide.c: decides every order that has no verdict yet, and fills the tables. */
enum batch_step post_decide(struct poster *poster);

/* post_effect.c: what the posting's event did; "" when there is none. */
const char *post_effect(
	const struct posting *posting, const struct decision *decision, const struct moves *moves);

/* A decision as text: what goes into its row, and what it is compared by. */
struct post_text {
	struct buf candidates, commissions, head, lines, shares;
};

/* post_write.c: rows into the batch's tables. */
#define POST_RULE_MAX 1024
void post_write_init(struct pg_table *tables); /* POST_TABLES */
void post_write_event(struct batch *batch, const struct posting *posting, const char *effect,
	const char *answer, struct str facts);
void post_write_order(struct batch *batch, const struct posting *posting, int64_t due_us);
void post_write_review(struct batch *batch, const struct posting *posting, const char *reason);
void post_write_decision(struct batch *batch, const struct posting *posting,
	const struct decision *decision, const struct post_text *text);
/* Which click won, where that has changed. */
void post_write_click(
	struct batch *batch, const struct posting *posting, const struct decision *decision);
void post_count_add(
	struct batch *batch, const char *state, const char *currency, const char *unattributed);

/* post_money.c: commissions and the ledger. */
enum batch_step post_money_number(struct batch *batch, struct moves *moves);
enum batch_step post_money_write(struct batch *batch, const struct posting *posting,
	const struct decision *decision, struct moves *moves);

/* post_text.c: texts as the database keeps and the outside reads them. */
void post_text_init(struct post_text *text);
void post_text_release(struct post_text *text);
bool post_text_has_failed(const struct post_text *text);
void post_text_decision(struct post_text *text, const struct posting *posting,
	const struct decision *decision, const struct moves *moves);
struct str post_text_evidence(const struct decision *decision); /* empty: nobody won */
const char *post_text_flags(const struct decision *decision);   /* as Postgres writes a text[] */
uint32_t post_product_id(const struct posting *posting, struct str external_id); /* 0: unknown */
void post_text_rule(const struct rule *rule, const char *currency, struct buf *out);
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
 * flags, candidates; commissions come last in what is read, and count for answers alone. Line:
 * affiliate_id, line_index, line_id, external_id, product_id, quantity, base_minor, rule,
 * amount_minor, reason, quantity_left. NULL is the empty text. */
#define POST_HEAD_FIELDS     6
#define POST_HEAD_CANDIDATES 4
#define POST_LINE_FIELDS     11
void post_text_fields(struct buf *out, const struct str *fields, unsigned count);

#endif
