# SPDX-License-Identifier: Apache-2.0
"""Wall clocks that step by an hour, by ten minutes, by a second: only what asks for the time of day may notice."""

import concurrent.futures
import email.utils
import mmap
import os
import struct
import tempfile
import time
import unittest

import stack
from shop import Attributor, Session, Shop, insist
from stack import wait_until
from trackerlib import DAY_S, GRACE_S, HUMAN, WINDOW_S, Tracker

STEPS_S = (3600, -3600, 600, -600, 1, 0)
LONG = "60s"      # a deadline that no machine is too slow for
SLACK_S = 60      # between two readings of the clock
HALF_SENT = b"GET /x HTTP/1.1\r\nHo"


class Clock:
    """The wall clock of a process: real time and a step."""

    def __init__(self):
        handle, self.path = tempfile.mkstemp(prefix="clock-", dir=os.environ.get("WASL_TEST_DIR"))
        os.write(handle, bytes(8))
        self.map = mmap.mmap(handle, 8)
        os.close(handle)
        self.step_s = 0

    def env(self):
        return stack.preload("clock_step", {"WASL_TEST_CLOCK": self.path})

    def step(self, seconds):
        """By so many seconds away from real time."""
        self.step_s = seconds
        self.map[:] = struct.pack("=q", seconds * 1000000)

    def now(self):
        return time.time() + self.step_s

    def close(self):
        self.map.close()
        os.unlink(self.path)


