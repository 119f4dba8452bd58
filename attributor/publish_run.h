/* SPDX-License-Identifier: Apache-2.0
 * Inside the publisher: one publication at a time, whole or of changes, as a walk through stages.
 * publish.c decides who publishes and hears what changed; publish_run.c carries it to Redis. */
#ifndef WASL_PUBLISH_RUN_H
#define WASL_PUBLISH_RUN_H

#include "changes.h"
#include "db.h"
#include "publish.h"

#define PUBLISH_MAGIC      0x7075626cu
#define PUBLISH_REASON_MAX ERR_MSG_MAX
#define PUBLISH_EPOCHS_MAX \
	16 /* left-over epochs removed by one publication; the rest by the next */
#define PUBLISH_EPOCH_TEXT  (CATALOGUE_EPOCH_HEX + 1)
#define PUBLISH_NUMBER_TEXT 24
#define PUBLISH_PAIRS       31   /* rows of one HSET: 2 + 2 * 31 words are REDIS_ARGS_MAX */
#define PUBLISH_CHUNK_IDS   1000 /* changed rows read and written at a time */
#define PUBLISH_CLEAN_KEYS  1000 /* shards removed at a time */

/* One epoch's place in Redis. */
struct publish_epoch {
	char name[PUBLISH_EPOCH_TEXT];
	uint32_t highest[CATALOGUE_KINDS];
};

/* In the order in which a publication goes through them. */
enum publish_stage {
	PUBLISH_IDLE = 0,
	PUBLISH_LOOK,    /* whole: which epochs are there, how far do ids go */
	PUBLISH_SWEEP,   /* whole: leftovers of failed attempts go first, so that they can't pile up
			  */
	PUBLISH_CLAIM,   /* whole: the new epoch is written down */
	PUBLISH_ROWS,    /* whole: page after page */
	PUBLISH_CHANGES, /* changes: chunk after chunk */
	PUBLISH_HEAD,    /* the head says what is there now */
	PUBLISH_ACK,     /* whoever waits is told */
	PUBLISH_CLEAN,   /* whole: the epoch that was served before is removed */
};

struct publish {
	uint32_t magic;
	struct loop *loop;
	struct stores *stores;
	struct entropy *entropy;
	struct db *db;
	struct redis *redis;
	struct loop_timer *tick;
	struct publish_counts counts;

	bool is_closing;
	bool is_listening;
	bool is_lock_asked;
	bool has_role;
	bool is_head_asked;
	bool is_resting;            /* after a failure, until the next tick */
	struct changes *incoming;   /* told, not begun */
	struct changes *current;    /* being published; its tokens are answered at the end */
	uint64_t refreshes_started; /* of the stores cache */
	uint64_t refreshes_done;
	uint64_t refreshes_awaited; /* what current's tokens wait for */

	enum publish_stage stage;
	bool is_whole;
	unsigned under_way; /* commands and statements whose answers this stage waits for */
	bool has_failed;
	char reason[PUBLISH_REASON_MAX];
	int64_t started_us;

	struct publish_epoch epoch; /* what the head names; empty: none of ours */
	uint64_t version;
	uint64_t rows;

	unsigned kind;                   /* where rows, changes and removals stand */
	uint32_t after;                  /* PUBLISH_ROWS: last id read */
	unsigned at;                     /* PUBLISH_CHANGES: ids begun */
	char served[PUBLISH_EPOCH_TEXT]; /* epoch that the head named at PUBLISH_LOOK */
	struct publish_epoch
		old[PUBLISH_EPOCHS_MAX]; /* to be removed; served, if there, is old[0] */
	unsigned old_count;
	uint64_t shard; /* next to be removed of old[old_count - 1] */
};

/* Goes on as far as it can without waiting: called after every answer and every tick. */
void publish_run_step(struct publish *publish);
/* The publication under way counts as failed: everything is published again after the next tick. */
void publish_run_fail(struct publish *publish, const char *reason);
/* Compares the head with what we wrote; publishes everything when it differs. */
void publish_run_check(struct publish *publish);

/* The rows' part of it (publish_rows.c): asks for the next page, or the next changed rows, and
 * writes them to their shards. False: there are no more. */
bool publish_rows_next(struct publish *publish);
bool publish_changes_next(struct publish *publish);

/* Shared by both: the magic is right; a command sent, its answer awaited by the stage; an answer
 * counted (false: it is no good, the publication has failed, or we are closing). */
struct publish *publish_of(void *arg);
void publish_send(
	struct publish *publish, const struct str *words, unsigned count, redis_reply_fn *fn);
bool publish_take_reply(struct publish *publish, const struct redis_value *value);
bool publish_take_result(struct publish *publish, const struct db_result *result);
void publish_on_written(const struct redis_value *value, uint64_t tag, void *arg);
struct str publish_number(char out[PUBLISH_NUMBER_TEXT], uint64_t number);
extern const struct str publish_kinds[CATALOGUE_KINDS]; /* "stores" "products" "affiliates" */

#endif
