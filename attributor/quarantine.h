/* SPDX-License-Identifier: Apache-2.0
 * Events that were taken with 202 and that the database then refused, in wasl.quarantine: put
 * there, and tried again when an operator says so. */
#ifndef WASL_QUARANTINE_H
#define WASL_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "backlog_record.h"
#include "db.h"
#include "keys.h"
#include "loop.h"
#include "post.h"
#include "stores.h"

#define QUARANTINE_LOOK_US    (1000 * INT64_C(1000)) /* between looks for what is to be retried */
#define QUARANTINE_PAGE_MAX   16                     /* events retried at once */
#define QUARANTINE_DETAIL_MAX 200

struct quarantine_config {
	struct loop *loop;
	struct db *db;
	struct post *post;
	struct stores *stores;
	struct keys *keys;
};

struct quarantine_counts {
	uint64_t put, posted; /* since the start */
	uint64_t waiting;     /* for an operator, at the last look */
};

/* An event for quarantine, in the caller's memory until fn is called. */
struct quarantine_put {
	struct backlog_record record;
	int64_t received_us;
	char code[64];
	char detail[QUARANTINE_DETAIL_MAX];
	bool is_retried; /* tried again by itself: nothing is wrong with the event */
	void (*fn)(bool is_kept, void *arg);
	void *arg;
	struct quarantine *owner; /* quarantine's own */
};

/* What a database said, as one may keep it: cut behind a whole character, and UTF-8 in any case, or
 * the row would be refused as the event was. */
void quarantine_words(char *out, size_t size, struct str text);

struct quarantine;
struct quarantine *quarantine_new(const struct quarantine_config *config, struct err *err);
/* Looks from here on; the schema fits. */
void quarantine_start(struct quarantine *quarantine);
/* False: no connection, fn is not called. */
bool quarantine_put(struct quarantine *quarantine, struct quarantine_put *put);
const struct quarantine_counts *quarantine_counts(const struct quarantine *quarantine);
void quarantine_stop(struct quarantine *quarantine);
bool quarantine_is_idle(const struct quarantine *quarantine);
/* Its events must be over: free db and post before. */
void quarantine_free(struct quarantine *quarantine);

#endif
