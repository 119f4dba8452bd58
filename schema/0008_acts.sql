-- SPDX-License-Identifier: Apache-2.0
-- What operators do to an order. Every act is an event of the order, with its actor and reason; the attributor folds the
-- order again at once and posts what follows. And reviews: what opens them, and what their end sets going.

-- Whose an order is by an operator's word alone.
ALTER TABLE wasl.decisions DROP CONSTRAINT decisions_evidence_check;
ALTER TABLE wasl.decisions ADD CONSTRAINT decisions_evidence_check
	CHECK (evidence IN ('record', 'token', 'coupon', 'operator'));

CREATE FUNCTION wasl.order_lock(of_store bigint, of_order text) RETURNS wasl.orders
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
DECLARE
	locked orders;
BEGIN
	SELECT * INTO locked FROM orders WHERE store_id = of_store AND order_id = of_order FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'store % has no order %', of_store, of_order USING ERRCODE = 'no_data_found';
	END IF;
	RETURN locked;
END $$;

-- Makes the attributor fold an order now, or as soon as it runs.
CREATE FUNCTION wasl.order_wake(of_store bigint, of_order text) RETURNS void
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
BEGIN
	UPDATE orders SET due_at = now() WHERE store_id = of_store AND order_id = of_order;
	PERFORM pg_notify('wasl_orders', of_store || ' ' || of_order);
END $$;

-- Adds the act to the order's events; returns its id. more: what the act says beside its reason. In fold order an act
-- comes after the highest order_version known now, or by the clock.
CREATE FUNCTION wasl.order_act(of_store bigint, of_order text, act text, more jsonb, reason text) RETURNS text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	events_max CONSTANT integer := 1000; -- FOLD_EVENTS_MAX of the attributor
	reason_max CONSTANT integer := 4096; -- bytes
	id text;
	at timestamptz;
	known record;
	facts jsonb;
BEGIN
	PERFORM order_lock(of_store, of_order);
	IF coalesce(btrim(reason, E' \t\r\n'), '') = '' THEN
		RAISE EXCEPTION 'an act needs a reason' USING ERRCODE = 'check_violation';
	ELSIF octet_length(reason) > reason_max THEN
		RAISE EXCEPTION 'a reason has at most % bytes', reason_max USING ERRCODE = 'check_violation';
	END IF;
	SELECT count(*) AS events, max(e.order_version) AS version INTO known FROM events e
		WHERE e.store_id = of_store AND e.order_id = of_order;
	IF known.events >= events_max THEN
		RAISE EXCEPTION 'order % has % events, and takes no more', of_order, known.events
			USING ERRCODE = 'program_limit_exceeded';
	END IF;
	LOOP -- a storefront may have used the id for one of its own
		id := 'operator-' || lpad(nextval('act_ids')::text, 12, '0'); -- they ascend by bytes, as the fold compares them
		EXIT WHEN NOT EXISTS (SELECT FROM event_ids i WHERE i.store_id = of_store AND i.event_id = id);
	END LOOP;
	at := clock_timestamp(); -- after the lock: after whatever was received before it
	facts := jsonb_strip_nulls(jsonb_build_object('type', act, 'occurred_us', to_us(at), 'received_us', to_us(at),
		'event_id', id, 'order_id', of_order, 'order_version', known.version, 'actor', session_user,
		'reason_text', reason) || coalesce(more, '{}'));
	INSERT INTO event_ids (store_id, event_id, order_id, body_sha256, received_at)
		VALUES (of_store, id, of_order, sha256(convert_to(facts::text, 'UTF8')), at);
	INSERT INTO events (store_id, order_id, event_id, type, occurred_at, received_at, order_version, effect, facts, actor)
		VALUES (of_store, of_order, id, act, at, at, known.version, 'act', facts, session_user);
	PERFORM order_wake(of_store, of_order);
	RETURN id;
END $$;

-- The order is this affiliate's, whatever the evidence says; null: back to the evidence.
CREATE FUNCTION wasl.order_reassign(of_store bigint, of_order text, to_affiliate bigint, reason text) RETURNS text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	standing CONSTANT text := (SELECT status FROM affiliates WHERE affiliate_id = to_affiliate);
BEGIN
	PERFORM order_lock(of_store, of_order);
	IF to_affiliate IS NOT NULL AND standing IS NULL THEN
		RAISE EXCEPTION 'there is no affiliate %', to_affiliate USING ERRCODE = 'no_data_found';
	ELSIF standing = 'suspended' THEN
		RAISE EXCEPTION 'affiliate % is suspended', to_affiliate USING ERRCODE = 'check_violation';
	END IF;
	RETURN order_act(of_store, of_order, 'operator.reassign', jsonb_build_object('affiliate_id', to_affiliate), reason);
END $$;

