/* SPDX-License-Identifier: Apache-2.0
 * A batch of records at a time: all are handed to post, and when each has its fate, as many of the
 * oldest as are over leave the disk. */
#include "replay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "failpoint.h"
#include "kept_event.h"
#include "log.h"
#include "stats.h"

#define REPLAY_MAGIC 0x51e0b2d8

struct replayed {
	struct replay *replay;
	struct kept_event kept;
	struct quarantine_put put;
	int64_t received_us;
	bool is_over;
	bool is_stuck;   /* by its own fault */
	bool is_strange; /* no record of ours */
};

struct replay {
	unsigned magic;
	struct replay_config config;
	struct loop_timer *timer;
	bool is_stopping;
	unsigned count, pending; /* of the batch under way */
	unsigned looks, failures, strikes;
	bool must_stop;
	bool is_alone; /* each in a transaction of its own */
	struct replay_counts counts;
	struct spool_record raw[REPLAY_BATCH];
	struct backlog_record records[REPLAY_BATCH];
	struct replayed replayed[REPLAY_BATCH];
};

static void on_timer(void *arg);
static void submit(struct replay *replay, unsigned at);
static void on_posted(struct post_item *item, const struct post_outcome *outcome);
static void explain(struct replayed *replayed, struct str code, struct str detail);
static void to_quarantine(struct replayed *replayed, struct str code, struct str detail);
static void hand_over(struct replayed *replayed);
static void on_quarantined(bool is_kept, void *arg);
static void ended(struct replay *replay);
static void batch_end(struct replay *replay);
static void leave(struct replay *replay, unsigned over);
static void go_on(struct replay *replay, unsigned over, unsigned others);
static void strike(struct replay *replay);
static int64_t pause_us(const struct replay *replay);
static struct replay *checked(void *arg);

struct replay *replay_new(const struct replay_config *config, struct err *err)
{
	struct replay *const replay = calloc(1, sizeof(*replay));
	if (replay != NULL) {
		replay->magic = REPLAY_MAGIC;
		replay->config = *config;
		replay->timer = loop_timer_new(config->loop, on_timer, replay);
		if (replay->timer != NULL)
			return replay;
		free(replay);
	}
	err_set(err, ERR_LIMIT, 0, "no memory for the replay");
	return NULL;
}

void replay_kick(struct replay *replay)
{
	if (!replay->is_stopping && replay->pending == 0 && !loop_timer_is_set(replay->timer))
		loop_timer_set(replay->timer, REPLAY_PAUSE_US);
}

const struct replay_counts *replay_counts(const struct replay *replay)
{
	return &replay->counts;
}

void replay_stop(struct replay *replay)
{
	replay->is_stopping = true;
	loop_timer_clear(replay->timer);
}

bool replay_is_idle(const struct replay *replay)
{
	return replay->pending == 0;
}

void replay_free(struct replay *replay)
{
	if (replay == NULL)
		return;
	assert(replay->pending == 0);
	loop_timer_free(replay->timer);
	replay->magic = 0;
	free(replay);
}

/* Without Postgres there is nothing to do: who comes up kicks. */
static void on_timer(void *arg)
{
	struct replay *const replay = checked(arg);
	if (replay->is_stopping || replay->pending > 0 || !post_is_up(replay->config.post))
		return;
	if (post_queued(replay->config.post) > 0 && ++replay->looks < REPLAY_LOOKS_MAX) {
		loop_timer_set(replay->timer, REPLAY_PAUSE_US);
		return;
	}
	replay->looks = 0;
	replay->must_stop = false;
	replay->count = backlog_read(replay->config.backlog, replay->raw, REPLAY_BATCH);
	if (replay->count == 0) {
		/* The disk may not let us read what there is. */
		if (stats_get(&backlog_counts(replay->config.backlog)->records) > 0)
			loop_timer_set(replay->timer, REPLAY_RETRY_MAX_US);
		replay->counts.is_stopped = replay->is_alone = false;
		return;
	}
	replay->pending = 1; /* this function, until all are handed over */
	for (unsigned i = 0; i < replay->count; i++)
		submit(replay, i);
	ended(replay);
}

static void submit(struct replay *replay, unsigned at)
{
	struct replayed *const replayed = &replay->replayed[at];
	struct backlog_record *const record = &replay->records[at];
	*replayed = (struct replayed){.replay = replay, .received_us = replay->raw[at].time_us};
	if (replay->raw[at].kind != BACKLOG_KIND ||
		!backlog_record_parse(replay->raw[at].payload, record)) {
		*record = (struct backlog_record){0};
		replayed->is_over = replayed->is_strange = true;
		return;
	}
	replay->pending++;
	replayed->kept.item = (struct post_item){
		.is_alone = replay->is_alone, .done = on_posted, .arg = replayed};
	switch (kept_event_submit(&replayed->kept, record, replay->config.post,
		replay->config.stores, replay->config.keys)) {
	case KEPT_SUBMITTED:
		return;
	case KEPT_UNOPENED:
		to_quarantine(replayed, STR("not_opened"), STR("no key opens it"));
		return;
	case KEPT_SENSELESS:
		to_quarantine(replayed, STR("not_understood"), STR("what was sealed is no event"));
		return;
	case KEPT_NO_STORE:
		replayed->is_stuck = true;
		break;
	case KEPT_LATER:
		break;
	}
	ended(replay);
}

