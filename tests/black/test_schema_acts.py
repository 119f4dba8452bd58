# SPDX-License-Identifier: Apache-2.0
"""Operators' acts, reviews, and what coupons, caps and tiers let a posting have: by the database's own functions."""

import concurrent.futures
import json
import unittest

import stack as stacks
from rows import Rows

stack = stacks.Stack()
rows = Rows(stack)
NOW = "wasl.to_us(now())"


def setUpModule():
    stack.start()
    for name in ("Acts", "Tiers"):
        stack.ctl("store", "add", "--name", name, "--url", "https://shop.example", "--currency", "EGP", "--rate", "10%")
    for name in ("First", "Second", "Third"):
        stack.ctl("affiliate", "add", "--name", name)
    stack.ctl("product", "add", "--store", 1, "--external-id", "P", "--url", "https://shop.example/p")
    stack.stop_service("attributor")


def tearDownModule():
    stack.stop()


class Case(unittest.TestCase):
    def refused(self, query, words, role="owner"):
        with self.assertRaises(AssertionError) as caught:
            stack.sql("BEGIN;" + query + ";COMMIT", role)
        self.assertIn(words, str(caught.exception))

    def act(self, query, role="cashier"):
        """The act's event: type, actor, effect, facts."""
        event = rows.one("SELECT " + query, role)
        row = stack.sql("SELECT e.type, e.actor, e.effect, e.facts, i.body_sha256 = sha256(convert_to(e.facts::text, 'UTF8')), "
                        "e.occurred_at = e.received_at, o.due_at <= now() FROM wasl.events e JOIN wasl.orders o USING "
                        "(store_id, order_id) JOIN wasl.event_ids i USING (store_id, event_id) WHERE e.event_id = '%s'" % event)[0]
        facts = json.loads(row[3])
        self.assertEqual(row[4:], ["t"] * 3)
        self.assertEqual((facts.pop("type"), facts.pop("event_id"), facts.pop("actor")), (row[0], event, row[1]))
        self.assertEqual(facts.pop("occurred_us"), facts.pop("received_us"))
        return row[:3] + [facts]


