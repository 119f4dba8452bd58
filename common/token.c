/* SPDX-License-Identifier: Apache-2.0
 * Minting and opening tokens with kept cipher contexts. */
#include "token.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#define BLOCK_BYTES       16
#define LINK_CHECK_AT     11 /* where the block's five redundancy bytes begin */
#define LINK_CHECK_BYTES  5
#define CLICK_VERSION     0x1
#define CLICK_TOKEN_BYTES 45
#define CLICK_TAG_BYTES   12

/* A link token is two leading digits and two groups of ten; 62^10 fits in 60 bits. */
#define BASE       62u
#define GROUP      10
#define GROUP_BASE UINT64_C(839299365868340224) /* 62^10 */
#define NO_DIGIT   0xff

typedef unsigned __int128 wide;

/* Contexts are made once, with their key: a new one costs 25 times the block itself. */
struct slot {
	enum key_state state;
	EVP_CIPHER_CTX *link_open;  /* AES-256, one block, no padding */
	EVP_CIPHER_CTX *click_open; /* AES-256-GCM, IV of 16 bytes */
	EVP_CIPHER_CTX *link_mint;  /* the active slot only */
	EVP_CIPHER_CTX *click_mint;
};

struct token_box {
	struct slot slots[KEYRING_SLOTS];
	unsigned active;
};

/* Where the parts of a click token's bytes are. */
struct click_bytes {
	uint8_t header;
	uint8_t click_id[CLICK_ID_BYTES];
	uint8_t sealed[BLOCK_BYTES];
	uint8_t tag[CLICK_TAG_BYTES];
};
_Static_assert(sizeof(struct click_bytes) == CLICK_TOKEN_BYTES, "a click token's bytes");

static const char alphabet_62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool fill_slot(struct slot *slot, const struct keyring_key *key, const EVP_CIPHER *block,
	const EVP_CIPHER *gcm);
static EVP_CIPHER_CTX *block_new(const EVP_CIPHER *cipher, const uint8_t *secret_key, bool is_mint);
static EVP_CIPHER_CTX *gcm_new(const EVP_CIPHER *cipher, const uint8_t *secret_key, bool is_mint);
static bool claim_check(const struct link_claim *claim);
static void put_u32(uint8_t *out, uint32_t value);
static uint32_t get_u32(const uint8_t *in);
static void put_ids(uint8_t block[BLOCK_BYTES], const struct link_claim *claim);
static void get_ids(const uint8_t block[BLOCK_BYTES], struct link_claim *claim);
static void write_number(char *out, unsigned slot, const uint8_t block[BLOCK_BYTES]);
static unsigned digit_of(char c);
static bool group_read(const char *digits, unsigned count, uint64_t *group);
static enum token_result read_number(struct str raw_token, unsigned *slot, uint8_t *block);
static enum token_result slot_check(const struct token_box *box, unsigned slot);
static bool gcm_seal(EVP_CIPHER_CTX *ctx, struct click_bytes *bytes, const uint8_t *plain);
static bool gcm_open(EVP_CIPHER_CTX *ctx, const struct click_bytes *bytes, uint8_t *plain);

struct token_box *token_box_new(const struct keyring *keyring, struct err *err)
{
	struct token_box *box = calloc(1, sizeof(*box));
	EVP_CIPHER *block = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	EVP_CIPHER *gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	bool is_filled = box != NULL && block != NULL && gcm != NULL && keyring->active >= 0;
	for (unsigned i = 0; i < KEYRING_SLOTS && is_filled; i++)
		is_filled = fill_slot(&box->slots[i], &keyring->keys[i], block, gcm);
	EVP_CIPHER_free(block);
	EVP_CIPHER_free(gcm);
	if (!is_filled) {
		err_set(err, ERR_SYSTEM, 0, "OpenSSL could not prepare the token keys");
		token_box_free(box);
		return NULL;
	}
	box->active = (unsigned)keyring->active;
	return box;
}

void token_box_free(struct token_box *box)
{
	if (box == NULL)
		return;
	for (unsigned i = 0; i < KEYRING_SLOTS; i++) {
		EVP_CIPHER_CTX_free(box->slots[i].link_open);
		EVP_CIPHER_CTX_free(box->slots[i].click_open);
		EVP_CIPHER_CTX_free(box->slots[i].link_mint);
		EVP_CIPHER_CTX_free(box->slots[i].click_mint);
	}
	free(box);
}

