# SPDX-License-Identifier: Apache-2.0
"""The whole life of an order over HTTP: every type of event, what it does to the commissions, and what it is answered."""

import hashlib
import itertools
import time
import unittest

import stack
from shop import DAY_S, Shop, instant

running = stack.Stack({**stack.PATIENT, "timer-interval": "200ms"})
HOUR_S = 3600


def setUpModule():
    running.start()
    Case.shop = Shop(running)
    Case.now_return = Shop(running, host="now.example", return_days="0")
    Case.linear = Shop(running, host="linear.example")
    running.ctl("store", "set", Case.linear.id, "--model", "linear")


def tearDownModule():
    try:
        verified = running.waslctl("verify")
        assert verified.rc == 0, verified
    finally:
        running.stop()


class Case(unittest.TestCase):
    shop = now_return = linear = None

    def setUp(self):
        self.order_id = self.id().rsplit(".", 1)[1]
        self.now_s = int(time.time())

    def click(self, ago_s=60, shop=None, **options):
        return (shop or self.shop).dated_click(time.time() - ago_s, **options)

    def confirm(self, *prices, shop=None, **data):
        shop = shop or self.shop
        data.setdefault("order_id", self.order_id)
        clicks = data.pop("clicks", None) or [self.click(shop=shop)]
        return shop.done(shop.order(clicks, prices or ["100.00"], **data))

    def news(self, kind, shop=None, webhook_id=None, at_s=None, **data):
        shop = shop or self.shop
        return shop.done(shop.news(kind, self.order_id, at_s, **data), webhook_id)

    def states(self, shop=None):
        """(state, amount) of the order's rows."""
        return [(state, amount) for _, state, amount in (shop or self.shop).rows(self.order_id)]

    def column(self, name, table="wasl.orders", shop=None):
        """One value as text, "" for NULL."""
        rows = running.sql("SELECT %s FROM %s WHERE store_id = %d AND order_id = '%s'"
                           % (name, table, (shop or self.shop).id, self.order_id))
        return rows[0][0] if rows[0] else ""  # a row of one NULL is an empty line

    def reviews(self, shop=None):
        return [row[0] for row in running.sql(
            "SELECT reason FROM wasl.reviews WHERE store_id = %d AND order_id = '%s' AND lifted_at IS NULL "
            "ORDER BY review_id" % ((shop or self.shop).id, self.order_id))]

    def effects(self):
        return [row[0] for row in running.sql(
            "SELECT effect FROM wasl.events WHERE store_id = %d AND order_id = '%s' ORDER BY received_at, event_id"
            % (self.shop.id, self.order_id))]

    def bases(self, shop=None):
        return [line["base"] for line in (shop or self.shop).show(self.order_id)["lines"]]

    def wait_states(self, expected, shop=None):
        stack.wait_until(lambda: self.states(shop) == expected, what="%s, not %s" % (expected, self.states(shop)))

    def act(self, call, shop=None):
        """An operator's act: a function of SQL with the store, the order and a reason around what it wants."""
        name, _, rest = call.partition("(")
        running.sql("SELECT wasl.%s(%d, '%s', %s, 'a test')"
                    % (name, (shop or self.shop).id, self.order_id, rest.rstrip(")")))


