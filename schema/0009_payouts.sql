-- SPDX-License-Identifier: Apache-2.0
-- Payouts: what is payable to an affiliate in one currency, over all stores, from the draft to what the bank said.
--
-- Stores whose rows of a payout add up to less than nothing are netted against the others. Of an affiliate's accounts
-- only `available` may be negative, so such a store's rows stay there while the payout is on its way, frozen by their
-- payout_id, and move available -> paid when the transfer succeeds. It is left out, and carried, where that would take
-- the store's `paid` below zero.

CREATE TABLE wasl.payout_minimums (
	currency text PRIMARY KEY REFERENCES wasl.currencies,
	minimum_minor bigint NOT NULL CHECK (minimum_minor > 0),
	actor text NOT NULL DEFAULT session_user,
	set_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE wasl.payout_minimums IS 'a currency without a row: anything above 0';

CREATE TABLE wasl.payouts (
	payout_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	affiliate_id bigint NOT NULL REFERENCES wasl.affiliates,
	currency text NOT NULL REFERENCES wasl.currencies,
	amount_minor bigint NOT NULL CHECK (amount_minor > 0),
	state text NOT NULL DEFAULT 'draft'
		CHECK (state IN ('draft', 'approved', 'executed', 'paid', 'failed', 'bounced', 'cancelled')),
	reference text NOT NULL GENERATED ALWAYS AS ('WASL-' || payout_id::text) STORED UNIQUE,
	method text,
	account text,
	drafted_by text NOT NULL DEFAULT session_user,
	drafted_at timestamptz NOT NULL DEFAULT now(),
	approved_by text CHECK (approved_by <> drafted_by),
	approved_at timestamptz,
	executed_by text,
	executed_at timestamptz,
	ended_by text,
	ended_at timestamptz,
	note text,
	UNIQUE (payout_id, affiliate_id, currency),
	CHECK ((approved_by IS NOT NULL) = (state IN ('approved', 'executed', 'paid', 'failed', 'bounced'))),
	CHECK ((executed_by IS NOT NULL) = (state IN ('executed', 'paid', 'failed', 'bounced'))),
	CHECK ((ended_by IS NOT NULL) = (state IN ('paid', 'failed', 'bounced', 'cancelled'))),
	CHECK (approved_by IS NULL OR (method IS NOT NULL AND account IS NOT NULL))
);
COMMENT ON COLUMN wasl.payouts.account IS 'method and account as they were when it was approved';
CREATE UNIQUE INDEX payouts_draft ON wasl.payouts (affiliate_id, currency) WHERE state = 'draft';
CREATE INDEX payouts_by_affiliate ON wasl.payouts (affiliate_id, payout_id);

-- What a payout was made of, for ever; a failed one's rows go into another.
CREATE TABLE wasl.payout_rows (
	payout_id bigint NOT NULL REFERENCES wasl.payouts,
	store_id bigint NOT NULL,
	commission_id bigint NOT NULL,
	amount_minor bigint NOT NULL,
	PRIMARY KEY (payout_id, store_id, commission_id),
	FOREIGN KEY (store_id, commission_id) REFERENCES wasl.commissions
);
CREATE INDEX payout_rows_of_commission ON wasl.payout_rows (store_id, commission_id);
ALTER TABLE wasl.commissions ADD FOREIGN KEY (payout_id, affiliate_id, currency)
	REFERENCES wasl.payouts (payout_id, affiliate_id, currency);
CREATE INDEX commissions_payable ON wasl.commissions (affiliate_id, currency)
	WHERE state = 'approved' AND payout_id IS NULL;
CREATE INDEX commissions_of_payout ON wasl.commissions (payout_id) WHERE payout_id IS NOT NULL;

-- Each store's part, and where it is while the payout is on its way.
CREATE VIEW wasl.payout_parts AS
SELECT r.payout_id, p.affiliate_id, p.currency, p.state, r.store_id, sum(r.amount_minor)::bigint AS amount_minor,
	CASE WHEN sum(r.amount_minor) < 0 THEN 'available' ELSE 'in_payout' END AS account
FROM wasl.payout_rows r JOIN wasl.payouts p USING (payout_id) GROUP BY r.payout_id, r.store_id, p.payout_id;

-- How far a store's paid account may still fall: less what payouts on their way will take.
CREATE FUNCTION wasl.payout_floor(of_store bigint, of_affiliate bigint, of_currency text) RETURNS numeric
	LANGUAGE sql STABLE AS $$
	SELECT coalesce((SELECT a.paid_minor FROM wasl.accounts a WHERE (a.store_id, a.affiliate_id, a.currency)
			= (of_store, of_affiliate, of_currency)), 0)
		+ coalesce((SELECT sum(p.amount_minor) FROM wasl.payout_parts p WHERE p.state IN ('approved', 'executed')
			AND (p.store_id, p.affiliate_id, p.currency) = (of_store, of_affiliate, of_currency)
			AND p.amount_minor < 0), 0)
$$;

-- What a draft takes: approved rows, negatives included, but for those of suspended affiliates, of orders under review,
-- negative ones of an order that has another row on its way, and stores that have to be carried.
CREATE FUNCTION wasl.payout_selection(of_affiliate bigint, of_currency text)
	RETURNS TABLE (affiliate_id bigint, currency text, store_id bigint, commission_id bigint, amount_minor bigint)
	LANGUAGE sql STABLE AS $$
	SELECT r.affiliate_id, r.currency, r.store_id, r.commission_id, r.amount_minor
	FROM (SELECT c.affiliate_id, c.currency, c.store_id, c.commission_id, c.amount_minor,
			sum(c.amount_minor) OVER (PARTITION BY c.affiliate_id, c.currency, c.store_id) AS part
		FROM wasl.commissions c JOIN wasl.affiliates a USING (affiliate_id)
		WHERE c.state = 'approved' AND c.payout_id IS NULL AND a.status = 'active'
			AND (of_affiliate IS NULL OR c.affiliate_id = of_affiliate)
			AND (of_currency IS NULL OR c.currency = of_currency)
			AND NOT EXISTS (SELECT FROM wasl.reviews v WHERE (v.store_id, v.order_id) = (c.store_id, c.order_id)
				AND v.lifted_at IS NULL)
			AND (c.amount_minor >= 0 OR NOT EXISTS (SELECT FROM wasl.commissions f
				WHERE (f.store_id, f.order_id, f.affiliate_id) = (c.store_id, c.order_id, c.affiliate_id)
				AND f.state = 'approved' AND f.payout_id IS NOT NULL))) r
	WHERE r.part >= 0 OR wasl.payout_floor(r.store_id, r.affiliate_id, r.currency) + r.part >= 0
$$;

CREATE FUNCTION wasl.payout_minimum_set(of_currency text, minimum bigint) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
BEGIN
	INSERT INTO payout_minimums (currency, minimum_minor) VALUES (of_currency, minimum)
		ON CONFLICT (currency) DO UPDATE SET minimum_minor = minimum, actor = session_user, set_at = now();
END $$;

-- One function at a time moves payouts.
CREATE FUNCTION wasl.payout_lock(of_payout bigint) RETURNS wasl.payouts
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
DECLARE
	named payouts;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('wasl.payouts'));
	SELECT * INTO named FROM payouts WHERE payout_id = of_payout FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no payout %', of_payout USING ERRCODE = 'no_data_found';
	END IF;
	RETURN named;