class Case(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.addCleanup(self.clock.close)


class TrackerSteps(Case):
    def start(self, tracker):
        self.assertEqual(tracker.end(), 0)
        tracker.env = self.clock.env()
        tracker.start()

    def assert_click(self, tracker, answer):
        click = tracker.open_answer(answer)
        self.assertIsNotNone(click, answer)
        self.assertLess(abs(click["ms"] / 1000 - self.clock.now()), SLACK_S, "the step is not seen")
        return click

    def test_clicks_live_at_least_their_window_and_connections_stay(self):
        with Tracker({"click-deadline": "10s"}) as tracker:
            self.start(tracker)
            ids = set()
            with stack.Connection(tracker.url) as kept, stack.Connection(tracker.url) as half:
                half.send(HALF_SENT)
                for step_s in STEPS_S:
                    self.clock.step(step_s)
                    for _ in range(3):
                        answer = kept.request("GET", tracker.link(), {"User-Agent": HUMAN})
                        click = self.assert_click(tracker, answer)
                        ids.add(click["click_id"])
                        self.assertIsNotNone(tracker.record(click))
                    ttls = tracker.ttls()
                    self.assertGreaterEqual(min(ttls.values()), WINDOW_S)
                    self.assertLessEqual(max(ttls.values()), WINDOW_S + GRACE_S + 3600 + 3600 + SLACK_S)
                    self.assertEqual(tracker.admin("/readyz").json()["degraded"], [])
                half.send(b"st: a\r\n\r\n")
                self.assertEqual(half.read_answer().status, 404)
            self.assertEqual(len(ids), 3 * len(STEPS_S))
            self.assertEqual(tracker.metric("wasl_clicks_total", **{"class": "human", "stored": "redis"}), len(ids))
            self.assertEqual(tracker.events("redis_down"), [])
            self.assertEqual(tracker.end(), 0)

    def test_spooled_clicks_outlive_a_step_either_way(self):
        for step_s in (3600, -3600):
            self.clock.step(0)
            with Tracker() as tracker:
                self.start(tracker)
                tracker.stop_redis()
                wait_until(lambda: tracker.metric("wasl_redis_up") == 0, what="Redis counts as down")
                before = tracker.get(tracker.link())
                self.clock.step(step_s)
                after = tracker.get(tracker.link())
                self.assertGreaterEqual(tracker.metric("wasl_spool_oldest_seconds"), 0)
                self.assertEqual(tracker.metric("wasl_spool_records"), 2)
                tracker.start_redis()
                wait_until(lambda: tracker.metric("wasl_spool_records") == 0, what="the spool is replayed")
                for answer in (before, after):
                    self.assertIsNotNone(tracker.record(tracker.open_answer(answer)))
                self.assertGreaterEqual(min(tracker.ttls().values()), WINDOW_S)

    def test_a_snapshot_from_the_future_is_as_good(self):
        with Tracker() as tracker:
            self.clock.step(3600)
            self.start(tracker)
            self.assertEqual(tracker.end(), 0)
            tracker.stop_redis()
            self.clock.step(0)
            begin = len(tracker.log())
            tracker.start()
            self.assertEqual([event["from"] for event in tracker.events("ready", begin)], ["snapshot"])
            self.assert_click(tracker, tracker.get(tracker.link()))
            self.assertGreaterEqual(tracker.metric("wasl_catalogue_age_seconds"), 0)

    def test_the_date_of_answers_follows(self):
        with Tracker() as tracker:
            self.start(tracker)
            for step_s in (3600, -3600):
                self.clock.step(step_s)

                def date_agrees():
                    at = email.utils.parsedate_to_datetime(tracker.get(tracker.link()).header("date"))
                    return abs(at.timestamp() - self.clock.now()) < SLACK_S
                wait_until(date_agrees, what="the date of the step")


class AttributorSteps(Case):
    @classmethod
    def setUpClass(cls):
        cls.running = stack.Stack().start()
        cls.shop = Shop(cls.running)

    @classmethod
    def tearDownClass(cls):
        cls.running.stop()

    def other(self, **settings):
        other = Attributor(self.running, env=self.clock.env(), **settings)
        self.addCleanup(other.kill)
        return other.wait_ready()

    def send(self, other, event, webhook_id, at_s):
        body = stack.json.dumps(event).encode()
        headers = stack.webhook_headers(self.shop.store["webhook_secret"], webhook_id, int(at_s), body)
        return stack.request(other.url(), "POST", "/v1/stores/%d/events" % self.shop.id, headers, body, 120)

    def locked(self, change):
        """Runs change while no order can be written."""
        with Session(self.running) as session:
            session.run("BEGIN; LOCK TABLE wasl.orders IN EXCLUSIVE MODE;")
            return change()

    def test_webhooks_are_held_against_the_wall_clock(self):
        other = self.other(order_deadline=LONG)
        for number, step_s in enumerate(STEPS_S):
            self.clock.step(step_s)
            late = self.send(other, self.shop.order(), "held-%d" % number, time.time())
            self.assertEqual(late.status, 401 if abs(step_s) >= 600 else 200, step_s)
            good = self.send(other, self.shop.order(), "fits-%d" % number, self.clock.now())
            self.assertEqual(good.status, 200, good)

    def test_windows_are_those_of_the_order_whatever_the_clock_says(self):
        other = self.other(order_deadline=LONG)
        for number, step_s in enumerate(STEPS_S):
            self.clock.step(step_s)
            for age_s, verdict in ((30 * DAY_S - 600, "attributed"), (30 * DAY_S + 600, "unattributed")):
                placed_s = time.time() - 2 * 3600
                click = self.shop.dated_click(placed_s - age_s)
                event = self.shop.order([click], at_s=placed_s)
                answer = self.send(other, event, "window-%d-%d" % (number, age_s), self.clock.now())
                self.assertEqual((answer.status, answer.json().get("decision")), (200, verdict), (step_s, answer))

    def test_a_deadline_does_not_end_with_a_step(self):
        other = self.other(order_deadline=LONG)
        for number, step_s in enumerate((3600, -3600)):
            self.clock.step(0)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                def change():
                    sent = pool.submit(self.send, other, self.shop.order(), "waits-%d" % number, time.time())
                    wait_until(lambda: self.running.sql(
                        "SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0] != "0", what="it waits for the lock")
                    self.clock.step(step_s)
                    time.sleep(0.5)  # a loop turn or two with the new time
                    return sent
                self.assertEqual(self.locked(change).result().status, 200)

    def test_a_spooled_event_keeps_its_time_and_takes_effect_once(self):
        other = self.other(order_deadline="300ms")
        for number, step_s in enumerate((3600, -3600)):
            self.clock.step(0)
            event = self.shop.order([self.shop.dated_click(time.time() - 60)])
            order_id = event["data"]["order_id"]

            def change():
                answer = self.send(other, event, "spooled-%d" % number, time.time())
                self.clock.step(step_s)
                return answer
            self.assertEqual(self.locked(change).status, 202)
            rows = wait_until(lambda: self.running.sql(
                "SELECT abs(extract(epoch FROM now() - received_at)) < %d FROM wasl.events WHERE order_id = '%s'" % (
                    SLACK_S * 5, order_id)), what="it is posted")
            self.assertEqual(rows, [["t"]])
            wait_until(lambda: len(self.shop.rows(order_id)) == 1, what="its commission")
            again = insist(lambda: self.send(other, event, "spooled-%d" % number, self.clock.now()))
            self.assertEqual((again.status, again.json()["duplicate"]), (200, True))
            self.assertEqual(len(self.shop.rows(order_id)), 1)


if __name__ == "__main__":
    unittest.main()
