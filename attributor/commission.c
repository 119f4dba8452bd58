/* SPDX-License-Identifier: Apache-2.0
 * The states of a commission and its legal moves, out of the one table. */
#include "commission.h"

struct move {
	enum commission_state from, to;
};

#define COMMISSION_STATE(name, text, bucket) [COMMISSION_##name] = text,
static const char *const names[COMMISSION_STATE_COUNT] = {
#include "commission.def"
};

#define COMMISSION_STATE(name, text, bucket) [COMMISSION_##name] = bucket,
static const char *const buckets[COMMISSION_STATE_COUNT] = {
#include "commission.def"
};

#define COMMISSION_MOVE(from, to) {COMMISSION_##from, COMMISSION_##to},
static const struct move moves[] = {
#include "commission.def"
};

const char *commission_state_name(enum commission_state state)
{
	return names[state];
}

bool commission_state_parse(struct str text, enum commission_state *state)
{
	for (unsigned i = 0; i < COMMISSION_STATE_COUNT; i++) {
		if (!str_equal(text, str_from(names[i])))
			continue;
		*state = (enum commission_state)i;
		return true;
	}
	return false;
}

const char *commission_bucket(enum commission_state state)
{
	return buckets[state];
}

bool commission_can_move(enum commission_state from, enum commission_state to)
{
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		if (moves[i].from == from && moves[i].to == to)
			return true;
	}
	return false;
}
