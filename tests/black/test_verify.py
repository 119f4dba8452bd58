# SPDX-License-Identifier: Apache-2.0
"""`waslctl verify` folds every order again: silent over whatever storefronts send, and not deceived by rows that agree
with each other alone."""

import concurrent.futures
import hashlib
import time
import unittest

import stack
from shop import DAY_S, Shop, instant

running = stack.Stack({**stack.PATIENT, "timer-interval": "200ms"})
BULK_ORDERS = 10000
BULK_LIMIT_S = 150.0  # takes about 2 s; a machine may have other work
PHONE_NUMBER = "+201001234567"


def setUpModule():
    running.start()
    Case.shop = Shop(running, return_days="7")
    Case.tax_shop = Shop(running, host="tax.example")
    Case.first_shop = Shop(running, host="first.example", currency="KWD")
    running.ctl("store", "set", Case.first_shop.id, "--model", "first")


def tearDownModule():
    running.stop()


def tampered(query):
    """What nobody may do, done: past triggers and foreign keys."""
    running.sql("BEGIN; SET LOCAL session_replication_role = replica; %s; COMMIT" % query, "superuser")


class Case(unittest.TestCase):
    shop = tax_shop = first_shop = None
    kept_count = 0

    def order_id(self):
        return self.id().rsplit(".", 1)[1]

    def clean(self):
        self.assertEqual(running.ctl("verify"), {"ok": True, "broken": []})

    def found(self, *words):
        """verify exits 1, and of what the fold finds each line has its word."""
        result = running.waslctl("verify", "--json")
        self.assertEqual(result.rc, 1, result)
        lines = [row["detail"] for row in stack.json.loads(result.out)["broken"]
                 if row["invariant"] == "order_folds_again"]
        self.assertEqual(len(lines), len(words), lines)
        for word in words:
            self.assertTrue([line for line in lines if word in line], (word, lines))

    def only_for_now(self, table, where, change):
        """Changes rows until the test is over: the next one starts clean. The change leaves them where they are."""
        kept = self.keep(table, where)
        self.addCleanup(tampered, "DELETE FROM %s WHERE %s; INSERT INTO %s OVERRIDING SYSTEM VALUE SELECT * FROM %s; DROP TABLE %s"
                        % (table, where, table, kept, kept))
        tampered("UPDATE %s SET %s WHERE %s" % (table, change, where))

    def gone(self, table, where):
        """Takes rows away until the test is over."""
        kept = self.keep(table, where)
        self.addCleanup(tampered, "INSERT INTO %s OVERRIDING SYSTEM VALUE SELECT * FROM %s; DROP TABLE %s"
                        % (table, kept, kept))
        tampered("DELETE FROM %s WHERE %s" % (table, where))

    def keep(self, table, where):
        Case.kept_count += 1
        kept = "public.kept_%d" % Case.kept_count
        tampered("CREATE TABLE %s AS SELECT * FROM %s WHERE %s" % (kept, table, where))
        return kept


