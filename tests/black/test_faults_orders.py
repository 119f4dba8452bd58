# SPDX-License-Identifier: Apache-2.0
"""Orders under faults and in any order of arrival: what they come to depends on the events alone."""

import concurrent.futures
import itertools
import os
import random
import threading
import time
import unittest

import stack
from shop import Shop, instant

running = stack.Stack(stack.PATIENT)


def setUpModule():
    running.start()


def tearDownModule():
    running.stop()


class Case(unittest.TestCase):
    def setUp(self):
        self.shop = Shop(running, host="f%d.example" % time.monotonic_ns())

    def verified(self):
        result = running.waslctl("verify")
        self.assertEqual(result.rc, 0, result)


class Arrival(Case):
    """One set of events in every order of arrival."""

    def rows_of(self, events):
        """What the order's commissions are after these, their numbers and first amounts aside."""
        name = "a%d" % time.monotonic_ns()
        for number, event in enumerate(events):
            event["data"]["order_id"] = name
            self.shop.done(event, "%s-%d" % (name, number))
        return running.sql(
            "SELECT affiliate_id, state, amount, confirmed_at, placed_at FROM finance.commissions WHERE store_id = %d "
            "AND order_id = '%s' AND state <> 'voided' ORDER BY affiliate_id" % (self.shop.id, name))

    def check(self, events, *expected):
        found = {str(self.rows_of(list(way))) for way in itertools.permutations(events)}
        self.assertEqual(len(found), 1, found)
        row, = self.rows_of(events)
        self.assertEqual(tuple(row[:3]), (str(self.shop.affiliate), *expected))
        self.verified()

    def test_the_rate_of_placed_at_whichever_event_comes_first(self):
        before_s = time.time()
        time.sleep(1.1)
        running.ctl("store", "set", self.shop.id, "--rate", "20%")
        time.sleep(0.1)
        token = self.shop.dated_click(before_s - 60)
        self.check([self.shop.order([token], kind="order.placed", at_s=before_s), self.shop.order([token])],
                   "pending", "10.00")

    def test_the_first_confirmation_dates_the_commission_whenever_it_comes(self):
        now = int(time.time())
        token = self.shop.dated_click(now - 3600)
        events = [self.shop.order([token], ["%d.00" % price], at_s=now - 600) for price in (100, 200, 300)]
        for number, event in enumerate(events):
            event["timestamp"] = instant(now - 600 + 60 * number)
        self.check(events, "pending", "30.00")


class Refusal(Case):
    def test_a_database_that_refuses_all_takes_it_once_it_is_mended(self):
        event = self.shop.order([self.shop.dated_click(time.time() - 60)])
        running.sql("REVOKE INSERT ON wasl.entries FROM wasl_attributor")
        self.addCleanup(running.sql, "GRANT INSERT ON wasl.entries TO wasl_attributor")
        answer = self.shop.send(event, "refused")
        self.assertEqual((answer.status, answer.json()), (202, {"status": "accepted"}), answer)
        stack.wait_until(lambda: running.metric("attributor", "wasl_replay_stopped") == 1, what="the alarm")
        self.assertIn("posting", running.attributor_admin("/readyz").json()["degraded"])
        self.assertEqual(running.log_events("attributor", "event_not_posted")[-1]["sqlstate"], "42501")
        running.sql("GRANT INSERT ON wasl.entries TO wasl_attributor")
        stack.wait_until(lambda: self.shop.send(event, "refused").status == 200, what="it is posted")
        self.assertEqual(running.metric("attributor", "wasl_replay_stopped"), 0)
        self.assertEqual(self.shop.rows(event["data"]["order_id"]), [(self.shop.affiliate, "pending", "10.00")])


