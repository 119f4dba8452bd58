-- SPDX-License-Identifier: Apache-2.0
-- The whole life of an order and its commissions: states of an order, when it has to be folded again, operators' acts,
-- coupons, tiers, caps by period, what each winner's part is made of.

-- An order's states, and what else its events told. due_at: when the attributor has to fold it again by itself (a
-- return window ends, an operator acted); null: when its next event comes.
ALTER TABLE wasl.orders DROP CONSTRAINT orders_state_check;
ALTER TABLE wasl.orders ADD CONSTRAINT orders_state_check CHECK (state IN (
	'new', 'placed', 'confirmed', 'collected', 'cancelled', 'refused', 'returned', 'conflict'));
ALTER TABLE wasl.orders
	ADD COLUMN shipped_at timestamptz,
	ADD COLUMN delivered_at timestamptz,
	ADD COLUMN collected_at timestamptz,
	ADD COLUMN waiting_since timestamptz,
	ADD COLUMN due_at timestamptz;
UPDATE wasl.orders SET waiting_since = updated_at WHERE is_waiting;
ALTER TABLE wasl.orders ADD CHECK (is_waiting OR waiting_since IS NULL);
COMMENT ON COLUMN wasl.orders.waiting_since IS 'receipt of the first event that still waits for the confirmation';
CREATE INDEX orders_due ON wasl.orders (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX orders_waiting ON wasl.orders (waiting_since) WHERE waiting_since IS NOT NULL;
-- What was stored before it could be folded is folded once the attributor runs.
UPDATE wasl.orders o SET due_at = now() WHERE EXISTS (SELECT FROM wasl.events e
	WHERE (e.store_id, e.order_id) = (o.store_id, o.order_id) AND e.effect = 'deferred');

-- Operators' acts are events of the order.
ALTER TABLE wasl.events DROP CONSTRAINT events_type_check;
ALTER TABLE wasl.events ADD CONSTRAINT events_type_check CHECK (type IN ('order.placed', 'order.confirmed',
	'order.amended', 'order.shipped', 'order.delivered', 'order.collected', 'order.refunded', 'order.returned',
	'order.refused', 'order.cancelled', 'order.reinstated', 'operator.reassign', 'operator.void', 'operator.adjust',
	'operator.resolve', 'operator.review'));
ALTER TABLE wasl.events ADD COLUMN actor text CHECK (octet_length(actor) BETWEEN 1 AND 63);
ALTER TABLE wasl.events ADD CHECK ((actor IS NOT NULL) = (type LIKE 'operator.%'));
CREATE INDEX events_collected ON wasl.events (store_id, received_at) WHERE type = 'order.collected';
CREATE SEQUENCE wasl.act_ids;

ALTER TABLE wasl.event_ids ADD COLUMN answer text CHECK (answer IN ('waiting'));
COMMENT ON COLUMN wasl.event_ids.answer IS
	'waiting: answered so, whatever the decision; null: the decision''s result, or deferred where there is no decision';

-- A conflict keeps who would have earned it.
ALTER TABLE wasl.decisions DROP CONSTRAINT decisions_check1;
ALTER TABLE wasl.decisions ADD CONSTRAINT decisions_evidence_told CHECK (
	CASE result WHEN 'attributed' THEN evidence IS NOT NULL WHEN 'unattributed' THEN evidence IS NULL ELSE true END);
ALTER TABLE wasl.decisions ADD COLUMN flags text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN wasl.decisions.flags IS 'total_mismatch';

-- What is left of each line, beside what its base came to.
ALTER TABLE wasl.order_lines ADD COLUMN quantity_left bigint CHECK (quantity_left BETWEEN 0 AND quantity);
COMMENT ON COLUMN wasl.order_lines.quantity_left IS 'null: written before returns were counted, all of it';

-- Each winner's part of a decision: full as if alone, its share of that, and what remains under the period cap.
CREATE TABLE wasl.shares (
	store_id bigint NOT NULL,
	order_id text NOT NULL,
	version integer NOT NULL,
	affiliate_id bigint NOT NULL CHECK (affiliate_id > 0),
	place integer NOT NULL CHECK (place >= 0),
	full_minor bigint NOT NULL CHECK (full_minor >= 0),
	share_minor bigint NOT NULL CHECK (share_minor BETWEEN 0 AND full_minor),
	amount_minor bigint NOT NULL CHECK (amount_minor BETWEEN 0 AND share_minor),
	confirmed_minor bigint NOT NULL CHECK (confirmed_minor >= 0),
	reason text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 64),
	PRIMARY KEY (store_id, order_id, version, affiliate_id),
	FOREIGN KEY (store_id, order_id, version) REFERENCES wasl.decisions
);
COMMENT ON COLUMN wasl.shares.amount_minor IS 'what is due to this affiliate for the order: 0 while it is out';
COMMENT ON COLUMN wasl.shares.confirmed_minor IS 'what it was when the order was confirmed, nothing taken off';
COMMENT ON COLUMN wasl.shares.place IS '0: the latest click, or the only winner';