class Acts(Case):
    def test_each_act_is_an_event_of_its_order(self):
        order, commission = rows.order(1000)
        for query, role, expected in (
                ("wasl.commission_void(%s, 'fake')" % commission, "cashier",
                 ["operator.void", {"affiliate_id": 1, "commission_id": int(commission), "reason_text": "fake"}]),
                ("wasl.commission_adjust(%s, -5, 'خصم')" % commission, "cashier",
                 ["operator.adjust", {"affiliate_id": 1, "commission_id": int(commission), "amount_minor": -5, "reason_text": "خصم"}]),
                ("wasl.order_reassign(1, '%s', 2, 'hers')" % order, "owner",
                 ["operator.reassign", {"affiliate_id": 2, "reason_text": "hers"}]),
                ("wasl.order_reassign(1, '%s', NULL, 'no')" % order, "owner", ["operator.reassign", {"reason_text": "no"}])):
            with self.subTest(query=query):
                kind, actor, effect, facts = self.act(query, role)
                self.assertEqual(facts.pop("order_id"), order)
                self.assertEqual([kind, facts], expected)
                self.assertEqual((actor, effect), ("wasl" if role == "owner" else "wasl_cashier", "act"))

    def test_an_act_comes_after_the_version_that_was_known(self):
        order, commission = rows.order(1000)
        stack.sql("INSERT INTO wasl.event_ids (store_id, event_id, order_id, body_sha256, received_at) VALUES (1, 'v7', '{0}', "
                  "sha256('x'), now()); INSERT INTO wasl.events (store_id, order_id, event_id, type, occurred_at, received_at, "
                  "order_version, effect, facts) VALUES (1, '{0}', 'v7', 'order.amended', now(), now(), 7, 'x', '{{}}')"
                  .format(order), "attributor")
        self.assertEqual(self.act("wasl.commission_void(%s, 'r')" % commission)[3]["order_version"], 7)

    def test_what_cannot_be_done_is_refused_in_words(self):
        order, commission = rows.order(1000)
        nothing = rows.order(0)[1]
        suspended = rows.one("INSERT INTO wasl.affiliates (name, status) VALUES ('s', 'suspended') RETURNING affiliate_id")
        for query, words in (
                ("wasl.order_reassign(1, 'nobody''s', 1, 'r')", "store 1 has no order nobody's"),
                ("wasl.order_reassign(1, '%s', 999, 'r')" % order, "there is no affiliate 999"),
                ("wasl.order_reassign(1, '%s', %s, 'r')" % (order, suspended), "is suspended"),
                ("wasl.order_reassign(1, '%s', 1, ' ')" % order, "an act needs a reason"),
                ("wasl.order_reassign(1, '%s', 1, NULL)" % order, "an act needs a reason"),
                ("wasl.order_reassign(1, '%s', 1, repeat('x', 5000))" % order, "at most 4096 bytes"),
                ("wasl.order_resolve(1, '%s', 'out', 'r')" % order, "is in no conflict"),
                ("wasl.order_resolve(1, '%s', 'maybe', 'r')" % order, "as collected or as out"),
                ("wasl.commission_void(999999, 'r')", "there is no commission 999999"),
                ("wasl.commission_void(%s, 'r')" % nothing, "there is nothing to void"),
                ("wasl.commission_adjust(%s, 0, 'r')" % commission, "more or less than 0"),
                ("wasl.commission_adjust(%s, 9223372036854775807, 'r')" % commission, "by at most"),
                ("wasl.write_off(%s, 'r')" % commission, "there is nothing to write off"),
                ("wasl.review_open(1, '%s', '')" % order, "1 to 64 bytes"),
                ("wasl.review_lift(1, '%s', NULL, 'r')" % order, "no such open review")):
            with self.subTest(query=query):
                self.refused("SELECT " + query, words)

    def test_a_conflict_is_resolved(self):
        order, _ = rows.order(1000)
        stack.sql("UPDATE wasl.orders SET state = 'conflict' WHERE order_id = '%s'" % order)
        facts = self.act("wasl.order_resolve(1, '%s', 'collected', 'the courier paid')" % order, "owner")[3]
        self.assertEqual(facts["resolution"], "collected")

    def test_an_order_with_a_thousand_events_takes_no_more(self):
        order, commission = rows.order(1000)
        stack.sql("INSERT INTO wasl.event_ids (store_id, event_id, order_id, body_sha256, received_at) SELECT 1, '%s-' || i, '%s', "
                  "sha256('x'), now() FROM generate_series(2, 1000) i; INSERT INTO wasl.events (store_id, order_id, event_id, type, "
                  "occurred_at, received_at, effect, facts) SELECT 1, '%s', '%s-' || i, 'order.amended', now(), now(), 'x', '{}' "
                  "FROM generate_series(2, 1000) i" % (order, order, order, order), "attributor")
        self.refused("SELECT wasl.commission_void(%s, 'r')" % commission, "takes no more")

    def test_a_write_off_lifts_to_zero_once(self):
        order, commission = rows.order(800, "approved")
        act = rows.one("SELECT wasl.commission_adjust(%s, -900, 'r')" % commission)
        rows.posts_act(order, act, -900)
        taken = rows.one("SELECT max(commission_id) FROM wasl.commissions WHERE order_id = '%s'" % order)
        kind, _, _, facts = self.act("wasl.write_off(%s, 'gone')" % taken)
        self.assertEqual((kind, facts["amount_minor"]), ("operator.adjust", 100))
        self.refused("SELECT wasl.write_off(%s, 'gone')" % taken, "there is nothing to write off")


