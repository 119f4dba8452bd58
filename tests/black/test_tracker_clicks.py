# SPDX-License-Identifier: Apache-2.0
"""Links and clicks on a real Redis: who gets which answer, and what is in Redis when it leaves."""

import concurrent.futures
import re
import time
import unittest

import stack
import wasltokens
from stack import wait_until
from trackerlib import (AFFILIATE, CLASSES, GRACE_S, HUMAN, ORPHAN, PAUSED, PRODUCT, STORE, STORE_URL, SUSPENDED,
                        UNKNOWN, WINDOW_S, Tracker, token_in)

CLEAN_URL = "https://shop.example/p/77?a=1&wasl=old#photo"
NO_TRACK, SUSPECT = 2, 1
LINK_HEADERS = {"cache-control": "no-store, private", "referrer-policy": "no-referrer",
                "x-robots-tag": "noindex, nofollow", "x-content-type-options": "nosniff"}
BURST = 1000
SOURCE_MAX = 300
BURST_CONNECTIONS = 50


class Clicks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tracker = Tracker().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.tracker.stop()

    def clicked(self, answer):
        """The opened token of a 302 with credit."""
        self.assertEqual(answer.status, 302, answer)
        for name, value in LINK_HEADERS.items():
            self.assertEqual(answer.header(name), value)
        click = self.tracker.open_answer(answer)
        self.assertIsNotNone(click, answer)
        return click

    def assert_clean(self, answer, location=CLEAN_URL):
        self.assertEqual((answer.status, answer.header("location")), (302, location))
        self.assertIsNone(answer.header("set-cookie"))
        for name, value in LINK_HEADERS.items():
            self.assertEqual(answer.header(name), value)

    def clicks_total(self, stored):
        return sum(self.tracker.metric("wasl_clicks_total", **{"class": name, "stored": stored})
                   for name in ("human", "suspect"))

    def test_click_is_in_redis_when_its_redirect_arrives(self):
        before = self.clicks_total("redis")
        answer = self.tracker.get(self.tracker.link())
        click = self.clicked(answer)
        record = self.tracker.record(click)
        self.assertTrue(answer.header("location").startswith("https://shop.example/p/77?a=1&wasl="))
        self.assertTrue(answer.header("location").endswith("#photo"))
        self.assertEqual(answer.header("content-length"), "0")
        self.assertEqual((click["version"], click["variant"]), (7, 2))
        self.assertLess(abs(click["ms"] - time.time() * 1000), 5000)
        for name, value in (("affiliate", AFFILIATE), ("product", PRODUCT), ("campaign", 3),
                            ("window_s", WINDOW_S), ("flags", 0)):
            self.assertEqual((click[name], record[name]), (value, value), name)
        self.assertEqual((record["store"], CLASSES[record["class"]]), (STORE, "human"))
        self.assertNotEqual((record["visitor"], record["network"]), (0, 0))
        self.assertFalse(record["has_extras"])
        wait_until(lambda: self.clicks_total("redis") == before + 1, what="the click is counted")

    def test_every_click_key_lives_at_least_its_window(self):
        for query in ("", "?s1=a", "?cid=b&s5=%20"):
            self.clicked(self.tracker.get(self.tracker.link() + query))
        ttls = self.tracker.ttls()
        self.assertTrue(any(key.startswith("wasl:x:") for key in ttls))
        for key, ttl in ttls.items():
            self.assertGreaterEqual(ttl, WINDOW_S + GRACE_S, key)
            self.assertLessEqual(ttl, WINDOW_S + GRACE_S + 3600 + 2, key)

    def test_flush_between_two_clicks_leaves_no_key_without_end(self):
        self.clicked(self.tracker.get(self.tracker.link()))
        with self.tracker.redis() as redis:
            redis.command("FLUSHALL")
        click = self.clicked(self.tracker.get(self.tracker.link()))
        self.assertIsNotNone(self.tracker.record(click))
        ttls = self.tracker.ttls()
        self.assertEqual(list(ttls), ["wasl:c:" + click["bucket"]])
        self.assertGreaterEqual(min(ttls.values()), WINDOW_S)
        self.tracker.publish_small(epoch="%016x" % time.time_ns())

    def test_buckets_are_announced_and_stay_packed(self):
        click = self.clicked(self.tracker.get(self.tracker.link()))
        with self.tracker.redis() as redis:
            entries = redis.command("XRANGE", "wasl:buckets", "-", "+")
            kind = redis.command("OBJECT", "ENCODING", "wasl:c:" + click["bucket"])
        fields = [dict(zip(pairs[::2], pairs[1::2])) for _, pairs in entries]
        mine = [pairs for pairs in fields if pairs[b"b"].decode() == click["bucket"]]
        self.assertEqual(len(mine), 1)
        self.assertGreater(int(mine[0][b"x"]), time.time() + WINDOW_S)
        self.assertIn(kind, (b"listpack", b"ziplist"))

    def test_thousand_clicks_at_once_are_thousand_ids(self):
        link = self.tracker.link()

        def many(_):
            with stack.Connection(self.tracker.url) as connection:
                return [self.clicked(connection.request("GET", link, {"User-Agent": HUMAN}))
                        for _ in range(BURST // BURST_CONNECTIONS)]
        with concurrent.futures.ThreadPoolExecutor(BURST_CONNECTIONS) as pool:
            clicks = sum(pool.map(many, range(BURST_CONNECTIONS)), [])
        self.assertEqual(len({click["click_id"] for click in clicks}), BURST)
        self.assertTrue(all(self.tracker.record(click) for click in clicks[::37]))

    # Who gets what

    def test_classes(self):
        link = self.tracker.link()
        cases = (
            ("bot", "curl/7.88.1"), ("bot", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://google.com/bot)"),
            ("preview", "WhatsApp/2.23.20.0 A"), ("preview", "facebookexternalhit/1.1"),
            ("preview", "TelegramBot (like TwitterBot)"))
        before = self.clicks_total("redis")
        for name, agent in cases:
            labels = {"route": "link", "class": name, "code": "302"}
            count = self.tracker.metric("wasl_http_requests_total", **labels)
            self.assert_clean(self.tracker.get(link, agent))
            self.assertEqual(self.tracker.metric("wasl_http_requests_total", **labels), count + 1)
        self.assertEqual(self.clicks_total("redis"), before)

    def test_head_is_clean_and_no_click(self):
        before = self.clicks_total("redis")
        self.assert_clean(self.tracker.get(self.tracker.link(), method="HEAD"))
        self.assertEqual(self.clicks_total("redis"), before)

    def test_prefetch_is_declined(self):
        for name, value in (("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"),
                            ("X-Purpose", "preview"), ("X-Moz", "prefetch")):
            answer = self.tracker.get(self.tracker.link(), headers=[(name, value)])
            self.assertEqual((answer.status, answer.body), (503, b""))
            self.assertEqual(answer.header("cache-control"), "no-store")
            self.assertIsNone(answer.header("set-cookie"))
            self.assertIsNone(answer.header("location"))

    def test_odd_user_agents_are_suspect_and_credited(self):
        for agent in (None, "", "x", "okhttp/4.9", "Mozilla/5.0 " + "x" * 1100, "%n%s' OR 1=1 --"):
            click = self.clicked(self.tracker.get(self.tracker.link(), agent))
            self.assertEqual(click["flags"], SUSPECT, agent)
            record = self.tracker.record(click)
            self.assertEqual((CLASSES[record["class"]], record["flags"]), ("suspect", SUSPECT))

    # What the link leads to

    def test_suspended_affiliate_gets_no_credit(self):
        self.assert_clean(self.tracker.get(self.tracker.link(affiliate=SUSPENDED)))

    def test_unknown_affiliate_is_credited(self):
        click = self.clicked(self.tracker.get(self.tracker.link(affiliate=UNKNOWN)))
        self.assertEqual(click["affiliate"], UNKNOWN)

    def test_paused_product_leads_to_its_store(self):
        answer = self.tracker.get(self.tracker.link(product=PAUSED))
        self.assertEqual(self.clicked(answer)["product"], PAUSED)
        self.assertTrue(answer.header("location").startswith(STORE_URL + "?wasl="))
        self.assert_clean(self.tracker.get(self.tracker.link(product=PAUSED), "WhatsApp/2"), STORE_URL)

    def test_unknown_product_or_store_is_no_link(self):
        for product in (4711, ORPHAN):
            self.assertEqual(self.tracker.get(self.tracker.link(product=product)).status, 404)

    def test_tokens_that_do_not_open(self):
        good = self.tracker.link()
        flipped = [good[:i] + ("A" if good[i] != "A" else "B") + good[i + 1:] for i in range(1, len(good))]
        bad = ["/", "/x", good + "A", good[:-1], good + "/", "/" + good, good[:-1] + "-", good[:-1] + "_",
               "/" + "z" * 22, "/%00", "/%2e%2e", "/%zz", "/..", "/" + "a" * 4000, "/" + "%41" * 22]
        for path in bad + flipped:
            answer = self.tracker.get(path)
            self.assertEqual(answer.status, 404, path)
            self.assertIsNone(answer.header("set-cookie"))
        body = answer.body.decode()
        self.assertIn("هذا الرابط غير صالح", body)
        self.assertIn("This link does not work", body)
        self.assertEqual(answer.header("content-type"), "text/html; charset=utf-8")

    def test_guesses_learn_nothing_from_the_answer(self):
        other = wasltokens.Keys(b"x" * 32, 3)
        guesses = [self.tracker.keys.mint_link(AFFILIATE, 4711), other.mint_link(AFFILIATE, PRODUCT), "0" * 22,
                   "1" * 22, "z" * 22, "x", "x" * 300, self.tracker.link()[1:-1] + "-"]
        answers = [self.tracker.get("/" + guess) for guess in guesses]
        said = {(answer.status, answer.body, tuple(pair for pair in answer.headers if pair[0] != "date"))
                for answer in answers}
        self.assertEqual([status for status, _, _ in said], [404])

    def test_other_paths_and_methods(self):
        robots = self.tracker.get("/robots.txt")
        self.assertEqual(robots.status, 200)
        self.assertNotRegex(robots.body.decode(), r"Disallow: *\S")
        self.assertEqual(self.tracker.get("/favicon.ico").status, 204)
        self.assertEqual(self.tracker.get("/wasl.js").status, 404)
        self.assertEqual(self.tracker.get("/v1/links").status, 404)
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            answer = self.tracker.get(self.tracker.link(), method=method, headers=[("Content-Length", "0")])
            self.assertEqual((answer.status, answer.header("allow")), (405, "GET, HEAD"), method)

    def test_destination_never_comes_from_the_request(self):
        for extra in ([("Host", "evil.example")], [("X-Forwarded-Host", "evil.example")],
                      [("X-Original-URL", "//evil.example")], [("Referer", "https://evil.example/")]):
            location = self.tracker.get(
                self.tracker.link() + "?url=https://evil.example&wasl=x", headers=extra).header("location")
            self.assertTrue(location.startswith("https://shop.example/p/77?a=1&wasl="), location)
            self.assertNotIn("evil", location)

    # Visitors

    def test_cookie_is_set_once(self):
        answer = self.tracker.get(self.tracker.link())
        match = re.fullmatch(r"wasl=([\w-]{22}); Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax",
                             answer.header("set-cookie"))
        first = self.tracker.record(self.tracker.open_answer(answer))
        again = self.tracker.get(self.tracker.link(), headers=[("Cookie", "a=b; wasl=" + match[1])])
        self.assertIsNone(again.header("set-cookie"))
        second = self.tracker.record(self.tracker.open_answer(again))
        self.assertEqual(first["visitor"], second["visitor"])
        for value in ("", "x", match[1][:-1], match[1] + "A", match[1][:-1] + "!"):
            other = self.tracker.get(self.tracker.link(), headers=[("Cookie", "wasl=" + value)])
            self.assertIsNotNone(other.header("set-cookie"), value)
            self.assertNotEqual(
                self.tracker.record(self.tracker.open_answer(other))["visitor"], first["visitor"])

    def test_who_does_not_want_to_be_followed_is_not(self):
        for headers, query in (([("DNT", "1")], ""), ([("Sec-GPC", "1")], ""), ([], "?notrack=1"),
                               ([("DNT", "1"), ("Cookie", "wasl=" + "A" * 22)], "")):
            answer = self.tracker.get(self.tracker.link() + query, headers=headers)
            self.assertIsNone(answer.header("set-cookie"))
            click = self.clicked(answer)
            record = self.tracker.record(click)
            self.assertEqual((click["flags"], record["flags"]), (NO_TRACK, NO_TRACK))
            self.assertEqual((record["visitor"], record["network"]), (0, 0))

    def buckets(self):
        """Every record that statistics would read by way of the announced buckets."""
        with self.tracker.redis() as redis:
            entries = redis.command("XRANGE", "wasl:buckets", "-", "+")
            names = {dict(zip(pairs[::2], pairs[1::2]))[b"b"].decode() for _, pairs in entries}
            pairs = [redis.command("HGETALL", "wasl:c:" + name) for name in names]
        return [wasltokens.parse_record(raw) for values in pairs for raw in values[1::2]]

    def test_thousand_clicks_of_one_visitor_are_a_thousand_clicks_and_one_visitor(self):
        before = {record["visitor"] for record in self.buckets()}
        cookie = ("Cookie", "wasl=" + "v" * 21 + "A")
        link = self.tracker.link()
        with stack.Connection(self.tracker.url) as connection:
            # Looked at afterwards: all of them are to come within the 10 s for which clicks are counted.
            answers = [connection.request("GET", link, [("User-Agent", HUMAN), cookie]) for _ in range(BURST)]
            alone = self.clicked(connection.request("GET", link, {"User-Agent": HUMAN}))
        self.assertEqual([answer.header("set-cookie") for answer in answers], [None] * BURST)
        clicks = [self.clicked(answer) for answer in answers]
        self.assertEqual(len({click["click_id"] for click in clicks}), BURST)
        records = [self.tracker.record(click) for click in clicks]
        visitor, = {record["visitor"] for record in records}
        seen = self.buckets()
        self.assertEqual(len([record for record in seen if record["visitor"] == visitor]), BURST)
        self.assertEqual({record["visitor"] for record in seen} - before - {visitor},
                         {self.tracker.record(alone)["visitor"]})
        # Faster than people tap: suspect from the thirty-first on, credited all the same; nobody else is.
        self.assertEqual([click["flags"] for click in clicks], [0] * 30 + [SUSPECT] * (BURST - 30))
        self.assertEqual([CLASSES[record["class"]] for record in records], ["human"] * 30 + ["suspect"] * (BURST - 30))
        self.assertEqual(alone["flags"], 0)

    def test_links_in_frames_and_images_are_suspect_and_credited(self):
        for place, flags in (("document", 0), ("iframe", SUSPECT), ("frame", SUSPECT), ("image", SUSPECT),
                             ("script", SUSPECT), ("embed", SUSPECT), ("object", SUSPECT), ("empty", SUSPECT),
                             ("fencedframe", SUSPECT), ("Document", SUSPECT), ("", SUSPECT)):
            click = self.clicked(self.tracker.get(self.tracker.link(), headers=[("Sec-Fetch-Dest", place)]))
            self.assertEqual(click["flags"], flags, place)
            self.assertEqual(CLASSES[self.tracker.record(click)["class"]], "suspect" if flags else "human")

    def test_sub_ids_are_kept_with_the_click(self):
        before = self.tracker.metric("wasl_sub_ids_dropped_total")
        query = "?s1=a%20b&s1=second&s3=%D9%88&cid=x+y&s2=%FF&s4=" + "z" * 256
        click = self.clicked(self.tracker.get(self.tracker.link() + query))
        self.assertTrue(self.tracker.record(click)["has_extras"])
        with self.tracker.redis() as redis:
            raw = redis.command("GET", "wasl:x:%s:%d" % (click["bucket"], click["index"]))
        values, at = {}, 1
        while at < len(raw):
            values[raw[at]] = raw[at + 2:at + 2 + raw[at + 1]].decode()
            at += 2 + raw[at + 1]
        self.assertEqual(values, {0: "a b", 2: "و", 5: "x+y"})
        self.assertEqual(self.tracker.metric("wasl_sub_ids_dropped_total"), before + 2)

    def test_thousand_parameters_are_survived(self):
        click = self.clicked(self.tracker.get(
            self.tracker.link() + "?s1=a&" + "&".join("p%d=1" % i for i in range(900))))
        self.assertTrue(self.tracker.record(click)["has_extras"])

    def test_no_personal_data_in_the_log(self):
        self.tracker.get(self.tracker.link() + "?s1=SECRETSUB", agent="Mozilla/5.0 AGENTNAME\u202e")
        log = self.tracker.log()
        for word in ("SECRETSUB", "AGENTNAME", self.tracker.link()[1:]):
            self.assertNotIn(word, log)


class Settings(unittest.TestCase):
    def test_secure_cookie_fallback_and_proxies(self):
        settings = {"insecure-cookie": "off", "fallback-url": "https://shop.example/lost",
                    "trusted-proxies": "127.0.0.0/8"}
        with Tracker(settings) as tracker:
            answer = tracker.get(tracker.link())
            self.assertRegex(answer.header("set-cookie"),
                             r"^__Host-wasl=[\w-]{22}; Max-Age=31536000; Path=/; Secure; HttpOnly; SameSite=Lax$")
            for path in ("/nothing", tracker.link(product=4711)):
                lost = tracker.get(path)
                self.assertEqual((lost.status, lost.header("location")), (302, "https://shop.example/lost"))
                self.assertIsNone(lost.header("set-cookie"))
                self.assertIsNone(token_in(lost.header("location")))

            def network(*values):
                answer = tracker.get(tracker.link(), headers=[("X-Forwarded-For", value) for value in values])
                return tracker.record(tracker.open_answer(answer))["network"]
            here = network()
            self.assertEqual(network("192.0.2.1"), network("192.0.2.77"))
            self.assertNotEqual(network("192.0.2.1"), network("198.51.100.1"))
            self.assertEqual(network("192.0.2.1"), network("198.51.100.1, 192.0.2.1, 127.0.0.9"))
            self.assertEqual(network("garbage"), here)

    def test_a_flood_from_one_address_is_suspect_and_credited(self):
        with Tracker({"workers": 1, "trusted-proxies": "127.0.0.1"}) as tracker, \
                stack.Connection(tracker.url) as connection:
            def flags(count, address, headers=(), affiliate=AFFILIATE):
                pairs = [("User-Agent", HUMAN), ("X-Forwarded-For", address), *headers]
                link = tracker.link(affiliate)
                answers = [connection.request("GET", link, pairs) for _ in range(count)]
                clicks = [tracker.open_answer(answer) for answer in answers]
                return [click["flags"] for click in clicks], clicks
            found, clicks = flags(SOURCE_MAX + 50, "203.0.113.7")
            # Those of a second window begin anew: on a slow machine the flood may have ended in between.
            self.assertEqual(found[:SOURCE_MAX], [0] * SOURCE_MAX)
            self.assertIn(SUSPECT, found[SOURCE_MAX:])
            self.assertEqual(len({click["click_id"] for click in clicks}), SOURCE_MAX + 50)
            at = found.index(SUSPECT)
            self.assertEqual(CLASSES[tracker.record(clicks[at])["class"]], "suspect")
            self.assertEqual(flags(1, "203.0.113.7", affiliate=UNKNOWN)[0], [0])
            self.assertEqual(flags(1, "203.0.113.8")[0], [0])
            known = [("Cookie", "wasl=" + "v" * 21 + "A")]
            self.assertEqual(flags(1, "203.0.113.7", known)[0], [0])
            found, _ = flags(SOURCE_MAX + 50, "198.51.100.7", [("DNT", "1")])
            self.assertEqual(found[0], NO_TRACK)
            self.assertIn(NO_TRACK | SUSPECT, found)
            found, _ = flags(SOURCE_MAX + 50, "192.168.1.1")  # a proxy that nobody named
            self.assertEqual(set(found), {0})

    def test_forged_forwarded_address_is_ignored(self):
        with Tracker() as tracker:
            def network(*headers):
                return tracker.record(tracker.open_answer(tracker.get(tracker.link(), headers=headers)))["network"]
            self.assertEqual(network(), network(("X-Forwarded-For", "192.0.2.1")))


if __name__ == "__main__":
    unittest.main()
