-- SPDX-License-Identifier: Apache-2.0
-- Every invariant that the tables can tell by themselves; no rows: all hold.

-- The ledger: balanced, summed up rightly, and the same as the rows of commissions.
CREATE FUNCTION wasl.verify_ledger() RETURNS TABLE (invariant text, detail text) LANGUAGE sql STABLE AS $$
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
	FROM (SELECT n.store_id, n.affiliate_id, n.currency, replace(n.account, 'in_payout', 'available') AS bucket,
			sum(n.amount_minor) AS amount FROM wasl.entries n WHERE n.account NOT IN ('store', 'platform')
			GROUP BY 1, 2, 3, 4) e
	FULL JOIN (SELECT m.store_id, m.affiliate_id, m.currency, t.bucket, sum(m.amount_minor) AS amount
		FROM wasl.commissions m JOIN wasl.commission_states t USING (state) WHERE t.bucket IS NOT NULL
		GROUP BY 1, 2, 3, 4) c USING (store_id, affiliate_id, currency, bucket)
	WHERE coalesce(e.amount, 0) <> coalesce(c.amount, 0)
	UNION ALL
	SELECT 'commission_equals_entries', format('store %s commission %s: %s in %s, entries say %s in %s', store_id,
		commission_id, coalesce(c.amount_minor, 0), bucket, coalesce(e.amount, 0), bucket)
	FROM (SELECT m.store_id, m.commission_id, t.bucket, m.amount_minor FROM wasl.commissions m
		JOIN wasl.commission_states t USING (state) WHERE t.bucket IS NOT NULL) c
	FULL JOIN (SELECT store_id, commission_id, replace(account, 'in_payout', 'available') AS bucket,
			sum(amount_minor) AS amount FROM wasl.entries WHERE account NOT IN ('store', 'platform')
			GROUP BY 1, 2, 3) e USING (store_id, commission_id, bucket)
	WHERE coalesce(c.amount_minor, 0) <> coalesce(e.amount, 0)
$$;

-- Orders: their events, their one live decision, and what it gives to whom.
CREATE FUNCTION wasl.verify_orders() RETURNS TABLE (invariant text, detail text) LANGUAGE sql STABLE AS $$
	SELECT 'commission_equals_decision', format('store %s order %s affiliate %s: rows %s, decision %s', store_id,
		order_id, affiliate_id, coalesce(c.amount, 0), coalesce(l.amount, 0))
	FROM (SELECT m.store_id, m.order_id, m.affiliate_id, sum(m.amount_minor) AS amount FROM wasl.commissions m
		WHERE m.funded_by = 'store' GROUP BY 1, 2, 3) c
	FULL JOIN (SELECT h.store_id, h.order_id, h.affiliate_id, h.amount_minor::numeric AS amount FROM wasl.shares h
		JOIN wasl.orders o ON (o.store_id, o.order_id, o.decision_version) = (h.store_id, h.order_id, h.version)
		WHERE o.confirmed_at IS NOT NULL AND NOT o.is_test
		UNION ALL -- decisions from before there were shares
		SELECT n.store_id, n.order_id, n.affiliate_id, sum(n.amount_minor) FROM wasl.order_lines n
		JOIN wasl.orders o ON (o.store_id, o.order_id, o.decision_version) = (n.store_id, n.order_id, n.version)
		WHERE n.affiliate_id <> 0 AND o.confirmed_at IS NOT NULL AND NOT o.is_test AND n.quantity_left IS NULL
		GROUP BY 1, 2, 3) l USING (store_id, order_id, affiliate_id)
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
	UNION ALL
	SELECT 'act_posted', format('store %s order %s act %s: adjusts by %s, its row by %s', e.store_id, e.order_id,
		e.event_id, e.facts->>'amount_minor', coalesce(c.amount_confirmed_minor, 0))
	FROM wasl.events e JOIN wasl.orders o USING (store_id, order_id)
	LEFT JOIN wasl.commissions c USING (store_id, order_id, event_id)
	WHERE e.type = 'operator.adjust' AND (o.due_at IS NULL OR o.due_at > now())
		AND (e.facts->>'amount_minor')::bigint IS DISTINCT FROM c.amount_confirmed_minor
	UNION ALL
	SELECT 'held_has_an_end', format('store %s commission %s: held without an end of its return window', c.store_id,
		c.commission_id)
	FROM wasl.commissions c WHERE c.state = 'held' AND c.release_at IS NULL
$$;

