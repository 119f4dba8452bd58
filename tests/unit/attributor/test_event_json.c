/* SPDX-License-Identifier: Apache-2.0
 * Webhook bodies: what is read from a good one, and which member of a bad one is told. Each case is
 * one good body with one piece of it replaced. */
#include "event_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "timestamp.h"

#define BODY_MAX 300000

static const char good_body[] =
	"{\"type\":\"order.confirmed\",\"timestamp\":\"2026-11-21T10:00:00+02:00\",\"data\":{"
	"\"order_id\":\"1001\",\"order_version\":1,\"placed_at\":\"2026-11-21T09:58:00+02:00\","
	"\"currency\":\"EGP\",\"payment\":\"cod\",\"prices_include_tax\":false,\"tax_rate\":\"14%"
	"\","
	"\"lines\":[{\"line_id\":\"1\",\"product_id\":\"SKU-77\",\"quantity\":2,"
	"\"unit_price\":\"250.00\",\"discount\":\"0.50\",\"tax_rate\":\"5%\"},"
	"{\"line_id\":\"2\",\"product_id\":\"SKU-78\",\"quantity\":1,\"unit_price\":\"9\"}],"
	"\"discount\":\"1.00\",\"shipping\":\"50.00\",\"cod_fee\":\"10.00\",\"tax\":\"0.00\","
	"\"total\":\"567.50\",\"clicks\":[\"CLICK1\",\"\"],"
	"\"coupons\":[\"AHMED10\",{\"code\":\"SALE\",\"discount\":\"5.00\"}],"
	"\"customer\":{\"phone_sha256\":"
	"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
	"\"email_sha256\":\"fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210\"},"
	"\"test\":true,\"reason\":\"refused_at_door\",\"reason_text\":\"\\u0645\\n\"}}";

static struct event *event;
static struct event_fault fault;
static struct event_defaults defaults;
static char body[BODY_MAX];

static void setup(void)
{
	defaults = (struct event_defaults){.tax_bp = ORDER_NO_TAX};
	ck_assert(timestamp_parse(STR("2026-11-21T08:00:01Z"), &defaults.received_us));
	event = NULL;
}

static void teardown(void)
{
	event_free(event);
}

static enum event_json_result parse(struct str text)
{
	event_free(event);
	return event_json_parse(text, &defaults, &event, &fault);
}

/* The good body with every find replaced. */
static struct str replaced(const char *find, const char *replace)
{
	size_t len = 0;
	size_t hits = 0;
	for (const char *at = good_body; *at != '\0';) {
		if (strncmp(at, find, strlen(find)) == 0) {
			len += (size_t)snprintf(body + len, sizeof(body) - len, "%s", replace);
			at += strlen(find);
			hits++;
		} else {
			body[len++] = *at++;
		}
	}
	ck_assert_msg(hits == 1, "%s is there %zu times", find, hits);
	return (struct str){.data = body, .len = len};
}

static void assert_str(struct str text, const char *expected)
{
	ck_assert_msg(str_equal(text, str_from(expected)), "%.*s, not %s", STR_ARG(text), expected);
}

START_TEST(a_good_body_is_read_whole)
{
	ck_assert_int_eq(parse(str_from(good_body)), EVENT_JSON_OK);
	ck_assert_int_eq(event->type, EVENT_CONFIRMED);
	ck_assert_int_eq(event->occurred_us, defaults.received_us - US_PER_S);
	ck_assert_int_eq(event->received_us, defaults.received_us);
	assert_str(event->order_id, "1001");
	ck_assert(event->order_version.has_value);
	ck_assert_int_eq(event->order_version.value, 1);
	ck_assert(event->placed_us.has_value);
	ck_assert_int_eq(event->placed_us.value, event->occurred_us - 120 * US_PER_S);
	ck_assert_str_eq(event->currency, "EGP");
	ck_assert_uint_eq(event->digits, 2);
	assert_str(event->payment, "cod");
	ck_assert(!event->prices_include_tax);
	ck_assert_int_eq(event->tax_bp, 1400);
	ck_assert_int_eq(event->discount_minor, 100);
	assert_str(event->shipping, "50.00");
	assert_str(event->cod_fee, "10.00");
	assert_str(event->tax, "0.00");
	assert_str(event->total, "567.50");
	ck_assert(event->is_test);
	assert_str(event->reason, "refused_at_door");
	assert_str(event->reason_text, "\xd9\x85\n");
	ck_assert_uint_eq(event->customer_phone.len, 64);
	ck_assert_uint_eq(event->customer_email.len, 64);
}
END_TEST

