-- SPDX-License-Identifier: Apache-2.0
-- An order's commissions are found by its number alone.

-- Finance asks its views by an order's number, often without knowing the store's: else all that is pending is read for it.
-- By number first, and not by store: see 0010 on what an index of all rows by store would do to plans made early.
CREATE INDEX commissions_by_order ON wasl.commissions (order_id);