class Worked(Case):
    """MONEY section 5, line by line."""

    def test_a_rate_is_rounded_half_up_and_a_refused_order_comes_to_nothing(self):
        shop = Shop(running, host="rate.example", rate="7.5%")
        self.assertEqual(self.confirm("909.00", shop=shop)["commissions"][0]["amount"], "68.18")
        answer = self.news("refused", shop)
        self.assertEqual([(row["state"], row["amount"]) for row in answer["commissions"]], [("voided", "0.00")])
        accounts = running.sql("SELECT store_minor, pending_minor FROM wasl.accounts WHERE store_id = %d" % shop.id)
        self.assertEqual(accounts, [["0", "0"]])

    def test_the_window_is_that_of_the_placement_not_of_the_webhook(self):
        answer = self.confirm(clicks=[self.click(45 * DAY_S)], at_s=self.now_s - 16 * DAY_S)
        self.assertEqual(answer["decision"], "attributed")

    def test_three_digits(self):
        shop = Shop(running, currency="KWD", rate="3.33%", host="kwd.example")
        self.assertEqual(self.confirm("12.345", shop=shop)["commissions"][0]["amount"], "0.411")

    def test_lines_are_rounded_one_by_one(self):
        self.assertEqual(self.confirm("0.15", "0.15")["commissions"][0]["amount"], "0.04")

    def test_one_unit_of_three_comes_back(self):
        line = {"unit_price": "100.00", "quantity": 3, "discount": "30.00"}
        self.assertEqual(self.confirm(line)["commissions"][0]["amount"], "27.00")
        answer = self.news("returned", lines=[{"line_id": "1", "refunded_quantity": 1}])
        self.assertEqual(answer["commissions"][0]["amount"], "18.00")
        self.assertEqual(self.bases(), ["180.00"])

    def test_tax_included_order_discount_and_a_refund_by_amount(self):
        data = {"prices_include_tax": True, "tax_rate": "14%", "discount": "17.10"}
        self.assertEqual(self.confirm("114.00", "57.00", **data)["commissions"][0]["amount"], "13.50")
        self.assertEqual(self.bases(), ["90.00", "45.00"])
        answer = self.news("refunded", lines=[{"line_id": "2", "refunded_amount": "25.65"}])
        self.assertEqual(answer["commissions"][0]["amount"], "11.25")
        self.assertEqual(self.bases(), ["90.00", "22.50"])

    def test_linear_thirds_and_half_of_them(self):
        others = [self.linear.add_affiliate("three"), self.linear.add_affiliate("two"), self.linear.affiliate]
        clicks = [self.click(60 + place, self.linear, affiliate=who) for place, who in enumerate(others)]
        rows = self.confirm(shop=self.linear, clicks=clicks)["commissions"]
        self.assertEqual([(row["affiliate_id"], row["amount"]) for row in rows],
                         list(zip(others, ["3.34", "3.33", "3.33"])))
        rows = self.news("refunded", self.linear, refunded_amount="50.00")["commissions"]
        self.assertEqual([row["amount"] for row in rows], ["1.67", "1.67", "1.66"])

    def test_linear_by_rules_of_their_own(self):
        other = self.linear.add_affiliate("half")
        running.sql("SELECT wasl.rule_add(%d, %d, rate => 500)" % (self.linear.id, other))
        clicks = [self.click(60, self.linear), self.click(61, self.linear, affiliate=other)]
        rows = self.confirm("1000.00", shop=self.linear, clicks=clicks, at_s=time.time() + 1)["commissions"]
        self.assertEqual([row["amount"] for row in rows], ["50.00", "25.00"])

    def test_only_the_first_of_two_lines_is_collected(self):
        self.confirm("300.00", "200.00")
        self.news("collected", lines=[{"line_id": "1"}])
        self.assertEqual(self.states(), [("held", "30.00")])
        self.assertEqual(self.column("state"), "collected")

    def test_confirmed_after_a_cancel_is_pending_in_any_order_of_arrival(self):
        token = self.click(2 * HOUR_S)
        for number, kinds in enumerate(itertools.permutations(["cancelled", "confirmed"])):
            order_id = "%s-%d" % (self.order_id, number)
            for kind in kinds:
                at_s = self.now_s - (HOUR_S if kind == "cancelled" else HOUR_S - 300)
                self.shop.done(self.shop.order([token], order_id=order_id, at_s=at_s) if kind == "confirmed"
                               else self.shop.news(kind, order_id, at_s))
            self.assertEqual(self.shop.rows(order_id), [(self.shop.affiliate, "pending", "10.00")], kinds)

    def test_a_later_event_never_moves_a_decision_in_any_order_of_arrival(self):
        other = self.shop.add_affiliate("b")
        one, two = self.click(2 * HOUR_S), self.click(HOUR_S + 1, affiliate=other)
        for number, is_first in enumerate((True, False)):
            order_id = "%s-%d" % (self.order_id, number)
            first = self.shop.order([one], order_id=order_id, at_s=self.now_s - HOUR_S)
            second = self.shop.order([two], order_id=order_id, at_s=self.now_s - HOUR_S, kind="order.amended")
            second["timestamp"] = instant(self.now_s - HOUR_S + 600)
            for event in ((first, second) if is_first else (second, first)):
                self.shop.done(event)
            self.assertEqual([row for row in self.shop.rows(order_id) if row[1] != "voided"],
                             [(self.shop.affiliate, "pending", "10.00")])

    def test_a_fixed_amount_on_a_line_of_nothing(self):
        shop = Shop(running, host="fixed.example", rate="0%")
        running.sql("SELECT wasl.rule_add(%d, fixed_unit => 5000, with_priority => 1)" % shop.id)
        answer = self.confirm({"unit_price": "80.00", "discount": "80.00"}, shop=shop, at_s=time.time() + 1)
        self.assertEqual([(row["amount"], row["state"]) for row in answer["commissions"]], [("0.00", "pending")])
        self.assertEqual(shop.show(self.order_id)["lines"][0]["reason"], "capped_line")


