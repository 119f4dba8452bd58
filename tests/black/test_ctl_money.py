# SPDX-License-Identifier: Apache-2.0
"""What operators do to money: acts on orders and commissions, reviews, rules, coupons, and payouts from draft to import."""

import csv
import io
import json
import pathlib
import re
import time
import unittest

import stack
from shop import Shop, instant

running = stack.Stack({**stack.PATIENT, "timer-interval": "200ms"})
ARABIC = re.compile("[\u0600-\u06ff]")


def setUpModule():
    running.start()


def tearDownModule():
    running.stop()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = Shop(running, host=cls.__name__.lower() + ".example", return_days="0")

    def order_id(self):
        return self.id().rsplit(".", 1)[1]

    def refused(self, *words, code=1, told="", env=None):
        """The command exits with code, and its one line on stderr has these words."""
        result = running.waslctl(*words, env=env)
        self.assertEqual((result.rc, result.out, result.err.count("\n")), (code, "", 1), result)
        self.assertIn(told, result.err)

    def cashier(self, *words):
        """What a command prints with --json to somebody who works as the cashier."""
        result = running.waslctl(*words, "--json", env={"WASL_DATABASE_URL": running.env["WASL_CASHIER_DATABASE_URL"]})
        self.assertEqual(result.rc, 0, result)
        return json.loads(result.out)

    def confirm(self, order_id=None, affiliate=None, price="100.00", shop=None, **data):
        """An order that an affiliate earned 10 % of; its id."""
        shop = shop or self.shop
        event = shop.order([shop.dated_click(time.time() - 60, affiliate)], [price], order_id or self.order_id(), **data)
        shop.done(event)
        return event["data"]["order_id"]

    def happens(self, kind, order_id=None, shop=None, **data):
        event = {"type": "order." + kind, "timestamp": instant(),
                 "data": {"order_id": order_id or self.order_id(), **data}}
        return (shop or self.shop).done(event)

    def rows(self, order_id=None, shop=None):
        return (shop or self.shop).rows(order_id or self.order_id())

    def approve(self, order_id=None, affiliate=None, price="100.00", shop=None):
        """An order whose commission is payable."""
        order_id = self.confirm(order_id, affiliate, price, shop)
        self.happens("collected", order_id, shop)
        stack.wait_until(lambda: "approved" in [row[1] for row in self.rows(order_id, shop)], what="it is approved")
        return order_id

    def commission(self, order_id=None):
        return int(running.sql("SELECT min(commission_id) FROM finance.commissions WHERE order_id = '%s' AND store_id = %d"
                               % (order_id or self.order_id(), self.shop.id), "finance")[0][0])

    def clean(self):
        self.assertEqual(running.ctl("verify"), {"ok": True, "broken": []})


