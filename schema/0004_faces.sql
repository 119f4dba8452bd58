-- SPDX-License-Identifier: Apache-2.0
-- What people and programs read: finance's views, the documents that API and command line share, the check of every
-- invariant, and who may do what.

CREATE SCHEMA finance;

CREATE VIEW finance.commissions AS
SELECT c.commission_id, c.store_id, s.name AS store, c.affiliate_id, a.name AS affiliate, c.order_id, c.currency,
	wasl.money(c.amount_minor, u.digits) AS amount, c.amount_minor, o.placed_at, c.confirmed_at,
	greatest(0, floor(extract(epoch FROM now() - c.confirmed_at) / 86400))::integer AS age_days,
	c.release_at, c.reason, c.state, c.kind, wasl.money(c.amount_confirmed_minor, u.digits) AS amount_confirmed,
	c.payout_id
FROM wasl.commissions c
JOIN wasl.orders o USING (store_id, order_id)
JOIN wasl.stores s USING (store_id)
JOIN wasl.affiliates a USING (affiliate_id)
JOIN wasl.currencies u ON u.currency = c.currency;

CREATE VIEW finance.pending_commissions AS
SELECT commission_id, store_id, store, affiliate_id, affiliate, order_id, currency, amount, amount_minor, placed_at,
	confirmed_at, age_days, release_at, reason
FROM finance.commissions WHERE state = 'pending';

CREATE VIEW finance.balances AS
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
	JOIN wasl.commissions c USING (store_id, order_id)
	WHERE c.state IN ('pending', 'held', 'approved') GROUP BY 1, 2, 3
) r ON (r.store_id, r.affiliate_id, r.currency) = (b.store_id, b.affiliate_id, b.currency);

CREATE VIEW finance.store_dues AS
SELECT d.store_id, s.name AS store, d.currency, wasl.money(d.pending::bigint, u.digits) AS pending,
	wasl.money(d.held::bigint, u.digits) AS held, wasl.money(d.due::bigint, u.digits) AS due
FROM (SELECT store_id, currency, sum(pending_minor) AS pending, sum(held_minor) AS held,
		-sum(store_minor) - sum(pending_minor) - sum(held_minor) AS due
	FROM wasl.accounts GROUP BY 1, 2) d
JOIN wasl.stores s USING (store_id)
JOIN wasl.currencies u ON u.currency = d.currency;
COMMENT ON VIEW finance.store_dues IS
	'what a store will be charged (pending, held) and is charged (due: approved or further)';

-- One page of commissions, every column as the API and CSV write it, in the order of finance.commissions.
-- after: the last commission_id of the page before; null filters do not filter; from inclusive, to exclusive.
CREATE FUNCTION wasl.commissions_page(
	in_state text, in_affiliate bigint, in_store bigint, in_from timestamptz, in_to timestamptz,
	after bigint, page_rows integer)
RETURNS TABLE (commission_id bigint, store_id bigint, store text, affiliate_id bigint, affiliate text, order_id text,
	currency text, amount text, amount_minor bigint, placed_at text, confirmed_at text, age_days integer,
	release_at text, reason text, state text, kind text, amount_confirmed text, payout_id bigint)
	LANGUAGE sql STABLE AS $$
	SELECT v.commission_id, v.store_id, v.store, v.affiliate_id, v.affiliate, v.order_id, v.currency, v.amount::text,
		v.amount_minor, wasl.time_text(v.placed_at), wasl.time_text(v.confirmed_at), v.age_days,
		wasl.time_text(v.release_at), v.reason, v.state, v.kind, v.amount_confirmed::text, v.payout_id
	FROM (SELECT c.store_id, c.commission_id FROM wasl.commissions c
		WHERE (in_state IS NULL OR c.state = in_state)
			AND (in_affiliate IS NULL OR c.affiliate_id = in_affiliate)
			AND (in_store IS NULL OR c.store_id = in_store)
			AND (in_from IS NULL OR c.confirmed_at >= in_from)
			AND (in_to IS NULL OR c.confirmed_at < in_to)
			AND c.commission_id > coalesce(after, 0)
		ORDER BY c.commission_id LIMIT page_rows) page -- chosen first: else all rows are joined to show these
	JOIN finance.commissions v USING (store_id, commission_id)
	ORDER BY v.commission_id
