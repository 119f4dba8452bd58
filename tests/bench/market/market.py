#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole marketplace through the real programs: a private stack, its catalogue, every click over HTTP to the
tracker, every order's webhooks over HTTP to the attributor, late ones and repeated ones among them; at the end orders,
gross, commissions by state and balances are compared with what bazaar.py reckons by itself, to the piastre and row by
row, and `waslctl verify` has to find nothing.

usage: market.py [SEED] [SCALE]     scale 1: 65,456 orders worth 59,500,536.00 EGP"""

import base64
import collections
import concurrent.futures
import hashlib
import hmac
import json
import pathlib
import sys
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "black"), str(HERE.parent), str(HERE)]
import bazaar  # noqa: E402
import clicks  # noqa: E402
import pump  # noqa: E402
import reckon  # noqa: E402
import stack  # noqa: E402
import story  # noqa: E402
from progress import Progress  # noqa: E402

CONNECTIONS = 128
SETUP_THREADS = 6
ATTEMPTS_MAX = 10
TIMER_LIMIT_S = 300
SQL_LIMIT_S = 300
POLL_S = 0.5
SETTINGS = {"insecure-cookie": "on", "timer-interval": "1s", "click-deadline": "1s", "trusted-proxies": "127.0.0.0/8"}


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int(time.time())
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    began, faults = time.monotonic(), reckon.Faults()
    market = bazaar.Bazaar(seed, scale)
    tale = story.Story(market, seed)
    print("%-10s seed %d, scale %g, SHA-256 %s" % ("market", seed, scale, tale.digest()))
    tell_mix(market, tale)
    with stack.Stack(SETTINGS) as running:
        set_up(running, market)
        with Progress("clicks", sum(len(order.visits) for order in market.orders), running) as step:
            stored = clicks.click_all(running, market, step, faults)
        begun_s = int(time.time())
        send_all("webhooks", running, tale.sent, begun_s, faults)
        lift_reviews(running, faults)
        windows_over(running)
        send_all("late", running, tale.late, begun_s, faults)
        reckon.reckon(running, market, tale, stored, faults)
        print()
        reckon.verify(running, faults)
        reckon.first_pages(running)
    faults.show()
    print("market %s after %d s: %d faults" % ("differs" if faults.all else "agrees", time.monotonic() - began,
                                               len(faults.all)))
    return 1 if faults.all else 0


def tell_mix(market, tale):
    for name in ("fate", "evidence"):
        drawn = collections.Counter(getattr(order, name) for order in market.orders).most_common()
        print("%-10s %s; in hundredths" % (name, ", ".join("%s %.1f" % (word, 100 * n / len(market.orders))
                                                           for word, n in drawn)))
    print("%-10s %d stores, %d products, %d users (%d affiliates), %d orders; %d webhooks (%d repeats)" % (
        "size", len(market.stores), len(market.products), len(market.affiliates) + len(market.buyers),
        len(market.affiliates), len(market.orders), len(tale.sent) + len(tale.late),
        len(tale.sent) - len(set(tale.sent))), flush=True)


# The catalogue


def set_up(running, market):
    with Progress("stores", len(market.stores), running) as step, \
            concurrent.futures.ThreadPoolExecutor(SETUP_THREADS) as pool:
        for _ in pool.map(lambda store: add_store(running, store), market.stores):
            step()
    sql = ["INSERT INTO wasl.affiliates (affiliate_id, name) SELECT n, 'affiliate ' || n FROM generate_series(1, %d) n;"
           "INSERT INTO wasl.affiliate_status (affiliate_id, since, status) "
           "SELECT affiliate_id, '-infinity', 'active' FROM wasl.affiliates;" % len(market.affiliates)]
    for store in market.stores:
        sql.append("UPDATE wasl.stores SET model = '%s', precedence = '%s', collect_on = '%s' WHERE store_id = %d;"
                   % (store.model, store.precedence, store.collect_on, store.id))
        for coupon in store.coupons:
            sql.append("SELECT FROM wasl.coupon_add(%d, '%s', %d);" % (store.id, coupon.code, coupon.affiliate))
    sql += product_rows(market)
    stack.psql(running.env["WASL_DATABASE_URL"], "BEGIN;\n" + "\n".join(sql) + "\nCOMMIT;\n", limit_s=SQL_LIMIT_S)
    ids = running.sql("SELECT store_id, external_id, product_id FROM wasl.products")
    by_name = {(int(of_store), name): int(number) for of_store, name, number in ids}
    for product in market.products:
        product.id = by_name[(product.store.id, product.external_id)]


def add_store(running, store):
    terms = ["--rate", "%d.%02d%%" % divmod(store.rate_bp, 100), "--return-days", store.return_days,
             "--window", "%dd" % store.window_days]
    if store.fixed_minor is not None:
        terms += ["--fixed", story.money(store.fixed_minor)]
    words = ["store", "add", "--name", "Shop %d" % store.number, "--currency", "EGP",
             "--url", "https://shop-%d.example/" % store.number, *terms]
    for _ in range(ATTEMPTS_MAX):
        done = running.waslctl(*words, "--json")
        if "timeout expired" not in done.err:  # on a busy machine, connecting; nothing has been done then
            break
    assert done.rc == 0, done
    made = json.loads(done.out)
    store.id, store.secret = made["store_id"], base64.b64decode(made["webhook_secret"].partition("_")[2])


def product_rows(market):
    values = ", ".join("(%d, '%s', 'https://shop-%d.example/p/%s')" % (
        p.store.id, p.external_id, p.store.number, p.external_id) for p in market.products)
    yield "INSERT INTO wasl.products (store_id, external_id, url) VALUES %s;" % values
    values = ", ".join("(%d, '%s', %d)" % (p.store.id, p.external_id, p.rate_bp)
                       for p in market.products if p.rate_bp is not None)
    yield ("INSERT INTO wasl.rules (store_id, level, product_id, rate_bp, valid_from) "
           "SELECT n.s, 'product', p.product_id, n.r, '-infinity' FROM (VALUES %s) n (s, x, r) "
           "JOIN wasl.products p ON p.store_id = n.s AND p.external_id = n.x;" % values)


# Orders


class Webhook(pump.Job):
    """One sending of an event. said: the answers to events that are sent twice, by the event's id."""

    def __init__(self, event, begun_s, host, said, faults):
        self.event, self.host, self.said, self.faults = event, host, said, faults
        self.body = event.body(begun_s)

    def request(self):
        store, at = self.event.order.store, b"%d" % time.time()
        name = self.event.id.encode()
        seal = hmac.digest(store.secret, b"%s.%s.%s" % (name, at, self.body), hashlib.sha256)
        return (b"POST /v1/stores/%d/events HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n"
                b"Content-Type: application/json\r\nwebhook-id: %s\r\nwebhook-timestamp: %s\r\n"
                b"webhook-signature: v1,%s\r\n\r\n%s" % (
                    store.id, self.host, len(self.body), name, at, base64.b64encode(seal), self.body))

    def answer(self, status, _head, body):
        if status in (429, 503):
            return False
        if status not in (200, 202):
            self.fault("answered %d %s to %s" % (status, body.decode(), self.body.decode()))
        elif self.event.is_repeated and status == 200:
            told = json.loads(body)
            is_duplicate, other = told.pop("duplicate"), self.said.pop(self.event.id, None)
            if other is None:
                self.said[self.event.id] = (told, is_duplicate)
            elif other[0] != told or not (is_duplicate or other[1]):
                self.fault("answered %r, then %r" % (other, (told, is_duplicate)))
        return True

    def fault(self, text):
        self.faults.add("store %d order %s, %s %s: %s" % (
            self.event.order.store.id, self.event.order.order_id, self.event.kind, self.event.id, text))


