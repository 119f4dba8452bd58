-- SPDX-License-Identifier: Apache-2.0
-- Whose it is, and how much: commissions, and the ledger that every change of them goes through.

-- The states and their legal moves; attributor and tests take theirs from common/commission.def, which a test
-- compares with these rows.
CREATE TABLE wasl.commission_states (
	state text PRIMARY KEY,
	arabic text NOT NULL,
	bucket text
);
INSERT INTO wasl.commission_states VALUES
	('pending', 'معلّق لحين التحصيل', 'pending'),
	('held', 'محصّل – فترة الاسترجاع', 'held'),
	('approved', 'مستحق الصرف', 'available'),
	('paid', 'تم الصرف', 'paid'),
	('voided', 'ملغى', NULL),
	('reversed', 'معكوس بعد الاستحقاق', NULL);
CREATE TABLE wasl.commission_moves (
	from_state text NOT NULL REFERENCES wasl.commission_states,
	to_state text NOT NULL REFERENCES wasl.commission_states,
	PRIMARY KEY (from_state, to_state)
);
INSERT INTO wasl.commission_moves VALUES
	('pending', 'held'), ('pending', 'voided'),
	('held', 'approved'), ('held', 'pending'), ('held', 'voided'),
	('approved', 'paid'), ('approved', 'reversed'),
	('voided', 'pending'), ('reversed', 'approved'),
	('paid', 'approved');

CREATE TABLE wasl.commissions (
	store_id bigint NOT NULL,
	commission_id bigint NOT NULL CHECK (commission_id > 0),
	order_id text NOT NULL,
	affiliate_id bigint NOT NULL REFERENCES wasl.affiliates,
	kind text NOT NULL DEFAULT 'sale' CHECK (kind IN ('sale', 'adjustment')),
	state text NOT NULL DEFAULT 'pending' REFERENCES wasl.commission_states,
	currency text NOT NULL,
	amount_minor bigint NOT NULL,
	amount_confirmed_minor bigint NOT NULL,
	confirmed_at timestamptz NOT NULL,
	release_at timestamptz,
	payout_id bigint,
	reason text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 64),
	decision_version integer NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store_id, commission_id),
	UNIQUE (store_id, commission_id, affiliate_id, currency),
	FOREIGN KEY (store_id, order_id, currency) REFERENCES wasl.orders (store_id, order_id, currency),
	CHECK (kind = 'adjustment' OR amount_minor >= 0),
	CHECK (state NOT IN ('voided', 'reversed') OR amount_minor = 0)
);
CREATE SEQUENCE wasl.commission_ids;
ALTER TABLE wasl.commissions ALTER commission_id SET DEFAULT nextval('wasl.commission_ids');
CREATE UNIQUE INDEX commissions_of_order ON wasl.commissions (store_id, order_id, affiliate_id) WHERE kind = 'sale';
CREATE INDEX commissions_by_id ON wasl.commissions (commission_id);
CREATE INDEX commissions_by_affiliate ON wasl.commissions (affiliate_id, commission_id);
CREATE INDEX commissions_pending ON wasl.commissions (commission_id) WHERE state = 'pending';
CREATE INDEX commissions_confirmed ON wasl.commissions (confirmed_at);

CREATE FUNCTION wasl.commissions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		RAISE EXCEPTION 'commissions are voided or reversed, never deleted' USING ERRCODE = 'restrict_violation';
	ELSIF TG_OP = 'INSERT' THEN
		IF NEW.state <> 'pending' AND NOT (NEW.kind = 'adjustment' AND NEW.state IN ('held', 'approved')) THEN
			RAISE EXCEPTION 'a commission does not start as %', NEW.state USING ERRCODE = 'check_violation';
		END IF;
		RETURN NEW;
	END IF;
	IF (NEW.store_id, NEW.commission_id, NEW.order_id, NEW.affiliate_id, NEW.kind, NEW.currency)
		IS DISTINCT FROM (OLD.store_id, OLD.commission_id, OLD.order_id, OLD.affiliate_id, OLD.kind, OLD.currency)
		OR NEW.amount_confirmed_minor <> OLD.amount_confirmed_minor THEN
		RAISE EXCEPTION 'commission %: whose it is, in what currency and its first amount never change',
			OLD.commission_id USING ERRCODE = 'restrict_violation';
	END IF;
	IF OLD.state = 'paid' AND NEW.amount_minor <> OLD.amount_minor THEN
		RAISE EXCEPTION 'commission % is paid: its amount never changes', OLD.commission_id
			USING ERRCODE = 'restrict_violation';
	END IF;
	IF NEW.state <> OLD.state AND NOT EXISTS (SELECT FROM wasl.commission_moves m
		WHERE m.from_state = OLD.state AND m.to_state = NEW.state) THEN
		RAISE EXCEPTION 'commission %: no move from % to %', OLD.commission_id, OLD.state, NEW.state
			USING ERRCODE = 'check_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER commissions_guard BEFORE INSERT OR UPDATE OR DELETE ON wasl.commissions
	FOR EACH ROW EXECUTE FUNCTION wasl.commissions_guard();
-- An order's confirmation that turns out to be earlier, because its event came late, is its commissions' too.
CREATE FUNCTION wasl.commissions_follow() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
BEGIN
	UPDATE commissions c SET confirmed_at = NEW.confirmed_at, updated_at = now()
		WHERE c.store_id = NEW.store_id AND c.order_id = NEW.order_id AND c.kind = 'sale';
	RETURN NULL;