START_TEST(lines_clicks_and_coupons_are_read)
{
	ck_assert_int_eq(parse(str_from(good_body)), EVENT_JSON_OK);
	ck_assert_uint_eq(event->line_count, 2);
	assert_str(event->lines[0].line_id, "1");
	assert_str(event->lines[0].product_id, "SKU-77");
	ck_assert_int_eq(event->lines[0].quantity, 2);
	ck_assert_int_eq(event->lines[0].unit_price_minor, 25000);
	ck_assert_int_eq(event->lines[0].discount_minor, 50);
	ck_assert_int_eq(event->lines[0].tax_bp, 500);
	ck_assert_int_eq(event->lines[1].unit_price_minor, 900);
	ck_assert_int_eq(event->lines[1].discount_minor, 0);
	ck_assert_int_eq(event->lines[1].tax_bp, 1400);
	ck_assert_uint_eq(event->click_count, 2);
	assert_str(event->clicks[0].raw_token, "CLICK1");
	assert_str(event->clicks[1].raw_token, "");
	ck_assert_uint_eq(event->coupon_count, 2);
	assert_str(event->coupons[0].code, "AHMED10");
	assert_str(event->coupons[0].discount, "");
	assert_str(event->coupons[1].code, "SALE");
	assert_str(event->coupons[1].discount, "5.00");
}
END_TEST

struct invalid {
	const char *find;
	const char *replace;
	const char *code;
	const char *pointer;
};
#define TYPE  "\"type\":\"order.confirmed\","
#define STAMP "\"timestamp\":\"2026-11-21T10:00:00+02:00\","
static const struct invalid invalid_heads[] = {
	{TYPE, "", "missing", "/type"},
	{TYPE, "\"type\":null,", "missing", "/type"},
	{TYPE, "\"type\":7,", "wrong_type", "/type"},
	{TYPE, "\"type\":\"order.paid\",", "unknown_type", "/type"},
	{TYPE, "\"type\":\"Order.Confirmed\",", "unknown_type", "/type"},
	{TYPE, "\"type\":\"operator.reassign\",", "unknown_type", "/type"},
	{TYPE, "\"type\":\"operator.void\",", "unknown_type", "/type"},
	{TYPE, "\"type\":\"operator.adjust\",", "unknown_type", "/type"},
	{TYPE, "\"type\":\"operator.resolve\",", "unknown_type", "/type"},
	{TYPE, "\"type\":\"operator.review\",", "unknown_type", "/type"},
	{TYPE STAMP, "", "missing", "/type"},
	{STAMP, "", "missing", "/timestamp"},
	{STAMP, "\"timestamp\":1795248000,", "wrong_type", "/timestamp"},
	{STAMP, "\"timestamp\":\"2026-11-21T10:00:00\",", "bad_time", "/timestamp"},
	{STAMP, "\"timestamp\":\"2026-11-21 10:00:00Z\",", "bad_time", "/timestamp"},
	{STAMP, "\"timestamp\":\"2026-02-29T10:00:00Z\",", "bad_time", "/timestamp"},
	{STAMP, "\"timestamp\":\"\",", "bad_time", "/timestamp"},
	{STAMP, "\"timestamp\":\"2026-11-22T08:00:01.000001Z\",", "time_in_future", "/timestamp"},
	{"\"data\":", "\"date\":", "missing", "/data"},
	{"\"data\":", "\"data\":7,\"x\":", "wrong_type", "/data"},
	{"\"order_id\":\"1001\",", "", "missing", "/data/order_id"},
	{"\"order_id\":\"1001\"", "\"order_id\":1001", "wrong_type", "/data/order_id"},
	{"\"order_id\":\"1001\"", "\"order_id\":{}", "wrong_type", "/data/order_id"},
	{"\"order_id\":\"1001\"", "\"order_id\":\"\"", "bad_text", "/data/order_id"},
	{"\"order_version\":1", "\"order_version\":\"1\"", "wrong_type", "/data/order_version"},
	{"\"order_version\":1", "\"order_version\":1.0", "wrong_type", "/data/order_version"},
	{"\"order_version\":1", "\"order_version\":-1", "out_of_range", "/data/order_version"},
	{"\"placed_at\":\"2026-11-21T09:58:00+02:00\",", "", "missing", "/data/placed_at"},
	{"\"placed_at\":\"2026-11-21T09:58:00+02:00\"", "\"placed_at\":\"yesterday\"", "bad_time",
		"/data/placed_at"},
	{"\"currency\":\"EGP\",", "", "missing", "/data/currency"},
	{"\"currency\":\"EGP\"", "\"currency\":\"egp\"", "bad_currency", "/data/currency"},
	{"\"currency\":\"EGP\"", "\"currency\":\"XXX\"", "bad_currency", "/data/currency"},
	{"\"currency\":\"EGP\"", "\"currency\":\"\"", "bad_currency", "/data/currency"},
	{"\"currency\":\"EGP\"", "\"currency\":818", "wrong_type", "/data/currency"},
	{"\"currency\":\"EGP\"", "\"currency\":\"JPY\"", "too_precise", "/data/lines/0/unit_price"},
	{"\"payment\":\"cod\"", "\"payment\":true", "wrong_type", "/data/payment"},
	{"\"payment\":\"cod\"",
		"\"payment\":\"12345678901234567890123456789012345678901234567890123456789012345\"",
		"too_long", "/data/payment"},
	{"\"prices_include_tax\":false", "\"prices_include_tax\":0", "wrong_type",
		"/data/prices_include_tax"},
	{"\"prices_include_tax\":false", "\"prices_include_tax\":\"false\"", "wrong_type",
		"/data/prices_include_tax"},
	{"\"tax_rate\":\"14%\"", "\"tax_rate\":\"14\"", "bad_rate", "/data/tax_rate"},
	{"\"tax_rate\":\"14%\"", "\"tax_rate\":14", "wrong_type", "/data/tax_rate"},
	{"\"tax_rate\":\"14%\"", "\"tax_rate\":\"14.001%\"", "bad_rate", "/data/tax_rate"},
	{"\"tax_rate\":\"14%\"", "\"tax_rate\":\"100.01%\"", "bad_rate", "/data/tax_rate"},
	{"\"tax_rate\":\"14%\"", "\"tax_rate\":\"-1%\"", "bad_rate", "/data/tax_rate"},
};

