/* SPDX-License-Identifier: Apache-2.0
 * The visitor behind a click: cookie, sub-ids, and the keyed hashes that the record keeps instead.
 * Pure. */
#include "visit.h"

#include <string.h>

#define DAY_US       (INT64_C(86400) * 1000000)
#define VISITOR_MASK UINT64_C(0xffffffffffff)

enum { NAME_CID = CLICK_SUB_IDS, NAME_NOTRACK, NAME_UNKNOWN };

static void key_derive(const uint8_t secret_root[SIPHASH_KEY_BYTES], uint64_t purpose,
	uint64_t number, uint8_t secret_key[SIPHASH_KEY_BYTES]);
static bool cookie_value(struct str cookies, struct str name, uint8_t visitor[VISITOR_BYTES]);
static void param_take(struct str raw_name, struct str raw_value, void *arg);
static unsigned param_name(struct str raw_name);

void visit_keys_init(struct visit_keys *keys, const uint8_t secret_person[KEYRING_KEY_BYTES])
{
	memcpy(keys->secret_root, secret_person, SIPHASH_KEY_BYTES);
	key_derive(keys->secret_root, 1, 0, keys->secret_visitor);
	key_derive(keys->secret_root, 3, 0, keys->secret_source);
	keys->network_day = INT64_MIN;
}

uint64_t visit_visitor_hash(const struct visit_keys *keys, const uint8_t visitor[VISITOR_BYTES])
{
	const uint64_t hash = siphash(keys->secret_visitor, visitor, VISITOR_BYTES) & VISITOR_MASK;
	return hash ? hash : 1;
}

uint32_t visit_network_hash(
	struct visit_keys *keys, const struct trust_address *client, int64_t wall_us)
{
	const int64_t day = wall_us / DAY_US;
	if (day != keys->network_day) {
		key_derive(keys->secret_root, 2, (uint64_t)day, keys->secret_network);
		keys->network_day = day;
	}
	/* A mapped IPv4 address has its /24 in the first 15 bytes, an IPv6 one its /48 in the
	 * first 6. */
	const size_t prefix = trust_is_v4(client) ? 15 : 6;
	const uint32_t hash = (uint32_t)siphash(keys->secret_network, client->bytes, prefix);
	return hash ? hash : 1;
}

uint64_t visit_source_hash(const struct visit_keys *keys, const struct trust_address *client,
	const struct click_record *record)
{
	enum { ADDRESS = sizeof(client->bytes), AFFILIATE = sizeof(uint32_t) };
	uint8_t source[ADDRESS + AFFILIATE + 2] = {0};
	memcpy(source, client->bytes, trust_is_v4(client) ? ADDRESS : 8);
	memcpy(source + ADDRESS, &record->link.affiliate_id, AFFILIATE);
	source[ADDRESS + AFFILIATE] = (uint8_t)record->app;
	source[ADDRESS + AFFILIATE + 1] = (uint8_t)record->os;
	const uint64_t hash = siphash(keys->secret_source, source, sizeof(source)) & VISITOR_MASK;
	return hash ? hash : 1;
}

bool visit_cookie_find(
	const struct headers *headers, struct str name, uint8_t visitor[VISITOR_BYTES])
{
	for (unsigned i = 0; i < headers->cookie_count; i++)
		if (cookie_value(headers->cookies[i], name, visitor))
			return true;
	return false;
}

unsigned visit_cookie_format(
	char out[VISITOR_COOKIE_MAX], const uint8_t visitor[VISITOR_BYTES], bool is_insecure)
{
	static const char secure_head[] = "Set-Cookie: " VISITOR_COOKIE "=";
	static const char secure_tail[] =
		"; Max-Age=31536000; Path=/; Secure; HttpOnly; SameSite=Lax\r\n";
	static const char plain_head[] = "Set-Cookie: " VISITOR_COOKIE_PLAIN "=";
	static const char plain_tail[] = "; Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax\r\n";
	const struct str head = is_insecure ? STR(plain_head) : STR(secure_head);
	const struct str tail = is_insecure ? STR(plain_tail) : STR(secure_tail);
	memcpy(out, head.data, head.len);
	size_t len = head.len;
	len += base64url_encode(out + len, visitor, VISITOR_BYTES);
	memcpy(out + len, tail.data, tail.len);
	return (unsigned)(len + tail.len);
}

void visit_query_parse(struct str raw_query, struct visit_query *query)
{
	query->extras = (struct click_extras){0};
	query->has_extras = false;
	query->has_notrack = false;
	query->dropped = 0;
	query->seen = 0;
	if (raw_query.len > 0)
		http_query_each(raw_query, param_take, query);
}

/* SipHash is a pseudo-random function: its outputs under the root are keys. */
static void key_derive(const uint8_t secret_root[SIPHASH_KEY_BYTES], uint64_t purpose,
	uint64_t number, uint8_t secret_key[SIPHASH_KEY_BYTES])
{
	for (uint64_t half = 0; half < 2; half++) {
		const uint64_t input[3] = {purpose, number, half};
		uint8_t bytes[sizeof(input)];
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(input[i / 8] >> (8 * (i % 8)));
		const uint64_t word = siphash(secret_root, bytes, sizeof(bytes));
		for (size_t i = 0; i < 8; i++)
			secret_key[8 * half + i] = (uint8_t)(word >> (8 * i));
	}
}

/* RFC 6265 section 4.2.1: name=value pairs separated by "; ". */
static bool cookie_value(struct str cookies, struct str name, uint8_t visitor[VISITOR_BYTES])
{
	struct str rest = cookies;
	while (rest.len > 0) {
		struct str pair, key, value;
		str_cut(rest, ';', &pair, &rest);
		if (!str_cut(str_trim(pair), '=', &key, &value) || !str_equal(key, name))
			continue;
		size_t len = 0;
		if (value.len == VISITOR_TEXT_LEN &&
			base64url_decode(value, visitor, VISITOR_BYTES, &len) &&
			len == VISITOR_BYTES)
			return true;
	}
	return false;
}

static void param_take(struct str raw_name, struct str raw_value, void *arg)
{
	struct visit_query *query = arg;
	const unsigned name = param_name(raw_name);
	if (name == NAME_UNKNOWN || (query->seen >> name & 1u))
		return;
	query->seen |= 1u << name;
	if (name == NAME_NOTRACK) {
		query->has_notrack = str_equal(raw_value, STR("1"));
		return;
	}
	struct str value = {.data = query->text[name]};
	if (!percent_decode(raw_value, false, query->text[name], CLICK_SUB_ID_MAX, &value.len) ||
		!utf8_is_valid(value)) {
		query->dropped++;
		return;
	}
	query->extras.values[name] = value;
	query->has_extras |= value.len > 0;
}

static unsigned param_name(struct str raw_name)
{
	if (raw_name.len == 2 && raw_name.data[0] == 's' && raw_name.data[1] >= '1' &&
		raw_name.data[1] <= '0' + CLICK_SUB_IDS)
		return (unsigned)(raw_name.data[1] - '1');
	if (str_equal(raw_name, STR("cid")))
		return NAME_CID;
	if (str_equal(raw_name, STR("notrack")))
		return NAME_NOTRACK;
	return NAME_UNKNOWN;
}
