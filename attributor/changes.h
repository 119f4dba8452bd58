/* SPDX-License-Identifier: Apache-2.0
 * What the publisher has been told and has not published yet: changed ids, and whoever waits to
 * hear that they are. Bounded: what does not fit turns into "everything". Pure.
 *
 * A notice is the payload of one NOTIFY: "store 1,2", "product 5", "affiliate 7,8" or "ack TOKEN"
 * (a token: letters, digits, '_' and '-'). */
#ifndef WASL_CHANGES_H
#define WASL_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue_row.h"
#include "str.h"

#define CHANGES_IDS_MAX 50000 /* of one kind */
#define CHANGES_TOKENS_MAX                                                                       \
	256                    /* the newest beyond it go unanswered: their senders stop waiting \
				*/
#define CHANGES_TOKEN_MAX 64   /* bytes */
#define NOTICE_IDS_MAX    4000 /* a payload is under 8,000 bytes, an id takes two */

struct notice {
	bool is_ack;
	enum catalogue_kind kind; /* unless is_ack */
	uint32_t ids[NOTICE_IDS_MAX];
	unsigned id_count;
	struct str token; /* a view into the payload */
};
/* Refuses anything else than the above. */
bool notice_parse(struct notice *notice, struct str payload);

struct changes {
	bool is_all; /* publish everything; then ids are not kept */
	unsigned id_counts[CATALOGUE_KINDS];
	unsigned token_count;
	uint32_t ids[CATALOGUE_KINDS][CHANGES_IDS_MAX];
	char tokens[CHANGES_TOKENS_MAX][CHANGES_TOKEN_MAX + 1];
};

void changes_clear(struct changes *changes);
bool changes_is_empty(const struct changes *changes);
/* ids and tokens together. */
unsigned changes_count(const struct changes *changes);
/* Too many ids: is_all. Returns false if a token was dropped. */
bool changes_add(struct changes *changes, const struct notice *notice);
/* Everything is to be published; tokens stay. */
void changes_set_all(struct changes *changes);
/* Takes over the tokens of from, which wait for this now. */
void changes_add_tokens(struct changes *changes, const struct changes *from);
/* Sorts the ids of each kind and drops repeats. */
void changes_sort(struct changes *changes);

#endif
