#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Orders through the attributor's webhook: signed confirmed orders of one line and one click, each under an id of its
own, over 64 keep-alive connections, every one answered after its commit. Orders a second, and the processor time of
attributor and Postgres for each. The sender shares the machine. Prints one JSON object a line."""

import collections
import itertools
import json
import pathlib
import re
import selectors
import socket
import time
import urllib.parse
import uuid

import benchlib
import stack
from shop import Shop

ORDERS = 5000
WARM = 2000
AFFILIATES = 16
ROUND_LIMIT_S = 120
READ_BYTES = 65536

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Sender:
    """One keep-alive connection that has one request under way."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=ROUND_LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""

    def answer(self):
        """The status of a whole answer, else None."""
        more = self.socket.recv(READ_BYTES)
        assert more, "the attributor closed a connection"
        self.bytes += more
        head, separator, body = self.bytes.partition(b"\r\n\r\n")
        if not separator or len(body) < int(LENGTH.search(head + b"\r\n")[1]):
            return None
        self.bytes = b""
        return int(head[9:12])


def requests(shop, tokens, count):
    """Whole requests, signed before the clock runs."""
    host = urllib.parse.urlsplit(shop.stack.env["WASL_ATTRIBUTOR_URL"]).netloc
    path, made, name = "/v1/stores/%d/events" % shop.id, collections.deque(), uuid.uuid4().hex[:8]
    for number, token in zip(range(count), itertools.cycle(tokens)):
        order_id = "%s-%d" % (name, number)
        body = json.dumps(shop.order([token], order_id=order_id)).encode()
        headers = stack.webhook_headers(shop.store["webhook_secret"], order_id, None, body)
        made.append(stack.encode_request(host, "POST", path, headers, body))
    return made


def send_all(url, waiting):
    """Sends every request once; seconds from the first to the last answer."""
    count, answered, began = len(waiting), 0, time.monotonic()
    with selectors.DefaultSelector() as selector:
        for _ in range(benchlib.CONNECTIONS):
            sender = Sender(url)
            selector.register(sender.socket, selectors.EVENT_READ, sender)
            sender.socket.sendall(waiting.popleft())
        while answered < count:
            assert time.monotonic() - began < ROUND_LIMIT_S, "%d of %d answers" % (answered, count)
            for key, _ in selector.select(1):
                status = key.data.answer()
                if status is None:
                    continue
                assert status == 200, status
                answered += 1
                if waiting:
                    key.data.socket.sendall(waiting.popleft())
        took_s = time.monotonic() - began
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    return took_s


def postgres_cpu_us(running):
    """Of the server and all its children."""
    master = running.pid("postgres")
    children = pathlib.Path("/proc/%d/task/%d/children" % (master, master)).read_text().split()
    return sum(benchlib.cpu_us(int(pid)) for pid in [master, *children])


def main():
    per_s, attributor_us, postgres_us = [], [], []
    with stack.Stack() as running:
        shop = Shop(running, host="bench.example")
        affiliates = [shop.add_affiliate("affiliate %d" % number) for number in range(AFFILIATES)]
        tokens = [shop.dated_click(time.time() - 600, affiliate) for affiliate in affiliates]
        url = running.env["WASL_ATTRIBUTOR_URL"]
        send_all(url, requests(shop, tokens, WARM))
        for _ in range(benchlib.ROUNDS):
            waiting = requests(shop, tokens, ORDERS)
            before = benchlib.cpu_us(running.pid("attributor")), postgres_cpu_us(running)
            per_s.append(ORDERS / send_all(url, waiting))
            attributor_us.append((benchlib.cpu_us(running.pid("attributor")) - before[0]) / ORDERS)
            postgres_us.append((postgres_cpu_us(running) - before[1]) / ORDERS)
        pending = running.sql("SELECT count(*) FROM finance.pending_commissions", "finance")
        assert pending == [[str(WARM + ORDERS * benchlib.ROUNDS)]], pending
        assert running.waslctl("verify").rc == 0
    benchlib.say("orders_per_s", "1/s", per_s)
    benchlib.say("attributor_cpu_order", "us", attributor_us)
    benchlib.say("postgres_cpu_order", "us", postgres_us)


if __name__ == "__main__":
    main()
