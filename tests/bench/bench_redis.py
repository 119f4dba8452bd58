#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one click costs Redis, in the tracker's buckets, against a string key and a stream entry of its own.

Both layouts are written by click_feed, with the same records, into a private Redis that is emptied before.
redis_bytes_click: growth of used_memory, once the writer has gone and no table is being moved, per click: 1 M
clicks evenly over 30 days, 2 workers, windows of 7, 30 and 90 days. redis_bytes_click_sparse: 1,000 clicks a day.
The clicks lie ahead of now, so that none expires before the figure is taken. One round: the seed is fixed.
redis_cpu_click: Redis's processor time per click at full speed, 200,000 clicks of one worker within ten seconds of
their own time, the same three windows; five rounds in turn. As many clicks go into one write, in both layouts, as a real tracker with 64 busy connections puts into one:
that is counted first."""

import subprocess
import tempfile
import time

import benchlib
import stack
from trackerlib import Tracker, free_port

ANCHOR = "SET EX + XADD"
SPAN_S = 30 * 86400
CLICKS = 1_000_000
CLICKS_SPARSE = 30_000
WORKERS = 2
FILL_PER_WRITE = 200
CPU_CLICKS = 200_000
CPU_SPAN_S = 10
SAMPLE_S = 2
STILL_S = 0.5
STILL_LIMIT_S = 30


class Store:
    """with Store() as store: …   A private Redis of its own."""

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="bench-redis-")
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--maxmemory-policy", "noeviction", "--dir", self.dir.name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.wait_until(self.answers, what="Redis answers")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.dir.cleanup()

    def client(self):
        return stack.Redis("redis://127.0.0.1:%d" % self.port)

    def answers(self):
        try:
            with self.client() as client:
                return client.command("PING") == b"PONG"
        except OSError:
            return False

    def empty(self):
        with self.client() as client:
            client.command("FLUSHALL", "SYNC")

    def fill(self, layout, clicks, span_s, workers, per_write):
        words = [self.port, layout, clicks, span_s, workers, per_write]
        subprocess.run([benchlib.tool("click_feed")] + [str(word) for word in words], check=True,
                       timeout=benchlib.LIMIT_S)

    def still_bytes(self):
        """used_memory once it has not changed for a while: tables that grew have been moved by then."""
        deadline = time.monotonic() + STILL_LIMIT_S
        with self.client() as client:
            seen, since = -1, 0
            while time.monotonic() < deadline:
                now = info(client, "memory", "used_memory")
                if now != seen:
                    seen, since = now, time.monotonic()
                elif time.monotonic() - since >= STILL_S:
                    return seen
                time.sleep(0.05)
        raise AssertionError("Redis's memory does not come to rest")


def info(client, section, name):
    lines = client.command("INFO", section).decode().split("\r\n")
    return int(dict(line.partition(":")[::2] for line in lines)[name])


def bytes_per_click(store, layout, clicks):
    store.empty()
    before = store.still_bytes()
    store.fill(layout, clicks, SPAN_S, WORKERS, FILL_PER_WRITE)
    return (store.still_bytes() - before) / clicks


def clicks_per_write():
    """Of a real tracker, its 64 connections busy."""
    with Tracker({"workers": 1, "click-deadline": "1s"}) as tracker, tracker.redis() as client:
        before = info(client, "stats", "total_reads_processed")
        clicks = benchlib.load(tracker.url, tracker.link(), SAMPLE_S)
        reads = info(client, "stats", "total_reads_processed") - before
        benchlib.assert_all_stored(tracker)
    return max(1, round(clicks / reads))


def cpu_per_click(store, layout, per_write):
    store.empty()
    before = benchlib.cpu_us(store.process.pid)
    store.fill(layout, CPU_CLICKS, CPU_SPAN_S, 1, per_write)
    return (benchlib.cpu_us(store.process.pid) - before) / CPU_CLICKS


def main():
    benchlib.need("redis-server", "wrk")
    per_write = clicks_per_write()
    with Store() as store:
        ours, anchor = [], []
        for _ in range(benchlib.ROUNDS):
            ours.append(cpu_per_click(store, "buckets", per_write))
            anchor.append(cpu_per_click(store, "plain", per_write))
        benchlib.say("redis_cpu_click", "us", ours, anchor, "%s, %d clicks a write" % (ANCHOR, per_write))
        for name, clicks in (("redis_bytes_click", CLICKS), ("redis_bytes_click_sparse", CLICKS_SPARSE)):
            benchlib.say(name, "bytes", [bytes_per_click(store, "buckets", clicks)],
                         [bytes_per_click(store, "plain", clicks)], ANCHOR)


if __name__ == "__main__":
    main()
