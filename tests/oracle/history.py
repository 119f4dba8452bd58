# SPDX-License-Identifier: Apache-2.0
"""Random orders: a catalogue and up to a dozen events of one order, drawn so that the rules meet each other often."""

import json

from facts import Affiliate, Catalogue, Click, Coupon, Event, Line, Rule, Store

PLACED_US = 1795248000 * 10**6
SECOND_US = 10**6
MINUTE_US = 60 * SECOND_US
DAY_US = 86400 * SECOND_US
DIGITS = {"EGP": 2, "SAR": 2, "KWD": 3, "JPY": 0}
OTHER_STORE = 8
PRODUCTS = {"SKU-1": (11, "shoes"), "SKU-2": (12, "shoes"), "SKU-3": (13, "bags"), "SKU-4": (14, None)}
STRANGE_SKU = "SKU-X"   # not in the catalogue
FOREIGN_PRODUCT = 19    # of another store
SUSPENDED, STRANGER = 6, 4000000000
PHONE = "5a" * 32       # as events keep it
EVENTS_MAX = 12
WEIGHTS = (("placed", 2), ("confirmed", 4), ("amended", 4), ("shipped", 2), ("delivered", 3), ("collected", 6),
           ("reinstated", 3), ("refunded", 4), ("returned", 4), ("refused", 2), ("cancelled", 2))
TERMS = ("placed", "confirmed", "amended")