class Reviews(Case):
    def open_on(self, order):
        return sorted(row[0] for row in stack.sql(
            "SELECT reason FROM wasl.reviews WHERE order_id = '%s' AND lifted_at IS NULL" % order))

    def test_the_last_one_lifted_sets_the_order_going(self):
        order, _ = rows.order(100)
        for reason in ("fraud", "late"):
            stack.sql("SELECT wasl.review_open(1, '%s', '%s', now() + interval '1 day')" % (order, reason), "cashier")
        self.refused("SELECT wasl.review_open(1, '%s', 'fraud')" % order, "is under review for fraud already")
        stack.sql("UPDATE wasl.orders SET due_at = NULL WHERE order_id = '%s'" % order)
        stack.sql("UPDATE wasl.reviews SET lifted_at = now(), lifted_by = 'x' WHERE order_id = '%s' AND reason = 'late'" % order)
        due = "SELECT coalesce(due_at <= now(), false) FROM wasl.orders WHERE order_id = '%s'" % order
        self.assertEqual(rows.one(due), "f")
        self.assertEqual(rows.one("SELECT wasl.review_lift(1, '%s', 'fraud', 'real')" % order, "cashier"), "1")
        self.assertEqual(rows.one(due), "t")
        self.assertEqual(rows.one("SELECT lifted_by FROM wasl.reviews WHERE order_id = '%s' AND reason = 'fraud'" % order), "wasl_cashier")
        acts = stack.sql("SELECT facts->>'reason_text' FROM wasl.events WHERE order_id = '%s' AND actor IS NOT NULL "
                         "ORDER BY received_at" % order)
        self.assertEqual([row[0] for row in acts], ["opened: fraud", "opened: late", "lifted fraud: real"])
        self.refused("UPDATE wasl.reviews SET lifted_at = NULL, lifted_by = NULL", "only be lifted, once")
        self.refused("DELETE FROM wasl.reviews", "never deleted")

    def test_suspending_stops_what_is_unpaid(self):
        orders = [rows.order(100, state, affiliate=3)[0] for state in ("pending", "held", "approved")]
        stack.sql("UPDATE wasl.affiliates SET status = 'suspended' WHERE affiliate_id = 3")
        stack.sql("UPDATE wasl.affiliates SET name = 'x' WHERE affiliate_id = 3")
        self.assertEqual([self.open_on(order) for order in orders], [["affiliate_suspended"]] * 3)
        stack.sql("UPDATE wasl.affiliates SET status = 'active' WHERE affiliate_id = 3")
        self.assertEqual(self.open_on(orders[0]), ["affiliate_suspended"])

    def test_a_click_that_wins_for_a_fourth_customer(self):
        orders = [rows.order(100)[0] for _ in range(6)]
        for customer, order in zip((1, 2, 2, 3, 4, 1), orders):
            stack.sql("INSERT INTO wasl.click_wins VALUES (1, '00000000-0000-7000-8000-000000000001', '%s', repeat('%d', 64))"
                      % (order, customer), "attributor")
        self.assertEqual([self.open_on(order) for order in orders], [[]] * 4 + [["click_reuse"]] * 2)


