#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clicks under load while Redis, the disk and the tracker fail by turns; afterwards every click token that a client
received is looked for. test_click_faults.py runs one round; `make soak` runs this file:

usage: tests/black/faultrun.py [--seconds N] [--seed N]     rounds until N seconds are over; the seed is printed"""

import argparse
import base64
import glob
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time

import stack
from stack import wait_until
from trackerlib import HUMAN, WINDOW_S, Tracker, free_port, token_in

CLIENTS = 8
CLICKS_PER_S = 400
LOSS_WINDOW_S = 2.0
LOSE_MAX_S = 1.5         # of its log's end that a killed Redis forgets
APART_S = LOSS_WINDOW_S + 0.5  # tracker and Redis never die within one loss window
CONTROL_S = 1.5
SAMPLE_S = 0.05
HEAL_LIMIT_S = 180
DISK_KIB = 2048
RETRY_S = 0.05
FAULTS = ("stop", "kill", "flush", "readonly", "fill", "slow", "tracker", "disk")
KILLS_REDIS = ("kill", "disk")


class FaultyTracker(Tracker):
    """Redis keeps a log, everysec; the tracker has a port that stays, and, where we may mount one, a small disk."""

    redis_words = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")

    def __init__(self):
        super().__init__({"workers": 2, "click-deadline": "25ms", "listen": "127.0.0.1:%d" % free_port()})
        self.has_disk = False

    def start_redis(self):
        if not self.process:  # the first time: before the tracker
            state = self.dir / "state"
            self.has_disk = os.geteuid() == 0 and subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=%dk" % DISK_KIB, "tmpfs", state], check=False,
                capture_output=True).returncode == 0
        super().start_redis()

    def stop(self):
        if self.has_disk:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            subprocess.run(["umount", "-l", self.dir / "state"], check=False)
        super().stop()

    def fill_disk(self):
        if not self.has_disk:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        with open(self.dir / "state" / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def empty_disk(self):
        if not self.has_disk:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE,
                             (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return
        (self.dir / "state" / "filler").unlink()


class Clients:
    """Threads that click at a steady rate and keep every token that they were given."""

    def __init__(self, tracker):
        self.url, self.link, self.is_over = tracker.url, tracker.link(), False
        self.received = []  # (token, when, seconds it took); append is atomic
        self.threads = [threading.Thread(target=self.click, args=(number,), daemon=True) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def click(self, number):
        connection, due = None, time.monotonic() + number / CLICKS_PER_S
        while not self.is_over:
            due = max(due + CLIENTS / CLICKS_PER_S, time.monotonic() - 0.1)
            time.sleep(max(0, due - time.monotonic()))
            began = time.monotonic()
            try:
                connection = connection or stack.Connection(self.url, limit_s=stack.ANSWER_LIMIT_S)
                answer = connection.request("GET", self.link, {"User-Agent": HUMAN})
                if answer is None:
                    raise ConnectionError
            except OSError:
                if connection:
                    connection.close()
                connection = None
                time.sleep(RETRY_S)
                continue
            now = time.monotonic()
            assert answer.status == 302, answer
            self.received.append((token_in(answer.header("location")), now, now - began))
        if connection:
            connection.close()

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


class LogSizes(threading.Thread):
    """How long Redis's log was when: what a kill may make it forget."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.pattern = str(directory / "appendonlydir" / "*.incr.aof")
        self.samples, self.is_over = [], False
        self.start()

    def path(self):
        return max(glob.glob(self.pattern), key=os.path.getmtime)

    def run(self):
        while not self.is_over:
            try:
                self.samples = self.samples[-200:] + [(time.monotonic(), self.path(), os.path.getsize(self.path()))]
            except (OSError, ValueError):
                pass
            time.sleep(SAMPLE_S)

    def cut(self, killed, lose_s):
        path = self.path()
        sizes = [size for when, name, size in self.samples if name == path and when >= killed - lose_s]
        if sizes:  # of a sampler that was late the next one: never more than lose_s
            os.truncate(path, sizes[0])


