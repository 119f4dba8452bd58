/* SPDX-License-Identifier: Apache-2.0
 * What the files of event_json share: an event's memory, and readers of one JSON object's members
 * that tell the first fault by its pointer. */
#ifndef WASL_EVENT_JSON_PARTS_H
#define WASL_EVENT_JSON_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "event_json.h"

#define EVENT_MEMORY_MAX (2u << 20) /* of one event: a body of 256 KiB and 500 lines take less */
/* What a document takes before malloc is asked; an order of 50 lines takes 56 KiB. A multiple of
 * malloc's alignment. */
#define EVENT_POOL_BYTES ((size_t)64 << 10)

/* json_loadb for a document that is looked at and dropped before the next one is parsed, and by one
 * thread: jansson's memory is the pool's until then, so that nothing else of jansson's may be made
 * in between and outlive it. NULL, with nothing to drop, where json_loadb refuses; error's code is
 * json_error_out_of_memory where memory failed, which jansson calls a fault of the text or nothing
 * at all. */
json_t *event_document_parse(struct str text, size_t flags, json_error_t *error);
void event_document_drop(json_t *document);

/* An empty event with memory of its own; NULL when memory fails. */
struct event *event_new(void);
/* count zeroed things of size, aligned for any of order.h's structs, freed with the event; NULL
 * when memory fails. */
void *event_alloc(struct event *event, size_t count, size_t size);

#define EVENT_FAULTS(X)                                                                 \
	X(MISSING, "missing", "this member is needed here")                             \
	X(WRONG_TYPE, "wrong_type", "this member has another JSON type")                \
	X(UNKNOWN_TYPE, "unknown_type", "no such event type")                           \
	X(BAD_TIME, "bad_time", "a time is RFC 3339 with an offset")                    \
	X(TIME_IN_FUTURE, "time_in_future", "over 24 hours in the future")              \
	X(BAD_MONEY, "bad_money", "money is a decimal string such as \"12.50\"")        \
	X(TOO_PRECISE, "too_precise", "more decimals than the currency has")            \
	X(OUT_OF_RANGE, "out_of_range", "outside of what is possible here")             \
	X(BAD_CURRENCY, "bad_currency", "a currency is an ISO 4217 code in upper case") \
	X(BAD_RATE, "bad_rate",                                                         \
		"a rate is 0% to 100% with at most two decimals, such as \"7.5%\"")     \
	X(NO_TAX_RATE, "no_tax_rate",                                                   \
		"prices include tax, and neither line, order nor store has a rate")     \
	X(TOO_LONG, "too_long", "this text is too long")                                \
	X(TOO_MANY, "too_many", "too many of these")                                    \
	X(BAD_TEXT, "bad_text", "this text is empty")                                   \
	X(DUPLICATE_LINE, "duplicate_line", "an earlier line has this line_id")         \
	X(BAD_HASH, "bad_hash", "a hash is 64 lower-case hexadecimal digits")           \
	X(BAD_REASON, "bad_reason", "no such reason")
#define EVENT_FAULT_ENUM(name, code, detail) FAULT_##name,
enum fault { EVENT_FAULTS(EVENT_FAULT_ENUM) FAULT_COUNT };

/* One reading of one document. */
struct reading {
	struct event *event;
	const struct event_defaults *defaults; /* NULL when facts are read */
	struct event_fault *fault;
	enum event_json_result result; /* of the first fault */
};

/* One object of it. taken counts the members that were found: what has more holds unknown ones. */
struct reader {
	struct reading *reading;
	const json_t *object;
	/* Where it stands, for the JSON pointer of a fault: NULL is the document itself. */
	const struct reader *outer;
	const char *name;
	size_t index; /* in the array under that name; READER_NO_INDEX: the name's own object */
	size_t taken;
};
#define READER_NO_INDEX SIZE_MAX

enum need { OPTIONAL = 0, REQUIRED };
struct limits {
	int64_t min;
	int64_t max;
};

/* Tells a fault of the member (NULL: of the object itself); always false. */
bool reader_refuse(const struct reader *reader, const char *name, enum fault fault);
bool reader_no_memory(const struct reader *reader);
/* All of these: false after telling a fault. An absent member (null counts as absent) that is not
 * needed leaves *out alone. */
bool reader_member(struct reader *reader, const char *name, enum need need, const json_t **value);
/* limits are of bytes. The text is the event's. */
bool reader_text(struct reader *reader, const char *name, enum need need,
	const struct limits *limits, struct str *out);
bool reader_hash(struct reader *reader, const char *name, struct str *out);
bool reader_integer(struct reader *reader, const char *name, enum need need,
	const struct limits *limits, struct order_figure *out);
bool reader_flag(struct reader *reader, const char *name, bool *out);
bool reader_time(struct reader *reader, const char *name, enum need need, int64_t *us);
/* Not negative, in the event's digits. */
bool reader_money(struct reader *reader, const char *name, enum need need, int64_t *minor);
/* Money that is checked, and kept as its text. */
bool reader_decimal(struct reader *reader, const char *name, struct str *out);
bool reader_rate(struct reader *reader, const char *name, int *bp);
bool reader_currency(struct reader *reader, enum need need);
bool reader_reason(struct reader *reader, struct str *out);
bool reader_array(
	struct reader *reader, const char *name, enum need need, size_t max, const json_t **array);
/* The object under a name. */
bool reader_object(struct reader *reader, const char *name, enum need need, struct reader *inner);
/* What stands at index of the array under array_name, of whatever type. */
void reader_element(const struct reader *reader, const char *array_name, const json_t *array,
	size_t index, struct reader *inner);
/* It is an object. */
bool reader_check_object(const struct reader *reader);

/* Everything inside of "data". */
bool event_json_read_data(struct reader *data);

#endif
