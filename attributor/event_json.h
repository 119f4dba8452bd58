/* SPDX-License-Identifier: Apache-2.0
 * Events between JSON and struct event: the webhook's body in (strict, with the pointer of the
 * first fault), the parsed facts out to the database and back. */
#ifndef WASL_EVENT_JSON_H
#define WASL_EVENT_JSON_H

#include "buf.h"
#include "order.h"

#define EVENT_POINTER_MAX 160
#define EVENT_DETAIL_MAX  160
#define EVENT_FACTS_MAX   (1024 * 1024)
#define EVENT_DEPTH_MAX   32 /* nesting of the body; deeper is 400 */

enum event_json_result {
	EVENT_JSON_OK = 0,
	EVENT_JSON_MALFORMED, /* 400: not JSON, duplicate keys, NUL (also \u0000), invalid UTF-8,
				 lone surrogates, numbers beyond int64 or double, too deep */
	EVENT_JSON_INVALID,   /* 422: pointer names the first faulty or missing member in the
				 contract's order */
	EVENT_JSON_NO_MEMORY,
};

/* What refused a body. code is a stable word for programs: "malformed_json", "missing",
 * "wrong_type", "unknown_type", "bad_time", "time_in_future", "bad_money", "too_precise",
 * "out_of_range", "bad_currency", "bad_rate", "no_tax_rate", "too_long", "too_many", "bad_text",
 * "duplicate_line", "bad_hash", "bad_reason". */
struct event_fault {
	const char *code;
	char pointer[EVENT_POINTER_MAX]; /* RFC 6901; empty for 400 */
	char detail[EVENT_DETAIL_MAX];
};

struct event_defaults {
	int64_t received_us; /* a timestamp over ORDER_FUTURE_MAX_S after it is refused */
	int tax_bp; /* the store's, used with tax-inclusive prices when neither line nor order tell
		       one */
};

/* Parses a webhook body. On EVENT_JSON_OK *event is the caller's, to be freed by event_free; clicks
 * hold raw tokens, customer hashes are as sent (64 lower-case hex). event_id is not set.
 *
 * Beyond the contract's words: ids and coupon codes are 1-128 bytes of any UTF-8 but NUL; null for
 * a member counts as absent; lines, where given, may not be empty; a discount is at most what it is
 * taken from; line ids differ; lines of amended events are as complete as those of placed ones.
 * order_version is not negative. A click entry that is no token is kept (cut to 256 bytes), not
 * refused; an event without currency reads money with three decimals. An operator's act is no type
 * that a storefront may send: unknown_type. */
enum event_json_result event_json_parse(struct str raw_body, const struct event_defaults *defaults,
	struct event **event, struct event_fault *fault);

/* The facts that are kept for ever: the event without raw tokens (their opened claims instead).
 * Appends to out; customer hashes are written as they stand in the event (the caller has replaced
 * them by HMACs). Of an operator's act: what order.h gives to acts, its time, place and
 * reason_text.
 */
void event_json_facts(const struct event *event, struct buf *out);
/* Reads facts back, those of acts too, which the database's functions write. False on anything that
 * event_json_facts does not write. */
bool event_json_from_facts(struct str facts, struct event **event);
/* The same, telling EVENT_JSON_INVALID from EVENT_JSON_NO_MEMORY, which says nothing of the facts.
 */
enum event_json_result event_json_load(struct str facts, struct event **event);

void event_free(struct event *event);
/* Copies text into the event's memory and returns the view; empty view and false when memory fails.
 */
bool event_keep(struct event *event, struct str text, struct str *kept);

#endif
