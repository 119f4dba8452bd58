/* SPDX-License-Identifier: Apache-2.0
 * Link tokens and click tokens: minting and opening.
 *
 * Link token: 22 characters of base62 (0-9A-Za-z), the number slot * 2^128 + B, most significant
 * digit first; B is one AES-256 block of affiliate u32 | product u32 | campaign u24 | 0x01 |
 * 0x00000000, big endian. Click token: 60 characters of base64url of 45 bytes: header (nibbles 0x1
 * and slot), click id (16), ciphertext (16), tag (12); AES-256-GCM, the click id as IV, the header
 * as associated data, plaintext affiliate u32 | product u32 | campaign u24 | flags u8 | window_s
 * u32. */
#ifndef WASL_TOKEN_H
#define WASL_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "keyring.h"
#include "str.h"

#define LINK_TOKEN_LEN  22
#define CLICK_TOKEN_LEN 60
#define CLICK_ID_BYTES  16
#define CAMPAIGN_ID_MAX 0xffffffu
#define TOKEN_SLOT_NONE (-1)

enum click_flag { CLICK_SUSPECT = 1, CLICK_NO_TRACK = 2 };

/* In the order in which they are checked. */
enum token_result {
	TOKEN_OK = 0,
	TOKEN_BAD_LENGTH,
	TOKEN_BAD_ALPHABET,
	TOKEN_BAD_RANGE,   /* link: slot above 6 */
	TOKEN_BAD_VERSION, /* click: first nibble is not 1 */
	TOKEN_UNKNOWN_KEY,
	TOKEN_REVOKED_KEY,
	TOKEN_NOT_OURS,
};

struct link_claim {
	uint32_t affiliate_id; /* not zero */
	uint32_t product_id;   /* not zero */
	uint32_t campaign_id;  /* at most CAMPAIGN_ID_MAX */
};

struct click_claim {
	uint8_t click_id[CLICK_ID_BYTES];
	struct link_claim link;
	uint8_t flags; /* enum click_flag; other bits are zero when minting, kept as they are when
			  opening */
	uint32_t window_s;
};

/* The kept cipher contexts of one keyring. One per thread: not to be shared. */
struct token_box;

/* Copies what it needs from the keyring. NULL with err set when OpenSSL or memory fails. */
struct token_box *token_box_new(const struct keyring *keyring, struct err *err);
void token_box_free(struct token_box *box); /* NULL is fine */

/* Mint with the active key; no allocation. out is not NUL-terminated. False only if OpenSSL fails
 * or the claim breaks a limit above. */
bool token_mint_link(
	struct token_box *box, const struct link_claim *claim, char out[LINK_TOKEN_LEN]);
bool token_mint_click(
	struct token_box *box, const struct click_claim *claim, char out[CLICK_TOKEN_LEN]);

/* Open; no allocation. claim is filled only with TOKEN_OK. *slot (may be NULL) is the key's slot
 * where it could be read (link: from unknown_key on; click: likewise), else TOKEN_SLOT_NONE. */
enum token_result token_open_link(
	struct token_box *box, struct str raw_token, struct link_claim *claim, int *slot);
enum token_result token_open_click(
	struct token_box *box, struct str raw_token, struct click_claim *claim, int *slot);

const char *token_result_name(enum token_result result); /* "ok" "bad_length" … */

#endif