class Kinds(Case):
    def test_test_orders_are_listed_when_asked_for(self):
        answer = self.confirm(test=True)
        self.assertEqual((answer["decision"], answer["reason"], answer["commissions"]), ("unattributed", "test_order", []))
        listed = lambda *words: [row["order_id"] for row in running.ctl("order", "list", "--store", self.shop.id, *words)["data"]]
        self.assertNotIn(self.order_id, listed())
        self.assertEqual(listed("--test"), [self.order_id])

    def test_placed_is_decided_without_money(self):
        answer = self.confirm(kind="order.placed")
        self.assertEqual((answer["decision"], answer["reason"], answer["commissions"]),
                         ("attributed", "won_last_click", []))
        self.assertEqual((self.states(), self.column("state")), ([], "placed"))

    def test_shipped_and_delivered_are_kept_and_move_nothing(self):
        first = self.confirm()
        for kind in ("shipped", "delivered"):
            answer = self.news(kind)
            self.assertEqual(answer, dict(first, duplicate=False))
            self.assertNotEqual(self.column(kind + "_at"), "")
        self.assertEqual(self.states(), [("pending", "10.00")])
        self.assertEqual(self.effects(), ["accrued", "recorded", "recorded"])

    def test_collected_is_held_until_the_return_window_ends(self):
        self.confirm()
        answer = self.news("collected", at_s=self.now_s - 100)
        self.assertEqual([(row["state"], row["amount"]) for row in answer["commissions"]], [("held", "10.00")])
        due_s = self.now_s - 100 + 14 * DAY_S
        for column, table in (("due_at", "wasl.orders"), ("release_at", "wasl.commissions")):
            self.assertEqual(int(self.column("extract(epoch FROM %s)::bigint" % column, table)), due_s)

    def test_amended_replaces_the_lines(self):
        self.confirm()
        answer = self.confirm("30.00", "20.00", kind="order.amended")
        self.assertEqual(answer["commissions"][0]["amount"], "5.00")
        self.assertEqual(self.effects(), ["accrued", "amended"])

    def test_refunds_are_cumulative_and_clamped_with_a_review(self):
        self.confirm()
        for refunded, left in (("30.00", "7.00"), ("60.00", "4.00"), ("130.00", "0.00")):
            answer = self.news("refunded", lines=[{"line_id": "1", "refunded_amount": refunded}])
            self.assertEqual(answer["commissions"][0]["amount"], left)
        self.assertEqual((self.states(), self.reviews()), ([("voided", "0.00")], ["over_refund"]))
        self.assertEqual(self.column("state"), "returned")

    def test_cancelled_before_the_confirmation_waits(self):
        answer = self.news("cancelled", at_s=self.now_s + 60)
        self.assertEqual(answer, {"order_id": self.order_id, "decision": "waiting", "reason": "not_confirmed",
                                  "commissions": [], "duplicate": False})
        self.assertEqual((self.column("is_waiting"), self.column("state")), ("t", "new"))
        self.assertEqual([order["order_id"] for order in self.shop.stack.ctl(
            "order", "list", "--store", self.shop.id, "--waiting")["data"]
            if order["order_id"] == self.order_id], [self.order_id])
        self.confirm()
        self.assertEqual((self.column("is_waiting"), self.column("state")), ("f", "cancelled"))
        self.assertEqual(self.states(), [("voided", "0.00")])

    def test_each_way_out_and_back(self):
        self.confirm()
        for out in ("cancelled", "refused", "returned"):
            self.news(out)
            self.assertEqual((self.states(), self.column("state")), ([("voided", "0.00")], out))
            answer = self.news("reinstated")
            self.assertEqual([(row["state"], row["amount"]) for row in answer["commissions"]],
                             [("pending", "10.00")], out)
        self.assertEqual(self.effects(), ["accrued"] + ["voided", "reinstated"] * 3)
        self.assertEqual(self.column("state"), "confirmed")

    def test_collected_after_a_refusal_is_a_conflict_until_an_operator_resolves_it(self):
        first = self.confirm()
        self.news("refused")
        answer = self.news("collected", webhook_id="conflict-1")
        self.assertEqual((answer["decision"], answer["reason"]), ("conflict", "collected_after_refusal"))
        self.assertEqual(answer["commissions"], [dict(first["commissions"][0], amount="0.00", state="voided")])
        self.assertEqual((self.column("state"), self.reviews()), ("conflict", ["conflict"]))
        self.act("order_resolve('collected')")
        self.wait_states([("held", "10.00")])
        again = self.shop.done(self.again("conflict-1"), "conflict-1")
        self.assertEqual(again, dict(answer, duplicate=True))

    def again(self, webhook_id):
        return self.sent[webhook_id]

    def news(self, kind, shop=None, webhook_id=None, at_s=None, **data):
        event = (shop or self.shop).news(kind, self.order_id, at_s, **data)
        self.sent = {**getattr(self, "sent", {}), webhook_id: event}
        return (shop or self.shop).done(event, webhook_id)

    def test_every_answer_is_repeated_as_it_was(self):
        answers = {}
        self.confirm()
        for number, kind in enumerate(["shipped", "delivered", "collected", "refunded", "refused", "reinstated"]):
            name = "repeat-%d" % number
            data = {"refunded_amount": "50.00"} if kind == "refunded" else {}
            answers[name] = self.news(kind, webhook_id=name, **data)
        for name, answer in answers.items():
            self.assertEqual(self.shop.done(self.again(name), name), dict(answer, duplicate=True), name)

    def test_another_currency_is_refused(self):
        self.confirm()
        event = self.shop.order([], ["1.000"], self.order_id, kind="order.amended", currency="KWD")
        answer = self.shop.send(event)
        self.assertEqual((answer.status, answer.json()["code"], answer.json()["pointer"]),
                         (422, "currency_changed", "/data/currency"))
        self.assertEqual(self.states(), [("pending", "10.00")])

    def test_a_refund_finer_than_the_currency_is_refused(self):
        self.confirm()
        for data, pointer in (({"refunded_amount": "1.234"}, "/data/refunded_amount"),
                              ({"lines": [{"line_id": "1"}, {"line_id": "2", "refunded_amount": "1.234"}]},
                               "/data/lines/1/refunded_amount")):
            answer = self.shop.send(self.shop.news("refunded", self.order_id, **data))
            self.assertEqual((answer.status, answer.json()["code"], answer.json()["pointer"]),
                             (422, "too_precise", pointer))
        self.assertEqual(self.effects(), ["accrued"])

    def test_what_waited_with_a_finer_refund_is_read_half_up(self):
        self.news("refunded", refunded_amount="1.235")
        self.confirm()
        self.assertEqual(self.bases(), ["98.76"])

    def test_a_total_that_does_not_add_up_is_flagged(self):
        self.confirm(total="99.99")
        self.assertEqual(self.column("flags", "wasl.decisions"), "{total_mismatch}")