static const struct invalid invalid_lines[] = {
	{"\"lines\":", "\"line\":", "missing", "/data/lines"},
	{"\"lines\":", "\"lines\":[],\"x\":", "missing", "/data/lines"},
	{"\"lines\":", "\"lines\":{},\"x\":", "wrong_type", "/data/lines"},
	{"\"lines\":[", "\"lines\":[null,", "wrong_type", "/data/lines/0"},
	{"\"line_id\":\"1\",", "", "missing", "/data/lines/0/line_id"},
	{"\"line_id\":\"1\"", "\"line_id\":1", "wrong_type", "/data/lines/0/line_id"},
	{"\"line_id\":\"2\"", "\"line_id\":\"1\"", "duplicate_line", "/data/lines/1/line_id"},
	{"\"product_id\":\"SKU-78\",", "", "missing", "/data/lines/1/product_id"},
	{"\"product_id\":\"SKU-78\"", "\"product_id\":9007199254740993", "wrong_type",
		"/data/lines/1/product_id"},
	{"\"quantity\":2,", "", "missing", "/data/lines/0/quantity"},
	{"\"quantity\":2", "\"quantity\":\"2\"", "wrong_type", "/data/lines/0/quantity"},
	{"\"quantity\":2", "\"quantity\":2.0", "wrong_type", "/data/lines/0/quantity"},
	{"\"quantity\":2", "\"quantity\":0", "out_of_range", "/data/lines/0/quantity"},
	{"\"quantity\":2", "\"quantity\":-2", "out_of_range", "/data/lines/0/quantity"},
	{"\"quantity\":2", "\"quantity\":1000001", "out_of_range", "/data/lines/0/quantity"},
	{"\"unit_price\":\"250.00\",", "", "missing", "/data/lines/0/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":9", "wrong_type", "/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":9.00", "wrong_type", "/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"0.005\"", "too_precise",
		"/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"899.10000000000000\"", "too_precise",
		"/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"-0.00\"", "bad_money",
		"/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"-1.00\"", "out_of_range",
		"/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"1e3\"", "bad_money", "/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\".5\"", "bad_money", "/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"5.\"", "bad_money", "/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\" 5 \"", "bad_money", "/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"5,00\"", "bad_money",
		"/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"\xd9\xa1\xd9\xa2\xd9\xa3\"", "bad_money",
		"/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"NaN\"", "bad_money", "/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"\"", "bad_money", "/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"92233720368547758.08\"", "out_of_range",
		"/data/lines/1/unit_price"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"92233720368547758.07\"", "out_of_range",
		"/data/lines/1/unit_price"}, /* the sum of the lines */
	{"\"unit_price\":\"250.00\"", "\"unit_price\":\"46116860184273879.04\"", "out_of_range",
		"/data/lines/0/unit_price"}, /* times two */
	{"\"discount\":\"0.50\"", "\"discount\":0.5", "wrong_type", "/data/lines/0/discount"},
	{"\"discount\":\"0.50\"", "\"discount\":\"500.01\"", "out_of_range",
		"/data/lines/0/discount"},
	{"\"discount\":\"0.50\"", "\"discount\":\"-0.50\"", "out_of_range",
		"/data/lines/0/discount"},
	{"\"tax_rate\":\"5%\"", "\"tax_rate\":\"5 %\"", "bad_rate", "/data/lines/0/tax_rate"},
};

