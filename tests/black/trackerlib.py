# SPDX-License-Identifier: Apache-2.0
"""A tracker with a private Redis and nothing else: its catalogue is written here, in the layout of
common/catalogue_row.h, and its tokens are made and opened by wasltokens."""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile

import stack
import wasltokens
from stack import Redis, is_alive, wait_until

MASTER = bytes(range(32))
EPOCH = "00000000000000e1"
SHARD_ROWS = 1024
DAY_S = 86400
WINDOW_S = 30 * DAY_S
GRACE_S = 3 * DAY_S
HUMAN = ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "Mobile/15E148 BytedanceWebview/d8a21c6 trill_34.9.0 JsSdk/2.0 Region/EG")
START_LIMIT_S = 60
PORT_LOWEST = 15000  # below it live services that people install
PORT_TRIES = 1000

STORE, PRODUCT, PAUSED, ORPHAN = 7, 100, 101, 102
AFFILIATE, SUSPENDED, UNKNOWN = 5, 6, 999
STORE_URL = "https://shop.example/"
PRODUCT_URL = "https://shop.example/p/77?a=1&wasl=old#photo"

CLASSES = ("human", "suspect", "preview", "prefetch", "bot", "head")


def free_port():
    """Below those that the kernel gives to connections, and none of deploy/stack's, as both would take it while its
    server is down; kept for this process in the same folder."""
    above = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    folder = pathlib.Path("/tmp/wasl-ports-%d" % os.geteuid())
    folder.mkdir(mode=0o700, exist_ok=True)
    for _ in range(PORT_TRIES):
        port = random.randrange(PORT_LOWEST, above if above > PORT_LOWEST + 1000 else 32768)
        kept = folder / str(port)
        with socket.socket() as probe, contextlib.suppress(OSError):
            if kept.exists() and not os.path.exists(kept.read_text().strip()):
                kept.unlink()
            with open(kept, "x", encoding="ascii") as file:
                file.write("/proc/%d\n" % os.getpid())
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port in %d tries, or %s is not ours" % (PORT_TRIES, folder))


