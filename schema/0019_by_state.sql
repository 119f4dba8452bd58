-- SPDX-License-Identifier: Apache-2.0
-- Commissions in a state are found without those that are paid.

-- A list by state begins at the oldest commission, and of a grown market nearly all of those are paid. What is pending
-- has an index of its own; a commission enters this one when it becomes held, so that an order's confirmation has no part
-- in it.
CREATE INDEX commissions_by_state ON wasl.commissions (state, commission_id)
	WHERE state IN ('held', 'approved', 'voided', 'reversed');
