/* SPDX-License-Identifier: Apache-2.0
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs, 64 bits. Pure. */
#ifndef WASL_TRACKER_SIPHASH_H
#define WASL_TRACKER_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

#define SIPHASH_KEY_BYTES 16

uint64_t siphash(const uint8_t secret_key[SIPHASH_KEY_BYTES], const void *bytes, size_t len);

#endif
