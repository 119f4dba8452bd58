/* SPDX-License-Identifier: Apache-2.0
 * Readers of one JSON object's members, strict about type and range. */
#include "event_json_parts.h"

#include <stdio.h>
#include <string.h>

#include "timestamp.h"

#define HASH_TEXT_LEN 64
/* The most digits that ISO 4217 gives a currency we know: how exact money is read when an event
 * names none. */
#define DIGITS_UNKNOWN 3

struct fault_text {
	const char *code;
	const char *detail;
};
#define EVENT_FAULT_TEXT(name, code, detail) [FAULT_##name] = {code, detail},
static const struct fault_text fault_texts[FAULT_COUNT] = {EVENT_FAULTS(EVENT_FAULT_TEXT)};

static const char *const reasons[] = {"customer_cancelled", "store_cancelled", "out_of_stock",
	"unreachable", "refused_at_door", "returned", "defective", "duplicate_order", "fraud",
	"other"};

static size_t add_pointer(const struct reader *reader, char *out, size_t size);
static bool string_of(struct reader *reader, const char *name, enum need need, struct str *text);
static bool keep(const struct reader *reader, struct str text, struct str *out);
static bool check_money(
	const struct reader *reader, const char *name, struct str text, int64_t *minor);

bool reader_refuse(const struct reader *reader, const char *name, enum fault fault)
{
	struct event_fault *out = reader->reading->fault;
	reader->reading->result = EVENT_JSON_INVALID;
	out->code = fault_texts[fault].code;
	snprintf(out->detail, sizeof(out->detail), "%s", fault_texts[fault].detail);
	const size_t len = add_pointer(reader, out->pointer, sizeof(out->pointer));
	if (name != NULL)
		snprintf(out->pointer + len, sizeof(out->pointer) - len, "/%s", name);
	return false;
}

bool reader_no_memory(const struct reader *reader)
{
	reader->reading->result = EVENT_JSON_NO_MEMORY;
	return false;
}

bool reader_member(struct reader *reader, const char *name, enum need need, const json_t **value)
{
	*value = json_object_get(reader->object, name);
	if (*value == NULL || json_is_null(*value)) {
		*value = NULL;
		return need == OPTIONAL || reader_refuse(reader, name, FAULT_MISSING);
	}
	reader->taken++;
	return true;
}

bool reader_text(struct reader *reader, const char *name, enum need need,
	const struct limits *limits, struct str *out)
{
	struct str text;
	if (!string_of(reader, name, need, &text))
		return false;
	if (text.data == NULL)
		return true;
	if ((int64_t)text.len < limits->min)
		return reader_refuse(reader, name, FAULT_BAD_TEXT);
	if ((int64_t)text.len > limits->max)
		return reader_refuse(reader, name, FAULT_TOO_LONG);
	return keep(reader, text, out);
}

bool reader_hash(struct reader *reader, const char *name, struct str *out)
{
	struct str text;
	if (!string_of(reader, name, OPTIONAL, &text))
		return false;
	if (text.data == NULL)
		return true;
	bool is_good = text.len == HASH_TEXT_LEN;
	for (size_t i = 0; is_good && i < text.len; i++)
		is_good = memchr("0123456789abcdef", text.data[i], 16) != NULL;
	if (!is_good)
		return reader_refuse(reader, name, FAULT_BAD_HASH);
	return keep(reader, text, out);
}

bool reader_integer(struct reader *reader, const char *name, enum need need,
	const struct limits *limits, struct order_figure *out)
{
	const json_t *value;
	if (!reader_member(reader, name, need, &value))
		return false;
	if (value == NULL)
		return true;
	if (!json_is_integer(value))
		return reader_refuse(reader, name, FAULT_WRONG_TYPE);
	const int64_t number = json_integer_value(value);
	if (number < limits->min || number > limits->max)
		return reader_refuse(reader, name, FAULT_OUT_OF_RANGE);
	*out = (struct order_figure){.has_value = true, .value = number};
	return true;
}

bool reader_flag(struct reader *reader, const char *name, bool *out)
{
	const json_t *value;
	if (!reader_member(reader, name, OPTIONAL, &value))
		return false;
	if (value == NULL)
		return true;
	if (!json_is_boolean(value))
		return reader_refuse(reader, name, FAULT_WRONG_TYPE);
	*out = json_is_true(value);
	return true;
}

bool reader_time(struct reader *reader, const char *name, enum need need, int64_t *us)
{
	struct str text;
	if (!string_of(reader, name, need, &text))
		return false;
	if (text.data == NULL)
		return true;
	return timestamp_parse(text, us) || reader_refuse(reader, name, FAULT_BAD_TIME);
}

bool reader_money(struct reader *reader, const char *name, enum need need, int64_t *minor)
{
	struct str text;
	if (!string_of(reader, name, need, &text))
		return false;
	return text.data == NULL || check_money(reader, name, text, minor);
}

