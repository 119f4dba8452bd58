-- SPDX-License-Identifier: Apache-2.0
-- What is refused, whoever asks: moves of payouts and commissions outside their tables of moves, changes of what is
-- frozen, and rows that do not agree with the ledger.

CREATE FUNCTION wasl.payouts_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
		RAISE EXCEPTION 'payouts are cancelled, never deleted' USING ERRCODE = 'restrict_violation';
	ELSIF (OLD.state, NEW.state) NOT IN (('draft', 'approved'), ('draft', 'cancelled'), ('approved', 'executed'),
		('executed', 'paid'), ('executed', 'failed'), ('paid', 'bounced')) THEN
		RAISE EXCEPTION 'payout %: no move from % to %', OLD.payout_id, OLD.state, NEW.state
			USING ERRCODE = 'check_violation';
	ELSIF (NEW.payout_id, NEW.affiliate_id, NEW.currency, NEW.amount_minor, NEW.drafted_by, NEW.drafted_at)
		IS DISTINCT FROM (OLD.payout_id, OLD.affiliate_id, OLD.currency, OLD.amount_minor, OLD.drafted_by, OLD.drafted_at)
		OR (OLD.approved_by IS NOT NULL AND (NEW.approved_by, NEW.approved_at, NEW.method, NEW.account)
			IS DISTINCT FROM (OLD.approved_by, OLD.approved_at, OLD.method, OLD.account)) THEN
		RAISE EXCEPTION 'payout %: what was drafted and approved never changes', OLD.payout_id
			USING ERRCODE = 'restrict_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER payouts_guard BEFORE UPDATE OR DELETE ON wasl.payouts
	FOR EACH ROW EXECUTE FUNCTION wasl.payouts_guard();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.payouts
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.payouts_guard();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON wasl.payout_rows
	FOR EACH ROW EXECUTE FUNCTION wasl.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.payout_rows
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.refuse_change();

-- An order's sales are found by commissions_of_order, its adjustments by this. Both are partial: an index of all rows by
-- order would look cheaper than the right one to plans that are made while the tables are small (checks of foreign keys).
CREATE INDEX commissions_adjusting ON wasl.commissions (store_id, order_id) WHERE kind = 'adjustment';
-- All of an order's, by both of them.
CREATE VIEW wasl.commissions_of_orders AS
	SELECT * FROM wasl.commissions WHERE kind = 'sale' UNION ALL SELECT * FROM wasl.commissions WHERE kind = 'adjustment';

-- As in 0003, and: what is paid or in a payout is frozen, and moves with its payout alone, whose states only the payout
-- functions change; cash has to be collected, its return window over and no review open before anything is approved; the
-- first amount follows the order's events only as long as nothing was approved.
CREATE OR REPLACE FUNCTION wasl.commissions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		RAISE EXCEPTION 'commissions are voided or reversed, never deleted' USING ERRCODE = 'restrict_violation';
	ELSIF TG_OP = 'INSERT' THEN
		IF NEW.state <> 'pending' AND NOT (NEW.kind = 'adjustment' AND NEW.state = 'approved'
			AND (NEW.amount_minor < 0 OR NEW.funded_by = 'platform')) THEN
			RAISE EXCEPTION 'a commission does not start as %', NEW.state USING ERRCODE = 'check_violation';
		END IF;
		RETURN NEW;
	END IF;
	IF (NEW.store_id, NEW.commission_id, NEW.order_id, NEW.affiliate_id, NEW.kind, NEW.currency, NEW.funded_by)
		IS DISTINCT FROM (OLD.store_id, OLD.commission_id, OLD.order_id, OLD.affiliate_id, OLD.kind, OLD.currency,
			OLD.funded_by) OR NEW.event_id IS DISTINCT FROM OLD.event_id THEN
		RAISE EXCEPTION 'commission %: whose it is, in what currency and who pays for it never change',
			OLD.commission_id USING ERRCODE = 'restrict_violation';
	ELSIF NEW.amount_confirmed_minor <> OLD.amount_confirmed_minor AND OLD.state NOT IN ('pending', 'held', 'voided') THEN
		RAISE EXCEPTION 'commission % is %: its first amount never changes', OLD.commission_id, OLD.state
			USING ERRCODE = 'restrict_violation';
	ELSIF NEW.state <> OLD.state AND NOT EXISTS (SELECT FROM wasl.commission_moves m
		WHERE m.from_state = OLD.state AND m.to_state = NEW.state) THEN
		RAISE EXCEPTION 'commission %: no move from % to %', OLD.commission_id, OLD.state, NEW.state
			USING ERRCODE = 'check_violation';
	ELSIF OLD.payout_id IS NOT NULL OR NEW.payout_id IS NOT NULL OR NEW.state = 'paid' THEN
		PERFORM wasl.commissions_guard_payout(OLD, NEW);
	ELSIF OLD.state = 'held' AND NEW.state = 'approved' THEN
		IF NEW.release_at IS NULL OR NEW.release_at > now() THEN
			RAISE EXCEPTION 'commission %: its return window is not over', OLD.commission_id
				USING ERRCODE = 'check_violation';
		ELSIF EXISTS (SELECT FROM wasl.reviews v WHERE (v.store_id, v.order_id) = (NEW.store_id, NEW.order_id)
			AND v.lifted_at IS NULL) THEN
			RAISE EXCEPTION 'commission %: its order is under review', OLD.commission_id
				USING ERRCODE = 'check_violation';
		END IF;
	END IF;
	RETURN NEW;
