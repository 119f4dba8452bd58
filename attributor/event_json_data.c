/* SPDX-License-Identifier: Apache-2.0
 * The members of an event's "data", in the order in which the interface describes them: the first
 * faulty one is told. */
#include "event_json_parts.h"

#define PAYMENT_MAX     64  /* bytes */
#define CLICK_TOKEN_MAX 256 /* bytes kept of what is no token anyway */

static const struct limits id_limits = {1, ORDER_ID_MAX};
static const struct limits coupon_limits = {1, ORDER_COUPON_MAX};
static const struct limits payment_limits = {0, PAYMENT_MAX};
static const struct limits any_text = {0, INT64_MAX};
static const struct limits version_limits = {0, INT64_MAX};
static const struct limits quantity_limits = {1, ORDER_QUANTITY_MAX};
static const struct limits part_limits = {0, ORDER_QUANTITY_MAX};

static bool has_terms(enum event_type type);
static bool read_head(struct reader *data);
static bool read_lines(struct reader *data);
static bool read_line(struct reader *reader, unsigned index, int64_t *sum);
static bool read_line_terms(struct reader *reader, struct order_line *line, int64_t *sum);
static bool read_line_figures(struct reader *reader, struct order_line *line);
static bool resolve_tax(struct reader *reader, struct order_line *line);
static bool line_is_twice(const struct event *event, unsigned index);
static bool read_sums(struct reader *data, int64_t sum);
static bool read_clicks(struct reader *data);
static bool read_coupons(struct reader *data);
static bool read_coupon(struct reader *element, struct order_coupon *coupon);
static bool read_customer(struct reader *data);
static bool read_reason(struct reader *data);
static size_t cut_at_character(struct str text, size_t max);

bool event_json_read_data(struct reader *data)
{
	struct event *event = data->reading->event;
	return read_head(data) && read_lines(data) && read_clicks(data) && read_coupons(data) &&
	       read_customer(data) && reader_flag(data, "test", &event->is_test) &&
	       read_reason(data);
}

/* Events that say what was bought and for how much. */
static bool has_terms(enum event_type type)
{
	return type == EVENT_PLACED || type == EVENT_CONFIRMED || type == EVENT_AMENDED;
}

static bool read_head(struct reader *data)
{
	struct event *event = data->reading->event;
	const bool says_when = event->type == EVENT_PLACED || event->type == EVENT_CONFIRMED;
	const enum need placed_need = says_when ? REQUIRED : OPTIONAL;
	const enum need currency_need = has_terms(event->type) ? REQUIRED : OPTIONAL;
	int64_t placed_us = INT64_MIN;
	if (!reader_text(data, "order_id", REQUIRED, &id_limits, &event->order_id) ||
		!reader_integer(
			data, "order_version", OPTIONAL, &version_limits, &event->order_version) ||
		!reader_time(data, "placed_at", placed_need, &placed_us))
		return false;
	if (placed_us != INT64_MIN)
		event->placed_us = (struct order_figure){.has_value = true, .value = placed_us};
	return reader_currency(data, currency_need) &&
	       reader_text(data, "payment", OPTIONAL, &payment_limits, &event->payment) &&
	       reader_flag(data, "prices_include_tax", &event->prices_include_tax) &&
	       reader_rate(data, "tax_rate", &event->tax_bp);
}

/* And the order's sums, which are checked against the lines. No lines at all and an empty list are
 * not the same: what an empty list of a refund would mean nobody can tell, so it is refused. */
static bool read_lines(struct reader *data)
{
	struct event *event = data->reading->event;
	const enum need need = has_terms(event->type) ? REQUIRED : OPTIONAL;
	const json_t *array;
	int64_t sum = 0;
	if (!reader_array(data, "lines", need, ORDER_LINES_MAX, &array))
		return false;
	if (array == NULL)
		return read_sums(data, INT64_MAX);
	const size_t count = json_array_size(array);
	if (count == 0)
		return reader_refuse(data, "lines", FAULT_MISSING);
	event->lines = event_alloc(event, count, sizeof(*event->lines));
	if (event->lines == NULL)
		return reader_no_memory(data);
	for (unsigned i = 0; i < count; i++) {
		struct reader line;
		reader_element(data, "lines", array, i, &line);
		if (!reader_check_object(&line) || !read_line(&line, i, &sum))
			return false;
		event->line_count++;
	}
	return read_sums(data, has_terms(event->type) ? sum : INT64_MAX);
}

