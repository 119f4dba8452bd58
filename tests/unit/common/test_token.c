/* SPDX-License-Identifier: Apache-2.0
 * Tokens: the vectors, round trips over random ids, and that nothing altered ever opens. */
#include "token.h"

#include <openssl/crypto.h>

#include "ring.h"
#include "suite.h"

#define ROUNDS        10000
#define LINK_VECTORS  "tests/vectors/link_tokens.tsv"
#define CLICK_VECTORS "tests/vectors/click_tokens.tsv"

static const char alphabet_62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char alphabet_64[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct token_box *box_new(void)
{
	struct keyring keyring;
	struct err err = {0};
	ring_from_vectors(&keyring);
	struct token_box *box = token_box_new(&keyring, &err);
	ck_assert_msg(box != NULL, "%s", err.msg);
	keyring_release(&keyring);
	return box;
}

static void random_claim(uint64_t *state, struct click_claim *claim)
{
	for (unsigned i = 0; i < CLICK_ID_BYTES; i++)
		claim->click_id[i] = (uint8_t)random_next(state);
	claim->link.affiliate_id = (uint32_t)random_next(state) | 1;
	claim->link.product_id = (uint32_t)random_next(state) | 1;
	claim->link.campaign_id = (uint32_t)random_next(state) & CAMPAIGN_ID_MAX;
	claim->flags = (uint8_t)(random_next(state) & (CLICK_SUSPECT | CLICK_NO_TRACK));
	claim->window_s = (uint32_t)random_next(state);
}

static unsigned long number(const char *text)
{
	return strtoul(text, NULL, 10);
}

START_TEST(link_vectors_all_hold)
{
	char line[VECTOR_LINE_MAX];
	char *fields[VECTOR_FIELDS];
	unsigned rows = 0;
	struct token_box *box = box_new();
	FILE *file = fopen(LINK_VECTORS, "r");
	ck_assert_ptr_nonnull(file);
	while (vector_next(file, line, fields) == 6) {
		struct link_claim claim = {0};
		int slot = 0;
		const enum token_result result =
			token_open_link(box, str_from(fields[0]), &claim, &slot);
		ck_assert_str_eq(token_result_name(result), fields[1]);
		rows++;
		if (result != TOKEN_OK) {
			ck_assert_uint_eq(claim.affiliate_id, 0);
			continue;
		}
		char again[LINK_TOKEN_LEN];
		ck_assert_int_eq(slot, (int)number(fields[2]));
		ck_assert_uint_eq(claim.affiliate_id, number(fields[3]));
		ck_assert_uint_eq(claim.product_id, number(fields[4]));
		ck_assert_uint_eq(claim.campaign_id, number(fields[5]));
		if (slot == 0 && token_mint_link(box, &claim, again))
			ck_assert_mem_eq(again, fields[0], LINK_TOKEN_LEN);
	}
	fclose(file);
	ck_assert_uint_eq(rows, 68);
	token_box_free(box);
}
END_TEST

START_TEST(click_vectors_all_hold)
{
	char line[VECTOR_LINE_MAX];
	char *fields[VECTOR_FIELDS];
	unsigned rows = 0;
	struct token_box *box = box_new();
	FILE *file = fopen(CLICK_VECTORS, "r");
	ck_assert_ptr_nonnull(file);
	while (vector_next(file, line, fields) == 10) {
		struct click_claim claim = {0};
		int slot = 0;
		const enum token_result result =
			token_open_click(box, str_from(fields[0]), &claim, &slot);
		ck_assert_str_eq(token_result_name(result), fields[1]);
		rows++;
		if (result != TOKEN_OK) {
			ck_assert_uint_eq(claim.link.affiliate_id, 0);
			continue;
		}
		uint8_t id[CLICK_ID_BYTES];
		ck_assert(hex_decode(str_from(fields[3]), id, sizeof(id)));
		ck_assert_mem_eq(claim.click_id, id, sizeof(id));
		ck_assert_int_eq(slot, (int)number(fields[2]));
		ck_assert_uint_eq(claim.link.affiliate_id, number(fields[5]));
		ck_assert_uint_eq(claim.link.product_id, number(fields[6]));
		ck_assert_uint_eq(claim.link.campaign_id, number(fields[7]));
		ck_assert_uint_eq(claim.flags, number(fields[8]));
		ck_assert_uint_eq(claim.window_s, number(fields[9]));
	}
	fclose(file);
	ck_assert_uint_eq(rows, 64);
	token_box_free(box);
}
END_TEST

START_TEST(links_round_trip_over_random_ids)
{
	struct token_box *box = box_new();
	uint64_t state = 11;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct click_claim random;
		struct link_claim found;
		char token[LINK_TOKEN_LEN];
		int slot = TOKEN_SLOT_NONE;
		random_claim(&state, &random);
		ck_assert(token_mint_link(box, &random.link, token));
		const struct str raw = {.data = token, .len = sizeof(token)};
		ck_assert_int_eq(token_open_link(box, raw, &found, &slot), TOKEN_OK);
		ck_assert_int_eq(slot, 0);
		ck_assert_mem_eq(&found, &random.link, sizeof(found));
	}
	token_box_free(box);
}
END_TEST

