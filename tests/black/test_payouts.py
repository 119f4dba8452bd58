# SPDX-License-Identifier: Apache-2.0
"""Payouts in the database: from the draft to what the bank said, and what nobody gets past."""

import unittest

import stack as stacks
from rows import Rows

stack = stacks.Stack(stacks.PATIENT)
rows = Rows(stack)
KINDS = ("store", "pending", "held", "available", "in_payout", "paid", "platform")


def setUpModule():
    stack.start()
    for store, currency in (("One", "EGP"), ("Two", "EGP"), ("Dinar", "KWD")):
        stack.ctl("store", "add", "--name", store, "--url", "https://%s.example" % store.lower(), "--currency", currency,
                  "--rate", "10%")
    stack.ctl("affiliate", "add", "--name", "=Sara")
    stack.stop_service("attributor")


def tearDownModule():
    stack.stop()


class Case(unittest.TestCase):
    def setUp(self):
        """Each test has an affiliate of its own."""
        self.affiliate = self.add("'bank', 'EG380019000'")
        self.addCleanup(lambda: self.assertEqual(stack.sql("SELECT * FROM wasl.verify()"), []))

    def add(self, account):
        return int(stack.sql("WITH made AS (INSERT INTO wasl.affiliates (name, payout_method, payout_account) VALUES "
                             "('%s', %s) RETURNING affiliate_id) INSERT INTO wasl.affiliate_status SELECT affiliate_id, "
                             "'-infinity', 'active' FROM made RETURNING affiliate_id"
                             % (self.id().rsplit(".", 1)[1], account))[0][0])

    def refused(self, query, words, role="cashier"):
        with self.assertRaises(AssertionError) as caught:
            stack.sql("BEGIN;" + query + ";COMMIT", role)
        self.assertIn(words, str(caught.exception))

    def order(self, amount, state="approved", **more):
        return rows.order(amount, state, self.affiliate, **more)

    def draft(self, role="owner"):
        return [row[0] for row in stack.sql("SELECT wasl.payout_draft(%d)" % self.affiliate, role)]

    def approved(self):
        payout = self.draft()[0]
        stack.sql("SELECT wasl.payout_approve(%s)" % payout, "cashier")
        return payout

    def executed(self):
        payout = self.approved()
        lines = stack.sql("SELECT * FROM wasl.payout_execute(%s)" % payout, "cashier")
        self.assertEqual(len(lines), 1)
        return payout, lines[0][5]

    def told(self, reference, result):
        return rows.one("SELECT wasl.payout_import('%s', '%s')" % (reference, result), "cashier") == "t"

    def accounts(self, store=1, currency="EGP"):
        return dict(zip(KINDS, rows.accounts(self.affiliate, store, currency)))

    def payout(self, payout):
        return stack.sql("SELECT state, amount FROM finance.payouts WHERE payout_id = %s" % payout, "finance")[0]