class Growth(Case):
    ORDERS, SENDERS = 3000, 16
    LIMIT = 100  # rows read without need for one order

    def test_plans_follow_the_tables(self):
        """Plans made on empty tables read them whole for every batch if they are kept."""
        token, count = self.shop.dated_click(time.time() - 60), itertools.count()
        url, path = running.env["WASL_ATTRIBUTOR_URL"], "/v1/stores/%d/events" % self.shop.id
        before = self.read()

        def sender(_):
            with stack.Connection(url) as connection:
                while (number := next(count)) < self.ORDERS:
                    name = "g-%d" % number
                    body = stack.json.dumps(self.shop.order([token], order_id=name)).encode()
                    headers = stack.webhook_headers(self.shop.store["webhook_secret"], name, None, body)
                    answer = connection.request("POST", path, headers, body)
                    self.assertEqual(answer.status, 200, answer)

        with concurrent.futures.ThreadPoolExecutor(self.SENDERS) as pool:
            list(pool.map(sender, range(self.SENDERS)))
        self.assertLess((self.read() - before) / self.ORDERS, self.LIMIT)
        self.verified()

    def read(self):
        """Rows read in whole tables or whole indexes so far."""
        time.sleep(1.1)  # backends tell their counts at most once a second
        return int(running.sql(
            "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'wasl' AND relname IN "
            "('orders', 'event_ids', 'events', 'decisions', 'order_lines', 'commissions')) + (SELECT sum(idx_tup_read) "
            "FROM pg_stat_user_indexes WHERE indexrelname = 'commissions_of_order')")[0][0])


class Death(Case):
    ORDERS, EVENTS, SENDERS, KILLS = 100, 4, 16, 4

    def history(self, seed):
        """(webhook-id, event) of all orders, shuffled; and what each order has to come to."""
        dice, now, expected, events = random.Random(seed), int(time.time()), {}, []
        token = self.shop.dated_click(now - 7200)
        for number in range(self.ORDERS):
            name, times = "d-%d" % number, dice.sample(range(600), self.EVENTS)
            for part, at in enumerate(times):
                price = dice.randrange(1, 90000)
                event = self.shop.order([token], ["%d.%02d" % divmod(price, 100)], name, at_s=now - 3600)
                event["timestamp"] = instant(now - 3600 + at)
                events.append(("%s-%d" % (name, part), event))
                if at == max(times):
                    expected[name] = (price + 5) // 10
        dice.shuffle(events)
        return events, expected

    def send_all(self, events, answers):
        """Each until it is taken; the answers by webhook-id."""
        def send(item):
            for _ in range(400):
                try:
                    answer = self.shop.send(item[1], item[0])
                except (OSError, ValueError, AttributeError, AssertionError):
                    answer = None
                if answer is not None and answer.status == 200:
                    answers.setdefault(item[0], []).append(answer.body)
                    return
                self.assertTrue(answer is None or answer.status in (202, 503), answer)
                time.sleep(0.05)
            self.fail("%s is never taken" % item[0])

        with concurrent.futures.ThreadPoolExecutor(self.SENDERS) as pool:
            list(pool.map(send, events))

    def test_killed_again_and_again_each_event_counts_once(self):
        seed = int(os.environ.get("WASL_TEST_SEED") or time.time())
        events, expected = self.history(seed)
        answers, is_over = {}, threading.Event()

        def kill():
            dice = random.Random(seed)
            for number in range(self.KILLS):
                if is_over.wait(dice.uniform(0.05, 0.4)):
                    return
                if number % 2:
                    running.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                "WHERE application_name LIKE 'wasl-attributor post%'", "superuser")
                else:
                    running.kill("attributor")
                    running.start_service("attributor")

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            killer = pool.submit(kill)
            try:
                self.send_all(events, answers)
            finally:
                is_over.set()
                killer.result()
        self.send_all(events, answers)
        for name, (first, again) in answers.items():
            self.assertEqual(again, first.replace(b'"duplicate":false', b'"duplicate":true'), (seed, name))
        rows = running.sql("SELECT order_id, amount_minor FROM wasl.commissions WHERE store_id = %d" % self.shop.id)
        self.assertEqual({name: int(amount) for name, amount in rows}, expected, "seed %d" % seed)
        self.assertEqual(running.sql("SELECT pending_minor, store_minor FROM wasl.accounts WHERE store_id = %d"
                                     % self.shop.id), [[str(sum(expected.values())), str(-sum(expected.values()))]])
        self.verified()


if __name__ == "__main__":
    unittest.main()
