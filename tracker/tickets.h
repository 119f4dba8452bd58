/* SPDX-License-Identifier: Apache-2.0
 * Clicks whose redirect has not left yet: each with its ticket, its note, and the time by which it
 * goes without Redis. All wait equally long, so they end in the order in which they came. */
#ifndef WASL_TRACKER_TICKETS_H
#define WASL_TRACKER_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "click.h"
#include "conn.h"
#include "str.h"

/* What the owner gets back, once, when its click is safe or has to go without. */
struct sink_ticket {
	struct conn_ref ref;
	struct str headers; /* of the answer; the sink keeps its own copy while the ticket waits */
	enum click_class class;
	int64_t started_us;
};

enum ticket_state { TICKET_FREE = 0, TICKET_WAITING, TICKET_SPOOLING };

struct ticket {
	struct sink_ticket given; /* headers point at heap memory of ours */
	struct str note;          /* in the same memory */
	int64_t wall_us;
	int64_t deadline_us;
	uint32_t generation;     /* changes when its wait ends */
	uint32_t next, previous; /* waiting: by deadline; free: next only */
	enum ticket_state state;
};

struct tickets {
	struct ticket *all;
	uint32_t max;
	uint32_t used_count; /* of all, ever: the rest is untouched memory */
	uint32_t free_first;
	uint32_t waiting_first, waiting_last;
};

bool tickets_init(struct tickets *tickets, uint32_t max);
void tickets_release(struct tickets *tickets);
/* A ticket, in no state yet; NULL when none is free or memory fails. */
struct ticket *ticket_take(
	struct tickets *tickets, const struct sink_ticket *given, struct str note);
void ticket_wait(struct tickets *tickets, struct ticket *ticket, int64_t deadline_us);
/* The one whose deadline comes first; NULL when none waits. */
struct ticket *ticket_first(const struct tickets *tickets);
/* Its wait is over and answers that come for it are late, but it stays. */
void ticket_spool(struct tickets *tickets, struct ticket *ticket);
void ticket_end(struct tickets *tickets, struct ticket *ticket);
/* Names a ticket until its wait ends. */
uint64_t ticket_tag(const struct tickets *tickets, const struct ticket *ticket);
/* NULL when that wait is over. */
struct ticket *ticket_by_tag(const struct tickets *tickets, uint64_t tag);

#endif
