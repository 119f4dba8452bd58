# SPDX-License-Identifier: Apache-2.0
"""Random orders as signed webhooks, in random orders of arrival, to two attributors: the rows are those of the reference
in exact fractions (tests/oracle), whichever event came first. WASL_TEST_SEED draws other ones; WASL_TEST_SECONDS of
them, instead of a bounded few."""

import collections
import concurrent.futures
import hashlib
import itertools
import os
import random
import sys
import threading
import time
import unittest

import stack
from shop import Attributor, Shop, insist, instant

sys.path.insert(0, str(stack.ROOT / "tests" / "oracle"))
from book import OrderBook, Room                                               # noqa: E402
from history import DIGITS, PRODUCTS, History, money_text          # noqa: E402
from facts import Affiliate, Catalogue, Coupon, Rule, Store                     # noqa: E402

SEED = os.environ.get("WASL_TEST_SEED") or str(time.time_ns())
SECONDS = float(os.environ.get("WASL_TEST_SECONDS") or 0)
ORDERS, ARRIVALS, SENDERS = 40, 4, 6
BUSY_ORDERS, BUSY_ARRIVALS, BUSY_SENDERS = 20, 3, 20
VERIFY_LIMIT_S = 120     # what a bounced transfer sets free is folded again a moment later
TELLER_TURNS, TELLER_LIMIT_S = 5, 180
PAUSE_MAX_S = 0.3        # between two events of an order, for timers and payouts to come in between
PAID_ROUNDS_MAX = 3
ROUND_ORDERS = 200       # of a long run, each round with a seed of its own
AGE_US = 2 * 3600 * 10**6
PHONE_NUMBER = "+201001234567"
RATE_BP = 750
WINDOW_DAYS = "45"       # nothing is released while arrivals are compared
SETTINGS = (             # model, precedence, collect_on, self-referral, currency
    ("last", "coupon_first", "collected", "block", "EGP"),
    ("first", "click_first", "delivered", "review", "JPY"),
    ("linear", "coupon_first", "collected", "allow", "KWD"),
    ("linear", "click_first", "collected", "block", "SAR"),
)
running = stack.Stack({"timer-interval": "100ms"})
other = None


def setUpModule():
    global other
    print("permutations: seed %s" % SEED, flush=True)
    running.start()
    other = Attributor(running, database_url=running.env["WASL_ATTRIBUTOR_DATABASE_URL"], timer_interval="100ms").wait_ready()


def tearDownModule():
    if other:
        other.kill()
    running.stop()


def tampered(query):
    """What nobody may do, done: past triggers and foreign keys."""
    running.sql("BEGIN; SET LOCAL session_replication_role = replica; %s; COMMIT" % query, "superuser")


def sql_text(value):
    return "NULL" if value in (None, "") else "'%s'" % value if isinstance(value, str) else str(value)


