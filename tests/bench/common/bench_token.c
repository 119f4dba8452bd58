/* SPDX-License-Identifier: Apache-2.0
 * Nanoseconds per token minted and opened, each against the bare cipher that it can't do without,
 * measured in turn in the same run. Prints one JSON object a line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "token.h"

#define ROUNDS   9
#define CALLS    200000 /* of each part in each round */
#define TAG_LEN  12
#define BLOCK    16
#define NS_PER_S INT64_C(1000000000)

/* Everything that the measured parts use; made once. */
struct bench {
	struct token_box *box;
	EVP_CIPHER_CTX *block;
	EVP_CIPHER_CTX *gcm_seal;
	EVP_CIPHER_CTX *gcm_open;
	struct click_claim claim;
	char link[LINK_TOKEN_LEN];
	char click[CLICK_TOKEN_LEN];
	uint8_t iv[BLOCK];
	uint8_t plain[BLOCK];
	uint8_t sealed[BLOCK];
	uint8_t tag[TAG_LEN];
};

typedef bool part_fn(struct bench *bench);

static bool mint_link(struct bench *bench);
static bool open_link(struct bench *bench);
static bool mint_click(struct bench *bench);
static bool open_click(struct bench *bench);
static bool raw_block(struct bench *bench);
static bool raw_seal(struct bench *bench);
static bool raw_open(struct bench *bench);

static const struct row {
	const char *name;
	const char *anchor_name;
	part_fn *ours;
	part_fn *anchor;
} rows[] = {
	{"token_link_mint_ns", "one AES-256 block, kept context", mint_link, raw_block},
	{"token_link_open_ns", "one AES-256 block, kept context", open_link, raw_block},
	{"token_click_mint_ns", "AES-256-GCM seal of 16 bytes, kept context", mint_click, raw_seal},
	{"token_click_open_ns", "AES-256-GCM open of 16 bytes, kept context", open_click, raw_open},
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static bool bench_init(struct bench *bench);
static EVP_CIPHER_CTX *gcm_new(const uint8_t *key, bool is_seal);
static int64_t now_ns(void);
static double measure(struct bench *bench, part_fn *part);
static double median(double *values);
static int compare(const void *a, const void *b);

int main(void)
{
	static struct bench bench;
	double ours[ROW_COUNT][ROUNDS];
	double anchor[ROW_COUNT][ROUNDS];
	if (!bench_init(&bench)) {
		fprintf(stderr, "bench_token: OpenSSL failed\n");
		return EXIT_FAILURE;
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < ROW_COUNT; i++) {
			anchor[i][round] = measure(&bench, rows[i].anchor);
			ours[i][round] = measure(&bench, rows[i].ours);
		}
	}
	for (unsigned i = 0; i < ROW_COUNT; i++) {
		const double mine = median(ours[i]);
		const double theirs = median(anchor[i]);
		printf("{\"name\":\"%s\",\"unit\":\"ns\",\"ours\":%.1f,\"anchor\":%.1f,"
		       "\"anchor_name\":\"%s\",\"ratio\":%.2f,\"rounds\":%d}\n",
			rows[i].name, mine, theirs, rows[i].anchor_name, mine / theirs, ROUNDS);
	}
	token_box_free(bench.box);
	EVP_CIPHER_CTX_free(bench.block);
	EVP_CIPHER_CTX_free(bench.gcm_seal);
	EVP_CIPHER_CTX_free(bench.gcm_open);
	return EXIT_SUCCESS;
}

