/* SPDX-License-Identifier: Apache-2.0
 * An event as the facts that are kept for ever: compact JSON, always the same keys in the same
 * order, whole numbers and texts only. What is absent is left out. */
#include "event_json_parts.h"

#include "json_text.h"

#define FACTS_USUAL_BYTES 1024 /* of an order of a few lines: room for it is made at once */

/* A name with what stands around it. */
#define NAME(name) STR(",\"" name "\":")

static void add_act(const struct event *event, struct buf *out);
static void add_head(const struct event *event, struct buf *out);
static void add_first(const struct event *event, struct buf *out);
static void add_line(const struct order_line *line, struct buf *out);
static void add_click(const struct order_click *click, struct buf *out);
static void add_coupon(const struct order_coupon *coupon, struct buf *out);
static void add_text(struct buf *out, struct str name, struct str text);
static void add_figure(struct buf *out, struct str name, const struct order_figure *figure);
static void add_number(struct buf *out, struct str name, int64_t number);
static void add_flag(struct buf *out, struct str name, bool flag);
static const char *evidence_word(enum click_evidence evidence);

void event_json_facts(const struct event *event, struct buf *out)
{
	if (out->max - out->len > FACTS_USUAL_BYTES)
		buf_reserve(out, FACTS_USUAL_BYTES);
	if (event_type_is_act(event->type)) {
		add_act(event, out);
		return;
	}
	add_head(event, out);
	buf_add_cstr(out, ",\"lines\":[");
	for (unsigned i = 0; i < event->line_count; i++) {
		buf_add_cstr(out, i > 0 ? "," : "");
		add_line(&event->lines[i], out);
	}
	buf_add_cstr(out, "]");
	add_text(out, NAME("refunded_amount"), event->refunded_amount);
	add_number(out, NAME("discount_minor"), event->discount_minor);
	add_text(out, NAME("shipping"), event->shipping);
	add_text(out, NAME("cod_fee"), event->cod_fee);
	add_text(out, NAME("tax"), event->tax);
	add_text(out, NAME("total"), event->total);
	buf_add_cstr(out, ",\"clicks\":[");
	for (unsigned i = 0; i < event->click_count; i++) {
		buf_add_cstr(out, i > 0 ? "," : "");
		add_click(&event->clicks[i], out);
	}
	buf_add_cstr(out, "],\"coupons\":[");
	for (unsigned i = 0; i < event->coupon_count; i++) {
		buf_add_cstr(out, i > 0 ? "," : "");
		add_coupon(&event->coupons[i], out);
	}
	buf_add_cstr(out, "]");
	add_text(out, NAME("customer_phone"), event->customer_phone);
	add_text(out, NAME("customer_email"), event->customer_email);
	add_text(out, NAME("reason"), event->reason);
	add_text(out, NAME("reason_text"), event->reason_text);
	buf_add_cstr(out, "}");
}

/* As the database's functions for operators write them. */
static void add_act(const struct event *event, struct buf *out)
{
	add_first(event, out);
	add_text(out, NAME("actor"), event->actor);
	if (event->affiliate_id != 0)
		add_number(out, NAME("affiliate_id"), event->affiliate_id);
	if (event->commission_id != 0)
		add_number(out, NAME("commission_id"), event->commission_id);
	if (event->type == EVENT_ADJUST)
		add_number(out, NAME("amount_minor"), event->amount_minor);
	if (event->type == EVENT_RESOLVE)
		add_text(out, NAME("resolution"),
			str_from(order_resolution_name(event->resolution)));
	add_text(out, NAME("reason_text"), event->reason_text);
	buf_add_cstr(out, "}");
}

