/* SPDX-License-Identifier: Apache-2.0
 * Notes of clicks: what is read is written back to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "click_note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct click_note note;
	uint8_t out[CLICK_NOTE_MAX];
	if (!click_note_parse((struct str){(const char *)data, size}, &note))
		return 0;
	if (click_note_encode(out, &note) != size || memcmp(out, data, size) != 0)
		abort();
	return 0;
}