class Life(Case):
    def test_from_the_draft_to_what_the_bank_said(self):
        _, commission = self.order(8000)
        payout = self.draft()[0]
        self.assertEqual(self.payout(payout), ["draft", "80.00"])
        self.assertEqual(rows.row(commission), ["approved", "8000", ""])
        stack.sql("SELECT wasl.payout_approve(%s)" % payout, "cashier")
        self.assertEqual(rows.row(commission), ["approved", "8000", payout])
        self.assertEqual((self.accounts()["available"], self.accounts()["in_payout"]), (0, 8000))
        lines = stack.sql("SELECT * FROM wasl.payout_execute(%s)" % payout, "cashier")
        self.assertEqual(lines, [[self.id().rsplit(".", 1)[1], "bank", "EG380019000", "80.00", "EGP", "WASL-" + payout]])
        self.assertEqual(stack.sql("SELECT * FROM wasl.payout_execute(%s)" % payout, "cashier"), lines)
        self.assertTrue(self.told("WASL-" + payout, "paid"))
        self.assertFalse(self.told("WASL-" + payout, "paid"))
        self.assertEqual(rows.row(commission), ["paid", "8000", payout])
        self.assertEqual((self.accounts()["in_payout"], self.accounts()["paid"]), (0, 8000))
        self.assertEqual(self.payout(payout), ["paid", "80.00"])
        moves = stack.sql("SELECT move, account, amount_minor, actor FROM wasl.entries WHERE commission_id = %s "
                          "ORDER BY entry_id OFFSET 6" % commission)
        self.assertEqual(moves, [["payout", "available", "-8000", "wasl_cashier"],
                                 ["payout", "in_payout", "8000", "wasl_cashier"],
                                 ["transfer_succeeded", "in_payout", "-8000", "wasl_cashier"],
                                 ["transfer_succeeded", "paid", "8000", "wasl_cashier"]])

    def test_a_failed_transfer_is_payable_again(self):
        _, commission = self.order(500)
        payout, reference = self.executed()
        self.assertTrue(self.told(reference, "failed"))
        self.assertFalse(self.told(reference, "failed"))
        self.assertEqual(rows.row(commission), ["approved", "500", ""])
        self.assertEqual((self.accounts()["available"], self.accounts()["in_payout"]), (500, 0))
        self.refused("SELECT wasl.payout_import('%s', 'paid')" % reference, "it cannot have been paid")
        again = self.draft()[0]
        self.assertNotEqual(again, payout)

    def test_only_what_was_paid_bounces(self):
        _, commission = self.order(500)
        payout, reference = self.executed()
        self.refused("SELECT wasl.payout_import('%s', 'bounced')" % reference, "is executed, it cannot have bounced")
        self.told(reference, "paid")
        self.refused("SELECT wasl.payout_import('%s', 'failed')" % reference, "is paid, it cannot have failed")
        self.assertTrue(self.told(reference, "bounced"))
        self.assertFalse(self.told(reference, "bounced"))
        self.assertEqual(rows.row(commission), ["approved", "500", ""])
        self.assertEqual((self.accounts()["available"], self.accounts()["paid"]), (500, 0))
        self.assertEqual(self.payout(payout)[0], "bounced")

    def test_what_was_paid_and_came_back_is_taken_from_the_next(self):
        """MONEY's line: 80.00 paid, then all returned; the next payout of 200.00 pays 120.00."""
        order, _ = self.order(8000)
        self.told(self.executed()[1], "paid")
        taken = rows.clawback(order, 8000, self.affiliate)
        self.assertEqual(self.accounts()["available"], -8000)
        self.assertEqual(self.draft(), [])
        self.order(20000)
        payout, reference = self.executed()
        self.assertEqual(self.payout(payout)[1], "120.00")
        self.told(reference, "paid")
        self.assertEqual(rows.row(taken), ["paid", "-8000", payout])
        self.assertEqual((self.accounts()["paid"], self.accounts()["store"]), (20000, -20000))

    def test_a_store_that_is_owed_is_netted_with_another(self):
        order, _ = self.order(8000, store=2)
        self.told(self.executed()[1], "paid")
        rows.clawback(order, 8000, self.affiliate, 2)
        self.order(20000)
        payout, reference = self.executed()
        self.assertEqual(self.payout(payout)[1], "120.00")
        self.assertEqual((self.accounts()["in_payout"], self.accounts(2)["in_payout"]), (20000, 0))
        self.assertEqual(self.accounts(2)["available"], -8000)
        self.assertEqual(stack.sql("SELECT * FROM wasl.verify()"), [])
        self.told(reference, "paid")
        self.assertEqual((self.accounts()["paid"], self.accounts(2)["paid"]), (20000, 0))
        self.assertEqual(self.accounts(2)["available"], 0)
        self.told(reference, "bounced")
        self.assertEqual((self.accounts()["available"], self.accounts(2)["available"]), (20000, -8000))
        self.assertEqual(self.accounts(2)["paid"], 8000)

    def test_currencies_are_paid_apart(self):
        self.order(100)
        self.order(411, store=3, currency="KWD")
        self.assertEqual([self.payout(payout)[1] for payout in self.draft()], ["1.00", "0.411"])


