/* SPDX-License-Identifier: Apache-2.0
 * SipHash-2-4 against its authors' vectors (key 00 01 … 0f, input 00 01 … of growing length). */
#include "siphash.h"

#include "../common/suite.h"

START_TEST(authors_vectors_come_out)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} rows[] = {
		{0, UINT64_C(0x726fdb47dd0e0e31)},
		{1, UINT64_C(0x74f839c593dc67fd)},
		{7, UINT64_C(0xab0200f58b01d137)},
		{8, UINT64_C(0x93f5f5799a932462)},
		{15, UINT64_C(0xa129ca6149be45e5)},
		{16, UINT64_C(0x3f2acc7f57c29bdb)},
	};
	uint8_t key[SIPHASH_KEY_BYTES], input[16];
	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = input[i] = i;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		ck_assert_uint_eq(siphash(key, input, rows[i].len), rows[i].hash);
}
END_TEST

SUITE_MAIN("siphash", authors_vectors_come_out)