static void add_head(const struct event *event, struct buf *out)
{
	add_first(event, out);
	add_figure(out, NAME("placed_us"), &event->placed_us);
	add_text(out, NAME("currency"), str_from(event->currency));
	add_text(out, NAME("payment"), event->payment);
	add_flag(out, NAME("prices_include_tax"), event->prices_include_tax);
	add_flag(out, NAME("test"), event->is_test);
	if (event->tax_bp != ORDER_NO_TAX)
		add_number(out, NAME("tax_bp"), event->tax_bp);
}

static void add_first(const struct event *event, struct buf *out)
{
	buf_add_cstr(out, "{\"type\":\"");
	buf_add_cstr(out, event_type_name(event->type));
	buf_add_cstr(out, "\"");
	add_number(out, NAME("occurred_us"), event->occurred_us);
	add_number(out, NAME("received_us"), event->received_us);
	add_text(out, NAME("event_id"), event->event_id);
	add_text(out, NAME("order_id"), event->order_id);
	add_figure(out, NAME("order_version"), &event->order_version);
}

static void add_line(const struct order_line *line, struct buf *out)
{
	buf_add_cstr(out, "{\"line_id\":");
	json_text_add(out, line->line_id);
	add_text(out, NAME("product_id"), line->product_id);
	if (line->quantity > 0)
		add_number(out, NAME("quantity"), line->quantity);
	add_number(out, NAME("unit_price_minor"), line->unit_price_minor);
	add_number(out, NAME("discount_minor"), line->discount_minor);
	if (line->tax_bp != ORDER_NO_TAX)
		add_number(out, NAME("tax_bp"), line->tax_bp);
	add_figure(out, NAME("collected_quantity"), &line->collected_quantity);
	add_figure(out, NAME("refunded_quantity"), &line->refunded_quantity);
	add_text(out, NAME("refunded_amount"), line->refunded_amount);
	buf_add_cstr(out, "}");
}

static void add_click(const struct order_click *click, struct buf *out)
{
	buf_add_cstr(out, "{\"result\":\"");
	buf_add_cstr(out, token_result_name(click->result));
	buf_add_cstr(out, "\"");
	if (click->result == TOKEN_OK) {
		const struct click_claim *claim = &click->claim;
		char click_id[CLICK_ID_TEXT_MAX];
		click_id_format(click_id, claim->click_id);
		add_text(out, NAME("click_id"), str_from(click_id));
		add_number(out, NAME("affiliate_id"), claim->link.affiliate_id);
		add_number(out, NAME("product_id"), claim->link.product_id);
		add_number(out, NAME("campaign_id"), claim->link.campaign_id);
		add_number(out, NAME("flags"), claim->flags);
		add_number(out, NAME("window_s"), claim->window_s);
	}
	buf_add_cstr(out, ",\"record\":\"");
	buf_add_cstr(out, evidence_word(click->evidence));
	buf_add_cstr(out, "\"}");
}

static void add_coupon(const struct order_coupon *coupon, struct buf *out)
{
	buf_add_cstr(out, "{\"code\":");
	json_text_add(out, coupon->code);
	add_text(out, NAME("discount"), coupon->discount);
	buf_add_cstr(out, "}");
}

static void add_text(struct buf *out, struct str name, struct str text)
{
	if (text.len == 0)
		return;
	buf_add_str(out, name);
	json_text_add(out, text);
}

static void add_figure(struct buf *out, struct str name, const struct order_figure *figure)
{
	if (figure->has_value)
		add_number(out, name, figure->value);
}

static void add_number(struct buf *out, struct str name, int64_t number)
{
	buf_add_str(out, name);
	buf_add_int(out, number);
}

static void add_flag(struct buf *out, struct str name, bool flag)
{
	buf_add_str(out, name);
	buf_add_cstr(out, flag ? "true" : "false");
}

static const char *evidence_word(enum click_evidence evidence)
{
	switch (evidence) {
	case CLICK_RECORD_NONE:
		return "none";
	case CLICK_RECORD_AGREES:
		return "agrees";
	case CLICK_RECORD_MISMATCH:
		return "mismatch";
	}
	return "";
}