class Left(Case):
    """What a draft leaves out."""

    def test_less_than_the_minimum(self):
        stack.sql("SELECT wasl.payout_minimum_set('EGP', 1000)", "cashier")
        self.addCleanup(stack.sql, "SELECT wasl.payout_minimum_set('EGP', 1)")
        self.order(999)
        self.assertEqual(self.draft(), [])
        self.order(1)
        self.assertEqual(self.payout(self.draft()[0])[1], "10.00")
        self.refused("SELECT wasl.payout_minimum_set('EGP', 0)", "violates check")

    def test_what_is_not_approved(self):
        self.order(100, "pending")
        self.order(100, "held")
        self.assertEqual(self.draft(), [])

    def test_orders_under_review(self):
        order, _ = self.order(100)
        self.order(50)
        stack.sql("SELECT wasl.review_open(1, '%s', 'fraud')" % order, "cashier")
        self.assertEqual(self.payout(self.draft()[0])[1], "0.50")
        stack.sql("SELECT wasl.review_lift(1, '%s', NULL, 'they are real')" % order, "cashier")
        self.assertEqual(self.payout(self.draft()[0])[1], "1.50")

    def test_a_suspended_affiliate(self):
        order, _ = self.order(100)
        stack.sql("UPDATE wasl.affiliates SET status = 'suspended' WHERE affiliate_id = %d" % self.affiliate)
        self.assertEqual(self.draft(), [])
        self.assertEqual(stack.sql("SELECT reason FROM wasl.reviews WHERE order_id = '%s'" % order), [["affiliate_suspended"]])
        stack.sql("UPDATE wasl.affiliates SET status = 'active' WHERE affiliate_id = %d" % self.affiliate)
        self.assertEqual(self.draft(), [])
        stack.sql("SELECT wasl.review_lift(1, '%s', NULL, 'cleared')" % order)
        self.assertEqual(len(self.draft()), 1)

    def test_what_takes_back_a_row_that_is_on_its_way(self):
        order, _ = self.order(8000)
        _, reference = self.executed()
        rows.clawback(order, 8000, self.affiliate)
        self.order(20000)
        self.assertEqual(self.payout(self.draft()[0])[1], "200.00")
        self.told(reference, "failed")
        self.assertEqual(self.payout(self.draft()[0])[1], "200.00")

    def test_a_store_whose_paid_account_would_fall_below_zero(self):
        order, commission = self.order(100, store=2)
        self.told(self.executed()[1], "paid")
        rows.goodwill(order, commission, -101, self.affiliate, 2)
        self.order(500)
        self.assertEqual(self.payout(self.draft()[0])[1], "5.00")
        rows.goodwill(order, commission, 1, self.affiliate, 2)
        self.assertEqual(self.payout(self.draft()[0])[1], "4.00")


