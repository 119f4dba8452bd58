/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a webhook's body and as facts: what is read goes out as facts and comes back the
 * same, and what was read as an order can be priced. */
#include "event_json.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "left.h"
#include "price.h"

#define RECEIVED_US INT64_C(1795248000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(enum event_json_result result, const struct event_fault *fault)
{
	assert(memchr(fault->pointer, '\0', sizeof(fault->pointer)) != NULL);
	assert(memchr(fault->detail, '\0', sizeof(fault->detail)) != NULL);
	if (result != EVENT_JSON_NO_MEMORY)
		assert((result == EVENT_JSON_OK) == (fault->code[0] == '\0'));
	assert(result == EVENT_JSON_INVALID || fault->pointer[0] == '\0');
}

static void check_round_trip(const struct event *event)
{
	struct buf facts, again;
	struct event *back = NULL;
	buf_init(&facts, EVENT_FACTS_MAX);
	buf_init(&again, EVENT_FACTS_MAX);
	event_json_facts(event, &facts);
	if (!facts.has_failed) {
		assert(event_json_from_facts(buf_str(&facts), &back));
		event_json_facts(back, &again);
		assert(str_equal(buf_str(&facts), buf_str(&again)));
	}
	event_free(back);
	buf_release(&facts);
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct price_line lines[ORDER_LINES_MAX];
	static struct left_line left[ORDER_LINES_MAX];
	const struct str text = {.data = (const char *)data, .len = size};
	const struct event_defaults defaults = {.received_us = RECEIVED_US, .tax_bp = ORDER_NO_TAX};
	struct event_fault fault;
	struct event *event = NULL;
	const enum event_json_result result = event_json_parse(text, &defaults, &event, &fault);
	check_fault(result, &fault);
	assert((result == EVENT_JSON_OK) == (event != NULL));
	if (event != NULL) {
		check_round_trip(event);
		if (event->type == EVENT_PLACED || event->type == EVENT_CONFIRMED)
			assert(left_whole(event, left) == LEFT_OK &&
				price_bases(event, left, lines));
	}
	event_free(event);
	if (event_json_from_facts(text, &event))
		check_round_trip(event);
	event_free(event);
	return 0;
}
