-- SPDX-License-Identifier: Apache-2.0
-- Rules and tiers as operators make and end them, and what the posting of an order asks of them and reserves.

-- One rule: its level follows from what it names. Money without a currency is in the store's.
CREATE FUNCTION wasl.rule_add(of_store bigint, of_affiliate bigint DEFAULT NULL, of_product bigint DEFAULT NULL,
	of_category text DEFAULT NULL, rate integer DEFAULT NULL, fixed_unit bigint DEFAULT NULL,
	fixed_order bigint DEFAULT NULL, cap_line bigint DEFAULT NULL, cap_order bigint DEFAULT NULL,
	cap_period bigint DEFAULT NULL, in_currency text DEFAULT NULL, with_priority integer DEFAULT NULL,
	starts timestamptz DEFAULT NULL, ends timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
DECLARE
	has_money CONSTANT boolean := num_nonnulls(fixed_unit, fixed_order, cap_line, cap_order, cap_period) > 0;
	store_currency text;
	made bigint;
BEGIN
	SELECT currency INTO store_currency FROM stores WHERE store_id = of_store;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no store %', of_store USING ERRCODE = 'no_data_found';
	ELSIF of_affiliate IS NOT NULL AND NOT EXISTS (SELECT FROM affiliates WHERE affiliate_id = of_affiliate) THEN
		RAISE EXCEPTION 'there is no affiliate %', of_affiliate USING ERRCODE = 'no_data_found';
	ELSIF of_product IS NOT NULL AND NOT EXISTS (SELECT FROM products
		WHERE store_id = of_store AND product_id = of_product) THEN
		RAISE EXCEPTION 'store % has no product %', of_store, of_product USING ERRCODE = 'no_data_found';
	ELSIF of_product IS NOT NULL AND of_category IS NOT NULL THEN
		RAISE EXCEPTION 'a rule is for a product or a category, not both' USING ERRCODE = 'check_violation';
	ELSIF num_nonnulls(rate, fixed_unit, fixed_order) = 0 THEN
		RAISE EXCEPTION 'a rule has a rate, an amount per unit or an amount per order' USING ERRCODE = 'check_violation';
	ELSIF fixed_order IS NOT NULL AND num_nonnulls(of_product, of_category) > 0 THEN
		RAISE EXCEPTION 'an amount per order is for an affiliate or the whole store' USING ERRCODE = 'check_violation';
	ELSIF NOT has_money AND in_currency IS NOT NULL THEN
		RAISE EXCEPTION 'a rule without amounts has no currency' USING ERRCODE = 'check_violation';
	END IF;
	INSERT INTO rules (store_id, level, affiliate_id, product_id, category, rate_bp, fixed_unit_minor, fixed_order_minor,
		cap_line_minor, cap_order_minor, cap_period_minor, currency, priority, valid_from, valid_to)
	VALUES (of_store, CASE WHEN of_product IS NOT NULL THEN CASE WHEN of_affiliate IS NULL THEN 'product' ELSE 'affiliate_product' END
			WHEN of_category IS NOT NULL THEN CASE WHEN of_affiliate IS NULL THEN 'category' ELSE 'affiliate_category' END
			WHEN of_affiliate IS NOT NULL THEN 'affiliate' ELSE 'store' END,
		of_affiliate, of_product, of_category, rate, fixed_unit, fixed_order, cap_line, cap_order, cap_period,
		CASE WHEN has_money THEN coalesce(in_currency, store_currency) END, coalesce(with_priority, 0),
		coalesce(starts, now()), ends)
	RETURNING rule_id INTO made;
	RETURN made;
END $$;

CREATE FUNCTION wasl.rule_end(of_rule bigint, ends timestamptz DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
BEGIN
	UPDATE rules SET valid_to = coalesce(ends, now()) WHERE rule_id = of_rule;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no rule %', of_rule USING ERRCODE = 'no_data_found';
	END IF;
END $$;

-- A step: from so many collected orders a month, a bonus on the winning rate or a rate in place of the store's own.
CREATE FUNCTION wasl.tier_add(of_store bigint, orders integer, bonus integer DEFAULT NULL, rate integer DEFAULT NULL,
	starts timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
DECLARE
	made bigint;
BEGIN
	IF NOT EXISTS (SELECT FROM stores WHERE store_id = of_store) THEN
		RAISE EXCEPTION 'there is no store %', of_store USING ERRCODE = 'no_data_found';
	ELSIF num_nonnulls(bonus, rate) <> 1 THEN
		RAISE EXCEPTION 'a tier has a bonus or a rate' USING ERRCODE = 'check_violation';
	END IF;
	INSERT INTO tiers (store_id, from_orders, bonus_bp, rate_bp, valid_from)
		VALUES (of_store, orders, bonus, rate, coalesce(starts, now())) RETURNING tier_id INTO made;
	RETURN made;
END $$;
CREATE FUNCTION wasl.tier_end(of_tier bigint, ends timestamptz DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
BEGIN
	UPDATE tiers SET valid_to = coalesce(ends, now()) WHERE tier_id = of_tier;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no tier %', of_tier USING ERRCODE = 'no_data_found';
	END IF;
END $$;
CREATE FUNCTION wasl.tiers_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
		RAISE EXCEPTION 'tiers are ended, never deleted' USING ERRCODE = 'restrict_violation';
	ELSIF TG_OP = 'INSERT' THEN
		IF NEW.valid_from < now() THEN
			RAISE EXCEPTION 'a tier cannot start in the past' USING ERRCODE = 'check_violation';
		END IF;
	ELSIF OLD.valid_to IS NOT NULL OR NEW.valid_to IS NULL OR NEW.valid_to < now()
		OR to_jsonb(NEW) - 'valid_to' IS DISTINCT FROM to_jsonb(OLD) - 'valid_to' THEN
		RAISE EXCEPTION 'a tier can only be ended, once, and not in the past' USING ERRCODE = 'restrict_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER tiers_guard BEFORE INSERT OR UPDATE OR DELETE ON wasl.tiers
	FOR EACH ROW EXECUTE FUNCTION wasl.tiers_guard();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.tiers
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.tiers_guard();

-- The room under each period cap that may bear on these orders, one row a pair (at, affiliate) and rule: rules with such
-- a cap in the order's currency that hold at placed_at, and those that this order was granted something of. Rows of
-- period_caps that are missing are made; all are locked until the end of the transaction, in the order of their keys.
-- What is used moves by writing grants alone: period_caps.used_minor follows.
CREATE FUNCTION wasl.period_rooms(in_at integer[], in_store bigint[], in_order text[], in_affiliate bigint[],
	in_placed_us bigint[], in_currency text[])
	RETURNS TABLE (at integer, affiliate_id bigint, rule_id bigint, month date, used_minor bigint, cap_minor bigint)
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
#variable_conflict use_column
DECLARE
	wanted period_caps[];
	ats integer[];
BEGIN
	IF NOT EXISTS (SELECT FROM rules r WHERE r.store_id = ANY (in_store) AND r.cap_period_minor IS NOT NULL) THEN
		RETURN;
	END IF;
	SELECT array_agg(w.at ORDER BY w.store_id, w.rule_id, w.affiliate_id, w.month),
		array_agg(ROW(w.store_id, w.rule_id, w.affiliate_id, w.month, 0)::period_caps
			ORDER BY w.store_id, w.rule_id, w.affiliate_id, w.month) INTO ats, wanted
	FROM (SELECT n.at, n.store_id, r.rule_id, n.affiliate_id,
			date_trunc('month', from_us(n.placed_us) AT TIME ZONE s.timezone)::date AS month
		FROM unnest(in_at, in_store, in_affiliate, in_placed_us, in_currency)
			n (at, store_id, affiliate_id, placed_us, currency)
		JOIN affiliates a USING (affiliate_id) -- a click may name one that there is not
		JOIN stores s ON s.store_id = n.store_id
		JOIN rules r ON r.store_id = n.store_id AND r.cap_period_minor IS NOT NULL AND r.currency = n.currency
			AND (r.affiliate_id IS NULL OR r.affiliate_id = n.affiliate_id)
			AND r.valid_from <= from_us(n.placed_us) AND (r.valid_to IS NULL OR r.valid_to > from_us(n.placed_us))
		UNION
		SELECT n.at, g.store_id, g.rule_id, g.affiliate_id, g.month
		FROM unnest(in_at, in_store, in_order, in_affiliate) n (at, store_id, order_id, affiliate_id)
		JOIN grants g USING (store_id, order_id, affiliate_id)) w;
	INSERT INTO period_caps (store_id, rule_id, affiliate_id, month)
		SELECT DISTINCT w.store_id, w.rule_id, w.affiliate_id, w.month FROM unnest(wanted) w ORDER BY 1, 2, 3, 4
		ON CONFLICT DO NOTHING;
	PERFORM FROM period_caps p WHERE (p.store_id, p.rule_id, p.affiliate_id, p.month) IN (
			SELECT w.store_id, w.rule_id, w.affiliate_id, w.month FROM unnest(wanted) w)
		ORDER BY p.store_id, p.rule_id, p.affiliate_id, p.month FOR NO KEY UPDATE;
	RETURN QUERY
	SELECT w.at, p.affiliate_id, p.rule_id, p.month, p.used_minor, r.cap_period_minor
	FROM ROWS FROM (unnest(ats), unnest(wanted)) w (at, store_id, rule_id, affiliate_id, month, used_minor)
	JOIN period_caps p USING (store_id, rule_id, affiliate_id, month) JOIN rules r USING (store_id, rule_id)
	ORDER BY w.at, p.affiliate_id, p.rule_id;
END $$;
CREATE INDEX rules_capped ON wasl.rules (store_id) WHERE cap_period_minor IS NOT NULL;

-- period_caps.used_minor follows the grants. A new or raised grant over the cap is refused; within what an order was once granted
-- its use goes up and down freely.
CREATE FUNCTION wasl.grants_count() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	over record;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		UPDATE period_caps p SET used_minor = p.used_minor + d.more FROM (SELECT a.store_id, a.rule_id, a.affiliate_id,
				a.month, sum(a.used_minor - r.used_minor)::bigint AS more
				FROM added a JOIN removed r USING (store_id, order_id, affiliate_id, rule_id) GROUP BY 1, 2, 3, 4) d
			WHERE (p.store_id, p.rule_id, p.affiliate_id, p.month) = (d.store_id, d.rule_id, d.affiliate_id, d.month)
			AND d.more <> 0;
		SELECT a.order_id, a.rule_id INTO over FROM added a JOIN removed o USING (store_id, order_id, affiliate_id, rule_id)
			JOIN period_caps p ON (p.store_id, p.rule_id, p.affiliate_id, p.month)
				= (a.store_id, a.rule_id, a.affiliate_id, a.month)
			JOIN rules r ON (r.store_id, r.rule_id) = (a.store_id, a.rule_id)
			WHERE a.granted_minor > o.granted_minor AND a.used_minor > o.used_minor AND p.used_minor > r.cap_period_minor
			LIMIT 1;
	ELSE
		UPDATE period_caps p SET used_minor = p.used_minor + d.more FROM (SELECT store_id, rule_id, affiliate_id, month,
				sum(used_minor)::bigint AS more FROM added GROUP BY 1, 2, 3, 4) d
			WHERE (p.store_id, p.rule_id, p.affiliate_id, p.month) = (d.store_id, d.rule_id, d.affiliate_id, d.month);
		SELECT a.order_id, a.rule_id INTO over FROM added a
			JOIN period_caps p USING (store_id, rule_id, affiliate_id, month) JOIN rules r USING (store_id, rule_id)
			WHERE a.used_minor > 0 AND p.used_minor > r.cap_period_minor LIMIT 1;
	END IF;
	IF over.rule_id IS NOT NULL THEN
		RAISE EXCEPTION 'order %: rule % has not that much left of its cap', over.order_id, over.rule_id
			USING ERRCODE = 'check_violation';
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER grants_added AFTER INSERT ON wasl.grants REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.grants_count();
CREATE TRIGGER grants_changed AFTER UPDATE ON wasl.grants REFERENCING OLD TABLE AS removed NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.grants_count();

-- The step that each affiliate is on for an order of that placed_at; no row: none. Counted once a month and kept; what a
-- month that has not begun will count is told as it stands, and not kept.
CREATE FUNCTION wasl.tiers_for(in_at integer[], in_store bigint[], in_affiliate bigint[], in_placed_us bigint[])
	RETURNS TABLE (at integer, affiliate_id bigint, tier_id bigint, bonus_bp integer, rate_bp integer)
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
#variable_conflict use_column
DECLARE
	missing tier_months[];
BEGIN
	IF NOT EXISTS (SELECT FROM tiers t WHERE t.store_id = ANY (in_store)) THEN
		RETURN;
	END IF;
	SELECT array_agg(ROW(m.store_id, m.affiliate_id, m.month, (SELECT count(DISTINCT c.order_id) FROM commissions c
			JOIN events e ON (e.store_id, e.order_id) = (c.store_id, c.order_id) AND e.type = 'order.collected'
			WHERE c.store_id = m.store_id AND c.affiliate_id = m.affiliate_id AND c.kind = 'sale'
			AND e.received_at >= (m.month - interval '1 month') AT TIME ZONE m.timezone
			AND e.received_at < m.month::timestamp AT TIME ZONE m.timezone), now())::tier_months
		ORDER BY m.store_id, m.affiliate_id, m.month) INTO missing
	FROM (SELECT DISTINCT n.store_id, n.affiliate_id, s.timezone,
			date_trunc('month', from_us(n.placed_us) AT TIME ZONE s.timezone)::date AS month
		FROM unnest(in_store, in_affiliate, in_placed_us) n (store_id, affiliate_id, placed_us)
		JOIN affiliates a USING (affiliate_id)
		JOIN stores s ON s.store_id = n.store_id
		WHERE EXISTS (SELECT FROM tiers t WHERE t.store_id = n.store_id)) m
	WHERE NOT EXISTS (SELECT FROM tier_months k
		WHERE (k.store_id, k.affiliate_id, k.month) = (m.store_id, m.affiliate_id, m.month));
	INSERT INTO tier_months SELECT m.* FROM unnest(missing) m JOIN stores s USING (store_id)
		WHERE m.month <= now() AT TIME ZONE s.timezone ORDER BY m.store_id, m.affiliate_id, m.month
		ON CONFLICT DO NOTHING;
	RETURN QUERY
	SELECT n.at, n.affiliate_id, t.tier_id, t.bonus_bp, t.rate_bp
	FROM unnest(in_at, in_store, in_affiliate, in_placed_us) n (at, store_id, affiliate_id, placed_us)
	JOIN stores s USING (store_id)
	CROSS JOIN LATERAL (SELECT date_trunc('month', from_us(n.placed_us) AT TIME ZONE s.timezone)::date AS month) d
	CROSS JOIN LATERAL (
		SELECT k.orders_collected FROM (SELECT k.*, 0 AS place FROM tier_months k UNION ALL
			SELECT u.*, 1 FROM unnest(missing) u) k
		WHERE (k.store_id, k.affiliate_id, k.month) = (n.store_id, n.affiliate_id, d.month) ORDER BY k.place LIMIT 1) k
	CROSS JOIN LATERAL (SELECT t.* FROM tiers t WHERE t.store_id = n.store_id AND t.from_orders <= k.orders_collected
		AND t.valid_from <= from_us(n.placed_us) AND (t.valid_to IS NULL OR t.valid_to > from_us(n.placed_us))
		ORDER BY t.from_orders DESC, t.tier_id DESC LIMIT 1) t
	ORDER BY n.at;
END $$;