$$;

CREATE FUNCTION wasl.balance_document(of_affiliate bigint) RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object('data', coalesce(json_agg(json_build_object('store_id', b.store_id,
		'currency', b.currency, 'pending', b.pending::text, 'held', b.held::text, 'available', b.available::text,
		'in_payout', b.in_payout::text, 'paid', b.paid::text, 'under_review', b.under_review::text)
		ORDER BY b.store_id, b.currency), '[]'))
	FROM finance.balances b WHERE b.affiliate_id = of_affiliate
$$;

-- Order and decision in the contract's shape; null when there is no such order. With for_affiliate only what
-- concerns that affiliate is named: other candidates keep their kind and verdict alone, and an order in which it is
-- no candidate is null.
CREATE FUNCTION wasl.order_document(of_store bigint, of_order text, for_affiliate bigint DEFAULT NULL)
	RETURNS json LANGUAGE sql STABLE AS $$
	SELECT json_build_object(
		'order_id', o.order_id, 'store_id', o.store_id, 'state', o.state, 'currency', o.currency,
		'placed_at', wasl.time_text(o.placed_at), 'waiting', o.is_waiting, 'test', o.is_test,
		'reviews', (SELECT coalesce(json_agg(json_build_object('reason', r.reason, 'opened_by', r.opened_by,
			'opened_at', wasl.time_text(r.opened_at), 'due_at', wasl.time_text(r.due_at)) ORDER BY r.review_id), '[]')
			FROM wasl.reviews r WHERE (r.store_id, r.order_id) = (o.store_id, o.order_id) AND r.lifted_at IS NULL),
		'events', (SELECT coalesce(json_agg(json_build_object('event_id', e.event_id, 'type', e.type,
			'timestamp', wasl.time_text(e.occurred_at), 'order_version', e.order_version,
			'received_at', wasl.time_text(e.received_at), 'effect', e.effect)
			ORDER BY e.received_at, e.event_id), '[]')
			FROM wasl.events e WHERE (e.store_id, e.order_id) = (o.store_id, o.order_id)),
		'decision', (SELECT json_build_object('version', d.version, 'result', d.result, 'reason', d.reason,
			'evidence', d.evidence, 'model', d.model, 'precedence', d.precedence,
			'candidates', (SELECT coalesce(json_agg(
				CASE WHEN for_affiliate IS NULL OR (k.value->>'affiliate_id')::bigint = for_affiliate THEN k.value
				ELSE jsonb_build_object('kind', k.value->'kind', 'verdict', k.value->'verdict') END
				ORDER BY k.ordinality), '[]')
				FROM jsonb_array_elements(d.candidates) WITH ORDINALITY k))
			FROM wasl.decisions d
			WHERE (d.store_id, d.order_id, d.version) = (o.store_id, o.order_id, o.decision_version)),
		'lines', (SELECT coalesce(json_agg(json_build_object('line_id', l.line_id, 'product_id', l.external_id,
			'affiliate_id', nullif(l.affiliate_id, 0), 'base', wasl.money_text(l.base_minor, o.currency),
			'rule', CASE WHEN l.rule IS NOT NULL THEN json_build_object('rule_id', l.rule->'rule_id',
				'level', l.rule->'level', 'rate', l.rule->'rate', 'fixed', l.rule->'fixed') END, 'amount', wasl.money_text(l.amount_minor, o.currency), 'reason', l.reason)
			ORDER BY l.affiliate_id, l.line_index), '[]')
			FROM wasl.order_lines l
			WHERE (l.store_id, l.order_id, l.version) = (o.store_id, o.order_id, o.decision_version)
			AND (for_affiliate IS NULL OR l.affiliate_id = for_affiliate)),
		'commissions', (SELECT coalesce(json_agg(json_build_object('commission_id', c.commission_id,
			'store_id', c.store_id, 'store', c.store, 'affiliate_id', c.affiliate_id, 'affiliate', c.affiliate,
			'order_id', c.order_id, 'currency', c.currency, 'amount', c.amount::text, 'amount_minor', c.amount_minor,
			'placed_at', wasl.time_text(c.placed_at), 'confirmed_at', wasl.time_text(c.confirmed_at),
			'age_days', c.age_days, 'release_at', wasl.time_text(c.release_at), 'reason', c.reason, 'state', c.state,
			'kind', c.kind, 'amount_confirmed', c.amount_confirmed::text, 'payout_id', c.payout_id)
			ORDER BY c.commission_id), '[]')
			FROM finance.commissions c WHERE (c.store_id, c.order_id) = (o.store_id, o.order_id)
			AND (for_affiliate IS NULL OR c.affiliate_id = for_affiliate)))
	FROM wasl.orders o WHERE o.store_id = of_store AND o.order_id = of_order
		AND (for_affiliate IS NULL OR EXISTS (SELECT FROM wasl.decisions d, jsonb_array_elements(d.candidates) k
			WHERE (d.store_id, d.order_id, d.version) = (o.store_id, o.order_id, o.decision_version)
			AND (k->>'affiliate_id')::bigint = for_affiliate))
