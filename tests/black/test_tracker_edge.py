# SPDX-License-Identifier: Apache-2.0
"""Too many, too slow, too far: caps, descriptors, trickling and deaf clients, and the addresses to listen on."""

import contextlib
import os
import resource
import socket
import time
import unittest

import stack
from stack import wait_until
from trackerlib import HUMAN, Tracker, token_in

TRICKLING = 10000
TRICKLE_ADDRESSES = 10
HEAD_DEADLINE_S = 10
WRITE_DEADLINE_S = 20
DEAF = 40
STORM = 200
NOFILE_TIGHT = 64


def connect(url, source=None, limit_s=stack.ANSWER_LIMIT_S):
    """A plain connected socket, from another of loopback's addresses if source is given."""
    host, port = url.rpartition("/")[2].rsplit(":", 1)
    peer = socket.create_connection((host.strip("[]"), int(port)), limit_s, (source, 0) if source else None)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def ask(peer, path):
    """One request on a kept connection; its answer's bytes, b"" when it was closed."""
    answer = b""
    with contextlib.suppress(ConnectionError):
        peer.sendall(stack.encode_request("x", "GET", path, {"User-Agent": HUMAN}))
        while b"\r\n\r\n" not in answer:
            part = peer.recv(65536)
            if not part:
                break
            answer += part
    return answer


def is_closed(peer):
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def cpu_s(pid):
    with open("/proc/%d/stat" % pid) as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Caps(unittest.TestCase):
    def dial(self, *words):
        peer = connect(*words)
        self.addCleanup(peer.close)
        return peer

    def refused(self, tracker, cause):
        return tracker.metric("wasl_connections_refused_total", cause=cause)

    def test_an_address_has_its_cap_and_others_theirs(self):
        with Tracker({"connections-per-address": 20, "workers": 1}) as tracker:
            link = tracker.link()
            kept = [self.dial(tracker.url, "127.0.0.2") for _ in range(20)]
            wait_until(lambda: tracker.metric("wasl_connections") == 20, what="all are open")
            for _ in range(3):
                self.assertTrue(is_closed(self.dial(tracker.url, "127.0.0.2")))
            self.assertEqual((self.refused(tracker, "address"), self.refused(tracker, "total")), (3, 0))
            for peer in kept:
                self.assertIn(b" 302 ", ask(peer, link))
            self.assertIn(b" 302 ", ask(self.dial(tracker.url, "127.0.0.3"), link))
            kept.pop().close()
            wait_until(lambda: b" 302 " in ask(self.dial(tracker.url, "127.0.0.2"), link), what="there is room again")
            for peer in kept:
                peer.close()
            self.assertNotIn("127.0.0.2", tracker.log())

    def test_a_trusted_proxy_has_no_cap(self):
        with Tracker({"connections-per-address": 5, "workers": 1, "trusted-proxies": "127.0.0.0/30"}) as tracker:
            kept = [self.dial(tracker.url, "127.0.0.2") for _ in range(50)]
            for peer in kept:
                self.assertIn(b" 302 ", ask(peer, tracker.link()))
            self.assertEqual(self.refused(tracker, "address"), 0)

    def test_over_the_total_the_newest_is_refused_and_it_is_said_once(self):
        with Tracker({"connections-max": 30, "workers": 1}) as tracker:
            kept = [self.dial(tracker.url) for _ in range(30)]
            wait_until(lambda: tracker.metric("wasl_connections") == 30, what="all are open")
            for _ in range(10):
                self.assertTrue(is_closed(self.dial(tracker.url)))
            self.assertEqual((self.refused(tracker, "address"), self.refused(tracker, "total")), (0, 10))
            for peer in kept:
                self.assertIn(b" 302 ", ask(peer, tracker.link()))
            self.assertEqual(len(tracker.events("connections_full")), 1)
            for peer in kept:
                peer.close()
            wait_until(lambda: tracker.metric("wasl_connections") == 0, what="all are gone")
            self.assertTrue(tracker.open_answer(tracker.get(tracker.link())))
            self.assertEqual(len(tracker.events("connections_free")), 1)

    def test_without_descriptors_it_rests_and_recovers(self):
        with Tracker({"workers": 2}) as tracker, stack.Connection(tracker.admin_url) as admin:
            pid, link = tracker.process.pid, tracker.link()
            early = [self.dial(tracker.url) for _ in range(4)]
            for peer in early:  # one that still waits in the backlog could be the one that is shed
                self.assertIn(b" 302 ", ask(peer, link))
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (NOFILE_TIGHT, before[1]))
            storm = [self.dial(tracker.url) for _ in range(STORM)]
            wait_until(lambda: tracker.events("accept_failed"), what="it has no descriptors")
            began_s = cpu_s(pid)
            time.sleep(2)
            self.assertLess(cpu_s(pid) - began_s, 0.8, "it spins")
            for peer in early:
                self.assertIn(b" 302 ", ask(peer, link))
            failures = stack.parse_metrics(admin.request("GET", "/metrics").body)
            self.assertGreater(failures["wasl_accept_failures_total", frozenset()], 0)
            self.assertLessEqual(len(tracker.events("accept_failed")), 2, "more than once a worker")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            for peer in storm:
                peer.close()
            wait_until(lambda: tracker.get(link).status == 302, what="it serves again")
            wait_until(lambda: tracker.events("accept_recovered"), what="it says so")

    def test_visitors_leave_descriptors_for_the_rest(self):
        with Tracker({"workers": 1}) as tracker:
            self.assertEqual(tracker.end(), 0)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            log = open(tracker.dir / "log", "ab")
            begin = log.tell()
            with log:
                tracker.process = stack.subprocess.Popen(
                    tracker.command(), stderr=log, env=stack.clean_env(),
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600)))
            event = wait_until(lambda: tracker.events("few_descriptors", begin), what="it says so")[0]
            self.assertEqual((event["have"], event["connections"]), ("600", str(600 - 256)))
            found = wait_until(lambda: [event for event in tracker.events("listening", begin)
                                        if event["listener"] == "admin"], what="it listens")
            public = [event for event in tracker.events("listening", begin) if event["listener"] == "public"]
            tracker.url, tracker.admin_url = "http://" + public[0]["addr"], "http://" + found[0]["addr"]
            peers = [self.dial(tracker.url) for _ in range(500)]
            wait_until(lambda: self.refused(tracker, "total") == 500 - (600 - 256), what="the rest is refused")
            self.assertEqual(tracker.events("accept_failed"), [])
            for peer in peers:
                peer.close()
            self.assertEqual((soft, hard), resource.getrlimit(resource.RLIMIT_NOFILE))