START_TEST(clicks_round_trip_over_random_ids)
{
	struct token_box *box = box_new();
	uint64_t state = 12;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct click_claim random = {0};
		struct click_claim found = {0};
		char token[CLICK_TOKEN_LEN];
		random_claim(&state, &random);
		ck_assert(token_mint_click(box, &random, token));
		const struct str raw = {.data = token, .len = sizeof(token)};
		ck_assert_int_eq(token_open_click(box, raw, &found, NULL), TOKEN_OK);
		ck_assert_mem_eq(found.click_id, random.click_id, CLICK_ID_BYTES);
		ck_assert_mem_eq(&found.link, &random.link, sizeof(found.link));
		ck_assert_uint_eq(found.flags, random.flags);
		ck_assert_uint_eq(found.window_s, random.window_s);
	}
	token_box_free(box);
}
END_TEST

/* Replaces every character by every other one, so each bit of each position is flipped in all ways.
 */
START_TEST(altered_links_never_open)
{
	struct token_box *box = box_new();
	uint64_t state = 13;
	for (unsigned round = 0; round < 20; round++) {
		struct click_claim random;
		struct link_claim found;
		char token[LINK_TOKEN_LEN];
		random_claim(&state, &random);
		ck_assert(token_mint_link(box, &random.link, token));
		const struct str raw = {.data = token, .len = sizeof(token)};
		for (unsigned at = 0; at < LINK_TOKEN_LEN; at++) {
			const char was = token[at];
			for (const char *c = alphabet_62; *c != '\0'; c++) {
				token[at] = *c;
				const bool is_open =
					token_open_link(box, raw, &found, NULL) == TOKEN_OK;
				ck_assert(is_open == (*c == was));
			}
			token[at] = was;
		}
	}
	token_box_free(box);
}
END_TEST

START_TEST(altered_clicks_never_open)
{
	struct token_box *box = box_new();
	uint64_t state = 14;
	for (unsigned round = 0; round < 10; round++) {
		struct click_claim random, found;
		char token[CLICK_TOKEN_LEN];
		random_claim(&state, &random);
		ck_assert(token_mint_click(box, &random, token));
		const struct str raw = {.data = token, .len = sizeof(token)};
		for (unsigned at = 0; at < CLICK_TOKEN_LEN; at++) {
			const char was = token[at];
			for (const char *c = alphabet_64; *c != '\0'; c++) {
				token[at] = *c;
				const bool is_open =
					token_open_click(box, raw, &found, NULL) == TOKEN_OK;
				ck_assert(is_open == (*c == was));
			}
			token[at] = was;
		}
		/* A refusal leaves nothing behind in the kept context. */
		ck_assert_int_eq(token_open_click(box, raw, &found, NULL), TOKEN_OK);
	}
	token_box_free(box);
}
END_TEST

START_TEST(every_bad_length_and_byte_is_told_apart)
{
	struct token_box *box = box_new();
	struct click_claim random, click;
	struct link_claim link;
	uint64_t state = 15;
	char tokens[2][CLICK_TOKEN_LEN + 2];
	memset(tokens, 'A', sizeof(tokens));
	random_claim(&state, &random);
	ck_assert(token_mint_link(box, &random.link, tokens[0]));
	ck_assert(token_mint_click(box, &random, tokens[1]));
	for (size_t len = 0; len <= CLICK_TOKEN_LEN + 1; len++) {
		const struct str as_link = {.data = tokens[0], .len = len};
		const struct str as_click = {.data = tokens[1], .len = len};
		int slot = 0;
		ck_assert_int_eq(token_open_link(box, as_link, &link, &slot),
			len == LINK_TOKEN_LEN ? TOKEN_OK : TOKEN_BAD_LENGTH);
		ck_assert_int_eq(slot, len == LINK_TOKEN_LEN ? 0 : TOKEN_SLOT_NONE);
		ck_assert_int_eq(token_open_click(box, as_click, &click, &slot),
			len == CLICK_TOKEN_LEN ? TOKEN_OK : TOKEN_BAD_LENGTH);
	}
	const struct str as_link = {.data = tokens[0], .len = LINK_TOKEN_LEN};
	const struct str as_click = {.data = tokens[1], .len = CLICK_TOKEN_LEN};
	for (unsigned byte = 0; byte < 256; byte++) {
		tokens[0][5] = (char)(uint8_t)byte;
		tokens[1][30] = (char)(uint8_t)byte;
		const bool is_62 = byte != 0 && strchr(alphabet_62, (int)byte) != NULL;
		const bool is_64 = byte != 0 && strchr(alphabet_64, (int)byte) != NULL;
		ck_assert((token_open_link(box, as_link, &link, NULL) == TOKEN_BAD_ALPHABET) !=
			  is_62);
		ck_assert((token_open_click(box, as_click, &click, NULL) == TOKEN_BAD_ALPHABET) !=
			  is_64);
	}
	token_box_free(box);
}
END_TEST

