# SPDX-License-Identifier: Apache-2.0
"""The marketplace, made up from a seed: stores, products, people, orders with all that happens to them; and what each
order must come to, reckoned here in whole piastres, by rules written down once more.

The size is the real one: 1,475 stores, 6,591 products, 35,171 users, 65,456 orders of goods worth 59,500,536.00 EGP.
With a scale below 1 everything shrinks alike. What is drawn depends on seed and scale alone."""

import random

STORES, PRODUCTS, USERS, ORDERS = 1475, 6591, 35171, 65456
GROSS_MINOR = 5_950_053_600
AFFILIATE_SHARE = 0.9  # of the users; the others have accounts and buy
ACCOUNT_SHARE = 0.3    # of the orders are by those, again and again; the rest by people who leave a number once
TAX_BP = 1400
BP = 10000
HOUR_S, DAY_S = 3600, 86400

# What becomes of an order, in hundredths: most are cash on delivery, and a good part of them comes back. `late` is a
# return after the commission was approved; `partial` and `refunded` keep some of their pieces.
FATES = (("collected", 58), ("partial", 4), ("refused", 17), ("cancelled", 7), ("returned", 3), ("late", 2),
         ("refunded", 3), ("reinstated", 1), ("pending", 4), ("placed", 1))
# Who sent the buyer, in hundredths. `stale`: a click from before its window; `stranger`: for another shop; `broken`:
# tokens that are none. Where a shop has no coupon, clicks take its part.
EVIDENCE = (("clicks", 71), ("coupon", 11), ("both", 6), ("stale", 2), ("stranger", 1), ("broken", 1), ("none", 8))
VISITS = (1, 1, 1, 2, 3)  # clicks of one buyer
ASTRAY_SHARE = 0.05       # of those with several also saw another shop, which counts for nothing here
TEST_SHARE = 0.002
COUPON_SHARE = 0.7        # of the shops have one

# Days ago on which orders are placed, by what becomes of them. Whoever has it collected 21 days ago is past a return
# window of 14, and 12 days ago within it: with room on both sides for the days until the courier comes.
PLACED_DAYS = {"collected": (21, 12, 12), "partial": (21, 12, 12), "refunded": (21, 12, 12), "late": (21,),
               "returned": (12,), "reinstated": (12,), "refused": (21, 12, 12, 3), "cancelled": (21, 12, 3, 3),
               "pending": (3, 3, 0), "placed": (3, 0)}
# Days ago on which people click. Redis keeps a click for its window and three days: of the oldest ones, some are gone,
# and their tokens stand alone.
CLICK_DAYS = (32, 26, 21, 12, 3, 0)
STALE_DAYS = CLICK_DAYS[0]
WINDOW_DAYS = (30, 30, 30, 7)
CHECKOUT_S = (HOUR_S, 11 * HOUR_S)  # from the day's clicks to the order
STEP_HOURS = {21: (6, 20), 12: (6, 20), 3: (2, 6)}  # between two events of an order


def half_up(numerator, denominator):
    return (2 * numerator + denominator) // (2 * denominator)