-- Ends a conflict: the cash was collected, or the order stays out.
CREATE FUNCTION wasl.order_resolve(of_store bigint, of_order text, resolution text, reason text) RETURNS text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
BEGIN
	IF resolution IS NULL OR resolution NOT IN ('collected', 'out') THEN
		RAISE EXCEPTION 'a conflict is resolved as collected or as out' USING ERRCODE = 'check_violation';
	ELSIF (order_lock(of_store, of_order)).state <> 'conflict' THEN
		RAISE EXCEPTION 'order % is in no conflict', of_order USING ERRCODE = 'check_violation';
	END IF;
	RETURN order_act(of_store, of_order, 'operator.resolve', jsonb_build_object('resolution', resolution), reason);
END $$;

-- The row, its order locked.
CREATE FUNCTION wasl.commission_lock(of_commission bigint) RETURNS wasl.commissions
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
DECLARE
	named commissions;
BEGIN
	SELECT * INTO named FROM commissions WHERE commission_id = of_commission;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no commission %', of_commission USING ERRCODE = 'no_data_found';
	END IF;
	PERFORM order_lock(named.store_id, named.order_id);
	SELECT * INTO named FROM commissions WHERE store_id = named.store_id AND commission_id = of_commission;
	RETURN named;
END $$;

-- Takes the affiliate's whole part of the order away, what was paid of it too, until the order is reassigned or resolved.
CREATE FUNCTION wasl.commission_void(of_commission bigint, reason text) RETURNS text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	named CONSTANT commissions := commission_lock(of_commission);
BEGIN
	IF named.funded_by = 'platform' THEN
		RAISE EXCEPTION 'commission % is an operator''s adjustment: adjust it back', of_commission
			USING ERRCODE = 'check_violation';
	ELSIF (SELECT sum(c.amount_minor) FROM commissions c WHERE (c.store_id, c.order_id, c.affiliate_id, c.funded_by)
		= (named.store_id, named.order_id, named.affiliate_id, 'store')) = 0 THEN
		RAISE EXCEPTION 'affiliate % has nothing of order %: there is nothing to void', named.affiliate_id,
			named.order_id USING ERRCODE = 'check_violation';
	END IF;
	RETURN order_act(named.store_id, named.order_id, 'operator.void', jsonb_build_object(
		'affiliate_id', named.affiliate_id, 'commission_id', of_commission), reason);
END $$;

-- Gives, or with a negative amount takes, at the platform's cost: a row of its own, approved at once.
CREATE FUNCTION wasl.commission_adjust(of_commission bigint, amount bigint, reason text) RETURNS text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	amount_max CONSTANT bigint := 1000000000000000; -- minor units: far beyond any order, far from overflow
	named CONSTANT commissions := commission_lock(of_commission);
BEGIN
	IF coalesce(amount, 0) = 0 OR abs(amount::numeric) > amount_max THEN
		RAISE EXCEPTION 'an adjustment is more or less than 0, by at most %', amount_max USING ERRCODE = 'check_violation';
	END IF;
	RETURN order_act(named.store_id, named.order_id, 'operator.adjust', jsonb_build_object(
		'affiliate_id', named.affiliate_id, 'commission_id', of_commission, 'amount_minor', amount), reason);
END $$;

-- Lifts what a negative row leaves owing to zero, at the platform's cost: a second one adds nothing.
CREATE FUNCTION wasl.write_off(of_commission bigint, reason text) RETURNS text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	named CONSTANT commissions := commission_lock(of_commission);
	rest numeric;
BEGIN
	SELECT coalesce(sum(amount), 0) INTO rest FROM (
		SELECT c.amount_minor FROM commissions c WHERE (c.store_id, c.order_id, c.affiliate_id, c.state)
			= (named.store_id, named.order_id, named.affiliate_id, 'approved') AND c.payout_id IS NULL
		UNION ALL -- acts that are not posted yet
		SELECT (e.facts->>'amount_minor')::bigint FROM events e
			WHERE (e.store_id, e.order_id, e.type) = (named.store_id, named.order_id, 'operator.adjust')
			AND (e.facts->>'affiliate_id')::bigint = named.affiliate_id AND NOT EXISTS (SELECT FROM commissions c
				WHERE (c.store_id, c.order_id, c.event_id) = (e.store_id, e.order_id, e.event_id))) owing (amount);
	IF named.amount_minor >= 0 OR named.state <> 'approved' OR named.payout_id IS NOT NULL OR rest >= 0 THEN
		RAISE EXCEPTION 'commission % leaves nothing owing: there is nothing to write off', of_commission
			USING ERRCODE = 'check_violation';
	END IF;
	RETURN commission_adjust(of_commission, least(-named.amount_minor, -rest)::bigint, reason);
END $$;