class RandomShop:
    """A store whose catalogue the reference knows: affiliates of long ago, rules, coupons."""

    numbers = itertools.count(1)

    def __init__(self, settings, return_days, foreign_product):
        model, precedence, collect_on, self_referral, currency = settings
        self.currency = currency
        host = "r%d.example" % next(self.numbers)
        self.shop = Shop(running, currency=currency, rate="7.5%", host=host, return_days=return_days)
        running.sql("UPDATE wasl.stores SET model = '%s', precedence = '%s', collect_on = '%s', self_referral = '%s' "
                    "WHERE store_id = %d" % (model, precedence, collect_on, self_referral, self.shop.id))
        self.store = Store(self.shop.id, model, precedence, self_referral, collect_on, int(return_days))
        self.catalogue = Catalogue(self.store)
        self.add_products(foreign_product)
        self.add_affiliates()
        self.catalogue.rules = [Rule(0, "store", rate_bp=RATE_BP)]
        self.add_rules()
        self.add_coupons()

    def add_products(self, foreign_product):
        self.catalogue.product_stores[foreign_product] = 0
        self.catalogue.products = {"SKU-1": (self.shop.product, None)}
        for external, (_, category) in PRODUCTS.items():
            if external != "SKU-1":
                (product,), = running.sql(
                    "INSERT INTO wasl.products (store_id, external_id, url, category) VALUES (%d, '%s', '%s/p', %s) "
                    "RETURNING product_id" % (self.shop.id, external, self.shop.url, sql_text(category)))
                self.catalogue.products[external] = (int(product), category)
        self.catalogue.product_stores.update((product, self.shop.id) for product, _ in self.catalogue.products.values())

    def add_affiliates(self):
        made = running.sql(
            "WITH made AS (INSERT INTO wasl.affiliates (name) SELECT 'منى' FROM generate_series(1, 4) RETURNING affiliate_id), "
            "known AS (INSERT INTO wasl.affiliate_status (affiliate_id, since, status) SELECT affiliate_id, now(), 'active' "
            "FROM made) SELECT affiliate_id FROM made ORDER BY 1")
        ids = [self.shop.affiliate] + [int(row[0]) for row in made]
        self.catalogue.affiliates = {number: Affiliate() for number in ids}
        self.catalogue.affiliates[ids[4]].standing = "suspended"
        self.catalogue.affiliates[ids[1]].phone = hashlib.sha256(PHONE_NUMBER.encode()).hexdigest()
        running.sql("UPDATE wasl.affiliates SET phone = '%s' WHERE affiliate_id = %d" % (PHONE_NUMBER, ids[1]))
        tampered("UPDATE wasl.affiliates SET created_at = now() - interval '9 days' WHERE affiliate_id >= {0};"
                 "UPDATE wasl.affiliate_status SET since = now() - interval '9 days' WHERE affiliate_id >= {0};"
                 "INSERT INTO wasl.affiliate_status (affiliate_id, since, status) VALUES ({1}, now() - interval '8 days', "
                 "'suspended')".format(min(ids), ids[4]))

    def add_rules(self):
        """One of each kind, so that lines fall to different ones."""
        first, second, third = list(self.catalogue.affiliates)[:3]
        products = {external: product for external, (product, _) in self.catalogue.products.items()}
        unit = 10 ** DIGITS[self.currency]
        rules = (Rule(0, "product", product=products["SKU-2"], unit=3 * unit, currency=self.currency),
                 Rule(0, "category", category="bags", rate_bp=1250, unit=unit, cap_line=40 * unit, currency=self.currency),
                 Rule(0, "affiliate", affiliate=second, rate_bp=333, order=5 * unit, cap_order=90 * unit,
                      currency=self.currency),
                 Rule(0, "affiliate_product", affiliate=third, product=products["SKU-1"], rate_bp=2000, priority=1),
                 Rule(0, "affiliate_product", affiliate=third, product=products["SKU-1"], rate_bp=100),
                 Rule(0, "affiliate_category", affiliate=first, category="shoes", rate_bp=900),
                 Rule(0, "store", rate_bp=5000, currency="USD", cap_line=1, priority=9))
        tampered(";".join(map(self.rule_sql, rules)))
        for number, rule in enumerate(rules, 2):
            rule.id = number
        self.catalogue.rules += rules

    def rule_sql(self, rule):
        values = (self.shop.id, rule.level, rule.affiliate or None, rule.product or None, rule.category, rule.rate_bp, rule.unit,
                  rule.order, rule.cap_line, rule.cap_order, rule.cap_period, rule.currency, rule.priority, "-infinity")
        return ("INSERT INTO wasl.rules (store_id, level, affiliate_id, product_id, category, rate_bp, fixed_unit_minor, "
                "fixed_order_minor, cap_line_minor, cap_order_minor, cap_period_minor, currency, priority, valid_from) "
                "VALUES (%s)" % ", ".join(map(sql_text, values)))

    def add_coupons(self):
        owners = list(self.catalogue.affiliates)
        codes = {"AHMEDSHOP": owners[0], "MONASHOP": owners[2], "SARASHOP": owners[4]}
        running.sql(";".join("SELECT wasl.coupon_add(%d, '%s', %d, is_forced => true)" % (self.shop.id, code, owner)
                             for code, owner in codes.items()))
        self.catalogue.coupons = {code: Coupon(number, owner) for number, (code, owner) in enumerate(codes.items(), 1)}
        tampered("UPDATE wasl.coupons SET valid_from = '-infinity', created_at = now() - interval '9 days' WHERE store_id = {0};"
                 "UPDATE wasl.coupon_status SET since = now() - interval '9 days' WHERE store_id = {0}".format(self.shop.id))

    def webhook(self, event, order_id):
        """An event as its storefront sends it."""
        digits = DIGITS[self.currency]
        data = {"order_id": order_id, "lines": [self.line(line, digits, bool(event.currency)) for line in event.lines] or None,
                "order_version": event.version, "placed_at": event.placed_us and instant(event.placed_us / 10**6),
                "currency": event.currency or None, "discount": money_text(event.discount, digits) if event.discount else None,
                "clicks": [self.token(click) for click in event.clicks] or None, "coupons": event.coupons or None,
                "customer": {"phone_sha256": event.customer} if event.customer else None,
                "prices_include_tax": event.inclusive if event.currency else None, "test": event.test or None}
        if event.refunded_amount is not None:
            data["refunded_amount"] = money_text(event.refunded_amount, digits)
        return {"type": event.kind, "timestamp": instant(event.at_us / 10**6),
                "data": {name: value for name, value in data.items() if value is not None}}

    def line(self, line, digits, has_terms):
        told = {"line_id": line.line_id}
        if has_terms:
            told.update(product_id=line.product, quantity=line.quantity, unit_price=money_text(line.unit, digits),
                        discount=money_text(line.discount, digits))
            if line.tax_bp is not None:
                told["tax_rate"] = "%d.%02d%%" % divmod(line.tax_bp, 100)
        for name, value in (("collected_quantity", line.collected), ("refunded_quantity", line.refunded)):
            told.update({name: value} if value is not None else {})
        if line.refunded_amount is not None:
            told["refunded_amount"] = money_text(line.refunded_amount, digits)
        return told

    def token(self, click):
        if click.result != "ok":
            return "rubbish"
        return self.shop.keys().mint_click(click.affiliate, click.product, click.ms, click.window_s,
                                           click_id=bytes.fromhex(click.click_id))


