# SPDX-License-Identifier: Apache-2.0
"""Hostile and odd HTTP against the real tracker: refused or closed, and it goes on serving."""

import concurrent.futures
import itertools
import socket
import struct
import unittest

from stack import Connection, exchange, wait_until
from trackerlib import HUMAN, Tracker

LINE_MAX = 8192
HEAD_MAX = 16384
HEADERS_MAX = 100
IDLE_CONNECTIONS = 2000


def head(*lines):
    return "\r\n".join(lines + ("", "")).encode("latin-1")


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tracker = Tracker({"connections-max": 4000}).__enter__()
        cls.link = cls.tracker.link()

    @classmethod
    def tearDownClass(cls):
        cls.tracker.stop()

    def tearDown(self):
        answer = self.tracker.get(self.link)
        self.assertTrue(self.tracker.open_answer(answer), "it does not serve any more")

    def status(self, raw):
        """The first answer's status, 0 if it closed without one."""
        answer = exchange(self.tracker.url, raw, is_half_closed=True)
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0

    def refused(self, raw, *statuses):
        status = self.status(raw)
        self.assertTrue(status == 0 or 400 <= status < 500 or status in (501, 505), (status, raw[:200]))
        if statuses:
            self.assertIn(status, statuses, raw[:200])

    def get(self, *lines):
        return head("GET %s HTTP/1.1" % self.link, *lines)

    def test_garbage_and_tls(self):
        for raw in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"\0" * 100, b"GET\r\n\r\n",
                    b"\xff\xfe\r\n\r\n", b"x" * 20000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            self.refused(raw)

    def test_host_is_there_once_and_sane(self):
        self.refused(self.get(), 400)
        self.refused(self.get("Host: a", "Host: a"), 400)
        for host in ("a@b", "a b", "a:99999", "a/b"):
            self.refused(self.get("Host: " + host), 400)

    def test_versions(self):
        target = self.link
        self.assertEqual(self.status(head("GET %s HTTP/1.0" % target, "User-Agent: " + HUMAN)), 302)
        for version in ("HTTP/1.10", "HTTP/2.0", "HTTP/0.9", "ICE/1.0", "HTTP/1.2", "http/1.1"):
            self.refused(head("GET %s %s" % (target, version), "Host: a"), 0, 400, 505)
        self.refused(b"GET " + target.encode() + b"\r\n\r\n", 0, 400, 505)
        with Connection(self.tracker.url) as connection:
            connection.send(head("GET %s HTTP/1.0" % target, "Connection: keep-alive"))
            self.assertEqual(connection.read_answer().status, 302)

    def test_line_ends(self):
        target = self.link.encode()
        self.refused(b"GET " + target + b" HTTP/1.1\nHost: a\n\n", 400)
        self.refused(b"GET " + target + b" HTTP/1.1\r\nHost: a\n\r\n", 400)
        self.refused(b"GET " + target + b" HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400)
        self.refused(b"GET\t" + target + b"\tHTTP/1.1\r\nHost: a\r\n\r\n", 400)
        self.refused(b"\r\n\r\nGET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400)
        self.assertEqual(self.status(b"\r\n" + self.get("Host: a", "Connection: close")), 302)

    def test_header_names_and_values(self):
        for line in ("A : b", " a: b", ": b", "a(: b", "A: b\0c", "A: \x01", "A", "A\x80: b"):
            self.refused(self.get("Host: a", line), 400)
        self.refused(self.get("Host: a", "X: y", "\tfolded"), 400)

    def test_limits(self):
        fixed = len("GET  HTTP/1.1")
        for size, good in ((LINE_MAX, True), (LINE_MAX + 1, False)):
            target = self.link + "?" + "x" * (size - fixed - len(self.link) - 1)
            status = self.status(head("GET %s HTTP/1.1" % target, "Host: a", "Connection: close"))
            self.assertEqual(status, 302 if good else 414)
        self.refused(self.get("Host: a", "X: " + "y" * LINE_MAX), 431)
        many = ["X%d: y" % i for i in range(HEADERS_MAX)]
        self.refused(self.get("Host: a", *many), 431)
        self.assertEqual(self.status(self.get("Host: a", "Connection: close", *many[:-2])), 302)
        self.refused(self.get("Host: a", *["X%d: %s" % (i, "y" * 400) for i in range(HEAD_MAX // 400 + 1)]), 431)

    def test_lengths_and_encodings(self):
        for value in ("+3", "3, 3", str(2**64), "-1", "", "0x3", "3 3"):
            self.refused(self.get("Host: a", "Content-Length: " + value), 400)
        self.refused(self.get("Host: a", "Content-Length: 3", "Content-Length: 4"), 400)
        self.refused(self.get("Host: a", "Content-Length: 3", "Content-Length: 3"), 400)
        for value in ("gzip, chunked", "xchunked", "identity", "chunked, chunked"):
            self.refused(self.get("Host: a", "Transfer-Encoding: " + value), 400, 501)
        self.refused(self.get("Host: a", "Transfer-Encoding: chunked", "Content-Length: 3"), 400)
        self.refused(self.get("Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400, 501)
        self.refused(head("GET %s HTTP/1.0" % self.link, "Transfer-Encoding: chunked"), 400, 501)

    def test_bodies_are_not_wanted(self):
        self.refused(self.get("Host: a", "Content-Length: 3") + b"abc", 400, 413)
        self.refused(head("POST %s HTTP/1.1" % self.link, "Host: a", "Content-Length: 3") + b"abc", 405)
        self.refused(head("POST %s HTTP/1.1" % self.link, "Host: a", "Transfer-Encoding: chunked") +
                     b"3\r\nabc\r\n0\r\n\r\n", 405)
        self.refused(head("POST %s HTTP/1.1" % self.link, "Host: a"), 405, 411)
        answer = exchange(self.tracker.url, head(
            "POST %s HTTP/1.1" % self.link, "Host: a", "Content-Length: 3", "Expect: 100-continue"))
        self.assertNotIn(b"100 Continue", answer)
        self.refused(self.get("Host: a", "Expect: something"), 417)

    def test_targets_and_methods(self):
        self.assertEqual(self.status(head("GET http://a%s HTTP/1.1" % self.link, "Host: a", "Connection: close")), 302)
        self.refused(head("GET http://b%s HTTP/1.1" % self.link, "Host: a"), 400)
        for line in ("OPTIONS * HTTP/1.1", "CONNECT a:443 HTTP/1.1", "TRACE %s HTTP/1.1" % self.link,
                     "get %s HTTP/1.1" % self.link, "BREW %s HTTP/1.1" % self.link):
            self.refused(head(line, "Host: a"), 400, 404, 405, 501)

    def test_pipelined_answers_come_in_order_then_close_on_an_error(self):
        one = self.get("Host: a", "User-Agent: " + HUMAN)
        with Connection(self.tracker.url) as connection:
            for i in range(50):
                connection.send(one + head("GET /robots.txt HTTP/1.1", "Host: a"))
            connection.send(b"BAD\r\n\r\n" + one)
            statuses = []
            while (answer := connection.read_answer()) is not None:
                statuses.append(answer.status)
        self.assertEqual(statuses, [302, 200] * 50 + [400])

    def test_slices_make_no_difference(self):
        raw = self.get("Host: a", "User-Agent: " + HUMAN, "Cookie: wasl=" + "A" * 22)
        cuts = [[raw[i:i + 1] for i in range(len(raw))], [raw[i:i + 3] for i in range(0, len(raw), 3)]]
        cuts += [[raw[:i], raw[i:]] for i in range(1, len(raw), 7)]
        for parts in cuts:
            with Connection(self.tracker.url) as connection:
                for part in parts:
                    connection.send(part)
                answer = connection.read_answer()
            self.assertTrue(self.tracker.open_answer(answer))
            self.assertIsNone(answer.header("set-cookie"))

    def test_resets_and_half_closes_leave_nothing_open(self):
        for tail in (b"", b"GET /", self.get("Host: a")[:-2], self.get("Host: a")):
            for is_reset in (True, False):
                with Connection(self.tracker.url) as connection:
                    connection.send(tail)
                    if is_reset:
                        connection.socket.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        connection.socket.shutdown(socket.SHUT_WR)
                        connection.read_to_end()
        wait_until(lambda: self.tracker.metric("wasl_connections") == 0, what="all connections are gone")

    def test_many_idle_connections_disturb_nobody(self):
        connections = [Connection(self.tracker.url) for _ in range(IDLE_CONNECTIONS)]
        try:
            for connection in itertools.islice(connections, 0, None, 2):
                connection.send(b"GET /")
            wait_until(lambda: self.tracker.metric("wasl_connections") >= IDLE_CONNECTIONS, what="all are open")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: self.tracker.get(self.link), range(100)))
            self.assertTrue(all(self.tracker.open_answer(answer) for answer in answers))
        finally:
            for connection in connections:
                connection.close()

    def test_refusals_are_counted(self):
        before = self.tracker.metric("wasl_bad_requests_total")
        self.refused(b"BAD\r\n\r\n", 400)
        self.assertEqual(self.tracker.metric("wasl_bad_requests_total"), before + 1)

    def test_admin_is_not_public(self):
        for path in ("/metrics", "/healthz", "/readyz"):
            self.assertEqual(self.tracker.get(path).status, 404)
        text = self.tracker.admin("/metrics").body.decode()
        for name in ("wasl_build_info", "wasl_http_requests_total", "wasl_http_request_seconds_bucket",
                     "wasl_connections", "wasl_clicks_total", "wasl_redis_errors_total", "wasl_redis_up",
                     "wasl_catalogue_version", "wasl_catalogue_age_seconds", "wasl_degraded"):
            self.assertIn("\n# TYPE %s " % name.removesuffix("_bucket"), text)


if __name__ == "__main__":
    unittest.main()