static bool read_line(struct reader *reader, unsigned index, int64_t *sum)
{
	struct event *event = reader->reading->event;
	struct order_line *line = &event->lines[index];
	line->tax_bp = ORDER_NO_TAX;
	if (!reader_text(reader, "line_id", REQUIRED, &id_limits, &line->line_id))
		return false;
	if (line_is_twice(event, index))
		return reader_refuse(reader, "line_id", FAULT_DUPLICATE_LINE);
	if (!read_line_terms(reader, line, sum) || !resolve_tax(reader, line))
		return false;
	return has_terms(event->type) || read_line_figures(reader, line);
}

static bool read_line_terms(struct reader *reader, struct order_line *line, int64_t *sum)
{
	const bool is_needed = has_terms(reader->reading->event->type);
	const enum need need = is_needed ? REQUIRED : OPTIONAL;
	struct order_figure quantity = {0};
	int64_t price_minor = 0;
	if (!reader_text(reader, "product_id", need, &id_limits, &line->product_id) ||
		!reader_integer(reader, "quantity", need, &quantity_limits, &quantity) ||
		!reader_money(reader, "unit_price", need, &line->unit_price_minor))
		return false;
	line->quantity = quantity.value;
	if (!money_multiply(line->unit_price_minor, line->quantity, &price_minor))
		return reader_refuse(reader, "unit_price", FAULT_OUT_OF_RANGE);
	if (!reader_money(reader, "discount", OPTIONAL, &line->discount_minor))
		return false;
	if (!is_needed)
		return true;
	if (line->discount_minor > price_minor)
		return reader_refuse(reader, "discount", FAULT_OUT_OF_RANGE);
	return money_add(*sum, price_minor - line->discount_minor, sum) ||
	       reader_refuse(reader, "unit_price", FAULT_OUT_OF_RANGE);
}

static bool resolve_tax(struct reader *reader, struct order_line *line)
{
	const struct event *event = reader->reading->event;
	if (!reader_rate(reader, "tax_rate", &line->tax_bp))
		return false;
	if (line->tax_bp == ORDER_NO_TAX)
		line->tax_bp = event->tax_bp;
	if (line->tax_bp != ORDER_NO_TAX || !event->prices_include_tax)
		return true;
	line->tax_bp = reader->reading->defaults->tax_bp;
	return line->tax_bp != ORDER_NO_TAX || !has_terms(event->type) ||
	       reader_refuse(reader, "tax_rate", FAULT_NO_TAX_RATE);
}

static bool read_line_figures(struct reader *reader, struct order_line *line)
{
	return reader_integer(reader, "collected_quantity", OPTIONAL, &part_limits,
		       &line->collected_quantity) &&
	       reader_integer(reader, "refunded_quantity", OPTIONAL, &part_limits,
		       &line->refunded_quantity) &&
	       reader_decimal(reader, "refunded_amount", &line->refunded_amount);
}

static bool line_is_twice(const struct event *event, unsigned index)
{
	for (unsigned i = 0; i < index; i++) {
		if (str_equal(event->lines[i].line_id, event->lines[index].line_id))
			return true;
	}
	return false;
}

/* sum: of the discounted lines, the most that an order's discount can be. */
static bool read_sums(struct reader *data, int64_t sum)
{
	struct event *event = data->reading->event;
	if (!has_terms(event->type) &&
		!reader_decimal(data, "refunded_amount", &event->refunded_amount))
		return false;
	if (!reader_money(data, "discount", OPTIONAL, &event->discount_minor))
		return false;
	if (event->discount_minor > sum)
		return reader_refuse(data, "discount", FAULT_OUT_OF_RANGE);
	return reader_decimal(data, "shipping", &event->shipping) &&
	       reader_decimal(data, "cod_fee", &event->cod_fee) &&
	       reader_decimal(data, "tax", &event->tax) &&
	       reader_decimal(data, "total", &event->total);
}

