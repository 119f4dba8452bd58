#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole marketplace through the real programs: a private stack, its catalogue, every click over HTTP to the
tracker, every order's webhooks over HTTP to the attributor, late ones and repeated ones among them; at the end orders,
gross, commissions by state and balances are compared with what bazaar.py reckons by itself, to the piastre and row by
row, and `waslctl verify` has to find nothing.

usage: market.py [SEED] [SCALE]     scale 1: 65,456 orders worth 59,500,536.00 EGP"""

import concurrent.futures
import datetime
import json
import pathlib
import random
import sys
import time
import urllib.parse
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "black"), str(HERE)]
import bazaar  # noqa: E402
import pump  # noqa: E402
import shop  # noqa: E402
import stack  # noqa: E402
import wasltokens  # noqa: E402

CONNECTIONS = 64
SETUP_THREADS = 6
LATE_SHARE, REPEAT_SHARE, SHUFFLED_SHARE = 0.03, 0.03, 0.05
SPACING = 400       # orders between two events of one order
LATE_RANKS = 20000  # and by how many a late one is later
TIMER_LIMIT_S = 120
BAR_CHARS = 40
PHONE = (b"User-Agent: Mozilla/5.0 (Linux; Android 14; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) "
         b"Chrome/130.0.0.0 Mobile Safari/537.36\r\n")


class Progress:
    def __init__(self, what, total):
        self.what, self.total, self.began, self.shown = what, total, time.monotonic(), 0.0
        self(0)

    def __call__(self, done):
        now = time.monotonic()
        if now - self.shown < (0.2 if sys.stderr.isatty() else 10) and done < self.total:
            return
        self.shown = now
        filled = BAR_CHARS * done // max(1, self.total)
        rate = done / max(1e-9, now - self.began)
        is_last = done >= self.total or not sys.stderr.isatty()
        sys.stderr.write("\r%-10s [%s%s] %d of %d, %d a second %s" % (
            self.what, "#" * filled, "." * (BAR_CHARS - filled), done, self.total, rate, "\n" if is_last else ""))
        sys.stderr.flush()


# The catalogue


def set_up(running, market):
    add_stores(running, market)
    sql = ["INSERT INTO wasl.affiliates (affiliate_id, name) SELECT n, 'affiliate ' || n FROM generate_series(1, %d) n;"
           % len(market.affiliates)]
    for store in market.stores:
        sql.append("UPDATE wasl.stores SET model = '%s', precedence = '%s', collect_on = '%s' WHERE store_id = %d;"
                   % (store.model, store.precedence, store.collect_on, store.id))
        for coupon in store.coupons:
            sql.append("SELECT FROM wasl.coupon_add(%d, '%s', %d);" % (store.id, coupon.code, coupon.affiliate))
    sql += product_rows(market)
    stack.psql(running.env["WASL_DATABASE_URL"], "BEGIN;\n" + "\n".join(sql) + "\nCOMMIT;\n", limit_s=300)
    ids = running.sql("SELECT store_id, external_id, product_id FROM wasl.products")
    by_name = {(int(store), name): int(number) for store, name, number in ids}
    for product in market.products:
        product.id = by_name[(product.store.id, product.external_id)]


def add_stores(running, market):
    progress = Progress("stores", len(market.stores))

    def add(store):
        terms = ["--rate", "%d.%02d%%" % divmod(store.rate_bp, 100), "--return-days", store.return_days]
        if store.fixed_minor is not None:
            terms += ["--fixed", money(store.fixed_minor)]
        made = running.ctl("store", "add", "--name", "Shop %d" % store.number, "--currency", "EGP",
                           "--url", "https://shop-%d.example/" % store.number, *terms)
        store.id, store.secret = made["store_id"], made["webhook_secret"]
    with concurrent.futures.ThreadPoolExecutor(SETUP_THREADS) as pool:
        for done, _ in enumerate(pool.map(add, market.stores), 1):
            progress(done)


def product_rows(market):
    values = ", ".join("(%d, '%s', 'https://shop-%d.example/p/%s')" % (
        p.store.id, p.external_id, p.store.number, p.external_id) for p in market.products)
    yield "INSERT INTO wasl.products (store_id, external_id, url) VALUES %s;" % values
    values = ", ".join("(%d, '%s', %d)" % (p.store.id, p.external_id, p.rate_bp)
                       for p in market.products if p.rate_bp is not None)
    yield ("INSERT INTO wasl.rules (store_id, level, product_id, rate_bp, valid_from) "
           "SELECT n.s, 'product', p.product_id, n.r, '-infinity' FROM (VALUES %s) n (s, x, r) "
           "JOIN wasl.products p ON p.store_id = n.s AND p.external_id = n.x;" % values)


def money(minor):
    return "%d.%02d" % divmod(minor, 100)


# Clicks


class Click(pump.Job):
    def __init__(self, order, place, path, host):
        self.order, self.place, self.head = order, place, b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (
            path.encode(), host, PHONE)

    def request(self):
        return self.head

    def answer(self, status, headers, _body):
        assert status == 302, (status, headers)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(headers[b"location"].decode()).query)
        self.order.tokens[self.place] = query["wasl"][0]
        return True


def click_all(running, market):
    """Everybody's first click, then the second ones, then the third: so an order's clicks come in their order."""
    keys = shop.Shop.keys(ShopOf(running))
    host = urllib.parse.urlsplit(running.env["WASL_TRACKER_URL"]).netloc.encode()
    links, took, total = {}, 0.0, 0
    for order in market.orders:
        order.tokens = [None] * len(order.visits)
        if order.evidence == "broken":
            order.tokens = ["not-a-token", wasltokens.BASE62[:60]]
        if order.evidence == "stale":
            affiliate, product = order.visits[0]
            at_ms = int((time.time() - bazaar.WINDOW_S - bazaar.DAY_S) * 1000)
            order.tokens = [keys.mint_click(affiliate, product.id, at_ms, bazaar.WINDOW_S)]
    wait_for_catalogue(running, market, keys)
    for place in range(3):
        jobs = []
        for order in market.orders:
            if order.evidence == "stale" or len(order.visits) <= place:
                continue
            affiliate, product = order.visits[place]
            link = links.get((affiliate, product.id)) or keys.mint_link(affiliate, product.id)
            links[(affiliate, product.id)] = link
            jobs.append(Click(order, place, "/" + link, host))
        took += pump.pump(running.env["WASL_TRACKER_URL"], jobs, CONNECTIONS, Progress("clicks", len(jobs)))
        total += len(jobs)
        time.sleep(0.002)  # ids of one millisecond are in no order
    print("clicks     %d over HTTP, %d a second" % (total, total / took))


class ShopOf:
    """What shop.Shop.keys needs of a shop."""

    def __init__(self, running):
        self.stack = running


def wait_for_catalogue(running, market, keys):
    last = market.products[-1]
    path = "/" + keys.mint_link(market.affiliates[-1], last.id)

    def leads_there():
        location = running.tracker("GET", path, shop.PHONE).header("location") or ""
        return "/p/" + last.external_id in location
    stack.wait_until(leads_there, 60, "the tracker has the whole catalogue")


# Orders


class Webhook(pump.Job):
    def __init__(self, order, kind, at_s, data, host):
        self.order, self.kind = order, kind
        self.id = "msg_" + uuid.UUID(int=random.getrandbits(128)).hex
        self.body = json.dumps({"type": "order." + kind, "timestamp": shop.instant(at_s), "data": data}).encode()
        self.path, self.host = b"/v1/stores/%d/events" % order.store.id, host
        self.answers = []

    def request(self):
        headers = stack.webhook_headers(self.order.store.secret, self.id, None, self.body)
        lines = b"".join(b"%s: %s\r\n" % (name.encode(), value.encode()) for name, value in headers)
        return b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
            self.path, self.host, len(self.body), lines, self.body)

    def answer(self, status, _headers, body):
        if status in (429, 503):
            return False
        assert status in (200, 202), (status, body, self.body)
        self.answers.append(body)
        return True


def story(order):
    """(kind, seconds after it was placed, what the event says beside the order's id)."""
    goods = goods_of(order)
    yield "placed", 0, goods
    if order.fate == "placed":
        return
    yield "confirmed", 1, goods
    if order.fate == "cancelled":
        yield "cancelled", 2, {"reason": "customer_cancelled"}
        return
    if order.fate == "reinstated":
        yield "cancelled", 2, {"reason": "unreachable"}
        yield "reinstated", 3, {}
    yield "shipped", 4, {}
    if order.fate == "pending":
        return
    if order.fate == "refused":
        yield "refused", 5, {"reason": "refused_at_door"}
        return
    yield "delivered", 5, {}
    lines = [{"line_id": str(n), "collected_quantity": line.collected} for n, line in enumerate(order.lines, 1)]
    yield "collected", 6, {"lines": lines} if order.fate == "partial" else {}
    if order.fate == "returned":
        yield "returned", 7, {"reason": "defective"}
    for number, line in enumerate(order.lines, 1):
        if line.refunded:
            yield "refunded", 7, {"lines": [{"line_id": str(number), "refunded_quantity": line.refunded}]}


def goods_of(order):
    lines = [{"line_id": str(n), "product_id": line.product.external_id, "quantity": line.quantity,
              "unit_price": money(line.unit_minor), "discount": money(line.discount_minor)}
             for n, line in enumerate(order.lines, 1)]
    goods = {"currency": "EGP", "payment": "cod", "lines": lines, "discount": money(order.discount_minor),
             "shipping": "50.00", "clicks": order.tokens,
             "customer": {"phone_sha256": "%064x" % (order.customer * 2654435761 % 2 ** 256)}}
    if order.store.is_inclusive:
        goods.update(prices_include_tax=True, tax_rate="14%")
    if order.coupon:
        goods["coupons"] = [order.coupon.code.lower()]
    if order.is_test:
        goods["test"] = True
    return goods


def webhooks(running, market, rng):
    """In the order in which they are sent: each order's events some way apart, some late, some twice, some upside
    down."""
    placed_s = time.time()
    host = urllib.parse.urlsplit(running.env["WASL_ATTRIBUTOR_URL"]).netloc.encode()
    sent = []
    for number, order in enumerate(market.orders):
        placed = {"placed_at": shop.instant(placed_s)}
        events = [Webhook(order, kind, placed_s + after_s,
                          {"order_id": order.order_id, **data, **(placed if kind in ("placed", "confirmed") else {})},
                          host) for kind, after_s, data in story(order)]
        if rng.random() < SHUFFLED_SHARE:
            rng.shuffle(events)
        for place, event in enumerate(events):
            rank = number + place * SPACING + rng.random()
            if rng.random() < LATE_SHARE:
                rank += rng.randrange(LATE_RANKS)
            sent.append((rank, event))
            if rng.random() < REPEAT_SHARE:
                sent.append((rank + rng.randrange(LATE_RANKS), event))
    sent.sort(key=lambda pair: pair[0])
    return [event for _, event in sent]


def send_all(running, market, rng):
    events = webhooks(running, market, rng)
    random.seed(rng.random())
    took = pump.pump(running.env["WASL_ATTRIBUTOR_URL"], events, CONNECTIONS, Progress("webhooks", len(events)))
    stack.wait_until(lambda: running.metric("attributor", "wasl_spool_records") == 0, TIMER_LIMIT_S,
                     "what was answered 202 is posted")
    repeated = 0
    for event in set(events):
        told = [json.loads(answer) for answer in event.answers]
        repeated += len(told) - 1
        whole = [answer for answer in told if "duplicate" in answer]
        assert sum(not answer["duplicate"] for answer in whole) <= 1, told
    print("webhooks   %d over HTTP, %d of them repeated, %d a second" % (len(events), repeated, len(events) / took))


# The reckoning


def lift_reviews(running):
    """An operator's work: a reinstatement that came after the cash had looked like a conflict until then."""
    reviews = running.sql("SELECT store_id, order_id, reason FROM wasl.reviews WHERE lifted_at IS NULL")
    for store, order, reason in reviews:
        assert reason == "conflict", (store, order, reason)
        running.ctl("review", "lift", "--store", store, order, "--reason", "the courier has been asked")
    print("reviews    %d opened by contradicting events, and lifted" % len(reviews))


def timers_done(running, market):
    ids = ",".join(str(store.id) for store in market.stores if store.return_days == 0) or "0"
    query = "SELECT count(*) FROM wasl.commissions WHERE state = 'held' AND store_id IN (%s)" % ids
    stack.wait_until(lambda: running.sql(query)[0][0] == "0", TIMER_LIMIT_S, "the return windows of no days end")


def reckon(running, market):
    """Prints the table; returns the faults."""
    faults, found, states = [], {}, {}
    rows = running.sql("SELECT store_id, order_id, affiliate_id, state, amount_minor FROM wasl.commissions")
    for store, order, affiliate, state, minor in rows:
        found.setdefault((int(store), order), {})[int(affiliate)] = (state, int(minor))
    for order in market.orders:
        must, is_there = bazaar.expected(order), found.pop((order.store.id, order.order_id), {})
        for state, minor in must.values():
            count, total = states.get(state, (0, 0))
            states[state] = (count + 1, total + minor)
        if must != is_there:
            faults.append("store %d order %s (%s, %s, %s): %s, not %s" % (
                order.store.id, order.order_id, order.fate, order.evidence, order.store.model, is_there, must))
    faults += ["store %d order %s: %s, not known" % (*key, rest) for key, rest in found.items()]
    print("\n%-26s %20s %20s" % ("", "Wasl", "reckoned"))
    show(faults, "orders", running.sql("SELECT count(*) FROM wasl.orders")[0][0], len(market.orders))
    show(faults, "gross", money(int(running.sql(
        "SELECT sum((l->>'unit_price_minor')::bigint * (l->>'quantity')::bigint) FROM wasl.events e, "
        "jsonb_array_elements(e.facts->'lines') l WHERE e.type = 'order.placed'")[0][0])), money(market.gross_minor))
    told = {state: (int(count), int(minor)) for state, count, minor in running.sql(
        "SELECT state, count(*), sum(amount_minor) FROM wasl.commissions GROUP BY 1")}
    for state in sorted(set(states) | set(told)):
        for at, name in enumerate(("commissions", "EGP")):
            pair = told.get(state, (0, 0))[at], states.get(state, (0, 0))[at]
            show(faults, "%s %s" % (state, name), *(pair if at == 0 else map(money, pair)))
    balances = running.sql("SELECT sum(pending), sum(held), sum(available) FROM finance.balances", role="finance")[0]
    for name, state, balance in zip(("pending", "held", "available"), ("pending", "held", "approved"), balances):
        show(faults, "balance " + name, balance, money(states.get(state, (0, 0))[1]))
    return faults


def show(faults, name, ours, theirs):
    print("%-26s %20s %20s%s" % (name, ours, theirs, "" if str(ours) == str(theirs) else "   <- differs"))
    if str(ours) != str(theirs):
        faults.append("%s: %s, not %s" % (name, ours, theirs))


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int(time.time())
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    began = datetime.datetime.now()
    print("market     seed %d, scale %g" % (seed, scale), flush=True)
    market = bazaar.Bazaar(seed, scale)
    with stack.Stack({"insecure-cookie": "on", "timer-interval": "1s", "click-deadline": "1s"}) as running:
        set_up(running, market)
        click_all(running, market)
        send_all(running, market, random.Random(seed + 1))
        lift_reviews(running)
        timers_done(running, market)
        faults = reckon(running, market)
        verified = running.waslctl("verify")
        if verified.rc != 0:
            faults += ["waslctl verify: " + line for line in (verified.out + verified.err).splitlines()[:20]]
    for fault in faults[:20]:
        print("FAULT " + fault)
    print("%s after %s: %d faults" % ("market differs" if faults else "market agrees",
                                      str(datetime.datetime.now() - began).partition(".")[0], len(faults)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
