-- SPDX-License-Identifier: Apache-2.0
-- What people and programs read of the whole life: the order with its reasons, and finance's views of what is pending,
-- owed and paid out.

CREATE OR REPLACE VIEW finance.balances AS
SELECT b.store_id, s.name AS store, b.affiliate_id, a.name AS affiliate, b.currency,
	wasl.money(b.pending_minor, u.digits) AS pending, wasl.money(b.held_minor, u.digits) AS held,
	wasl.money(b.available_minor, u.digits) AS available, wasl.money(b.in_payout_minor, u.digits) AS in_payout,
	wasl.money(b.paid_minor, u.digits) AS paid, wasl.money(coalesce(r.amount_minor, 0)::bigint, u.digits) AS under_review
FROM wasl.accounts b
JOIN wasl.stores s USING (store_id)
JOIN wasl.affiliates a USING (affiliate_id)
JOIN wasl.currencies u ON u.currency = b.currency
LEFT JOIN (
	SELECT c.store_id, c.affiliate_id, c.currency, sum(c.amount_minor) AS amount_minor
	FROM (SELECT DISTINCT store_id, order_id FROM wasl.reviews WHERE lifted_at IS NULL) v
	JOIN wasl.commissions_of_orders c USING (store_id, order_id)
	WHERE c.state IN ('pending', 'held', 'approved') AND c.payout_id IS NULL GROUP BY 1, 2, 3
) r ON (r.store_id, r.affiliate_id, r.currency) = (b.store_id, b.affiliate_id, b.currency);
COMMENT ON VIEW finance.balances IS 'under_review: part of pending, held and available, and not paid until it is lifted';

CREATE VIEW finance.pending_ageing AS
SELECT p.store_id, s.name AS store, p.currency, wasl.money(p.days_0_7, u.digits) AS days_0_7,
	wasl.money(p.days_8_14, u.digits) AS days_8_14, wasl.money(p.days_15_45, u.digits) AS days_15_45,
	wasl.money(p.days_over_45, u.digits) AS days_over_45, wasl.money(p.pending, u.digits) AS pending, p.commissions
FROM (SELECT c.store_id, c.currency, count(*) AS commissions, sum(c.amount_minor)::bigint AS pending,
		coalesce(sum(c.amount_minor) FILTER (WHERE c.age_days <= 7), 0)::bigint AS days_0_7,
		coalesce(sum(c.amount_minor) FILTER (WHERE c.age_days BETWEEN 8 AND 14), 0)::bigint AS days_8_14,
		coalesce(sum(c.amount_minor) FILTER (WHERE c.age_days BETWEEN 15 AND 45), 0)::bigint AS days_15_45,
		coalesce(sum(c.amount_minor) FILTER (WHERE c.age_days > 45), 0)::bigint AS days_over_45
	FROM finance.pending_commissions c GROUP BY 1, 2) p
JOIN wasl.stores s USING (store_id)
JOIN wasl.currencies u ON u.currency = p.currency;
COMMENT ON VIEW finance.pending_ageing IS 'pending by whole days since it was confirmed';

CREATE VIEW finance.payouts AS
SELECT p.payout_id, p.affiliate_id, a.name AS affiliate, p.currency, wasl.money(p.amount_minor, u.digits) AS amount,
	p.amount_minor, p.state, p.reference, p.method, p.account, r.commissions, p.drafted_by, p.drafted_at, p.approved_by,
	p.approved_at, p.executed_by, p.executed_at, p.ended_by, p.ended_at, p.note
FROM wasl.payouts p
JOIN wasl.affiliates a USING (affiliate_id)
JOIN wasl.currencies u ON u.currency = p.currency
CROSS JOIN LATERAL (SELECT count(*) AS commissions FROM wasl.payout_rows r WHERE r.payout_id = p.payout_id) r;

