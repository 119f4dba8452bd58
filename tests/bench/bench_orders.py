#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Orders through the attributor's webhook, against pgbench writing the same rows (pgorders.py): signed confirmed orders
of one line and one click, each under an id of its own, over 64 kept connections, every one answered after its commit:
the order deadline is raised, so that no event is answered 202 for the spool, and any answer but 200 ends the run.

orders_per_s, attributor_cpu_order, postgres_cpu_order: as fast as they are answered. order_p99_third: at a third of
that rate, counted from when each was due; pgbench at that rate with 50 clients, as many as the server has room for beside the daemons.
order_visible_p99: from the first byte sent to the commission being there for finance, asked for without a pause.
Rounds take turns; medians. The senders share the machine. Prints one JSON object a line."""

import itertools
import json
import statistics
import subprocess
import sys
import time
import urllib.parse
import uuid

import benchlib
import pgorders
import stack
from shop import Shop

ORDERS = 6000
WARM = 2000
AFFILIATES = 16
ANCHOR_S = 3
THIRD_S = 3
PGBENCH_CLIENTS_MAX = 50  # what the stack's server has room for beside the daemons
VISIBLE = 300
ORDER_DEADLINE = "30s"


class Bench:
    """A stack, a shop, clicks of some affiliates, and the anchor's sample order."""

    def __init__(self):
        self.running = stack.Stack({"order-deadline": ORDER_DEADLINE})

    def start(self):
        self.running.start()

    def __enter__(self):
        if not self.running.env:
            self.start()
        self.shop = Shop(self.running, host="bench.example")
        affiliates = [self.shop.add_affiliate("affiliate %d" % number) for number in range(AFFILIATES)]
        self.tokens = [self.shop.dated_click(time.time() - 600, affiliate) for affiliate in affiliates]
        self.url = self.running.env["WASL_ATTRIBUTOR_URL"]
        self.posted = 0
        self.send(WARM)
        sample = self.shop.order([self.tokens[0]], order_id="sample")
        self.shop.done(sample)
        self.posted += 1
        self.anchor = pgorders.Anchor(self.running, self.shop.id, "sample").__enter__()
        return self

    def __exit__(self, *_):
        self.anchor.__exit__()
        self.running.stop()

    def requests(self, count):
        """Whole requests, signed before the clock runs."""
        host = urllib.parse.urlsplit(self.url).netloc
        path, name = "/v1/stores/%d/events" % self.shop.id, uuid.uuid4().hex[:8]
        for number, token in zip(range(count), itertools.cycle(self.tokens)):
            order_id = "%s-%d" % (name, number)
            body = json.dumps(self.shop.order([token], order_id=order_id)).encode()
            headers = stack.webhook_headers(self.shop.store["webhook_secret"], order_id, None, body)
            yield stack.encode_request(host, "POST", path, headers, body)

    def send(self, count, rate=None):
        self.posted += count
        return benchlib.Pace(self.url, list(self.requests(count)), rate, count, 200).figures()

    def one_round(self):
        """Orders a second, and what attributor and Postgres spent on each."""
        requests = list(self.requests(ORDERS))
        pid, before = self.running.pid("attributor"), 0.0
        before = benchlib.cpu_us(pid), pgorders.postgres_cpu_us(self.running)
        figures = benchlib.Pace(self.url, requests, None, ORDERS, 200).figures()
        self.posted += ORDERS
        return {"per_s": ORDERS / figures["seconds"], "own_us": (benchlib.cpu_us(pid) - before[0]) / ORDERS,
                "cpu_us": (pgorders.postgres_cpu_us(self.running) - before[1]) / ORDERS}

    def verify(self):
        """All of ours are there, and nothing is wrong with them; pgbench's rows are copies that no fold can make."""
        rows = self.running.sql("SELECT count(*) FROM wasl.commissions WHERE order_id !~ '^p[0-9]+-'")
        assert rows == [[str(self.posted)]], (rows, self.posted)
        faults = self.running.sql("SELECT * FROM wasl.verify() WHERE detail !~ ' p[0-9]+-' LIMIT 5")
        assert not faults, faults


def column(rounds, name):
    return [figures[name] for figures in rounds]


def full_speed(bench):
    ours, anchor = [], []
    for _ in range(benchlib.ROUNDS):
        ours.append(bench.one_round())
        anchor.append(bench.anchor.best(ANCHOR_S))
    benchlib.say("orders_per_s", "1/s", column(ours, "per_s"), column(anchor, "per_s"), pgorders.NAME)
    benchlib.say("attributor_cpu_order", "us", column(ours, "own_us"))
    benchlib.say("postgres_cpu_order", "us", column(ours, "cpu_us"), column(anchor, "cpu_us"), pgorders.NAME)
    return statistics.median(column(ours, "per_s"))


def third(bench, rate):
    ours, anchor = [], []
    for _ in range(benchlib.ROUNDS):
        ours.append(bench.send(rate * THIRD_S, rate)["p99_us"])
        anchor.append(bench.anchor.run(min(PGBENCH_CLIENTS_MAX, benchlib.CONNECTIONS), THIRD_S, rate)["p99_us"])
    benchlib.say("order_p99_third", "us", ours, anchor, "%s, both at %d a second" % (pgorders.NAME, rate))


class Finance:
    """psql as wasl_finance, kept open: a question and its answer take a fraction of a millisecond."""

    def __init__(self, running):
        self.process = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-d", running.env["WASL_FINANCE_DATABASE_URL"]], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=stack.clean_env(), bufsize=1)

    def ask(self, query):
        """The one value that it answers."""
        self.process.stdin.write(query + ";\n")
        return self.process.stdout.readline().strip()

    def has(self, order_id):
        return self.ask("SELECT count(*) FROM finance.pending_commissions WHERE order_id = '%s'" % order_id) == "1"

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def visible(bench):
    """The slowest hundredth of single orders, sent at their leisure; each round a hundred of them."""
    finance, rounds = Finance(bench.running), []
    for _ in range(VISIBLE // 100):
        took = []
        for token in itertools.islice(itertools.cycle(bench.tokens), 100):
            order = bench.shop.order([token])
            began = time.monotonic()
            bench.shop.done(order)
            while not finance.has(order["data"]["order_id"]):
                assert time.monotonic() - began < benchlib.LIMIT_S, "never visible"
            took.append((time.monotonic() - began) * 1000)
        bench.posted += 100
        rounds.append(sorted(took)[98])
    finance.close()
    benchlib.say("order_visible_p99", "ms", rounds)


def main():
    benchlib.need("pgbench")
    with Bench() as bench:
        rate = full_speed(bench)
        third(bench, int(rate / 3))
        visible(bench)
        bench.verify()


if __name__ == "__main__":
    sys.exit(main())