-- Reviews. One of each reason at a time; only a person lifts one.
CREATE FUNCTION wasl.review_open(of_store bigint, of_order text, reason text, due timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
#variable_conflict use_column
DECLARE
	opened bigint;
BEGIN
	IF octet_length(btrim(coalesce(reason, ''))) NOT BETWEEN 1 AND 64 THEN
		RAISE EXCEPTION 'a review''s reason has 1 to 64 bytes' USING ERRCODE = 'check_violation';
	END IF;
	PERFORM order_act(of_store, of_order, 'operator.review', NULL, 'opened: ' || btrim(reason));
	INSERT INTO reviews (store_id, order_id, reason, due_at)
		VALUES (of_store, of_order, btrim(reason), coalesce(due, now() + interval '7 days'))
		ON CONFLICT (store_id, order_id, reason) WHERE lifted_at IS NULL DO NOTHING RETURNING review_id INTO opened;
	IF opened IS NULL THEN
		RAISE EXCEPTION 'order % is under review for % already', of_order, reason USING ERRCODE = 'unique_violation';
	END IF;
	RETURN opened;
END $$;

-- Lifts the open reviews of that reason, or all; returns how many.
CREATE FUNCTION wasl.review_lift(of_store bigint, of_order text, which text, reason text) RETURNS integer
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	lifted integer;
BEGIN
	IF coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION 'an act needs a reason' USING ERRCODE = 'check_violation';
	END IF;
	PERFORM order_act(of_store, of_order, 'operator.review', NULL, 'lifted ' || coalesce(which, 'all') || ': ' || reason);
	UPDATE reviews r SET lifted_by = session_user, lifted_at = clock_timestamp()
		WHERE r.store_id = of_store AND r.order_id = of_order AND r.lifted_at IS NULL
		AND (which IS NULL OR r.reason = which);
	GET DIAGNOSTICS lifted = ROW_COUNT;
	IF lifted = 0 THEN
		RAISE EXCEPTION 'order % has no such open review', of_order USING ERRCODE = 'no_data_found';
	END IF;
	RETURN lifted;
END $$;

CREATE FUNCTION wasl.reviews_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
		RAISE EXCEPTION 'reviews are lifted, never deleted' USING ERRCODE = 'restrict_violation';
	ELSIF OLD.lifted_at IS NOT NULL OR NEW.lifted_at IS NULL
		OR to_jsonb(NEW) - '{lifted_by,lifted_at}'::text[] IS DISTINCT FROM to_jsonb(OLD) - '{lifted_by,lifted_at}'::text[]
		THEN
		RAISE EXCEPTION 'a review can only be lifted, once' USING ERRCODE = 'restrict_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER reviews_guard BEFORE UPDATE OR DELETE ON wasl.reviews
	FOR EACH ROW EXECUTE FUNCTION wasl.reviews_guard();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.reviews
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.reviews_guard();

-- With the last review gone, what it held up goes on.
CREATE FUNCTION wasl.reviews_lifted() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM reviews r WHERE (r.store_id, r.order_id) = (NEW.store_id, NEW.order_id)
		AND r.lifted_at IS NULL) THEN
		PERFORM order_wake(NEW.store_id, NEW.order_id);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER reviews_lifted AFTER UPDATE ON wasl.reviews FOR EACH ROW
	WHEN (OLD.lifted_at IS NULL AND NEW.lifted_at IS NOT NULL) EXECUTE FUNCTION wasl.reviews_lifted();

-- Who is suspended keeps what was earned, and is not paid: in the order of the orders' locks.
CREATE FUNCTION wasl.affiliates_suspended() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
BEGIN
	INSERT INTO reviews (store_id, order_id, reason)
		SELECT c.store_id, c.order_id, 'affiliate_suspended' FROM commissions c WHERE c.affiliate_id = NEW.affiliate_id
		AND c.state IN ('pending', 'held', 'approved') AND c.payout_id IS NULL
		GROUP BY 1, 2 ORDER BY c.store_id, c.order_id COLLATE "C"
		ON CONFLICT (store_id, order_id, reason) WHERE lifted_at IS NULL DO NOTHING;
	RETURN NULL;
END $$;
CREATE TRIGGER affiliates_suspended AFTER UPDATE ON wasl.affiliates FOR EACH ROW
	WHEN (OLD.status <> 'suspended' AND NEW.status = 'suspended') EXECUTE FUNCTION wasl.affiliates_suspended();

-- People forward landing URLs; a click that wins the orders of a fourth customer is worth a look.
CREATE FUNCTION wasl.click_wins_look() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	customers_max CONSTANT integer := 3;
	wins_max CONSTANT integer := 200; -- looked at: a link that thousands follow must not cost each order a thousand rows
BEGIN
	INSERT INTO reviews (store_id, order_id, reason)
		SELECT a.store_id, a.order_id, 'click_reuse' FROM added a WHERE a.customer IS NOT NULL AND customers_max < (
			SELECT count(DISTINCT w.customer) FROM (SELECT w.customer FROM click_wins w
				WHERE (w.store_id, w.click_id) = (a.store_id, a.click_id) AND w.customer IS NOT NULL
				LIMIT wins_max) w)
		GROUP BY 1, 2 ORDER BY a.store_id, a.order_id COLLATE "C"
		ON CONFLICT (store_id, order_id, reason) WHERE lifted_at IS NULL DO NOTHING;
	RETURN NULL;
END $$;
CREATE TRIGGER click_wins_look AFTER INSERT ON wasl.click_wins REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.click_wins_look();
