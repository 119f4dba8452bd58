/* SPDX-License-Identifier: Apache-2.0
 * Facts: what goes out comes back exactly, for random events; what facts never say is refused. */
#include "event_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define ROUNDS 3000
#define HASH   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static uint64_t seed = 88172645463325252u;
static char storage[600000];
static size_t used;

/* xorshift64: the same numbers in every run. */
static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static bool flip(void)
{
	return draw(2) == 1;
}

static int64_t draw_number(int64_t max)
{
	switch (draw(4)) {
	case 0:
		return 0;
	case 1:
		return max;
	default:
		return (int64_t)draw((uint64_t)max) + 1;
	}
}

/* min to max bytes, of pieces that need care. */
static struct str draw_text(size_t min, size_t max)
{
	static const char *const pieces[] = {"a", "7", "\"", "\\", "/", "\n", "\x01", "\x1f",
		"\x7f", "\xd9\x85", "\xe2\x80\x8f", "\xf0\x9f\x9b\x92", "%n", "{", "'; --"};
	const size_t goal = min + draw(max - min + 1);
	char *start = storage + used;
	size_t len = 0;
	for (;;) {
		const char *piece = pieces[draw(sizeof(pieces) / sizeof(pieces[0]))];
		if (len + strlen(piece) > goal) {
			if (len >= min)
				break;
			piece = "x";
		}
		memcpy(start + len, piece, strlen(piece));
		len += strlen(piece);
	}
	used += len;
	ck_assert_uint_lt(used, sizeof(storage));
	return (struct str){.data = start, .len = len};
}

static struct str draw_amount(void)
{
	static const char *const amounts[] = {"", "0", "0.0", "12.5", "12", "9223372036854775"};
	return str_from(amounts[draw(6)]);
}

static struct order_figure draw_figure(int64_t max)
{
	if (flip())
		return (struct order_figure){0};
	return (struct order_figure){.has_value = true, .value = draw_number(max)};
}

static void draw_line(struct order_line *line)
{
	*line = (struct order_line){.line_id = draw_text(1, 128),
		.quantity = draw_number(ORDER_QUANTITY_MAX),
		.unit_price_minor = draw_number(INT64_MAX - 1),
		.discount_minor = draw_number(INT64_MAX - 1),
		.tax_bp = (int)draw(10002) - 1,
		.collected_quantity = draw_figure(ORDER_QUANTITY_MAX),
		.refunded_quantity = draw_figure(ORDER_QUANTITY_MAX),
		.refunded_amount = draw_amount()};
	if (flip())
		line->product_id = draw_text(1, 128);
}

static void draw_click(struct order_click *click)
{
	*click = (struct order_click){.result = (enum token_result)draw(TOKEN_NOT_OURS + 1),
		.evidence = (enum click_evidence)draw(3)};
	if (click->result != TOKEN_OK)
		return;
	for (unsigned i = 0; i < CLICK_ID_BYTES; i++)
		click->claim.click_id[i] = (uint8_t)draw(256);
	click->claim.link = (struct link_claim){.affiliate_id = 1 + (uint32_t)draw(UINT32_MAX),
		.product_id = 1 + (uint32_t)draw(UINT32_MAX),
		.campaign_id = (uint32_t)draw(CAMPAIGN_ID_MAX + 1)};
	click->claim.flags = (uint8_t)draw(256);
	click->claim.window_s = (uint32_t)draw(UINT64_C(1) << 32);
}

