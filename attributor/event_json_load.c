/* SPDX-License-Identifier: Apache-2.0
 * Facts read back. The database keeps them as jsonb, so keys come in another order; but a member
 * that is unknown, of another type or out of range is refused: who can't understand all of an event
 * must not fold its order. */
#include "event_json_parts.h"

#define ACTOR_MAX 63 /* bytes of a role's name in Postgres */

static const struct limits any_number = {INT64_MIN, INT64_MAX};
static const struct limits signed_money = {-INT64_MAX, INT64_MAX};
static const struct limits positive = {0, INT64_MAX};
static const struct limits id_limits = {1, ORDER_ID_MAX};
static const struct limits event_id_limits = {1, EVENT_ID_MAX};
static const struct limits any_text = {0, EVENT_FACTS_MAX};
static const struct limits rate_limits = {0, MONEY_BP_MAX};
static const struct limits quantity_limits = {1, ORDER_QUANTITY_MAX};
static const struct limits part_limits = {0, ORDER_QUANTITY_MAX};
static const struct limits u32_limits = {0, UINT32_MAX};
static const struct limits u32_id_limits = {1, UINT32_MAX};
static const struct limits campaign_limits = {0, CAMPAIGN_ID_MAX};
static const struct limits actor_limits = {1, ACTOR_MAX};
static const struct limits flag_limits = {0, UINT8_MAX};

static bool load_event(struct reader *reader);
static bool load_act(struct reader *reader);
static bool load_resolution(struct reader *reader);
static bool load_head(struct reader *reader);
static bool load_first(struct reader *reader);
static bool load_lines(struct reader *reader);
static bool load_line(struct reader *reader, struct order_line *line);
static bool load_clicks(struct reader *reader);
static bool load_click(struct reader *reader, struct order_click *click);
static bool load_claim(struct reader *reader, struct click_claim *claim);
static bool load_coupons(struct reader *reader);
static bool load_number(
	struct reader *reader, const char *name, const struct limits *limits, int64_t *number);
static bool load_rate(struct reader *reader, int *bp);
static bool load_word(struct reader *reader, const char *name, struct str *word);
static bool all_taken(const struct reader *reader);

bool event_json_from_facts(struct str facts, struct event **event)
{
	return event_json_load(facts, event) == EVENT_JSON_OK;
}

