/* SPDX-License-Identifier: Apache-2.0
 * Notices read, and changes gathered until they are published. */
#include "changes.h"

#include <stdlib.h>
#include <string.h>

static bool parse_ids(struct notice *notice, struct str text);
static bool is_token(struct str text);
static bool token_add(struct changes *changes, struct str token);
static int compare_ids(const void *a, const void *b);

bool notice_parse(struct notice *notice, struct str payload)
{
	static const struct str kinds[CATALOGUE_KINDS] = {
		STR("store"), STR("product"), STR("affiliate")};
	struct str word, rest;
	notice->is_ack = false;
	notice->id_count = 0;
	notice->token = (struct str){0};
	if (!str_cut(payload, ' ', &word, &rest))
		return false;
	if (str_equal(word, STR("ack"))) {
		notice->is_ack = true;
		notice->token = rest;
		return is_token(rest);
	}
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++) {
		if (str_equal(word, kinds[kind])) {
			notice->kind = (enum catalogue_kind)kind;
			return parse_ids(notice, rest);
		}
	}
	return false;
}

void changes_clear(struct changes *changes)
{
	changes->is_all = false;
	memset(changes->id_counts, 0, sizeof(changes->id_counts));
	changes->token_count = 0;
}

bool changes_is_empty(const struct changes *changes)
{
	return !changes->is_all && changes_count(changes) == 0;
}

unsigned changes_count(const struct changes *changes)
{
	unsigned count = changes->token_count;
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++)
		count += changes->id_counts[kind];
	return count;
}

bool changes_add(struct changes *changes, const struct notice *notice)
{
	if (notice->is_ack)
		return token_add(changes, notice->token);
	if (changes->is_all)
		return true;
	unsigned *const count = &changes->id_counts[notice->kind];
	if (notice->id_count > CHANGES_IDS_MAX - *count) {
		changes_set_all(changes);
		return true;
	}
	memcpy(changes->ids[notice->kind] + *count, notice->ids,
		notice->id_count * sizeof(notice->ids[0]));
	*count += notice->id_count;
	return true;
}

void changes_set_all(struct changes *changes)
{
	changes->is_all = true;
	memset(changes->id_counts, 0, sizeof(changes->id_counts));
}

void changes_add_tokens(struct changes *changes, const struct changes *from)
{
	for (unsigned i = 0; i < from->token_count; i++)
		(void)token_add(changes, str_from(from->tokens[i]));
}

void changes_sort(struct changes *changes)
{
	for (unsigned kind = 0; kind < CATALOGUE_KINDS; kind++) {
		uint32_t *const ids = changes->ids[kind];
		const unsigned count = changes->id_counts[kind];
		qsort(ids, count, sizeof(ids[0]), compare_ids);
		unsigned kept = 0;
		for (unsigned i = 0; i < count; i++) {
			if (kept == 0 || ids[kept - 1] != ids[i])
				ids[kept++] = ids[i];
		}
		changes->id_counts[kind] = kept;
	}
}

static bool parse_ids(struct notice *notice, struct str text)
{
	bool has_more = true;
	while (has_more) {
		struct str word;
		uint64_t id;
		has_more = str_cut(text, ',', &word, &text);
		if (notice->id_count == NOTICE_IDS_MAX || !str_parse_u64(word, UINT32_MAX, &id) ||
			id == 0)
			return false;
		notice->ids[notice->id_count++] = (uint32_t)id;
	}
	return true;
}

static bool is_token(struct str text)
{
	static const struct str alphabet =
		STR("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-");
	if (text.len == 0 || text.len > CHANGES_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!memchr(alphabet.data, text.data[i], alphabet.len))
			return false;
	}
	return true;
}

static bool token_add(struct changes *changes, struct str token)
{
	return changes->token_count < CHANGES_TOKENS_MAX &&
	       str_copy(changes->tokens[changes->token_count++], CHANGES_TOKEN_MAX + 1, token);
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return (left > right) - (left < right);
}
