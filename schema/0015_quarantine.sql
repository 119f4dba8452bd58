-- SPDX-License-Identifier: Apache-2.0
-- Events that were answered 202 and that the database then refused: kept until an operator has them tried again, or
-- drops them. They hold nobody else up.

CREATE TABLE wasl.quarantine (
	quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	store_id bigint NOT NULL,
	event_id text NOT NULL CHECK (octet_length(event_id) BETWEEN 1 AND 256),
	body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
	received_at timestamptz NOT NULL,
	sealed_facts bytea,
	sealed_body bytea,
	code text NOT NULL CHECK (octet_length(code) BETWEEN 1 AND 64),
	detail text NOT NULL CHECK (octet_length(detail) <= 1000),
	state text NOT NULL CHECK (state IN ('waiting', 'retrying', 'posted', 'dropped')),
	put_at timestamptz NOT NULL DEFAULT now(),
	changed_at timestamptz NOT NULL DEFAULT now(),
	changed_by text NOT NULL DEFAULT session_user,
	reason text CHECK (octet_length(reason) BETWEEN 1 AND 1000),
	UNIQUE (store_id, event_id, body_sha256),
	CHECK (state IN ('posted', 'dropped') OR (sealed_facts IS NOT NULL AND sealed_body IS NOT NULL)),
	CHECK ((state = 'dropped') = (reason IS NOT NULL))
);
CREATE INDEX quarantine_open ON wasl.quarantine (state, quarantine_id) WHERE state IN ('waiting', 'retrying');
COMMENT ON COLUMN wasl.quarantine.sealed_facts IS
	'AES-256-GCM, associated data "facts <store> <webhook-id>"; null: posted, or dropped long ago';
COMMENT ON COLUMN wasl.quarantine.state IS
	'waiting: for an operator; retrying: for the next attempt; posted: it took effect; dropped: it never will';

CREATE FUNCTION wasl.quarantine_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.state = 'posted' OR TG_OP = 'DELETE' THEN
		RAISE EXCEPTION 'quarantine %: % refused', OLD.quarantine_id, TG_OP USING ERRCODE = 'restrict_violation';
	END IF;
	IF (NEW.store_id, NEW.event_id, NEW.body_sha256, NEW.received_at) IS DISTINCT FROM
		(OLD.store_id, OLD.event_id, OLD.body_sha256, OLD.received_at) THEN
		RAISE EXCEPTION 'quarantine %: an event is never changed', OLD.quarantine_id
			USING ERRCODE = 'restrict_violation';
	END IF;
	NEW.changed_at := now();
	NEW.changed_by := session_user;
	RETURN NEW;
END $$;
CREATE TRIGGER quarantine_guard BEFORE UPDATE OR DELETE ON wasl.quarantine
	FOR EACH ROW EXECUTE FUNCTION wasl.quarantine_guard();

-- Keeps an event, waiting or retrying. What is there already stays as it is; what was dropped waits again, since its
-- sender was told again that it was taken.
CREATE FUNCTION wasl.quarantine_put(
	in_store bigint, in_event text, in_hash bytea, in_received timestamptz, in_code text, in_detail text,
	in_facts bytea, in_body bytea, in_state text)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	INSERT INTO wasl.quarantine AS q (store_id, event_id, body_sha256, received_at, code, detail, sealed_facts,
		sealed_body, state)
	VALUES (in_store, in_event, in_hash, in_received, in_code, in_detail, in_facts, in_body, in_state)
	ON CONFLICT (store_id, event_id, body_sha256) DO UPDATE SET state = EXCLUDED.state, code = EXCLUDED.code,
		detail = EXCLUDED.detail, sealed_facts = EXCLUDED.sealed_facts, sealed_body = EXCLUDED.sealed_body,
		reason = NULL WHERE q.state = 'dropped'
	RETURNING quarantine_id
$$;

-- What became of an attempt: posted, or why not; a null code means to try again. One that is no longer retrying stays.
CREATE FUNCTION wasl.quarantine_settle(in_id bigint, is_posted boolean, in_code text, in_detail text)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	UPDATE wasl.quarantine SET state = CASE WHEN is_posted THEN 'posted' ELSE 'waiting' END,
		code = coalesce(in_code, code), detail = coalesce(in_detail, detail),
		sealed_facts = CASE WHEN is_posted THEN NULL ELSE sealed_facts END,
		sealed_body = CASE WHEN is_posted THEN NULL ELSE sealed_body END
	WHERE quarantine_id = in_id AND state = 'retrying'
$$;

CREATE FUNCTION wasl.quarantine_state(in_id bigint, allowed text[]) RETURNS text
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	found_state text;
BEGIN
	SELECT state INTO found_state FROM wasl.quarantine WHERE quarantine_id = in_id FOR UPDATE;
	IF found_state IS NULL THEN
		RAISE EXCEPTION 'there is no event % in quarantine', in_id USING ERRCODE = 'no_data_found';
	ELSIF found_state <> ALL (allowed) THEN
		RAISE EXCEPTION 'event % in quarantine is %', in_id, found_state USING ERRCODE = 'check_violation';
	END IF;
	RETURN found_state;
END $$;

CREATE FUNCTION wasl.quarantine_retry(in_id bigint) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM wasl.quarantine_state(in_id, ARRAY['waiting', 'retrying']);
	UPDATE wasl.quarantine SET state = 'retrying' WHERE quarantine_id = in_id AND state = 'waiting';
END $$;

CREATE FUNCTION wasl.quarantine_drop(in_id bigint, in_reason text) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM wasl.quarantine_state(in_id, ARRAY['waiting']);
	IF EXISTS (SELECT FROM wasl.quarantine q JOIN wasl.event_ids USING (store_id, event_id, body_sha256)
			WHERE quarantine_id = in_id) THEN
		RAISE EXCEPTION 'event % took effect when it was sent again: a retry says so', in_id
			USING ERRCODE = 'check_violation';
	END IF;
	UPDATE wasl.quarantine SET state = 'dropped', reason = in_reason WHERE quarantine_id = in_id;
END $$;

-- Forgets the bytes of what was dropped before the instant; returns how many. Their names and hashes stay.
CREATE FUNCTION wasl.quarantine_forget(dropped_before timestamptz) RETURNS bigint
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	WITH forgotten AS (
		UPDATE wasl.quarantine SET sealed_facts = NULL, sealed_body = NULL
		WHERE state = 'dropped' AND sealed_facts IS NOT NULL AND changed_at < dropped_before RETURNING 1)
	SELECT count(*) FROM forgotten
$$;

-- Ends what is kept of bodies from before the instant: whole months, what had no month of its own, what was dropped from
-- quarantine. Returns how many partitions and rows. Facts and hashes stay.
CREATE FUNCTION wasl.bodies_forget(received_before timestamptz) RETURNS bigint
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	forgotten bigint := wasl.drop_body_partitions(received_before);
	deleted bigint;
BEGIN
	DELETE FROM wasl.event_bodies_rest WHERE received_at < received_before;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN forgotten + deleted + wasl.quarantine_forget(received_before);
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA wasl FROM PUBLIC;
GRANT SELECT ON wasl.quarantine TO wasl_attributor;
GRANT EXECUTE ON FUNCTION
	wasl.quarantine_put(bigint, text, bytea, timestamptz, text, text, bytea, bytea, text),
	wasl.quarantine_settle(bigint, boolean, text, text), wasl.bodies_forget(timestamptz) TO wasl_attributor;
