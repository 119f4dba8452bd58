/* SPDX-License-Identifier: Apache-2.0
 * What a webhook's request says before its body: path, type, headers. */
#include <string.h>

#include "webhook.h"

#define SEGMENTS    4 /* v1 stores STORE events */
#define SEGMENT_MAX 64

enum webhook_path webhook_path_parse(struct str raw_path, uint32_t *store_id)
{
	char texts[SEGMENTS][SEGMENT_MAX];
	size_t lens[SEGMENTS];
	struct str rest = raw_path, segment;
	unsigned count = 0;
	if (!str_has_prefix(rest, STR("/")))
		return WEBHOOK_PATH_OTHER;
	rest = (struct str){rest.data + 1, rest.len - 1};
	bool has_more = true;
	while (has_more) {
		has_more = str_cut(rest, '/', &segment, &rest);
		if (count == SEGMENTS)
			return WEBHOOK_PATH_OTHER;
		if (!percent_decode(segment, false, texts[count], SEGMENT_MAX, &lens[count]))
			return segment.len > SEGMENT_MAX ? WEBHOOK_PATH_OTHER : WEBHOOK_PATH_BAD;
		if (memchr(texts[count], '\0', lens[count]) != NULL)
			return WEBHOOK_PATH_BAD;
		count++;
	}
	if (count != SEGMENTS || !str_equal((struct str){texts[0], lens[0]}, STR("v1")) ||
		!str_equal((struct str){texts[1], lens[1]}, STR("stores")) ||
		!str_equal((struct str){texts[3], lens[3]}, STR("events")))
		return WEBHOOK_PATH_OTHER;
	uint64_t id = 0;
	if (!str_parse_u64((struct str){texts[2], lens[2]}, UINT32_MAX, &id) || id == 0)
		return WEBHOOK_PATH_NO_STORE;
	*store_id = (uint32_t)id;
	return WEBHOOK_PATH_EVENTS;
}

bool webhook_is_json(const struct http_request *request)
{
	if (http_header_find(request, "content-encoding") != NULL)
		return false;
	const struct http_header *const header = http_header_find(request, "content-type");
	if (header == NULL)
		return true;
	struct str type, parameters;
	str_cut(header->value, ';', &type, &parameters);
	type = str_trim(type);
	const struct str suffix = STR("+json");
	return str_equal_nocase(type, STR("application/json")) ||
	       (type.len > suffix.len &&
		       str_equal_nocase((struct str){type.data + type.len - suffix.len, suffix.len},
			       suffix));
}

struct str webhook_header_once(const struct http_request *request, const char *name)
{
	struct str value = {0};
	unsigned count = 0;
	for (unsigned i = 0; i < request->header_count; i++)
		if (str_equal_nocase(request->headers[i].name, str_from(name))) {
			value = request->headers[i].value;
			count++;
		}
	return count == 1 ? value : (struct str){0};
}