-- Coupons: one owner each, a code once per store in its normal form.
CREATE FUNCTION wasl.coupon_code(raw text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
	RETURN upper(translate(btrim(normalize(raw, NFKC), E' \t\n\r\u00a0'), '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹',
		'01234567890123456789') COLLATE "und-x-icu");
CREATE TABLE wasl.coupons (
	store_id bigint NOT NULL REFERENCES wasl.stores,
	coupon_id bigint GENERATED ALWAYS AS IDENTITY,
	code text NOT NULL CHECK (octet_length(code) BETWEEN 1 AND 128 AND code = wasl.coupon_code(code)),
	affiliate_id bigint NOT NULL REFERENCES wasl.affiliates,
	valid_from timestamptz NOT NULL DEFAULT '-infinity',
	valid_to timestamptz,
	uses_max bigint CHECK (uses_max > 0),
	uses_per_customer_max bigint CHECK (uses_per_customer_max > 0),
	used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
	status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
	actor text NOT NULL DEFAULT session_user,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store_id, coupon_id),
	UNIQUE (store_id, code),
	CHECK (valid_to IS NULL OR valid_to >= valid_from)
);
COMMENT ON COLUMN wasl.coupons.used IS
	'uses now taken, kept by the trigger of coupon_uses; a reinstated order may bring it over uses_max';
CREATE TABLE wasl.coupon_status (
	store_id bigint NOT NULL,
	coupon_id bigint NOT NULL,
	since timestamptz NOT NULL,
	status text NOT NULL CHECK (status IN ('active', 'suspended')),
	actor text NOT NULL DEFAULT session_user,
	PRIMARY KEY (store_id, coupon_id, since),
	FOREIGN KEY (store_id, coupon_id) REFERENCES wasl.coupons
);
-- One use per order. customer: the HMAC that its events carry (phone, else e-mail); null: not known, its cap not checked.
CREATE TABLE wasl.coupon_uses (
	store_id bigint NOT NULL,
	order_id text NOT NULL,
	coupon_id bigint NOT NULL,
	customer text CHECK (customer ~ '^[0-9a-f]{64}$'),
	is_taken boolean NOT NULL DEFAULT true,
	taken_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store_id, order_id),
	FOREIGN KEY (store_id, coupon_id) REFERENCES wasl.coupons,
	FOREIGN KEY (store_id, order_id) REFERENCES wasl.orders
);
CREATE INDEX coupon_uses_by_customer ON wasl.coupon_uses (store_id, coupon_id, customer) WHERE is_taken;

