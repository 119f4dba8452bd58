/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a User-Agent: codes stay in range, letters' case changes nothing, and what is odd is
 * never called a person. The first byte says what else the request was. */
#include "classify.h"

#include <stdlib.h>
#include <string.h>

#define IS_HEAD     1u
#define IS_PREFETCH 2u
#define IS_EMBEDDED 4u
#define IS_REPEATED 8u
#define AGENT_MAX   (2 * CLASSIFY_USER_AGENT_MAX)
#define CASE_BIT    0x20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct classifier classifier;
	static bool is_made;
	if (!is_made)
		classifier_init(&classifier);
	is_made = true;
	if (size == 0 || size - 1 > AGENT_MAX)
		return 0;
	const enum http_method method = (data[0] & IS_HEAD) != 0 ? HTTP_HEAD : HTTP_GET;
	char other_case[AGENT_MAX];
	const struct str agent = {.data = (const char *)data + 1, .len = size - 1};
	for (size_t i = 0; i < agent.len; i++) {
		const char lower = (char)(agent.data[i] | CASE_BIT);
		const bool is_letter = lower >= 'a' && lower <= 'z';
		other_case[i] = is_letter ? (char)(agent.data[i] ^ CASE_BIT) : agent.data[i];
	}
	struct headers headers = {.user_agent = agent,
		.user_agent_count = (data[0] & IS_REPEATED) != 0 ? 2 : 1,
		.is_prefetch = (data[0] & IS_PREFETCH) != 0,
		.is_embedded = (data[0] & IS_EMBEDDED) != 0};
	struct classified who, again;
	classify(&classifier, method, &headers, &who);
	if (who.class >= CLICK_CLASS_COUNT || who.app >= CLICK_APP_COUNT ||
		who.os >= CLICK_OS_COUNT)
		abort();
	const bool is_odd = headers.user_agent_count != 1 || headers.is_embedded ||
			    agent.len > CLASSIFY_USER_AGENT_MAX || !utf8_is_valid(agent);
	if (is_odd && who.class == CLICK_CLASS_HUMAN)
		abort();
	if ((who.class == CLICK_CLASS_HEAD) != (method == HTTP_HEAD))
		abort();
	headers.user_agent.data = other_case;
	classify(&classifier, method, &headers, &again);
	if (who.class != again.class || who.app != again.app || who.os != again.os)
		abort();
	return 0;
}
