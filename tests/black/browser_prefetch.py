# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium on a page that prefetches or prerenders an affiliate link: the click that follows still lands with
a click token. Run by `make check-browser`: Chromium is too much for every check."""

import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

from stack import wait_until
from trackerlib import CLASSES, HUMAN, PRODUCT, STORE, WINDOW_S, Tracker, AFFILIATE

AGENT = ("Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/130.0.0.0 Mobile Safari/537.36")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-proxy-server", "--disable-dev-shm-usage",
         "--user-agent=" + AGENT]
LANDING_LIMIT_S = 200
# What the page does with the link before somebody taps it.
HINTS = {
    "nothing": "",
    "link": '<link rel="prefetch" href="%s">',
    "prefetch": '<script type="speculationrules">{"prefetch":[{"source":"list","urls":["%s"],"eagerness":"immediate"}]}'
                '</script>',
    "prerender": '<script type="speculationrules">{"prerender":[{"source":"list","urls":["%s"],'
                 '"eagerness":"immediate"}]}</script>',
}
PAGE = """<!doctype html><title>shop</title>%s<a id=link href="%s">buy</a>
<script>
async function tap() {
	const seen = await (await fetch("/seen", {cache: "no-store"})).text();
	if (seen == "yes") document.getElementById("link").click(); else setTimeout(tap, 100);
}
tap();
</script>"""


class Site(http.server.ThreadingHTTPServer):
    """A page with a link on it, and the shop where the link leads."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Visit)
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        self.page, self.landings, self.is_ready = "", [], lambda: True
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Visit(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        answer = ""
        if path == "/page":
            answer = self.server.page
        elif path == "/seen":
            answer = "yes" if self.server.is_ready() else "no"
        elif path == "/p/77":
            purpose = self.headers.get("Sec-Purpose")
            self.server.landings.append((urllib.parse.parse_qs(query).get("wasl", [None])[0], purpose))
            answer = "<!doctype html><title>product</title>"
        body = answer.encode()
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Browser:
    """Chromium with a profile of its own, on one page."""

    def __init__(self, url):
        self.profile = tempfile.mkdtemp(prefix="chromium-", dir=os.environ.get("WASL_TEST_DIR"))
        self.process = subprocess.Popen(
            ["chromium", *FLAGS, "--user-data-dir=" + self.profile, url], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.profile})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Prefetch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.tracker = Tracker({"workers": 1}).__enter__()
        cls.tracker.publish([
            ("s", STORE, "1 a %d wasl %s/" % (WINDOW_S, cls.site.url)),
            ("p", PRODUCT, "1 a %d %s/p/77?a=1#photo" % (STORE, cls.site.url)),
            ("a", AFFILIATE, "1 a")], epoch="00000000000000e2")
        wait_until(lambda: cls.tracker.get(cls.tracker.link(), HUMAN).header("location").startswith(cls.site.url),
                   what="the site is in the catalogue")

    @classmethod
    def tearDownClass(cls):
        cls.tracker.stop()
        cls.site.shutdown()

    def declined(self):
        return self.tracker.metric("wasl_http_requests_total", route="link", **{"class": "prefetch", "code": "503"})

    def clicks(self):
        return sum(self.tracker.metric("wasl_clicks_total", **{"class": name, "stored": "redis"})
                   for name in ("human", "suspect"))

    def tap(self, hint):
        """The token with which a tap on the link lands, its click, and how many prefetches were declined before."""
        link = self.tracker.url + self.tracker.link()
        declined, clicks = self.declined(), self.clicks()
        self.site.page = PAGE % (HINTS[hint] and HINTS[hint] % link, link)
        self.site.landings.clear()
        self.site.is_ready = lambda: hint == "nothing" or self.declined() > declined
        with Browser(self.site.url + "/page"):
            wait_until(lambda: self.site.landings, LANDING_LIMIT_S, "the tap lands")
        self.assertEqual(self.clicks(), clicks + 1)
        (token, purpose), = self.site.landings
        self.assertIsNone(purpose, "the shop was prefetched too")
        self.assertIsNotNone(token, "the sale is lost")
        click = self.tracker.keys.open_click(token)
        self.assertIsNotNone(click)
        record = self.tracker.record(click)
        self.assertEqual((CLASSES[record["class"]], click["flags"]), ("human", 0))
        return self.declined() - declined

    def test_a_tap_alone_lands_with_a_token(self):
        self.assertEqual(self.tap("nothing"), 0)

    def test_a_link_that_was_prefetched_lands_with_a_token(self):
        self.assertGreater(self.tap("link"), 0)

    def test_a_link_prefetched_by_speculation_rules_lands_with_a_token(self):
        self.assertGreater(self.tap("prefetch"), 0)

    def test_a_prerendered_link_lands_with_a_token(self):
        self.assertGreater(self.tap("prerender"), 0)


if __name__ == "__main__":
    unittest.main()