#define PHONE "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
static const struct invalid invalid_rests[] = {
	{"\"discount\":\"1.00\"", "\"discount\":\"508.51\"", "out_of_range", "/data/discount"},
	{"\"discount\":\"1.00\"", "\"discount\":\"-1.00\"", "out_of_range", "/data/discount"},
	{"\"discount\":\"1.00\"", "\"discount\":1", "wrong_type", "/data/discount"},
	{"\"shipping\":\"50.00\"", "\"shipping\":50", "wrong_type", "/data/shipping"},
	{"\"cod_fee\":\"10.00\"", "\"cod_fee\":\"10.001\"", "too_precise", "/data/cod_fee"},
	{"\"tax\":\"0.00\"", "\"tax\":\"nil\"", "bad_money", "/data/tax"},
	{"\"total\":\"567.50\"", "\"total\":\"-1\"", "out_of_range", "/data/total"},
	{"\"clicks\":[", "\"clicks\":[1,", "wrong_type", "/data/clicks/0"},
	{"\"clicks\":[\"CLICK1\",\"\"]", "\"clicks\":[\"CLICK1\",null]", "wrong_type",
		"/data/clicks/1"},
	{"\"clicks\":[\"CLICK1\",\"\"]", "\"clicks\":\"CLICK1\"", "wrong_type", "/data/clicks"},
	{"\"coupons\":[\"AHMED10\",", "\"coupons\":[true,", "wrong_type", "/data/coupons/0"},
	{"\"coupons\":[\"AHMED10\",", "\"coupons\":[\"\",", "bad_text", "/data/coupons/0"},
	{"\"code\":\"SALE\",", "", "missing", "/data/coupons/1/code"},
	{"\"code\":\"SALE\"", "\"code\":5", "wrong_type", "/data/coupons/1/code"},
	{"\"discount\":\"5.00\"", "\"discount\":\"5.001\"", "too_precise",
		"/data/coupons/1/discount"},
	{"\"customer\":", "\"customer\":\"x\",\"y\":", "wrong_type", "/data/customer"},
	{"\"phone_sha256\":" PHONE, "\"phone_sha256\":\"+201001234567\"", "bad_hash",
		"/data/customer/phone_sha256"},
	{PHONE, "\"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\"", "bad_hash",
		"/data/customer/phone_sha256"},
	{PHONE, "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0\"", "bad_hash",
		"/data/customer/phone_sha256"},
	{"\"email_sha256\":", "\"email_sha256\":1,\"y\":", "wrong_type",
		"/data/customer/email_sha256"},
	{"\"test\":true", "\"test\":\"true\"", "wrong_type", "/data/test"},
	{"\"test\":true", "\"test\":1", "wrong_type", "/data/test"},
	{"\"reason\":\"refused_at_door\"", "\"reason\":\"bored\"", "bad_reason", "/data/reason"},
	{"\"reason\":\"refused_at_door\"", "\"reason\":\"\"", "bad_reason", "/data/reason"},
	{"\"reason_text\":\"", "\"reason_text\":7,\"x\":\"", "wrong_type", "/data/reason_text"},
};