class Acts(Case):
    def of_order(self, verb, *words):
        return ("order", verb, "--store", self.shop.id, self.order_id(), *words)

    def test_an_order_is_given_to_somebody_else_and_back(self):
        other = self.shop.add_affiliate("منى")
        self.confirm()
        self.assertEqual(self.rows(), [(self.shop.affiliate, "pending", "10.00")])
        shown = running.ctl(*self.of_order("reassign", "--to", other, "--reason", "she brought a receipt"))
        self.assertEqual(shown["decision"]["reason"], "operator_reassigned")
        self.assertEqual(self.rows(), [(self.shop.affiliate, "voided", "0.00"), (other, "pending", "10.00")])
        running.ctl(*self.of_order("reassign", "--to-evidence", "--reason", "it was not hers"))
        self.assertEqual(self.rows(), [(self.shop.affiliate, "pending", "10.00"), (other, "voided", "0.00")])
        self.clean()

    def test_who_did_what_and_why_is_shown(self):
        other = self.shop.add_affiliate()
        self.confirm()
        act = self.of_order("reassign", "--to", other, "--reason", "a receipt\x1b[31m")
        told = running.waslctl(*act)
        self.assertEqual(told.rc, 0, told)
        self.assertIn("operator.reassign  wasl", told.out.replace("   ", "  "))
        self.assertIn("a receipt\\x1b[31m", told.out)
        shown = running.ctl(*self.of_order("show"))
        self.assertEqual([event["type"] for event in shown["events"]], ["order.confirmed", "operator.reassign"])

    def test_every_code_has_its_sentence_in_two_languages(self):
        self.confirm()
        english, arabic = (running.waslctl(*self.of_order("show", "--lang", lang)).out for lang in ("en", "ar"))
        self.assertEqual(running.waslctl(*self.of_order("show")).out, english)
        self.assertIn("Credited: this was the last click before the order.", english)
        self.assertIn("آخر نقرة", arabic)
        self.refused(*self.of_order("show", "--lang", "fr"), code=2)
        words = json.dumps(running.ctl(*self.of_order("show")), ensure_ascii=False)
        self.assertIn("Credited: this was the last click before the order.", words)
        self.assertTrue(ARABIC.search(words))

    def test_acts_that_make_no_sense_are_refused(self):
        self.confirm()
        suspended = self.shop.add_affiliate()
        running.ctl("affiliate", "suspend", suspended)
        for words, code, told in (
                (("reassign", "--to", 1), 2, "--reason is required"),
                (("reassign", "--reason", "x"), 2, "either --to or --to-evidence"),
                (("reassign", "--to", 1, "--to-evidence", "--reason", "x"), 2, "either"),
                (("reassign", "--to", "x", "--reason", "x"), 2, "--to"),
                (("reassign", "--to", 1, "--reason", ""), 2, "--reason"),
                (("reassign", "--to", 1, "--reason", " "), 1, "needs a reason"),
                (("reassign", "--to", 4000000000, "--reason", "x"), 1, "there is no affiliate 4000000000"),
                (("reassign", "--to", suspended, "--reason", "x"), 1, "is suspended"),
                (("resolve", "--as", "paid", "--reason", "x"), 2, "collected|out"),
                (("resolve", "--as", "out", "--reason", "x"), 1, "is in no conflict")):
            with self.subTest(words=words):
                self.refused(*self.of_order(*words), code=code, told=told)
        self.refused("order", "reassign", "--store", self.shop.id, "none", "--to", 1, "--reason", "x",
                     told="store %d has no order none" % self.shop.id)
        self.assertEqual(self.rows(), [(self.shop.affiliate, "pending", "10.00")])

    def test_a_conflict_is_listed_and_resolved(self):
        self.confirm()
        self.happens("cancelled")
        self.assertEqual(self.happens("collected")["decision"], "conflict")
        listed = running.ctl("order", "list", "--store", self.shop.id, "--conflict")["data"]
        self.assertEqual([row["order_id"] for row in listed], [self.order_id()])
        self.assertTrue(listed[0]["since"])
        shown = running.ctl(*self.of_order("resolve", "--as", "collected", "--reason", "the courier has the cash"))
        self.assertEqual(shown["state"], "collected")
        self.assertEqual(running.ctl("order", "list", "--store", self.shop.id, "--conflict")["data"], [])
        self.assertEqual(self.rows()[0][1:], ("held", "10.00"))
        running.ctl("review", "lift", "--store", self.shop.id, self.order_id(), "--reason", "seen")
        stack.wait_until(lambda: self.rows()[0][1:] == ("approved", "10.00"), what="it goes on")
        self.clean()

    def test_an_order_that_waits_is_listed_with_its_time(self):
        self.assertEqual(self.happens("delivered")["decision"], "waiting")
        listed = running.ctl("order", "list", "--store", self.shop.id, "--waiting")["data"]
        self.assertEqual([(row["order_id"], row["waiting"]) for row in listed], [(self.order_id(), True)])
        self.assertRegex(listed[0]["since"], r"^20\d\d-.*Z$")
        self.confirm()
        self.assertEqual(running.ctl("order", "list", "--store", self.shop.id, "--waiting")["data"], [])

    def test_without_an_attributor_an_act_is_kept(self):
        other = self.shop.add_affiliate()
        self.confirm()
        running.stop_service("attributor")
        try:
            began = time.monotonic()
            result = running.waslctl(*self.of_order("reassign", "--to", other, "--reason", "x"), "--json")
            self.assertGreater(time.monotonic() - began, 2)
        finally:
            running.start_service("attributor")
        self.assertEqual((result.rc, result.err.count("\n")), (0, 1), result)
        self.assertIn("takes effect when an attributor runs", result.err)
        self.assertEqual(json.loads(result.out)["decision"]["reason"], "won_last_click")
        stack.wait_until(lambda: (other, "pending", "10.00") in self.rows(), what="it takes effect")