-- Steps by how many orders were collected for an affiliate in the month before, in force like rules by placed_at; and
-- that number, for each month counted when it is first asked for and never again.
CREATE TABLE wasl.tiers (
	store_id bigint NOT NULL REFERENCES wasl.stores,
	tier_id bigint GENERATED ALWAYS AS IDENTITY,
	from_orders integer NOT NULL CHECK (from_orders >= 1),
	bonus_bp integer CHECK (bonus_bp BETWEEN 1 AND 10000),
	rate_bp integer CHECK (rate_bp BETWEEN 0 AND 10000),
	valid_from timestamptz NOT NULL DEFAULT now(),
	valid_to timestamptz,
	actor text NOT NULL DEFAULT session_user,
	PRIMARY KEY (store_id, tier_id),
	CHECK (num_nonnulls(bonus_bp, rate_bp) = 1),
	CHECK (valid_to IS NULL OR valid_to >= valid_from)
);
CREATE UNIQUE INDEX tiers_open ON wasl.tiers (store_id, from_orders) WHERE valid_to IS NULL;
CREATE TABLE wasl.tier_months (
	store_id bigint NOT NULL,
	affiliate_id bigint NOT NULL REFERENCES wasl.affiliates,
	month date NOT NULL CHECK (extract(day FROM month) = 1),
	orders_collected integer NOT NULL CHECK (orders_collected >= 0),
	taken_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store_id, affiliate_id, month)
);
COMMENT ON COLUMN wasl.tier_months.orders_collected IS 'collected events received in the month before this one';

-- Caps by affiliate and period: what is taken of a rule's cap in a month (the store's time zone), and what each order
-- was granted of it, once and for ever.
CREATE TABLE wasl.period_caps (
	store_id bigint NOT NULL,
	rule_id bigint NOT NULL,
	affiliate_id bigint NOT NULL REFERENCES wasl.affiliates,
	month date NOT NULL CHECK (extract(day FROM month) = 1),
	used_minor bigint NOT NULL DEFAULT 0 CHECK (used_minor >= 0),
	PRIMARY KEY (store_id, rule_id, affiliate_id, month),
	FOREIGN KEY (store_id, rule_id) REFERENCES wasl.rules
);
CREATE TABLE wasl.grants (
	store_id bigint NOT NULL,
	order_id text NOT NULL,
	affiliate_id bigint NOT NULL,
	rule_id bigint NOT NULL,
	month date NOT NULL,
	wish_minor bigint NOT NULL CHECK (wish_minor >= 0),
	granted_minor bigint NOT NULL CHECK (granted_minor BETWEEN 0 AND wish_minor),
	used_minor bigint NOT NULL CHECK (used_minor BETWEEN 0 AND granted_minor),
	granted_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store_id, order_id, affiliate_id, rule_id),
	FOREIGN KEY (store_id, order_id) REFERENCES wasl.orders,
	FOREIGN KEY (store_id, rule_id, affiliate_id, month) REFERENCES wasl.period_caps
);
COMMENT ON COLUMN wasl.grants.wish_minor IS
	'what the order asked for: on its first confirmed lines, nothing taken off; another wish is granted anew';

-- Which orders a click won, to see one that wins many. No money hangs on it: it does without a foreign key.
CREATE TABLE wasl.click_wins (
	store_id bigint NOT NULL,
	click_id uuid NOT NULL,
	order_id text NOT NULL,
	customer text CHECK (customer ~ '^[0-9a-f]{64}$'),
	PRIMARY KEY (store_id, click_id, order_id)
);

-- Who pays for a row: the store, as for every sale and what follows from it, or the platform, by an operator's act.
ALTER TABLE wasl.commissions
	ADD COLUMN funded_by text NOT NULL DEFAULT 'store' CHECK (funded_by IN ('store', 'platform')),
	ADD COLUMN event_id text,
	ADD FOREIGN KEY (store_id, order_id, event_id) REFERENCES wasl.events (store_id, order_id, event_id),
	ADD CHECK ((funded_by = 'platform') = (event_id IS NOT NULL)),
	ADD CHECK (funded_by = 'store' OR kind = 'adjustment');
CREATE UNIQUE INDEX commissions_of_act ON wasl.commissions (store_id, order_id, event_id) WHERE event_id IS NOT NULL;
-- Every entry is some commission's.
ALTER TABLE wasl.entries ALTER commission_id SET NOT NULL;
