/* SPDX-License-Identifier: Apache-2.0
 * What a webhook's request says before its body: path, type, headers. */
#include <string.h>

#include "webhook.h"

#define SEGMENTS    4 /* v1 stores STORE events */
#define SEGMENT_MAX 64
#define SIGNED      3 /* headers */

static bool plain_path(struct str raw_path, uint32_t *store_id);
static enum webhook_path any_path(struct str raw_path, uint32_t *store_id);

enum webhook_path webhook_path_parse(struct str raw_path, uint32_t *store_id)
{
	return plain_path(raw_path, store_id) ? WEBHOOK_PATH_EVENTS : any_path(raw_path, store_id);
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

struct verify_headers webhook_headers(const struct http_request *request)
{
	static const struct str names[SIGNED] = {
		STR("webhook-id"), STR("webhook-timestamp"), STR("webhook-signature")};
	struct str values[SIGNED] = {{0}};
	unsigned counts[SIGNED] = {0};
	for (unsigned i = 0; i < request->header_count; i++) {
		const struct http_header *const header = &request->headers[i];
		for (unsigned name = 0; name < SIGNED; name++)
			if (header->name.len == names[name].len &&
				str_equal_nocase(header->name, names[name]) && counts[name]++ == 0)
				values[name] = header->value;
	}
	for (unsigned name = 0; name < SIGNED; name++)
		if (counts[name] != 1)
			values[name] = (struct str){0};
	return (struct verify_headers){values[0], values[1], values[2]};
}

/* What nearly all of them send: without an escape. */
static bool plain_path(struct str raw_path, uint32_t *store_id)
{
	const struct str prefix = STR("/v1/stores/");
	if (!str_has_prefix(raw_path, prefix))
		return false;
	struct str number, rest;
	uint64_t id = 0;
	str_cut((struct str){raw_path.data + prefix.len, raw_path.len - prefix.len}, '/', &number,
		&rest);
	if (!str_equal(rest, STR("events")) || !str_parse_u64(number, UINT32_MAX, &id) || id == 0)
		return false;
	*store_id = (uint32_t)id;
	return true;
}

static enum webhook_path any_path(struct str raw_path, uint32_t *store_id)
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
