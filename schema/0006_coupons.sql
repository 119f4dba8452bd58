-- SPDX-License-Identifier: Apache-2.0
-- Coupons at work: as operators make, end and suspend them, and as the posting of an order looks them up and uses them.
-- A posting locks in this order: its orders, coupons (coupons_lock), period caps (period_rooms), tier months (tiers_for),
-- then accounts.

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