class Approval(Case):
    def test_somebody_else_has_to_approve(self):
        self.order(100)
        payout = self.draft("cashier")[0]
        self.refused("SELECT wasl.payout_approve(%s)" % payout, "somebody else has to approve it")
        stack.sql("SELECT wasl.payout_approve(%s)" % payout)
        self.assertEqual(self.payout(payout)[0], "approved")

    def test_again_changes_nothing(self):
        self.order(100)
        payout = self.approved()
        stack.sql("SELECT wasl.payout_approve(%s)" % payout, "cashier")
        self.assertEqual(self.accounts()["in_payout"], 100)

    def test_a_draft_that_has_changed_is_refused(self):
        order, commission = self.order(100)
        for change in ("review", "amount", "negative"):
            with self.subTest(change=change):
                payout = self.draft()[0]
                if change == "review":
                    stack.sql("SELECT wasl.review_open(1, '%s', 'fraud')" % order)
                elif change == "amount":
                    rows.sql("UPDATE wasl.commissions SET amount_minor = 90 WHERE commission_id = %s;" % commission
                             + rows.posted("available", "store", 10, "reduce", commission)
                             + f"; INSERT INTO wasl.decisions SELECT store_id, order_id, 2, 1, event_id, now(), result, "
                             f"reason, evidence, model, precedence, candidates, commissions FROM wasl.decisions "
                             f"WHERE order_id = '{order}'", "owner")
                    stack.sql(f"INSERT INTO wasl.shares VALUES (1, '{order}', 2, {self.affiliate}, 0, 90, 90, 90, 100, "
                              f"'returned'); UPDATE wasl.orders SET decision_version = 2 WHERE order_id = '{order}'")
                else:
                    other, _ = self.order(30)
                    rows.clawback(other, 30, self.affiliate)
                self.refused("SELECT wasl.payout_approve(%s)" % payout, "has changed since it was drafted")
                if change == "review":
                    stack.sql("SELECT wasl.review_lift(1, '%s', 'fraud', 'no')" % order)

    def test_what_became_payable_since_waits(self):
        self.order(100)
        payout = self.draft()[0]
        self.order(50)
        stack.sql("SELECT wasl.payout_approve(%s)" % payout, "cashier")
        self.assertEqual(self.payout(payout), ["approved", "1.00"])
        self.assertEqual(self.payout(self.draft()[0])[1], "0.50")

    def test_an_affiliate_without_account_is_refused(self):
        self.affiliate = self.add("NULL, NULL")
        self.order(100)
        self.refused("SELECT wasl.payout_approve(%s)" % self.draft()[0], "no payout method and account")

    def test_the_account_is_the_one_that_was_approved(self):
        self.order(100)
        payout = self.approved()
        stack.sql("UPDATE wasl.affiliates SET payout_account = 'STOLEN' WHERE affiliate_id = %d" % self.affiliate)
        self.assertEqual(stack.sql("SELECT account FROM wasl.payout_execute(%s)" % payout, "cashier"), [["EG380019000"]])

    def test_a_draft_is_kept_or_made_again(self):
        self.order(100)
        first = self.draft()
        self.assertEqual(self.draft(), first)
        self.order(50)
        second = self.draft()
        self.assertNotEqual(second, first)
        self.assertEqual(self.payout(first[0])[0], "cancelled")
        self.refused("SELECT wasl.payout_approve(%s)" % first[0], "is cancelled")
        stack.sql("SELECT wasl.payout_cancel(%s)" % second[0], "cashier")
        stack.sql("SELECT wasl.payout_cancel(%s)" % second[0], "cashier")
        self.refused("SELECT wasl.payout_execute(%s)" % second[0], "only an approved one is executed")

    def test_what_is_approved_cannot_be_cancelled(self):
        self.order(100)
        self.refused("SELECT wasl.payout_cancel(%s)" % self.approved(), "only a draft")

    def test_names_that_nobody_knows_are_refused(self):
        self.refused("SELECT wasl.payout_approve(999999)", "there is no payout 999999")
        self.refused("SELECT wasl.payout_import('WASL-x', 'paid')", "no payout with the reference")
        self.refused("SELECT wasl.payout_draft(999999)", "there is no affiliate")
        self.refused("SELECT wasl.payout_draft(NULL, 'XXX')", "is no currency")
        self.order(1)
        self.refused("SELECT wasl.payout_import('%s', 'lost')" % self.executed()[1], "paid, failed or bounced")