static void draw_event(struct event *event, struct order_line *lines, unsigned lines_max)
{
	static const char *const currencies[] = {"", "EGP", "KWD", "JPY"};
	static const unsigned digits[] = {3, 2, 3, 0};
	static struct order_click clicks[ORDER_CLICKS_MAX];
	static struct order_coupon coupons[ORDER_COUPONS_MAX];
	const unsigned currency = (unsigned)draw(3); /* amounts above have a decimal: not JPY */
	used = 0;
	*event = (struct event){.type = (enum event_type)draw(EVENT_REASSIGN),
		.occurred_us = draw_number(INT64_MAX - 1),
		.received_us = draw_number(INT64_MAX - 1),
		.event_id = draw_text(1, 256),
		.order_id = draw_text(1, 128),
		.order_version = draw_figure(INT64_MAX - 1),
		.placed_us = draw_figure(INT64_MAX - 1),
		.digits = digits[currency],
		.payment = draw_text(0, 64),
		.prices_include_tax = flip(),
		.is_test = flip(),
		.tax_bp = (int)draw(10002) - 1,
		.lines = lines,
		.line_count = (unsigned)draw(lines_max + 1),
		.clicks = clicks,
		.click_count = (unsigned)draw(ORDER_CLICKS_MAX + 1),
		.coupons = coupons,
		.coupon_count = (unsigned)draw(ORDER_COUPONS_MAX + 1),
		.discount_minor = draw_number(INT64_MAX - 1),
		.refunded_amount = draw_amount(),
		.shipping = draw_amount(),
		.cod_fee = draw_amount(),
		.tax = draw_amount(),
		.total = draw_amount(),
		.customer_phone = str_from(flip() ? HASH : ""),
		.customer_email = str_from(flip() ? HASH : ""),
		.reason = str_from(flip() ? "out_of_stock" : ""),
		.reason_text = draw_text(0, 4096)};
	memcpy(event->currency, currencies[currency], strlen(currencies[currency]) + 1);
	for (unsigned i = 0; i < event->line_count; i++)
		draw_line(&lines[i]);
	for (unsigned i = 0; i < event->click_count; i++)
		draw_click(&event->clicks[i]);
	for (unsigned i = 0; i < event->coupon_count; i++)
		event->coupons[i] =
			(struct order_coupon){.code = draw_text(1, 128), .discount = draw_amount()};
}

static void draw_act(struct event *event)
{
	used = 0;
	*event = (struct event){.type = (enum event_type)(EVENT_REASSIGN + draw(5)),
		.occurred_us = draw_number(INT64_MAX - 1),
		.received_us = draw_number(INT64_MAX - 1),
		.event_id = draw_text(1, 256),
		.order_id = draw_text(1, 128),
		.order_version = draw_figure(INT64_MAX - 1),
		.tax_bp = ORDER_NO_TAX,
		.reason_text = draw_text(0, 4096),
		.actor = draw_text(1, 63),
		.affiliate_id = 1 + (uint32_t)draw(UINT32_MAX),
		.commission_id = draw_number(INT64_MAX - 1)};
	if (event->type == EVENT_ADJUST)
		event->amount_minor = flip() ? draw_number(INT64_MAX - 1) : -draw_number(1000);
	if (event->type == EVENT_REASSIGN && flip())
		event->affiliate_id = 0;
	if (event->type == EVENT_RESOLVE)
		event->resolution = flip() ? RESOLVE_COLLECTED : RESOLVE_OUT;
}

static void assert_same_text(struct str a, struct str b)
{
	ck_assert_msg(str_equal(a, b), "%.*s / %.*s", STR_ARG(a), STR_ARG(b));
}

static void assert_same_figure(struct order_figure a, struct order_figure b)
{
	ck_assert_int_eq(a.has_value, b.has_value);
	ck_assert_int_eq(a.value, b.value);
}

static void assert_same_line(const struct order_line *a, const struct order_line *b)
{
	assert_same_text(a->line_id, b->line_id);
	assert_same_text(a->product_id, b->product_id);
	ck_assert_int_eq(a->quantity, b->quantity);
	ck_assert_int_eq(a->unit_price_minor, b->unit_price_minor);
	ck_assert_int_eq(a->discount_minor, b->discount_minor);
	ck_assert_int_eq(a->tax_bp, b->tax_bp);
	assert_same_figure(a->collected_quantity, b->collected_quantity);
	assert_same_figure(a->refunded_quantity, b->refunded_quantity);
	assert_same_text(a->refunded_amount, b->refunded_amount);
}

static void assert_same_click(const struct order_click *a, const struct order_click *b)
{
	ck_assert_int_eq(a->result, b->result);
	ck_assert_int_eq(a->evidence, b->evidence);
	ck_assert_mem_eq(a->claim.click_id, b->claim.click_id, CLICK_ID_BYTES);
	ck_assert_uint_eq(a->claim.link.affiliate_id, b->claim.link.affiliate_id);
	ck_assert_uint_eq(a->claim.link.product_id, b->claim.link.product_id);
	ck_assert_uint_eq(a->claim.link.campaign_id, b->claim.link.campaign_id);
	ck_assert_uint_eq(a->claim.flags, b->claim.flags);
	ck_assert_uint_eq(a->claim.window_s, b->claim.window_s);
}

