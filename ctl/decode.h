/* SPDX-License-Identifier: Apache-2.0
 * Opening many tokens: operands, or a stream of lines, each answered by one object. */
#ifndef WASL_CTL_DECODE_H
#define WASL_CTL_DECODE_H

#include <jansson.h>

#include "call.h"
#include "token.h"

#define DECODE_TOKENS_MAX 4096
#define DECODE_LINE_MAX   4096 /* longer lines are refused as bad_length, shown to here */

/* Gives the object of one token, a new reference. */
typedef json_t *decode_fn(struct token_box *box, struct str raw_token, bool *is_ok);

/* Opens the call's operands, "-" being stdin line by line. CALL_DONE only if every token is ok. */
enum call_exit decode_tokens(struct call *call, decode_fn *open);

/* token, result and, if known, slot. */
json_t *decode_head(struct str raw_token, enum token_result result, int slot);
/* affiliate_id, product_id, campaign_id. */
void decode_add_link(json_t *object, const struct link_claim *claim);

#endif
