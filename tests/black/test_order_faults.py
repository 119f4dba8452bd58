#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever crashes: an event that was answered 2xx takes effect exactly once. The attributor is killed at each step and
at any time, Postgres is restarted, cut off, made read-only and full, two attributors work at once, webhooks are
repeated and reordered.

WASL_TEST_SEED and WASL_TEST_SECONDS choose another run; each prints its seed."""

import concurrent.futures
import os
import random
import signal
import sys
import threading
import time
import unittest

import stack
from line import Line
from shop import Attributor, Shop

running = stack.Stack({"timer-interval": "200ms"})
SEED = int(os.environ.get("WASL_TEST_SEED") or time.time())
SECONDS = float(os.environ.get("WASL_TEST_SECONDS") or 10)
SENDERS = 6
SETTLE_LIMIT_S = 60
POISON = "poison"


def setUpModule():
    print("seed %d" % SEED, file=sys.stderr)
    running.start()


def tearDownModule():
    running.stop()


class Faults(unittest.TestCase):
    def setUp(self):
        self.name = "f%d" % time.monotonic_ns()
        self.shop = Shop(running, host=self.name + ".example")
        self.token = self.shop.dated_click(time.time() - 7200)
        self.line = Line(running)
        self.addCleanup(self.line.close)
        self.daemons, self.taken, self.lock = [], {}, threading.Lock()
        self.addCleanup(running.sql, "DROP FUNCTION IF EXISTS wasl.test_guard() CASCADE")

    def daemon(self, **options):
        daemon = Attributor(running, database_url=self.line.url, is_test_build=True, **options).wait_ready()
        stack.wait_until((daemon.folder / "stores.snapshot").exists, what="the snapshot")
        self.daemons.append(daemon)
        self.addCleanup(daemon.kill)
        return daemon

    def again(self, daemon, **options):
        """After its death, whatever became of Postgres."""
        daemon.kill()
        daemon.start(database_url=self.line.url, is_test_build=True, **options)
        stack.wait_until(lambda: "listener=public" in daemon.log(), what="listening")

    def guard(self, sqlstate, condition="true"):
        running.sql("DROP FUNCTION IF EXISTS wasl.test_guard() CASCADE; "
                    "CREATE FUNCTION wasl.test_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF " + condition +
                    " THEN RAISE EXCEPTION 'guarded' USING ERRCODE = '" + sqlstate + "'; END IF; RETURN NEW; END $$; "
                    "CREATE TRIGGER test_guard BEFORE INSERT ON wasl.events FOR EACH ROW "
                    "EXECUTE FUNCTION wasl.test_guard()")

    def event(self, number, price="100.00", **options):
        order = self.shop.order([self.token], [price], "%s-%d" % (self.name, number), **options)
        return "%s-%d" % (self.name, number), stack.json.dumps(order).encode()

    def offer(self, daemon, webhook_id, body):
        """The answer's status, None if there is none."""
        try:
            status = daemon.send(self.shop.store, body, webhook_id).status
        except (OSError, AssertionError, AttributeError, ValueError):
            return None
        self.assertIn(status, (200, 202, 503), webhook_id)
        if status != 503:
            with self.lock:
                self.taken[webhook_id] = status
        return status

    def settled(self):
        """Everything that was answered 2xx took effect once; the ledger is whole; nothing is left on the disks."""
        self.line.heal()
        for daemon in self.daemons:
            stack.wait_until(lambda: self.is_empty(daemon), SETTLE_LIMIT_S,
                             "seed %d: the spool is empty: %s" % (SEED, daemon.log()[-2000:]))
        # What a fault held up for long went from the spool to where it is retried.
        stack.wait_until(lambda: not self.unknown(), SETTLE_LIMIT_S, "seed %d: none is lost" % SEED)
        twice = running.sql("SELECT order_id, count(*) FROM wasl.commissions WHERE store_id = %d GROUP BY 1 "
                            "HAVING count(*) <> 1" % self.shop.id)
        self.assertEqual(twice, [], "seed %d" % SEED)

    def unknown(self):
        known = {name for (name,) in running.sql("SELECT event_id FROM wasl.event_ids WHERE store_id = %d" % self.shop.id)}
        return {name for name in self.taken if POISON not in name} - known

    @staticmethod
    def verified():
        verified = running.waslctl("verify")
        assert verified.rc == 0, "seed %d: %r" % (SEED, verified)

    @staticmethod
    def metric(daemon, name):
        return stack.parse_metrics(stack.request(daemon.url("admin"), "GET", "/metrics").body)[name, frozenset()]

    def is_empty(self, daemon):
        try:
            return self.metric(daemon, "wasl_spool_records") == 0
        except (OSError, AssertionError):
            return False


