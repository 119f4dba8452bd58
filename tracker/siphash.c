/* SPDX-License-Identifier: Apache-2.0
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs, 64 bits. Pure. */
#include "siphash.h"

#include <endian.h>
#include <string.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t word_read(const uint8_t *bytes);
static uint64_t last_read(const uint8_t *bytes, size_t len);
static inline void word_add(struct sip *sip, uint64_t word);
static inline void sip_round(struct sip *sip);

uint64_t siphash(const uint8_t secret_key[SIPHASH_KEY_BYTES], const void *bytes, size_t len)
{
	const uint64_t k0 = word_read(secret_key), k1 = word_read(secret_key + 8);
	struct sip sip = {
		.v0 = k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = k1 ^ UINT64_C(0x7465646279746573),
	};
	const uint8_t *at = bytes;
	const size_t whole = len / 8;
	for (size_t i = 0; i < whole; i++)
		word_add(&sip, word_read(at + 8 * i));
	/* What is left, with the length in the top byte. */
	word_add(&sip, last_read(at + 8 * whole, len % 8) | (uint64_t)len << 56);
	sip.v2 ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(&sip);
	return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

/* Little endian, both. */
static uint64_t word_read(const uint8_t *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof(word));
	return le64toh(word);
}

static uint64_t last_read(const uint8_t *bytes, size_t len)
{
	uint64_t word = 0;
	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

static inline void word_add(struct sip *sip, uint64_t word)
{
	sip->v3 ^= word;
	sip_round(sip);
	sip_round(sip);
	sip->v0 ^= word;
}

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void sip_round(struct sip *sip)
{
	sip->v0 += sip->v1;
	sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
	sip->v0 = rotate(sip->v0, 32);
	sip->v2 += sip->v3;
	sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
	sip->v0 += sip->v3;
	sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
	sip->v2 += sip->v1;
	sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
	sip->v2 = rotate(sip->v2, 32);
}
