/* SPDX-License-Identifier: Apache-2.0
 * Keys, paths, filters and media types of the reading API. */
#include "api_query.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "timestamp.h"

#define SEGMENTS_MAX  6
#define VALUE_MAX     256 /* bytes of a parameter's value, decoded */
#define NAME_SHOWN    40  /* bytes of an unknown name that a refusal repeats */
#define QUALITY_ONE   1000
#define CURSOR_PREFIX "c1:"

static const char *const state_words[] = {
#define COMMISSION_STATE(name, text, bucket) text,
#include "commission.def"
};
static const char state_list[] =
#define COMMISSION_STATE(name, text, bucket) " " text
#include "commission.def"
	;

/* What the walk over a query string knows. */
struct walk {
	struct api_filter *filter;
	struct api_fault *fault;
	unsigned seen; /* bit: parameter */
};

typedef bool parameter_fn(struct api_filter *filter, struct str value);
struct parameter {
	struct str name;
	parameter_fn *parse;
	const char *expected;
};

static bool parse_state(struct api_filter *filter, struct str value);
static bool parse_affiliate(struct api_filter *filter, struct str value);
static bool parse_store(struct api_filter *filter, struct str value);
static bool parse_from(struct api_filter *filter, struct str value);
static bool parse_to(struct api_filter *filter, struct str value);
static bool parse_limit(struct api_filter *filter, struct str value);
static bool parse_cursor(struct api_filter *filter, struct str value);
static void on_parameter(struct str raw_name, struct str raw_value, void *arg);
static unsigned segments_cut(struct str raw_path, struct str *segments);
static bool segment_decode(struct str raw, char *out, unsigned out_max, size_t *len);
static bool id_parse(struct str text, uint32_t *id);
static bool id_segment(struct str raw, uint32_t *id, struct api_fault *fault);
static bool not_found(struct api_fault *fault);
static unsigned quality_of(struct str range);

#define EXPECTED_ID   "an id between 1 and 4294967295"
#define EXPECTED_TIME "a time such as 2026-11-21T10:00:00+02:00"
static const struct parameter parameters[] = {
	{STR("state"), parse_state, state_list},
	{STR("affiliate"), parse_affiliate, EXPECTED_ID},
	{STR("store"), parse_store, EXPECTED_ID},
	{STR("from"), parse_from, EXPECTED_TIME},
	{STR("to"), parse_to, EXPECTED_TIME},
	{STR("limit"), parse_limit, "a number between 1 and 1000"},
	{STR("cursor"), parse_cursor, "the value of \"next\" of the page before"},
};
#define PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

bool api_fault_set(
	struct api_fault *fault, unsigned status, const char *code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fault->status = status;
	fault->code = code;
	(void)vsnprintf(fault->detail, sizeof(fault->detail), format, args);
	va_end(args);
	return false;
}

struct str api_bearer(const struct http_request *request)
{
	const struct http_header *const header = http_header_find(request, "authorization");
	struct str scheme, key;
	if (!header || !str_cut(header->value, ' ', &scheme, &key) ||
		!str_equal_nocase(scheme, STR("bearer")))
		return (struct str){0};
	key = str_trim(key);
	if (key.len < API_KEY_MIN || key.len > API_KEY_MAX || !str_has_prefix(key, STR("wasl_")))
		return (struct str){0};
	return key;
}

bool api_wants_csv(const struct http_request *request)
{
	const struct http_header *const header = http_header_find(request, "accept");
	struct str ranges = header ? header->value : (struct str){0};
	unsigned csv = 0, json = 0;
	bool has_more = header != NULL;
	while (has_more) {
		struct str range, type, rest;
		has_more = str_cut(ranges, ',', &range, &ranges);
		(void)str_cut(range, ';', &type, &rest);
		type = str_trim(type);
		if (str_equal_nocase(type, STR("text/csv")))
			csv = quality_of(rest);
		else if (str_equal_nocase(type, STR("application/json")))
			json = quality_of(rest);
	}
	return csv > 0 && csv >= json;
}