$$;

-- Every invariant that the tables can tell by themselves; no rows: all hold.
CREATE FUNCTION wasl.verify() RETURNS TABLE (invariant text, detail text) LANGUAGE sql STABLE AS $$
	SELECT 'ledger_balanced', format('store %s transaction %s: off by %s %s', e.store_id, e.transaction_id,
		sum(e.amount_minor), e.currency)
	FROM wasl.entries e GROUP BY e.store_id, e.transaction_id, e.affiliate_id, e.currency HAVING sum(e.amount_minor) <> 0
	UNION ALL
	SELECT 'accounts_equal_entries', format('store %s affiliate %s %s account %s: %s, entries say %s', store_id,
		affiliate_id, currency, account, coalesce(a.amount, 0), coalesce(e.amount, 0))
	FROM (SELECT b.store_id, b.affiliate_id, b.currency, v.account, v.amount::numeric FROM wasl.accounts b, LATERAL (VALUES
			('store', b.store_minor), ('pending', b.pending_minor), ('held', b.held_minor),
			('available', b.available_minor), ('in_payout', b.in_payout_minor), ('paid', b.paid_minor),
			('platform', b.platform_minor)) v (account, amount)) a
	FULL JOIN (SELECT store_id, affiliate_id, currency, account, sum(amount_minor) AS amount FROM wasl.entries
		GROUP BY 1, 2, 3, 4) e USING (store_id, affiliate_id, currency, account)
	WHERE coalesce(a.amount, 0) <> coalesce(e.amount, 0)
	UNION ALL
	SELECT 'buckets_equal_rows', format('store %s affiliate %s %s bucket %s: %s, rows say %s', store_id, affiliate_id,
		currency, bucket, coalesce(e.amount, 0), coalesce(c.amount, 0))
	FROM (SELECT n.store_id, n.affiliate_id, n.currency, n.account AS bucket, sum(n.amount_minor) AS amount
		FROM wasl.entries n WHERE n.account IN ('pending', 'held', 'paid') GROUP BY 1, 2, 3, 4) e
	FULL JOIN (SELECT m.store_id, m.affiliate_id, m.currency, t.bucket, sum(m.amount_minor) AS amount
		FROM wasl.commissions m JOIN wasl.commission_states t USING (state)
		WHERE t.bucket IN ('pending', 'held', 'paid') GROUP BY 1, 2, 3, 4) c
		USING (store_id, affiliate_id, currency, bucket)
	WHERE coalesce(e.amount, 0) <> coalesce(c.amount, 0)
	UNION ALL
	SELECT 'commission_equals_entries', format('store %s commission %s: %s, entries say %s', c.store_id,
		c.commission_id, c.amount_minor, coalesce(e.amount, 0))
	FROM wasl.commissions c LEFT JOIN (SELECT store_id, commission_id, sum(amount_minor) AS amount FROM wasl.entries
		WHERE account NOT IN ('store', 'platform') GROUP BY 1, 2) e USING (store_id, commission_id)
	WHERE c.amount_minor <> coalesce(e.amount, 0)
	UNION ALL
	SELECT 'commission_equals_decision', format('store %s order %s affiliate %s: rows %s, decision %s', store_id,
		order_id, affiliate_id, coalesce(c.amount, 0), coalesce(l.amount, 0))
	FROM (SELECT m.store_id, m.order_id, m.affiliate_id, sum(m.amount_minor) AS amount FROM wasl.commissions m
		GROUP BY 1, 2, 3) c
	FULL JOIN (SELECT n.store_id, n.order_id, n.affiliate_id, sum(n.amount_minor) AS amount FROM wasl.order_lines n
		JOIN wasl.orders o ON (o.store_id, o.order_id, o.decision_version) = (n.store_id, n.order_id, n.version)
		WHERE n.affiliate_id <> 0 AND o.state <> 'placed' AND NOT o.is_test GROUP BY 1, 2, 3) l
		USING (store_id, order_id, affiliate_id)
	WHERE coalesce(c.amount, 0) <> coalesce(l.amount, 0)
	UNION ALL
	SELECT 'one_live_decision', format('store %s order %s: version %s, newest %s', o.store_id, o.order_id,
		o.decision_version, d.newest)
	FROM wasl.orders o LEFT JOIN (SELECT store_id, order_id, max(version) AS newest FROM wasl.decisions GROUP BY 1, 2) d
		USING (store_id, order_id)
	WHERE o.decision_version IS DISTINCT FROM d.newest
	UNION ALL
	SELECT 'event_once', format('store %s order %s webhook-id %s: %s', store_id, order_id, event_id,
		CASE WHEN e.type IS NULL THEN 'id without facts' ELSE 'facts without id' END)
	FROM wasl.events e FULL JOIN wasl.event_ids i USING (store_id, order_id, event_id)
	WHERE e.type IS NULL OR i.body_sha256 IS NULL
	UNION ALL
	SELECT 'event_decided', format('store %s order %s webhook-id %s: decision %s is missing', i.store_id, i.order_id,
		i.event_id, i.decision_version)
	FROM wasl.event_ids i LEFT JOIN wasl.decisions d ON (d.store_id, d.order_id, d.version)
		= (i.store_id, i.order_id, i.decision_version)
	WHERE i.decision_version IS NOT NULL AND d.version IS NULL
