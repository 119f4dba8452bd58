-- SPDX-License-Identifier: Apache-2.0
-- A first page of commissions is read from the index, however many there are.

-- The order's currency is the commission's, by foreign key. Named in the join, it makes all of that key's columns known
-- to the planner, which else takes store and order for independent and expects one row in thousands: it then read and
-- sorted everything to show a hundred (of 35,717, on a busy machine: 3.2 s, now 0.02).
CREATE OR REPLACE VIEW finance.commissions AS
SELECT c.commission_id, c.store_id, s.name AS store, c.affiliate_id, a.name AS affiliate, c.order_id, c.currency,
	wasl.money(c.amount_minor, u.digits) AS amount, c.amount_minor, o.placed_at, c.confirmed_at,
	greatest(0, floor(extract(epoch FROM now() - c.confirmed_at) / 86400))::integer AS age_days,
	c.release_at, c.reason, c.state, c.kind, wasl.money(c.amount_confirmed_minor, u.digits) AS amount_confirmed,
	c.payout_id
FROM wasl.commissions c
JOIN wasl.orders o ON (o.store_id, o.order_id, o.currency) = (c.store_id, c.order_id, c.currency)
JOIN wasl.stores s ON s.store_id = c.store_id
JOIN wasl.affiliates a USING (affiliate_id)
JOIN wasl.currencies u ON u.currency = c.currency;
