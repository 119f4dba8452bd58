/* SPDX-License-Identifier: Apache-2.0
 * What a store or product pays: --rate and --fixed as rules with their validity. */
#ifndef WASL_CTL_TERMS_H
#define WASL_CTL_TERMS_H

#include "call.h"

#define TERMS_TEXT_MAX 24

#define TERMS_OPTIONS                                                                         \
	{"rate", OPTION_TEXT, false, "RATE", "commission in percent of the net price: 7.5%"}, \
	{                                                                                     \
		"fixed", OPTION_TEXT, false, "AMOUNT",                                        \
			"commission for each unit, in the store's currency"                   \
	}

/* The numbers as SQL takes them; NULL: not given. */
struct terms {
	bool is_given; /* --rate or --fixed */
	const char *rate_bp, *fixed_minor;
	char rate_text[TERMS_TEXT_MAX], fixed_text[TERMS_TEXT_MAX];
};

/* Reads --rate and --fixed; digits are the currency's. False: reported, wrong usage. */
bool terms_parse(const struct call *call, unsigned digits, struct terms *terms);
/* Checks both without knowing the currency yet. */
bool terms_check(const struct call *call);
/* Makes the first rule of a new store (product_id NULL) or product: it holds from the beginning. */
bool terms_begin(
	struct call *call, const char *store_id, const char *product_id, const struct terms *terms);
/* Ends the rule that holds now and starts the new one; the same terms change nothing. */
bool terms_change(
	struct call *call, const char *store_id, const char *product_id, const struct terms *terms);

#endif