bool token_mint_link(
	struct token_box *box, const struct link_claim *claim, char out[LINK_TOKEN_LEN])
{
	uint8_t plain[BLOCK_BYTES] = {0};
	uint8_t block[BLOCK_BYTES];
	int len = 0;
	if (!claim_check(claim))
		return false;
	put_ids(plain, claim);
	plain[LINK_CHECK_AT] = 1;
	if (EVP_EncryptUpdate(box->slots[box->active].link_mint, block, &len, plain, BLOCK_BYTES) !=
			1 ||
		len != BLOCK_BYTES)
		return false;
	write_number(out, box->active, block);
	return true;
}

bool token_mint_click(
	struct token_box *box, const struct click_claim *claim, char out[CLICK_TOKEN_LEN])
{
	uint8_t plain[BLOCK_BYTES];
	struct click_bytes bytes;
	if (!claim_check(&claim->link) || (claim->flags & ~(CLICK_SUSPECT | CLICK_NO_TRACK)) != 0)
		return false;
	put_ids(plain, &claim->link);
	plain[11] = claim->flags;
	put_u32(plain + 12, claim->window_s);
	bytes.header = (uint8_t)(CLICK_VERSION << 4 | box->active);
	memcpy(bytes.click_id, claim->click_id, CLICK_ID_BYTES);
	if (!gcm_seal(box->slots[box->active].click_mint, &bytes, plain))
		return false;
	base64url_encode(out, &bytes, sizeof(bytes));
	return true;
}

enum token_result token_open_link(
	struct token_box *box, struct str raw_token, struct link_claim *claim, int *slot)
{
	static const uint8_t check[LINK_CHECK_BYTES] = {1, 0, 0, 0, 0};
	uint8_t block[BLOCK_BYTES];
	uint8_t plain[BLOCK_BYTES];
	unsigned number = 0;
	int len = 0;
	if (slot != NULL)
		*slot = TOKEN_SLOT_NONE;
	enum token_result result = read_number(raw_token, &number, block);
	if (result != TOKEN_OK)
		return result;
	if (slot != NULL)
		*slot = (int)number;
	result = slot_check(box, number);
	if (result != TOKEN_OK)
		return result;
	if (EVP_DecryptUpdate(box->slots[number].link_open, plain, &len, block, BLOCK_BYTES) != 1 ||
		len != BLOCK_BYTES)
		return TOKEN_NOT_OURS;
	if (!str_equal_secret(plain + LINK_CHECK_AT, check, LINK_CHECK_BYTES))
		return TOKEN_NOT_OURS;
	struct link_claim found;
	get_ids(plain, &found);
	if (found.affiliate_id == 0 || found.product_id == 0)
		return TOKEN_NOT_OURS;
	*claim = found;
	return TOKEN_OK;
}

enum token_result token_open_click(
	struct token_box *box, struct str raw_token, struct click_claim *claim, int *slot)
{
	struct click_bytes bytes;
	uint8_t plain[BLOCK_BYTES];
	size_t len = 0;
	if (slot != NULL)
		*slot = TOKEN_SLOT_NONE;
	if (raw_token.len != CLICK_TOKEN_LEN)
		return TOKEN_BAD_LENGTH;
	/* 60 characters are 45 bytes with no bit to spare: only the alphabet can be wrong. */
	if (!base64url_decode(raw_token, &bytes, sizeof(bytes), &len))
		return TOKEN_BAD_ALPHABET;
	if (bytes.header >> 4 != CLICK_VERSION)
		return TOKEN_BAD_VERSION;
	const unsigned number = bytes.header & 0x0f;
	if (slot != NULL)
		*slot = (int)number;
	const enum token_result result = slot_check(box, number);
	if (result != TOKEN_OK)
		return result;
	if (!gcm_open(box->slots[number].click_open, &bytes, plain))
		return TOKEN_NOT_OURS;
	memcpy(claim->click_id, bytes.click_id, CLICK_ID_BYTES);
	get_ids(plain, &claim->link);
	claim->flags = plain[11];
	claim->window_s = get_u32(plain + 12);
	return TOKEN_OK;
}

