/* SPDX-License-Identifier: Apache-2.0
 * How rules are shown: the same object in lists, answers and explanations. */
#ifndef WASL_CTL_RULE_H
#define WASL_CTL_RULE_H

/* Of "wasl.rules r"; closed by the caller, so that members may follow. */
#define RULE_OBJECT                                                                            \
	"json_build_object('rule_id', r.rule_id, 'store_id', r.store_id, 'level', r.level, "   \
	"'affiliate_id', r.affiliate_id, 'product_id', r.product_id, 'category', r.category, " \
	"'rate', wasl.rate_text(r.rate_bp), "                                                  \
	"'fixed', wasl.money_text(r.fixed_unit_minor, r.currency), "                           \
	"'fixed_order', wasl.money_text(r.fixed_order_minor, r.currency), "                    \
	"'cap_line', wasl.money_text(r.cap_line_minor, r.currency), "                          \
	"'cap_order', wasl.money_text(r.cap_order_minor, r.currency), "                        \
	"'cap_month', wasl.money_text(r.cap_period_minor, r.currency), "                       \
	"'currency', r.currency, 'priority', r.priority, "                                     \
	"'from', CASE WHEN isfinite(r.valid_from) THEN wasl.time_text(r.valid_from) END, "     \
	"'to', CASE WHEN isfinite(r.valid_to) THEN wasl.time_text(r.valid_to) END, 'actor', "  \
	"r.actor"

#endif