def send_all(what, running, events, begun_s, faults):
    """Returns when what was answered 202 is posted, too."""
    url, said = running.env["WASL_ATTRIBUTOR_URL"], {}
    host = urllib.parse.urlsplit(url).netloc.encode()
    with Progress(what, len(events), running) as step:
        pump.pump(url, (Webhook(event, begun_s, host, said, faults) for event in events), CONNECTIONS, step)
        stack.wait_until(lambda: running.metric("attributor", "wasl_spool_records") == 0, TIMER_LIMIT_S,
                         "what was answered 202 is posted")


def lift_reviews(running, faults):
    """An operator's work: a reinstatement that came after the cash had looked like a conflict until then."""
    reviews = running.sql("SELECT store_id, order_id, reason FROM wasl.reviews WHERE lifted_at IS NULL")
    for store, order, reason in reviews:
        if reason != "conflict":
            faults.add("store %s order %s: a review for %s" % (store, order, reason))
        running.ctl("review", "lift", "--store", store, order, "--reason", "the courier has been asked")
    print("%-10s %d opened by contradicting events, and lifted" % ("reviews", len(reviews)))


def windows_over(running):
    """Every return window that is over has ended, by the attributor's timer."""
    def are_over():
        time.sleep(POLL_S)
        return running.sql("SELECT count(*) FROM wasl.commissions WHERE state = 'held' AND release_at <= now()") == [["0"]]
    stack.wait_until(are_over, TIMER_LIMIT_S, "return windows end")


if __name__ == "__main__":
    sys.exit(main())
