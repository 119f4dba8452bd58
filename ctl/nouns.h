/* SPDX-License-Identifier: Apache-2.0
 * The commands of every noun; each table ends with an entry whose noun is NULL. */
#ifndef WASL_CTL_NOUNS_H
#define WASL_CTL_NOUNS_H

#include "call.h"

extern const struct command migrate_commands[];
extern const struct command verify_commands[];
extern const struct command store_commands[];
extern const struct command affiliate_commands[];
extern const struct command product_commands[];
extern const struct command link_commands[];
extern const struct command click_commands[];
extern const struct command event_commands[];
extern const struct command order_commands[];
extern const struct command commission_commands[];
extern const struct command review_commands[];
extern const struct command rule_commands[];
extern const struct command coupon_commands[];
extern const struct command payout_commands[];
extern const struct command balance_commands[];
extern const struct command key_commands[];
extern const struct command apikey_commands[];
extern const struct command spool_commands[];
extern const struct command quarantine_commands[];

/* Those in files of their own */
enum call_exit product_import(struct call *call);
enum call_exit rule_explain_run(struct call *call);
enum call_exit order_reassign(struct call *call);
enum call_exit order_resolve(struct call *call);
enum call_exit commission_void(struct call *call);
enum call_exit commission_adjust(struct call *call);
enum call_exit commission_write_off(struct call *call);
enum call_exit payout_import(struct call *call);

#endif
