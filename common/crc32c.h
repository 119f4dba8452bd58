/* SPDX-License-Identifier: Apache-2.0
 * CRC-32C (Castagnoli, RFC 3720 section 12.1), by the processor's own instruction where it has it.
 * Pure. */
#ifndef WASL_CRC32C_H
#define WASL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc: 0 to begin with, or what came back for the bytes before. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);
/* The same without the instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len);

#endif
