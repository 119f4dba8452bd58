/* SPDX-License-Identifier: Apache-2.0
 * How near a forger comes does not show in the time of the refusal: every wrong value takes the
 * same instructions, wherever its first wrong byte is. */
#include "ring.h"
#include "steps.h"
#include "token.h"

static uint8_t secret[64];
static struct token_box *box;

static void compare(const void *input)
{
	str_equal_secret(secret, input, sizeof(secret));
}

static void open_click(const void *input)
{
	struct click_claim claim;
	token_open_click(box, (struct str){.data = input, .len = CLICK_TOKEN_LEN}, &claim, NULL);
}

static void open_link(const void *input)
{
	struct link_claim claim;
	token_open_link(box, (struct str){.data = input, .len = LINK_TOKEN_LEN}, &claim, NULL);
}

static void box_make(void)
{
	struct keyring keyring;
	struct err err = {0};
	ring_from_vectors(&keyring);
	box = token_box_new(&keyring, &err);
	ck_assert_ptr_nonnull(box);
	keyring_release(&keyring);
}

/* Ways are compared to the first one; without ptrace there is nothing to compare. */
static bool ways_agree(steps_fn *fn, const void *input, struct steps_way *first)
{
	struct steps_way way;
	if (!steps_take(fn, input, &way))
		return true;
	ck_assert_uint_gt(way.count, 20);
	if (first->count == 0)
		*first = way;
	return way.count == first->count && way.hash == first->hash;
}

/* Another character of the same kind: decoding branches on the kind, which is public. */
static char other(char c)
{
	return (c >= '0' && c <= '8') || (c >= 'A' && c <= 'Y') || (c >= 'a' && c <= 'y')
		       ? (char)(c + 1)
		       : (char)(c - 1);
}

START_TEST(comparing_takes_one_way_wherever_bytes_differ)
{
	struct steps_way first = {0};
	uint8_t input[sizeof(secret)] = {0};
	ck_assert(ways_agree(compare, input, &first));
	for (unsigned at = 0; at < sizeof(secret); at += 7) {
		memset(input, 0, sizeof(input));
		input[at] = 1;
		ck_assert_msg(ways_agree(compare, input, &first), "byte %u", at);
		memset(input + at, 0xff, sizeof(input) - at);
		ck_assert_msg(ways_agree(compare, input, &first), "from byte %u", at);
	}
}
END_TEST

START_TEST(forged_click_tokens_take_one_way)
{
	const struct click_claim claim = {.click_id = {1, 2, 3},
		.link = {.affiliate_id = 5, .product_id = 7},
		.window_s = 60};
	char token[CLICK_TOKEN_LEN];
	struct steps_way first = {0};
	box_make();
	ck_assert(token_mint_click(box, &claim, token));
	/* The last 16 characters are the tag; the last one of all holds bits that must be whole. */
	for (unsigned at = CLICK_TOKEN_LEN - 16; at < CLICK_TOKEN_LEN; at++) {
		char forged[CLICK_TOKEN_LEN];
		struct click_claim opened;
		memcpy(forged, token, sizeof(forged));
		if (forged[at] == '-' || forged[at] == '_')
			continue;
		forged[at] = other(forged[at]);
		ck_assert_int_eq(
			token_open_click(box, (struct str){forged, sizeof(forged)}, &opened, NULL),
			TOKEN_NOT_OURS);
		ck_assert_msg(ways_agree(open_click, forged, &first), "character %u", at);
	}
	token_box_free(box);
}
END_TEST

START_TEST(guessed_links_take_one_way)
{
	static const char digits[] = "23456789";
	uint64_t state = 1;
	struct steps_way first = {0};
	box_make();
	for (unsigned i = 0; i < 24; i++) {
		char guess[LINK_TOKEN_LEN];
		struct link_claim claim;
		memset(guess, '0', sizeof(guess)); /* of slot 0 */
		for (unsigned at = 2; at < sizeof(guess); at++)
			guess[at] = digits[random_next(&state) % (sizeof(digits) - 1)];
		ck_assert_int_eq(
			token_open_link(box, (struct str){guess, sizeof(guess)}, &claim, NULL),
			TOKEN_NOT_OURS);
		ck_assert_msg(ways_agree(open_link, guess, &first), "guess %u", i);
	}
	token_box_free(box);
}
END_TEST

SUITE_MAIN("secret_time", comparing_takes_one_way_wherever_bytes_differ,
	forged_click_tokens_take_one_way, guessed_links_take_one_way)
