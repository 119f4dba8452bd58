# SPDX-License-Identifier: Apache-2.0
"""pgbouncer before Postgres: sessions that it keeps are as good as Postgres's own; those that it hands from client to
client by the transaction are refused, by name, and no event is lost, doubled or put into quarantine."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import stack
from shop import Attributor, Shop
from trackerlib import free_port

LIMIT_S = 90
EVENTS = 40
running = stack.Stack({"order-deadline": "20s"})
CONF = """[databases]
wasl = host=127.0.0.1 port=%(server)d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %(port)d
unix_socket_dir =
auth_type = plain
auth_file = %(folder)s/users
pool_mode = %(mode)s
default_pool_size = 20
"""


def setUpModule():
    running.start()
    running.stop_service("attributor")


def tearDownModule():
    running.stop()


class Pooler:
    def __init__(self, mode):
        self.parts = urllib.parse.urlsplit(running.env["WASL_ATTRIBUTOR_DATABASE_URL"])
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wasl.", dir="/tmp"))
        self.port, self.process = free_port(), None
        self.url = self.parts._replace(netloc="%s:%s@127.0.0.1:%d" % (
            self.parts.username, self.parts.password, self.port)).geturl()
        (self.folder / "users").write_text('"%s" "%s"\n' % (self.parts.username, self.parts.password))
        self.as_user = []
        if os.geteuid() == 0:  # which it refuses
            user = pwd.getpwnam("postgres")
            for path in (self.folder, self.folder / "users"):
                os.chown(path, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=%d" % user.pw_gid, "--init-groups"]
        self.start(mode)

    def start(self, mode):
        (self.folder / "conf").write_text(CONF % {
            "server": self.parts.port, "port": self.port, "folder": self.folder, "mode": mode})
        (self.folder / "conf").chmod(0o644)
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*self.as_user, program, self.folder / "conf"], cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=stack.clean_env())
        stack.wait_until(lambda: stack.psql(self.url, "SELECT 1") == [["1"]] if self.answers() else False, LIMIT_S,
                         "pgbouncer answers: " + (self.folder / "log").read_text())

    def answers(self):
        try:
            stack.socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait(stack.WAIT_LIMIT_S)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Pooled(unittest.TestCase):
    def setUp(self):
        self.name = "p%d" % time.monotonic_ns()
        self.shop = Shop(running, host=self.name + ".example")
        self.sent = []

    def attributor(self, pooler, **settings):
        other = Attributor(running, database_url=pooler.url, **settings)
        self.addCleanup(other.kill)
        return other

    def send(self, attributor, count=EVENTS):
        statuses = set()
        for _ in range(count):
            order = "%s-%d" % (self.name, len(self.sent))
            event = self.shop.order([self.shop.dated_click(time.time() - 60)], order_id=order)
            answer = attributor.send(self.shop.store, event, order)
            self.assertIn(answer.status, (200, 202), answer)
            statuses.add(answer.status)
            self.sent.append(order)
        return statuses

    def metric(self, attributor, name):
        return stack.parse_metrics(stack.request(attributor.url("admin"), "GET", "/metrics").body)[name, frozenset()]

    def each_took_effect_once(self):
        rows = running.sql("SELECT order_id, amount FROM finance.commissions WHERE store_id = %d" % self.shop.id,
                           "finance")
        self.assertEqual(sorted(rows), sorted([order, "10.00"] for order in self.sent))
        self.assertEqual(running.sql("SELECT count(*) FROM wasl.event_ids WHERE store_id = %d" % self.shop.id),
                         [[str(len(self.sent))]])
        verified = running.waslctl("verify")
        self.assertEqual(verified.rc, 0, verified)

    def test_sessions_that_are_kept_post_listen_and_lock(self):
        pooler = Pooler("session")
        self.addCleanup(pooler.remove)
        first = self.attributor(pooler).wait_ready()
        stack.wait_until(lambda: "ev=publisher_role is_held=true" in first.log(), LIMIT_S, "it publishes")
        second = self.attributor(pooler).wait_ready()
        self.assertEqual(self.send(first), {200})
        self.assertEqual(self.send(second), {200})
        self.assertNotIn("is_held=true", second.log())
        with running.redis() as redis:
            # It hears of a change, which goes by LISTEN.
            before = redis.command("HGET", "wasl:cat:head", "version")
            self.shop.add_product("SKU-2")
            stack.wait_until(lambda: redis.command("HGET", "wasl:cat:head", "version") != before, LIMIT_S, "published")
        first.kill()
        stack.wait_until(lambda: "ev=publisher_role is_held=true" in second.log(), LIMIT_S, "the other one publishes")
        # Sessions that the first has left are clean for the next.
        third = self.attributor(pooler).wait_ready()
        self.assertEqual(self.send(third), {200})
        self.assertNotIn("postgres_refused", first.log() + second.log() + third.log())
        self.each_took_effect_once()

    def test_sessions_that_go_round_are_refused_and_nothing_is_lost(self):
        pooler = Pooler("session")
        self.addCleanup(pooler.remove)
        first = self.attributor(pooler, order_deadline="2s").wait_ready()
        snapshot = first.folder / "stores.snapshot"
        stack.wait_until(snapshot.exists, LIMIT_S, "the snapshot")
        self.assertEqual(self.send(first, 3), {200})
        pooler.stop()
        pooler.start("transaction")
        stack.wait_until(lambda: "ev=postgres_refused" in first.log(), LIMIT_S, "it is refused")
        self.assertIn("pool_mode=session", first.log())
        self.send(first)
        quarantined = self.metric(first, "wasl_quarantine_put_total")
        first.kill()

        # One that has never known anything else.
        first.start(database_url=pooler.url, order_deadline="2s")
        first.wait_ready(can_post=False)
        stack.wait_until(lambda: "ev=postgres_refused" in first.log(), LIMIT_S, "it is refused")
        self.send(first)
        self.assertEqual((quarantined, self.metric(first, "wasl_quarantine_put_total")), (0, 0))
        pooler.stop()
        pooler.start("session")
        stack.wait_until(lambda: self.metric(first, "wasl_spool_records") == 0, LIMIT_S, "the spool is empty")
        self.each_took_effect_once()
        self.assertEqual(self.metric(first, "wasl_quarantine_put_total"), 0)


if __name__ == "__main__":
    unittest.main()