class Clean(Case):
    def test_nothing_is_broken_after_all_kinds_of_orders(self):
        shop, now = self.shop, time.time()
        other = shop.add_affiliate("منى")
        clicks = [shop.dated_click(now - 60), shop.dated_click(now - 30, other)]
        for order in (
                shop.order(clicks, ["100.00", {"unit_price": "33.33", "quantity": 3, "discount": "0.99"}], "lines",
                           discount="17.10"),
                shop.order(clicks, ["100.00"], "placed", "order.placed"),
                shop.order([], ["5.00"], "nobody"),
                shop.order(["rubbish", shop.dated_click(now - 40 * DAY_S)], ["5.00"], "refused", coupons=[{"code": "RAMADAN"}]),
                shop.order(clicks, ["100.00"], "test", test=True),
                shop.order([shop.dated_click(now - 60, 4000000000)], ["5.00"], "stranger"),
                shop.order([shop.dated_click(now - 60, None, self.tax_shop.product)], ["5.00"], "elsewhere"),
                shop.order(clicks, ["0.04"], "crumb"),
                shop.order([], ["5.00"], "early", "order.delivered")):
            shop.done(order)
        shop.done(shop.order(clicks[:1], ["1.00"], "early"))
        tax_order = self.tax_shop.order([self.tax_shop.click()], ["114.00", {"unit_price": "57.00", "tax_rate": "5%"}],
                                        "tax", discount="17.10", prices_include_tax=True, tax_rate="14%")
        self.tax_shop.done(tax_order)
        first = self.first_shop
        first.done(first.order([first.dated_click(now - 9), first.dated_click(now - 5, other)], ["12.345"], "first"))
        self.clean()

    def test_amended_and_late_events_fold_as_they_stand(self):
        shop, now, order_id = self.shop, time.time(), self.order_id()
        other = shop.add_affiliate()
        shop.done(shop.order([shop.dated_click(now - 60)], ["10.00", "20.00"], order_id, at_s=now - 10))
        shop.done(shop.order([], ["10.00", "25.00", "1.00"], order_id, at_s=now - 5))
        shop.done(shop.order([shop.dated_click(now - 90, other)], ["99.00"], order_id, at_s=now - 20))
        self.assertEqual([row[1:] for row in shop.rows(order_id)], [("voided", "0.00"), ("pending", "3.60")])
        shop.done(shop.order([], ["7.00"], order_id, at_s=now - 1, test=True))
        self.clean()

    def test_terms_and_standing_that_change_later_break_nothing(self):
        shop, order_id = self.shop, self.order_id()
        affiliate = shop.add_affiliate()
        shop.done(shop.order([shop.click(affiliate)], ["100.00"], order_id))
        running.ctl("affiliate", "suspend", affiliate)
        running.ctl("store", "set", shop.id, "--rate", "20%", "--model", "first")
        self.addCleanup(running.ctl, "store", "set", shop.id, "--rate", "10%", "--model", "last")
        shop.done(shop.order([shop.dated_click(time.time() - 1, affiliate)], ["100.00"], order_id + "-2"))
        self.assertEqual(shop.verdicts(order_id + "-2"), ["affiliate_suspended"])
        running.ctl("affiliate", "resume", affiliate)
        self.clean()

    def test_a_phone_that_is_entered_later_breaks_nothing(self):
        shop, order_id = self.shop, self.order_id()
        affiliate = shop.add_affiliate()
        customer = {"phone_sha256": hashlib.sha256(PHONE_NUMBER.encode()).hexdigest()}
        shop.done(shop.order([shop.click(affiliate)], ["100.00"], order_id, customer=customer))
        running.ctl("affiliate", "set", affiliate, "--phone", PHONE_NUMBER)
        shop.done(shop.order([shop.click(affiliate)], ["100.00"], order_id + "-2", customer=customer))
        self.assertEqual(shop.verdicts(order_id + "-2"), ["self_referral"])
        running.ctl("store", "set", shop.id, "--self-referral", "allow")
        self.addCleanup(running.ctl, "store", "set", shop.id, "--self-referral", "block")
        self.clean()


