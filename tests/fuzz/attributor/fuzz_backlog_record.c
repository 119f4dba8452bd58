/* SPDX-License-Identifier: Apache-2.0
 * An event as it waits in the spool: what is read as a record lies inside the input, keeps its
 * limits, and is written again byte for byte; nothing else is. */
#include <stdlib.h>
#include <string.h>

#include "backlog_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_so)
{
	if (!is_so)
		abort();
}

static void check_inside(struct str raw, struct str view)
{
	check(view.len <= raw.len && view.data >= raw.data &&
		view.data + view.len <= raw.data + raw.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str raw = {(const char *)data, size};
	struct backlog_record record;
	if (!backlog_record_parse(raw, &record))
		return 0;
	check(record.store_id > 0 && record.event_id.len > 0 &&
		record.event_id.len <= EVENT_ID_MAX);
	check(BACKLOG_HEAD_BYTES + record.event_id.len + record.sealed_facts.len +
			record.sealed_body.len ==
		size);
	check_inside(raw, record.event_id);
	check_inside(raw, record.sealed_facts);
	check_inside(raw, record.sealed_body);
	struct buf again;
	buf_init(&again, size);
	backlog_record_encode(&again, &record);
	check(!again.has_failed && again.len == size && memcmp(again.data, data, size) == 0);
	buf_release(&again);
	return 0;
}
