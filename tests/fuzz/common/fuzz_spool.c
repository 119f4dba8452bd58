/* SPDX-License-Identifier: Apache-2.0
 * A segment's bytes: the scan ends, stays inside, accounts for every byte, and finds again what it
 * found when the records alone are written anew. */
#include <stdlib.h>
#include <string.h>

#include "spool_format.h"

#define RECORDS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_so)
{
	if (!is_so)
		abort();
}

static void check_again(struct str records, uint32_t sum, unsigned count)
{
	size_t at = 0;
	for (unsigned i = 0; i < count; i++) {
		struct spool_found found;
		check(spool_scan(records, sum, &at, &found) == SPOOL_SCAN_RECORD);
		check(found.damage_bytes == 0);
	}
	check(at == records.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str raw = {(const char *)data, size};
	struct spool_progress progress;
	spool_progress_parse(raw, &progress);
	uint32_t sum = 0;
	/* Most inputs have no good head: their records count as those of a segment with sum 0. */
	size_t at = spool_head_parse(raw, &sum) == SPOOL_HEAD_OK ? SPOOL_HEAD_BYTES : 0;
	struct buf again;
	buf_init(&again, 2 * size + SPOOL_END_BYTES);
	unsigned count = 0;
	for (;;) {
		struct spool_found found = {0};
		const size_t before = at;
		const enum spool_scan scan = spool_scan(raw, sum, &at, &found);
		if (scan == SPOOL_SCAN_NONE)
			break;
		check(at > before && at <= size && found.damage_bytes <= at - before);
		if (scan != SPOOL_SCAN_RECORD) {
			check(at == size && found.damage_bytes == size - before);
			continue;
		}
		const struct str payload = found.record.payload;
		check(at - before == found.damage_bytes + SPOOL_RECORD_BYTES + payload.len);
		uint32_t end;
		if (spool_end_parse(&found.record, &end))
			check(found.record.kind == SPOOL_KIND_END);
		spool_record_encode(&again, &found.record);
		count++;
	}
	check(!again.has_failed);
	if (again.len > 0)
		spool_records_sign(again.data, again.len, sum);
	check_again(buf_str(&again), sum, count);
	buf_release(&again);
	return 0;
}