-- What was owed at any past instant, by the time of posting, which nobody can choose: what it tells of an instant that is
-- five minutes past never changes again. From today's balances, less what was posted since.
CREATE INDEX entries_posted ON wasl.entries USING brin (posted_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE FUNCTION finance.liability_at(instant timestamptz) RETURNS TABLE (store_id bigint, store text,
	affiliate_id bigint, affiliate text, currency text, pending numeric, held numeric, available numeric,
	in_payout numeric, paid numeric, platform numeric, liability numeric)
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
#variable_conflict use_column
BEGIN
	IF instant IS NULL OR instant > clock_timestamp() THEN
		RAISE EXCEPTION 'what will be owed at % is not known yet', instant USING ERRCODE = 'check_violation';
	END IF;
	RETURN QUERY
	WITH later AS (SELECT e.store_id, e.affiliate_id, e.currency,
			coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'pending'), 0) AS pending,
			coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'held'), 0) AS held,
			coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'available'), 0) AS available,
			coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'in_payout'), 0) AS in_payout,
			coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'paid'), 0) AS paid,
			coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'platform'), 0) AS platform
		FROM entries e WHERE e.posted_at > instant GROUP BY 1, 2, 3),
	then_ AS (SELECT b.store_id, b.affiliate_id, b.currency,
			(b.pending_minor - coalesce(l.pending, 0))::bigint AS pending,
			(b.held_minor - coalesce(l.held, 0))::bigint AS held,
			(b.available_minor - coalesce(l.available, 0))::bigint AS available,
			(b.in_payout_minor - coalesce(l.in_payout, 0))::bigint AS in_payout,
			(b.paid_minor - coalesce(l.paid, 0))::bigint AS paid,
			(b.platform_minor - coalesce(l.platform, 0))::bigint AS platform
		FROM accounts b LEFT JOIN later l USING (store_id, affiliate_id, currency))
	SELECT t.store_id, s.name, t.affiliate_id, a.name, t.currency, money(t.pending, u.digits), money(t.held, u.digits),
		money(t.available, u.digits), money(t.in_payout, u.digits), money(t.paid, u.digits), money(t.platform, u.digits),
		money(t.pending + t.held + t.available + t.in_payout, u.digits)
	FROM then_ t JOIN stores s USING (store_id) JOIN affiliates a USING (affiliate_id)
	JOIN currencies u ON u.currency = t.currency
	WHERE (t.pending, t.held, t.available, t.in_payout, t.paid, t.platform) <> (0, 0, 0, 0, 0, 0)
	ORDER BY t.store_id, t.affiliate_id, t.currency;
END $$;

-- A line's frozen rule in words that people read; beside the contract's four members only what there is.
CREATE FUNCTION wasl.rule_document(rule jsonb, of_currency text) RETURNS jsonb LANGUAGE sql STABLE STRICT AS $$
	SELECT jsonb_build_object('rule_id', rule->'rule_id', 'level', rule->'level', 'rate', rule->'rate', 'fixed', rule->'fixed')
	|| jsonb_strip_nulls(jsonb_build_object(
		'fixed_order', wasl.money_text((rule->>'fixed_order_minor')::bigint, of_currency),
		'cap_line', wasl.money_text((rule->>'cap_line_minor')::bigint, of_currency),
		'cap_order', wasl.money_text((rule->>'cap_order_minor')::bigint, of_currency),
		'cap_month', wasl.money_text((rule->>'cap_period_minor')::bigint, of_currency),
		'tier_bonus', wasl.rate_text(nullif((rule->>'tier_bonus_bp')::integer, 0)),
		'tier_rate', wasl.rate_text((rule->>'tier_rate_bp')::integer)))
$$;

