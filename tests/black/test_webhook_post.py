# SPDX-License-Identifier: Apache-2.0
"""An event takes effect exactly once: repeats, races, databases that fail half-way, processes that die."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import stack
from shop import Attributor, Shop, instant

# The deadline of 1 s is tested by itself; here a busy machine must not decide who wins a race.
running = stack.Stack(stack.PATIENT)
LATE_LIMIT_S = 15.0  # at most: the deadline is 1 s where it passes, and 20 s where it must not


def setUpModule():
    running.start()
    Case.shop = Shop(running)


def tearDownModule():
    try:
        verified = running.waslctl("verify")
        assert verified.rc == 0, verified
    finally:
        running.stop()


class Proxy:
    """Between the attributor and Postgres; from hold() on, what a COMMIT is answered never arrives."""

    def __init__(self):
        self.target = running.env["WASL_ATTRIBUTOR_DATABASE_URL"].split("@")[1].split("/")[0].split(":")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.is_holding, self.has_held = False, threading.Event()
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self):
        head, tail = running.env["WASL_ATTRIBUTOR_DATABASE_URL"].split("@")
        return "%s@127.0.0.1:%d/%s" % (head, self.listener.getsockname()[1], tail.split("/")[1])

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection((self.target[0], int(self.target[1])))
            self.sockets += [client, server]
            threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, True), daemon=True).start()

    def pump(self, source, sink, is_answer):
        try:
            while data := source.recv(65536):
                if is_answer and self.is_holding and b"COMMIT\0" in data:
                    self.has_held.set()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        for one in [self.listener] + self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


class Case(unittest.TestCase):
    shop = None

    def order_id(self):
        return self.id().rsplit(".", 1)[1]

    def click(self):
        return self.shop.dated_click(time.time() - 60)

    def counts(self, order_id):
        """Events, decisions, commissions and ledger entries of an order."""
        where = " WHERE store_id = %d AND order_id = '%s'" % (self.shop.id, order_id)
        return [int(running.sql(query + where)[0][0]) for query in (
            "SELECT count(*) FROM wasl.events", "SELECT count(*) FROM wasl.decisions",
            "SELECT count(*) FROM wasl.commissions",
            "SELECT count(*) FROM wasl.entries JOIN wasl.commissions USING (store_id, commission_id)")]


    @contextlib.contextmanager
    def orders_locked(self, limit_s=None):
        """Nobody posts for limit_s from the block's begin on; until its end if no time is given."""
        lock = subprocess.Popen(
            [stack.psql_program(), "-X", "-q", "-d", running.env["WASL_DATABASE_URL"]], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True)
        lock.stdin.write("BEGIN; LOCK TABLE wasl.orders IN EXCLUSIVE MODE;\n")
        lock.stdin.flush()
        self.addCleanup(lock.wait)
        try:
            stack.wait_until(lambda: running.sql("SELECT 1 FROM pg_locks WHERE mode = 'ExclusiveLock' AND granted "
                                                 "AND relation = 'wasl.orders'::regclass"), what="the lock")
            lock.stdin.write("SELECT pg_sleep(%g); COMMIT;\n" % limit_s if limit_s else "")
            lock.stdin.flush()
            yield
        finally:
            lock.stdin.close()