class Corrupted(Case):
    """Each time rows agree with one another, and not with the events."""

    def setUp(self):
        self.event = self.shop.order([self.shop.dated_click(time.time() - 60)], ["909.00", "100.00"], self.order_id())
        self.shop.done(self.event)
        self.where = "store_id = %d AND order_id = '%s'" % (self.shop.id, self.order_id())
        self.name = "store %d order %s: " % (self.shop.id, self.order_id())
        self.clean()

    def test_a_price_in_the_facts(self):
        self.only_for_now("wasl.events", self.where,
                          "facts = jsonb_set(facts, '{lines,0,unit_price_minor}', '100000')")
        part = "part of affiliate %d is 100.90, its events come to 110.00" % self.shop.affiliate
        self.found(self.name + "line 1 has the base 909.00, its events come to 1000.00",
                   self.name + "line 1 earns 90.90, its events come to 100.00",
                   self.name + "the full " + part, self.name + "the share of affiliate", self.name + "the due " + part,
                   self.name + "the part at confirmation of affiliate",
                   self.name + "commission of affiliate %d is pending 100.90, its events come to pending 110.00"
                   % self.shop.affiliate)

    def test_facts_that_nobody_can_read(self):
        self.only_for_now("wasl.events", self.where, "facts = '{}'")
        self.found("the facts of webhook-id ")

    def test_facts_of_a_click(self):
        self.only_for_now("wasl.events", self.where, "facts = jsonb_set(facts, '{clicks}', '[]')")
        self.found(self.name + "its decision is attributed (won_last_click), its events come to unattributed "
                   "(no_candidates)")

    def test_a_line_and_its_commission_down_to_the_ledger(self):
        affiliate = self.shop.affiliate
        commission = running.sql("SELECT commission_id FROM wasl.commissions WHERE " + self.where)[0][0]
        account = "store_id = %d AND affiliate_id = %d" % (self.shop.id, affiliate)
        change = ("UPDATE wasl.order_lines SET amount_minor = amount_minor + {0} WHERE {1} AND line_id = '1';"
                  "UPDATE wasl.shares SET full_minor = full_minor + {0}, share_minor = share_minor + {0}, "
                  "amount_minor = amount_minor + {0}, confirmed_minor = confirmed_minor + {0} WHERE {1};"
                  "UPDATE wasl.commissions SET amount_minor = amount_minor + {0} WHERE {1};"
                  "UPDATE wasl.entries SET amount_minor = amount_minor + {0} * sign(amount_minor)::integer "
                  "WHERE commission_id = {2};"
                  "UPDATE wasl.accounts SET pending_minor = pending_minor + {0}, store_minor = store_minor - {0} "
                  "WHERE {3}")
        self.addCleanup(tampered, change.format(-700, self.where, commission, account))
        tampered(change.format(700, self.where, commission, account))
        self.assertEqual(running.sql("SELECT * FROM wasl.verify()"), [])
        self.found(self.name + "line 1 earns 97.90, its events come to 90.90",
                   self.name + "the full part of affiliate %d is 107.90, its events come to 100.90" % affiliate,
                   self.name + "the share of", self.name + "the due part of", self.name + "the part at confirmation of",
                   self.name + "commission of affiliate %d is pending 107.90, its events come to pending 100.90" % affiliate)
        told = running.waslctl("verify")
        self.assertEqual((told.rc, told.out.count("order_folds_again")), (1, 6), told)

    def test_a_frozen_rule(self):
        self.only_for_now("wasl.order_lines", self.where + " AND line_id = '2'",
                          "rule = jsonb_set(rule, '{rate_bp}', '2000')")
        self.found(self.name + "line 2 froze a rule")

    def test_who_stood_when_the_order_was_placed(self):
        """Of an affiliate that was long known there is no doubt about it."""
        affiliate = self.shop.add_affiliate()
        tampered("UPDATE wasl.affiliates SET created_at = now() - interval '9 days' WHERE affiliate_id = {0};"
                 "UPDATE wasl.affiliate_status SET since = now() - interval '9 days' WHERE affiliate_id = {0}"
                 .format(affiliate))
        self.shop.done(self.shop.order([self.shop.dated_click(time.time(), affiliate)], ["5.00"], "long-known"))
        self.clean()
        self.addCleanup(tampered, "DELETE FROM wasl.affiliate_status WHERE status = 'suspended' AND affiliate_id = %d"
                        % affiliate)
        tampered("INSERT INTO wasl.affiliate_status VALUES (%d, now() - interval '1 day', 'suspended')" % affiliate)
        self.found("order long-known: its decision is attributed (won_last_click), its events come to unattributed "
                   "(all_refused)")

    def test_a_commission_of_nobody(self):
        """Voided although its events say otherwise."""
        self.only_for_now("wasl.commissions", self.where, "state = 'voided', amount_minor = 0")
        self.found(self.name + "commission of affiliate %d is voided 0.00, its events come to pending 100.90"
                   % self.shop.affiliate)

    def test_whose_an_order_is(self):
        other = self.shop.add_affiliate()
        self.only_for_now("wasl.decisions", self.where, "candidates = jsonb_set(candidates, '{0,affiliate_id}', '%d')" % other)
        self.found(self.name + "candidate 1 is affiliate %d (won_last_click), its events say affiliate %d (won_last_click)"
                   % (other, self.shop.affiliate))
        self.only_for_now("wasl.shares", self.where, "affiliate_id = %d" % other)
        self.found(self.name + "candidate 1 is", self.name + "affiliate %d has a part in it, its events say affiliate %d"
                   % (other, self.shop.affiliate))

    def test_an_order_that_was_confirmed(self):
        self.only_for_now("wasl.orders", self.where, "state = 'placed', is_test = true")
        self.found(self.name + "it is placed, its events come to confirmed", self.name + "it is a test order")

    def test_a_verdict(self):
        self.only_for_now("wasl.decisions", self.where,
                          "candidates = jsonb_set(candidates, '{0,verdict}', '\"lost_to_coupon\"')")
        self.found(self.name + "candidate 1 is affiliate %d (lost_to_coupon)" % self.shop.affiliate)

    def test_a_candidate_that_was_never_sent(self):
        self.only_for_now("wasl.decisions", self.where, "candidates = candidates || candidates")
        self.found(self.name + "it has 2 candidates, its events come to 1")

    def test_a_flag(self):
        self.only_for_now("wasl.decisions", self.where, "flags = '{total_mismatch}'")
        self.found(self.name + "its total is flagged, its events say otherwise")

    def test_the_times_of_an_order(self):
        self.only_for_now("wasl.orders", self.where, "confirmed_at = confirmed_at - interval '1 second', "
                          "shipped_at = now(), is_waiting = true, waiting_since = now()")
        self.found(self.name + "its confirmed_at is not", self.name + "its shipped_at is not",
                   self.name + "its events say otherwise of whether, or since when, it waits")

    def test_parts_of_winners(self):
        self.only_for_now("wasl.shares", self.where, "full_minor = full_minor + 1, reason = 'no_rule', "
                          "confirmed_minor = confirmed_minor + 1")
        self.found(self.name + "the full part of affiliate %d is 100.91, its events come to 100.90" % self.shop.affiliate,
                   self.name + "the part at confirmation of", self.name + "the part of affiliate %d is no_rule"
                   % self.shop.affiliate)

    def test_what_is_left_of_a_line(self):
        self.only_for_now("wasl.order_lines", self.where + " AND line_id = '2'", "quantity_left = 0, reason = 'returned'")
        self.found(self.name + "of line 2 0 are left, its events come to 1", self.name + "line 2 is returned")

    def test_a_commission_that_is_gone(self):
        self.gone("wasl.commissions", self.where)
        self.found(self.name + "commission of affiliate %d is missing, its events come to pending 100.90"
                   % self.shop.affiliate)

    def test_what_it_was_when_it_was_confirmed(self):
        self.only_for_now("wasl.commissions", self.where, "amount_confirmed_minor = 1, reason = 'won_coupon'")
        self.found(self.name + "commission of affiliate %d was 0.01 when confirmed, its events come to 100.90"
                   % self.shop.affiliate)

    def test_a_line_that_nobody_sold(self):
        self.only_for_now("wasl.order_lines", self.where + " AND line_id = '2'", "base_minor = 1")
        self.found(self.name + "line 2 has the base 0.01, its events come to 100.00")