class FaultRun:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tracker = FaultyTracker()
        self.none_before = 0  # of trackers that are dead
        self.redis_killed = self.tracker_killed = self.flushed = -1e9
        self.found, self.spans, self.report = set(), [], {}

    def __enter__(self):
        self.tracker.__enter__()
        self.sizes = LogSizes(self.tracker.dir)
        return self

    def __exit__(self, *_):
        self.sizes.is_over = True
        self.tracker.stop()

    # One round: all faults in some order, then every token is looked for.

    def round(self, faults=FAULTS):
        clients = Clients(self.tracker)
        order = self.random.sample(faults, len(faults))
        if "flush" in order:  # early, since what was before it need not be found
            order.remove("flush")
            order.insert(self.random.randrange(2), "flush")
        time.sleep(CONTROL_S)
        self.spans = [("control", 0, time.monotonic())]
        try:
            for fault in order:
                self.apart(fault)
                began = time.monotonic()
                getattr(self, "do_" + fault)()
                self.spans.append((fault, began, time.monotonic()))
                time.sleep(self.random.uniform(0.1, 0.4))
        finally:
            clients.stop()
        self.heal()
        return self.verdict(clients.received, order)

    def apart(self, fault):
        """Waits where Redis and the tracker would otherwise die within one loss window."""
        other = self.redis_killed if fault == "tracker" else self.tracker_killed
        if fault == "tracker" or fault in KILLS_REDIS:
            wait_s = other + APART_S - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
        if fault == "tracker":
            self.heal()  # what was sent again is acknowledged anew
            if self.redis_killed > 0:
                time.sleep(APART_S)

    def pause(self, low, high):
        time.sleep(self.random.uniform(low, high))

    def do_stop(self):
        self.tracker.redis_process.send_signal(signal.SIGSTOP)
        self.pause(0.3, 1.8)
        self.tracker.redis_process.send_signal(signal.SIGCONT)

    def do_kill(self):
        self.tracker.stop_redis()
        self.redis_killed = time.monotonic()
        self.sizes.cut(self.redis_killed, self.random.uniform(0, LOSE_MAX_S))
        self.pause(0.1, 1)
        self.tracker.start_redis()
        self.heal()

    def do_flush(self):
        with self.tracker.redis() as redis:
            redis.command("FLUSHALL")
        self.flushed = time.monotonic()
        self.publish_again()

    def publish_again(self):
        self.tracker.publish_small(epoch="%016x" % time.time_ns())

    def do_readonly(self):
        with self.tracker.redis() as redis:
            redis.command("REPLICAOF", "127.0.0.1", "1")
            self.pause(0.3, 1)
            redis.command("REPLICAOF", "NO", "ONE")

    def do_fill(self):
        with self.tracker.redis() as redis:
            redis.command("CONFIG", "SET", "maxmemory", "1")
            self.pause(0.3, 1)
            redis.command("CONFIG", "SET", "maxmemory", "0")

    def do_slow(self):
        end = time.monotonic() + 1.2
        with self.tracker.redis() as redis:
            while time.monotonic() < end:
                redis.command("DEBUG", "SLEEP", "%.3f" % self.random.uniform(0.01, 0.15))
                self.pause(0, 0.05)

    def do_tracker(self):
        self.none_before += self.none()
        self.tracker.process.kill()
        self.tracker.process.wait()
        self.tracker_killed = time.monotonic()
        self.tracker.start(is_ready=False)

    def do_disk(self):
        """The disk is full and Redis away: clicks go unstored, and are counted."""
        self.tracker.fill_disk()
        self.pause(0.1, 0.3)
        self.tracker.stop_redis()
        self.redis_killed = time.monotonic()
        self.pause(0.3, 0.8)
        self.tracker.empty_disk()
        self.pause(0.1, 0.5)
        self.tracker.start_redis()
        self.heal()

    def none(self):
        return sum(value for (name, labels), value in self.tracker.metrics().items()
                   if name == "wasl_clicks_total" and ("stored", "none") in labels)

    def is_healed(self):
        metrics = {name: value for (name, labels), value in self.tracker.metrics().items() if not labels}
        before, self.resent = getattr(self, "resent", None), metrics["wasl_redis_resent_total"]
        return (self.tracker.admin("/readyz").json()["degraded"] == [] and metrics["wasl_redis_up"] == 1
                and metrics["wasl_spool_records"] == 0 and before == self.resent)

    def heal(self):
        for _ in range(2):  # the second time tells that nothing is sent again any more
            try:
                wait_until(self.is_healed, HEAL_LIMIT_S, "everything works again")
            except AssertionError as err:
                raise AssertionError("%s: %s\n%s\n%s" % (
                    err, self.tracker.admin("/readyz").body, self.tracker.admin("/metrics").body.decode(),
                    self.tracker.log()[-3000:])) from err
            time.sleep(0.1)

    # What is left

    def verdict(self, received, order):
        places = [place_of(token) for token, _, _ in received]
        assert len(set(places)) == len(places), "a click id was given twice"
        stored = self.stored_places()
        none = self.none() + self.none_before
        # What was asked for before Redis was flushed may have been in it, however late the answer came.
        missing = [entry for entry, place in zip(received, places)
                   if place not in stored and entry[1] - entry[2] > self.flushed]
        for token, _, _ in missing[:20]:
            self.tracker.keys.open_click(token)
        flushed = sum(when - took <= self.flushed for _, when, took in received)
        return {"order": order, "clicks": len(received), "missing": len(missing), "none": int(none),
                "flushed": flushed, "late": self.lateness(received)}

    def stored_places(self):
        """Every (bucket, index) in Redis; each bucket has its end."""
        places = set()
        with self.tracker.redis() as redis:
            for key in redis.keys("wasl:c:*"):
                assert redis.command("TTL", key) >= WINDOW_S, key
                fields = redis.command("HGETALL", key)
                assert all(len(record) == 32 for record in fields[1::2])
                places.update((key[7:].decode(), int(index)) for index in fields[::2])
        return places

    def lateness(self, received):
        late = {}
        for name, began, ended in self.spans:
            took = sorted(seconds for _, when, seconds in received if began <= when - seconds <= ended)
            if took:
                late[name] = tuple(round(1000 * took[int(part * (len(took) - 1))], 1) for part in (0.5, 0.99, 1))
        return late

    def forget(self):
        """Between rounds: what has been found need not be found again."""
        with self.tracker.redis() as redis:
            redis.command("FLUSHALL")
        self.publish_again()
        self.none_before = -self.none()
        self.flushed = -1e9