class Commissions(Case):
    def test_a_commission_is_taken_away(self):
        self.confirm()
        answer = running.ctl("commission", "void", self.commission(), "--reason", "fraud")
        self.assertEqual([(row["state"], row["amount"], row["reason"]) for row in answer["data"]],
                         [("voided", "0.00", "operator_void")])
        self.refused("commission", "void", self.commission(), "--reason", "again", told="nothing to void")
        self.clean()

    def test_what_was_paid_of_it_is_owing_and_can_be_let_go(self):
        self.approve()
        number = self.commission()
        for amount, code, told in (("0", 2, "--amount"), ("x", 2, "--amount"), ("0.001", 2, "at most 2 decimals"),
                                   ("+-5", 2, "--amount"), ("99999999999999999999", 2, "--amount")):
            self.refused("commission", "adjust", number, "--amount", amount, "--reason", "x", code=code, told=told)
        self.refused("commission", "write-off", number, "--reason", "x", told="nothing to write off")
        for amount, reason in (("+5", "a present"), ("-7.50", "a correction")):
            self.assertEqual(running.waslctl("commission", "adjust", number, "--amount", amount, "--reason", reason).rc, 0)
        rows = running.ctl("commission", "list", "--store", self.shop.id)["data"]
        self.assertEqual([(row["kind"], row["state"], row["amount"]) for row in rows if row["order_id"] == self.order_id()],
                         [("sale", "approved", "10.00"), ("adjustment", "approved", "5.00"),
                          ("adjustment", "approved", "-7.50")])
        self.assertEqual(running.ctl("balance", self.shop.affiliate)["data"][0]["available"], "7.50")
        running.ctl("commission", "void", number, "--reason", "fraud")
        self.assertEqual(running.ctl("balance", self.shop.affiliate)["data"][0]["available"], "-2.50")
        negative = [row["commission_id"] for row in rows if row["amount"] == "-7.50"][0]
        answer = running.ctl("commission", "write-off", negative, "--reason", "not worth a letter")
        self.assertEqual(answer["data"][-1]["amount"], "2.50")
        self.assertEqual(running.ctl("balance", self.shop.affiliate)["data"][0]["available"], "0.00")
        self.clean()

    def test_a_commission_that_there_is_not_is_refused(self):
        self.refused("commission", "void", 999999999, "--reason", "x", told="there is no commission 999999999")
        self.refused("commission", "adjust", 999999999, "--amount", "1", "--reason", "x", told="there is no commission")
        self.refused("commission", "void", "x", "--reason", "x", code=2, told="is not a number")
        self.refused("commission", "void", "1", code=2, told="--reason is required")
        self.refused("commission", "adjust", "1", "--reason", "x", code=2, told="--amount is required")


class Reviews(Case):
    def test_money_waits_until_somebody_has_looked(self):
        self.confirm()
        opened = running.ctl("review", "open", "--store", self.shop.id, self.order_id(), "--reason", "odd", "--due",
                             "2020-01-01")
        self.assertEqual((opened["reason"], opened["opened_by"], opened["due_at"], opened["amount"]),
                         ("odd", "wasl", "2020-01-01T00:00:00.000Z", "10.00"))
        self.happens("collected")
        time.sleep(1)
        self.assertEqual(self.rows()[0][1], "held")
        self.assertEqual(running.ctl("balance", self.shop.affiliate)["data"][0]["under_review"], "10.00")
        for words in ((), ("--only", "odd"), ("--overdue",), ("--store", self.shop.id)):
            listed = running.ctl("review", "list", *words)["data"]
            self.assertIn(opened["review_id"], [row["review_id"] for row in listed], words)
        self.assertEqual(running.ctl("review", "list", "--only", "none")["data"], [])
        self.refused("review", "open", "--store", self.shop.id, self.order_id(), "--reason", "odd", told="already")
        self.refused("review", "lift", "--store", self.shop.id, self.order_id(), "--reason", "x", "--only", "even",
                     told="no such open review")
        self.assertEqual(running.ctl("review", "lift", "--store", self.shop.id, self.order_id(), "--reason", "seen")
                         ["reviews"], [])
        stack.wait_until(lambda: self.rows()[0][1] == "approved", what="it goes on")
        lifted = [row for row in running.ctl("review", "list", "--all")["data"] if row["review_id"] == opened["review_id"]]
        self.assertEqual(lifted[0]["lifted_by"], "wasl")
        self.clean()

    def test_a_suspended_affiliate_is_not_paid(self):
        affiliate = self.shop.add_affiliate()
        self.approve(affiliate=affiliate)
        running.ctl("affiliate", "suspend", affiliate)
        reasons = {row["reason"] for row in running.ctl("review", "list", "--store", self.shop.id)["data"]
                   if row["order_id"] == self.order_id()}
        self.assertEqual(reasons, {"affiliate_suspended"})
        self.assertEqual(running.ctl("payout", "draft", "--affiliate", affiliate)["data"], [])

    def test_what_is_no_review_is_refused(self):
        self.refused("review", "open", "--store", self.shop.id, "none", "--reason", "x", told="has no order none")
        self.refused("review", "open", "--store", self.shop.id, "none", code=2, told="--reason is required")
        self.refused("review", "open", "--store", self.shop.id, "none", "--reason", "x" * 65, code=2, told="--reason")
        self.refused("review", "lift", "--store", self.shop.id, "none", "--reason", "x", told="has no order none")


