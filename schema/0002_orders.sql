-- SPDX-License-Identifier: Apache-2.0
-- What happened (events), what it amounts to (orders), and who earned it and why (decisions and their lines).

-- The lock that every event of an order takes first, and what the fold made of its events.
CREATE TABLE wasl.orders (
	store_id bigint NOT NULL REFERENCES wasl.stores,
	order_id text NOT NULL CHECK (octet_length(order_id) BETWEEN 1 AND 128),
	state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'placed', 'confirmed')),
	currency text REFERENCES wasl.currencies,
	placed_at timestamptz,
	confirmed_at timestamptz,
	is_waiting boolean NOT NULL DEFAULT false,
	is_test boolean NOT NULL DEFAULT false,
	decision_version integer,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (store_id, order_id),
	UNIQUE (store_id, order_id, currency),
	CHECK (state = 'new' OR (currency IS NOT NULL AND placed_at IS NOT NULL))
);
COMMENT ON COLUMN wasl.orders.state IS 'new: only events that cannot be folded yet';

CREATE FUNCTION wasl.orders_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.currency IS NOT NULL AND NEW.currency IS DISTINCT FROM OLD.currency THEN
		RAISE EXCEPTION 'order % of store %: its currency is %, not %', OLD.order_id, OLD.store_id,
			OLD.currency, NEW.currency USING ERRCODE = 'check_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER orders_guard BEFORE UPDATE OF currency ON wasl.orders
	FOR EACH ROW EXECUTE FUNCTION wasl.orders_guard();

CREATE FUNCTION wasl.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '%.% is only ever added to: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
		USING ERRCODE = 'restrict_violation';
END $$;

-- Each webhook-id of a store once, for ever, with the hash of its body and the decision its answer tells.
CREATE TABLE wasl.event_ids (
	store_id bigint NOT NULL,
	event_id text NOT NULL CHECK (octet_length(event_id) BETWEEN 1 AND 256),
	order_id text NOT NULL,
	body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
	received_at timestamptz NOT NULL,
	decision_version integer,
	PRIMARY KEY (store_id, event_id)
);
COMMENT ON COLUMN wasl.event_ids.decision_version IS 'null: the answer was "deferred"';

-- Parsed facts, for ever.
CREATE TABLE wasl.events (
	store_id bigint NOT NULL,
	order_id text NOT NULL,
	event_id text NOT NULL,
	type text NOT NULL CHECK (type IN ('order.placed', 'order.confirmed', 'order.amended', 'order.shipped',
		'order.delivered', 'order.collected', 'order.refunded', 'order.returned', 'order.refused',
		'order.cancelled', 'order.reinstated')),
	occurred_at timestamptz NOT NULL,
	received_at timestamptz NOT NULL,
	order_version bigint,
	effect text NOT NULL CHECK (octet_length(effect) BETWEEN 1 AND 64),
	facts jsonb NOT NULL,
	PRIMARY KEY (store_id, order_id, event_id),
	FOREIGN KEY (store_id, order_id) REFERENCES wasl.orders
);
COMMENT ON COLUMN wasl.events.effect IS 'what it did when it was taken: decided, accrued, amended, unchanged, deferred';

-- The body as it came, sealed (AES-256-GCM, associated data "event <store> <webhook-id>"), for the retention time.
CREATE TABLE wasl.event_bodies (
	store_id bigint NOT NULL,
	event_id text NOT NULL,
	received_at timestamptz NOT NULL,
	sealed bytea NOT NULL,
	PRIMARY KEY (store_id, event_id, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE wasl.event_bodies_rest PARTITION OF wasl.event_bodies DEFAULT;

-- Makes the partitions of this month and of months_ahead after it; returns how many were new. A month whose rows
-- already went to the DEFAULT partition stays there.
CREATE FUNCTION wasl.make_body_partitions(months_ahead integer) RETURNS integer
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	first_day date;
	made integer := 0;
	partition_name text;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('wasl.event_bodies'));
	FOR month IN 0 .. least(months_ahead, 24) LOOP
		first_day := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => month))::date;
		partition_name := 'event_bodies_' || to_char(first_day, 'YYYY_MM');
		CONTINUE WHEN to_regclass('wasl.' || partition_name) IS NOT NULL;
		CONTINUE WHEN EXISTS (SELECT FROM wasl.event_bodies_rest
			WHERE received_at >= first_day::timestamp AT TIME ZONE 'UTC'
			AND received_at < (first_day + interval '1 month') AT TIME ZONE 'UTC');
		EXECUTE format('CREATE TABLE wasl.%I PARTITION OF wasl.event_bodies FOR VALUES FROM (%L) TO (%L)',
			partition_name, first_day::text || ' 00:00:00+00',
			(first_day + interval '1 month')::date::text || ' 00:00:00+00');
		made := made + 1;
	END LOOP;
	RETURN made;
END $$;