class Coupons(Case):
    def lock(self, code, order="x", customer=None, placed=NOW):
        customer = "NULL" if customer is None else "repeat('%s', 64)" % customer
        return stack.sql("SELECT affiliate_id, held_back, uses_left, customer_uses_left, is_of_order FROM wasl.coupons_lock("
                         "'{1}', '{1}', ARRAY['%s'], ARRAY[%s], '{%s}', ARRAY[%s])" % (code, placed, order, customer), "attributor")[0]

    def use(self, order, coupon, customer="a"):
        return ("INSERT INTO wasl.coupon_uses (store_id, order_id, coupon_id, customer) VALUES (1, '%s', %s, repeat('%s', 64))"
                % (order, coupon, customer))

    def test_codes_that_people_guess_are_refused_unless_forced(self):
        for code, words in (("abcde", "fewer than 6"), ("sara10", "round number"), ("sara20", "round number"), ("nour100", "round number"),
                            ("nour2027", "a year"), ("welcome", "guess"), ("  Welcome77 ", "guess"), ("تخفيضات", "guess"), (" ", "1 to 128")):
            with self.subTest(code=code):
                self.refused("SELECT wasl.coupon_add(1, '%s', 1)" % code, words)
        stack.sql("SELECT wasl.coupon_add(1, 'Sara10', 1, is_forced => true)")
        self.assertEqual(rows.one("SELECT code FROM wasl.coupons WHERE code LIKE 'SARA%'"), "SARA10")
        self.refused("SELECT wasl.coupon_add(1, 'sara١٠', 2, is_forced => true)", "has a coupon SARA10 already")
        self.refused("SELECT wasl.coupon_add(9, 'NOBODY77X', 1)", "there is no store 9")
        self.refused("SELECT wasl.coupon_add(1, 'NOBODY77X', 99)", "there is no affiliate 99")

    def test_a_code_is_found_however_it_is_written(self):
        stack.sql("SELECT wasl.coupon_add(1, 'Layla77X', 2)")
        for code in ("LAYLA77X", " layla77x ", "ｌａｙｌａ７７ｘ", "layla٧٧x", "layla۷۷x"):
            with self.subTest(code=code):
                self.assertEqual(self.lock(code)[:2], ["2", ""])
        self.assertEqual(self.lock("LAYLA78X"), ["", "coupon_unknown", "", "", "f"])

    def test_what_holds_one_back_is_told_as_of_placed_at(self):
        coupon = rows.one("SELECT wasl.coupon_add(1, 'TIMED77X', 1, now() - interval '1 day', now() + interval '1 day')")
        hour = "%s * 3600000000::bigint"
        self.assertEqual(self.lock("TIMED77X", placed=NOW + " - 25 * 3600000000::bigint")[1], "coupon_expired")
        self.assertEqual(self.lock("TIMED77X", placed=NOW + " + 25 * 3600000000::bigint")[1], "coupon_expired")
        stack.sql("SELECT wasl.coupon_suspend(%s)" % coupon)
        self.assertEqual(self.lock("TIMED77X")[1], "coupon_suspended")
        self.assertEqual(self.lock("TIMED77X", placed=NOW + " - " + hour % 1)[1], "")
        stack.sql("SELECT wasl.coupon_resume(%s)" % coupon)
        self.assertEqual(self.lock("TIMED77X")[1], "")
        self.refused("UPDATE wasl.coupons SET affiliate_id = 2 WHERE coupon_id = %s" % coupon, "can only be ended")
        self.refused("DELETE FROM wasl.coupons", "never deleted")

    def test_rotation_ends_the_old_code(self):
        coupon = rows.one("SELECT wasl.coupon_add(1, 'LEAKED77X', 2, uses => 5, uses_per_customer => 1)")
        stack.sql("SELECT wasl.coupon_rotate(%s, 'FRESH77X')" % coupon)
        self.assertEqual(self.lock("LEAKED77X")[:2], ["2", "coupon_expired"])
        self.assertEqual(self.lock("FRESH77X", customer="a"), ["2", "", "5", "1", "f"])
        self.refused("SELECT wasl.coupon_rotate(%s, 'AGAIN77X')" % coupon, "is not valid now")

    def test_uses_are_counted_given_back_and_never_beyond_a_cap(self):
        coupon = rows.one("SELECT wasl.coupon_add(1, 'CAPPED77X', 1, uses => 2, uses_per_customer => 1)")
        orders = [rows.order(1)[0] for _ in range(4)]
        stack.sql(self.use(orders[0], coupon), "attributor")
        self.assertEqual(self.lock("CAPPED77X", orders[0], "a"), ["1", "", "1", "0", "t"])
        self.refused(self.use(orders[1], coupon), "has no use left", "attributor")
        stack.sql(self.use(orders[1], coupon, "b"), "attributor")
        self.refused(self.use(orders[2], coupon, "c"), "has no use left", "attributor")
        back = "UPDATE wasl.coupon_uses SET is_taken = %s WHERE order_id = '" + orders[0] + "'"
        stack.sql(back % "false", "attributor")
        self.assertEqual(self.lock("CAPPED77X", orders[0], "a"), ["1", "", "1", "1", "t"])
        stack.sql(self.use(orders[2], coupon, "c"), "attributor")
        stack.sql(back % "true", "attributor")
        self.assertEqual(self.lock("CAPPED77X", orders[3], "d"), ["1", "", "-1", "1", "f"])
        self.refused("DELETE FROM wasl.coupon_uses", "only ever added to")
        self.assertEqual(rows.broken(), [])

    def test_the_last_use_is_had_by_one_of_two(self):
        """Both lock before they look: the second sees what the first has left."""
        coupon = rows.one("SELECT wasl.coupon_add(1, 'LASTONE77X', 1, uses => 1)")
        orders = [rows.order(1)[0] for _ in range(2)]
        query = ("BEGIN; SELECT uses_left FROM wasl.coupons_lock('{1}', '{1}', '{LASTONE77X}', ARRAY[%s], '{%s}', '{NULL}'); "
                 "INSERT INTO wasl.coupon_uses (store_id, order_id, coupon_id) SELECT 1, '%s', %s WHERE (SELECT used FROM wasl.coupons "
                 "WHERE coupon_id = %s) = 0; SELECT pg_sleep(0.5); COMMIT")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            told = list(pool.map(lambda order: stack.sql(query % (NOW, order, order, coupon, coupon), "attributor")[0], orders))
        self.assertEqual(sorted(told), [["0"], ["1"]])