class History:
    """rng: random.Random. calm: evidence that no late event can move, for runs in which timers and payouts come in
    between. shop: (catalogue, currency) of a real store, to which a webhook can say all this now."""

    def __init__(self, rng, calm=False, events_max=EVENTS_MAX, placed_us=PLACED_US, shop=None):
        catalogue, currency = shop or (None, None)
        self.rng, self.calm, self.placed_us, self.is_real = rng, calm, placed_us, shop is not None
        self.currency = currency or rng.choice(("EGP", "EGP", "KWD", "JPY", "SAR"))
        self.catalogue = catalogue or self.random_catalogue()
        self.owners = list(self.catalogue.affiliates)
        self.room = {(rule.id, affiliate): rule.cap_period for rule in self.catalogue.rules
                     if rule.cap_period is not None for affiliate in self.owners}
        self.inclusive = rng.random() < 0.35
        self.clicks = [self.random_click() for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4)))]
        if calm:
            self.clicks.append(self.sure_click())
        self.codes = [rng.choice(list(self.catalogue.coupons) + ["NOBODY99"]) for _ in range(rng.choice((0, 0, 0, 1, 2)))
                      ] if self.catalogue.coupons else []
        phones = [known.phone for known in self.catalogue.affiliates.values() if known.phone]
        self.customer = rng.choice(["", "77" * 32] + phones[:1] * 2)
        self.is_test = rng.random() < 0.03
        self.events = self.random_events(events_max)

    # The catalogue.

    def random_catalogue(self):
        rng = self.rng
        store = Store(7, rng.choice(("last", "last", "first", "linear", "linear")),
                      rng.choice(("coupon_first", "click_first")), rng.choice(("block", "block", "review", "allow")),
                      rng.choice(("collected", "collected", "delivered")), rng.choice((0, 1, 14, 14, 30)))
        affiliates = {number: Affiliate() for number in (1, 2, 3, 4)}
        affiliates[SUSPENDED] = Affiliate("suspended")
        if rng.random() < 0.4:
            affiliates[rng.choice((1, 2, 3))].phone = PHONE
        for affiliate in affiliates.values():
            if rng.random() < 0.15:
                affiliate.tier_bonus = rng.choice((1, 100, 250, 9990))
            elif rng.random() < 0.15:
                affiliate.tier_rate = rng.choice((0, 1200, 2000))
        stores = {product: 7 for product, _ in PRODUCTS.values()}
        catalogue = Catalogue(store, affiliates, dict(PRODUCTS), {**stores, FOREIGN_PRODUCT: OTHER_STORE})
        catalogue.rules = [self.random_rule(number) for number in range(2, 2 + rng.choice((0, 0, 1, 2, 3, 6)))]
        if rng.random() < 0.9:
            catalogue.rules.append(Rule(1, "store", rate_bp=rng.choice((1000, 750, 333, 1, 10000, rng.randrange(10001)))))
        if rng.random() < 0.5:
            for number, code in enumerate(("AHMED10", "MONA15", "SARA20", "AHMED77"), 1):
                held = rng.choice((None,) * 5 + ("coupon_expired", "coupon_exhausted", "coupon_suspended"))
                catalogue.coupons[code] = Coupon(100 + number, rng.choice((1, 2, 3, SUSPENDED)), held)
        return catalogue

    def random_rule(self, number):
        rng = self.rng
        level = rng.choice(("affiliate_product", "product", "affiliate_category", "category", "affiliate", "store",
                            "store", "affiliate"))
        rule = Rule(number, level, priority=rng.choice((0, 0, 0, 1, -1)))
        if level.startswith("affiliate"):
            rule.affiliate = rng.choice((1, 2, 3, 4))
        if level.endswith("product"):
            rule.product = rng.choice((11, 12, 13))
        if level.endswith("category"):
            rule.category = rng.choice(("shoes", "bags"))
        shape = rng.randrange(10)
        if shape < 7:
            rule.rate_bp = rng.choice((500, 1000, 1250, 333, rng.randrange(10001)))
        if shape >= 6:
            rule.unit = self.amount(3)
        if shape == 9 and level in ("affiliate", "store"):
            rule.order, rule.unit = self.amount(3), rng.choice((None, rule.unit))
        for cap in ("cap_line", "cap_order", "cap_period"):
            if rng.random() < 0.2:
                setattr(rule, cap, self.amount(3))
        if any(figure is not None for figure in (rule.unit, rule.order, rule.cap_line, rule.cap_order, rule.cap_period)):
            rule.currency = self.currency if rng.random() < 0.8 else rng.choice([c for c in DIGITS if c != self.currency])
        if rng.random() < 0.2:
            rule.from_us = self.placed_us + rng.choice((-DAY_US, -1, 0, 1))
        if rng.random() < 0.2:
            rule.to_us = max(rule.from_us, self.placed_us + rng.choice((-1, 0, 1, DAY_US)))
        return rule

    # Evidence.

    def random_click(self):
        rng = self.rng
        window_s = rng.choice((60, 86400, 30 * 86400))
        age_s = rng.choice((0, -299, -300, -301, window_s, window_s + 1, rng.randint(-400, window_s + 60),
                            rng.randint(0, window_s), rng.randint(0, window_s), rng.randint(0, window_s)))
        ms = self.placed_us // 1000 - age_s * 1000 + rng.choice((0, 0, 1, 500, 999))
        known = [number for number in self.owners if self.catalogue.affiliates[number].standing == "active"]
        suspended = [number for number in self.owners if number not in known]
        own = self.catalogue.store.id
        products = [product for product, store in self.catalogue.product_stores.items() if store == own]
        click = Click("%012x7%03x%016x" % (ms, rng.randrange(4), 2**63 + rng.randrange(2**20)), ms, window_s,
                      rng.choice(known * 3 + suspended + [STRANGER]), rng.choice(products))
        kind = rng.randrange(20)
        if kind == 0:
            click.product = next(product for product, store in self.catalogue.product_stores.items() if store != own)
        elif kind == 1:
            click.result = rng.choice(("revoked_key", "not_ours", "bad_length"))
        elif kind == 2 and not self.is_real:
            click.record = "mismatch"
        elif kind < 10 and not self.is_real:
            click.record = "agrees"
        return click

    def sure_click(self):
        ms = self.placed_us // 1000 - self.rng.randrange(86400) * 1000
        own = [product for product, store in self.catalogue.product_stores.items() if store == self.catalogue.store.id]
        active = [number for number in self.owners if self.catalogue.affiliates[number].standing == "active"]
        return Click("%012x7000%016x" % (ms, 2**63 + self.rng.randrange(2**20)), ms, 30 * 86400, self.rng.choice(active), own[0])

    # Events.

    def amount(self, figures=5):
        return self.rng.randrange(10 ** self.rng.randrange(1, figures + 2))

    def random_events(self, events_max):
        rng = self.rng
        count = rng.choice((1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7, 8, 10, events_max))
        kinds = ["confirmed"] if rng.random() < 0.95 else []
        kinds += ["collected"] if self.calm and rng.random() < 0.7 else []
        names, weights = zip(*WEIGHTS)
        kinds += rng.choices(names, weights, k=max(0, min(count, events_max) - len(kinds)))
        versions = rng.choice(("none",) * 6 + ("all", "all", "some"))
        span = rng.choice((3, 10, 60, 60 if self.is_real else 20000))
        return [self.random_event(kind, number, versions, span) for number, kind in enumerate(kinds)]

    def random_event(self, kind, number, versions, span):
        rng = self.rng
        at_us = self.placed_us + rng.randrange(span) * MINUTE_US
        event = Event("%s-%d" % (rng.choice("abcz"), number), "order." + kind, at_us,
                      at_us + (0 if self.is_real else rng.choice((0, 1, 5 * SECOND_US, DAY_US, -5 * MINUTE_US))))
        if versions == "all" or versions == "some" and rng.random() < 0.7:
            event.version = rng.randrange(1, 8)
        if kind in TERMS:
            event.currency = self.currency
            event.inclusive = self.inclusive if rng.random() < 0.9 else not self.inclusive
            event.lines = self.random_lines(event.inclusive)
            whole = sum(line.unit * line.quantity - line.discount for line in event.lines)
            event.discount = rng.choice((0, 0, 0, whole // 7, rng.randint(0, whole), whole))
        if kind in ("placed", "confirmed"):
            is_late = not self.calm and rng.random() < 0.1
            event.placed_us = self.placed_us + (rng.choice((-1, 1, 61 * SECOND_US, -DAY_US)) if is_late else 0)
        if kind == "collected" and rng.random() < 0.45:
            event.lines = [self.collected_line(line_id) for line_id in self.some_line_ids()]
        if kind in ("refunded", "returned"):
            self.give_back(event)
        self.give_evidence(event, kind)
        event.test = self.is_test and kind in ("placed", "confirmed")
        return event

    def random_lines(self, is_inclusive):
        rng = self.rng
        lines = []
        for number in range(1, 1 + rng.choice((1, 1, 2, 2, 3, 4))):
            quantity, unit = rng.choice((1, 1, 2, 3, 7, 100)), self.amount()
            whole = unit * quantity
            lines.append(Line(str(number), rng.choice(tuple(PRODUCTS) + (STRANGE_SKU,)), quantity, unit,
                              rng.choice((0, 0, 0, whole // 10, rng.randint(0, whole), whole)),
                              rng.choice((0, 500, 1400, 1500)) if is_inclusive else None))
        return lines

    def some_line_ids(self):
        return self.rng.sample(("1", "2", "3", "4"), self.rng.choice((1, 1, 2, 3)))

    def collected_line(self, line_id):
        return Line(line_id, collected=self.rng.choice((None, 0, 1, 1, 2, 3, 100)))

    def give_back(self, event):
        rng = self.rng
        shape = rng.randrange(10)
        if shape < 2:
            event.refunded_amount = self.amount(2 if self.calm else 5)
        elif shape < 9:
            for line_id in self.some_line_ids():
                line = Line(line_id)
                if rng.random() < 0.6:
                    line.refunded = rng.choice((0, 1, 1, 1, 2, 3, 7, 101)[:4 if self.calm else 8])
                if line.refunded is None or rng.random() < 0.3:
                    line.refunded_amount = self.amount(2 if self.calm else 5)
                event.lines.append(line)

    def give_evidence(self, event, kind):
        rng = self.rng
        if self.calm or rng.random() < 0.3:
            event.customer = self.customer
        chance = 1 if self.calm else 0.85 if kind in ("placed", "confirmed") else 0.1
        if rng.random() < chance and self.clicks:
            event.clicks = list(self.clicks) if self.calm else rng.sample(self.clicks, rng.randint(1, len(self.clicks)))
        if rng.random() < chance and self.codes:
            event.coupons = list(dict.fromkeys(self.codes))

    def acts(self, count):
        """What operators do about it, each after all that the storefront says at its time."""
        rng, acts = self.rng, []
        if not any(event.kind == "order.confirmed" for event in self.events):
            return []
        highest = max((event.version for event in self.events if event.version is not None), default=None)
        for number in range(count):
            kind = rng.choice(("reassign", "reassign", "void", "resolve", "adjust", "review"))
            at_us = self.placed_us + rng.randrange(60) * MINUTE_US
            act = Event("operator-%d" % number, "operator." + kind, at_us, at_us, highest)
            act.affiliate = rng.choice((1, 2, 3)) if kind in ("reassign", "void", "adjust") else 0
            act.amount = rng.choice((-1, 1)) * (1 + self.amount(3)) if kind == "adjust" else 0
            act.commission = 1 if kind in ("void", "adjust") else 0
            act.resolution = rng.choice(("collected", "out")) if kind == "resolve" else ""
            acts.append(act)
        return acts


# As text.


def money_text(minor, digits):
    return str(minor) if digits == 0 else "%d.%0*d" % (minor // 10**digits, digits, minor % 10**digits)


def put(target, **members):
    target.update((name, value) for name, value in members.items() if value is not None and value != "")


def facts(event, digits, order_id="o-1"):
    """An event as the database keeps it."""
    head = {"type": event.kind, "occurred_us": event.at_us, "received_us": event.received_us, "event_id": event.id,
            "order_id": order_id}
    put(head, order_version=event.version)
    if event.kind.startswith("operator."):
        put(head, actor="wasl", reason_text="because", resolution=event.resolution,
            affiliate_id=event.affiliate or None, commission_id=event.commission or None,
            amount_minor=event.amount if event.kind == "operator.adjust" else None)
        return json.dumps(head)
    put(head, placed_us=event.placed_us, currency=event.currency)
    head.update(prices_include_tax=event.inclusive, test=event.test,
                lines=[line_facts(line, digits) for line in event.lines], discount_minor=event.discount,
                clicks=[click_facts(click) for click in event.clicks],
                coupons=[{"code": code} for code in event.coupons])
    put(head, customer_phone=event.customer)
    if event.refunded_amount is not None:
        head["refunded_amount"] = money_text(event.refunded_amount, digits)
    return json.dumps(head)


def line_facts(line, digits):
    told = {"line_id": line.line_id, "unit_price_minor": line.unit, "discount_minor": line.discount}
    put(told, product_id=line.product, quantity=line.quantity or None, tax_bp=line.tax_bp,
        collected_quantity=line.collected, refunded_quantity=line.refunded)
    if line.refunded_amount is not None:
        told["refunded_amount"] = money_text(line.refunded_amount, digits)
    return told


def click_facts(click):
    told = {"result": click.result, "record": click.record}
    if click.result == "ok":
        text = click.click_id
        told.update(click_id="-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])), campaign_id=0, flags=0,
                    affiliate_id=click.affiliate, product_id=click.product, window_s=click.window_s)
    return told
