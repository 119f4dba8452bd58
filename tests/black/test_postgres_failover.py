# SPDX-License-Identifier: Apache-2.0
"""Postgres fails over to a synchronous standby and the old primary comes back with its old data: what was answered 2xx
takes effect once on the new one, and nothing is posted to a standby or to the old one."""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import stack
from shop import Attributor, Shop
from trackerlib import free_port

LIMIT_S = 90
GONE_LIMIT_S = 60  # two attempts of 5 s; a machine may have other work
HELD_S = 2.0
running = stack.Stack({"order-deadline": "700ms", "timer-interval": "300ms"})


def setUpModule():
    running.start()


def tearDownModule():
    running.stop()


class Standby:
    """A copy of the stack's Postgres, which follows it until it is promoted."""

    def __init__(self, url):
        self.programs = pathlib.Path(max(glob.glob("/usr/lib/postgresql/*/bin")))
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wasl.", dir="/tmp"))
        self.data, self.port, self.process = self.folder / "data", free_port(), None
        self.as_user = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=%d" % user.pw_gid, "--init-groups"]
        done = stack.run(*self.as_user, self.programs / "pg_basebackup", "-d", url.rpartition("/")[0], "-D", self.data,
                         "-R", "-X", "stream", "-c", "fast", "--no-sync", env=stack.clean_env())
        assert done.rc == 0, done
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write("port = %d\nunix_socket_directories = '%s'\n" % (self.port, self.folder))

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*self.as_user, self.programs / "postgres", "-D", self.data], cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=stack.clean_env())
        stack.wait_until(self.answers, LIMIT_S, "the standby answers")

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return b"ready to accept" in (self.folder / "log").read_bytes()
        return False

    def stop(self):
        """As a crash leaves it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(stack.WAIT_LIMIT_S)
        self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Promoted(unittest.TestCase):
    def setUp(self):
        self.sent = []  # (order, webhook-id, event) of every 2xx
        self.shop = Shop(running, host="failover.example")
        self.url = running.env["WASL_SUPERUSER_DATABASE_URL"]
        self.old = urllib.parse.urlsplit(self.url).port

    def send(self, name, count):
        """As many events, each until it is taken; the statuses."""
        statuses = []
        for number in range(count):
            order = "%s-%d" % (name, number)
            token = self.shop.dated_click(time.time() - 60)
            body = stack.json.dumps(self.shop.order([token], order_id=order)).encode()
            answer = self.shop.send(body, order)
            self.assertIn(answer.status, (200, 202), answer)
            statuses.append(answer.status)
            self.sent.append((order, body))
        return statuses

    def answered_200(self, name):
        return self.send("%s-%d" % (name, time.monotonic_ns()), 1) == [200]

    def metric(self, name, **labels):
        return running.metric("attributor", name, **labels)

    def superuser(self, query, port=None):
        return stack.psql(self.url.replace(":%d/" % self.old, ":%d/" % (port or self.old)), query)

    def known(self, port):
        return {row[0] for row in self.superuser("SELECT event_id FROM wasl.event_ids", port)}

    def make_pair(self):
        self.standby = Standby(self.url)
        self.addCleanup(self.standby.remove)
        self.standby.start()
        self.superuser("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.superuser("SELECT pg_reload_conf()")
        stack.wait_until(lambda: self.superuser("SELECT sync_state FROM pg_stat_replication") == [["sync"]], LIMIT_S)
        path = pathlib.Path(running.dir, "attributor.conf")
        host = "@127.0.0.1:%d/" % self.old
        path.write_text(path.read_text().replace(host, "@127.0.0.1:%d,127.0.0.1:%d/" % (self.old, self.standby.port)))
        running.stop_service("attributor")
        running.start_service("attributor")
        stack.wait_until(lambda: running.attributor_admin("/readyz").json()["degraded"] == [], what="both are up")

    def cut_short(self):
        """Who waits for the standby is told to go on without: it has committed, others see it."""
        return self.superuser("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")

    def move_addresses(self):
        for name, value in running.env.items():
            if name.endswith("DATABASE_URL"):
                running.env[name] = value.replace(":%d/" % self.old, ":%d/" % self.standby.port)

    def test_what_was_answered_takes_effect_once_on_the_new_primary(self):
        self.make_pair()
        for _ in range(5):
            stack.wait_until(lambda: self.answered_200("before"), LIMIT_S, "both take it in time")
        stack.wait_until(lambda: self.metric("wasl_spool_records") == 0, LIMIT_S, "nothing is left of before")

        self.standby.stop()
        self.assertEqual(self.send("alone", 2), [202] * 2)
        stack.wait_until(self.cut_short, LIMIT_S, "a transaction waits for the standby")
        stack.wait_until(lambda: self.cut_short() is not None and "alone-1" in self.known(self.old), LIMIT_S,
                         "the old primary shows what nobody else has")
        time.sleep(HELD_S)  # what is found there is no reason to forget it here
        self.assertEqual(self.metric("wasl_spool_records"), 2)

        running.stop_service("postgres", "QUIT")
        self.standby.start()
        self.assertEqual(self.send("read-only", 5), [202] * 5)
        stack.wait_until(lambda: any("read-only" in line["reason"] for line in self.refused()), LIMIT_S,
                         "the standby is refused")
        self.assertIn("postgres", running.attributor_admin("/readyz").json()["degraded"])
        self.assertNotIn("alone-0", self.known(self.standby.port))
        self.superuser("SELECT pg_promote()", self.standby.port)
        stack.wait_until(lambda: self.answered_200("after"), LIMIT_S, "the new primary is found")
        self.everything_is_there_once()

        # The old one comes back, writable and with nobody to wait for.
        path = self.old_conf()
        path.write_text("\n".join(line for line in path.read_text().splitlines() if "synchronous" not in line) + "\n")
        running.start_service("postgres")
        before = self.known(self.old)
        self.assertEqual(self.superuser("SELECT pg_is_in_recovery()"), [["f"]])
        for turn in range(3):
            self.superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wasl_attributor'",
                           self.standby.port)
            self.send("returned-%d" % turn, 3)
            stack.wait_until(lambda: self.answered_200("returned"), LIMIT_S, "it goes on at the new primary")
        stack.wait_until(lambda: any("old primary" in line["reason"] for line in self.refused()), LIMIT_S,
                         "the old primary is refused")
        self.everything_is_there_once()
        self.assertEqual(self.known(self.old), before)
        stack.wait_until(lambda: self.superuser(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'wasl_attributor'") == [["0"]], what="nobody stays at the old one")

    def refused(self):
        return running.log_events("attributor", "postgres_refused")

    def old_conf(self):
        return pathlib.Path(running.dir, "temp").exists() and pathlib.Path(
            pathlib.Path(running.dir, "temp").read_text().strip(), "data", "postgresql.auto.conf")

    def everything_is_there_once(self):
        stack.wait_until(lambda: self.metric("wasl_spool_records") == 0, LIMIT_S, "the spool is empty")
        self.move_addresses()
        self.assertEqual(self.known(self.standby.port), {order for order, _ in self.sent})
        rows = running.sql("SELECT order_id, affiliate_id, state, amount FROM finance.commissions WHERE store_id = %d"
                           % self.shop.id, "finance")
        self.assertEqual(sorted(rows), sorted([order, str(self.shop.affiliate), "pending", "10.00"]
                                              for order, _ in self.sent))
        for order, body in self.sent[::5]:
            again = self.shop.insist(body, order)
            self.assertEqual((again.status, again.json()["duplicate"]), (200, True), again)
        self.assertEqual(self.metric("wasl_quarantine_put_total"), 0)
        verified = running.waslctl("verify")
        self.assertEqual(verified.rc, 0, verified)


class Gone(unittest.TestCase):
    def test_a_first_host_that_never_answers_does_not_keep_it_from_the_second(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = running.env["WASL_ATTRIBUTOR_DATABASE_URL"].replace(
                "@127.0.0.1:", "@127.0.0.1:%d,127.0.0.1:" % silent.getsockname()[1])
            other = Attributor(running, database_url=url)
            self.addCleanup(other.kill)
            stack.wait_until(lambda: "ev=ready" in other.log(), GONE_LIMIT_S, "ready")


if __name__ == "__main__":
    unittest.main()
