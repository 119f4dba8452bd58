/* SPDX-License-Identifier: Apache-2.0
 * A webhook's body: is it JSON that everybody reads alike, and an event? */
#include <stdio.h>
#include <string.h>

#include "event_json_parts.h"

#include "timestamp.h"

static bool depth_is_good(struct str raw_body);
static bool has_few_brackets(struct str raw_body);
static json_t *load(struct str raw_body, struct reading *reading);
static bool read_event(struct reader *reader);
static bool read_type(struct reader *reader);
static const char *malformed_detail(enum json_error_code code);

enum event_json_result event_json_parse(struct str raw_body, const struct event_defaults *defaults,
	struct event **event, struct event_fault *fault)
{
	struct reading reading = {.defaults = defaults, .fault = fault};
	*event = NULL;
	*fault = (struct event_fault){.code = ""};
	json_t *root = load(raw_body, &reading);
	if (root == NULL)
		return reading.result;
	struct reader reader = {.reading = &reading, .object = root};
	reading.event = event_new();
	if (reading.event == NULL) {
		reading.result = EVENT_JSON_NO_MEMORY;
	} else if (read_event(&reader)) {
		reading.event->received_us = defaults->received_us;
		*event = reading.event;
	} else {
		event_free(reading.event);
	}
	event_document_drop(root);
	return reading.result;
}

static json_t *load(struct str raw_body, struct reading *reading)
{
	json_error_t error = {0};
	struct event_fault *fault = reading->fault;
	reading->result = EVENT_JSON_MALFORMED;
	fault->code = "malformed_json";
	if (raw_body.len == 0) {
		snprintf(fault->detail, sizeof(fault->detail), "the body is empty");
		return NULL;
	}
	if (!depth_is_good(raw_body)) {
		snprintf(fault->detail, sizeof(fault->detail), "nested over %d deep",
			EVENT_DEPTH_MAX);
		return NULL;
	}
	json_t *root =
		event_document_parse(raw_body, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (root != NULL) {
		reading->result = EVENT_JSON_OK;
		fault->code = "";
		return root;
	}
	if (json_error_code(&error) == json_error_out_of_memory)
		reading->result = EVENT_JSON_NO_MEMORY;
	snprintf(fault->detail, sizeof(fault->detail), "%s, at line %d, column %d",
		malformed_detail(json_error_code(&error)), error.line, error.column);
	return NULL;
}

/* Before the parser recurses: brackets outside of strings. */
static bool depth_is_good(struct str raw_body)
{
	if (has_few_brackets(raw_body))
		return true;
	unsigned depth = 0;
	bool is_inside = false;
	for (size_t i = 0; i < raw_body.len; i++) {
		const char c = raw_body.data[i];
		if (is_inside) {
			if (c == '\\')
				i++;
			else if (c == '"')
				is_inside = false;
		} else if (c == '"') {
			is_inside = true;
		} else if (c == '{' || c == '[') {
			if (++depth > EVENT_DEPTH_MAX)
				return false;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

/* Most bodies are done with here: what opens that seldom, in strings or not, can't nest deeper. */
static bool has_few_brackets(struct str raw_body)
{
	unsigned count = 0;
	for (const char *bracket = "{["; *bracket != '\0'; bracket++) {
		const char *const end = raw_body.data + raw_body.len;
		const char *at = raw_body.data;
		while ((at = memchr(at, *bracket, (size_t)(end - at))) != NULL) {
			if (++count > EVENT_DEPTH_MAX)
				return false;
			at++;
		}
	}
	return true;
}

static bool read_event(struct reader *reader)
{
	const struct event_defaults *defaults = reader->reading->defaults;
	struct event *event = reader->reading->event;
	struct reader data;
	if (!json_is_object(reader->object))
		return reader_refuse(reader, NULL, FAULT_WRONG_TYPE);
	if (!read_type(reader) || !reader_time(reader, "timestamp", REQUIRED, &event->occurred_us))
		return false;
	if (event->occurred_us - defaults->received_us > ORDER_FUTURE_MAX_S * US_PER_S)
		return reader_refuse(reader, "timestamp", FAULT_TIME_IN_FUTURE);
	return reader_object(reader, "data", REQUIRED, &data) && event_json_read_data(&data);
}

static bool read_type(struct reader *reader)
{
	const json_t *value;
	if (!reader_member(reader, "type", REQUIRED, &value))
		return false;
	if (!json_is_string(value))
		return reader_refuse(reader, "type", FAULT_WRONG_TYPE);
	const struct str text = {
		.data = json_string_value(value), .len = json_string_length(value)};
	enum event_type *const type = &reader->reading->event->type;
	return (event_type_parse(text, type) && !event_type_is_act(*type)) ||
	       reader_refuse(reader, "type", FAULT_UNKNOWN_TYPE);
}

static const char *malformed_detail(enum json_error_code code)
{
	if (code == json_error_invalid_utf8)
		return "not UTF-8";
	if (code == json_error_premature_end_of_input)
		return "the body ends too early";
	if (code == json_error_end_of_input_expected)
		return "more than one JSON value";
	if (code == json_error_duplicate_key)
		return "an object has a key twice";
	if (code == json_error_numeric_overflow)
		return "a number beyond int64 or double";
	if (code == json_error_null_character || code == json_error_null_byte_in_key)
		return "NUL in a string";
	return "not JSON";
}