class Terms(Case):
    def rooms(self, affiliate, order="x", store=1):
        return stack.sql("SELECT rule_id, used_minor, cap_minor FROM wasl.period_rooms('{1}', '{%d}', '{%s}', '{%d}', ARRAY[%s], '{EGP}')"
                         % (store, order, affiliate, NOW), "attributor")

    def test_a_rule_s_level_follows_from_what_it_names(self):
        product = rows.one("SELECT product_id FROM wasl.products")
        for words, level in (("rate => 5", "store"), ("of_affiliate => 1, rate => 5", "affiliate"), ("of_category => 'c', rate => 5", "category"),
                             ("of_product => %s, rate => 5" % product, "product"), ("1, of_category => 'c', rate => 5", "affiliate_category"),
                             ("1, %s, fixed_unit => 5" % product, "affiliate_product")):
            rule = rows.one("SELECT wasl.rule_add(1, %s)" % words)
            self.assertEqual(rows.one("SELECT level FROM wasl.rules WHERE rule_id = " + rule), level)
            stack.sql("SELECT wasl.rule_end(%s)" % rule)
            self.refused("SELECT wasl.rule_end(%s)" % rule, "only be ended, once")
        for words, why in (("rate => 5, starts => now() - interval '1 s'", "cannot start in the past"), ("of_product => 999, rate => 1", "has no product"),
                           ("of_affiliate => 999, rate => 1", "no affiliate 999"), ("cap_line => 5", "has a rate"),
                           ("of_category => 'c', fixed_order => 5", "affiliate or the whole store"), ("rate => 5, in_currency => 'EGP'", "no currency")):
            with self.subTest(words=words):
                self.refused("SELECT wasl.rule_add(1, %s)" % words, why)

    def test_a_month_s_cap_is_granted_once_and_never_beyond(self):
        rule = rows.one("SELECT wasl.rule_add(1, 2, rate => 100, cap_period => 1000)")
        self.assertEqual(self.rooms(1), [])
        self.assertEqual(self.rooms(2), [[rule, "0", "1000"]])
        orders = [rows.order(1, affiliate=2)[0] for _ in range(3)]
        grant = ("INSERT INTO wasl.grants (store_id, order_id, affiliate_id, rule_id, month, wish_minor, "
                 "granted_minor, used_minor) SELECT 1, '%s', 2, " + rule + ", month, 600, %d, %d FROM wasl.period_caps WHERE rule_id = " + rule)
        stack.sql(grant % (orders[0], 600, 600), "attributor")
        self.refused(grant % (orders[1], 401, 401), "not that much left of its cap", "attributor")
        stack.sql(grant % (orders[1], 400, 400), "attributor")
        self.assertEqual(self.rooms(2), [[rule, "1000", "1000"]])
        stack.sql("UPDATE wasl.grants SET used_minor = 0 WHERE order_id = '%s'" % orders[0], "attributor")
        stack.sql(grant % (orders[2], 600, 600), "attributor")
        stack.sql("UPDATE wasl.grants SET used_minor = 600 WHERE order_id = '%s'" % orders[0], "attributor")
        self.assertEqual(self.rooms(2), [[rule, "1600", "1000"]])
        self.refused("UPDATE wasl.grants SET used_minor = 601 WHERE order_id = '%s'" % orders[0], "violates check", "attributor")
        self.refused("UPDATE wasl.grants SET granted_minor = 599, used_minor = 0", "never changes")
        self.refused("UPDATE wasl.grants SET wish_minor = 900, granted_minor = 900, used_minor = 900 WHERE order_id = '%s'"
                     % orders[1], "not that much left of its cap", "attributor")
        stack.sql("UPDATE wasl.grants SET wish_minor = 300, granted_minor = 300, used_minor = 300 WHERE order_id = '%s'"
                  % orders[1], "attributor")
        self.assertEqual(self.rooms(2), [[rule, "1500", "1000"]])
        stack.sql("UPDATE wasl.grants SET wish_minor = 400, granted_minor = 300 WHERE order_id = '%s'" % orders[1],
                  "attributor")
        stack.sql("SELECT wasl.rule_end(%s)" % rule)
        self.assertEqual(self.rooms(2, orders[0]), [[rule, "1500", "1000"]])
        self.assertEqual(rows.broken(), [])

    def test_a_tier_counts_what_was_collected_in_the_month_before(self):
        tiers = [rows.one("SELECT wasl.tier_add(2, %d, %s)" % step) for step in ((1, "50"), (2, "100"), (3, "NULL, 2000"))]
        now = rows.one("SELECT extract(epoch FROM clock_timestamp()) * 1000000").split(".")[0]
        before = "date_trunc('month', now() AT TIME ZONE 'Africa/Cairo')"
        for received in (before + " - interval '1 s'", before + " - interval '1 month'", before, before + " - interval '1 month 1 s'"):
            order, _ = rows.order(100, store=2)
            stack.sql("INSERT INTO wasl.events (store_id, order_id, event_id, type, occurred_at, received_at, effect, facts) VALUES (2, '%s', "
                      "'c-%s', 'order.collected', now(), (%s) AT TIME ZONE 'Africa/Cairo', 'collected', '{}')" % (order, order, received), "attributor")
        query = "SELECT affiliate_id, tier_id, bonus_bp, rate_bp FROM wasl.tiers_for('{1,1}', '{2,2}', '{1,2}', ARRAY[%s, %s])"
        self.assertEqual(stack.sql(query % (now, now), "attributor"), [["1", tiers[1], "100", ""]])
        self.assertEqual(stack.sql("SELECT affiliate_id, orders_collected FROM wasl.tier_months ORDER BY 1"), [["1", "2"], ["2", "0"]])
        later = rows.one("SELECT wasl.to_us((" + before + " + interval '1 month 1 day') AT TIME ZONE 'Africa/Cairo')")
        self.assertEqual(stack.sql(query % (later, later), "attributor"), [["1", tiers[0], "50", ""]])
        self.assertEqual(rows.one("SELECT count(*) FROM wasl.tier_months"), "2")
        self.refused("SELECT wasl.tier_add(2, 5, 100, 100)", "a bonus or a rate")
        self.refused("SELECT wasl.tier_add(2, 5, 100, NULL, now() - interval '1 s')", "cannot start in the past")
        stack.sql("SELECT wasl.tier_end(%s)" % tiers[1])
        self.refused("UPDATE wasl.tiers SET bonus_bp = 7", "only be ended")


class Document(Case):
    def test_an_affiliate_reads_no_names(self):
        order, commission = rows.order(100)
        stack.sql("SELECT wasl.review_open(1, '%s', 'fraud'); SELECT wasl.order_reassign(1, '%s', 2, 'Ahmed said so')" % (order, order))
        whole = rows.one("SELECT wasl.order_document(1, '%s')" % order, "attributor")
        own = rows.one("SELECT wasl.order_document(1, '%s', 1)" % order, "attributor")
        for word in ('"wasl"', "Ahmed"):
            self.assertIn(word, whole)
            self.assertNotIn(word, own)
        self.assertEqual(json.loads(own)["acts"][1]["type"], "operator.reassign")
        self.assertEqual(json.loads(whole)["shares"][0]["reason_text"]["en"], "Credited: this was the last click before the order.")
        self.assertEqual(rows.one("SELECT wasl.order_document(1, '%s', 3) IS NULL" % order, "attributor"), "t")


if __name__ == "__main__":
    unittest.main()