static void assert_invalid(const struct invalid *row)
{
	const enum event_json_result result = parse(replaced(row->find, row->replace));
	ck_assert_msg(result == EVENT_JSON_INVALID, "%s: %d", row->replace, (int)result);
	ck_assert_msg(strcmp(fault.code, row->code) == 0, "%s: %s", row->replace, fault.code);
	ck_assert_str_eq(fault.pointer, row->pointer);
	ck_assert_str_ne(fault.detail, "");
	ck_assert_ptr_null(event);
}

START_TEST(a_fault_of_the_head_is_told)
{
	assert_invalid(&invalid_heads[_i]);
}
END_TEST

START_TEST(a_fault_of_a_line_is_told)
{
	assert_invalid(&invalid_lines[_i]);
}
END_TEST

START_TEST(a_fault_of_the_rest_is_told)
{
	assert_invalid(&invalid_rests[_i]);
}
END_TEST

static const struct {
	const char *find;
	const char *replace;
} accepted[] = {
	{"\"order_version\":1,", ""},
	{"\"order_version\":1", "\"order_version\":9223372036854775807"},
	{"\"order_version\":1", "\"order_version\":null"},
	{"\"order_id\":\"1001\"", "\"order_id\":\"\xd8\xb7\xd9\x84\xd8\xa8 "
				  "\xe2\x80\x8f\xf0\x9f\x9b\x92 %n \\\"; DROP\""},
	{"\"payment\":\"cod\"", "\"payment\":null,\"unknown\":[{\"deep\":[1.5,null]}]"},
	{"\"tax_rate\":\"14%\"", "\"tax_rate\":\"0.01%\""},
	{"\"quantity\":2", "\"quantity\":1000000"},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"0\""},
	{"\"unit_price\":\"9\"", "\"unit_price\":\"92233720368547258.07\""},
	{"\"discount\":\"0.50\"", "\"discount\":\"500\""},
	{"\"discount\":\"1.00\"", "\"discount\":\"508.50\""},
	{"\"total\":\"567.50\"", "\"total\":\"1.00\""},
	{"\"clicks\":[\"CLICK1\",\"\"],", ""},
	{"\"coupons\":", "\"coupons\":[],\"x\":"},
	{"\"customer\":", "\"customer\":{},\"x\":"},
	{"\"customer\":", "\"customer\":null,\"x\":"},
	{"\"test\":true", "\"test\":null"},
	{STAMP, "\"timestamp\":\"2026-11-22T08:00:01Z\","},
	{STAMP, "\"timestamp\":\"1999-01-01T00:00:00Z\","},
	{"\"prices_include_tax\":false", "\"prices_include_tax\":true"},
	{"\"type\":\"order.confirmed\"", "\"type\":\"order.placed\""},
	{"\"type\":\"order.confirmed\"", "\"type\":\"order.amended\""},
	{"\"type\":\"order.confirmed\"", "\"type\":\"order.refunded\""},
};

START_TEST(what_the_contract_allows_is_read)
{
	const enum event_json_result result =
		parse(replaced(accepted[_i].find, accepted[_i].replace));
	ck_assert_msg(result == EVENT_JSON_OK, "%s: %s %s", accepted[_i].replace, fault.code,
		fault.pointer);
}
END_TEST

START_TEST(ids_have_up_to_128_bytes)
{
	for (size_t len = 127; len <= 129; len++) {
		char text[256];
		const int prefix = snprintf(text, sizeof(text), "\"order_id\":\"");
		memset(text + prefix, 'i', len);
		memcpy(text + prefix + len, "\"", 2);
		const enum event_json_result result =
			parse(replaced("\"order_id\":\"1001\"", text));
		ck_assert_int_eq(result, len <= 128 ? EVENT_JSON_OK : EVENT_JSON_INVALID);
		if (len > 128)
			ck_assert_str_eq(fault.code, "too_long");
	}
}
END_TEST

/* The good body with an array of count elements; "%u" in element is its number. */
static struct str with_array(
	const char *name, const char *rest, const char *element, unsigned count)
{
	static char array[200000];
	char find[64];
	size_t len = 0;
	for (unsigned i = 0; i < count; i++) {
		char number[16];
		const char *hole = strchr(element, '#');
		snprintf(number, sizeof(number), "%u", i);
		len += (size_t)snprintf(array + len, sizeof(array) - len, "%s%.*s%s%s",
			i > 0 ? "," : "", (int)(hole - element), element, number, hole + 1);
	}
	static char replace[200100];
	snprintf(find, sizeof(find), "\"%s\":[", name);
	snprintf(replace, sizeof(replace), "\"%s\":[%s]%s", name, array, rest);
	return replaced(find, replace);
}