class Guards(Case):
    def test_what_is_in_a_payout_never_changes(self):
        order, commission = self.order(100)
        payout, reference = self.executed()
        for role in ("attributor", "owner"):
            for change in ("amount_minor = 0", "state = 'reversed', amount_minor = 0", "reason = 'x'", "release_at = now()",
                           "decision_version = 7"):
                with self.subTest(change=change, role=role):
                    self.refused("UPDATE wasl.commissions SET %s WHERE commission_id = %s" % (change, commission),
                                 "it never changes", role)
        self.told(reference, "paid")
        self.refused("UPDATE wasl.commissions SET reason = 'x' WHERE commission_id = %s" % commission, "is paid", "owner")
        stack.sql("UPDATE wasl.orders SET confirmed_at = confirmed_at - interval '1 hour' WHERE order_id = '%s'" % order)
        self.assertEqual(rows.one("SELECT confirmed_at > now() - interval '30 min' FROM wasl.commissions "
                                  "WHERE commission_id = %s" % commission), "t")

    def test_paid_is_reached_and_left_by_payouts_alone(self):
        _, commission = self.order(100)
        steps = rows.moved(commission, "paid") + ";" + rows.posted("available", "paid", 100, "x", commission)
        for role in ("attributor", "owner"):
            self.refused(steps, "with the payout alone", role)
        payout, reference = self.executed()
        steps = rows.moved(commission, "paid") + ";" + rows.posted("in_payout", "paid", 100, "x", commission)
        for role in ("attributor", "owner"):
            self.refused(steps, "with the payout alone", role)
        self.told(reference, "paid")
        for role in ("attributor", "owner"):
            self.refused(rows.moved(commission, "approved"), "with the payout alone", role)
            self.refused(rows.moved(commission, "held"), "no move from paid", role)
        self.refused(rows.moved(commission, "approved", ", payout_id = NULL"), "with the payout alone", "owner")
        self.refused("UPDATE wasl.payouts SET state = 'draft' WHERE payout_id = %s" % payout, "no move from paid", "owner")
        self.refused("UPDATE wasl.payouts SET amount_minor = 1, state = 'bounced' WHERE payout_id = %s" % payout,
                     "never changes", "owner")
        self.refused("DELETE FROM wasl.payouts", "never deleted", "owner")
        self.refused("DELETE FROM wasl.payout_rows", "only ever added to", "owner")

    def test_a_row_goes_into_the_payout_that_names_it(self):
        self.order(100)
        payout = self.approved()
        _, commission = self.order(50)
        self.refused("UPDATE wasl.commissions SET payout_id = %s WHERE commission_id = %s" % (payout, commission),
                     "with the payout alone", "owner")

    def test_the_daemon_and_finance_pay_nobody(self):
        for query in ("SELECT wasl.payout_draft()", "SELECT wasl.payout_approve(1)", "SELECT wasl.payout_import('a', 'paid')",
                      "INSERT INTO wasl.payouts (affiliate_id, currency, amount_minor) VALUES (1, 'EGP', 1)",
                      "UPDATE wasl.payouts SET state = 'approved'", "UPDATE wasl.commissions SET payout_id = 1"):
            for role in ("attributor", "finance"):
                with self.subTest(query=query, role=role):
                    self.refused(query, "permission denied", role)
        for query in ("UPDATE wasl.payouts SET state = 'paid'", "INSERT INTO wasl.payout_rows VALUES (1, 1, 1, 1)",
                      "UPDATE wasl.commissions SET state = 'paid'", "INSERT INTO wasl.reviews (store_id) VALUES (1)"):
            with self.subTest(query=query):
                self.refused(query, "permission denied")


class Late(Case):
    def test_a_transfer_that_bounces_after_it_was_deducted_is_refused(self):
        order, _ = self.order(8000)
        _, first = self.executed()
        self.told(first, "paid")
        rows.clawback(order, 8000, self.affiliate)
        self.order(20000, store=2)
        _, second = self.executed()
        self.refused("SELECT wasl.payout_import('%s', 'bounced')" % first, "a later payout has deducted some of it")
        self.told(second, "paid")
        self.refused("SELECT wasl.payout_import('%s', 'bounced')" % first, "a later payout has deducted some of it")
        self.told(second, "bounced")
        self.assertTrue(self.told(first, "bounced"))


if __name__ == "__main__":
    unittest.main()
