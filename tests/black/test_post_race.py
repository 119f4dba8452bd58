# SPDX-License-Identifier: Apache-2.0
"""Two attributors at the same moment on the same order, coupon or cap: as one of them alone would have it."""

import concurrent.futures
import threading
import time
import unittest

import stack
from shop import Attributor, Session, Shop, instant

running = stack.Stack({"order-deadline": "20s", "timer-interval": "200ms"})
SENDERS = 8


def setUpModule():
    running.start()
    Case.second = Attributor(running).wait_ready()


def tearDownModule():
    try:
        verified = running.waslctl("verify")
        assert verified.rc == 0, verified
    finally:
        Case.second.kill()
        running.stop()


class Case(unittest.TestCase):
    second = None

    def setUp(self):
        self.shop = Shop(running, host="race%d.example" % time.monotonic_ns())

    def send_to(self, number, event, webhook_id):
        """By the stack's own attributor or by the second one."""
        if number % 2:
            return self.second.send(self.shop.store, event, webhook_id)
        return self.shop.send(event, webhook_id)

    def send_all(self, events):
        """One half to each attributor, all at once; their answers."""
        with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
            answers = list(pool.map(lambda pair: self.send_to(pair[0], pair[1], "all-%d" % pair[0]),
                                    enumerate(events)))
        for answer in answers:
            self.assertEqual(answer.status, 200, answer)
        return [answer.json() for answer in answers]


class Orders(Case):
    def waiting(self, wait):
        return int(running.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'wasl-attributor "
                               "post%%' AND wait_event_type = 'Lock' AND query LIKE '%%%s%%'" % wait, "superuser")[0][0])

    def test_held_between_lock_and_read_the_second_sees_what_the_first_wrote(self):
        token = self.shop.dated_click(time.time() - 60)
        for number, kinds in enumerate((("confirmed", "cancelled"), ("cancelled", "confirmed"))):
            order_id = "held-%d" % number
            at_s = {"confirmed": time.time() - 20, "cancelled": time.time() - 10}
            events = [self.shop.order([token], order_id=order_id, at_s=at_s[kind]) if kind == "confirmed"
                      else self.shop.news(kind, order_id, at_s[kind]) for kind in kinds]
            if number == 1:  # an order that is there already is waited for at its lock, a new one at its making
                self.shop.done(self.shop.order([token], order_id=order_id, at_s=time.time() - 30, kind="order.placed"))
            answers = {}
            threads = [threading.Thread(target=lambda n=n, e=event, o=order_id: answers.__setitem__(
                n, self.send_to(n, e, "%s-%d" % (o, n)))) for n, event in enumerate(events)]
            with Session(running) as session:
                # The orders' rows are made or locked before; their events cannot be written or read.
                session.run("BEGIN; LOCK TABLE wasl.events IN ACCESS EXCLUSIVE MODE;")
                threads[0].start()
                stack.wait_until(lambda: self.waiting("wasl.events") == 1, what="the first is held")
                threads[1].start()
                stack.wait_until(lambda: self.waiting("wasl.orders") == 1, what="the second waits for it")
                session.run("COMMIT;")
            for thread in threads:
                thread.join()
            self.assertEqual([answers[n].status for n in (0, 1)], [200, 200], answers)
            self.assertEqual(self.shop.rows(order_id), [(self.shop.affiliate, "voided", "0.00")], kinds)
            order = self.shop.show(order_id)
            self.assertEqual((order["state"], len(order["events"])), ("cancelled", 2 + number))

    def test_one_is_stopped_where_it_stands(self):
        token = self.shop.dated_click(time.time() - 60)
        now_s = time.time()
        events = []
        for number in range(40):
            order_id = "both-%d" % number
            events += [self.shop.order([token], order_id=order_id, at_s=now_s - 20),
                       self.shop.news("cancelled", order_id, now_s - 10)]
            if number % 2:
                events[-2:] = reversed(events[-2:])
        self.send_all(events)
        states = running.sql("SELECT DISTINCT o.state, c.state, c.amount_minor FROM wasl.orders o JOIN wasl.commissions c "
                             "USING (store_id, order_id) WHERE o.store_id = %d" % self.shop.id)
        self.assertEqual(states, [["cancelled", "voided", "0"]])
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.commissions WHERE store_id = %d" % self.shop.id), [["40"]])

    def test_both_timers_release_a_row_once(self):
        shop = self.shop = Shop(running, host="timers%d.example" % time.monotonic_ns(), return_days="0")
        token = shop.dated_click(time.time() - 60)
        names = ["due-%d" % number for number in range(30)]
        self.send_all([shop.order([token], order_id=name) for name in names])
        for name in names:
            shop.done(shop.news("collected", name))
        running.sql("UPDATE wasl.orders SET due_at = now() WHERE store_id = %d; NOTIFY wasl_orders" % shop.id)
        stack.wait_until(lambda: all(shop.rows(name) == [(shop.affiliate, "approved", "10.00")] for name in names),
                         what="all are approved")
        self.assertEqual(running.sql("SELECT move, count(*), sum(abs(amount_minor)) FROM wasl.entries WHERE store_id = %d "
                                     "GROUP BY 1 ORDER BY 1" % shop.id),
                         [[move, "60", "60000"] for move in ("accrue", "approve", "collect")])