-- What is counted: uses of coupons, months of capped rules, and payouts.
CREATE FUNCTION wasl.verify_counts() RETURNS TABLE (invariant text, detail text) LANGUAGE sql STABLE AS $$
	SELECT 'coupon_uses_counted', format('store %s coupon %s: used %s, uses say %s', c.store_id, c.code, c.used,
		coalesce(u.taken, 0))
	FROM wasl.coupons c LEFT JOIN (SELECT store_id, coupon_id, count(*) AS taken FROM wasl.coupon_uses WHERE is_taken
		GROUP BY 1, 2) u USING (store_id, coupon_id)
	WHERE c.used <> coalesce(u.taken, 0)
	UNION ALL
	SELECT 'period_caps_counted', format('store %s rule %s affiliate %s month %s: used %s, grants say %s', p.store_id,
		p.rule_id, p.affiliate_id, p.month, p.used_minor, coalesce(g.used, 0))
	FROM wasl.period_caps p LEFT JOIN (SELECT store_id, rule_id, affiliate_id, month, sum(used_minor) AS used
		FROM wasl.grants GROUP BY 1, 2, 3, 4) g USING (store_id, rule_id, affiliate_id, month)
	WHERE p.used_minor <> coalesce(g.used, 0)
	UNION ALL
	SELECT 'payout_equals_rows', format('payout %s: %s %s, its rows %s', p.payout_id, p.amount_minor, p.currency,
		coalesce(sum(r.amount_minor), 0))
	FROM wasl.payouts p LEFT JOIN wasl.payout_rows r USING (payout_id) GROUP BY p.payout_id
	HAVING p.amount_minor <> coalesce(sum(r.amount_minor), 0)
	UNION ALL
	SELECT 'payout_holds_its_rows', format('payout %s is %s: commission %s of store %s is %s %s in payout %s', p.payout_id,
		p.state, r.commission_id, r.store_id, c.state, c.amount_minor, coalesce(c.payout_id::text, 'none'))
	FROM wasl.payouts p JOIN wasl.payout_rows r USING (payout_id)
	JOIN wasl.commissions c USING (store_id, commission_id)
	WHERE CASE WHEN p.state IN ('approved', 'executed', 'paid')
		THEN (c.payout_id, c.state, c.amount_minor) IS DISTINCT FROM (p.payout_id,
			CASE p.state WHEN 'paid' THEN 'paid' ELSE 'approved' END, r.amount_minor)
		ELSE c.payout_id = p.payout_id END
	UNION ALL
	SELECT 'payout_holds_its_rows', format('commission %s of store %s is %s in payout %s, which does not know it',
		c.commission_id, c.store_id, c.state, coalesce(c.payout_id::text, 'none'))
	FROM wasl.commissions c WHERE (c.payout_id IS NOT NULL OR c.state = 'paid') AND NOT EXISTS (SELECT
		FROM wasl.payout_rows r WHERE (r.payout_id, r.store_id, r.commission_id)
		= (c.payout_id, c.store_id, c.commission_id))
	UNION ALL
	SELECT 'in_payout_equals_payouts', format('store %s affiliate %s %s: in_payout %s, payouts on their way %s', store_id,
		affiliate_id, currency, coalesce(a.in_payout_minor, 0), coalesce(p.amount, 0))
	FROM (SELECT store_id, affiliate_id, currency, in_payout_minor FROM wasl.accounts WHERE in_payout_minor <> 0) a
	FULL JOIN (SELECT store_id, affiliate_id, currency, sum(amount_minor) AS amount FROM wasl.payout_parts
		WHERE state IN ('approved', 'executed') AND account = 'in_payout' GROUP BY 1, 2, 3) p
		USING (store_id, affiliate_id, currency)
	WHERE coalesce(a.in_payout_minor, 0) <> coalesce(p.amount, 0)
	UNION ALL
	SELECT 'payout_not_under_review', format('payout %s: order %s of store %s was under review (%s) when it was approved',
		p.payout_id, c.order_id, c.store_id, v.reason)
	FROM wasl.payouts p JOIN wasl.payout_rows r USING (payout_id) JOIN wasl.commissions c USING (store_id, commission_id)
	JOIN wasl.reviews v USING (store_id, order_id)
	WHERE v.opened_at < p.approved_at AND (v.lifted_at IS NULL OR v.lifted_at > p.approved_at)
	UNION ALL
	SELECT 'payout_has_two_people', format('payout %s: drafted and approved by %s', p.payout_id, p.drafted_by)
	FROM wasl.payouts p WHERE p.drafted_by = p.approved_by
$$;

CREATE OR REPLACE FUNCTION wasl.verify() RETURNS TABLE (invariant text, detail text) LANGUAGE sql STABLE AS $$
	SELECT * FROM wasl.verify_ledger() UNION ALL SELECT * FROM wasl.verify_orders()
	UNION ALL SELECT * FROM wasl.verify_counts()
$$;
