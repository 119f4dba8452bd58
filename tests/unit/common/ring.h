/* SPDX-License-Identifier: Apache-2.0
 * The keyring of the vectors, for tests of what keys do. */
#ifndef WASL_TEST_RING_H
#define WASL_TEST_RING_H

#include "keyring.h"
#include "suite.h"

#define KEYRING_VECTORS "tests/vectors/keyring.tsv"

/* The vectors' keys as a keyring file's text. */
static inline void ring_text(char text[KEYRING_FILE_MAX])
{
	char line[VECTOR_LINE_MAX];
	char *fields[VECTOR_FIELDS];
	size_t len = 0;
	FILE *file = fopen(KEYRING_VECTORS, "r");
	ck_assert_ptr_nonnull(file);
	while (vector_next(file, line, fields) == 5)
		len += (size_t)snprintf(text + len, KEYRING_FILE_MAX - len, "%s %s %s\n", fields[0],
			fields[4], fields[1]);
	fclose(file);
}

static inline void ring_from_vectors(struct keyring *keyring)
{
	char text[KEYRING_FILE_MAX];
	struct err err = {0};
	ring_text(text);
	ck_assert_msg(keyring_parse(keyring, str_from(text), &err), "%s", err.msg);
}

#endif