const char *token_result_name(enum token_result result)
{
	static const char *const names[] = {
		[TOKEN_OK] = "ok",
		[TOKEN_BAD_LENGTH] = "bad_length",
		[TOKEN_BAD_ALPHABET] = "bad_alphabet",
		[TOKEN_BAD_RANGE] = "bad_range",
		[TOKEN_BAD_VERSION] = "bad_version",
		[TOKEN_UNKNOWN_KEY] = "unknown_key",
		[TOKEN_REVOKED_KEY] = "revoked_key",
		[TOKEN_NOT_OURS] = "not_ours",
	};
	return names[result];
}

static bool fill_slot(struct slot *slot, const struct keyring_key *key, const EVP_CIPHER *block,
	const EVP_CIPHER *gcm)
{
	slot->state = key->state;
	if (key->state != KEY_ACTIVE && key->state != KEY_VALID)
		return true;
	slot->link_open = block_new(block, key->secret_link, false);
	slot->click_open = gcm_new(gcm, key->secret_click, false);
	if (slot->link_open == NULL || slot->click_open == NULL)
		return false;
	if (key->state != KEY_ACTIVE)
		return true;
	slot->link_mint = block_new(block, key->secret_link, true);
	slot->click_mint = gcm_new(gcm, key->secret_click, true);
	return slot->link_mint != NULL && slot->click_mint != NULL;
}

