-- SPDX-License-Identifier: Apache-2.0
-- The terms at work: coupons, rules and tiers as operators make and end them, and what the posting of an order asks of
-- them and reserves. Lock order of a posting: its orders, coupons_lock, period_rooms, tiers_for, then the ledger.

-- Words that people guess: no coupon code is one of them, nor one of them with digits around it.
CREATE TABLE wasl.common_words (word text PRIMARY KEY CHECK (word = wasl.coupon_code(word)));
INSERT INTO wasl.common_words
SELECT DISTINCT wasl.coupon_code(word) FROM unnest(string_to_array(
	'ADMIN AUTUMN BARGAIN BEAUTY BESTDEAL BIRTHDAY BLACKFRIDAY BONUS CASHBACK CHEAP CHRISTMAS CLEARANCE CODE COUPON '
	'CUSTOMER CYBERMONDAY DEAL DEALS DELIVERY DISCOUNT EGYPT EXTRA FAMILY FASHION FIRST FIRSTORDER FLASH FLASHSALE '
	'FREE FREESHIP FREESHIPPING FRIDAY FRIEND FRIENDS GIFT GIFTS HALF HAPPY HELLO HOLIDAY INSTAGRAM LUCKY MEGA MEMBER '
	'MOTHERSDAY MYCODE NEWUSER NEWYEAR OFFER OFFERS ONLINE ORDER PASSWORD PROMO PROMOCODE RAMADAN SALE SALES SAMPLE '
	'SAVE SAVEMORE SAVING SAVINGS SECRET SHIPPING SHOPPING SPECIAL SPRING STAFF STUDENT SUMMER SUPER TEST THANKS '
	'THANKYOU TIKTOK TODAY VALENTINE VOUCHER WEEKEND WELCOME WHATSAPP WINTER YELLOWFRIDAY '
	'WHITEFRIDAY EIDMUBARAK MABROUK AHLAN MARHABA KHASM '
	'خصم خصومات عرض عروض توفير هدية هدايا مجاني مجانا شحن الشحن رمضان العيد عيد مبروك اهلا مرحبا كوبون تخفيض تخفيضات '
	'الجمعة البيضاء شتاء صيف الصيف الشتاء ربيع خريف جديد حصري تجربة شكرا تسوق متجر مسوق ترحيب', ' ')) word;

-- Why nobody should take this code, null if it is a good one: anybody could guess it, and take a sale with it.
CREATE FUNCTION wasl.coupon_code_weakness(code text) RETURNS text LANGUAGE sql STABLE STRICT AS $$
	SELECT CASE
		WHEN char_length(code) < 6 THEN 'it has fewer than 6 characters'
		WHEN code ~ '(19|20)[0-9]{2}$' THEN 'it ends with a year'
		WHEN code ~ '[1-9]0$|100$' THEN 'it ends with a round number'
		WHEN EXISTS (SELECT FROM wasl.common_words w WHERE w.word = regexp_replace(code, '^[0-9_.-]+|[0-9_.-]+$', '', 'g'))
			THEN 'it is a word that people guess'
	END
$$;

CREATE FUNCTION wasl.coupon_add(of_store bigint, raw text, of_affiliate bigint, starts timestamptz DEFAULT NULL,
	ends timestamptz DEFAULT NULL, uses bigint DEFAULT NULL, uses_per_customer bigint DEFAULT NULL,
	is_forced boolean DEFAULT false) RETURNS bigint
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
DECLARE
	new_code CONSTANT text := coupon_code(raw);
	weakness CONSTANT text := coupon_code_weakness(new_code);
	made bigint;
BEGIN
	IF new_code IS NULL OR octet_length(new_code) NOT BETWEEN 1 AND 128 THEN
		RAISE EXCEPTION 'a coupon''s code has 1 to 128 bytes' USING ERRCODE = 'check_violation';
	ELSIF weakness IS NOT NULL AND NOT is_forced THEN
		RAISE EXCEPTION 'the code % is easily guessed: %', new_code, weakness USING ERRCODE = 'check_violation';
	ELSIF NOT EXISTS (SELECT FROM stores WHERE store_id = of_store) THEN
		RAISE EXCEPTION 'there is no store %', of_store USING ERRCODE = 'no_data_found';
	ELSIF NOT EXISTS (SELECT FROM affiliates WHERE affiliate_id = of_affiliate) THEN
		RAISE EXCEPTION 'there is no affiliate %', of_affiliate USING ERRCODE = 'no_data_found';
	END IF;
	INSERT INTO coupons (store_id, code, affiliate_id, valid_from, valid_to, uses_max, uses_per_customer_max)
		VALUES (of_store, new_code, of_affiliate, coalesce(starts, '-infinity'), ends, uses, uses_per_customer)
		ON CONFLICT (store_id, code) DO NOTHING RETURNING coupon_id INTO made;
	IF made IS NULL THEN
		RAISE EXCEPTION 'store % has a coupon % already', of_store, new_code USING ERRCODE = 'unique_violation';
	END IF;
	RETURN made;