$$;

-- Who may do what. PUBLIC may nothing; the daemon adds facts and moves commissions, but cannot touch accounts,
-- migrations or anything that is frozen; finance reads its views.
DO $$ BEGIN
	EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
REVOKE ALL ON SCHEMA wasl, finance FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA wasl FROM PUBLIC;
GRANT USAGE ON SCHEMA wasl, finance TO wasl_attributor;
GRANT SELECT ON ALL TABLES IN SCHEMA wasl, finance TO wasl_attributor;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA wasl TO wasl_attributor;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA wasl TO wasl_attributor;
GRANT INSERT ON wasl.orders, wasl.event_ids, wasl.events, wasl.event_bodies, wasl.decisions, wasl.order_lines,
	wasl.reviews, wasl.commissions, wasl.entries TO wasl_attributor;
GRANT UPDATE (state, currency, placed_at, confirmed_at, is_waiting, is_test, decision_version, updated_at)
	ON wasl.orders TO wasl_attributor;
GRANT UPDATE (state, amount_minor, release_at, reason, decision_version, updated_at)
	ON wasl.commissions TO wasl_attributor;
GRANT USAGE ON SCHEMA finance TO wasl_finance, wasl_cashier;
GRANT SELECT ON ALL TABLES IN SCHEMA finance TO wasl_finance, wasl_cashier;
-- A view reads tables as its owner but calls functions as its reader.
GRANT EXECUTE ON FUNCTION wasl.money(bigint, smallint) TO wasl_finance, wasl_cashier;