static void on_posted(struct post_item *item, const struct post_outcome *outcome)
{
	struct replayed *const replayed = item->arg;
	struct replay *const replay = checked(replayed->replay);
	struct str code = {0}, detail = {0};
	const enum kept_fate fate = kept_event_fate(outcome, &code, &detail);
	kept_event_release(&replayed->kept);
	switch (fate) {
	case KEPT_OVER:
		replayed->is_over = true;
		replay->counts.posted++;
		break;
	case KEPT_QUARANTINE:
		to_quarantine(replayed, code, detail);
		return;
	case KEPT_STOP:
		replay->must_stop = true;
		explain(replayed, code, detail);
		break;
	case KEPT_STUCK:
		replayed->is_stuck = true;
		break;
	case KEPT_AGAIN:
		break;
	}
	ended(replay);
}

static void explain(struct replayed *replayed, struct str code, struct str detail)
{
	quarantine_words(replayed->put.code, sizeof(replayed->put.code), code);
	quarantine_words(replayed->put.detail, sizeof(replayed->put.detail), detail);
}

static void to_quarantine(struct replayed *replayed, struct str code, struct str detail)
{
	explain(replayed, code, detail);
	hand_over(replayed);
}

static void hand_over(struct replayed *replayed)
{
	struct replay *const replay = replayed->replay;
	struct quarantine_put *const put = &replayed->put;
	put->record = replay->records[replayed - replay->replayed];
	put->received_us = replayed->received_us;
	put->fn = on_quarantined;
	put->arg = replayed;
	if (!quarantine_put(replay->config.quarantine, put))
		ended(replay);
}

static void on_quarantined(bool is_kept, void *arg)
{
	struct replayed *const replayed = arg;
	replayed->is_over = is_kept;
	ended(checked(replayed->replay));
}

static void ended(struct replay *replay)
{
	assert(replay->pending > 0);
	if (--replay->pending == 0)
		batch_end(replay);
}

static void batch_end(struct replay *replay)
{
	unsigned over = 0, others = 0;
	while (over < replay->count && replay->replayed[over].is_over)
		over++;
	for (unsigned i = over; i < replay->count; i++)
		others += replay->replayed[i].is_over ? 1 : 0;
	if (over == 0 && (others > 0 || replay->replayed[0].is_stuck) && !replay->is_stopping &&
		++replay->strikes >= REPLAY_STRIKES_MAX) {
		strike(replay);
		return;
	}
	if (over > 0)
		leave(replay, over);
	if (!replay->is_stopping) /* else the next process goes on */
		go_on(replay, over, others);
}

static void leave(struct replay *replay, unsigned over)
{
	failpoint_pass(FAILPOINT_REPLAYED);
	for (unsigned i = 0; i < over; i++)
		if (replay->replayed[i].is_strange)
			backlog_set_aside(replay->config.backlog);
	backlog_done(replay->config.backlog, replay->records, over);
	failpoint_pass(FAILPOINT_DELETED);
	replay->strikes = 0;
}

static void go_on(struct replay *replay, unsigned over, unsigned others)
{
	const bool has_none = over == 0 && others == 0 && !replay->replayed[0].is_stuck;
	const bool is_told_apart = replay->is_alone || replay->count == 1;
	const bool is_stopped = replay->must_stop && has_none && is_told_apart;
	if (is_stopped && !replay->counts.is_stopped)
		log_error("replay_stopped", LOG_TEXT("reason", "the database refuses what we do"));
	replay->counts.is_stopped = is_stopped;
	replay->failures = has_none && is_told_apart ? replay->failures + 1 : 0;
	if (over == replay->count) {
		replay->is_alone = false;
		loop_timer_set(replay->timer, REPLAY_PAUSE_US);
		return;
	}
	replay->is_alone |= over == 0;
	replay->counts.retries++;
	loop_timer_set(replay->timer, pause_us(replay));
}

/* The oldest goes where it holds nobody up, and so do the others that are stuck. Unless the
 * database has said why, nothing is wrong with them: they are tried again from there. */
static void strike(struct replay *replay)
{
	replay->strikes = 0;
	replay->pending = 1; /* this function */
	for (unsigned i = 0; i < replay->count; i++) {
		struct replayed *const replayed = &replay->replayed[i];
		struct quarantine_put *const put = &replayed->put;
		if (replayed->is_over || (i > 0 && !replayed->is_stuck))
			continue;
		replay->pending++;
		put->is_retried = put->code[0] == '\0';
		if (put->is_retried)
			to_quarantine(replayed, STR("not_posted"),
				STR("it could not be posted for some time"));
		else
			hand_over(replayed);
	}
	ended(replay);
}

/* With jitter: several attributors may replay. */
static int64_t pause_us(const struct replay *replay)
{
	if (replay->counts.is_stopped)
		return REPLAY_STOP_US;
	int64_t pause = REPLAY_RETRY_US;
	for (unsigned i = 1; i < replay->failures && pause < REPLAY_RETRY_MAX_US; i++)
		pause *= 2;
	if (pause > REPLAY_RETRY_MAX_US)
		pause = REPLAY_RETRY_MAX_US;
	return pause / 2 + clock_mono_us() % (pause / 2 + 1);
}

static struct replay *checked(void *arg)
{
	struct replay *const replay = arg;
	assert(replay->magic == REPLAY_MAGIC);
	return replay;
}
