/* SPDX-License-Identifier: Apache-2.0
 * One event of an order as it was understood: what a storefront said, in exact numbers. Pure. */
#ifndef WASL_ORDER_H
#define WASL_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "click.h"
#include "money.h"
#include "str.h"
#include "token.h"

#define ORDER_ID_MAX       128 /* bytes: order, line and product ids of a store */
#define ORDER_LINES_MAX    500
#define ORDER_CLICKS_MAX   50
#define ORDER_COUPONS_MAX  10
#define ORDER_COUPON_MAX   128 /* bytes of one code */
#define ORDER_QUANTITY_MAX 1000000
#define ORDER_TEXT_MAX     4096 /* bytes of reason_text; longer is cut at a character */
#define ORDER_CURRENCY_MAX 4
#define ORDER_NO_TAX       (-1)
#define ORDER_FUTURE_MAX_S (24 * 3600) /* a timestamp further ahead is refused */
#define EVENT_ID_MAX       256         /* bytes of a webhook-id */

/* In the order of their rank in the fold (MONEY section 1). */
#define EVENT_TYPES(X)                    \
	X(PLACED, "order.placed")         \
	X(CONFIRMED, "order.confirmed")   \
	X(AMENDED, "order.amended")       \
	X(SHIPPED, "order.shipped")       \
	X(DELIVERED, "order.delivered")   \
	X(COLLECTED, "order.collected")   \
	X(REINSTATED, "order.reinstated") \
	X(REFUNDED, "order.refunded")     \
	X(RETURNED, "order.returned")     \
	X(REFUSED, "order.refused")       \
	X(CANCELLED, "order.cancelled")   \
	X(REASSIGN, "operator.reassign")  \
	X(VOID, "operator.void")          \
	X(ADJUST, "operator.adjust")      \
	X(RESOLVE, "operator.resolve")    \
	X(REVIEW, "operator.review")
#define EVENT_ENUM_TYPE(name, text) EVENT_##name,
enum event_type { EVENT_TYPES(EVENT_ENUM_TYPE) EVENT_TYPE_COUNT };
const char *event_type_name(enum event_type type);
bool event_type_parse(struct str text, enum event_type *type);
/* An operator's act: the last five, which no storefront may send. */
bool event_type_is_act(enum event_type type);

/* A figure that may be absent. Amounts outside placed and confirmed keep their text too, since
 * their currency is the order's and not known while parsing. */
struct order_figure {
	bool has_value;
	int64_t value;
};

struct order_line {
	struct str line_id;
	struct str product_id; /* the store's own */
	int64_t quantity;
	int64_t unit_price_minor;
	int64_t discount_minor;
	int tax_bp; /* resolved: the line's, else the order's, else the store's; ORDER_NO_TAX */
	struct order_figure collected_quantity; /* cumulative, as the next two */
	struct order_figure refunded_quantity;
	struct str refunded_amount; /* decimal text; empty: absent */
};

/* What Redis said about a click when the event was taken. */
enum click_evidence { CLICK_RECORD_NONE = 0, CLICK_RECORD_AGREES, CLICK_RECORD_MISMATCH };

/* One click token of the payload, opened on receipt: later changes of the keyring or of Redis
 * change nothing. */
struct order_click {
	struct str raw_token; /* only between parsing and opening; not kept in the facts */
	enum token_result result;
	struct click_claim claim; /* with TOKEN_OK */
	enum click_evidence evidence;
};

struct order_coupon {
	struct str code;
	struct str discount; /* decimal text; empty: absent */
};

/* How an operator settles a conflict: no sale after all, or the cash that came counts. */
enum order_resolution { RESOLVE_OUT = 0, RESOLVE_COLLECTED };
const char *order_resolution_name(enum order_resolution resolution);
bool order_resolution_parse(struct str text, enum order_resolution *resolution);

/* Strings, lines, clicks and coupons lie in memory that the event owns (see event_json.h). */
struct event {
	enum event_type type;
	int64_t occurred_us; /* timestamp */
	int64_t received_us;
	struct str event_id; /* webhook-id */
	struct str order_id;
	struct order_figure order_version;
	struct order_figure placed_us;
	char currency[ORDER_CURRENCY_MAX]; /* "" when absent (events without lines of their own) */
	unsigned digits;                   /* of the currency; 3, the most of any, without one */
	struct str payment;
	bool prices_include_tax;
	bool is_test;
	int tax_bp;
	struct order_line *lines;
	unsigned line_count;
	struct order_click *clicks; /* at most ORDER_CLICKS_MAX */
	unsigned click_count;
	struct order_coupon *coupons; /* at most ORDER_COUPONS_MAX */
	unsigned coupon_count;
	int64_t discount_minor;
	struct str refunded_amount; /* of the whole order, decimal text; empty: absent */
	struct str shipping, cod_fee, tax,
		total; /* checked decimal text; empty: absent; never enter the sums */
	struct str customer_phone,
		customer_email; /* 64 hex: as sent, or (in facts) the HMAC of it */
	struct str reason;
	struct str reason_text; /* of an act: why, in the operator's words */
	/* Of acts alone; order_version is then the highest that was known when it was made. */
	struct str actor;      /* the Postgres login role */
	uint32_t affiliate_id; /* REASSIGN: whose it is, 0: back to the evidence; VOID and ADJUST:
				  whose part */
	int64_t commission_id; /* VOID and ADJUST: the row that the operator named */
	int64_t amount_minor;  /* ADJUST, signed */
	enum order_resolution resolution; /* RESOLVE */
};

#endif