class Tracker:
    """with Tracker() as tracker: …   Everything lives in one temporary directory."""

    redis_words = ("--save", "", "--appendonly", "no")

    def __init__(self, settings=None, has_catalogue=True):
        # A slow machine's Redis is in time, too; after 1 s it would count as down.
        self.settings = {"insecure-cookie": "on", "click-deadline": "900ms", **(settings or {})}
        self.has_catalogue = has_catalogue
        self.env = {}  # of the tracker, besides the caller's
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tracker-", dir=os.environ.get("WASL_TEST_DIR")))
        self.keys = wasltokens.Keys(MASTER)
        self.redis_port = free_port()
        self.redis_process = self.process = None
        self.url = self.admin_url = None

    def __enter__(self):
        try:
            self.write_keyring("0 active %s\n" % MASTER.hex())
            (self.dir / "state").mkdir()
            self.start_redis()
            if self.has_catalogue:
                self.publish_small()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        reports = ""
        for process in (self.process, self.redis_process):
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        if (self.dir / "log").exists():
            reports = "\n".join(line for line in self.log().splitlines()
                                if stack.SANITIZER_REPORT.search(line))
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not reports, reports

    def write_keyring(self, text):
        path = self.dir / "keyring"
        path.touch(mode=0o600)
        path.write_text(text)

    # Redis

    def start_redis(self):
        self.redis_process = subprocess.Popen(
            ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", *self.redis_words,
             "--maxmemory-policy", "noeviction", "--enable-debug-command", "yes", "--dir", str(self.dir)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.redis_answers, START_LIMIT_S, "Redis answers")

    def redis_answers(self):
        try:
            with self.redis() as redis:
                return redis.command("PING") == b"PONG"
        except (OSError, stack.RedisError):  # it may still be loading
            return False

    def stop_redis(self):
        self.redis_process.kill()
        self.redis_process.wait()

    def redis(self):
        return Redis("redis://127.0.0.1:%d" % self.redis_port)

    # The catalogue: rows as (kind, id, text)

    def publish(self, rows, epoch=EPOCH, version=1):
        shards, highest = {}, {"s": 0, "p": 0, "a": 0}
        for kind, number, text in rows:
            shards.setdefault((kind, number // SHARD_ROWS), []).extend((number, text))
            highest[kind] = max(highest[kind], number)
        with self.redis() as redis:
            for (kind, shard), pairs in shards.items():
                redis.command("HSET", "wasl:cat:%s:%s:%d" % (epoch, kind, shard), *pairs)
            redis.command("HSET", "wasl:cat:head", "epoch", epoch, "version", version, "count", len(rows),
                          "stores", highest["s"], "products", highest["p"], "affiliates", highest["a"])

    def publish_small(self, **options):
        self.publish(small_rows(), **options)

    def change(self, kind, number, text, epoch=EPOCH):
        """One change as the publisher makes it: row, log, head."""
        with self.redis() as redis:
            redis.command("HSET", "wasl:cat:%s:%s:%d" % (epoch, kind, number // SHARD_ROWS), number, text)
            redis.command("XADD", "wasl:cat:log", "*", "e", epoch, "k", kind, "i", number, "r", text)
            redis.command("HINCRBY", "wasl:cat:head", "version", 1)

    # The tracker

    def command(self, **settings):
        words = {"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", "keyring": self.dir / "keyring",
                 "redis-url": "redis://127.0.0.1:%d" % self.redis_port, "state-dir": self.dir / "state",
                 "workers": 2, **self.settings, **settings}
        program = stack.programs() / "wasl-tracker"
        return [str(program)] + ["--%s=%s" % pair for pair in words.items()]

    def start(self, is_ready=True):
        log = open(self.dir / "log", "ab")
        begin = log.tell()
        with log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stderr=log, env={**stack.clean_env(), **self.env})
        found = {}

        def listening():
            assert self.process.poll() is None, self.log()
            for event in self.events("listening", begin):
                found[event["listener"]] = "http://" + event["addr"]
            return len(found) == 2
        wait_until(listening, START_LIMIT_S, "the tracker listens")
        self.url, self.admin_url = found["public"], found["admin"]
        if is_ready:
            wait_until(lambda: self.admin("/readyz").status == 200, START_LIMIT_S, "the tracker is ready")
            wait_until(lambda: self.metric("wasl_redis_up") == 1 or not self.redis_answers(),
                       START_LIMIT_S, "Redis is up for the tracker")

    def end(self, number=signal.SIGTERM):
        """Signals it and returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(START_LIMIT_S + 10)

    def is_alive(self):
        return is_alive(self.process.pid)

    def log(self, begin=0):
        return (self.dir / "log").read_bytes()[begin:].decode(errors="replace")

    def lines(self, begin=0):
        return stack.log_lines(self.log(begin))

    def events(self, ev, begin=0):
        return [line for line in self.lines(begin) if line.get("ev") == ev]

    def admin(self, path):
        return stack.request(self.admin_url, "GET", path)

    def metrics(self):
        return stack.parse_metrics(self.admin("/metrics").body)

    def metric(self, name, **labels):
        return self.metrics().get((name, frozenset(labels.items())), 0)

    # Links and clicks

    def link(self, affiliate=AFFILIATE, product=PRODUCT, campaign=3):
        return "/" + self.keys.mint_link(affiliate, product, campaign)

    def get(self, path, agent=HUMAN, method="GET", headers=()):
        pairs = ([("User-Agent", agent)] if agent is not None else []) + list(headers)
        return stack.request(self.url, method, path, pairs)

    def open_answer(self, answer, param="wasl"):
        """The click token in a Location, opened; None if there is none."""
        token = token_in(answer.header("location"), param)
        return self.keys.open_click(token) if token else None

    def record(self, click):
        """The record of an opened click token in Redis; None if there is none."""
        with self.redis() as redis:
            raw = redis.command("HGET", "wasl:c:" + click["bucket"], click["index"])
        return wasltokens.parse_record(raw) if raw is not None else None

    def ttls(self):
        """Every key that clicks made, with its remaining seconds."""
        with self.redis() as redis:
            return {key.decode(): redis.command("TTL", key)
                    for key in redis.keys("wasl:c:*") + redis.keys("wasl:x:*")}


def small_rows(version=1):
    return [
        ("s", STORE, "%d a %d wasl %s" % (version, WINDOW_S, STORE_URL)),
        ("p", PRODUCT, "%d a %d %s" % (version, STORE, PRODUCT_URL)),
        ("p", PAUSED, "%d x %d https://shop.example/p/paused" % (version, STORE)),
        ("p", ORPHAN, "%d a 4000 https://elsewhere.example/" % version),
        ("a", AFFILIATE, "%d a" % version),
        ("a", SUSPENDED, "%d x" % version),
    ]


def token_in(location, param="wasl"):
    query = location.partition("#")[0].partition("?")[2]
    values = [pair.partition("=")[2] for pair in query.split("&") if pair.partition("=")[0] == param]
    assert len(values) <= 1, location
    return values[0] if values and len(values[0]) == 60 else None
