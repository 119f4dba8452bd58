-- SPDX-License-Identifier: Apache-2.0
-- Who may do what of all this. The daemon adds rows by the columns that it has to tell: when they were posted, by whom,
-- and their numbers are the database's own. The cashier acts through functions alone.

REVOKE INSERT ON wasl.orders, wasl.event_ids, wasl.events, wasl.decisions, wasl.order_lines, wasl.reviews,
	wasl.commissions, wasl.entries FROM wasl_attributor;
GRANT INSERT (store_id, order_id) ON wasl.orders TO wasl_attributor;
GRANT UPDATE (shipped_at, delivered_at, collected_at, waiting_since, due_at) ON wasl.orders TO wasl_attributor;
GRANT INSERT (store_id, event_id, order_id, body_sha256, received_at, decision_version, answer)
	ON wasl.event_ids TO wasl_attributor;
GRANT INSERT (store_id, order_id, event_id, type, occurred_at, received_at, order_version, effect, facts)
	ON wasl.events TO wasl_attributor;
GRANT INSERT (store_id, order_id, version, supersedes, event_id, result, reason, evidence, model, precedence, candidates,
	commissions, flags) ON wasl.decisions TO wasl_attributor;
GRANT INSERT (store_id, order_id, version, affiliate_id, line_index, line_id, external_id, product_id, quantity,
	quantity_left, base_minor, rule, amount_minor, reason) ON wasl.order_lines TO wasl_attributor;
GRANT INSERT ON wasl.shares TO wasl_attributor;
GRANT INSERT (store_id, order_id, reason) ON wasl.reviews TO wasl_attributor;
GRANT INSERT (store_id, commission_id, order_id, affiliate_id, kind, state, currency, amount_minor,
	amount_confirmed_minor, confirmed_at, release_at, reason, decision_version, funded_by, event_id)
	ON wasl.commissions TO wasl_attributor;
GRANT UPDATE (amount_confirmed_minor) ON wasl.commissions TO wasl_attributor;
GRANT INSERT (store_id, transaction_id, affiliate_id, currency, account, amount_minor, move, commission_id)
	ON wasl.entries TO wasl_attributor;
GRANT INSERT (store_id, order_id, coupon_id, customer, is_taken), UPDATE (coupon_id, customer, is_taken)
	ON wasl.coupon_uses TO wasl_attributor;
GRANT INSERT (store_id, order_id, affiliate_id, rule_id, month, wish_minor, granted_minor, used_minor),
	UPDATE (wish_minor, granted_minor, used_minor)
	ON wasl.grants TO wasl_attributor;
GRANT INSERT, DELETE ON wasl.click_wins TO wasl_attributor;
GRANT SELECT ON ALL TABLES IN SCHEMA wasl, finance TO wasl_attributor;


-- Functions are nobody's until they are granted; those of 0004 stay as they were.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA wasl, finance FROM PUBLIC;
GRANT EXECUTE ON FUNCTION wasl.coupon_code(text), wasl.outcome_text(text), wasl.rule_document(jsonb, text),
	wasl.verify_ledger(), wasl.verify_orders(), wasl.verify_counts(), finance.liability_at(timestamptz),
	wasl.coupons_lock(integer[], bigint[], text[], bigint[], text[], text[]),
	wasl.period_rooms(integer[], bigint[], text[], bigint[], bigint[], text[]),
	wasl.tiers_for(integer[], bigint[], bigint[], bigint[]), wasl.commissions_guard_payout(wasl.commissions, wasl.commissions)
	TO wasl_attributor;

-- Finance and the cashier read views. The cashier acts by functions, and sees, for that, what it acts on.
GRANT SELECT ON ALL TABLES IN SCHEMA finance TO wasl_finance, wasl_cashier;
GRANT EXECUTE ON FUNCTION finance.liability_at(timestamptz) TO wasl_finance, wasl_cashier;
GRANT USAGE ON SCHEMA wasl TO wasl_cashier;
GRANT SELECT ON wasl.payouts, wasl.payout_rows, wasl.payout_minimums, wasl.currencies, wasl.reviews, wasl.orders,
	wasl.commissions TO wasl_cashier;
GRANT SELECT (affiliate_id, name) ON wasl.affiliates TO wasl_cashier;
GRANT EXECUTE ON FUNCTION wasl.payout_draft(bigint, text), wasl.payout_approve(bigint), wasl.payout_cancel(bigint, text),
	wasl.payout_execute(bigint), wasl.payout_import(text, text, text), wasl.payout_minimum_set(text, bigint),
	wasl.write_off(bigint, text), wasl.commission_adjust(bigint, bigint, text), wasl.commission_void(bigint, text),
	wasl.review_open(bigint, text, text, timestamptz), wasl.review_lift(bigint, text, text, text),
	wasl.order_document(bigint, text, bigint), wasl.from_us(bigint), wasl.to_us(timestamptz), wasl.time_text(timestamptz),
	wasl.money_text(bigint, text), wasl.balance_document(bigint),
	wasl.commissions_page(text, bigint, bigint, timestamptz, timestamptz, bigint, integer) TO wasl_cashier;
