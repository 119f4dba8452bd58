#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A catalogue of 1,000 stores, 1 M products and 100,000 affiliates in the tracker: memory, loading, a change.

It is written into a private Redis in the layout of common/catalogue_row.h, as the publisher does; product URLs have
60 bytes or so. catalogue_load_s: from the program's start, without a snapshot on disk, to its first 200 on /readyz.
catalogue_mb: the whole process's anonymous memory a second after that, millions of bytes (one worker, nothing
subtracted). catalogue_visible_s: from before the publisher's three commands for a changed product to the first
redirect that leads to the new address, asked for without a pause; the way from Postgres to Redis is not in it.
catalogue_visible_whole_s: that way too, in a whole stack with one product: from the start of `waslctl product pause`
or `resume` (the program's own start and its commit are in it) to the first redirect that obeys.
There is no anchor: the figures are the machine's own."""

import pathlib
import shutil
import time

import benchlib
from stack import Connection, Stack, wait_until
from trackerlib import Tracker, WINDOW_S

STORES = 1000
PRODUCTS = 1_000_000
AFFILIATES = 100_000
CHANGES = 21
CHANGES_WHOLE = 11
REST_S = 1
VISIBLE_LIMIT_S = 10


class FullTracker(Tracker):
    def publish_small(self, **options):
        self.publish(list(full_rows()), **options)


def full_rows():
    for store in range(1, STORES + 1):
        yield "s", store, "1 a %d wasl https://store-%d.example/" % (WINDOW_S, store)
    for product in range(1, PRODUCTS + 1):
        yield "p", product, product_row(product, 1, "blue")
    for affiliate in range(1, AFFILIATES + 1):
        yield "a", affiliate, "1 a"


def product_row(product, version, colour):
    store = product % STORES + 1
    return "%d a %d https://store-%d.example/ar/products/sku-%d?colour=%s" % (version, store, store, product, colour)


def restart(tracker):
    """Begins without a snapshot; returns how long it took."""
    tracker.end()
    state = pathlib.Path(tracker.dir, "state")
    shutil.rmtree(state)
    state.mkdir()
    began = time.monotonic()
    tracker.start()
    return time.monotonic() - began


def visible_s(tracker, connection, change):
    """One product gets another address: how long until a redirect leads there."""
    product = 1 + change * 40009 % PRODUCTS
    path = tracker.link(affiliate=1 + change, product=product)
    colour = "red%d" % change
    began = time.monotonic()
    tracker.change("p", product, product_row(product, 2, colour))
    while time.monotonic() - began < VISIBLE_LIMIT_S:
        answer = connection.request("GET", path, benchlib.HEADERS)
        if "colour=" + colour + "&" in answer.header("location"):
            return time.monotonic() - began
    raise AssertionError("a change is not visible within %d s" % VISIBLE_LIMIT_S)


def whole_way_s():
    """The same from an operator's command on: waslctl, Postgres, the publisher, Redis, the tracker."""
    with Stack({"insecure-cookie": "on"}) as whole:
        store = whole.ctl("store", "add", "--name", "bench", "--url", "https://shop.example/",
                          "--currency", "EGP")["store_id"]
        product = whole.ctl("product", "add", "--store", store, "--external-id", "SKU-1",
                            "--url", "https://shop.example/p/1")["product_id"]
        affiliate = whole.ctl("affiliate", "add", "--name", "bench")["affiliate_id"]
        path = "/" + whole.ctl("link", "mint", "--affiliate", affiliate, "--product", product)["token"]
        pages = {"resume": "https://shop.example/p/1?", "pause": "https://shop.example/?"}

        def leads_to(page):
            return (whole.tracker("GET", path, benchlib.HEADERS).header("location") or "").startswith(page)
        wait_until(lambda: leads_to(pages["resume"]), VISIBLE_LIMIT_S, "the first redirect")
        took = []
        for change in range(CHANGES_WHOLE):
            verb = ("pause", "resume")[change % 2]
            began = time.monotonic()
            whole.ctl("product", verb, product)
            wait_until(lambda: leads_to(pages[verb]), VISIBLE_LIMIT_S, verb)
            took.append(time.monotonic() - began)
        return took


def main():
    benchlib.need("redis-server")
    with FullTracker({"workers": 1, "click-deadline": "1s"}) as tracker:
        took, memory = [], []
        for _ in range(benchlib.ROUNDS):
            took.append(restart(tracker))
            time.sleep(REST_S)
            memory.append(benchlib.anonymous_bytes(tracker.process.pid) / 1e6)
        with Connection(tracker.url) as connection:
            visible = [visible_s(tracker, connection, change) for change in range(CHANGES)]
    benchlib.say("catalogue_mb", "MB", memory)
    benchlib.say("catalogue_load_s", "s", took)
    benchlib.say("catalogue_visible_s", "s", visible)
    benchlib.say("catalogue_visible_whole_s", "s", whole_way_s())


if __name__ == "__main__":
    main()