#define LINE "{\"line_id\":\"#\",\"product_id\":\"p\",\"quantity\":1,\"unit_price\":\"2.00\"}"
START_TEST(there_are_at_most_500_lines_50_clicks_and_10_coupons)
{
	for (unsigned over = 0; over <= 1; over++) {
		const enum event_json_result expected = over ? EVENT_JSON_INVALID : EVENT_JSON_OK;
		ck_assert_int_eq(
			parse(with_array("lines", ",\"x\":[", LINE, 500 + over)), expected);
		if (over)
			ck_assert_str_eq(fault.pointer, "/data/lines");
		else
			ck_assert_uint_eq(event->line_count, 500);
		ck_assert_int_eq(
			parse(with_array("clicks", ",\"x\":[", "\"#\"", 50 + over)), expected);
		if (over)
			ck_assert_str_eq(fault.pointer, "/data/clicks");
		ck_assert_int_eq(
			parse(with_array("coupons", ",\"x\":[", "\"#\"", 10 + over)), expected);
		if (over)
			ck_assert_str_eq(fault.pointer, "/data/coupons");
		ck_assert(!over || strcmp(fault.code, "too_many") == 0);
	}
}
END_TEST

START_TEST(what_is_no_token_is_kept_and_cut)
{
	static char click[1024];
	memset(click, 'x', 600);
	snprintf(click, sizeof(click), "\"clicks\":[\"%0600d\",", 0);
	ck_assert_int_eq(parse(replaced("\"clicks\":[", click)), EVENT_JSON_OK);
	ck_assert_uint_eq(event->click_count, 3);
	ck_assert_uint_eq(event->clicks[0].raw_token.len, 256);
	ck_assert_int_ne(event->clicks[0].result, TOKEN_OK);
}
END_TEST

START_TEST(a_long_reason_text_is_cut_at_a_character)
{
	static char text[ORDER_TEXT_MAX + 64];
	for (unsigned lead = 0; lead < 4; lead++) {
		size_t len = (size_t)snprintf(text, sizeof(text), "\"reason_text\":\"");
		const size_t start = len;
		memset(text + len, 'x', lead);
		len += lead;
		while (len - start < ORDER_TEXT_MAX + 8) {
			memcpy(text + len, "\xf0\x9f\x9b\x92", 4);
			len += 4;
		}
		memcpy(text + len, "\",\"x\":\"", 8);
		ck_assert_int_eq(parse(replaced("\"reason_text\":\"", text)), EVENT_JSON_OK);
		ck_assert(utf8_is_valid(event->reason_text));
		ck_assert_uint_eq(event->reason_text.len, ORDER_TEXT_MAX - (4 - lead) % 4);
	}
}
END_TEST

START_TEST(tax_comes_from_line_order_or_store)
{
	const char *find = "\"prices_include_tax\":false,\"tax_rate\":\"14%\"";
	ck_assert_int_eq(parse(replaced(find, "\"prices_include_tax\":true")), EVENT_JSON_INVALID);
	ck_assert_str_eq(fault.code, "no_tax_rate");
	ck_assert_str_eq(fault.pointer, "/data/lines/1/tax_rate");
	defaults.tax_bp = 700;
	ck_assert_int_eq(parse(replaced(find, "\"prices_include_tax\":true")), EVENT_JSON_OK);
	ck_assert_int_eq(event->lines[0].tax_bp, 500);
	ck_assert_int_eq(event->lines[1].tax_bp, 700);
	ck_assert_int_eq(event->tax_bp, ORDER_NO_TAX);
	ck_assert_int_eq(parse(replaced(find, "\"prices_include_tax\":false")), EVENT_JSON_OK);
	ck_assert_int_eq(event->lines[1].tax_bp, ORDER_NO_TAX);
}
END_TEST

#define EVENT(type, data) \
	STR("{\"type\":\"" type "\",\"timestamp\":\"2026-11-21T08:00:00Z\",\"data\":" data "}")