END $$;

-- Drafts of all that is payable, of one affiliate or currency where given; returns their numbers. A draft that still
-- holds is kept, another one cancelled and made again.
CREATE FUNCTION wasl.payout_draft(of_affiliate bigint DEFAULT NULL, of_currency text DEFAULT NULL) RETURNS SETOF bigint
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	due record;
	id bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('wasl.payouts'));
	IF of_affiliate IS NOT NULL AND NOT EXISTS (SELECT FROM affiliates a WHERE a.affiliate_id = of_affiliate) THEN
		RAISE EXCEPTION 'there is no affiliate %', of_affiliate USING ERRCODE = 'no_data_found';
	ELSIF of_currency IS NOT NULL AND NOT EXISTS (SELECT FROM currencies c WHERE c.currency = of_currency) THEN
		RAISE EXCEPTION '% is no currency', of_currency USING ERRCODE = 'no_data_found';
	END IF;
	FOR due IN
		SELECT affiliate_id, currency, coalesce(s.amount, 0) >= coalesce(m.minimum_minor, 1) AS is_enough, s.amount,
			s.stores, s.commissions, s.amounts, d.payout_id AS draft
		FROM (SELECT affiliate_id, currency, sum(amount_minor) AS amount,
				array_agg(store_id ORDER BY store_id, commission_id) AS stores,
				array_agg(commission_id ORDER BY store_id, commission_id) AS commissions,
				array_agg(amount_minor ORDER BY store_id, commission_id) AS amounts
			FROM payout_selection(of_affiliate, of_currency) GROUP BY 1, 2) s
		FULL JOIN (SELECT p.payout_id, p.affiliate_id, p.currency FROM payouts p WHERE p.state = 'draft'
			AND (of_affiliate IS NULL OR p.affiliate_id = of_affiliate)
			AND (of_currency IS NULL OR p.currency = of_currency)) d USING (affiliate_id, currency)
		LEFT JOIN payout_minimums m USING (currency) ORDER BY affiliate_id, currency
	LOOP
		IF due.draft IS NOT NULL THEN
			IF due.is_enough AND (due.stores, due.commissions, due.amounts) IS NOT DISTINCT FROM (
				SELECT ROW(array_agg(store_id ORDER BY store_id, commission_id),
					array_agg(commission_id ORDER BY store_id, commission_id),
					array_agg(amount_minor ORDER BY store_id, commission_id)) FROM payout_rows WHERE payout_id = due.draft)
				THEN
				RETURN NEXT due.draft;
				CONTINUE;
			END IF;
			PERFORM payout_cancel(due.draft, 'drafted again');
		END IF;
		CONTINUE WHEN NOT due.is_enough;
		INSERT INTO payouts (affiliate_id, currency, amount_minor) VALUES (due.affiliate_id, due.currency, due.amount)
			RETURNING payout_id INTO id;
		INSERT INTO payout_rows SELECT id, * FROM unnest(due.stores, due.commissions, due.amounts);
		RETURN NEXT id;
	END LOOP;