bool reader_decimal(struct reader *reader, const char *name, struct str *out)
{
	struct str text;
	int64_t minor;
	if (!string_of(reader, name, OPTIONAL, &text))
		return false;
	if (text.data == NULL)
		return true;
	return check_money(reader, name, text, &minor) && keep(reader, text, out);
}

bool reader_rate(struct reader *reader, const char *name, int *bp)
{
	struct str text;
	unsigned rate = 0;
	if (!string_of(reader, name, OPTIONAL, &text))
		return false;
	if (text.data == NULL)
		return true;
	if (money_parse_rate(text, &rate) != MONEY_OK)
		return reader_refuse(reader, name, FAULT_BAD_RATE);
	*bp = (int)rate;
	return true;
}

bool reader_currency(struct reader *reader, enum need need)
{
	struct event *event = reader->reading->event;
	struct str text;
	event->digits = DIGITS_UNKNOWN;
	if (!string_of(reader, "currency", need, &text))
		return false;
	if (text.data == NULL)
		return true;
	if (!money_currency_digits(text, &event->digits) ||
		!str_copy(event->currency, sizeof(event->currency), text))
		return reader_refuse(reader, "currency", FAULT_BAD_CURRENCY);
	return true;
}

bool reader_reason(struct reader *reader, struct str *out)
{
	struct str text;
	if (!string_of(reader, "reason", OPTIONAL, &text))
		return false;
	if (text.data == NULL)
		return true;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (str_equal(text, str_from(reasons[i])))
			return keep(reader, text, out);
	}
	return reader_refuse(reader, "reason", FAULT_BAD_REASON);
}

bool reader_array(
	struct reader *reader, const char *name, enum need need, size_t max, const json_t **array)
{
	if (!reader_member(reader, name, need, array))
		return false;
	if (*array == NULL)
		return true;
	if (!json_is_array(*array))
		return reader_refuse(reader, name, FAULT_WRONG_TYPE);
	return json_array_size(*array) <= max || reader_refuse(reader, name, FAULT_TOO_MANY);
}

bool reader_object(struct reader *reader, const char *name, enum need need, struct reader *inner)
{
	*inner = (struct reader){.reading = reader->reading,
		.outer = reader,
		.name = name,
		.index = READER_NO_INDEX};
	if (!reader_member(reader, name, need, &inner->object))
		return false;
	if (inner->object != NULL && !json_is_object(inner->object))
		return reader_refuse(reader, name, FAULT_WRONG_TYPE);
	return true;
}

void reader_element(const struct reader *reader, const char *array_name, const json_t *array,
	size_t index, struct reader *inner)
{
	*inner = (struct reader){.reading = reader->reading,
		.object = json_array_get(array, index),
		.outer = reader,
		.name = array_name,
		.index = index};
}

bool reader_check_object(const struct reader *reader)
{
	return json_is_object(reader->object) || reader_refuse(reader, NULL, FAULT_WRONG_TYPE);
}

/* The pointer of the reader's object; it is a few names deep. Returns its length, under size. */
static size_t add_pointer(const struct reader *reader, char *out, size_t size)
{
	out[0] = '\0';
	if (reader->outer == NULL)
		return 0;
	const size_t from = add_pointer(reader->outer, out, size);
	const int len =
		reader->index == READER_NO_INDEX
			? snprintf(out + from, size - from, "/%s", reader->name)
			: snprintf(out + from, size - from, "/%s/%zu", reader->name, reader->index);
	return len > 0 && (size_t)len < size - from ? from + (size_t)len : size - 1;
}

/* data NULL: absent, and not needed. */
static bool string_of(struct reader *reader, const char *name, enum need need, struct str *text)
{
	const json_t *value;
	*text = (struct str){0};
	if (!reader_member(reader, name, need, &value))
		return false;
	if (value == NULL)
		return true;
	if (!json_is_string(value))
		return reader_refuse(reader, name, FAULT_WRONG_TYPE);
	*text = (struct str){.data = json_string_value(value), .len = json_string_length(value)};
	return true;
}

static bool keep(const struct reader *reader, struct str text, struct str *out)
{
	return event_keep(reader->reading->event, text, out) || reader_no_memory(reader);
}

static bool check_money(
	const struct reader *reader, const char *name, struct str text, int64_t *minor)
{
	switch (money_parse(text, reader->reading->event->digits, minor)) {
	case MONEY_OK:
		return *minor >= 0 || reader_refuse(reader, name, FAULT_OUT_OF_RANGE);
	case MONEY_BAD_SYNTAX:
		return reader_refuse(reader, name, FAULT_BAD_MONEY);
	case MONEY_TOO_PRECISE:
		return reader_refuse(reader, name, FAULT_TOO_PRECISE);
	case MONEY_OUT_OF_RANGE:
		return reader_refuse(reader, name, FAULT_OUT_OF_RANGE);
	}
	return false;
}