class Clock(Case):
    """What happens without an event."""

    def test_a_window_of_no_days_ends_at_once(self):
        self.confirm(shop=self.now_return)
        self.news("collected", self.now_return)
        self.wait_states([("approved", "10.00")], self.now_return)
        self.assertEqual(self.column("due_at", shop=self.now_return), "")
        self.assertEqual(running.sql(
            "SELECT store_minor, pending_minor, held_minor, available_minor FROM wasl.accounts WHERE store_id = %d"
            % self.now_return.id)[0][1:3], ["0", "0"])

    def test_a_window_that_has_long_ended_when_the_news_comes(self):
        self.confirm(clicks=[self.click(40 * DAY_S)], at_s=self.now_s - 20 * DAY_S)
        self.news("collected", at_s=self.now_s - 15 * DAY_S)
        self.wait_states([("approved", "10.00")])

    def test_a_review_stops_it_and_its_lifting_lets_it_go_on(self):
        self.confirm(shop=self.now_return)
        running.sql("SELECT wasl.review_open(%d, '%s', 'looks odd')" % (self.now_return.id, self.order_id))
        self.news("collected", self.now_return)
        time.sleep(1)
        self.assertEqual((self.states(self.now_return), self.column("due_at", shop=self.now_return)),
                         ([("held", "10.00")], ""))
        self.act("review_lift('looks odd')", self.now_return)
        self.wait_states([("approved", "10.00")], self.now_return)

    def test_a_review_that_was_lifted_does_not_come_back(self):
        shop = Shop(running, host="own.example", return_days="0")
        running.ctl("store", "set", shop.id, "--self-referral", "review")
        running.ctl("affiliate", "set", shop.affiliate, "--phone", "+201001234567")
        phone = hashlib.sha256(b"+201001234567").hexdigest()
        self.confirm(shop=shop, customer={"phone_sha256": phone})
        self.assertEqual(self.reviews(shop), ["self_referral"])
        self.act("review_lift('self_referral')", shop)
        self.news("collected", shop)
        self.wait_states([("approved", "10.00")], shop)
        self.assertEqual(self.reviews(shop), [])

    def test_what_came_due_while_nobody_ran_is_done_right_after(self):
        self.confirm(shop=self.now_return)
        running.sql("SELECT wasl.review_open(%d, '%s', 'odd')" % (self.now_return.id, self.order_id))
        self.news("collected", self.now_return)
        running.stop_service("attributor")
        try:
            self.act("review_lift('odd')", self.now_return)
            self.assertNotEqual(self.column("due_at", shop=self.now_return), "")
        finally:
            running.start_service("attributor")
        self.wait_states([("approved", "10.00")], self.now_return)
        stack.wait_until(lambda: running.attributor_admin("/readyz").status == 200, what="ready")

    def test_returned_after_approval_is_reversed(self):
        self.confirm(shop=self.now_return)
        self.news("collected", self.now_return)
        self.wait_states([("approved", "10.00")], self.now_return)
        answer = self.news("returned", self.now_return)
        self.assertEqual([(row["state"], row["amount"]) for row in answer["commissions"]], [("reversed", "0.00")])

    def test_what_was_stored_as_deferred_is_folded(self):
        self.confirm()
        running.sql("INSERT INTO wasl.event_ids (store_id, event_id, order_id, body_sha256, received_at) "
                    "VALUES (%d, 'old-1', '%s', sha256('x'), now())" % (self.shop.id, self.order_id))
        running.sql("INSERT INTO wasl.events (store_id, order_id, event_id, type, occurred_at, received_at, effect, facts) "
                    "SELECT store_id, order_id, 'old-1', 'order.cancelled', now(), now(), 'deferred', jsonb_set(jsonb_set("
                    "facts - '{placed_us,currency}'::text[], '{type}', '\"order.cancelled\"'), '{event_id}', '\"old-1\"') || "
                    "jsonb_build_object('lines', '[]'::jsonb, 'clicks', '[]'::jsonb, 'occurred_us', wasl.to_us(now()), "
                    "'received_us', wasl.to_us(now())) FROM wasl.events WHERE store_id = %d AND order_id = '%s' LIMIT 1"
                    % (self.shop.id, self.order_id))
        running.sql("SELECT wasl.order_wake(%d, '%s')" % (self.shop.id, self.order_id))
        self.wait_states([("voided", "0.00")])
        self.assertEqual(self.column("count(*)", "wasl.decisions"), "2")

    def test_orders_that_wait_over_a_day_are_told(self):
        self.assertEqual(running.metric("attributor", "wasl_orders_waiting"), 0)
        self.news("shipped")
        running.sql("UPDATE wasl.orders SET waiting_since = now() - interval '25 hours' WHERE store_id = %d "
                    "AND order_id = '%s'" % (self.shop.id, self.order_id))
        stack.wait_until(lambda: running.metric("attributor", "wasl_orders_waiting") == 1, what="the alarm")
        self.assertEqual(running.metric("attributor", "wasl_degraded", reason="orders_waiting"), 1)
        self.assertIn("orders_waiting", running.attributor_admin("/readyz").json()["degraded"])
        self.confirm()
        stack.wait_until(lambda: running.metric("attributor", "wasl_orders_waiting") == 0, what="its end")
        self.assertEqual(len(running.log_events("attributor", "orders_waiting")), 1)