-- Drops whole months that ended before the instant; returns how many went. Facts and hashes stay.
CREATE FUNCTION wasl.drop_body_partitions(ended_before timestamptz) RETURNS integer
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	dropped integer := 0;
	partition_name text;
BEGIN
	IF ended_before > now() - interval '1 day' THEN
		RAISE EXCEPTION 'raw bodies are kept for at least a day' USING ERRCODE = 'check_violation';
	END IF;
	FOR partition_name IN
		SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'wasl.event_bodies'::regclass AND c.relname ~ '^event_bodies_[0-9]{4}_[0-9]{2}$'
		AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= ended_before
	LOOP
		EXECUTE format('DROP TABLE wasl.%I', partition_name);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
END $$;

-- Who earned an order, and why. Version n supersedes version n - 1, each version is superseded once, and none is
-- ever changed: so an order has one live decision, its highest version, and no second one can be made.
CREATE TABLE wasl.decisions (
	store_id bigint NOT NULL,
	order_id text NOT NULL,
	version integer NOT NULL CHECK (version >= 1),
	supersedes integer,
	event_id text NOT NULL,
	decided_at timestamptz NOT NULL DEFAULT now(),
	result text NOT NULL CHECK (result IN ('attributed', 'unattributed', 'waiting', 'conflict')),
	reason text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 64),
	evidence text CHECK (evidence IN ('record', 'token', 'coupon')),
	model text NOT NULL,
	precedence text NOT NULL,
	candidates jsonb NOT NULL CHECK (jsonb_typeof(candidates) = 'array'),
	commissions jsonb NOT NULL CHECK (jsonb_typeof(commissions) = 'array'),
	PRIMARY KEY (store_id, order_id, version),
	UNIQUE NULLS NOT DISTINCT (store_id, order_id, supersedes),
	FOREIGN KEY (store_id, order_id) REFERENCES wasl.orders,
	FOREIGN KEY (store_id, order_id, supersedes) REFERENCES wasl.decisions (store_id, order_id, version),
	CHECK (supersedes IS NOT DISTINCT FROM nullif(version - 1, 0)),
	CHECK ((result = 'attributed') = (evidence IS NOT NULL))
);
COMMENT ON COLUMN wasl.decisions.commissions IS 'as the webhook was answered: id, affiliate_id, amount, currency, state';

-- The numbers of a decision, frozen: one row a line and winner (affiliate_id 0: nobody won).
CREATE TABLE wasl.order_lines (
	store_id bigint NOT NULL,
	order_id text NOT NULL,
	version integer NOT NULL,
	affiliate_id bigint NOT NULL,
	line_index integer NOT NULL CHECK (line_index >= 0),
	line_id text NOT NULL,
	external_id text NOT NULL,
	product_id bigint,
	quantity bigint NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
	base_minor bigint NOT NULL CHECK (base_minor >= 0),
	rule jsonb,
	amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
	reason text,
	PRIMARY KEY (store_id, order_id, version, affiliate_id, line_index),
	FOREIGN KEY (store_id, order_id, version) REFERENCES wasl.decisions
);
COMMENT ON COLUMN wasl.order_lines.base_minor IS 'net of discounts and tax: what the rate applies to';
COMMENT ON COLUMN wasl.order_lines.rule IS 'rule_id, level, rate, fixed as they were; null: none matched';

CREATE TABLE wasl.reviews (
	store_id bigint NOT NULL,
	order_id text NOT NULL,
	review_id bigint GENERATED ALWAYS AS IDENTITY,
	reason text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 64),
	opened_by text NOT NULL DEFAULT session_user,
	opened_at timestamptz NOT NULL DEFAULT now(),
	due_at timestamptz NOT NULL DEFAULT now() + interval '7 days',
	lifted_by text,
	lifted_at timestamptz,
	PRIMARY KEY (store_id, order_id, review_id),
	FOREIGN KEY (store_id, order_id) REFERENCES wasl.orders,
	CHECK ((lifted_by IS NULL) = (lifted_at IS NULL))
);
CREATE UNIQUE INDEX reviews_open ON wasl.reviews (store_id, order_id, reason) WHERE lifted_at IS NULL;

DO $$
DECLARE
	frozen text;
BEGIN
	FOREACH frozen IN ARRAY ARRAY['event_ids', 'events', 'decisions', 'order_lines', 'affiliate_status'] LOOP
		EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON wasl.%I
			FOR EACH ROW EXECUTE FUNCTION wasl.refuse_change()', frozen);
		EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.%I
			FOR EACH STATEMENT EXECUTE FUNCTION wasl.refuse_change()', frozen);
	END LOOP;
END $$;
CREATE TRIGGER refuse_change BEFORE UPDATE ON wasl.event_bodies
	FOR EACH ROW EXECUTE FUNCTION wasl.refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON wasl.event_bodies
	FOR EACH STATEMENT EXECUTE FUNCTION wasl.refuse_change();