class Repeats(Case):
    def test_the_same_body_again_is_the_same_answer(self):
        event = self.shop.order([self.click()], order_id=self.order_id())
        first = self.shop.done(event, "repeat-1")
        self.assertFalse(first["duplicate"])
        for _ in range(3):
            again = self.shop.done(event, "repeat-1")
            self.assertEqual(again, dict(first, duplicate=True))
        self.assertEqual(self.counts(self.order_id()), [1, 1, 1, 2])

    def test_the_answer_stays_what_it_was_after_later_changes(self):
        event = self.shop.order([self.click()], order_id=self.order_id())
        first = self.shop.done(event, "repeat-2")
        self.shop.done(self.shop.order(event["data"]["clicks"], ["500.00"], self.order_id()))
        self.assertEqual(self.shop.done(event, "repeat-2"), dict(first, duplicate=True))
        self.assertEqual(self.shop.rows(self.order_id()), [(self.shop.affiliate, "pending", "50.00")])

    def test_a_repeat_with_an_old_timestamp_is_401_and_with_a_new_one_a_duplicate(self):
        event = self.shop.order(order_id=self.order_id())
        self.shop.done(event, "repeat-3")
        self.assertEqual(self.shop.send(event, "repeat-3", timestamp=int(time.time()) - 1000).status, 401)
        self.assertTrue(self.shop.done(event, "repeat-3")["duplicate"])

    def test_another_body_under_the_same_id_is_409(self):
        event = self.shop.order(order_id=self.order_id())
        self.shop.done(event, "repeat-4")
        for other in (dict(event, note=1), self.shop.order(order_id=self.order_id() + "-other")):
            answer = self.shop.send(other, "repeat-4")
            self.assertEqual((answer.status, answer.json()["code"]), (409, "webhook_id_reused"))
        self.assertEqual(self.counts(self.order_id() + "-other"), [0, 0, 0, 0])
        where = "order_id = '%s-other'" % self.order_id()
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.orders WHERE " + where), [["0"]])

    def test_ids_belong_to_their_store(self):
        other = Shop(running, host="sameid.example")
        self.shop.done(self.shop.order(order_id=self.order_id()), "repeat-5")
        self.assertFalse(other.done(other.order(order_id=self.order_id()), "repeat-5")["duplicate"])

    def test_an_event_that_waits_repeats_so_after_the_confirmation_too(self):
        event = {"type": "order.returned", "timestamp": instant(), "data": {"order_id": self.order_id()}}
        first = self.shop.done(event, "repeat-6")
        self.assertEqual(first, {"order_id": self.order_id(), "decision": "waiting", "reason": "not_confirmed",
                                 "commissions": [], "duplicate": False})
        self.assertEqual(self.shop.done(event, "repeat-6"), dict(first, duplicate=True))
        self.shop.done(self.shop.order([self.click()], order_id=self.order_id()))
        self.assertEqual(self.shop.done(event, "repeat-6"), dict(first, duplicate=True))

    def test_what_was_once_answered_deferred_is_repeated_so(self):
        event = {"type": "order.returned", "timestamp": instant(), "data": {"order_id": self.order_id()}}
        body = json.dumps(event).encode()
        self.shop.done(self.shop.order(order_id=self.order_id()))
        running.sql("INSERT INTO wasl.event_ids (store_id, event_id, order_id, body_sha256, received_at) VALUES "
                    "(%d, 'repeat-old', '%s', '\\x%s', now())"
                    % (self.shop.id, self.order_id(), hashlib.sha256(body).hexdigest()))
        running.sql("INSERT INTO wasl.events (store_id, order_id, event_id, type, occurred_at, received_at, effect, facts) "
                    "SELECT store_id, order_id, 'repeat-old', 'order.shipped', now(), now(), 'deferred', jsonb_set(jsonb_set("
                    "facts, '{type}', '\"order.shipped\"'), '{event_id}', '\"repeat-old\"') FROM wasl.events "
                    "WHERE store_id = %d AND order_id = '%s'; SELECT wasl.order_wake(%d, '%s')"
                    % ((self.shop.id, self.order_id()) * 2))
        stack.wait_until(lambda: running.sql("SELECT 1 FROM wasl.orders WHERE order_id = '%s' AND due_at IS NULL"
                                             % self.order_id()), what="it is folded")
        self.assertEqual(self.shop.done(body, "repeat-old"),
                         {"order_id": self.order_id(), "decision": "deferred", "reason": None, "commissions": [],
                          "duplicate": True})

    def test_every_type_is_stored_whole(self):
        for kind in ("amended", "shipped", "delivered", "collected", "refunded", "returned", "refused", "cancelled",
                     "reinstated"):
            event = self.shop.order(kind="order." + kind, order_id="%s-%s" % (self.order_id(), kind))
            self.assertEqual(self.shop.done(event)["decision"], "waiting", kind)
            facts = running.sql("SELECT facts->>'type', facts->'lines'->0->>'line_id' FROM wasl.events "
                                "WHERE order_id = '%s-%s'" % (self.order_id(), kind))
            self.assertEqual(facts, [["order." + kind, "1"]])


