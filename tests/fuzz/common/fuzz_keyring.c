/* SPDX-License-Identifier: Apache-2.0
 * The keyring's text. A ring that parses has one active key and keys in slots 0-6 only. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str raw = {.data = (const char *)data, .len = size};
	struct keyring keyring;
	struct err err = {0};
	unsigned active = 0;
	if (!keyring_parse(&keyring, raw, &err)) {
		if (err.kind == ERR_NONE || strlen(err.msg) == 0)
			abort();
		return 0;
	}
	for (unsigned i = 0; i < KEYRING_SLOTS; i++)
		active += keyring.keys[i].state == KEY_ACTIVE;
	if (active != 1 || keyring.keys[keyring.active].state != KEY_ACTIVE)
		abort();
	keyring_release(&keyring);
	return 0;
}