class Later(Case):
    """Corruptions of what comes after the confirmation."""

    def setUp(self):
        self.where = "store_id = %d AND order_id = '%s'" % (self.shop.id, self.order_id())
        self.name = "store %d order %s: " % (self.shop.id, self.order_id())
        self.clean()

    def confirm(self, **more):
        self.shop.done(self.shop.order([self.shop.dated_click(time.time() - 60)], ["909.00", "100.00"], self.order_id(), **more))

    def happens(self, kind, **data):
        return self.shop.done({"type": "order." + kind, "timestamp": instant(),
                               "data": {"order_id": self.order_id(), **data}})

    def two_rows(self):
        """An operator's act has been folded; its command waits for that, but not for long."""
        stack.wait_until(lambda: len(self.shop.rows(self.order_id())) == 2, what="it is folded")

    def test_cash_that_was_collected(self):
        self.confirm()
        self.happens("collected")
        self.clean()
        of = "commission of affiliate %d is " % self.shop.affiliate
        self.only_for_now("wasl.commissions", self.where, "state = 'pending', release_at = NULL")
        self.found(self.name + of + "pending 100.90, its events come to held 100.90")

    def test_cash_that_nobody_collected(self):
        self.confirm()
        of = "commission of affiliate %d is " % self.shop.affiliate
        self.only_for_now("wasl.commissions", self.where, "state = 'held', release_at = now() + interval '1 day'")
        self.found(self.name + of + "held 100.90, its events come to pending 100.90")

    def test_the_end_of_a_return_window(self):
        self.confirm()
        self.happens("collected")
        self.only_for_now("wasl.commissions", self.where, "release_at = release_at - interval '1 hour'")
        self.found(self.name + "commission of affiliate %d is released at another time" % self.shop.affiliate)
        self.only_for_now("wasl.orders", self.where, "collected_at = collected_at - interval '1 hour'")
        self.found(self.name + "commission of affiliate", self.name + "its collected_at is not what its events say")

    def test_an_order_that_came_back(self):
        self.confirm()
        self.happens("returned", lines=[{"line_id": "1", "refunded_quantity": 1}])
        self.assertEqual(self.shop.rows(self.order_id())[0][1:], ("pending", "10.00"))
        self.clean()
        self.only_for_now("wasl.events", self.where + " AND type = 'order.returned'",
                          "facts = jsonb_set(facts, '{lines,0,refunded_quantity}', '0')")
        self.assertIn("its events come to pending 100.90", running.waslctl("verify").out.replace("\n", " "))

    def test_a_review_that_nobody_opened(self):
        self.confirm()
        self.happens("cancelled")
        self.happens("collected")
        self.clean()
        self.only_for_now("wasl.reviews", self.where, "reason = 'other'")
        self.found(self.name + "its events open a review (conflict), and none was")

    def test_an_operators_word(self):
        self.confirm()
        other = self.shop.add_affiliate()
        running.ctl("order", "reassign", "--store", self.shop.id, self.order_id(), "--to", other, "--reason", "x")
        self.two_rows()
        self.clean()
        self.only_for_now("wasl.events", self.where + " AND actor IS NOT NULL",
                          "facts = jsonb_set(facts, '{affiliate_id}', '%d')" % self.shop.affiliate)
        self.found(self.name + "affiliate %d has a part in it, its events say affiliate %d" % (other, self.shop.affiliate))

    def test_a_gift_of_the_platform(self):
        self.confirm()
        commission = running.sql("SELECT commission_id FROM wasl.commissions WHERE " + self.where)[0][0]
        running.ctl("commission", "adjust", commission, "--amount", "5", "--reason", "x")
        self.two_rows()
        self.clean()
        self.only_for_now("wasl.commissions", self.where + " AND event_id IS NOT NULL", "event_id = 'operator-0'")
        self.found(self.name + "commission of affiliate %d is missing, its events come to approved 5.00"
                   % self.shop.affiliate)

    def test_room_under_a_cap(self):
        affiliate = self.shop.add_affiliate()
        rule = running.ctl("rule", "add", "--store", self.shop.id, "--affiliate", affiliate, "--rate", "10%",
                           "--cap-month", "50")["rule_id"]
        self.shop.done(self.shop.order([self.shop.dated_click(time.time(), affiliate)], ["300.00"], self.order_id()))
        self.assertEqual(self.shop.rows(self.order_id()), [(affiliate, "pending", "30.00")])
        self.clean()
        self.only_for_now("wasl.grants", self.where, "used_minor = 1000")
        self.found(self.name + "affiliate %d takes 10.00 of rule %d, its events come to 30.00" % (affiliate, rule))
        self.gone("wasl.grants", self.where)
        self.found(self.name + "affiliate %d was granted no room of rule %d" % (affiliate, rule))

    def test_a_use_of_a_coupon(self):
        coupon = running.ctl("coupon", "add", "--store", self.shop.id, "--affiliate", self.shop.affiliate, "VERIFYSHOP")
        self.shop.done(self.shop.order([], ["300.00"], self.order_id(), coupons=["verifyshop"]))
        self.clean()
        self.only_for_now("wasl.coupon_uses", self.where, "is_taken = false")
        self.found(self.name + "it takes a use of coupon 0, its events say %d" % coupon["coupon_id"])

    def test_money_that_was_paid_and_came_back(self):
        affiliate = self.shop.add_affiliate()
        running.ctl("affiliate", "set", affiliate, "--payout-method", "bank", "--payout-account", "1")
        running.ctl("store", "set", self.shop.id, "--return-days", 0)
        self.addCleanup(running.ctl, "store", "set", self.shop.id, "--return-days", 7)
        self.shop.done(self.shop.order([self.shop.dated_click(time.time(), affiliate)], ["800.00"], self.order_id()))
        self.happens("collected")
        stack.wait_until(lambda: self.shop.rows(self.order_id())[0][1] == "approved", what="it is approved")
        running.ctl("store", "set", self.shop.id, "--return-days", 7)
        self.clean()
        payout = running.ctl("payout", "draft", "--affiliate", affiliate)["data"][0]
        approved = running.waslctl("payout", "approve", payout["payout_id"], env={
            "WASL_DATABASE_URL": running.env["WASL_CASHIER_DATABASE_URL"]})
        self.assertEqual(approved.rc, 0, approved)
        self.clean()
        running.ctl("payout", "execute", payout["payout_id"])
        self.assertEqual(running.waslctl("payout", "import", "-", stdin="reference,result\n%s,paid\n" % payout["reference"]).rc, 0)
        self.clean()
        self.happens("returned")
        self.assertEqual(self.shop.rows(self.order_id()), [(affiliate, "paid", "80.00"), (affiliate, "approved", "-80.00")])
        self.clean()
        self.gone("wasl.commissions", self.where + " AND amount_minor < 0")
        self.found(self.name + "commission of affiliate %d is missing, its events come to approved -80.00" % affiliate)