class Changes(Case):
    def test_the_same_order_under_a_new_id_is_an_amendment(self):
        token = self.click()
        amounts = []
        for prices in (["100.00"], ["250.00"], ["250.00"], ["40.00", "10.00"], ["0.00"]):
            answer = self.shop.done(self.shop.order([token], prices, self.order_id()))
            amounts.append(answer["commissions"][0]["amount"])
            self.assertEqual(len(answer["commissions"]), 1)
        self.assertEqual(amounts, ["10.00", "25.00", "25.00", "5.00", "0.00"])
        self.assertEqual(self.shop.show(self.order_id())["decision"]["version"], 4)
        moves = running.sql(
            "SELECT e.move, e.amount_minor FROM wasl.entries e JOIN wasl.commissions c USING (store_id, commission_id) "
            "WHERE c.order_id = '%s' AND e.account = 'pending' ORDER BY e.entry_id" % self.order_id())
        self.assertEqual(moves, [["accrue", "1000"], ["accrue", "1500"], ["reduce", "-2000"], ["reduce", "-500"]])
        effects = [event["effect"] for event in self.shop.show(self.order_id())["events"]]
        self.assertEqual(effects, ["accrued", "amended", "unchanged", "amended", "amended"])

    def test_nothing_new_makes_no_new_version(self):
        tokens = [self.click(), "not a token", self.shop.dated_click(time.time() - 40 * 86400)]
        coupons = ['"quoted\\"', "a\nb\t\b\f\r\x01\x1f\x7f/<>&'", "é🛒\u202e\u2028", "{}", "1", "null"]
        lines = [{"unit_price": "12.50", "line_id": "\"\\\n%d" % number, "product_id": product}
                 for number, product in enumerate(("SKU-1", "un\\known\"", "طلب"))]
        for number in range(3):
            event = self.shop.order(tokens, lines, self.order_id(), coupons=coupons)
            self.shop.done(event)
            shown = self.shop.show(self.order_id())
            self.assertEqual([event["effect"] for event in shown["events"]], ["accrued"] + ["unchanged"] * number)
        self.assertEqual(shown["decision"]["version"], 1)

    def test_the_highest_order_version_holds_whenever_it_comes(self):
        token = self.click()
        for version, price in ((3, "300.00"), (1, "100.00"), (2, "200.00")):
            self.shop.done(self.shop.order([token], [price], self.order_id(), order_version=version))
        self.assertEqual(self.shop.rows(self.order_id()), [(self.shop.affiliate, "pending", "30.00")])

    def test_an_order_takes_only_so_many_events(self):
        store, name = self.shop.id, self.order_id()
        self.shop.done(self.shop.order(order_id=name), "many-0")
        running.sql(
            "INSERT INTO wasl.event_ids SELECT store_id, 'many-' || n, order_id, body_sha256, received_at, NULL "
            "FROM wasl.event_ids, generate_series(1, 999) n WHERE event_id = 'many-0'; "
            "INSERT INTO wasl.events SELECT store_id, order_id, 'many-' || n, 'order.shipped', occurred_at, received_at, "
            "order_version, 'deferred', jsonb_set(jsonb_set(facts, '{type}', '\"order.shipped\"'), '{event_id}', "
            "to_jsonb('many-' || n)) FROM wasl.events, generate_series(1, 999) n WHERE event_id = 'many-0'; "
            "SELECT wasl.order_wake(%d, '%s')" % (store, name))
        stack.wait_until(lambda: running.sql("SELECT 1 FROM wasl.orders WHERE order_id = '%s' AND due_at IS NULL" % name),
                         what="a thousand events are folded")
        answer = self.shop.send(self.shop.order(order_id=name), "many-over")
        self.assertEqual((answer.status, answer.json()["code"]), (422, "too_many_events"))
        rows = running.sql("SELECT count(*) FROM wasl.events WHERE store_id = %d AND order_id = '%s'" % (store, name))
        self.assertEqual(rows, [["1000"]])


