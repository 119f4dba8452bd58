# SPDX-License-Identifier: Apache-2.0
"""Memory that runs out: what was answered holds, the rest is shed, and all is well again when there is some."""

import contextlib
import http.client
import mmap
import os
import signal
import struct
import tempfile
import unittest
import uuid

import stack
from shop import Attributor, Shop
from stack import wait_until
from trackerlib import HUMAN, Tracker

EVERY = (50, 7, 3, 2, 1)  # each Nth allocation fails
ROUNDS = 30
EVENTS = 12
CUT_S = 3                 # an answer that there was no memory for does not come


def is_sanitized():
    return b"__asan_init" in (stack.programs() / "wasl-tracker").read_bytes()


class Memory:
    """Of one process: how much of what it asks for it is refused."""

    def __init__(self):
        handle, self.path = tempfile.mkstemp(prefix="memory-", dir=os.environ.get("WASL_TEST_DIR"))
        os.write(handle, bytes(8))
        self.map = mmap.mmap(handle, 8)
        os.close(handle)

    def env(self):
        return stack.preload("no_memory", {"WASL_TEST_MEMORY": self.path})

    def refuse(self, every):
        self.map[:4] = struct.pack("=I", every)

    def refused(self):
        return struct.unpack("=I", self.map[4:])[0]

    def close(self):
        self.map.close()
        os.unlink(self.path)


@unittest.skipIf(is_sanitized(), "the sanitizers bring an allocator of their own")
class NoMemory(unittest.TestCase):
    def setUp(self):
        self.memory = Memory()
        self.addCleanup(self.memory.close)

    def ask(self, url, *request, connection=None):
        """An answer, or None where there was no memory for one."""
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            if connection is not None:
                return connection.request(*request)
            with stack.Connection(url, CUT_S) as fresh:
                return fresh.request(*request)
        return None

    def test_clicks_that_were_answered_are_safe_and_the_tracker_lives(self):
        with Tracker({"workers": 1, "access-log": "1/2"}) as tracker:
            self.assertEqual(tracker.end(), 0)
            tracker.env = self.memory.env()
            tracker.start()
            clicks = []
            for is_up in (True, False):
                if not is_up:
                    tracker.redis_process.send_signal(signal.SIGSTOP)
                for every in EVERY:
                    before = self.memory.refused()
                    with stack.Connection(tracker.url, CUT_S) as kept:
                        self.ask(None, "GET", "/robots.txt", connection=kept)
                        self.memory.refuse(every)
                        for number in range(ROUNDS):
                            path = tracker.link() + "?s1=%d&cid=%s" % (number, "x" * 200)
                            request = ("GET", path, {"User-Agent": HUMAN, "X-Long": "y" * 4000})
                            for connection in (None, kept):
                                answer = self.ask(tracker.url, *request, connection=connection)
                                if answer is not None and answer.status == 302:
                                    clicks.append(tracker.open_answer(answer))
                            self.ask(tracker.admin_url, "GET", "/metrics")
                        self.memory.refuse(0)
                    self.assertTrue(tracker.is_alive(), tracker.log()[-2000:])
                    self.assertGreater(self.memory.refused(), before)
            tracker.redis_process.send_signal(signal.SIGCONT)
            wait_until(lambda: tracker.metric("wasl_redis_up") == 1, what="Redis is up")
            wait_until(lambda: tracker.metric("wasl_spool_records") == 0, what="the spool is empty")
            wait_until(lambda: tracker.metric("wasl_connections") == 0, what="no connection is left over")
            clicks = [click for click in clicks if click is not None]
            self.assertEqual(len({click["click_id"] for click in clicks}), len(clicks))
            lost = tracker.metric("wasl_clicks_total", **{"class": "human", "stored": "none"})
            missing = [click for click in clicks if tracker.record(click) is None]
            self.assertLessEqual(len(missing), lost)
            click = tracker.open_answer(tracker.get(tracker.link() + "?s1=healed"))
            self.assertTrue(tracker.record(click)["has_extras"])
            self.assertEqual(tracker.end(), 0)

    def test_events_that_were_answered_take_effect_once_and_the_attributor_lives(self):
        with stack.Stack() as running:
            shop = Shop(running)
            other = Attributor(running, env=self.memory.env(), order_deadline="1s")
            self.addCleanup(other.kill)
            other.wait_ready()
            answered, refused = [], []
            for every in EVERY:
                before = self.memory.refused()
                for _ in range(EVENTS):
                    self.memory.refuse(every)
                    event, webhook_id = shop.order([shop.dated_click(stack.time.time() - 60)]), uuid.uuid4().hex
                    answer = None
                    with contextlib.suppress(OSError, ValueError, AssertionError):  # closed without an answer
                        answer = other.send(shop.store, event, webhook_id, CUT_S)
                    self.ask(other.url("admin"), "GET", "/metrics")
                    is_taken = answer is not None and answer.status in (200, 202)
                    (answered if is_taken else refused).append((event, webhook_id))
                self.memory.refuse(0)
                self.assertIsNone(other.process.poll(), other.log()[-2000:])
                self.assertGreater(self.memory.refused(), before)
            for event, webhook_id in refused:  # as their sender does it
                answered.append((event, webhook_id))
                wait_until(lambda: other.send(shop.store, event, webhook_id).status in (200, 202), 60, "it is taken")
            ids = [event["data"]["order_id"] for event, _ in answered]
            wait_until(lambda: running.sql(
                "SELECT count(DISTINCT order_id) FROM finance.commissions WHERE store_id = %d" % shop.id)
                == [[str(len(ids))]], 60, "each has its commission")
            self.assertEqual(running.sql(
                "SELECT count(*) FROM finance.commissions WHERE store_id = %d" % shop.id), [[str(len(ids))]])
            verified = running.waslctl("verify")
            self.assertEqual(verified.rc, 0, verified)
            self.assertNotIn("already a transaction in progress", other.log())
            other.process.terminate()
            self.assertEqual(other.exit_code(), 0)


if __name__ == "__main__":
    unittest.main()
