# SPDX-License-Identifier: Apache-2.0
"""The marketplace, made up from a seed: stores, products, people, orders with all that happens to them; and what each
order must come to, reckoned here in whole piastres, by rules written down once more.

The size is the real one: 1,475 stores, 6,591 products, 35,171 users, 65,456 orders of goods worth 59,500,536.00 EGP.
With a scale below 1 everything shrinks alike."""

import random

STORES, PRODUCTS, USERS, ORDERS = 1475, 6591, 35171, 65456
GROSS_MINOR = 5_950_053_600
AFFILIATE_SHARE = 0.9  # of the users
TAX_BP = 1400
BP = 10000
DAY_S = 86400
WINDOW_S = 30 * DAY_S

# What becomes of an order, in hundredths: most are cash on delivery, and a good part of them comes back.
FATES = (("collected", 60), ("partial", 4), ("refused", 17), ("cancelled", 7), ("returned", 3), ("refunded", 3),
         ("reinstated", 1), ("pending", 4), ("placed", 1))
EVIDENCE = (("clicks", 74), ("coupon", 9), ("both", 6), ("stale", 2), ("stranger", 1), ("broken", 1), ("none", 7))


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


class Order:
    """visits: (affiliate, product) of real clicks in time order. tokens: what they brought, filled in by the replay."""

    def __init__(self, rng, number, store):
        self.number, self.store = number, store
        self.order_id = "%d-%d" % (10000 + number, rng.randrange(10 ** 9))
        self.fate, self.evidence = pick(rng, FATES), pick(rng, EVIDENCE)
        if self.fate == "returned" and store.return_days == 0:
            self.fate = "refused"  # whether it was approved before it came back would be the timer's luck
        count = min(len(store.products), rng.choice((1, 1, 1, 2, 3)))
        self.lines = [Line(product, rng.choice((1, 1, 1, 2, 3))) for product in rng.sample(store.products, count)]
        self.discount_minor = 0
        self.visits, self.coupon, self.tokens, self.stranger = [], None, [], None
        self.is_test = rng.random() < 0.002
        self.customer = rng.randrange(10 ** 12)


class Bazaar:
    def __init__(self, seed, scale=1.0):
        rng = self.rng = random.Random(seed)

        def scaled(count):
            return max(3, round(count * scale))
        self.stores = [Store(rng, n) for n in range(1, scaled(STORES) + 1)]
        self.affiliates = list(range(1, int(scaled(USERS) * AFFILIATE_SHARE) + 1))
        for number in range(1, scaled(PRODUCTS) + 1):
            at = number - 1 if number <= len(self.stores) else self._popular(len(self.stores))
            Product(rng, self.stores[at], number)
        self.products = [product for store in self.stores for product in store.products]
        for number, store in enumerate(self.stores):
            if rng.random() < 0.4:
                Coupon(store, number, self._affiliate())
        self.orders = [Order(rng, n, self.stores[self._popular(len(self.stores))]) for n in range(scaled(ORDERS))]
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

    def _trace(self, order):
        rng, kind = self.rng, order.evidence
        if kind in ("coupon", "both"):
            if order.store.coupons:
                order.coupon = rng.choice(order.store.coupons)
            else:
                kind = order.evidence = "clicks"
        if kind in ("clicks", "both", "stale"):
            count = 1 if kind == "stale" else rng.choice((1, 1, 1, 2, 3))
            order.visits = [(self._affiliate(), rng.choice(order.store.products)) for _ in range(count)]
        if kind == "stranger":
            order.visits = [(self._affiliate(), rng.choice(self.products))]

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
    visits = [visit for visit in order.visits if visit[1].store is order.store]
    if order.evidence == "stale" or order.is_test:
        visits = []
    coupon = order.coupon if not order.is_test else None
    if coupon and (order.store.precedence == "coupon_first" or not visits):
        return [coupon.affiliate]
    if not visits:
        return []
    if order.store.model == "first":
        return [visits[0][0]]
    if order.store.model == "last":
        return [visits[-1][0]]
    latest_first = []
    for affiliate, _ in reversed(visits):
        if affiliate not in latest_first:
            latest_first.append(affiliate)
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
    """Of its commissions, once every event is in and no window is open that the timer has not ended."""
    fate = order.fate
    if fate in ("refused", "cancelled", "returned"):
        return "voided"
    if fate == "pending":
        return "pending"
    return "approved" if order.store.return_days == 0 else "held"


def expected(order):
    """{affiliate: (state, minor)}; empty for an order that leaves no commission."""
    who = winners(order)
    if not who or order.fate == "placed":
        return {}
    state = state_of(order)
    full = 0 if state == "voided" else full_minor(order)
    return {affiliate: (state, full // len(who) + (1 if place < full % len(who) else 0))
            for place, affiliate in enumerate(who)}
