/* SPDX-License-Identifier: Apache-2.0
 * Standard Webhooks signatures: checked without telling by the time taken how close a guess was. */
#include "verify.h"

#include <string.h>

#include <openssl/crypto.h>

#include "digest.h"

#define ID_MAX             256
#define TIMESTAMP_S_MAX    UINT64_C(999999999999) /* 12 digits: the year 33658 */
#define MAC_BYTES          DIGEST_BYTES
#define SECRET_MIN         24
#define SECRET_PREFIX      "whsec_"
#define SIGNATURE_VERSION  "v1"
#define SIGNATURE_MAC_TEXT BASE64_LEN(MAC_BYTES)

/* The MACs that would be right, one per secret that could be used. */
struct expected {
	uint8_t macs[VERIFY_SECRETS_MAX][MAC_BYTES];
	unsigned count;
};

static bool id_is_good(struct str id);
static bool expected_make(struct expected *expected, const struct verify_headers *headers,
	struct str body, const struct verify_secret *secrets, unsigned secret_count);
static bool list_matches(struct str list, const struct expected *expected);
static unsigned entry_matches(struct str encoded, const struct expected *expected);
static bool mac_make(const struct verify_secret *secret, const struct verify_headers *headers,
	struct str body, uint8_t mac[MAC_BYTES]);

const char *verify_result_name(enum verify_result result)
{
	switch (result) {
	case VERIFY_OK:
		return "ok";
	case VERIFY_MISSING:
		return "missing";
	case VERIFY_BAD_ID:
		return "bad_id";
	case VERIFY_BAD_TIMESTAMP:
		return "bad_timestamp";
	case VERIFY_EXPIRED:
		return "expired";
	case VERIFY_BAD_SIGNATURE:
		return "bad_signature";
	case VERIFY_FAILED:
		return "failed";
	}
	return "";
}

enum verify_result verify_webhook(const struct verify_headers *raw, struct str raw_body,
	const struct verify_secret *secrets, unsigned secret_count, int64_t now_s)
{
	uint64_t sent_s = 0;
	if (raw->id.len == 0 || raw->timestamp.len == 0 || raw->signature.len == 0)
		return VERIFY_MISSING;
	if (!id_is_good(raw->id))
		return VERIFY_BAD_ID;
	if (!str_parse_u64(raw->timestamp, TIMESTAMP_S_MAX, &sent_s))
		return VERIFY_BAD_TIMESTAMP;
	const int64_t age_s = now_s - (int64_t)sent_s;
	if (age_s > VERIFY_TOLERANCE_S || age_s < -VERIFY_TOLERANCE_S)
		return VERIFY_EXPIRED;
	struct expected expected;
	if (!expected_make(&expected, raw, raw_body, secrets, secret_count))
		return VERIFY_FAILED;
	const bool is_match = list_matches(raw->signature, &expected);
	OPENSSL_cleanse(&expected, sizeof(expected));
	return is_match ? VERIFY_OK : VERIFY_BAD_SIGNATURE;
}

bool verify_secret_parse(struct str text, struct verify_secret *secret)
{
	const struct str prefix = STR(SECRET_PREFIX);
	size_t len = 0;
	memset(secret, 0, sizeof(*secret));
	if (!str_has_prefix(text, prefix))
		return false;
	text.data += prefix.len;
	text.len -= prefix.len;
	if (!base64_decode(text, secret->secret_bytes, sizeof(secret->secret_bytes), &len) ||
		len < SECRET_MIN) {
		OPENSSL_cleanse(secret, sizeof(*secret));
		return false;
	}
	secret->len = (uint8_t)len;
	return true;
}

bool verify_sign(const struct verify_secret *secret, struct str id, struct str timestamp,
	struct str body, char out[VERIFY_SIGNATURE_TEXT_MAX])
{
	const struct verify_headers headers = {.id = id, .timestamp = timestamp};
	const size_t version_len = sizeof(SIGNATURE_VERSION) - 1;
	uint8_t mac[MAC_BYTES];
	out[0] = '\0';
	if (secret->len == 0 || !mac_make(secret, &headers, body, mac))
		return false;
	memcpy(out, SIGNATURE_VERSION ",", version_len + 1);
	const size_t len = base64_encode(out + version_len + 1, mac, sizeof(mac));
	out[version_len + 1 + len] = '\0';
	return true;
}

static bool id_is_good(struct str id)
{
	if (id.len > ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		if (id.data[i] < 0x20 || id.data[i] > 0x7e || id.data[i] == '.')
			return false;
	}
	return true;
}

static bool expected_make(struct expected *expected, const struct verify_headers *headers,
	struct str body, const struct verify_secret *secrets, unsigned secret_count)
{
	expected->count = 0;
	for (unsigned i = 0; i < secret_count && i < VERIFY_SECRETS_MAX; i++) {
		if (secrets[i].len == 0)
			continue;
		if (!mac_make(&secrets[i], headers, body, expected->macs[expected->count]))
			return false;
		expected->count++;
	}
	return true;
}

/* A list with an empty entry or one without a version is malformed as a whole; a v1 entry that is
 * not the base64 of 32 bytes matches nothing. */
static bool list_matches(struct str list, const struct expected *expected)
{
	unsigned matches = 0;
	for (unsigned seen = 0; seen < VERIFY_SIGNATURES_MAX; seen++) {
		struct str entry, rest, version, encoded;
		const bool has_more = str_cut(list, ' ', &entry, &rest);
		if (!str_cut(entry, ',', &version, &encoded) || version.len == 0)
			return false;
		if (str_equal(version, STR(SIGNATURE_VERSION)))
			matches |= entry_matches(encoded, expected);
		if (!has_more)
			break;
		list = rest;
	}
	return matches != 0;
}

static unsigned entry_matches(struct str encoded, const struct expected *expected)
{
	uint8_t mac[MAC_BYTES];
	size_t len = 0;
	unsigned matches = 0;
	if (encoded.len != SIGNATURE_MAC_TEXT || !base64_decode(encoded, mac, sizeof(mac), &len) ||
		len != MAC_BYTES)
		return 0;
	for (unsigned i = 0; i < expected->count; i++)
		matches |= str_equal_secret(mac, expected->macs[i], MAC_BYTES) ? 1u : 0u;
	return matches;
}

static bool mac_make(const struct verify_secret *secret, const struct verify_headers *headers,
	struct str body, uint8_t mac[MAC_BYTES])
{
	const struct str dot = STR(".");
	const struct str parts[] = {headers->id, dot, headers->timestamp, dot, body};
	const struct str secret_key = {(const char *)secret->secret_bytes, secret->len};
	return digest_hmac(secret_key, parts, sizeof(parts) / sizeof(parts[0]), mac);
}