enum api_route api_route_of(struct str raw_path)
{
	struct str segment[SEGMENTS_MAX];
	const unsigned count = segments_cut(raw_path, segment);
	if (count < 2 || !str_equal(segment[0], STR("v1")))
		return API_ROUTE_NONE;
	if (count == 2 && str_equal(segment[1], STR("commissions")))
		return API_ROUTE_COMMISSIONS;
	if (count == 2 && str_equal(segment[1], STR("links")))
		return API_ROUTE_LINKS;
	if (count == 4 && str_equal(segment[1], STR("affiliates")) &&
		str_equal(segment[3], STR("balance")))
		return API_ROUTE_BALANCE;
	if (count == 5 && str_equal(segment[1], STR("stores")) &&
		str_equal(segment[3], STR("orders")))
		return API_ROUTE_ORDER;
	return API_ROUTE_NONE;
}

const char *api_route_name(enum api_route route)
{
	static const char *const names[API_ROUTE_COUNT] = {
#define API_NAME(name, text) text,
		API_ROUTES(API_NAME)};
	return names[route];
}

bool api_path_parse(
	struct api_path *path, enum api_route route, struct str raw_path, struct api_fault *fault)
{
	struct str segment[SEGMENTS_MAX];
	*path = (struct api_path){0};
	(void)segments_cut(raw_path, segment);
	switch (route) {
	case API_ROUTE_BALANCE:
		return id_segment(segment[2], &path->affiliate_id, fault);
	case API_ROUTE_ORDER:
		break;
	case API_ROUTE_COMMISSIONS:
	case API_ROUTE_LINKS:
	case API_ROUTE_NONE:
		return true;
	}
	if (!id_segment(segment[2], &path->store_id, fault))
		return false;
	char order_id[HTTP_REQUEST_LINE_MAX];
	size_t len;
	if (!segment_decode(segment[4], order_id, sizeof(order_id), &len))
		return api_fault_set(fault, 400, "bad_path", "a path segment does not decode");
	const struct str text = {.data = order_id, .len = len};
	if (len == 0 || len > ORDER_ID_MAX || !utf8_is_valid(text))
		return not_found(fault);
	memcpy(path->order_id, order_id, len);
	path->order_id_len = (unsigned)len;
	return true;
}

bool api_filter_parse(struct api_filter *filter, struct str raw_query, struct api_fault *fault)
{
	*filter = (struct api_filter){.limit = API_LIMIT_DEFAULT};
	struct walk walk = {.filter = filter, .fault = fault};
	fault->status = 0;
	const bool is_whole = http_query_each(raw_query, on_parameter, &walk);
	if (!is_whole && fault->status == 0)
		return api_fault_set(fault, 422, "bad_parameter", "too many parameters");
	return fault->status == 0;
}

void api_cursor_encode(char out[API_CURSOR_MAX], uint64_t after)
{
	char text[sizeof(CURSOR_PREFIX) + 20];
	const int len = snprintf(text, sizeof(text), CURSOR_PREFIX "%" PRIu64, after);
	out[base64url_encode(out, text, (size_t)len)] = '\0';
}

bool api_cursor_parse(struct str text, uint64_t *after)
{
	char plain[API_CURSOR_MAX];
	size_t len;
	if (text.len >= API_CURSOR_MAX || !base64url_decode(text, plain, sizeof(plain), &len))
		return false;
	const struct str prefix = STR(CURSOR_PREFIX);
	struct str rest = {.data = plain, .len = len};
	if (!str_has_prefix(rest, prefix))
		return false;
	rest.data += prefix.len;
	rest.len -= prefix.len;
	return str_parse_u64(rest, INT64_MAX, after);
}

static void on_parameter(struct str raw_name, struct str raw_value, void *arg)
{
	struct walk *const walk = arg;
	char name_bytes[VALUE_MAX], value_bytes[VALUE_MAX];
	struct str name = {.data = name_bytes}, value = {.data = value_bytes};
	if (walk->fault->status != 0 || (raw_name.len == 0 && raw_value.len == 0))
		return;
	if (!percent_decode(raw_name, false, name_bytes, sizeof(name_bytes), &name.len)) {
		(void)api_fault_set(walk->fault, 422, "unknown_parameter",
			"a parameter's name does not decode");
		return;
	}
	unsigned at = 0;
	while (at < PARAMETERS && !str_equal(parameters[at].name, name))
		at++;
	if (at == PARAMETERS) {
		const bool is_shown = name.len <= NAME_SHOWN && utf8_is_valid(name);
		(void)api_fault_set(walk->fault, 422, "unknown_parameter", "%.*s: not a parameter",
			is_shown ? (int)name.len : 1, is_shown ? name.data : "?");
		return;
	}
	const struct parameter *const parameter = &parameters[at];
	if (walk->seen & (1u << at)) {
		(void)api_fault_set(walk->fault, 422, "duplicate_parameter", "%.*s: given twice",
			STR_ARG(parameter->name));
		return;
	}
	walk->seen |= 1u << at;
	if (raw_value.len == 0)
		return;
	if (!percent_decode(raw_value, false, value_bytes, sizeof(value_bytes), &value.len) ||
		!parameter->parse(walk->filter, value))
		(void)api_fault_set(walk->fault, 422, "bad_parameter", "%.*s: must be %s%s",
			STR_ARG(parameter->name), parameter->expected == state_list ? "one of" : "",
			parameter->expected);
}

