/* SPDX-License-Identifier: Apache-2.0
 * Who is asking: a class that decides about credit, and the app and system for statistics. Pure.
 *
 * Only fetchers that say who they are lose their credit; doubt is SUSPECT, which is credited. */
#ifndef WASL_TRACKER_CLASSIFY_H
#define WASL_TRACKER_CLASSIFY_H

#include <stdint.h>

#include "click.h"
#include "headers.h"
#include "http.h"

#define CLASSIFY_USER_AGENT_MAX 1024 /* bytes; a longer User-Agent is suspect and not looked at */
#define CLASSIFY_RULES_MAX      576

#define CLASSIFY_SLOTS 1024

/* The rules by their first letters, so that one pass over a User-Agent finds all of them. The pass
 * shifts: of each byte and each of the first four places, a bit per group of rules that have
 * another letter there. Groups without such a bit in four bytes running are looked up. */
struct classifier {
	uint64_t misses[UINT8_MAX + 1]; /* four places of sixteen groups, the first place lowest */
	uint16_t first[CLASSIFY_SLOTS]; /* by the hash of three letters: 1 + the first rule */
	uint16_t start[CLASSIFY_SLOTS]; /* likewise, of those that begin a User-Agent */
	uint16_t next[CLASSIFY_RULES_MAX]; /* 1 + the next one, in the table's order */
	uint8_t len[CLASSIFY_RULES_MAX];   /* of its text */
};

struct classified {
	enum click_class class;
	enum click_app app;
	enum click_os os;
};

void classifier_init(struct classifier *classifier);
/* Order: HEAD, prefetch headers, then the User-Agent. */
void classify(const struct classifier *classifier, enum http_method method,
	const struct headers *headers, struct classified *out);
/* The class is credited: its redirect carries a click token. */
bool classify_is_credited(enum click_class class);

#endif