class Case(unittest.TestCase):
    """Sends, reads back, compares."""

    def setUp(self):
        self.rng = random.Random("%s %s" % (SEED, self.id()))
        self.numbers = itertools.count()

    def shops(self, return_days, chosen=SETTINGS):
        foreign = Shop(running, host="f%d.example" % time.monotonic_ns()).product
        return [RandomShop(settings, return_days, foreign) for settings in chosen]

    def draw(self, shops, calm=False):
        shop = self.rng.choice(shops)
        placed_us = (time.time_ns() // 1000 - AGE_US) // 10**6 * 10**6
        return shop, History(self.rng, calm=calm, placed_us=placed_us, shop=(shop.catalogue, shop.currency))

    def way(self, drawn, order_id, is_busy):
        """Its events in a random order; what is to be paid out soon and changed later begins with its collection."""
        rng, events = random.Random("%s %s" % (SEED, order_id)), list(drawn.events)
        rng.shuffle(events)
        if is_busy and rng.random() < 0.6:
            soon = drawn.events[:2]
            events.sort(key=lambda event: not any(event is one for one in soon))
        return events

    def arrive(self, order, events, pause_s=0):
        """Each event to one of the two, as a sender does: again after a 503, and for the answer after a 202."""
        shop, _, order_id, _ = order
        rng = random.Random("%s %s %d" % (SEED, order_id, len(events)))
        for event in events:
            webhook, name = shop.webhook(event, order_id), order_id + "-" + event.id
            answer = insist(lambda: self.send(rng, shop, webhook, name))
            self.assertEqual(answer.status, 200, (SEED, order_id, webhook, answer))
            time.sleep(rng.uniform(0, pause_s))

    def send(self, rng, shop, webhook, name):
        if rng.random() < 0.5:
            return other.send(shop.shop.store, webhook, name)
        return running.send_event(shop.shop.store, webhook, webhook_id=name)

    def arrivals(self, shops, count, ways, between=None):
        """{order id: (shop, drawn, how its events came)}. between: called when about half of all have come."""
        orders = []
        for _ in range(count):
            shop, drawn = self.draw(shops, between is not None)
            for number in range(ways):
                name = "%s-%d-%d" % (self.id().rpartition("_")[2], next(self.numbers), number)
                orders.append((shop, drawn, name, self.way(drawn, name, between is not None)))
        pause_s = PAUSE_MAX_S if between else 0
        half = lambda order: (len(order[3]) + 1) // 2 if between else len(order[3])
        with concurrent.futures.ThreadPoolExecutor(BUSY_SENDERS if between else SENDERS) as pool:
            list(pool.map(lambda order: self.arrive(order, order[3][:half(order)], pause_s), orders))
            if between:
                between()
            list(pool.map(lambda order: self.arrive(order, order[3][half(order):], pause_s), orders))
        return {name: (shop, drawn, [event.id for event in events]) for shop, drawn, name, events in orders}

    def check_rows(self, orders):
        ids = "('%s')" % "', '".join(orders)
        rows, states = collections.defaultdict(list), {}
        for order, *row in running.sql(
                "SELECT order_id, affiliate_id, kind, state, amount_minor, amount_confirmed_minor, wasl.to_us(CASE WHEN state = "
                "'held' THEN release_at END) FROM wasl.commissions WHERE state <> 'voided' AND order_id IN " + ids):
            rows[order].append(tuple(row))
        for order, state, is_waiting in running.sql("SELECT order_id, state, is_waiting FROM wasl.orders WHERE order_id IN " + ids):
            states[order] = (state, is_waiting == "t")
        differing = []
        for order, (shop, drawn, way) in orders.items():
            book = OrderBook(shop.catalogue, Room(drawn.room)).post(drawn.events)
            release = str(book.life.release_us)
            want = sorted((str(row.affiliate), row.kind, row.state, str(row.amount), str(row.confirmed),
                           release if row.state == "held" else "") for row in book.rows if row.state != "voided")
            want = (want, book.life.state, book.life.folded.is_waiting)
            differing += self.differs(order, orders, want, (sorted(rows[order]), *states[order]))
        self.tell(differing)

    def check_sums(self, orders):
        """With timers and payouts in between only what each affiliate has of the order is told."""
        ids = "('%s')" % "', '".join(orders)
        sums = collections.defaultdict(dict)
        for order, affiliate, amount in running.sql(
                "SELECT order_id, affiliate_id, sum(amount_minor) FROM wasl.commissions WHERE order_id IN %s "
                "GROUP BY 1, 2 HAVING sum(amount_minor) <> 0" % ids):
            sums[order][int(affiliate)] = int(amount)
        self.tell([text for order, (shop, drawn, _) in orders.items() for text in self.differs(
            order, orders, OrderBook(shop.catalogue, Room(drawn.room)).post(drawn.events).due(), sums[order])])

    def differs(self, order, orders, want, have):
        """[(how many events, what to tell)] where it does."""
        shop, drawn, way = orders[order]
        events = "\n".join(stack.json.dumps(shop.webhook(event, order)) for event in drawn.events)
        return [] if want == have else [(len(way), "seed %s order %s of a store %s came as %s\n%s\nreference %s\nservice   %s" % (
            SEED, order, shop.store, way, events, want, have))]

    def tell(self, differing):
        """The smallest of them."""
        if differing:
            self.fail("%d orders differ; one of them:\n%s" % (len(differing), min(differing)[1]))

    def check_verify(self):
        self.assertEqual(running.ctl("verify"), {"ok": True, "broken": []}, SEED)

    def rounds(self, count):
        """One bounded round, or as many as there is time for."""
        deadline = time.monotonic() + SECONDS
        yield count
        while time.monotonic() < deadline:
            yield ROUND_ORDERS


class Arrival(Case):
    def test_rows_and_states_are_those_of_the_reference(self):
        shops, total = self.shops(WINDOW_DAYS), 0
        for count in self.rounds(ORDERS):
            orders = self.arrivals(shops, count, ARRIVALS)
            self.check_rows(orders)
            self.check_verify()
            total += len(orders)
        print("permutations: %d orders arrived as the reference has it" % total)


class Teller(threading.Thread):
    """Somebody drafts, somebody else approves, and the bank pays, refuses or sends back; until it is told to stop."""

    def __init__(self, seed):
        super().__init__(daemon=True)
        self.rng, self.is_over, self.trouble = random.Random(seed), threading.Event(), None
        self.paid = self.turns = 0

    def run(self):
        while not self.is_over.wait(self.rng.uniform(0, 0.1)):
            try:
                self.turn()
                self.turns += 1
            except AssertionError as err:
                self.trouble = err
                return

    def turn(self):
        running.sql("SELECT count(*) FROM wasl.payout_draft()")
        drafts = [row[0] for row in running.sql("SELECT payout_id FROM wasl.payouts WHERE state = 'draft'")]
        self.each("cashier", "wasl.payout_approve(%s)", drafts)
        if self.rng.random() < 0.7:
            running.sql("SELECT count(*) FROM wasl.payout_execute()")
        for reference, state in running.sql("SELECT reference, state FROM wasl.payouts WHERE state = 'executed' OR (state = 'paid' "
                                            "AND random() < 0.1)"):
            result = "bounced" if state == "paid" else self.rng.choice(("paid", "paid", "failed"))
            self.each("owner", "wasl.payout_import('%%s', '%s')" % result, [reference])
            self.paid += result == "paid"

    def each(self, role, call, names):
        """What has changed meanwhile is refused; that is what a draft is for."""
        for name in names:
            running.sql("DO $$ BEGIN PERFORM %s; EXCEPTION WHEN check_violation THEN NULL; END $$" % (call % name), role)

    def await_turns(self):
        """Until what came so far had its chance to be paid."""
        enough = self.turns + TELLER_TURNS
        stack.wait_until(lambda: self.turns >= enough or not self.is_alive(), TELLER_LIMIT_S, "turns of the teller")

    def stop(self):
        self.is_over.set()
        self.join(stack.WAIT_LIMIT_S)
        if self.trouble:
            raise self.trouble


class Busy(Case):
    def test_sums_are_those_of_the_reference_with_timers_and_payouts_in_between(self):
        shops, total, teller = self.shops("0", SETTINGS[::2]), 0, Teller(SEED)
        running.sql("UPDATE wasl.affiliates SET payout_method = 'bank', payout_account = 'EG1'")
        teller.start()
        try:
            for count in itertools.chain(self.rounds(BUSY_ORDERS), self.until_paid(teller)):
                orders = self.arrivals(shops, count, BUSY_ARRIVALS, teller.await_turns)
                self.check_sums(orders)
                stack.wait_until(lambda: running.waslctl("verify").rc == 0 or not teller.is_alive(), VERIFY_LIMIT_S, "a clean verify")
                total += len(orders)
        finally:
            teller.stop()
        stack.wait_until(lambda: running.waslctl("verify").rc == 0, VERIFY_LIMIT_S, "a clean verify")
        self.check_verify()
        states = running.sql("SELECT kind, state, count(*) FROM wasl.commissions GROUP BY 1, 2 ORDER BY 1, 2")
        print("permutations: %d orders under timers and %d payouts; rows: %s" % (total, teller.paid, "; ".join(
            " ".join(row) for row in states)))
        self.assertGreater(teller.paid, 0)

    def until_paid(self, teller):
        """On a busy machine nothing may have been paid yet."""
        for _ in range(PAID_ROUNDS_MAX):
            if not teller.paid:
                yield BUSY_ORDERS


if __name__ == "__main__":
    unittest.main()
