/* SPDX-License-Identifier: Apache-2.0
 * Rules of the levels store and product. */
#include "terms.h"

#include <stdio.h>

#include "money.h"

#define DIGITS_MOST 3 /* of any currency */

#define INSERT_RULE                                                                                \
	"INSERT INTO wasl.rules (store_id, level, product_id, rate_bp, fixed_unit_minor, "         \
	"currency, "                                                                               \
	"valid_from) SELECT s.store_id, CASE WHEN $2::bigint IS NULL THEN 'store' ELSE 'product' " \
	"END, "                                                                                    \
	"$2::bigint, $3::integer, $4::bigint, CASE WHEN $4::bigint IS NOT NULL THEN s.currency "   \
	"END, "

bool terms_check(const struct call *call)
{
	struct terms ignored;
	return terms_parse(call, DIGITS_MOST, &ignored);
}

bool terms_parse(const struct call *call, unsigned digits, struct terms *terms)
{
	const char *fixed = call_text(call, "fixed");
	unsigned bp = 0;
	int64_t minor = 0;
	*terms = (struct terms){.is_given = call_has(call, "rate") || fixed != NULL};
	if (!call_rate(call, "rate", &bp))
		return false;
	if (call_has(call, "rate")) {
		snprintf(terms->rate_text, sizeof(terms->rate_text), "%u", bp);
		terms->rate_bp = terms->rate_text;
	}
	if (fixed == NULL)
		return true;
	if (money_parse(str_from(fixed), digits, &minor) != MONEY_OK || minor < 0) {
		call_usage(call, "--fixed: '%s' is not an amount with at most %u decimals", fixed,
			digits);
		return false;
	}
	snprintf(terms->fixed_text, sizeof(terms->fixed_text), "%lld", (long long)minor);
	terms->fixed_minor = terms->fixed_text;
	return true;
}

bool terms_begin(
	struct call *call, const char *store_id, const char *product_id, const struct terms *terms)
{
	if (!terms->is_given)
		return true;
	return call_run(call,
		INSERT_RULE "'-infinity' FROM wasl.stores s WHERE s.store_id = $1::bigint",
		DB_ARGS(store_id, product_id, terms->rate_bp, terms->fixed_minor));
}

bool terms_change(
	struct call *call, const char *store_id, const char *product_id, const struct terms *terms)
{
	if (!terms->is_given)
		return true;
	return call_run(call,
		       "UPDATE wasl.rules SET valid_to = now() WHERE store_id = $1::bigint "
		       "AND product_id IS NOT DISTINCT FROM $2::bigint AND level IN ('store', "
		       "'product') "
		       "AND valid_to IS NULL AND valid_from <= now() "
		       "AND (rate_bp, fixed_unit_minor) "
		       "IS DISTINCT FROM ($3::integer, $4::bigint)",
		       DB_ARGS(store_id, product_id, terms->rate_bp, terms->fixed_minor)) &&
	       call_run(call,
		       INSERT_RULE
		       "now() FROM wasl.stores s WHERE s.store_id = $1::bigint "
		       "AND NOT EXISTS (SELECT FROM wasl.rules r WHERE r.store_id = $1::bigint "
		       "AND r.product_id IS NOT DISTINCT FROM $2::bigint "
		       "AND r.level IN ('store', 'product') AND r.valid_to IS NULL "
		       "AND r.valid_from <= now())",
		       DB_ARGS(store_id, product_id, terms->rate_bp, terms->fixed_minor));
}