class Steps(Faults):
    """Killed at each step, the first time and later, with Postgres there and away."""

    EVENTS = 6

    def setUp(self):
        super().setUp()
        self.attributor = self.daemon()
        self.attributor.kill()
        self.number = 0

    def tearDown(self):
        self.verified()

    def die_at(self, point, count, is_away):
        daemon = self.attributor
        if is_away:
            self.line.cut()
        daemon.start(database_url=self.line.url, is_test_build=True, env={"WASL_FAILPOINT": "%s:%d" % (point, count)})
        stack.wait_until(lambda: "ev=ready" in daemon.log(), what=lambda: "ready: " + daemon.log())
        events = [self.event(number) for number in range(self.number, self.number + self.EVENTS)]
        self.number += self.EVENTS
        for webhook_id, body in events:
            self.offer(daemon, webhook_id, body)
        self.line.heal()
        stack.wait_until(lambda: daemon.process.poll() is not None, 30, "it dies at %s" % point)
        self.assertEqual(daemon.process.poll(), -signal.SIGKILL)
        self.again(daemon)
        for webhook_id, body in events:
            stack.wait_until(lambda: self.offer(daemon, webhook_id, body) in (200, 202), 30, "it is taken")
        self.settled()
        self.assertEqual(len(self.taken), self.number)
        daemon.kill()

    def test_read(self):
        self.die_at("read", 3, False)

    def test_verified(self):
        self.die_at("verified", 3, False)

    def test_committing(self):
        self.die_at("committing", 3, False)

    def test_committed(self):
        self.die_at("committed", 3, False)

    def test_answered(self):
        self.die_at("answered", 3, False)

    def test_spooling(self):
        self.die_at("spooling", 3, True)

    def test_spooled(self):
        self.die_at("spooled", 3, True)

    def test_answered_202(self):
        self.die_at("answered", 3, True)

    def test_replayed(self):
        self.die_at("replayed", 1, True)

    def test_deleted(self):
        self.die_at("deleted", 1, True)

    def test_quarantined(self):
        self.guard("P0001", "NEW.order_id LIKE '%%-3'".replace("%%", "%"))
        daemon = self.attributor
        daemon.start(database_url=self.line.url, is_test_build=True, env={"WASL_FAILPOINT": "quarantined:1"})
        daemon.wait_ready()
        self.assertEqual(self.offer(daemon, *self.event(3)), 202)
        stack.wait_until(lambda: daemon.process.poll() is not None, 30, "it dies")
        self.again(daemon)
        self.taken.clear()
        self.settled()
        self.assertEqual(running.sql("SELECT state, code FROM wasl.quarantine WHERE store_id = %d" % self.shop.id),
                         [["waiting", "P0001"]])


