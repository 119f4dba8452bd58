# SPDX-License-Identifier: Apache-2.0
"""The attributor's own life: when it refuses to start, what it says of itself, how it is told and how it ends."""

import concurrent.futures
import os
import pathlib
import re
import resource
import signal
import socket
import time
import unittest

import stack
from shop import Attributor, Shop

running = stack.Stack(stack.PATIENT)
PROGRAM = stack.programs() / "wasl-attributor"


def setUpModule():
    running.start()
    Life.shop = Shop(running)


def tearDownModule():
    running.stop()


class Life(unittest.TestCase):
    shop = None

    def extra(self, **settings):
        other = Attributor(running, **settings)
        self.addCleanup(other.kill)
        return other

    def config(self, text, mode=0o600):
        path = pathlib.Path(running.dir, "life.conf")
        path.write_text(text)
        path.chmod(mode)
        return path

    def run_it(self, *words, env=None):
        return stack.run(PROGRAM, *words, env={**stack.clean_env(), **(env or {})})


class Start(Life):
    def refused(self, other, *words):
        self.assertEqual(other.exit_code(), 1, other.log())
        line, = [line for line in other.log().splitlines() if "lvl=error" in line]
        for word in words:
            self.assertIn(word, line)

    def test_not_as_owner(self):
        self.refused(self.extra(database_url=running.env["WASL_DATABASE_URL"]), "start_refused", "wasl,", "owns")

    def test_not_as_superuser(self):
        self.refused(self.extra(database_url=running.env["WASL_SUPERUSER_DATABASE_URL"]), "start_refused", "superuser")

    def test_not_on_a_newer_schema(self):
        running.sql("INSERT INTO wasl.migrations (name, sha256) VALUES ('9999_future.sql', 'x')")
        self.addCleanup(running.sql, "DELETE FROM wasl.migrations WHERE name = '9999_future.sql'")
        self.refused(self.extra(), "newer", "9999_future.sql")

    def test_not_on_an_older_schema(self):
        row, = running.sql("DELETE FROM wasl.migrations WHERE name = (SELECT max(name) FROM wasl.migrations) "
                           "RETURNING name, sha256")
        self.addCleanup(running.sql, "INSERT INTO wasl.migrations (name, sha256) VALUES ('%s', '%s')" % tuple(row))
        self.refused(self.extra(), "older", row[0], "waslctl migrate")

    def test_not_on_a_changed_migration(self):
        good, = running.sql("SELECT sha256 FROM wasl.migrations WHERE name LIKE '0001_%'")
        change = "UPDATE wasl.migrations SET sha256 = '%s' WHERE name LIKE '0001_%%'"
        self.addCleanup(running.sql, change % good[0])
        running.sql(change % ("0" * 64))
        self.refused(self.extra(), "0001_", "built for")

    def test_not_on_an_empty_database(self):
        running.sql("CREATE DATABASE empty", "superuser")
        self.addCleanup(running.sql, "DROP DATABASE empty WITH (FORCE)", "superuser")
        url = running.env["WASL_ATTRIBUTOR_DATABASE_URL"].rsplit("/", 1)[0] + "/empty"
        self.refused(self.extra(database_url=url), "0001_catalogue.sql", "waslctl migrate")

    def test_a_taken_port_is_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            result = self.run_it("--config", running.dir + "/attributor.conf", "--listen", address)
            self.assertEqual(result.rc, 1, result)
            self.assertIn(address, result.err)

    def test_without_postgres_it_waits(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            other = self.extra(database_url="postgresql://x@127.0.0.1:%d/x" % silent.getsockname()[1])
            stack.wait_until(lambda: "listener=admin" in other.log(), what="listening")
            answer = stack.request(other.url("admin"), "GET", "/readyz")
            self.assertEqual((answer.status, answer.json()["ready"]), (503, False))
            self.assertIn("postgres", answer.json()["degraded"])
            self.assertEqual(stack.request(other.url("admin"), "GET", "/healthz").status, 200)
            answer = other.send(self.shop.store, self.shop.order(), "early")
            self.assertEqual((answer.status, answer.json()["code"]), (503, "database_unavailable"))
            self.assertTrue(answer.header("retry-after"))
            began = time.monotonic()
            other.process.send_signal(signal.SIGTERM)
            self.assertEqual(other.exit_code(), 0)
            self.assertLess(time.monotonic() - began, 30)

    def test_without_redis_it_serves(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = "redis://127.0.0.1:%d" % closed.getsockname()[1]
        other = self.extra(redis_url=url).wait_ready()
        event = self.shop.order([self.shop.dated_click(time.time() - 60)])
        answer = other.send(self.shop.store, event, "no-redis")
        self.assertEqual((answer.status, answer.json()["decision"]), (200, "attributed"))


class Config(Life):
    def test_help_version_and_print_config(self):
        self.assertEqual(self.run_it("--version").rc, 0)
        result = self.run_it("--help")
        for name in ("listen", "admin-listen", "redis-url", "keyring", "state-dir", "database-url", "order-deadline",
                     "timer-interval", "batch-max", "log-level", "link-base"):
            self.assertIn("--" + name, result.out)
        printed = self.run_it("--config", running.dir + "/attributor.conf", "--print-config")
        self.assertEqual(printed.rc, 0)
        self.assertNotIn(running.env["WASL_ATTRIBUTOR_DATABASE_URL"].split(":")[2].split("@")[0], printed.out)

    def test_faults_are_one_line_and_exit_2(self):
        table = [(["--lisen", "x"], "lisen"), (["--batch-max", "0"], "batch-max"), (["--batch-max", "65"], "batch-max"),
                 (["--order-deadline", "1"], "order-deadline"), (["--order-deadline", "1h"], "order-deadline"),
                 (["--redis-url", "http://x"], "redis-url"), (["--listen", "x:99999"], "listen"),
                 (["--link-base", "javascript:x"], "link-base"), (["--log-level", "loud"], "log-level"),
                 (["stray"], "stray")]
        for words, named in table:
            result = self.run_it(*words)
            self.assertEqual((result.rc, len(result.err.splitlines())), (2, 1), (words, result))
            self.assertIn(named, result.err)

    def test_faults_of_a_file_name_file_and_line(self):
        for text, line in (("listen = 127.0.0.1:0\nlisen = x\n", 2), ("batch-max = 1\nbatch-max = 2\n", 2),
                           ("# fine\n\nbatch-max = many\n", 3)):
            path = self.config(text)
            result = self.run_it("--config", path, "--check-config")
            self.assertEqual(result.rc, 2, result)
            self.assertIn("%s:%d" % (path.name, line), result.err)

    def test_a_readable_file_with_a_secret_is_refused(self):
        path = self.config("database-url = postgresql://u:secretword@h/d\n", 0o644)
        result = self.run_it("--config", path, "--check-config")
        self.assertEqual(result.rc, 2, result)
        self.assertNotIn("secretword", result.err)

    def test_a_database_url_that_libpq_cannot_read_is_refused_unrepeated(self):
        for url in ("postgresql://u:SECRET%zz@h/d", "postgresql://u:SEC/RET@h/d", "postgresql://u:SEC@RET@h/d",
                    "postgresql://u:SECRET@h/d?RET=1", "postgresql://u@h:0/d",
                    "postgresql://u@h:1,g:65536/d", "mysql://u:SECRET@h/d", "host=h password=SEC RET", "password='SEC"):
            path = self.config("# ours\ndatabase-url = %s\n" % url)
            result = self.run_it("--config", path, "--check-config")
            self.assertEqual((result.rc, len(result.err.splitlines())), (2, 1), (url, result))
            self.assertIn("%s:2: database-url" % path.name, result.err)
            self.assertNotRegex(result.err, "SEC|RET")

    def test_every_form_of_database_url_is_taken(self):
        for url in ("postgresql:///wasl?user=wasl_attributor", "postgresql://u:p%40%2F?#&@10.0.0.1,10.0.0.2/d",
                    "postgres://u:p@h:1,[::1]:65535,g/d?sslmode=require&connect_timeout=2&options=-c%20a%3Db",
                    "postgresql://u@%2Frun%2Fpostgresql:5433/d", "host=@socket,/run/a@b port=1,2 password='a@ b'",
                    "host=,h port=, dbname=d"):
            result = self.run_it("--keyring", running.env["WASL_KEYRING"], "--check-config",
                                 env={"WASL_DATABASE_URL": url})
            self.assertEqual((result.rc, result.err), (0, ""), url)

    def test_a_bad_keyring_is_exit_1(self):
        path = pathlib.Path(running.dir, "bad-keyring")
        for text, mode in (("", 0o600), ("0 active zz\n", 0o600), ("0 active %s\n" % ("ab" * 32), 0o644)):
            path.write_text(text)
            path.chmod(mode)
            result = self.run_it("--keyring", path, "--check-config")
            self.assertEqual((result.rc, len(result.err.splitlines())), (1, 1), result)
        self.assertEqual(self.run_it("--keyring", "/nowhere", "--check-config").rc, 1)
        good = self.run_it("--keyring", running.env["WASL_KEYRING"], "--check-config")
        self.assertEqual((good.rc, good.err), (0, ""))


class Signals(Life):
    def test_sighup_reads_the_keyring_and_keeps_the_old_one_on_error(self):
        path = pathlib.Path(running.env["WASL_KEYRING"])
        good = path.read_text()
        self.addCleanup(path.write_text, good)
        before = len(running.log_events("attributor", "keyring_refused"))
        path.write_text(good + "1 valid broken\n")
        running.signal("attributor", signal.SIGHUP)
        refused = stack.wait_until(lambda: running.log_events("attributor", "keyring_refused")[before:], what="refusal")
        self.assertRegex(refused[0]["reason"], ":2")
        self.assertEqual(self.shop.send(self.shop.order()).status, 200)
        path.write_text(good + "1 valid %s\n" % ("cd" * 32))
        running.signal("attributor", signal.SIGHUP)
        stack.wait_until(lambda: running.log_events("attributor", "keyring_reloaded"), what="the new ring")
        event = self.shop.order([self.shop.dated_click(time.time() - 60)])
        self.assertEqual(self.shop.done(event)["decision"], "attributed")

    def test_sighup_reads_the_log_level(self):
        other = self.extra().wait_ready()
        conf = other.folder / "conf"
        conf.write_text(conf.read_text() + "log-level = error\n")
        other.process.send_signal(signal.SIGHUP)
        stack.wait_until(lambda: "ev=keyring_reloaded" in other.log(), what="the reload")
        time.sleep(0.1)
        size = len(other.log())
        other.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertEqual(other.log()[size:], "")

    def test_sighup_takes_nothing_of_a_bad_file_and_names_its_line(self):
        other = self.extra().wait_ready()
        conf, ring = other.folder / "conf", other.folder / "ring"
        ring.touch(0o600)
        ring.write_text(pathlib.Path(running.env["WASL_KEYRING"]).read_text())
        good = "".join(line + "\n" for line in conf.read_text().splitlines() if not line.startswith(("keyring", "order-deadline")))
        good += "keyring = %s\nlog-level = info\n" % ring
        conf.write_text(good)
        other.kill()
        other.start()
        other.wait_ready()
        ring.write_text(ring.read_text() + "1 valid %s\n" % ("cd" * 32))
        for text in (good + "order-deadline = 7,5s\n", good + "log-leve", good + "log-level = error\n", "\0", None):
            before = other.log().count("ev=config_refused")
            if text is None:
                conf.unlink()
            else:
                conf.write_text(text)
            other.process.send_signal(signal.SIGHUP)
            stack.wait_until(lambda: other.log().count("ev=config_refused") > before, what="refusal: %r" % text)
            line = next(line for line in reversed(other.log().splitlines()) if "ev=config_refused" in line)
            if text is not None:
                self.assertIn("%s:%d" % (conf, text.count("\n") + (not text.endswith("\n"))), line)
        self.assertNotIn("ev=keyring_reloaded", other.log())
        conf.touch(0o600)
        conf.write_text(good.replace("log-level = info", "order-deadline = 2s"))
        other.process.send_signal(signal.SIGHUP)
        stack.wait_until(lambda: "ev=config_reloaded" in other.log(), what="the reload")
        self.assertIn("ev=keyring_reloaded", other.log())
        self.assertIn("ev=config_needs_restart option=order-deadline", other.log())
        self.assertEqual(other.insist(self.shop.store, self.shop.order(), "after-reload").status, 200)

    def test_sigterm_drains(self):
        other = self.extra().wait_ready()
        event = stack.json.dumps(self.shop.order()).encode()
        headers = stack.webhook_headers(self.shop.store["webhook_secret"], "drain-1", None, event)
        path = "/v1/stores/%d/events" % self.shop.id
        with stack.Connection(other.url()) as idle, stack.Connection(other.url()) as busy:
            self.assertEqual(idle.request("GET", "/").status, 404)
            whole = stack.encode_request(busy.host, "POST", path, headers, event)
            busy.send(whole[:-10])
            time.sleep(1)  # it has been read
            other.process.send_signal(signal.SIGTERM)
            stack.wait_until(lambda: "ev=stopping" in other.log(), what="stopping")
            self.assertEqual(stack.request(other.url("admin"), "GET", "/readyz").status, 503)
            self.assertEqual(idle.read_to_end(), b"")
            with self.assertRaises(OSError):
                stack.Connection(other.url())
            busy.send(whole[-10:])
            answer = busy.read_answer()
            self.assertEqual((answer.status, answer.header("connection")), (200, "close"))
            self.assertEqual(busy.read_to_end(), b"")
        self.assertEqual(other.exit_code(), 0)

    def test_a_second_sigterm_does_not_wait(self):
        other = self.extra().wait_ready()
        with stack.Connection(other.url()) as slow:
            slow.send(b"POST /v1/stores/1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
            time.sleep(1)  # it has been read
            other.process.send_signal(signal.SIGTERM)
            stack.wait_until(lambda: "ev=stopping" in other.log(), what="stopping")
            time.sleep(0.1)
            other.process.send_signal(signal.SIGTERM)
            self.assertEqual(other.exit_code(), 1)

    def test_sigterm_under_load_loses_no_answered_event(self):
        other = self.extra().wait_ready()
        taken = []

        def send(number):
            name = "load-%d" % number
            try:
                answer = other.send(self.shop.store, self.shop.order(order_id=name), name)
            except (OSError, AssertionError):
                return
            if answer.status == 200:
                taken.append(name)
            if number == 60:
                other.process.send_signal(signal.SIGTERM)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(send, range(200)))
        self.assertEqual(other.exit_code(), 0)
        self.assertGreater(len(taken), 50)
        stored = {name for (name,) in running.sql("SELECT event_id FROM wasl.event_ids WHERE event_id LIKE 'load-%'")}
        self.assertEqual(set(taken) - stored, set())


class Caps(Life):
    def dial(self, other):
        host, port = other.url().partition("//")[2].rsplit(":", 1)
        peer = socket.create_connection((host, int(port)), stack.WAIT_LIMIT_S)
        self.addCleanup(peer.close)
        return peer

    def refused(self, other, cause):
        text = stack.request(other.url("admin"), "GET", "/metrics").body
        return stack.parse_metrics(text)["wasl_connections_refused_total", frozenset({("cause", cause)})]

    def test_connections_have_caps_in_all_and_by_address(self):
        for settings, cause in (({"connections_max": 20}, "total"), ({"connections_per_address": 20}, "address")):
            other = self.extra(**settings).wait_ready()
            kept = [self.dial(other) for _ in range(20)]
            stack.wait_until(lambda: b"wasl_connections 20\n" in stack.request(
                other.url("admin"), "GET", "/metrics").body, what="all are open")
            self.assertEqual([self.dial(other).recv(1) for _ in range(3)], [b""] * 3)
            self.assertEqual(self.refused(other, cause), 3)
            for peer in kept:
                peer.close()
            stack.wait_until(lambda: b"wasl_connections 0\n" in stack.request(
                other.url("admin"), "GET", "/metrics").body, what="all are gone")
            self.assertEqual(other.send(self.shop.store, self.shop.order(), "cap-" + cause).status, 200)

    def test_senders_leave_descriptors_for_the_stores(self):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        other = self.extra(connections_max=1000000).wait_ready()
        self.assertEqual(resource.prlimit(other.process.pid, resource.RLIMIT_NOFILE)[0], limits[1])
        if limits[1] < 1000000 + 256:
            self.assertRegex(other.log(), "ev=few_descriptors have=%d .*connections=%d\n" % (limits[1], limits[1] - 256))


class Figures(Life):
    def test_the_public_listener_tells_nothing_of_the_process(self):
        for path in ("/metrics", "/healthz", "/readyz", "/", "/v1", "/finance", "/v1/finance/commissions"):
            answer = stack.request(running.env["WASL_ATTRIBUTOR_URL"], "GET", path)
            self.assertIn(answer.status, (401, 404), path)
            self.assertNotIn(b"wasl_", answer.body)

    def test_metrics(self):
        event = self.shop.order([self.shop.dated_click(time.time() - 60)])
        self.shop.done(event, "figures-1")
        self.shop.done(event, "figures-1")
        self.shop.done({"type": "order.shipped", "timestamp": event["timestamp"], "data": {"order_id": "figures"}})
        metric = lambda name, **labels: running.metric("attributor", name, **labels)
        self.assertGreater(metric("wasl_http_requests_total", route="events", **{"class": ""}, code="200"), 2)
        self.assertGreater(metric("wasl_http_request_seconds_count", route="events"), 2)
        self.assertGreater(metric("wasl_events_total", type="order.confirmed", result="attributed"), 0)
        self.assertGreater(metric("wasl_events_total", type="order.confirmed", result="duplicate"), 0)
        self.assertGreater(metric("wasl_events_total", type="order.shipped", result="waiting"), 0)
        self.assertGreater(metric("wasl_commissions_total", state="pending", currency="EGP"), 0)
        self.assertEqual(metric("wasl_redis_up"), 1)
        self.assertEqual(metric("wasl_event_queue"), 0)
        text = running.attributor_admin("/metrics").body.decode()
        for name in ("wasl_build_info", "wasl_connections", "wasl_redis_errors_total", "wasl_degraded",
                     "wasl_catalogue_version", "wasl_unattributed_total", "wasl_postgres_errors_total"):
            self.assertRegex(text, r"(?m)^(# TYPE )?%s\b" % name)
        for line in text.splitlines():
            self.assertTrue(line.startswith("#") or re.fullmatch(r"\w+(\{[^{}]*\})? -?[0-9.e+]+", line), line)

    def test_the_idle_process_rests(self):
        ticks = lambda: sum(map(int, pathlib.Path("/proc/%d/stat" % running.pid("attributor")).read_text()
                                .rpartition(")")[2].split()[11:13]))
        before = ticks()
        time.sleep(2)
        self.assertLess(ticks() - before, 0.5 * os.sysconf("SC_CLK_TCK"))


if __name__ == "__main__":
    unittest.main()