def place_of(token):
    bits = int.from_bytes(base64.urlsafe_b64decode(token)[1:17], "big")
    free = (bits >> 64 & 0xfff) << 62 | (bits & (1 << 62) - 1)
    return "%017x" % (free >> 6), free & 63


def describe(seed, result):
    lines = ["fault run, seed %d: %d clicks, %d before a flush, %d unstored (counted %d); faults: %s" % (
        seed, result["clicks"], result["flushed"], result["missing"], result["none"], " ".join(result["order"]))]
    lines += ["  %-9s redirects took p50 %.1f ms, p99 %.1f ms, at most %.1f ms" % (name, *late)
              for name, late in result["late"].items()]
    return "\n".join(lines)


def check(result):
    """The promise: only clicks that were counted as unstored may be missing."""
    assert result["missing"] <= result["none"], result
    assert result["none"] == 0 or "disk" in result["order"], result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("SOAK_SECONDS", "300")))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SOAK_SEED", time.time_ns() % 10**9)))
    words = parser.parse_args()
    print("fault run, seed %d, %d s" % (words.seed, words.seconds), flush=True)
    end, rounds = time.monotonic() + words.seconds, 0
    with FaultRun(words.seed) as run:
        while rounds == 0 or time.monotonic() < end:
            result = run.round()
            print(describe(words.seed, result), flush=True)
            check(result)
            run.forget()
            rounds += 1
    print("%d rounds passed" % rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