END $$;

-- A row that is, or gets, into a payout or out of one.
CREATE FUNCTION wasl.commissions_guard_payout(old wasl.commissions, new wasl.commissions) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	payout CONSTANT payouts := (SELECT p FROM payouts p WHERE p.payout_id = coalesce(old.payout_id, new.payout_id));
BEGIN
	IF to_jsonb(new) - '{state,payout_id,updated_at}'::text[] IS DISTINCT FROM
		to_jsonb(old) - '{state,payout_id,updated_at}'::text[] THEN
		RAISE EXCEPTION 'commission % is %: it never changes', old.commission_id,
			CASE old.state WHEN 'paid' THEN 'paid' ELSE 'in a payout' END USING ERRCODE = 'restrict_violation';
	ELSIF (old.state, old.payout_id, new.state, new.payout_id) IS NOT DISTINCT FROM
			('approved', NULL, 'approved', payout.payout_id) AND payout.state = 'approved' AND EXISTS (
			SELECT FROM payout_rows r WHERE (r.payout_id, r.store_id, r.commission_id, r.amount_minor)
				= (payout.payout_id, new.store_id, new.commission_id, new.amount_minor)) THEN
		RETURN;
	ELSIF (old.state, new.state, new.payout_id) = ('approved', 'paid', payout.payout_id)
		AND old.payout_id = payout.payout_id AND payout.state = 'paid' THEN
		RETURN;
	ELSIF new.payout_id IS NULL AND new.state = 'approved' AND (old.state, payout.state)
		IN (('approved', 'failed'), ('paid', 'bounced')) THEN
		RETURN;
	ELSIF (old.state, old.payout_id) IS NOT DISTINCT FROM (new.state, new.payout_id) THEN
		RETURN;
	END IF;
	RAISE EXCEPTION 'commission %: it goes into a payout, and out of one, with the payout alone', old.commission_id
		USING ERRCODE = 'restrict_violation';
END $$;

-- An order's confirmation that turns out to be earlier is not told any more to what is paid or on its way.
CREATE OR REPLACE FUNCTION wasl.commissions_follow() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
BEGIN
	UPDATE commissions c SET confirmed_at = NEW.confirmed_at, updated_at = now() WHERE c.store_id = NEW.store_id
		AND c.order_id = NEW.order_id AND c.kind = 'sale' AND c.payout_id IS NULL AND c.state <> 'paid';
	RETURN NULL;
END $$;

-- At the end of the transaction each commission that it made, moved or posted has its amount in the account of its
-- state, and nothing in any other. Statements leave the keys of what they touched here, a row a statement; the first
-- deferred trigger of the transaction takes them all, and compares. Row by row this cost four times as much.
CREATE UNLOGGED TABLE wasl.unposted (
	transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
	store_ids bigint[] NOT NULL,
	commission_ids bigint[] NOT NULL
);
CREATE FUNCTION wasl.commissions_touched() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
BEGIN
	INSERT INTO unposted (store_ids, commission_ids)
		SELECT array_agg(a.store_id), array_agg(a.commission_id) FROM added a HAVING count(*) > 0;
	RETURN NULL;