class Rules(Case):
    def add(self, *words):
        return running.ctl("rule", "add", "--store", self.shop.id, *words)

    def test_a_rule_has_the_level_of_what_it_names(self):
        a, p = ("--affiliate", self.shop.affiliate), ("--product", self.shop.product)
        for words, level in ((a + p, "affiliate_product"), (p, "product"), (a + ("--category", "k"), "affiliate_category"),
                             (("--category", "k"), "category"), (a, "affiliate"), ((), "store")):
            self.assertEqual(self.add("--rate", "1%", *words)["level"], level)

    def test_a_rule_is_shown_as_it_was_given(self):
        rule = self.add("--affiliate", self.shop.affiliate, "--rate", "12.5%", "--fixed", "1.5", "--fixed-order", "50", "--cap-line",
                        "2", "--cap-order", "3", "--cap-month", "4", "--priority", "-7", "--to", "2999-01-01")
        self.assertEqual({name: rule[name] for name in rule if name not in ("rule_id", "from", "actor")}, {
            "store_id": self.shop.id, "level": "affiliate", "affiliate_id": self.shop.affiliate, "product_id": None,
            "category": None, "rate": "12.5%", "fixed": "1.50", "fixed_order": "50.00", "cap_line": "2.00",
            "cap_order": "3.00", "cap_month": "4.00", "currency": "EGP", "priority": -7, "to": "2999-01-01T00:00:00.000Z"})
        self.assertEqual(self.add("--fixed", "0.125", "--currency", "KWD")["fixed"], "0.125")
        listed = running.ctl("rule", "list", "--store", self.shop.id, "--affiliate", self.shop.affiliate)["data"]
        self.assertIn(rule["rule_id"], [row["rule_id"] for row in listed])
        self.assertEqual(running.waslctl("rule", "list").rc, 0)

    def test_a_rule_is_ended_once_and_stays_listed_with_all(self):
        rule = self.add("--category", "x", "--rate", "1%")["rule_id"]
        self.assertTrue(running.ctl("rule", "end", rule)["to"])
        mine = ("rule", "list", "--store", self.shop.id)
        self.assertNotIn(rule, [row["rule_id"] for row in running.ctl(*mine)["data"]])
        self.assertIn(rule, [row["rule_id"] for row in running.ctl(*mine, "--all")["data"]])
        self.refused("rule", "end", rule, told="can only be ended, once")
        self.refused("rule", "end", 999999999, told="there is no rule 999999999")

    def test_rules_that_cannot_be_are_refused(self):
        for words, code, told in (
                ((), 2, "needs --rate, --fixed or --fixed-order"),
                (("--rate", "101%"), 2, "--rate"),
                (("--rate", "1%", "--from", "2020-01-01"), 1, "cannot start in the past"),
                (("--rate", "1%", "--product", 4000000000), 1, "has no product"),
                (("--rate", "1%", "--affiliate", 4000000000), 1, "there is no affiliate"),
                (("--rate", "1%", "--product", self.shop.product, "--category", "k"), 2, "not both"),
                (("--fixed-order", "1", "--product", self.shop.product), 1, "for an affiliate or the whole store"),
                (("--fixed", "0.001"), 2, "2 decimals"),
                (("--fixed", "-1"), 2, "--fixed"),
                (("--fixed", "1", "--currency", "XXX"), 2, "--currency"),
                (("--rate", "1%", "--currency", "KWD"), 1, "has no currency"),
                (("--rate", "1%", "--priority", "x"), 2, "--priority"),
                (("--rate", "1%", "--bonus", "1%"), 2, "--bonus needs --tier-from"),
                (("--tier-from", "3"), 2, "--bonus or --rate"),
                (("--tier-from", "3", "--bonus", "1%", "--rate", "1%"), 2, "--bonus or --rate"),
                (("--tier-from", "0", "--bonus", "1%"), 2, "--tier-from"),
                (("--tier-from", "3", "--bonus", "1%", "--fixed", "1"), 2, "not with --tier-from")):
            with self.subTest(words=words):
                self.refused("rule", "add", "--store", self.shop.id, *words, code=code, told=told)
        self.refused("rule", "add", "--store", 4000000000, "--rate", "1%", told="there is no store 4000000000")

    def test_steps_are_listed_and_ended(self):
        tier = self.add("--tier-from", "10", "--bonus", "1%")
        self.assertEqual((tier["from_orders"], tier["bonus"], tier["rate"]), (10, "1%", None))
        self.assertEqual(self.add("--tier-from", "20", "--rate", "9%")["rate"], "9%")
        listed = running.ctl("rule", "list", "--store", self.shop.id, "--tiers")["data"]
        self.assertEqual([row["from_orders"] for row in listed], [10, 20])
        self.assertTrue(running.ctl("rule", "end", tier["tier_id"], "--tier")["to"])
        self.assertEqual(len(running.ctl("rule", "list", "--store", self.shop.id, "--tiers")["data"]), 1)

    def test_the_winner_is_told_first_and_why_others_lost(self):
        shop = Shop(running, host="explained.example", rate="1%")
        ask = ("rule", "explain", "--affiliate", shop.affiliate, "--product", shop.product)
        self.assertEqual([rule["fate"] for rule in running.ctl(*ask)["rules"]], ["won"])
        product = ("rule", "add", "--store", shop.id, "--product", shop.product)
        ids = [running.ctl(*product, *words)["rule_id"] for words in (
            ("--rate", "2%", "--priority", "5"), ("--rate", "3%"), ("--rate", "4%", "--from", "2999-01-01"),
            ("--fixed", "1.000", "--currency", "KWD"))]
        answer = running.ctl(*ask)
        self.assertEqual((answer["store_id"], answer["currency"], answer["affiliate_id"], answer["product_id"]),
                         (shop.id, "EGP", shop.affiliate, shop.product))
        fates = {rule["rule_id"]: rule["fate"] for rule in answer["rules"]}
        self.assertEqual((answer["rules"][0]["rule_id"], [fates[each] for each in ids]),
                         (ids[0], ["won", "lower_priority", "not_yet_valid", "other_currency"]))
        self.assertIn("less_specific", fates.values())
        later = running.ctl(*ask, "--at", "2999-01-02", "--currency", "KWD")["rules"]
        self.assertEqual((later[0]["rule_id"], later[0]["fate"]), (ids[0], "won"))
        told = running.waslctl(*ask)
        self.assertRegex(told.out.split("\n")[1], r"^won +%d +product +2%%" % ids[0])
        for words, code in ((("--affiliate", 1), 2), (("--affiliate", 4000000000, "--product", shop.product), 1),
                            (("--affiliate", shop.affiliate, "--product", 4000000000), 1)):
            self.refused("rule", "explain", *words, code=code)

    def test_new_terms_of_a_store_leave_a_rule_that_has_yet_to_begin(self):
        later = self.add("--rate", "4%", "--from", "2999-01-01")
        running.ctl("store", "set", self.shop.id, "--rate", "6%")
        listed = running.ctl("rule", "list", "--store", self.shop.id)["data"]
        self.assertIn(later["rule_id"], [row["rule_id"] for row in listed])
        self.assertEqual(len([row for row in listed if row["rate"] == "6%" and row["level"] == "store"]), 1)


