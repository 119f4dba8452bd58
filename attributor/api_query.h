/* SPDX-License-Identifier: Apache-2.0
 * What a caller of the reading API asks for, from bytes to values: the key it shows, the path, the
 * filters of a list, the media type. Pure.
 *
 * Values are percent-decoded; '+' stays '+', so that an offset of a time may be written plainly. An
 * empty value counts as absent. A parameter that is not known, or comes twice, is refused: a filter
 * that is silently dropped would make a wrong list look right. */
#ifndef WASL_API_QUERY_H
#define WASL_API_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "api.h"
#include "http.h"
#include "order.h"
#include "str.h"

#define API_LIMIT_DEFAULT 100
#define API_LIMIT_MAX     1000
#define API_STATE_MAX     16
#define API_DETAIL_MAX    160
#define API_KEY_MIN       16 /* bytes, "wasl_" included */
#define API_KEY_MAX       128
#define API_CURSOR_MAX    40 /* characters and a NUL */

/* Why a request is refused, for a problem body. status 0: it is not. */
struct api_fault {
	unsigned status;
	const char *code;
	char detail[API_DETAIL_MAX];
};
/* Returns false. */
bool api_fault_set(struct api_fault *fault, unsigned status, const char *code, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* The key in `Authorization: Bearer wasl_…` (scheme in any case); empty: none, or malformed. */
struct str api_bearer(const struct http_request *request);
/* text/csv is asked for by name, and not less than application/json. */
bool api_wants_csv(const struct http_request *request);

/* What a route's path names. */
struct api_path {
	uint32_t store_id;
	uint32_t affiliate_id;
	char order_id[ORDER_ID_MAX];
	unsigned order_id_len;
};
/* Refuses with 400 what is no percent-encoding or holds %00, with 404 what names nothing that can
 * be there (ids out of range, order ids over their length or not UTF-8). */
bool api_path_parse(
	struct api_path *path, enum api_route route, struct str raw_path, struct api_fault *fault);

/* Filters of /v1/commissions; zero: not asked for. */
struct api_filter {
	char state[API_STATE_MAX];
	uint32_t affiliate_id;
	uint32_t store_id;
	bool has_from, has_to;
	int64_t from_us; /* inclusive */
	int64_t to_us;   /* exclusive */
	unsigned limit;
	uint64_t after; /* commission_id of the last row of the page before */
};
/* Refuses with 422, naming the parameter. */
bool api_filter_parse(struct api_filter *filter, struct str raw_query, struct api_fault *fault);

/* NUL-terminated; opaque to callers. */
void api_cursor_encode(char out[API_CURSOR_MAX], uint64_t after);
bool api_cursor_parse(struct str text, uint64_t *after);

#endif