END $$;
CREATE TRIGGER commissions_made AFTER INSERT ON wasl.commissions REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.commissions_touched();
CREATE TRIGGER commissions_moved AFTER UPDATE ON wasl.commissions REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.commissions_touched();
CREATE TRIGGER entries_touched AFTER INSERT ON wasl.entries REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.commissions_touched();

CREATE FUNCTION wasl.commissions_posted() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp SET enable_seqscan = off SET jit = off AS $$
DECLARE
	posting_max CONSTANT interval := '5 minutes'; -- posted_at is when the transaction began: see finance.liability_at
	bad record;
BEGIN
	IF clock_timestamp() > now() + posting_max THEN
		RAISE EXCEPTION 'money is posted within %', posting_max USING ERRCODE = 'serialization_failure';
	END IF;
	WITH taken AS (DELETE FROM unposted u WHERE u.transaction = pg_current_xact_id() RETURNING *)
	SELECT c.commission_id, c.state, c.amount_minor INTO bad
	FROM (SELECT DISTINCT k.store_id, k.commission_id FROM taken t,
		unnest(t.store_ids, t.commission_ids) k (store_id, commission_id)) k
	JOIN commissions c USING (store_id, commission_id)
	LEFT JOIN LATERAL (SELECT
			sum(CASE e.account WHEN 'pending' THEN e.amount_minor ELSE 0 END) AS pending,
			sum(CASE e.account WHEN 'held' THEN e.amount_minor ELSE 0 END) AS held,
			sum(CASE WHEN e.account IN ('available', 'in_payout') THEN e.amount_minor ELSE 0 END) AS approved,
			sum(CASE e.account WHEN 'paid' THEN e.amount_minor ELSE 0 END) AS paid
		FROM entries e WHERE e.store_id = k.store_id AND e.commission_id = k.commission_id OFFSET 0) e ON true
	WHERE coalesce(e.pending, 0) <> CASE c.state WHEN 'pending' THEN c.amount_minor ELSE 0 END
		OR coalesce(e.held, 0) <> CASE c.state WHEN 'held' THEN c.amount_minor ELSE 0 END
		OR coalesce(e.approved, 0) <> CASE c.state WHEN 'approved' THEN c.amount_minor ELSE 0 END
		OR coalesce(e.paid, 0) <> CASE c.state WHEN 'paid' THEN c.amount_minor ELSE 0 END
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'commission % is % %, and the ledger says otherwise', bad.commission_id, bad.state,
			bad.amount_minor USING ERRCODE = 'check_violation';
	END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER commissions_posted AFTER INSERT ON wasl.unposted
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wasl.commissions_posted();

-- What is only ever added to; what was granted, and which coupon an order used, is told once and for ever.
DO $$
DECLARE
	frozen text;
BEGIN
	FOREACH frozen IN ARRAY ARRAY['shares', 'tier_months', 'coupon_status'] LOOP
		EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON wasl.%I
			FOR EACH ROW EXECUTE FUNCTION wasl.refuse_change()', frozen);
	END LOOP;
	FOREACH frozen IN ARRAY ARRAY['grants', 'coupon_uses', 'period_caps'] LOOP
		EXECUTE format('CREATE TRIGGER refuse_change BEFORE DELETE ON wasl.%I
			FOR EACH ROW EXECUTE FUNCTION wasl.refuse_change()', frozen);
	END LOOP;
	FOREACH frozen IN ARRAY ARRAY['shares', 'tier_months', 'coupon_status', 'grants', 'coupon_uses', 'period_caps'] LOOP
		EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.%I
			FOR EACH STATEMENT EXECUTE FUNCTION wasl.refuse_change()', frozen);
	END LOOP;
END $$;
CREATE FUNCTION wasl.grants_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (NEW.store_id, NEW.order_id, NEW.affiliate_id, NEW.rule_id, NEW.month, NEW.granted_at)
		IS DISTINCT FROM (OLD.store_id, OLD.order_id, OLD.affiliate_id, OLD.rule_id, OLD.month, OLD.granted_at)
		OR (NEW.granted_minor <> OLD.granted_minor AND NEW.wish_minor = OLD.wish_minor) THEN
		RAISE EXCEPTION 'order %: what it was granted under rule % never changes but with what it asked for',
			OLD.order_id, OLD.rule_id
			USING ERRCODE = 'restrict_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER grants_guard BEFORE UPDATE ON wasl.grants FOR EACH ROW EXECUTE FUNCTION wasl.grants_guard();
