/* SPDX-License-Identifier: Apache-2.0
 * Both token decoders. What opens must be what minting its claim gives, and nothing else than that.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct token_box *box_get(void)
{
	static struct token_box *box;
	if (box == NULL) {
		/* Slots 0 (active), 3 and 6 of the vectors, so that their tokens are worth
		 * mutating. */
		static const char ring[] =
			"0 active "
			"f3f49249dc28ff90a5aec7978306d03bf38b2ffc80a4df5a51c9bc701e7ea419\n"
			"3 valid 6bad6be28e7aa6e99f19950499dd251de512148239292d22e255accb1a466884\n"
			"6 valid "
			"14aa4e719d3c7dec00a61f933d6c51e370eb9a0a96263ae6c5e818fac0433cbd\n";
		struct keyring keyring;
		if (!keyring_parse(&keyring, str_from(ring), NULL))
			abort();
		box = token_box_new(&keyring, NULL);
		if (box == NULL)
			abort();
	}
	return box;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct token_box *box = box_get();
	const struct str raw = {.data = (const char *)data, .len = size};
	struct link_claim link;
	struct click_claim click;
	char again[CLICK_TOKEN_LEN];
	int slot;
	if (token_open_link(box, raw, &link, &slot) == TOKEN_OK && slot == 0) {
		if (!token_mint_link(box, &link, again) || memcmp(again, data, LINK_TOKEN_LEN) != 0)
			abort();
	}
	if (token_open_click(box, raw, &click, &slot) == TOKEN_OK && slot == 0 &&
		click.flags <= (CLICK_SUSPECT | CLICK_NO_TRACK)) {
		if (!token_mint_click(box, &click, again) ||
			memcmp(again, data, CLICK_TOKEN_LEN) != 0)
			abort();
	}
	return 0;
}
