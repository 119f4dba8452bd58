# SPDX-License-Identifier: Apache-2.0
"""A long backlog that has waited longer than clicks live: it leaves in its order, in little memory and behind live
traffic; what is over is counted and not sent. WASL_TEST_RECORDS clicks, a hundredth as many orders."""

import functools
import os
import pathlib
import re
import struct
import sys
import time
import unittest

import stack
from shop import DAY_S, Shop
from stack import wait_until
from test_ctl_spool import crc32c
from trackerlib import WINDOW_S, Tracker

RECORDS = int(os.environ.get("WASL_TEST_RECORDS", "60000"))
ORDERS = max(RECORDS // 100, 300)
LIMIT_S = 120 + RECORDS / 1000  # 12,800 clicks a second on a quiet machine
SEGMENT_RECORDS = 40000  # some 3.6 MB
BUCKET_CLICKS = 64
LIVE_EVERY = 10  # buckets: the others are over
WAITED_S = 100 * DAY_S
GROWTH_MAX_KIB = 24 << 10  # what is read at a time, not what there is: a million are 91 MB
SANITIZED_GROWTH_MAX_KIB = 256 << 10  # with what a sanitizer keeps of freed memory

NOTE = struct.Struct(">BBQBQ32s")
HEAD = struct.Struct(">BBHqI")
CLICK = b"\x10\x08\0" + bytes(3) + struct.pack(">IIII", 5, 100, 7, WINDOW_S) + bytes(10)


class Sums:
    """CRC-32C of records of one length: it is linear, so a byte at a place always changes a sum in the same way."""

    def __init__(self, begin, length):
        self.zero, self.length = crc32c(begin, bytes(length)), length
        self.plain = crc32c(0, bytes(length))

    @functools.cache
    def change(self, at, byte):
        return crc32c(0, bytes(at) + bytes([byte]) + bytes(self.length - at - 1)) ^ self.plain

    def of(self, data):
        total = self.zero
        for at, byte in enumerate(data):
            if byte:
                total ^= self.change(at, byte)
        return total


def expires_at_s(bucket, began_s):
    """Every tenth lives on, the others are over since long."""
    return began_s + WINDOW_S if bucket % LIVE_EVERY == 0 else began_s - DAY_S


def write_spool(folder, count, began_s):
    """As a tracker has left it 100 days ago, in closed segments."""
    folder.mkdir()
    for number, first in enumerate(range(0, count, SEGMENT_RECORDS), 1):
        head = b"waslspl\1" + struct.pack(">qI", 1, 0)
        begin = crc32c(0, head)
        sums = Sums(begin, HEAD.size + NOTE.size)
        last = min(first + SEGMENT_RECORDS, count)
        out = [head, struct.pack(">I", begin)]
        at_us = (began_s - WAITED_S) * 1000000
        for bucket in range(first // BUCKET_CLICKS, -(-last // BUCKET_CLICKS)):
            base = NOTE.pack(1, 0, bucket, 0, expires_at_s(bucket, began_s), CLICK)
            start = HEAD.pack(0xb5, 1, 0, at_us + bucket, len(base))
            total = sums.of(start + base)
            for index in range(max(first - bucket * BUCKET_CLICKS, 0), min(last - bucket * BUCKET_CLICKS, BUCKET_CLICKS)):
                changed = sums.change(HEAD.size + 10, index) if index else 0
                out += (start, struct.pack(">I", total ^ changed), base[:10], bytes([index]), base[11:])
        start, payload = HEAD.pack(0xb5, 255, 0, at_us, 4), struct.pack(">I", last - first)
        out += (start, struct.pack(">I", crc32c(crc32c(begin, start), payload)), payload)
        (folder / ("%08d.seg" % number)).write_bytes(b"".join(out))


def peak_kib(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/%d/status" % pid).read_text()).group(1))


def growth_max_kib():
    return SANITIZED_GROWTH_MAX_KIB if "asan" in str(stack.programs()) else GROWTH_MAX_KIB


def tell(text):
    """Figures, for a run that was asked for: a test of make check prints nothing."""
    if "WASL_TEST_RECORDS" in os.environ:
        print(text, file=sys.stderr, flush=True)


class Clicks(unittest.TestCase):
    def test_clicks_that_are_over_leave_in_order_behind_live_ones(self):
        count, began_s = RECORDS // BUCKET_CLICKS * BUCKET_CLICKS, int(time.time())
        with Tracker({"workers": 1}) as tracker:
            usual_kib = peak_kib(tracker.process.pid)
            self.assertEqual(tracker.end(), 0)
            write_spool(tracker.dir / "state" / "spool" / "5", count, began_s)
            tracker.start(is_ready=False)  # adopts it
            began = time.monotonic()
            clicked, left, waited_s = [], [], 0.0
            deadline = began + LIMIT_S
            while not left or left[-1] > 0:
                self.assertLess(time.monotonic(), deadline, "the spool does not empty")
                asked = time.monotonic()
                clicked.append(tracker.open_answer(tracker.get(tracker.link())))
                waited_s = max(waited_s, time.monotonic() - asked)
                left.append(tracker.metric("wasl_spool_records"))
                time.sleep(0.01)
            took_s = time.monotonic() - began
            clicked = [click for click in clicked if click]
            # On a machine that is busy with other things one of thousands may be late, and goes to the spool as well.
            stored, spooled = (tracker.metric("wasl_clicks_total", **{"class": "human", "stored": where})
                               for where in ("redis", "spool"))
            self.assertEqual(stored + spooled, len(clicked))
            self.assertLessEqual(spooled, len(clicked) // 100)
            self.assertTrue(all(later <= sooner + spooled for sooner, later in zip(left, left[1:])))
            live = sum(1 for bucket in range(count // BUCKET_CLICKS) if bucket % LIVE_EVERY == 0)
            self.assertGreater(len(clicked), 10)
            self.assertEqual(tracker.metric("wasl_spool_replayed_total"), count + spooled)
            self.assertEqual(tracker.metric("wasl_spool_expired_total"), count - live * BUCKET_CLICKS)
            self.assertEqual(tracker.metric("wasl_spool_set_aside_total"), 0)
            self.assert_stored(tracker, clicked, count, live)
            grown_kib = peak_kib(tracker.process.pid) - usual_kib
            self.assertLess(grown_kib, growth_max_kib())
            tell("%d clicks in %.1f s, %d KiB more at the peak (%d without), slowest live answer %.0f ms of %d" % (
                count, took_s, grown_kib, usual_kib, waited_s * 1000, len(clicked)))

    def assert_stored(self, tracker, clicked, count, live):
        mine = {("wasl:c:" + click["bucket"]).encode() for click in clicked}
        with tracker.redis() as redis:
            keys = set(redis.keys("wasl:c:*"))
            self.assertEqual(keys, mine | {b"wasl:c:%017x" % bucket for bucket in range(0, count // BUCKET_CLICKS, LIVE_EVERY)})
            self.assertTrue(all(redis.command("HLEN", key) == BUCKET_CLICKS for key in keys - mine))
            self.assertEqual(len(keys - mine), live)
            announced = [entry[1][1] for entry in redis.command("XRANGE", "wasl:buckets", "-", "+")]
        old = [word for word in announced if b"wasl:c:" + word not in mine]
        self.assertEqual(old, [b"%017x" % bucket for bucket in range(0, count // BUCKET_CLICKS, LIVE_EVERY)])


class Orders(unittest.TestCase):
    def test_orders_whose_clicks_are_over_leave_behind_live_ones(self):
        with stack.Stack({"order-deadline": "20s"}) as running:
            began_s = time.time() - 1
            shop = Shop(running)
            snapshot = pathlib.Path(running.dir, "state", "attributor", "stores.snapshot")
            self.assertEqual(shop.send(shop.order([], order_id="first"), "first").status, 200)
            wait_until(lambda: snapshot.exists() and snapshot.stat().st_mtime > began_s, what="the snapshot")
            over = shop.dated_click(time.time() - 40 * DAY_S)  # of a window of 30 days
            running.stop_service("postgres")
            wait_until(lambda: "postgres" in running.attributor_admin("/readyz").json()["degraded"], what="it is away")
            usual_kib = peak_kib(running.pid("attributor"))
            for number in range(ORDERS):
                answer = shop.send(shop.order([over], order_id="old-%d" % number), "old-%d" % number)
                self.assertEqual(answer.status, 202, answer)
            self.assertEqual(running.metric("attributor", "wasl_spool_records"), ORDERS)
            running.start_service("postgres")
            began, answers, left = time.monotonic(), [], [ORDERS]
            deadline = began + LIMIT_S + ORDERS / 50
            while left[-1] > 0:
                self.assertLess(time.monotonic(), deadline, "the spool does not empty")
                name = "live-%d" % len(answers)
                answers.append(shop.send(shop.order([], order_id=name), name).status)
                left.append(running.metric("attributor", "wasl_spool_records"))
            tell("%d orders in %.1f s, %d KiB more at the peak (%d without), %d live ones answered 200 meanwhile" % (
                ORDERS, time.monotonic() - began, peak_kib(running.pid("attributor")) - usual_kib, usual_kib, answers.count(200)))
            self.assertLess(peak_kib(running.pid("attributor")) - usual_kib, growth_max_kib())
            self.assertIn(200, answers, left)
            self.assertEqual(running.metric("attributor", "wasl_quarantine_put_total"), 0)
            rows = running.sql("SELECT d.candidates -> 0 ->> 'verdict', count(*) FROM wasl.orders o JOIN wasl.decisions d "
                               "ON (d.store_id, d.order_id, d.version) = (o.store_id, o.order_id, o.decision_version) "
                               "WHERE o.order_id LIKE 'old-%' GROUP BY 1")
            self.assertEqual(rows, [["out_of_window", str(ORDERS)]])
            self.assertEqual(running.waslctl("verify").rc, 0)


if __name__ == "__main__":
    unittest.main()