class Coupons(Case):
    def of_shop(self, verb, *words):
        return ("coupon", verb, "--store", self.shop.id, *words)

    def add(self, code, *words):
        return running.ctl(*self.of_shop("add", "--affiliate", self.shop.affiliate, code, *words))

    def test_a_code_is_kept_in_its_normal_form(self):
        coupon = self.add(" nile٧shop ", "--uses", 2, "--uses-per-customer", 1, "--to", "2999-01-01")
        self.assertEqual((coupon["code"], coupon["uses_max"], coupon["uses_per_customer_max"], coupon["used"]),
                         ("NILE7SHOP", 2, 1, 0))
        self.shop.done(self.shop.order([], ["100.00"], self.order_id(), coupons=["Nile7shop"]))
        self.assertEqual(self.rows(), [(self.shop.affiliate, "pending", "10.00")])
        listed = running.ctl("coupon", "list", "--store", self.shop.id, "--affiliate", self.shop.affiliate)["data"]
        self.assertEqual([row["used"] for row in listed if row["code"] == "NILE7SHOP"], [1])
        self.clean()

    def test_codes_that_anybody_guesses_need_force(self):
        for code in ("AHMED", "RAMADAN", "AHMED2026", "AHMEDX20"):
            self.refused(*self.of_shop("add", "--affiliate", self.shop.affiliate, code), told="easily guessed")
        self.assertEqual(self.add("SALE", "--force")["code"], "SALE")
        self.refused(*self.of_shop("add", "--affiliate", self.shop.affiliate, "sale", "--force"), told="already")

    def test_a_coupon_is_suspended_resumed_and_rotated(self):
        self.add("CAIROSHOE")
        self.assertEqual(running.ctl(*self.of_shop("suspend", "cairoshoe"))["status"], "suspended")
        self.shop.done(self.shop.order([], ["5.00"], self.order_id() + "-1", coupons=["CAIROSHOE"]))
        self.assertEqual(self.shop.verdicts(self.order_id() + "-1"), ["coupon_suspended"])
        self.assertEqual(running.ctl(*self.of_shop("resume", "CAIROSHOE"))["status"], "active")
        fresh = running.ctl(*self.of_shop("rotate", "CAIROSHOE", "GIZASHOE"))
        self.assertEqual((fresh["code"], fresh["affiliate_id"]), ("GIZASHOE", self.shop.affiliate))
        self.shop.done(self.shop.order([], ["5.00"], self.order_id() + "-2", coupons=["CAIROSHOE", "GIZASHOE"]))
        self.assertEqual(self.shop.verdicts(self.order_id() + "-2"), ["coupon_expired", "won_coupon"])
        self.clean()

    def test_what_is_no_coupon_is_refused(self):
        self.refused(*self.of_shop("suspend", "NOSUCHCODE"), told="has no coupon NOSUCHCODE")
        self.refused(*self.of_shop("add", "--affiliate", 4000000000, "GOODCODE"), told="there is no affiliate")
        self.refused(*self.of_shop("add", "--affiliate", self.shop.affiliate, "GOODCODE", "--uses", "0"), code=2)
        self.refused(*self.of_shop("add", "--affiliate", self.shop.affiliate, "x" * 129), code=2)
        self.refused(*self.of_shop("add", "GOODCODE"), code=2, told="--affiliate is required")