START_TEST(results_come_in_their_order)
{
	struct token_box *box = box_new();
	struct link_claim link;
	struct click_claim click;
	char text[CLICK_TOKEN_LEN];
	int slot;
	/* A bad character counts before the range or the version that the rest has. */
	ck_assert_int_eq(token_open_link(box, STR("zzzzzzzzzzzzzzzzzzzzz-"), &link, NULL),
		TOKEN_BAD_ALPHABET);
	/* 7 * 2^128 and the number before it: the first slot that is none, and slot 6. */
	ck_assert_int_eq(
		token_open_link(box, STR("sXSFUqUcLiOD6XzWDolvIu"), &link, &slot), TOKEN_BAD_RANGE);
	ck_assert_int_eq(slot, TOKEN_SLOT_NONE);
	ck_assert_int_eq(
		token_open_link(box, STR("sXSFUqUcLiOD6XzWDolvIt"), &link, &slot), TOKEN_NOT_OURS);
	ck_assert_int_eq(slot, 6);
	for (unsigned header = 0; header < 256; header++) {
		const uint8_t bytes[45] = {(uint8_t)header};
		base64url_encode(text, bytes, sizeof(bytes));
		const struct str raw = {.data = text, .len = sizeof(text)};
		const unsigned key = header & 0x0f;
		enum token_result expected = TOKEN_UNKNOWN_KEY;
		if (header >> 4 != 1)
			expected = TOKEN_BAD_VERSION;
		else if (key == 5)
			expected = TOKEN_REVOKED_KEY;
		else if (key == 0 || key == 3 || key == 6)
			expected = TOKEN_NOT_OURS;
		ck_assert_int_eq(token_open_click(box, raw, &click, &slot), expected);
		ck_assert_int_eq(slot, header >> 4 == 1 ? (int)key : TOKEN_SLOT_NONE);
	}
	token_box_free(box);
}
END_TEST

START_TEST(claims_over_their_limits_are_not_minted)
{
	struct token_box *box = box_new();
	char token[CLICK_TOKEN_LEN];
	const struct link_claim bad[] = {{0, 1, 1}, {1, 0, 1}, {1, 1, CAMPAIGN_ID_MAX + 1}};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		const struct click_claim click = {.link = bad[i]};
		ck_assert(!token_mint_link(box, &bad[i], token));
		ck_assert(!token_mint_click(box, &click, token));
	}
	struct click_claim flagged = {.link = {1, 1, 1}, .flags = 4};
	ck_assert(!token_mint_click(box, &flagged, token));
	flagged.flags = CLICK_SUSPECT | CLICK_NO_TRACK;
	ck_assert(token_mint_click(box, &flagged, token));
	token_box_free(box);
}
END_TEST

START_TEST(no_ring_without_an_active_key_mints)
{
	struct keyring keyring;
	struct err err = {0};
	keyring_release(&keyring);
	ck_assert_ptr_null(token_box_new(&keyring, &err));
	ck_assert_int_ne(err.kind, ERR_NONE);
	token_box_free(NULL);
}
END_TEST

static uint64_t allocations;

static void *counted_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return malloc(size);
}

static void *counted_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return realloc(old, size);
}

static void counted_free(void *old, const char *file, int line)
{
	(void)file;
	(void)line;
	free(old);
}

START_TEST(calls_allocate_nothing)
{
	ck_assert_int_eq(
		CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free), 1);
	struct token_box *box = box_new();
	struct click_claim random, click;
	struct link_claim link;
	char link_token[LINK_TOKEN_LEN];
	char click_token[CLICK_TOKEN_LEN];
	uint64_t state = 16;
	random_claim(&state, &random);
	ck_assert_uint_gt(allocations, 0);
	const uint64_t before = allocations;
	for (unsigned i = 0; i < 100; i++) {
		ck_assert(token_mint_link(box, &random.link, link_token));
		ck_assert(token_mint_click(box, &random, click_token));
		const struct str raw_link = {.data = link_token, .len = LINK_TOKEN_LEN};
		const struct str raw_click = {.data = click_token, .len = CLICK_TOKEN_LEN};
		ck_assert_int_eq(token_open_link(box, raw_link, &link, NULL), TOKEN_OK);
		ck_assert_int_eq(token_open_click(box, raw_click, &click, NULL), TOKEN_OK);
	}
	ck_assert_uint_eq(allocations, before);
	token_box_free(box);
}
END_TEST

SUITE_MAIN("token", link_vectors_all_hold, click_vectors_all_hold, links_round_trip_over_random_ids,
	clicks_round_trip_over_random_ids, altered_links_never_open, altered_clicks_never_open,
	every_bad_length_and_byte_is_told_apart, results_come_in_their_order,
	claims_over_their_limits_are_not_minted, no_ring_without_an_active_key_mints,
	calls_allocate_nothing)