class Paid(Case):
    def payout(self, shop):
        """Draft, approval by another, transfer; the amount."""
        number, = running.sql("SELECT wasl.payout_draft(%d, 'EGP')" % shop.affiliate)
        running.sql("SELECT wasl.payout_approve(%s)" % number[0], "cashier")
        (row,) = running.sql("SELECT amount, reference FROM wasl.payout_execute(%s)" % number[0])
        running.sql("SELECT wasl.payout_import('%s', 'paid')" % row[1])
        return row[0]

    def sell(self, shop, price, order_id):
        shop.done(shop.order([self.click(shop=shop)], [price], order_id))
        shop.done(shop.news("collected", order_id))
        stack.wait_until(lambda: [row[1] for row in shop.rows(order_id)] == ["approved"], what=order_id)

    def test_returned_after_it_was_paid_is_taken_off_the_next_payout(self):
        shop = Shop(running, host="paid.example", return_days="0")
        running.ctl("affiliate", "set", shop.affiliate, "--payout-method", "wallet", "--payout-account", "1")
        self.sell(shop, "800.00", "first")
        self.assertEqual(self.payout(shop), "80.00")
        answer = shop.done(shop.news("returned", "first"))
        self.assertEqual([(row["state"], row["amount"]) for row in answer["commissions"]],
                         [("paid", "80.00"), ("approved", "-80.00")])
        self.sell(shop, "2000.00", "second")
        self.assertEqual(self.payout(shop), "120.00")
        self.assertEqual({row[1] for row in shop.rows("first") + shop.rows("second")}, {"paid"})