END $$;

CREATE FUNCTION wasl.payout_cancel(of_payout bigint, why text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	payout CONSTANT payouts := payout_lock(of_payout);
BEGIN
	IF payout.state = 'cancelled' THEN
		RETURN;
	ELSIF payout.state <> 'draft' THEN
		RAISE EXCEPTION 'payout % is %: only a draft can be cancelled', of_payout, payout.state
			USING ERRCODE = 'check_violation';
	END IF;
	UPDATE payouts SET state = 'cancelled', ended_by = session_user, ended_at = clock_timestamp(), note = why
		WHERE payout_id = of_payout;
END $$;

-- The entries of each row of a payout, one ledger transaction a row. in_flight stands for where its store's part is.
CREATE FUNCTION wasl.payout_post(of_payout bigint, move text, from_account text, to_account text) RETURNS void
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
BEGIN
	WITH moved AS MATERIALIZED (
		SELECT r.store_id, r.commission_id, r.amount_minor, p.affiliate_id, p.currency,
			CASE from_account WHEN 'in_flight' THEN p.account ELSE from_account END AS giver,
			CASE to_account WHEN 'in_flight' THEN p.account ELSE to_account END AS taker,
			nextval('ledger_transactions') AS transaction_id
		FROM payout_rows r JOIN payout_parts p USING (payout_id, store_id)
		WHERE r.payout_id = of_payout AND r.amount_minor <> 0)
	INSERT INTO entries (store_id, transaction_id, affiliate_id, currency, account, amount_minor, move, commission_id)
	SELECT m.store_id, m.transaction_id, m.affiliate_id, m.currency, v.account, v.amount_minor, move, m.commission_id
	FROM moved m, LATERAL (VALUES (m.giver, -m.amount_minor), (m.taker, m.amount_minor)) v (account, amount_minor)
	WHERE m.giver <> m.taker ORDER BY m.store_id, m.transaction_id;
END $$;

-- Locks what a payout's rows hang on, in the attributor's order: nothing of it changes until the end.
CREATE FUNCTION wasl.payout_lock_rows(payout wasl.payouts) RETURNS void
	LANGUAGE plpgsql SET search_path = wasl, pg_temp AS $$
BEGIN
	PERFORM FROM affiliates a WHERE a.affiliate_id = payout.affiliate_id FOR SHARE;
	PERFORM FROM orders o WHERE (o.store_id, o.order_id) IN (SELECT c.store_id, c.order_id FROM payout_rows r
			JOIN commissions c USING (store_id, commission_id) WHERE r.payout_id = payout.payout_id)
		ORDER BY o.store_id, o.order_id COLLATE "C" FOR UPDATE;
END $$;

-- By another than who drafted it. Refused where anything that it is made of has changed since, or something was taken
-- back; what became payable since waits for the next one.
CREATE FUNCTION wasl.payout_approve(of_payout bigint) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	payout CONSTANT payouts := payout_lock(of_payout);
	person affiliates;
BEGIN
	IF payout.state IN ('approved', 'executed', 'paid') THEN
		RETURN;
	ELSIF payout.state <> 'draft' THEN
		RAISE EXCEPTION 'payout % is %', of_payout, payout.state USING ERRCODE = 'check_violation';
	ELSIF payout.drafted_by = session_user THEN
		RAISE EXCEPTION 'payout % was drafted by %: somebody else has to approve it', of_payout, payout.drafted_by
			USING ERRCODE = 'insufficient_privilege';
	END IF;
	PERFORM payout_lock_rows(payout);
	SELECT * INTO person FROM affiliates WHERE affiliate_id = payout.affiliate_id;
	IF person.payout_method IS NULL OR person.payout_account IS NULL THEN
		RAISE EXCEPTION 'affiliate % has no payout method and account', payout.affiliate_id
			USING ERRCODE = 'check_violation';
	ELSIF EXISTS (SELECT FROM (SELECT store_id, commission_id, amount_minor FROM payout_rows WHERE payout_id = of_payout) r
			FULL JOIN payout_selection(payout.affiliate_id, payout.currency) s USING (store_id, commission_id)
			WHERE r.amount_minor IS DISTINCT FROM s.amount_minor AND (r.amount_minor IS NOT NULL OR s.amount_minor < 0))
		OR EXISTS (SELECT FROM payout_parts p WHERE p.payout_id = of_payout AND p.amount_minor < 0
			AND payout_floor(p.store_id, p.affiliate_id, p.currency) + p.amount_minor < 0) THEN
		RAISE EXCEPTION 'payout % has changed since it was drafted: draft it again', of_payout
			USING ERRCODE = 'check_violation';
	END IF;
	UPDATE payouts SET state = 'approved', approved_by = session_user, approved_at = clock_timestamp(),
		method = person.payout_method, account = person.payout_account WHERE payout_id = of_payout;
	UPDATE commissions c SET payout_id = of_payout, updated_at = now() FROM payout_rows r
		WHERE r.payout_id = of_payout AND (c.store_id, c.commission_id) = (r.store_id, r.commission_id);
	PERFORM payout_post(of_payout, 'payout', 'available', 'in_flight');
END $$;

-- What the bank or wallet is to do: of one payout, or of all that are approved. The same payout gives the same lines
-- again, under the same reference.
CREATE FUNCTION wasl.payout_execute(of_payout bigint DEFAULT NULL)
	RETURNS TABLE (affiliate text, method text, account text, amount text, currency text, reference text)
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
#variable_conflict use_column
DECLARE
	ids bigint[];
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('wasl.payouts'));
	IF of_payout IS NOT NULL AND (payout_lock(of_payout)).state NOT IN ('approved', 'executed') THEN
		RAISE EXCEPTION 'payout % is %: only an approved one is executed', of_payout, (payout_lock(of_payout)).state
			USING ERRCODE = 'check_violation';
	END IF;
	SELECT array_agg(p.payout_id) INTO ids FROM payouts p
		WHERE p.payout_id = of_payout OR (of_payout IS NULL AND p.state = 'approved');
	UPDATE payouts p SET state = 'executed', executed_by = session_user, executed_at = clock_timestamp()
		WHERE p.payout_id = ANY (ids) AND p.state = 'approved';
	RETURN QUERY SELECT a.name, p.method, p.account, money_text(p.amount_minor, p.currency), p.currency, p.reference
		FROM payouts p JOIN affiliates a USING (affiliate_id) WHERE p.payout_id = ANY (ids) ORDER BY p.payout_id;