END $$;

CREATE FUNCTION wasl.coupon_set_status(of_coupon bigint, new_status text) RETURNS void
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
BEGIN
	UPDATE coupons SET status = new_status WHERE coupon_id = of_coupon;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no coupon %', of_coupon USING ERRCODE = 'no_data_found';
	END IF;
END $$;
CREATE FUNCTION wasl.coupon_suspend(of_coupon bigint) RETURNS void LANGUAGE sql
	AS $$ SELECT wasl.coupon_set_status(of_coupon, 'suspended') $$;
CREATE FUNCTION wasl.coupon_resume(of_coupon bigint) RETURNS void LANGUAGE sql
	AS $$ SELECT wasl.coupon_set_status(of_coupon, 'active') $$;

-- A code that has leaked: the same owner gets a new one with the same terms, and the old one ends now.
CREATE FUNCTION wasl.coupon_rotate(of_coupon bigint, raw text, is_forced boolean DEFAULT false) RETURNS bigint
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
DECLARE
	old coupons;
BEGIN
	SELECT * INTO old FROM coupons WHERE coupon_id = of_coupon FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no coupon %', of_coupon USING ERRCODE = 'no_data_found';
	ELSIF old.valid_to <= now() OR old.valid_from > now() THEN
		RAISE EXCEPTION 'the coupon % is not valid now', old.code USING ERRCODE = 'check_violation';
	END IF;
	UPDATE coupons SET valid_to = now() WHERE coupon_id = of_coupon;
	RETURN coupon_add(old.store_id, raw, old.affiliate_id, now(), old.valid_to, old.uses_max,
		old.uses_per_customer_max, is_forced);
END $$;

CREATE FUNCTION wasl.coupons_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
		RAISE EXCEPTION 'coupons are ended or suspended, never deleted' USING ERRCODE = 'restrict_violation';
	ELSIF to_jsonb(NEW) - '{used,status,valid_to}'::text[] IS DISTINCT FROM to_jsonb(OLD) - '{used,status,valid_to}'::text[]
		OR (NEW.valid_to IS DISTINCT FROM OLD.valid_to AND (OLD.valid_to <= now() OR NEW.valid_to < now())) THEN
		RAISE EXCEPTION 'a coupon can only be ended, suspended or resumed' USING ERRCODE = 'restrict_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER coupons_guard BEFORE UPDATE OR DELETE ON wasl.coupons
	FOR EACH ROW EXECUTE FUNCTION wasl.coupons_guard();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.coupons
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.coupons_guard();
CREATE FUNCTION wasl.coupons_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO wasl.coupon_status (store_id, coupon_id, since, status) VALUES (NEW.store_id, NEW.coupon_id,
		CASE TG_OP WHEN 'INSERT' THEN timestamptz '-infinity' ELSE clock_timestamp() END, NEW.status);
	RETURN NULL;
END $$;
CREATE TRIGGER coupons_history AFTER INSERT ON wasl.coupons
	FOR EACH ROW EXECUTE FUNCTION wasl.coupons_history();
CREATE TRIGGER coupons_history_changed AFTER UPDATE ON wasl.coupons
	FOR EACH ROW WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION wasl.coupons_history();