class End(Faults):
    def tearDown(self):
        self.verified()

    def test_committed_and_postgres_answer_lost(self):
        daemon = self.daemon()
        self.line.deaf_at = b"COMMIT"
        self.assertEqual(self.offer(daemon, *self.event(1)), 202)
        self.assertTrue(self.line.is_deaf)
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.event_ids WHERE store_id = %d" % self.shop.id), [["1"]])
        self.line.cut()
        self.settled()

    def test_sigterm_while_postgres_hangs(self):
        daemon = self.daemon()
        webhook_id, body = self.event(1)
        self.line.is_silent = True
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(self.offer, daemon, webhook_id, body)
            stack.wait_until(lambda: sending.done() or self.metric(daemon, "wasl_event_jobs") == 1, what="it has been read")
            daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(sending.result(), 202)
        self.assertEqual(daemon.exit_code(), 0, daemon.log())
        self.line.heal()
        self.again(daemon)
        self.settled()

    def test_what_one_leaves_another_adopts(self):
        daemon = self.daemon()
        daemon.kill()
        self.line.cut()
        daemon.start(database_url=self.line.url, is_test_build=True)
        stack.wait_until(lambda: "ev=ready" in daemon.log(), what="ready")
        for number in range(5):
            self.assertEqual(self.offer(daemon, *self.event(number)), 202)
        daemon.kill()
        (daemon.folder / "spool" / "0").rename(daemon.folder / "spool" / "7")
        self.line.heal()
        self.again(daemon)
        self.settled()
        self.assertIn("ev=spool_adopted", daemon.log())


class Chance(Faults):
    """Everything at once, by the seed's dice."""

    def test_everything_at_once(self):
        dice, self.is_over = random.Random(SEED), threading.Event()
        self.addCleanup(self.is_over.set)
        pair = [self.daemon(), self.daemon()]
        with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
            senders = [pool.submit(self.send_all, pair, random.Random(SEED + number), number)
                       for number in range(SENDERS)]
            until = time.monotonic() + SECONDS
            while time.monotonic() < until and not any(sender.done() for sender in senders):
                self.hurt(dice, pair)
                time.sleep(dice.uniform(0.1, 1.0))
            self.is_over.set()
            for sender in senders:
                sender.result()
        for daemon in pair:
            if daemon.process.poll() is not None:
                self.again(daemon)
        self.assertGreater(len(self.taken), 10)
        self.settled()
        self.verified()
        print("seed %d: %d events taken" % (SEED, len(self.taken)), file=sys.stderr)

    def send_all(self, pair, dice, sender):
        """One event after the other, each until it is taken, some again later and some to both."""
        number, old = sender * 1000000, []
        while not self.is_over.is_set():
            number += 1
            event = self.event(number)
            while self.offer(dice.choice(pair), *event) not in (200, 202) and not self.is_over.is_set():
                time.sleep(dice.uniform(0.01, 0.2))
            old.append(event)
            if dice.random() < 0.3:
                self.offer(dice.choice(pair), *dice.choice(old))

    def hurt(self, dice, pair):
        what = dice.choice(("kill", "failpoint", "restart", "cut", "silent", "terminate", "read_only", "full"))
        daemon = dice.choice(pair)
        if what == "kill":
            self.again(daemon)
        elif what == "failpoint":
            point = dice.choice(("read", "verified", "spooling", "spooled", "committing", "committed", "answered",
                                 "replayed", "deleted"))
            self.again(daemon, env={"WASL_FAILPOINT": "%s:%d" % (point, dice.randrange(1, 20))})
            time.sleep(dice.uniform(0.2, 1.0))
            self.again(daemon)
        elif what == "restart":
            running.stop_service("postgres")
            time.sleep(dice.uniform(0, 1.0))
            running.start_service("postgres")
        elif what in ("cut", "silent"):
            if what == "cut":
                self.line.cut()
            self.line.is_silent = what == "silent"
            time.sleep(dice.uniform(0.2, 2.5))
            self.line.heal()
        elif what == "terminate":
            running.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wasl_attributor'",
                        "superuser")
        elif what == "read_only":
            self.read_only("SET default_transaction_read_only = on")
            time.sleep(dice.uniform(0.2, 1.5))
            self.read_only("RESET default_transaction_read_only")
        else:
            self.guard("53100")
            time.sleep(dice.uniform(0.2, 1.5))
            running.sql("DROP FUNCTION IF EXISTS wasl.test_guard() CASCADE")

    def read_only(self, change):
        running.sql("ALTER ROLE wasl_attributor %s; SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = 'wasl_attributor'" % change, "superuser")


if __name__ == "__main__":
    unittest.main()