-- The order with everything that explains it; null when there is no such order. With for_affiliate only what concerns
-- that affiliate: other candidates keep their kind and verdict alone, neither who acted nor what operators wrote is
-- told, and an order in which it neither is a candidate nor has a commission is null.
CREATE OR REPLACE FUNCTION wasl.order_document(of_store bigint, of_order text, for_affiliate bigint DEFAULT NULL)
	RETURNS json LANGUAGE sql STABLE SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
	SELECT json_build_object(
		'order_id', o.order_id, 'store_id', o.store_id, 'state', o.state, 'currency', o.currency,
		'placed_at', time_text(o.placed_at), 'confirmed_at', time_text(o.confirmed_at),
		'shipped_at', time_text(o.shipped_at), 'delivered_at', time_text(o.delivered_at),
		'collected_at', time_text(o.collected_at), 'waiting', o.is_waiting, 'waiting_since', time_text(o.waiting_since),
		'test', o.is_test,
		'flags', to_json(coalesce(d.flags, '{}') || ARRAY(SELECT 'shared_click' WHERE EXISTS (SELECT FROM click_wins w
			JOIN click_wins b USING (store_id, click_id) WHERE (w.store_id, w.order_id) = (o.store_id, o.order_id)
			AND b.order_id <> o.order_id))
			|| ARRAY(SELECT 'coupon_customer_unknown' FROM coupon_uses u JOIN coupons k USING (store_id, coupon_id)
				WHERE (u.store_id, u.order_id) = (o.store_id, o.order_id)
				AND u.customer IS NULL AND k.uses_per_customer_max IS NOT NULL)),
		'reviews', (SELECT coalesce(json_agg(json_build_object('reason', CASE
			WHEN for_affiliate IS NULL OR r.opened_by = 'wasl_attributor' OR r.reason = 'affiliate_suspended' THEN r.reason
			ELSE 'operator' END, 'opened_by', CASE WHEN for_affiliate IS NULL THEN r.opened_by END,
			'opened_at', time_text(r.opened_at), 'due_at', time_text(r.due_at)) ORDER BY r.review_id), '[]')
			FROM reviews r WHERE (r.store_id, r.order_id) = (o.store_id, o.order_id) AND r.lifted_at IS NULL),
		'events', (SELECT coalesce(json_agg(json_build_object('event_id', e.event_id, 'type', e.type,
			'timestamp', time_text(e.occurred_at), 'order_version', e.order_version,
			'received_at', time_text(e.received_at), 'effect', e.effect)
			ORDER BY e.received_at, e.event_id), '[]')
			FROM events e WHERE (e.store_id, e.order_id) = (o.store_id, o.order_id)),
		'acts', (SELECT coalesce(json_agg(CASE WHEN for_affiliate IS NOT NULL THEN json_build_object(
				'type', e.type, 'timestamp', time_text(e.occurred_at))
			ELSE json_build_object('event_id', e.event_id, 'type', e.type, 'timestamp', time_text(e.occurred_at),
				'actor', e.actor, 'reason', e.facts->'reason_text', 'affiliate_id', e.facts->'affiliate_id',
				'commission_id', e.facts->'commission_id', 'resolution', e.facts->'resolution',
				'amount', money_text((e.facts->>'amount_minor')::bigint, o.currency)) END
			ORDER BY e.received_at, e.event_id), '[]')
			FROM events e WHERE (e.store_id, e.order_id) = (o.store_id, o.order_id) AND e.actor IS NOT NULL),
		'decision', CASE WHEN d.version IS NOT NULL THEN json_build_object('version', d.version, 'result', d.result,
			'reason', d.reason, 'evidence', d.evidence, 'model', d.model, 'precedence', d.precedence,
			'reason_text', outcome_text(d.reason), 'flags', d.flags,
			'candidates', (SELECT coalesce(json_agg(
				CASE WHEN for_affiliate IS NULL OR (k.value->>'affiliate_id')::bigint = for_affiliate THEN k.value
				ELSE jsonb_build_object('kind', k.value->'kind', 'verdict', k.value->'verdict') END
				|| jsonb_build_object('verdict_text', outcome_text(k.value->>'verdict')) ORDER BY k.ordinality), '[]')
				FROM jsonb_array_elements(d.candidates) WITH ORDINALITY k)) END,
		'lines', (SELECT coalesce(json_agg(json_build_object('line_id', l.line_id, 'product_id', l.external_id,
			'affiliate_id', nullif(l.affiliate_id, 0), 'quantity', l.quantity,
			'quantity_left', coalesce(l.quantity_left, l.quantity), 'base', money_text(l.base_minor, o.currency),
			'rule', rule_document(l.rule, o.currency), 'amount', money_text(l.amount_minor, o.currency),
			'reason', l.reason, 'reason_text', outcome_text(l.reason)) ORDER BY l.affiliate_id, l.line_index), '[]')
			FROM order_lines l WHERE (l.store_id, l.order_id, l.version) = (o.store_id, o.order_id, o.decision_version)
			AND (for_affiliate IS NULL OR l.affiliate_id = for_affiliate)),
		'shares', (SELECT coalesce(json_agg(json_build_object('affiliate_id', h.affiliate_id,
			'full', money_text(h.full_minor, o.currency), 'share', money_text(h.share_minor, o.currency),
			'amount', money_text(h.amount_minor, o.currency), 'confirmed', money_text(h.confirmed_minor, o.currency),
			'reason', h.reason, 'reason_text', outcome_text(h.reason)) ORDER BY h.place), '[]')
			FROM shares h WHERE (h.store_id, h.order_id, h.version) = (o.store_id, o.order_id, o.decision_version)
			AND (for_affiliate IS NULL OR h.affiliate_id = for_affiliate)),
		'commissions', (SELECT coalesce(json_agg(json_build_object('commission_id', c.commission_id,
			'store_id', c.store_id, 'store', c.store, 'affiliate_id', c.affiliate_id, 'affiliate', c.affiliate,
			'order_id', c.order_id, 'currency', c.currency, 'amount', c.amount::text, 'amount_minor', c.amount_minor,
			'placed_at', time_text(c.placed_at), 'confirmed_at', time_text(c.confirmed_at),
			'age_days', c.age_days, 'release_at', time_text(c.release_at), 'reason', c.reason, 'state', c.state,
			'kind', c.kind, 'amount_confirmed', c.amount_confirmed::text, 'payout_id', c.payout_id)
			ORDER BY c.commission_id), '[]')
			FROM commissions_of_orders k JOIN finance.commissions c USING (store_id, commission_id)
			WHERE (k.store_id, k.order_id) = (o.store_id, o.order_id)
			AND (for_affiliate IS NULL OR c.affiliate_id = for_affiliate)),
		'payouts', (SELECT coalesce(json_agg(json_build_object('payout_id', p.payout_id, 'affiliate_id', p.affiliate_id,
			'commission_id', r.commission_id, 'amount', money_text(r.amount_minor, p.currency), 'state', p.state,
			'reference', p.reference, 'ended_at', time_text(p.ended_at)) ORDER BY p.payout_id, r.commission_id), '[]')
			FROM commissions_of_orders c JOIN payout_rows r USING (store_id, commission_id) JOIN payouts p ON p.payout_id = r.payout_id
			WHERE (c.store_id, c.order_id) = (o.store_id, o.order_id) AND p.state <> 'cancelled'
			AND (for_affiliate IS NULL OR c.affiliate_id = for_affiliate)))
	FROM orders o LEFT JOIN decisions d ON (d.store_id, d.order_id, d.version)
		= (o.store_id, o.order_id, o.decision_version)
	WHERE o.store_id = of_store AND o.order_id = of_order
		AND (for_affiliate IS NULL OR EXISTS (SELECT FROM jsonb_array_elements(d.candidates) k
				WHERE (k->>'affiliate_id')::bigint = for_affiliate)
			OR EXISTS (SELECT FROM commissions_of_orders c WHERE (c.store_id, c.order_id, c.affiliate_id)
				= (o.store_id, o.order_id, for_affiliate)))
$$;