-- What the batch's orders are to know of the coupons that their events name, one row a pair (at, raw), the coupons locked
-- until the end of the transaction in the order of their keys. held_back: why it cannot win an order of that placed_at;
-- null: it can. Left uses: null where there is no cap (or the customer is not known); below 1: exhausted, unless
-- is_of_order, which says that this order has taken it, be it given back since. Uses are taken and given back by writing
-- coupon_uses alone: coupons.used follows.
CREATE FUNCTION wasl.coupons_lock(in_at integer[], in_store bigint[], in_raw text[], in_placed_us bigint[],
	in_order text[], in_customer text[])
	RETURNS TABLE (at integer, raw text, coupon_id bigint, affiliate_id bigint, held_back text, uses_left bigint,
		customer_uses_left bigint, is_of_order boolean)
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
#variable_conflict use_column
BEGIN
	PERFORM FROM coupons c WHERE (c.store_id, c.code) IN (
		SELECT n.store_id, coupon_code(n.raw) FROM unnest(in_store, in_raw) n (store_id, raw))
		ORDER BY c.store_id, c.coupon_id FOR NO KEY UPDATE;
	RETURN QUERY
	SELECT n.at, n.raw, c.coupon_id, c.affiliate_id,
		CASE WHEN c.coupon_id IS NULL THEN 'coupon_unknown'
			WHEN c.valid_from > from_us(n.placed_us) OR c.valid_to <= from_us(n.placed_us) THEN 'coupon_expired'
			WHEN (SELECT s.status FROM coupon_status s WHERE (s.store_id, s.coupon_id) = (c.store_id, c.coupon_id)
				AND s.since <= from_us(n.placed_us) ORDER BY s.since DESC LIMIT 1) = 'suspended' THEN 'coupon_suspended'
		END,
		c.uses_max - c.used,
		CASE WHEN n.customer IS NOT NULL AND c.uses_per_customer_max IS NOT NULL THEN c.uses_per_customer_max
			- (SELECT count(*) FROM coupon_uses u WHERE (u.store_id, u.coupon_id, u.customer)
				= (c.store_id, c.coupon_id, n.customer) AND u.is_taken) END,
		EXISTS (SELECT FROM coupon_uses u WHERE (u.store_id, u.order_id, u.coupon_id)
			= (n.store_id, n.order_id, c.coupon_id))
	FROM unnest(in_at, in_store, in_raw, in_placed_us, in_order, in_customer)
		n (at, store_id, raw, placed_us, order_id, customer)
	LEFT JOIN coupons c ON (c.store_id, c.code) = (n.store_id, coupon_code(n.raw))
	ORDER BY n.at;
END $$;

-- coupons.used follows the uses. A new use over a cap is refused; a reinstated one is not asked.
CREATE FUNCTION wasl.coupon_uses_count() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	over record;
BEGIN
	IF TG_OP = 'UPDATE' THEN
		UPDATE coupons c SET used = c.used + d.more FROM (SELECT store_id, coupon_id, sum(more) AS more FROM (
				SELECT store_id, coupon_id, 1 AS more FROM added WHERE is_taken
				UNION ALL SELECT store_id, coupon_id, -1 FROM removed WHERE is_taken) b GROUP BY 1, 2) d
			WHERE (c.store_id, c.coupon_id) = (d.store_id, d.coupon_id) AND d.more <> 0;
		SELECT c.code, a.order_id INTO over FROM added a JOIN removed r USING (store_id, order_id)
			JOIN coupons c ON (c.store_id, c.coupon_id) = (a.store_id, a.coupon_id)
			WHERE a.is_taken AND a.coupon_id <> r.coupon_id AND c.used > c.uses_max LIMIT 1;
	ELSE
		UPDATE coupons c SET used = c.used + d.more FROM (SELECT store_id, coupon_id, count(*) AS more FROM added
				WHERE is_taken GROUP BY 1, 2) d
			WHERE (c.store_id, c.coupon_id) = (d.store_id, d.coupon_id);
		SELECT c.code, a.order_id INTO over FROM added a JOIN coupons c USING (store_id, coupon_id)
			WHERE a.is_taken AND (c.used > c.uses_max OR (SELECT count(*) FROM coupon_uses u WHERE u.is_taken
				AND (u.store_id, u.coupon_id, u.customer) = (a.store_id, a.coupon_id, a.customer))
				> c.uses_per_customer_max) LIMIT 1;
	END IF;
	IF over.code IS NOT NULL THEN
		RAISE EXCEPTION 'order %: the coupon % has no use left', over.order_id, over.code
			USING ERRCODE = 'check_violation';
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER coupon_uses_added AFTER INSERT ON wasl.coupon_uses REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.coupon_uses_count();
CREATE TRIGGER coupon_uses_changed AFTER UPDATE ON wasl.coupon_uses
	REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION wasl.coupon_uses_count();

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

-- period_caps.used_minor follows the grants. A new grant over the cap is refused; within what an order was once granted
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
		RETURN NULL;
	END IF;
	UPDATE period_caps p SET used_minor = p.used_minor + d.more FROM (SELECT store_id, rule_id, affiliate_id, month,
			sum(used_minor)::bigint AS more FROM added GROUP BY 1, 2, 3, 4) d
		WHERE (p.store_id, p.rule_id, p.affiliate_id, p.month) = (d.store_id, d.rule_id, d.affiliate_id, d.month);
	SELECT a.order_id, a.rule_id INTO over FROM added a JOIN period_caps p USING (store_id, rule_id, affiliate_id, month)
		JOIN rules r USING (store_id, rule_id) WHERE a.used_minor > 0 AND p.used_minor > r.cap_period_minor LIMIT 1;
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

GRANT SELECT ON wasl.shares, wasl.coupons, wasl.coupon_status, wasl.coupon_uses, wasl.tiers, wasl.tier_months,
	wasl.period_caps, wasl.grants, wasl.click_wins TO wasl_attributor;
