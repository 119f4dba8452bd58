-- SPDX-License-Identifier: Apache-2.0
-- What costs too much in a market of many orders costs less.

-- As in 0001, to the microsecond: but of immutable parts alone, as they say of themselves. The planner then puts the
-- expression where the call stands; else each call sets up and ends a query of its own (5 us each, of dozens an order).
CREATE OR REPLACE FUNCTION wasl.from_us(us bigint) RETURNS timestamptz
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN (timestamp 'epoch' + us * interval '1 microsecond') AT TIME ZONE interval '0';
CREATE OR REPLACE FUNCTION wasl.to_us(at timestamptz) RETURNS bigint
	LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN (extract(epoch FROM at AT TIME ZONE interval '0') * 1000000)::bigint;

-- As in 0012, but the commissions of the orders under review are looked up by order, as many as are under review: a join
-- to both kinds of commissions reads all of them.
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
	CROSS JOIN LATERAL (SELECT * FROM wasl.commissions_of_orders k
		WHERE k.store_id = v.store_id AND k.order_id = v.order_id OFFSET 0) c
	WHERE c.state IN ('pending', 'held', 'approved') AND c.payout_id IS NULL GROUP BY 1, 2, 3
) r ON (r.store_id, r.affiliate_id, r.currency) = (b.store_id, b.affiliate_id, b.currency);