/* Whatever text stands there is a candidate; what is no token is refused as one, with its reason,
 * and not the order. */
static bool read_clicks(struct reader *data)
{
	struct event *event = data->reading->event;
	const json_t *array;
	if (!reader_array(data, "clicks", OPTIONAL, ORDER_CLICKS_MAX, &array))
		return false;
	const unsigned count = (unsigned)json_array_size(array);
	if (count == 0)
		return true;
	event->clicks = event_alloc(event, count, sizeof(*event->clicks));
	if (event->clicks == NULL)
		return reader_no_memory(data);
	for (unsigned i = 0; i < count; i++) {
		struct reader element;
		reader_element(data, "clicks", array, i, &element);
		if (!json_is_string(element.object))
			return reader_refuse(&element, NULL, FAULT_WRONG_TYPE);
		struct str text = {.data = json_string_value(element.object),
			.len = json_string_length(element.object)};
		if (text.len > CLICK_TOKEN_MAX)
			text.len = CLICK_TOKEN_MAX;
		event->clicks[i].result = TOKEN_BAD_LENGTH; /* until it is opened */
		if (!event_keep(event, text, &event->clicks[i].raw_token))
			return reader_no_memory(data);
		event->click_count++;
	}
	return true;
}

static bool read_coupons(struct reader *data)
{
	struct event *event = data->reading->event;
	const json_t *array;
	if (!reader_array(data, "coupons", OPTIONAL, ORDER_COUPONS_MAX, &array))
		return false;
	const unsigned count = (unsigned)json_array_size(array);
	if (count == 0)
		return true;
	event->coupons = event_alloc(event, count, sizeof(*event->coupons));
	if (event->coupons == NULL)
		return reader_no_memory(data);
	for (unsigned i = 0; i < count; i++) {
		struct reader element;
		reader_element(data, "coupons", array, i, &element);
		if (!read_coupon(&element, &event->coupons[i]))
			return false;
		event->coupon_count++;
	}
	return true;
}

/* A code alone, or an object with it. */
static bool read_coupon(struct reader *element, struct order_coupon *coupon)
{
	if (json_is_object(element->object))
		return reader_text(element, "code", REQUIRED, &coupon_limits, &coupon->code) &&
		       reader_decimal(element, "discount", &coupon->discount);
	if (!json_is_string(element->object))
		return reader_refuse(element, NULL, FAULT_WRONG_TYPE);
	const struct str code = {.data = json_string_value(element->object),
		.len = json_string_length(element->object)};
	if (code.len == 0)
		return reader_refuse(element, NULL, FAULT_BAD_TEXT);
	if (code.len > ORDER_COUPON_MAX)
		return reader_refuse(element, NULL, FAULT_TOO_LONG);
	return event_keep(element->reading->event, code, &coupon->code) ||
	       reader_no_memory(element);
}

static bool read_customer(struct reader *data)
{
	struct event *event = data->reading->event;
	struct reader customer;
	if (!reader_object(data, "customer", OPTIONAL, &customer))
		return false;
	if (customer.object == NULL)
		return true;
	return reader_hash(&customer, "phone_sha256", &event->customer_phone) &&
	       reader_hash(&customer, "email_sha256", &event->customer_email);
}

static bool read_reason(struct reader *data)
{
	struct event *event = data->reading->event;
	if (!reader_reason(data, &event->reason) ||
		!reader_text(data, "reason_text", OPTIONAL, &any_text, &event->reason_text))
		return false;
	event->reason_text.len = cut_at_character(event->reason_text, ORDER_TEXT_MAX);
	return true;
}

/* The most bytes up to max that end with a whole character of (valid) UTF-8. */
static size_t cut_at_character(struct str text, size_t max)
{
	if (text.len <= max)
		return text.len;
	while (max > 0 && ((unsigned char)text.data[max] & 0xc0) == 0x80)
		max--;
	return max;
}