static EVP_CIPHER_CTX *block_new(const EVP_CIPHER *cipher, const uint8_t *secret_key, bool is_mint)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL && EVP_CipherInit_ex2(ctx, cipher, secret_key, NULL, is_mint, NULL) == 1 &&
		EVP_CIPHER_CTX_set_padding(ctx, 0) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static EVP_CIPHER_CTX *gcm_new(const EVP_CIPHER *cipher, const uint8_t *secret_key, bool is_mint)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL && EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, is_mint, NULL) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, CLICK_ID_BYTES, NULL) == 1 &&
		EVP_CipherInit_ex2(ctx, NULL, secret_key, NULL, is_mint, NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static bool claim_check(const struct link_claim *claim)
{
	return claim->affiliate_id != 0 && claim->product_id != 0 &&
	       claim->campaign_id <= CAMPAIGN_ID_MAX;
}

static void put_u32(uint8_t *out, uint32_t value)
{
	out[0] = (uint8_t)(value >> 24);
	out[1] = (uint8_t)(value >> 16);
	out[2] = (uint8_t)(value >> 8);
	out[3] = (uint8_t)value;
}

static uint32_t get_u32(const uint8_t *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

/* affiliate u32 | product u32 | campaign u24: the start of both plaintexts. */
static void put_ids(uint8_t block[BLOCK_BYTES], const struct link_claim *claim)
{
	put_u32(block, claim->affiliate_id);
	put_u32(block + 4, claim->product_id);
	block[8] = (uint8_t)(claim->campaign_id >> 16);
	block[9] = (uint8_t)(claim->campaign_id >> 8);
	block[10] = (uint8_t)claim->campaign_id;
}

static void get_ids(const uint8_t block[BLOCK_BYTES], struct link_claim *claim)
{
	claim->affiliate_id = get_u32(block);
	claim->product_id = get_u32(block + 4);
	claim->campaign_id = (uint32_t)block[8] << 16 | (uint32_t)block[9] << 8 | block[10];
}

/* slot * 2^128 + block in base 62. Long division by 62^10, 64 bits at a time: each partial dividend
 * is below 62^10 * 2^64 and so fits. */
static void write_number(char *out, unsigned slot, const uint8_t block[BLOCK_BYTES])
{
	const uint64_t high = (uint64_t)get_u32(block) << 32 | get_u32(block + 4);
	const uint64_t low = (uint64_t)get_u32(block + 8) << 32 | get_u32(block + 12);
	const wide top = (wide)slot << 64 | high;
	const wide middle = top % GROUP_BASE << 64 | low;
	const wide rest = top / GROUP_BASE << 64 | (uint64_t)(middle / GROUP_BASE);
	const uint64_t groups[] = {(uint64_t)(middle % GROUP_BASE), (uint64_t)(rest % GROUP_BASE)};
	uint64_t lead = (uint64_t)(rest / GROUP_BASE);
	char *at = out + LINK_TOKEN_LEN;
	for (unsigned g = 0; g < 2; g++) {
		uint64_t group = groups[g];
		for (unsigned i = 0; i < GROUP; i++, group /= BASE)
			*--at = alphabet_62[group % BASE];
	}
	for (; at > out; lead /= BASE)
		*--at = alphabet_62[lead % BASE];
}

static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A') + 10;
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 36;
	return NO_DIGIT;
}

static bool group_read(const char *digits, unsigned count, uint64_t *group)
{
	for (unsigned i = 0; i < count; i++) {
		const unsigned digit = digit_of(digits[i]);
		if (digit == NO_DIGIT)
			return false;
		*group = *group * BASE + digit;
	}
	return true;
}

static enum token_result read_number(struct str raw_token, unsigned *slot, uint8_t *block)
{
	uint64_t groups[3] = {0};
	if (raw_token.len != LINK_TOKEN_LEN)
		return TOKEN_BAD_LENGTH;
	const char *at = raw_token.data;
	if (!group_read(at, 2, &groups[0]) || !group_read(at + 2, GROUP, &groups[1]) ||
		!group_read(at + 2 + GROUP, GROUP, &groups[2]))
		return TOKEN_BAD_ALPHABET;
	/* upper is below 62^12 < 2^72; times 62^10 it needs 131 bits: done in halves. */
	const wide upper = (wide)groups[0] * GROUP_BASE + groups[1];
	const wide low = (wide)(uint64_t)upper * GROUP_BASE + groups[2];
	const wide high = (upper >> 64) * GROUP_BASE + (uint64_t)(low >> 64);
	if (high >> 64 >= KEYRING_SLOTS)
		return TOKEN_BAD_RANGE;
	*slot = (unsigned)(high >> 64);
	put_u32(block, (uint32_t)(high >> 32));
	put_u32(block + 4, (uint32_t)high);
	put_u32(block + 8, (uint32_t)(low >> 32));
	put_u32(block + 12, (uint32_t)low);
	return TOKEN_OK;
}

static enum token_result slot_check(const struct token_box *box, unsigned slot)
{
	if (slot >= KEYRING_SLOTS)
		return TOKEN_UNKNOWN_KEY;
	switch (box->slots[slot].state) {
	case KEY_ACTIVE:
	case KEY_VALID:
		return TOKEN_OK;
	case KEY_REVOKED:
		return TOKEN_REVOKED_KEY;
	case KEY_ABSENT:
		break;
	}
	return TOKEN_UNKNOWN_KEY;
}

static bool gcm_seal(EVP_CIPHER_CTX *ctx, struct click_bytes *bytes, const uint8_t *plain)
{
	int len = 0;
	return EVP_EncryptInit_ex2(ctx, NULL, NULL, bytes->click_id, NULL) == 1 &&
	       EVP_EncryptUpdate(ctx, NULL, &len, &bytes->header, 1) == 1 &&
	       EVP_EncryptUpdate(ctx, bytes->sealed, &len, plain, BLOCK_BYTES) == 1 &&
	       len == BLOCK_BYTES && EVP_EncryptFinal_ex(ctx, bytes->tag, &len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CLICK_TAG_BYTES, bytes->tag) == 1;
}

static bool gcm_open(EVP_CIPHER_CTX *ctx, const struct click_bytes *bytes, uint8_t *plain)
{
	int len = 0;
	uint8_t tag[CLICK_TAG_BYTES];
	memcpy(tag, bytes->tag, sizeof(tag));
	return EVP_DecryptInit_ex2(ctx, NULL, NULL, bytes->click_id, NULL) == 1 &&
	       EVP_DecryptUpdate(ctx, NULL, &len, &bytes->header, 1) == 1 &&
	       EVP_DecryptUpdate(ctx, plain, &len, bytes->sealed, BLOCK_BYTES) == 1 &&
	       len == BLOCK_BYTES &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CLICK_TAG_BYTES, tag) == 1 &&
	       EVP_DecryptFinal_ex(ctx, tag, &len) == 1;
}
