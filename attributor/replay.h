/* SPDX-License-Identifier: Apache-2.0
 * What waits on local disk goes into Postgres: oldest first, behind live events, each until it took
 * effect or is in quarantine. A crash in between gives it again, and it is found done.
 *
 * When the oldest of a batch is not over, each of the next is a transaction of its own: so it shows
 * whether the database hinders all of them, or one of them the others. */
#ifndef WASL_REPLAY_H
#define WASL_REPLAY_H

#include "backlog.h"
#include "quarantine.h"

#define REPLAY_BATCH        64
#define REPLAY_PAUSE_US     (10 * INT64_C(1000))  /* after each batch, for live events */
#define REPLAY_LOOKS_MAX    50                    /* pauses in a row that live events may take */
#define REPLAY_RETRY_US     (250 * INT64_C(1000)) /* then twice as long each time */
#define REPLAY_RETRY_MAX_US (8 * INT64_C(1000000))
#define REPLAY_STOP_US      (10 * INT64_C(1000000)) /* the database refuses all of it */
/* Of the oldest event, while others go or by its own fault: then to quarantine. */
#define REPLAY_STRIKES_MAX 8

struct replay_config {
	struct loop *loop;
	struct backlog *backlog;
	struct quarantine *quarantine;
	struct post *post;
	struct stores *stores;
	struct keys *keys;
};

struct replay_counts {
	uint64_t posted, retries; /* since the start */
	bool is_stopped;          /* the database refuses us: somebody has to look */
};

struct replay;
struct replay *replay_new(const struct replay_config *config, struct err *err);
/* There may be something to do: something was spooled, or Postgres is up. */
void replay_kick(struct replay *replay);
const struct replay_counts *replay_counts(const struct replay *replay);
void replay_stop(struct replay *replay);
bool replay_is_idle(const struct replay *replay);
/* Its events must be over: free db and post before. */
void replay_free(struct replay *replay);

#endif