enum event_json_result event_json_load(struct str facts, struct event **event)
{
	struct event_fault fault = {.code = ""};
	struct reading reading = {.fault = &fault};
	json_error_t error;
	*event = NULL;
	if (facts.len == 0 || facts.len > EVENT_FACTS_MAX)
		return EVENT_JSON_INVALID;
	json_t *root = event_document_parse(facts, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		return json_error_code(&error) == json_error_out_of_memory ? EVENT_JSON_NO_MEMORY
									   : EVENT_JSON_INVALID;
	struct reader reader = {.reading = &reading, .object = root};
	reading.event = event_new();
	if (reading.event == NULL)
		reading.result = EVENT_JSON_NO_MEMORY;
	if (reading.event != NULL && reader_check_object(&reader) && load_first(&reader) &&
		(event_type_is_act(reading.event->type) ? load_act(&reader) : load_event(&reader)))
		*event = reading.event;
	else
		event_free(reading.event);
	event_document_drop(root);
	if (*event != NULL)
		return EVENT_JSON_OK;
	return reading.result == EVENT_JSON_NO_MEMORY ? EVENT_JSON_NO_MEMORY : EVENT_JSON_INVALID;
}

static bool load_event(struct reader *reader)
{
	struct event *event = reader->reading->event;
	return load_head(reader) && load_lines(reader) &&
	       reader_decimal(reader, "refunded_amount", &event->refunded_amount) &&
	       load_number(reader, "discount_minor", &positive, &event->discount_minor) &&
	       reader_decimal(reader, "shipping", &event->shipping) &&
	       reader_decimal(reader, "cod_fee", &event->cod_fee) &&
	       reader_decimal(reader, "tax", &event->tax) &&
	       reader_decimal(reader, "total", &event->total) && load_clicks(reader) &&
	       load_coupons(reader) &&
	       reader_hash(reader, "customer_phone", &event->customer_phone) &&
	       reader_hash(reader, "customer_email", &event->customer_email) &&
	       reader_reason(reader, &event->reason) &&
	       reader_text(reader, "reason_text", OPTIONAL, &any_text, &event->reason_text) &&
	       all_taken(reader);
}

/* What only some acts have they need; affiliate 0 of a reassignment gives the order back to its
 * evidence. */
static bool load_act(struct reader *reader)
{
	struct event *event = reader->reading->event;
	const bool has_part = event->type == EVENT_VOID || event->type == EVENT_ADJUST;
	struct order_figure affiliate_id = {0}, commission_id = {0}, amount_minor = {0};
	if (!reader_text(reader, "actor", REQUIRED, &actor_limits, &event->actor) ||
		!reader_integer(reader, "affiliate_id", has_part ? REQUIRED : OPTIONAL,
			has_part ? &u32_id_limits : &u32_limits, &affiliate_id) ||
		!reader_integer(reader, "commission_id", OPTIONAL, &positive, &commission_id) ||
		!reader_integer(reader, "amount_minor",
			event->type == EVENT_ADJUST ? REQUIRED : OPTIONAL, &signed_money,
			&amount_minor))
		return false;
	event->affiliate_id = (uint32_t)affiliate_id.value;
	event->commission_id = commission_id.value;
	event->amount_minor = amount_minor.value;
	return (event->type != EVENT_RESOLVE || load_resolution(reader)) &&
	       reader_text(reader, "reason_text", OPTIONAL, &any_text, &event->reason_text) &&
	       all_taken(reader);
}

static bool load_resolution(struct reader *reader)
{
	struct str word;
	return load_word(reader, "resolution", &word) &&
	       order_resolution_parse(word, &reader->reading->event->resolution);
}

static bool load_first(struct reader *reader)
{
	struct event *event = reader->reading->event;
	struct str type;
	return load_word(reader, "type", &type) && event_type_parse(type, &event->type) &&
	       load_number(reader, "occurred_us", &any_number, &event->occurred_us) &&
	       load_number(reader, "received_us", &any_number, &event->received_us) &&
	       reader_text(reader, "event_id", OPTIONAL, &event_id_limits, &event->event_id) &&
	       reader_text(reader, "order_id", REQUIRED, &id_limits, &event->order_id) &&
	       reader_integer(reader, "order_version", OPTIONAL, &positive, &event->order_version);
}

static bool load_head(struct reader *reader)
{
	struct event *event = reader->reading->event;
	return reader_integer(reader, "placed_us", OPTIONAL, &any_number, &event->placed_us) &&
	       reader_currency(reader, OPTIONAL) &&
	       reader_text(reader, "payment", OPTIONAL, &any_text, &event->payment) &&
	       reader_flag(reader, "prices_include_tax", &event->prices_include_tax) &&
	       reader_flag(reader, "test", &event->is_test) && load_rate(reader, &event->tax_bp);
}

static bool load_lines(struct reader *reader)
{
	struct event *event = reader->reading->event;
	const json_t *array;
	if (!reader_array(reader, "lines", REQUIRED, ORDER_LINES_MAX, &array))
		return false;
	const size_t count = json_array_size(array);
	if (count == 0)
		return true;
	event->lines = event_alloc(event, count, sizeof(*event->lines));
	if (event->lines == NULL)
		return reader_no_memory(reader);
	for (size_t i = 0; i < count; i++) {
		struct reader line;
		reader_element(reader, "lines", array, i, &line);
		if (!reader_check_object(&line) || !load_line(&line, &event->lines[i]))
			return false;
		event->line_count++;
	}
	return true;
}

static bool load_line(struct reader *reader, struct order_line *line)
{
	struct order_figure quantity = {0};
	line->tax_bp = ORDER_NO_TAX;
	if (!reader_text(reader, "line_id", REQUIRED, &id_limits, &line->line_id) ||
		!reader_text(reader, "product_id", OPTIONAL, &id_limits, &line->product_id) ||
		!reader_integer(reader, "quantity", OPTIONAL, &quantity_limits, &quantity))
		return false;
	line->quantity = quantity.value;
	return load_number(reader, "unit_price_minor", &positive, &line->unit_price_minor) &&
	       load_number(reader, "discount_minor", &positive, &line->discount_minor) &&
	       load_rate(reader, &line->tax_bp) &&
	       reader_integer(reader, "collected_quantity", OPTIONAL, &part_limits,
		       &line->collected_quantity) &&
	       reader_integer(reader, "refunded_quantity", OPTIONAL, &part_limits,
		       &line->refunded_quantity) &&
	       reader_decimal(reader, "refunded_amount", &line->refunded_amount) &&
	       all_taken(reader);
}

static bool load_clicks(struct reader *reader)
{
	struct event *event = reader->reading->event;
	const json_t *array;
	if (!reader_array(reader, "clicks", REQUIRED, ORDER_CLICKS_MAX, &array))
		return false;
	const unsigned count = (unsigned)json_array_size(array);
	if (count == 0)
		return true;
	event->clicks = event_alloc(event, count, sizeof(*event->clicks));
	if (event->clicks == NULL)
		return reader_no_memory(reader);
	for (unsigned i = 0; i < count; i++) {
		struct reader element;
		reader_element(reader, "clicks", array, i, &element);
		if (!reader_check_object(&element) || !load_click(&element, &event->clicks[i]))
			return false;
		event->click_count++;
	}
	return true;
}

static bool load_click(struct reader *reader, struct order_click *click)
{
	struct str result, record;
	unsigned at = TOKEN_OK;
	if (!load_word(reader, "result", &result) || !load_word(reader, "record", &record))
		return false;
	while (at <= TOKEN_NOT_OURS &&
		!str_equal(result, str_from(token_result_name((enum token_result)at))))
		at++;
	if (at > TOKEN_NOT_OURS)
		return false;
	click->result = (enum token_result)at;
	if (str_equal(record, STR("none")))
		click->evidence = CLICK_RECORD_NONE;
	else if (str_equal(record, STR("agrees")))
		click->evidence = CLICK_RECORD_AGREES;
	else if (str_equal(record, STR("mismatch")))
		click->evidence = CLICK_RECORD_MISMATCH;
	else
		return false;
	return (click->result != TOKEN_OK || load_claim(reader, &click->claim)) &&
	       all_taken(reader);
}

static bool load_claim(struct reader *reader, struct click_claim *claim)
{
	struct str click_id;
	int64_t affiliate_id, product_id, campaign_id, flags, window_s;
	if (!load_word(reader, "click_id", &click_id) ||
		!click_id_parse(click_id, claim->click_id) ||
		!load_number(reader, "affiliate_id", &u32_id_limits, &affiliate_id) ||
		!load_number(reader, "product_id", &u32_id_limits, &product_id) ||
		!load_number(reader, "campaign_id", &campaign_limits, &campaign_id) ||
		!load_number(reader, "flags", &flag_limits, &flags) ||
		!load_number(reader, "window_s", &u32_limits, &window_s))
		return false;
	claim->link = (struct link_claim){.affiliate_id = (uint32_t)affiliate_id,
		.product_id = (uint32_t)product_id,
		.campaign_id = (uint32_t)campaign_id};
	claim->flags = (uint8_t)flags;
	claim->window_s = (uint32_t)window_s;
	return true;
}

static bool load_coupons(struct reader *reader)
{
	struct event *event = reader->reading->event;
	const json_t *array;
	if (!reader_array(reader, "coupons", REQUIRED, ORDER_COUPONS_MAX, &array))
		return false;
	const unsigned count = (unsigned)json_array_size(array);
	if (count == 0)
		return true;
	event->coupons = event_alloc(event, count, sizeof(*event->coupons));
	if (event->coupons == NULL)
		return reader_no_memory(reader);
	for (unsigned i = 0; i < count; i++) {
		struct order_coupon *coupon = &event->coupons[i];
		struct reader element;
		reader_element(reader, "coupons", array, i, &element);
		if (!reader_check_object(&element) ||
			!reader_text(&element, "code", REQUIRED, &id_limits, &coupon->code) ||
			!reader_decimal(&element, "discount", &coupon->discount) ||
			!all_taken(&element))
			return false;
		event->coupon_count++;
	}
	return true;
}

static bool load_number(
	struct reader *reader, const char *name, const struct limits *limits, int64_t *number)
{
	struct order_figure figure = {0};
	if (!reader_integer(reader, name, REQUIRED, limits, &figure))
		return false;
	*number = figure.value;
	return true;
}

static bool load_rate(struct reader *reader, int *bp)
{
	struct order_figure figure = {0};
	if (!reader_integer(reader, "tax_bp", OPTIONAL, &rate_limits, &figure))
		return false;
	*bp = figure.has_value ? (int)figure.value : ORDER_NO_TAX;
	return true;
}

/* A text that lives as long as the document. */
static bool load_word(struct reader *reader, const char *name, struct str *word)
{
	const json_t *value;
	if (!reader_member(reader, name, REQUIRED, &value) || !json_is_string(value))
		return false;
	*word = (struct str){.data = json_string_value(value), .len = json_string_length(value)};
	return true;
}

static bool all_taken(const struct reader *reader)
{
	return reader->taken == json_object_size(reader->object);
}