def spread(total, weights):
    """By largest remainder, ties to the lower index."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in order[:total - sum(parts)]:
        parts[i] += 1
    return parts


def pick(rng, table):
    roll = rng.randrange(sum(weight for _, weight in table))
    for name, weight in table:
        roll -= weight
        if roll < 0:
            return name
    raise AssertionError("weights")


class Store:
    def __init__(self, rng, number):
        self.number = number
        self.rate_bp = rng.choice((300, 500, 750, 750, 1000, 1000, 1250, 1500))
        self.fixed_minor = rng.choice((None,) * 9 + (2000,))
        self.model = rng.choice(("last",) * 17 + ("first",) * 2 + ("linear",))
        self.precedence = rng.choice(("coupon_first",) * 9 + ("click_first",))
        self.is_inclusive = rng.random() < 0.3
        self.collect_on = rng.choice(("collected",) * 9 + ("delivered",))
        self.return_days = rng.choice((14, 14, 14, 0))
        self.window_days = rng.choice(WINDOW_DAYS)
        self.products, self.coupons = [], []
        self.id = self.secret = None  # told by the real thing


class Product:
    def __init__(self, rng, store, number):
        self.store, self.external_id = store, "SKU-%d" % number
        self.price_minor = rng.choice((1, 1, 2, 5)) * rng.randrange(5000, 60000)
        self.rate_bp = rng.choice((None,) * 4 + (600, 2000))
        self.id = None
        store.products.append(self)


class Coupon:
    def __init__(self, store, number, affiliate):
        self.store, self.code, self.affiliate = store, "RAFIQ-%05X-SOUQ" % (number * 7919 % 0xfffff), affiliate
        store.coupons.append(self)


class Line:
    def __init__(self, product, quantity):
        self.product, self.quantity = product, quantity
        self.unit_minor, self.discount_minor = product.price_minor, 0
        self.collected = self.refunded = None  # quantities

    def goods_minor(self):
        return self.unit_minor * self.quantity


class Visit:
    """A real click. days: how long ago."""

    def __init__(self, affiliate, product, days):
        self.affiliate, self.product, self.days = affiliate, product, days


class Order:
    """visits: in the order of time. tokens: what is sent along, those of the visits first filled in by the replay."""

    def __init__(self, rng, number, store, customer):
        self.number, self.store, self.customer = number, store, customer
        self.order_id = "%d-%d" % (10000 + number, rng.randrange(10 ** 9))
        self.fate, self.evidence = pick(rng, FATES), pick(rng, EVIDENCE)
        if store.return_days == 0 and self.fate in ("returned", "reinstated"):
            self.fate = "refused"  # whether it was approved before the last event came would be the timer's luck
        count = min(len(store.products), rng.choice((1, 1, 1, 2, 3)))
        self.lines = [Line(product, rng.choice((1, 1, 1, 2, 3))) for product in rng.sample(store.products, count)]
        self.discount_minor = 0
        self.visits, self.coupon, self.tokens = [], None, []
        self.is_test = rng.random() < TEST_SHARE
        self.days = 0 if self.evidence == "stale" else rng.choice(PLACED_DAYS[self.fate])
        self.placed_s = rng.randrange(*CHECKOUT_S) - self.days * DAY_S if self.days else 0
        self.step_s = rng.randrange(*(hours * HOUR_S for hours in STEP_HOURS[self.days])) if self.days else 1

    def counts(self, visit):
        """Whether a click is one of this shop, and in its window."""
        return visit.product.store is self.store and visit.days - self.days < self.store.window_days


class Bazaar:
    def __init__(self, seed, scale=1.0):
        rng = self.rng = random.Random(seed)

        def scaled(count):
            return max(3, round(count * scale))
        self.stores = [Store(rng, n) for n in range(1, scaled(STORES) + 1)]
        self.affiliates = range(1, int(scaled(USERS) * AFFILIATE_SHARE) + 1)
        self.buyers = range(len(self.affiliates) + 1, scaled(USERS) + 1)
        for number in range(1, scaled(PRODUCTS) + 1):
            at = number - 1 if number <= len(self.stores) else self._popular(len(self.stores))
            Product(rng, self.stores[at], number)
        self.products = [product for store in self.stores for product in store.products]
        for number, store in enumerate(self.stores):
            if rng.random() < COUPON_SHARE:
                Coupon(store, number, self._affiliate())
        self.orders = [Order(rng, n, self.stores[self._popular(len(self.stores))], self._customer())
                       for n in range(scaled(ORDERS))]
        for order in self.orders:
            self._trace(order)
        self.gross_minor = GROSS_MINOR if scale == 1.0 else round(GROSS_MINOR * scale)
        self._make_gross()
        for order in self.orders:
            self._adorn(order)

    def _popular(self, count):
        """An index; low ones are far likelier, as shops and affiliates are in life."""
        return min(count - 1, int(count * self.rng.random() ** 2.5))

    def _affiliate(self):
        return self.affiliates[self._popular(len(self.affiliates))]

    def _customer(self):
        if self.rng.random() < ACCOUNT_SHARE:
            return self.rng.choice(self.buyers)
        return len(self.affiliates) + len(self.buyers) + self.rng.randrange(10 ** 9)

    def _trace(self, order):
        rng = self.rng
        if order.evidence in ("coupon", "both"):
            if order.store.coupons:
                order.coupon = rng.choice(order.store.coupons)
            else:
                order.evidence = "clicks"
        if order.evidence in ("clicks", "both"):
            days = [d for d in CLICK_DAYS[1:] if d >= order.days]
            count = rng.choice(VISITS)
            order.visits = [self._visit(order.store.products, rng.choice(days[-2:])) for _ in range(count)]
            if count > 1 and rng.random() < ASTRAY_SHARE:
                order.visits.append(self._visit(self.products, order.days))
            if rng.random() < 0.1:
                order.visits.append(self._visit(order.store.products, days[0]))
            order.visits.sort(key=lambda visit: -visit.days)
        if order.evidence == "stale":
            order.visits = [self._visit(order.store.products, STALE_DAYS)]
        if order.evidence == "stranger":
            order.visits = [self._visit(self.products, order.days)]
        order.tokens = ["(click %d)" % n for n in range(len(order.visits))]
        if order.evidence == "broken":
            order.tokens = ["not-a-token", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[:60]]

    def _visit(self, products, days):
        return Visit(self._affiliate(), self.rng.choice(products), days)

    def _make_gross(self):
        """Prices are drawn to their sum: scaled, and what is left over laid on lines of one piece, a piastre each."""
        drawn = sum(line.goods_minor() for order in self.orders for line in order.lines)
        for order in self.orders:
            for line in order.lines:
                line.unit_minor = max(100, line.unit_minor * self.gross_minor // drawn)
        singles = [line for order in self.orders for line in order.lines if line.quantity == 1]
        rest = self.gross_minor - self.goods_minor()
        each, more = divmod(rest, len(singles))
        for number, line in enumerate(singles):
            line.unit_minor += each + (1 if number < more else 0)
        assert self.goods_minor() == self.gross_minor and all(line.unit_minor > 0 for line in singles)

    def _adorn(self, order):
        """Discounts, and which pieces of an order stay behind or come back."""
        rng = self.rng
        if rng.random() < 0.1:
            line = rng.choice(order.lines)
            line.discount_minor = line.goods_minor() * rng.choice((5, 10, 15)) // 100
        if rng.random() < 0.1:
            order.discount_minor = sum(line.goods_minor() - line.discount_minor for line in order.lines) // 20
        if order.fate == "partial":
            for line in order.lines:
                line.collected = rng.randrange(line.quantity + 1)
            if not any(line.collected for line in order.lines):
                order.lines[0].collected = 1
        if order.fate == "refunded":
            line = rng.choice(order.lines)
            line.refunded = rng.randrange(1, line.quantity + 1)
            if len(order.lines) == 1 and line.refunded == line.quantity:
                line.refunded -= 1  # something always stays: else it is a return

    def goods_minor(self):
        return sum(line.goods_minor() for order in self.orders for line in order.lines)


# What an order must come to.


def winners(order):
    """Affiliates, in the order in which a linear split counts them; empty: nobody."""
    if order.is_test:
        return []
    visits = [visit for visit in order.visits if order.counts(visit)]
    if order.coupon and (order.store.precedence == "coupon_first" or not visits):
        return [order.coupon.affiliate]
    if not visits:
        return []
    if order.store.model == "first":
        return [visits[0].affiliate]
    if order.store.model == "last":
        return [visits[-1].affiliate]
    latest_first = []
    for visit in reversed(visits):
        if visit.affiliate not in latest_first:
            latest_first.append(visit.affiliate)
    return latest_first


def full_minor(order):
    """What one affiliate alone would earn: none has terms of its own here."""
    store, total = order.store, 0
    goods = [line.goods_minor() - line.discount_minor for line in order.lines]
    parts = spread(order.discount_minor, goods)
    for line, discounted in zip(order.lines, (a - b for a, b in zip(goods, parts))):
        gone = 0
        if order.fate == "partial":
            gone = line.quantity - line.collected
        if line.refunded:
            gone = line.refunded
        left = discounted - min(discounted, half_up(discounted * gone, line.quantity))
        if store.is_inclusive:
            left = half_up(left * BP, BP + TAX_BP)
        if line.product.rate_bp is not None:
            total += half_up(left * line.product.rate_bp, BP)
        else:
            total += half_up(left * store.rate_bp, BP)
            if store.fixed_minor is not None:
                total += min(left, store.fixed_minor * (line.quantity - gone))
    return total


def state_of(order):
    """Of its commissions, once every event is in and the timer has ended every return window that is over."""
    if order.fate in ("refused", "cancelled", "returned"):
        return "voided"
    if order.fate == "late":
        return "reversed"
    if order.fate == "pending":
        return "pending"
    return "approved" if order.store.return_days == 0 or order.days > order.store.return_days else "held"


def expected(order):
    """{affiliate: (state, minor)}; empty for an order that leaves no commission."""
    who = winners(order)
    if not who or order.fate == "placed":
        return {}
    state = state_of(order)
    full = 0 if state in ("voided", "reversed") else full_minor(order)
    return {affiliate: (state, full // len(who) + (1 if place < full % len(who) else 0))
            for place, affiliate in enumerate(who)}
