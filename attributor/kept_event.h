/* SPDX-License-Identifier: Apache-2.0
 * An event that was verified and kept earlier, sealed, on its way into Postgres now. */
#ifndef WASL_KEPT_EVENT_H
#define WASL_KEPT_EVENT_H

#include "backlog_record.h"
#include "event_json.h"
#include "keys.h"
#include "post.h"
#include "stores.h"

enum kept_result {
	KEPT_SUBMITTED = 0, /* done follows */
	KEPT_UNOPENED,      /* the seal does not open: err says why */
	KEPT_SENSELESS,     /* what was sealed is no event */
	KEPT_LATER,         /* no connection, no memory, or the stores are not all read yet */
	KEPT_NO_STORE,      /* all stores are read, and it is none of them: later, if ever */
};

struct kept_event {
	struct event *event;
	struct post_item item;
};
/* Opens the facts and hands them to post, by the item's is_alone, done and arg; without signature
 * and time checks, which were made when they were kept. record's views must live until done. After
 * anything but KEPT_SUBMITTED there is nothing to release. */
enum kept_result kept_event_submit(struct kept_event *kept, const struct backlog_record *record,
	struct post *post, struct stores *stores, struct keys *keys);
void kept_event_release(struct kept_event *kept);

/* What to do about an outcome of post. */
enum kept_fate {
	KEPT_OVER = 0,   /* it took effect, now or before */
	KEPT_QUARANTINE, /* code and detail say why */
	KEPT_AGAIN,      /* later */
	KEPT_STUCK,      /* later, and it is not the database that hinders it */
	KEPT_STOP,       /* the database refuses us: alarm, and later; code and detail say why */
};
enum kept_fate kept_event_fate(
	const struct post_outcome *outcome, struct str *code, struct str *detail);

#endif
