-- SPDX-License-Identifier: Apache-2.0
-- The four roles, made once per server by a superuser, before the first `waslctl migrate`. Passwords are set by
-- hand (ALTER ROLE … PASSWORD); running this file again changes nothing.
DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY ARRAY['wasl', 'wasl_attributor', 'wasl_finance', 'wasl_cashier'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
			EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', role);
		END IF;
	END LOOP;
END $$;