class Races(Case):
    def test_fifty_at_once_take_effect_once(self):
        event = self.shop.order([self.click()], order_id=self.order_id())
        body = json.dumps(event).encode()
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: self.shop.send(body, "race-1"), range(50)))
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual(sum(not answer.json()["duplicate"] for answer in answers), 1)
        self.assertEqual(len({json.dumps(dict(answer.json(), duplicate=None)) for answer in answers}), 1)
        self.assertEqual(self.counts(self.order_id()), [1, 1, 1, 2])

    def test_fifty_ids_of_one_order_at_once(self):
        token = self.click()
        events = [self.shop.order([token], ["%d.00" % (100 + n)], self.order_id(), order_version=n) for n in range(50)]
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(self.shop.insist, events, ["ids-%d" % n for n in range(50)]))
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual(self.shop.rows(self.order_id()), [(self.shop.affiliate, "pending", "14.90")])
        self.assertEqual(self.counts(self.order_id())[0], 50)

    def test_one_id_for_many_orders_at_once(self):
        events = [self.shop.order(order_id="%s-%d" % (self.order_id(), n)) for n in range(20)]
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda event: self.shop.send(event, "race-3").status, events))
        self.assertEqual(sorted(answers), [200] + [409] * 19)
        rows = running.sql("SELECT count(*) FROM wasl.orders WHERE order_id LIKE '%s-%%'" % self.order_id())
        self.assertEqual(rows, [["1"]])

    def test_two_attributors_at_once_on_the_same_orders(self):
        self.race_of_two_attributors(first=8)  # from there on only the orders' locks keep them apart

    def test_two_attributors_at_once_on_the_same_new_orders(self):
        self.race_of_two_attributors(first=0)

    def race_of_two_attributors(self, first):
        """Forty events of four orders, each sent to both; so many are sent one after the other before."""
        token = self.click()
        other = Attributor(running).wait_ready()
        self.addCleanup(other.kill)
        collisions = lambda: [
            stack.parse_metrics(stack.request(url, "GET", "/metrics").body).get(
                ("wasl_postgres_errors_total", frozenset({("sqlstate", "23505")})), 0)
            for url in (running.env["WASL_ATTRIBUTOR_ADMIN_URL"], other.url("admin"))]
        before = collisions()
        events = [(self.shop.order([token], ["%d.00" % (100 + n)], "%s-%d" % (self.order_id(), n % 4), order_version=n),
                   "two-%d-%d" % (first, n)) for n in range(40)]

        def send(number):
            event, name = events[number // 2]
            if number % 2:
                return other.send(self.shop.store, event, name)
            return self.shop.send(event, name)

        for number in range(first):
            self.assertEqual(send(number).status, 200)
        with self.orders_locked(0.5), concurrent.futures.ThreadPoolExecutor(80 - first) as pool:
            answers = list(pool.map(send, range(first, 80)))
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual(sum(not answer.json()["duplicate"] for answer in answers), 40 - first // 2)
        for n in range(4):
            self.assertEqual(self.shop.rows("%s-%d" % (self.order_id(), n)),
                             [(self.shop.affiliate, "pending", "%d.%d0" % divmod(136 + n, 10))])
            self.assertEqual(self.counts("%s-%d" % (self.order_id(), n))[0], 10)
        self.assertEqual(collisions(), before, "they did not wait for each other's lock")

    def test_new_and_old_orders_in_one_batch(self):
        token = self.click()
        name = lambda number: "%s-%d" % (self.order_id(), number)
        event = lambda number, price, version=1: self.shop.order([token], [price], name(number), order_version=version)
        metric = lambda name: running.metric("attributor", name)
        bodies = {number: json.dumps(event(number, "100.00")).encode() for number in (1, 3, 5, 7, 12, 13)}
        first = {number: self.shop.send(body, "first-%d" % number).json() for number, body in bodies.items()}
        stack.wait_until(lambda: metric("wasl_event_jobs") == 0, what="nothing is left of other tests")
        before = metric("wasl_event_batches_total")
        with concurrent.futures.ThreadPoolExecutor(13) as pool, self.orders_locked():
            # The first two wait with a connection each; the others gather to one batch.
            rest = [pool.submit(self.shop.send, event(number, "50.00")) for number in (10, 11)]
            stack.wait_until(lambda: metric("wasl_event_jobs") == 2, what="two have come")
            rest += [pool.submit(self.shop.send, event(number, "200.00", 2)) for number in range(9)]
            again = [pool.submit(self.shop.send, bodies[number], "first-%d" % number) for number in (12, 13)]
            stack.wait_until(lambda: metric("wasl_event_jobs") == 13, what="all have come")
        self.assertEqual({one.result().status for one in rest}, {200})
        self.assertEqual(len({one.result().json()["commissions"][0]["id"] for one in rest}), 11)
        self.assertEqual([one.result().json() for one in again],
                         [dict(first[number], duplicate=True) for number in (12, 13)])
        for number in range(9):
            self.assertEqual(self.shop.rows(name(number)), [(self.shop.affiliate, "pending", "20.00")])
            self.assertEqual(self.counts(name(number)), [2, 2, 1, 4] if number in first else [1, 1, 1, 2], number)
        self.assertLessEqual(metric("wasl_event_batches_total") - before, 4, "they were not taken together")

    def test_a_refused_event_leaves_no_trace_of_a_new_order(self):
        for number in range(5):
            self.shop.done(self.shop.order(order_id="%s-%d" % (self.order_id(), number)), "mixed-%d" % number)
        orders = [self.shop.order(order_id="%s-new-%d" % (self.order_id(), number)) for number in range(12)]
        with self.orders_locked(0.6), concurrent.futures.ThreadPoolExecutor(12) as pool:
            # The first two wait with a connection each; the others gather to one batch.
            first = [pool.submit(self.shop.send, event) for event in orders[:2]]
            time.sleep(0.2)
            rest = [pool.submit(self.shop.send, event, "mixed-%d" % number if number < 5 else None)
                    for number, event in enumerate(orders[2:])]
        self.assertEqual([one.result().status for one in first + rest], [200] * 2 + [409] * 5 + [200] * 5)
        rows = running.sql("SELECT order_id FROM wasl.orders WHERE order_id LIKE '%s-new-%%'" % self.order_id())
        self.assertEqual(len(rows), 7, rows)


class Death(Case):
    def test_killed_between_commit_and_answer(self):
        proxy = Proxy()
        self.addCleanup(proxy.close)
        other = Attributor(running, database_url=proxy.url()).wait_ready()
        self.addCleanup(other.kill)
        event = self.shop.order([self.click()], order_id=self.order_id())
        proxy.is_holding = True

        def send():
            try:
                return other.send(self.shop.store, event, "killed-1")
            except (ConnectionError, AssertionError):
                return None

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send)
            self.assertTrue(proxy.has_held.wait(stack.WAIT_LIMIT_S), "no COMMIT came")
            other.kill()
            self.assertIsNone(sending.result(), "it was answered")
        self.assertEqual(self.counts(self.order_id()), [1, 1, 1, 2])
        again = self.shop.done(event, "killed-1")
        self.assertTrue(again["duplicate"])
        self.assertEqual([row["amount"] for row in again["commissions"]], ["10.00"])
        self.assertEqual(self.counts(self.order_id()), [1, 1, 1, 2])

    def test_an_unknown_commit_is_found_again_by_the_same_process(self):
        proxy = Proxy()
        self.addCleanup(proxy.close)
        other = Attributor(running, database_url=proxy.url(), order_deadline="20s").wait_ready()
        self.addCleanup(other.kill)
        event = self.shop.order([self.click()], order_id=self.order_id())
        proxy.is_holding = True
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(other.send, self.shop.store, event, "unknown-1")
            self.assertTrue(proxy.has_held.wait(stack.WAIT_LIMIT_S), "no COMMIT came")
            proxy.is_holding = False
            answer = sending.result()
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.counts(self.order_id()), [1, 1, 1, 2])

    def test_killed_and_started_again(self):
        event = self.shop.order([self.click()], order_id=self.order_id())
        first = self.shop.done(event, "killed-2")
        running.kill("attributor")
        running.start_service("attributor")
        stack.wait_until(self.posts, what="it posts")
        self.assertEqual(self.shop.done(event, "killed-2"), dict(first, duplicate=True))

    def posts(self):
        health = running.attributor_admin("/readyz")
        return health.status == 200 and "postgres" not in health.json()["degraded"]