static bool parse_state(struct api_filter *filter, struct str value)
{
	for (size_t i = 0; i < sizeof(state_words) / sizeof(state_words[0]); i++) {
		if (str_equal(value, str_from(state_words[i])))
			return str_copy(filter->state, sizeof(filter->state), value);
	}
	return false;
}

static bool parse_affiliate(struct api_filter *filter, struct str value)
{
	return id_parse(value, &filter->affiliate_id);
}

static bool parse_store(struct api_filter *filter, struct str value)
{
	return id_parse(value, &filter->store_id);
}

static bool parse_from(struct api_filter *filter, struct str value)
{
	filter->has_from = timestamp_parse(value, &filter->from_us);
	return filter->has_from;
}

static bool parse_to(struct api_filter *filter, struct str value)
{
	filter->has_to = timestamp_parse(value, &filter->to_us);
	return filter->has_to;
}

static bool parse_limit(struct api_filter *filter, struct str value)
{
	uint64_t limit;
	if (!str_parse_u64(value, API_LIMIT_MAX, &limit) || limit == 0)
		return false;
	filter->limit = (unsigned)limit;
	return true;
}

static bool parse_cursor(struct api_filter *filter, struct str value)
{
	return api_cursor_parse(value, &filter->after);
}

/* "/a/b" -> 2; SEGMENTS_MAX when there are that many or more. */
static unsigned segments_cut(struct str raw_path, struct str *segments)
{
	unsigned count = 0;
	struct str rest = raw_path;
	if (rest.len == 0 || rest.data[0] != '/')
		return 0;
	rest.data++;
	rest.len--;
	bool has_more = true;
	while (has_more && count < SEGMENTS_MAX)
		has_more = str_cut(rest, '/', &segments[count++], &rest);
	return count;
}

static bool segment_decode(struct str raw, char *out, unsigned out_max, size_t *len)
{
	return percent_decode(raw, false, out, out_max, len) && memchr(out, '\0', *len) == NULL;
}

static bool id_parse(struct str text, uint32_t *id)
{
	uint64_t value;
	if (!str_parse_u64(text, UINT32_MAX, &value) || value == 0)
		return false;
	*id = (uint32_t)value;
	return true;
}

static bool id_segment(struct str raw, uint32_t *id, struct api_fault *fault)
{
	char text[HTTP_REQUEST_LINE_MAX];
	size_t len;
	if (!segment_decode(raw, text, sizeof(text), &len))
		return api_fault_set(fault, 400, "bad_path", "a path segment does not decode");
	return id_parse((struct str){.data = text, .len = len}, id) || not_found(fault);
}

static bool not_found(struct api_fault *fault)
{
	return api_fault_set(
		fault, 404, "not_found", "there is no such thing, or not for this key");
}

/* ";q=0.5" in thousandths; without one, 1000; not a number, 0. */
static unsigned quality_of(struct str range)
{
	bool has_more = range.len > 0;
	while (has_more) {
		struct str parameter, name, value, whole, fraction;
		has_more = str_cut(range, ';', &parameter, &range);
		if (!str_cut(str_trim(parameter), '=', &name, &value) ||
			!str_equal_nocase(str_trim(name), STR("q")))
			continue;
		uint64_t ones = 0, rest = 0;
		(void)str_cut(str_trim(value), '.', &whole, &fraction);
		if (!str_parse_u64(whole, 1, &ones) || fraction.len > 3)
			return 0;
		for (size_t i = 0; i < 3; i++) {
			const char digit = i < fraction.len ? fraction.data[i] : '0';
			if (digit < '0' || digit > '9')
				return 0;
			rest = 10 * rest + (uint64_t)(digit - '0');
		}
		return ones == 1 ? QUALITY_ONE : (unsigned)rest;
	}
	return QUALITY_ONE;
}
