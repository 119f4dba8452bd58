/* SPDX-License-Identifier: Apache-2.0
 * The headers that the tracker reads, from a whole request head: who asks, which cookie, whose
 * address. */
#include "classify.h"
#include "headers.h"
#include "http.h"
#include "trust.h"
#include "visit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_request request;
	static struct classifier classifier;
	static struct trust trust;
	if (trust.count == 0) {
		classifier_init(&classifier);
		if (!trust_parse(STR("10.0.0.0/8, 2001:db8::/33"), &trust, NULL))
			abort();
	}
	const struct str raw = {.data = (const char *)data, .len = size};
	struct http_scan scan = {0};
	if (http_scan(&scan, raw) != HTTP_SCAN_WHOLE ||
		http_parse((struct str){.data = raw.data, .len = scan.head_bytes}, &request) != 0)
		return 0;
	struct headers headers;
	headers_gather(&request, &headers);
	struct classified who;
	classify(&classifier, request.method, &headers, &who);
	if (who.class >= CLICK_CLASS_COUNT || who.app >= CLICK_APP_COUNT ||
		who.os >= CLICK_OS_COUNT)
		abort();
	uint8_t visitor[VISITOR_BYTES];
	(void)visit_cookie_find(&headers, STR(VISITOR_COOKIE_PLAIN), visitor);
	const struct sockaddr_storage peer = {.ss_family = AF_UNIX};
	struct trust_address client;
	if (!trust_client(&trust, &peer, headers.forwarded, headers.forwarded_count, &client))
		return 0;
	struct visit_keys keys;
	static const uint8_t secret_person[KEYRING_KEY_BYTES] = {1};
	visit_keys_init(&keys, secret_person);
	if (visit_network_hash(&keys, &client, 0) == 0)
		abort();
	return 0;
}