class Database(Case):
    def usual(self):
        """An attributor with the deadline that it has by itself."""
        usual = Attributor(running, order_deadline="1s").wait_ready()
        self.addCleanup(usual.kill)
        return usual

    def accepted(self, answer):
        self.assertEqual((answer.status, answer.json()), (202, {"status": "accepted"}), answer)

    def eventually(self, event, webhook_id):
        def taken():
            answer = self.shop.send(event, webhook_id)
            self.assertIn(answer.status, (200, 202), answer)
            return answer if answer.status == 200 else None

        return stack.wait_until(taken, what="the event is taken").json()

    def test_stopped_and_back(self):
        event = self.shop.order([self.click()], order_id=self.order_id())
        self.shop.done(self.shop.order())
        running.stop_service("postgres")
        try:
            for _ in range(3):
                began = time.monotonic()
                self.accepted(self.shop.send(event, "away-1"))
                self.assertLess(time.monotonic() - began, LATE_LIMIT_S)
            health = running.attributor_admin("/readyz")
            self.assertEqual((health.status, "postgres" in health.json()["degraded"]), (200, True))
            bad = self.shop.send(event, "away-1", secret="whsec_" + "A" * 32)
            self.assertIn(bad.status, (401, 503))
        finally:
            running.start_service("postgres")
        self.assertEqual(self.eventually(event, "away-1")["commissions"][0]["amount"], "10.00")
        self.assertEqual(self.counts(self.order_id()), [1, 1, 1, 2])
        self.assertGreater(running.metric("attributor", "wasl_postgres_errors_total", sqlstate="08001"), 0)

    def test_locked_for_a_while(self):
        event = self.shop.order([self.click()], order_id=self.order_id())
        usual = self.usual()
        with self.orders_locked():
            began = time.monotonic()
            self.accepted(usual.send(self.shop.store, event, "locked-1"))
            self.assertLess(time.monotonic() - began, LATE_LIMIT_S)
        self.assertEqual(self.eventually(event, "locked-1")["commissions"][0]["amount"], "10.00")
        self.assertEqual(self.counts(self.order_id()), [1, 1, 1, 2])
        stack.wait_until(lambda: stack.parse_metrics(stack.request(usual.url("admin"), "GET", "/metrics").body)[
            "wasl_spool_records", frozenset()] == 0, what="the replay")

    def test_terminated_backends_cost_no_event(self):
        token = self.click()
        done = threading.Event()

        def terminate():
            while not done.is_set():
                running.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            "WHERE application_name LIKE 'wasl-attributor post%'", "superuser")
                time.sleep(0.2)

        killer = threading.Thread(target=terminate)
        killer.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                names = ["%s-%d" % (self.order_id(), n) for n in range(100)]
                answers = list(pool.map(
                    lambda name: self.eventually(self.shop.order([token], order_id=name), name), names))
        finally:
            done.set()
            killer.join()
        self.assertEqual({answer["commissions"][0]["amount"] for answer in answers}, {"10.00"})
        for name in names:
            self.assertEqual(self.shop.rows(name), [(self.shop.affiliate, "pending", "10.00")])

    def guarded(self, body):
        """A trigger of the test's own on wasl.events, until the test is over."""
        self.addCleanup(running.sql, "DROP FUNCTION IF EXISTS wasl.test_guard() CASCADE; "
                                     "DROP SEQUENCE IF EXISTS wasl.test_tries")
        running.sql("CREATE SEQUENCE wasl.test_tries; GRANT USAGE ON wasl.test_tries TO wasl_attributor; "
                    "CREATE FUNCTION wasl.test_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
                    + body + " RETURN NEW; END $$; CREATE TRIGGER test_guard BEFORE INSERT ON wasl.events "
                    "FOR EACH ROW EXECUTE FUNCTION wasl.test_guard()")

    def test_one_culprit_does_not_take_the_batch_with_it(self):
        self.guarded("IF NEW.order_id LIKE '%culprit' THEN RAISE EXCEPTION 'poison'; END IF;")
        events = [self.shop.order(order_id="%s-%d" % (self.order_id(), n)) for n in range(60)]
        events[17]["data"]["order_id"] = events[42]["data"]["order_id"] = "culprit"
        events[42]["data"]["order_id"] = "another-culprit"
        with concurrent.futures.ThreadPoolExecutor(60) as pool:
            answers = list(pool.map(self.shop.send, events))
        statuses = [answer.status for answer in answers]
        self.assertEqual([n for n, status in enumerate(statuses) if status != 200], [17, 42])
        for number in (17, 42):
            self.accepted(answers[number])
        self.assertEqual(self.quarantined("P0001", 2), [["waiting"]] * 2)
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.orders WHERE order_id LIKE '%culprit'"), [["0"]])

    def quarantined(self, code, count):
        query = "SELECT state FROM wasl.quarantine WHERE store_id = %d AND code = '%s'" % (self.shop.id, code)
        return stack.wait_until(lambda: (rows := running.sql(query)) and len(rows) >= count and rows, what="quarantine")

    def test_a_value_that_cannot_be_stored_goes_to_quarantine(self):
        self.guarded("IF NEW.order_id LIKE '%unstorable' THEN RAISE EXCEPTION 'no' USING ERRCODE = '22P02'; END IF;")
        self.accepted(self.shop.send(self.shop.order(order_id="unstorable")))
        self.assertEqual(self.quarantined("22P02", 1), [["waiting"]])

    def test_conflicts_are_tried_again(self):
        for number, state in enumerate(("40001", "40P01", "55P03")):
            self.guarded("IF nextval('wasl.test_tries') < 3 THEN RAISE EXCEPTION 'busy' USING ERRCODE = '%s'; END IF;"
                         % state)
            before = running.metric("attributor", "wasl_postgres_errors_total", sqlstate=state)
            self.shop.done(self.shop.order(order_id="%s-%d" % (self.order_id(), number)))
            self.assertEqual(running.metric("attributor", "wasl_postgres_errors_total", sqlstate=state), before + 2)
            self.doCleanups()

    def test_a_conflict_that_stays_is_spooled(self):
        usual = self.usual()
        self.guarded("RAISE EXCEPTION 'busy' USING ERRCODE = '40001';")
        self.accepted(usual.send(self.shop.store, self.shop.order(order_id=self.order_id()), "conflict-1"))
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.orders WHERE order_id = '%s'" % self.order_id()), [["0"]])

    def test_read_only_is_spooled_until_it_is_over(self):
        event = self.shop.order(order_id=self.order_id())
        self.addCleanup(running.sql, "ALTER ROLE wasl_attributor RESET default_transaction_read_only", "superuser")
        running.sql("ALTER ROLE wasl_attributor SET default_transaction_read_only = on; "
                    "SELECT pg_terminate_backend(pid, %d) FROM pg_stat_activity WHERE usename = 'wasl_attributor'"
                    % (stack.WAIT_LIMIT_S * 1000), "superuser")
        self.accepted(stack.wait_until(lambda: self.shop.send(event, "readonly-1"), what="an answer"))
        running.sql("ALTER ROLE wasl_attributor RESET default_transaction_read_only; "
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wasl_attributor'",
                    "superuser")
        self.eventually(event, "readonly-1")

    def test_frozen_backends_are_spooled_and_nothing_half_done(self):
        event, usual = self.shop.order([self.click()], order_id=self.order_id()), self.usual()
        backends = [int(pid) for (pid,) in running.sql(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'wasl-attributor post%'", "superuser")]
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.accepted(usual.send(self.shop.store, event, "frozen-1"))
        finally:
            for pid in backends:
                os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.eventually(event, "frozen-1")["commissions"][0]["amount"], "10.00")
        self.assertEqual(self.counts(self.order_id()), [1, 1, 1, 2])


if __name__ == "__main__":
    unittest.main()