class Payouts(Case):
    def setUp(self):
        self.affiliate = self.shop.add_affiliate('=أحمد, "السيد"')
        running.ctl("affiliate", "set", self.affiliate, "--payout-method", "instapay", "--payout-account",
                    "+201001234567")

    def draft(self):
        drafts = running.ctl("payout", "draft", "--affiliate", self.affiliate)["data"]
        self.assertEqual(len(drafts), 1, drafts)
        return drafts[0]

    def executed(self):
        payout = self.draft()["payout_id"]
        self.cashier("payout", "approve", payout)
        running.ctl("payout", "execute", payout)
        return running.ctl("payout", "show", payout)

    def bank(self, *lines, header="reference,result,note"):
        return running.waslctl("payout", "import", "-", "--json", stdin="\n".join((header, *lines)) + "\n")

    def bucket(self, name):
        return running.ctl("balance", self.affiliate)["data"][0][name]

    def test_from_draft_to_import(self):
        self.approve(affiliate=self.affiliate, price="909.00")
        draft = self.draft()
        self.assertEqual((draft["state"], draft["amount"], draft["currency"], draft["commissions"], draft["drafted_by"]),
                         ("draft", "90.90", "EGP", 1, "wasl"))
        self.assertEqual(self.draft()["payout_id"], draft["payout_id"])
        number = draft["payout_id"]
        self.refused("payout", "approve", number, told="somebody else has to approve it")
        self.refused("payout", "execute", number, told="only an approved one")
        approved = self.cashier("payout", "approve", number)
        self.assertEqual((approved["state"], approved["approved_by"], approved["rows"][0]["amount"]),
                         ("approved", "wasl_cashier", "90.90"))
        self.assertEqual((self.bucket("available"), self.bucket("in_payout")), ("0.00", "90.90"))
        told = running.waslctl("payout", "execute", number).out
        self.assertEqual(told, 'affiliate,method,account,amount,currency,reference\n"\'=أحمد, ""السيد""",instapay,'
                         "+201001234567,90.90,EGP,%s\n" % draft["reference"])
        self.assertEqual(running.waslctl("payout", "execute", number).out, told)
        imported = self.bank("%s,paid,ok" % draft["reference"])
        self.assertEqual((imported.rc, json.loads(imported.out)),
                         (0, {"read": 1, "applied": 1, "known": 0, "refused": 0, "errors": []}))
        self.assertEqual(json.loads(self.bank("%s,paid," % draft["reference"]).out)["known"], 1)
        self.assertEqual(self.rows(), [(self.affiliate, "paid", "90.90")])
        self.assertEqual((self.bucket("in_payout"), self.bucket("paid")), ("0.00", "90.90"))
        shown = running.ctl("payout", "show", number)
        self.assertEqual((shown["state"], shown["note"], shown["rows"][0]["state"]), ("paid", "ok", "paid"))
        self.assertEqual(running.ctl("payout", "draft", "--affiliate", self.affiliate)["data"], [])
        self.clean()

    def test_the_owner_may_approve_what_the_cashier_drafted(self):
        self.approve(affiliate=self.affiliate)
        drafts = self.cashier("payout", "draft", "--affiliate", self.affiliate)["data"]
        self.assertEqual([draft["drafted_by"] for draft in drafts], ["wasl_cashier"])
        self.assertEqual(running.ctl("payout", "approve", drafts[0]["payout_id"])["approved_by"], "wasl")
        csv_file = pathlib.Path(running.dir, "bank.csv")
        told = running.waslctl("payout", "execute", "--out", csv_file)
        self.assertEqual((told.rc, told.out), (0, "1 payouts\n"), told)
        self.assertEqual((csv_file.read_bytes()[:10], csv_file.read_bytes().count(b"\r\n")), (b"affiliate,", 2))
        rows = list(csv.DictReader(io.StringIO(csv_file.read_text())))
        self.assertEqual([(row["reference"], row["amount"]) for row in rows], [(drafts[0]["reference"], "10.00")])
        self.refused("payout", "execute", "--out", csv_file, told="File exists")
        again = self.bank(",".join(rows[0].values()).replace('"', "") + ",paid", header=",".join(rows[0]) + ",result")
        self.assertEqual(json.loads(again.out)["refused"] + json.loads(again.out)["applied"], 1, again)

    def test_a_failed_transfer_is_payable_again(self):
        self.approve(affiliate=self.affiliate)
        payout = self.executed()
        self.assertEqual(json.loads(self.bank("%s,failed,no such account" % payout["reference"]).out)["applied"], 1)
        self.assertEqual((self.rows()[0][1], self.bucket("available")), ("approved", "10.00"))
        self.assertNotEqual(self.draft()["payout_id"], payout["payout_id"])
        self.clean()

    def test_a_bounced_transfer_comes_back_out_of_paid(self):
        self.approve(affiliate=self.affiliate)
        payout = self.executed()
        early = self.bank("%s,bounced," % payout["reference"])
        self.assertEqual((early.rc, json.loads(early.out)["refused"]), (1, 1))
        self.bank("%s,paid," % payout["reference"])
        self.assertEqual(json.loads(self.bank("%s,bounced,closed" % payout["reference"]).out)["applied"], 1)
        self.assertEqual((self.rows()[0][1], self.bucket("available"), self.bucket("paid")), ("approved", "10.00", "0.00"))
        self.clean()

    def test_what_was_paid_and_came_back_is_deducted_from_the_next(self):
        self.approve(affiliate=self.affiliate, price="800.00")
        self.bank("%s,paid," % self.executed()["reference"])
        self.happens("returned")
        self.assertEqual(self.rows(), [(self.affiliate, "paid", "80.00"), (self.affiliate, "approved", "-80.00")])
        self.assertEqual(running.ctl("payout", "draft", "--affiliate", self.affiliate)["data"], [])
        self.approve(self.order_id() + "-2", self.affiliate, "2000.00")
        self.assertEqual(self.draft()["amount"], "120.00")
        self.bank("%s,paid," % self.executed()["reference"])
        self.assertEqual((self.bucket("available"), self.bucket("paid")), ("0.00", "200.00"))
        self.clean()

    def test_a_draft_that_does_not_hold_any_more_is_refused(self):
        self.approve(affiliate=self.affiliate)
        stale = self.draft()["payout_id"]
        running.ctl("commission", "adjust", self.commission(), "--amount", "-1.00", "--reason", "x")
        result = running.waslctl("payout", "approve", stale, env={
            "WASL_DATABASE_URL": running.env["WASL_CASHIER_DATABASE_URL"]})
        self.assertEqual(result.rc, 1, result)
        self.assertIn("draft it again", result.err)
        fresh = self.draft()
        self.assertEqual(fresh["amount"], "9.00")
        self.assertEqual(running.ctl("payout", "show", stale)["state"], "cancelled")
        self.assertEqual(running.ctl("payout", "cancel", fresh["payout_id"], "--reason", "not today")["note"], "not today")

    def test_a_currency_has_its_minimum(self):
        shop = Shop(running, "KWD", host="kuwait%d.example" % time.time_ns(), return_days="0")
        affiliate = shop.add_affiliate()
        self.assertEqual(running.ctl("payout", "minimum", "KWD")["minimum"], None)
        self.assertEqual(running.ctl("payout", "minimum", "KWD", "--set", "1.5")["minimum"], "1.500")
        ask = ("payout", "draft", "--affiliate", affiliate, "--currency", "KWD")
        self.approve(self.order_id() + "-1", affiliate, "14.990", shop)
        self.assertEqual(running.ctl(*ask)["data"], [])
        self.approve(self.order_id() + "-2", affiliate, "0.010", shop)
        self.assertEqual(running.ctl(*ask)["data"][0]["amount"], "1.500")
        self.refused("payout", "minimum", "KWD", "--set", "0", code=2, told="--set")
        self.refused("payout", "minimum", "KW", code=2, told="ISO 4217")

    def test_an_account_that_a_spreadsheet_would_run_is_refused(self):
        for account in ("=1+1", "-5", "@SUM(A1)", "+1+1", "x\ny"):
            self.refused("affiliate", "set", self.affiliate, "--payout-account", account, code=2, told="--payout-account")
        for account in ("ahmed@instapay", "EG380019000500000000263180002", "+201001234567"):
            running.ctl("affiliate", "set", self.affiliate, "--payout-account", account)

    def test_files_of_another_kind_are_refused(self):
        for text, told in (("", "it is empty"), ("a,b\n1,2\n", "unknown column 'a'"), ("reference\nx\n", "reference and result"),
                           ("reference,result,result\n", "twice")):
            result = running.waslctl("payout", "import", "-", stdin=text)
            self.assertEqual(result.rc, 1, result)
            self.assertIn(told, result.err)
        result = self.bank("WASL-999999999,paid,", "WASL-1,lost,", ",paid,", '"x', header="reference,result,note")
        told = json.loads(result.out)
        self.assertEqual((result.rc, told["refused"], [error["line"] for error in told["errors"]]), (1, 4, [2, 3, 4, 5]))
        self.refused("payout", "import", "/nonexistent", told="No such file")

    def test_payouts_that_there_are_not_are_refused(self):
        for words in (("show", 999999999), ("approve", 999999999), ("cancel", 999999999), ("execute", 999999999)):
            self.refused("payout", *words, told="there is no payout 999999999")
        self.refused("payout", "draft", "--affiliate", 4000000000, told="there is no affiliate 4000000000")
        self.refused("payout", "draft", "--currency", "X", code=2)
        self.refused("payout", "show", "x", code=2, told="is not a number")
        self.assertEqual(running.ctl("payout", "list", "--state", "draft", "--affiliate", self.affiliate)["data"], [])
        self.assertIn("nothing is payable", running.waslctl("payout", "draft", "--affiliate", self.affiliate).out)


if __name__ == "__main__":
    unittest.main()
