# SPDX-License-Identifier: Apache-2.0
"""The catalogue on its way from Postgres to the trackers: what Redis holds, and how soon, also when things break."""

import pathlib
import signal
import subprocess
import time
import unittest

import stack
from stack import Stack, programs, wait_until

HUMAN = [("user-agent", "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36")]
SHARD_ROWS = 1024
LOG_MAX = 100000
ACK_WAIT_S = 1.0  # how long waslctl waits to hear of it
COMMANDS, COMMANDS_MAX = 5, 50


def head(redis):
    flat = redis.command("HGETALL", "wasl:cat:head")
    return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}


def row(redis, kind, number):
    epoch = head(redis).get("epoch", "none")
    value = redis.command("HGET", "wasl:cat:%s:%s:%d" % (epoch, kind, number // SHARD_ROWS), number)
    return value and value.decode()


def is_paused(redis, product):
    """Not told while one epoch takes the place of another."""
    return (row(redis, "p", product) or "").split()[1:2] == ["x"]


def epochs_in(redis):
    """Every epoch that has a shard."""
    return {key.decode().split(":")[2] for key in redis.keys("wasl:cat:*:*:*")}


class Publishing(unittest.TestCase):
    """One stack for all of it; each test leaves it publishing."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack({"insecure-cookie": "on"}).start()
        cls.addClassCleanup(cls.stack.stop)
        cls.store = cls.stack.ctl("store", "add", "--name", "متجر النيل", "--url", "https://shop.example/",
                                  "--currency", "EGP")["store_id"]
        cls.product = cls.stack.ctl("product", "add", "--store", cls.store, "--external-id", "SKU-1",
                                    "--url", "https://shop.example/p/1")["product_id"]
        cls.affiliate = cls.stack.ctl("affiliate", "add", "--name", "سارة")["affiliate_id"]
        cls.token = cls.stack.ctl("link", "mint", "--affiliate", cls.affiliate, "--product", cls.product)["token"]
        wait_until(lambda: cls.location().startswith("https://shop.example/p/1?wasl="), what="the first redirect")

    @classmethod
    def location(cls):
        return cls.stack.tracker("GET", "/" + cls.token, HUMAN).header("location") or ""

    def setUp(self):
        self.redis = self.stack.redis()
        self.addCleanup(self.redis.close)

    def new_epoch(self, old):
        wait_until(lambda: head(self.redis).get("epoch", old) != old, what="a new epoch")
        return head(self.redis)["epoch"]

    def whole(self):
        """Redis holds what Postgres holds: as many rows as the head says, each kind complete."""
        now = head(self.redis)
        held = {"s": 0, "p": 0, "a": 0}
        for kind in held:
            for key in self.redis.keys("wasl:cat:%s:%s:*" % (now["epoch"], kind)):
                held[kind] += self.redis.command("HLEN", key)
        rows = self.stack.sql("SELECT (SELECT count(*) FROM wasl.stores), (SELECT count(*) FROM wasl.products), "
                              "(SELECT count(*) FROM wasl.affiliates)")[0]
        return [str(count) for count in held.values()] == rows and now["count"] == str(sum(held.values()))

    def test_rows_are_what_the_database_holds(self):
        self.assertRegex(row(self.redis, "s", self.store), r"\A\d+ a 2592000 wasl https://shop\.example/\Z")
        self.assertRegex(row(self.redis, "p", self.product), r"\A\d+ a %d https://shop\.example/p/1\Z" % self.store)
        self.assertRegex(row(self.redis, "a", self.affiliate), r"\A\d+ a\Z")
        self.assertTrue(self.whole())
        now = head(self.redis)
        self.assertRegex(now["epoch"], r"\A[0-9a-f]{16}\Z")
        for name, table in (("stores", "store"), ("products", "product"), ("affiliates", "affiliate")):
            highest = self.stack.sql("SELECT max(%s_id) FROM wasl.%ss" % (table, table))[0][0]
            self.assertEqual(now[name], highest)

    def test_a_command_returns_when_redis_has_it(self):
        """Some that took less than the second for which they wait; on a busy machine others take longer."""
        quick = 0
        for number in range(COMMANDS_MAX):
            began = time.monotonic()
            made = self.stack.ctl("product", "add", "--store", self.store, "--external-id", "ACK-%d" % number,
                                  "--url", "https://shop.example/ack")
            if time.monotonic() - began < ACK_WAIT_S:
                self.assertIsNotNone(row(self.redis, "p", made["product_id"]), number)
                self.assertEqual(head(self.redis)["products"], str(made["product_id"]))
                quick += 1
            if quick == COMMANDS:
                break
        self.assertEqual(quick, COMMANDS)

    def test_a_change_is_in_the_log_with_its_epoch_and_version(self):
        before = int(head(self.redis)["version"])
        self.stack.ctl("affiliate", "add", "--name", "in the log")
        now = head(self.redis)
        self.assertEqual(int(now["version"]), before + 1)
        entry = self.redis.command("XREVRANGE", "wasl:cat:log", "+", "-", "COUNT", 1)[0][1]
        fields = dict(zip(entry[::2], entry[1::2]))
        self.assertEqual(fields, {b"e": now["epoch"].encode(), b"k": b"a", b"i": now["affiliates"].encode(),
                                  b"r": b"1 a"})

    def test_a_paused_product_reaches_the_tracker(self):
        self.stack.ctl("product", "pause", self.product)
        self.addCleanup(self.stack.ctl, "product", "resume", self.product)
        wait_until(lambda: self.location().startswith("https://shop.example/?wasl="), what="the store's page")
        self.stack.ctl("product", "resume", self.product)
        wait_until(lambda: self.location().startswith("https://shop.example/p/1?wasl="), what="the product")

    def test_a_suspended_affiliate_reaches_the_tracker(self):
        self.stack.ctl("affiliate", "suspend", self.affiliate)
        wait_until(lambda: self.location() == "https://shop.example/p/1", what="no credit")
        self.stack.ctl("affiliate", "resume", self.affiliate)
        wait_until(lambda: "wasl=" in self.location(), what="credit again")

    def test_an_emptied_redis_is_filled_again(self):
        old = head(self.redis)["epoch"]
        self.redis.command("FLUSHALL")
        self.assertIn("wasl=", self.location())
        self.new_epoch(old)
        wait_until(self.whole, what="every row")
        self.assertIn("wasl=", self.location())

    def test_a_head_that_lies_is_replaced_and_old_epochs_go(self):
        for name, value in (("epoch", "0" * 16), ("version", "999")):
            with self.subTest(field=name):
                old = head(self.redis)["epoch"]
                self.redis.command("HSET", "wasl:cat:head", name, value)
                wait_until(lambda: head(self.redis)["epoch"] not in (old, "0" * 16), what="a new epoch")
                wait_until(lambda: epochs_in(self.redis) == {head(self.redis)["epoch"]}, what="one epoch")
                self.assertEqual(self.redis.command("HKEYS", "wasl:cat:epochs"), [head(self.redis)["epoch"].encode()])

    def test_what_a_crash_left_behind_is_removed(self):
        self.redis.command("HSET", "wasl:cat:epochs", "deadbeefdeadbeef", "0 2048 0")
        self.redis.command("HSET", "wasl:cat:deadbeefdeadbeef:p:2", "2048", "1 a 1 https://gone.example/")
        old = head(self.redis)["epoch"]
        self.redis.command("DEL", "wasl:cat:head")
        self.new_epoch(old)
        wait_until(lambda: "deadbeefdeadbeef" not in epochs_in(self.redis), what="the leftovers are gone")

    def test_a_redis_that_refuses_writes_gets_everything_once_it_takes_them(self):
        self.redis.command("CONFIG", "SET", "maxmemory", "1")
        try:
            self.stack.waslctl("product", "pause", self.product)
            wait_until(lambda: self.stack.log_events("attributor", "catalogue_failed"), what="a failure is told")
        finally:
            self.redis.command("CONFIG", "SET", "maxmemory", "0")
        wait_until(lambda: is_paused(self.redis, self.product), what="the change")
        self.stack.ctl("product", "resume", self.product)

    def test_redis_comes_back_empty(self):
        old = head(self.redis)["epoch"]
        self.redis.command("FLUSHALL")
        self.stack.kill("redis")
        self.stack.sql("UPDATE wasl.affiliates SET lang = 'en' WHERE affiliate_id = %d" % self.affiliate)
        self.stack.start_service("redis")
        self.redis.close()
        self.redis = self.stack.redis()
        self.new_epoch(old)
        wait_until(self.whole, what="every row")

    def test_a_publisher_that_lost_postgres_comes_back(self):
        old = head(self.redis)["epoch"]
        self.stack.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                       "WHERE application_name = 'wasl-attributor publish'", "superuser")
        self.new_epoch(old)
        self.stack.sql("UPDATE wasl.products SET status = 'paused' WHERE product_id = %d" % self.product)
        wait_until(lambda: is_paused(self.redis, self.product), what="the change")
        self.stack.sql("UPDATE wasl.products SET status = 'active' WHERE product_id = %d" % self.product)

    def test_notices_that_make_no_sense_change_nothing(self):
        old = head(self.redis)
        for payload in ("", "store", "store 0", "product 1,", "ack ", "ack a b", "nonsense 1", "product 4294967295"):
            self.stack.sql("SELECT pg_notify('wasl_catalogue', '%s')" % payload)
        self.stack.ctl("affiliate", "add", "--name", "after nonsense")
        now = head(self.redis)
        self.assertEqual((now["epoch"], int(now["version"])), (old["epoch"], int(old["version"]) + 1))

    def test_a_row_that_trackers_would_refuse_is_left_out(self):
        made = self.stack.sql("INSERT INTO wasl.products (store_id, external_id, url) VALUES (%d, 'bad', "
                              "'https://shop.example/ two words') RETURNING product_id" % self.store)[0][0]
        wait_until(lambda: self.stack.log_events("attributor", "catalogue_row_refused"), what="it is told")
        self.assertIsNone(row(self.redis, "p", int(made)))
        self.stack.sql("UPDATE wasl.products SET url = 'https://shop.example/two-words' WHERE product_id = " + made)
        wait_until(lambda: row(self.redis, "p", int(made)), what="the row")


class TwoAttributors(unittest.TestCase):
    def test_one_publishes_and_the_other_takes_over(self):
        with Stack() as one:
            other = self.second(one)
            self.addCleanup(other.kill)
            with one.redis() as redis:
                wait_until(lambda: head(redis).get("epoch") if redis.keys("wasl:cat:head") else None, what="a head")
                time.sleep(2.5)
                self.assertEqual(len(self.holders(one)), 1)
                old = head(redis)["epoch"]
                one.kill("attributor")
                wait_until(lambda: head(redis)["epoch"] != old, what="the other one publishes")
                one.sql("INSERT INTO wasl.affiliates (name) VALUES ('بعد الموت')")
                wait_until(lambda: head(redis)["count"] == "1", what="a change")
                one.start_service("attributor")
                time.sleep(2.5)
                self.assertEqual(len(self.holders(one)), 1)
            other.send_signal(signal.SIGTERM)
            other.wait(stack.WAIT_LIMIT_S)

    @staticmethod
    def holders(one):
        return one.sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")

    @staticmethod
    def second(one):
        """Another attributor on the same stores of data."""
        folder = pathlib.Path(one.dir, "second")
        folder.mkdir()
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                [programs() / "wasl-attributor", "--config", one.dir + "/attributor.conf", "--listen", "127.0.0.1:0",
                 "--admin-listen", "127.0.0.1:0", "--state-dir", str(folder)],
                env=stack.clean_env(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: b"ev=listening" in (folder / "log").read_bytes(), what="the second attributor")
        return process


class Size(unittest.TestCase):
    """10,000 products and 40,000 affiliates."""

    FILL = """
        INSERT INTO wasl.stores (name, url, currency, secret_current)
            SELECT 'Store ' || i, 'https://shop' || i || '.example/', 'EGP', decode(repeat('00', 40), 'hex')
            FROM generate_series(1, 1475) i;
        INSERT INTO wasl.products (store_id, external_id, url)
            SELECT 1 + i % 1475, 'SKU-' || i, 'https://shop' || (1 + i % 1475) || '.example/p/' || i
            FROM generate_series(1, 10000) i;
        INSERT INTO wasl.affiliates (name) SELECT 'مسوّق ' || i FROM generate_series(1, 40000) i;"""

    def test_a_market_of_51475_rows(self):
        with Stack() as one, one.redis() as redis:
            one.sql(self.FILL)
            wait_until(lambda: head(redis).get("count") == "51475", what="all changes")
            wait_until(lambda: self.serves(one), what="the tracker has them")
            self.assertLessEqual(redis.command("XLEN", "wasl:cat:log"), 2 * LOG_MAX)
            began = time.monotonic()
            redis.command("FLUSHALL")
            wait_until(lambda: redis.keys("wasl:cat:head") and head(redis)["count"] == "51475", what="all of it")
            took_s = time.monotonic() - began
            last = one.log_events("attributor", "catalogue_published")[-1]
            self.assertEqual(last["rows"], "51475")
            print("51,475 rows: %.3f s to publish, %.3f s from FLUSHALL on" % (int(last["took_us"]) / 1e6, took_s))
            one.kill("tracker")
            began = time.monotonic()
            one.start_service("tracker")
            wait_until(lambda: self.serves(one), what="a new tracker")
            print("a tracker that starts serves them after %.3f s" % (time.monotonic() - began))

    @staticmethod
    def serves(one):
        if not hasattr(one, "last_link"):
            one.last_link = one.ctl("link", "mint", "--affiliate", 40000, "--product", 10000)["token"]
        answer = one.tracker("GET", "/" + one.last_link, HUMAN)
        return (answer.header("location") or "").startswith("https://shop1151.example/p/10000?wasl=")


if __name__ == "__main__":
    unittest.main()