class SlowPeers(unittest.TestCase):
    def latencies(self, tracker, link, count):
        """Sorted, in seconds, of requests on connections of their own."""
        took = []
        for _ in range(count):
            began = time.monotonic()
            self.assertTrue(tracker.open_answer(tracker.get(link)))
            took.append(time.monotonic() - began)
        return sorted(took)

    def test_trickling_clients_cost_nobody_else_anything(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        count = min(TRICKLING, hard - 2000)
        with Tracker({"connections-max": count + 1000}) as tracker:
            link = tracker.link()
            alone = self.latencies(tracker, link, 200)
            # A byte at a time, for longer than the deadline of the whole head.
            text = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100
            peers = [connect(tracker.url, "127.0.0.%d" % (2 + i % TRICKLE_ADDRESSES)) for i in range(count)]
            began, at, among, memory = time.monotonic(), 0, [], 0
            while tracker.metric("wasl_connections") > 1:
                self.assertLess(time.monotonic() - began, HEAD_DEADLINE_S * 15, "they stay")
                for peer in peers:
                    try:
                        peer.send(text[at:at + 1])
                    except OSError:
                        pass
                at = min(at + 1, len(text) - 1)
                if not among or time.monotonic() - began < HEAD_DEADLINE_S / 2:
                    among += self.latencies(tracker, link, 40 if among else 120)
                    memory = max(memory, rss_bytes(tracker.process.pid))
            among.sort()
            self.assertGreaterEqual(tracker.metric("wasl_connection_timeouts_total"), count)
            self.assertEqual(self.refused(tracker), 0)
            self.assertGreater(len(among), 100)
            middle = len(among) // 2
            self.assertLess(among[middle], 5 * alone[len(alone) // 2] + 0.2, "others wait")
            print("%d trickling: median %.2f ms (alone %.2f), p99 %.2f ms (alone %.2f), %d MiB" % (
                count, 1000 * among[middle], 1000 * alone[len(alone) // 2], 1000 * among[len(among) * 99 // 100],
                1000 * alone[len(alone) * 99 // 100], memory >> 20))
            for peer in peers:
                peer.close()

    def refused(self, tracker):
        return sum(tracker.metric("wasl_connections_refused_total", cause=cause) for cause in ("total", "address"))

    def test_deaf_clients_are_bounded_and_end_at_their_deadline(self):
        with Tracker() as tracker:
            link = tracker.link()
            one = stack.encode_request("x", "GET", link, {"User-Agent": HUMAN})
            self.latencies(tracker, link, 100)
            before, peers = rss_bytes(tracker.process.pid), []
            for _ in range(DEAF):
                peer = socket.socket()
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                host, port = tracker.url.rpartition("/")[2].split(":")
                peer.connect((host, int(port)))
                peer.settimeout(0.1)
                peers.append(peer)
                try:
                    for _ in range(200):
                        peer.sendall(one * 100)
                except TimeoutError:
                    pass
            self.latencies(tracker, link, 50)
            # 64 KiB of answers unsent, as many requests unread, and what the allocator keeps; the sanitizer's keeps all.
            if "asan" not in str(stack.programs()):
                self.assertLess(rss_bytes(tracker.process.pid) - before, DEAF * 512 * 1024)
            wait_until(lambda: tracker.metric("wasl_connections") <= 1, 9 * WRITE_DEADLINE_S, "they are reset")
            self.assertGreaterEqual(tracker.metric("wasl_connection_timeouts_total"), 1)
            for peer in peers:
                peer.close()


class Addresses(unittest.TestCase):
    def test_ipv6(self):
        with Tracker({"listen": "[::1]:0"}) as tracker:
            self.assertIn("[::1]:", tracker.url)
            click = tracker.open_answer(tracker.get(tracker.link()))
            self.assertNotEqual(tracker.record(click)["network"], 0)

    def test_every_address_of_both_families(self):
        with Tracker({"listen": ":0"}) as tracker:
            port = tracker.url.rpartition(":")[2]
            networks = set()
            for host in ("127.0.0.1", "[::1]"):
                tracker.url = "http://%s:%s" % (host, port)
                networks.add(tracker.record(tracker.open_answer(tracker.get(tracker.link())))["network"])
            self.assertEqual(len(networks), 2)
            self.assertNotIn(0, networks)

    def through(self, path, link, headers=()):
        """The Location of a link asked for through a Unix socket."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(stack.ANSWER_LIMIT_S)
            peer.connect(str(path))
            peer.sendall(stack.encode_request("x", "GET", link, [("User-Agent", HUMAN), *headers]))
            answer = peer.recv(65536).decode()
        return next(line.partition(": ")[2] for line in answer.split("\r\n") if line.startswith("Location"))

    def test_unix_socket_with_several_workers(self):
        with Tracker({"workers": 3, "trusted-proxies": "10.0.0.0/8", "connections-per-address": 1}) as tracker:
            path = tracker.dir / "public.sock"
            tracker.settings["listen"] = "unix:%s" % path
            self.assertEqual(tracker.end(), 0)
            tracker.start()
            networks = set()
            for client in ("192.0.2.1", "192.0.2.9", "198.51.100.1"):
                location = self.through(path, tracker.link(), [("X-Forwarded-For", client)])
                click = tracker.keys.open_click(token_in(location))
                networks.add(tracker.record(click)["network"])
            self.assertEqual(len(networks), 2)
            peers = [socket.socket(socket.AF_UNIX) for _ in range(30)]
            for peer in peers:
                peer.connect(str(path))
            wait_until(lambda: tracker.metric("wasl_connections") == 30, what="a Unix socket has no cap of addresses")
            for peer in peers:
                peer.close()

    def test_unix_socket_goes_to_the_next_process_and_a_stale_one_is_replaced(self):
        with Tracker({"workers": 2}) as tracker:
            path = tracker.dir / "public.sock"
            tracker.settings.update({"listen": "unix:%s" % path, "takeover": "on"})
            self.assertEqual(tracker.end(), 0)
            tracker.start()
            tracker.settings["admin-listen"] = tracker.admin_url.partition("//")[2]
            before = tracker.process
            tracker.start()
            before.terminate()
            self.assertEqual(before.wait(stack.WAIT_LIMIT_S), 0)
            self.assertTrue(token_in(self.through(path, tracker.link())))
            tracker.process.kill()
            tracker.process.wait()
            tracker.settings["admin-listen"] = "127.0.0.1:0"  # the old port may be a connection's by now
            tracker.start()
            self.assertTrue(token_in(self.through(path, tracker.link())))


if __name__ == "__main__":
    unittest.main()