static const struct {
	struct str body;
	const char *pointer; /* NULL: read */
} deferred[] = {
	{EVENT("order.shipped", "{\"order_id\":\"1\"}"), NULL},
	{EVENT("order.cancelled", "{\"order_id\":\"1\",\"reason\":\"fraud\"}"), NULL},
	{EVENT("order.collected", "{\"order_id\":\"1\",\"lines\":[{\"line_id\":\"1\","
				  "\"collected_quantity\":0}]}"),
		NULL},
	{EVENT("order.refunded", "{\"order_id\":\"1\",\"refunded_amount\":\"1.234\"}"), NULL},
	{EVENT("order.shipped", "{}"), "/data/order_id"},
	{EVENT("order.refunded", "{\"order_id\":\"1\",\"refunded_amount\":\"1.2345\"}"),
		"/data/refunded_amount"},
	{EVENT("order.refunded",
		 "{\"order_id\":\"1\",\"currency\":\"EGP\",\"refunded_amount\":\"1.234\"}"),
		"/data/refunded_amount"},
	{EVENT("order.refunded", "{\"order_id\":\"1\",\"lines\":[]}"), "/data/lines"},
	{EVENT("order.refunded", "{\"order_id\":\"1\",\"lines\":[{}]}"), "/data/lines/0/line_id"},
	{EVENT("order.returned", "{\"order_id\":\"1\",\"lines\":[{\"line_id\":\"1\","
				 "\"refunded_quantity\":1,\"refunded_amount\":2}]}"),
		"/data/lines/0/refunded_amount"},
	{EVENT("order.returned", "{\"order_id\":\"1\",\"lines\":[{\"line_id\":\"1\","
				 "\"refunded_quantity\":1000001}]}"),
		"/data/lines/0/refunded_quantity"},
	{EVENT("order.collected", "{\"order_id\":\"1\",\"lines\":[{\"line_id\":\"1\","
				  "\"collected_quantity\":-1}]}"),
		"/data/lines/0/collected_quantity"},
	{EVENT("order.amended", "{\"order_id\":\"1\"}"), "/data/currency"},
	{EVENT("order.amended", "{\"order_id\":\"1\",\"currency\":\"EGP\"}"), "/data/lines"},
	{EVENT("order.amended", "{\"order_id\":\"1\",\"currency\":\"EGP\","
				"\"lines\":[{\"line_id\":\"1\"}]}"),
		"/data/lines/0/product_id"},
	{EVENT("order.placed", "{\"order_id\":\"1\"}"), "/data/placed_at"},
	{EVENT("order.placed", "null"), "/data"},
};

START_TEST(other_types_need_less)
{
	const enum event_json_result result = parse(deferred[_i].body);
	ck_assert_int_eq(result, deferred[_i].pointer == NULL ? EVENT_JSON_OK : EVENT_JSON_INVALID);
	ck_assert_str_eq(fault.pointer, deferred[_i].pointer == NULL ? "" : deferred[_i].pointer);
}
END_TEST

START_TEST(every_cut_of_a_body_is_refused)
{
	for (size_t len = 0; len + 1 < sizeof(good_body); len++)
		ck_assert_int_eq(
			parse((struct str){.data = good_body, .len = len}), EVENT_JSON_MALFORMED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("event_json");
	TCase *tcase = tcase_create("event_json");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_good_body_is_read_whole);
	tcase_add_test(tcase, lines_clicks_and_coupons_are_read);
	tcase_add_loop_test(tcase, a_fault_of_the_head_is_told, 0,
		(int)(sizeof(invalid_heads) / sizeof(invalid_heads[0])));
	tcase_add_loop_test(tcase, a_fault_of_a_line_is_told, 0,
		(int)(sizeof(invalid_lines) / sizeof(invalid_lines[0])));
	tcase_add_loop_test(tcase, a_fault_of_the_rest_is_told, 0,
		(int)(sizeof(invalid_rests) / sizeof(invalid_rests[0])));
	tcase_add_loop_test(tcase, what_the_contract_allows_is_read, 0,
		(int)(sizeof(accepted) / sizeof(accepted[0])));
	tcase_add_test(tcase, ids_have_up_to_128_bytes);
	tcase_add_test(tcase, there_are_at_most_500_lines_50_clicks_and_10_coupons);
	tcase_add_test(tcase, what_is_no_token_is_kept_and_cut);
	tcase_add_test(tcase, a_long_reason_text_is_cut_at_a_character);
	tcase_add_test(tcase, tax_comes_from_line_order_or_store);
	tcase_add_loop_test(
		tcase, other_types_need_less, 0, (int)(sizeof(deferred) / sizeof(deferred[0])));
	tcase_add_test(tcase, every_cut_of_a_body_is_refused);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	const int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