static void assert_same(const struct event *a, const struct event *b)
{
	ck_assert_int_eq(a->type, b->type);
	ck_assert_int_eq(a->occurred_us, b->occurred_us);
	ck_assert_int_eq(a->received_us, b->received_us);
	assert_same_text(a->event_id, b->event_id);
	assert_same_text(a->order_id, b->order_id);
	assert_same_figure(a->order_version, b->order_version);
	assert_same_figure(a->placed_us, b->placed_us);
	ck_assert_str_eq(a->currency, b->currency);
	ck_assert_uint_eq(a->digits, b->digits);
	assert_same_text(a->payment, b->payment);
	ck_assert_int_eq(a->prices_include_tax, b->prices_include_tax);
	ck_assert_int_eq(a->is_test, b->is_test);
	ck_assert_int_eq(a->tax_bp, b->tax_bp);
	ck_assert_int_eq(a->discount_minor, b->discount_minor);
	assert_same_text(a->refunded_amount, b->refunded_amount);
	assert_same_text(a->shipping, b->shipping);
	assert_same_text(a->cod_fee, b->cod_fee);
	assert_same_text(a->tax, b->tax);
	assert_same_text(a->total, b->total);
	assert_same_text(a->customer_phone, b->customer_phone);
	assert_same_text(a->customer_email, b->customer_email);
	assert_same_text(a->reason, b->reason);
	assert_same_text(a->reason_text, b->reason_text);
	assert_same_text(a->actor, b->actor);
	ck_assert_uint_eq(a->affiliate_id, b->affiliate_id);
	ck_assert_int_eq(a->commission_id, b->commission_id);
	ck_assert_int_eq(a->amount_minor, b->amount_minor);
	ck_assert_int_eq(a->resolution, b->resolution);
	ck_assert_uint_eq(a->line_count, b->line_count);
	for (unsigned i = 0; i < a->line_count; i++)
		assert_same_line(&a->lines[i], &b->lines[i]);
	ck_assert_uint_eq(a->click_count, b->click_count);
	for (unsigned i = 0; i < a->click_count; i++)
		assert_same_click(&a->clicks[i], &b->clicks[i]);
	ck_assert_uint_eq(a->coupon_count, b->coupon_count);
	for (unsigned i = 0; i < a->coupon_count; i++) {
		assert_same_text(a->coupons[i].code, b->coupons[i].code);
		assert_same_text(a->coupons[i].discount, b->coupons[i].discount);
	}
}

static void assert_round_trip(const struct event *event)
{
	struct event *back = NULL;
	struct buf facts, again;
	buf_init(&facts, EVENT_FACTS_MAX);
	buf_init(&again, EVENT_FACTS_MAX);
	event_json_facts(event, &facts);
	ck_assert(!facts.has_failed);
	ck_assert_msg(event_json_from_facts(buf_str(&facts), &back), "%.900s", buf_cstr(&facts));
	assert_same(event, back);
	event_json_facts(back, &again);
	assert_same_text(buf_str(&facts), buf_str(&again));
	event_free(back);
	buf_release(&facts);
	buf_release(&again);
}

START_TEST(random_events_come_back_exactly)
{
	struct order_line lines[12];
	struct event event;
	for (unsigned round = 0; round < ROUNDS; round++) {
		draw_event(&event, lines, 12);
		assert_round_trip(&event);
	}
}
END_TEST

START_TEST(random_acts_come_back_exactly)
{
	struct event event;
	for (unsigned round = 0; round < ROUNDS; round++) {
		draw_act(&event);
		assert_round_trip(&event);
	}
}
END_TEST

START_TEST(the_largest_event_fits)
{
	static struct order_line lines[ORDER_LINES_MAX];
	struct event event;
	draw_event(&event, lines, ORDER_LINES_MAX);
	event.line_count = ORDER_LINES_MAX;
	for (unsigned i = 0; i < ORDER_LINES_MAX; i++)
		draw_line(&lines[i]);
	assert_round_trip(&event);
}
END_TEST