class Clicks(Case):
    def test_the_fourth_customer_of_a_click_is_looked_at(self):
        token = self.click()
        for number in range(5):
            self.order_id = "forwarded-%d" % number
            self.confirm(clicks=[token], customer={"phone_sha256": "%064x" % min(number, 4)})
            self.assertEqual(self.reviews(), ["click_reuse"] if number >= 3 else [], number)
            self.assertEqual(self.states(), [("pending", "10.00")])

    def test_a_click_that_has_lost_an_order_is_not_counted_for_it(self):
        early, late = self.click(7200), self.click(3600)
        self.confirm(clicks=[late], at_s=self.now_s - 60)
        self.confirm(clicks=[early], at_s=self.now_s - 120)
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.click_wins WHERE store_id = %d AND order_id = '%s'"
                                     % (self.shop.id, self.order_id)), [["1"]])


class Acts(Case):
    def test_reassigned_and_back(self):
        other = self.shop.add_affiliate("heir")
        self.confirm()
        self.act("order_reassign(%d)" % other)
        stack.wait_until(lambda: self.shop.rows(self.order_id) == [
            (self.shop.affiliate, "voided", "0.00"), (other, "pending", "10.00")], what=self.shop.rows(self.order_id))
        self.act("order_reassign(NULL)")
        stack.wait_until(lambda: self.shop.rows(self.order_id) == [
            (self.shop.affiliate, "pending", "10.00"), (other, "voided", "0.00")], what=self.shop.rows(self.order_id))

    def test_voided_by_an_operator_and_an_adjustment_beside_it(self):
        number = self.confirm()["commissions"][0]["id"]
        running.sql("SELECT wasl.commission_adjust(%d, 250, 'sorry')" % number)
        self.wait_states([("pending", "10.00"), ("approved", "2.50")])
        running.sql("SELECT wasl.commission_void(%d, 'fraud')" % number)
        self.wait_states([("voided", "0.00"), ("approved", "2.50")])
        self.assertEqual(self.column("result", "wasl.decisions"), "attributed")


if __name__ == "__main__":
    unittest.main()
