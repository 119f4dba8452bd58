/* SPDX-License-Identifier: Apache-2.0
 * The words for the types of an order's events, and for what operators say in theirs. */
#include "order.h"

#define EVENT_TYPE_NAME(name, text) [EVENT_##name] = text,
static const char *const type_names[EVENT_TYPE_COUNT] = {EVENT_TYPES(EVENT_TYPE_NAME)};

const char *event_type_name(enum event_type type)
{
	return type_names[type];
}

bool event_type_parse(struct str text, enum event_type *type)
{
	for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++) {
		if (!str_equal(text, str_from(type_names[i])))
			continue;
		*type = (enum event_type)i;
		return true;
	}
	return false;
}

bool event_type_is_act(enum event_type type)
{
	return type >= EVENT_REASSIGN && type <= EVENT_REVIEW;
}

const char *order_resolution_name(enum order_resolution resolution)
{
	return resolution == RESOLVE_COLLECTED ? "collected" : "out";
}

bool order_resolution_parse(struct str text, enum order_resolution *resolution)
{
	for (unsigned i = RESOLVE_OUT; i <= RESOLVE_COLLECTED; i++) {
		if (!str_equal(text, str_from(order_resolution_name((enum order_resolution)i))))
			continue;
		*resolution = (enum order_resolution)i;
		return true;
	}
	return false;
}