static bool bench_init(struct bench *bench)
{
	struct keyring keyring;
	const uint8_t key[KEYRING_KEY_BYTES] = {1, 2, 3};
	keyring_release(&keyring);
	if (!keyring_set(&keyring, 0, KEY_ACTIVE, key, NULL))
		return false;
	bench->box = token_box_new(&keyring, NULL);
	bench->block = EVP_CIPHER_CTX_new();
	bench->gcm_seal = gcm_new(key, true);
	bench->gcm_open = gcm_new(key, false);
	bench->claim = (struct click_claim){.link = {35171, 6591, 7}, .window_s = 2592000};
	return bench->box != NULL && bench->gcm_seal != NULL && bench->gcm_open != NULL &&
	       EVP_EncryptInit_ex2(bench->block, EVP_aes_256_ecb(), key, NULL, NULL) == 1 &&
	       EVP_CIPHER_CTX_set_padding(bench->block, 0) == 1 && mint_link(bench) &&
	       mint_click(bench) && raw_seal(bench);
}

static EVP_CIPHER_CTX *gcm_new(const uint8_t *key, bool is_seal)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx != NULL &&
		EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), NULL, NULL, is_seal, NULL) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, BLOCK, NULL) == 1 &&
		EVP_CipherInit_ex2(ctx, NULL, key, NULL, is_seal, NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static bool mint_link(struct bench *bench)
{
	bench->claim.link.product_id = bench->claim.link.product_id % 100000 + 1;
	return token_mint_link(bench->box, &bench->claim.link, bench->link);
}

static bool open_link(struct bench *bench)
{
	struct link_claim claim;
	const struct str raw = {.data = bench->link, .len = sizeof(bench->link)};
	return token_open_link(bench->box, raw, &claim, NULL) == TOKEN_OK;
}

static bool mint_click(struct bench *bench)
{
	bench->claim.click_id[15]++;
	return token_mint_click(bench->box, &bench->claim, bench->click);
}

static bool open_click(struct bench *bench)
{
	struct click_claim claim;
	const struct str raw = {.data = bench->click, .len = sizeof(bench->click)};
	return token_open_click(bench->box, raw, &claim, NULL) == TOKEN_OK;
}

static bool raw_block(struct bench *bench)
{
	int len = 0;
	return EVP_EncryptUpdate(bench->block, bench->sealed, &len, bench->plain, BLOCK) == 1;
}

static bool raw_seal(struct bench *bench)
{
	int len = 0;
	return EVP_EncryptInit_ex2(bench->gcm_seal, NULL, NULL, bench->iv, NULL) == 1 &&
	       EVP_EncryptUpdate(bench->gcm_seal, bench->sealed, &len, bench->plain, BLOCK) == 1 &&
	       EVP_EncryptFinal_ex(bench->gcm_seal, bench->tag, &len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(bench->gcm_seal, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, bench->tag) ==
		       1;
}

static bool raw_open(struct bench *bench)
{
	uint8_t plain[BLOCK];
	int len = 0;
	return EVP_DecryptInit_ex2(bench->gcm_open, NULL, NULL, bench->iv, NULL) == 1 &&
	       EVP_DecryptUpdate(bench->gcm_open, plain, &len, bench->sealed, BLOCK) == 1 &&
	       EVP_CIPHER_CTX_ctrl(bench->gcm_open, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, bench->tag) ==
		       1 &&
	       EVP_DecryptFinal_ex(bench->gcm_open, plain, &len) == 1;
}

static int64_t now_ns(void)
{
	struct timespec now = {0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Nanoseconds per call; a call that fails ends the program, since its time would mean nothing. */
static double measure(struct bench *bench, part_fn *part)
{
	/* Other parts wrote over what raw_open reads. */
	if (!raw_seal(bench))
		exit(EXIT_FAILURE);
	const int64_t start = now_ns();
	for (unsigned i = 0; i < CALLS; i++) {
		if (!part(bench)) {
			fprintf(stderr, "bench_token: a call failed\n");
			exit(EXIT_FAILURE);
		}
	}
	return (double)(now_ns() - start) / CALLS;
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(values[0]), compare);
	return values[ROUNDS / 2];
}

static int compare(const void *a, const void *b)
{
	const double *left = a;
	const double *right = b;
	return (*left > *right) - (*left < *right);
}