#define FACTS                                                                                \
	"{\"type\":\"order.placed\",\"occurred_us\":1,\"received_us\":2,\"event_id\":\"e\"," \
	"\"order_id\":\"o\",\"prices_include_tax\":false,\"test\":false,\"lines\":[],"       \
	"\"discount_minor\":0,\"clicks\":[{\"result\":\"not_ours\",\"record\":\"none\"}],"   \
	"\"coupons\":[]}"

START_TEST(keys_may_come_in_any_order_and_with_blanks)
{
	struct event *event = NULL;
	ck_assert(event_json_from_facts(STR(FACTS), &event));
	event_free(event);
	const struct str turned =
		STR("{ \"coupons\": [], \"clicks\": [], \"discount_minor\": 0, \"lines\": [], "
		    "\"test\": "
		    "true, \"prices_include_tax\": true, \"order_id\": \"o\", \"event_id\": \"e\", "
		    "\"received_us\": 2, \"occurred_us\": 1, \"type\": \"order.placed\"}");
	ck_assert(event_json_from_facts(turned, &event));
	ck_assert(event->is_test);
	event_free(event);
}
END_TEST

static const char *const refused[][2] = {
	{"\"type\":\"order.placed\"", "\"type\":\"order.gone\""},
	{"\"type\":\"order.placed\",", ""},
	{"\"occurred_us\":1", "\"occurred_us\":1.0"},
	{"\"occurred_us\":1", "\"occurred_us\":\"1\""},
	{"\"received_us\":2,", ""},
	{"\"order_id\":\"o\"", "\"order_id\":\"\""},
	{"\"order_id\":\"o\"", "\"order_id\":\"o\",\"order_id\":\"o\""},
	{"\"order_id\":\"o\"", "\"order_id\":\"o\",\"more\":1"},
	{"\"order_id\":\"o\"", "\"order_id\":\"o\",\"currency\":\"XXX\""},
	{"\"order_id\":\"o\"", "\"order_id\":\"o\",\"currency\":null"},
	{"\"order_id\":\"o\"", "\"order_id\":\"o\",\"tax_bp\":10001"},
	{"\"order_id\":\"o\"", "\"order_id\":\"o\",\"tax_bp\":-1"},
	{"\"order_id\":\"o\"", "\"order_id\":\"o\",\"customer_phone\":\"+2010\""},
	{"\"order_id\":\"o\"", "\"order_id\":\"o\",\"total\":\"-1\""},
	{"\"lines\":[]", "\"lines\":{}"},
	{"\"lines\":[]", "\"lines\":[1]"},
	{"\"lines\":[]", "\"lines\":[{\"line_id\":\"1\"}]"},
	{"\"discount_minor\":0", "\"discount_minor\":-1"},
	{"\"result\":\"not_ours\"", "\"result\":\"ok\""},
	{"\"result\":\"not_ours\"", "\"result\":\"fine\""},
	{"\"result\":\"not_ours\"", "\"result\":\"not_ours\",\"flags\":0"},
	{"\"record\":\"none\"", "\"record\":\"maybe\""},
	{",\"record\":\"none\"", ""},
	{"\"coupons\":[]", "\"coupons\":[\"A\"]"},
	{"\"coupons\":[]", "\"coupons\":[{\"code\":\"A\",\"x\":1}]"},
	{",\"coupons\":[]", ""},
	{FACTS, ""},
	{FACTS, "null"},
	{FACTS, "[]"},
	{FACTS, "{}"},
};

START_TEST(what_facts_never_say_is_refused)
{
	char text[2048];
	struct event *event = NULL;
	const char *find = refused[_i][0];
	const char *at = strstr(FACTS, find);
	ck_assert_ptr_nonnull(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - FACTS), FACTS, refused[_i][1],
		at + strlen(find));
	ck_assert_msg(!event_json_from_facts(str_from(text), &event), "%s", text);
	ck_assert_ptr_null(event);
}
END_TEST

#define ACT                                                                                      \
	"{\"type\": \"operator.adjust\", \"actor\": \"wasl\", \"event_id\": \"operator-7\", "    \
	"\"order_id\": \"1001\", \"occurred_us\": 5, \"received_us\": 5, \"order_version\": 3, " \
	"\"affiliate_id\": 9, \"amount_minor\": -250, \"commission_id\": 12, "                   \
	"\"reason_text\": \"a late parcel\"}"

