/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as signature headers, four lines and then the body: secret, id, timestamp, signature.
 * Nothing verifies that we did not sign, and what we sign verifies. */
#include "verify.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define NOW_S INT64_C(1614265330)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Signed with our own hand, under the same id and time: it verifies, unless those are refused. */
static void check_signed(const struct verify_headers *raw, struct str body,
	const struct verify_secret *secret, enum verify_result theirs)
{
	char signature[VERIFY_SIGNATURE_TEXT_MAX];
	assert(verify_sign(secret, raw->id, raw->timestamp, body, signature));
	const struct verify_headers ours = {
		.id = raw->id, .timestamp = raw->timestamp, .signature = str_from(signature)};
	const enum verify_result result = verify_webhook(&ours, body, secret, 1, NOW_S);
	if (theirs == VERIFY_OK)
		assert(str_contains(raw->signature, str_from(signature)));
	if (theirs == VERIFY_OK || theirs == VERIFY_BAD_SIGNATURE)
		assert(result == VERIFY_OK);
	else if (raw->signature.len > 0)
		assert(result == theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = {.data = (const char *)data, .len = size};
	struct str secret_text, body;
	struct verify_headers raw = {0};
	struct verify_secret secrets[VERIFY_SECRETS_MAX];
	str_cut(rest, '\n', &secret_text, &rest);
	str_cut(rest, '\n', &raw.id, &rest);
	str_cut(rest, '\n', &raw.timestamp, &rest);
	str_cut(rest, '\n', &raw.signature, &body);
	memset(&secrets[0], 0, sizeof(secrets[0]));
	const bool has_secret = verify_secret_parse(secret_text, &secrets[1]);
	const enum verify_result result =
		verify_webhook(&raw, body, secrets, VERIFY_SECRETS_MAX, NOW_S);
	assert(verify_result_name(result)[0] != '\0');
	assert(has_secret || result != VERIFY_OK);
	if (has_secret)
		check_signed(&raw, body, &secrets[1], result);
	return 0;
}
