# SPDX-License-Identifier: Apache-2.0
"""The tracker's life: stores that fail, catalogues that change, signals, configuration."""

import base64
import concurrent.futures
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import stack
import wasltokens
from stack import wait_until
from trackerlib import (AFFILIATE, DAY_S, HUMAN, MASTER, PAUSED, PRODUCT, STORE, SUSPENDED, WINDOW_S, Tracker, small_rows,
                        token_in)

DEADLINE_S = 0.025
SLOW_LIMIT_S = 20.0  # generous: the machine may be busy
PRODUCTS, AFFILIATES = 10000, 40000
LOAD_LIMIT_MS = 60000  # generous; the log's own figure is the measure
OTHER_MASTER = bytes(range(100, 132))


def click(tracker, path=None):
    """An answer with a genuine click token, and the seconds it took."""
    began = time.monotonic()
    answer = tracker.get(path or tracker.link())
    assert answer.status == 302 and tracker.open_answer(answer), answer
    return answer, time.monotonic() - began


def stored(tracker, where):
    return tracker.metric("wasl_clicks_total", **{"class": "human", "stored": where})


def degraded(tracker):
    return tracker.admin("/readyz").json()["degraded"]


def is_click_waiting(tracker):
    """Whether Redis owes a click its answers, which are two or more; the catalogue waits for one, now and then for two."""
    return tracker.metric("wasl_redis_pending") > 2