/* As Postgres gives them back. */
START_TEST(an_act_is_read_as_the_database_wrote_it)
{
	struct event *event = NULL;
	ck_assert(event_json_from_facts(STR(ACT), &event));
	ck_assert_int_eq(event->type, EVENT_ADJUST);
	assert_same_text(event->actor, STR("wasl"));
	ck_assert_int_eq(event->order_version.value, 3);
	ck_assert_uint_eq(event->affiliate_id, 9);
	ck_assert_int_eq(event->amount_minor, -250);
	ck_assert_int_eq(event->commission_id, 12);
	assert_same_text(event->reason_text, STR("a late parcel"));
	event_free(event);
	ck_assert(event_json_from_facts(
		STR("{\"type\":\"operator.resolve\",\"actor\":\"wasl\",\"event_id\":\"o\",\"order_"
		    "id\":"
		    "\"1\",\"occurred_us\":5,\"received_us\":5,\"resolution\":\"collected\"}"),
		&event));
	ck_assert_int_eq(event->resolution, RESOLVE_COLLECTED);
	event_free(event);
}
END_TEST

static const char *const refused_acts[][2] = {
	{"\"actor\": \"wasl\", ", ""},
	{"\"wasl\"", "\"\""},
	{"\"affiliate_id\": 9, ", ""},
	{"\"affiliate_id\": 9", "\"affiliate_id\": 0"},
	{"\"affiliate_id\": 9", "\"affiliate_id\": 4294967296"},
	{"\"amount_minor\": -250, ", ""},
	{"\"amount_minor\": -250", "\"amount_minor\": \"-2.50\""},
	{"\"commission_id\": 12", "\"commission_id\": -1"},
	{"\"commission_id\": 12", "\"lines\": []"},
	{"\"commission_id\": 12", "\"resolution\": \"out\""},
	{"operator.adjust", "operator.resolve"},
	{"operator.adjust", "operator.pay"},
	{"operator.adjust", "order.placed"},
};

START_TEST(what_acts_never_say_is_refused)
{
	char text[2048];
	struct event *event = NULL;
	const char *find = refused_acts[_i][0];
	const char *at = strstr(ACT, find);
	ck_assert_ptr_nonnull(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - ACT), ACT, refused_acts[_i][1],
		at + strlen(find));
	ck_assert_msg(!event_json_from_facts(str_from(text), &event), "%s", text);
}
END_TEST

START_TEST(kept_text_lives_with_the_event)
{
	struct event *event = NULL;
	struct str kept;
	char text[] = "msg_1";
	ck_assert(event_json_from_facts(STR(FACTS), &event));
	ck_assert(event_keep(event, str_from(text), &kept));
	memset(text, 'x', sizeof(text) - 1);
	assert_same_text(kept, STR("msg_1"));
	ck_assert(event_keep(event, STR(""), &kept));
	ck_assert_uint_eq(kept.len, 0);
	unsigned times = 0; /* memory has an end: 2 MiB of it */
	while (event_keep(event, (struct str){.data = storage, .len = 300000}, &kept))
		times++;
	ck_assert_uint_eq(times, 6);
	ck_assert_uint_eq(kept.len, 0);
	event_free(event);
	event_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("event_json_facts");
	TCase *tcase = tcase_create("event_json_facts");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, random_events_come_back_exactly);
	tcase_add_test(tcase, random_acts_come_back_exactly);
	tcase_add_test(tcase, the_largest_event_fits);
	tcase_add_test(tcase, keys_may_come_in_any_order_and_with_blanks);
	tcase_add_loop_test(tcase, what_facts_never_say_is_refused, 0,
		(int)(sizeof(refused) / sizeof(refused[0])));
	tcase_add_test(tcase, an_act_is_read_as_the_database_wrote_it);
	tcase_add_loop_test(tcase, what_acts_never_say_is_refused, 0,
		(int)(sizeof(refused_acts) / sizeof(refused_acts[0])));
	tcase_add_test(tcase, kept_text_lives_with_the_event);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