class Many(Case):
    def test_ten_thousand_orders_take_seconds(self):
        """Copies of one order, more than any page holds; of a test order, which has its lines and no entries."""
        shop, order_id = self.shop, self.order_id()
        self.clean()
        shop.done(shop.order([shop.dated_click(time.time() - 60)], ["909.00", "100.00"], order_id, test=True))
        where = "store_id = %d AND order_id = '%s'" % (shop.id, order_id)
        copies = "".join(
            "INSERT INTO wasl.%s SELECT (jsonb_populate_record(t, jsonb_build_object('order_id', 'copy-' || n%s))).* "
            "FROM wasl.%s t, generate_series(1, %d) n WHERE %s;" % (table, more, table, BULK_ORDERS, where)
            for table, more in (("orders", ""), ("event_ids", ", 'event_id', 'copy-' || n"),
                                ("events", ", 'event_id', 'copy-' || n"), ("decisions", ""), ("order_lines", ""),
                                ("shares", "")))
        tampered(copies)
        began = time.monotonic()
        self.clean()
        took_s = time.monotonic() - began
        print("verify of %d orders: %.1f s" % (BULK_ORDERS, took_s))
        self.assertLess(took_s, BULK_LIMIT_S)
        tampered("UPDATE wasl.events SET facts = jsonb_set(facts, '{lines,0,unit_price_minor}', '5') "
                 "WHERE order_id IN ('copy-1', 'copy-7777')")
        self.found(*["order copy-%d: %s" % (n, more) for n in (1, 7777) for more in (
            "the full part of", "the share of", "the due part of", "the part at confirmation of",
            "line 1 has the base 909.00, its events come to 0.05", "line 1 earns 90.90, its events come to 0.01")])

    def test_what_is_posted_meanwhile_is_seen_whole_or_not_at_all(self):
        shop = self.first_shop
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(lambda: [shop.done(shop.order([shop.dated_click(time.time())], ["9.000"])) for _ in range(100)])
            while not sending.done():
                result = running.waslctl("verify", "--json")
                broken = [row for row in stack.json.loads(result.out)["broken"] if "order copy-" not in row["detail"]]
                self.assertEqual(broken, [])
            sending.result()


if __name__ == "__main__":
    unittest.main()