END $$;
CREATE TRIGGER commissions_follow AFTER UPDATE OF confirmed_at ON wasl.orders FOR EACH ROW
	WHEN (OLD.confirmed_at <> NEW.confirmed_at) EXECUTE FUNCTION wasl.commissions_follow();

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.commissions
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.refuse_change();

-- The ledger. Seven accounts per (store, affiliate, currency), plus favours the affiliate. entries are the truth;
-- accounts keep their running sums, written by the trigger below and by nobody else.
CREATE TABLE wasl.accounts (
	store_id bigint NOT NULL,
	affiliate_id bigint NOT NULL,
	currency text NOT NULL,
	store_minor bigint NOT NULL DEFAULT 0 CHECK (store_minor <= 0),
	pending_minor bigint NOT NULL DEFAULT 0 CHECK (pending_minor >= 0),
	held_minor bigint NOT NULL DEFAULT 0 CHECK (held_minor >= 0),
	available_minor bigint NOT NULL DEFAULT 0,
	in_payout_minor bigint NOT NULL DEFAULT 0 CHECK (in_payout_minor >= 0),
	paid_minor bigint NOT NULL DEFAULT 0 CHECK (paid_minor >= 0),
	platform_minor bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (store_id, affiliate_id, currency),
	CHECK (store_minor::numeric + pending_minor + held_minor + available_minor + in_payout_minor + paid_minor
		+ platform_minor = 0)
);
CREATE INDEX accounts_by_affiliate ON wasl.accounts (affiliate_id);

CREATE SEQUENCE wasl.ledger_transactions;
CREATE TABLE wasl.entries (
	store_id bigint NOT NULL,
	entry_id bigint GENERATED ALWAYS AS IDENTITY,
	transaction_id bigint NOT NULL,
	affiliate_id bigint NOT NULL,
	currency text NOT NULL,
	account text NOT NULL CHECK (account IN (
		'store', 'pending', 'held', 'available', 'in_payout', 'paid', 'platform')),
	amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
	move text NOT NULL CHECK (octet_length(move) BETWEEN 1 AND 32),
	commission_id bigint,
	actor text NOT NULL DEFAULT session_user,
	posted_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store_id, entry_id),
	FOREIGN KEY (store_id, commission_id, affiliate_id, currency)
		REFERENCES wasl.commissions (store_id, commission_id, affiliate_id, currency)
);
CREATE INDEX entries_of_commission ON wasl.entries (store_id, commission_id);

-- Each INSERT balances by itself, per transaction, affiliate and currency; then the accounts follow, locked in the
-- order of their keys so that two batches never wait for each other in a circle.
CREATE FUNCTION wasl.entries_post() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = wasl, pg_temp AS $$
DECLARE
	bad record;
BEGIN
	SELECT a.transaction_id, a.currency, sum(a.amount_minor) AS rest INTO bad FROM added a
		GROUP BY a.store_id, a.transaction_id, a.affiliate_id, a.currency HAVING sum(a.amount_minor) <> 0 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'ledger transaction % is out of balance by % %', bad.transaction_id, bad.rest, bad.currency
			USING ERRCODE = 'check_violation';
	END IF;
	INSERT INTO accounts (store_id, affiliate_id, currency)
		SELECT DISTINCT store_id, affiliate_id, currency FROM added ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;
	PERFORM FROM accounts c WHERE (c.store_id, c.affiliate_id, c.currency) IN (
		SELECT a.store_id, a.affiliate_id, a.currency FROM added a)
		ORDER BY c.store_id, c.affiliate_id, c.currency FOR UPDATE;
	UPDATE accounts c SET
		store_minor = c.store_minor + d.store, pending_minor = c.pending_minor + d.pending,
		held_minor = c.held_minor + d.held, available_minor = c.available_minor + d.available,
		in_payout_minor = c.in_payout_minor + d.in_payout, paid_minor = c.paid_minor + d.paid,
		platform_minor = c.platform_minor + d.platform
	FROM (SELECT a.store_id, a.affiliate_id, a.currency,
			coalesce(sum(a.amount_minor) FILTER (WHERE a.account = 'store'), 0)::bigint AS store,
			coalesce(sum(a.amount_minor) FILTER (WHERE a.account = 'pending'), 0)::bigint AS pending,
			coalesce(sum(a.amount_minor) FILTER (WHERE a.account = 'held'), 0)::bigint AS held,
			coalesce(sum(a.amount_minor) FILTER (WHERE a.account = 'available'), 0)::bigint AS available,
			coalesce(sum(a.amount_minor) FILTER (WHERE a.account = 'in_payout'), 0)::bigint AS in_payout,
			coalesce(sum(a.amount_minor) FILTER (WHERE a.account = 'paid'), 0)::bigint AS paid,
			coalesce(sum(a.amount_minor) FILTER (WHERE a.account = 'platform'), 0)::bigint AS platform
		FROM added a GROUP BY 1, 2, 3) d
	WHERE (c.store_id, c.affiliate_id, c.currency) = (d.store_id, d.affiliate_id, d.currency);
	RETURN NULL;
END $$;
CREATE TRIGGER entries_post AFTER INSERT ON wasl.entries REFERENCING NEW TABLE AS added
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.entries_post();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON wasl.entries
	FOR EACH ROW EXECUTE FUNCTION wasl.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.entries
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.accounts
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.refuse_change();
