# SPDX-License-Identifier: Apache-2.0
"""/metrics of both daemons: what Prometheus's own checker says, the agreed names, bounded labels, scrapes under load."""

import concurrent.futures
import pathlib
import re
import subprocess
import threading
import time
import unittest

import stack
from shop import Shop
from stack import wait_until
from trackerlib import HUMAN, Tracker

CHECK_LIMIT_S = 180
SCRAPE_LIMIT_S = 10  # takes a few milliseconds; a machine may have other work
AFFILIATES = 100000
CLICKS = 2000
LOADERS = 4
SCRAPES = 40
COMMON = {"wasl_build_info", "wasl_http_requests_total", "wasl_http_request_seconds", "wasl_connections",
          "wasl_redis_errors_total", "wasl_redis_up", "wasl_catalogue_version", "wasl_catalogue_age_seconds",
          "wasl_degraded", "wasl_connections_refused_total"}
NAMES = {"tracker": COMMON | {"wasl_clicks_total", "wasl_spool_records", "wasl_spool_bytes", "wasl_spool_oldest_seconds",
                              "wasl_spool_set_aside_total"},
         "attributor": COMMON | {"wasl_events_total", "wasl_postgres_errors_total", "wasl_commissions_total",
                                 "wasl_unattributed_total"}}


def families(text):
    return {line.split(" ")[2] for line in text.decode().splitlines() if line.startswith("# TYPE ")}


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.running = stack.Stack(stack.PATIENT).start()
        cls.shop = Shop(cls.running)

    @classmethod
    def tearDownClass(cls):
        cls.running.stop()

    def text(self, service):
        return stack.request(self.running.env["WASL_%s_ADMIN_URL" % service.upper()], "GET", "/metrics").body

    def checked(self, text):
        """promtool comes with Debian's package prometheus, which make check installs; without it this fails."""
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                              timeout=CHECK_LIMIT_S, check=False)
        self.assertEqual((done.returncode, done.stdout.decode() + done.stderr.decode()), (0, ""))

    def test_promtool_finds_nothing(self):
        for service in NAMES:
            self.checked(self.text(service))
        token = self.shop.click()
        self.shop.done(self.shop.order([token]), "metrics-1")
        self.running.tracker("GET", "/nothing")
        self.running.attributor("GET", "/nothing")
        stack.exchange(self.running.env["WASL_TRACKER_URL"], b"BAD\r\n\r\n")
        for service in NAMES:
            text = self.text(service)
            self.checked(text)
            self.assertEqual(NAMES[service] - families(text), set(), service)

    def test_promtool_would_find_something(self):
        with self.assertRaises(AssertionError):
            self.checked(b"# TYPE wasl_things counter\nwasl_things 1\n")


    def test_the_manual_tells_of_every_family_and_option(self):
        manual = (pathlib.Path(stack.ROOT) / "tracker" / "wasl-tracker.8").read_text()
        text = self.text("tracker")
        self.assertEqual({name for name in families(text) if name not in manual}, set())
        words = stack.run(stack.programs() / "wasl-tracker", "--help").out
        options = re.findall(r"^  --([a-z-]+)", words, re.MULTILINE)
        self.assertEqual([name for name in options if not re.search(r"\.It (Cm |Fl -|.*, -)%s\b" % name, manual)], [])


class Labels(unittest.TestCase):
    def test_affiliates_sub_ids_and_paths_add_no_series(self):
        with Tracker() as tracker:
            def series():
                return set(tracker.metrics())

            def load(part):
                with stack.Connection(tracker.url) as connection:
                    for number in range(part, CLICKS, LOADERS):
                        affiliate = 1 + number * (AFFILIATES // CLICKS)
                        path = tracker.link(affiliate=affiliate, campaign=number) + "?s1=%d&cid=%d" % (number, number)
                        connection.request("GET", path, {"User-Agent": HUMAN + str(number)})
                        if number % 10 == 0:
                            connection.request("GET", "/path-%d" % number, {"Host": "host-%d" % number})
            load(CLICKS - 10)
            before = series()
            with concurrent.futures.ThreadPoolExecutor(LOADERS) as pool:
                list(pool.map(load, range(LOADERS)))
            self.assertEqual(series() - before, set())
            clicks = [tracker.metric("wasl_clicks_total", **{"class": "human", "stored": stored})
                      for stored in ("redis", "spool", "none")]
            self.assertGreaterEqual(sum(clicks), CLICKS)

    def test_scrapes_while_busy_are_quick_whole_and_never_go_back(self):
        with Tracker() as tracker:
            is_over, link = threading.Event(), tracker.link()

            def load():
                with stack.Connection(tracker.url) as connection:
                    while not is_over.is_set():
                        connection.request("GET", link, {"User-Agent": HUMAN})
            threads = [threading.Thread(target=load) for _ in range(LOADERS)]
            for thread in threads:
                thread.start()
            try:
                last, slowest = {}, 0
                for _ in range(SCRAPES):
                    began = time.monotonic()
                    values = tracker.metrics()
                    slowest = max(slowest, time.monotonic() - began)
                    for (name, labels), value in last.items():
                        if name.endswith(("_total", "_count", "_bucket")):
                            self.assertGreaterEqual(values[name, labels], value, name)
                    last = values
            finally:
                is_over.set()
                for thread in threads:
                    thread.join()
            self.assertLess(slowest, SCRAPE_LIMIT_S)
            clicks = sum(value for (name, _), value in last.items() if name == "wasl_clicks_total")
            self.assertGreater(clicks, SCRAPES)
            counted = lambda: tracker.metric("wasl_http_request_seconds_count")
            wait_until(lambda: counted() == tracker.metric("wasl_http_requests_total", route="link", **{
                "class": "human", "code": "302"}), what="all figures agree at rest")


if __name__ == "__main__":
    unittest.main()