END $$;

-- What became of a transfer: paid, failed, or, of one that was paid, bounced. Returns false where that was known already.
CREATE FUNCTION wasl.payout_import(of_reference text, result text, why text DEFAULT NULL) RETURNS boolean
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	payout payouts;
BEGIN
	SELECT * INTO payout FROM payouts WHERE reference = of_reference;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no payout with the reference %', of_reference USING ERRCODE = 'no_data_found';
	END IF;
	payout := payout_lock(payout.payout_id);
	IF result IS NULL OR result NOT IN ('paid', 'failed', 'bounced') THEN
		RAISE EXCEPTION 'a transfer is paid, failed or bounced' USING ERRCODE = 'check_violation';
	ELSIF payout.state = result THEN
		RETURN false;
	ELSIF payout.state <> (CASE result WHEN 'bounced' THEN 'paid' ELSE 'executed' END) THEN
		RAISE EXCEPTION '% is %, it cannot have %', of_reference, payout.state,
			CASE result WHEN 'paid' THEN 'been paid' ELSE result END USING ERRCODE = 'check_violation';
	END IF;
	PERFORM payout_lock_rows(payout);
	IF result = 'bounced' AND EXISTS (SELECT FROM payout_parts p WHERE p.payout_id = payout.payout_id
		AND payout_floor(p.store_id, p.affiliate_id, p.currency) < p.amount_minor) THEN
		RAISE EXCEPTION '%: a later payout has deducted some of it already; transfer it again instead', of_reference
			USING ERRCODE = 'check_violation';
	END IF;
	UPDATE payouts SET state = result, ended_by = session_user, ended_at = clock_timestamp(), note = why
		WHERE payout_id = payout.payout_id;
	IF result = 'paid' THEN
		UPDATE commissions SET state = 'paid', updated_at = now() WHERE payout_id = payout.payout_id;
		PERFORM payout_post(payout.payout_id, 'transfer_succeeded', 'in_flight', 'paid');
	ELSE
		UPDATE commissions SET state = 'approved', payout_id = NULL, updated_at = now() WHERE payout_id = payout.payout_id;
		-- What became of the order meanwhile could not touch them: a zero row of one that is out is reversed now.
		PERFORM order_wake(c.store_id, c.order_id) FROM payout_rows r JOIN commissions c USING (store_id, commission_id)
			WHERE r.payout_id = payout.payout_id;
		IF result = 'failed' THEN
			PERFORM payout_post(payout.payout_id, 'transfer_failed', 'in_flight', 'available');
		ELSE
			PERFORM payout_post(payout.payout_id, 'transfer_bounced', 'paid', 'available');
		END IF;
	END IF;
	RETURN true;
END $$;