class FakeRedis(threading.Thread):
    """Answers in order, but stops before each HSETNX until it is allowed to go on: for answers that come when
    the test says so. Catalogue reads find nothing."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.allowed = threading.Semaphore(0)
        self.start()

    def run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        replies = {b"PING": b"+PONG\r\n", b"HGETALL": b"*0\r\n", b"XREVRANGE": b"*0\r\n",
                   b"XADD": b"$3\r\n1-1\r\n", b"EXPIREAT": b":1\r\n", b"HSETNX": b":1\r\n",
                   b"EXEC": b"*2\r\n:1\r\n:1\r\n"}
        try:
            with client, client.makefile("rb") as file:
                while line := file.readline():
                    words = []
                    for _ in range(int(line[1:])):
                        words.append(file.read(int(file.readline()[1:]) + 2)[:-2])
                    if words[0] == b"HSETNX":
                        self.allowed.acquire()
                    client.sendall(replies.get(words[0], b"+OK\r\n"))
        except OSError:
            pass

    def close(self):
        self.listener.close()


class CuttingProxy(threading.Thread):
    """Stands before Redis, and once it is armed breaks one connection right before the first EXPIREAT that it
    sees."""

    MARK = b"*3\r\n$8\r\nEXPIREAT"

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.upstream_port = self.listener.getsockname()[1], port
        self.is_armed = self.has_cut = False
        self.start()

    def run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.upstream_port))
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            threading.Thread(target=self.forward, args=(server, client), daemon=True).start()

    def forward(self, source, sink):
        try:
            while data := source.recv(65536):
                at = data.find(self.MARK) if self.is_armed and not self.has_cut else -1
                self.has_cut |= at >= 0
                sink.sendall(data if at < 0 else data[:at])
                if at >= 0:
                    time.sleep(0.1)  # Redis has run what came before
                    break
        except OSError:
            pass
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class RedisFaults(unittest.TestCase):
    def proxied(self, tracker):
        """The tracker again, behind a proxy that will cut."""
        self.assertEqual(tracker.end(), 0)
        proxy = CuttingProxy(tracker.redis_port)
        tracker.settings["redis-url"] = "redis://127.0.0.1:%d" % proxy.port
        tracker.start()
        wait_until(lambda: tracker.metric("wasl_redis_up") == 1, what="Redis is up")
        return proxy

    def leave_without_end(self, tracker, proxy):
        """A bucket that Redis lost and a click made anew, its connection broken before the EXPIREAT."""
        click(tracker)
        with tracker.redis() as redis:
            redis.command("FLUSHALL")
        proxy.is_armed = True
        click(tracker)
        self.assertTrue(proxy.has_cut)
        self.assertEqual(list(tracker.ttls().values()), [-1])

    def test_a_bucket_ends_though_its_connection_broke_before_it_was_told_so(self):
        with Tracker({"workers": 1}) as tracker:
            proxy = self.proxied(tracker)
            self.leave_without_end(tracker, proxy)
            wait_until(lambda: min(tracker.ttls().values()) >= WINDOW_S, what="the bucket has its end")
            proxy.close()

    def test_the_end_waits_for_a_bucket_in_doubt(self):
        with Tracker({"workers": 1}) as tracker:
            proxy = self.proxied(tracker)
            self.leave_without_end(tracker, proxy)
            self.assertEqual(tracker.end(), 0)
            self.assertGreaterEqual(min(tracker.ttls().values()), WINDOW_S)
            proxy.close()

    def test_a_new_bucket_comes_with_its_end_or_not_at_all(self):
        with Tracker({"workers": 1}) as tracker:
            proxy = self.proxied(tracker)
            proxy.is_armed = True
            answer, _ = click(tracker)
            self.assertTrue(proxy.has_cut)
            tracker.process.kill()  # nobody is left to mend it
            tracker.process.wait()
            self.assertEqual(tracker.ttls(), {})
            tracker.start()
            wait_until(lambda: tracker.record(tracker.open_answer(answer)), what="the click came by the spool")
            self.assertGreaterEqual(min(tracker.ttls().values()), WINDOW_S)
            proxy.close()

    def test_a_bucket_whose_announcement_was_refused_is_announced_with_its_next_click(self):
        with Tracker({"workers": 1}) as tracker, tracker.redis() as redis:
            redis.command("ACL", "SETUSER", "default", "-xadd")
            click(tracker)
            redis.command("ACL", "SETUSER", "default", "+xadd")
            self.assertEqual(redis.command("XLEN", "wasl:buckets"), 0)
            click(tracker)
            self.assertEqual(redis.command("XLEN", "wasl:buckets"), 1)
            click(tracker)
            self.assertEqual(redis.command("XLEN", "wasl:buckets"), 1)

    def test_frozen_redis_costs_the_deadline_and_no_click(self):
        with Tracker({"click-deadline": "25ms"}) as tracker:
            click(tracker)
            before = stored(tracker, "redis"), stored(tracker, "spool")
            self.assertIn(before, ((1, 0), (0, 1)))  # the latter on a busy machine
            wait_until(lambda: tracker.metric("wasl_spool_records") == 0, what="the spool is empty")
            wait_until(lambda: degraded(tracker) == [], what="Redis counts as quick")
            tracker.redis_process.send_signal(signal.SIGSTOP)
            _, took_s = click(tracker)
            self.assertGreaterEqual(took_s, DEADLINE_S * 0.9)
            self.assertLess(took_s, SLOW_LIMIT_S)
            self.assertEqual((stored(tracker, "redis"), stored(tracker, "spool")), (before[0], before[1] + 1))
            wait_until(lambda: tracker.metric("wasl_redis_up") == 0, what="Redis counts as down")
            self.assertIn("redis", degraded(tracker))
            _, took_s = click(tracker)  # answered at once now
            self.assertEqual((stored(tracker, "spool"), stored(tracker, "none")), (before[1] + 2, 0))
            self.assertEqual(tracker.metric("wasl_spool_records"), 2)
            self.assertEqual(tracker.admin("/readyz").status, 200)
            tracker.redis_process.send_signal(signal.SIGCONT)
            wait_until(lambda: tracker.metric("wasl_redis_up") == 1, what="Redis is up again")
            wait_until(lambda: click(tracker) and stored(tracker, "redis") > before[0], what="a click in time")
            answer, _ = click(tracker)
            wait_until(lambda: tracker.record(tracker.open_answer(answer)), what="it is there, if late by the spool")
            wait_until(lambda: degraded(tracker) == [], what="Redis counts as quick again")
            self.assertGreater(tracker.metric("wasl_redis_errors_total", kind="timeout"), 0)

    def test_many_at_once_on_a_frozen_redis_all_arrive(self):
        with Tracker() as tracker:
            tracker.redis_process.send_signal(signal.SIGSTOP)
            with concurrent.futures.ThreadPoolExecutor(20) as pool:
                answers = list(pool.map(lambda _: click(tracker)[0], range(200)))
            ids = {tracker.open_answer(answer)["click_id"] for answer in answers}
            self.assertEqual(len(ids), 200)
            self.assertEqual(stored(tracker, "spool"), 200)
            tracker.redis_process.send_signal(signal.SIGCONT)
            wait_until(lambda: tracker.metric("wasl_spool_records") == 0, what="the spool is empty")
            self.assertEqual(tracker.metric("wasl_spool_replayed_total"), 200)
            self.assertTrue(all(tracker.record(tracker.open_answer(answer)) for answer in answers))
            self.assertGreaterEqual(min(tracker.ttls().values()), WINDOW_S)

    def test_killed_redis_and_one_that_comes_back_empty(self):
        with Tracker() as tracker:
            click(tracker)
            tracker.stop_redis()
            wait_until(lambda: tracker.metric("wasl_redis_up") == 0, what="Redis counts as down")
            click(tracker)
            self.assertEqual(stored(tracker, "spool"), 1)
            tracker.start_redis()
            wait_until(lambda: tracker.metric("wasl_redis_up") == 1, what="Redis is up again")
            wait_until(lambda: tracker.events("catalogue_head_missing"), what="a look at the missing head")
            time.sleep(1.5)  # and another one
            answer, _ = click(tracker)
            self.assertIsNotNone(tracker.record(tracker.open_answer(answer)))
            self.assertGreaterEqual(min(tracker.ttls().values()), WINDOW_S)
            self.assertEqual(len(tracker.events("catalogue_head_missing")), 1)

    def test_refusals_of_redis_are_counted_by_kind(self):
        with Tracker() as tracker:
            with tracker.redis() as redis:
                redis.command("CONFIG", "SET", "maxmemory", "1")
                click(tracker)
                redis.command("CONFIG", "SET", "maxmemory", "0")
            self.assertEqual(stored(tracker, "spool"), 1)
            self.assertGreater(tracker.metric("wasl_redis_errors_total", kind="oom"), 0)
            with tracker.redis() as redis:
                redis.command("REPLICAOF", "127.0.0.1", "1")
                click(tracker)
                redis.command("REPLICAOF", "NO", "ONE")
            self.assertEqual(stored(tracker, "spool"), 2)
            self.assertGreater(tracker.metric("wasl_redis_errors_total", kind="readonly"), 0)
            wait_until(lambda: degraded(tracker) == [], what="Redis is dialled again and takes")
            click(tracker)
            self.assertEqual(stored(tracker, "redis"), 1)

    def test_late_answer_is_not_taken_for_the_next_clicks(self):
        with Tracker({"workers": 1, "click-deadline": "600ms"}) as tracker:
            self.assertEqual(tracker.end(), 0)
            fake = FakeRedis()
            tracker.settings["redis-url"] = "redis://127.0.0.1:%d" % fake.port
            tracker.start()
            wait_until(lambda: tracker.metric("wasl_redis_up") == 1, what="the fake is up")
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                first = pool.submit(click, tracker)  # its answer is held back
                time.sleep(0.2)  # the second one has to come before the first one's deadline
                second = pool.submit(click, tracker)
                first.result()
                fake.allowed.release()  # and comes while the second one waits
                _, took_s = second.result()
            self.assertGreaterEqual(took_s, 0.54)
            self.assertEqual((stored(tracker, "redis"), stored(tracker, "spool")), (0, 2))
            for _ in range(10):
                fake.allowed.release()
            wait_until(lambda: tracker.metric("wasl_spool_records") == 0, what="the spool is replayed")
            wait_until(lambda: degraded(tracker) == [], what="the fake counts as quick again")
            click(tracker)
            self.assertEqual(stored(tracker, "redis"), 1)
            fake.close()

    def test_late_answers_do_no_harm(self):
        with Tracker({"click-deadline": "5ms"}) as tracker:
            with tracker.redis() as redis:
                redis.command("CLIENT", "PAUSE", "60000", "WRITE")
                answers = [click(tracker)[0] for _ in range(20)]
                redis.command("CLIENT", "UNPAUSE")
                wait_until(lambda: tracker.metric("wasl_spool_records") == 0, what="the late answers came")
            self.assertEqual(stored(tracker, "spool"), 20)
            for answer in answers:  # they reached Redis after all, some of them twice
                self.assertIsNotNone(tracker.record(tracker.open_answer(answer)))
            wait_until(lambda: degraded(tracker) == [], what="Redis counts as quick again")
            wait_until(lambda: click(tracker) and stored(tracker, "redis") > 0, what="a click in time")

    def test_clicks_that_a_killed_redis_forgot_are_sent_again(self):
        with Tracker({"redis-loss-window": "60s"}) as tracker:
            answers = [click(tracker)[0] for _ in range(50)]
            self.assertEqual(stored(tracker, "redis"), 50)
            tracker.stop_redis()  # without persistence: it comes back empty
            tracker.start_redis()
            wait_until(lambda: tracker.metric("wasl_redis_resent_total") == 50, what="all were sent again")
            self.assertTrue(all(tracker.record(tracker.open_answer(answer)) for answer in answers))
            self.assertGreaterEqual(min(tracker.ttls().values()), WINDOW_S)
            tracker.stop_redis()  # and again: what was sent again counts as acknowledged now
            tracker.start_redis()
            wait_until(lambda: tracker.metric("wasl_redis_resent_total") == 100, what="all were sent again")
            self.assertTrue(all(tracker.record(tracker.open_answer(answer)) for answer in answers))

    def test_the_same_redis_is_sent_nothing_again(self):
        with Tracker() as tracker:
            click(tracker)
            with tracker.redis() as redis:
                redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            wait_until(lambda: tracker.metric("wasl_redis_errors_total", kind="lost") >= 2, what="it was noticed")
            wait_until(lambda: degraded(tracker) == [], what="Redis is up again")
            click(tracker)
            self.assertEqual(tracker.metric("wasl_redis_resent_total"), 0)

    def test_spooled_clicks_outlive_the_tracker_and_are_replayed_by_the_next(self):
        with Tracker() as tracker:
            tracker.stop_redis()
            wait_until(lambda: tracker.metric("wasl_redis_up") == 0, what="Redis counts as down")
            answers = [tracker.get(tracker.link() + "?s1=%d" % i) for i in range(30)]
            self.assertEqual(stored(tracker, "spool"), 30)
            self.assertGreater(tracker.metric("wasl_spool_oldest_seconds"), 0)
            tracker.process.kill()
            tracker.process.wait()
            tracker.settings["workers"] = 1  # one spool is adopted
            tracker.start_redis()
            tracker.start(is_ready=False)
            wait_until(lambda: tracker.metric("wasl_spool_replayed_total") == 30, what="all were replayed")
            for number, answer in enumerate(answers):
                opened = tracker.open_answer(answer)
                self.assertTrue(tracker.record(opened)["has_extras"])
                with tracker.redis() as redis:
                    extras = redis.command("GET", "wasl:x:%s:%d" % (opened["bucket"], opened["index"]))
                self.assertEqual(extras[3:], b"%d" % number)
            self.assertGreaterEqual(min(tracker.ttls().values()), WINDOW_S)
            self.assertEqual(tracker.metric("wasl_spool_bytes"), 0)
            for path in (tracker.dir / "state" / "spool").rglob("*"):
                self.assertEqual(path.stat().st_mode & 0o777, 0o700 if path.is_dir() else 0o600)

    def test_a_spool_that_takes_nothing_is_named_and_redirects_go_on(self):
        with Tracker({"workers": 1}) as tracker:
            self.assertEqual(tracker.end(), 0)
            shutil.rmtree(tracker.dir / "state" / "spool")
            (tracker.dir / "state" / "spool").write_text("in the way")
            tracker.start()
            self.assertEqual(degraded(tracker), ["spool_failing"])
            tracker.stop_redis()
            wait_until(lambda: tracker.metric("wasl_redis_up") == 0, what="Redis counts as down")
            click(tracker)
            self.assertEqual((stored(tracker, "spool"), stored(tracker, "none")), (0, 1))
            self.assertEqual(tracker.metric("wasl_spool_refused_total", reason="failing"), 1)
            (tracker.dir / "state" / "spool").unlink()
            wait_until(lambda: degraded(tracker) == ["redis"], what="the spool works")
            click(tracker)
            self.assertEqual(stored(tracker, "spool"), 1)

    def test_with_sync_a_spooled_click_is_answered_as_well(self):
        with Tracker({"spool-sync": "always"}) as tracker:
            tracker.stop_redis()
            wait_until(lambda: tracker.metric("wasl_redis_up") == 0, what="Redis counts as down")
            with concurrent.futures.ThreadPoolExecutor(20) as pool:
                list(pool.map(lambda _: click(tracker), range(100)))
            self.assertEqual((stored(tracker, "spool"), stored(tracker, "none")), (100, 0))
            self.assertEqual(tracker.end(), 0)


class BrokenLog(threading.Thread):
    """Serves an empty catalogue, and for its log of changes what no Redis says."""

    HEAD = [b"epoch", b"00000000000000e1", b"version", b"1", b"count", b"0", b"stores", b"0", b"products", b"0",
            b"affiliates", b"0"]

    def __init__(self, log):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.log, self.reads = self.listener.getsockname()[1], log, 0
        self.start()

    def run(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b"*12\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in self.HEAD)
        replies = {b"PING": b"+PONG\r\n", b"HGETALL": head, b"XREVRANGE": b"*0\r\n", b"XREAD": self.log}
        try:
            with client, client.makefile("rb") as file:
                while line := file.readline():
                    words = [file.read(int(file.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
                    self.reads += words[0] == b"XREAD"
                    time.sleep(0.01)
                    client.sendall(replies.get(words[0], b"+OK\r\n"))
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Catalogue(unittest.TestCase):
    def test_a_log_that_is_none_is_survived(self):
        for log in (b"*1\r\n*1\r\n$1\r\na\r\n", b"*1\r\n$1\r\nx\r\n", b"*1\r\n:5\r\n", b"*1\r\n*2\r\n$1\r\na\r\n:1\r\n",
                    b"*1\r\n*2\r\n$1\r\na\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n"):
            with Tracker() as tracker:
                self.assertEqual(tracker.end(), 0)
                fake = BrokenLog(log)
                tracker.settings["redis-url"] = "redis://127.0.0.1:%d" % fake.port
                tracker.start()
                wait_until(lambda: fake.reads > 3, what="the log was read")
                self.assertTrue(tracker.is_alive(), tracker.log())
                fake.close()

    def test_starts_from_its_snapshot_without_redis(self):
        with Tracker() as tracker:
            click(tracker)
            self.assertEqual(tracker.end(), 0)
            tracker.stop_redis()
            tracker.start()
            answer, _ = click(tracker)
            self.assertEqual(stored(tracker, "spool"), 1)
            self.assertEqual(tracker.events("ready")[-1]["from"], "snapshot")
            self.assertTrue(token_in(answer.header("location")))
            self.assertIn("redis", degraded(tracker))

    def test_damaged_snapshot_is_refused_and_redis_asked(self):
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            path = tracker.dir / "state" / "catalogue.snapshot"
            raw = bytearray(path.read_bytes())
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            raw[len(raw) // 2] ^= 1
            path.write_bytes(raw)
            tracker.start()
            click(tracker)
            self.assertEqual(len(tracker.events("snapshot_refused")), 1)

    def test_a_disk_that_hangs_holds_up_neither_changes_nor_health(self):
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            temporary = tracker.dir / "state" / "catalogue.snapshot.tmp"
            (tracker.dir / "state" / "catalogue.snapshot").unlink()
            os.mkfifo(temporary)  # opening it waits for a reader: the save after the load hangs
            tracker.start()
            tracker.change("a", AFFILIATE, "5 x")
            wait_until(lambda: not tracker.open_answer(tracker.get(tracker.link())), what="it is suspended")
            tracker.publish(small_rows(), epoch="00000000000000e2")
            wait_until(lambda: len(tracker.events("catalogue_loaded")) == 3, what="another load")
            click(tracker)
            self.assertEqual(tracker.admin("/healthz").status, 200)
            self.assertEqual(tracker.events("snapshot_failed"), [])
            with open(temporary, "rb") as reader:  # a FIFO can't be synced: that save fails
                self.assertTrue(reader.read().startswith(b"WASLCAT100000000000000e1"))
            path = tracker.dir / "state" / "catalogue.snapshot"
            wait_until(path.exists, what="the second load is saved as soon as the first save has ended")
            self.assertTrue(path.read_bytes().startswith(b"WASLCAT100000000000000e2"))
            self.assertEqual(len(tracker.events("snapshot_failed")), 1)

    def test_what_changed_while_a_save_ran_is_saved_at_the_end(self):
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            temporary = tracker.dir / "state" / "catalogue.snapshot.tmp"
            os.mkfifo(temporary)
            tracker.start()
            tracker.change("a", AFFILIATE, "5 x")
            wait_until(lambda: not tracker.open_answer(tracker.get(tracker.link())), what="it is suspended")
            tracker.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertIsNone(tracker.process.poll(), "it waits for the save")
            with open(temporary, "rb") as reader:
                reader.read()
            self.assertEqual(tracker.process.wait(stack.WAIT_LIMIT_S), 0)
            tracker.stop_redis()
            tracker.start()
            self.assertIsNone(tracker.open_answer(tracker.get(tracker.link())))

    def test_changes_arrive_within_a_second_and_old_versions_never(self):
        with Tracker() as tracker:
            click(tracker)
            tracker.change("a", AFFILIATE, "5 x")
            wait_until(lambda: not tracker.open_answer(tracker.get(tracker.link())), what="it is suspended")
            tracker.change("a", AFFILIATE, "4 a")
            tracker.change("p", PRODUCT, "5 a %d https://shop.example/new" % STORE)
            tracker.change("s", STORE, "5 a 60 ref https://shop.example/")
            tracker.change("p", PRODUCT, "6 a %d javascript:alert(1)" % STORE)
            tracker.change("a", SUSPENDED, "5 a")
            wait_until(lambda: tracker.metric("wasl_catalogue_version") == 7, what="all changes came")
            self.assertIsNone(tracker.open_answer(tracker.get(tracker.link()), "ref"))
            answer = tracker.get(tracker.link(affiliate=SUSPENDED))
            self.assertTrue(answer.header("location").startswith("https://shop.example/new?ref="), answer)
            self.assertEqual(tracker.open_answer(answer, "ref")["window_s"], 60)

    def test_missing_head_keeps_and_new_epoch_replaces(self):
        with Tracker() as tracker:
            with tracker.redis() as redis:
                redis.command("DEL", "wasl:cat:head")
            wait_until(lambda: tracker.events("catalogue_head_missing"), what="a look at the missing head")
            click(tracker)
            rows = [row for row in small_rows() if row[1] != PAUSED]
            tracker.publish(rows, epoch="00000000000000e2")
            wait_until(lambda: tracker.get(tracker.link(product=PAUSED)).status == 404, what="the new epoch")
            click(tracker)
            # an incomplete one is not taken
            tracker.publish(small_rows(), epoch="00000000000000e3")
            with tracker.redis() as redis:
                redis.command("HSET", "wasl:cat:head", "epoch", "00000000000000e4", "count", 6)
            wait_until(lambda: tracker.events("catalogue_incomplete"), what="it was read")
            click(tracker)
            self.assertEqual(len(tracker.events("catalogue_incomplete")), 1)

    def test_lost_changes_are_noticed(self):
        with Tracker() as tracker:
            click(tracker)
            with tracker.redis() as redis:  # a change that never went through the log
                redis.command("HSET", "wasl:cat:00000000000000e1:a:0", AFFILIATE, "9 x")
                redis.command("HINCRBY", "wasl:cat:head", "version", 1)
            wait_until(lambda: not tracker.open_answer(tracker.get(tracker.link())), what="it was read again")
            self.assertEqual(len(tracker.events("catalogue_behind")), 1)

    def test_large_catalogue_loads_fast(self):
        with Tracker() as tracker:
            rows = [("s", STORE, "1 a %d wasl https://shop.example/" % (7 * DAY_S))]
            rows += [("p", i, "1 a %d https://shop.example/products/some-article-with-a-name-%d?ref=catalogue" %
                      (STORE, i)) for i in range(1, PRODUCTS + 1)]
            rows += [("a", i, "1 %s" % ("x" if i % 50 == 0 else "a")) for i in range(1, AFFILIATES + 1)]
            tracker.publish(rows, epoch="00000000000000f0")
            event = wait_until(lambda: [e for e in tracker.events("catalogue_loaded")
                                        if e["epoch"] == "00000000000000f0"], what="the large catalogue")[0]
            self.assertEqual((int(event["products"]), int(event["affiliates"])), (PRODUCTS, AFFILIATES))
            self.assertLess(int(event["took_ms"]), LOAD_LIMIT_MS)
            click(tracker, tracker.link(affiliate=AFFILIATES - 1, product=PRODUCTS))
            self.assertFalse(tracker.open_answer(tracker.get(tracker.link(affiliate=AFFILIATES))))


class Unready(unittest.TestCase):
    def test_before_the_first_catalogue_links_are_asked_to_wait(self):
        tracker = Tracker(has_catalogue=False)
        try:
            tracker.write_keyring("0 active %s\n" % MASTER.hex())
            (tracker.dir / "state").mkdir()
            tracker.start_redis()
            tracker.start(is_ready=False)
            self.assertEqual(tracker.admin("/readyz").status, 503)
            self.assertEqual(tracker.admin("/healthz").status, 200)
            answer = tracker.get(tracker.link())
            self.assertEqual((answer.status, answer.header("retry-after")), (503, "1"))
            self.assertEqual(tracker.get("/nothing").status, 404)
            tracker.publish_small()
            wait_until(lambda: tracker.admin("/readyz").status == 200, what="ready")
            click(tracker)
            self.assertEqual(len(tracker.events("ready")), 1)
        finally:
            tracker.stop()


class Signals(unittest.TestCase):
    def test_sigterm_finishes_what_is_under_way(self):
        with Tracker({}) as tracker:
            with tracker.redis() as redis, stack.Connection(tracker.url) as busy, \
                    stack.Connection(tracker.url) as idle:
                self.assertEqual(idle.request("GET", tracker.link(), {"User-Agent": HUMAN}).status, 302)
                redis.command("CLIENT", "PAUSE", "800", "WRITE")
                busy.send(stack.encode_request("x", "GET", tracker.link(), {"User-Agent": HUMAN}))
                wait_until(lambda: is_click_waiting(tracker), what="it has been read")
                tracker.process.send_signal(signal.SIGTERM)
                wait_until(lambda: tracker.admin("/readyz").status == 503, what="not ready while it stops")
                answer = busy.read_answer()
                self.assertTrue(tracker.open_answer(answer))
                self.assertEqual(answer.header("connection"), "close")
                self.assertEqual(idle.read_to_end(), b"")
                self.assertEqual(tracker.process.wait(stack.WAIT_LIMIT_S), 0)
                self.assertIsNotNone(tracker.record(tracker.open_answer(answer)))
            self.assertTrue((tracker.dir / "state" / "catalogue.snapshot").exists())

    def test_no_click_is_lost_by_sigterm_under_load(self):
        with Tracker() as tracker:
            link, answers = tracker.link(), []

            def run_on():
                try:
                    with stack.Connection(tracker.url) as connection:
                        while True:
                            answer = connection.request("GET", link, {"User-Agent": HUMAN})
                            if answer is None:
                                return
                            answers.append(answer)
                except OSError:
                    return
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                for _ in range(8):
                    pool.submit(run_on)
                wait_until(lambda: len(answers) > 200, what="clicks flow")
                self.assertEqual(tracker.end(), 0)
            self.assertGreater(len(answers), 100)
            for answer in answers[-50:]:
                self.assertIsNotNone(tracker.record(tracker.open_answer(answer)))

    def test_second_sigterm_ends_at_once(self):
        with Tracker({"click-deadline": "10s"}) as tracker:
            with stack.Connection(tracker.url) as busy:
                tracker.redis_process.send_signal(signal.SIGSTOP)
                busy.send(stack.encode_request("x", "GET", tracker.link(), {"User-Agent": HUMAN}))
                wait_until(lambda: is_click_waiting(tracker), what="it has been read")
                tracker.process.send_signal(signal.SIGTERM)
                wait_until(lambda: tracker.admin("/readyz").status == 503, what="it stops")
                began = time.monotonic()
                self.assertNotEqual(tracker.end(), 0)
                self.assertLess(time.monotonic() - began, SLOW_LIMIT_S)

    def test_sighup_takes_a_good_ring_and_keeps_the_old_one_else(self):
        with Tracker() as tracker:
            first = tracker.link()
            other = wasltokens.Keys(OTHER_MASTER, 1)
            second = "/" + other.mint_link(AFFILIATE, PRODUCT)
            self.assertEqual(tracker.get(second).status, 404)
            ring = "0 valid %s\n1 active %s\n" % (MASTER.hex(), OTHER_MASTER.hex())
            tracker.write_keyring(ring[:-20])
            tracker.process.send_signal(signal.SIGHUP)
            event = wait_until(lambda: tracker.events("keyring_refused"), what="the broken ring is named")[0]
            self.assertIn("keyring:2", event["why"])
            click(tracker, first)
            self.assertEqual(tracker.get(second).status, 404)
            tracker.write_keyring(ring)
            tracker.process.send_signal(signal.SIGHUP)

            def is_new(path):
                answer = tracker.get(path)
                return answer.status == 302 and base64.urlsafe_b64decode(token_in(answer.header("location")))[0] == 0x11
            # Each worker takes it by itself.
            wait_until(lambda: all(is_new(path) for path in (first, second) * 8), what="the new ring")
            for path in (first, second):
                other.open_click(token_in(tracker.get(path).header("location")))
            tracker.write_keyring("0 revoked %s\n1 active %s\n" % (MASTER.hex(), OTHER_MASTER.hex()))
            tracker.process.send_signal(signal.SIGHUP)
            wait_until(lambda: tracker.get(first).status == 404, what="the revoked key")
            self.assertEqual(tracker.get(second).status, 302)


class Configuration(unittest.TestCase):
    def run_it(self, tracker, *words, **settings):
        return stack.run(*tracker.command(**settings), *words, env=stack.clean_env())

    def test_port_taken_exits_1_with_one_line(self):
        with Tracker() as tracker, socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            for name in ("listen", "admin-listen"):
                for port in (taken.getsockname()[1], int(tracker.url.rpartition(":")[2])):
                    result = self.run_it(tracker, **{name: "127.0.0.1:%d" % port})
                    self.assertEqual((result.rc, result.out), (1, ""))
                    self.assertEqual(len(result.err.splitlines()), 1, result.err)
                    self.assertIn(str(port), result.err)
            click(tracker)

    def test_check_config_also_reads_the_keyring(self):
        with Tracker() as tracker:
            self.assertEqual(self.run_it(tracker, "--check-config").rc, 0)
            os.chmod(tracker.dir / "keyring", 0o644)
            result = self.run_it(tracker, "--check-config")
            self.assertEqual((result.rc, len(result.err.splitlines())), (1, 1), result.err)
            result = self.run_it(tracker, "--check-config", keyring=tracker.dir / "none")
            self.assertEqual((result.rc, len(result.err.splitlines())), (1, 1), result.err)

    def test_bad_values_exit_2_and_are_named(self):
        with Tracker() as tracker:
            for name, value in (("click-deadline", "25"), ("click-deadline", "0ms"), ("workers", "-1"),
                                ("workers", "65"), ("fallback-url", "javascript:alert(1)"),
                                ("fallback-url", "https://user@evil.example/"), ("trusted-proxies", "10.0.0.0/33"),
                                ("redis-url", "http://x"), ("listen", "nowhere"), ("log-level", "loud"),
                                ("insecure-cookie", "maybe"), ("no-such-option", "1")):
                result = self.run_it(tracker, "--%s=%s" % (name, value))
                self.assertEqual((result.rc, len(result.err.splitlines())), (2, 1), (name, result))
                self.assertIn(name, result.err)

    def test_words(self):
        with Tracker() as tracker:
            for word in ("--help", "--version", "--print-config"):
                result = self.run_it(tracker, word)
                self.assertEqual((result.rc, result.err), (0, ""), word)
                self.assertTrue(result.out)


class Guard(unittest.TestCase):
    def test_no_socket_takes_the_place_of_a_closed_standard_stream(self):
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            process = subprocess.Popen(["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh"] + tracker.command(),
                                       env=stack.clean_env())
            try:
                folder = "/proc/%d/fd" % process.pid
                wait_until(lambda: len(os.listdir(folder)) > 10, what="it runs")
                self.assertEqual([os.readlink("%s/%d" % (folder, fd)) for fd in range(3)], ["/dev/null"] * 3)
                with open("/proc/%d/limits" % process.pid) as limits:
                    core = [line.split()[4] for line in limits if line.startswith("Max core file size")]
                self.assertEqual(core, ["0"])
            finally:
                process.terminate()
                self.assertEqual(process.wait(stack.WAIT_LIMIT_S), 0)

    def test_a_server_that_repeats_the_password_does_not_bring_it_into_the_log(self):
        with Tracker() as tracker:
            self.assertEqual(tracker.end(), 0)
            tracker.stop_redis()
            tracker.redis_process = subprocess.Popen(
                ["redis-server", "--port", str(tracker.redis_port), "--save", "", "--dir", str(tracker.dir),
                 "--rename-command", "AUTH", ""], stdout=subprocess.DEVNULL)
            wait_until(tracker.redis_answers, what="Redis answers")
            tracker.settings["redis-url"] = "redis://bob:hunter2@127.0.0.1:%d" % tracker.redis_port
            tracker.start(is_ready=False)
            event = wait_until(lambda: tracker.events("redis_down"), what="it was refused")[0]
            self.assertEqual(event["err"], "AUTH: ERR")
            self.assertNotIn("hunter2", tracker.log())

    def test_a_half_sent_request_does_not_spoil_the_end(self):
        with Tracker() as tracker:
            host, port = tracker.url.split("//")[1].split(":")
            with socket.create_connection((host, int(port))) as peer:
                peer.sendall(b"GET /x HTTP/1.1\r\nHo")
                time.sleep(0.2)
                self.assertEqual(tracker.end(), 0)


if __name__ == "__main__":
    unittest.main()