class Caps(Case):
    def test_a_coupon_is_not_used_more_often_than_it_may_be(self):
        uses, orders = 5, 40
        running.sql("SELECT wasl.coupon_add(%d, 'RACING7', %d, uses => %d)" % (self.shop.id, self.shop.affiliate, uses))
        answers = self.send_all([self.shop.order([], order_id="c-%d" % number, coupons=["racing7"])
                                 for number in range(orders)])
        won = [answer for answer in answers if answer["decision"] == "attributed"]
        self.assertEqual((len(won), {answer["reason"] for answer in won}), (uses, {"won_coupon"}))
        self.assertEqual({answer["reason"] for answer in answers if answer not in won}, {"all_refused"})
        self.assertEqual(running.sql("SELECT used FROM wasl.coupons WHERE store_id = %d" % self.shop.id), [[str(uses)]])

    def test_a_customers_uses_are_counted_over_all_attributors(self):
        running.sql("SELECT wasl.coupon_add(%d, 'ONLYONE7', %d, uses_per_customer => 1)"
                    % (self.shop.id, self.shop.affiliate))
        events = [self.shop.order([], order_id="p-%d" % number, coupons=["ONLYONE7"],
                                  customer={"phone_sha256": "%064x" % (number % 3)}) for number in range(30)]
        answers = self.send_all(events)
        self.assertEqual(sum(answer["decision"] == "attributed" for answer in answers), 3)

    def test_a_cap_that_could_not_be_checked_is_noted(self):
        running.sql("SELECT wasl.coupon_add(%d, 'WHOKNOWS7', %d, uses_per_customer => 1)"
                    % (self.shop.id, self.shop.affiliate))
        for name, customer, flags in (("anybody", {}, ["coupon_customer_unknown"]),
                                      ("somebody", {"phone_sha256": "%064x" % 1}, []),
                                      ("anybody-2", {}, ["coupon_customer_unknown"])):
            answer = self.shop.done(self.shop.order([], order_id=name, coupons=["WHOKNOWS7"], customer=customer))
            self.assertEqual((answer["decision"], self.shop.show(name)["flags"]), ("attributed", flags))

    def test_a_use_comes_back_when_its_order_is_cancelled_before_shipping(self):
        running.sql("SELECT wasl.coupon_add(%d, 'COMEBACK7', %d, uses => 1)" % (self.shop.id, self.shop.affiliate))
        order = lambda name: self.shop.done(self.shop.order([], order_id=name, coupons=["COMEBACK7"]))["decision"]
        self.assertEqual([order("first"), order("second")], ["attributed", "unattributed"])
        self.shop.done(self.shop.news("cancelled", "first"))
        self.assertEqual(order("third"), "attributed")
        self.shop.done(self.shop.news("reinstated", "first"))  # not asked for the cap
        self.assertEqual(running.sql("SELECT used FROM wasl.coupons WHERE store_id = %d" % self.shop.id), [["2"]])

    def test_a_months_cap_is_not_overrun(self):
        running.sql("SELECT wasl.rule_add(%d, rate => 1000, cap_period => 5055, with_priority => 1)" % self.shop.id)
        token = self.shop.dated_click(time.time() - 60)
        at_s = time.time() + 1  # after the rule's begin
        answers = self.send_all([self.shop.order([token], order_id="m-%d" % number, at_s=at_s) for number in range(40)])
        amounts = sorted(answer["commissions"][0]["amount"] for answer in answers)
        self.assertEqual(amounts, ["0.00"] * 34 + ["0.55"] + ["10.00"] * 5)
        used = running.sql("SELECT sum(used_minor) FROM wasl.period_caps WHERE store_id = %d" % self.shop.id)
        self.assertEqual(used, [["5055"]])

    def test_what_others_free_of_a_cap_is_not_granted_afterwards(self):
        running.sql("SELECT wasl.rule_add(%d, rate => 1000, cap_period => 1400, with_priority => 1)" % self.shop.id)
        token = self.shop.dated_click(time.time() - 60)
        at_s = time.time() + 0.1
        time.sleep(0.2)  # the rule has begun by then, and what comes later is later
        for name, amount in (("full", "10.00"), ("part", "4.00"), ("none", "0.00")):
            answer = self.shop.done(self.shop.order([token], order_id=name, at_s=at_s))
            self.assertEqual(answer["commissions"][0]["amount"], amount)
        self.shop.done(self.shop.news("cancelled", "full"))
        for name, amount in (("part", "4.00"), ("none", "0.00")):
            answer = self.shop.done(self.shop.news("shipped", name))
            self.assertEqual(answer["commissions"][0]["amount"], amount)
        answer = self.shop.done(self.shop.order([token], order_id="next", at_s=at_s))
        self.assertEqual(answer["commissions"][0]["amount"], "10.00")
        self.assertEqual(self.shop.done(self.shop.news("reinstated", "full"))["commissions"][0]["amount"], "10.00")
        # An earlier confirmation that comes late asks for another amount: granted anew, as far as there is room.
        earlier = self.shop.order([token], ("70.00",), order_id="part", at_s=at_s - 0.5)
        earlier["data"]["placed_at"] = instant(at_s)
        self.assertEqual(self.shop.done(earlier)["commissions"][0]["amount"], "4.00")
        self.assertEqual(running.sql("SELECT wish_minor, granted_minor FROM wasl.grants WHERE order_id = 'part' AND "
                                     "store_id = %d" % self.shop.id), [["700", "400"]])
        self.assertEqual(running.waslctl("verify").rc, 0)


if __name__ == "__main__":
    unittest.main()
