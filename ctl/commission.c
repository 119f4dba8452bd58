/* SPDX-License-Identifier: Apache-2.0
 * waslctl commission: what affiliates earned, as the API lists it. */
#include <string.h>

#include "act.h"
#include "list.h"
#include "nouns.h"

static enum call_exit commission_list(struct call *call);

static const struct option_spec list_options[] = {
	{"state", OPTION_TEXT, false, "STATE", "pending|held|approved|paid|voided|reversed"},
	{"affiliate", OPTION_TEXT, false, "AFFILIATE", "of this affiliate"},
	{"store", OPTION_TEXT, false, "STORE", "of this store"},
	{"from", OPTION_TEXT, false, "TIME", "confirmed at or after this RFC 3339 time or date"},
	{"to", OPTION_TEXT, false, "TIME", "and before this one"},
	{"format", OPTION_TEXT, false, "FORMAT", "table|json|csv"},
	LIST_OPTIONS,
	{0},
};

static const struct option_spec act_options[] = {ACT_REASON_OPTION, {0}};
static const struct option_spec adjust_options[] = {
	{"amount", OPTION_TEXT, true, "AMOUNT",
		"what the affiliate gets more (5.00) or less (-5.00), at the platform's cost"},
	ACT_REASON_OPTION,
	{0},
};

const struct command commission_commands[] = {
	{"commission", "list", "", 0, 0, list_options, commission_list, "List commissions"},
	{"commission", "void", "COMMISSION", 1, 1, act_options, commission_void,
		"Take an affiliate's whole part of an order away"},
	{"commission", "adjust", "COMMISSION", 1, 1, adjust_options, commission_adjust,
		"Give or take at the platform's cost"},
	{"commission", "write-off", "COMMISSION", 1, 1, act_options, commission_write_off,
		"Let a negative commission go, at the platform's cost"},
	{0},
};

static enum call_exit commission_list(struct call *call)
{
	static const char *const all[] = {"commission_id", "store_id", "store", "affiliate_id",
		"affiliate", "order_id", "currency", "amount", "amount_minor", "placed_at",
		"confirmed_at", "age_days", "release_at", "reason", "state", "kind",
		"amount_confirmed", "payout_id", NULL};
	static const char *const shown[] = {"commission_id", "store", "affiliate", "order_id",
		"amount", "currency", "state", "age_days", "confirmed_at", "reason", NULL};
	char from_text[CALL_NUMBER_MAX], to_text[CALL_NUMBER_MAX];
	int64_t from_us = 0, to_us = 0;
	if (!call_one_of(call, "state", "pending|held|approved|paid|voided|reversed") ||
		!call_id(call, "affiliate") || !call_id(call, "store") ||
		!call_time(call, "from", &from_us) || !call_time(call, "to", &to_us) ||
		!call_one_of(call, "format", "table|json|csv"))
		return CALL_USAGE;
	const char *format = call_text(call, "format");
	enum list_format as = LIST_TABLE;
	if (format != NULL && strcmp(format, "json") == 0)
		as = LIST_JSON;
	else if (format != NULL && strcmp(format, "csv") == 0)
		as = LIST_CSV;
	call->is_json = call->is_json && format == NULL;
	return list_print(call,
		&(struct list){
			.sql = "SELECT row_to_json(p) FROM wasl.commissions_page($3, $4::bigint, "
			       "$5::bigint, wasl.from_us($6::bigint), wasl.from_us($7::bigint), "
			       "$1::bigint, "
			       "$2::integer) p",
			.key = "commission_id",
			.columns = as == LIST_CSV ? all : shown,
			.format = call->is_json ? LIST_JSON : as,
			.params = {call_text(call, "state"), call_text(call, "affiliate"),
				call_text(call, "store"),
				call_number_param(call, "from", from_us, from_text),
				call_number_param(call, "to", to_us, to_text)},
			.param_count = 5});
}
