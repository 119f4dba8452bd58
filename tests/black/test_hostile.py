# SPDX-License-Identifier: Apache-2.0
"""tests/vectors/http_hostile.tsv against the public listeners of both daemons: whole, and in slices."""

import pathlib
import re
import socket
import time
import unittest

import stack
from shop import Shop
from trackerlib import HUMAN, Tracker

VECTORS = pathlib.Path(__file__).parents[1] / "vectors" / "http_hostile.tsv"
ROWS_MIN = 400
ANSWERS_LIMIT_S = 30
AT_ONCE = 250        # connections that are cut at the same time
SLICE = 3            # bytes
SLICED_MAX = 700     # longer rows take too many slices
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", '"': '"', "\\": "\\"}
REPEAT = re.compile(r"\{((?:[^{}]|\{\})*)\*(\d+)\}")


class Row:
    def __init__(self, line_number, fault, tracker, attributor, text):
        self.line_number, self.fault, self.text = line_number, fault, text
        self.expected = {"tracker": tracker, "attributor": attributor}

    def parts(self, names):
        """The bytes, in the parts between which an answer is waited for."""
        text = self.text
        for name, value in names.items():
            text = text.replace("{%s}" % name, value)
        text = REPEAT.sub(lambda match: match[1] * int(match[2]), text)
        return [unescape(part) for part in text.split("{WAIT}")]


def unescape(text):
    raw = re.sub(r'\\(x[0-9a-f]{2}|[rnt"\\])',
                 lambda match: chr(int(match[1][1:], 16)) if match[1][0] == "x" else ESCAPES[match[1]], text)
    return raw.encode("latin-1")


def read_rows():
    lines = enumerate(VECTORS.read_text().splitlines(), 1)
    return [Row(number, *line.split("\t")) for number, line in lines if line and not line.startswith("#")]


def statuses(raw):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", raw)]


def agrees(expected, found, good):
    """found: the statuses. expected: as the file says, its last word "close" cut off."""
    words = []
    for word in expected.split(","):
        one, _, count = word.partition("*")
        words += [one] * int(count or 1)
    allowed = [{str(good) if choice == "ok" else choice for choice in word.split("|")} for word in words]
    if not found:
        return len(allowed) == 1 and "close" in allowed[0]
    return len(found) == len(allowed) and all(str(status) in choices for status, choices in zip(found, allowed))


def cut_close(expected):
    return (expected[:-len(",close")], True) if expected.endswith(",close") else (expected, False)


def dial(url):
    host, port = url.rpartition("/")[2].split(":")
    peer = socket.create_connection((host, int(port)), ANSWERS_LIMIT_S)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def push(peer, data):
    try:
        peer.sendall(data)
    except OSError:
        pass  # it has been refused already: the answer is what counts


def finish(peer):
    try:
        peer.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def read_all(peer):
    raw = b""
    try:
        while part := peer.recv(65536):
            raw += part
    except ConnectionResetError:
        pass
    return raw


def converse(url, parts, keeps_open):
    """Everything that comes back until the other side closes."""
    with dial(url) as peer:
        raw = b""
        for part in parts[:-1]:
            push(peer, part)
            raw += peer.recv(65536)
        push(peer, parts[-1])
        if not keeps_open:
            finish(peer)
        return raw + read_all(peer)


def converse_in_pieces(url, pieces_of_each):
    """Many conversations at once; the pieces of each arrive apart. A list of what came back."""
    peers = [dial(url) for _ in pieces_of_each]
    try:
        for step in range(max(map(len, pieces_of_each))):
            for peer, pieces in zip(peers, pieces_of_each):
                if step < len(pieces):
                    push(peer, pieces[step])
            time.sleep(0.002)
        for peer in peers:
            finish(peer)
        return [read_all(peer) for peer in peers]
    finally:
        for peer in peers:
            peer.close()


class Replay:
    """The tests, for one daemon: url, name, names, good."""

    def check_alive(self):
        self.assertEqual(statuses(converse(self.url, self.rows[0].parts(self.names()), False)), [self.good])

    def test_every_row_whole(self):
        self.assertGreaterEqual(len(self.rows), ROWS_MIN)
        wrong = []
        for row in self.rows:
            expected, keeps_open = cut_close(row.expected[self.name])
            try:
                found = statuses(converse(self.url, row.parts(self.names()), keeps_open))
            except TimeoutError:
                found = ["stays open"]
            if not agrees(expected, found, self.good):
                wrong.append("line %d, fault %s: %s, not %s: %s" % (
                    row.line_number, row.fault, found[:5], row.expected[self.name], row.text[:150]))
        self.assertEqual(wrong, [], "\n".join(wrong))
        self.check_alive()

    def test_good_rows_cut_at_every_offset(self):
        names = self.names()
        cuts = []
        for row in self.rows:
            if row.expected[self.name] == "ok" and "{WAIT}" not in row.text:
                raw = row.parts(names)[0]
                if len(raw) <= SLICED_MAX:
                    cuts += [(row, [raw[:at], raw[at:]]) for at in range(1, len(raw))]
        self.check_pieces(cuts)
        self.assertGreater(len(cuts), 2000)

    def test_every_row_in_slices(self):
        names = self.names()
        cuts = []
        for row in self.rows:
            raw = row.parts(names)[0]
            if "{WAIT}" not in row.text and 1 < len(raw) <= SLICED_MAX:
                cuts.append((row, [raw[at:at + SLICE] for at in range(0, len(raw), SLICE)]))
        self.check_pieces(cuts)
        self.assertGreater(len(cuts), ROWS_MIN * 3 // 4)

    def check_pieces(self, cuts):
        wrong = []
        for at in range(0, len(cuts), AT_ONCE):
            batch = cuts[at:at + AT_ONCE]
            answers = converse_in_pieces(self.url, [pieces for _, pieces in batch])
            for (row, pieces), raw in zip(batch, answers):
                expected, _ = cut_close(row.expected[self.name])
                if not agrees(expected, statuses(raw), self.good):
                    wrong.append("line %d cut after %d: %s, not %s" % (
                        row.line_number, len(pieces[0]), statuses(raw), expected))
        self.assertEqual(wrong, [], "\n".join(wrong))
        self.check_alive()


class TrackerReplay(Replay, unittest.TestCase):
    name, good = "tracker", 302

    @classmethod
    def setUpClass(cls):
        cls.rows = read_rows()
        cls.tracker = Tracker().__enter__()
        cls.url = cls.tracker.url

    @classmethod
    def tearDownClass(cls):
        cls.tracker.stop()

    def names(self):
        link = self.tracker.link()
        return {"LINK": link, "EVENTS": link, "SIGNED": "X: y"}

    def tearDown(self):
        self.assertTrue(self.tracker.open_answer(self.tracker.get(self.tracker.link(), HUMAN)))
        self.assertEqual(self.tracker.events("stopping"), [])


class AttributorReplay(Replay, unittest.TestCase):
    name, good = "attributor", 401

    @classmethod
    def setUpClass(cls):
        cls.rows = read_rows()
        cls.running = stack.Stack().start()
        cls.shop = Shop(cls.running)
        cls.url = cls.running.env["WASL_ATTRIBUTOR_URL"]

    @classmethod
    def tearDownClass(cls):
        cls.running.stop()

    def names(self):
        headers = stack.webhook_headers("whsec_" + "A" * 32, "hostile", None, b"another")
        return {"LINK": "/v1/commissions", "EVENTS": "/v1/stores/%d/events" % self.shop.id,
                "SIGNED": r"\r\n".join("%s: %s" % pair for pair in headers)}


if __name__ == "__main__":
    unittest.main()
